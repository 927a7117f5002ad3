"""From a CSV file to checked records, or to a refusal that names line, column and fix."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from rapport.model.base import UserError
from rapport.model.reading import MAX_BYTES, faults, together

M = TypeVar("M", bound=BaseModel)

MAX_ROWS: Final = 10_000
"""How many records one file, or one list, may have."""

_ENOUGH: Final = 10
"""After so many faults nobody reads on."""

_SEPARATORS: Final = ",;\t"


@dataclass(frozen=True)
class SheetRow(Generic[M]):
    """A record, and where it was written.

    Attributes:
        where: What stands before a field's name in a refusal: `usage.csv line 7: `, `samples[6].`, or nothing.
    """

    value: M
    where: str = ""

    def field(self, name: str) -> str:
        """One of its fields, as its author finds it."""
        return f"{self.where}{name}"


def numbered(values: Iterable[M], field: str) -> list[SheetRow[M]]:
    """The records of a list in a document."""
    return [SheetRow(value, f"{field}[{index}].") for index, value in enumerate(values)]


def read_csv(model: type[M], raw: bytes, source: str) -> list[SheetRow[M]]:
    """Read a CSV file whose first line names the columns; an empty cell says nothing.

    Commas, semicolons and tabs separate, whichever the first line has: spreadsheets write what their country does.

    Args:
        source: What to call it in a refusal, such as the file's name.

    Raises:
        UserError: It is too large, not UTF-8, not CSV, has other columns than the model's, or rows that do not fit; it
            names the first fault, and carries some of the others.
    """
    lines = _records(_decoded(raw, source), source)
    first, header = next(lines, (1, []))
    columns = _columns(model, header, f"{source} line {first}")
    rows: list[SheetRow[M]] = []
    wrong: list[UserError] = []
    for number, cells in lines:
        place = f"{source} line {number}"
        if len(cells) != len(columns):
            wrong.append(
                UserError(
                    f"has {len(cells)} cells, the first line has {len(columns)}",
                    field=place,
                    fix="write one cell a column, and put quotes around a text with a separator in it",
                )
            )
        else:
            given = {column: cell.strip() for column, cell in zip(columns, cells, strict=True) if cell.strip()}
            try:
                rows.append(SheetRow(model.model_validate(given), f"{place}: "))
            except ValidationError as error:
                wrong += faults(error, place)
        if len(rows) > MAX_ROWS:
            wrong.append(UserError(f"has more than {MAX_ROWS:,} rows", field=source, fix="split it"))
        if len(wrong) >= _ENOUGH or len(rows) > MAX_ROWS:
            break
    if wrong:
        raise together(wrong)
    if not rows:
        raise UserError("has no rows", field=source, fix="write one line a record below the names of the columns")
    return rows


def _decoded(raw: bytes, source: str) -> str:
    if len(raw) > MAX_BYTES:
        raise UserError(
            f"is larger than {MAX_BYTES // 1_000_000} MB", field=source, fix="split it, each with the first line"
        )
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UserError("is UTF-16", field=source, fix="save it as CSV in UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError("is not UTF-8", field=f"{source} line {line}", fix="save it as CSV in UTF-8") from None


def _records(text: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """The records that are not empty, each with the line on which it begins."""
    first = text.lstrip("\r\n").partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f"is not CSV: {error}", field=f"{source} line {begins}", fix="close its quotes, and double those within"
            ) from None
        if any(cell.strip() for cell in cells):
            yield begins, cells


def _columns(model: type[BaseModel], header: Sequence[str], place: str) -> list[str]:
    """The columns' names; all that the model needs, each once, and no other."""
    columns = [cell.strip().lower() for cell in header]
    known = ", ".join(model.model_fields)
    if not columns:
        raise UserError("has no columns", field=place, fix=f"name them in the first line: {known}")
    for column in columns:
        if column not in model.model_fields:
            raise UserError(f'has an unknown column "{column[:40]}"', field=place, fix=f"use {known}")
        if columns.count(column) > 1:
            raise UserError(f'has the column "{column}" twice', field=place, fix="take one of them out")
    for column, field in model.model_fields.items():
        if field.is_required() and column not in columns:
            raise UserError(f'has no column "{column}"', field=place, fix=f"use {known}")
    return columns


def refuse_repeats(rows: Sequence[SheetRow[M]], key: Callable[[M], Hashable], field: str, what: str) -> None:
    """Refuse records of which two say something of the same thing: nobody could tell which of them counts.

    Args:
        key: What makes them the same.
        field: The field to name in the refusal.
        what: What is the same, in words.
    """
    seen: dict[Hashable, SheetRow[M]] = {}
    wrong = []
    for row in rows:
        first = seen.setdefault(key(row.value), row)
        if first is not row:
            place = first.where.rstrip(":. ") or "before"
            wrong.append(
                UserError(f"has the same {what} as {place}", field=row.field(field), fix="keep one of the two")
            )
    if wrong:
        raise together(wrong)
