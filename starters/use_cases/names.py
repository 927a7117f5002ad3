"""Names that people type: the whole one, or as much of it as stands for one alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Any, Final

from rapport import playbooks
from rapport.model.base import Refused, UserError
from rapport.storage import account as accounts, cadence, contract as contracts
from rapport.storage.contract import Contract
from rapport.storage.database import Connection
from starters.services import Services

_ALIKE: Final = 0.6
"""How much of two texts has to agree for one to be a typing error of the other, as in `difflib.get_close_matches`."""


def no_step(problem: str, typed: str, titles: Mapping[str, str], field: str = "step") -> UserError:
    """The refusal of a step that there is none of: it lists the keys, the one nearest to what was typed first.

    Args:
        titles: The title of each step by its key; somebody who types a title is asked whether its key is meant.
    """

    def alike(key: str) -> float:
        text = typed[:60].casefold()
        return max(SequenceMatcher(None, text, one.casefold()).ratio() for one in (key, titles[key]))

    keys = sorted(titles, key=alike, reverse=True)
    meant = f'did you mean "{keys[0]}"? ' if keys and alike(keys[0]) >= _ALIKE else ""
    return UserError(problem, field=field, fix=f"{meant}use one of {', '.join(keys) or 'none'}", kind=Refused.NOT_FOUND)


def one_of(text: str, known: Iterable[str], field: str) -> str:
    """The known name that a text is, or that alone begins with it; else the text, for whoever knows what is wrong.

    Raises:
        UserError: Several begin with it.
    """
    names = list(known)
    begun = sorted({name for name in names if name.startswith(text)}) if text else []
    if text in names or not begun:
        return text
    if len(begun) > 1:
        raise UserError(f'"{text}" may be {" or ".join(begun[:5])}', field=field, fix="write more of it")
    return begun[0]


async def contract_of(
    connection: Connection, name: str, step: str | None = None, *, reads: bool = False
) -> Contract | None:
    """The contract that is meant by an account's key, or by ACCOUNT.CONTRACT; nothing where none was started.

    A key alone stands for the contract whose onboarding runs, or else for the last one. Where several run, for the one
    that has the step.

    Args:
        reads: Whether it is only looked at: then the first of several stands for them all.

    Raises:
        UserError: There is no such account or contract, or several run of which any may be meant: it lists them.
    """
    key, _, of = name.partition(".")
    await accounts.account(connection, key)
    found = await contracts.started(connection, key)
    if of:
        named = next((one for one in found if of == one.id), None)
        if named is None:
            raise UserError(
                f'"{key}" has no contract "{of[:64]}"', field="account", fix=_listed(found), kind=Refused.NOT_FOUND
            )
        return named
    if len(found) > 1 and step is not None:
        having = await contracts.having(connection, key, step)
        found = [one for one in found if one.id in having] or found
    running = [one for one in found if one.runs]
    if len(running) > 1 and not reads:
        raise UserError(
            f'several onboardings of "{key}" run', field="account", fix=_listed(running), kind=Refused.CONFLICT
        )
    return contracts.current(found)


def _listed(found: Iterable[Contract]) -> str:
    """How the contracts of an account are named."""
    names = [one.scope if "." in one.scope else f"{one.scope}.{one.id}" for one in found]
    return f"name one of them: {', '.join(names)}" if names else "none was started"


async def in_full(services: Services, said: dict[str, Any]) -> dict[str, Any]:
    """The whole names of the account, the step and the playbook that a command was given.

    Raises:
        UserError: Several have a name that begins like this.
    """
    whole = {name: text for name, text in said.items() if name in ("account", "step", "playbook") and text}
    if not whole:
        return {}
    given = said.get("account")
    async with services.store.reading() as connection:
        if isinstance(given, str):
            key, dot, of = given.partition(".")
            key = one_of(key, await accounts.keys_like(connection, key), "account")
            if dot:
                of = one_of(of, [one.id for one in await contracts.started(connection, key)], "account")
            whole["account"] = f"{key}{dot}{of}"
        elif given:
            whole["account"] = [one_of(one, await accounts.keys_like(connection, one), "account") for one in given]
        account, step = whole.get("account"), said.get("step")
        if isinstance(account, str) and isinstance(step, str):
            key, _, of = account.partition(".")
            steps = await contracts.steps(connection, key, of or None)
            whole["step"] = one_of(step, [*steps, *await cadence.titles(connection, key)], "step")
    if isinstance(name := said.get("playbook"), str):
        whole["playbook"] = one_of(name, playbooks.names(services.settings.data / playbooks.PLAYBOOKS), "playbook")
    return whole
