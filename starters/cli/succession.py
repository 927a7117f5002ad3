"""`rapport account replace-contact | add-contact | remove-contact | erase-contact | hand-over`: people come and go."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import typer

from rapport.model.base import UserError
from rapport.model.reading import check
from rapport.rules.wording import amount, listed
from rapport.storage.account_erasure import AccountErased
from rapport.storage.erasure import Erased
from starters.cli.common import command, given, out, when
from starters.services import Actor, Services
from starters.use_cases import account_erasure, succession
from starters.use_cases.account import AccountShown
from starters.use_cases.account_erasure import ErasureAsked, ErasureWithdrawn, ErasureWritten
from starters.use_cases.succession import Departure, HandOver, Newcomer, SuccessionResult, Successor

app = typer.Typer()

Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded on the timeline.")]
Email = Annotated[str, typer.Argument(help="Their address.", metavar="EMAIL")]


class NewPerson(NamedTuple):
    """Who somebody is, whichever way they come."""

    name: Annotated[str, typer.Option("--name", help="Their name, as mails greet them.")]
    email: Annotated[str, typer.Option("--email", help="Their address.", metavar="EMAIL")]
    reason: Reason


class PersonDetails(NamedTuple):
    """What else is known of somebody."""

    title: Annotated[str | None, typer.Option("--title", help="What they are.")] = None
    country: Annotated[str | None, typer.Option("--country", help="Whose holidays they have, such as CH.")] = None
    subdivision: Annotated[str | None, typer.Option("--subdivision", help="A part of the country, such as ZH.")] = None
    from_hour: Annotated[str | None, typer.Option("--from-hour", help="When their day begins, such as 08:30.")] = None
    to_hour: Annotated[str | None, typer.Option("--to-hour", help="When it ends, such as 17:30.")] = None


def _person(named: NewPerson, known: PersonDetails, **more: str | list[str] | None) -> dict[str, Any]:
    """What was said of somebody, as the models of newcomers have it."""
    said = named._asdict() | known._asdict() | more
    hours = given(start=said.pop("from_hour"), end=said.pop("to_hour"))
    return given(**said, hours=hours or None)


def print_vacant(shown: AccountShown) -> None:
    """Which roles nobody has any more."""
    if shown.vacant:
        vacant = ", ".join(shown.vacant)
        out.print(f"[yellow]Vacant:[/yellow] {vacant}. Steps that can't do without one are on hold.")


def _print(change: SuccessionResult) -> None:
    out.print(f"[green]✓[/green] {change.what}" if change.changed else f"{change.what}; nothing changed")
    print_vacant(change.account)


def _print_erased(erased: Erased) -> str:
    texts = f"{amount(erased.messages, 'email')}, {amount(erased.texts, 'text')}"
    records = amount(erased.records, "other record")
    return f"[green]✓[/green] Erased: {texts} and {records} named them. The audit chain is whole."


@command(app, "replace-contact", show=_print)
async def replace_contact(
    services: Services,
    actor: Actor,
    account: str,
    persona: Annotated[str, typer.Option("--persona", help="Such as primary_champion.")],
    named: NewPerson,
    known: PersonDetails,
    former: Annotated[
        str | None, typer.Option("--former", help="Whom they follow, where several have the persona.", metavar="EMAIL")
    ] = None,
    zone: Annotated[str | None, typer.Option("--zone", help="Their zone; without it, that of the former.")] = None,
) -> SuccessionResult:
    """Have somebody follow a contact: pending mails, votes and invitations go to them. Safe to repeat."""
    said = check(Successor, _person(named, known, persona=persona, former=former, zone=zone), "")
    return await succession.replace_contact(services, account, said, actor)


@command(app, "add-contact", show=_print)
async def add_contact(
    services: Services,
    actor: Actor,
    account: str,
    persona: Annotated[list[str], typer.Option("--persona", help="Such as primary_champion; several, each by itself.")],
    named: NewPerson,
    zone: Annotated[str, typer.Option("--zone", help="Their zone, such as Europe/Zurich.")],
    known: PersonDetails,
) -> SuccessionResult:
    """Add a contact, or a persona to one; what was held because nobody had it goes on. Safe to repeat."""
    said = check(Newcomer, _person(named, known, personas=persona, zone=zone), "")
    return await succession.add_contact(services, account, said, actor)


@command(app, "remove-contact", show=_print)
async def remove_contact(
    services: Services, actor: Actor, account: str, contact: Email, reason: Reason
) -> SuccessionResult:
    """Note that somebody is no contact any more, without a successor. Safe to repeat."""
    said = check(Departure, {"reason": reason}, "")
    return await succession.remove_contact(services, account, contact, said, actor)


@command(app, "erase-contact", show=_print_erased)
async def erase_contact(services: Services, actor: Actor, account: str, contact: Email, reason: Reason) -> Erased:
    """Erase a contact from everything on record, for good; one who is still there leaves with it."""
    return await succession.erase_contact(services, account, contact, actor, reason)


def _print_asked(asked: ErasureAsked, account: str) -> None:
    out.print(f"[green]✓[/green] {account} is erased once somebody else confirms it, until {when(asked.until)}:")
    out.print(f"  rapport account confirm-erasure {account} --as EMAIL")
    if asked.confirmers:
        out.print(f"{listed(asked.confirmers, 'or')} can confirm it, and gets an email.")
    else:
        out.print("No one else can confirm it yet.")
    out.print(f"To take it back: rapport account withdraw-erasure {account} --as EMAIL")


def _print_account_erased(erased: AccountErased) -> str:
    lost = f"{amount(erased.messages, 'email')} and {amount(erased.texts, 'text')}"
    return f"[green]✓[/green] Erased: {amount(erased.contacts, 'contact')}, {lost}. The audit chain is whole."


@command(app, show=_print_asked)
async def erase(services: Services, actor: Actor, account: str, reason: Reason) -> ErasureAsked:
    """Ask for an account to be erased for good. A second person has to confirm it within a week."""
    return await account_erasure.ask(services, account, check(ErasureWritten, {"reason": reason}, ""), actor)


@command(app, "withdraw-erasure", show="Taken back: nothing is erased.")
async def withdraw_erasure(services: Services, actor: Actor, account: str) -> ErasureWithdrawn:
    """Take a request for an account to be erased back, as whoever asked."""
    return await account_erasure.withdraw(services, account, actor)


@command(app, "confirm-erasure", show=_print_account_erased)
async def confirm_erasure(services: Services, actor: Actor, account: str) -> AccountErased:
    """Erase an account for good, as the second person: its people, its emails, and all that was written of it."""
    return await account_erasure.confirm(services, account, actor)


def _print_all(changes: SuccessionResult | list[SuccessionResult]) -> None:
    for one in changes if isinstance(changes, list) else [changes]:
        _print(one)


@command(app, "hand-over", show=_print_all)
async def hand_over(
    services: Services,
    actor: Actor,
    to: Annotated[str, typer.Option("--to", help="The member who takes over.", metavar="EMAIL")],
    reason: Reason,
    account: Annotated[str | None, typer.Argument(help="The account; not with --all.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="The last day, such as 2026-12-24; without it, for good.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every account that the member in --from serves.")] = False,
    former: Annotated[
        str | None, typer.Option("--from", help="With --all: who serves them now.", metavar="EMAIL")
    ] = None,
) -> SuccessionResult | list[SuccessionResult]:
    """Have another TAM serve an account, or all of a member's, for a while or for good. Safe to repeat."""
    if (account is None) is not all_ or (former is None) is all_:
        fix = "name one account, or write --all --from EMAIL for all of a member's"
        raise UserError("which accounts is not clear", field="account", fix=fix)
    said = check(HandOver, given(to=to, until=until, reason=reason), "")
    if account is None:
        return await succession.hand_over_all(services, former or "", said, actor)
    return await succession.hand_over(services, account, said, actor)
