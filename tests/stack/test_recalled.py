"""Workflows that were reset in Temporal to before people spoke, on a real server: what was said stays said."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from rapport.model.cadence import SkipOne
from rapport.model.ids import cadence_id, case_id, meeting_id, new_id, onboarding_id, review_id
from rapport.model.operation import Operate
from rapport.model.support_case import CaseResult
from rapport.model.task import TaskResult
from rapport.storage.tables import MessageRow, TimelineRow
from starters.services import present
from starters.use_cases import (
    meeting as meetings,
    onboarding,
    operation,
    support_case,
    task as tasks,
    tech_review as tech_reviews,
)
from starters.use_cases.operation import OperationWritten
from starters.use_cases.support_case import HandOff, Say
from starters.views import support_case as support_case_views
from tests.conftest import CHAMPION, TAM, USER, Installation, by, until
from tests.stack.test_cadence_server import behind, start
from tests.support import desk, tech_review
from tests.support.approval import MANAGER, opened
from tests.support.ended import answers, at_rest, is_open, milestone, onboarded, runs
from tests.support.seed import Seed
from workflows.cadence import Cadence
from workflows.reset import seed_of
from workflows.support_case import SupportCase

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEPT = (
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
)
"""What Temporal does not hand to the new run, where whoever resets says so."""


async def reset(here: Installation, id_: str, *, reapply: bool) -> None:
    """Reset a workflow as an operator may, to before it did anything."""
    handle = here.client.get_workflow_handle(id_)
    events = [one async for one in handle.fetch_history_events()]
    first = next(one for one in events if one.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    await here.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=here.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=id_, run_id=(await handle.describe()).run_id),
            workflow_task_finish_event_id=first.event_id,
            reason="by hand",
            request_id=new_id("request"),
            reset_reapply_exclude_types=[] if reapply else list(KEPT),
        )
    )


@pytest.mark.parametrize("reapply", [True, False])
@pytest.mark.parametrize("open_still", [True, False])
async def test_a_decision_stands_after_its_task_was_reset(here: Installation, reapply: bool, open_still: bool) -> None:
    """Reset to before anybody was asked, a task is decided as it was: it asks nobody again, and says nothing twice."""
    task = (await opened(here)).task
    handle = here.client.get_workflow_handle(task)
    if not open_still:
        receipt = await tasks.decide(here.services, task, "approve", by(MANAGER))
        await handle.result()
    before = await on_record(here, task)
    await reset(here, task, reapply=reapply)
    if open_still:
        await known_again(here, task)
        receipt = await tasks.decide(here.services, task, "approve", by(MANAGER))
    assert receipt.outcome == "approve"
    result = TaskResult.model_validate(await here.client.get_workflow_handle(task).result())
    assert (result.outcome, result.submission is not None, result.request is not None) == ("approve", True, True)
    assert not await is_open(here, task)
    if not open_still:
        assert await on_record(here, task) == before


@pytest.mark.parametrize("reapply", [True, False])
@pytest.mark.parametrize("booked", [True, False])
async def test_votes_stand_after_their_meeting_was_reset(here: Installation, reapply: bool, booked: bool) -> None:
    """Reset to before any times were found, a meeting has the times that people know, their votes, and what is booked;
    nobody hears of it.
    """
    key, _ = await onboarded(here)
    kickoff = meeting_id(key, "kickoff", 1)
    times = [slot.start for slot in (await meetings.show(here.services, key, "kickoff")).slots]
    await meetings.vote(here.services, key, "kickoff", ("2",), by(CHAMPION))
    if booked:
        await meetings.vote(here.services, key, "kickoff", ("2",), by(USER))
        await until(lambda: is_booked(here, key), "the time to be booked")
    mails, told = await on_record(here, kickoff)
    # Whatever they have in their calendars by now, such as this meeting itself, the times stay those that were sent.
    await reset(here, kickoff, reapply=reapply)
    await known_again(here, kickoff)
    if booked:
        await until(lambda: is_booked(here, key), "the time to be booked as it was")
    else:
        assert (await answers(here, key))["Luca Bianchi"]
        assert not (await answers(here, key))["Mara Osei"]
    assert [slot.start for slot in (await meetings.show(here.services, key, "kickoff")).slots] == times
    mails_now, told_now = await on_record(here, kickoff)
    assert mails_now == mails
    assert set(told_now) == set(told)
    await runs(here, onboarding_id(key), kickoff)
    if not booked:
        await meetings.vote(here.services, key, "kickoff", ("2",), by(USER))
        await until(lambda: is_booked(here, key), "the time to be booked")


async def is_booked(here: Installation, key: str) -> bool:
    """Whether a time for the kickoff stands, and its invitations are out."""
    shown = await meetings.show(here.services, key, "kickoff")
    invited = sum("/invitation/" in mail for mail in await written(here, meeting_id(key, "kickoff", 1)))
    return shown.phase == "booked" and shown.booked is not None and invited == 5


async def test_an_onboarding_that_was_reset_is_paused_as_it_was(here: Installation) -> None:
    """What a member said of the whole counts again, in its order; its meeting runs on, and no step fails."""
    key, _ = await onboarded(here)
    await operation.operate(here.services, key, Operate.PAUSE, OperationWritten(reason="They move house."), TAM)
    mails = len(here.mails())
    await reset(here, onboarding_id(key), reapply=False)
    await known_again(here, onboarding_id(key))
    shown = await onboarding.status(here.services, key)
    assert shown.paused
    receipt = await operation.operate(here.services, key, Operate.RESUME, OperationWritten(reason="They are in."), TAM)
    assert receipt.outcome == "resumed"

    async def resumed() -> bool:
        return not (await onboarding.status(here.services, key)).paused

    await until(resumed, "it to go on, also where people see it")

    async def meets() -> bool:
        return await milestone(here, key, "kickoff") == "running"

    await until(meets, "its meeting to go on")
    assert len(here.mails()) == mails
    for voter in (CHAMPION, USER):
        await meetings.vote(here.services, key, "kickoff", ("2",), by(voter))
    await until(lambda: is_booked(here, key), "the time to be booked")


@pytest.mark.parametrize("reapply", [True, False])
async def test_a_case_that_was_reset_has_its_owner_and_its_words(here: Installation, reapply: bool) -> None:
    """Who has it and what was said is what it was; its log says nothing twice, and what is said next is not lost."""
    await desk.open_desk(here, day=None)
    ref = (await desk.ask(here)).ref

    async def begun() -> bool:
        return (await support_case_views.show(here.services, ref)).live

    await until(begun, "the case")
    await desk.in_state(here, ref, "open")
    owner = await desk.owner_of(here, ref)
    for text in ("Their proxy is the cause.", "It drops what is idle."):
        await support_case.note(here.services, ref, Say(text=text), by(owner))

    async def both() -> bool:
        return len(await notes(here, ref)) == 2

    await until(both, "the notes")
    before = await notes(here, ref)
    mails, _ = await on_record(here, case_id(ref))
    await reset(here, case_id(ref), reapply=reapply)
    await known_again(here, case_id(ref))
    await support_case.note(here.services, ref, Say(text="It is mended."), by(owner))

    async def noted() -> bool:
        return await notes(here, ref) == [*before, "It is mended."]

    await until(noted, "the note")
    assert await desk.owner_of(here, ref) == owner
    assert set(mails) == set(await written(here, case_id(ref)))


@pytest.mark.parametrize("reapply", [True, False])
async def test_who_had_a_case_before_a_hand_over_is_not_told_of_its_notes_once_it_was_reset(
    here: Installation, reapply: bool
) -> None:
    """Heard again before the hand-over is, a note is told to nobody else; and what is said meanwhile is not lost."""
    await desk.open_desk(here, day=None)
    ref = (await desk.ask(here)).ref
    await desk.in_state(here, ref, "open")
    owner = await desk.owner_of(here, ref)
    other = desk.KIM if owner == desk.SAM else desk.SAM
    await support_case.hand_off(here.services, ref, HandOff(text="She knows proxies.", to=other), by(owner))

    async def has_it() -> bool:
        return await desk.owner_of(here, ref) == other

    await until(has_it, "the hand-over")
    handle: WorkflowHandle[SupportCase, CaseResult] = here.client.get_workflow_handle_for(SupportCase.run, case_id(ref))
    who = (await handle.query(SupportCase.view)).status.owner
    await support_case.note(here.services, ref, Say(text="Their proxy is the cause."), by(desk.LEAD))

    async def told() -> bool:
        return any("case_news" in key for key in await written(here, case_id(ref)))

    await until(told, "the news")
    before, mails = await notes(here, ref), await written(here, case_id(ref))
    await reset(here, case_id(ref), reapply=reapply)
    await known_again(here, case_id(ref))
    await support_case.note(here.services, ref, Say(text="It is mended."), by(other))

    async def noted() -> bool:
        return await notes(here, ref) == [*before, "It is mended."]

    await until(noted, "the note")

    async def knows() -> bool:
        return (await handle.query(SupportCase.view)).status.owner == who

    await until(knows, "the hand-over, again")
    await until(has_it, "the hand-over, also where people see it")
    # Whoever has it when something new is said hears of that.
    new = set(await written(here, case_id(ref))) - set(mails)
    assert {about(key) for key in new}.isdisjoint(about(key) for key in mails)


@pytest.mark.long
@pytest.mark.parametrize("reapply", [True, False])
async def test_a_review_that_was_reset_stands_where_it_stood(here: Installation, reapply: bool) -> None:
    """What was answered and recommended is taken up, and whoever asked to talk about it is heard once."""
    ref = await tech_review.submitted(here)
    await tech_review.everybody_says(here, ref)
    await tech_review.in_phase(here, ref, "recommendation")
    await tech_reviews.request_meeting(
        here.services, ref, tech_reviews.WantedMeeting(reason="Let us talk."), by(tech_review.CE)
    )
    await tech_review.standing(here, ref, lambda one: one.meetings == 1)
    mails, told = await on_record(here, review_id(ref))
    await reset(here, review_id(ref), reapply=reapply)
    await known_again(here, review_id(ref))
    await tech_review.in_phase(here, ref, "recommendation")
    mails_now, told_now = await on_record(here, review_id(ref))
    assert mails_now == mails
    assert sorted(told_now, key=str) == sorted(told, key=str)
    await tech_reviews.withdraw(here.services, ref, tech_reviews.Reason(reason="Not needed."), by(tech_review.CE))
    await here.client.get_workflow_handle(review_id(ref)).result()


@pytest.mark.parametrize("reapply", [True, False])
async def test_what_recurs_and_was_reset_keeps_what_members_said(here: Installation, reapply: bool) -> None:
    """A date that was called off stays so, everyone heard of it once, and a repeated word has its first receipt."""
    key, now = new_id("a").replace("_", "-"), datetime.now(UTC)
    handle = await start(here, key, behind(now))

    async def ahead() -> date | None:
        coming = (await handle.query(Cadence.view)).rhythms[0].coming
        return next((one.day for one in coming if one.start > datetime.now(UTC)), None)

    day = await until(ahead, "its dates")
    skip = SkipOne(at=present(), id=new_id("s"), by="m_tam", step="weekly", day=day)
    receipt = await handle.execute_update(Cadence.skip, skip, id=skip.id)

    async def heard() -> bool:
        return any(kind == "sync.skipped" for kind, _ in await entries(here, cadence_id(key)))

    await until(heard, "it on record")
    mails, _ = await on_record(here, cadence_id(key))
    await reset(here, cadence_id(key), reapply=reapply)
    await known_again(here, cadence_id(key))
    coming = (await handle.query(Cadence.view)).rhythms[0].coming
    assert [one.off for one in coming if one.day == day] == ["skipped"]
    assert await handle.execute_update(Cadence.skip, skip, id=new_id("again")) == receipt
    await handle.signal(Cadence.close)
    await handle.result()
    assert set(mails) <= set(await written(here, cadence_id(key)))
    assert [kind for kind, _ in await entries(here, cadence_id(key))].count("sync.skipped") == 1


async def test_the_seed_of_a_run_is_that_of_its_name(dev_server: Client) -> None:
    """By this a run learns that it was reset to before its first task; ADR 31 says why it is computed."""
    queue = new_id("queue")
    async with Worker(dev_server, task_queue=queue, workflows=[Seed]):
        for _ in range(5):
            handle = await dev_server.start_workflow(Seed.run, id=new_id("seed"), task_queue=queue)
            assert handle.first_execution_run_id is not None
            assert await handle.result() == seed_of(handle.first_execution_run_id)


def about(key: str) -> tuple[str, ...]:
    """What an email is about, and not to whom it is."""
    return tuple(key.split("/")[:-1])


async def notes(here: Installation, ref: str) -> list[str]:
    """What was noted on a case."""
    shown = await support_case_views.show(here.services, ref)
    return [line.text for line in shown.log if line.text and line.kind == "note"]


async def on_record(here: Installation, id_: str) -> tuple[list[str], list[tuple[str, str | None]]]:
    """A workflow's emails and entries, once all that it has been about is written."""
    await at_rest(here.client, id_)
    return await written(here, id_), await entries(here, id_)


async def entries(here: Installation, id_: str) -> list[tuple[str, str | None]]:
    """What a workflow has written on the timeline."""
    async with here.services.store.reading() as connection:
        query = select(TimelineRow.kind, TimelineRow.who).where(TimelineRow.key.contains(f"/{id_}/", autoescape=True))
        return [(row.kind, row.who) for row in await connection.execute(query.order_by(TimelineRow.id))]


async def written(here: Installation, id_: str) -> list[str]:
    """The emails that a workflow has written, by key."""
    async with here.services.store.reading() as connection:
        query = select(MessageRow.key).where(MessageRow.workflow_id == id_).order_by(MessageRow.key)
        return list(await connection.scalars(query))


async def known_again(here: Installation, id_: str) -> None:
    """Wait until a workflow knows what was said to it before."""

    async def recalled() -> bool:
        events = [one async for one in here.client.get_workflow_handle(id_).fetch_history_events()]
        return any(
            one.event_type == EventType.EVENT_TYPE_MARKER_RECORDED
            and b"words.recall" in one.marker_recorded_event_attributes.SerializeToString()
            for one in events
        )

    await until(recalled, "it to recall what was said")
