"""`rapport review …`: technical reviews."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.markup import escape

from rapport.model.base import UserError
from rapport.model.meeting import Receipt
from rapport.model.reading import check, read_instant
from rapport.rules.review_words import ASKS, PHASES, REMARKS, STAGES, chosen
from rapport.rules.wording import amount
from starters.cli import tech_review_needs
from starters.cli.common import command, out, print_checked, table, when
from starters.cli.meeting import Anyway, print_meeting
from starters.services import LISTED, Actor, Services, member_named
from starters.use_cases import tech_review, tech_review_files, tech_review_record
from starters.use_cases.meeting import MeetingShown
from starters.use_cases.tech_review import (
    Feedback,
    MeetingNotes,
    MeetingTime,
    Outcome,
    Reason,
    ReviewSearch,
    Stance,
    Submitted,
    WantedMeeting,
)
from starters.use_cases.tech_review_record import Record, RecordFiles
from starters.views.tech_review import ReviewLine, ReviewPage, ReviewShown

app = typer.Typer(
    help="Technical reviews: a decision that a customer needs, with everybody heard.", no_args_is_help=True
)
app.add_typer(tech_review_needs.app)

_POSITIONS = ", ".join(f"{one} ({chosen(one)})" for one in get_args(Stance))

Ref = Annotated[str, typer.Argument(help="What the review is called, such as TR-0007.", metavar="REF")]
File = Annotated[Path, typer.Argument(help="The request, as TOML or as Markdown with front matter.", metavar="FILE")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]


def _print_submit(done: Submitted) -> None:
    out.print(f"[bold]{done.ref}[/bold] is on its way. To see where it stands: rapport review show {done.ref}")


def _reason(text: str) -> Reason:
    return check(Reason, {"reason": text}, "")


def _print_lines(lines: Sequence[ReviewLine]) -> None:
    rows = table("ref", "what", "waits for", "since", "needed by")
    for line in lines:
        until = f"[red]{when(line.needed_by)} overdue[/red]" if line.overdue else when(line.needed_by)
        what = f"{line.account}: {escape(line.title)}"
        rows.add_row(line.ref, what, line.waiting_for or _stands(line), when(line.since) if line.since else "", until)
    out.print(rows)
    print_checked(lines[0].checked)
    ways = [line.unblock for line in lines if line.unblock]
    if ways:
        out.print("\nNext:\n  " + "\n  ".join(ways), soft_wrap=True, markup=False)


def _stands(line: ReviewLine) -> str:
    outcome = chosen(line.outcome or "")
    if line.phase in ("closed", "acknowledgement"):
        return outcome
    if line.phase == "revisit":
        return f"{outcome}, comes back {when(line.revisit)}"
    return PHASES[line.phase]


def _print(shown: ReviewShown) -> None:
    late = " [red]OVERDUE[/red]" if shown.overdue else ""
    changed = f", changed by {escape(', '.join(shown.changed_by))}" if shown.changed_by else ""
    out.print(f"[bold]{shown.ref}[/bold] {escape(shown.title)}, for {escape(shown.account_name)}{late}")
    out.print(
        f"{ASKS[shown.ask].capitalize()}, {STAGES[shown.stage]}; asked for by {escape(shown.by)}{changed}, "
        f"round {shown.round}. Needed by {when(shown.needed_by)}."
    )
    if shown.from_case:
        out.print(f"  From the support case: {shown.from_case}", markup=False)
    for question, text in shown.asked:
        out.print(f"  {question}: {text}", markup=False)
    if shown.rounds[-1].design_link:
        out.print(
            f"  Design document: {shown.rounds[-1].design_link} ({shown.rounds[-1].design_version})", markup=False
        )
    if shown.remarks:
        rows = table("round", "who", "for", "said", "")
        for one in shown.remarks:
            said = chosen(one.option or "")
            beside = [one.link, f"entered by {one.entered_by}" if one.entered_by else None]
            where = f" ({', '.join(filter(None, beside))})" if any(beside) else ""
            rows.add_row(
                str(one.round),
                escape(one.who or ""),
                one.seat or REMARKS[one.kind],
                said,
                escape((one.text or "") + where),
            )
        out.print(rows)
    for condition in shown.conditions:
        out.print(f"Depends on: {condition}", markup=False)
    if shown.outcome:
        stands = _stands(shown)
        # No `capitalize`: what follows may be a zone.
        out.print(f"[bold]{stands[:1].upper()}{stands[1:]}[/bold]")
    if shown.ended_since:
        out.print(f"[red]It was ended in Temporal, and stands still since {when(shown.ended_since)}.[/red]")
    if shown.waiting_for:
        due = f", due {when(shown.deadline)}" if shown.deadline else ""
        out.print(f"Waits for {shown.waiting_for}{due}.", markup=False)
    for asked in shown.asks:
        out.print(f"  {asked.title}: {', '.join(asked.waits_for) or 'nobody'}", markup=False)
        out.print(f"    rapport task show {asked.task}", markup=False, soft_wrap=True)


@command(app, show=_print_submit)
async def submit(services: Services, actor: Actor, file: File) -> Submitted:
    """Ask for a review."""
    return await tech_review.submit(services, tech_review_files.read_request(file), actor)


@command(app, show="Changed; everybody is heard anew.")
async def edit(services: Services, actor: Actor, ref: Ref, file: File) -> Receipt:
    """Change what is asked for, or the design document: a new round, in which everybody is heard anew."""
    return await tech_review.edit(services, ref, tech_review_files.read_request(file), actor)


@command(app, show=_print)
async def show(services: Services, ref: Ref) -> ReviewShown:
    """One review: what is asked for, what was said, and what it waits for."""
    return await tech_review.show(services, ref)


def _print_page(found: ReviewPage, search: str, scenario: str | None, outcome: str | None) -> str | None:
    if not found.lines:
        return "No reviews match." if search or scenario or outcome else "There are no reviews."
    _print_lines(found.lines)
    if further := found.total - len(found.lines):
        more = amount(further, "more comes", "more come")
        return f"{more} after these; find them with --search, or all of them with --json."
    return None


@command(app, "list", show=_print_page, document=lambda found: found.lines)
async def list_(
    services: Services,
    json: bool,
    account: Annotated[str | None, typer.Argument(help="This account only; by default all.")] = None,
    search: Annotated[str, typer.Option("--search", help="Words in the customer's name, request, feedback.")] = "",
    scenario: Annotated[str | None, typer.Option("--scenario", help="A scenario that the request names.")] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", help=f"What it came to: {', '.join(get_args(Outcome))}.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Only those that are not over.")] = False,
) -> ReviewPage:
    """The reviews: what is overdue first, then the newest."""
    given = {"account": account, "scenario": scenario, "outcome": outcome}
    asked = {"search": search, "open": open_} | {name: text for name, text in given.items() if text is not None}
    return await tech_review.page(services, check(ReviewSearch, asked, ""), most=None if json else LISTED)


def _print_taken(receipt: Receipt) -> str:
    return f"Recorded: {receipt.reason}." if receipt.reason else "Recorded."


@command(app, show=_print_taken)
async def feedback(
    services: Services,
    actor: Actor,
    ref: Ref,
    text: Annotated[str, typer.Option("--text", help="What there is to say.")],
    stance: Annotated[
        str | None,
        typer.Option("--stance", help=f"Your side's position, where it is asked: {_POSITIONS}."),
    ] = None,
    on_behalf_of: Annotated[
        str | None,
        typer.Option("--on-behalf-of", help="Who said it in the channel, where you enter it.", metavar="EMAIL"),
    ] = None,
    link: Annotated[str | None, typer.Option("--link", help="Where it was said.", metavar="URL")] = None,
) -> Receipt:
    """Give feedback in a review; where your side is asked, with its position."""
    given = {"text": text, "stance": stance, "on_behalf_of": on_behalf_of, "link": link}
    return await tech_review.feedback(services, ref, check(Feedback, given, ""), actor)


@command(app, "request-meeting", show="Live meeting requested. The attendees get times to choose from.")
async def request_meeting(
    services: Services,
    actor: Actor,
    ref: Ref,
    reason: Why,
    invite: Annotated[
        list[str] | None,
        typer.Option("--invite", help="Someone to invite as well; repeat it for several.", metavar="EMAIL"),
    ] = None,
) -> Receipt:
    """Ask to discuss it live. Everyone who gave feedback, and whoever you invite, gets times to choose from."""
    given = {"reason": reason, "invite": invite or []}
    return await tech_review.request_meeting(services, ref, check(WantedMeeting, given, ""), actor)


@command(app, "meeting", show=print_meeting)
async def live_meeting(services: Services, ref: Ref) -> MeetingShown:
    """The live meeting on a review: proposed times, who can make them, and the booked time."""
    return await tech_review.live_meeting(services, ref)


@command(app, "book-meeting", show="Booked. Everyone gets an invitation.")
async def book_meeting(
    services: Services,
    actor: Actor,
    ref: Ref,
    start: Annotated[str, typer.Option("--start", help="In your own zone, or with an offset.", metavar="TIME")],
    anyway: Anyway = False,
) -> Receipt:
    """Book the live meeting on a review, or move it."""
    zone = (await member_named(services, actor)).schedule.zone
    given = MeetingTime(start=read_instant(start, "--start", zone), anyway=anyway)
    return await tech_review.book_meeting(services, ref, given, actor)


@command(app, "meeting-held", show="Recorded.")
async def report_meeting(
    services: Services,
    actor: Actor,
    ref: Ref,
    text: Annotated[str | None, typer.Option("--text", help="What you agreed on.")] = None,
    no_show: Annotated[bool, typer.Option("--no-show", help="No one came. Everyone gets new times.")] = False,
) -> Receipt:
    """Add your notes on the live meeting to the review."""
    if (text is None) is not no_show:
        raise UserError("is missing", field="--text", fix="tell what you agreed on, or add --no-show")
    return await tech_review.report_meeting(services, ref, check(MeetingNotes, {"text": text}, ""), actor)


@command(app, show="Withdrawn; nobody is asked any more.")
async def withdraw(services: Services, actor: Actor, ref: Ref, reason: Why) -> Receipt:
    """Say that nobody needs it any more."""
    return await tech_review.withdraw(services, ref, _reason(reason), actor)


def _print_record(found: Record | RecordFiles) -> None:
    if isinstance(found, Record):
        out.print(found.markdown, markup=False, soft_wrap=True, end="")
    else:
        out.print("\n".join(found.files), markup=False, soft_wrap=True)


@command(app, show=_print_record)
async def record(
    services: Services,
    ref: Ref,
    to: Annotated[
        Path | None, typer.Option("--out", help="Write Markdown and HTML into this folder.", metavar="DIR")
    ] = None,
) -> Record | RecordFiles:
    """The record of the decision: what was asked, said, decided and told, with its signed receipts."""
    if to is not None:
        return await tech_review_record.write(services, ref, to)
    return await tech_review_record.record(services, ref)
