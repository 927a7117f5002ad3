"""Whether the gates of an account are open, from its facts and its reviews as SQL has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from temporalio import activity

from rapport.mail.context import AccountContext
from rapport.model.base import Instant, WireModel
from rapport.model.scenario import scenarios
from rapport.model.step import Gate
from rapport.rules import calendar, gate as gates
from rapport.rules.gate import GateStanding
from rapport.rules.scenario import needs
from rapport.rules.todo_template import TODO_DAYS
from rapport.storage import contract as contracts, gate as records
from rapport.storage.database import Store


class GatesAsked(WireModel):
    """The question which of these gates are open for an account."""

    account: str
    gates: tuple[Gate, ...]
    now: Instant


class GatesFound(WireModel):
    """How each gate stands that was asked about.

    Attributes:
        insist: When the TAM is asked about those that are shut.
        given_until: When this is asked again.
    """

    standings: tuple[GateStanding, ...]
    insist: Instant
    given_until: Instant


class Waiting(WireModel):
    """The question which onboardings of an account may wait for a gate."""

    account: str


class WaitingFound(WireModel):
    """The workflows of those that run."""

    workflows: tuple[str, ...]


@dataclass(frozen=True)
class Gates:
    """Answers whether gates are open.

    Attributes:
        data: The data directory: its scenarios are read at each look, so that a changed file counts at once here too.
    """

    store: Store
    data: Path

    @activity.defn(name="gates.waiting")
    async def waiting(self, question: Waiting) -> WaitingFound:
        """Name the onboardings of an account that run: each of its contracts has one."""
        async with self.store.reading() as connection:
            return WaitingFound(workflows=await contracts.running(connection, question.account))

    @activity.defn(name="gates.look")
    async def look(self, question: GatesAsked) -> GatesFound:
        """Say of each gate whether it is open, why, and whose turn it is; roles and references, no names."""
        async with self.store.reading() as connection:
            company = await AccountContext.read(connection, question.account)
            reviews = await records.reviewed(connection, question.account)
        calls = needs(company.account.facts, scenarios(self.data)).needed
        facts, tam = company.account.facts, company.tam.schedule
        insist, given_until = (calendar.add_business_days(question.now, days, tam) for days in TODO_DAYS)
        return GatesFound(
            standings=tuple(gates.standing(question.account, gate, facts, reviews, calls) for gate in question.gates),
            insist=insist,
            given_until=given_until,
        )
