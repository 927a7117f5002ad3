"""That the oracle of mails can fail: of each mail whose claim is taken out, it finds the false sentence."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import insert, select, update

from activities.message import Messages
from rapport.mail import emails
from rapport.model.cadence import Occurrence
from rapport.model.message import HandoverFacts, MessageRequest, MessageState, Purpose, RhythmFacts, TaskFacts
from rapport.model.task import TaskDefinition, TaskOption, TaskPhase
from rapport.storage.database import Connection, Store
from rapport.storage.tables import AccountRow, MemberRow, TaskRow
from tests.activities.test_claims import LATER, goes, one, told, waits
from tests.activities.test_message import T0
from tests.helpers_mail import ScriptedRelay
from tests.support.oracle import FACTS, Record, judge

Change = Callable[[Connection, MessageRequest], Awaitable[None]]


class Mutant(NamedTuple):
    """A mail that loses a claim.

    Attributes:
        what: How the occasion is, beside what every mail of its purpose has.
        change: What makes the claim false before the mail goes.
        says: What of it is false then.
    """

    claim: str
    purpose: Purpose
    what: dict[str, object]
    change: Change
    says: str


async def handed_over(connection: Connection, _: MessageRequest) -> None:
    """The account goes to somebody else."""
    tam = await connection.scalar(select(AccountRow.tam))
    other = await connection.scalar(select(MemberRow.id).where(MemberRow.id != tam))
    await connection.execute(update(AccountRow).values(tam=other))


async def task_closed(connection: Connection, what: MessageRequest) -> None:
    """The task has come to its end."""
    definition = TaskDefinition(
        task="to_do", question="?", options=(TaskOption(id="done", title="Done"),), assign=("tam",), on_timeout="late"
    )
    row: dict[str, Any] = {
        "id": what.workflow_id,
        "account": "versayce",
        "contract": what.contract,
        "subject": "versayce",
        "step": "x",
    }
    row |= {"title": "A task", "definition": definition.model_dump(mode="json"), "phase": TaskPhase.CLOSED, "round": 1}
    await connection.execute(insert(TaskRow).values(**row, answers=[], opened=T0, closed=T0, outcome="done"))


async def nothing(_: Connection, __: MessageRequest) -> None:
    """What it claims was never so, or time alone has passed."""


DATE = Occurrence(
    number=1,
    day=T0.date(),
    original=T0 + timedelta(minutes=10),
    start=T0 + timedelta(minutes=10),
    end=T0 + timedelta(minutes=25),
    tick=T0,
    until=T0.date(),
)
SERIES = RhythmFacts(uid="x", title="Weekly sync", step="weekly", minutes=15, kind="skipped", occurrence=DATE)
TASK = TaskFacts(kind="to_do", question="Do it?", options=(("done", "Done"),))
NEWS = {"contract": None, "step": "people", "meeting": None, "to": ("tam",)}

MUTANTS = (
    Mutant("not_booked", Purpose.REMINDER, {}, told("meeting.booked"), "times are still looked for"),
    Mutant("not_booked", Purpose.PROPOSAL, {}, told("meeting.booked"), "times are still looked for"),
    Mutant("not_answered", Purpose.REMINDER, {}, told("vote.cast", "the reader"), "its reader has not answered"),
    Mutant("booked", Purpose.INVITATION, {}, told("meeting.called_off"), "it is booked for then"),
    Mutant(
        "not_reported",
        Purpose.NOTICE,
        {"email": "meeting_report", "to": ("tam",)},
        told("meeting.held"),
        "nobody has said",
    ),
    Mutant(
        "task_open",
        Purpose.TASK,
        {"email": "task_opened", "task": TASK, "meeting": None, "to": ("tam",)},
        task_closed,
        "the task is open, in this version",
    ),
    Mutant("kickoff_held", Purpose.PROPOSAL, {"email": "rollout_proposal"}, nothing, "the kickoff was held"),
    Mutant(
        "date_ahead",
        Purpose.INVITATION,
        {"email": "occurrence_changed", "rhythm": SERIES, "meeting": None},
        nothing,
        "that date is ahead",
    ),
    Mutant(
        "account_theirs",
        Purpose.NOTICE,
        {**NEWS, "email": "account_handed_over"},
        handed_over,
        "its reader serves the account",
    ),
)


@pytest.mark.sqlite
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: f"{one.claim}-{one.purpose}")
@pytest.mark.parametrize("has_claim", [True, False])
async def test_a_mail_without_its_claim_is_found_out(
    store: Store,
    messages: Messages,
    relay: ScriptedRelay,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mutant: Mutant,
    has_claim: bool,
) -> None:
    """With the claim nothing false goes out; without it the mail does, and the oracle names the sentence."""
    booked = mutant.purpose in (Purpose.NOTICE, Purpose.INVITATION)
    what = await one(store, Purpose.INVITATION if booked else mutant.purpose)
    async with store.reading() as connection:
        tam = await connection.scalar(select(AccountRow.tam))
    given = {"purpose": mutant.purpose, **mutant.what}
    if given.get("to") == ("tam",):
        given["to"] = (tam,)
    if given.get("email") == "account_handed_over":
        given["handover"] = HandoverFacts(former=str(tam))
    what = what.model_copy(update=given)
    if not has_claim:
        for name in ("claims", "block_claims"):
            known = getattr(emails, name)
            monkeypatch.setattr(
                emails, name, lambda of, known=known: tuple(claim for claim in known(of) if claim != mutant.claim)
            )
    key = await waits(store, messages, relay, what)
    async with store.writing() as connection:
        await mutant.change(connection, what)
    state, _ = await goes(store, messages, what, key)
    assert has_claim or state is MessageState.SENT
    found = [judge(mail.raw, Record(tmp_path / "rapport.db"), LATER) for mail in relay.accepted]
    for mail in found:
        mail.settle()
    false = [line for mail in found for line in mail.false]
    assert any(mutant.says in line for line in false) is not has_claim, false


def test_every_rule_of_the_oracle_finds_its_words_in_an_email() -> None:
    """Whoever words an email otherwise hears that the oracle passes it over."""
    everything = " ".join(" ".join(path.read_text() for path in emails.folder().glob("*.md")).split())
    for fact in FACTS:
        first = re.sub(r"\(\?P<.*?\)|\\w", " ", fact.words.split("|")[0])
        # What a chart prints is in no email's file.
        literal = max(re.findall(r"[A-Z]?[a-z' ]{3,}", first), key=len, default="")
        assert literal.strip() in everything, fact.words
