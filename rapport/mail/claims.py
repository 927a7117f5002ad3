"""Whether what a mail claims is still so, by the record: asked at every path to the relay.

A mail whose own claim is false does not go, and says why; a block whose claim is false is left out of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, or_, select

from rapport.mail import emails, outbox
from rapport.mail.outbox import Message
from rapport.model.ids import step_workflow
from rapport.model.message import MessageRequest, MessageState, Purpose
from rapport.model.step import DoneBy, Stage, kinds
from rapport.model.support_case import ActKind, CaseState
from rapport.model.task import MEMBER_PREFIX, WITHDRAWN, TaskPhase
from rapport.model.tech_review_facts import ReviewPhase
from rapport.rules import claims
from rapport.rules.claims import CaseNow, MeetingNow, ReviewNow, StepNow, TaskNow
from rapport.rules.erasure import is_erased
from rapport.rules.onboarding import StepState
from rapport.rules.operation import ELSEWHERE
from rapport.storage import (
    account as accounts,
    account_erasure,
    cadence,
    contract,
    support_case,
    task as tasks,
    tech_review,
)
from rapport.storage.database import Connection
from rapport.storage.support_case_tables import CaseLogRow
from rapport.storage.tables import MessageRow, TimelineRow

_OF_A_STEP: Final = (Purpose.PROPOSAL, Purpose.REMINDER, Purpose.MESSAGE)
_BY_MAIL: Final = kinds(DoneBy.ONBOARDING, DoneBy.WORKFLOW)
_SETTLED: Final = ("meeting.booked", "meeting.moved", "meeting.given_up")
_PROPOSED: Final = ("meeting.proposed", "meeting.booked")
_CANCELED: Final = ("meeting.canceled", "meeting.called_off", "invitation.called_off")
_REPORTED: Final = ("meeting.held", "meeting.no_show", "meeting.given_up")
_ANSWERS: Final = (ActKind.ANSWER, ActKind.WAIT_CUSTOMER, ActKind.RESOLVE)
_DECIDED: Final = (ReviewPhase.MESSAGE, ReviewPhase.ACKNOWLEDGEMENT, ReviewPhase.REVISIT, ReviewPhase.CLOSED)
_LAST_ZONE: Final = timedelta(hours=12)
"""How far the last zone is behind UTC: a day that is over there is over for everybody."""


@dataclass(frozen=True)
class ClaimingMail:
    """One mail that is about to go, or to be written.

    Attributes:
        since: When it was written; what has changed since then counts.
        approved: Whether somebody let it go.
    """

    occasion: MessageRequest
    person: str
    since: datetime
    now: datetime
    approved: bool = False

    @classmethod
    def of(cls, message: Message, occasion: MessageRequest, now: datetime) -> ClaimingMail:
        """A mail of the outbox."""
        return cls(occasion, message.person, message.created_at, now, message.approved_by is not None)


async def why_not(connection: Connection, message: Message, now: datetime, *, released: bool = False) -> str | None:
    """Why a mail is not sent any more; nothing if all that it claims as a whole may still be so.

    Args:
        released: Somebody has let it go just now: that it comes late is theirs to say, what it claims is not.
    """
    draft = await outbox.draft(connection, message.key)
    assert draft is not None
    occasion = MessageRequest.model_validate(draft.occasion)
    if not released and occasion.stale_at is not None and occasion.stale_at <= now:
        return outbox.STALE
    if message.account is None:
        return None
    of_it = [*_implied(occasion), *emails.claims(occasion.email)]
    if draft.edits.get("body") is not None:
        # Of words that a person wrote nothing can be left out: they claim all of it as a whole.
        of_it += emails.block_claims(occasion.email)
    found = await _false(connection, of_it, ClaimingMail.of(message, occasion, now))
    return claims.CLAIMS[found[0]].why if found else None


async def left_out(connection: Connection, asked: ClaimingMail) -> tuple[str, ...]:
    """The claims of a mail's blocks that do not hold: those blocks are left out of it."""
    if asked.occasion.account is None:
        return ()
    return tuple(await _false(connection, emails.block_claims(asked.occasion.email), asked))


async def shortens(connection: Connection, message: Message, now: datetime) -> tuple[str, ...]:
    """The claims of a frozen mail's blocks that were so when it was written, and are not any more."""
    draft = await outbox.draft(connection, message.key)
    assert draft is not None
    if not draft.frozen or draft.edits.get("body") is not None:
        return ()
    occasion = MessageRequest.model_validate(draft.occasion)
    found = await left_out(connection, ClaimingMail.of(message, occasion, now))
    return tuple(name for name in found if name not in draft.left_out)


def about(left: Iterable[str]) -> str:
    """Why blocks are left out, in a line."""
    return ", ".join(dict.fromkeys(claims.CLAIMS[name].why for name in left))


async def goes_to_nobody(connection: Connection, message: Message) -> bool:
    """Whether its reader has left. A last mail, which tells them just that, goes to them as long as they are known."""
    if message.person.startswith(MEMBER_PREFIX) or not await accounts.has_left(connection, message.person):
        return False
    (reader,) = await accounts.contacts_with(connection, [message.person])
    return message.purpose != Purpose.PARTING or is_erased(reader.email)


def _implied(occasion: MessageRequest) -> tuple[str, ...]:
    """What every mail of a step claims, whatever it says: that nobody has taken the step back."""
    facts = occasion.meeting
    invites = occasion.purpose is Purpose.INVITATION and facts and facts.booking and not facts.booking.called_off
    asks = occasion.purpose in _OF_A_STEP and occasion.rhythm is None
    return ("step_wanted",) if invites or asks else ()


async def _false(connection: Connection, names: Iterable[str], asked: ClaimingMail) -> list[str]:
    names = list(names)
    facts = {of: found for of in claims.needed(names) if (found := await _FACTS[of](connection, asked)) is not None}
    return claims.false(names, facts)


async def _task(connection: Connection, asked: ClaimingMail) -> TaskNow | None:
    """What asks somebody for something asks in vain once the task is closed, or about another version."""
    facts = asked.occasion.task
    if facts is None or facts.outcome is not None or facts.refusal is not None:
        return None
    task = await tasks.task(connection, asked.occasion.workflow_id)
    if task is None:
        return None
    return TaskNow(
        closed=task.phase is TaskPhase.CLOSED,
        changed=task.round > asked.occasion.round,
        decided=any(one.by == asked.person for one in task.answers),
    )


async def _meeting(connection: Connection, asked: ClaimingMail) -> MeetingNow | None:
    """Times to choose from, reminders of them, invitations, and what the TAM is asked about a meeting."""
    occasion, facts = asked.occasion, asked.occasion.meeting
    if facts is None or occasion.purpose is Purpose.MESSAGE:
        return None
    invites = occasion.purpose is Purpose.INVITATION
    has_voted = TimelineRow.who == asked.person
    return MeetingNow(
        step=await _step(connection, asked) or StepNow(),
        settled=not invites
        and (await _told(connection, asked, _SETTLED) or await _written(connection, asked, Purpose.INVITATION, _BOOKS)),
        canceled=await _told(connection, asked, _CANCELED),
        replaced=await _replaced(connection, asked, Purpose.INVITATION if invites else Purpose.PROPOSAL),
        replied=await _told(connection, asked, ("vote.cast",), has_voted),
        over=facts.booking is not None and facts.booking.end <= asked.now,
        reported=await _told(connection, asked, _REPORTED),
    )


_BOOKS: Final = MessageRow.email != "meeting_cancelled"


async def _step(connection: Connection, asked: ClaimingMail) -> StepNow | None:
    """A step that was skipped, done elsewhere, dropped, or begun again takes back what it has under way."""
    occasion = asked.occasion
    if occasion.contract is None:
        return None
    known = await contract.milestones(connection, occasion.contract)
    step = next((one for one in known if one.step == occasion.step and one.kind in _BY_MAIL), None)
    if step is None or step.attempt < occasion.attempt:
        return None
    over = step.state in (StepState.SKIPPED, StepState.DROPPED) or step.outcome == ELSEWHERE
    return StepNow(taken_back=step.attempt > occasion.attempt or over, ended=step.state == StepState.DONE)


async def _kickoff(connection: Connection, asked: ClaimingMail) -> bool | None:
    """Whether the kickoff took place: a step of that stage whose outcome is just that, here or elsewhere."""
    occasion = asked.occasion
    if occasion.contract is None:
        return False
    known = await contract.milestones(connection, occasion.contract)
    steps = [one for one in known if one.stage == Stage.KICKOFF and one.kind == "meeting"]
    if any(one.state == StepState.DONE and one.outcome in ("held", ELSEWHERE) for one in steps):
        return True
    running = [one for one in steps if one.state == StepState.RUNNING]
    scope = await contract.scope(connection, occasion.contract) if running else ""
    meetings = step_workflow("meeting", scope, "", "")[:-1]
    # The meeting tells of itself before its step is on record as ended.
    return any([await _told_of(connection, occasion, one.step, meetings, "meeting.held") for one in running])


async def _case(connection: Connection, asked: ClaimingMail) -> CaseNow | None:
    """What is said of a case. A word that somebody has said, or let go, goes in any case."""
    facts = asked.occasion.case
    if facts is None or asked.approved:
        return None
    case = await support_case.case(connection, facts.ref)
    told_owner = {"case_assigned": asked.person, "case_queued": None}.get(asked.occasion.email, case.owner)
    return CaseNow(
        resolved=case.state.is_over,
        owned_as_told=case.owner == told_owner,
        answered=await _logged(connection, asked, case.ref, _ANSWERS),
        waiting=case.state is CaseState.WAITING,
        customer_replied=await _logged(connection, asked, case.ref, (ActKind.CUSTOMER_SAID,)),
    )


async def _review(connection: Connection, asked: ClaimingMail) -> ReviewNow | None:
    """What asks for a word on a review asks in vain once it was withdrawn, asked for otherwise, or decided."""
    facts = asked.occasion.tech_review
    review = await tech_review.review(connection, facts.ref) if facts is not None else None
    if facts is None or review is None:
        return None
    return ReviewNow(
        withdrawn=review.outcome == WITHDRAWN,
        changed=review.round > facts.round,
        decided=review.phase in _DECIDED,
        replaced=await _told_anew(connection, asked),
    )


async def _told_anew(connection: Connection, asked: ClaimingMail) -> bool:
    """Whether its reader has got, or will get, what is newer about the same review."""
    query = select(MessageRow.key).where(
        MessageRow.contract == asked.occasion.contract,
        MessageRow.person == asked.person,
        MessageRow.purpose == Purpose.NOTICE,
        MessageRow.workflow_id == asked.occasion.workflow_id,
        MessageRow.created_at > asked.since,
        MessageRow.state.not_in([MessageState.HELD, MessageState.SUPPRESSED]),
    )
    return await connection.scalar(query.limit(1)) is not None


async def _date(_: Connection, asked: ClaimingMail) -> bool | None:
    """A date that was moved or called off, or a brief on a review, is of no use once it has passed."""
    facts, now = asked.occasion.rhythm, asked.now
    if facts is None:
        return None
    one = facts.occurrence if facts.kind in ("moved", "skipped") else None
    if one is not None and max(one.original, one.start) <= now:
        return False
    if facts.booked is not None:
        return facts.booked > now
    brief = asked.occasion.purpose is Purpose.BRIEF and facts.review is not None and facts.until is not None
    return not (brief and facts.until is not None and facts.until < (now - _LAST_ZONE).date())


async def _unproposed(connection: Connection, asked: ClaimingMail) -> bool | None:
    """A welcome says that times follow, for as long as none did."""
    facts = asked.occasion.meeting
    if facts is None or facts.where != "undecided":
        return None
    return not await _told(connection, asked, _PROPOSED)


async def _next_date(connection: Connection, asked: ClaimingMail) -> bool | None:
    """A summary names the next date, which is over for whoever lets the mail go late, or was changed meanwhile."""
    facts, account = asked.occasion.rhythm, asked.occasion.account
    if facts is None or facts.occurrence is None or account is None:
        return None
    named = facts.occurrence
    rhythms = [one for one in await cadence.of_account(connection, account) if one.step == facts.step]
    planned = [one for rhythm in rhythms for one in rhythm.coming if one.original == named.original]
    # What is not on record yet speaks against nothing.
    return named.start > asked.now and all(one.off is None and one.start == named.start for one in planned)


async def _account(connection: Connection, asked: ClaimingMail) -> bool | None:
    """That an account is somebody's is told to whose it is."""
    if asked.occasion.handover is None or asked.occasion.account is None:
        return None
    account = await accounts.account(connection, asked.occasion.account)
    return asked.person in (account.tam, account.tam_at(asked.now))


async def _erasure(connection: Connection, asked: ClaimingMail) -> bool | None:
    """That somebody asks for an account to be erased is told for as long as they do."""
    occasion = asked.occasion
    if occasion.erasure is None or occasion.account is None:
        return None
    said = await account_erasure.asked(connection, occasion.account, asked.now)
    return said is not None and said.id == occasion.erasure.submission


_FACTS: Final[dict[str, Callable[[Connection, ClaimingMail], Awaitable[Any]]]] = {
    "task": _task,
    "meeting": _meeting,
    "step": _step,
    "kickoff": _kickoff,
    "case": _case,
    "review": _review,
    "date": _date,
    "unproposed": _unproposed,
    "next_date": _next_date,
    "account": _account,
    "erasure": _erasure,
}


async def _replaced(connection: Connection, asked: ClaimingMail, purpose: Purpose) -> bool:
    """Whether its reader has got, or may still get, another mail of the same step that was written since this one.

    A new round voids the links of the one before, whoever it writes to.
    """
    goes = MessageRow.state.not_in([MessageState.HELD, MessageState.SUPPRESSED])
    again = (MessageRow.person == asked.person) & goes
    later = MessageRow.occasion["round"].as_integer() > asked.occasion.round
    return await _written(connection, asked, purpose, or_(again, later) if purpose is Purpose.PROPOSAL else again)


async def _written(connection: Connection, asked: ClaimingMail, purpose: Purpose, *also: ColumnElement[bool]) -> bool:
    """Whether a mail of the same attempt at a step was written since this one, whatever became of it."""
    occasion = asked.occasion
    query = select(MessageRow.key).where(
        MessageRow.account == occasion.account,
        MessageRow.contract == occasion.contract,
        MessageRow.step == occasion.step,
        MessageRow.purpose == purpose,
        MessageRow.created_at > asked.since,
        MessageRow.occasion["attempt"].as_integer() >= occasion.attempt,
        *also,
    )
    return await connection.scalar(query.limit(1)) is not None


async def _told(
    connection: Connection, asked: ClaimingMail, kinds: Collection[str], *also: ColumnElement[bool]
) -> bool:
    """Whether the timeline tells one of these of the same meeting since the mail was written.

    Another contract's step may have the same name, and an attempt before may still be telling of its end.
    """
    occasion = asked.occasion
    query = select(TimelineRow.id).where(
        TimelineRow.account == occasion.account,
        TimelineRow.step == occasion.step,
        TimelineRow.kind.in_(kinds),
        TimelineRow.at > asked.since,
        TimelineRow.key.startswith(f"{occasion.story}/", autoescape=True),
        *also,
    )
    if occasion.workflow_id.startswith("meeting/"):
        others = TimelineRow.key.startswith(f"{occasion.story}/meeting/", autoescape=True)
        own = TimelineRow.key.startswith(f"{occasion.story}/{occasion.workflow_id}/", autoescape=True)
        query = query.where(or_(own, ~others))
    return await connection.scalar(query.limit(1)) is not None


async def _told_of(connection: Connection, occasion: MessageRequest, step: str, by: str, kind: str) -> bool:
    """Whether the timeline tells this of a step of the same contract."""
    query = select(TimelineRow.id).where(
        TimelineRow.account == occasion.account,
        TimelineRow.step == step,
        TimelineRow.kind == kind,
        TimelineRow.key.startswith(f"{occasion.story}/{by}", autoescape=True),
    )
    return await connection.scalar(query.limit(1)) is not None


async def _logged(connection: Connection, asked: ClaimingMail, ref: str, kinds: Collection[str]) -> bool:
    """Whether one of these was said on a case since the mail was written."""
    query = select(CaseLogRow.number).where(
        CaseLogRow.ref == ref, CaseLogRow.kind.in_(kinds), CaseLogRow.at > asked.since
    )
    return await connection.scalar(query.limit(1)) is not None
