"""What a mail may claim, and what is said of it where it is not so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from rapport.mail import claims as mail_claims, emails
from rapport.rules import claims
from rapport.rules.claims import CLAIMS, CaseNow, MeetingNow, ReviewNow, StepNow, TaskNow

FACTS: dict[str, list[Any]] = {
    "task": [TaskNow(), TaskNow(closed=True), TaskNow(changed=True), TaskNow(decided=True)],
    "meeting": [
        MeetingNow(),
        MeetingNow(settled=True),
        MeetingNow(canceled=True),
        MeetingNow(replaced=True),
        MeetingNow(replied=True),
        MeetingNow(over=True),
        MeetingNow(reported=True),
        MeetingNow(step=StepNow(taken_back=True)),
        MeetingNow(step=StepNow(ended=True)),
    ],
    "step": [StepNow(), StepNow(taken_back=True), StepNow(ended=True)],
    "kickoff": [True, False],
    "case": [
        CaseNow(),
        CaseNow(resolved=True),
        CaseNow(owned_as_told=False),
        CaseNow(answered=True),
        CaseNow(waiting=False),
        CaseNow(customer_replied=True),
    ],
    "review": [
        *(ReviewNow(), ReviewNow(withdrawn=True), ReviewNow(changed=True), ReviewNow(decided=True)),
        ReviewNow(replaced=True),
    ],
    "date": [True, False],
    "unproposed": [True, False],
    "next_date": [True, False],
    "account": [True, False],
    "erasure": [True, False],
}


def test_every_claim_can_be_asked_and_can_be_false() -> None:
    """For each claim the record is read, some record speaks against it, and some does not."""
    assert set(mail_claims._FACTS) == set(FACTS) == {claim.of for claim in CLAIMS.values()}
    for name, claim in CLAIMS.items():
        held = {not claims.false([name], {claim.of: fact}) for fact in FACTS[claim.of]}
        assert held == {True, False}, name
        assert claim.why


@given(st.lists(st.sampled_from(sorted(CLAIMS)), unique=True))
def test_what_is_not_on_record_speaks_against_nothing(names: list[str]) -> None:
    """Without facts every claim may be so, and each kind of fact is asked for once."""
    assert claims.false(names, {}) == []
    needed = claims.needed(names)
    assert len(needed) == len(set(needed))
    assert set(needed) == {CLAIMS[name].of for name in names}


@pytest.mark.parametrize("name", sorted(emails.names()))
def test_a_mail_claims_what_there_is(name: str) -> None:
    """Every claim of a mail and of its blocks is one that can be asked; what it claims as a whole no block repeats."""
    whole, blocks = emails.claims(name), emails.block_claims(name)
    assert {*whole, *blocks} <= set(CLAIMS)
    assert not set(whole) & set(blocks)


@pytest.mark.parametrize("name", ["welcome", "growth_welcome"])
def test_a_welcome_claims_nothing_as_a_whole(name: str) -> None:
    """A welcome is a greeting first: its times claim that they are open, or are to come, and it goes without them."""
    assert emails.claims(name) == ()
    assert set(emails.block_claims(name)) == {"times_open", "not_booked", "not_proposed"}
