"""`rapport case …`"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from rapport.model.base import UserError
from rapport.model.commands import in_name
from rapport.model.reading import check
from rapport.model.support_case import GENERAL, Dossier, WrittenCase
from rapport.storage.support_case import CASES_LISTED
from starters.cli.common import command, given, out, print_checked, table, when
from starters.services import Actor, Services
from starters.use_cases import support_case
from starters.use_cases.support_case import (
    Assign,
    CaseDone,
    Drafted,
    HandOff,
    Merge,
    Opened,
    Reclassify,
    Say,
    Split,
)
from starters.views import support_case as support_case_views
from starters.views.support_case import CaseLine, CaseShown

app = typer.Typer(help="Support cases: questions, who has them, what was promised.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(help="The case's number, such as C-00012.", metavar="REF")]
Text = Annotated[str, typer.Option("--text", help="What you say; @FILE takes it from a file.")]
OptionalText = Annotated[str | None, typer.Option("--text", help="Why; it is recorded on the case.")]


def words(text: str) -> str:
    """A text, or that of a file where it begins with an at sign.

    Raises:
        UserError: The file cannot be read.
    """
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text()
    except (OSError, UnicodeDecodeError):
        raise UserError("cannot be read", field=text[1:], fix="name a text file in UTF-8") from None


def _print_open(opened: Opened) -> None:
    out.print(f"{opened.ref} is open" if opened.created else f"It belongs to {opened.ref}, and stands there now")
    if opened.duplicates:
        into = opened.duplicates[0] if len(opened.duplicates) == 1 else "REF"
        alike = ", ".join(opened.duplicates)
        out.print(f"Likely the same as {alike}; if it is: rapport case merge {opened.ref} --into {into} --as EMAIL")


def _print_list(found: list[CaseLine]) -> None:
    if found:
        print_cases(found)
        print_checked(found[0].checked)
        if len(found) == CASES_LISTED:
            out.print(f"These are the first {CASES_LISTED}; --account and --owner show fewer.")
    else:
        out.print("No case is open.")


def _add_say(name: str, act: Callable[[Services, str, Say, Actor], Awaitable[CaseDone]], help: str) -> None:
    """What needs no more of a case than a text."""

    @command(app, name, show=_done, help=help)
    async def said(services: Services, actor: Actor, ref: Ref, text: Text) -> CaseDone:
        return await act(services, ref, check(Say, {"text": words(text)}, ""), actor)


def _done(done: CaseDone) -> str:
    return f"{done.ref}: {done.outcome}"


def _print_split(opened: Opened, ref: Ref) -> None:
    out.print(f"{opened.ref} is open, split from {ref}")


def print_cases(found: Sequence[CaseLine]) -> None:
    """Cases as a table."""
    lines = table("case", "sev", "account", "question", "state", "owner", "since", "next promise")
    for line in found:
        promised = (
            f"{line.promise} by {when(line.due)}" if line.due and not line.ended_since else line.waiting_for or ""
        )
        lines.add_row(
            line.ref,
            str(line.severity),
            line.account,
            line.heading,
            line.state,
            line.owner or "nobody yet",
            when(line.since or line.opened),
            promised,
        )
    out.print(lines)
    free = any(line.owner is None and not line.ended_since for line in found)
    how = in_name("rapport case assign CASE --to EMAIL") if free else "rapport case show CASE"
    out.print(f"\nTo {'give one to somebody' if free else 'see what moves one on'}:\n  {how}", soft_wrap=True)


def _print(case: CaseShown) -> None:
    out.print(f"[bold]{case.ref}[/bold] {escape(case.heading)}")
    facts: list[tuple[str, Any]] = [
        ("account", f"{case.account}, {case.contact}" + (f" through {case.partner}" if case.partner else "")),
        ("severity, area", f"{case.severity}, {case.area}"),
        ("state", case.state + (f" into {case.merged_into}" if case.merged_into else "")),
        ("waits for", case.waiting_for if case.ended_since else None),
        ("ended", when(case.ended_since) if case.ended_since else None),
        ("owner", f"{case.owner}, since {when(case.since)}" if case.owner else "nobody yet"),
        ("promised", f"{case.promise} by {when(case.due)}" if case.due else None),
        ("paging", case.unpaged),
        ("engineering", case.escalation),
        ("area's team", case.team),
        *(("tech review", f"{one.ref}, {(one.outcome or one.phase).replace('_', ' ')}") for one in case.reviews),
        *(("product gap", " ".join([f"{one.ref}, {one.status}", one.roadmap or ""]).strip()) for one in case.gaps),
        ("opened", f"{when(case.opened)}, by {case.channel}"),
    ]
    for name, value in facts:
        if value:
            out.print(f"  [dim]{name}:[/dim] {escape(str(value))}")
    out.print(f"\n{escape(case.question)}\n")
    for line in case.log:
        about = f" ({line.about})" if line.about else ""
        out.print(f"[dim]{when(line.at)}[/dim] {escape(line.who)} {line.what}{escape(about)}")
        if line.text:
            out.print(f"  {escape(line.text)}")
    for one in case.duplicates:
        out.print(f"[dim]likely the same:[/dim] {one}; if it is: rapport case merge {case.ref} --into {one} --as EMAIL")
    for granted in case.deviations:
        out.print(f"[dim]granted:[/dim] {granted.ref}, {escape(granted.title)}: {granted.outcome.replace('_', ' ')}")
        for condition in granted.conditions:
            out.print(f"  {escape(condition)}")
    for solved in case.similar:
        about = escape(f"{solved.account}: {solved.question.splitlines()[0][:90]}")
        out.print(f"[dim]solved before:[/dim] {solved.ref}, {about}\n  {escape(solved.answer)}")
    for choice in case.why:
        out.print(
            f"[dim]why, {when(choice.at)}:[/dim] {choice.owner or 'nobody'}: {choice.reason}"
            + (f"; {escape(choice.page_told)}" if choice.page_told else "")
        )
        for seen in choice.considered:
            out.print(
                f"    {escape(seen.name)} {seen.bar or f'load {seen.load}, given {seen.given} in {seen.hours} h'}"
            )
    for way in case.next:
        out.print(f"[dim]next:[/dim] {escape(way)}")


@command(app, "open", show=_print_open)
async def open_(
    services: Services,
    actor: Actor,
    account: str,
    question: Annotated[str, typer.Option("--question", "-q", help="What they ask; @FILE takes it from a file.")],
    contact: Annotated[
        str | None, typer.Option("--contact", help="Whose question it is; else the champion's.", metavar="EMAIL")
    ] = None,
    severity: Annotated[str, typer.Option("--severity", "-s", help="1, the worst, to 4.")] = "3",
    area: Annotated[str, typer.Option("--area", help="The product area; see `rapport desk rules`.")] = GENERAL,
    phone: Annotated[bool, typer.Option("--phone", help="They are on the phone.")] = False,
    thread: Annotated[str | None, typer.Option("--thread", help="What its mails have in common.")] = None,
    partner: Annotated[str | None, typer.Option("--partner", help="Who passes it on.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Your own key: the same once more opens nothing.")] = None,
) -> Opened:
    """Take a question in: it gets a number, the customer an acknowledgement, and somebody gets the case."""
    said = {
        "account": account,
        "question": words(question),
        "contact": contact,
        "severity": severity,
        "area": area,
        "channel": "phone" if phone else "cli",
        "thread": thread,
        "partner": partner,
        "id": key,
    }
    return await support_case.open_case(services, check(WrittenCase, said, ""), actor)


@command(app, "list", show=_print_list)
async def list_(
    services: Services,
    account: Annotated[str | None, typer.Option("--account", help="Only this account's.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Only whose owner this is.", metavar="EMAIL")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Those that are over as well.")] = False,
) -> list[CaseLine]:
    """Cases: those that nobody has come first."""
    return await support_case_views.listed(services, account, also_over=all_, owner=owner)


@command(app, show=_print)
async def show(services: Services, ref: Ref) -> CaseShown:
    """A case: the question, all that was said, who has it and why, what was promised."""
    return await support_case_views.show(services, ref)


for _name, _act, _help in (
    ("answer", support_case.answer, "Answer the customer."),
    ("note", support_case.note, "Note something for colleagues; the customer never sees it."),
    ("context", support_case.context, "Add what you know of the customer; the case's owner is told."),
    (
        "wait-customer",
        support_case.wait_customer,
        "Ask the customer for something; the clock stands still until they answer.",
    ),
    (
        "customer-said",
        support_case.customer_said,
        "Log what the customer said; the clock goes on, and a resolved case is open again.",
    ),
    ("resolve", support_case.resolve, "Say what solved it; the customer is told."),
    ("reopen", support_case.reopen, "Open a resolved case again."),
):
    _add_say(_name, _act, _help)


@command(app, show=_done)
async def assign(
    services: Services,
    actor: Actor,
    ref: Ref,
    to: Annotated[str, typer.Option("--to", help="A support engineer.", metavar="EMAIL")],
    text: OptionalText = None,
) -> CaseDone:
    """Give a case to somebody by hand."""
    return await support_case.assign(services, ref, check(Assign, {"to": to, "text": text}, ""), actor)


@command(app, "hand-off", show=_done)
async def hand_off(
    services: Services,
    actor: Actor,
    ref: Ref,
    text: Text,
    to: Annotated[str | None, typer.Option("--to", help="Else the desk finds somebody.", metavar="EMAIL")] = None,
) -> CaseDone:
    """Pass a case on, with where it stands."""
    said = {"text": words(text), "to": to}
    return await support_case.hand_off(services, ref, check(HandOff, said, ""), actor)


@command(app, show=_done)
async def classify(
    services: Services,
    actor: Actor,
    ref: Ref,
    severity: Annotated[str | None, typer.Option("--severity", "-s", help="1, the worst, to 4.")] = None,
    area: Annotated[str | None, typer.Option("--area", help="The product area.")] = None,
    text: OptionalText = None,
) -> CaseDone:
    """Say how bad it is, or what it is about, anew."""
    said = given(severity=severity, area=area, text=text)
    return await support_case.classify(services, ref, check(Reclassify, said, ""), actor)


@command(app, show=_done)
async def escalate(
    services: Services,
    actor: Actor,
    ref: Ref,
    tried: Annotated[str, typer.Option(help="What was tried, and what came of it.")] = "",
    reproduction: Annotated[str, typer.Option(help="How to make it happen.")] = "",
    version: Annotated[str, typer.Option(help="Which version it happens in.")] = "",
    logs: Annotated[str, typer.Option(help="What the logs say; @FILE takes it from a file.")] = "",
    impact: Annotated[str, typer.Option(help="What it costs the customer.")] = "",
) -> CaseDone:
    """Ask engineering, with a complete dossier; they answer the owner, never the customer."""
    texts = {"tried": tried, "reproduction": reproduction, "version": version, "logs": logs, "impact": impact}
    said = {name: text for name, one in texts.items() if (text := words(one)).strip()}
    return await support_case.escalate(services, ref, check(Dossier, said, ""), actor)


@command(app, show=_done)
async def merge(
    services: Services,
    actor: Actor,
    ref: Ref,
    into: Annotated[str, typer.Option("--into", help="The case that it becomes a part of.", metavar="REF")],
) -> CaseDone:
    """Make a case a part of another one of the same account."""
    return await support_case.merge(services, ref, check(Merge, {"into": into}, ""), actor)


@command(app, show=_print_split)
async def split(
    services: Services,
    actor: Actor,
    ref: Ref,
    question: Annotated[str, typer.Option("--question", "-q", help="The part that is a case of its own.")],
    area: Annotated[str | None, typer.Option("--area", help="Its product area.")] = None,
    severity: Annotated[str | None, typer.Option("--severity", "-s", help="1, the worst, to 4.")] = None,
) -> Opened:
    """Make a case of its own of a part of the question."""
    said = given(question=words(question), area=area, severity=severity)
    return await support_case.split(services, ref, check(Split, said, ""), actor)


def _print_draft(drafted: Drafted, to: Path | None) -> str:
    return escape(drafted.draft) if to is None else f"The draft is in {to}: {drafted.next}"


@command(app, "to-review", show=_print_draft)
async def to_review(
    services: Services,
    actor: Actor,
    ref: Ref,
    text: Text,
    to: Annotated[Path | None, typer.Option("--out", help="Write the draft into this file.", metavar="FILE")] = None,
) -> Drafted:
    """Make a draft tech review of a case that needs a decision; the text says why."""
    drafted = await support_case.to_review(services, ref, check(Say, {"text": words(text)}, ""), actor)
    if to is not None:
        to.write_text(drafted.draft)
    return drafted
