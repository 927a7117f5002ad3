"""Which scenarios call for a tech review of an account, by what is known of it: yes, no, or not known yet."""

from __future__ import annotations

from collections.abc import Mapping

from rapport.model.account import Facts
from rapport.model.base import WireModel
from rapport.model.condition import fact
from rapport.model.scenario import ReviewScenario
from rapport.rules.condition import holds
from rapport.rules.wording import listed


class Call(WireModel):
    """A scenario, seen from one account.

    Attributes:
        scenario: Its name.
        because: The conditions that hold.
        missing: The facts that nobody has recorded, without which it cannot be told; empty where it applies.
    """

    scenario: str
    title: str
    why: str
    stages: tuple[str, ...]
    because: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class Needs(WireModel):
    """What calls for a review of an account, and what may, once more is known."""

    needed: tuple[Call, ...] = ()
    unsure: tuple[Call, ...] = ()


def needs(facts: Facts, scenarios: Mapping[str, ReviewScenario]) -> Needs:
    """Hold an account's facts against every scenario. What is not known is never taken for a no."""
    needed: list[Call] = []
    unsure: list[Call] = []
    for name, scenario in scenarios.items():
        answers = {condition: holds(condition, facts) for condition in scenario.when}
        if False in answers.values():
            continue
        call = Call.made_of(
            scenario,
            scenario=name,
            because=tuple(condition for condition, answer in answers.items() if answer),
            missing=tuple(dict.fromkeys(fact(condition) for condition, answer in answers.items() if answer is None)),
        )
        (unsure if call.missing else needed).append(call)
    return Needs(needed=tuple(needed), unsure=tuple(unsure))


def how_to_record(facts: tuple[str, ...]) -> str:
    """What to write where, so that these facts are known."""
    return (
        f"add {listed([f'`{fact}`' for fact in facts])} to `[account.facts]` of the account's file, and import it again"
    )
