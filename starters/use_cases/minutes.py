"""Minutes: from what a person writes of a meeting to what is kept of it, and back to what people read."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rapport.model.account import Account, Member
from rapport.model.base import Instant, Refused, UserError, WireModel
from rapport.model.commands import in_name
from rapport.model.meeting import Agreed
from rapport.model.minutes import ActionRecord, BlockerRecord, Minutes, MinutesRecord, WrittenAgreed
from rapport.rules import access
from rapport.storage import account as accounts, addresses, minutes, private_notes
from rapport.storage.addresses import GONE, KnownPerson
from rapport.storage.contract import StepShown
from rapport.storage.database import Connection
from rapport.storage.minutes import KnownMinutes
from starters.use_cases import action, blocker
from starters.use_cases.action import ActionShown
from starters.use_cases.blocker import BlockerShown, owner_of, unknown
from starters.use_cases.files import read_written


class Present(WireModel):
    """Somebody who was at a meeting; no address if they are gone from the record."""

    name: str
    email: str | None


class AgreedShown(WireModel):
    """A next meeting whose time was agreed."""

    step: str
    title: str
    start: Instant


class MinutesShown(WireModel):
    """The minutes of a meeting as they stand, with what became of its actions and blockers.

    Attributes:
        by: Who wrote them last, by name.
        private_note: For the account's TAM and whoever wrote it; to nobody else is it shown.
    """

    account: str
    step: str
    title: str
    by: str
    written_at: Instant
    corrected_at: Instant | None
    attended: tuple[Present, ...]
    short_term: tuple[str, ...]
    long_term: tuple[str, ...]
    actions: tuple[ActionShown, ...]
    blockers: tuple[BlockerShown, ...]
    agreed: tuple[AgreedShown, ...]
    next: str | None
    note: str | None
    private_note: str | None


class MinutesLine(WireModel):
    """A meeting that has minutes."""

    step: str
    title: str
    written_at: Instant


def read_file(path: Path) -> Minutes:
    """Read and check a file of minutes.

    Raises:
        UserError: It cannot be read, or something in it is wrong.
    """
    return read_written(Minutes, path)


async def resolve(
    connection: Connection, account: Account, step: str, steps: Sequence[StepShown], written: Minutes
) -> MinutesRecord:
    """Put ids in the place of addresses, and instants in that of wall times.

    Raises:
        UserError: Somebody is not known, or a next meeting is none that is still ahead; it carries all such faults.
    """
    faults: list[UserError] = []
    record = await _people(connection, account, written, faults)
    zone = (await accounts.member(connection, account.tam)).schedule.zone
    possible = ahead(steps, step)
    agreed = []
    for index, one in enumerate(written.agreed):
        try:
            if one.step not in possible:
                raise UserError(
                    f'"{one.step}" is no meeting that is still ahead',
                    field=f"agreed[{index}].step",
                    fix=f"name one of: {', '.join(possible) or 'none is ahead'}; or say it in words, as next",
                )
            agreed.append(_agreed(one, zone, index))
        except UserError as fault:
            faults.append(fault)
    _raise(faults)
    return record.model_copy(update={"agreed": tuple(agreed)})


def ahead(steps: Sequence[StepShown], step: str) -> list[str]:
    """The meetings beside this one that have not begun; only these can be agreed in the room."""
    return [
        shown.step for shown in steps if shown.kind == "meeting" and shown.state == "waiting" and shown.step != step
    ]


async def resolve_correction(
    connection: Connection, account: Account, written: Minutes, said: MinutesRecord
) -> MinutesRecord:
    """Minutes that replace others, with ids in place of addresses. What was agreed has taken effect, and stays as said.

    Raises:
        UserError: Somebody is not known, or other next meetings are named than were agreed.
    """
    faults: list[UserError] = []
    owners = {one.owner for one in said.actions} | {one.owner for one in said.blockers}
    record = await _people(connection, account, written, faults, owners)
    agreed = said.agreed
    zone = (await accounts.member(connection, account.tam)).schedule.zone
    try:
        if written.agreed and {_agreed(one, zone, index) for index, one in enumerate(written.agreed)} != set(agreed):
            move = in_name(f"rapport meeting book {account.key} {written.agreed[0].step} --start YYYY-MM-DDTHH:MM")
            raise UserError(
                "can no longer change what was agreed",
                field="agreed",
                fix=f"leave it out, and move that meeting: {move}",
            )
    except UserError as fault:
        faults.append(fault)
    _raise(faults)
    return record.model_copy(update={"agreed": agreed})


async def _people(
    connection: Connection, account: Account, written: Minutes, faults: list[UserError], owners: Container[str] = ()
) -> MinutesRecord:
    """Minutes with ids; without what was agreed.

    Args:
        owners: Ids of those who owned something before; it stays theirs, also if they have left since.
    """
    known = await addresses.by_address(connection, account.key)
    return MinutesRecord(
        attended=tuple(_attended(known, written.attended, account.key, faults)),
        short_term=written.goals.short_term,
        long_term=written.goals.long_term,
        actions=tuple(
            ActionRecord(what=one.what, owner=owner, due=one.due)
            for index, one in enumerate(written.actions)
            if (owner := _owner(known, one.owner, account.key, f"actions[{index}].owner", faults, owners))
        ),
        blockers=tuple(
            BlockerRecord(title=one.title, owner=owner, next_check=one.next_check)
            for index, one in enumerate(written.blockers)
            if (owner := _owner(known, one.owner, account.key, f"blockers[{index}].owner", faults, owners))
        ),
        next=written.next or None,
        note=written.note or None,
    )


def _attended(
    known: Mapping[str, KnownPerson], emails: Iterable[str], account: str, faults: list[UserError]
) -> Iterable[str]:
    """The ids of those who were there; who has left since may well have been."""
    for index, email in enumerate(emails):
        found = known.get(email.lower())
        if found is None:
            faults.append(unknown(account, f"attended[{index}]"))
        else:
            yield found.id


def _owner(
    known: Mapping[str, KnownPerson],
    email: str,
    account: str,
    field: str,
    faults: list[UserError],
    owners: Container[str],
) -> str | None:
    there = known.get(email.lower())
    if there is not None and there.id in owners:
        return there.id
    try:
        return owner_of(known, email, account, field)
    except UserError as fault:
        faults.append(fault)
        return None


def _agreed(one: WrittenAgreed, zone: str, index: int) -> Agreed:
    there = ZoneInfo(one.zone or zone)
    start = one.start if one.start.tzinfo else one.start.replace(tzinfo=there)
    instant = start.astimezone(UTC)
    if one.start.tzinfo is None and instant.astimezone(there).replace(tzinfo=None) != one.start:
        raise UserError(
            f"the clocks of {there.key} skip that time",
            field=f"agreed[{index}].start",
            fix="choose another, or write it with its offset",
        )
    return Agreed(step=one.step, start=instant)


def _raise(faults: Sequence[UserError]) -> None:
    """Refuse with the first of these, and the others beside it."""
    if faults:
        first = faults[0]
        raise UserError(first.problem, field=first.field, fix=first.fix, kind=first.kind, others=faults[1:])


async def refuse_foreign_note(
    connection: Connection, account: Account, meeting: str, written: Minutes, member: Member
) -> None:
    """Refuse to replace a private note that the member may not read.

    Raises:
        UserError: It is somebody else's.
    """
    if written.private_note is None:
        return
    there = await private_notes.note(connection, meeting)
    if there is not None and not access.reads_note(member, account, there.by):
        raise UserError(
            "is there already, and is somebody else's",
            field="private_note",
            fix="leave it out; it stays as it is",
            kind=Refused.FORBIDDEN,
        )


async def keep_note(connection: Connection, account: str, meeting: str, member: Member, note: str | None) -> None:
    """Write a private note down; without one, the note that may be there stays. No timeline tells of it."""
    if note is not None:
        await private_notes.write(connection, account, meeting, member.id, note)


async def shown(
    connection: Connection, meeting: str, steps: Sequence[StepShown], reader: str = ""
) -> MinutesShown | None:
    """The minutes of a meeting, by its workflow's id; nothing if nobody has said that it was held.

    Args:
        reader: The address of the member who reads; the private note is shown to the TAM and to whoever wrote it.
    """
    found = await minutes.of_meeting(connection, meeting)
    if found is None:
        return None
    names = await accounts.names(connection, found.account)
    emails = {known.id: email for email, known in (await addresses.by_address(connection, found.account)).items()}
    titles = {step.step: step.title for step in steps}
    record = found.record
    return MinutesShown.made_of(
        found,
        title=titles.get(found.step, found.step),
        by=names.get(found.by, GONE),
        attended=tuple(Present(name=names.get(id_, GONE), email=emails.get(id_)) for id_ in record.attended),
        short_term=record.short_term,
        long_term=record.long_term,
        actions=tuple(await action.shown(connection, found.actions)),
        blockers=tuple(await blocker.shown(connection, found.blockers)),
        agreed=tuple(
            AgreedShown(step=one.step, title=titles.get(one.step, one.step), start=one.start) for one in record.agreed
        ),
        next=record.next,
        note=record.note,
        private_note=await _private_note(connection, found, reader),
    )


async def _private_note(connection: Connection, found: KnownMinutes, reader: str) -> str | None:
    member = await accounts.member_by_email(connection, reader) if reader else None
    note = await private_notes.note(connection, found.meeting)
    account = await accounts.account(connection, found.account)
    if note is None or member is None or not access.reads_note(member, account, note.by):
        return None
    return note.text


async def listed(connection: Connection, account: str, steps: Sequence[StepShown]) -> list[MinutesLine]:
    """The meetings of an account that have minutes, the newest first."""
    titles = {step.step: step.title for step in steps}
    return [
        MinutesLine(step=one.step, title=titles.get(one.step, one.step), written_at=one.written_at)
        for one in await minutes.of_account(connection, account)
    ]


def told(text: str, names: Mapping[str, str], titles: Mapping[str, str], zone: str) -> str:
    """What the timeline quotes of a report: a note as it was written, minutes a line for each thing."""
    record = MinutesRecord.read(text)
    if record is None:
        return text

    def who(id_: str) -> str:
        return names.get(id_, GONE)

    return "\n".join(
        [
            *([record.note] if record.note else []),
            *([f"There: {', '.join(who(id_) for id_ in record.attended)}"] if record.attended else []),
            *(f"Short-term goal: {goal}" for goal in record.short_term),
            *(f"Long-term goal: {goal}" for goal in record.long_term),
            *(f"Action: {one.what} ({who(one.owner)}, by {one.due})" for one in record.actions),
            *(f"Blocker: {one.title} ({who(one.owner)}, next check {one.next_check})" for one in record.blockers),
            *(f"Agreed: {titles.get(one.step, one.step)} on {_when(one.start, zone)}" for one in record.agreed),
            *([f"Next: {record.next}"] if record.next else []),
        ]
    )


def _when(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%a %d %b %Y, %H:%M} ({zone})"
