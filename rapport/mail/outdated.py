"""What became false while a mail waited: for the relay, for its turn, or for its reader's working time.

Every mail that was not handed over as soon as it was written is looked at once more when its turn comes. What the
record says against it counts; what the record does not know yet does not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, select

from rapport.mail import outbox
from rapport.mail.outbox import Message
from rapport.model.message import MessageRequest, MessageState, Purpose
from rapport.model.step import DoneBy, kinds
from rapport.model.support_case import ActKind, CaseState
from rapport.model.task import MEMBER_PREFIX, TaskPhase
from rapport.model.tech_review import WITHDRAWN
from rapport.model.tech_review_facts import ReviewPhase
from rapport.rules.erasure import is_erased
from rapport.rules.onboarding import StepState
from rapport.rules.operation import ELSEWHERE
from rapport.storage import account as accounts, contract, support_case, task as tasks, tech_review
from rapport.storage.database import Connection
from rapport.storage.support_case_tables import CaseLogRow
from rapport.storage.tables import MessageRow, TimelineRow

TASK_CLOSED: Final = "its task is closed by now"
TASK_CHANGED: Final = "what it asks about was changed"
TASK_ANSWERED: Final = "its reader has decided by now"
BOOKED: Final = "a time is booked by now"
MEETING_OVER: Final = "the meeting is over by now"
VOTED: Final = "its reader has answered by now"
NEWER: Final = "a newer email says how it is by now"
STEP_OVER: Final = "its step is over by now"
CASE_SOLVED: Final = "the case is solved by now"
CASE_REOPENED: Final = "the case was opened again"
CASE_ANSWERED: Final = "the customer has an answer by now"
CUSTOMER_ANSWERED: Final = "the customer has answered by now"
CASE_TAKEN: Final = "somebody else has the case by now"
REVIEW_WITHDRAWN: Final = "the review was withdrawn"
REVIEW_DECIDED: Final = "the review is decided by now"
HANDED_ON: Final = "somebody else looks after the account by now"

_ASKS_FOR_TIMES: Final = (Purpose.PROPOSAL, Purpose.REMINDER)
_OF_A_STEP: Final = (*_ASKS_FOR_TIMES, Purpose.MESSAGE)
_BY_MAIL: Final = kinds(DoneBy.ONBOARDING, DoneBy.WORKFLOW)
_SETTLED: Final = ("meeting.booked", "meeting.moved", "meeting.given_up", "meeting.called_off")
_BOOKS: Final = MessageRow.email != "meeting_cancelled"
_REPORTED: Final = ("meeting.held", "meeting.no_show", "meeting.given_up", "meeting.called_off")

_OF_AN_OPEN_CASE: Final = {
    "case_acknowledged",
    "case_assigned",
    "case_breach",
    "case_context",
    "case_due",
    "case_late",
    "case_question",
    "case_queued",
    "case_silent",
    "case_unpaged",
}
_WANT_AN_ANSWER: Final = {"case_breach", "case_due", "case_late"}
_ANSWERS: Final = (ActKind.ANSWER, ActKind.WAIT_CUSTOMER, ActKind.RESOLVE)
_OF_AN_OPEN_REVIEW: Final = {"review_submitted", "review_due", "review_unread"}
_LAST_ZONE: Final = timedelta(hours=12)
"""How far the last zone is behind UTC: a day that is over there is over for everybody."""
_DECIDED: Final = (ReviewPhase.MESSAGE, ReviewPhase.ACKNOWLEDGEMENT, ReviewPhase.REVISIT, ReviewPhase.CLOSED)


async def why_not(connection: Connection, message: Message, now: datetime) -> str | None:
    """Why a mail that waited is not sent any more; nothing if all that it says may still be so."""
    draft = await outbox.draft(connection, message.key)
    assert draft is not None
    occasion = MessageRequest.model_validate(draft.occasion)
    if occasion.stale_at is not None and occasion.stale_at <= now:
        return outbox.STALE
    if message.account is None:
        return None
    for rule in _RULES:
        if (reason := await rule(connection, message, occasion, now)) is not None:
            return reason
    return None


async def goes_to_nobody(connection: Connection, message: Message) -> bool:
    """Whether its reader has left. A last mail, which tells them just that, goes to them as long as they are known."""
    if message.person.startswith(MEMBER_PREFIX) or not await accounts.has_left(connection, message.person):
        return False
    (reader,) = await accounts.contacts_with(connection, [message.person])
    return message.purpose != Purpose.PARTING or is_erased(reader.email)


async def _of_a_task(connection: Connection, message: Message, occasion: MessageRequest, _: datetime) -> str | None:
    """What asks somebody for something asks in vain once the task is closed, or about another version."""
    facts = occasion.task
    if facts is None or facts.outcome is not None or facts.refusal is not None:
        return None
    task = await tasks.task(connection, message.workflow_id)
    if task is None:
        return None
    if task.phase is TaskPhase.CLOSED:
        return TASK_CLOSED
    if task.round > occasion.round:
        return TASK_CHANGED
    return TASK_ANSWERED if any(one.by == message.person for one in task.answers) else None


async def _of_a_meeting(
    connection: Connection, message: Message, occasion: MessageRequest, now: datetime
) -> str | None:
    """Times to choose from, reminders of them, invitations, and what the TAM is asked about a meeting."""
    facts = occasion.meeting
    if facts is None:
        return None
    if occasion.purpose in _ASKS_FOR_TIMES:
        if await _told_since(connection, message, _SETTLED) or await _written_since(
            connection, message, "invitation", _BOOKS
        ):
            return BOOKED
        if await _replaced_since(connection, message, "proposal"):
            return NEWER
        has_voted = TimelineRow.who == message.person
        if occasion.purpose is Purpose.REMINDER and await _told_since(connection, message, ("vote.cast",), has_voted):
            return VOTED
    if occasion.purpose is Purpose.INVITATION and facts.booking is not None:
        if await _replaced_since(connection, message, "invitation"):
            return NEWER
        return MEETING_OVER if facts.booking.end <= now else None
    if occasion.email == "meeting_stuck" and await _told_since(connection, message, _SETTLED):
        return BOOKED
    if occasion.email == "meeting_report" and await _told_since(connection, message, _REPORTED):
        return MEETING_OVER
    return None


async def _of_a_step(connection: Connection, message: Message, occasion: MessageRequest, _: datetime) -> str | None:
    """A step that was left out, done elsewhere, or dropped takes back what it has under way."""
    facts = occasion.meeting
    invites = occasion.purpose is Purpose.INVITATION and facts and facts.booking and not facts.booking.called_off
    asks = occasion.purpose in _OF_A_STEP and occasion.rhythm is None
    if not (invites or asks) or message.contract is None:
        return None
    known = await contract.milestones(connection, message.contract)
    step = next((one for one in known if one.step == message.step and one.kind in _BY_MAIL), None)
    if step is None or step.attempt < occasion.attempt:
        return None
    over = step.state in (StepState.SKIPPED, StepState.DROPPED) or step.outcome == ELSEWHERE
    ended = step.state == StepState.DONE and occasion.purpose in _ASKS_FOR_TIMES
    return STEP_OVER if step.attempt > occasion.attempt or over or ended else None


async def _of_a_case(connection: Connection, message: Message, occasion: MessageRequest, _: datetime) -> str | None:
    """What is said of an open case is false of one that is solved, and the other way round.

    A word that somebody has said, or let go, goes in any case.
    """
    if occasion.case is None or message.approved_by is not None:
        return None
    email, case = occasion.email, await support_case.case(connection, occasion.case.ref)
    if case.state.is_over:
        return CASE_SOLVED if email in _OF_AN_OPEN_CASE else None
    if email == "case_resolved":
        return CASE_REOPENED
    if case.owner != {"case_assigned": message.person, "case_queued": None}.get(email, case.owner):
        return CASE_TAKEN
    if email in _WANT_AN_ANSWER and await _logged_since(connection, message, case.ref, _ANSWERS):
        return CASE_ANSWERED
    if email == "case_silent" and case.state is not CaseState.WAITING:
        return CUSTOMER_ANSWERED
    said = email == "case_question" and await _logged_since(connection, message, case.ref, (ActKind.CUSTOMER_SAID,))
    return CUSTOMER_ANSWERED if said else None


async def _of_a_review(connection: Connection, _message: Message, occasion: MessageRequest, _: datetime) -> str | None:
    """What asks for a word on a review asks in vain once it was withdrawn, asked for otherwise, or decided."""
    facts = occasion.tech_review
    if facts is None or occasion.email not in _OF_AN_OPEN_REVIEW:
        return None
    review = await tech_review.review(connection, facts.ref)
    if review is None:
        return None
    if review.outcome == WITHDRAWN:
        return REVIEW_WITHDRAWN
    if review.round > facts.round:
        return TASK_CHANGED
    return REVIEW_DECIDED if review.phase in _DECIDED and occasion.email == "review_due" else None


async def _of_what_recurs(_: Connection, _message: Message, occasion: MessageRequest, now: datetime) -> str | None:
    """A date that was moved or called off, or a brief on a review, is of no use once it has passed."""
    facts = occasion.rhythm
    if facts is None:
        return None
    one = facts.occurrence if facts.kind in ("moved", "skipped") else None
    if one is not None and max(one.original, one.start) <= now:
        return MEETING_OVER
    brief = occasion.purpose is Purpose.BRIEF and facts.review is not None and facts.until is not None
    return MEETING_OVER if brief and facts.until is not None and facts.until < (now - _LAST_ZONE).date() else None


async def _of_a_handover(
    connection: Connection, message: Message, occasion: MessageRequest, now: datetime
) -> str | None:
    """That an account is somebody's is told to whose it is."""
    if occasion.handover is None or message.account is None:
        return None
    account = await accounts.account(connection, message.account)
    return HANDED_ON if message.person not in (account.tam, account.tam_at(now)) else None


_RULES: Final[tuple[Callable[[Connection, Message, MessageRequest, datetime], Awaitable[str | None]], ...]] = (
    _of_a_task,
    _of_a_meeting,
    _of_a_step,
    _of_a_case,
    _of_a_review,
    _of_what_recurs,
    _of_a_handover,
)


async def _replaced_since(connection: Connection, message: Message, purpose: str) -> bool:
    """Whether its reader has got, or may still get, another mail of the same step that was written since this one."""
    goes = MessageRow.state.not_in([MessageState.HELD, MessageState.SUPPRESSED])
    return await _written_since(connection, message, purpose, MessageRow.person == message.person, goes)


async def _written_since(connection: Connection, message: Message, purpose: str, *also: ColumnElement[bool]) -> bool:
    """Whether a mail of the same step was written since this one, to whomever and whatever became of it."""
    query = select(MessageRow.key).where(
        MessageRow.account == message.account,
        MessageRow.contract == message.contract,
        MessageRow.step == message.step,
        MessageRow.purpose == purpose,
        MessageRow.created_at > message.created_at,
        *also,
    )
    return await connection.scalar(query.limit(1)) is not None


async def _told_since(
    connection: Connection, message: Message, kinds: Collection[str], *also: ColumnElement[bool]
) -> bool:
    """Whether the timeline tells one of these of the same step since the mail was written."""
    query = select(TimelineRow.id).where(
        TimelineRow.account == message.account,
        TimelineRow.step == message.step,
        TimelineRow.kind.in_(kinds),
        TimelineRow.at > message.created_at,
        *also,
    )
    return await connection.scalar(query.limit(1)) is not None


async def _logged_since(connection: Connection, message: Message, ref: str, kinds: Collection[str]) -> bool:
    """Whether one of these was said on a case since the mail was written."""
    query = select(CaseLogRow.number).where(
        CaseLogRow.ref == ref, CaseLogRow.kind.in_(kinds), CaseLogRow.at > message.created_at
    )
    return await connection.scalar(query.limit(1)) is not None
