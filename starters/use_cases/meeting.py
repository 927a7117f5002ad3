"""Meetings: seeing one, answering its poll, booking it, saying how it went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Literal, NamedTuple

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle

from rapport.mail.context import AccountContext
from rapport.model.access import Action
from rapport.model.account import Role, Schedule
from rapport.model.base import Instant, Refused, UserError, WireModel
from rapport.model.commands import by_whom, in_name
from rapport.model.ids import account_of, cadence_id, meeting_id, scope_of, step_of_meeting
from rapport.model.meeting import (
    COLLEAGUE,
    AskAgain,
    Book,
    Cancel,
    Change,
    MeetingPhase,
    MeetingResult,
    MeetingView,
    Receipt,
    Report,
    Vote,
)
from rapport.model.minutes import Minutes, MinutesRecord
from rapport.model.reading import check
from rapport.revival import may_go_on
from rapport.rules import quorum
from rapport.rules.escalation import within_hours
from rapport.rules.onboarding import StepState
from rapport.rules.todo_template import DECIDE_ON_FAILURE
from rapport.storage import (
    access,
    account as accounts,
    cadence,
    contract as contracts,
    hour,
    minutes as records,
    timeline,
)
from rapport.storage.access import Link
from rapport.storage.contract import StepShown
from rapport.storage.minutes import NewMinutes
from rapport.storage.unreached import unreached, with_unreached
from starters import flows
from starters.rights import open_to_all, reader_of, requires
from starters.services import (
    LATER,
    Actor,
    Services,
    WorkflowEndedError,
    answered,
    member_named,
    present,
    submission,
)
from starters.use_cases import cadence as rhythms, minutes
from starters.use_cases.hour import refuse_unsuitable
from starters.use_cases.meeting_ends import EndShown, end_of, leave, take_late
from starters.use_cases.minutes import MinutesLine, MinutesShown
from starters.use_cases.names import contract_of, no_step
from starters.use_cases.words import hand_over, once
from starters.views import standstill


class AnswerShown(WireModel):
    """Who is invited, and what they said: the times that suit, or nothing yet.

    Attributes:
        suggests: A time of their own that they propose.
        declined: Whether they said of the booked time that they cannot come.
    """

    who: str
    personas: tuple[str, ...]
    required: bool
    answered: bool
    slots: tuple[str, ...]
    suggests: Instant | None = None
    declined: bool = False


class SlotShown(WireModel):
    """One time on offer, whom it suits, and outside of whose working hours it lies, by name."""

    id: str
    start: Instant
    end: Instant
    suits: tuple[str, ...]
    outside: tuple[str, ...] = ()


class MeetingShown(WireModel):
    """A meeting with its people.

    Attributes:
        ended: What became of it, once it has ended.
    """

    account: str
    step: str
    title: str = ""
    phase: str
    round: int
    slots: tuple[SlotShown, ...]
    answers: tuple[AnswerShown, ...]
    booked: Instant | None
    booked_until: Instant | None
    booked_by: str | None
    reminders: int
    waiting_on: tuple[str, ...]
    waiting_for: str | None
    deadline: Instant | None
    unblock: str | None
    minutes: MinutesShown | None = None
    ended: EndShown | None = None


class MeetingMinutes(WireModel):
    """A meeting's title and minutes, and the meetings that are still ahead, by step and title."""

    title: str
    minutes: MinutesShown | None
    ahead: tuple[tuple[str, str], ...]


class Poll(WireModel):
    """What the page behind a personal link shows.

    Attributes:
        ended: What became of the meeting, once it has ended; nothing else is asked then.
        late: The times that lie outside of the reader's working hours, by id.
        invited: Whether the reader can say of the booked time that they cannot come.
        moves: Whether everyone is offered new times as soon as the reader asks for another one than the booked.
        declined: Whether they have said that they cannot come.
        suggests: A time of their own that they have proposed.
    """

    account: str
    meeting: str
    minutes: int
    reader: str
    zone: str
    vendor: str
    tam: str
    tam_email: str
    slots: tuple[SlotShown, ...]
    chosen: tuple[str, ...]
    answered: bool
    deadline: Instant | None
    booked: Instant | None
    stale: bool
    ended: EndShown | None = None
    ours: bool = False
    late: tuple[str, ...] = ()
    invited: bool = False
    moves: bool = False
    declined: bool = False
    suggests: Instant | None = None


class DepartedError(UserError):
    """The link's reader takes part no more."""


@requires(Action.READ)
async def show(services: Services, account: str, step: str, reader: str = "") -> MeetingShown:
    """A meeting as its workflow answers, with its minutes.

    Args:
        reader: The address of the member who reads, for their private note.

    Raises:
        UserError: There is none, or no worker answers.
    """
    account, contract, handle, steps = await _find(services, account, step)
    view = await _view(services, handle, account, step)
    async with services.store.reading() as connection:
        names = await accounts.names(connection, account)
        said = await minutes.shown(connection, handle.id, steps, reader_of(services, reader))
        missed = await unreached(connection, present(), account)
        acts = (await accounts.serving(connection, [account]))[account].acts
        ended = await end_of(connection, account, handle.id) if view.phase is MeetingPhase.ENDED else None
    shown = meeting_shown(view, names)
    # One beside the playbook has its title here, and nowhere else.
    shown = shown.model_copy(update={"title": next((one.title for one in steps if one.step == step), shown.title)})
    if ended is not None and ended.became == "closed":
        gone = await standstill.ended_now(services, handle.id)
        if gone is not None:
            ended = ended.model_copy(update={"became": "ended"})
            shown = shown.model_copy(update=await _way_on(services, handle.id, step, steps))
    silent = sorted(missed.get((contract, step), ()), key=lambda one: one.name)
    waiting_for = with_unreached(shown.waiting_for, silent)
    unblock = by_whom(shown.unblock, shown.waiting_on, acts, services.reader)
    return shown.model_copy(update={"minutes": said, "waiting_for": waiting_for, "ended": ended, "unblock": unblock})


async def _way_on(services: Services, id_: str, step: str, steps: Sequence[StepShown]) -> dict[str, object]:
    """What a meeting waits for that was ended in Temporal, on whom, and the command that has it continue."""
    async with services.store.reading() as connection:
        contract = await contracts.of_workflow(connection, id_)
    of = next((one for one in steps if one.step == step and one.kind == "meeting"), None)
    above = contract.workflow_id if of is not None and contract is not None else cadence_id(account_of(scope_of(id_)))
    if await standstill.ended_now(services, above) is not None:
        # It continues with the one that started it.
        unblock = standstill.way_on(above)
    elif of is None:
        unblock = in_name("rapport inbox")
    elif StepState(of.state).ended:
        return {}
    else:
        unblock = f"rapport task show {scope_of(id_)}/{step}.{DECIDE_ON_FAILURE.name}"
    return {"waiting_on": (Role.TAM,), "waiting_for": standstill.UNDECIDED, "unblock": unblock}


def meeting_shown(view: MeetingView, names: dict[str, str]) -> MeetingShown:
    """A meeting as its workflow answers, with names."""
    votes = {vote.voter: vote for vote in view.votes}
    proposal = view.proposal
    return MeetingShown.made_of(
        view,
        slots=tuple(
            SlotShown.made_of(
                slot,
                suits=tuple(names.get(id_, id_) for id_ in quorum.supporters(slot, proposal, votes)),
                outside=tuple(names.get(id_, id_) for id_ in slot.outside),
            )
            for slot in proposal.slots
        )
        if proposal
        else (),
        answers=tuple(
            AnswerShown(
                who=names.get(invitee.id, invitee.id),
                personas=invitee.personas,
                required=invitee.required,
                answered=invitee.id in votes,
                slots=votes[invitee.id].slots if invitee.id in votes else (),
                suggests=votes[invitee.id].suggests if invitee.id in votes else None,
                declined=invitee.id in view.declined,
            )
            for invitee in proposal.invitees
        )
        if proposal
        else (),
        booked=view.booking.start if view.booking else None,
        booked_until=view.booking.end if view.booking else None,
        booked_by=view.booking.by if view.booking else None,
        reminders=view.reminders_sent,
    )


@requires(Action.ACT, for_customers=True)
async def vote(
    services: Services, account: str, step: str, slots: tuple[str, ...], actor: Actor, round_: int | None = None
) -> Receipt:
    """Answer a poll for a contact or the TAM, as an operator who was told on the phone does.

    Raises:
        UserError: The person is not invited, a time is not on offer, or the time is booked already.
    """
    account, _, handle, _ = await _find(services, account, step)
    if round_ is None:
        round_ = (await _view(services, handle, account, step)).round
    async with services.store.reading() as connection:
        found = await accounts.account(connection, account)
        tam = await accounts.member(connection, found.tam)
        everyone = {c.email.lower(): c.id for c in await accounts.contacts(connection, account)}
    voter = {**everyone, tam.email.lower(): tam.id}.get(actor.email.lower())
    if voter is None:
        raise UserError(
            f'is neither a contact of "{account}" nor its TAM',
            field="--as",
            fix="use an address of the account's people",
        )
    return await _vote(services, account, handle, voter, round_, slots, actor, None)


@open_to_all
async def vote_by_link(
    services: Services, token: str, slots: tuple[str, ...], comment: str | None, suggests: datetime | None = None
) -> Receipt:
    """Answer a poll through the personal link of a mail.

    Args:
        suggests: A time of their own that they propose.

    Raises:
        UserError: The link is unknown or expired, or the answer no longer counts.
    """
    link = await _link(services, token)
    handle = services.client.get_workflow_handle_for(flows.Meeting.run, link.workflow_id)
    actor = Actor(email="", channel="link")
    assert link.account is not None
    return await _vote(services, link.account, handle, link.person, link.round, slots, actor, comment, suggests)


@open_to_all
async def change_by_link(
    services: Services,
    token: str,
    kind: Literal["move", "decline"],
    booked: datetime,
    comment: str | None,
    start: datetime | None = None,
) -> Receipt:
    """Ask for another time than the booked one, or say that one cannot come, through the personal link of a mail.

    Args:
        booked: The time that they saw.
        start: One of their own that they propose.

    Raises:
        UserError: The link is unknown or expired, another time is booked by now, or the meeting has begun or is over.
    """
    link = await _link(services, token)
    async with services.store.reading() as connection:
        contract = await contracts.of_workflow(connection, link.workflow_id)
        steps = await contracts.milestones(connection, contract.id) if contract else []
    id_ = _latest_attempt(link.workflow_id, steps)
    handle = services.client.get_workflow_handle_for(flows.Meeting.run, id_)
    actor = Actor(email="", channel="link")
    said = submission(link.person, actor, f"meeting.{kind}", id_, comment)
    said = await once(services, said, by_state=True, booked=booked, start=start)
    word = Change(id=said.id, at=said.at, by=link.person, kind=kind, booked=booked, start=start)
    return await hand_over(services, handle, flows.Meeting.change, word, "meeting")


async def _vote(
    services: Services,
    account: str,
    handle: WorkflowHandle[flows.Meeting, MeetingResult],
    voter: str,
    round_: int,
    slots: tuple[str, ...],
    actor: Actor,
    comment: str | None,
    suggests: datetime | None = None,
) -> Receipt:
    chosen = tuple(sorted(set(slots), key=lambda s: (len(s), s)))
    said = submission(voter, actor, "vote", handle.id, comment)
    said = await once(services, said, round=round_, slots=chosen, suggests=suggests)
    answer = Vote(id=said.id, at=said.at, voter=voter, round=round_, slots=chosen, suggests=suggests)
    try:
        receipt = await hand_over(services, handle, flows.Meeting.vote, answer, "meeting")
        if receipt.outcome == LATER:
            await leave(services, account, handle.id, answer)
        # One that was refused at the meeting's door, and is sent again, brings the receipt from then.
        if receipt.accepted or receipt.reason not in quorum.TOO_LATE:
            return receipt
        problem = receipt.reason
    except UserError as refusal:
        problem = quorum.HAS_ENDED if isinstance(refusal, WorkflowEndedError) else refusal.problem
        if problem not in quorum.TOO_LATE:
            raise
        if isinstance(refusal, WorkflowEndedError) and await answered(may_go_on(services.client, handle.id), "meeting"):
            await leave(services, account, handle.id, answer)
            return Receipt(accepted=True, outcome=LATER)
    view = await _last(services, handle, account, "")
    raise await take_late(services, account, handle.id, answer, view, problem)


@open_to_all
async def poll(services: Services, token: str) -> Poll:
    """What a personal link shows; looking changes nothing.

    Raises:
        UserError: The link is unknown or expired, or no worker answers.
    """
    link = await _link(services, token)
    account = link.account
    assert account is not None
    async with services.store.reading() as connection:
        names = await accounts.names(connection, account)
        company = await AccountContext.read(connection, account, (link.person,))
        contract = await contracts.of_workflow(connection, link.workflow_id)
        steps = await contracts.milestones(connection, contract.id) if contract else []
        id_ = _latest_attempt(link.workflow_id, steps)
        gone = await hour.withdrawn_from(connection, id_)
    is_another = id_ != link.workflow_id
    handle = services.client.get_workflow_handle_for(flows.Meeting.run, id_)
    view = await _last(services, handle, account, "")
    is_over = view is None or view.phase is MeetingPhase.ENDED
    if is_over and view is not None and view.proposal is not None:
        # What is said while it stands still counts once it goes on.
        is_over = not await answered(may_go_on(services.client, handle.id), "meeting")
    ended = await _end_of_poll(services, account, id_, steps) if is_over else None
    reader = company.contacts.get(link.person) or company.members.get(link.person)
    if reader is None:
        raise unknown_link()
    step = step_of_meeting(link.workflow_id)
    if view is None:
        # Temporal has forgotten it; what became of it stands on record.
        view = MeetingView(account=account, step=step, phase=MeetingPhase.ENDED, round=link.round)
    shown = meeting_shown(view, names)
    mine = next((vote for vote in view.votes if vote.voter == link.person), None)
    slots = view.proposal.slots if view.proposal else ()
    me = next((one for one in view.proposal.invitees if one.id == link.person), None) if view.proposal else None
    ours = view.proposal is not None and any(COLLEAGUE in one.personas for one in view.proposal.invitees)
    host = company.tam
    if ours and view.proposal is not None and view.proposal.tam != host.id:
        async with services.store.reading() as connection:
            host = await accounts.member(connection, view.proposal.tam)
    return Poll(
        account=company.account.name,
        meeting=next((one.title for one in steps if one.step == step), view.title or step),
        minutes=int((slots[0].end - slots[0].start).total_seconds() // 60) if slots else 0,
        reader=reader.name,
        zone=reader.schedule.zone,
        vendor=company.vendor.name,
        tam=host.name,
        tam_email=host.email,
        ours=ours,
        slots=tuple(slot for slot in shown.slots if slot.start not in gone),
        chosen=mine.slots if mine else (),
        late=tuple(slot.id for slot in slots if link.person in slot.outside),
        answered=mine is not None,
        deadline=_reply_by(view, reader.schedule if ours else None),
        booked=shown.booked,
        # Until there are newer times, there is nothing to look for in a later mail.
        stale=bool(slots) if is_another else link.round != view.round,
        ended=ended,
        invited=me is not None and not is_over,
        moves=me is not None and me.required and view.booking is not None and view.booking.by != "hand",
        declined=link.person in view.declined,
        suggests=mine.suggests if mine else None,
    )


def _reply_by(view: MeetingView, who: Schedule | None) -> datetime | None:
    """Until when a poll asks for an answer: one among colleagues, in the working hours of its reader."""
    deadline = view.proposal.deadline if view.proposal else None
    return deadline if deadline is None or who is None else within_hours(deadline, present(), [who])


def _latest_attempt(workflow_id: str, steps: Sequence[StepShown]) -> str:
    """The workflow of a meeting's step by now: done again, another one has taken the place of the link's."""
    step = next((one for one in steps if one.step == step_of_meeting(workflow_id)), None)
    if step is None or step.began is None or not workflow_id.rpartition("/")[2].isdecimal():
        return workflow_id
    return meeting_id(scope_of(workflow_id), step.step, step.attempt)


async def _end_of_poll(services: Services, account: str, workflow_id: str, steps: Sequence[StepShown]) -> EndShown:
    """What became of it; of one that was ended in Temporal, that somebody decides how it continues."""
    async with services.store.reading() as connection:
        ended = await end_of(connection, account, workflow_id)
    undecided = any(one.step == step_of_meeting(workflow_id) and not StepState(one.state).ended for one in steps)
    if ended.became == "closed" and undecided and await standstill.ended_now(services, workflow_id) is not None:
        return ended.model_copy(update={"became": "ended"})
    return ended


async def _link(services: Services, token: str) -> Link:
    async with services.store.reading() as connection:
        link = await access.find_link(connection, token)
    if link is None or link.purpose != "vote":
        raise unknown_link()
    async with services.store.reading() as connection:
        has_left = await accounts.has_left(connection, link.person)
    if has_left:
        raise DepartedError("this link is over", fix="nothing is asked of you any more", kind=Refused.CONFLICT)
    if link.expires_at < present():
        raise UserError(
            "this link has expired", fix="please answer the mail it came with instead", kind=Refused.CONFLICT
        )
    return link


def unknown_link() -> UserError:
    """The answer to a link that leads nowhere; it says nothing about what there is."""
    return UserError("this link is not known", fix="please use the latest mail", kind=Refused.NOT_FOUND)


@requires(Action.ACT)
async def book(
    services: Services,
    account: str,
    step: str,
    start: datetime,
    actor: Actor,
    *,
    reason: str | None = None,
    anyway: bool = False,
) -> Receipt:
    """Set a meeting's time by hand, or move it; everyone gets an invitation.

    Args:
        reason: Why, for the timeline.
        anyway: Whether it is meant although it lies outside of somebody's hours, or in a holiday, an absence or another
            meeting of theirs.

    Raises:
        UserError: The member may not, the time is in the past or not on a whole minute, something speaks against it, or
            the meeting is over.
    """
    if start.second or start.microsecond:
        raise UserError("is not on a whole minute", field="start", fix="leave the seconds out")
    member = await member_named(services, actor)
    account, _, handle, _ = await _find(services, account, step)
    said = await once(
        services,
        submission(member.id, actor, "book", handle.id, reason),
        None if anyway else lambda: refuse_unsuitable(services, handle, account, start, actor),
        start=start.astimezone(UTC),
    )
    word = Book(id=said.id, at=said.at, by=member.id, start=start, if_free=not anyway)
    return await hand_over(services, handle, flows.Meeting.book, word, f'meeting "{step}" of {account}')


@requires(Action.ACT)
async def reschedule(
    services: Services,
    account: str,
    step: str,
    actor: Actor,
    start: datetime | None = None,
    *,
    day: date | None = None,
    reason: str | None = None,
    anyway: bool = False,
) -> Receipt:
    """Move a meeting to another time; without one, what was voted and booked is void, and everyone gets new times.

    Args:
        day: Of a recurring meeting, which date; the next one, where none is named.
        reason, anyway: As of `book`.

    Raises:
        UserError: As of `book`; or a recurring meeting's date is to move, and no time is named.
    """
    recurring = await _date_of(services, account, step, day)
    if recurring is not None and start is None:
        raise UserError(
            "is missing: nobody votes on one date of a recurring meeting",
            field="start",
            fix="name the new time",
        )
    if recurring is not None and start is not None:
        return await rhythms.move(services, account, step, recurring, start, actor, reason, anyway=anyway)
    if start is not None:
        return await book(services, account, step, start, actor, reason=reason, anyway=anyway)
    member = await member_named(services, actor)
    account, _, handle, _ = await _find(services, account, step)
    said = await once(services, submission(member.id, actor, "ask_again", handle.id, reason), by_state=True)
    word = AskAgain(id=said.id, at=said.at, by=member.id)
    return await hand_over(services, handle, flows.Meeting.ask_again, word, f'meeting "{step}" of {account}')


@requires(Action.ACT)
async def cancel(
    services: Services, account: str, step: str, reason: str, actor: Actor, *, day: date | None = None
) -> Receipt:
    """Cancel a meeting: whoever was invited or asked for times is told. A step ends with it.

    Args:
        reason: Why, for the timeline.
        day: Of a recurring meeting, which date; the next one, where none is named.

    Raises:
        UserError: The member may not, no reason is given, or the meeting has begun or is over.
    """
    if not reason.strip():
        raise UserError("is empty", field="reason", fix="say why it is canceled")
    recurring = await _date_of(services, account, step, day)
    if recurring is not None:
        return await rhythms.skip(services, account, step, recurring, actor, reason)
    member = await member_named(services, actor)
    account, _, handle, _ = await _find(services, account, step)
    said = await once(services, submission(member.id, actor, "cancel", handle.id, reason), by_state=True)
    word = Cancel(id=said.id, at=said.at, by=member.id)
    return await hand_over(services, handle, flows.Meeting.cancel, word, f'meeting "{step}" of {account}')


async def _date_of(services: Services, named: str, step: str, day: date | None) -> date | None:
    """Which date of a recurring meeting is meant; nothing where the step is no such meeting.

    Raises:
        UserError: No date of it is planned, or the step is no recurring meeting and a day was named.
    """
    async with services.store.reading() as connection:
        recurring = await cadence.of_account(connection, account_of(named))
    of = next((one for one in recurring if one.step == step and one.rhythm == "sync"), None)
    if of is None and day is not None:
        raise UserError(f'"{step[:40]}" does not recur', field="date", fix="leave the date out")
    if of is None or day is not None:
        return day
    ahead = [one for one in of.coming if one.off is None and one.start > present()]
    if not ahead:
        raise UserError(f'"{step}" has no date ahead', field="step", fix=f"see `rapport cadence show {named}`")
    return min(ahead, key=lambda one: one.start).day


@requires(Action.ACT)
async def report(
    services: Services,
    account: str,
    step: str,
    outcome: Literal["held", "no_show"],
    actor: Actor,
    note: str | None = None,
    written: Minutes | None = None,
) -> Receipt:
    """Say whether a meeting was held, and how it went. After a no-show, everyone is offered new times.

    Args:
        note: What to remember of it, where there are no minutes.
        written: Its minutes, if it was held.

    Raises:
        UserError: The member may not, somebody in the minutes is not known, or the meeting is not booked, has not
            begun, or is over.
    """
    member = await member_named(services, actor)
    named = account
    account, _, handle, steps = await _find(services, named, step)
    written = written or check(Minutes, {"note": note}, "")
    async with services.store.reading() as connection:
        found = await accounts.account(connection, account)
        record = await minutes.resolve(connection, found, step, steps, written)
    for index, (wanted, agreed) in enumerate(zip(written.agreed, record.agreed, strict=True)):
        if not wanted.anyway:
            # It is booked without a vote, as a time that somebody sets by hand.
            following = meeting_id(scope_of(handle.id), agreed.step, 1)
            itself = services.client.get_workflow_handle_for(flows.Meeting.run, following)
            await refuse_unsuitable(services, itself, account, agreed.start, actor, field=f"agreed[{index}].start")
    said = await once(services, submission(member.id, actor, outcome, handle.id, record.as_text()), by_state=True)
    word = Report(id=said.id, at=said.at, by=member.id, outcome=outcome, attended=record.attended, agreed=record.agreed)
    try:
        receipt = await hand_over(services, handle, flows.Meeting.take_report, word, f'meeting "{step}" of {account}')
    except UserError as refusal:
        return await _or_correct_it(services, refusal, named, step, actor, written, outcome)
    if outcome == "held":
        new = NewMinutes(meeting=handle.id, account=account, step=step, by=member.id, at=said.at, record=record)
        async with services.store.writing() as connection:
            if receipt.accepted and receipt.outcome != LATER:
                # Only what the workflow has taken is kept. Should nobody be here by then, its projection keeps it.
                await records.keep(connection, new, said.id)
            await minutes.keep_note(connection, account, handle.id, member, written.private_note)
    return receipt


async def _or_correct_it(
    services: Services,
    refusal: UserError,
    account: str,
    step: str,
    actor: Actor,
    written: Minutes,
    outcome: Literal["held", "no_show"],
) -> Receipt:
    """What to do about a refused report: where the meeting was held, it could be corrected.

    Where nothing is kept of it, whoever reported it never learned that it was taken, or their words were lost on the
    way: then it is.
    """
    if refusal.kind is not Refused.CONFLICT and not isinstance(refusal, WorkflowEndedError):
        raise refusal
    _, _, handle, _ = await _find(services, account, step)
    async with services.store.reading() as connection:
        kept = await records.of_meeting(connection, handle.id)
        held = kept is not None or await records.reported(connection, handle.id) is not None
    if not held:
        raise refusal
    if kept is None and outcome == "held":
        await correct(services, account, step, written, actor)
        return Receipt(accepted=True, outcome="held")
    fix = f"to correct what was said: rapport meeting minutes {account} {step} --file FILE --as EMAIL"
    raise UserError("someone has already said that it was held", field="step", fix=fix, kind=Refused.CONFLICT)


@requires(Action.ACT)
async def correct(services: Services, account: str, step: str, written: Minutes, actor: Actor) -> MinutesShown:
    """Replace the minutes of a meeting that was held. What stands already is not written again.

    Raises:
        UserError: The member may not, somebody in the minutes is not known, the meeting was not held, or other next
            meetings are named than were agreed.
    """
    member = await member_named(services, actor)
    named = account
    account, _, handle, _ = await _find(services, named, step)
    async with services.store.reading() as connection:
        found = await accounts.account(connection, account)
        kept = await records.of_meeting(connection, handle.id)
        first = await records.reported(connection, handle.id)
        if kept is None and first is None:
            raise UserError(
                f'"{step}" was not held yet',
                field="step",
                fix=f"say so first: rapport meeting held {named} {step} --as EMAIL",
                kind=Refused.CONFLICT,
            )
        stood = kept.record if kept else first.record if first else MinutesRecord()
        record = await minutes.resolve_correction(connection, found, written, stood)
        await minutes.refuse_foreign_note(connection, found, handle.id, written, member)
    said = submission(member.id, actor, "minutes", handle.id, record.as_text())
    new = NewMinutes(meeting=handle.id, account=account, step=step, by=member.id, at=said.at, record=record)
    async with services.store.writing() as connection:
        if record != stood:
            await timeline.record(connection, account, "meeting.minutes", said, step=step)
            await records.keep(connection, new, said.id)
        elif kept is None and first is not None:
            await records.keep(connection, new, first.submission)
        await minutes.keep_note(connection, account, handle.id, member, written.private_note)
    return await minutes_of(services, named, step, member.email)


@requires(Action.READ)
async def minutes_of(services: Services, account: str, step: str, reader: str = "") -> MinutesShown:
    """The minutes of a meeting, whether or not its workflow answers.

    Args:
        reader: The address of the member who reads, for their private note.

    Raises:
        UserError: There is no such meeting, or it has no minutes.
    """
    found = (await noted(services, account, step, reader)).minutes
    if found is None:
        raise UserError(
            f'"{step}" has no minutes',
            field="step",
            fix=f"say that it was held: rapport meeting held {account} {step} --as EMAIL",
            kind=Refused.NOT_FOUND,
        )
    return found


@requires(Action.READ)
async def noted(services: Services, account: str, step: str, reader: str = "") -> MeetingMinutes:
    """What SQL knows of a meeting, whether or not its workflow answers.

    Args:
        reader: The address of the member who reads, for their private note.

    Raises:
        UserError: There is no such meeting.
    """
    _, _, handle, steps = await _find(services, account, step)
    async with services.store.reading() as connection:
        found = await minutes.shown(connection, handle.id, steps, reader_of(services, reader))
    ahead = minutes.ahead(steps, step)
    return MeetingMinutes(
        title=next(shown.title for shown in steps if shown.step == step),
        minutes=found,
        ahead=tuple((shown.step, shown.title) for shown in steps if shown.step in ahead),
    )


@requires(Action.READ)
async def with_minutes(services: Services, account: str) -> list[MinutesLine]:
    """The meetings of an account that have minutes, the newest first."""
    async with services.store.reading() as connection:
        contract = await contract_of(connection, account, reads=True)
        steps = await contracts.milestones(connection, contract.id) if contract else []
        return await minutes.listed(connection, account_of(account), steps)


class _Found(NamedTuple):
    """A meeting of an account: its workflow, and the contract that it belongs to with its steps."""

    account: str
    contract: str
    handle: WorkflowHandle[flows.Meeting, MeetingResult]
    steps: list[StepShown]


async def _find(services: Services, named: str, step: str) -> _Found:
    """An account's meeting, in its latest attempt; of a review the one that was offered last.

    Args:
        named: The account, or one of its contracts.
    """
    account = account_of(named)
    async with services.store.reading() as connection:
        contract = await contract_of(connection, named, step)
        steps = await contracts.milestones(connection, contract.id) if contract else []
        recurring = await cadence.of_account(connection, account)
    attempts = {
        shown.step: (contract.id, meeting_id(contract.scope, shown.step, shown.attempt))
        for shown in steps
        if contract and shown.kind == "meeting"
    }
    attempts |= {
        rhythm.step: (rhythm.contract, meeting_id(account, rhythm.step, rhythm.period))
        for rhythm in recurring
        if rhythm.period is not None
    }
    if step not in attempts:
        titles = {one.step: one.title for one in steps} | {one.step: one.title for one in recurring}
        titles = {key: titles[key] for key in attempts}
        raise no_step(f'"{named}" has no meeting "{step[:40]}"', step, titles)
    of, id_ = attempts[step]
    return _Found(account, of, services.client.get_workflow_handle_for(flows.Meeting.run, id_), steps)


async def _view(
    services: Services,  # noqa: ARG001 - the same first argument as every use case
    handle: WorkflowHandle[flows.Meeting, MeetingResult],
    account: str,
    step: str,
) -> MeetingView:
    """A meeting as its workflow answers. One that was ended in the middle waits for nothing any more."""
    subject = f'meeting "{step}" of {account}' if step else "meeting"
    view = await answered(handle.query(flows.Meeting.view), subject)
    if view.phase is MeetingPhase.ENDED:
        return view
    described = await answered(handle.describe(), subject)
    if described.status is WorkflowExecutionStatus.RUNNING:
        return view
    nothing = {"waiting_on": (), "waiting_for": None, "unblock": None, "deadline": None}
    return view.model_copy(update={"phase": MeetingPhase.ENDED, **nothing})


async def _last(
    services: Services, handle: WorkflowHandle[flows.Meeting, MeetingResult], account: str, step: str
) -> MeetingView | None:
    """As `_view`; nothing where Temporal has forgotten it."""
    try:
        return await _view(services, handle, account, step)
    except WorkflowEndedError:
        return None
