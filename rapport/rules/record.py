"""The seal of a decision's record: the page as it was written and the receipts of its decisions, signed (Ed25519).

Whoever has the file and the public key can check it, with nothing else at hand.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rapport.rules import receipt

_BEGINS: Final = "<!-- rapport-record "
_ENDS: Final = " -->"
_CLOSES: Final = "</body>"
"""What the seal of a page stands before; that of a text ends it."""
_RECEIPT: Final = ("document", "signature", "public_key")

_CHANGED: Final = "was changed after it was signed"
CHANGED_PAGE: Final = f"{_CHANGED}, if only by a browser that saved it as a complete page: save it as HTML only"
"""What is said of a page: a browser writes a complete one anew, and nothing tells that from other changes."""

WEB_ARCHIVE: Final = "is a browser's web archive, and not the record itself: save it as HTML only"

_HEADERS: Final = 4_000
_WEB_ARCHIVE: Final = re.compile(r"^content-type:\s*multipart/related", re.IGNORECASE | re.MULTILINE)
"""A page and what belongs to it as one mail (RFC 2557), which browsers save as a single file."""


class Checked(NamedTuple):
    """What came of checking a record: how many receipts are in it, and what is wrong, in words."""

    receipts: int
    faults: tuple[str, ...]


def seal(page: str, receipts: Sequence[Mapping[str, str]], key: Ed25519PrivateKey) -> str:
    """A page with its seal, as a comment that nobody sees who reads it.

    Args:
        receipts: Each with its `document`, `signature` and `public_key`.
    """
    head, mark, tail = _ends(page)
    kept = [{name: one[name] for name in _RECEIPT} for one in receipts]
    signature, public_key = receipt.sign(key, _signed(head + mark + tail, kept))
    sealed = {"receipts": kept, "signature": signature, "public_key": public_key}
    return f"{head}{_BEGINS}{_written(sealed)}{_ENDS}\n{mark}{tail}"


def _ends(page: str) -> tuple[str, str, str]:
    """A page before what its seal stands before, and the rest."""
    return page.rpartition(_CLOSES) if page.rstrip().endswith("</html>") else (page, "", "")


def check(text: str, trusted: Collection[str]) -> Checked:
    """Check a record by itself.

    Args:
        text: All of the file.
        trusted: The installation's public keys, in hex.
    """
    if _WEB_ARCHIVE.search(text[:_HEADERS]):
        return Checked(0, (WEB_ARCHIVE,))
    # What editors and mail add or drop beside the text: a mark of its encoding, other line ends, the last of them.
    head, begins, rest = f"{text}\n".removeprefix("\ufeff").replace("\r\n", "\n").partition(_BEGINS)
    written, ends, tail = rest.partition(_ENDS + "\n")
    try:
        sealed = json.loads(written)
        signature = {name: str(sealed[name]) for name in ("signature", "public_key")}
        kept = [{name: str(one[name]) for name in _RECEIPT} for one in sealed["receipts"]]
    except (ValueError, KeyError, TypeError):
        return Checked(0, ("has no seal, or not all of it",))
    if not begins or not ends or _BEGINS in tail:
        return Checked(0, ("has no seal, or more than one",))
    if tail.strip() != "".join(_ends(head + tail)[1:]).strip():
        # A comment elsewhere could be read for text, or part two words.
        return Checked(len(kept), ("has its seal in another place than it was put",))
    if written != _written({"receipts": kept, **signature}):
        # A field beside those that are signed, or one that is there twice, could be taken for part of what was.
        return Checked(len(kept), ("has a seal that was changed",))
    document = _signed(head + tail, kept)
    faults = [_page_fault(signature | {"document": document}, document, trusted, is_page="</html>" in tail)]
    for one in kept:
        what = receipt.fault(one, one["document"], trusted)
        faults.append(None if what is None else f"has a receipt that {what}: {one['document'][:200]}")
    return Checked(len(kept), tuple(one for one in faults if one is not None))


def _page_fault(signed: Mapping[str, str], document: str, trusted: Collection[str], *, is_page: bool) -> str | None:
    what = receipt.fault(signed, document, trusted)
    if what != "is not what was signed":
        return what
    return CHANGED_PAGE if is_page else _CHANGED


def _written(sealed: Mapping[str, Any]) -> str:
    return json.dumps(sealed, separators=(",", ":"))


def _signed(page: str, receipts: Sequence[Mapping[str, Any]]) -> str:
    shown = hashlib.sha256(page.rstrip().encode()).hexdigest()
    return json.dumps([shown, [dict(one) for one in receipts]], sort_keys=True, separators=(",", ":"))
