"""The hash chain of a timeline: what each entry's hash covers, and what a walk along the chain finds.

The chain covers ids and instants, and of what a person said only SHA-256(salt‖text). So erasing a person deletes salt
and text, and the chain stays whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain, islice
from typing import Any, Final, NamedTuple

from rapport.model.base import WireModel

START: Final = "0" * 64
"""What an account's first entry names as the hash before it."""

ENTRY: Final = ("key", "account", "at", "kind", "step", "who", "about", "instant", "submission")
"""What an entry's hash covers of the entry, in this order."""

SUBMISSION: Final = (
    "id",
    "at",
    "actor",
    "channel",
    "entered_by",
    "kind",
    "workflow_id",
    "verified",
    "on_behalf_of",
    "shown",
    "text_hash",
)
"""What an entry's hash covers of what a person said with it, in this order."""

_PLACES: Final = 100
"""How many entries that do not have their hash are looked for elsewhere in the chain."""


def text_hash(salt: str, text: str) -> str:
    """What stays of a text for good: SHA-256(salt‖text), in hex. Without the salt nobody can try out what it was."""
    return hashlib.sha256(f"{salt}{text}".encode()).hexdigest()


def entry_hash(previous: str, sequence: int, entry: Mapping[str, Any], said: Mapping[str, Any] | None) -> str:
    """The hash of one entry: SHA-256, in hex, of a JSON array in its canonical form (RFC 8785).

    Args:
        previous: The hash of the account's entry before it, or `START`.
        sequence: Its place in the account's chain, from 1.
        entry: The fields of `ENTRY`.
        said: The fields of `SUBMISSION`, if the entry names a submission that is on record.
    """
    covered = [
        previous,
        sequence,
        *(canonical(entry[name]) for name in ENTRY),
        None if said is None else [canonical(said[name]) for name in SUBMISSION],
    ]
    # RFC 8785 orders the keys of objects and writes numbers like ECMAScript; with an array of texts, integers and
    # nulls this is all that it asks for. What no entry holds, such as bytes, may still stand in a row that was altered.
    plain = json.dumps(covered, ensure_ascii=False, separators=(",", ":"), default=repr)
    return hashlib.sha256(plain.encode()).hexdigest()


def canonical(value: Any) -> Any:
    """A value as the hash covers it: an instant as RFC 3339 in UTC, with microseconds if there are any."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


class Flaw(StrEnum):
    """What can be wrong with an entry."""

    ALTERED = "altered"
    TEXT = "text altered"
    MISSING = "missing"
    REORDERED = "reordered"
    ADDED = "added"


class AuditFinding(WireModel):
    """A place where the record is not what was written.

    Attributes:
        sequence: The entry's place in the account's chain; nothing where it has none.
        detail: What is wrong, in words.
        at: The instant that the entry gives, where there is an entry.
    """

    account: str
    sequence: int | None
    what: Flaw
    detail: str
    at: str | None = None


@dataclass(frozen=True)
class ChainLink:
    """An entry as it stands in the database.

    Attributes:
        entry: The fields of `ENTRY`.
        said: The fields of `SUBMISSION`, if the submission that the entry names is there.
        salt: The salt of its text; like the text, nothing once it was erased.
    """

    sequence: int
    previous: str
    hash: str
    entry: Mapping[str, Any]
    said: Mapping[str, Any] | None = None
    salt: str | None = None
    text: str | None = None

    def hash_at(self, sequence: int) -> str:
        """The entry's hash (SHA-256, hexadecimal) if it stood at this place of the chain."""
        return entry_hash(self.previous, sequence, self.entry, self.said)

    @property
    def has_its_text(self) -> bool:
        """Whether the text is the one that was said, or was erased together with its salt."""
        if self.said is None or (self.salt is None and self.text is None):
            return True
        if self.salt is None or self.text is None:
            return False
        return bool(text_hash(self.salt, self.text) == self.said["text_hash"])


class ChainHead(NamedTuple):
    """The end of a chain when all of it was found as it was written: an entry's place, and its hash."""

    sequence: int
    hash: str


class Walk:
    """A walk along an account's chain, from its first entry to its last. Of what is sound it keeps nothing."""

    def __init__(self, account: str, begin: int = 1) -> None:
        """Before the first entry.

        Args:
            begin: The place of the first entry that is looked at; whoever begins later than with 1 has to know by that
                entry's hash that what comes before it was verified.
        """
        self.account = account
        self.entries = 0
        self._begin = begin
        self._findings: list[AuditFinding] = []
        self._suspects: list[ChainLink] = []
        self._gaps: list[range] = []
        self._last: ChainLink | None = None
        self._last_faulty = False

    def take(self, link: ChainLink) -> None:
        """Look at the next entry, in the order of their sequences."""
        self.entries += 1
        due = self._last.sequence + 1 if self._last else self._begin
        # SQLite lets a text stand in a column of integers.
        if not isinstance(link.sequence, int) or link.sequence < due:
            self._find(None, Flaw.ADDED, "has no place in the chain", link)
            return
        if link.sequence > due:
            self._miss(range(due, link.sequence))
        sound = link.hash_at(link.sequence) == link.hash
        if sound and link.sequence == due:
            self._follow(link)
        if not sound and len(self._suspects) < _PLACES:
            self._suspects.append(link)
        elif not sound:
            self._find(link.sequence, Flaw.ALTERED, _ALTERED, link)
        elif not link.has_its_text:
            self._find(link.sequence, Flaw.TEXT, "what was said is not what its hash says", link)
        self._last, self._last_faulty = link, not sound

    def end(self, head: tuple[int, str] | None) -> list[AuditFinding]:
        """Come to the end, and give all that was found.

        Args:
            head: The sequence and hash of the last entry, as they were noted beside the chain.
        """
        last = self._last.sequence if self._last else 0
        if head is None:
            if self.entries:
                self._find(None, Flaw.MISSING, "the note of the last entry is missing")
        elif head[0] > last:
            self._miss(range(last + 1, head[0] + 1))
        elif head[0] < last:
            self._find(head[0] + 1, Flaw.ADDED, f"the last entry that was recorded is {head[0]}")
        elif self._last and head[1] != self._last.hash and not self._last_faulty:
            self._find(last, Flaw.ALTERED, "its hash is not the one noted for the last entry", self._last)
        for link in self._suspects:
            self._judge(link)
        return sorted(self._findings, key=lambda finding: finding.sequence or 0)

    @property
    def mark(self) -> ChainHead | None:
        """Where it ended; nothing where there was no entry."""
        return ChainHead(self._last.sequence, self._last.hash) if self._last else None

    def _follow(self, link: ChainLink) -> None:
        """Hold a sound entry against the one before it: someone may have altered that one and its hash with it."""
        if self._last is None and self._begin > 1:
            return
        before = self._last.hash if self._last else START
        if link.previous == before or self._last_faulty:
            return
        if self._last is None:
            self._find(link.sequence, Flaw.ALTERED, "is not the first entry that was recorded", link)
        else:
            detail = f"its hash is not the one that entry {link.sequence} was built on"
            self._find(self._last.sequence, Flaw.ALTERED, detail, self._last)

    def _judge(self, link: ChainLink) -> None:
        """Say of an entry that does not have its hash whether it stands elsewhere in the chain than it did."""
        # Whoever takes an entry out or slips one in, and numbers the rest anew, moves those by one.
        near = (other.sequence + step for other in self._suspects for step in (0, -1, 1))
        for place in islice(chain(near, *self._gaps), 4 * _PLACES):
            if link.hash_at(place) == link.hash:
                self._find(link.sequence, Flaw.REORDERED, f"was recorded as entry {place}", link)
                return
        gone = link.said is None and link.entry["submission"] is not None
        detail = "what was said with it is missing or altered" if gone else _ALTERED
        self._find(link.sequence, Flaw.ALTERED, detail, link)

    def _miss(self, gap: range) -> None:
        self._gaps.append(gap)
        which = f"entry {gap[0]} is" if len(gap) == 1 else f"entries {gap[0]} to {gap[-1]} are"
        self._find(gap[0], Flaw.MISSING, f"{which} missing")

    def _find(self, sequence: int | None, what: Flaw, detail: str, link: ChainLink | None = None) -> None:
        at = str(canonical(link.entry["at"])) if link else None
        self._findings.append(AuditFinding(account=self.account, sequence=sequence, what=what, detail=detail, at=at))


_ALTERED: Final = "the entry, or what was said with it, is not what was recorded"
