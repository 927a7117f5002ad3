"""`rapport absence …`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from rapport.model.account import WrittenAbsence
from rapport.model.reading import check
from starters.cli.common import As, Data, Json, acting, out, print_json, table, when, with_office
from starters.services import Services
from starters.use_cases import member as members
from starters.use_cases.member import AbsenceShown

app = typer.Typer(help="Absences: who is away, until when, and who stands in.", no_args_is_help=True)


@app.command()
def add(
    member: Annotated[str, typer.Argument(help="The address of the member who is away.", metavar="EMAIL")],
    from_: Annotated[str, typer.Option("--from", help="The first day in the member's zone, or an instant.")],
    until: Annotated[str, typer.Option("--until", help="The last day, which still belongs to it, or an instant.")],
    delegate: Annotated[
        str | None, typer.Option("--delegate", help="Who stands in, if not their usual delegate.", metavar="EMAIL")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; colleagues can read it.")] = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Announce an absence: your own, or as a lead somebody else's."""

    async def work(services: Services) -> AbsenceShown:
        said = {"member": member, "from": from_, "until": until, "delegate": delegate, "reason": reason}
        return await members.add_absence(services, check(WrittenAbsence, said, ""), acting(services, as_))

    _print(with_office(data, work, as_json=json), as_json=json)


@app.command("list")
def list_(
    member: Annotated[str | None, typer.Argument(help="Only this member's.", metavar="EMAIL")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Who is away, now or later."""
    found = with_office(data, lambda services: members.absences(services, member), as_json=json)
    if json:
        print_json(found)
    elif found:
        print_absences(found)
    else:
        out.print("Nobody is away, and no absence lies ahead.")


@app.command()
def end(
    id_: Annotated[str, typer.Argument(help="The absence, as `rapport absence list` names it.", metavar="ID")],
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Be back early; an absence that has not begun is withdrawn."""
    ended = with_office(data, lambda services: members.end_absence(services, id_, acting(services, as_)), as_json=json)
    _print(ended, as_json=json)


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


def _print(absence: AbsenceShown, *, as_json: bool) -> None:
    if as_json:
        print_json(absence)
    else:
        print_absences([absence])
