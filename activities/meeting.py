"""Meetings beside the playbook, for whoever stops all that goes on with an account."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import activity

from rapport.model.base import WireModel
from rapport.storage import meeting
from rapport.storage.database import Store


class BesideAsked(WireModel):
    """Which meetings beside the playbook are open for an account?

    Attributes:
        contract: Only those of this contract, and of those whose onboarding is over.
    """

    account: str
    contract: str


class Beside(WireModel):
    """Them, by the ids of their workflows."""

    ids: tuple[str, ...]


@dataclass(frozen=True)
class Meetings:
    """Finds meetings that no other workflow has started."""

    store: Store

    @activity.defn(name="meetings.beside")
    async def beside(self, asked: BesideAsked) -> Beside:
        """Find those that are open."""
        async with self.store.reading() as connection:
            return Beside(ids=tuple(await meeting.beside(connection, asked.account, asked.contract)))
