"""When a contract's onboarding begins, and which contracts are asked about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from rapport.model.account import Schedule, SignedContract
from rapport.model.base import UserError
from rapport.rules import contract as rules
from rapport.rules.calendar import is_business_day, next_working_instant
from tests.unit.test_calendar import instants, schedules

ZURICH = Schedule(zone="Europe/Zurich", country="CH", subdivision="ZH")
NOW = datetime(2026, 11, 30, 16, tzinfo=UTC)
SIGNED = datetime(2026, 3, 27, 9, tzinfo=UTC)


@dataclass(frozen=True)
class Started:
    """A contract of the same account that was started before."""

    id: str
    product: str | None
    is_open: bool


def contract(signed_at: datetime, starts: date | None = None) -> SignedContract:
    """A contract of these days."""
    return SignedContract(id="C-1", signed_at=signed_at, starts=starts)


@given(
    signed_at=instants,
    starts=st.none() | st.dates(date(2025, 1, 1), date(2029, 12, 31)),
    now=instants,
    who=schedules(),
)
def test_a_contract_begins_on_its_first_day_and_not_before(
    signed_at: datetime, starts: date | None, now: datetime, who: Schedule
) -> None:
    """Whatever was signed when: a first day to come is waited for to its first working hour, one that has come is not;
    and it is asked about exactly where it counts since more than 60 days, or from more than two years ahead."""
    written = contract(signed_at, starts)
    zone = ZoneInfo(who.zone)
    first, today = rules.first_day(written, who.zone), now.astimezone(zone).date()
    assert first == max(one for one in (starts, signed_at.astimezone(zone).date()) if one is not None)
    begins = rules.begins(written, now, who)
    assert (begins is None) == (first <= today)
    if begins is not None:
        assert begins > now
        assert begins == next_working_instant(begins, who)
        day = begins.astimezone(zone).date()
        assert day >= first
        between = (first + timedelta(days=ahead) for ahead in range((day - first).days))
        assert not any(is_business_day(one, who) for one in between)
    doubt = rules.doubt(written, now, who)
    assert (doubt is None) == (-731 <= (today - first).days <= 60)


@pytest.mark.parametrize(
    ("written", "field", "problem"),
    [
        (contract(SIGNED), "contract.signed_at", "was signed on 2026-03-27, 248 days ago"),
        (contract(SIGNED, date(2026, 4, 1)), "contract.starts", "started on 2026-04-01, 243 days ago"),
        (contract(NOW, date(2062, 12, 1)), "contract.starts", "is on 2062-12-01, 13150 days ahead"),
    ],
)
def test_what_is_asked_about_a_contract_names_the_field_and_the_day(
    written: SignedContract, field: str, problem: str
) -> None:
    """Whoever is asked reads which day it is, and what to say."""
    doubt = rules.doubt(written, NOW, ZURICH)
    assert doubt is not None
    assert (doubt.field, doubt.problem) == (field, problem)
    assert ("--at STEP" in doubt.fix) == ("ago" in problem)


def test_a_contract_that_was_signed_long_ago_and_starts_today_is_plain() -> None:
    """Contracts are signed months ahead: what counts is the start."""
    assert rules.doubt(contract(SIGNED, date(2026, 11, 30)), NOW, ZURICH) is None


PRODUCTS = st.sampled_from((None, "Monitoring", "monitoring", "Tracing"))
FORMER = st.lists(st.builds(Started, st.sampled_from("ABCDEF"), PRODUCTS, st.booleans()), unique_by=lambda one: one.id)


@given(others=FORMER, product=PRODUCTS, renews=st.none() | st.sampled_from("ABCDEFX"))
def test_which_contract_another_renews(others: list[Started], product: str | None, renews: str | None) -> None:
    """The one that it names, and nothing else; else the last of the same product, but for one that says nothing of
    itself while that still begins; whoever names one that there is not, is told."""
    written = SignedContract(id="NEW", signed_at=NOW, product=product, renews=renews)
    known = [one.id for one in others]
    if renews is not None and renews not in known:
        with pytest.raises(UserError, match="no contract"):
            rules.renewed(written, others, "Monitoring")
        return
    found = rules.renewed(written, others, "Monitoring")
    if renews is not None:
        assert found == renews
        return
    same = [one for one in others if (one.product or "Monitoring").lower() == (product or "Monitoring").lower()]
    beside = product is None and any(one.is_open for one in same)
    assert found == (same[-1].id if same and not beside else None)
