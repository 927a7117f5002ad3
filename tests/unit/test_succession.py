"""What holds when people come and go on an account: seats, vacancies, hand-overs, and what SQL keeps of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy import insert, select
from temporalio.client import Client
from temporalio.service import RPCStatusCode

from rapport.mail.context import AccountContext
from rapport.model.account import (
    Account,
    AccountFile,
    Contact,
    Facts,
    Figures,
    Role,
    Schedule,
    WrittenContact,
    personas,
)
from rapport.model.base import Refused, UserError
from rapport.model.ids import handover_id
from rapport.model.reading import read_toml
from rapport.model.task import Holder, Seat
from rapport.rules import audience, onboarding
from rapport.rules.delegation import handed_over, refresh, seats_for
from rapport.settings import Settings
from rapport.storage import account, imports, succession
from rapport.storage.database import Store
from rapport.storage.tables import TaskRow, TimelineRow
from starters.services import Services
from starters.use_cases.succession import Newcomer, Successor, add_contact, replace_contact
from tests.helpers_mail import NOW
from tests.mail_fixtures import EXAMPLE
from tests.unit.test_delegation import company, who
from tests.unit.test_member import OPEN_TASK, TAM, Silent, by

TEAM = ("m_tam", "m_new", "m_ines", "m_kim")
KEY = "versayce"


@given(
    st.lists(st.sampled_from(("m_tam", "m_ines", "m_kim", "role:ce")), min_size=1, unique=True),
    st.sampled_from(TEAM),
    st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_a_hand_over_moves_the_seat_of_the_tam_alone(assignees: list[str], to: str, decided: bool) -> None:
    """No seat comes, goes or changes its id; only the TAM's finds another owner, unless it is filled already."""
    people_ = company(*(who(member) for member in TEAM), who("m_ce", Role.CE))
    before = tuple(
        seat.model_copy(update={"of_tam": seat.id == "m_tam"}) for seat in seats_for(assignees, people_, None, NOW)
    )
    filled = ("m_tam",) if decided else ()
    after = refresh(handed_over(before, to, filled), people_, None, NOW, decided=filled)
    assert [seat.id for seat in after] == [seat.id for seat in before]
    owners = [seat.owner for seat in after if seat.owner is not None]
    assert len(set(owners)) == len(owners)
    for old, new in zip(before, after, strict=True):
        moves = old.of_tam and not decided and to not in {seat.owner for seat in before}
        assert new.owner == (to if moves else old.owner)
        if moves:
            assert [holder.member for holder in new.holders] == [to]


def test_whoever_helped_the_former_tam_helps_no_more() -> None:
    """A backup whom the ladder added stays with the silent TAM, and does not follow the account."""
    helped = Seat(
        id="m_tam",
        owner="m_tam",
        of_tam=True,
        holders=(Holder(member="m_tam"), Holder(member="m_kim", via="backup", escalated=True)),
    )
    people_ = company(*(who(member) for member in TEAM))
    (seat,) = refresh(handed_over((helped,), "m_new"), people_, None, NOW)
    assert [holder.member for holder in seat.holders] == ["m_new"]


def contact(number: int, persona: str) -> Contact:
    """Somebody with a persona."""
    return Contact(
        id=f"c_{number}",
        account=KEY,
        personas=(persona,),
        name="Ada",
        email=f"a{number}@b.example",
        schedule=Schedule(zone="UTC"),
    )


@given(st.lists(st.sampled_from(sorted(personas()))), st.sets(st.sampled_from(sorted(personas()))))
def test_lost_is_what_somebody_had_and_nobody_has(having: list[str], gone: set[str]) -> None:
    """What nobody holds is unheld, what of it somebody held is lost; and then a wait has words and a way out."""
    there = [contact(number, persona) for number, persona in enumerate(having)]
    known = Account(key=KEY, name="A", tam="m_1", facts=Facts(), figures=Figures(), held=(*gone, *having))
    vacancies = audience.lost(there, known)
    assert set(audience.unheld(there)) == set(personas()) - set(having)
    assert set(vacancies) == gone - set(having)
    if vacancies:
        wait = audience.wait_for_successor(KEY, vacancies, None)
        assert wait.on == ("tam",)
        assert (wait.what or "").startswith("held: nobody is ")
        assert f"--persona {vacancies[0]}" in (wait.unblock or "")


def test_only_what_needs_whoever_has_left_is_held() -> None:
    """While nobody follows the champion, what needs one waits; who is optional holds nothing, and nobody holds a task
    of the vendor's own."""
    from rapport.playbooks import load

    steps = onboarding.laid_out(load("enterprise"), (), NOW)
    held = onboarding.held(steps, ("primary_champion",), ("primary_champion",))
    assert held == {"kickoff", "renewal_value", "rollout_planning", "training_plan", "weekly"}
    assert onboarding.held(steps, ("key_business_contact",), ("key_business_contact",)) == set()
    assert onboarding.held(steps, (), ()) == set()


def test_what_an_account_never_had_is_gone_without_or_waited_for_as_the_playbook_says() -> None:
    """Nine developers and nobody else start; only the review with the primary user waits for one, once it is due."""
    from rapport.playbooks import load

    steps = onboarding.laid_out(load("enterprise"), (), NOW)
    unheld = ("primary_champion", "primary_user", "key_business_contact")
    assert onboarding.held(steps, unheld, ()) == {"deployment_review"}
    assert onboarding.vacant(steps, unheld, (), NOW) == ()
    steps["deployment_review"] = steps["deployment_review"].model_copy(update={"due": NOW})
    assert onboarding.vacant(steps, unheld, (), NOW) == ("primary_user",)
    assert audience.is_for_nobody(steps["qbr"].definition, unheld)
    assert not audience.is_for_nobody(steps["kickoff"].definition, unheld)


def example() -> AccountFile:
    """The example's file."""
    return read_toml(AccountFile, EXAMPLE.read_bytes(), "versayce.toml")


async def test_a_file_names_the_regular_tam_while_somebody_stands_in(store: Store) -> None:
    """Importing an account again during a hand-over changes to whom it goes back, not who serves it."""
    until = NOW + timedelta(days=7)
    async with store.writing() as connection:
        robin = (await account.account(connection, KEY)).tam
        members = {member.email: member.id for member in await account.members(connection)}
        ines = members["ines.moreau@foobar.example"]
        await succession.hand_over(connection, KEY, ines, robin, until)
        await imports.save(connection, example(), NOW)
        found = await account.account(connection, KEY)
        assert (found.tam, found.regular_tam, found.tam_until) == (ines, robin, until)
        assert (found.tam_at(until - timedelta(seconds=1)), found.tam_at(until)) == (ines, robin)
        await succession.hand_over(connection, KEY, ines)
        await imports.save(connection, example(), NOW)
        found = await account.account(connection, KEY)
        assert (found.tam, found.regular_tam, found.tam_until) == (robin, None, None)


async def test_an_account_goes_back_once_and_not_too_early(store: Store) -> None:
    """Before its time nothing goes back; after it, once, with one entry, however often it is tried."""
    until = NOW + timedelta(days=7)
    key = handover_id(KEY, until)
    async with store.writing() as connection:
        robin = (await account.account(connection, KEY)).tam
        ines = next(member.id for member in await account.members(connection) if member.name == "Ines Moreau")
        await succession.hand_over(connection, KEY, ines, robin, until)
        assert await succession.hand_back(connection, KEY, key, until - timedelta(minutes=1)) == (None, None)
        for _ in range(2):
            assert await succession.hand_back(connection, KEY, key, until) == (robin, ines)
        assert (await account.account(connection, KEY)).tam == robin
        kinds = list(await connection.scalars(select(TimelineRow.kind).where(TimelineRow.account == KEY)))
    assert kinds == ["account.handed_back"]


async def test_without_a_champion_the_last_one_s_calendar_counts(store: Store) -> None:
    """An account whose champion has left still has a calendar, that of the one who left last."""
    async with store.writing() as connection:
        never_held = set(audience.unheld((await AccountContext.read(connection, KEY)).contacts.values()))
        known = await succession.everyone(connection, KEY)
        champion = next(one for one in known if "primary_champion" in one.personas)
        await account.contacts_left(connection, [champion.id], NOW)
        nora = WrittenContact(
            personas=("primary_champion",), name="Nora Vidal", email="nora@versayce.example", zone="Asia/Tokyo"
        )
        came = await succession.join(connection, KEY, nora, champion.position, None)
        assert (await AccountContext.read(connection, KEY)).champion.id == came
        await account.contacts_left(connection, [came], NOW + timedelta(days=1))
        alone = await AccountContext.read(connection, KEY)
        assert alone.champion.schedule.zone == "Asia/Tokyo"
        assert alone.person(came) is None
        assert set(audience.unheld(alone.contacts.values())) == never_held | {"primary_champion"}
        leaving = await AccountContext.read(connection, KEY, leaving=[champion.id])
        assert leaving.person(champion.id) is None
        assert (person := leaving.leaver(champion.id)) is not None
        assert person.name == "Luca Bianchi"
        again = await succession.join(connection, KEY, nora, champion.position, came)
        assert again == came


@pytest.mark.parametrize("hour", [0, 23])
def test_the_name_of_a_hand_over_says_account_and_end(hour: int) -> None:
    """Two hand-overs of an account that end at the same minute are one workflow."""
    until = datetime(2026, 12, 24, hour, 0, tzinfo=UTC)
    assert handover_id(KEY, until) == f"hand-over/versayce/2026-12-24T{hour:02}:00Z"


async def test_what_temporal_was_not_told_is_told_on_the_repetition(store: Store, tmp_path: Path) -> None:
    """Without Temporal a replacement is on record and says what is missing; the same command again is no second one."""
    services = Services(Settings(data=tmp_path), store, cast("Client", Silent(RPCStatusCode.UNAVAILABLE)))
    back = Services(Settings(data=tmp_path), store, cast("Client", Silent(RPCStatusCode.NOT_FOUND)))
    async with store.writing() as connection:
        await connection.execute(insert(TaskRow).values(**OPEN_TASK))
    follows = Successor(
        persona="primary_champion", name="Nora Vidal", email="nora@versayce.example", reason="She follows"
    )
    with pytest.raises(UserError, match="on record") as refused:
        await replace_contact(services, KEY, follows, by(TAM))
    assert refused.value.kind is Refused.UNREACHABLE
    assert "repeat" in refused.value.fix
    again = await replace_contact(back, KEY, follows, by(TAM))
    assert (again.changed, again.what) == (False, "Nora Vidal is primary champion already")
    async with store.reading() as connection:
        kinds = list(await connection.scalars(select(TimelineRow.kind).where(TimelineRow.account == KEY)))
    assert kinds == ["contact.replaced"]


async def test_an_address_that_others_need_is_refused(store: Store, tmp_path: Path) -> None:
    """Whoever has another persona, or works for the vendor, follows nobody; of several, somebody has to be named."""
    services = Services(Settings(data=tmp_path), store, cast("Client", None))
    told = {"name": "Nora Vidal", "reason": "She follows"}
    for given_, field in (
        ({"persona": "primary_champion", "email": "mara.osei@versayce.example"}, "email"),
        ({"persona": "primary_champion", "email": TAM}, "email"),
        ({"persona": "secondary_user", "email": "n@versayce.example", "former": TAM}, "former"),
    ):
        with pytest.raises(UserError) as refused:
            await replace_contact(services, KEY, Successor.model_validate({**told, **given_}), by(TAM))
        assert refused.value.field == field
    second = {"persona": "secondary_user", "name": "Kim", "email": "kim@versayce.example", "zone": "UTC", "reason": "-"}
    assert (await add_contact(services, KEY, Newcomer.model_validate(second), by(TAM))).changed
    follows = {**told, "persona": "secondary_user", "email": "n@versayce.example"}
    with pytest.raises(UserError, match="2 have it"):
        await replace_contact(services, KEY, Successor.model_validate(follows), by(TAM))
    named = Successor.model_validate({**follows, "former": "KIM@versayce.example"})
    change = await replace_contact(services, KEY, named, by(TAM))
    assert {person.email for person in change.account.contacts if person.role == "Secondary user"} == {
        "jonas.lindqvist@versayce.example",
        "n@versayce.example",
    }
