"""What the portfolio shows of an account: of all that waits, what is due first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st
from sqlalchemy import insert
from temporalio.client import Client
from temporalio.service import RPCStatusCode

from rapport.model.account import AccountFile, Role
from rapport.model.projection import Milestone, Wait
from rapport.model.reading import read_toml
from rapport.playbooks import load
from rapport.settings import Settings
from rapport.storage import contract as contracts
from rapport.storage.database import Store
from rapport.storage.tables import TaskRow
from starters.cli.common import by_whom
from starters.services import Services
from starters.use_cases import account
from starters.use_cases.account import AccountShown, PersonShown
from tests.helpers_mail import NOW
from tests.mail_fixtures import EXAMPLE
from tests.unit.test_member import OPEN_TASK, Silent

waits = st.builds(
    Wait,
    on=st.sampled_from([(), ("tam",), ("primary_champion",)]),
    what=st.just("something"),
    deadline=st.none() | st.integers(1, 90).map(lambda days: NOW + timedelta(days=days)),
)


class Empty(Silent):
    """A Temporal with nothing in it."""

    async def list_workflows(self, *_: object, **__: object) -> AsyncIterator[None]:
        """No workflow at all."""
        nothing: None
        for nothing in ():
            yield nothing


@given(st.lists(waits, min_size=1))
def test_what_somebody_has_to_do_first_comes_first(some: list[Wait]) -> None:
    """No deadline of somebody's hides behind a later one, behind a wait without one, or behind a mere date."""
    first = min(some, key=contracts.urgency)
    theirs = [wait for wait in some if wait.on]
    assert bool(first.on) is bool(theirs)
    due = [wait.deadline for wait in theirs or some if wait.deadline is not None]
    assert first.deadline == min(due, default=None)


async def test_the_earliest_deadline_is_shown_whatever_has_it(store: Store) -> None:
    """A step further down, or drafts to read, due in days show before a step that is due in weeks."""
    services = Services(Settings(), store, cast("Client", Empty(RPCStatusCode.NOT_FOUND)))
    file = read_toml(AccountFile, EXAMPLE.read_bytes(), "versayce.toml")
    assert file.contract is not None
    far, near, drafts = (NOW + timedelta(days=days) for days in (29, 9, 3))
    async with store.writing() as connection:
        await contracts.request(connection, "versayce", file.contract, load("enterprise"), "onboarding/versayce", NOW)
        await contracts.put_milestones(
            connection,
            file.contract.id,
            1,
            [
                step(0, "kickoff", Wait(on=("tam",), what="approval", deadline=far)),
                step(1, "chat_channel", Wait(on=("tam",), what="a channel", deadline=near, unblock="rapport x")),
            ],
        )
    (line,) = await account.portfolio(services)
    assert (line.waiting_for, line.deadline, line.unblock) == ("a channel", near, "rapport x")
    task: dict[str, Any] = {**OPEN_TASK, "id": "task/versayce/kickoff.drafts/1", "title": "Drafts to read"}
    async with store.writing() as connection:
        await connection.execute(
            insert(TaskRow).values(**task | {"deadline": drafts, "definition": {"assign": ["tam"]}})
        )
    (line,) = await account.portfolio(services)
    assert (line.waiting_for, line.deadline, line.waiting_on) == ("a task: Drafts to read", drafts, ("tam",))
    assert line.unblock == "rapport task show task/versayce/kickoff.drafts/1"


def step(position: int, name: str, wait: Wait) -> Milestone:
    """A running step that waits."""
    return Milestone(
        step=name,
        position=position,
        title=name,
        stage="kickoff",
        kind="task",
        state="running",
        attempt=1,
        due=NOW,
        began=NOW,
        ended=None,
        outcome=None,
        wait=wait,
    )


@given(st.sets(st.sampled_from([*Role, "primary_champion", "primary_user"])))
def test_a_way_on_is_complete_wherever_the_tam_can_take_it(on: set[str]) -> None:
    """What waits for the TAM or for a customer is printed with the TAM's address; a manager's decision is not."""
    way = by_whom("rapport x --as EMAIL", on, "tam@foobar.example")
    theirs = not on or "tam" in on or not on <= {*Role}
    assert way == ("rapport x --as tam@foobar.example" if theirs else "rapport x --as EMAIL")


@pytest.mark.parametrize(
    ("roles", "named"),
    [
        (("primary_champion", "primary_user"), ("Sol Weber",)),
        (("tam", "tam_manager"), ("Robin Keller", "tam_manager")),
        (("primary_user",), ("primary_user",)),
        ((), ()),
    ],
)
def test_who_is_waited_for_is_named(roles: tuple[str, ...], named: tuple[str, ...]) -> None:
    """An account's page says people's names, and a role only where nobody is known to have it."""
    contact = PersonShown(
        name="Sol Weber", email="sol@solo.example", role="", personas=("primary_champion",), title=None, zone="UTC"
    )
    tam = PersonShown(name="Robin Keller", email="robin.keller@foobar.example", role="TAM", title=None, zone="UTC")
    shown = AccountShown(
        account="solo", name="Solo", tam=tam, contacts=(contact,), contract=None, playbook=None, stage=None,
        started=None, ended=None,
    )  # fmt: skip
    assert shown.whom(roles) == named
