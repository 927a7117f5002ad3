"""Who is asked where the customer decides, and when they are followed up; of whom enough is known."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from temporalio.testing import ActivityEnvironment

from activities.task import Knowing, Reseating, Seated, Seating, Tasks
from rapport.model.account import AccountFile
from rapport.model.reading import read_toml
from rapport.storage import imports
from rapport.storage.database import Store
from tests.helpers_mail import company_of, having
from tests.mail_fixtures import EXAMPLE

MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
CHAMPION = "contact:primary_champion"


async def seat(store: Store, persona: str = CHAMPION) -> Seated:
    """Ask whoever has a persona, on a Monday morning."""
    question = Seating(
        account="versayce", assign=(persona,), rule="customers", requester=None, deadline=None, now=MONDAY
    )
    return await ActivityEnvironment().run(Tasks(store).seat, question)


async def import_without(store: Store, email: str) -> None:
    """Somebody leaves the account."""
    file = read_toml(AccountFile, EXAMPLE.read_bytes(), "versayce.toml")
    contacts = tuple(contact for contact in file.contacts if contact.email != email)
    async with store.writing() as connection:
        await imports.save(connection, file.model_copy(update={"contacts": contacts}), MONDAY)


async def test_the_champion_is_followed_up_in_their_own_hours(store: Store) -> None:
    """The champion holds the seat, reminders come on their working days, and whoever is told is the TAM."""
    seated = await seat(store)
    company = await company_of(store)
    [only] = seated.seats
    assert [holder.member for holder in only.holders] == [having(company, "primary_champion")]
    assert seated.managers == {CHAMPION: company.account.tam}
    assert [rung.kind for rung in seated.rungs] == ["remind", "remind", "manager", "timeout"]
    local = [rung.at.astimezone(ZoneInfo("Europe/Zurich")) for rung in seated.rungs]
    assert [f"{at:%a %d %b}" for at in local] == ["Wed 25 Nov", "Fri 27 Nov", "Mon 30 Nov", "Mon 07 Dec"]
    assert seated.deadline == seated.rungs[-1].at
    assert seated.next_change is None


async def test_an_empty_seat_waits_in_the_tams_calendar(store: Store) -> None:
    """Where nobody has the persona any more, nobody holds the seat, time goes on, and the TAM is who is told."""
    before = await seat(store, "contact:secondary_user")
    await import_without(store, "jonas.lindqvist@versayce.example")
    question = Reseating(
        account="versayce",
        rule="customers",
        requester=None,
        seats=before.seats,
        decided=(),
        deadline=before.deadline,
        now=MONDAY,
    )
    after = await ActivityEnvironment().run(Tasks(store).reseat, question)
    assert [seat.holders for seat in after.seats] == [()]
    assert [rung.kind for rung in after.rungs] == ["remind", "remind", "manager", "timeout"]
    assert after.managers == {"contact:secondary_user": (await company_of(store)).account.tam}


async def test_what_nobody_recorded_is_told_by_person(store: Store) -> None:
    """Of everyone of the personas, in the account's order, what is missing of what a mail needs."""
    question = Knowing(
        account="versayce",
        personas=("primary_user", "secondary_user"),
        facts=("languages", "deployment"),
    )
    everyone = await ActivityEnvironment().run(Tasks(store).known, question)
    company = await company_of(store)
    assert [(one.contact, one.missing) for one in everyone.contacts] == [
        (having(company, "primary_user"), ("languages",)),
        (having(company, "secondary_user"), ("deployment",)),
    ]
