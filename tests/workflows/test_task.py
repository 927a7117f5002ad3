"""Human tasks from the request to the outcome, with the server's clock, real SMTP and a real database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError

from rapport.model.account import WrittenAbsence
from rapport.model.base import Refused, UserError
from rapport.model.meeting import Receipt
from rapport.model.message import MessageState
from rapport.model.task import TaskDefinition, TaskOption, TaskResult, TaskStart
from rapport.model.workflows import HUMAN_TASK
from rapport.storage import account as stored, task as stored_tasks
from starters.services import WorkflowEndedError
from starters.use_cases import account as accounts, meeting, member, message, onboarding, task as tasks, timeline
from starters.use_cases.onboarding import StartRequest
from tests.conftest import CHAMPION, TAM, Installation, account, by, left, text_of, until
from tests.support.kickoff import in_phase as meeting_in_phase
from tests.support.task import (
    MANAGER,
    TASK,
    WORDS,
    answer,
    ask,
    begin_large,
    decide,
    in_phase,
    large,
    leave_at_the_door,
    put_down,
    request,
    view,
)
from workflows.base import AccountWorkflow

BOTH = TaskDefinition(
    task="approval",
    question="Yes or no?",
    options=(TaskOption(id="approve", title="Approve"), TaskOption(id="deny", title="Deny")),
    assign=("role:tam_manager", "role:ce_vp"),
    quorum="all",
)
ROBIN = TAM.email
VICE = "henrik.dahl@foobar.example"


async def kinds(installation: Installation) -> list[str]:
    """What the timeline tells of tasks."""
    told = await timeline.timeline_of(installation.services, "versayce")
    return [entry.kind for entry in told if entry.kind.startswith(("task.", "decision."))]


def why(failed: pytest.ExceptionInfo[WorkflowUpdateFailedError]) -> str:
    """The reason of a refusal."""
    return str(failed.value.cause)


async def test_the_welcome_waits_for_no_approval(skipping: Installation) -> None:
    """While an onsite is being decided, everyone is welcomed and told that times follow."""
    await begin_large(skipping)
    await skipping.mailed(4 + 1)
    welcome = text_of(skipping.mails(CHAMPION)[0])
    assert "You'll get proposed times within a few days" in " ".join(welcome.split())
    assert "30 minutes" not in welcome
    shown = await meeting.show(skipping.services, "versayce", "kickoff")
    assert shown.phase == "undecided"
    assert "Request or skip" in str(skipping.mails(ROBIN)[0]["Subject"])


async def test_an_approved_onsite_is_proposed_as_half_a_day(skipping: Installation) -> None:
    """The TAM asks, the manager approves, and the kickoff is offered on site for four hours."""
    await begin_large(skipping)
    await in_phase(skipping, "preparing")
    assert (await request(skipping, ROBIN)).accepted
    await in_phase(skipping, "open")
    mail = text_of((await skipping.mailed(1, MANAGER))[0])
    assert all(word in mail for word in WORDS.values())
    assert (await decide(skipping, MANAGER, "approve")).outcome == "approve"
    shown = await meeting_in_phase(skipping, "voting")
    assert (shown.slots[0].end - shown.slots[0].start) == timedelta(hours=4)
    proposal = text_of((await skipping.mailed(2, CHAMPION))[1])
    assert "240 minutes, onsite" in proposal
    status = await onboarding.status(skipping.services, "versayce")
    assert {step.step: step.outcome for step in status.milestones}["onsite_approval"] == "approve"
    assert await kinds(skipping) == ["task.prepared", "task.opened", "decision.made", "task.closed"]


async def test_a_denied_onsite_is_the_remote_half_hour(skipping: Installation) -> None:
    """No, with its reason, means remote; and a no without a reason is refused with what is missing."""
    await begin_large(skipping)
    await in_phase(skipping, "preparing")
    await request(skipping, ROBIN)
    await in_phase(skipping, "open")
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await decide(skipping, MANAGER, "deny")
    assert "reason" in why(failed)
    await decide(skipping, MANAGER, "deny", reason="Not this quarter")
    shown = await meeting_in_phase(skipping, "voting")
    assert (shown.slots[0].end - shown.slots[0].start) == timedelta(minutes=30)
    await skipping.mailed(2, ROBIN)
    assert any("Not this quarter" in text_of(mail) for mail in skipping.mails(ROBIN))


async def test_doing_without_is_the_remote_half_hour(skipping: Installation) -> None:
    """The TAM may say that no visit is needed; nobody else is asked then."""
    await begin_large(skipping)
    await in_phase(skipping, "preparing")
    assert (await request(skipping, ROBIN, declined=True)).outcome == "not_requested"
    await meeting_in_phase(skipping, "voting")
    assert not skipping.mails(MANAGER)


async def test_silence_climbs_the_ladder_and_is_never_a_yes(skipping: Installation) -> None:
    """Reminder, backup, manager, end: each on a business day of whoever is asked, in their working hours."""
    await begin_large(skipping)
    await in_phase(skipping, "preparing")
    await request(skipping, ROBIN)
    opened = await in_phase(skipping, "open")
    assert opened.deadline is not None
    await skipping.sleep_until(opened.deadline + timedelta(minutes=1))
    closed = await in_phase(skipping, "closed")
    assert closed.outcome == "timed_out"
    told = [entry for entry in await timeline.timeline_of(skipping.services, "versayce") if "task." in entry.kind]
    assert [entry.kind for entry in told][2:] == [
        "task.reminded",
        "task.backup_added",
        "task.manager_told",
        "task.closed",
    ]
    for entry in told[2:]:
        local = entry.at.astimezone(ZoneInfo("Europe/Zurich"))
        assert local.weekday() < 5
        assert 9 <= local.hour < 17
    await meeting_in_phase(skipping, "voting")


async def test_a_tam_who_asks_for_nothing_ends_the_wait(skipping: Installation) -> None:
    """Without a request within two business days, the kickoff is remote."""
    await begin_large(skipping)
    waits = await in_phase(skipping, "preparing")
    assert waits.deadline is not None
    await skipping.sleep_until(waits.deadline + timedelta(minutes=1))
    assert (await in_phase(skipping, "closed")).outcome == "not_requested"
    await meeting_in_phase(skipping, "voting")


async def test_a_decision_is_refused_with_its_reason(skipping: Installation) -> None:
    """Too early, by the wrong person, by the one who asked, for no option, twice, or after the end."""
    await begin_large(skipping)
    await in_phase(skipping, "preparing")
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await decide(skipping, MANAGER, "approve")
    assert "being written" in why(failed)
    await request(skipping, ROBIN)
    await in_phase(skipping, "open")
    for who, option, round_, words in (
        ("sam.ortega@foobar.example", "approve", 1, "not"),
        (ROBIN, "approve", 1, "asked"),
        (MANAGER, "perhaps", 1, "Approve"),
        (MANAGER, "approve", 2, "changed"),
    ):
        with pytest.raises(WorkflowUpdateFailedError) as failed:
            await decide(skipping, who, option, round_=round_)
        assert words in why(failed), why(failed)
    await decide(skipping, MANAGER, "approve")
    await in_phase(skipping, "closed")
    with pytest.raises((WorkflowUpdateFailedError, RPCError)):
        await decide(skipping, MANAGER, "deny", reason="After all")
    assert (await view(skipping)).outcome == "approve"


async def test_a_changed_request_is_decided_anew(skipping: Installation) -> None:
    """Editing makes a new round: the manager gets a new mail, and the old one's answer is refused."""
    await begin_large(skipping)
    await in_phase(skipping, "preparing")
    await request(skipping, ROBIN)
    await in_phase(skipping, "open")
    await skipping.mailed(1, MANAGER)
    await request(skipping, ROBIN)
    await skipping.mailed(2, MANAGER)
    assert (await view(skipping)).round == 2
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await decide(skipping, MANAGER, "approve", round_=1)
    assert "latest mail" in why(failed)
    assert (await decide(skipping, MANAGER, "approve", round_=2)).outcome == "approve"


async def test_where_all_decide_only_words_on_the_version_that_stands_count(skipping: Installation) -> None:
    """A vote on the old version counts no more; who has voted on this one is not reminded, and nobody after the end."""
    await skipping.sleep_to(0, 10)
    await accounts.import_account(skipping.services, account("versayce", "C-1"))
    start = TaskStart(
        account="versayce", contract="C-1", subject="versayce", step="onsite_approval", title="On", definition=BOTH
    )
    await skipping.client.start_workflow(HUMAN_TASK.name, start, id=TASK, task_queue="rapport")
    await in_phase(skipping, "open")
    assert (await decide(skipping, MANAGER, "approve")).outcome == "counted"
    await request(skipping, ROBIN)
    for _ in range(2):
        assert (await decide(skipping, VICE, "approve", round_=2)).outcome == "counted"
    assert len((await view(skipping)).decisions) == 1
    await skipping.sleep_until(await skipping.now() + timedelta(hours=27))
    reminded = [who for who in (MANAGER, VICE) if any("Reminder" in mail["Subject"] for mail in skipping.mails(who))]
    assert reminded == [MANAGER]
    assert (await decide(skipping, MANAGER, "approve", round_=2)).outcome == "approve"
    await skipping.sleep_until(await skipping.now() + timedelta(days=14))
    told = await kinds(skipping)
    assert (told.count("task.reminded"), told[-1]) == (1, "task.closed")
    assert "task.backup_added" not in told


async def test_whoever_leaves_a_seat_that_stays_empty_is_not_shown_as_asked(skipping: Installation) -> None:
    """Nobody entitled takes the place of a manager who has left: the task waits for the other one, and shows so."""
    await accounts.import_account(skipping.services, account("versayce", "C-1"))
    definition = BOTH.model_copy(update={"entitled": True})
    start = TaskStart(
        account="versayce",
        contract="C-1",
        subject="versayce",
        step="onsite_approval",
        title="On",
        definition=definition,
    )
    await skipping.client.start_workflow(HUMAN_TASK.name, start, id=TASK, task_queue="rapport")
    await in_phase(skipping, "open")
    assert {one.email for one in (await tasks.show(skipping.services, TASK)).holders} == {MANAGER, VICE}
    async with skipping.services.store.writing() as connection:
        leaver = await stored.member_by_email(connection, MANAGER)
        assert leaver is not None
        await stored.mark_left(connection, leaver.id, datetime.now(UTC))
    await member.people_changed(skipping.services)

    async def gone() -> bool:
        return {one.email for one in (await tasks.show(skipping.services, TASK)).holders} == {VICE}

    await until(gone, "nobody who has left")


async def test_an_answer_to_what_is_only_about_to_be_asked_again_counts(skipping: Installation) -> None:
    """A worker died once the question was on record: the answer is there when the first task is lived anew."""
    await skipping.sleep_to(0, 10)
    await accounts.import_account(skipping.services, account("versayce", "C-1"))
    start = TaskStart(
        account="versayce", contract="C-1", subject="versayce", step="onsite_approval", title="On", definition=BOTH
    )
    decision = await put_down(skipping, MANAGER, "approve")
    await skipping.client.start_workflow(
        HUMAN_TASK.name,
        start,
        id=TASK,
        task_queue="rapport",
        start_signal="hear_later",
        start_signal_args=[left("decide", decision)],
    )

    async def counted() -> bool:
        return [one.by for one in (await view(skipping)).decisions] == [decision.by]

    await in_phase(skipping, "open")
    await until(counted, "the decision")
    assert "decision.refused" not in await kinds(skipping)


async def test_missing_information_stops_the_reminders(skipping: Installation) -> None:
    """The question goes to the one who asked, who alone answers it; with that, what time was left is left again."""
    await begin_large(skipping)
    await in_phase(skipping, "preparing")
    await request(skipping, ROBIN)
    opened = await in_phase(skipping, "open")
    assert opened.deadline is not None
    await ask(skipping, MANAGER, "Who else comes along?")
    await in_phase(skipping, "needs_info")
    assert any("Who else comes along?" in text_of(mail) for mail in await skipping.mailed(2, ROBIN))
    await skipping.sleep_until(await skipping.now() + timedelta(days=1, hours=3))
    assert len(skipping.mails(MANAGER)) == 1
    assert len(await skipping.mailed(3, ROBIN)) == 3
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await answer(skipping, "tomas.novak@foobar.example", "Nobody.")
    assert "isn't put to you" in why(refused)
    await answer(skipping, ROBIN, "Tomas, for the satellites.")
    after = await in_phase(skipping, "open")
    assert after.deadline is not None
    assert after.deadline > opened.deadline
    mails = await skipping.mailed(2, MANAGER)
    assert "Tomas, for the satellites." in text_of(mails[1])
    assert (await decide(skipping, MANAGER, "approve")).accepted


async def test_an_absence_moves_an_open_task_at_once_and_back(skipping: Installation) -> None:
    """The manager is away: it goes up with the reason; they are back: it is theirs again, undecided."""
    await begin_large(skipping)
    await in_phase(skipping, "preparing")
    await request(skipping, ROBIN)
    await in_phase(skipping, "open")
    opened = await in_phase(skipping, "open")
    today = (await skipping.now()).date()
    written = WrittenAbsence.model_validate(
        {
            "member": MANAGER,
            "from": str(today),
            "until": str(today + timedelta(days=1)),
            "delegate": None,
            "reason": None,
        }
    )
    await member.add_absence(skipping.services, written, by(MANAGER))
    handle = skipping.client.get_workflow_handle(TASK)
    await handle.signal("people_changed")

    async def moved() -> bool:
        seats = (await view(skipping)).seats
        return any(holder.on_behalf_of and holder.reason for seat in seats for holder in seat.holders)

    await until(moved, "somebody else who holds it, with the reason")
    assert (await in_phase(skipping, "open")).deadline == opened.deadline
    assert "covering for Ines Moreau" in text_of((await skipping.mailed(1, VICE))[0])
    with pytest.raises(WorkflowUpdateFailedError):
        await decide(skipping, MANAGER, "approve")
    await skipping.sleep_until(await skipping.now() + timedelta(days=2))

    async def back() -> bool:
        seats = (await view(skipping)).seats
        return all(holder.via == "assignee" for seat in seats for holder in seat.holders)

    await until(back, "the manager again")
    assert (await decide(skipping, MANAGER, "approve")).outcome == "approve"


async def test_the_ladder_knows_weekends_holidays_and_the_change_of_clocks(skipping: Installation) -> None:
    """Over Easter 2027 in Zurich: Good Friday, a weekend in which clocks change, and Easter Monday do not count."""
    await skipping.sleep_until(datetime(2027, 3, 25, 9, tzinfo=UTC))
    holidays = {"country": "CH", "subdivision": "ZH"}
    file = large()
    people = tuple(one.model_copy(update=holidays) if one.email == MANAGER else one for one in file.members)
    await onboarding.start(skipping.services, StartRequest(file=file.model_copy(update={"members": people})))
    await in_phase(skipping, "preparing")
    await request(skipping, ROBIN)
    opened = await in_phase(skipping, "open")
    assert opened.deadline is not None
    await skipping.sleep_until(opened.deadline + timedelta(minutes=1))
    await in_phase(skipping, "closed")
    told = {entry.kind: entry.at for entry in await timeline.timeline_of(skipping.services, "versayce")}
    zurich = ZoneInfo("Europe/Zurich")
    days = {kind: told[kind].astimezone(zurich).date() for kind in ("task.reminded", "task.backup_added")}
    assert days == {"task.reminded": date(2027, 3, 30), "task.backup_added": date(2027, 3, 31)}
    assert told["task.manager_told"].astimezone(zurich).date() == date(2027, 4, 1)
    assert told["task.closed"].astimezone(zurich).date() == date(2027, 4, 5)
    before, after = (told[kind].astimezone(zurich) for kind in ("task.opened", "task.reminded"))
    assert (before.hour, after.hour) == (10, 10)
    assert before.utcoffset() != after.utcoffset()


async def test_a_decision_left_at_the_door_is_judged_and_its_refusal_mailed(skipping: Installation) -> None:
    """What came by signal counts once, as any other; what does not count is answered by mail, with the reason."""
    await begin_large(skipping)
    await in_phase(skipping, "preparing")
    await request(skipping, ROBIN)
    await in_phase(skipping, "open")
    stranger = "sam.ortega@foobar.example"
    await leave_at_the_door(skipping, stranger, "approve")
    mail = text_of((await skipping.mailed(1, stranger))[0])
    assert "couldn't be accepted" in mail
    assert "not asked" in mail or "who decide" in mail, mail
    assert (await view(skipping)).phase == "open"
    decision = await leave_at_the_door(skipping, MANAGER, "approve")
    await skipping.client.get_workflow_handle(TASK).signal(AccountWorkflow.hear_later, left("decide", decision))
    assert (await in_phase(skipping, "closed")).outcome == "approve"
    assert (await kinds(skipping)).count("decision.made") == 1
    assert len(skipping.mails(stranger)) == 1


async def test_a_welcome_that_waits_as_a_draft_outlives_the_times(skipping: Installation) -> None:
    """Where the TAM reads mails first, the welcome waits on while times come, go stale and are replaced."""
    await begin_large(skipping, review="approve")
    await in_phase(skipping, "preparing")
    await drafts_in(skipping, "message", 4)
    await request(skipping, ROBIN, declined=True)
    proposed = await drafts_in(skipping, "proposal", 4)
    shown = await meeting_in_phase(skipping, "drafted")
    await skipping.sleep_until(shown.slots[0].start)

    async def renewed() -> bool:
        return (await meeting.show(skipping.services, "versayce", "kickoff")).round >= 2

    await until(renewed, "new times")
    assert set(await drafts_in(skipping, "proposal", 4)).isdisjoint(proposed)
    welcomes = await drafts_in(skipping, "message", 4)
    await message.release(skipping.services, welcomes, TAM)
    welcome = text_of((await skipping.mailed(1, CHAMPION))[0])
    # That times follow is not said any more, as they are there; they come by a mail of their own.
    assert "proposed times" not in " ".join(welcome.split())
    assert "/m/" not in welcome
    assert (await meeting.show(skipping.services, "versayce", "kickoff")).phase == "drafted"
    await message.release(skipping.services, await drafts_in(skipping, "proposal", 4), TAM)
    await meeting_in_phase(skipping, "voting")


async def drafts_in(installation: Installation, purpose: str, count: int) -> tuple[str, ...]:
    """The keys of the drafts that are written for something, once there are so many."""

    async def there() -> tuple[str, ...]:
        drafts = await message.listed(installation.services, "versayce", MessageState.DRAFT)
        found = tuple(draft.key for draft in drafts if f"/{purpose}/" in draft.key)
        return found if len(found) == count else ()

    found: tuple[str, ...] = await until(there, f"{count} drafts of {purpose}")
    return found


async def test_a_decision_bears_the_date_at_which_it_was_given(skipping: Installation) -> None:
    """However much later its task takes it, or takes it again as it was reset: on the timeline, and as its end."""
    await begin_large(skipping)
    await in_phase(skipping, "preparing")
    await request(skipping, ROBIN)
    await in_phase(skipping, "open")
    given = await skipping.now() + timedelta(minutes=5)
    decision = (await put_down(skipping, MANAGER, "approve")).model_copy(update={"at": given})
    await skipping.sleep_until(given + timedelta(hours=3))
    handle = skipping.client.get_workflow_handle(TASK)
    await handle.signal(AccountWorkflow.hear_later, left("decide", decision))
    result = TaskResult.model_validate(await handle.result())
    assert result.at == given
    async with skipping.services.store.reading() as connection:
        closed = await stored_tasks.task(connection, TASK)
    assert closed is not None
    assert closed.closed == given
    told = await timeline.timeline_of(skipping.services, "versayce")
    assert {entry.kind: entry.at for entry in told if entry.kind in ("decision.made", "task.closed")} == {
        "decision.made": given,
        "task.closed": given,
    }


async def test_whoever_speaks_to_a_task_that_has_closed_hears_what_came_of_it(
    skipping: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question, an answer and a request that come too late are told who decided what, also in the moment in which the
    task closes, when Temporal knows of none."""
    await begin_large(skipping)
    await in_phase(skipping, "preparing")
    await request(skipping, ROBIN)
    await in_phase(skipping, "open")
    assert (await decide(skipping, MANAGER, "approve")).accepted
    await skipping.client.get_workflow_handle(TASK).result()
    too_late: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: tasks.ask(skipping.services, TASK, "When?", by(MANAGER)),
        lambda: tasks.answer(skipping.services, TASK, "On Monday.", by(ROBIN)),
        lambda: tasks.decline(skipping.services, TASK, by(ROBIN), "It is not needed."),
    )

    async def none_known(*_: object) -> Receipt:
        raise WorkflowEndedError(f"there is no task {TASK}", kind=Refused.NOT_FOUND)

    for _ in range(2):
        for act in too_late:
            with pytest.raises(UserError, match=r"already .*Ines Moreau") as refused:
                await act()
            assert refused.value.kind is Refused.CONFLICT
        monkeypatch.setattr(tasks, "hand_over", none_known)
