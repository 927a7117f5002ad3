"""Projections: what workflows tell SQL, so that lists can be read without asking a workflow."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import activity

from rapport.model.cadence import CadenceNews
from rapport.model.projection import Projection, StepNews
from rapport.model.succession import HandBack, HandedBack
from rapport.storage import cadence, contract, hour, meeting, minutes, succession
from rapport.storage.database import Store


@dataclass(frozen=True)
class Projections:
    """Writes projections and timeline entries. Every batch is safe to repeat."""

    store: Store

    @activity.defn(name="records.project")
    async def project(self, projection: Projection) -> None:
        """Write down an onboarding's stage, steps and entries."""
        async with self.store.writing() as connection:
            await contract.project(connection, projection)

    @activity.defn(name="records.tell_step")
    async def tell_step(self, news: StepNews) -> None:
        """Write down what a running step waits for, its entries, and the hour that its meeting has."""
        async with self.store.writing() as connection:
            await contract.tell_step(connection, news)
            if news.meeting is not None:
                await hour.hold(connection, news.meeting, news.hour)
            if news.outcome is not None:
                await meeting.end(connection, news.contract, news.step, news.outcome, news.now)
            for entry in news.entries:
                await minutes.keep_reported(connection, entry)

    @activity.defn(name="records.tell_cadence")
    async def tell_cadence(self, news: CadenceNews) -> None:
        """Write down how an account's rhythms stand, and their entries."""
        async with self.store.writing() as connection:
            await cadence.project(connection, news)

    @activity.defn(name="records.hand_back")
    async def hand_back(self, order: HandBack) -> HandedBack:
        """Give an account back to its regular TAM, and find who has to be told."""
        async with self.store.writing() as connection:
            tam, former = await succession.hand_back(connection, order.account, order.key, order.now)
            listeners = tuple(await succession.listeners(connection, order.account))
            return HandedBack(tam=tam, former=former, listeners=listeners)
