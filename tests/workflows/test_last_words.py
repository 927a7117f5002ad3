"""A word on drafts, where the workflow is told of its end in the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from temporalio import activity

from rapport.model.base import UserError
from rapport.model.ids import cadence_id, meeting_id, new_id, onboarding_id
from rapport.model.message import MessageState
from rapport.model.operation import Control, ControlKind, Operate
from rapport.model.words import Left
from rapport.storage import account
from rapport.storage.database import Connection
from starters import services as office_module
from starters.services import LATER, Services
from starters.use_cases import (
    meeting as meetings,
    message,
    operation,
    support_case,
    task as decisions,
    timeline,
)
from starters.use_cases.minutes import MinutesShown
from starters.use_cases.operation import OperationWritten
from starters.use_cases.support_case import Say
from tests.conftest import CHAMPION, LIMIT, TAM, Installation, by, text_of, until
from tests.support import cadence as cadences, kickoff, minutes, task as tasks
from tests.support.desk import KIM, ask, listed, mail_about, open_desk, over, owner_of, sleep_past
from workflows.base import AccountWorkflow


@asynccontextmanager
async def all_at_once(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, first: Callable[[], Awaitable[object]]
) -> AsyncIterator[None]:
    """What is said in here reaches the workflow in one task: `first` keeps it busy with the database meanwhile.

    Nobody who says something is answered, as when no worker runs.
    """
    store, reached, go = installation.services.store, asyncio.Event(), asyncio.Event()

    def waiting(opened: Callable[[], AbstractAsyncContextManager[Connection]]) -> Any:
        @asynccontextmanager
        async def once_it_may() -> AsyncIterator[Connection]:
            if activity.in_activity():
                reached.set()
                await go.wait()
            async with opened() as connection:
                yield connection

        return once_it_may

    with monkeypatch.context() as patched:
        patched.setattr(office_module, "ANSWER_SECONDS", 0.2)
        patched.setattr(store, "reading", waiting(store.reading))
        patched.setattr(store, "writing", waiting(store.writing))
        await first()
        async with asyncio.timeout(LIMIT):
            await reached.wait()
        yield
        go.set()


async def draft_of(services: Services) -> str:
    """The key of the one draft that there is, once there is one."""

    async def there() -> list[str]:
        return [line.key for line in await message.listed(services, "versayce", MessageState.DRAFT)]

    (key,) = await until(there, "the draft")
    return str(key)


async def state_of(installation: Installation, key: str) -> MessageState:
    """What became of a mail, once nothing more happens to it."""

    async def settled() -> MessageState | None:
        state = (await message.show(installation.services, key)).state
        return None if state in (MessageState.DRAFT, MessageState.READY, MessageState.SENDING) else state

    found: MessageState = await until(settled, "the end of the mail")
    return found


async def test_what_was_approved_goes_though_its_case_is_solved_at_once(
    skipping: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A case's owner approves a word and then solves the case: both reach the customer, and no draft is left."""
    await open_desk(skipping)
    ref = (await ask(skipping, severity=2)).ref
    owner = await owner_of(skipping, ref)
    due = (await listed(skipping, ref)).due
    assert due is not None
    await sleep_past(skipping, due - timedelta(minutes=10))
    await mail_about(skipping, owner, "Draft update ready")
    key = await draft_of(skipping.services)
    note = partial(support_case.note, skipping.services, ref, Say(text="They use a proxy."), by(KIM))
    async with all_at_once(skipping, monkeypatch, note):
        assert (await message.release(skipping.services, (key,), by(owner))).outcome == LATER
        assert (
            await support_case.resolve(skipping.services, ref, Say(text="Rotate twice."), by(owner))
        ).outcome == LATER
    assert await state_of(skipping, key) is MessageState.SENT
    await mail_about(skipping, CHAMPION, "Resolved")
    await until(lambda: over(skipping, ref), "the end of the case")


async def test_what_was_approved_goes_though_what_recurs_is_closed_at_once(
    skipping: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A digest that the TAM let go is sent; what recurs ends after it."""
    key = await digest(skipping)
    cadence = skipping.client.get_workflow_handle(cadence_id("versayce"))
    async with all_at_once(skipping, monkeypatch, partial(cadence.signal, "people_changed")):
        assert (await message.release(skipping.services, (key,), TAM)).outcome == LATER
        await cadence.signal("close")
    assert await state_of(skipping, key) is MessageState.SENT
    await told(skipping, "cadence.ended")


async def test_a_digest_that_nobody_read_is_dropped_when_what_recurs_is_closed(skipping: Installation) -> None:
    """It waits for nobody any more, and a word on it is refused."""
    key = await digest(skipping)
    why = OperationWritten(reason="They leave us.")
    await operation.operate(skipping.services, "versayce", Operate.CANCEL, why, TAM)
    assert await state_of(skipping, key) is MessageState.SUPPRESSED
    await told(skipping, "cadence.ended")
    with pytest.raises(UserError, match="no draft any more"):
        await message.release(skipping.services, (key,), TAM)


async def test_a_word_on_drafts_of_a_meeting_that_is_over_is_told_as_too_late(
    skipping: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is asked for times of a meeting that will not be; whoever said so reads why on the timeline."""
    await kickoff.begin(skipping, kickoff.reviewed("approve"))
    await kickoff.drafted(skipping)
    keys = tuple(line.key for line in await message.listed(skipping.services, "versayce"))
    meeting = skipping.client.get_workflow_handle(meeting_id("versayce", "kickoff", 1))
    async with all_at_once(skipping, monkeypatch, partial(meeting.signal, "people_changed")):
        await meeting.signal("control", Control(kind=ControlKind.CLOSE))
        assert (await message.release(skipping.services, keys, TAM)).outcome == LATER
    assert {await state_of(skipping, key) for key in keys} == {MessageState.SUPPRESSED}
    assert "came too late: it is over" in await told(skipping, "drafts.refused")
    assert skipping.mails(CHAMPION) == []


async def test_minutes_that_nobody_could_take_at_once_are_kept_once(
    skipping: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said twice while no worker answers, they are on record once, with all that was promised, as soon as one does."""
    await minutes.begun(skipping)
    meeting = skipping.client.get_workflow_handle(meeting_id("versayce", "kickoff", 1))
    say = partial(meetings.report, skipping.services, "versayce", "kickoff", "held", TAM, written=minutes.example())
    async with all_at_once(skipping, monkeypatch, partial(meeting.signal, "people_changed")):
        assert [(await say()).outcome for _ in range(2)] == [LATER, LATER]
        assert (await meetings.noted(skipping.services, "versayce", "kickoff")).minutes is None

    async def kept() -> MinutesShown | None:
        return (await meetings.noted(skipping.services, "versayce", "kickoff", TAM.email)).minutes

    shown = await until(kept, "the minutes")
    assert (len(shown.actions), len(shown.blockers), shown.corrected_at) == (2, 1, None)
    assert shown.private_note is not None
    assert (await say()).outcome == "held"
    assert "was held" in await told(skipping, "meeting.held")


async def digest(installation: Installation) -> str:
    """The first digest of what recurs, which waits for the TAM."""
    await cadences.begin(installation, file=kickoff.reviewed("approve"))
    await installation.mailed(4)
    await installation.sleep_until((await cadences.coming(installation))[0])
    return await draft_of(installation.services)


async def told(installation: Installation, kind: str) -> str:
    """The one entry of a kind on the timeline, once it is there."""

    async def there() -> list[str]:
        return [one.what for one in await timeline.timeline_of(installation.services, "versayce") if one.kind == kind]

    (what,) = await until(there, kind)
    return str(what)


async def test_of_operations_that_reach_an_onboarding_in_one_task_one_counts(
    skipping: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Skip, redo and skip of one step, by two people: the first is done, and the others stand as not counted."""
    await kickoff.begin(skipping, kickoff.reviewed("approve"))
    await kickoff.drafted(skipping)
    onboarding = skipping.client.get_workflow_handle(onboarding_id("versayce"))
    async with all_at_once(skipping, monkeypatch, partial(onboarding.signal, "people_changed")):
        for kind, who in ((Operate.SKIP, TAM), (Operate.REDO, by(tasks.MANAGER)), (Operate.REDO, TAM)):
            why = OperationWritten(reason=f"We have agreed on {kind}.", step="kickoff")
            assert (await operation.operate(skipping.services, "versayce", kind, why, who)).outcome == LATER

    async def heard() -> dict[str, list[str]]:
        # Each that does not count is heard once more.
        await skipping.sleep_until(await skipping.now() + timedelta(seconds=1))
        found: dict[str, list[str]] = {}
        for entry in await timeline.timeline_of(skipping.services, "versayce"):
            found.setdefault(entry.kind, []).append(entry.what)
        return found if len(found.get("word.refused", ())) == 2 else {}

    entries = await until(heard, "two words that do not count")
    assert all("has changed meanwhile: it is skipped" in what for what in entries["word.refused"])
    assert len(entries["operation.skip"]) == 1
    assert "operation.redo" not in entries
    keys = [line.key for line in await message.listed(skipping.services, "versayce")]
    assert {await state_of(skipping, key) for key in keys} == {MessageState.SUPPRESSED}


async def test_a_decision_that_comes_as_its_task_is_taken_back_does_not_count(
    skipping: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever decides is told that nobody needs it any more, and never that it counts."""
    await tasks.begin_large(skipping)
    await tasks.in_phase(skipping, "preparing")
    await tasks.request(skipping, TAM.email)
    await tasks.in_phase(skipping, "open")
    task = skipping.client.get_workflow_handle(tasks.TASK)
    async with all_at_once(skipping, monkeypatch, partial(task.signal, "people_changed")):
        await task.signal("control", Control(kind=ControlKind.CLOSE))
        receipt = await decisions.decide(skipping.services, tasks.TASK, "approve", by(tasks.MANAGER))
        assert receipt.outcome == LATER
    assert "closed without a decision" in await told(skipping, "decision.refused")
    assert (await tasks.view(skipping)).outcome == "withdrawn"


async def test_a_word_that_cannot_be_read_is_refused_and_holds_nothing_up(skipping: Installation) -> None:
    """Of another version, broken, or nobody's: whoever said it is told, once, and the workflow goes on."""
    await tasks.begin_large(skipping)
    await tasks.in_phase(skipping, "preparing")
    async with skipping.services.store.reading() as connection:
        robin = await account.member_by_email(connection, TAM.email)
    assert robin is not None
    said = {"id": new_id("s"), "by": robin.id}
    broken = {**said, "id": new_id("s"), "kind": 7, "declined": "maybe"}
    for id_, known in ((tasks.TASK, "request"), (onboarding_id("versayce"), "operate")):
        handle = skipping.client.get_workflow_handle(id_)
        for update, word in (
            ("request", {}),
            ("of a version to come", {"what": "nobody knows"}),
            ("of a version to come", said),
            ("of a version to come", said),
            (known, broken),
        ):
            await handle.signal(AccountWorkflow.hear_later, Left(update=update, word=word))

    async def refused() -> bool:
        entries = await timeline.timeline_of(skipping.services, "versayce")
        return [one.what for one in entries if one.kind == "word.refused"] == [
            "What Robin Keller said does not count: it can't be read here; please say it again"
        ] * 4

    await until(refused, "two refusals of each workflow")
    mails = [mail for mail in await skipping.mailed(3, TAM.email) if "it can't be read here" in text_of(mail)]
    assert len(mails) == 2
    await tasks.request(skipping, TAM.email)
    await tasks.in_phase(skipping, "open")
