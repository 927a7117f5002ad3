"""`rapport action …`"""

from __future__ import annotations

from typing import Annotated

import typer

from rapport.model.minutes import ActionDone
from rapport.model.reading import check
from starters.cli.common import command, out
from starters.cli.minutes import print_actions
from starters.services import Actor, Services
from starters.use_cases import action
from starters.use_cases.action import ActionShown

app = typer.Typer(help="Actions: what people promised in meetings, until it is done.", no_args_is_help=True)


def _print_list(found: list[ActionShown]) -> None:
    if found:
        print_actions(found)
    else:
        out.print("Nobody has promised anything that is not done.")


def _print_done(finished: ActionShown) -> None:
    print_actions([finished])


@command(app, "list", show=_print_list)
async def list_(
    services: Services,
    account: Annotated[str | None, typer.Argument(help="Only this account's.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Those that are done as well.")] = False,
) -> list[ActionShown]:
    """What was promised; what is due first comes first."""
    return await action.listed(services, account, also_done=all_)


@command(app, show=_print_done)
async def done(
    services: Services,
    actor: Actor,
    id_: Annotated[str, typer.Argument(help="The action, as `rapport action list` names it.", metavar="ID")],
    note: Annotated[str | None, typer.Option("--note", help="What came of it; it is recorded on the timeline.")] = None,
) -> ActionShown:
    """Say that it is done."""
    return await action.done(services, id_, check(ActionDone, {"note": note}, ""), actor)
