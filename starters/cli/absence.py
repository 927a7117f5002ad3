"""`rapport absence …`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from rapport.model.account import WrittenAbsence
from rapport.model.reading import check
from starters.cli.common import command, out, table, when
from starters.services import Actor, Services
from starters.use_cases import member as members
from starters.use_cases.member import AbsenceShown

app = typer.Typer(help="Absences: who is away, until when, and who stands in.", no_args_is_help=True)


def _print_list(found: list[AbsenceShown]) -> None:
    if found:
        print_absences(found)
    else:
        out.print("Nobody is away, and no absence lies ahead.")


def print_absences(absences: Sequence[AbsenceShown]) -> None:
    """Absences with their stand-ins, in wall time where the command runs."""
    rows = table("id", "who", "from", "until", "stands in", "", "reason")
    for absence in absences:
        rows.add_row(
            absence.id,
            absence.name,
            when(absence.starts),
            when(absence.ends),
            absence.delegate or "nobody",
            absence.state,
            absence.reason or "",
        )
    out.print(rows)


def _print(absence: AbsenceShown) -> None:
    print_absences([absence])
    if absence.booked:
        out.print("\nBooked with them then. Reschedule these meetings, or hand the accounts over:", soft_wrap=True)
        for one in absence.booked:
            out.print(f"- {one}", soft_wrap=True)


@command(app, show=_print)
async def add(
    services: Services,
    actor: Actor,
    member: Annotated[str, typer.Argument(help="The address of the member who is away.", metavar="EMAIL")],
    from_: Annotated[str, typer.Option("--from", help="The first day in the member's zone, or an instant.")],
    until: Annotated[str, typer.Option("--until", help="The last day, which still belongs to it, or an instant.")],
    delegate: Annotated[
        str | None, typer.Option("--delegate", help="Who stands in, if not their usual delegate.", metavar="EMAIL")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; colleagues can read it.")] = None,
) -> AbsenceShown:
    """Announce an absence: your own, or as a lead somebody else's."""
    said = {"member": member, "from": from_, "until": until, "delegate": delegate, "reason": reason}
    return await members.add_absence(services, check(WrittenAbsence, said, ""), actor)


@command(app, "list", show=_print_list)
async def list_(
    services: Services,
    member: Annotated[str | None, typer.Argument(help="Only this member's.", metavar="EMAIL")] = None,
) -> list[AbsenceShown]:
    """Who is away, now or later."""
    return await members.absences(services, member)


@command(app, show=_print)
async def end(
    services: Services,
    actor: Actor,
    id_: Annotated[str, typer.Argument(help="The absence, as `rapport absence list` names it.", metavar="ID")],
) -> AbsenceShown:
    """Be back early; an absence that has not begun is withdrawn."""
    return await members.end_absence(services, id_, actor)
