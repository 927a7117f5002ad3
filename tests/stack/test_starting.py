"""Starting onboardings, and deciding while workers come and go, on a real Temporal server."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import CursorResult, Executable
from temporalio.client import Client, WorkflowExecutionStatus

from rapport.model.base import UserError
from rapport.model.ids import new_id, onboarding_id
from rapport.model.message import MessageState
from rapport.model.operation import Operate
from rapport.rules.onboarding import ALREADY
from rapport.storage import account as account_storage, contract as contracts
from rapport.storage.sqlite import LocalConnection
from starters import services as office_module
from starters.services import LATER, Services
from starters.use_cases import (
    account as accounts,
    meeting as meetings,
    message,
    onboarding as onboardings,
    operation,
    timeline,
)
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.operation import OperationWritten
from tests.conftest import CHAMPION, TAM, USER, Installation, account, by, installation, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_many_starts_of_one_contract_start_it_once(here: Installation) -> None:
    """Of twenty starts at the same instant one creates the onboarding, and all name the same run."""
    file = account(new_id("a").replace("_", "-"), new_id("C"))
    started = await asyncio.gather(*(onboardings.start(here.services, StartRequest(file=file)) for _ in range(20)))
    assert sum(one.created for one in started) == 1
    assert len({(one.workflow_id, one.run_id) for one in started}) == 1
    assert len(await here.mailed(4)) == 4


async def test_contracts_of_one_account_run_beside_each_other(here: Installation) -> None:
    """Of two that are started at the same moment one has the account's key and the other its own id besides; both run,
    and each of them starts once."""
    key = new_id("a").replace("_", "-")
    ids = new_id("C"), new_id("C")
    files = [account(key, id_) for id_ in ids]
    first = await asyncio.gather(*(onboardings.start(here.services, StartRequest(file=file)) for file in files))
    assert [one.created for one in first] == [True, True]
    names = {one.workflow_id for one in first}
    assert onboarding_id(key) in names
    assert names - {onboarding_id(key)} <= {onboarding_id(f"{key}.{id_}") for id_ in ids}
    assert len(names) == 2
    again = [await onboardings.start(here.services, StartRequest(file=file)) for file in files]
    assert [(one.created, one.workflow_id) for one in again] == [(False, one.workflow_id) for one in first]


async def test_a_start_that_was_killed_is_told_and_repeated_as_it_was(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before Temporal took it, it is named with the command that repeats it, which enters at the same step."""
    key = new_id("a").replace("_", "-")
    file = account(key, new_id("C"))
    facts = file.account.facts.model_copy(update={"large_account": True})
    file = file.model_copy(update={"account": file.account.model_copy(update={"facts": facts})})

    async def killed(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(here.services.client, "start_workflow", killed)
        with pytest.raises(asyncio.CancelledError):
            await onboardings.start(here.services, StartRequest(file=file, at="onsite_approval"))
    status = await onboardings.status(here.services, key)
    assert (status.state, status.live, status.unblock) == ("requested", False, f"rapport onboarding start {key}")
    (line,) = [one for one in await accounts.portfolio(here.services) if one.account == key]
    assert (line.state, line.unblock) == ("requested", status.unblock)
    assert (await onboardings.start(here.services, StartRequest(account=key))).created

    async def begun() -> bool:
        status = await onboardings.status(here.services, key)
        outcomes = {one.step: one.outcome for one in status.milestones}
        return (status.state, outcomes["kickoff"]) == ("running", ALREADY)

    await until(begun, "the onboarding to begin where it was to")


async def test_a_contract_starts_once_for_ever(here: Installation) -> None:
    """After its onboarding has closed, the same contract still gives that one and starts nothing."""
    key = new_id("a").replace("_", "-")
    first = await onboardings.start(here.services, StartRequest(file=account(key, new_id("C"))))

    async def recorded() -> bool:
        async with here.services.store.reading() as connection:
            found = await contracts.latest(connection, key)
        return found is not None and found.run_id is not None

    await until(recorded, "the run on record")
    async with here.services.store.reading() as connection:
        found = await contracts.latest(connection, key)
    assert found is not None
    handle = here.client.get_workflow_handle(onboarding_id(key))
    written = OperationWritten(reason="They were bought.")
    await operation.operate(here.services, key, Operate.CANCEL, written, TAM)
    await handle.result()
    again = await onboardings.start(here.services, StartRequest(file=account(key, found.id)))
    assert again == first.model_copy(update={"created": False})
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED


async def test_a_refused_start_leaves_nothing(here: Installation) -> None:
    """An account whose TAM has no link to join is refused with the field and the fix, and is not in the books."""
    file = account("half", "C-half")
    members = tuple(member.model_copy(update={"join_url": None}) for member in file.members)
    with pytest.raises(UserError, match=r"members\.join_url"):
        await onboardings.start(here.services, StartRequest(file=file.model_copy(update={"members": members})))
    async with here.services.store.reading() as connection:
        assert "half" not in await account_storage.account_names(connection)
        assert await contracts.concerned(connection, "", "C-half") == []


async def test_one_contract_belongs_to_one_account(here: Installation) -> None:
    """A contract id that another account has used is refused."""
    contract = new_id("C")
    await onboardings.start(here.services, StartRequest(file=account(new_id("a").replace("_", "-"), contract)))
    with pytest.raises(UserError, match="belongs to the account"):
        await onboardings.start(here.services, StartRequest(file=account(new_id("a").replace("_", "-"), contract)))


async def test_a_vote_without_any_worker_is_kept_and_counts_later(
    dev_server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While no worker runs a vote is recorded at the workflow's door; when one is back it counts, once."""
    monkeypatch.setattr(office_module, "ANSWER_SECONDS", 0.5)
    key, queue = new_id("a").replace("_", "-"), new_id("queue")
    async with installation(dev_server, tmp_path, queue) as made:
        await onboardings.start(made.services, StartRequest(file=account(key, new_id("C"))))
        await made.mailed(4)
        services = made.services
    # The worker is gone, the books are still there.
    reopened = replace(services, store=type(services.store)(services.settings.database))
    receipt = await meetings.vote(reopened, key, "kickoff", ("1",), by(CHAMPION), round_=1)
    assert receipt.outcome is not None
    assert receipt.outcome.startswith("recorded")
    await reopened.store.close()
    # A worker that has just begun may take its time; that is not what this asks about.
    monkeypatch.setattr(office_module, "ANSWER_SECONDS", 30.0)
    async with installation(dev_server, tmp_path, queue) as made:

        async def counted() -> bool:
            return [a.slots for a in (await meetings.show(made.services, key, "kickoff")).answers if a.answered] == [
                ("1",)
            ]

        await until(counted, "the vote to count")
        await meetings.vote(made.services, key, "kickoff", ("1",), by(USER))

        async def booked() -> bool:
            return (await meetings.show(made.services, key, "kickoff")).phase == "booked"

        await until(booked, "the booking")


async def test_a_word_on_drafts_without_any_worker_is_kept_and_counts_later(
    dev_server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was approved while no worker ran goes out once when one is back; a second word on it is told as too late."""
    monkeypatch.setattr(office_module, "ANSWER_SECONDS", 0.5)
    key, queue = new_id("a").replace("_", "-"), new_id("queue")
    file = account(key, new_id("C"))
    file = file.model_copy(update={"account": file.account.model_copy(update={"review": "approve"})})

    async def drafts(services: Services) -> list[str]:
        return [line.key for line in await message.listed(services, key, MessageState.DRAFT)]

    async with installation(dev_server, tmp_path, queue) as made:
        await onboardings.start(made.services, StartRequest(file=file))

        async def written() -> bool:
            return len(await drafts(made.services)) == 4

        await until(written, "four drafts")
        services = made.services
    reopened = replace(services, store=type(services.store)(services.settings.database))
    keys = await drafts(reopened)
    approved = await message.release(reopened, tuple(keys), TAM)
    held = await message.release(reopened, tuple(keys[:1]), TAM, hold=True)
    assert (approved.outcome, held.outcome) == (LATER, LATER)
    assert await drafts(reopened) == keys
    await reopened.store.close()
    async with installation(dev_server, tmp_path, queue) as made:
        await made.mailed(4)

        async def told() -> list[str]:
            said = [entry.what for entry in await timeline.timeline_of(made.services, key)]
            return [what for what in said if "too late" in what]

        late = await until(told, "what came too late")
        assert late == [
            "What Robin Keller said of drafts came too late: "
            "not a draft any more; someone has sent it, held it back, or newer times replaced it"
        ]
        assert {line.state for line in await message.listed(made.services, key)} == {MessageState.SENT}
        assert len(made.mails()) == 4


async def test_a_restarted_worker_sends_nothing_twice(dev_server: Client, tmp_path: Path) -> None:
    """Workers come and go through a whole vote, and each mail goes out once."""
    key, queue = new_id("a").replace("_", "-"), new_id("queue")
    async with installation(dev_server, tmp_path, queue) as made:
        await onboardings.start(made.services, StartRequest(file=account(key, new_id("C"))))
        await made.mailed(4)
    async with installation(dev_server, tmp_path, queue) as made:
        await meetings.vote(made.services, key, "kickoff", ("1",), by(CHAMPION))
    async with installation(dev_server, tmp_path, queue) as made:
        await meetings.vote(made.services, key, "kickoff", ("1",), by(USER))
        await made.mailed(9)
    async with installation(dev_server, tmp_path, queue) as made:
        await meetings.book(made.services, key, "kickoff", datetime(2030, 1, 7, 10, tzinfo=UTC), TAM, anyway=True)
        mails = await made.mailed(14)
        keys = [str(mail["X-Rapport-Key"]) for mail in mails]
        assert len(keys) == len(set(keys)) == 14


async def test_what_people_see_in_temporal_names_roles_and_the_way_out(here: Installation, dev_server: Client) -> None:
    """Temporal's UI finds the account by its stage, and shows what is waited for and the command that unblocks."""
    key = new_id("a").replace("_", "-")
    await onboardings.start(here.services, StartRequest(file=account(key, new_id("C"))))
    await here.mailed(4)

    async def found(query: str, *ids: str) -> None:
        async def listed() -> bool:
            query_of_it = f'RapportAccount = "{key}" AND {query}'
            return {run.id async for run in dev_server.list_workflows(query_of_it)} == set(ids)

        await until(listed, f"{ids} in the list")

    meeting_of_it = f"meeting/{key}/kickoff/1"
    await found('ExecutionStatus = "Running"', onboarding_id(key), meeting_of_it)
    await found('RapportWaitingOn = "primary_champion" AND RapportDeadline > "2026-01-01T00:00:00Z"', meeting_of_it)
    await found('RapportStage = "kickoff"', onboarding_id(key))
    meeting = await dev_server.get_workflow_handle(f"meeting/{key}/kickoff/1").query("__temporal_workflow_metadata")
    details = str(meeting)
    assert f"rapport meeting book {key} kickoff" in details
    onboarding = await dev_server.get_workflow_handle(onboarding_id(key)).query("__temporal_workflow_metadata")
    assert "kickoff" in str(onboarding)
    for shown in (details, str(onboarding)):
        assert "Luca" not in shown
        assert "@" not in shown


async def test_the_portfolio_asks_no_more_for_more_accounts(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many accounts there are, their list is made of the same few statements."""
    asked: list[str] = []
    execute = LocalConnection.execute

    async def counted(connection: LocalConnection, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        asked.append(str(statement))
        return await execute(connection, statement, parameters)

    monkeypatch.setattr(LocalConnection, "execute", counted)

    async def statements() -> tuple[int, int]:
        asked.clear()
        lines = await accounts.portfolio(here.services)
        return len(lines), len(asked)

    keys = [new_id("a").replace("_", "-") for _ in range(6)]
    await accounts.import_account(here.services, account(keys[0], new_id("C")))
    one = await statements()
    for key in keys[1:]:
        await accounts.import_account(here.services, account(key, new_id("C")))
    # A fixed number, however many accounts there are.
    assert (one, await statements()) == ((1, 11), (6, 11))
