"""A book: the accounts that a TAM serves already, brought in at once from a directory of their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rapport.model.access import Action
from rapport.model.account import AccountFile, BookRow
from rapport.model.base import Refused, UserError, WireModel
from rapport.model.reading import together
from rapport.storage.database import Connection
from starters.rights import Matter, requires
from starters.services import Services
from starters.use_cases import account as accounts, onboarding
from starters.use_cases.files import read_sheet, told_by_line
from starters.use_cases.onboarding import StartRequest

SHEET: Final = "book.csv"
"""The file of a book that says which of its accounts are started, and where each enters."""
_TOLD: Final = 200


class BookEntry(NamedTuple):
    """One account of a book: its file, and what its row says, if it has one."""

    path: Path
    file: AccountFile
    row: BookRow | None


class BookLine(WireModel):
    """What became of one account of a book.

    Attributes:
        created: Whether this very import has started its onboarding.
        problems: Why it was not brought in, or not started; each with its line.
    """

    account: str
    file: str
    workflow_id: str | None = None
    created: bool = False
    at: str | None = None
    problems: tuple[str, ...] = ()


class BookImported(WireModel):
    """What became of a book, in the order of its files."""

    lines: tuple[BookLine, ...]


def read_book(folder: Path) -> list[BookEntry]:
    """Read and check all files of a directory. Where something is wrong with any of them, nothing is brought in.

    Raises:
        UserError: A file cannot be read or is wrong, two are of one account, or a row is of none of them; all of it.
    """
    wrong: list[UserError] = []
    files: dict[str, tuple[Path, AccountFile]] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            file = accounts.read_file(path)
        except UserError as refusal:
            wrong += (refusal, *refusal.others)
            continue
        other = files.setdefault(file.account.key, (path, file))
        if other[0] != path:
            problem = f'is the account "{file.account.key}", as {other[0].name} is'
            wrong.append(UserError(problem, field=path.name, fix="keep one of the two files"))
    rows: dict[str, BookRow] = {}
    if (folder / SHEET).exists():
        try:
            for row in read_sheet(BookRow, folder / SHEET):
                if row.value.account not in files and not wrong:
                    problem = f'no file here is of the account "{row.value.account}"'
                    wrong.append(UserError(problem, field=row.field("account"), fix="add its file, or leave it out"))
                rows[row.value.account] = row.value
        except UserError as refusal:
            wrong += (refusal, *refusal.others)
    if not files and not wrong:
        raise UserError(
            "has no account files",
            field=str(folder),
            fix="put each account's file there, as KEY.toml",
            kind=Refused.NOT_FOUND,
        )
    if wrong:
        raise together(wrong, _TOLD)
    return [BookEntry(path, file, rows.get(key)) for key, (path, file) in files.items()]


async def _of_book(_: Connection, book: Sequence[BookEntry]) -> list[Matter]:
    return [(Action.START, one.file.account.key) for one in book]


@requires(Action.START, "book", _of_book)
async def import_book(services: Services, book: Sequence[BookEntry]) -> BookImported:
    """Bring in every account of a book, and start those that have a row. What one is refused for stops no other.

    Repeating it is safe: a contract starts once.
    """
    return BookImported(lines=tuple([await _bring_in(services, one) for one in book]))


async def _bring_in(services: Services, entry: BookEntry) -> BookLine:
    row, line = entry.row, BookLine(account=entry.file.account.key, file=entry.path.name)
    try:
        with told_by_line(entry.path):
            await accounts.import_account(services, entry.file)
            if row is None:
                return line
            request = StartRequest(account=line.account, at=row.at, as_new=row.as_new)
            started = await onboarding.start(services, request)
    except UserError as refusal:
        return line.model_copy(update={"problems": tuple(str(fault) for fault in (refusal, *refusal.others))})
    known = {"workflow_id": started.workflow_id, "created": started.created, "at": row.at}
    return line.model_copy(update=known)
