"""What may be proposed as a meeting beside the playbook."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings, strategies as st

from rapport.mail.context import AccountContext
from rapport.model.account import personas
from rapport.model.base import UserError
from rapport.model.step import MOST_EARLIEST, MOST_LATEST
from rapport.storage.database import Store
from starters.use_cases.meeting_proposals import FIRST, MeetingWanted, _step

_DAYS = st.builds("{}-{}".format, st.integers(0, 120), st.integers(0, 120)) | st.integers(0, 99).map(str)


async def test_whatever_is_proposed_is_a_meeting_or_a_refusal_of_its_fields(store: Store) -> None:
    """No days, minutes or people of an account are an error of ours, also of somebody who has several personas."""
    async with store.reading() as connection:
        company = await AccountContext.read(connection, "versayce")
    everyone = [one.model_copy(update={"personas": tuple(personas())}) for one in company.contacts.values()]
    people = [*personas(), *(one.email for one in everyone)]

    @settings(deadline=None)
    @given(
        days=_DAYS,
        minutes=st.integers(15, 480),
        asked=st.lists(st.sampled_from(people), min_size=1, max_size=4, unique=True),
        all_of_all=st.booleans(),
    )
    def proposed(days: str, minutes: int, asked: list[str], *, all_of_all: bool) -> None:
        there = replace(company, contacts={one.id: one for one in everyone}) if all_of_all else company
        wanted = MeetingWanted.model_validate({"title": "CI", "minutes": minutes, "days": days, "with": asked})
        try:
            step = _step(wanted, there)
        except UserError as refusal:
            for one in (refusal, *refusal.others):
                assert one.field == "days" or one.field == "minutes" or one.field.startswith("with[")
            return
        assert FIRST <= step.earliest <= step.latest
        assert (step.earliest <= MOST_EARLIEST, step.latest <= MOST_LATEST, step.minutes) == (True, True, minutes)

    proposed()
