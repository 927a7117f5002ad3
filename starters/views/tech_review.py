"""Technical reviews as people see them: what stands in SQL, with names in the place of ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field

from rapport.mail.tech_review import list_of, read, seat_of
from rapport.model.account import Role
from rapport.model.base import Instant, WireModel
from rapport.model.ids import review_id
from rapport.model.task import TaskPhase
from rapport.model.tech_review import Ask, ReviewStage, is_web_link
from rapport.model.tech_review_facts import Remark, RemarkKind, ReviewPhase
from rapport.rules.review_words import NOTES, answers_of
from rapport.storage import account as accounts, task as task_records, tech_review, timeline
from rapport.storage.addresses import GONE
from rapport.storage.database import Connection
from rapport.storage.sweep import StandingStill
from rapport.storage.task import Task
from rapport.storage.tech_review import KnownReview
from starters.views import standstill

SAID_AT: Final = "Said at "
"""What stands before the link of something that was said elsewhere, in the last line of what was said."""


class RemarkShown(WireModel):
    """Something that was said or decided, with its people by name.

    Attributes:
        seat: For whom it speaks.
        link: Where it was said, if that was elsewhere.
        entered_by: Who entered it, where that was somebody else.
    """

    round: int
    kind: RemarkKind
    seat: str | None
    who: str | None
    option: str | None
    text: str | None
    link: str | None
    at: Instant
    verified: str | None
    entered_by: str | None


class RoundShown(WireModel):
    """A version of the request, by field; `asked` the same with its questions, to be read."""

    round: int
    by: str
    at: Instant
    again: bool
    needed_by: Instant
    design_link: str | None
    design_version: str | None
    request: dict[str, Any]
    asked: tuple[tuple[str, str], ...]


class AskedShown(WireModel):
    """A task of the review that waits for people."""

    task: str
    title: str
    waits_for: tuple[str, ...]
    deadline: Instant | None


class ReviewLine(WireModel):
    """A review in a list.

    Attributes:
        ended_since: Since when it is ended in Temporal, and nothing of it continues, where it is.
        checked: In a list, as of when that is known; nothing if it was never looked at.
    """

    ref: str
    account: str
    title: str
    stage: ReviewStage
    ask: Ask
    from_case: str | None = None
    phase: ReviewPhase
    round: int
    overdue: bool
    outcome: str | None
    needed_by: Instant
    waiting_on: tuple[str, ...]
    waiting_for: str | None
    unblock: str | None
    since: Instant | None
    deadline: Instant | None
    revisit: Instant | None
    ended_since: Instant | None = None
    checked: Instant | None = None


class ReviewPage(WireModel):
    """Lines of a list.

    Attributes:
        total, overdue: How many there are in the whole list, and how many of them are overdue.
    """

    lines: tuple[ReviewLine, ...]
    total: int
    overdue: int


class ReviewShown(ReviewLine):
    """A review with all that there is to see of it.

    Attributes:
        by, changed_by: Who asked first, and who else has worded it anew since.
        request: What is asked for in the present round, by field; `asked` the same with its questions, to be read.
        message: The approved answer to the customer, by field.
        answer: How far it is; nothing while nobody has written it.
        meetings: How many live meetings there were on it, with the one that is being arranged.
        told: When it was sent; approved and on its way is not yet sent.
        zone: The submitter's, in which pages tell its times.
    """

    workflow_id: str
    account_name: str
    by: str
    changed_by: tuple[str, ...] = ()
    submitted: Instant
    request: dict[str, Any]
    asked: tuple[tuple[str, str], ...]
    rounds: tuple[RoundShown, ...]
    remarks: tuple[RemarkShown, ...]
    asks: tuple[AskedShown, ...]
    conditions: tuple[str, ...]
    message: dict[str, str] = Field(default_factory=dict)
    answer: Literal["drafted", "approved", "sent", "acknowledged"] | None = None
    decided: Instant | None
    told: Instant | None
    acknowledged: Instant | None
    closed: Instant | None
    meetings: int = 0
    zone: str


async def shown(
    connection: Connection, found: KnownReview, scenarios: Mapping[str, str], ended: StandingStill | None = None
) -> ReviewShown:
    """A review with all that there is to see of it.

    Args:
        scenarios: What each scenario is called.
        ended: How it is on record as ended in Temporal, if it is.
    """
    account = await accounts.account(connection, found.account)
    names = await accounts.names(connection, found.account)
    submitter = await accounts.member(connection, found.submitter)
    versions = await tech_review.rounds(connection, found.ref)
    remarks = await tech_review.remarks(connection, found.ref)
    conditions = await tech_review.conditions(connection, found.ref, found.round)
    open_tasks = await task_records.of_subject(connection, found.ref, open_only=True)
    ids = [one.submission for one in versions] + [one.submission for one in remarks if one.submission]
    said = await timeline.submissions(connection, [*ids, *([found.message] if found.message else [])])
    texts = {id_: one.text for id_, one in said.items() if one.text}
    sent = await tech_review.sent_at(connection, found)
    request = read(texts.get(versions[-1].submission))
    message = read(texts.get(found.message or ""))
    return ReviewShown(
        **line_of(found, ended),
        workflow_id=review_id(found.ref),
        account_name=account.name,
        by=names.get(versions[0].by, GONE),
        changed_by=tuple(dict.fromkeys(names.get(one.by, GONE) for one in versions if one.by != versions[0].by)),
        submitted=found.submitted,
        request=request,
        asked=tuple(answers_of(request, scenarios)),
        rounds=tuple(
            RoundShown(
                **one.model_dump(exclude={"submission", "by"}),
                by=names.get(one.by, GONE),
                request=read(texts.get(one.submission)),
                asked=tuple(answers_of(read(texts.get(one.submission)), scenarios)),
            )
            for one in versions
        ),
        remarks=tuple(_remark(one, names, said) for one in remarks),
        asks=tuple(_asked(one, names) for one in open_tasks),
        conditions=tuple(conditions),
        message={
            name: str(text)
            for name, text in message.items()
            if not (name == "conditions" and not list_of(text)) and not (name == "revisit" and text == "never")
        },
        decided=found.decided,
        answer=_answer(found, sent, open_tasks),
        told=sent,
        acknowledged=found.acknowledged,
        closed=found.closed,
        meetings=found.meetings,
        zone=submitter.schedule.zone,
    )


def _answer(
    found: KnownReview, sent: datetime | None, open_tasks: Sequence[Task]
) -> Literal["drafted", "approved", "sent", "acknowledged"] | None:
    if found.acknowledged is not None:
        return "acknowledged"
    if sent is not None:
        return "sent"
    if found.message is not None:
        return "approved"
    written = any(one.step == "message" and one.phase is TaskPhase.OPEN for one in open_tasks)
    return "drafted" if written else None


def line_of(found: KnownReview, ended: StandingStill | None = None) -> dict[str, Any]:
    """A review's line in a list, by field; where it was ended in Temporal, nothing else moves it on."""
    line = {name: getattr(found, name) for name in ReviewLine.model_fields if hasattr(found, name)}
    if ended is None or not found.is_open:
        return line
    left = ended.left_at is not None
    return line | {
        "waiting_on": () if left else (Role.TAM,),
        "waiting_for": standstill.waits_for(left=left),
        "unblock": standstill.way_on(review_id(found.ref)),
        "deadline": None,
        "ended_since": ended.since,
    }


def _remark(one: Remark, names: Mapping[str, str], said: Mapping[str, timeline.Submission]) -> RemarkShown:
    # What follows by the rules names the last word that it follows from; nobody has said or entered it.
    spoke = said.get(one.submission or "") if one.by else None
    words, link = quoted(spoke.text if spoke and one.kind not in ("message",) else None)
    seat = seat_of(one) or None
    return RemarkShown.made_of(
        one,
        seat=seat if one.by else None,
        who=names.get(one.by, GONE) if one.by else seat,
        text=words or NOTES.get(one.option or ""),
        link=link,
        verified=spoke.verified if spoke else None,
        entered_by=spoke.entered_by if spoke else None,
    )


def quoted(text: str | None) -> tuple[str | None, str | None]:
    """What somebody said, and where, if that was elsewhere."""
    words, mark, link = (text or "").rpartition(f"\n\n{SAID_AT}")
    # Anybody can end what they write like that; only what a link may be becomes one.
    return (words, link) if mark and is_web_link(link) else (text, None)


def _asked(task: Task, names: Mapping[str, str]) -> AskedShown:
    return AskedShown(
        task=task.id,
        title=task.title,
        waits_for=tuple(names.get(holder.member, GONE) for holder in task.awaited),
        deadline=task.deadline,
    )
