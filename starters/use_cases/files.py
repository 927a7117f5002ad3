"""The files that people write."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from rapport import outgoing
from rapport.model.access import Action
from rapport.model.account import AccountFile, WrittenMember
from rapport.model.base import InputModel, Refused, UserError
from rapport.model.reading import MAX_BYTES, read_toml
from rapport.model.sheets import SheetRow, read_csv
from rapport.storage import account as accounts
from starters.rights import may
from starters.services import Services

M = TypeVar("M", bound=InputModel)


def read_written(model: type[M], path: Path) -> M:
    """Read and check a TOML file.

    Raises:
        UserError: It cannot be read, or something in it is wrong.
    """
    return read_toml(model, read_file(path), path.name)


def refuse_calendars_inside(services: Services, members: Sequence[WrittenMember]) -> None:
    """Refuse members whose calendar would be fetched from this machine or a private network.

    Raises:
        UserError: One is at such an address, and no administrator allows its host.
    """
    for index, member in enumerate(members):
        if member.calendar_url is not None:
            allowed = services.settings.fetch_allowed_hosts
            outgoing.refuse_inside(str(member.calendar_url), allowed, f"members[{index}].calendar_url")


async def within_rights(services: Services, file: AccountFile) -> AccountFile:
    """An account file as whoever gives it may: it changes members and the vendor where an administrator gives it.

    Raises:
        UserError: It has a new member, or another role for one, and is given by somebody else.
    """
    if await may(services, Action.MEMBERS):
        return file
    async with services.store.reading() as connection:
        known = {one.email.lower(): one for one in await accounts.members(connection)}
        try:
            has_vendor = bool(await accounts.vendor(connection))
        except UserError:
            has_vendor = False
    for index, written in enumerate(file.members):
        there = known.get(written.email.lower())
        if there is None or there.roles != written.roles:
            raise UserError(
                "is added, or given a role, by administrators alone",
                field=f"members[{index}]",
                fix="ask an administrator to import the member, and leave it out here",
                kind=Refused.FORBIDDEN,
            )
    return file.model_copy(update={"members": (), **({"vendor": None} if has_vendor else {})})


def read_sheet(model: type[M], path: Path) -> list[SheetRow[M]]:
    """Read and check a CSV file, or what comes in where it is called `-`.

    Raises:
        UserError: It cannot be read, or something in it is wrong.
    """
    if str(path) == "-":
        # One byte more than is allowed tells as much as all of them.
        return read_csv(model, sys.stdin.buffer.read(MAX_BYTES + 1), "standard input")
    return read_csv(model, read_file(path), path.name)


def read_file(path: Path) -> bytes:
    """Read a file.

    Raises:
        UserError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot be read: {error.strerror}", field=str(path), fix="check the path", kind=Refused.NOT_FOUND
        ) from None
