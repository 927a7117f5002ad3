"""The gates that an account passes on its way to production, and what opens them.

Before a trial, a key prospect's or a high-risk account's design is reviewed by engineering, product and support; before
production, a high-risk account's by engineering again, in the version that will be deployed. Everybody else passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args

from rapport.model.account import Facts, Role
from rapport.model.base import Instant, WireModel
from rapport.model.commands import in_name
from rapport.model.step import Gate
from rapport.rules.condition import holds

GATES: Final[tuple[Gate, ...]] = get_args(Gate)

STAGE: Final[dict[Gate, str]] = {"trial": "pre_trial", "production": "pre_production"}
"""The stage of the reviews that open a gate."""

HEARD: Final[dict[Gate, tuple[Role, ...]]] = {
    "trial": (Role.ENGINEERING, Role.PRODUCT, Role.SUPPORT_LEAD),
    "production": (Role.ENGINEERING,),
}
"""Who has to have answered in a review for it to open a gate; silence is no answer."""

SEATS: Final = {Role.SUPPORT_LEAD: "support"}
"""What a seat is called where it is not called by its role: support's is filled by anybody of support's."""


class Reviewed(WireModel):
    """A review, as far as gates ask: its newest round.

    Attributes:
        yes: Whether the customer gets what was asked for; nothing while that is open.
        heard: The seats that answered in this round, such as `engineering`, `product` and `support`.
        design: The version of the design document that was looked at.
        since: When the round was submitted.
    """

    ref: str
    stage: str
    yes: bool | None = None
    withdrawn: bool = False
    heard: frozenset[str] = frozenset()
    design: str | None = None
    since: Instant
    decided: Instant | None = None


class GateStanding(WireModel):
    """Whether a gate is open, and why.

    Attributes:
        needed: Whether this account needs a review for it at all.
        why: In words, without names.
        review: The review that opened it, or that it waits for.
        on: Whose turn it is, by role.
        unblock: The command that moves it on.
    """

    account: str
    gate: Gate
    open: bool
    needed: bool
    why: str
    review: str | None = None
    on: tuple[str, ...] = ()
    unblock: str | None = None


def standing(account: str, gate: Gate, facts: Facts, reviews: Sequence[Reviewed]) -> GateStanding:
    """Whether a gate is open for an account.

    Of several reviews of the stage each counts until it is decided, and then the one that was decided last.

    Args:
        reviews: The account's reviews, each with its newest round.
    """
    reasons = _reasons(gate, facts)
    if not reasons:
        why = "no review is needed: neither a key prospect nor high-risk"
        if gate == "production":
            why = "no review is needed: not high-risk"
        return GateStanding(account=account, gate=gate, open=True, needed=False, why=why)

    def shut(why: str, review: str | None, on: Sequence[str], unblock: str) -> GateStanding:
        return GateStanding(
            account=account, gate=gate, open=False, needed=True, why=why, review=review, on=tuple(on), unblock=unblock
        )

    concerned = [review for review in reviews if review.stage == STAGE[gate] and not review.withdrawn]
    if not concerned:
        why = f"{' and '.join(reasons)}, and no {STAGE[gate]} review was submitted"
        return shut(why, None, (Role.CE, Role.TAM), in_name("rapport review submit FILE"))
    undecided = [review for review in concerned if review.yes is None]
    if undecided:
        waiting = min(undecided, key=lambda review: (review.since, review.ref))
        silent = unheard(gate, waiting)
        why = f"{waiting.ref} is not decided" + (f", and {_listed(silent)} has not answered" if silent else "")
        on = [role for role in HEARD[gate] if seat(role) in silent] or [Role.CE_VP]
        return shut(why, waiting.ref, on, f"rapport review show {waiting.ref}")
    last = max(concerned, key=lambda review: (review.decided or review.since, review.ref))
    edit = in_name(f"rapport review edit {last.ref} FILE")
    if not last.yes:
        return shut(f"{last.ref} was decided with a no", last.ref, (Role.CE, Role.TAM), edit)
    if silent := unheard(gate, last):
        why = f"{last.ref} was decided without {_listed(silent)}; a new round asks them"
        return shut(why, last.ref, (Role.CE, Role.TAM), edit)
    if gate == "production" and (fault := _of_the_design(last, facts, reviews)) is not None:
        return shut(fault, last.ref, (Role.CE, Role.TAM), edit)
    heard = _listed([seat(role) for role in HEARD[gate]])
    why = f"{last.ref} was decided with a yes, with {heard} heard"
    return GateStanding(account=account, gate=gate, open=True, needed=True, why=why, review=last.ref)


def unheard(gate: Gate, review: Reviewed) -> tuple[str, ...]:
    """Whose answer a review lacks to open a gate."""
    return tuple(seat(role) for role in HEARD[gate] if seat(role) not in review.heard)


def seat(role: Role) -> str:
    """What the seat of a role is called in a review."""
    return SEATS.get(role, role.value)


def _reasons(gate: Gate, facts: Facts) -> list[str]:
    """Why an account needs a review before a gate."""
    reasons = ["a key prospect"] if holds("key_prospect", facts) and gate == "trial" else []
    return [*reasons, "high-risk"] if holds("high_risk", facts) else reasons


def _of_the_design(review: Reviewed, facts: Facts, reviews: Sequence[Reviewed]) -> str | None:
    """What is wrong with the version that was looked at: before production, it is the new one that counts."""
    if review.design is None:
        return f"{review.ref} names no version of the design document"
    if facts.design_version is not None and not _same(facts.design_version, review.design):
        return f"{review.ref} looked at another version of the design document than the one that stands now"
    trials = [one for one in reviews if one.stage == STAGE["trial"] and one.yes and not one.withdrawn]
    if any(one.design is not None and _same(one.design, review.design) for one in trials):
        return f"{review.ref} looked at the version of the design document that the trial was reviewed in"
    return None


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
