"""A year of a TAM's book of twelve random accounts: what has to hold of everyone's time, and of each mail's words."""

from __future__ import annotations

import pytest

from rapport.mail import emails
from rapport.model.account import attention_budget
from rapport.model.message import MessageRequest, Weight
from tests.support import wall
from tests.support.book_year import begun
from tests.support.oracle import Row
from tests.support.random_book import book


def is_nice(row: Row) -> bool:
    """Whether a mail would merely have been nice to have, so that a full month keeps it from its reader."""
    return emails.weight_of(MessageRequest.model_validate_json(row["occasion"])) is Weight.NICE


# A year begins today, so that one seed is another book each day, and what it finds is no fault of the day's change.
@pytest.mark.longest
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", range(5))
async def test_a_year_of_a_book(seed: int) -> None:
    """Whoever answers, late, or never, and whoever comes, leaves, or is away.

    No member is in two places, or anywhere in an absence, on a weekend or a holiday; no contact gets more than their
    budget; no wait is without somebody who can end it; nobody who has left has a task; and no mail says what is not so.
    """
    async with begun(book(seed)) as year:
        await year.live()
        for mail in year.witness.judged:
            mail.settle()
        said = [f"{mail.key}, {mail.at}: {line}" for mail in year.witness.judged for line in mail.false]
        places = list(wall.faults(year))
        waits = sorted({f"{one.where}: {one.what}, since {at}" for at, one in year.adrift})
        tasks = sorted({f"{task}: {who}" for _, task, who in year.left_with})
        over = year.record.over_budget(attention_budget, is_nice)
    assert len(year.witness.judged) > 500
    assert said == []
    assert places == []
    assert over == []
    assert waits == []
    assert tasks == []
