"""Minutes on the command line: by flags for the small case, by a file, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.markup import escape

from rapport.model.base import UserError
from rapport.model.minutes import Minutes
from rapport.model.reading import check
from starters.cli.common import out, table, when
from starters.use_cases import minutes
from starters.use_cases.action import ActionShown
from starters.use_cases.blocker import BlockerShown
from starters.use_cases.minutes import MinutesShown

Note = Annotated[str | None, typer.Option("--note", help="What to remember of it; it is recorded on the timeline.")]


class Written(NamedTuple):
    """Minutes as a command is given them."""

    attended: Annotated[
        list[str] | None, typer.Option("--attended", help="Who was there; once for each.", metavar="EMAIL")
    ] = None
    short_term: Annotated[
        list[str] | None, typer.Option("--short-term", help="A goal of the next weeks.", metavar="GOAL")
    ] = None
    long_term: Annotated[list[str] | None, typer.Option("--long-term", help="A goal of the year.", metavar="GOAL")] = (
        None
    )
    action: Annotated[
        list[str] | None,
        typer.Option("--action", help="What somebody promised.", metavar="'WHAT; EMAIL; YYYY-MM-DD'"),
    ] = None
    blocker: Annotated[
        list[str] | None,
        typer.Option(
            "--blocker",
            help="A blocker: its title, who clears it, when to check next.",
            metavar="'WHAT; EMAIL; YYYY-MM-DD'",
        ),
    ] = None
    agreed: Annotated[
        list[str] | None,
        typer.Option("--agreed", help="A next meeting, set in the room.", metavar="'STEP; YYYY-MM-DDTHH:MM; ZONE'"),
    ] = None
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Agreed outside of someone's hours, or over an absence or a meeting.")
    ] = False
    next_: Annotated[str | None, typer.Option("--next", help="What else was agreed next, in words.")] = None
    note: Note = None
    private_note: Annotated[
        str | None, typer.Option("--private-note", help="For the TAM alone; no mail and no timeline has it.")
    ] = None
    file: Annotated[Path | None, typer.Option("--file", help="All of it, as TOML; then without the flags above.")] = (
        None
    )

    def minutes(self) -> Minutes:
        """The minutes that were given.

        Raises:
            UserError: Something in them is wrong, or there are both a file and flags.
        """
        if self.file is not None:
            if any(self[:-1]):
                raise UserError("stands beside other flags", field="--file", fix="write all of it in the file")
            return minutes.read_file(self.file)
        data: dict[str, Any] = {
            "attended": self.attended or [],
            "goals": {"short_term": self.short_term or [], "long_term": self.long_term or []},
            "actions": [_parts(one, "--action", "what", "owner", "due") for one in self.action or ()],
            "blockers": [_parts(one, "--blocker", "title", "owner", "next_check") for one in self.blocker or ()],
            "agreed": [_meeting(one) | {"anyway": self.anyway} for one in self.agreed or ()],
            "next": self.next_,
            "note": self.note,
            "private_note": self.private_note,
        }
        return check(Minutes, data, "")


def _parts(text: str, flag: str, first: str, second: str, third: str) -> dict[str, str]:
    """Three parts between semicolons; the first may hold some itself."""
    parts = [part.strip() for part in text.rsplit(";", 2)]
    if len(parts) != 3:
        raise UserError(
            "has not three parts", field=flag, fix=f'write it as {flag} "{first}; {second}@x.example; 2026-12-01"'
        )
    return dict(zip((first, second, third), parts, strict=True))


def _meeting(text: str) -> dict[str, Any]:
    parts = [part.strip() for part in text.split(";")]
    if not 2 <= len(parts) <= 3:
        raise UserError(
            "has not two or three parts",
            field="--agreed",
            fix='write it as --agreed "rollout_planning; 2026-12-01T10:00; Europe/Zurich"',
        )
    return {"step": parts[0], "start": parts[1], "zone": parts[2] if len(parts) == 3 else None}


def print_minutes(shown: MinutesShown) -> None:
    """Minutes for a person."""
    corrected = f", corrected {when(shown.corrected_at)}" if shown.corrected_at else ""
    out.print(f"\n[bold]Minutes[/bold], written by {escape(shown.by)} {when(shown.written_at)}{corrected}")
    if shown.attended:
        out.print(f"There: {', '.join(one.name for one in shown.attended)}", markup=False)
    for term, goals in (("Short term", shown.short_term), ("Long term", shown.long_term)):
        for goal in goals:
            out.print(f"{term}: {goal}", markup=False)
    if shown.actions:
        print_actions(shown.actions)
    if shown.blockers:
        print_blockers(shown.blockers)
    for agreed in shown.agreed:
        out.print(f"Agreed: {agreed.title}, {when(agreed.start)}", markup=False)
    for name, text in (("Next", shown.next), ("Note", shown.note), ("For you alone", shown.private_note)):
        if text:
            out.print(f"{name}: {text}", markup=False)


def print_actions(actions: Sequence[ActionShown]) -> None:
    """Actions as a table."""
    rows = table("action", "what", "who", "by", "")
    for one in actions:
        state = f"done, says {one.done_by}" if one.done else ""
        rows.add_row(one.id, escape(one.what), escape(one.owner), _day(one.due, late=one.overdue), escape(state))
    out.print(rows)


def print_blockers(blockers: Sequence[BlockerShown]) -> None:
    """Blockers as a table."""
    rows = table("blocker", "what", "who removes it", "next check", "")
    for one in blockers:
        state = f"removed by {one.removed_by}: {one.reason or '(erased)'}" if one.removed else ""
        next_ = "" if one.removed else _day(one.next_check, late=one.overdue)
        rows.add_row(one.id, escape(one.title), escape(one.owner), next_, escape(state))
    out.print(rows)


def _day(day: date, *, late: bool) -> str:
    return f"[red]{day} overdue[/red]" if late else str(day)
