"""`rapport meeting …`"""

from __future__ import annotations

from typing import Annotated

import typer

from rapport.model.meeting import Receipt
from starters.cli.common import As, Data, Json, acting, out, parse_instant, print_json, table, when, with_office
from starters.cli.minutes import (
    Actions,
    AgreedNext,
    Attended,
    Blockers,
    File,
    Long,
    Next,
    Note,
    Private,
    Short,
    print_minutes,
    written,
)
from starters.services import LATER, Services, member_acting
from starters.use_cases import meeting
from starters.use_cases.meeting import MeetingShown
from starters.use_cases.minutes import MinutesShown

app = typer.Typer(help="Meetings: times, answers, bookings, outcomes.", no_args_is_help=True)

Step = Annotated[str, typer.Argument(help="The meeting's step, such as kickoff.")]


@app.command()
def show(account: str, step: Step, as_: As = None, data: Data = None, json: Json = False) -> None:
    """The times on offer, who answered what, what it waits for, and its minutes."""

    async def work(services: Services) -> MeetingShown:
        return await meeting.show(services, account, step, acting(services, as_).email)

    shown = with_office(data, work, as_json=json)
    if json:
        print_json(shown)
    else:
        _print(shown)


@app.command()
def vote(
    account: str,
    step: Step,
    slots: Annotated[list[str] | None, typer.Argument(help="The times that suit; none says that none does.")] = None,
    round_: Annotated[int | None, typer.Option("--round", help="The round that was answered.")] = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Answer the poll for a contact or the TAM (`--as`), as someone who was told on the phone does."""

    async def work(services: Services) -> Receipt:
        return await meeting.vote(services, account, step, tuple(slots or ()), acting(services, as_), round_)

    _receipt(with_office(data, work, as_json=json), "The answer is in.", as_json=json)


@app.command()
def book(
    account: str,
    step: Step,
    start: Annotated[str, typer.Option("--start", help="In the TAM's own zone, or with an offset.", metavar="TIME")],
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Set the time by hand, or move it; everyone gets an invitation."""

    async def work(services: Services) -> Receipt:
        actor = acting(services, as_)
        zone = (await member_acting(services, actor)).schedule.zone
        return await meeting.book(services, account, step, parse_instant(start, "--start", zone), actor)

    _receipt(with_office(data, work, as_json=json), "Booked; the invitations go out next.", as_json=json)


@app.command()
def held(
    account: str,
    step: Step,
    attended: Attended = None,
    short_term: Short = None,
    long_term: Long = None,
    action: Actions = None,
    blocker: Blockers = None,
    agreed: AgreedNext = None,
    next_: Next = None,
    note: Note = None,
    private_note: Private = None,
    file: File = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say that it was held, and how it went; the onboarding goes on."""

    async def work(services: Services) -> Receipt:
        said = written(file, attended, short_term, long_term, action, blocker, agreed, next_, note, private_note)
        return await meeting.report(services, account, step, "held", acting(services, as_), written=said)

    _receipt(with_office(data, work, as_json=json), "Noted: it was held.", as_json=json)


@app.command()
def minutes(
    account: str,
    step: Step,
    attended: Attended = None,
    short_term: Short = None,
    long_term: Long = None,
    action: Actions = None,
    blocker: Blockers = None,
    agreed: AgreedNext = None,
    next_: Next = None,
    note: Note = None,
    private_note: Private = None,
    file: File = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Replace the minutes of a meeting that was held; the timeline keeps both."""

    async def work(services: Services) -> MinutesShown:
        said = written(file, attended, short_term, long_term, action, blocker, agreed, next_, note, private_note)
        return await meeting.correct(services, account, step, said, acting(services, as_))

    shown = with_office(data, work, as_json=json)
    if json:
        print_json(shown)
    else:
        print_minutes(shown)


@app.command("no-show")
def no_show(
    account: str,
    step: Step,
    note: Note = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say that nobody came; everyone is offered new times."""

    async def work(services: Services) -> Receipt:
        return await meeting.report(services, account, step, "no_show", acting(services, as_), note)

    _receipt(with_office(data, work, as_json=json), "Noted: nobody came. New times go out.", as_json=json)


def _receipt(receipt: Receipt, said: str, *, as_json: bool) -> None:
    if as_json:
        print_json(receipt)
    else:
        out.print(said if receipt.outcome != LATER else f"{receipt.outcome.capitalize()}.")


_BECAME = {
    "held": "It was held",
    "called_off": "It was canceled",
    "no_time": "No time was found",
    "unreported": "No one recorded how it went",
    "closed": "It ended without an outcome",
}


def _print(shown: MeetingShown) -> None:
    out.print(f"[bold]{shown.step}[/bold] of {shown.account}: [bold]{shown.phase}[/bold], round {shown.round}")
    if shown.ended:
        when_ = f" (booked for {when(shown.ended.start)})" if shown.ended.start else ""
        out.print(f"{_BECAME[shown.ended.became]}{when_}.")
        if shown.minutes:
            print_minutes(shown.minutes)
        return
    if shown.booked:
        out.print(f"Booked for [bold]{when(shown.booked)}[/bold], by {shown.booked_by}.")
    rows = table("", "time", "suits")
    for slot in shown.slots:
        rows.add_row(slot.id, when(slot.start), ", ".join(slot.suits) or "–")
    out.print(rows)
    silent = [answer.who for answer in shown.answers if not answer.answered]
    if silent:
        out.print(f"No answer yet from {', '.join(silent)}.")
    if shown.waiting_for:
        due = f", due {when(shown.deadline)}" if shown.deadline else ""
        out.print(f"\nWaits for {shown.waiting_for}{due}.")
    if shown.unblock:
        out.print(f"To move it on:\n  {shown.unblock}", soft_wrap=True)
    if shown.minutes:
        print_minutes(shown.minutes)
