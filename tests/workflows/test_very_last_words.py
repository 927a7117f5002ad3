"""Words that are said while a workflow writes down its end: each is answered, however late it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.cadence import PlanSync
from activities.tech_review import Again
from rapport.model.base import UserError
from rapport.model.cadence import CadenceNews
from rapport.model.ids import cadence_id, case_id, meeting_id, new_id, onboarding_id, review_id
from rapport.model.message import Release
from rapport.model.operation import Control, ControlKind, Operate
from rapport.model.projection import Projection, StepNews, Wait
from rapport.model.support_case import CaseProjection
from rapport.model.task import TaskPhase, TaskProjection
from rapport.model.tech_review import ReviewProjection
from rapport.model.tech_review_facts import ReviewPhase
from rapport.storage import account
from starters.services import present
from starters.use_cases import (
    cadence as cadences,
    mail_switch,
    meeting as meetings,
    operation,
    succession,
    support_case,
    tech_review,
    timeline,
)
from starters.use_cases.operation import OperationWritten
from starters.use_cases.succession import Successor
from starters.use_cases.support_case import Say
from starters.use_cases.tech_review import Feedback, Reason, WantedMeeting
from tests.conftest import HOST, TAM, Installation, by, left, skipping_installation, until
from tests.replay import record
from tests.support import cadence as cadence_support, kickoff, task as tasks, tech_review as asking
from tests.support.desk import ask, open_desk, owner_of
from tests.support.kickoff import status_of
from tests.support.meanwhile import Meanwhile, heard
from workflows.base import AccountWorkflow

NORA = "nora.vidal@versayce.example"

ROUNDS = 3
"""How many words are said, each while the answer to the one before is written down."""


def is_last(given: Any) -> bool:
    """Whether this is what a workflow writes down of itself at its end."""
    match given:
        case ReviewProjection():
            return given.phase is ReviewPhase.CLOSED
        case TaskProjection():
            return given.phase is TaskPhase.CLOSED
        case CaseProjection():
            return given.status.state.is_over
        case StepNews():
            return given.wait == Wait()
        case CadenceNews() | Projection():
            return given.ended
        case _:
            return False


async def robin(installation: Installation) -> str:
    """The TAM, by id."""
    async with installation.services.store.reading() as connection:
        found = await account.member_by_email(connection, TAM.email)
    assert found is not None
    return found.id


End = Callable[[], Awaitable[object]]


async def a_review(installation: Installation) -> tuple[str, End]:
    """A review that is withdrawn."""
    ref = await asking.submitted(installation)
    await asking.in_phase(installation, ref, "feedback")
    why = Reason(reason="They chose another way.")
    return review_id(ref), lambda: tech_review.withdraw(installation.services, ref, why, by(asking.CE))


async def what_recurs(installation: Installation) -> tuple[str, End]:
    """A cadence that is closed."""
    await cadence_support.begin(installation)
    await installation.mailed(4)
    cadence = installation.client.get_workflow_handle(cadence_id("versayce"))
    return cadence.id, lambda: cadence.signal("close")


async def a_meeting(installation: Installation) -> tuple[str, End]:
    """A meeting that is called off while people vote on its times."""
    await kickoff.begin(installation)
    await kickoff.in_phase(installation, "voting")
    meeting = installation.client.get_workflow_handle(meeting_id("versayce", "kickoff", 1))
    return meeting.id, lambda: meeting.signal("control", Control(kind=ControlKind.CLOSE))


async def a_task(installation: Installation) -> tuple[str, End]:
    """A question that nobody needs answered any more."""
    await tasks.begin_large(installation)
    await tasks.in_phase(installation, "preparing")
    task = installation.client.get_workflow_handle(tasks.TASK)
    return task.id, lambda: task.signal("control", Control(kind=ControlKind.CLOSE))


async def a_case(installation: Installation) -> tuple[str, End]:
    """A case that is resolved."""
    await open_desk(installation)
    ref = (await ask(installation, severity=2)).ref
    owner = await owner_of(installation, ref)
    return case_id(ref), lambda: support_case.resolve(installation.services, ref, Say(text="Rotate twice."), by(owner))


async def an_onboarding(installation: Installation) -> tuple[str, End]:
    """An onboarding that is cancelled."""
    await kickoff.begin(installation)
    await kickoff.in_phase(installation, "voting")
    why = OperationWritten(reason="They leave us.")
    return onboarding_id("versayce"), lambda: operation.operate(
        installation.services, "versayce", Operate.CANCEL, why, TAM
    )


@pytest.mark.parametrize("begin", [a_review, what_recurs, a_meeting, a_task, a_case, an_onboarding])
async def test_a_word_said_while_the_end_is_written_down_is_answered(
    tmp_path: Path, begin: Callable[[Installation], Awaitable[tuple[str, End]]]
) -> None:
    """Also one that is said while that answer is written down: each stands on the timeline as too late, once."""
    last, said = Meanwhile(is_last, ROUNDS), list[str]()
    async with skipping_installation(tmp_path, interceptors=[last]) as installation:
        workflow_id, end = await begin(installation)
        member, handle = await robin(installation), installation.client.get_workflow_handle(workflow_id)

        async def speak() -> None:
            word = Release(at=present(), id=new_id("s"), by=member, keys=("no draft",))
            said.append(word.id)
            await handle.signal(AccountWorkflow.hear_later, left("release", word))
            await heard(installation.client, workflow_id)

        last.workflow_id, last.does = workflow_id, speak
        ending = asyncio.ensure_future(end())

        async def ended() -> bool:
            # A word that does not count is heard once more, a second later.
            await installation.sleep_until(await installation.now() + timedelta(seconds=1))
            return await status_of(installation, workflow_id)()

        await until(ended, "the end of the workflow")
        await ending
        entries = await timeline.timeline_of(installation.services, "versayce")
        refused = [one.what for one in entries if one.kind == "drafts.refused"]
        assert len(said) == ROUNDS
        assert len(refused) == ROUNDS, refused


async def test_a_report_on_a_meeting_that_is_over_is_refused(skipping: Installation) -> None:
    """While its last mails wait for the relay, nobody is told that their word counts: no one acts on it any more."""
    await kickoff.begin(skipping)
    slots = (await kickoff.in_phase(skipping, "voting")).slots
    await meetings.book(skipping.services, "versayce", "kickoff", slots[0].start, TAM)
    await kickoff.in_phase(skipping, "booked")
    await skipping.sleep_until(slots[0].start)
    await mail_switch.stop(skipping.services, HOST, "A test")
    await skipping.sleep_until(slots[0].end + timedelta(minutes=1))
    meeting = skipping.client.get_workflow_handle(meeting_id("versayce", "kickoff", 1))
    await meeting.signal("control", Control(kind=ControlKind.CLOSE))
    await kickoff.in_phase(skipping, "ended")
    with pytest.raises(UserError, match="the meeting is over"):
        await meetings.report(skipping.services, "versayce", "kickoff", "held", TAM)


async def one_that_comes_back(installation: Installation) -> tuple[str, datetime]:
    """A review that waits for the day on which it comes back; give that as well."""
    ref = await asking.submitted(installation)
    day = (await installation.now()).date() + timedelta(days=60)
    await asking.everybody_says(installation, ref)
    await asking.choose(installation, ref, "recommendation", asking.CE_VP, "yes", None)
    await asking.write(installation, ref, asking.MESSAGE | {"revisit": day.isoformat()})
    await asking.confirm(installation, ref)
    shown = await asking.in_phase(installation, ref, "revisit")
    assert shown.revisit is not None
    return ref, shown.revisit


async def test_a_wish_for_a_meeting_that_meets_the_end_of_its_review_is_answered(tmp_path: Path) -> None:
    """Somebody wants to talk in the moment in which it is withdrawn: they read that nobody could see to it."""

    def is_remark(given: Any) -> bool:
        return isinstance(given, ReviewProjection) and any(one.kind == "tech_review.said" for one in given.entries)

    meanwhile = Meanwhile(is_remark)
    async with skipping_installation(tmp_path, interceptors=[meanwhile]) as installation:
        ref, _ = await one_that_comes_back(installation)

        async def wish_and_withdraw() -> None:
            why = Reason(reason="Let us talk about it.")
            live = WantedMeeting(reason=why.reason)
            assert (await tech_review.request_meeting(installation.services, ref, live, by(asking.SALES))).accepted
            assert (await tech_review.withdraw(installation.services, ref, why, by(asking.CE))).accepted

        meanwhile.workflow_id, meanwhile.does = review_id(ref), wish_and_withdraw
        await tech_review.feedback(
            installation.services, ref, Feedback(text="We have done this before."), by(asking.VP_SALES)
        )
        await until(status_of(installation, review_id(ref)), "the end of the review")
        entries = await timeline.timeline_of(installation.services, "versayce")
        (refused,) = [one.what for one in entries if one.kind == "word.refused"]
        assert "the review was over before anybody could see to it" in refused


async def test_a_review_that_is_changed_as_it_comes_back_says_so(tmp_path: Path) -> None:
    """Whoever changes it while its next round begins by itself is told so: they look at it, and say it again."""
    meanwhile = Meanwhile(lambda given: isinstance(given, Again))
    async with skipping_installation(tmp_path, interceptors=[meanwhile]) as installation:
        ref, day = await one_that_comes_back(installation)
        answers: list[str] = []

        async def change() -> None:
            with pytest.raises(UserError) as refused:
                await tech_review.edit(
                    installation.services, ref, asking.request(day.date(), title="Otherwise"), by(asking.CE)
                )
            answers.append(str(refused.value))

        meanwhile.workflow_id, meanwhile.does = review_id(ref), change
        await installation.sleep_until(day + timedelta(minutes=1))
        await asking.standing(installation, ref, lambda one: one.round == 2)
        assert len(answers) == 1
        assert "somebody else changed it meanwhile" in answers[0]


async def test_a_successor_who_comes_while_the_next_dates_are_planned_is_invited(tmp_path: Path) -> None:
    """The dates are planned for whoever was there; whoever has come since is in the series nonetheless."""
    meanwhile = Meanwhile(lambda given: isinstance(given, PlanSync))
    async with skipping_installation(tmp_path, interceptors=[meanwhile]) as installation:
        await cadence_support.begin(installation)
        await installation.mailed(4)

        async def follow() -> None:
            successor = Successor(persona="primary_champion", name="Nora Vidal", email=NORA, reason="Luca moved on")
            await succession.replace_contact(installation.services, "versayce", successor, TAM)
            await heard(installation.client, cadence_id("versayce"))

        meanwhile.workflow_id, meanwhile.does = cadence_id("versayce"), follow
        await cadences.set_time(installation.services, "versayce", "weekly", "thu", "10:00", TAM)
        assert any(cadence_support.method(mail) == "REQUEST" for mail in await installation.mailed(1, NORA))


async def test_a_word_said_before_a_cadence_goes_on_in_a_new_run_is_answered(tmp_path: Path) -> None:
    """After a review the page is turned, and not before everybody is heard who speaks at that moment."""
    news = Meanwhile(lambda given: isinstance(given, CadenceNews), ROUNDS)
    said: list[str] = []
    async with skipping_installation(tmp_path, interceptors=[news]) as installation:
        cadence = await cadence_support.begin(installation, cadence_support.QBR)
        await record.a_review_is_booked(installation)
        member, first = await robin(installation), (await cadence.describe()).run_id

        async def speak() -> None:
            word = Release(at=present(), id=new_id("s"), by=member, keys=("no draft",))
            said.append(word.id)
            await cadence.signal(AccountWorkflow.hear_later, left("release", word))
            await heard(installation.client, cadence.id)

        news.workflow_id, news.does = cadence.id, speak
        await meetings.report(installation.services, "versayce", "qbr", "held", TAM)

        async def turned() -> bool:
            await installation.sleep_until(await installation.now() + timedelta(seconds=1))
            return (await cadence.describe()).run_id != first

        await until(turned, "the run after the review")
        entries = await timeline.timeline_of(installation.services, "versayce")
        assert len(said) == len([one for one in entries if one.kind == "drafts.refused"]) == ROUNDS
