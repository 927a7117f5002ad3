"""A step whose work failed, on a real Temporal server: it isn't done, and somebody decides what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any

import pytest

from rapport.model.base import UserError
from rapport.model.ids import meeting_id, new_id, onboarding_id, task_id
from rapport.model.meeting import Receipt
from rapport.model.message import MessageState
from rapport.model.operation import Operate
from starters.services import Actor
from starters.use_cases import message, onboarding as onboardings, operation, task, timeline
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.operation import OperationWritten
from tests.conftest import TAM, Installation, account, by, until
from tests.support.playbooks import put
from tests.support.task import WORDS, large
from tests.workflows.test_last_words import all_at_once

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def failed_kickoff(here: Installation) -> str:
    """An account whose kickoff's workflow was terminated by hand; its key."""
    key = new_id("a").replace("_", "-")
    put(here.services.settings.data, "more", "kickoff", "onsite_approval", "chat_channel", "rollout_planning")
    file = account(key, new_id("C"))
    file = file.model_copy(update={"account": file.account.model_copy(update={"review": "approve"})})
    await onboardings.start(here.services, StartRequest(file=file, playbook="more"))

    async def drafted() -> bool:
        return len(await message.listed(here.services, key, MessageState.DRAFT)) == 4

    await until(drafted, "four drafts")
    await here.client.get_workflow_handle(meeting_id(key, "kickoff", 1)).terminate("by hand")
    return key


async def failed_approval(here: Installation) -> str:
    """An account of which the onsite was requested, and the approval's workflow terminated by hand; its key."""
    key = new_id("a").replace("_", "-")
    put(here.services.settings.data, "visit", "kickoff", "onsite_approval", "rollout_planning")
    file, known = large(), account(key, new_id("C"))
    file = known.model_copy(update={"account": file.account.model_copy(update={"key": key}), "members": file.members})
    await onboardings.start(here.services, StartRequest(file=file, playbook="visit"))
    approval = task_id(key, "onsite_approval", 1)
    await open_for(here, approval, TAM)
    assert (await task.request(here.services, approval, WORDS, TAM)).accepted
    await open_for(here, approval, MANAGER)
    await here.client.get_workflow_handle(approval).terminate("by hand")
    return key


async def open_for(here: Installation, id_: str, who: Actor) -> None:
    """Wait until a task is in somebody's inbox."""

    async def there() -> bool:
        return id_ in {line.task for line in (await task.inbox(here.services, who)).mine}

    await until(there, f"{id_} in the inbox")


async def proposed(here: Installation, key: str) -> list[str]:
    """The mails that offer times for the kickoff."""
    return [one.key for one in await message.listed(here.services, key) if "/proposal/" in one.key]


async def asked(here: Installation, key: str, step: str = "kickoff") -> str:
    """The to-do that asks what follows, once it is in the TAM's inbox."""
    id_ = task_id(key, f"{step}.failed", 1)

    async def there() -> bool:
        return id_ in {line.task for line in (await task.inbox(here.services, TAM)).mine}

    await until(there, "the TAM to be asked")
    return id_


async def test_what_rests_on_an_approval_that_failed_waits_until_somebody_decides(here: Installation) -> None:
    """No times of a kickoff whose onsite approval failed are offered until its TAM continues without that."""
    key = await failed_approval(here)
    id_ = await asked(here, key, "onsite_approval")

    async def waits() -> bool:
        milestones = (await onboardings.status(here.services, key)).milestones
        (kickoff,) = [one for one in milestones if one.step == "kickoff"]
        return kickoff.waiting_for == "the TAM, to decide what follows: the approval failed"

    await until(waits, "the kickoff to wait for what follows")
    assert await proposed(here, key) == []
    assert (await task.decide(here.services, id_, "skip", TAM, "Half an hour will do.")).accepted

    async def offered() -> bool:
        return bool(await proposed(here, key))

    await until(offered, "times of a remote kickoff")
    drafts = await message.listed(here.services, key)
    assert not [one for one in drafts if "onsite" in one.subject]


async def test_a_task_that_was_ended_continues_where_it_was(here: Installation) -> None:
    """Its request needn't be written again, it's decided as any other, and the kickoff is held as that says."""
    key = await failed_approval(here)
    id_ = await asked(here, key, "onsite_approval")
    shown = await task.show(here.services, id_)
    assert [one.id for one in shown.options] == ["again", "redo", "complete", "skip"]
    assert (await task.decide(here.services, id_, "again", TAM)).accepted

    async def runs() -> bool:
        return (await states(here, key))["onsite_approval"] == "running"

    await until(runs, "the approval to run again")
    approval = task_id(key, "onsite_approval", 1)
    await open_for(here, approval, MANAGER)
    assert (await task.show(here.services, approval)).said == WORDS
    assert (await task.decide(here.services, approval, "approve", MANAGER)).accepted

    async def offered() -> bool:
        return bool(await proposed(here, key))

    await until(offered, "times of an onsite kickoff")
    assert (await states(here, key))["onsite_approval"] == "done"


async def test_a_mail_that_nobody_can_be_asked_about_fails_its_step(here: Installation) -> None:
    """Where the to-do about a reader was ended in Temporal, the step isn't done without their mail in silence."""
    key = new_id("a").replace("_", "-")
    put(here.services.settings.data, "docs", "developer_docs")
    file = account(key, new_id("C"))
    people = tuple(one.model_copy(update={"languages": (), "projects": ()}) for one in file.contacts)
    file = file.model_copy(update={"contacts": people})
    await onboardings.start(here.services, StartRequest(file=file, playbook="docs"))

    async def todo() -> str | None:
        return next((line.task for line in (await task.inbox(here.services, TAM)).mine if key in line.task), None)

    id_: str = await until(todo, "the to-do about a reader")
    await here.client.get_workflow_handle(id_).terminate("by hand")
    await asked(here, key, "developer_docs")
    assert (await states(here, key))["developer_docs"] == "failed"


async def states(here: Installation, key: str) -> dict[str, str]:
    """The state of each step."""
    shown = await onboardings.status(here.services, key)
    return {one.step: one.state for one in shown.milestones}


async def test_what_comes_after_a_failed_step_holds(here: Installation) -> None:
    """A meeting whose workflow was ended by hand is failed, nothing after it begins, and its drafts don't go."""
    key = await failed_kickoff(here)
    await asked(here, key)
    assert await states(here, key) == {
        "kickoff": "failed",
        "onsite_approval": "dropped",
        "rollout_planning": "waiting",
        "chat_channel": "waiting",
    }
    left = await message.listed(here.services, key)
    assert {(one.state, one.reason) for one in left if one.step == "kickoff"} == {
        (MessageState.SUPPRESSED, "its step failed")
    }


async def test_a_failed_step_says_why_wherever_it_is_told(here: Installation) -> None:
    """Status, timeline and the task say why it failed, in words, and what can be done."""
    key = await failed_kickoff(here)
    id_ = await asked(here, key)
    why = "its workflow ended without a result"

    async def told() -> bool:
        milestones = (await onboardings.status(here.services, key)).milestones
        (kickoff,) = [one for one in milestones if one.step == "kickoff"]
        return (kickoff.outcome, kickoff.waiting_for) == (why, f"the TAM, to decide what follows: {why}")

    await until(told, "the reason in the status")
    assert f"Kickoff failed: {why}" in [entry.what for entry in await timeline.timeline_of(here.services, key)]
    shown = await task.show(here.services, id_)
    assert shown.question == f"This step failed: {why}. Later steps are on hold. How should it continue?"
    assert [one.title for one in shown.options] == [
        "Do it again",
        "It was done another way",
        "Continue without it",
    ]


@pytest.mark.parametrize(("option", "kickoff"), [("complete", "done"), ("skip", "skipped")])
async def test_a_failed_step_ends_as_its_tam_decides(here: Installation, option: str, kickoff: str) -> None:
    """Done another way, or left out: what comes after it begins then."""
    key = await failed_kickoff(here)
    id_ = await asked(here, key)
    assert (await task.decide(here.services, id_, option, TAM, "We met at the fair.")).accepted

    async def goes_on() -> bool:
        now = await states(here, key)
        return now["kickoff"] == kickoff and now["chat_channel"] == "running"

    await until(goes_on, "what comes after it")


async def test_a_failed_step_is_done_again(here: Installation) -> None:
    """Done again, it is the next attempt with mails of its own; the to-do closes also where a command said so."""
    key = await failed_kickoff(here)
    id_ = await asked(here, key)
    assert (await task.decide(here.services, id_, "redo", TAM)).accepted

    async def again() -> bool:
        drafts = await message.listed(here.services, key, MessageState.DRAFT)
        return len(drafts) == 4 and all(one.key.split("/")[2] == "2" for one in drafts)

    await until(again, "four drafts of the second attempt")
    assert (await states(here, key))["kickoff"] == "running"


MANAGER = by("ines.moreau@foobar.example")


async def said(calls: Sequence[Awaitable[Receipt]]) -> tuple[list[str], list[str]]:
    """What came of words that were said at the same instant, and why the others were refused."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(one, Receipt | UserError) for one in answers), answers
    heard = [one.outcome or "" for one in answers if isinstance(one, Receipt) and one.accepted]
    return heard, [one.problem for one in answers if isinstance(one, UserError)]


def operated(here: Installation, key: str, kind: Operate, who: Actor, attempt: int | None = None) -> Awaitable[Receipt]:
    """A word on the kickoff as a whole."""
    written = OperationWritten(reason=f"We have agreed on {kind}.", step="kickoff", attempt=attempt)
    return operation.operate(here.services, key, kind, written, who)


async def attempts(here: Installation, key: str) -> set[str]:
    """The attempts at the kickoff of which anything can still go."""
    drafts = await message.listed(here.services, key, MessageState.DRAFT)
    return {one.key.split("/")[2] for one in drafts if one.step == "kickoff"}


@pytest.mark.parametrize("second", [TAM, MANAGER], ids=["one person", "two people"])
async def test_of_words_on_a_failed_step_at_the_same_instant_one_counts(
    here: Installation, second: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redo, skip and redo at once: one is done, the others are refused, and one attempt has mails."""
    key = await failed_kickoff(here)
    await asked(here, key)
    look, everybody = operation._seen, asyncio.Barrier(3)

    async def at_once(*about: Any) -> Any:
        # Nobody says anything before everybody has seen the step as it is.
        seen = await look(*about)
        await everybody.wait()
        return seen

    monkeypatch.setattr(operation, "_seen", at_once)
    calls = [
        operated(here, key, Operate.REDO, TAM),
        operated(here, key, Operate.SKIP, second),
        operated(here, key, Operate.REDO, second),
    ]
    heard, refused = await said(calls)
    # The same word of one person is the same word, and has the same answer.
    assert len(set(heard)) == 1, (heard, refused)
    assert len(refused) == 3 - len(heard)
    assert all("has changed meanwhile" in problem for problem in refused), refused

    async def over() -> bool:
        return not [line for line in (await task.inbox(here.services, TAM)).mine if line.step == "kickoff.failed"]

    await until(over, "the to-do to close")
    now = {"attempt 2": "running", "skipped": "skipped"}[heard[0]]

    async def so() -> bool:
        return (await states(here, key))["kickoff"] == now

    await until(so, f"the step to be {now}")
    operated_on = [
        one.kind for one in await timeline.timeline_of(here.services, key) if one.kind.startswith("operation")
    ]
    assert len(operated_on) == 1
    if now == "running":

        async def written() -> bool:
            return await attempts(here, key) == {"2"}

        await until(written, "the second attempt's drafts")


@pytest.mark.parametrize("second", [TAM, MANAGER], ids=["one person", "two people"])
async def test_of_decisions_on_a_failed_step_at_the_same_instant_one_counts(here: Installation, second: Actor) -> None:
    """The to-do takes one decision; whoever decides otherwise is told what was decided, or that they aren't asked."""
    key = await failed_kickoff(here)
    id_ = await asked(here, key)
    calls = [
        task.decide(here.services, id_, option, who, f"We have agreed on {option}.")
        for option, who in (("redo", TAM), ("skip", second), ("redo", second))
    ]
    heard, refused = await said(calls)
    assert len(set(heard)) == 1, (heard, refused)
    assert all("already decided" in problem or "not asked" in problem for problem in refused), refused

    async def done() -> bool:
        return (await states(here, key))["kickoff"] == {"redo": "running", "skip": "skipped"}[heard[0]]

    await until(done, "what was decided")
    operated_on = [
        one.kind for one in await timeline.timeline_of(here.services, key) if one.kind.startswith("operation")
    ]
    assert operated_on == [f"operation.{heard[0]}"]


async def test_a_word_after_a_decision_is_one_on_what_is_by_then(here: Installation) -> None:
    """After redo was decided, the to-do takes nothing more, and a word on the failed attempt is refused."""
    key = await failed_kickoff(here)
    id_ = await asked(here, key)
    assert (await task.decide(here.services, id_, "redo", TAM)).accepted

    async def again() -> bool:
        return await attempts(here, key) == {"2"}

    await until(again, "the second attempt's drafts")
    with pytest.raises(UserError, match="already decided"):
        await task.decide(here.services, id_, "skip", TAM, "Too late.")
    for kind in (Operate.REDO, Operate.SKIP, Operate.COMPLETE):
        with pytest.raises(UserError, match="has changed meanwhile: it is running, attempt 2"):
            await operated(here, key, kind, TAM, attempt=1)
    assert await attempts(here, key) == {"2"}
    assert (await operated(here, key, Operate.SKIP, MANAGER)).outcome == "skipped"


async def test_whoever_was_overtaken_by_a_word_elsewhere_is_told(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The to-do and a command decide at the same instant: one has its effect, the other is told as one without."""
    key = await failed_kickoff(here)
    id_ = await asked(here, key)
    onboarding = here.client.get_workflow_handle(onboarding_id(key))
    async with all_at_once(here, monkeypatch, partial(onboarding.signal, "people_changed")):
        assert (await operated(here, key, Operate.REDO, MANAGER)).accepted
        assert (await task.decide(here.services, id_, "skip", TAM, "We met at the fair.")).accepted

    async def told() -> dict[str, str]:
        entries = {one.kind: one.what for one in await timeline.timeline_of(here.services, key)}
        return entries if "word.refused" in entries or "decision.refused" in entries else {}

    entries: dict[str, str] = await until(told, "who was overtaken to be told")
    assert "operation.redo" in entries
    assert "operation.skip" not in entries
