"""`rapport blocker …`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from rapport.model.minutes import BlockerCheck, NewBlocker, Removal
from rapport.model.reading import check as checked
from starters.cli.common import command
from starters.cli.minutes import print_blockers
from starters.services import Actor, Services
from starters.use_cases import blocker
from starters.use_cases.blocker import BlockerShown

app = typer.Typer(help="Blockers: what an account is blocked by, until it is cleared.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The blocker, as `rapport blocker list` names it.", metavar="ID")]
NextCheck = Annotated[str, typer.Option("--next-check", help="When to look at it again.", metavar="YYYY-MM-DD")]
Note = Annotated[str | None, typer.Option("--note", help="What is known of it; it is recorded on the timeline.")]


def _print(found: BlockerShown | Sequence[BlockerShown]) -> str | None:
    if not found:
        return "Nothing holds anybody up."
    print_blockers([found] if isinstance(found, BlockerShown) else found)
    return None


@command(app, show=_print)
async def add(
    services: Services,
    actor: Actor,
    account: str,
    title: Annotated[str, typer.Option("--title", help="What is blocked, in one line.")],
    owner: Annotated[str, typer.Option("--owner", help="Whoever removes it: a contact or a member.", metavar="EMAIL")],
    next_check: NextCheck,
    note: Note = None,
) -> BlockerShown:
    """Note what holds an account up."""
    said = {"title": title, "owner": owner, "next_check": next_check, "note": note}
    return await blocker.add(services, account, checked(NewBlocker, said, ""), actor)


@command(app, "list", show=_print)
async def list_(
    services: Services,
    account: Annotated[str | None, typer.Argument(help="Only this account's.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Those that were removed as well.")] = False,
) -> list[BlockerShown]:
    """List the blockers; what to look at first comes first."""
    return await blocker.listed(services, account, also_removed=all_)


@command(app, show=_print)
async def check(services: Services, actor: Actor, id_: Id, next_check: NextCheck, note: Note = None) -> BlockerShown:
    """Say that you have looked at it, and when to look again."""
    said = checked(BlockerCheck, {"next_check": next_check, "note": note}, "")
    return await blocker.check(services, id_, said, actor)


@command(app, show=_print)
async def remove(
    services: Services,
    actor: Actor,
    id_: Id,
    reason: Annotated[str, typer.Option("--reason", help="Why it holds nobody up any more.")],
) -> BlockerShown:
    """Say that it holds nobody up any more."""
    return await blocker.remove(services, id_, checked(Removal, {"reason": reason}, ""), actor)
