"""Workflows that were ended in Temporal, on a real server: each stands still where people see it, and goes on once."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from temporalio import workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

import activities.sweep
from rapport import revival, temporal
from rapport.model.base import Refused, UserError
from rapport.model.commands import read_by
from rapport.model.ids import case_id, desk_id, ended_outside_id, meeting_id, new_id, onboarding_id, review_id, task_id
from rapport.model.operation import Control, ControlKind, Operate
from rapport.model.projection import TimelineEvent
from rapport.model.support_case import DESK, CaseStart
from rapport.model.sweep import Standstill, StandstillResult
from rapport.revival import CameToItsEndError, revive
from rapport.storage import contract as contracts, sweep as sweeps, task as task_records, waits
from rapport.storage.tables import ContractRow
from starters.cli.onboarding import print_status
from starters.cli.portfolio import Portfolio, print_portfolio
from starters.cli.support_case import print_cases
from starters.services import LATER, Actor
from starters.use_cases import (
    account,
    desk as desks,
    doctor,
    meeting,
    onboarding,
    operation,
    support_case,
    task as tasks,
    tech_review as tech_reviews,
    timeline,
)
from starters.use_cases.doctor import CheckVerdict
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.operation import OperationWritten
from starters.use_cases.support_case import Assign, Say
from starters.views import standstill, support_case as support_case_views
from starters.views.support_case import CaseLine
from tests.conftest import CHAMPION, TAM, USER, Installation, by, until
from tests.stack.test_late_replies import polled
from tests.stack.test_sweep import sweep
from tests.support import desk, tech_review
from tests.support.ended import answers, at_rest, end, is_open, milestone, onboarded, open_tasks, runs, to_customer

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHY = OperationWritten(reason="It was ended by mistake.")


async def asked(here: Installation, key: str) -> str:
    """The to-do about what was ended, once the sweep has put it."""

    async def is_asked() -> bool:
        await sweep(here)
        return any("/gone/" in id_ for id_ in await open_tasks(here, key))

    await until(is_asked, "somebody to be asked")
    (found,) = [id_ for id_ in await open_tasks(here, key) if "/gone/" in id_]
    return found


@pytest.mark.parametrize("how", ["terminate", "cancel"])
async def test_an_onboarding_goes_on_with_all_that_was_said(here: Installation, how: str) -> None:
    """Ended with its meeting, both go on from a to-do: the vote stands, no email goes twice, and the rest votes."""
    key, _ = await onboarded(here)
    kickoff = meeting_id(key, "kickoff", 1)
    await meeting.vote(here.services, key, "kickoff", ("1", "2"), by(CHAMPION))
    sent = to_customer(here)
    await end(here, onboarding_id(key), kickoff, how=how)
    await tasks.decide(here.services, await asked(here, key), "again", TAM)
    await runs(here, onboarding_id(key), kickoff)
    assert (await answers(here, key))["Luca Bianchi"]
    assert to_customer(here) == sent
    await meeting.vote(here.services, key, "kickoff", ("2",), by(USER))
    assert (await answers(here, key))["Mara Osei"]
    assert (await onboarding.status(here.services, key)).ended_since is None
    assert (await sweep(here)).gone == 0


async def test_a_reply_to_a_meeting_that_was_ended_counts_once_it_goes_on(here: Installation) -> None:
    """Said while onboarding and meeting are ended, a vote is recorded, and applied when they go on; nobody is asked."""
    key, _ = await onboarded(here)
    kickoff = meeting_id(key, "kickoff", 1)
    await meeting.vote(here.services, key, "kickoff", ("1",), by(CHAMPION))
    await end(here, onboarding_id(key), kickoff)
    said = await meeting.vote(here.services, key, "kickoff", ("1", "2"), by(USER), 1)
    assert (said.accepted, said.outcome) == (True, LATER)
    await operation.operate(here.services, key, Operate.RESUME, WHY, TAM)
    await runs(here, onboarding_id(key), kickoff)

    async def counted() -> bool:
        return (await answers(here, key))["Mara Osei"]

    await until(counted, "the vote to count")
    assert not [id_ for id_ in await open_tasks(here, key) if "/reply/" in id_]


async def test_a_reply_to_what_is_left_ended_is_answered(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link takes replies while nobody has decided; left ended, the reply came too late, and the TAM answers it."""
    monkeypatch.setattr(activities.sweep, "SETTLE", timedelta(minutes=-1))
    key, token = await polled(here)
    await end(here, onboarding_id(key), meeting_id(key, "kickoff", 1))
    poll = await meeting.poll(here.services, token)
    assert (poll.ended, bool(poll.slots)) == (None, True)
    assert (await meeting.vote_by_link(here.services, token, (), "I'm away all week.")).outcome == LATER
    await tasks.decide(here.services, await asked(here, key), "leave", TAM, "They left.")

    async def answered() -> bool:
        await sweep(here)
        return bool([id_ for id_ in await open_tasks(here, key) if "/reply/" in id_])

    await until(answered, "the TAM to be asked")


async def test_a_reply_is_heard_also_where_an_operator_has_its_meeting_go_on(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A meeting that goes on in Temporal, and not by a command, hears by the sweep what was said while it was ended."""
    monkeypatch.setattr(activities.sweep, "SETTLE", timedelta(minutes=-1))
    key, _ = await onboarded(here)
    kickoff = meeting_id(key, "kickoff", 1)
    await end(here, onboarding_id(key), kickoff)
    assert (await meeting.vote(here.services, key, "kickoff", ("1", "2"), by(USER), 1)).outcome == LATER
    await sweep(here)
    assert not [id_ for id_ in await open_tasks(here, key) if "/reply/" in id_]
    await revive(here.client, onboarding_id(key))

    async def counted() -> bool:
        await sweep(here)
        return (await answers(here, key))["Mara Osei"]

    await until(counted, "the vote to count")


async def test_it_is_said_everywhere_that_it_stands_still(
    here: Installation, dev_server: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status, portfolio, doctor, and commands say so, with the command that has it go on; it runs once after that."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.service_client.config.target_host)
    key, file = await onboarded(here)
    await end(here, onboarding_id(key))
    command = f"rapport onboarding resume {key} --reason … --as EMAIL"
    for request in (StartRequest(file=file), StartRequest(account=key)):
        with pytest.raises(UserError, match="ended in Temporal") as caught:
            await onboarding.start(here.services, request)
        assert (caught.value.kind, command in (caught.value.fix or "")) == (Refused.CONFLICT, True)
    with pytest.raises(UserError, match="ended in Temporal"):
        await operation.operate(here.services, key, Operate.PAUSE, WHY, TAM)
    shown = await onboarding.status(here.services, key)
    assert (shown.ended_since is not None, shown.unblock, shown.live) == (True, read_by(command, TAM.email), False)
    kickoff = next(one for one in shown.milestones if one.step == "kickoff")
    assert (kickoff.state, kickoff.waiting_for, kickoff.deadline) == ("stands still", None, None)
    assert not [one.step for one in shown.milestones if one.unblock or one.state in ("running", "waiting")]
    print_status(shown)
    printed = " ".join(capsys.readouterr().out.split())
    assert ("Next for" in printed, read_by(command, TAM.email) in printed) == (False, True)
    await asked(here, key)
    (line,) = [line for line in await account.portfolio(here.services) if line.account == key]
    assert ("ended in Temporal" in (line.waiting_for or ""), line.unblock) == (True, read_by(command, TAM.email))
    assert (line.waiting_on, line.deadline, line.overdue) == (("tam",), None, False)
    found = next(one for one in (await doctor.examine(here.services.settings)).checks if one.check == "workflows")
    assert any(one.where == onboarding_id(key) and command in one.fix for one in found.findings)

    receipts = await asyncio.gather(
        *(operation.operate(here.services, key, Operate.RESUME, WHY, TAM) for _ in range(3))
    )
    assert all(receipt.accepted for receipt in receipts)
    runs_of = [one async for one in here.client.list_workflows(f'WorkflowId = "{onboarding_id(key)}"')]
    assert sorted(one.status.name for one in runs_of if one.status) == ["RUNNING", "TERMINATED"]

    async def answered() -> bool:
        return await open_tasks(here, key) == []

    await until(answered, "the to-do to be taken back")
    assert not (await onboarding.start(here.services, StartRequest(file=file))).created
    (line,) = [line for line in await account.portfolio(here.services) if line.account == key]
    assert "ended in Temporal" not in (line.waiting_for or "")


async def test_lists_know_at_once_what_was_ended(here: Installation) -> None:
    """No sweep has run: portfolio, cases, reviews, inbox, and what is shown alone say what was ended a moment ago."""
    key, _ = await onboarded(here, large_account=True)
    approval = task_id(key, "onsite_approval", 1)
    await until(lambda: is_open(here, approval), "the approval to be asked for")
    await desk.open_desk(here, day=None)
    case = (await desk.ask(here)).ref
    await desk.in_state(here, case, "queued")
    review = await tech_review.submitted(here)
    before = await account.portfolio(here.services)
    assert not [one.account for one in before if "ended in Temporal" in (one.waiting_for or "")]
    await end(here, onboarding_id(key), approval, case_id(case), review_id(review))

    async def known() -> bool:
        (line,) = [line for line in await account.portfolio(here.services) if line.account == key]
        cases = {one.ref: one for one in await support_case_views.listed(here.services)}
        reviews = {one.ref: one for one in await tech_reviews.listed(here.services)}
        said = (line.waiting_for, cases[case].waiting_for, reviews[review].waiting_for)
        return all(one == standstill.UNDECIDED for one in said) and not await is_open(here, approval)

    # Temporal's list is behind its own word by a moment.
    await until(known, "lists to say so")
    assert (await tasks.show(here.services, approval)).ended_since is not None
    shown = await tech_reviews.show(here.services, review)
    assert (shown.ended_since is not None, shown.waiting_for) == (True, standstill.UNDECIDED)
    await revive(here.client, review_id(review))

    async def runs_again() -> bool:
        return all(one.ended_since is None for one in await tech_reviews.listed(here.services))

    await until(runs_again, "the review to be shown as running")


async def test_a_list_says_as_of_when_it_is_where_temporal_is_silent(
    here: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told as of the last sweep then, and says so; before any sweep, that nothing is known."""
    key, _ = await onboarded(here)

    async def silent(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(standstill, "LISTING_SECONDS", 0.01)
    for swept in (False, True):
        if swept:
            await sweep(here)
        with monkeypatch.context() as patched:
            patched.setattr(revival, "ended_lately", silent)
            lines = await account.portfolio(here.services)
            async with here.services.store.reading() as connection:
                last = await sweeps.last(connection)
            assert {line.checked for line in lines} == {last.at if last else None}
            patched.setattr(standstill, "STALE_AFTER", timedelta())
            print_portfolio(Portfolio(lines))
            printed = " ".join(capsys.readouterr().out.split())
            assert "Temporal did not answer" in printed
            assert ("when Rapport last looked" in printed) is swept
    monkeypatch.setattr(standstill, "LISTING_SECONDS", 5)
    print_portfolio(Portfolio(await account.portfolio(here.services)))
    assert "Temporal did not answer" not in capsys.readouterr().out
    assert key


async def test_a_meeting_says_that_it_was_ended(here: Installation) -> None:
    """Ended with its onboarding, it still answers as if it went on; it names the command that has both continue."""
    key, _ = await onboarded(here)
    await end(here, onboarding_id(key), meeting_id(key, "kickoff", 1))
    shown = await meeting.show(here.services, key, "kickoff")
    assert shown.ended is not None
    assert (shown.phase, shown.ended.became, shown.waiting_on) == ("ended", "ended", ("tam",))
    assert "ended in Temporal" in (shown.waiting_for or "")
    assert shown.unblock == f"rapport onboarding resume {key} --reason … --as {TAM.email}"


async def test_a_pause_is_no_fault(here: Installation, dev_server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The meeting of an onboarding that is paused runs, and SQL shows it so: the doctor is content with it."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.service_client.config.target_host)
    key, _ = await onboarded(here)
    await runs(here, meeting_id(key, "kickoff", 1))
    await operation.operate(here.services, key, Operate.PAUSE, WHY, TAM)

    async def paused() -> bool:
        async with here.services.store.reading() as connection:
            contract = await contracts.latest(connection, key)
        return contract is not None and contract.paused_at is not None

    await until(paused, "the pause to be on record")
    async with here.services.store.reading() as connection:
        assert {onboarding_id(key), meeting_id(key, "kickoff", 1)} <= await waits.open_workflows(connection)
    found = next(one for one in (await doctor.examine(here.services.settings)).checks if one.check == "workflows")
    assert not [one.where for one in found.findings if key in one.where]


async def test_what_was_decided_meanwhile_counts(here: Installation) -> None:
    """An approval that was given while its onboarding was ended is heard once that goes on."""
    key, _ = await onboarded(here, large_account=True)
    approval = task_id(key, "onsite_approval", 1)
    await until(lambda: is_open(here, approval), "the approval to be asked for")
    await end(here, onboarding_id(key))
    await here.client.get_workflow_handle(approval).signal("control", Control(kind=ControlKind.CLOSE))
    await here.client.get_workflow_handle(approval).result()
    await operation.operate(here.services, key, Operate.RESUME, WHY, TAM)

    async def heard() -> bool:
        return await milestone(here, key, "onsite_approval") not in ("running", "waiting")

    await until(heard, "the step to end")


async def test_what_was_ended_as_well_is_asked_again(here: Installation) -> None:
    """A task that was ended with its onboarding leaves the inboxes, and is back in them once both go on."""
    key, _ = await onboarded(here, large_account=True)
    approval = task_id(key, "onsite_approval", 1)
    await until(lambda: is_open(here, approval), "the approval to be asked for")
    await end(here, onboarding_id(key), approval)
    task = await asked(here, key)
    assert await open_tasks(here, key) == [task]
    await tasks.decide(here.services, task, "again", TAM)
    await until(lambda: is_open(here, approval), "the approval to be asked for again")
    await runs(here, approval)


async def test_what_is_left_ended_stays_so(here: Installation) -> None:
    """Nobody is asked again, the doctor is content, and it goes on all the same once somebody says so."""
    key, _ = await onboarded(here)
    await end(here, onboarding_id(key))
    await tasks.decide(here.services, await asked(here, key), "leave", TAM, "They left.")

    async def left() -> bool:
        async with here.services.store.reading() as connection:
            one = (await sweeps.standing_still(connection)).get(onboarding_id(key))
        return one is not None and one.left_at is not None

    await until(left, "it to be on record")
    for _ in range(3):
        assert (await sweep(here)).gone == 0
    found = next(one for one in (await doctor.examine(here.services.settings)).checks if one.check == "workflows")
    assert onboarding_id(key) not in [one.where for one in found.findings]
    (line,) = [line for line in await account.portfolio(here.services) if line.account == key]
    assert ("left ended" in (line.waiting_for or ""), line.waiting_on) == (True, ())
    shown = await onboarding.status(here.services, key)
    assert shown.next == f"It waits for {standstill.LEFT_ENDED}"
    await operation.operate(here.services, key, Operate.RESUME, WHY, TAM)
    await runs(here, onboarding_id(key))
    async with here.services.store.reading() as connection:
        assert onboarding_id(key) not in await sweeps.standing_still(connection)


async def test_what_is_canceled_goes_on_only_to_end_in_order(here: Installation) -> None:
    """An onboarding that was ended in Temporal can be canceled: its meeting ends with it, and SQL shows it as over."""
    key, _ = await onboarded(here)
    await end(here, onboarding_id(key))
    await operation.operate(here.services, key, Operate.CANCEL, OperationWritten(reason="They left."), TAM)

    async def over() -> bool:
        return (await onboarding.status(here.services, key)).stage == "cancelled"

    await until(over, "the end")
    await here.client.get_workflow_handle(onboarding_id(key)).result()
    await here.client.get_workflow_handle(meeting_id(key, "kickoff", 1)).result()


@pytest.mark.parametrize("how", ["terminate", "cancel"])
async def test_a_case_goes_on_where_it_was(here: Installation, how: str) -> None:
    """Ended in Temporal, it says so, and is opened again by the command that it names; who had it has it still."""
    await desk.open_desk(here, day=None, members=desk.off_duty())
    ref = (await desk.ask(here)).ref

    async def owner() -> str | None:
        return (await support_case_views.show(here.services, ref)).owner_email

    await desk.in_state(here, ref, "queued")
    await support_case.assign(here.services, ref, Assign(to=desk.SAM), by(desk.LEAD))
    assert await until(owner, "somebody to have the case") == desk.SAM
    await end(here, case_id(ref), how=how)
    command = f"rapport case reopen {ref} --text … --as EMAIL"
    assert (await support_case_views.show(here.services, ref)).next == (command,)
    with pytest.raises(UserError, match="ended in Temporal") as caught:
        await support_case.assign(here.services, ref, Assign(to=desk.KIM), by(desk.LEAD))
    assert command in (caught.value.fix or "")
    done = await support_case.reopen(here.services, ref, Say(text="It was ended by mistake."), by(desk.LEAD))
    assert done.outcome == "continued"
    await runs(here, case_id(ref))
    shown = await support_case_views.show(here.services, ref)
    assert (shown.owner_email, shown.live) == (desk.SAM, True)
    assert (await support_case.assign(here.services, ref, Assign(to=desk.KIM), by(desk.LEAD))).accepted


async def test_a_case_that_is_ended_waits_for_nobody_at_the_desk(
    here: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lists, the case, and the desk say that it was ended; left so, that it waits for no one."""
    await desk.open_desk(here, day=None)
    ref = (await desk.ask(here)).ref
    await desk.in_state(here, ref, "queued")
    await end(here, case_id(ref))

    async def line() -> CaseLine:
        listed = await support_case_views.listed(here.services, "versayce", also_over=True)
        return next(one for one in listed if one.ref == ref)

    async def gone() -> str | None:
        await sweep(here)
        everyone = await tasks.inbox(here.services, Actor(email="", channel="cli", entered_by="tester"))
        return next((one.task for one in everyone.mine if "/gone/" in one.task and case_id(ref) in one.title), None)

    assert (await support_case_views.show(here.services, ref)).state == "ended"
    task = await until(gone, "somebody to be asked")
    for waits_for in (standstill.UNDECIDED, standstill.LEFT_ENDED):
        shown = await support_case_views.show(here.services, ref)
        for one in (shown, await line()):
            assert (one.state, one.waiting_for, one.ended_since is not None) == ("ended", waits_for, True)
        stands = await desks.status(here.services)
        refs = [[one.ref for one in some] for some in (stands.queue, stands.in_hand, stands.ended)]
        assert [ref in some for some in refs] == [False, False, True]
        print_cases([shown])
        told = " ".join(capsys.readouterr().out.split())
        assert ("queued" in told, "case assign" in told) == (False, False)
        if waits_for == standstill.UNDECIDED:
            await tasks.decide(here.services, task, "leave", by(desk.LEAD), "It was a test.")

            async def left() -> bool:
                return (await line()).waiting_for == standstill.LEFT_ENDED

            await until(left, "it to be on record")


async def test_a_review_goes_on_where_it_was(here: Installation) -> None:
    """Ended in Temporal, its account's TAM is asked, and has it go on with those who are to say something."""
    ref = await tech_review.submitted(here)
    feedback = (await tech_review.asked(here, ref, "feedback_engineering")).task
    await end(here, review_id(ref))
    await tasks.decide(here.services, await asked(here, "versayce"), "again", TAM)
    await runs(here, review_id(ref))
    assert await is_open(here, feedback)


async def test_what_was_ended_before_it_did_anything_begins(here: Installation) -> None:
    """It begins with what it was given, and with what it was told meanwhile; said twice, it runs once."""
    given = CaseStart(account="versayce", ref=new_id("C"), contact="c", question="s")
    handle = await here.client.start_workflow(
        "SupportCase",
        given,
        id=case_id(given.ref),
        task_queue=new_id("queue"),
        memo={"of": "versayce"},
        start_signal="people_changed",
    )
    await handle.signal("hear_later", "a word at the door")
    await end(here, handle.id)
    assert await revive(here.client, handle.id) == [handle.id]
    found = await here.client.get_workflow_handle(handle.id).describe()
    assert (found.status, await found.memo()) == (WorkflowExecutionStatus.RUNNING, {"of": "versayce"})
    assert await revive(here.client, handle.id) == [handle.id]
    assert (await here.client.get_workflow_handle(handle.id).describe()).run_id == found.run_id
    (begun, *_) = [event async for event in here.client.get_workflow_handle(handle.id).fetch_history_events()]
    (payload,) = begun.workflow_execution_started_event_attributes.input.payloads
    assert json.loads(payload.data)["ref"] == given.ref
    assert (await told(here, handle.id))[:2] == ["people_changed", "hear_later"]
    await end(here, handle.id)


@workflow.defn(name="Begun", sandboxed=False)
class Begun:
    """Says at once what came of it."""

    @workflow.run
    async def run(self) -> str:
        """Do no more than that."""
        return "done"


@workflow.defn(name="Beginning", sandboxed=False)
class Beginning:
    """Waits for what it begins."""

    @workflow.run
    async def run(self, of: str, queue: str) -> str:
        """Begin it on a task queue of its own."""
        left = workflow.ParentClosePolicy.ABANDON
        result: str = await workflow.execute_child_workflow(
            "Begun", id=of, task_queue=queue, parent_close_policy=left, result_type=str
        )
        return result


async def test_whoever_began_what_did_nothing_hears_of_it(dev_server: Client) -> None:
    """Ended with what it had begun, before that did anything, it is told all the same what came of that."""
    id_, of, queue, its = new_id("w"), new_id("w"), new_id("queue"), new_id("queue")
    async with Worker(dev_server, task_queue=queue, workflows=[Beginning]):
        handle = await dev_server.start_workflow("Beginning", args=[of, its], id=id_, task_queue=queue)

        async def begun() -> bool:
            found = (await handle.describe()).raw_description
            # It is on record from when it is asked for, and has a run once it is there; its parent has then to hear so.
            there = any(child.run_id for child in found.pending_children)
            return there and not found.HasField("pending_workflow_task")

        await until(begun, "it to be there")
        await handle.terminate()
        await dev_server.get_workflow_handle(of).terminate()
        assert await revive(dev_server, id_) == [id_, of]
        async with Worker(dev_server, task_queue=its, workflows=[Begun]):
            assert await dev_server.get_workflow_handle(id_).result() == "done"


async def left_while(here: Installation, monkeypatch: pytest.MonkeyPatch, task: str, by_whom: Actor) -> asyncio.Event:
    """Leave it ended, and wait until that is about to be written down; what this gives has it written down."""
    real, begun, goes = activities.sweep.Missing._settle, asyncio.Event(), asyncio.Event()

    async def slowly(self: activities.sweep.Missing, order: Standstill) -> StandstillResult:
        begun.set()
        await goes.wait()
        return await real(self, order)

    monkeypatch.setattr(activities.sweep.Missing, "_settle", slowly)
    await tasks.decide(here.services, task, "leave", by_whom, "They left.")
    await asyncio.wait_for(begun.wait(), 30)
    return goes


async def said_as_well(here: Installation, id_: str) -> None:
    """Wait until a command has said that a workflow goes on."""

    async def is_said() -> bool:
        return "begin_again" in await told(here, ended_outside_id(id_))

    await until(is_said, "the command")


async def test_a_case_that_is_left_ended_and_reopened_at_once_goes_on(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reopens it while its lead's decision is written down has the last word, and the receipt is true."""
    await desk.open_desk(here, day=None)
    ref = (await desk.ask(here)).ref

    async def begun() -> bool:
        return (await support_case_views.show(here.services, ref)).live

    await until(begun, "the case")
    await end(here, case_id(ref))

    async def put() -> str | None:
        await sweep(here)
        lines = (await tasks.inbox(here.services, by(desk.LEAD))).mine
        return next((line.task for line in lines if "/gone/" in line.task), None)

    goes = await left_while(here, monkeypatch, await until(put, "the lead to be asked"), by(desk.LEAD))
    asked_for = asyncio.create_task(support_case.reopen(here.services, ref, Say(text="By mistake."), by(desk.LEAD)))
    await said_as_well(here, case_id(ref))
    goes.set()
    assert (await asked_for).outcome == "continued"
    assert (await here.client.get_workflow_handle(case_id(ref)).describe()).status is WorkflowExecutionStatus.RUNNING


async def test_an_onboarding_that_is_left_ended_and_resumed_at_once_goes_on(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both that it was left ended and that it began again are on its timeline, in this order."""
    key, _ = await onboarded(here)
    await end(here, onboarding_id(key))
    goes = await left_while(here, monkeypatch, await asked(here, key), TAM)
    asked_for = asyncio.create_task(operation.operate(here.services, key, Operate.RESUME, WHY, TAM))
    await said_as_well(here, onboarding_id(key))
    goes.set()
    assert (await asked_for).accepted
    await runs(here, onboarding_id(key))
    entries = [entry.kind for entry in await timeline.timeline_of(here.services, key)]
    kinds = [kind for kind in entries if kind.startswith("workflow.")]
    assert kinds == ["workflow.left_ended", "workflow.began_again"]


@pytest.mark.parametrize("outcome", ["leave", "over", "unable"])
async def test_what_did_not_begin_again_is_not_told_as_such(
    here: Installation, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    """Whatever else came of it is said to whoever wanted it to go on."""
    key, _ = await onboarded(here)
    await end(here, onboarding_id(key))

    async def other(*_: Any) -> StandstillResult:
        return StandstillResult.model_validate({"outcome": outcome, "reason": "this workflow came to its own end"})

    monkeypatch.setattr(activities.sweep.Missing, "_settle", other)
    with pytest.raises(UserError) as caught:
        await operation.operate(here.services, key, Operate.RESUME, WHY, TAM)
    assert caught.value.kind is Refused.CONFLICT
    assert {"leave": "left ended", "over": "nothing to continue", "unable": "own end"}[outcome] in str(caught.value)


async def told(here: Installation, id_: str) -> list[str]:
    """What signals the run of a workflow has had, the first first."""
    found = await here.client.get_workflow_handle(id_).describe()
    handle = here.client.get_workflow_handle(id_, run_id=found.run_id)
    return [
        event.workflow_execution_signaled_event_attributes.signal_name
        async for event in handle.fetch_history_events()
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]


def fails_once(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, failure: Exception) -> list[None]:
    """Have something fail the first time; gives one for each time that it is asked for."""
    real, asked = getattr(where, name), list[None]()

    async def once(*given: Any) -> Any:
        asked.append(None)
        if len(asked) == 1:
            raise failure
        return await real(*given)

    monkeypatch.setattr(where, name, once)
    return asked


async def test_a_second_attempt_tells_all_that_the_first_did_not(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Temporal fails once an onboarding goes on, it looks again all the same who is there."""
    key, _ = await onboarded(here)
    await end(here, onboarding_id(key))
    unavailable = RPCError("unavailable", RPCStatusCode.UNAVAILABLE, b"")
    asked_for = fails_once(monkeypatch, revival, "_look_again", unavailable)
    receipt = await operation.operate(here.services, key, Operate.RESUME, WHY, TAM)
    assert receipt.accepted
    assert len(asked_for) > 1
    assert {"people_changed", "gates_changed"} <= set(await told(here, onboarding_id(key)))


async def test_a_second_attempt_has_the_desk_hear_of_everybody(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Temporal fails once the support desk goes on, the sweep tells it all the same."""
    await desk.open_desk(here, day=None)
    await end(here, desk_id(DESK))
    fails_once(monkeypatch, revival, "_look_again", RPCError("unavailable", RPCStatusCode.UNAVAILABLE, b""))
    await sweep(here)
    await runs(here, desk_id(DESK))
    assert "people_changed" in await told(here, desk_id(DESK))
    async with here.services.store.reading() as connection:
        assert desk_id(DESK) not in await sweeps.standing_still(connection)


async def test_what_ended_meanwhile_needs_to_be_told_nothing(here: Installation) -> None:
    """Telling a workflow that has just come to its end is no failure; having it go on is not possible, and says so."""
    key, _ = await onboarded(here)
    kickoff = meeting_id(key, "kickoff", 1)
    await operation.operate(here.services, key, Operate.CANCEL, OperationWritten(reason="They left."), TAM)
    await here.client.get_workflow_handle(onboarding_id(key)).result()
    await here.client.get_workflow_handle(kickoff).result()
    await revival._look_again(here.client, onboarding_id(key))
    with pytest.raises(CameToItsEndError):
        await revive(here.client, onboarding_id(key))
    entry = TimelineEvent(key=new_id("e"), account=key, at=datetime.now(UTC), kind="workflow.began_again", who=None)
    order = Standstill(workflow_id=onboarding_id(key), outcome="again", entry=entry)
    missing = activities.sweep.Missing(here.services.store, here.client, here.services.settings.task_queue)
    assert (await missing._settle(order)).outcome == "over"
    async with here.services.store.writing() as connection:
        await connection.execute(update(ContractRow).where(ContractRow.account == key).values(ended_at=None))
    assert (await missing._settle(order)).outcome == "unable", "somebody has to know where SQL shows it as open"


async def approval_gone(here: Installation) -> tuple[str, str]:
    """An account, and the approval that was ended with its onboarding."""
    key, _ = await onboarded(here, large_account=True)
    approval = task_id(key, "onsite_approval", 1)
    await until(lambda: is_open(here, approval), "the approval to be asked for")
    # What it does once more when it goes on is then not what puts it into inboxes.
    await here.client.get_workflow_handle(approval).signal("people_changed")
    await at_rest(here.client, approval)
    await end(here, onboarding_id(key), approval)
    return key, approval


async def test_a_second_attempt_puts_tasks_back_into_inboxes(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the database fails once they go on, they are back all the same."""
    key, approval = await approval_gone(here)
    task = await asked(here, key)
    asked_for = fails_once(monkeypatch, task_records, "reopen_gone", RuntimeError("the database went away"))
    await tasks.decide(here.services, task, "again", TAM)
    await until(lambda: is_open(here, approval), "the approval to be asked for again")
    assert len(asked_for) > 1


async def test_a_sweep_takes_no_task_away_that_goes_on_meanwhile(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resumed between a round's question whether it runs and what the round does about that, it stays in its inbox."""
    key, approval = await approval_gone(here)
    real, resumed = temporal.runs, list[str]()

    async def slowly(client: Client, id_: str) -> bool:
        found = await real(client, id_)
        if id_ == approval and not found and not resumed:
            resumed.append(id_)
            await operation.operate(here.services, key, Operate.RESUME, WHY, TAM)
        return found

    monkeypatch.setattr(activities.sweep, "runs", slowly)

    async def met() -> bool:
        await sweep(here)
        return bool(resumed)

    await until(met, "a round to meet it")
    await runs(here, approval)
    assert await is_open(here, approval)


async def test_each_sweep_puts_back_what_runs(here: Installation) -> None:
    """A task that runs and that SQL has as ended from outside is in an inbox again after the next rounds."""
    key, _ = await onboarded(here, large_account=True)
    approval = task_id(key, "onsite_approval", 1)
    await until(lambda: is_open(here, approval), "the approval to be asked for")
    async with here.services.store.writing() as connection:
        await task_records.close_gone(connection, approval)
    assert not await is_open(here, approval)

    async def back() -> bool:
        await sweep(here)
        return await is_open(here, approval)

    await until(back, "the approval to be back")


async def test_the_desk_goes_on_by_itself(
    here: Installation, dev_server: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended by hand, the sweep has it go on, and the doctor says so until then."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.service_client.config.target_host)
    await desk.open_desk(here, day=None)
    await end(here, desk_id(DESK))
    found = next(one for one in (await doctor.examine(here.services.settings)).checks if one.check == "desk")
    assert (found.verdict, "sweep" in found.fix) == (CheckVerdict.TROUBLE, True)
    await sweep(here)
    await runs(here, desk_id(DESK))


async def delete(here: Installation, id_: str) -> None:
    """Delete a workflow as an operator may in Temporal, and wait until it is nowhere."""
    await here.client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=here.client.namespace, workflow_execution=WorkflowExecution(workflow_id=id_)
        )
    )

    async def forgotten() -> bool:
        return await revival.is_forgotten(here.client, id_)

    await until(forgotten, "Temporal to forget it")


async def test_an_onboarding_that_was_deleted_is_seen_everywhere(here: Installation) -> None:
    """Status says since when it stands still, doctor names it, and its TAM is asked once, with what can be done."""
    key, _ = await onboarded(here)
    await delete(here, onboarding_id(key))
    assert (await onboarding.status(here.services, key)).ended_since is not None
    task = await asked(here, key)
    shown = await tasks.show(here.services, task)
    assert "can't continue" in shown.question
    assert [one.id for one in shown.options] == ["leave"]
    assert "onboarding start FILE --at kickoff" in shown.question
    check = await doctor._workflows(here.services.store, here.client, here.services.settings, sends=True)
    (found,) = [one for one in check.findings if one.where == onboarding_id(key)]
    assert "Temporal no longer has it" in found.fix
    await tasks.decide(here.services, task, "leave", TAM, "They left us.")

    async def settled() -> bool:
        await sweep(here)
        return not any("/gone/" in id_ for id_ in await open_tasks(here, key))

    await until(settled, "nobody to be asked any more")
    assert (await sweep(here)).gone == 0


async def test_a_meeting_that_was_deleted_fails_its_step(here: Installation) -> None:
    """Its onboarding hears of that as of any other end, and its TAM decides what follows."""
    key, _ = await onboarded(here)
    await delete(here, meeting_id(key, "kickoff", 1))

    async def failed() -> bool:
        return await milestone(here, key, "kickoff") == "failed"

    await until(failed, "the step to fail")
    await until(lambda: is_open(here, task_id(key, "kickoff.failed", 1)), "the TAM to be asked")


async def test_what_temporal_has_forgotten_is_started_at_the_step_that_it_had_reached(here: Installation) -> None:
    """After retention, resume says which command starts the rest, and that command does so."""
    key, file = await onboarded(here)
    kickoff = meeting_id(key, "kickoff", 1)
    await end(here, onboarding_id(key), kickoff)
    for id_ in (onboarding_id(key), kickoff):
        await delete(here, id_)
    with pytest.raises(UserError, match="no longer has the history") as caught:
        await operation.operate(here.services, key, Operate.RESUME, WHY, TAM)
    fix = caught.value.fix or ""
    assert "`rapport onboarding start FILE --at kickoff`" in fix
    assert file.contract is not None
    anew = file.model_copy(update={"contract": file.contract.model_copy(update={"id": new_id("C")})})
    assert (await onboarding.start(here.services, StartRequest(file=anew, at="kickoff"))).created
    await runs(here, onboarding_id(key), kickoff)
