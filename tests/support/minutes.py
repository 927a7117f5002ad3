"""A kickoff that was booked and has begun, and minutes of it, as people write them."""

from __future__ import annotations

from typing import Any, Final

from rapport.model.minutes import Minutes
from rapport.model.reading import check, read_toml
from rapport.storage import contract as contracts
from starters.use_cases import meeting
from tests.conftest import CHAMPION, ROOT, TAM, USER, Installation
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


async def begun(installation: Installation) -> None:
    """Start the example, vote on its kickoff, and let the clock run to its end."""
    await begin(installation)
    await in_phase(installation, "voting")
    await vote(installation, CHAMPION, "1")
    await vote(installation, USER, "1")
    booked = await in_phase(installation, "booked")
    assert booked.booked_until is not None
    await installation.sleep_until(booked.booked_until)


async def held(installation: Installation, written: Minutes | None = None) -> None:
    """Say that the kickoff was held."""
    await begun(installation)
    receipt = await meeting.report(
        installation.services, "versayce", "kickoff", "held", TAM, written=written or example()
    )
    assert receipt.accepted


async def outcome(installation: Installation) -> str | None:
    """How the kickoff's step ended, as SQL knows it."""
    async with installation.services.store.reading() as connection:
        contract = await contracts.latest(connection, "versayce")
        assert contract is not None
        steps = await contracts.milestones(connection, contract.id)
    return next(step.outcome for step in steps if step.step == "kickoff")
