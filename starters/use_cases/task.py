"""Human tasks: what waits for whom, and how people answer: asking, deciding, saying what is missing."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, create_model
from temporalio.client import WorkflowHandle
from temporalio.workflow import UpdateMethodMultiParam

from rapport.model.access import Action
from rapport.model.account import Contact, Member
from rapport.model.base import InputModel, Prose, Refused, UserError, Word
from rapport.model.commands import in_name, read_by
from rapport.model.ids import account_of, onboarding_id
from rapport.model.meeting import Receipt
from rapport.model.projection import TimelineEvent
from rapport.model.reading import check
from rapport.model.step import DoneBy, kinds
from rapport.model.task import (
    Decision,
    LateDecision,
    TaskDefinition,
    TaskPhase,
    TaskQuestion,
    TaskRequest,
    TaskResult,
)
from rapport.model.tech_review import Settlement, is_review_ref
from rapport.rules import audience, drafting
from rapport.rules.onboarding import StepState
from rapport.rules.tech_review import FEEDBACK_OF
from rapport.rules.todo_template import READ_DRAFTS, SEND
from rapport.rules.wording import choices, seat
from rapport.storage import access, account, agenda, contract as contracts, sweep, task as records, timeline
from rapport.storage.access import Link
from rapport.storage.agenda import Agenda, Item
from rapport.storage.database import Connection
from rapport.storage.task import Task
from rapport.storage.timeline import Submission
from starters import flows
from starters.rights import Matter, ask as ask_for_right, open_to_all, requires
from starters.services import (
    Actor,
    Services,
    WorkflowEndedError,
    answered,
    member_named,
    present,
    refuse_entered,
    submission,
)
from starters.use_cases.names import contract_of, no_step
from starters.use_cases.words import hand_over, once
from starters.views import standstill
from starters.views.task import (
    Inbox,
    Person,
    TaskLine,
    TaskLink,
    TaskShown,
    ended_in_words,
    in_full,
    line_of,
    overdue_first,
    people_of,
)

W = TypeVar("W", bound=Word)

# Looking


@requires(Action.READ)
async def inbox(services: Services, actor: Actor, *, most: int | None = None) -> Inbox:
    """What waits for the member who asks, and what they wait for. An operator who names nobody sees all tasks.

    Args:
        most: How many tasks of each at the most, those with the earliest deadlines; by default all.

    Raises:
        UserError: The person is no member, or no longer.
    """
    member = await member_named(services, actor) if actor.email else None
    async with services.store.reading() as connection:
        now = present()
        id_ = member.id if member else None
        mine = await records.waiting_for(connection, id_, limit=most)
        asked = await records.asked_by(connection, member.id, limit=most) if member else []
        known = await people_of(connection, (*mine, *asked))
        beside = await agenda.beside_tasks(connection, member, now) if member else Agenda()
        cases = await agenda.cases(connection, member, now)
        erasures = await agenda.erasures(connection, member, now)
        further, late = 0, sum(task.is_overdue(now) for task in mine)
        if len(mine) == most:
            further = await records.count_waiting(connection, id_) - len(mine)
            late = await records.count_waiting(connection, id_, before=now)
        awaited = await records.count_asked(connection, member.id) if member and len(asked) == most else len(asked)
        on_record = await sweep.known_ended(connection)
    still, checked = await standstill.all_ended(services, on_record)
    # Nobody would hear an answer; the sweep takes them out for good.
    late -= sum(task.id in still and task.is_overdue(now) for task in mine)
    awaited -= sum(task.id in still for task in asked)
    mine = [task for task in mine if task.id not in still]
    asked = [task for task in asked if task.id not in still]
    return Inbox(
        member=member.email if member else None,
        mine=overdue_first(TaskLine(**line_of(task, known, now, member)) for task in mine),
        asked=overdue_first(TaskLine(**line_of(task, known, now)) for task in asked),
        drafts=beside.drafts,
        steps=_read_by(member.email if member else services.reader, beside.waiting),
        cases=_read_by(member.email if member else services.reader, cases),
        erasures=_read_by(member.email if member else services.reader, erasures),
        overdue=late,
        further=further,
        further_asked=awaited - len(asked),
        checked=checked,
    )


def _read_by(reader: str | None, items: Iterable[Item]) -> tuple[Item, ...]:
    """These, with their commands as the reader of the inbox gives them."""
    return tuple(item.model_copy(update={"unblock": read_by(item.unblock, reader)}) for item in items)


@requires(Action.READ)
async def waiting(services: Services, actor: Actor) -> int:
    """How many tasks, cases and erasures to confirm an inbox has."""
    async with services.store.reading() as connection:
        member = await account.member_by_email(connection, actor.email) if actor.email else None
        now = present()
        beside = [*await agenda.cases(connection, member, now), *await agenda.erasures(connection, member, now)]
        return await records.count_waiting(connection, member.id if member else None) + len(beside)


@requires(Action.READ)
async def show(services: Services, task: str) -> TaskShown:
    """A task as it was last told.

    Args:
        task: The workflow's id, or the account and the step (`versayce/onsite_approval`) for the latest attempt.

    Raises:
        UserError: There is no such task.
    """
    found = await _find(services, task)
    shown = await in_full(services, found)
    # What nobody decides is in SQL alone.
    runs = found.phase is not TaskPhase.CLOSED and found.definition.task != "alarm"
    ended = await standstill.ended_now(services, found.id) if runs else None
    return shown.model_copy(update={"ended_since": ended.since}) if ended is not None else shown


@open_to_all
async def is_task(services: Services, token: str) -> bool:
    """Whether a personal link leads to a human task."""
    async with services.store.reading() as connection:
        link = await access.find_link(connection, token)
    return link is not None and link.purpose == "task"


@open_to_all
async def by_link(services: Services, token: str) -> TaskLink:
    """What a personal link shows; looking changes nothing.

    Raises:
        UserError: The link is unknown or expired, or its reader has left.
    """
    async with services.store.reading() as connection:
        link = await access.find_link(connection, token)
        if link is None or link.purpose != "task":
            raise _unknown_link()
        task = await records.task(connection, link.workflow_id)
        if task is None or (reader := await _reader(connection, task, link.person)) is None:
            raise _unknown_link()
        _, tam, vendor = await account.surroundings(connection, task.account)
    _refuse_expired(link, task)
    shown = await in_full(services, task, reader)
    mine = next((index for index, one in enumerate(task.answers) if one.by == reader.id), None)
    return TaskLink(
        task=shown,
        reader=reader.email,
        reader_name=reader.name,
        zone=reader.schedule.zone,
        vendor=vendor.name,
        round=link.round,
        superseded=link.round != task.round and task.phase is not TaskPhase.CLOSED and reader.id != task.requester,
        decided=None if mine is None else shown.decisions[mine],
        is_customers=isinstance(reader, Contact),
        tam_name=tam.name,
    )


async def _reader(connection: Connection, task: Task, person: str) -> Person | None:
    """Whom a link was mailed to; nothing if they have left."""
    member = next(iter(await account.members(connection, [person])), None)
    if member is not None:
        return member if member.left_at is None else None
    return next((one for one in await account.contacts(connection, task.account) if one.id == person), None)


def _refuse_expired(link: Link, task: Task) -> None:
    """A link to a closed task tells its outcome for as long as it lives; it cannot do anything any more."""
    if link.expires_at < present():
        fix = "see the task in your inbox" if task.phase is not TaskPhase.CLOSED else "see the account's timeline"
        raise UserError("this link has expired", fix=fix, kind=Refused.CONFLICT)


def _unknown_link() -> UserError:
    return UserError("this link is not known", fix="please use the latest mail", kind=Refused.NOT_FOUND)


# Answering


async def of_task(connection: Connection, name: str) -> list[Matter]:
    """What is done to the account that a task is about."""
    found = await _named(connection, name)
    return [(Action.ACT, found.account if found is not None else None)]


@requires(Action.DECIDE, for_customers=True)
async def decide(
    services: Services, task: str, option: str, actor: Actor, reason: str | None = None, round_: int | None = None
) -> Receipt:
    """Choose one of a task's options. Where no worker takes it in time, it is recorded, and checked later.

    Args:
        round_: The round that the person saw; without it, the present one.

    Raises:
        UserError: The person is not asked, the option or a reason is missing, the request was changed, or the task is
            decided already: then who decided what and when, and this decision is recorded as late.
    """
    found = await _find(services, task)
    _refuse_alarm(found)
    if is_approval(found, option):
        refuse_entered(services, actor, "an approval")
    elif is_review_ref(found.subject) and found.step.startswith(FEEDBACK_OF):
        refuse_entered(services, actor, "the feedback of a team")
    member = await _decider(services, found, actor)
    if isinstance(member, Contact) and services.caller.kind == "member":
        # What a customer has told is entered by those who act on the account; who holds a link speaks for themself.
        await ask_for_right(services, Action.ACT, actor, found.account, for_customers=True)
    if (other := await speaks_for(services, found, member.id)) is not None:
        raise UserError(
            f"you speak for {seat(other)} in this review",
            field="as",
            fix=f"add what you think yourself: `{in_name(f'rapport review feedback {found.subject} --text …')}`",
            kind=Refused.CONFLICT,
        )
    reason = check(_Reason, {"reason": reason}, "").reason or None

    async def refuse() -> None:
        if found.phase is not TaskPhase.CLOSED:
            _refuse_incomplete(found.definition, option, reason)
            await _refuse_unrecorded(services, found, option)
            await _refuse_unwritten(services, found, option)

    said = submission(
        member.id,
        actor,
        "task.decide",
        found.id,
        reason,
        on_behalf_of=next((holder.on_behalf_of for holder in found.holders if holder.member == member.id), None),
        shown=found.shown,
    )
    said = await once(services, said, refuse, option=option, round=round_)
    decision = Decision(
        id=said.id,
        round=found.round if round_ is None else round_,
        option=option,
        by=member.id,
        submission=said.id,
        at=said.at,
        reasoned=reason is not None,
    )
    try:
        return await hand_over(services, _handle(services, found), flows.HumanTask.decide, decision, _called(found))
    except UserError as refusal:
        if refusal.kind is not Refused.CONFLICT and not isinstance(refusal, WorkflowEndedError):
            raise
        ended = await _how_it_ended(services, found, member)
        if ended is None and not isinstance(refusal, WorkflowEndedError):
            raise _of_the_wrong_person(refusal, await _find(services, found.id), member) or refusal from None
    await _record_late(services, found, member, said, option)
    raise UserError(
        f"this is already {ended or 'closed'}",
        fix="your decision is on record as a late one and changes nothing",
        kind=Refused.CONFLICT,
    )


async def speaks_for(services: Services, found: Task, member: str) -> str | None:
    """The side of a review that a member, who is asked for another one as well, has answered for in this round.

    Who holds two roles speaks for one of them, and for the other as well only where nobody else could.
    """
    asked_alone = all(holder.member == member for holder in found.holders)
    if not is_review_ref(found.subject) or not found.step.startswith(FEEDBACK_OF) or asked_alone:
        return None
    async with services.store.reading() as connection:
        put = await records.of_subject(connection, found.subject)
    # What was asked in an earlier round was closed before anything of this one opened.
    of_round = [one for one in put if one.closed is None or one.closed > found.opened]
    others = [one for one in of_round if one.step.startswith(FEEDBACK_OF) and one.step != found.step]
    spoken = (one.step for one in others if any(answer.by == member for answer in one.answers))
    return next((step.removeprefix(FEEDBACK_OF) for step in spoken), None)


def _refuse_alarm(found: Task) -> None:
    """Refuse an answer to what only its cause can end."""
    if found.definition.task == "alarm":
        raise UserError(
            "takes no decision: it ends once its cause is gone",
            field="task",
            fix=f"see `rapport task show {found.id}` for what to do",
            kind=Refused.CONFLICT,
        )


def is_approval(found: Task, option: str) -> bool:
    """Whether an answer is a vote, an approval or a recommendation, which people give themselves; or sends drafts."""
    is_leadership = is_review_ref(found.subject) and found.step in _LEADERSHIP
    sends = found.step.partition(".")[2] == READ_DRAFTS.name and option == SEND
    return found.definition.task in _APPROVALS or is_leadership or sends


_APPROVALS: Final = frozenset({"approval", "sign_off", "panel"})
_LEADERSHIP: Final = ("recommendation", "commitment", "leadership")
"""The steps of a review in which those who lead the company speak for themselves."""


async def _decider(services: Services, found: Task, actor: Actor) -> Person:
    """Who decides: a member, or the contact whom a customer's task is put to and whose word somebody enters."""
    if found.definition.is_put_to_customers and actor.email:
        async with services.store.reading() as connection:
            contacts = await account.contacts(connection, found.account)
        asked = next((one for one in contacts if one.email.lower() == actor.email.lower()), None)
        if asked is not None:
            return asked
    return await member_named(services, actor)


async def found_out(services: Services, contacts: Iterable[Contact]) -> None:
    """Tell the to-dos that were to find out what is on record by now; they end, and what waits for it goes on."""
    for contact in contacts:
        async with services.store.reading() as connection:
            waiting = await records.open_about(connection, contact.id)
        for task in waiting:
            if task.definition.finds_out and not contact.work.unknown(task.definition.finds_out):
                # One that has ended meanwhile needs no word.
                with contextlib.suppress(WorkflowEndedError):
                    await answered(_handle(services, task).signal(flows.HumanTask.fulfil), _called(task))


async def _refuse_unrecorded(services: Services, found: Task, option: str) -> None:
    """Refuse the word that something is on record, as long as it is not."""
    if not found.definition.finds_out or option != found.definition.options[0].id or found.about is None:
        return
    async with services.store.reading() as connection:
        contact = next(iter(await account.contacts_with(connection, [found.about])), None)
    missing = contact.work.unknown(found.definition.finds_out) if contact else ()
    if contact is not None and missing:
        raise UserError(
            f"nobody has recorded {', '.join(missing).replace('_', ' ')} of {contact.name} yet",
            field="option",
            fix=f"do it with `{audience.recording(found.account, contact.email, missing)}`; the task ends by itself",
            kind=Refused.CONFLICT,
        )


async def _refuse_unwritten(services: Services, found: Task, option: str) -> None:
    """Refuse to send drafts unread, through the to-do to read them, that a person has to write first."""
    step, _, todo = found.step.partition(".")
    if todo == READ_DRAFTS.name and option == SEND:
        from starters.use_cases import message

        await message.refuse_unwritten(services, found.account, step)


def _refuse_incomplete(definition: TaskDefinition, option: str, reason: str | None) -> None:
    """Refuse at once what no workflow would take; what a task offers never changes."""
    chosen = next((one for one in definition.options if one.id == option), None)
    if chosen is None:
        known = choices((one.id, one.title) for one in definition.options)
        raise UserError(f'there is no answer "{option[:40]}"', field="option", fix=f"choose {known}")
    if chosen.needs_reason and reason is None:
        raise UserError(f"{chosen.title} needs a reason", field="reason", fix="add one")


def _of_the_wrong_person(refusal: UserError, task: Task, member: Person) -> UserError | None:
    """The workflow's refusal, as one of whoever decides for others; nothing if that was not the reason."""
    asked = {holder.member for holder in task.holders} | {one.by for one in task.answers}
    if member.id != task.requester and (member.id in asked or task.phase is not TaskPhase.OPEN):
        return None
    return UserError(
        refusal.problem, field="--as", fix=f"see `rapport task show {task.id}` for who decides", kind=Refused.FORBIDDEN
    )


@requires(Action.ACT, "task", of_task)
async def request(services: Services, task: str, words: Mapping[str, str], actor: Actor) -> Receipt:
    """Say what is asked for: that opens a task that is being prepared, and changes an open one, in a new round.

    Args:
        words: A text for each of the task's `asks`, by name.

    Raises:
        UserError: The member may not act on accounts, a text is missing or not asked for, or the task is closed.
    """
    member = await member_named(services, actor)
    found = await _find(services, task)
    if not found.definition.asks:
        raise UserError("asks for nothing", field="task", fix="decide it, or ask about it", kind=Refused.CONFLICT)
    checked = check(_words(found.definition.asks), dict(words), "").model_dump()
    if found.definition.is_put_to_customers:
        _refuse_blanks(checked)
    if is_review_ref(found.subject):
        _refuse_unsettled(checked)
    return await _requested(services, found, member, actor, "task.request", json.dumps(checked, ensure_ascii=False))


def _refuse_unsettled(words: Mapping[str, str]) -> None:
    """Refuse a message to a customer whose conditions or day nobody could keep."""
    _refuse_blanks(words)
    day = check(Settlement, dict(words), "").day
    if day is not None and day <= present().date():
        raise UserError("is past", field="revisit", fix='name a day that is to come, or write "never"')


def _refuse_blanks(words: Mapping[str, str]) -> None:
    for name, text in words.items():
        if drafting.has_blank(text):
            raise UserError(
                f"still has a {drafting.BLANK} in it", field=name, fix="fill it in; the customer reads it as it is"
            )


@requires(Action.ACT, "task", of_task)
async def decline(services: Services, task: str, actor: Actor, reason: str | None = None) -> Receipt:
    """Say that a task is not needed; it closes as not requested.

    Raises:
        UserError: The member may not act on accounts, or the task is closed.
    """
    member = await member_named(services, actor)
    found = await _find(services, task)
    _refuse_alarm(found)
    if is_review_ref(found.subject):
        raise UserError(
            "the customer waits for this message",
            field="task",
            fix=f"write it, or `rapport review withdraw {found.subject} --reason … --as EMAIL`",
            kind=Refused.CONFLICT,
        )
    reason = check(_Reason, {"reason": reason}, "").reason or None
    return await _requested(services, found, member, actor, "task.decline", reason)


async def _requested(
    services: Services, found: Task, member: Member, actor: Actor, kind: str, text: str | None
) -> Receipt:
    said = await once(services, submission(member.id, actor, kind, found.id, text))
    asked = TaskRequest(id=said.id, at=said.at, by=member.id, declined=kind == "task.decline")
    return await _hand_over(services, found, member, flows.HumanTask.request, asked)


async def _hand_over(
    services: Services, found: Task, member: Member, update: UpdateMethodMultiParam[[Any, W], Receipt], word: W
) -> Receipt:
    """Hand a word to its task.

    Raises:
        UserError: As `hand_over`; where the task has closed, or closes at that very moment, with what came of it.
    """
    try:
        return await hand_over(services, _handle(services, found), update, word, _called(found))
    except WorkflowEndedError as gone:
        # In the moment in which a workflow closes, Temporal says that there is none: the record knows better.
        ended = await _how_it_ended(services, found, member)
        if ended is None and gone.kind is Refused.NOT_FOUND:
            raise
        raise UserError(
            f"this is already {ended or 'closed'}",
            fix=f"see `rapport task show {found.id}`; nothing was changed",
            kind=Refused.CONFLICT,
        ) from None


@requires(Action.DECIDE)
async def ask(services: Services, task: str, question: str, actor: Actor) -> Receipt:
    """Ask the requester for information. Deciding stays possible; reminders wait for the answer.

    Raises:
        UserError: The person is not asked to decide, the question is empty, another one is open, or the task is closed.
    """
    found, member, said = await _speak(
        services, task, check(_Question, {"question": question}, "").question, actor, "ask"
    )
    word = TaskQuestion(id=said.id, at=said.at, by=member.id, round=found.round)
    return await _hand_over(services, found, member, flows.HumanTask.ask, word)


@requires(Action.DECIDE)
async def answer(services: Services, task: str, text: str, actor: Actor) -> Receipt:
    """Give the information that a task needs.

    Raises:
        UserError: The text is empty, no question is open, or the task is closed.
    """
    found, member, said = await _speak(services, task, check(_Answer, {"text": text}, "").text, actor, "answer")
    word = TaskQuestion(id=said.id, at=said.at, by=member.id, round=found.round)
    return await _hand_over(services, found, member, flows.HumanTask.answer, word)


async def _speak(services: Services, task: str, text: str, actor: Actor, what: str) -> tuple[Task, Member, Submission]:
    member = await member_named(services, actor)
    found = await _find(services, task)
    _refuse_alarm(found)
    return found, member, await once(services, submission(member.id, actor, f"task.{what}", found.id, text))


def _filled(value: str) -> str:
    if not value:
        raise ValueError("is empty; fill it in")
    return value


Filled = Annotated[Prose, AfterValidator(_filled)]


class _Reason(InputModel):
    reason: Prose | None = None


class _Question(InputModel):
    question: Filled


class _Answer(InputModel):
    text: Filled


def _words(asks: Iterable[str]) -> type[InputModel]:
    """What a requester writes: every text that is asked for, and no other."""
    fields: dict[str, Any] = dict.fromkeys(asks, (Filled, ...))
    return create_model("Words", __base__=InputModel, **fields)


# A task that is over


async def _how_it_ended(services: Services, found: Task, reader: Person) -> str | None:
    """Who decided what and when, in the reader's zone; nothing if the task is still open.

    A workflow that has just closed may not have told the database yet, and one that is gone can tell nothing more:
    what the database knows is asked first.
    """
    async with services.store.reading() as connection:
        kept = await records.task(connection, found.id)
        names = await account.names(connection, found.account)
    outcome, answers = (kept.outcome, kept.answers) if kept else (None, ())
    if outcome is None:
        try:
            view = await answered(_handle(services, found).query(flows.HumanTask.view), _called(found))
        except UserError:
            return None
        outcome, answers = view.outcome, view.decisions
    return None if outcome is None else ended_in_words(found.definition, outcome, answers, names, reader.schedule.zone)


async def _record_late(services: Services, found: Task, member: Person, said: Submission, option: str) -> None:
    entry = TimelineEvent(
        key=f"{found.contract}/{found.id}/late/{said.id}",
        account=found.account,
        at=said.at,
        kind="decision.late",
        step=found.on_record,
        who=member.id,
        # What a client made up does not go on the record; the options are the task's own words.
        about=next((one.id for one in found.definition.options if one.id == option), None),
        submission=said.id,
    )
    async with services.store.writing() as connection:
        await timeline.append(connection, [entry])
    if entry.about is not None:
        await _tell_the_onboarding(services, found, LateDecision(id=said.id, step=found.step, option=entry.about))


async def _tell_the_onboarding(services: Services, found: Task, late: LateDecision) -> None:
    """A late yes may still offer a conversion. An onboarding that is over has nothing to convert."""
    if account_of(found.subject) != found.account:
        return
    handle = services.client.get_workflow_handle_for(flows.Onboarding.run, onboarding_id(found.subject))
    with contextlib.suppress(WorkflowEndedError):
        await answered(handle.signal(flows.Onboarding.late_decision, late), f"onboarding of {found.account}")


# How it is done


async def _named(connection: Connection, name: str) -> Task | None:
    parts = name.removeprefix("task/").split("/")
    if len(parts) == 3:
        # Where everyone has a task of their own, the attempt's name stands for the latest of them.
        found = await records.task(connection, f"task/{'/'.join(parts)}")
        return found or await records.latest(connection, parts[0], parts[1], parts[2])
    if len(parts) == 4:
        return await records.task(connection, f"task/{'/'.join(parts)}")
    return await records.latest(connection, *parts) if len(parts) == 2 else None


async def _find(services: Services, name: str) -> Task:
    async with services.store.reading() as connection:
        found = await _named(connection, name)
        parts = name.removeprefix("task/").split("/")
        other = await records.latest(connection, parts[0], parts[1]) if found is None and len(parts) > 2 else None
    if found is not None:
        return found
    if other is not None:
        raise UserError(
            f'there is no task "{name[:120]}"',
            field="task",
            fix=f"the latest one of this step is {other.id.removeprefix('task/')}",
            kind=Refused.NOT_FOUND,
        )
    if len(parts) > 1 and (why := await _without_task(services, parts[0], parts[1])) is not None:
        raise why
    raise UserError(
        f'there is no task "{name[:120]}"',
        field="task",
        fix="see `rapport inbox`, or name it by account and step, such as versayce/onsite_approval",
        kind=Refused.NOT_FOUND,
    )


async def _without_task(services: Services, key: str, step: str) -> UserError | None:
    """Why a step of an account's onboarding has no task; nothing where the account has none that is known."""
    async with services.store.reading() as connection:
        try:
            contract = await contract_of(connection, key, step, reads=True)
        except UserError:
            return None
        steps = await contracts.milestones(connection, contract.id) if contract is not None else []
    if not steps:
        return None
    titles = {one.step: one.title for one in steps}
    of_tasks = {one.step: one.title for one in steps if one.kind in kinds(DoneBy.TASK)}
    here = next((one for one in steps if one.step == step), None)
    if here is None or step not in of_tasks:
        problem = f'"{key}" has no step "{step[:40]}" with a task' if here is None else f"{here.title} has no task"
        return no_step(problem, step, of_tasks, "task")
    if here.began is not None:
        return None
    if StepState(here.state).ended:
        problem = f"{here.title} isn't for this account, so it has no task"
        fix = f"see `rapport onboarding status {key}`"
    else:
        after = await _begins_after(services, key, step)
        begun = (
            f"once these have ended: {', '.join(titles.get(one, one) for one in after)}" if after else "when it is due"
        )
        problem = f"{here.title} hasn't begun, so it has no task yet"
        fix = f"it begins {begun}; see `rapport onboarding status {key}`"
    return UserError(problem, field="task", fix=fix, kind=Refused.NOT_FOUND)


async def _begins_after(services: Services, key: str, step: str) -> list[str]:
    """The steps that have to end before one begins, if its onboarding answers."""
    # Only here: a command that reads tasks loads nothing that writes mail.
    from starters.use_cases.operation import plan_of

    try:
        steps = (await plan_of(services, key)).steps
    except UserError:
        return []
    return [one for one in steps[step].definition.after if not steps[one].state.ended] if step in steps else []


def _handle(services: Services, task: Task) -> WorkflowHandle[flows.HumanTask, TaskResult]:
    return services.client.get_workflow_handle_for(flows.HumanTask.run, task.id)


def _called(task: Task) -> str:
    return f"task {task.id}"
