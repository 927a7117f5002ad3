"""`rapport account replace-contact | add-contact | remove-contact | erase-contact | hand-over`: people come and go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel

from rapport.model.reading import check
from rapport.rules.wording import amount
from rapport.storage.erasure import Erased
from starters.cli.common import As, Data, Json, acting, out, print_json, with_office
from starters.services import Actor, Services
from starters.use_cases import succession
from starters.use_cases.succession import Departure, HandOver, Newcomer, SuccessionResult, Successor

M = TypeVar("M", bound=BaseModel)

Reason = Annotated[str, typer.Option("--reason", help="Why; it stands on the timeline.")]
Persona = Annotated[str, typer.Option("--persona", help="Such as primary_champion.")]
PersonName = Annotated[str, typer.Option("--name", help="Their name, as mails greet them.")]
Email = Annotated[str, typer.Option("--email", help="Their address.", metavar="EMAIL")]
Title = Annotated[str | None, typer.Option("--title", help="What they are.")]
Country = Annotated[str | None, typer.Option("--country", help="Whose holidays they have, such as CH.")]
Subdivision = Annotated[str | None, typer.Option("--subdivision", help="A part of the country, such as ZH.")]
Start = Annotated[str | None, typer.Option("--from-hour", help="When their day begins, such as 08:30.")]
End = Annotated[str | None, typer.Option("--to-hour", help="When it ends, such as 17:30.")]


def add_to(app: typer.Typer) -> None:
    """Put these commands beside the others of `rapport account`."""
    app.command("replace-contact")(replace_contact)
    app.command("add-contact")(add_contact)
    app.command("remove-contact")(remove_contact)
    app.command("erase-contact")(erase_contact)
    app.command("hand-over")(hand_over)


def replace_contact(
    account: str,
    persona: Persona,
    name: PersonName,
    email: Email,
    reason: Reason,
    former: Annotated[
        str | None, typer.Option("--former", help="Whom they follow, where several have the persona.", metavar="EMAIL")
    ] = None,
    title: Title = None,
    zone: Annotated[str | None, typer.Option("--zone", help="Their zone; without it, that of the former.")] = None,
    country: Country = None,
    subdivision: Subdivision = None,
    from_hour: Start = None,
    to_hour: End = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Have somebody follow a contact: pending mails, votes and invitations go to them. Safe to repeat."""
    given = _given(
        persona=persona,
        name=name,
        email=email,
        former=former,
        title=title,
        zone=zone,
        country=country,
        subdivision=subdivision,
        hours=_hours(from_hour, to_hour),
        reason=reason,
    )
    _do(Successor, given, account, succession.replace_contact, as_, data, json=json)


def add_contact(
    account: str,
    persona: Persona,
    name: PersonName,
    email: Email,
    zone: Annotated[str, typer.Option("--zone", help="Their zone, such as Europe/Zurich.")],
    reason: Reason,
    title: Title = None,
    country: Country = None,
    subdivision: Subdivision = None,
    from_hour: Start = None,
    to_hour: End = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Add a contact; what was held because nobody had their persona goes on. Safe to repeat."""
    given = _given(
        persona=persona,
        name=name,
        email=email,
        title=title,
        zone=zone,
        country=country,
        subdivision=subdivision,
        hours=_hours(from_hour, to_hour),
        reason=reason,
    )
    _do(Newcomer, given, account, succession.add_contact, as_, data, json=json)


def remove_contact(
    account: str,
    contact: Annotated[str, typer.Argument(help="Their address.", metavar="EMAIL")],
    reason: Reason,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Note that somebody is no contact any more, without a successor. Safe to repeat."""

    async def work(services: Services, account: str, departure: Departure, actor: Actor) -> SuccessionResult:
        return await succession.remove_contact(services, account, contact, departure, actor)

    _do(Departure, {"reason": reason}, account, work, as_, data, json=json)


def erase_contact(
    account: str,
    contact: Annotated[str, typer.Argument(help="Their address.", metavar="EMAIL")],
    reason: Reason,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Erase a contact from everything on record, for good; one who is still there leaves with it."""

    async def work(services: Services) -> Erased:
        return await succession.erase_contact(services, account, contact, acting(services, as_), reason)

    erased = with_office(data, work, as_json=json)
    if json:
        print_json(erased)
        return
    texts = f"{amount(erased.messages, 'email')}, {amount(erased.texts, 'text')}"
    records = amount(erased.records, "other record")
    out.print(f"[green]✓[/green] Erased: {texts} and {records} named them. The audit chain is whole.")


def hand_over(
    account: str,
    to: Annotated[str, typer.Option("--to", help="The member who takes over.", metavar="EMAIL")],
    reason: Reason,
    until: Annotated[
        str | None, typer.Option("--until", help="The last day, such as 2026-12-24; without it, for good.")
    ] = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Have another TAM serve an account, for a while or for good. Safe to repeat."""
    given = _given(to=to, until=until, reason=reason)
    _do(HandOver, given, account, succession.hand_over, as_, data, json=json)


def _do(
    model: type[M],
    given: dict[str, Any],
    account: str,
    use_case: Callable[[Services, str, M, Actor], Awaitable[SuccessionResult]],
    as_: str | None,
    data: Any,
    *,
    json: bool,
) -> None:
    async def work(services: Services) -> SuccessionResult:
        return await use_case(services, account, check(model, given, ""), acting(services, as_))

    change = with_office(data, work, as_json=json)
    if json:
        print_json(change)
        return
    out.print(f"[green]✓[/green] {change.what}" if change.changed else f"{change.what}; nothing changed")
    if change.account.vacant:
        out.print(f"[yellow]Held[/yellow] until somebody is named: {', '.join(change.account.vacant)}")


def _given(**values: Any) -> dict[str, Any]:
    """What was said; what was left out is left to the model."""
    return {name: value for name, value in values.items() if value is not None}


def _hours(start: str | None, end: str | None) -> dict[str, str] | None:
    return _given(start=start, end=end) or None
