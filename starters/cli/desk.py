"""`rapport desk …`"""

from __future__ import annotations

import typer

from starters.cli import desk_report, side_project
from starters.cli.common import command, out, print_checked, when
from starters.cli.support_case import print_cases
from starters.services import Services
from starters.use_cases import desk
from starters.use_cases.desk import DeskShown

app = typer.Typer(help="The support desk: open cases and their owners.", no_args_is_help=True)
app.add_typer(side_project.app, name="side-project")
app.add_typer(desk_report.app)


def _print_status(found: DeskShown) -> None:
    out.print(f"Desk {found.name}: {found.hours}. Severity 1: {found.worst}")
    if not found.live:
        out.print("The desk does not answer; what follows is what cases last wrote down.")
    if found.queue:
        print_cases(found.queue)
    else:
        out.print("Nothing waits for an owner.")
    if found.in_hand:
        print_cases(found.in_hand)
    if found.ended:
        print_cases(found.ended)
    for line in (*found.queue, *found.in_hand, *found.ended)[:1]:
        print_checked(line.checked)
    shown, there = len(found.queue) + len(found.in_hand), found.queued + found.held
    if shown < there:
        out.print(f"These are the first {shown} of {there}; `rapport case list --account` shows those of one.")
    if found.next_promise is not None:
        out.print(f"Next promise: {when(found.next_promise)}")


@command(app, show=_print_status)
async def status(services: Services) -> DeskShown:
    """Show the unassigned cases, each owner's cases, and what is due next."""
    return await desk.status(services)
