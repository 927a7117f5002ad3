"""What is done for each contact by itself, where that fails for one of them and the step is done again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from activities.task import KnownFacts
from rapport.model.message import MessageState
from rapport.model.task import TaskResult
from workflows.onboarding import per_contact
from workflows.onboarding.messages import UNWRITTEN
from workflows.onboarding.per_contact import PerContactSteps
from workflows.outcomes import Denied

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)


class People:
    """An onboarding whose step is for two contacts.

    Attributes:
        told: Whom each attempt wrote to, or asked about.
        fails: For whom it fails.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Both are there."""
        self.told: list[str] = []
        self.fails: set[str] = set()
        self.states: dict[str, MessageState] = {}
        mails = SimpleNamespace(keep_waiting=lambda *_: None, write=self.write, told_of=self.told_of)
        state = SimpleNamespace(messages=SimpleNamespace(states=self.states))
        children = SimpleNamespace(ask_people=self.ask)
        self.steps = PerContactSteps(cast("Any", state), cast("Any", children), cast("Any", mails))

        async def known(*_: Any) -> tuple[KnownFacts, ...]:
            return tuple(KnownFacts(contact=one, missing=()) for one in ("c_1", "c_2"))

        async def waiting(condition: Any) -> None:
            while not condition():
                await asyncio.sleep(0)

        monkeypatch.setattr(self.steps, "_known", known)
        monkeypatch.setattr("workflows.onboarding.per_contact.workflow.wait_condition", waiting)
        monkeypatch.setattr("workflows.onboarding.per_contact.workflow.now", lambda: NOW)
        monkeypatch.setattr(per_contact, "beside", asyncio.ensure_future)

    def write(self, step: Any, *, to: tuple[str, ...], occurrence: int) -> Any:
        """Each of them gets a mail, but whoever it fails for."""

        async def written() -> tuple[str, ...] | None:
            if self.fails & set(to):
                return None
            self.told += to
            keys = tuple(f"V/{step.name}/1/{occurrence}/1/message/developer_docs/{one}" for one in to)
            self.states.update(dict.fromkeys(keys, MessageState.SENT))
            return keys

        return asyncio.ensure_future(written())

    async def told_of(self, _: str, keys: tuple[str, ...]) -> str:
        """How many have gone."""
        return f"{len(keys)} of {len(keys)} sent"

    async def ask(self, _: Any, __: Any, *, about: str) -> TaskResult | Denied:
        """Each of them is asked about."""
        if about in self.fails:
            return Denied("Ended", "its workflow ended without a result")
        self.told.append(about)
        return TaskResult(outcome="done", by="m_tam", at=NOW)


@pytest.mark.asyncio
async def test_who_has_their_mail_gets_no_other_where_the_step_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """One mail cannot be written, so that the step fails; done again, it writes to that reader alone."""
    people = People(monkeypatch)

    def see_to(mailing: Any, everyone: Any) -> None:
        for one in everyone:
            if one.contact not in mailing.readers:
                mailing.readers.add(one.contact)
                writing = people.write(mailing.step, to=(one.contact,), occurrence=mailing.next_occurrence())
                mailing.work.append(asyncio.ensure_future(people.steps._see_off(mailing, writing)))

    monkeypatch.setattr(people.steps, "_see_to", see_to)
    step = cast("Any", SimpleNamespace(name="developer_docs", to=("secondary_user",), needs=("languages",)))
    people.fails = {"c_2"}
    assert await people.steps.write_to_those_known(step) == UNWRITTEN
    people.fails = set()
    assert await people.steps.write_to_those_known(step) == "2 of 2 sent"
    assert people.told == ["c_1", "c_2"]
    # Done again for another reason, everyone gets one.
    assert await people.steps.write_to_those_known(step) == "2 of 2 sent"
    assert people.told == ["c_1", "c_2", "c_1", "c_2"]


@pytest.mark.asyncio
async def test_a_question_that_was_answered_is_not_put_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workflow of one was ended, so that the step fails; done again, it asks about that contact alone."""
    people = People(monkeypatch)
    definition = SimpleNamespace(options=(SimpleNamespace(id="done"),))
    step = cast(
        "Any",
        SimpleNamespace(name="developer_project", assign=("tam",), question="Done?", definition=lambda: definition),
    )
    people.fails = {"c_1"}
    assert isinstance(await people.steps.ask_about_each(step, "secondary_user"), Denied)
    people.fails = set()
    assert await people.steps.ask_about_each(step, "secondary_user") == "2 of 2 done"
    assert people.told == ["c_2", "c_1"]
