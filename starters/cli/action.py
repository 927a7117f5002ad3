"""`rapport action …`"""

from __future__ import annotations

from typing import Annotated

import typer

from rapport.model.minutes import ActionDone
from rapport.model.reading import check
from starters.cli.common import As, Data, Json, acting, out, print_json, with_office
from starters.cli.minutes import print_actions
from starters.services import Services
from starters.use_cases import action
from starters.use_cases.action import ActionShown

app = typer.Typer(help="Actions: what people promised in meetings, until it is done.", no_args_is_help=True)


@app.command("list")
def list_(
    account: Annotated[str | None, typer.Argument(help="Only this account's.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Those that are done as well.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """What was promised; what is due first comes first."""
    found = with_office(data, lambda services: action.listed(services, account, also_done=all_), as_json=json)
    if json:
        print_json(found)
    elif found:
        print_actions(found)
    else:
        out.print("Nobody has promised anything that is not done.")


@app.command()
def done(
    id_: Annotated[str, typer.Argument(help="The action, as `rapport action list` names it.", metavar="ID")],
    note: Annotated[str | None, typer.Option("--note", help="What came of it; it stands on the timeline.")] = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say that it is done."""

    async def work(services: Services) -> ActionShown:
        return await action.done(services, id_, check(ActionDone, {"note": note}, ""), acting(services, as_))

    finished = with_office(data, work, as_json=json)
    if json:
        print_json(finished)
    else:
        print_actions([finished])
