"""Technical reviews: asking for one, saying something to it, changing or withdrawing it, and where it stands."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints
from temporalio.client import WorkflowHandle
from temporalio.common import (
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from rapport.mail.tech_review import read
from rapport.model.access import Action
from rapport.model.account import Member
from rapport.model.base import Email, InputModel, Refused, UserError, WireModel, WrittenInstant, one_of, suggestion
from rapport.model.commands import in_name
from rapport.model.ids import meeting_id, number_in, review_id
from rapport.model.meeting import Book, MeetingResult, Receipt, Report
from rapport.model.minutes import Filled
from rapport.model.reading import together
from rapport.model.scenario import scenario_titles, scenarios
from rapport.model.task import TaskPhase
from rapport.model.tech_review import (
    ReviewEdit,
    ReviewRequest,
    ReviewResult,
    ReviewRound,
    ReviewStage,
    ReviewStart,
    ReviewWord,
    WebLink,
    review_ref,
)
from rapport.model.tech_review_facts import ReviewPhase
from rapport.rules import tech_review as policy
from rapport.rules.gate import looked_at_for_the_trial
from rapport.rules.review_words import chosen
from rapport.rules.wording import choices
from rapport.search_attributes import found_by
from rapport.storage import account as accounts, gate, support_case, sweep, task as task_records, tech_review, timeline
from rapport.storage.database import Connection
from rapport.storage.task import Task
from rapport.storage.tech_review import KnownReview
from rapport.storage.tech_review_tables import ReviewRow
from starters import flows
from starters.rights import requires
from starters.services import (
    OPENING_SECONDS,
    Actor,
    Services,
    answered,
    is_entered,
    member_named,
    present,
    submission,
)
from starters.use_cases import task
from starters.use_cases.hour import refuse_unsuitable
from starters.use_cases.meeting import MeetingShown, meeting_shown
from starters.use_cases.numbers import numbered
from starters.use_cases.words import hand_over, once
from starters.views import standstill
from starters.views.tech_review import SAID_AT, ReviewLine, ReviewPage, ReviewShown, line_of, shown

Stance = Literal["in_favour", "in_favour_if", "against", "no_objection"]
Position = Annotated[Stance, one_of(policy.POSITIONS)]
"""What a side can be for."""


class Submitted(WireModel):
    """A review that runs."""

    ref: str
    workflow_id: str


class Feedback(InputModel):
    """What somebody says to a review.

    Attributes:
        stance: What they are for: their side's answer where it is asked, else their own.
        on_behalf_of: Who said it in the channel, by address, where a colleague enters it.
        link: Where it was said.
    """

    text: Filled
    stance: Position | None = None
    on_behalf_of: str | None = None
    link: WebLink | None = None


class Reason(InputModel):
    """Why somebody does something."""

    reason: Filled


class WantedMeeting(Reason):
    """Why somebody wants to talk about it live, and with whom beside those who spoke.

    Attributes:
        invite: Members, by address.
    """

    invite: Annotated[tuple[Email, ...], Field(max_length=20)] = ()


class MeetingTime(InputModel):
    """When a live meeting takes place; `anyway` where it is meant although somebody can't make it."""

    start: WrittenInstant
    anyway: bool = False


class MeetingNotes(InputModel):
    """What came of a live meeting; nothing where no one came."""

    text: Filled | None = None


# Asking


@requires(Action.REQUEST_REVIEW)
async def submit(services: Services, request: ReviewRequest, actor: Actor) -> Submitted:
    """Ask for a review. The same request of an account cannot be asked for twice while it is open.

    Raises:
        UserError: There is no such account or case, the date is past, nobody has a role that has to answer, or it
            stands already.
    """
    member = await member_named(services, actor)
    now = present()
    _refuse_unknown(services, request.scenarios)
    async with services.store.reading() as connection:
        await accounts.account(connection, request.account)
        await _refuse_unanswerable(connection)
        if request.case is not None:
            await _refuse_foreign(connection, request.case, request.account)
        await _refuse_seen(connection, request)
        there = await tech_review.standing(connection, request.account, request.title)
    if there is not None:
        return await _again(services, there, request)
    said = submission(member.id, actor, "review.submit", request.account, _words(request))
    round_ = _round(request, said.id, member, 1)

    async def add(number: int) -> KnownReview | str:
        async with services.store.writing() as connection:
            added = await tech_review.add(connection, request, round_, now, number)
            if isinstance(added, str):
                await timeline.submit(connection, said)
        return added

    added = await numbered(services, ReviewRow.number, lambda number: review_id(review_ref(number)), add)
    if not isinstance(added, str):
        return await _again(services, added, request)
    await _start(services, ReviewStart(ref=added, account=request.account, round=round_))
    return Submitted(ref=added, workflow_id=review_id(added))


def _refuse_unknown(services: Services, named: Sequence[str], field: str = "scenarios[{}]") -> None:
    """Refuse to name a scenario that there is none of: a gate would wait for it for ever."""
    known = {name: one.title for name, one in scenarios(services.settings.data).items()}
    faults = [
        UserError(f'there is no scenario "{name[:40]}"', field=field.format(number), fix=suggestion(name, known))
        for number, name in enumerate(named)
        if name not in known
    ]
    if faults:
        raise together(faults)


async def _refuse_seen(connection: Connection, request: ReviewRequest) -> None:
    """Refuse to look before production at the version that a trial's review granted or still looks at."""
    if request.stage is not ReviewStage.PRE_PRODUCTION or request.design is None:
        return
    found = looked_at_for_the_trial(request.design.version, await gate.reviewed(connection, request.account))
    if found is not None:
        raise UserError(
            f'version "{request.design.version}" is the one that {found} looks at before the trial',
            field="design.version",
            fix="name the version that will be deployed",
            kind=Refused.CONFLICT,
        )


async def _refuse_foreign(connection: Connection, case: str, account: str) -> None:
    """Refuse to name a support case that is none of the account's."""
    try:
        found = await support_case.case(connection, case)
    except UserError as refusal:
        raise UserError(refusal.problem, field="case", fix=refusal.fix, kind=refusal.kind) from None
    if found.account != account:
        raise UserError(
            f"{case} belongs to another account", field="case", fix=f"see `rapport case list --account {account} --all`"
        )


async def _again(services: Services, there: KnownReview, request: ReviewRequest) -> Submitted:
    """A review that stands already: one that no workflow has taken yet is started, any other is a refusal."""
    stands = UserError(
        f"stands already, as {there.ref}",
        field="title",
        fix=f"say what is new with `rapport review edit {there.ref} FILE --as EMAIL`",
        kind=Refused.CONFLICT,
    )
    if there.projected:
        raise stands
    async with services.store.reading() as connection:
        start = await tech_review.start(connection, there)
        words = await timeline.words(connection, [start.round.submission])
    await _start(services, start)
    if read(words.get(start.round.submission)) != read(_words(request)):
        # Somebody else's words: whoever asked for something else under this title has to hear of it.
        raise stands
    return Submitted(ref=there.ref, workflow_id=review_id(there.ref))


async def _start(services: Services, given: ReviewStart) -> None:
    try:
        await answered(
            services.client.start_workflow(
                flows.TechReview.run,
                given,
                id=review_id(given.ref),
                task_queue=services.settings.task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                search_attributes=found_by(given.account),
                static_summary=f"Technical review {given.ref}, for {given.account}",
                static_details=f"`rapport review show {given.ref}`",
            ),
            f"review {given.ref}",
        )
    except WorkflowAlreadyStartedError:
        # It ran to its end before the database was told; there is nothing to start.
        return
    except RPCError as error:
        raise UserError(
            f"{given.ref} is written down, and Temporal does not answer: {error.status.name.lower()}",
            field="TEMPORAL_ADDRESS",
            fix="see that it runs, then submit the same request again; it keeps its number",
            kind=Refused.UNREACHABLE,
        ) from None


def _words(request: ReviewRequest) -> str:
    return json.dumps(request.model_dump(mode="json", exclude_none=True), ensure_ascii=False)


def _refuse_past(request: ReviewRequest, member: Member) -> datetime:
    """Give the instant by which the customer needs to know, if it is to come."""
    needed = policy.needed_at(request.needed_by, member.schedule)
    if needed > present():
        return needed
    here = needed.astimezone(ZoneInfo(member.schedule.zone))
    is_today = request.needed_by == present().astimezone(here.tzinfo).date()
    raise UserError(
        f"is today, and your working hours ended at {here:%H:%M}" if is_today else "is past",
        field="needed_by",
        fix="name a later day" if is_today else "name the day by which the customer needs to know",
    )


def _round(request: ReviewRequest, said: str, member: Member, number: int) -> ReviewRound:
    needed = _refuse_past(request, member)
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
    there = {role for one in await accounts.members(connection) if one.left_at is None for role in one.roles}
    missing = [role for role in policy.needed_roles() if role not in there]
    if missing:
        raise UserError(
            f"nobody here has the role {' or '.join(missing)}, and a review needs their word",
            field="members",
            fix="bring them in with `rapport member import FILE`; examples/reviews/members.toml shows how",
            kind=Refused.CONFLICT,
        )


@requires(Action.REQUEST_REVIEW)
async def edit(services: Services, ref: str, request: ReviewRequest, actor: Actor) -> Receipt:
    """Change what is asked for: a new round, in which everybody is heard anew; what was said stays on record.

    Raises:
        UserError: There is no such review, it is over, it is of another account, or nothing in it has changed.
    """
    member = await member_named(services, actor)
    found = await _find(services, ref)

    async def refuse() -> None:
        _refuse_over(found)
        _refuse_unknown(services, request.scenarios)
        if request.account != found.account:
            raise UserError(
                f"is {found.account} in {found.ref}", field="account", fix="submit another review for another account"
            )
        async with services.store.reading() as connection:
            versions = await tech_review.rounds(connection, found.ref)
            words = await timeline.words(connection, [one.submission for one in versions])
            await _refuse_seen(connection, request)
        if read(words.get(versions[-1].submission)) == read(_words(request)):
            raise UserError(
                "nothing has changed", field="request", fix="change something, or leave it", kind=Refused.CONFLICT
            )
        _refuse_past(request, member)

    said = submission(member.id, actor, "review.edit", review_id(found.ref), _words(request))
    said = await once(services, said, refuse, by_state=True)
    word = ReviewEdit(id=said.id, at=said.at, round=_round(request, said.id, member, found.round + 1))
    return await hand_over(services, _handle(services, found), flows.TechReview.edit, word, f"review {found.ref}")


# Saying something


@requires(Action.SPEAK)
async def feedback(services: Services, ref: str, written: Feedback, actor: Actor) -> Receipt:
    """Say something to a review: as the answer of a side that is asked, else as a remark.

    Whoever answers first speaks for their side, and for one side alone, whatever roles they have. What others of it
    say, and for what they are, stands as theirs: also where it was said in the same moment.

    Raises:
        UserError: There is no such review, it is over, the stance of a side that is asked is missing, or something was
            said elsewhere and its link or its author is missing.
    """
    found = await _find(services, ref)
    _refuse_over(found)
    speaker, actor, text = await _spoken(services, written, actor)
    # What others enter is no answer of a side, which is asked on: it stands as a remark, with who entered it.
    asked = None if is_entered(services, actor) else await _asked_of(services, found, speaker)
    if asked is not None and await task.speaks_for(services, asked, speaker.id) is not None:
        asked = None
    if asked is not None and written.stance is None and not any(one.by == speaker.id for one in asked.answers):
        raise UserError(
            "is missing, and your side is asked",
            field="stance",
            fix=f"choose {choices((one.id, one.title) for one in asked.definition.options)}",
        )
    if asked is not None and written.stance is not None:
        try:
            return await task.decide(services, asked.id, written.stance, actor, text)
        except UserError as refusal:
            if refusal.kind is not Refused.CONFLICT or await _is_open(services, asked):
                raise
    said = submission(speaker.id, actor, "review.feedback", review_id(found.ref), text)
    said = await once(services, said, stance=written.stance)
    async with services.store.reading() as connection:
        tam = await accounts.tam_of(connection, found.account)
    side = policy.side_of(speaker.roles, is_tam=speaker.id == tam)
    word = ReviewWord(id=said.id, at=said.at, by=speaker.id, stance=written.stance, side=side)
    receipt = await hand_over(services, _handle(services, found), flows.TechReview.say, word, f"review {found.ref}")
    if receipt.accepted and is_entered(services, actor):
        return receipt.model_copy(update={"reason": ENTERED})
    return receipt


ENTERED: Final = "it's a remark only and counts for no team, as somebody else entered it"
"""What is said of feedback that is taken, but from other hands than those of whoever gives it."""


async def _spoken(services: Services, written: Feedback, actor: Actor) -> tuple[Member, Actor, str]:
    """Who speaks, who is on record as having entered it, and the words with where they were said."""
    if written.on_behalf_of is None:
        text = written.text if written.link is None else f"{written.text}\n\n{SAID_AT}{written.link}"
        return await member_named(services, actor), actor, text
    if written.link is None:
        raise UserError(
            "is missing", field="link", fix="give the link to where they said it, so that anybody can look it up"
        )
    enters = await member_named(services, actor)
    other = Actor(email=written.on_behalf_of, channel=actor.channel, entered_by=enters.email, verified_by="reported")
    try:
        speaker = await member_named(services, other)
    except UserError as refusal:
        raise UserError(refusal.problem, field="on_behalf_of", fix=refusal.fix, kind=refusal.kind) from None
    return speaker, other, f"{written.text}\n\n{SAID_AT}{written.link}"


async def _asked_of(services: Services, found: KnownReview, member: Member) -> Task | None:
    """The open question for feedback that a member can answer. A review that has just begun may not have put it yet."""
    end = asyncio.get_running_loop().time() + OPENING_SECONDS
    while True:
        async with services.store.reading() as connection:
            every = await task_records.of_subject(connection, found.ref)
        put = [one for one in every if one.step.startswith(policy.FEEDBACK_OF)]
        open_ = [one for one in put if one.phase is not TaskPhase.CLOSED]
        mine = [one for one in open_ if any(holder.member == member.id for holder in one.holders)]
        is_opening = found.phase is ReviewPhase.FEEDBACK and len(put) < len(policy.heard(found.stage))
        if mine or not is_opening or asyncio.get_running_loop().time() >= end:
            return next(iter(mine), None)
        await asyncio.sleep(0.05)


async def _is_open(services: Services, asked: Task) -> bool:
    """Whether a question is open still, as SQL has it once what closed it has been told."""
    end = asyncio.get_running_loop().time() + OPENING_SECONDS
    while True:
        async with services.store.reading() as connection:
            now = await task_records.task(connection, asked.id)
        if now is None or now.phase is TaskPhase.CLOSED or asyncio.get_running_loop().time() >= end:
            return now is not None and now.phase is not TaskPhase.CLOSED
        await asyncio.sleep(0.05)


@requires(Action.SPEAK)
async def request_meeting(services: Services, ref: str, written: WantedMeeting, actor: Actor) -> Receipt:
    """Ask to talk about it live; anybody may. Those who spoke, and whoever is named, get times to choose from.

    Raises:
        UserError: There is no such review or member, it is over, or a meeting is being arranged already.
    """
    member = await member_named(services, actor)
    found = await _find(services, ref)
    _refuse_over(found)
    others = await _invited(services, written.invite)
    said = submission(member.id, actor, "review.meeting", review_id(found.ref), written.reason)
    said = await once(services, said, others=others)
    word = ReviewWord(id=said.id, at=said.at, by=member.id, others=others)
    return await hand_over(
        services, _handle(services, found), flows.TechReview.request_meeting, word, f"review {found.ref}"
    )


async def _invited(services: Services, addresses: Sequence[str]) -> tuple[str, ...]:
    async with services.store.reading() as connection:
        found = [await accounts.member_by_email(connection, address) for address in addresses]
    unknown = [
        UserError(
            f"no team member has the address {address}", field=f"invite[{number}]", fix="see `rapport member list`"
        )
        for number, (address, one) in enumerate(zip(addresses, found, strict=True))
        if one is None or one.left_at is not None
    ]
    if unknown:
        raise together(unknown)
    return tuple(one.id for one in found if one is not None)


@requires(Action.SPEAK)
async def book_meeting(services: Services, ref: str, written: MeetingTime, actor: Actor) -> Receipt:
    """Set the time of a review's live meeting, or move it; everyone gets an invitation.

    Raises:
        UserError: There is no such review, no live meeting on it, or the time is past, not on a whole minute, or later
            than the customer needs the decision; or something speaks against it.
    """
    member = await member_named(services, actor)
    found = await _find(services, ref)
    handle = _live(services, found)
    if written.start.second or written.start.microsecond:
        raise UserError("is not on a whole minute", field="start", fix="leave the seconds out")
    if present() < found.needed_by <= written.start:
        raise UserError(
            "is later than the customer needs the decision",
            field="start",
            fix=f"choose a time before {found.needed_by:%Y-%m-%dT%H:%MZ}, or give the review another date",
        )
    said = await once(
        services,
        submission(member.id, actor, "book", handle.id),
        None if written.anyway else lambda: refuse_unsuitable(services, handle, None, written.start, actor),
        start=written.start,
    )
    word = Book(id=said.id, at=said.at, by=member.id, start=written.start, if_free=not written.anyway)
    return await hand_over(services, handle, flows.Meeting.book, word, f"live meeting on {found.ref}")


@requires(Action.SPEAK)
async def report_meeting(services: Services, ref: str, written: MeetingNotes, actor: Actor) -> Receipt:
    """Tell what came of a review's live meeting, which is kept beside what was said; or that no one came.

    Raises:
        UserError: There is no such review, no live meeting on it, or the meeting has not begun.
    """
    member = await member_named(services, actor)
    found = await _find(services, ref)
    handle = _live(services, found)
    outcome: Literal["held", "no_show"] = "held" if written.text is not None else "no_show"
    said = submission(member.id, actor, f"review.meeting.{outcome}", review_id(found.ref), written.text)
    said = await once(services, said, by_state=True)
    word = Report(id=said.id, at=said.at, by=member.id, outcome=outcome)
    subject = f"live meeting on {found.ref}"
    try:
        return await hand_over(services, handle, flows.Meeting.take_report, word, subject)
    except UserError as refusal:
        if "has not begun yet" not in refusal.problem:
            raise
        booking = (await answered(handle.query(flows.Meeting.view), subject)).booking
        begins = f": it is booked for {booking.start:%Y-%m-%dT%H:%MZ}" if booking is not None else ""
        move = in_name(f"rapport review book-meeting {found.ref} --start TIME")
        raise UserError(
            f"the meeting has not begun yet{begins}",
            field="ref",
            fix=f"record it after that, or book another time: `{move}`",
            kind=Refused.CONFLICT,
        ) from None


@requires(Action.READ)
async def live_meeting(services: Services, ref: str) -> MeetingShown:
    """The latest live meeting on a review: its times, and who can make them.

    Raises:
        UserError: There is no such review, no live meeting on it, or no worker answers.
    """
    found = await _find(services, ref)
    view = await answered(_live(services, found).query(flows.Meeting.view), f"live meeting on {found.ref}")
    async with services.store.reading() as connection:
        return meeting_shown(view, await accounts.names(connection, found.account))


def _live(services: Services, found: KnownReview) -> WorkflowHandle[flows.Meeting, MeetingResult]:
    if not found.meetings:
        raise UserError(
            f"{found.ref} has no live meeting",
            field="ref",
            fix="ask for one: `" + in_name(f"rapport review request-meeting {found.ref} --reason …") + "`",
            kind=Refused.NOT_FOUND,
        )
    id_ = meeting_id(found.ref, policy.live_meeting(found.ref).name, found.meetings)
    return services.client.get_workflow_handle_for(flows.Meeting.run, id_)


@requires(Action.WITHDRAW_REVIEW)
async def withdraw(services: Services, ref: str, written: Reason, actor: Actor) -> Receipt:
    """Say that nobody needs it any more.

    Raises:
        UserError: There is no such review, it is over, or the member may not act on accounts.
    """
    member = await member_named(services, actor)
    found = await _find(services, ref)

    async def refuse() -> None:
        _refuse_over(found)

    said = submission(member.id, actor, "review.withdraw", review_id(found.ref), written.reason)
    said = await once(services, said, refuse, by_state=True)
    word = ReviewWord(id=said.id, at=said.at, by=member.id)
    return await hand_over(services, _handle(services, found), flows.TechReview.withdraw, word, f"review {found.ref}")


# Looking


Outcome = Literal["open", "approved", "declined", "supported", "supported_if", "unsupported", "withdrawn"]
"""What a review can be looked for by: its outcome, or that there is none yet."""

OUTCOME_TITLES: Final = {
    name: "Not decided yet" if name == "open" else chosen(name).capitalize() for name in get_args(Outcome)
}
"""How people read them."""


_SEARCHED: Final = re.compile(r'"([^"]*\s[^"]*)"|(\S+)')
"""Words that are looked for: several between quotes are one."""


class ReviewSearch(InputModel):
    """Which reviews are looked for: all that is given has to hold.

    Attributes:
        account: The customer's key.
        scenario: One of `reviews.toml` that a request names.
        outcome: What it came to, or `open`.
        search: Words that are all somewhere in it: in the customer's name, a request, a remark or the message; what
            stands between quotes is one of them.
        open: Only those that are not over.
    """

    account: str | None = None
    scenario: str | None = None
    outcome: Annotated[Outcome, one_of(OUTCOME_TITLES)] | None = None
    search: Annotated[str, StringConstraints(max_length=200)] = ""
    open: bool = False


@requires(Action.READ)
async def listed(services: Services, wanted: ReviewSearch | None = None) -> list[ReviewLine]:
    """The reviews: what is overdue first, then the newest.

    Raises:
        UserError: There is no such account or scenario.
    """
    return list((await page(services, wanted)).lines)


@requires(Action.READ)
async def page(services: Services, wanted: ReviewSearch | None = None, *, most: int | None = None) -> ReviewPage:
    """As `listed`, with how many there are.

    Args:
        most: How many lines at the most; by default all.

    Raises:
        UserError: As `listed`.
    """
    wanted = wanted or ReviewSearch()
    if wanted.scenario is not None:
        _refuse_unknown(services, (wanted.scenario,), "scenario")
    asked: dict[str, Any] = {
        "open_only": wanted.open,
        "words": [phrase or word for phrase, word in _SEARCHED.findall(wanted.search)][:10],
        "titles": scenario_titles(services.settings.data),
        "scenario": wanted.scenario,
        "outcome": wanted.outcome,
    }
    async with services.store.reading() as connection:
        if wanted.account is not None:
            await accounts.account(connection, wanted.account)
        found = await tech_review.listed(connection, wanted.account, **asked, limit=most)
        total, late = len(found), sum(one.overdue for one in found)
        if total == most:
            total, late = await tech_review.counted(connection, wanted.account, **asked)
        known = await sweep.known_ended(connection)
    still, checked = await standstill.all_ended(services, known)
    lines = (ReviewLine(**line_of(one, still.get(review_id(one.ref))) | {"checked": checked}) for one in found)
    return ReviewPage(lines=tuple(lines), total=total, overdue=late)


@requires(Action.READ)
async def overdue(services: Services, most: int) -> list[ReviewLine]:
    """The reviews that are overdue, the newest first, so many of them."""
    async with services.store.reading() as connection:
        found = await tech_review.listed(connection, overdue_only=True, limit=most)
    return [ReviewLine(**line_of(one)) for one in found]


@requires(Action.READ)
async def show(services: Services, ref: str) -> ReviewShown:
    """A review as it was last told.

    Raises:
        UserError: There is no such review.
    """
    found = await _find(services, ref)
    async with services.store.reading() as connection:
        known = (await sweep.standing_still(connection)).get(review_id(found.ref))
    ended = await standstill.ended_now(services, review_id(found.ref), known) if found.is_open else None
    async with services.store.reading() as connection:
        return await shown(connection, found, scenario_titles(services.settings.data), ended)


def _refuse_over(found: KnownReview) -> None:
    if not found.is_open:
        raise UserError(
            f"{found.ref} is over: {chosen(found.outcome or '')}",
            field="ref",
            fix="submit another one, if there is something new",
            kind=Refused.CONFLICT,
        )


async def _find(services: Services, ref: str) -> KnownReview:
    name = ref.strip().upper()
    if (number := number_in(name.removeprefix("TR-"))) is not None:
        name = review_ref(number)
    async with services.store.reading() as connection:
        found = await tech_review.review(connection, name)
    if found is None:
        raise UserError(
            f'there is no review "{ref[:40]}"', field="ref", fix="see `rapport review list`", kind=Refused.NOT_FOUND
        )
    return found


def _handle(services: Services, found: KnownReview) -> WorkflowHandle[flows.TechReview, ReviewResult]:
    return services.client.get_workflow_handle_for(flows.TechReview.run, review_id(found.ref))
