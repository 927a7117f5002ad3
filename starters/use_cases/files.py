"""The files that people write."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from rapport.model.access import Action
from rapport.model.account import AccountFile, MembersFile, WrittenMember
from rapport.model.base import InputModel, Refused, UserError
from rapport.model.minutes import Minutes
from rapport.model.positions import line_of, lines, place_of
from rapport.model.reading import EMPTY, MAX_BYTES, check, parse_toml, together
from rapport.model.sheets import SheetRow, read_csv
from rapport.storage import account as accounts
from starters.rights import may
from starters.services import Services

M = TypeVar("M", bound=InputModel)


_ALL: Final = 100
"""How many faults of a file are told at most."""

_EXAMPLES: Final = {
    "account": "[account] with key, name and tam",
    "contacts": "[[contacts]] with persona, name, email and zone",
    "members": "[[members]] with name, email, roles and zone",
    "vendor": '[vendor] with name = "FooBar" and product = "FooBar Enterprise"',
    "key": 'key = "versayce"',
    "account.name": 'name = "Versayce"',
    "vendor.name": 'name = "FooBar"',
    "name": 'name = "Ada Lind"',
    "tam": 'tam = "robin.keller@foobar.example"',
    "persona": 'persona = "primary_champion"',
    "personas": 'persona = "primary_champion"',
    "email": 'email = "ada.lind@versayce.example"',
    "zone": 'zone = "Europe/Zurich"',
    "country": 'country = "CH"',
    "roles": 'roles = ["tam"]',
    "product": 'product = "FooBar Enterprise"',
    "id": 'id = "VERSAYCE-2026-11"',
    "signed_at": "signed_at = 2026-11-20T15:30:00Z",
    "starts": "starts = 2027-01-01",
    "ends": "ends = 2027-12-31",
    "renews": 'renews = "VERSAYCE-2025-11"',
    "playbook": 'playbook = "enterprise"',
    "place": 'place = "Versayce, Hardturmstrasse 11, Zurich"',
    "join_url": 'join_url = "https://meet.foobar.example/robin-keller"',
}
"""How a field of a file may be filled in, by its name."""


def read_written(model: type[M], path: Path) -> M:
    """Read and check a TOML file.

    Raises:
        UserError: It cannot be read, or something in it is wrong: all of it, each with its line.
    """
    raw = read_file(path)
    data = parse_toml(raw, path.name)
    try:
        return check(model, data, "", shown=_ALL)
    except UserError as refusal:
        raise _placed(refusal, raw, path.name) from None


@contextmanager
def told_by_line(path: Path) -> Iterator[None]:
    """Have what is refused of a file that could be read say on which line it is.

    Raises:
        UserError: What was refused.
    """
    try:
        yield
    except UserError as refusal:
        raise _placed(refusal, read_file(path), path.name) from None


def _placed(refusal: UserError, raw: bytes, file: str) -> UserError:
    places = lines(raw.decode())
    written = [one.strip() for one in raw.decode().splitlines()]
    faults = (refusal, *refusal.others)
    # Where something in a list is wrong, the list is not empty.
    listed = {fault.field.partition("[")[0] for fault in faults if "[" in fault.field}
    found = []
    for fault in faults:
        place = place_of(fault.field)
        if fault.problem == EMPTY and fault.field in listed and place in places:
            continue
        if place and place[0] not in _TABLES:
            # It is about something else than the file: the database, or an option of the command.
            found.append((0, fault))
            continue
        line = line_of(place, places)
        # One word where a list may stand is no first item of it to whoever wrote it.
        is_one = place not in places and place and isinstance(place[-1], int)
        field = fault.field.rpartition("[")[0] if is_one else fault.field
        names = [part for part in place if isinstance(part, str)]
        example = _EXAMPLES.get(".".join(names)) or _EXAMPLES.get(names[-1] if names else "")
        # What an option of the command answers is no matter of how the field is written, nor is a value that is taken;
        # and what is refused is no example.
        has_one = (
            example is None
            or fault.kind is Refused.CONFLICT
            or example in written[line - 1 : line]
            or any(part in fault.fix for part in ('"', "=", "`--"))
        )
        fix = fault.fix if has_one else f"{fault.fix}, such as {example}"
        where = f"{file}:{line}: {field}" if place else f"{file}:{line}"
        found.append((line, UserError(fault.problem, field=where, fix=fix, kind=fault.kind)))
    return together([fault for _, fault in sorted(found, key=lambda one: one[0])], _ALL)


_TABLES: Final = frozenset({*AccountFile.model_fields, *MembersFile.model_fields, *Minutes.model_fields})
"""The fields that files have at their head."""


def refuse_calendars_inside(services: Services, members: Sequence[WrittenMember]) -> None:
    """Refuse members whose calendar would be fetched from this machine or a private network.

    Raises:
        UserError: One is at such an address, and no administrator allows its host.
    """
    for index, member in enumerate(members):
        if member.calendar_url is not None:
            # What speaks HTTP is loaded where a file has such an address.
            from rapport import outgoing

            allowed = services.settings.fetch_allowed_hosts
            outgoing.refuse_inside(str(member.calendar_url), allowed, f"members[{index}].calendar_url")


async def within_rights(services: Services, file: AccountFile) -> AccountFile:
    """An account file as whoever gives it may: it changes members and the vendor where an administrator gives it.

    Raises:
        UserError: It has a new member, or another role for one, and is given by somebody else; or a service's token
            that may not act on accounts gives it, and it changes who serves a known one, or whom to write to there.
    """
    # Who signs events is the system in which customers' people are kept: what it says of them later is to count.
    if services.caller.token is not None and not await may(services, Action.ACT):
        await _refuse_changes(services, file)
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


async def _refuse_changes(services: Services, file: AccountFile) -> None:
    """Refuse a file of a known account that does more than add to it."""
    key = file.account.key
    async with services.store.reading() as connection:
        if await accounts.tam_of(connection, key) is None:
            return
        known = await accounts.account(connection, key)
        tam = await accounts.member(connection, known.regular_tam or known.tam)
        people = {one.email.lower(): one for one in await accounts.contacts(connection, key)}
    given = {contact.email.lower(): contact for contact in file.contacts}
    changed = [
        ("account.tam", file.account.tam.lower() != tam.email.lower()),
        ("account.review", file.account.review != known.review),
        ("contacts", not people.keys() <= given.keys()),
        *(
            (f"contacts[{index}].personas", address in people and set(one.personas) != set(people[address].personas))
            for index, (address, one) in enumerate(given.items())
        ),
    ]
    faults = [
        UserError(
            f'isn\'t what is on record for "{key}", and this token may only add to an account that is known',
            field=field,
            fix="write what is on record, or start its contract by the account's key alone",
            kind=Refused.FORBIDDEN,
        )
        for field, is_changed in changed
        if is_changed
    ]
    if faults:
        raise together(faults)


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
