"""Messages: what went out, what waits as a draft, and a member's word on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from rapport.mail import cadence, claims, compose, outbox, scheduled
from rapport.mail.claims import ClaimingMail
from rapport.mail.compose import Edits
from rapport.mail.context import VendorContext
from rapport.mail.emails import weight_of
from rapport.mail.letters import MessageDraft
from rapport.mail.outbox import NOT_IN_A_PAUSE, Message
from rapport.mailing import mail_settings
from rapport.model.access import Action
from rapport.model.base import InputModel, Instant, Name, Prose, Refused, UserError, WireModel
from rapport.model.meeting import Receipt
from rapport.model.message import NOT_DELIVERED, MessageRequest, MessageState, Purpose, Release
from rapport.rules import attention
from rapport.rules.attachment import checked, refuse_too_much
from rapport.rules.erasure import ERASED
from rapport.rules.message import LOOK, ways_on
from rapport.storage import (
    account as accounts,
    attachment,
    contract as contracts,
    support_case,
)
from rapport.storage.attachment import Attached
from rapport.storage.database import Connection
from rapport.storage.relay import mail_gate
from rapport.storage.timeline import Submission
from starters import flows
from starters.rights import Matter, ask, requires
from starters.services import (
    LATER,
    Actor,
    Services,
    member_named,
    present,
    refuse_entered,
    submission,
    who_acts,
)
from starters.use_cases.words import hand_over, once


class MessageLine(WireModel):
    """One message of an account.

    Attributes:
        reason: Why it is scheduled or doesn't go yet, was suppressed or failed.
        goes_at: When it goes, where it waits for an instant that is still to come; of a single draft, when it would go
            if it were sent now, unless that is at once.
        look: Where to look first, of what may not have arrived.
        next: What can be done about it, as commands.
        consequences: What follows each of these, of what was not delivered.
    """

    key: str
    step: str
    to: str
    name: str
    state: MessageState
    subject: str
    message_id: str
    purpose: str
    reason: str | None
    at: Instant
    goes_at: Instant | None = None
    look: str | None = None
    next: tuple[str, ...] = ()
    consequences: tuple[str, ...] = ()


class MessageShown(MessageLine):
    """One message with its words. Personal links in it do not work: they are their reader's alone.

    Attributes:
        files: What it carries, or will carry.
        to_write: Whether it goes only once a member has written something of their own in it.
    """

    text: str
    html: str
    paragraph: str | None
    edited: bool
    files: tuple[Attached, ...] = ()
    to_write: bool = False


class Edit(InputModel):
    """What a member changes in a draft. What is left out stays as it is; an empty text takes a change back."""

    subject: Name | None = None
    paragraph: Prose | None = None
    body: Prose | None = None


@requires(Action.READ)
async def listed(services: Services, account: str, state: MessageState | None = None) -> list[MessageLine]:
    """An account's messages, oldest first.

    Raises:
        UserError: There is no such account.
    """
    async with services.store.reading() as connection:
        await accounts.account(connection, account)
        names = await accounts.names(connection, account)
        found = await outbox.messages(connection, account, state)
        holds = await Holds.read(services, connection, account)
    return [_line(message, names, holds) for message in found]


class Holds(NamedTuple):
    """What keeps an account's emails from going, beside their readers' working time.

    Attributes:
        all: Why no email at all goes.
        paused: The contracts whose onboarding, or what recurs after it, is paused.
        now: As of when.
    """

    all: str | None
    paused: frozenset[str]
    now: datetime

    @classmethod
    async def read(cls, services: Services, connection: Connection, account: str | None) -> Holds:
        """As it is now."""
        gate = await mail_gate(connection)
        off = gate.stopped or services.settings.mail_mode == "off"
        limit = gate.limited(present())
        held = "the mail server takes no email" if gate.fault is not None else limit.what if limit is not None else None
        known = await contracts.concerned(connection, account, "") if account is not None else []
        return cls(
            all="sending is off" if off else held,
            paused=frozenset(one.id for one in known if one.paused_at is not None),
            now=present(),
        )

    def of(self, message: Message) -> tuple[datetime | None, str | None]:
        """When a message goes, where that is known, and why not before."""
        if message.state not in (MessageState.READY, MessageState.DEFERRED):
            return None, message.reason
        if message.contract in self.paused and message.purpose in NOT_IN_A_PAUSE:
            return None, "the onboarding is paused"
        if message.state is MessageState.READY and message.not_before is not None and message.not_before > self.now:
            return message.not_before, message.reason
        if message.state is MessageState.DEFERRED:
            goes_at = message.retry_at if message.retry_at and message.retry_at > self.now and not self.all else None
            return goes_at, "; ".join(one for one in (message.reason, self.all) if one) or None
        since = message.not_before or message.created_at
        due = "due, and sent within minutes while a worker runs" if self.now - since > ON_ITS_WAY else None
        return None, self.all or due


ON_ITS_WAY: Final = timedelta(minutes=1)
"""How long what is due may be on its way before that is told."""


def _line(message: Message, names: dict[str, str], holds: Holds) -> MessageLine:
    is_open = message.resolution is None
    ways = ways_on(message.state, message.key) if is_open else ()
    goes_at, reason = holds.of(message)
    return MessageLine.made_of(
        message,
        to=message.address,
        name=names.get(message.person, ""),
        at=message.settled_at or message.created_at,
        reason=reason,
        goes_at=goes_at,
        look=LOOK if is_open and message.state is MessageState.UNKNOWN else None,
        next=tuple(way.command for way in ways),
        consequences=tuple(way.follows for way in ways if way.follows),
    )


async def _of_drafts(connection: Connection, keys: str | Sequence[str]) -> list[Matter]:
    found = [await outbox.message(connection, key) for key in ([keys] if isinstance(keys, str) else keys)]
    return [(_drafting(message), message.account) for message in found]


def _drafting(message: Message) -> Action:
    return Action.CASE_DRAFTS if message.purpose == Purpose.UPDATE else Action.DRAFTS


async def _of_words(connection: Connection, key: str) -> list[Matter]:
    message = await outbox.message(connection, key)
    is_draft = message.account is not None and message.state in (MessageState.DRAFT, MessageState.HELD)
    return [(_drafting(message) if is_draft else Action.READ, message.account)]


@requires(Action.READ, "key", _of_words)
async def show(services: Services, key: str) -> MessageShown:
    """One message with its words: as sent, or as the draft stands.

    Raises:
        UserError: There is none with this key.
    """
    async with services.store.reading() as connection:
        message = await outbox.message(connection, key)
        names = await accounts.names(connection, message.account)
        raw = await outbox.raw(connection, key)
        draft = await outbox.draft(connection, key)
        guests = await scheduled.guests(connection, [draft] if draft else [])
        files = await attachment.listed(connection, key)
        holds = await Holds.read(services, connection, message.account)
    assert draft is not None
    line, to_write = _line(message, names, holds), False
    if raw is None and message.state in _WENT:
        parts, files = {"text": ERASED, "html": f"<p>{ERASED}</p>"}, []
    elif raw is None:
        letter, edits = await _letter(services, draft)
        others = [await _letter(services, guest) for guest in guests.get(key, ())]
        words = replace(letter, guests=tuple(others)).words(edits)
        to_write = letter.review == "write"
        parts = {"text": words.text, "html": words.html}
        if draft.state in (MessageState.DRAFT, MessageState.HELD):
            line = line.model_copy(update={"goes_at": _goes_at(services, letter)})
    else:
        parts = compose.readable(raw)
        files = [Attached(name=name, type=type_, size=size) for name, type_, size in compose.carried(raw)]
    return MessageShown(
        **line.model_dump(),
        text=compose.masked(parts["text"]),
        html=compose.masked(parts["html"]),
        paragraph=draft.edits.get("paragraph"),
        edited=draft.edits.get("body") is not None,
        files=tuple(files),
        to_write=to_write,
    )


_WENT: Final = (
    MessageState.SENDING,
    MessageState.DEFERRED,
    MessageState.SENT,
    *NOT_DELIVERED,
)
"""States in which a mail had its bytes: where they are gone, somebody whom it named was erased."""


def _goes_at(services: Services, letter: MessageDraft) -> datetime | None:
    """When a draft would go if it were sent now, unless that is at once."""
    if letter.reader is None:
        return None
    keeps = services.settings.quiet_hours == "keep"
    verdict = attention.earliest(present(), letter.reader.schedule, weight_of(letter.occasion), quiet_hours=keeps)
    return verdict.at if verdict.reason else None


async def _letter(services: Services, draft: outbox.Draft) -> tuple[MessageDraft, Edits]:
    async with services.store.reading() as connection:
        letter = await _letter_of(services, connection, draft, MessageRequest.model_validate(draft.occasion))
    return letter, Edits(**draft.edits)


async def _letter_of(
    services: Services, connection: Connection, draft: outbox.Draft, occasion: MessageRequest
) -> MessageDraft:
    company = await VendorContext.around(connection, draft.account, [draft.person])
    found = await cadence.on_record(connection, occasion, company.zone)
    to = company.person(draft.person)
    if to is None:
        raise UserError("its recipient has left", field="key", fix="hold it", kind=Refused.CONFLICT)
    left_out = await claims.left_out(connection, ClaimingMail(occasion, draft.person, draft.created_at, present()))
    return MessageDraft(
        mail_settings(services.settings),
        company,
        occasion,
        draft.key,
        to,
        draft.person,
        on_record=found,
        left_out=left_out,
    )


@requires(Action.DRAFTS, "key", _of_drafts)
async def edit(services: Services, key: str, change: Edit, actor: Actor) -> MessageShown:
    """Change a draft's words. An edited body stands for both the text and the HTML part.

    Raises:
        UserError: It is no draft any more, or the personal link was lost from its body.
    """
    await member_named(services, actor)
    async with services.store.reading() as connection:
        message = await outbox.message(connection, key)
        draft = await outbox.draft(connection, key)
    assert draft is not None
    if draft.state not in (MessageState.DRAFT, MessageState.HELD):
        raise _no_draft(message.state)
    edits = {**draft.edits, **{name: value or None for name, value in change.model_dump(exclude_unset=True).items()}}
    letter, before = await _letter(services, draft)
    placeholder = letter.mail_settings.link(compose.DRAFT_TOKEN)
    body = edits["body"]
    if body is not None and body == letter.words(Edits(before.subject, edits["paragraph"])).text.strip():
        edits["body"] = body = None
    if body is not None and letter.link(present()) is not None and placeholder not in body:
        raise UserError(
            "the personal link is missing", field="body", fix=f"keep the line {placeholder} where the link belongs"
        )
    words = letter.words(Edits(**edits))
    async with services.store.writing() as connection:
        if not await outbox.edit(connection, key, words.subject, edits):
            raise _no_draft(message.state)
    return await show(services, key)


@requires(Action.DRAFTS, "key", _of_drafts)
async def attach(services: Services, key: str, name: str, content: bytes, actor: Actor) -> MessageShown:
    """Attach a file to a draft; one of the same name is replaced. It goes into the mail's bytes when these are frozen.

    Raises:
        UserError: It is no draft any more, its name or kind is not taken, or the mail would carry too much.
    """
    member = await member_named(services, actor)
    file = checked(name, content)
    async with services.store.writing() as connection:
        await _refuse_no_draft(connection, key)
        others = [one.size for one in await attachment.listed(connection, key) if one.name != file.name]
        refuse_too_much([*others, len(file.content)])
        await attachment.attach(connection, key, file, member.id, present())
    return await show(services, key)


@requires(Action.DRAFTS, "key", _of_drafts)
async def detach(services: Services, key: str, name: str, actor: Actor) -> MessageShown:
    """Take a file away from a draft.

    Raises:
        UserError: It is no draft any more, or has no file of this name.
    """
    await member_named(services, actor)
    async with services.store.writing() as connection:
        await _refuse_no_draft(connection, key)
        if not await attachment.detach(connection, key, name):
            known = ", ".join(one.name for one in await attachment.listed(connection, key)) or "none"
            raise UserError("has no file of this name", field="name", fix=f"its files: {known}", kind=Refused.NOT_FOUND)
    return await show(services, key)


async def _refuse_no_draft(connection: Connection, key: str) -> None:
    message = await outbox.message(connection, key)
    if message.state not in (MessageState.DRAFT, MessageState.HELD):
        raise _no_draft(message.state)


@requires(Action.DRAFTS, "keys", _of_drafts)
async def release(
    services: Services, keys: tuple[str, ...], actor: Actor, *, hold: bool = False, reason: str | None = None
) -> Receipt:
    """Send drafts, or hold them back, on a member's word.

    Returns:
        What followed; `LATER` if no worker could take the word, and it waits for one.

    Raises:
        UserError: One of them is no draft any more, or the member may not.
    """
    if not hold:
        refuse_entered(services, actor, "an approval")
    by_workflow: dict[str, list[Message]] = {}
    async with services.store.reading() as connection:
        found = [await outbox.message(connection, key) for key in keys]
        member = await who_acts(connection, actor)
    for message in found:
        by_workflow.setdefault(message.workflow_id, []).append(message)
    # Before any goes: either all are still drafts, or this is the same word again.
    words = [
        await _releases(
            services, submission(member.id, actor, "hold" if hold else "approve", workflow_id, reason), some
        )
        for workflow_id, some in by_workflow.items()
    ]
    receipts = []
    for said, some in zip(words, by_workflow.values(), strict=True):
        word = Release(id=said.id, at=said.at, by=member.id, keys=tuple(message.key for message in some), hold=hold)
        handle = services.client.get_workflow_handle(said.workflow_id)
        receipts.append(await hand_over(services, handle, flows.AccountWorkflow.release, word, "draft"))
    if not receipts:
        return Receipt(accepted=True, outcome="nothing to do")
    return next((one for one in receipts if one.outcome == LATER), receipts[0])


async def _releases(services: Services, said: Submission, drafts: Sequence[Message]) -> Submission:
    """Put a word on drafts on record.

    Raises:
        UserError: One of them is no draft any more, and not because this very word was said before; or it cannot go.
    """

    async def refuse() -> None:
        if gone := next((message for message in drafts if message.state is not MessageState.DRAFT), None):
            raise _no_draft(gone.state)
        if said.kind == "approve":
            async with services.store.reading() as connection:
                await _refuse_to_send(services, connection, [message.key for message in drafts])

    return await once(services, said, refuse, keys=sorted(message.key for message in drafts))


async def _refuse_to_send(services: Services, connection: Connection, keys: Sequence[str]) -> None:
    """Refuse to send drafts as they are, where one of them has to be written first, or can wait."""
    found = {draft.key: draft for draft in await outbox.drafts(connection, keys)}
    for draft in (found[key] for key in keys):
        occasion = MessageRequest.model_validate(draft.occasion)
        await _refuse_unwritten(services, connection, draft, occasion)
        await _refuse_promotional(connection, draft, occasion)


async def _refuse_promotional(connection: Connection, draft: outbox.Draft, occasion: MessageRequest) -> None:
    """Refuse to send what can wait while the account has an open case of severity 1."""
    if draft.account is None or not attention.is_promotional(occasion.purpose, weight_of(occasion)):
        return
    worst = await support_case.has_worst(connection, draft.account)
    if worst is not None:
        raise UserError(
            f"can wait: {worst} of severity 1 is open at {draft.account}",
            field="key",
            fix=f"send it once that is resolved; see `rapport case show {worst}`",
            kind=Refused.CONFLICT,
        )


async def refuse_unwritten(services: Services, account: str, step: str) -> None:
    """Refuse to send a step's drafts as they are, where one of them has to be written first, or can wait.

    Raises:
        UserError: As `release`.
    """
    async with services.store.reading() as connection:
        drafts_of_it = await outbox.messages(connection, account, MessageState.DRAFT)
        await _refuse_to_send(services, connection, [message.key for message in drafts_of_it if message.step == step])


async def _refuse_unwritten(
    services: Services, connection: Connection, draft: outbox.Draft, occasion: MessageRequest
) -> None:
    """Refuse to send what a person has to write, as long as nobody has written a word of it."""
    if draft.edits.get("paragraph") or draft.edits.get("body"):
        return
    letter = await _letter_of(services, connection, draft, occasion)
    if letter.review == "write":
        raise UserError(
            f"has nothing of yours in it yet: {letter.occasion.title}, to {letter.to.name}",
            field="paragraph",
            fix=f'write at least a paragraph: `rapport message edit {draft.key} --paragraph "…" --as EMAIL`',
            kind=Refused.CONFLICT,
        )


@requires(Action.READ)
async def drafts(services: Services, account: str) -> list[MessageShown]:
    """What waits for a member's word, with its words, of what whoever asks may read.

    Raises:
        UserError: There is no such account.
    """
    found = []
    for line in await listed(services, account, MessageState.DRAFT):
        try:
            await ask(services, Action.READ, about=line.key, of=_of_words)
        except UserError as refusal:
            if refusal.kind is not Refused.FORBIDDEN:
                raise
        else:
            found.append(await show(services, line.key))
    return found


def _no_draft(state: MessageState) -> UserError:
    return UserError(
        f"is no draft any more, it is {state}", field="key", fix="see `rapport message show KEY`", kind=Refused.CONFLICT
    )
