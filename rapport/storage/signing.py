"""The key that signs receipts: made once, kept in the data directory, readable by its owner alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rapport.model.base import Refusal
from rapport.policy import receipts

KEY_FILE: Final = "receipts.key"
_RAW: Final = 32


@dataclass(frozen=True)
class Signer:
    """Signs receipts with the key of an installation.

    Attributes:
        data: The data directory. Workers on several hosts need the same key in theirs.
    """

    data: Path

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        path = self.data / KEY_FILE
        if not path.exists():
            _make(path)
        raw = path.read_bytes()
        if len(raw) != _RAW:
            raise Refusal(
                "is no Ed25519 key", field=str(path), fix="put the key back from your backup; old receipts need it"
            )
        return Ed25519PrivateKey.from_private_bytes(raw)

    @property
    def public_key(self) -> str:
        """The public key, in hex; whoever keeps it elsewhere can check receipts without this installation."""
        return self._key.public_key().public_bytes_raw().hex()

    def sign(self, document: str) -> tuple[str, str]:
        """A signature and the public key that checks it, both in hex."""
        return receipts.sign(self._key, document)


def _make(path: Path) -> None:
    """Write a new key whole or not at all; of two processes that try, one wins and the other takes its key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(Ed25519PrivateKey.generate().private_bytes_raw())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
