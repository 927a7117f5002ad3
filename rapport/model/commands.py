"""The commands that Rapport prints for people to copy."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from typing import Final, overload

from rapport.model.account import Role

_SOMEBODY: Final = "--as EMAIL"


def in_name(command: str) -> str:
    """A command that acts in a member's name, as it is printed: with `--as EMAIL`.

    Workflows and projections know no addresses, so the placeholder stays until `read_by` knows who reads it.
    """
    return f"{command} {_SOMEBODY}"


def reading_drafts(account: str) -> str:
    """The command that shows an account's drafts in full, each with what sends it; nothing goes unread."""
    return f"rapport message list {account} --drafts"


def deciding(task: str, option: str, *, needs_reason: bool) -> str:
    """The command that chooses one of a task's options, as it is printed: with a reason where it is refused without."""
    return in_name(f"rapport task decide {task} --option {option}{' --reason …' if needs_reason else ''}")


@overload
def read_by(text: str, email: str | None) -> str: ...


@overload
def read_by(text: str | None, email: str | None) -> str | None: ...


def read_by(text: str | None, email: str | None) -> str | None:
    """A printed command for one reader: under their own address, where it acts in somebody's name.

    Args:
        email: The member who reads it; the placeholder stays where nobody is known.
    """
    return text.replace(_SOMEBODY, f"--as {shlex.quote(email)}") if text and email else text


def by_whom(command: str | None, on: Collection[str], tam: str | None, reader: str | None = None) -> str | None:
    """A printed command, complete for whoever can do it: nobody has to look up an address for `--as`.

    Args:
        on: Whom it waits for, by role or persona; what waits for a customer, the TAM can move on.
        tam: The address of the account's TAM, or of whoever acts for them; nothing where nobody is known to.
        reader: Who reads it, where that is known: they act in their own name.
    """
    others = {*Role} - {Role.TAM}
    return read_by(command, reader or (None if on and set(on) <= others else tam))
