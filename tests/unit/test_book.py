"""What becomes of the accounts of a TAM who leaves: one task for the manager, and no email in her name until then."""

from __future__ import annotations

from typing import cast

import pytest
from sqlalchemy import insert, select, update
from temporalio.client import Client
from temporalio.service import RPCStatusCode

from rapport.mail import outbox
from rapport.model.base import UserError
from rapport.model.message import MessageState, Purpose
from rapport.model.task import TaskPhase
from rapport.settings import Settings
from rapport.storage import account as accounts, agenda, succession, task as tasks
from rapport.storage.database import Store
from rapport.storage.tables import AccountRow, MemberRow, MessageRow
from starters.services import Services
from starters.use_cases import account, doctor, task
from tests.helpers_mail import NOW
from tests.unit.test_outbox import row
from tests.unit.test_portfolio import Empty


async def people(store: Store) -> tuple[str, str, str]:
    """The example's TAM, another member who can serve, and the manager."""
    async with store.reading() as connection:
        tam = await accounts.tam_of(connection, "versayce")
        known = await accounts.members(connection)
    assert tam is not None
    manager = next(one.id for one in known if "tam_manager" in one.roles)
    return tam, next(one.id for one in known if one.id not in (tam, manager)), manager


async def leaves(store: Store, member: str) -> None:
    """A member leaves, as `rapport member leave` notes it."""
    async with store.writing() as connection:
        await accounts.mark_left(connection, member, NOW)
        await succession.tell_of_books(connection, NOW)


async def test_the_manager_has_one_task_with_the_whole_book_until_it_is_handed_over(store: Store) -> None:
    """It stands in the inbox and in the morning's email, names every account, and ends with the last of them."""
    services = Services(Settings(), store, cast("Client", Empty(RPCStatusCode.NOT_FOUND)))
    tam, other, manager = await people(store)
    async with store.writing() as connection:
        values = dict((await connection.execute(select(AccountRow.__table__))).one()._mapping)
        await connection.execute(insert(AccountRow), [values | {"key": "neighbour", "name": "Neighbour"}])
    await leaves(store, tam)
    await leaves(store, tam)
    async with store.reading() as connection:
        (book,) = await tasks.waiting_for(connection, manager)
        boss = await accounts.member(connection, manager)
        (item,) = (await agenda.day(connection, boss, NOW)).waiting
    assert item.title == book.title == "Robin Keller has left: 2 accounts to hand over"
    shown = await task.show(services, book.id)
    assert shown.said["accounts"] == "Neighbour (neighbour), Versayce (versayce)"
    assert "hand-over --all --from robin.keller@foobar.example --to EMAIL" in shown.said["all to one"]
    async with store.writing() as connection:
        await succession.hand_over(connection, "versayce", other)
        await succession.tell_of_books(connection, NOW)
        (book,) = await tasks.waiting_for(connection, manager)
        assert book.title == "Robin Keller has left: 1 account to hand over"
        await succession.hand_over(connection, "neighbour", other)
        await succession.tell_of_books(connection, NOW)
        assert await tasks.waiting_for(connection, manager) == []
        over = await tasks.task(connection, book.id)
    assert over is not None
    assert (over.phase, over.outcome) == (TaskPhase.CLOSED, "handed_over")


async def test_portfolio_and_doctor_say_that_nobody_serves_it(store: Store) -> None:
    """First of all lines, with the command that hands it over; by TAM, hers is the one that has left."""
    services = Services(Settings(), store, cast("Client", Empty(RPCStatusCode.NOT_FOUND)))
    tam, _, _ = await people(store)
    (before,) = await account.portfolio(services, "Robin.Keller@foobar.example")
    assert (before.tam_left, before.tam_name) == (False, "Robin Keller")
    assert (await doctor._books(store)).verdict is doctor.CheckVerdict.OK
    await leaves(store, tam)
    (line,) = await account.portfolio(services)
    assert (line.tam_left, line.waiting_on) == (True, ("tam_manager",))
    assert line.unblock == "rapport account hand-over versayce --to EMAIL --reason … --as EMAIL"
    (book,) = account.books([line])
    assert (book.has_left, book.accounts, book.email) == (True, 1, "robin.keller@foobar.example")
    check = await doctor._books(store)
    assert check.verdict is doctor.CheckVerdict.TROUBLE
    assert [one.where for one in check.findings] == ["versayce"]
    assert await account.portfolio(services, "ines.moreau@foobar.example") == []
    with pytest.raises(UserError, match="no member"):
        await account.portfolio(services, "nobody@foobar.example")


async def test_the_portfolio_counts_what_waits_to_be_read(store: Store) -> None:
    """Drafts alone; what is sent or on its way is none."""
    services = Services(Settings(), store, cast("Client", Empty(RPCStatusCode.NOT_FOUND)))
    async with store.writing() as connection:
        some = [row("one", state=MessageState.DRAFT), row("two", state=MessageState.DRAFT), row("three")]
        await connection.execute(insert(MessageRow), [one | {"contract": None} for one in some])
    (line,) = await account.portfolio(services)
    assert line.drafts == 2


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize(
    ("person", "workflow", "goes"),
    [
        ("c_1", "meeting/versayce/kickoff/1", False),
        ("c_1", "case/C-1", True),
        ("m_1", "meeting/versayce/kickoff/1", True),
    ],
)
async def test_nothing_goes_to_a_customer_in_the_name_of_whoever_has_left(
    store: Store, purpose: Purpose, person: str, workflow: str, goes: bool
) -> None:
    """Whatever it is for; what our own people or a case's owner write goes on. Whoever follows has it written again."""
    tam, other, _ = await people(store)
    async with store.writing() as connection:
        mail = row("k") | {"person": person, "workflow_id": workflow, "purpose": purpose, "contract": None}
        await connection.execute(insert(MessageRow), [mail])
        await connection.execute(update(MemberRow).where(MemberRow.id == tam).values(left_at=NOW))
        assert (await outbox.lease(connection, "k", NOW) is not None) is goes
    if not goes:
        async with store.writing() as connection:
            assert await outbox.any_paused(connection, ["k"])
            await succession.hand_over(connection, "versayce", other)
            assert not await outbox.any_paused(connection, ["k"])
            kept = (await connection.execute(select(MessageRow.raw, MessageRow.state))).one()
        assert (kept.raw, kept.state) == (None, MessageState.READY)
