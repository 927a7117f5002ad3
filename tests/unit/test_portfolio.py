"""What the portfolio shows of an account: of all that waits, what is due first."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st
from sqlalchemy import insert, update
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from rapport.model.account import AccountFile, Role
from rapport.model.base import UserError
from rapport.model.commands import by_whom
from rapport.model.minutes import NewBlocker
from rapport.model.projection import Milestone, Wait
from rapport.model.reading import read_toml
from rapport.playbooks import load
from rapport.rules import onboarding
from rapport.settings import Settings
from rapport.storage import contract as contracts
from rapport.storage.access import MailSwitch, throw_mail_switch
from rapport.storage.database import Store
from rapport.storage.tables import ContractRow, TaskRow
from starters.cli import common
from starters.cli.onboarding import print_status
from starters.cli.portfolio import Portfolio, print_portfolio, read_portfolio
from starters.http.pages import rendering
from starters.services import Services
from starters.use_cases import account, blocker, doctor, onboarding as onboardings, task as tasks
from starters.use_cases.account import AccountShown, PersonShown
from starters.use_cases.doctor import CheckVerdict
from tests.conftest import by
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

    async def describe(self, **_: object) -> None:
        """Nobody there."""
        raise RPCError("", self.status, b"")

    def get_workflow_handle_for(self, *_: object) -> Empty:
        """Any workflow."""
        return self

    async def query(self, *_: object) -> None:
        """No answer."""
        raise RPCError("", self.status, b"")

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
    await projected(services, file.contract.id)
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


@pytest.fixture
def services(store: Store, tmp_path: Path) -> Services:
    """An installation whose Temporal has nothing in it, with the example account."""
    return Services(Settings(data=tmp_path), store, cast("Client", Empty(RPCStatusCode.NOT_FOUND)))


async def requested(services: Services, contract: str = "VERSAYCE-2026-11", at: str | None = None) -> None:
    """A start that was killed before Temporal took it: what it puts on record first, and nothing after."""
    file = read_toml(AccountFile, EXAMPLE.read_bytes(), "versayce.toml")
    assert file.contract is not None
    written, plan = file.contract.model_copy(update={"id": contract}), load("enterprise")
    async with services.store.writing() as connection:
        await contracts.request(connection, "versayce", written, plan, "onboarding/versayce", NOW)
        steps = onboarding.milestones(onboarding.laid_out(plan, (), NOW, at))
        await contracts.put_milestones(connection, contract, 0, steps)


async def projected(services: Services, contract: str, **changed: object) -> None:
    """What the onboarding of a contract would have written of itself."""
    async with services.store.writing() as connection:
        here = update(ContractRow).where(ContractRow.id == contract)
        await connection.execute(here.values(run_id="r", stage="kickoff", **changed))


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, in one line."""
    return " ".join(capsys.readouterr().out.split())


async def test_a_start_that_never_began_is_told_in_every_list(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it waits for, since when, for whom, and the way on: in portfolio, status, inbox and doctor."""
    await requested(services)
    way = "rapport onboarding start versayce"
    (line,) = lines = await account.portfolio(services)
    assert (line.state, line.waiting_on, line.since, line.unblock) == ("requested", ("tam",), NOW, way)
    assert "a start was requested" in (line.waiting_for or "")
    print_portfolio(Portfolio(lines))
    told = printed(capsys)
    assert "start requested" in told
    assert f"Next for versayce: {way}" in told
    status = await onboardings.status(services, "versayce")
    assert (status.state, status.waiting_on, status.since, status.unblock) == ("requested", ("tam",), NOW, way)
    print_status(status)
    told = printed(capsys)
    assert f"Next: {way}" in told
    assert "None" not in told
    assert "worker" not in told
    found = await tasks.inbox(services, by("robin.keller@foobar.example"))
    assert [(one.account, one.since, one.unblock) for one in found.steps] == [("versayce", NOW, way)]
    check = await doctor._begun(services.store)
    assert [(one.where, one.fix) for one in check.findings] == [
        ("the onboarding of versayce for contract VERSAYCE-2026-11", f"start it again: {way}")
    ]


async def test_kept_asked_for_and_without_a_contract_are_told_apart(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    """What nobody has started waits for that since it was signed; without a contract nothing is waited for."""
    (line,) = await account.portfolio(services)
    assert (line.state, line.waiting_for, line.unblock) == (None, None, None)
    file = read_toml(AccountFile, EXAMPLE.read_bytes(), "versayce.toml")
    assert file.contract is not None
    async with services.store.writing() as connection:
        await contracts.keep(connection, "versayce", file.contract, load("enterprise"), "onboarding/versayce", NOW)
    (line,) = lines = await account.portfolio(services)
    assert (line.state, line.waiting_on, line.since) == ("not_started", ("tam",), NOW)
    assert line.unblock == "rapport onboarding start versayce"
    print_portfolio(Portfolio(lines))
    assert "not started" in printed(capsys)
    assert (await doctor._begun(services.store)).verdict is CheckVerdict.OK
    await requested(services)
    assert (await account.portfolio(services))[0].state == "requested"
    assert (await account.show(services, "versayce")).requested == NOW


async def test_another_contract_that_never_began_is_told_beside_the_one_that_did(services: Services) -> None:
    """A renewal whose start was killed hides behind no onboarding that came to its end, nor behind one that runs."""
    await requested(services, "C-1")
    await projected(services, "C-1", ended_at=NOW)
    await requested(services, "C-2")
    (line,) = await account.portfolio(services)
    assert [(one.kind, one.ref, one.unblock) for one in line.others] == [
        ("contract", "C-2", "rapport onboarding start versayce")
    ]
    async with services.store.reading() as connection:
        startable = await contracts.startable(connection, "versayce")
    assert startable is not None
    assert startable.id == "C-2"


async def test_what_is_asked_for_again_enters_where_it_was_to(services: Services) -> None:
    """The command that a list names starts at the step at which the start that was killed was to begin."""
    await requested(services, "C-1")
    await requested(services, "C-2", at="rollout_planning")
    async with services.store.reading() as connection:
        assert await contracts.entry(connection, "C-1") is None
        assert await contracts.entry(connection, "C-2") == "rollout_planning"


async def test_a_pause_is_told_in_every_list(services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    """That an account is paused, since when, and the command that ends it; no deadline runs meanwhile."""
    await requested(services)
    await projected(services, "VERSAYCE-2026-11", paused_at=NOW)
    services = replace(services, client=cast("Client", Empty(RPCStatusCode.UNAVAILABLE)))
    way = "rapport onboarding resume versayce --reason …"
    (line,) = lines = await account.portfolio(services)
    assert (line.state, line.paused, line.stage, line.since, line.deadline) == ("paused", True, "kickoff", NOW, None)
    assert (line.unblock or "").startswith(way)
    print_portfolio(Portfolio(lines))
    told = printed(capsys)
    assert "kickoff, paused" in told
    assert f"Next for versayce: {way} --as robin.keller@foobar.example" in told
    print_status(await onboardings.status(services, "versayce"))
    assert f"Next: {way} --as robin.keller@foobar.example" in printed(capsys)
    assert (await account.show(services, "versayce")).paused == NOW


async def test_mail_that_is_stopped_is_told_with_every_list(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reads the portfolio, or its JSON, learns that no email goes out from here, why, and what ends that."""
    live = replace(services, settings=services.settings.model_copy(update={"mail_mode": "live"}))
    (line,) = await account.portfolio(live)
    assert line.no_mail is None
    async with live.store.writing() as connection:
        await throw_mail_switch(connection, MailSwitch(stopped=True, by="m", reason="a test", at=NOW))
    (line,) = await account.portfolio(live)
    assert "rapport mail start" in (line.no_mail or "")
    print_portfolio(await read_portfolio(live))
    told = printed(capsys)
    assert "stopped by m" in told
    assert "rapport mail start" in told


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


async def test_every_command_acts_in_the_name_of_whoever_reads_it(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of portfolio, status, actions and blockers: the reader's own where they are known, else the TAM's."""
    await requested(services)
    await projected(services, "VERSAYCE-2026-11", paused_at=NOW)
    tam, ines = "robin.keller@foobar.example", "ines.moreau@foobar.example"
    services = replace(services, client=cast("Client", Empty(RPCStatusCode.UNAVAILABLE)))
    wall = NewBlocker(title="A wall", owner=tam, next_check=date(2030, 1, 1))
    await blocker.add(services, "versayce", wall, by(tam))
    for settings, reader in ((None, tam), (ines, ines)):
        of = replace(services, settings=services.settings.model_copy(update={"as_": settings}))
        (line,) = await account.portfolio(of)
        status = await onboardings.status(of, "versayce")
        (one,) = await blocker.listed(of, "versayce")
        for command in (line.unblock, status.unblock, one.remove):
            assert (command or "").endswith(f" --as {reader}")


def test_what_is_printed_acts_in_the_name_of_who_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A command in an answer, in a refusal and in its JSON has the address that `--as` gave, else a placeholder."""
    refusal = UserError("no", fix="run `rapport x --as EMAIL`")
    for reader in (None, "a@x.example"):
        told = f"rapport x --as {reader or 'EMAIL'}"

        def shown(reader: str | None = reader) -> None:
            common._READER.set(reader)
            common.out.print("rapport x --as EMAIL")
            common.fail(refusal, as_json=True)

        contextvars.copy_context().run(shown)
        printed = capsys.readouterr()
        assert told in printed.err
        assert printed.out.count(told) == 2


def test_a_page_acts_in_the_name_of_who_reads_it() -> None:
    """A command on a page, and in a refusal there, has its reader's address; where nobody knows it, the TAM's."""
    text = "rapport x --as EMAIL"
    assert "as</span> t@x.example" in rendering.command(text, "t@x.example")
    token = rendering._READER.set("r@x.example")
    assert "as</span> r@x.example" in rendering.command(text, "t@x.example")
    assert "rapport x --as r@x.example" in rendering.coded(f"run `{text}`")
    rendering._READER.reset(token)
    assert "EMAIL" in rendering.command(text)


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
