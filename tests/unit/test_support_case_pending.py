"""Cases that are on record and never began."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from rapport.model.support_case import WrittenCase
from rapport.storage import account, support_case
from rapport.storage.database import Store
from rapport.storage.support_case_tables import CaseRow
from rapport.storage.timeline import submit
from starters.services import Actor, submission
from tests.mail_fixtures import empty, imported, store
from tests.support.desk_days import NOW

__all__ = ["empty", "imported", "store"]


async def test_a_case_that_never_began_is_found_until_it_tells_of_itself(store: Store) -> None:
    """What was put on record before an instant and has told nothing is pending; what is younger or has told is not."""
    by = Actor(email="tam@foobar.example", channel="cli")
    async with store.writing() as connection:
        contact = (await account.contacts(connection, "versayce"))[0].id
        refs = []
        for ago in (10, 5, 0):
            said = submission("m", by, "case.open", "case", "How?")
            await submit(connection, said)
            written = WrittenCase(account="versayce", question="How?")
            at = NOW - timedelta(minutes=ago)
            refs.append(await support_case.add(connection, written, contact, said.id, "m", at))
        before = NOW - timedelta(minutes=1)
        assert [case.ref for case in await support_case.pending(connection, before)] == refs[:2]
        await connection.execute(update(CaseRow).where(CaseRow.ref == refs[0]).values(projected=1))
        assert [case.ref for case in await support_case.pending(connection, before)] == refs[1:2]
