"""`rapport blocker …`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from rapport.model.minutes import BlockerCheck, NewBlocker, Removal
from rapport.model.reading import check as checked
from starters.cli.common import As, Data, Json, acting, out, print_json, with_office
from starters.cli.minutes import print_blockers
from starters.services import Services
from starters.use_cases import blocker
from starters.use_cases.blocker import BlockerShown

app = typer.Typer(help="Blockers: what holds accounts up, until it is removed.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The blocker, as `rapport blocker list` names it.", metavar="ID")]
NextCheck = Annotated[str, typer.Option("--next-check", help="When to look at it again.", metavar="YYYY-MM-DD")]
Note = Annotated[str | None, typer.Option("--note", help="What is known of it; it stands on the timeline.")]


@app.command()
def add(
    account: str,
    title: Annotated[str, typer.Option("--title", help="What holds them up, in one line.")],
    owner: Annotated[str, typer.Option("--owner", help="Whoever removes it: a contact or a member.", metavar="EMAIL")],
    next_check: NextCheck,
    note: Note = None,
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Note what holds an account up."""

    async def work(services: Services) -> BlockerShown:
        said = {"title": title, "owner": owner, "next_check": next_check, "note": note}
        return await blocker.add(services, account, checked(NewBlocker, said, ""), acting(services, as_))

    _print([with_office(data, work, as_json=json)], as_json=json, one=True)


@app.command("list")
def list_(
    account: Annotated[str | None, typer.Argument(help="Only this account's.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Those that were removed as well.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """What holds accounts up; what to look at first comes first."""
    found = with_office(data, lambda services: blocker.listed(services, account, also_removed=all_), as_json=json)
    _print(found, as_json=json)


@app.command()
def check(
    id_: Id, next_check: NextCheck, note: Note = None, as_: As = None, data: Data = None, json: Json = False
) -> None:
    """Say that you have looked at it, and when to look again."""

    async def work(services: Services) -> BlockerShown:
        said = checked(BlockerCheck, {"next_check": next_check, "note": note}, "")
        return await blocker.check(services, id_, said, acting(services, as_))

    _print([with_office(data, work, as_json=json)], as_json=json, one=True)


@app.command()
def remove(
    id_: Id,
    reason: Annotated[str, typer.Option("--reason", help="Why it holds nobody up any more.")],
    as_: As = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say that it holds nobody up any more."""

    async def work(services: Services) -> BlockerShown:
        return await blocker.remove(services, id_, checked(Removal, {"reason": reason}, ""), acting(services, as_))

    _print([with_office(data, work, as_json=json)], as_json=json, one=True)


def _print(found: Sequence[BlockerShown], *, as_json: bool, one: bool = False) -> None:
    if as_json:
        print_json(found[0] if one else found)
    elif found:
        print_blockers(found)
    else:
        out.print("Nothing holds anybody up.")
