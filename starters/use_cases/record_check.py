"""Checking a decision's record as a file alone, with no installation at hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rapport.model.base import UserError, WireModel
from rapport.rules import record

_LARGEST: Final = 20_000_000


class RecordChecked(WireModel):
    """What came of it.

    Attributes:
        receipts: How many signed receipts are in it.
        faults: What is wrong, in words.
    """

    file: str
    whole: bool
    receipts: int
    faults: tuple[str, ...]


def verify_record(file: Path, keys: Sequence[str]) -> RecordChecked:
    """Check a record that `rapport review record --out` has written, or that was saved from its page.

    Args:
        keys: The public keys of whoever signed it, in hex, as `rapport audit key` prints them.

    Raises:
        UserError: The file cannot be read, or a key is none.
    """
    for key in keys:
        if re.fullmatch(r"[0-9a-f]{64}", key) is None:
            raise UserError("is not a public key", field="--key", fix="copy it from `rapport audit key`: 64 hex digits")
    try:
        if file.stat().st_size > _LARGEST:
            raise UserError("is too large for a record", field=str(file), fix="name the file of a record")
        text = file.read_bytes().decode()
    except OSError as error:
        raise UserError(f"can't be read: {error.strerror}", field=str(file), fix="name the file of a record") from None
    except UnicodeDecodeError:
        raise UserError("isn't text", field=str(file), fix="name the .md or .html file of a record") from None
    found = record.check(text, keys)
    return RecordChecked(file=str(file), whole=not found.faults, receipts=found.receipts, faults=found.faults)
