"""Who holds a persona at an account, and what that means for whoever has several of them."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given, strategies as st
from temporalio.client import Client
from temporalio.service import RPCStatusCode

from rapport.mail import emails
from rapport.mail.compose import Person
from rapport.mail.context import AccountContext
from rapport.model.account import (
    Contact,
    Schedule,
    WrittenContact,
    allowed_topics,
    attention_budget,
    in_order,
    personas,
)
from rapport.model.base import UserError
from rapport.model.reading import check
from rapport.rules import audience
from rapport.settings import Settings
from rapport.storage import account, succession
from rapport.storage.database import Store
from starters.services import Services
from starters.use_cases.succession import Newcomer, Successor, add_contact, replace_contact
from tests.unit.test_member import TAM, Silent, by

NAMES = sorted(personas())
some = st.sets(st.sampled_from(NAMES), min_size=1)


def contact(number: int, held: set[str]) -> Contact:
    """Somebody with these personas."""
    return Contact(
        id=f"c_{number}",
        account="versayce",
        personas=in_order(held),
        name="Ada",
        email=f"a{number}@b.example",
        schedule=Schedule(zone="UTC"),
    )


@given(st.lists(some, max_size=6), st.sets(st.sampled_from(NAMES)))
def test_whoever_is_asked_for_is_found_once(people: list[set[str]], wanted: set[str]) -> None:
    """Everyone with a wanted persona is found, once, in the account's order; a lone contact for any persona."""
    contacts = audience.alone([contact(number, held) for number, held in enumerate(people)])
    found = [one.id for one in audience.holding(wanted, contacts)]
    alone = len(people) == 1
    assert found == [f"c_{number}" for number, held in enumerate(people) if held & wanted or (alone and wanted)]


@given(some)
def test_a_lone_contact_reads_no_more_than_before(held: set[str]) -> None:
    """Who stands for everyone is asked as everyone, and still reads, and gets, what their own personas allow."""
    [one] = audience.alone([contact(0, held)])
    assert set(one.asked_as) == set(personas())
    assert one.asked_as[: len(held)] == one.personas == in_order(held)
    person = AccountContext._person(cast("AccountContext", None), one, one.id)
    assert person is not None
    assert (person.personas, person.reads_as) == (one.asked_as, in_order(held))


@given(some)
def test_several_personas_share_the_strictest_budget_and_what_any_may_read(held: set[str]) -> None:
    """No persona's budget is passed by way of another; a topic is theirs where one of them has it."""
    assert attention_budget(held) == min(personas()[one].messages_a_month for one in held)
    assert allowed_topics(held) == {topic for one in held for topic in personas()[one].topics}


@given(some, st.sampled_from(sorted(emails.names())))
def test_an_email_speaks_to_a_person_as_somebody_whom_it_is_for(held: set[str], name: str) -> None:
    """Whoever may get an email is spoken to as one of its readers, whatever else they are."""
    person = Person("Ada", "ada@b.example", personas=in_order(held)).asked_as(emails.audience(name))
    if emails.is_for(name, *held):
        assert emails.is_for(name, *person.personas[:1])
        assert emails.is_for(name, person.persona or "")


def test_a_persona_is_written_as_one_or_as_a_list() -> None:
    """A file may give one persona by its name, or several; the order of the file does not matter, nor repetition."""
    given_ = {"name": "Ada", "email": "a@b.example", "zone": "UTC"}
    one = check(WrittenContact, {**given_, "persona": "primary_user"}, "")
    two = check(WrittenContact, {**given_, "personas": ["key_business_contact", "primary_champion"] * 2}, "")
    assert (one.personas, two.personas) == (("primary_user",), ("primary_champion", "key_business_contact"))
    assert check(WrittenContact, two.model_dump(), "") == two


@pytest.mark.parametrize("wrong", [{"personas": []}, {"persona": "boss"}, {"personas": ["primary_user", "boss"]}, {}])
def test_a_contact_without_a_known_persona_is_refused(wrong: dict[str, object]) -> None:
    """No persona at all, and one that there is not, are refused with the field."""
    with pytest.raises(UserError, match="persona"):
        check(WrittenContact, {"name": "Ada", "email": "a@b.example", "zone": "UTC", **wrong}, "")


def services(store: Store) -> Services:
    """Use cases on a store, where no workflow listens."""
    return Services(Settings(), store, cast("Client", Silent(RPCStatusCode.NOT_FOUND)))


async def held(store: Store) -> dict[str, tuple[str, ...]]:
    """Who is a contact, and as what."""
    async with store.reading() as connection:
        return {one.name: one.personas for one in await account.contacts(connection, "versayce")}


async def test_a_contact_takes_on_another_persona_and_passes_one_on(store: Store) -> None:
    """The champion becomes the business contact too; who follows them in one of the two leaves them the other."""
    before = await held(store)
    luca = next(one for one in await everyone(store) if "primary_champion" in one.personas)
    dana = next(one for one in await everyone(store) if "key_business_contact" in one.personas)
    takes = Successor(persona="key_business_contact", name=luca.name, email=luca.email, reason="Dana has left")
    change = await replace_contact(services(store), "versayce", takes, by(TAM))
    assert change.changed
    after = await held(store)
    assert after == {name: personas_ for name, personas_ in before.items() if name != dana.name} | {
        luca.name: ("primary_champion", "key_business_contact")
    }
    follows = Successor(persona="primary_champion", name="Nora Vidal", email="nora@versayce.example", reason="Hired")
    assert (await replace_contact(services(store), "versayce", follows, by(TAM))).changed
    assert not (await replace_contact(services(store), "versayce", follows, by(TAM))).changed
    after = await held(store)
    assert after[luca.name] == ("key_business_contact",)
    assert after["Nora Vidal"] == ("primary_champion",)


async def test_an_address_is_one_person_s(store: Store) -> None:
    """A persona is added to a contact by their own name alone: a slip in the address gives it to nobody else."""
    jonas = next(one for one in await everyone(store) if "secondary_user" in one.personas)
    known = await held(store)
    other = Newcomer(personas=("secondary_user",), name="Kim Other", email=jonas.email, zone="UTC", reason="Joined")
    assert (
        await add_contact(services(store), "versayce", other.model_copy(update={"name": jonas.name}), by(TAM))
    ).changed is False
    with pytest.raises(UserError, match=f"belongs to {jonas.name}, secondary user here"):
        await add_contact(services(store), "versayce", other.model_copy(update={"personas": NAMES[:1]}), by(TAM))
    assert await held(store) == known


async def everyone(store: Store) -> list[succession.ContactRecord]:
    """All contacts on record."""
    async with store.reading() as connection:
        return await succession.everyone(connection, "versayce")
