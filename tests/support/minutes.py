"""A kickoff that was booked and has begun, and minutes of it, as people write them."""

from __future__ import annotations

from typing import Any, Final

from rapport.model.minutes import Minutes
from rapport.model.reading import check, read_toml
from rapport.storage import contracts
from starters.commands import meetings
from tests.conftest import CHAMPION, ROOT, TAM, USER, Town
from tests.support.kickoff import begin, in_phase, vote

COLLEAGUE: Final = "tomas.novak@foobar.example"
PRIVATE: Final = "Luca has to show a result before the budget round in March."


def example() -> Minutes:
    """The shipped example."""
    return read_toml(Minutes, (ROOT / "examples" / "minutes.toml").read_bytes(), "minutes.toml")


def minutes(**parts: Any) -> Minutes:
    """Minutes of these parts."""
    return check(Minutes, parts, "")


def action(what: str = "Send the guide", owner: str = TAM.email, due: str = "2026-12-04") -> dict[str, str]:
    """Something promised."""
    return {"what": what, "owner": owner, "due": due}


def blocker(
    title: str = "The firewall lets nothing through", owner: str = CHAMPION, next_check: str = "2026-12-03"
) -> dict[str, str]:
    """Something that holds them up."""
    return {"title": title, "owner": owner, "next_check": next_check}


async def begun(town: Town) -> None:
    """Start the example, vote on its kickoff, and let the clock run to its end."""
    await begin(town)
    await in_phase(town, "voting")
    await vote(town, CHAMPION, "1")
    await vote(town, USER, "1")
    booked = await in_phase(town, "booked")
    assert booked.booked_until is not None
    await town.sleep_until(booked.booked_until)


async def held(town: Town, written: Minutes | None = None) -> None:
    """Say that the kickoff was held."""
    await begun(town)
    receipt = await meetings.report(town.office, "versayce", "kickoff", "held", TAM, written=written or example())
    assert receipt.accepted


async def outcome(town: Town) -> str | None:
    """How the kickoff's step ended, as SQL knows it."""
    async with town.office.store.reading() as connection:
        contract = await contracts.latest(connection, "versayce")
        assert contract is not None
        steps = await contracts.milestones(connection, contract.id)
    return next(step.outcome for step in steps if step.step == "kickoff")
