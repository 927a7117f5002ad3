"""The signed receipt of a decision: what it covers, and whether a signature is its own (Ed25519, RFC 8032)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from rapport.model.tech_review_facts import Remark
from rapport.rules.audit import canonical

DECISIONS = frozenset(
    {"recommendation", "commitment", "vote", "verdict", "approval", "reading", "acknowledgement", "withdrawal"}
)
"""The kinds of remark that have a receipt."""


def document(ref: str, account: str, remark: Remark, text_hash: str | None) -> str:
    """What is signed: ids, the choice, the instant, and of the words their SHA-256 alone.

    A JSON array in its canonical form (RFC 8785), as a timeline's hashes cover one; erasing a person leaves it whole.
    """
    covered = [
        ref,
        account,
        remark.round,
        remark.kind,
        remark.key,
        remark.seat,
        remark.by,
        remark.option,
        remark.submission,
        text_hash,
        canonical(remark.at),
    ]
    return json.dumps(covered, ensure_ascii=False, separators=(",", ":"))


def sign(key: Ed25519PrivateKey, text: str) -> tuple[str, str]:
    """A signature and the public key that checks it, both in hex."""
    return key.sign(text.encode()).hex(), key.public_key().public_bytes_raw().hex()


def fault(receipt: Mapping[str, str], expected: str | None, trusted: Collection[str]) -> str | None:
    """What is wrong with a receipt, in words; nothing if it is whole.

    Args:
        receipt: `document`, `signature` and `public_key`, as they are stored.
        expected: The document that follows from what is on record now; nothing where the decision is gone.
        trusted: The public keys that have signed here, in hex.
    """
    if receipt["public_key"] not in trusted:
        return "was signed with another key than this installation's"
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(receipt["public_key"]))
        public.verify(bytes.fromhex(receipt["signature"]), receipt["document"].encode())
    except (InvalidSignature, ValueError):
        return "is not what was signed"
    if expected is None:
        return "is of a decision that is no longer on record"
    return None if expected == receipt["document"] else "tells another decision than is on record"
