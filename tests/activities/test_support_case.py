"""What cases and their desk ask of their activities: when a promise falls due, and who gets a case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from activities.support_case import Support
from rapport import support_rules
from rapport.model.account import AccountFile, Role
from rapport.model.reading import read_toml
from rapport.model.support_case import Assigned, Assigning, CaseClock, Outlook, QueuedCase, WrittenCase
from rapport.storage import account, imports, support_case
from rapport.storage.database import Store
from rapport.storage.tables import MemberRow
from tests.conftest import DESK
from tests.helpers_mail import NOW
from tests.mail_fixtures import EXAMPLE
from tests.support.desk import SAM, crew

ZURICH_WINTER, ZURICH_SUMMER = timedelta(hours=1), timedelta(hours=2)


def support_on(store: Store, folder: Path) -> Support:
    """The activities, at a desk from eight to six in Zurich; nobody is paged."""
    (folder / "support.toml").write_text(DESK)
    return Support(store, support_rules.load(folder), httpx.AsyncClient(), None, "http://127.0.0.1")


@pytest.mark.parametrize(
    ("friday", "monday", "before", "after"),
    [
        (datetime(2027, 3, 26), datetime(2027, 3, 29), ZURICH_WINTER, ZURICH_SUMMER),  # noqa: DTZ001 - wall times
        (datetime(2026, 10, 23), datetime(2026, 10, 26), ZURICH_SUMMER, ZURICH_WINTER),  # noqa: DTZ001 - wall times
    ],
)
async def test_a_promise_goes_by_the_desks_wall_clock_over_a_change_of_it(
    store: Store, tmp_path: Path, friday: datetime, monday: datetime, before: timedelta, after: timedelta
) -> None:
    """What has an hour left on Friday evening has the rest on Monday from eight, whichever way clocks were changed."""
    desk = support_on(store, tmp_path)
    since = (friday + timedelta(hours=17) - before).replace(tzinfo=UTC)
    asked = Outlook(account="versayce", clock=CaseClock(since=since), severity=2, owner=None, now=since)
    promised = desk.rules.promise(2).first_answer
    assert timedelta(hours=1) < promised < timedelta(hours=10)
    due = (monday + timedelta(hours=8 - 1) + promised - after).replace(tzinfo=UTC)
    assert (await desk.outlook(asked)).due == due


async def assigned(store: Store, folder: Path, wanted: str) -> Assigned:
    """The desk's word on a case that is to go to somebody by hand, on a Tuesday at eleven."""
    now = datetime(2026, 11, 24, 10, tzinfo=UTC)
    case = QueuedCase(ref="C-00001", account="versayce", area="general", severity=3, turn=1, since=now, wanted=wanted)
    (word,) = (
        await support_on(store, folder).assign(Assigning(desk="support", waiting=(case,), loads={}, now=now))
    ).words
    return word


@pytest.mark.parametrize(
    "change", [{"left_at": NOW}, {"roles": [Role.SUPPORT_ENGINEER, Role.ENGINEERING]}, {"roles": [Role.TAM]}]
)
async def test_who_was_named_by_hand_and_may_have_no_case_any_more_gets_none(
    store: Store, tmp_path: Path, change: dict[str, object]
) -> None:
    """Whoever left, or went to engineering, between the word and the desk's turn gets nothing; a colleague does."""
    async with store.writing() as connection:
        await imports.save_members(connection, crew())
        sam = await account.member_by_email(connection, SAM)
        await imports.save(connection, read_toml(AccountFile, EXAMPLE.read_bytes(), "versayce.toml"), NOW)
        contact = (await account.contacts(connection, "versayce"))[0]
        written = WrittenCase(account="versayce", question="How?")
        assert await support_case.add(connection, written, contact.id, "s", contact.id, NOW) == "C-00001"
    assert sam is not None
    assert (await assigned(store, tmp_path, sam.id)).member == sam.id
    async with store.writing() as connection:
        await connection.execute(update(MemberRow).where(MemberRow.id == sam.id).values(**change))
    word = await assigned(store, tmp_path, sam.id)
    assert word.member not in (None, sam.id)
    assert word.reason != "chosen by hand"
