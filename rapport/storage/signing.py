"""The key that signs receipts. It is in the database, where every worker finds the same one and a backup has it.

There it is sealed with the installation's secret: whoever has the database alone can neither read it nor sign.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import select

from rapport.model.base import UserError
from rapport.storage.database import Connection
from rapport.storage.tech_review_tables import SigningKeyRow
from rapport.storage.upserts import insert_new

_NONCE: Final = 12


@dataclass(frozen=True)
class Signer:
    """Finds the key that an installation signs with; with another secret it is another, and earlier ones stay known.

    Attributes:
        secret: The installation's; the same for every process.
    """

    secret: bytes = field(repr=False)

    async def key(self, connection: Connection) -> Ed25519PrivateKey:
        """The key, in a transaction that writes: it is made when it is first asked for.

        Of several workers that ask for the first time at once, one makes it and the others take it.

        Raises:
            UserError: What is on record of it is not what was written.
        """
        found = await self._kept(connection)
        if found is None:
            await insert_new(connection, SigningKeyRow, [self._made()])
            found = await self._kept(connection)
        assert found is not None
        try:
            nonce, sealed = found.sealed[:_NONCE], found.sealed[_NONCE:]
            raw = AESGCM(self._derived(b"seal")).decrypt(nonce, sealed, found.public_key.encode())
        except InvalidTag:
            raise UserError(
                "is not what was written", field="signing_keys", fix="put the table back from your backup"
            ) from None
        return Ed25519PrivateKey.from_private_bytes(raw)

    async def _kept(self, connection: Connection) -> SigningKeyRow | None:
        rows = await connection.execute(select(SigningKeyRow.__table__).where(SigningKeyRow.seal == self._name))
        row = rows.one_or_none()
        return None if row is None else SigningKeyRow(**row._asdict())

    def _made(self) -> dict[str, object]:
        key, nonce = Ed25519PrivateKey.generate(), os.urandom(_NONCE)
        public = hexed(key)
        sealed = AESGCM(self._derived(b"seal")).encrypt(nonce, key.private_bytes_raw(), public.encode())
        return {"seal": self._name, "public_key": public, "sealed": nonce + sealed}

    @property
    def _name(self) -> str:
        """Tells one secret from another and nothing of either."""
        return self._derived(b"name").hex()

    def _derived(self, use: bytes) -> bytes:
        """RFC 5869."""
        return HKDF(SHA256(), 32, salt=None, info=b"rapport receipts " + use).derive(self.secret)


def hexed(key: Ed25519PrivateKey) -> str:
    """The public key, in hex; whoever keeps it elsewhere can check receipts without this installation."""
    return key.public_key().public_bytes_raw().hex()


async def public_keys(connection: Connection) -> frozenset[str]:
    """Every key that has signed here, in hex."""
    return frozenset(await connection.scalars(select(SigningKeyRow.public_key)))
