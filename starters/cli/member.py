"""`rapport member …`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from rapport.model.commands import in_name
from rapport.model.reading import check
from starters.cli.absence import print_absences
from starters.cli.common import command, out, table, when
from starters.services import Actor, Services
from starters.use_cases import member as members
from starters.use_cases.member import Leaving, MemberLine, MemberShown

app = typer.Typer(help="Members: who they are, and on whom they lean.", no_args_is_help=True)

Member = Annotated[str, typer.Argument(help="The member's address.", metavar="EMAIL")]


def _print_lines(lines: Sequence[MemberLine]) -> None:
    if not lines:
        out.print("No members yet. Bring them in with `rapport member import FILE`.")
        return
    rows = table("who", "address", "roles", "manager", "")
    for line in lines:
        rows.add_row(line.name, line.email, ", ".join(line.roles), line.manager or "", _presence(line))
    out.print(rows)


def _presence(line: MemberLine) -> str:
    if line.left_at is not None:
        return f"[dim]left {when(line.left_at)}[/dim]"
    return f"[yellow]away until {when(line.away_until)}[/yellow]" if line.away_until else ""


def _print(shown: MemberShown) -> None:
    out.print(f"[bold]{shown.name}[/bold]  ({shown.email})  {_presence(shown)}")
    out.print(f"{shown.title or 'no title'}; {', '.join(shown.roles)}; {shown.zone}")
    rows = table("", "")
    rows.show_header = False
    for label, value in (("manager", shown.manager), ("backup", shown.backup), ("delegate", shown.delegate)):
        rows.add_row(label, value or "nobody")
    rows.add_row("TAM of", ", ".join(shown.accounts) or "no account")
    out.print(rows)
    if shown.absences:
        print_absences(shown.absences)
    if shown.left_at and shown.accounts:
        hand_over = in_name("rapport account hand-over ACCOUNT --to ADDRESS --reason REASON")
        out.print(f"\nTheir accounts need another TAM: `{hand_over}`.", soft_wrap=True)


@command(app, "import", show=_print_lines)
async def import_(
    services: Services, file: Annotated[Path, typer.Argument(help="A members file, such as examples/members.toml.")]
) -> list[MemberLine]:
    """Bring members up to what a file says. Safe to repeat; whom it does not name stays as they are."""
    return await members.import_members(services, members.read_file(file))


@command(app, "list", show=_print_lines)
async def list_(services: Services) -> list[MemberLine]:
    """Every member, also those who have left."""
    return await members.listed(services)


@command(app, show=_print)
async def show(services: Services, member: Member) -> MemberShown:
    """One member with their absences and accounts."""
    return await members.show(services, member)


@command(app, show=_print)
async def leave(
    services: Services, actor: Actor, member: Member, reason: Annotated[str, typer.Option("--reason", help="Why.")]
) -> MemberShown:
    """Note that they have left for good: what they had to decide goes to others."""
    leaving = check(Leaving, {"reason": reason}, "")
    return await members.leave(services, member, leaving, actor)
