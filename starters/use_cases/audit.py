"""The audit of the timeline: is it what was written, and all of it with its hashes for others to check."""

from __future__ import annotations

import contextlib

from rapport.model.access import Action
from rapport.model.base import WireModel
from rapport.rules import receipt as receipts
from rapport.storage import account as accounts, tech_review, timeline
from rapport.storage.database import Connection
from rapport.storage.faults import DatabaseFault
from rapport.storage.signing import Signer, hexed, public_keys
from rapport.storage.timeline import ReceiptFault, Verified
from starters.rights import requires
from starters.services import Services, present


class SaidRecorded(WireModel):
    """What a person said, as the hash of its entry covers it, with the salt and the text unless they were erased."""

    id: str
    at: str
    actor: str
    channel: str
    entered_by: str | None
    kind: str
    workflow_id: str
    verified: str
    on_behalf_of: str | None
    shown: str | None
    text_hash: str | None
    salt: str | None
    text: str | None


class EntryRecorded(WireModel):
    """An entry of the timeline as its hash covers it."""

    sequence: int
    previous: str
    hash: str
    key: str
    account: str
    at: str
    kind: str
    step: str | None
    who: str | None
    about: str | None
    instant: str | None
    submission: str | None
    said: SaidRecorded | None


class Export(WireModel):
    """An account's chain.

    Attributes:
        hash: The hash noted for its last entry. Whoever keeps it elsewhere can tell later that nothing changed.
        names: What the people in it are called today, by id.
    """

    account: str
    hash: str | None
    entries: tuple[EntryRecorded, ...]
    names: dict[str, str]


class Key(WireModel):
    """What the receipts of this installation are checked with: Ed25519 public keys, in hex.

    Attributes:
        public_key: The one that signs now.
        earlier: Those that signed with an earlier secret. One that nobody knows of was put there by somebody else.
    """

    public_key: str
    earlier: tuple[str, ...] = ()


@requires(Action.READ_AUDIT, everywhere=True, one="`rapport audit verify ACCOUNT`, or `/v1/audit?account=ACCOUNT`")
async def verify(services: Services, account: str | None = None, *, again: bool = False) -> Verified:
    """Find every altered, missing, reordered or added entry, and every receipt that is not of its decision.

    Args:
        again: Look at what was found whole before as well. Without it, what was altered there since is not found.

    Raises:
        UserError: There is no such account.
    """
    async with services.store.snapshot() as connection:
        if account is not None:
            await accounts.account(connection, account)
        known = {} if again else await timeline.marks(connection)
        verified, ends = await timeline.verify_from(connection, account, known)
        count, faults = await _receipts(connection, account)
    if changed := {key: mark for key, mark in ends.items() if mark is None or mark != known.get(key)}:
        # What was found is told also where nothing can be noted: it only takes longer the next time.
        with contextlib.suppress(DatabaseFault):
            async with services.store.writing() as connection:
                await timeline.put_marks(connection, changed, present())
    return verified.model_copy(
        update={"whole": verified.whole and not faults, "receipts": count, "faults": tuple(faults)}
    )


async def _receipts(connection: Connection, account: str | None) -> tuple[int, list[ReceiptFault]]:
    """Check the receipts of decisions against what is on record, with the keys that sign here; nothing is asked."""
    trusted = await public_keys(connection)
    faults, count = [], 0
    for known in await tech_review.listed(connection, account):
        remarks = {one.key: one for one in await tech_review.remarks(connection, known.ref)}
        hashes = await tech_review.text_hashes(
            connection, [one.submission for one in remarks.values() if one.submission]
        )
        kept = await tech_review.kept_receipts(connection, known.ref)
        for receipt in kept:
            one = remarks.get(receipt.key)
            expected = None
            if one is not None:
                expected = receipts.document(known.ref, known.account, one, hashes.get(one.submission or ""))
            if (what := receipts.fault(receipt.model_dump(), expected, trusted)) is not None:
                faults.append(ReceiptFault(ref=known.ref, key=receipt.key, what=f"the receipt {what}"))
        missing = {key for key, one in remarks.items() if one.kind in receipts.DECISIONS} - {one.key for one in kept}
        faults += [ReceiptFault(ref=known.ref, key=key, what="the decision has no receipt") for key in sorted(missing)]
        count += len(kept)
    return count, faults


@requires(Action.READ)
async def key(services: Services) -> Key:
    """The public keys of this installation.

    Raises:
        UserError: No secret is set.
    """
    async with services.store.writing() as connection:
        current = hexed(await Signer(services.settings.secret_bytes).key(connection))
        return Key(public_key=current, earlier=tuple(sorted(await public_keys(connection) - {current})))


@requires(Action.READ_AUDIT)
async def export(services: Services, account: str) -> Export:
    """All entries of an account with their hashes.

    Raises:
        UserError: There is no such account.
    """
    async with services.store.snapshot() as connection:
        await accounts.account(connection, account)
        names = await accounts.names(connection, account)
        head = await timeline.head(connection, account)
        entries = tuple(
            [
                EntryRecorded(
                    sequence=link.sequence,
                    previous=link.previous,
                    hash=link.hash,
                    said=SaidRecorded(**link.said, salt=link.salt, text=link.text) if link.said else None,
                    **link.entry,
                )
                async for link in timeline.links(connection, account)
            ]
        )
    there = {entry.who for entry in entries}
    for entry in entries:
        there |= {entry.said.actor, entry.said.on_behalf_of} if entry.said else set()
    return Export(
        account=account,
        hash=head[1] if head else None,
        entries=entries,
        names={id_: name for id_, name in names.items() if id_ in there},
    )
