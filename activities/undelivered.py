"""Emails that did not go, or may not have arrived, and all else on record that nobody is at work on."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Final

from temporalio import activity

from activities.clock import asked_at, now
from activities.writing import suppressed, told
from rapport.mail import claims, outbox
from rapport.model.account import Role
from rapport.model.message import NOT_DELIVERED, MessageRequest, MessageState, Outcomes, Resolution
from rapport.model.task import MEMBER_PREFIX
from rapport.model.undelivered import Outstanding, Settling, Trouble, UndeliveredStart
from rapport.rules import audit
from rapport.storage import account as accounts, support_case, task, timeline
from rapport.storage.database import Connection, Store
from rapport.storage.timeline import Submission

BY_RAPPORT: Final = "rapport"
"""Who says, in a to-do, what happened to an email."""

_MAY_HAVE_ARRIVED: Final = (MessageState.SENDING, MessageState.UNKNOWN)

SAID: Final = {
    Resolution.RESEND: "sent_again",
    Resolution.SENT: "confirmed",
    Resolution.ELSEWHERE: "told_elsewhere",
}
"""What the timeline calls each way in which a person settles it."""


@dataclass(frozen=True)
class UndeliveredMails:
    """Says how an email stands that somebody has to take care of, and writes down what becomes of it."""

    store: Store

    @activity.defn(name="undelivered.look")
    async def look(self, start: UndeliveredStart) -> Outstanding:
        """How an email stands, and who is asked about it; nothing where nothing is left to do. Safe to repeat."""
        async with self.store.writing() as connection:
            message = await outbox.message(connection, start.key)
            if not message.is_open:
                return Outstanding()
            # What may have arrived goes on as it is: nobody can say that it did not.
            in_vain = message.state not in _MAY_HAVE_ARRIVED and await claims.goes_to_nobody(connection, message)
            if in_vain and await outbox.let_rest(connection, message.key, outbox.DEPARTED, now()):
                return Outstanding()
            failed = message.state in NOT_DELIVERED
            if failed and message.account is None:
                # It is in nobody's care: no account has it, and whoever asked for it asks again.
                return Outstanding()
            draft = await outbox.draft(connection, start.key)
            assert draft is not None
            occasion = MessageRequest.model_validate(draft.occasion)
            said = await self._say(connection, message) if failed else None
            case = occasion.case.ref if occasion.case is not None else None
            review = occasion.tech_review.ref if occasion.tech_review is not None else None
            account, member = start.account or "", message.person.startswith(MEMBER_PREFIX)
            return Outstanding(
                trouble=Trouble.made_of(
                    message,
                    contract=message.contract or account,
                    title=occasion.title,
                    subject=case or review or account,
                    assign=await _who(connection, account, message.person if member else None, case),
                    about=None if member else message.person,
                    said=said,
                    asked=await task.times_asked_about_email(connection, account, start.key),
                )
            )

    async def _say(self, connection: Connection, message: outbox.Message) -> str:
        """Say in words which email it is and what happened, once for each attempt."""
        words = {
            "email": f"{message.subject}, to {message.address}",
            "what happened": message.reason or "the mail server didn't take it",
        }
        if message.state is MessageState.UNKNOWN:
            words["look for"] = f"Message-ID {message.message_id} in the mail server's log"
        digest = hashlib.sha256(f"{message.key}/{message.state}/{message.fence}".encode()).hexdigest()
        id_ = f"s_{digest[:16]}"
        if not await timeline.submissions(connection, [id_]):
            text, salt = json.dumps(words, ensure_ascii=False), secrets.token_hex(16)
            said = Submission(
                id=id_,
                at=message.settled_at or message.created_at,
                actor=BY_RAPPORT,
                channel="rapport",
                kind="message.undelivered",
                workflow_id=f"undelivered/{message.account}/{digest[:12]}",
                verified="rapport",
                text=text,
                salt=salt,
                text_hash=audit.text_hash(salt, text),
            )
            await timeline.submit(connection, said)
        return id_

    @activity.defn(name="undelivered.settle")
    async def settle(self, order: Settling) -> Outcomes:
        """Write down what becomes of an email, and tell the timeline what has changed; give how it stands.

        Safe to repeat: what is no longer as it was when somebody decided stays as it is.
        """
        async with asked_at(order.now), self.store.writing() as connection:
            message = await outbox.message(connection, order.key)
            if order.how == "unwritten":
                if await outbox.fail(connection, order.key, order.reason or "it cannot be written", now()):
                    await timeline.append(connection, told(message, "message.failed", MessageState.FAILED, now()))
                return await outbox.outcomes(connection, [order.key], now())
            if order.fence not in (None, message.fence):
                return await outbox.outcomes(connection, [order.key], now())
            again = order.how is Resolution.RESEND
            if again and (reason := await claims.why_not(connection, message, now())) is not None:
                if await outbox.let_rest(connection, order.key, reason, now()):
                    await timeline.append(connection, suppressed(message, now(), reason))
                return await outbox.outcomes(connection, [order.key], now())
            to = await _address(connection, message)
            if await outbox.settle_by_hand(connection, order.key, order.how, to, now()):
                message = await outbox.message(connection, order.key)
                key = f"{order.key}/settled/{order.submission or order.how}"
                by = {"key": key, "who": order.by, "submission": order.submission}
                entries = told(message, f"message.{SAID[order.how]}", message.state, now())
                await timeline.append(connection, [entry.model_copy(update=by) for entry in entries])
            return await outbox.outcomes(connection, [order.key], now())


async def _address(connection: Connection, message: outbox.Message) -> str:
    """The address of an email's reader as it is on record now."""
    if message.person.startswith(MEMBER_PREFIX):
        return (await accounts.member(connection, message.person)).email
    found = await accounts.contacts_with(connection, [message.person])
    return found[0].email if found else message.address


async def _who(connection: Connection, account: str, member: str | None, case: str | None) -> tuple[str, ...]:
    """Who is asked about an email: a case's owner, the manager of a TAM who was not reached, or else the TAM."""
    if case is not None:
        owner = (await support_case.case(connection, case)).owner
        if owner is not None and owner != member:
            return (owner,)
        return (f"role:{Role.SUPPORT_LEAD}",)
    if member is not None and member == await accounts.tam_of(connection, account):
        return ("manager",)
    return ("tam",)
