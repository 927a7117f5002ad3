"""A booked meeting whose workflow alone was ended in Temporal: nobody keeps an invitation that nobody stands behind."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError

from rapport.model.ids import meeting_id, new_id, onboarding_id, task_id
from rapport.model.meeting import Book
from rapport.model.message import LEFT_BEHIND, MessageState, Purpose
from rapport.model.operation import Operate
from rapport.storage.tables import MessageRow
from rapport.storage.waits import open_waits
from starters.services import present
from starters.use_cases import account, meeting, message, onboarding, operation, task, timeline
from starters.use_cases.operation import OperationWritten
from starters.views.task import TaskLine
from tests.conftest import BUSINESS, CHAMPION, SECOND_USER, TAM, USER, Installation, by, link_of, text_of, until
from tests.stack.test_cadence_server import behind, reviewed as ahead, start
from tests.stack.test_failed_steps import states
from tests.stack.test_sweep import LONG_AGO, sweep
from tests.stack.test_undelivered_commands import said
from tests.support.cadence import events, method
from tests.support.ended import answers, end, onboarded, runs, to_customer
from tests.workflows.test_last_words import all_at_once
from workflows.cadence import Cadence
from workflows.meeting import Meeting

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVERYONE = sorted([BUSINESS, CHAMPION, SECOND_USER, USER, TAM.email])


@pytest.fixture(autouse=True)
def _reachable(dev_server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.service_client.config.target_host)


def invited(here: Installation, kind: str) -> list[tuple[str, str, int]]:
    """Who got an invitation or a cancellation: address, UID and SEQUENCE, as the caught mails have them."""
    found = []
    for mail in here.mails():
        dates = events(mail)
        if dates and method(mail) == kind:
            found += [
                (str(mail["To"]).rpartition("<")[2].rstrip(">"), str(one["UID"]), one["SEQUENCE"]) for one in dates
            ]
    return sorted(found)


async def booked(here: Installation, hour: int = 9) -> tuple[str, datetime]:
    """An account whose kickoff is booked, with everybody invited; its key and the time."""
    key, _ = await onboarded(here)
    start = (datetime.now(UTC) + timedelta(days=6)).replace(hour=hour, minute=0, second=0, microsecond=0)
    assert (await meeting.book(here.services, key, "kickoff", start, TAM, anyway=True)).accepted
    await until(lambda: _all(here, "REQUEST", 5), "five invitations")
    return key, start


async def _all(here: Installation, kind: str, count: int) -> bool:
    return len(invited(here, kind)) >= count


async def asked(here: Installation, key: str, number: int = 1) -> TaskLine:
    """The task that asks what becomes of the failed kickoff, once it is in the TAM's inbox."""
    id_ = task_id(key, "kickoff.failed", number)

    async def there() -> TaskLine | None:
        return next((line for line in (await task.inbox(here.services, TAM)).mine if line.task == id_), None)

    line: TaskLine = await until(there, "the TAM to be asked")
    return line


async def test_the_task_says_what_is_booked_and_redo_cancels_it(here: Installation) -> None:
    """By the command line: the task names the time, `onboarding redo` cancels the invitation once for each person."""
    key, start = await booked(here)
    await end(here, meeting_id(key, "kickoff", 1))
    line = await asked(here, key)
    shown = json.loads((await said(here, "task", "show", line.task, "--json")).stdout)
    local = start.astimezone(ZoneInfo("Europe/Zurich"))
    when = f"{local:%a} {local.day} {local:%b}, {local:%H:%M} (Zurich time)"
    assert shown["question"] == f"This step failed. It's booked for {when}, and invitations are out. What follows?"
    assert [one["title"] for one in shown["options"]] == [
        "Continue where it was: the invitation stays valid",
        "Cancel the invitation and do it again",
        "Cancel the invitation: it was done another way",
        "Cancel the invitation and continue without it",
    ]
    for _ in range(2):
        redone = await said(here, "onboarding", "redo", key, "kickoff", "--reason", "By mistake.", "--as", TAM.email)
        assert redone.exit_code in (0, 4), redone.stdout
    await until(lambda: _all(here, "CANCEL", 5), "five cancellations")
    requests, cancels = invited(here, "REQUEST"), invited(here, "CANCEL")
    assert [address for address, _, _ in cancels] == EVERYONE
    assert cancels == [(address, uid, sequence + 1) for address, uid, sequence in requests]
    assert (await states(here, key))["kickoff"] == "running"

    async def proposed() -> bool:
        new = [one for one in await message.listed(here.services, key) if one.key.split("/")[2] == "2"]
        return len(new) == 4 and all(one.state is MessageState.SENT for one in new)

    await until(proposed, "new times")
    told = [one.what for one in await timeline.timeline_of(here.services, key)]
    (canceled,) = [place for place, what in enumerate(told) if "invitation was canceled" in what]
    assert told[canceled].startswith("Kickoff on ")
    # What follows from the redo comes after what it cancels.
    assert [place > canceled for place, what in enumerate(told) if what == "Kickoff began"] == [False, True]
    assert [place > canceled for place, what in enumerate(told) if "times proposed" in what] == [False, True]
    *_, old, new = [str(mail["Subject"]) for mail in here.mails(USER)]
    assert (old.startswith("Canceled: "), new) == (True, "Pick a time for the kickoff")
    await sweep(here)
    assert len(invited(here, "CANCEL")) == 5


@pytest.mark.parametrize("option", ["skip", "complete", "paused", "cancel"])
async def test_whatever_else_is_decided_cancels_it(here: Installation, option: str) -> None:
    """Skipped, done another way, in a pause too, or with the whole onboarding: everybody gets one cancellation."""
    key, _ = await booked(here)
    await end(here, meeting_id(key, "kickoff", 1))
    line = await asked(here, key)
    why = OperationWritten(reason="We met at the fair.")
    if option == "paused":
        await operation.operate(here.services, key, Operate.PAUSE, why, TAM)
    if option == "cancel":
        await operation.operate(here.services, key, Operate.CANCEL, why, TAM)
    elif option == "paused":
        step = OperationWritten(reason="We met at the fair.", step="kickoff")
        await operation.operate(here.services, key, Operate.SKIP, step, TAM)
    else:
        assert (await task.decide(here.services, line.task, option, TAM, "We met at the fair.")).accepted
    await until(lambda: _all(here, "CANCEL", 5), "five cancellations")
    assert invited(here, "CANCEL") == [(to, uid, sequence + 1) for to, uid, sequence in invited(here, "REQUEST")]
    handle = here.client.get_workflow_handle(onboarding_id(key))
    await handle.result()
    assert len(invited(here, "CANCEL")) == 5


async def waits(here: Installation, key: str) -> tuple[str, ...]:
    """What the kickoff waits for, by status, portfolio, and what doctor looks at."""
    shown = await onboarding.status(here.services, key)
    (kickoff,) = [one for one in shown.milestones if one.step == "kickoff"]
    (line,) = [one for one in await account.portfolio(here.services) if one.account == key]
    async with here.services.store.reading() as connection:
        looked_at = [one.what for one in await open_waits(connection) if one.where == f"{key}, step kickoff"]
    return kickoff.waiting_for or "", line.waiting_for or "", *looked_at


async def test_it_goes_on_where_it_was(here: Installation) -> None:
    """Decided so, the booked meeting goes on with its invitation: nobody gets a mail, and the step runs as before."""
    key, start = await booked(here)
    before = len(here.mails())
    kickoff = meeting_id(key, "kickoff", 1)
    waited = await waits(here, key)
    assert waited == ("the meeting itself", "the meeting itself")
    # Its last task, which is done again, has told nothing.
    handle = here.client.get_workflow_handle(kickoff)
    await handle.signal(Meeting.people_changed)
    await handle.query(Meeting.view)
    await end(here, kickoff)
    line = await asked(here, key)
    assert "the TAM, to decide what follows" in (await waits(here, key))[0]
    assert (await task.decide(here.services, line.task, "again", TAM)).accepted
    await runs(here, kickoff)

    async def running() -> bool:
        return (await states(here, key))["kickoff"] == "running"

    await until(running, "the step to run")

    async def said_again() -> bool:
        return await waits(here, key) == waited

    await until(said_again, "lists to say what it waits for")
    assert (await meeting.show(here.services, key, "kickoff")).booked == start
    to_customer = [mail for mail in here.mails()[before:] if "foobar.example" not in str(mail["To"])]
    assert (to_customer, invited(here, "CANCEL")) == ([], [])
    # It is heard again, as if nothing had happened.
    closed = OperationWritten(reason="We met at the fair.", step="kickoff")
    assert (await operation.operate(here.services, key, Operate.SKIP, closed, TAM)).accepted
    await until(lambda: _all(here, "CANCEL", 5), "five cancellations")
    assert len(invited(here, "CANCEL")) == 5


async def voted(here: Installation) -> tuple[str, str, dict[str, str]]:
    """An account whose kickoff was ended while people chose a time; its key, the meeting, and each person's link."""
    key, _ = await onboarded(here)
    kickoff = meeting_id(key, "kickoff", 1)
    assert (await meeting.vote(here.services, key, "kickoff", ("1", "2"), by(CHAMPION))).accepted

    async def on_record() -> bool:
        return any(one.kind == "vote.cast" for one in await timeline.timeline_of(here.services, key))

    await until(on_record, "the vote to be on record")
    links = {to: link_of(here.mails(to)[0]) for to in (BUSINESS, CHAMPION, USER)}
    await end(here, kickoff)
    return key, kickoff, links


async def test_choosing_a_time_goes_on_with_the_replies(here: Installation) -> None:
    """Ended while people chose a time, it says how many replied; continued, nobody is written to, and all counts."""
    key, kickoff, links = await voted(here)
    line = await asked(here, key)
    assert line.question == (
        "This step failed while people were choosing a time: 1 of 4 replied. Later steps are on hold. What follows?"
    )
    assert [one.title for one in line.options] == [
        "Continue where it was: the replies still count",
        "Do it again: new times go out, and the replies no longer count",
        "It was done another way",
        "Continue without it",
    ]
    shown = await onboarding.status(here.services, key)
    unblock = next(one.unblock for one in shown.milestones if one.step == "kickoff")
    assert unblock == f"rapport task show {key}/kickoff.failed"
    assert (await task.show(here.services, f"{key}/kickoff.failed")).task == line.task
    poll = await meeting.poll(here.services, links[USER])
    assert (poll.ended and poll.ended.became, poll.booked) == ("ended", None)
    before = to_customer(here)
    assert (await task.decide(here.services, line.task, "again", TAM)).accepted
    await runs(here, kickoff)

    async def counts() -> bool:
        return (await answers(here, key)).get("Luca Bianchi", False)

    await until(counts, "the reply to count")
    assert to_customer(here) == before
    assert (await meeting.poll(here.services, links[USER])).ended is None
    assert (await meeting.vote_by_link(here.services, links[USER], ("1",), None)).accepted
    await until(lambda: _all(here, "REQUEST", 5), "five invitations")


async def test_done_again_nobody_is_welcomed_twice_and_earlier_links_lead_on(here: Installation) -> None:
    """New times come in a plain proposal; the earlier link says so, and shows the time once it is booked."""
    key, _, links = await voted(here)
    line = await asked(here, key)
    welcome = {str(mail["Subject"]) for mail in here.mails(USER)}
    assert (await task.decide(here.services, line.task, "redo", TAM)).accepted

    async def proposed() -> bool:
        return len(here.mails(USER)) == 2

    await until(proposed, "new times")
    again = here.mails(USER)[-1]
    assert str(again["Subject"]) not in welcome
    assert "new times" in text_of(again)
    poll = await meeting.poll(here.services, links[USER])
    assert (poll.stale, poll.ended, poll.booked) == (True, None, None)
    fresh = await meeting.poll(here.services, link_of(again))
    assert (fresh.stale, fresh.answered, bool(fresh.slots)) == (False, False, True)
    start = (datetime.now(UTC) + timedelta(days=6)).replace(hour=9, minute=0, second=0, microsecond=0)
    assert (await meeting.book(here.services, key, "kickoff", start, TAM, anyway=True)).accepted
    assert (await meeting.poll(here.services, links[USER])).booked == start


async def test_it_fails_again_where_it_is_ended_again(here: Installation) -> None:
    """Ended a second time, it is asked about a second time."""
    key, _ = await booked(here)
    kickoff = meeting_id(key, "kickoff", 1)
    for number in (1, 2):
        await end(here, kickoff)
        line = await asked(here, key, number)
        assert line.options[0].id == "again"
        assert (await task.decide(here.services, line.task, "again", TAM)).accepted
        await runs(here, kickoff)


async def test_an_invitation_that_was_not_out_goes_with_what_goes_on(here: Installation) -> None:
    """What the failed step had kept from going goes once the meeting goes on."""
    key, _ = await booked(here)
    kickoff = meeting_id(key, "kickoff", 1)
    async with here.services.store.writing() as connection:
        late = update(MessageRow).where(MessageRow.person.in_(await _person(here, key, USER)))
        await connection.execute(
            late.where(MessageRow.purpose == Purpose.INVITATION).values(
                state=MessageState.DEFERRED, created_at=LONG_AGO, settled_at=None
            )
        )
    await end(here, kickoff)
    line = await asked(here, key)
    kept = [one for one in await message.listed(here.services, key) if one.reason == LEFT_BEHIND]
    assert [(one.to, one.state) for one in kept] == [(USER, MessageState.SUPPRESSED)]
    assert (await task.decide(here.services, line.task, "again", TAM)).accepted
    await runs(here, kickoff)

    async def went() -> bool:
        await sweep(here)
        return len([to for to, _, _ in invited(here, "REQUEST") if to == USER]) == 2

    await until(went, "the invitation that was kept")


async def _person(here: Installation, key: str, address: str) -> set[str]:
    return {one.key.rpartition("/")[2] for one in await message.listed(here.services, key) if one.to == address}


async def test_whoever_cannot_have_it_gets_no_cancellation(here: Installation) -> None:
    """Somebody whose invitation never left gets nothing; everybody else does."""
    key, _ = await booked(here)
    async with here.services.store.writing() as connection:
        late = update(MessageRow).where(MessageRow.person.in_(await _person(here, key, USER)))
        await connection.execute(
            late.where(MessageRow.purpose == Purpose.INVITATION).values(state=MessageState.DEFERRED, settled_at=None)
        )
    await end(here, meeting_id(key, "kickoff", 1))
    line = await asked(here, key)
    assert (await task.decide(here.services, line.task, "skip", TAM, "We met at the fair.")).accepted
    await until(lambda: _all(here, "CANCEL", 4), "four cancellations")
    await here.client.get_workflow_handle(onboarding_id(key)).result()
    assert [to for to, _, _ in invited(here, "CANCEL")] == [to for to in EVERYONE if to != USER]


async def a_booked_review(here: Installation) -> tuple[WorkflowHandle[Any, Any], str]:
    """What recurs for an account whose review is booked and was ended then; its workflow, and the review's."""
    key, now = new_id("a").replace("_", "-"), datetime.now(UTC)
    handle = await start(here, key, ahead(behind(now), now))
    review = meeting_id(key, "qbr", "2027-Q1")
    at = (now + timedelta(days=6)).replace(minute=0, second=0, microsecond=0)

    async def is_booked() -> bool:
        try:
            book = Book(at=present(), id=new_id("s"), by="m_tam", start=at)
            await here.client.get_workflow_handle(review).execute_update(Meeting.book, book)
        except (RPCError, WorkflowUpdateFailedError):
            return False
        return True

    await until(is_booked, "the review to be booked")
    await until(lambda: _all(here, "REQUEST", 3), "three invitations")
    return handle, review


async def test_what_recurs_ends_with_its_question_about_a_review(here: Installation) -> None:
    """Closed while the TAM is asked about a review that was ended: nobody is asked any more, and it is canceled."""
    handle, review = await a_booked_review(here)
    await end(here, review)

    async def inbox() -> list[str]:
        mine = (await task.inbox(here.services, TAM)).mine
        return [line.task for line in mine if "/qbr.ended/" in line.task and review.split("/")[1] in line.task]

    await until(inbox, "the TAM to be asked")
    await handle.signal(Cadence.close)
    await handle.result()
    assert len([uid for _, uid, _ in invited(here, "CANCEL") if ".qbr." in uid]) == 3

    async def nobody() -> bool:
        return await inbox() == []

    await until(nobody, "the question to be withdrawn")


async def test_a_review_that_was_ended_is_called_off_or_goes_on(here: Installation) -> None:
    """A quarterly review that is booked: the task names the time; it goes on, or everybody gets a cancellation."""
    handle, review = await a_booked_review(here)
    key = review.split("/")[1]
    for number, option in enumerate(("again", "call_off"), 1):
        await end(here, review)
        id_ = task_id(key, "qbr.ended", 1) + ("" if number == 1 else f"/{number}")

        async def there(wanted: str = id_) -> TaskLine | None:
            return next((line for line in (await task.inbox(here.services, TAM)).mine if line.task == wanted), None)

        line: TaskLine = await until(there, "the TAM to be asked")
        assert "It's booked for" in line.question
        assert invited(here, "CANCEL") == []
        assert (await task.decide(here.services, id_, option, TAM)).accepted
        if option == "again":
            await runs(here, review)
    await until(lambda: _all(here, "CANCEL", 3), "three cancellations")
    assert invited(here, "CANCEL") == [(to, uid, sequence + 1) for to, uid, sequence in invited(here, "REQUEST")]
    await handle.signal(Cadence.close)
    await handle.result()
    assert len([uid for _, uid, _ in invited(here, "CANCEL") if ".qbr." in uid]) == 3


@pytest.mark.parametrize("kind", [Operate.SKIP, Operate.COMPLETE, Operate.CANCEL])
async def test_an_operation_in_the_moment_of_its_end_cancels_the_invitation(
    here: Installation, kind: Operate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever ends the step, or the whole, as its meeting's workflow is gone already: all get the cancellation."""
    key, _ = await booked(here)
    whole = here.client.get_workflow_handle(onboarding_id(key))
    step = None if kind is Operate.CANCEL else "kickoff"
    written = OperationWritten(reason="They know us already.", step=step)
    async with all_at_once(here, monkeypatch, partial(whole.signal, "people_changed")):
        await operation.operate(here.services, key, kind, written, TAM)
        await here.client.get_workflow_handle(meeting_id(key, "kickoff", 1)).terminate("by hand")
    await until(lambda: _all(here, "CANCEL", 5), "five cancellations")
    assert [address for address, _, _ in invited(here, "CANCEL")] == EVERYONE
