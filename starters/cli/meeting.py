"""`rapport meeting …`"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from rapport.model.meeting import Receipt
from rapport.model.reading import check, read_day, read_instant
from rapport.rules.outcome_words import in_words
from rapport.rules.wording import listed
from starters.cli.common import command, out, print_checked, table, when
from starters.cli.minutes import Note, Written, print_minutes
from starters.services import Actor, Services, member_named
from starters.use_cases import meeting, meeting_proposals
from starters.use_cases.meeting import MeetingShown
from starters.use_cases.meeting_proposals import MeetingLine, MeetingProposed, MeetingWanted
from starters.use_cases.minutes import MinutesShown

app = typer.Typer(help="Meetings: times, answers, bookings, outcomes.", no_args_is_help=True)

Step = Annotated[str, typer.Argument(help="The meeting's step, such as kickoff.")]
Anyway = Annotated[
    bool, typer.Option("--anyway", help="Book it also outside of someone's hours, or over an absence or a meeting.")
]


_BECAME = {
    "held": "It was held",
    "called_off": "It was canceled",
    "no_time": "No time was found",
    "unreported": "No one recorded how it went",
    "closed": "It ended without an outcome",
    "ended": "It was ended in Temporal, without an outcome",
}


def print_meeting(shown: MeetingShown) -> None:
    """A meeting as the terminal shows it."""
    out.print(
        f"[bold]{shown.title or shown.step}[/bold], {shown.account}: [bold]{shown.phase}[/bold], round {shown.round}"
    )
    if shown.ended:
        when_ = f" (booked for {when(shown.ended.start)})" if shown.ended.start else ""
        out.print(f"{_BECAME[shown.ended.became]}{when_}.")
        _print_way_on(shown)
        if shown.minutes:
            print_minutes(shown.minutes)
        return
    if shown.booked:
        out.print(f"Booked for [bold]{when(shown.booked)}[/bold], by {shown.booked_by}.")
    rows = table("", "time", "works for")
    for slot in shown.slots:
        late = f" (outside the working hours of {listed(slot.outside)})" if slot.outside else ""
        rows.add_row(slot.id, f"{when(slot.start)}{escape(late)}", ", ".join(slot.suits) or "–")
    out.print(rows)
    silent = [answer.who for answer in shown.answers if not answer.answered]
    if silent:
        out.print(f"No answer yet from {', '.join(silent)}.")
    for answer in shown.answers:
        if answer.suggests:
            out.print(f"{answer.who} proposes {when(answer.suggests)}.")
        if answer.declined:
            out.print(f"{answer.who} can't attend.")
    _print_way_on(shown)
    if shown.minutes:
        print_minutes(shown.minutes)


def _print_rescheduled(receipt: Receipt) -> str:
    """What follows from moving it."""
    return "New times go out." if receipt.outcome == "new_times" else "Rescheduled. Everyone gets the change."


def _print_way_on(shown: MeetingShown) -> None:
    """What it waits for, and the command that moves it on."""
    if shown.waiting_for:
        due = f", due {when(shown.deadline)}" if shown.deadline else ""
        out.print(f"\nWaiting for {shown.waiting_for}{due}.", markup=False, soft_wrap=True)
    if shown.unblock:
        out.print(f"Next:\n  {shown.unblock}", soft_wrap=True, markup=False)


def _print_proposed(proposed: MeetingProposed) -> None:
    """What was proposed, and where to look."""
    out.print(f"{proposed.step} ({proposed.title}): times are being found.", markup=False, soft_wrap=True)
    out.print(f"Next:\n  rapport meeting show {proposed.account} {proposed.step}", soft_wrap=True, markup=False)


def _print_list(lines: list[MeetingLine]) -> None:
    """Every meeting, one a line."""
    if not lines:
        out.print("No meetings yet.")
        return
    rows = table("account", "step", "meeting", "state", "waiting for")
    for line in lines:
        state = line.state if line.outcome is None else f"{line.state}: {in_words(line.outcome)}"
        rows.add_row(line.name, line.step, line.title, state, line.waiting_for or "")
    out.print(rows)
    print_checked(lines[0].checked)


@command(app, show=_print_proposed)
async def propose(
    services: Services,
    actor: Actor,
    account: str,
    title: Annotated[str, typer.Option("--title", help="What it is called in emails and calendars.")],
    people: Annotated[
        list[str], typer.Option("--with", help="Whom it asks: an address or a persona.", metavar="EMAIL|PERSONA")
    ],
    minutes: Annotated[int, typer.Option("--minutes", help="How long it is.")],
    days: Annotated[
        str,
        typer.Option("--days", help="Between which business days from now times are offered.", metavar="FIRST-LAST"),
    ] = f"{meeting_proposals.EARLIEST}-{meeting_proposals.LATEST}",
) -> MeetingProposed:
    """Propose a meeting beside the playbook, such as a training: times, a poll, invitations, minutes."""
    typed = {"title": title, "with": tuple(people), "minutes": minutes, "days": days}
    return await meeting_proposals.propose(services, account, check(MeetingWanted, typed, ""), actor)


@command(app, "list", show=_print_list)
async def list_(services: Services, account: str) -> list[MeetingLine]:
    """List the meetings of an account: those of its playbook, and those that were proposed beside it."""
    return await meeting_proposals.listed(services, account)


@command(app, show=print_meeting)
async def show(services: Services, actor: Actor, account: str, step: Step) -> MeetingShown:
    """The times on offer, who answered what, what it waits for, and its minutes."""
    return await meeting.show(services, account, step, actor.email)


@command(app, show="The answer is in.")
async def vote(
    services: Services,
    actor: Actor,
    account: str,
    step: Step,
    slots: Annotated[list[str] | None, typer.Argument(help="The times that work; leave them out if none does.")] = None,
    round_: Annotated[int | None, typer.Option("--round", help="The round that was answered.")] = None,
) -> Receipt:
    """Answer the poll for a contact or the TAM (`--as`), as someone who was told on the phone does."""
    return await meeting.vote(services, account, step, tuple(slots or ()), actor, round_)


@command(app, show="Booked. Everyone gets an invitation.")
async def book(
    services: Services,
    actor: Actor,
    account: str,
    step: Step,
    start: Annotated[str, typer.Option("--start", help="In the TAM's own zone, or with an offset.", metavar="TIME")],
    anyway: Anyway = False,
) -> Receipt:
    """Set the time by hand, or move it; everyone gets an invitation."""
    zone = (await member_named(services, actor)).schedule.zone
    return await meeting.book(services, account, step, read_instant(start, "--start", zone), actor, anyway=anyway)


Date = Annotated[
    str | None,
    typer.Option("--date", help="Of a recurring meeting, which date; the next unless named.", metavar="DATE"),
]


@command(app, show=_print_rescheduled)
async def reschedule(
    services: Services,
    actor: Actor,
    account: str,
    step: Step,
    start: Annotated[
        str | None,
        typer.Option(
            "--start", help="In your own zone, or with an offset. Without it, everyone gets new times.", metavar="TIME"
        ),
    ] = None,
    date: Date = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; for the timeline.")] = None,
    anyway: Anyway = False,
) -> Receipt:
    """Move a meeting to another time, or offer everyone new times; of a recurring one, move one date."""
    zone = (await member_named(services, actor)).schedule.zone
    at = None if start is None else read_instant(start, "--start", zone)
    day = None if date is None else read_day(date, "--date")
    return await meeting.reschedule(services, account, step, actor, at, day=day, reason=reason, anyway=anyway)


@command(app, show="Canceled. Everyone who was invited or asked is told.")
async def cancel(
    services: Services,
    actor: Actor,
    account: str,
    step: Step,
    reason: Annotated[str, typer.Option("--reason", help="Why; for the timeline.")],
    date: Date = None,
) -> Receipt:
    """Cancel a meeting, or one date of a recurring one; a step of the onboarding ends with it."""
    day = None if date is None else read_day(date, "--date")
    return await meeting.cancel(services, account, step, reason, actor, day=day)


@command(app, show="Noted: it was held.")
async def held(services: Services, actor: Actor, account: str, step: Step, written: Written) -> Receipt:
    """Say that it was held, and how it went; the onboarding goes on."""
    return await meeting.report(services, account, step, "held", actor, written=written.minutes())


@command(app, show=print_minutes)
async def minutes(services: Services, actor: Actor, account: str, step: Step, written: Written) -> MinutesShown:
    """Replace the minutes of a meeting that was held; the timeline keeps both."""
    return await meeting.correct(services, account, step, written.minutes(), actor)


@command(app, "no-show", show="Noted: nobody came. New times go out.")
async def no_show(services: Services, actor: Actor, account: str, step: Step, note: Note = None) -> Receipt:
    """Say that nobody came; everyone is offered new times."""
    return await meeting.report(services, account, step, "no_show", actor, note)
