"""Technical reviews: asking for one, saying something to it, changing or withdrawing it, and where it stands."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field
from temporalio.client import WorkflowHandle
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from rapport.mail.reviews import QUESTIONS, SEATS, list_of, read
from rapport.model.base import Instant, Refusal, Refused, Wire, Written
from rapport.model.human_task import TaskPhase
from rapport.model.ids import review_id
from rapport.model.meeting import Receipt
from rapport.model.minutes import Filled
from rapport.model.people import Member, Role
from rapport.model.reading import check, parse_toml
from rapport.model.review_facts import Remark, ReviewPhase
from rapport.model.tech_review import (
    Ask,
    ReviewEdit,
    ReviewRequest,
    ReviewResult,
    ReviewRound,
    ReviewStage,
    ReviewStart,
    ReviewWord,
    WebLink,
)
from rapport.policy import review as policy
from rapport.storage import people, reviews, timeline
from rapport.storage import tasks as task_records
from rapport.storage.addresses import GONE
from rapport.storage.database import Connection
from rapport.storage.reviews import KnownReview
from rapport.storage.tasks import Task
from starters.commands import tasks
from starters.commands.files import read_file
from starters.commands.office import (
    CUSTOMER_FACING,
    Actor,
    Office,
    answered,
    member_acting,
    member_named,
    present,
    submission,
)
from workflows.tech_review import TechReview

ACCOUNT: Final = SearchAttributeKey.for_keyword("RapportAccount")

Stance = Literal["in_favour", "in_favour_if", "against", "no_objection"]

OPENING_SECONDS: Final = 3.0
"""How long somebody who answers waits for the question to be put."""

SAID_AT: Final = "Said at "
"""What stands before the link of something that was said elsewhere, in the last line of what was said."""


class Submitted(Wire):
    """A review that runs."""

    ref: str
    workflow_id: str


class Feedback(Written):
    """What somebody says to a review.

    Attributes:
        stance: What they are for, where their side was asked.
        on_behalf_of: Who said it in the channel, by address, where a colleague enters it.
        link: Where it was said.
    """

    text: Filled
    stance: Stance | None = None
    on_behalf_of: str | None = None
    link: WebLink | None = None


class Reason(Written):
    """Why somebody does something."""

    reason: Filled


class RemarkShown(Wire):
    """Something that was said or decided, with its people by name.

    Attributes:
        seat: For whom it speaks.
        link: Where it was said, if that was elsewhere.
        entered_by: Who entered it, where that was somebody else.
    """

    round: int
    kind: str
    seat: str | None
    who: str | None
    option: str | None
    text: str | None
    link: str | None
    at: Instant
    verified: str | None
    entered_by: str | None


class RoundShown(Wire):
    """A version of the request."""

    round: int
    by: str
    at: Instant
    again: bool
    needed_by: Instant
    design_link: str | None
    design_version: str | None
    request: dict[str, Any]


class AskedShown(Wire):
    """A task of the review that waits for people."""

    task: str
    title: str
    waits_for: tuple[str, ...]
    deadline: Instant | None


class ReviewLine(Wire):
    """A review in a list."""

    ref: str
    account: str
    title: str
    stage: ReviewStage
    ask: Ask
    phase: ReviewPhase
    round: int
    overdue: bool
    outcome: str | None
    needed_by: Instant
    waiting_on: tuple[str, ...]
    waiting_for: str | None
    deadline: Instant | None
    revisit: Instant | None


class ReviewShown(ReviewLine):
    """A review with all that there is to see of it.

    Attributes:
        request: What is asked for in the present round, by field; `asked` the same with its questions, to be read.
        message: What the customer was told, by field.
        zone: The submitter's, in which pages tell its times.
    """

    workflow_id: str
    account_name: str
    by: str
    submitted: Instant
    request: dict[str, Any]
    asked: tuple[tuple[str, str], ...]
    rounds: tuple[RoundShown, ...]
    remarks: tuple[RemarkShown, ...]
    asks: tuple[AskedShown, ...]
    conditions: tuple[str, ...]
    message: dict[str, str] = Field(default_factory=dict)
    decided: Instant | None
    told: Instant | None
    acknowledged: Instant | None
    closed: Instant | None
    since: Instant | None
    unblock: str | None
    zone: str


# Reading what people write

_HEADING: Final = re.compile(r"^##\s+(.+?)\s*$", re.MULTILINE)
_FRONT: Final = re.compile(r"\A\+\+\+[ \t]*\r?\n(.*?)^\+\+\+[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)


def read_request(path: Path) -> ReviewRequest:
    """Read a request: TOML, or Markdown whose front matter is TOML and whose headings are the questions.

    Raises:
        Refusal: It cannot be read, or something in it is missing or wrong.
    """
    return parse_request(read_file(path), path.name)


def parse_request(raw: bytes, source: str) -> ReviewRequest:
    """The same, for what was read already."""
    if not source.endswith((".md", ".markdown")):
        return check(ReviewRequest, parse_toml(raw, source), source)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(f"is not UTF-8 at byte {error.start}", field=source, fix="save it as UTF-8") from None
    front = _FRONT.match(text)
    if front is None:
        raise Refusal(
            "has no front matter", field=source, fix="begin it with a line +++, the fields as TOML, and a line +++"
        )
    data = parse_toml(front[1].encode(), source)
    parts = _HEADING.split(text[front.end() :])
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        name = re.sub(r"[^a-z0-9]+", "_", heading.lower()).strip("_")
        if name in data:
            raise Refusal("stands twice", field=f"{source}: {name}", fix="write it in one place")
        data[_HEADINGS.get(name, name)] = body.strip()
    return check(ReviewRequest, data, source)


_HEADINGS: Final = {
    "why_by_then": "needed_why",
    "why_it_was_not_caught": "why_not_caught",
    "why_it_was_not_caught_before": "why_not_caught",
    "what_the_customer_expects": "expectation",
    "if_it_is_not_met": "if_not_met",
    "the_gap": "gap",
    "others_whom_it_concerns": "others",
}
"""What a heading may be called instead of its field."""


# Asking


async def submit(office: Office, request: ReviewRequest, actor: Actor) -> Submitted:
    """Ask for a review. The same request of an account cannot be asked for twice while it is open.

    Raises:
        Refusal: There is no such account, the date is past, nobody has a role that has to answer, or it stands already.
    """
    member = await member_acting(office, actor)
    now = present()
    async with office.store.reading() as connection:
        await people.account(connection, request.account)
        await _refuse_unanswerable(connection)
        there = await reviews.standing(connection, request.account, request.title)
    if there is not None:
        return await _again(office, there)
    said = submission(member.id, actor, "review.submit", request.account, _words(request))
    round_ = _round(request, said.id, member, 1)
    async with office.store.writing() as connection:
        await timeline.submit(connection, said)
        ref = await reviews.add(connection, request, round_, now)
    await _start(office, ReviewStart(ref=ref, account=request.account, round=round_))
    return Submitted(ref=ref, workflow_id=review_id(ref))


async def _again(office: Office, there: KnownReview) -> Submitted:
    """A review that stands already: one that no workflow has taken yet is started, any other is a refusal."""
    if there.projected:
        raise Refusal(
            f"stands already, as {there.ref}",
            field="title",
            fix=f"say what is new with `rapport review edit {there.ref} FILE`",
            kind=Refused.CONFLICT,
        )
    async with office.store.reading() as connection:
        last = (await reviews.rounds(connection, there.ref))[-1]
    round_ = ReviewRound(
        number=last.round,
        submission=last.submission,
        by=last.by,
        stage=there.stage,
        ask=there.ask,
        needed_by=last.needed_by,
    )
    await _start(office, ReviewStart(ref=there.ref, account=there.account, round=round_))
    return Submitted(ref=there.ref, workflow_id=review_id(there.ref))


async def _start(office: Office, given: ReviewStart) -> None:
    try:
        await answered(
            office.client.start_workflow(
                TechReview.run,
                given,
                id=review_id(given.ref),
                task_queue=office.settings.task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                search_attributes=TypedSearchAttributes([SearchAttributePair(ACCOUNT, given.account)]),
                static_summary=f"Technical review {given.ref}, for {given.account}",
                static_details=f"`rapport review show {given.ref}`",
            ),
            f"review {given.ref}",
        )
    except WorkflowAlreadyStartedError:
        # It ran to its end before the database was told; there is nothing to start.
        return
    except RPCError as error:
        raise Refusal(
            f"{given.ref} is written down, and Temporal does not answer: {error.status.name.lower()}",
            field="TEMPORAL_ADDRESS",
            fix="see that it runs, then submit the same request again; it keeps its number",
            kind=Refused.UNREACHABLE,
        ) from None


def _words(request: ReviewRequest) -> str:
    return json.dumps(request.model_dump(mode="json", exclude_none=True), ensure_ascii=False)


def _round(request: ReviewRequest, said: str, member: Member, number: int) -> ReviewRound:
    needed = policy.needed_at(request.needed_by, member.schedule)
    if needed <= present():
        raise Refusal("is past", field="needed_by", fix="name the day by which the customer needs to know")
    return ReviewRound(
        number=number,
        submission=said,
        by=member.id,
        stage=request.stage,
        ask=request.ask,
        needed_by=needed,
        tell=request.tell,
    )


async def _refuse_unanswerable(connection: Connection) -> None:
    """Refuse a review that nobody entitled could answer."""
    there = {role for one in await people.members(connection) if one.left_at is None for role in one.roles}
    missing = [role for role in policy.NEEDED_ROLES if role not in there]
    if missing:
        raise Refusal(
            f"nobody here is {' or '.join(role.replace('_', ' ') for role in missing)}, and a review needs their word",
            field="members",
            fix="bring them in with `rapport member import FILE`; examples/reviews/members.toml shows how",
            kind=Refused.CONFLICT,
        )


async def edit(office: Office, ref: str, request: ReviewRequest, actor: Actor) -> Receipt:
    """Change what is asked for: a new round, in which everybody is heard anew; what was said stays on record.

    Raises:
        Refusal: There is no such review, it is over, it is of another account, or nothing in it has changed.
    """
    member = await member_acting(office, actor)
    found = await _find(office, ref)
    _refuse_over(found)
    if request.account != found.account:
        raise Refusal(
            f"is {found.account} in {found.ref}", field="account", fix="submit another review for another account"
        )
    async with office.store.reading() as connection:
        versions = await reviews.rounds(connection, found.ref)
        words = await timeline.words(connection, [one.submission for one in versions])
    if read(words.get(versions[-1].submission)) == read(_words(request)):
        raise Refusal(
            "nothing has changed", field="request", fix="change something, or leave it", kind=Refused.CONFLICT
        )
    said = submission(member.id, actor, "review.edit", review_id(found.ref), _words(request))
    round_ = _round(request, said.id, member, found.round + 1)
    async with office.store.writing() as connection:
        await timeline.submit(connection, said)
    call = _handle(office, found).execute_update(TechReview.edit, ReviewEdit(id=said.id, round=round_), id=said.id)
    return await answered(call, f"review {found.ref}")


# Saying something


async def feedback(office: Office, ref: str, written: Feedback, actor: Actor) -> Receipt:
    """Say something to a review: as the answer of a side that is asked, else as a remark.

    Raises:
        Refusal: There is no such review, it is over, the stance of a side that is asked is missing, or something was
            said elsewhere and its link or its author is missing.
    """
    found = await _find(office, ref)
    _refuse_over(found)
    speaker, actor, text = await _spoken(office, written, actor)
    asked = await _asked_of(office, found, speaker)
    if asked is not None and written.stance is None and not any(one.by == speaker.id for one in asked.answers):
        raise Refusal(
            "is missing, and your side is asked",
            field="stance",
            fix="choose in_favour, in_favour_if, against or no_objection",
        )
    if asked is None and written.stance is not None:
        raise Refusal(
            "is given, and your side is not asked, or not any more",
            field="stance",
            fix="leave it out; what you say stands on record as a remark",
            kind=Refused.CONFLICT,
        )
    if asked is not None and written.stance is not None:
        return await tasks.decide(office, asked.id, written.stance, actor, text)
    said = submission(speaker.id, actor, "review.feedback", review_id(found.ref), text)
    async with office.store.writing() as connection:
        await timeline.submit(connection, said)
    word = ReviewWord(id=said.id, by=speaker.id)
    call = _handle(office, found).execute_update(TechReview.say, word, id=said.id)
    return await answered(call, f"review {found.ref}")


async def _spoken(office: Office, written: Feedback, actor: Actor) -> tuple[Member, Actor, str]:
    """Who speaks, who is on record as having entered it, and the words with where they were said."""
    if written.on_behalf_of is None:
        text = written.text if written.link is None else f"{written.text}\n\n{SAID_AT}{written.link}"
        return await member_named(office, actor), actor, text
    if written.link is None:
        raise Refusal(
            "is missing", field="link", fix="give the link to where they said it, so that anybody can look it up"
        )
    enters = await member_named(office, actor)
    other = Actor(email=written.on_behalf_of, channel=actor.channel, entered_by=enters.email, verified_by="reported")
    try:
        speaker = await member_named(office, other)
    except Refusal as refusal:
        raise Refusal(refusal.problem, field="on_behalf_of", fix=refusal.fix, kind=refusal.kind) from None
    return speaker, other, f"{written.text}\n\n{SAID_AT}{written.link}"


async def _asked_of(office: Office, found: KnownReview, member: Member) -> Task | None:
    """The open question for feedback that a member can answer. A review that has just begun may not have put it yet."""
    end = asyncio.get_running_loop().time() + OPENING_SECONDS
    while True:
        async with office.store.reading() as connection:
            every = await task_records.of_subject(connection, found.ref)
        put = [one for one in every if one.step.startswith("feedback_")]
        open_ = [one for one in put if one.phase is not TaskPhase.CLOSED]
        mine = [one for one in open_ if any(holder.member == member.id for holder in one.holders)]
        is_opening = found.phase is ReviewPhase.FEEDBACK and len(put) < len(policy.heard(found.stage))
        if mine or not is_opening or asyncio.get_running_loop().time() >= end:
            return next(iter(mine), None)
        await asyncio.sleep(0.05)


async def request_meeting(office: Office, ref: str, written: Reason, actor: Actor) -> Receipt:
    """Ask to talk about it live; anybody may. The CE sees to it, and writes down what came of it.

    Raises:
        Refusal: There is no such review, or it is over.
    """
    member = await member_named(office, actor)
    found = await _find(office, ref)
    _refuse_over(found)
    said = submission(member.id, actor, "review.meeting", review_id(found.ref), written.reason)
    async with office.store.writing() as connection:
        await timeline.submit(connection, said)
    word = ReviewWord(id=said.id, by=member.id)
    call = _handle(office, found).execute_update(TechReview.request_meeting, word, id=said.id)
    return await answered(call, f"review {found.ref}")


async def withdraw(office: Office, ref: str, written: Reason, actor: Actor) -> Receipt:
    """Say that nobody needs it any more.

    Raises:
        Refusal: There is no such review, it is over, or the member may not act on accounts.
    """
    member = await member_named(office, actor)
    if not member.roles & (CUSTOMER_FACING | {Role.CE_VP}):
        await member_acting(office, actor)
    found = await _find(office, ref)
    _refuse_over(found)
    said = submission(member.id, actor, "review.withdraw", review_id(found.ref), written.reason)
    async with office.store.writing() as connection:
        await timeline.submit(connection, said)
    word = ReviewWord(id=said.id, by=member.id)
    call = _handle(office, found).execute_update(TechReview.withdraw, word, id=said.id)
    return await answered(call, f"review {found.ref}")


# Looking


async def listed(
    office: Office, account: str | None = None, search: str = "", *, also_closed: bool = True
) -> list[ReviewLine]:
    """The reviews, the newest first.

    Args:
        search: Words that all have to stand somewhere in it: in a request, a remark or the message.

    Raises:
        Refusal: There is no such account.
    """
    async with office.store.reading() as connection:
        if account is not None:
            await people.account(connection, account)
        found = await reviews.listed(connection, account, open_only=not also_closed, words=search.split()[:10])
    return [ReviewLine(**_line(one)) for one in found]


async def show(office: Office, ref: str) -> ReviewShown:
    """A review as it was last told.

    Raises:
        Refusal: There is no such review.
    """
    found = await _find(office, ref)
    async with office.store.reading() as connection:
        account = await people.account(connection, found.account)
        names = await people.names(connection, found.account)
        submitter = await people.member(connection, found.submitter)
        versions = await reviews.rounds(connection, found.ref)
        remarks = await reviews.remarks(connection, found.ref)
        conditions = await reviews.conditions(connection, found.ref, found.round)
        open_tasks = await task_records.of_subject(connection, found.ref, open_only=True)
        ids = [one.submission for one in versions] + [one.submission for one in remarks if one.submission]
        said = await timeline.submissions(connection, [*ids, *([found.message] if found.message else [])])
    texts = {id_: one.text for id_, one in said.items() if one.text}
    request = read(texts.get(versions[-1].submission))
    message = read(texts.get(found.message or ""))
    return ReviewShown(
        **_line(found),
        workflow_id=review_id(found.ref),
        account_name=account.name,
        by=names.get(versions[-1].by, GONE),
        submitted=found.submitted,
        request=request,
        asked=tuple((title, str(request[name])) for name, title in QUESTIONS.items() if request.get(name)),
        rounds=tuple(
            RoundShown(
                **one.model_dump(exclude={"submission", "by"}),
                by=names.get(one.by, GONE),
                request=read(texts.get(one.submission)),
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
        told=found.told,
        acknowledged=found.acknowledged,
        closed=found.closed,
        since=found.since,
        unblock=found.unblock,
        zone=submitter.schedule.zone,
    )


def _line(found: KnownReview) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ReviewLine.model_fields}


def _remark(one: Remark, names: Mapping[str, str], said: Mapping[str, timeline.Submission]) -> RemarkShown:
    spoke = said.get(one.submission or "")
    words, link = quoted(spoke.text if spoke and one.kind not in ("message",) else None)
    seat = one.seat
    return RemarkShown(
        round=one.round,
        kind=one.kind,
        seat=None if seat is None else SEATS.get(seat, seat.replace("_", " ")),
        who=names.get(one.by, GONE) if one.by else None,
        option=one.option,
        text=None if one.kind == "verdict" else words,
        link=link,
        at=one.at,
        verified=spoke.verified if spoke else None,
        entered_by=spoke.entered_by if spoke else None,
    )


def quoted(text: str | None) -> tuple[str | None, str | None]:
    """What somebody said, and where, if that was elsewhere."""
    words, mark, link = (text or "").rpartition(f"\n\n{SAID_AT}")
    return (words, link) if mark else (text, None)


def _asked(task: Task, names: Mapping[str, str]) -> AskedShown:
    return AskedShown(
        task=task.id,
        title=task.title,
        waits_for=tuple(names.get(holder.member, GONE) for holder in task.awaited),
        deadline=task.deadline,
    )


def _refuse_over(found: KnownReview) -> None:
    if not found.is_open:
        raise Refusal(
            f"{found.ref} is over: {(found.outcome or '').replace('_', ' ')}",
            field="ref",
            fix="submit another one, if there is something new",
            kind=Refused.CONFLICT,
        )


async def _find(office: Office, ref: str) -> KnownReview:
    name = ref.strip().upper()
    number = name.removeprefix("TR-")
    if number.isdigit():
        name = f"TR-{int(number):04d}"
    async with office.store.reading() as connection:
        found = await reviews.review(connection, name)
    if found is None:
        raise Refusal(
            f'there is no review "{ref[:40]}"', field="ref", fix="see `rapport review list`", kind=Refused.NOT_FOUND
        )
    return found


def _handle(office: Office, found: KnownReview) -> WorkflowHandle[TechReview, ReviewResult]:
    return office.client.get_workflow_handle_for(TechReview.run, review_id(found.ref))
