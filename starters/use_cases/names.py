"""Names that people type: the whole one, or as much of it as stands for one alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Any, Final

from rapport import playbooks
from rapport.model.base import Refused, UserError
from rapport.storage import account as accounts, cadence, contract as contracts
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
            whole["account"] = one_of(given, await accounts.keys_like(connection, given), "account")
        elif given:
            whole["account"] = [one_of(one, await accounts.keys_like(connection, one), "account") for one in given]
        account, step = whole.get("account"), said.get("step")
        if isinstance(account, str) and isinstance(step, str):
            contract = await contracts.latest(connection, account)
            steps = [one.step for one in await contracts.milestones(connection, contract.id)] if contract else []
            whole["step"] = one_of(step, [*steps, *await cadence.titles(connection, account)], "step")
    if isinstance(name := said.get("playbook"), str):
        whole["playbook"] = one_of(name, playbooks.names(services.settings.data / playbooks.PLAYBOOKS), "playbook")
    return whole
