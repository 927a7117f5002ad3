"""What the terminal shows of a technical review."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from starters.cli import tech_review
from starters.cli.common import out
from starters.views.tech_review import ReviewShown, RoundShown

AT = datetime(2027, 3, 1, 8, tzinfo=UTC)


def test_the_zone_of_the_day_on_which_it_comes_back_keeps_its_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    """UTC is no word."""
    no_design: dict[str, Any] = {"design_link": None}
    given: dict[str, Any] = dict.fromkeys(ReviewShown.model_fields) | {
        "ref": "TR-0001",
        "title": "Updates",
        "account_name": "Versayce",
        "ask": "non_standard_requirement",
        "stage": "pre_trial",
        "by": "Tomas Novak",
        "round": 1,
        "needed_by": AT,
        "asked": (),
        "rounds": (RoundShown.model_construct(**no_design),),
        "remarks": (),
        "conditions": (),
        "asks": (),
        "phase": "revisit",
        "outcome": "approved",
        "revisit": AT,
    }
    monkeypatch.setattr(tech_review, "when", lambda at: f"{at:%Y-%m-%d %H:%M} UTC")
    with out.capture() as told:
        tech_review._print(ReviewShown.model_construct(**given))
    assert "Approved, comes back 2027-03-01 08:00 UTC" in told.get()
