"""Emails that did not go, or may not have arrived, and all else on record that nobody is at work on."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.clock import asked_at, now
from activities.delivery import Policy
from activities.writing import suppressed, told
from rapport.mail import outbox, outdated
from rapport.model.gap import GapStart
from rapport.model.human_task import MEMBER_PREFIX
from rapport.model.ids import RELAY_ALARM, announcing_id, gap_id, undelivered_id, undelivered_task
from rapport.model.message import MessageState, Occasion, Outcomes, Resolution
from rapport.model.operations import Steer, Steering
from rapport.model.people import Role
from rapport.model.support import CaseStart
from rapport.model.tech_review import ReviewRound, ReviewStart
from rapport.model.undelivered import AllGone, Gone, Looked, Settling, Strays, SweepAsked, Trouble, UndeliveredStart
from rapport.model.workflows import LASTING, UNDELIVERED
from rapport.policy import audit
from rapport.storage import announcements, gaps, people, reviews, support, sweeps, tasks, timeline
from rapport.storage.database import Connection, Store
from rapport.storage.relay import mail_gate
from rapport.storage.timeline import Submission
from rapport.storage.waits import open_workflows
from rapport.temporal import running, runs

SETTLE: Final = timedelta(seconds=30)
"""How long what is put on record may take to begin."""

BY_RAPPORT: Final = "rapport"
"""Who says, in a to-do, what happened to an email."""

SAID: Final = {
    Resolution.RESEND: "sent_again",
    Resolution.SENT: "confirmed",
    Resolution.ELSEWHERE: "told_elsewhere",
}
"""What the timeline calls each way in which a person settles it."""

AT_MOST: Final = 200
"""How many emails one sweep has go on; the next takes the rest."""


@dataclass(frozen=True)
class Undelivered:
    """Says how an email stands that somebody has to take care of, and writes down what becomes of it."""

    store: Store

    @activity.defn(name="undelivered.look")
    async def look(self, start: UndeliveredStart) -> Looked:
        """How an email stands, and who is asked about it; nothing where nothing is left to do. Safe to repeat."""
        async with self.store.writing() as connection:
            message = await outbox.message(connection, start.key)
            if message.is_open and await _has_left(connection, message.person):
                await outbox.let_rest(connection, message.key, outbox.DEPARTED, now())
                return Looked()
            if not message.is_open:
                return Looked()
            draft = await outbox.draft(connection, start.key)
            assert draft is not None
            occasion = Occasion.model_validate(draft.occasion)
            said = None
            if message.state in (MessageState.FAILED, MessageState.UNKNOWN):
                said = await self._say(connection, message)
            case = occasion.case.ref if occasion.case is not None else None
            review = occasion.tech_review.ref if occasion.tech_review is not None else None
            member = message.person.startswith(MEMBER_PREFIX)
            return Looked(
                trouble=Trouble(
                    state=message.state,
                    contract=message.contract or start.account,
                    step=message.step,
                    title=occasion.title,
                    subject=case or review or start.account,
                    assign=await _who(connection, start.account, message.person if member else None, case),
                    about=None if member else message.person,
                    said=said,
                )
            )

    async def _say(self, connection: Connection, message: outbox.Message) -> str:
        """Say in words which email it is and what happened, once for each attempt."""
        words = {
            "email": f"{message.subject}, to {message.address}",
            "what happened": message.reason or "the mail server didn't take it",
        }
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
        """Write down what becomes of an email, with an entry on the timeline; give how it stands. Safe to repeat."""
        async with asked_at(order.now), self.store.writing() as connection:
            message = await outbox.message(connection, order.key)
            if order.how == "unwritten":
                await outbox.fail(connection, order.key, order.reason or "it cannot be written", now())
                return await outbox.outcomes(connection, [order.key], now())
            again = order.how is Resolution.RESEND
            if again and (reason := await outdated.why_not(connection, message, now())) is not None:
                await outbox.let_rest(connection, order.key, reason, now())
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


async def _has_left(connection: Connection, person: str) -> bool:
    return not person.startswith(MEMBER_PREFIX) and await people.has_left(connection, person)


async def _address(connection: Connection, message: outbox.Message) -> str:
    """Where it goes by now."""
    if message.person.startswith(MEMBER_PREFIX):
        return (await people.member(connection, message.person)).email
    found = await people.contacts_with(connection, [message.person])
    return found[0].email if found else message.address


async def _who(connection: Connection, account: str, member: str | None, case: str | None) -> tuple[str, ...]:
    """Who is asked about an email: a case's owner, the manager of a TAM who was not reached, or else the TAM."""
    if case is not None:
        owner = (await support.case(connection, case)).owner
        if owner is not None and owner != member:
            return (owner,)
        return (f"role:{Role.SUPPORT_LEAD}",)
    if member is not None and member == await people.tam_of(connection, account):
        return ("manager",)
    return ("tam",)


@dataclass(frozen=True)
class Sweeping:
    """Finds what is on record, is due, and has nobody at work on it."""

    store: Store
    policy: Policy
    client: Client

    @activity.defn(name="sweep.look")
    async def look(self, question: SweepAsked) -> Strays:
        """Find it, and note that it was looked for."""
        before = question.now - timedelta(seconds=question.patience)
        # Beginning is safe to repeat, so it need not wait longer than whoever has put it on record takes.
        begun = question.now - SETTLE
        sending = await self._unsent(begun)
        async with self.store.writing() as connection:
            goes = self.policy.mode != "off" and (await mail_gate(connection)).has_gone_since(before)
            asked = set(await tasks.open_about_emails(connection))
            failed = [one for one in await outbox.unresolved(connection) if not _is_asked(one, asked)]
            mails = [*failed[:AT_MOST], *(await outbox.late(connection, before, AT_MOST) if goes else [])]
            strays = Strays(
                mails=tuple(
                    UndeliveredStart(account=one.account, key=one.key) for one in mails if one.account is not None
                ),
                cases=tuple(
                    CaseStart(
                        ref=case.ref,
                        account=case.account,
                        contact=case.contact,
                        question=case.question,
                        severity=case.severity,
                        area=case.area,
                        channel=case.channel,
                    )
                    for case in await support.pending(connection, begun)
                ),
                reviews=tuple([await _review(connection, one) for one in await reviews.pending(connection, begun)]),
                gaps=sending.gaps,
                announcements=sending.announcements,
            )
            await sweeps.note(connection, question.now, strays)
            return strays

    async def _unsent(self, before: datetime) -> Strays:
        """What goes to other systems and has nobody at work on it; with somebody it may take two days."""
        async with self.store.reading() as connection:
            waiting = await gaps.pending(connection, before)
            untold = await announcements.pending(connection, before)
        return Strays(
            gaps=tuple([GapStart(ref=ref) for ref in waiting if not await runs(self.client, gap_id(ref))]),
            announcements=tuple([one for one in untold if not await runs(self.client, announcing_id(one.ref))]),
        )


@dataclass(frozen=True)
class Missing:
    """Finds workflows that SQL shows as open and that Temporal does not run."""

    store: Store
    client: Client
    task_queue: str

    @activity.defn(name="sweep.gone")
    async def gone(self, question: SweepAsked) -> AllGone:
        """Find them; a task of that kind leaves every inbox, as nobody would hear an answer to it.

        What failed with its workflow is its parent's to take care of, as a meeting is its onboarding's.
        """
        async with self.store.snapshot() as connection:
            shown = await open_workflows(connection)
            shown |= {undelivered_id(one.key) for one in await outbox.unresolved(connection)}
        try:
            listed = await running(self.client, (*LASTING, UNDELIVERED.name), self.task_queue)
        except RPCError as error:
            if error.status is not RPCStatusCode.UNIMPLEMENTED:
                raise
            # The server that skips time keeps no list of its workflows.
            return AllGone()
        missing = shown - listed - {RELAY_ALARM}
        async with self.store.writing() as connection:
            twice = sorted(await sweeps.suspects(connection, question.now, missing))[:AT_MOST]
        gone = [id_ for id_ in twice if not await runs(self.client, id_)]
        async with self.store.writing() as connection:
            for id_ in gone:
                if id_.startswith("task/"):
                    await tasks.close_gone(connection, id_)
            found = [await _whose(connection, id_) for id_ in gone]
            unheard = [await _about(connection, id_) for id_ in gone]
        for task in unheard:
            # The next round asks again, and hears the answer.
            if task is not None and await runs(self.client, task):
                await self.client.get_workflow_handle(task).signal("steer", Steer(kind=Steering.CLOSE))
        return AllGone(workflows=tuple(one for one in found if one is not None))


async def _about(connection: Connection, workflow_id: str) -> str | None:
    """The to-do about an email whose workflow is gone: nobody hears an answer to it."""
    kind, _, key = workflow_id.partition("/")
    if kind != "undelivered":
        return None
    message = await outbox.message(connection, key)
    return await tasks.open_about_email(connection, message.account or "", key)


async def _whose(connection: Connection, workflow_id: str) -> Gone | None:
    """Whose a workflow is that is gone; nothing for what has a parent."""
    kind, _, ref = workflow_id.partition("/")
    if kind in ("onboarding", "cadence"):
        return Gone(account=ref, subject=ref, workflow_id=workflow_id, assign=("tam",))
    if kind == "case":
        case = await support.case(connection, ref)
        lead = f"role:{Role.SUPPORT_LEAD}"
        return Gone(account=case.account, subject=ref, workflow_id=workflow_id, assign=(lead,))
    if kind == "tech-review" and (review := await reviews.review(connection, ref)) is not None:
        return Gone(account=review.account, subject=ref, workflow_id=workflow_id, assign=("tam",))
    return None


def _is_asked(message: outbox.Message, open_tasks: set[str]) -> bool:
    """Whether somebody is being asked about it; how often they were does not matter."""
    *_, digest = undelivered_task(message.account or "", message.key, 1).split("/")
    return any(id_.endswith(f"/{digest}") for id_ in open_tasks)


async def _review(connection: Connection, known: reviews.KnownReview) -> ReviewStart:
    last = (await reviews.rounds(connection, known.ref))[-1]
    return ReviewStart(
        ref=known.ref,
        account=known.account,
        round=ReviewRound(
            number=last.round,
            submission=last.submission,
            by=last.by,
            stage=known.stage,
            ask=known.ask,
            needed_by=last.needed_by,
        ),
    )
