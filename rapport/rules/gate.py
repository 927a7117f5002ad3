"""The gates that an account passes on its way to production, and what opens them.

Before a trial, a key prospect's or a high-risk account's design is reviewed by engineering, product and support, and so
is every scenario that makes an account non-standard; before production, a high-risk or non-standard account's design by
engineering again, in the version that will be deployed. Everybody else passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, get_args

from rapport.model.account import Facts, Role
from rapport.model.base import Instant, WireModel
from rapport.model.commands import in_name
from rapport.model.step import Gate
from rapport.model.tech_review import STAGES, ReviewStage
from rapport.rules.condition import holds
from rapport.rules.scenario import Call
from rapport.rules.tech_review import SIDES, heard_for
from rapport.rules.wording import listed, seat

GATES: Final[tuple[Gate, ...]] = get_args(Gate)

REVIEW_STAGE: Final[dict[Gate, ReviewStage]] = {
    "trial": ReviewStage.PRE_TRIAL,
    "production": ReviewStage.PRE_PRODUCTION,
}
"""The stage of the reviews that open a gate."""

_STAGES: Final[dict[Gate, frozenset[str]]] = {
    "trial": frozenset({"pre_trial"}),
    "production": frozenset({"pre_trial", "pre_production"}),
}
"""The stages of the scenarios for which a gate shuts."""

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Reviewed(WireModel):
    """A review, as far as gates ask: its newest round.

    Attributes:
        yes: Whether the customer gets what was asked for; nothing while that is open.
        heard: The seats that answered in this round, such as `engineering`, `product` and `support`.
        entered: Those of them whose answer a colleague entered.
        design: The version of the design document that was looked at.
        granted: The versions of the design document that a round of it said yes to.
        scenarios: The scenarios that it names as what it is about.
        closed: Whether it is over: what is over is changed no more.
        since: When the round was submitted.
    """

    ref: str
    stage: str
    yes: bool | None = None
    withdrawn: bool = False
    heard: frozenset[str] = frozenset()
    entered: frozenset[str] = frozenset()
    design: str | None = None
    granted: frozenset[str] = frozenset()
    scenarios: frozenset[str] = frozenset()
    closed: bool = False
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


def standing(
    account: str, gate: Gate, facts: Facts, reviews: Sequence[Reviewed], calls: Sequence[Call] = ()
) -> GateStanding:
    """Whether a gate is open for an account.

    Of several reviews of the stage each counts until it is decided, and then the one that was decided last. To a
    scenario only those count that name it, before a trial; before production its account is one of high risk.

    Args:
        reviews: The account's reviews, each with its newest round.
        calls: The scenarios that apply to the account.
    """
    demands = _demands(gate, facts, [call for call in calls if _STAGES[gate] & {*call.stages}])
    # Whoever withdraws a review takes back what they asked for, and not the no that it was answered with.
    concerned = [
        one for one in reviews if one.stage == REVIEW_STAGE[gate] and not (one.withdrawn and one.yes is not False)
    ]
    looks = [_look(gate, demand, facts, reviews, concerned) for demand in demands]
    unmet = [(demand, look) for demand, look in zip(demands, looks, strict=True) if not look.open]
    if unmet:
        found, further = unmet[0][1], [demand.call.title for demand, _ in unmet[1:] if demand.call]
        also = f"; a yes is needed for {listed(further)} as well" if further else ""
        found = replace(found, why=f"{found.why}{also}")
    elif looks:
        # Of several the first that was decided says least: the last had the gate open.
        found = max(looks, key=lambda look: look.since)
    else:
        why = "no review is needed: not high-risk, and no scenario applies"
        if gate == "trial":
            why = "no review is needed: neither a key prospect nor high-risk, and no scenario applies"
        return GateStanding(account=account, gate=gate, open=True, needed=False, why=why)
    return GateStanding(
        account=account,
        gate=gate,
        open=found.open,
        needed=True,
        why=found.why,
        review=found.review,
        on=found.on,
        unblock=found.unblock,
    )


@dataclass(frozen=True)
class _Demand:
    """What a gate wants a yes to: the account as a whole, or one scenario."""

    why: str
    call: Call | None = None


@dataclass(frozen=True)
class _Look:
    """Whether a demand is met, and by which review; and since when that counts."""

    open: bool
    why: str
    review: str | None = None
    on: tuple[str, ...] = ()
    unblock: str | None = None
    since: Instant = _NEVER


def _demands(gate: Gate, facts: Facts, calls: Sequence[Call]) -> list[_Demand]:
    """What has to have a yes for a gate; nothing where an account needs no review for it."""
    whole = ["a key prospect"] if holds("key_prospect", facts) and gate == "trial" else []
    whole += ["high-risk"] if holds("high_risk", facts) else []
    if gate == "production":
        whole += [f"non-standard ({listed([call.title for call in calls])})"] if calls else []
        calls = ()
    each = [_Demand(f"non-standard ({call.title})", call) for call in calls]
    return [*([_Demand(" and ".join(whole))] if whole else []), *each]


def _look(
    gate: Gate, demand: _Demand, facts: Facts, reviews: Sequence[Reviewed], concerned: Sequence[Reviewed]
) -> _Look:
    """Whether the reviews of a gate's stage meet a demand, and if not, what is missing."""
    stage, asking = STAGES[REVIEW_STAGE[gate]], (Role.CE.value, Role.TAM.value)
    if demand.call is not None:
        named = [review for review in concerned if demand.call.scenario in review.scenarios]
        if concerned and not named:
            why = f"{demand.why}, and no review {stage} names it: add it to what calls for one"
            # What was decided stays as it was decided: the scenario is asked about in another one.
            open_ = [review for review in concerned if review.yes is None and not review.closed]
            newest = max(open_, key=lambda review: (review.since, review.ref)).ref if open_ else None
            submit = in_name("rapport review submit FILE")
            way = submit if newest is None else in_name(f"rapport review edit {newest} FILE")
            return _Look(False, why, newest, asking, way)
        concerned = named
    if not concerned:
        why = f"{demand.why}, and no review {stage} was submitted"
        return _Look(False, why, None, asking, in_name("rapport review submit FILE"))
    undecided = [review for review in concerned if review.yes is None]
    if undecided:
        waiting = min(undecided, key=lambda review: (review.since, review.ref))
        silent = unheard(gate, waiting)
        why = f"{waiting.ref} is not decided" + (
            f", and {listed([seat(side) for side in silent])} {_have(silent)} not answered" if silent else ""
        )
        on = [role for side in silent if (role := SIDES[side].needed) is not None] or [Role.CE_VP]
        return _Look(False, f"{demand.why}: {why}", waiting.ref, tuple(on), f"rapport review show {waiting.ref}")
    last = max(concerned, key=lambda review: (review.decided or review.since, review.ref))
    if (fault := _fault(gate, last, facts, reviews)) is not None:
        is_over = last.withdrawn or last.closed
        edit = in_name(f"rapport review edit {last.ref} FILE")
        way = in_name("rapport review submit FILE") if is_over else edit
        return _Look(False, f"{demand.why}: {fault}", last.ref, asking, way)
    heard = listed(
        [f"{seat(one)} (entered by someone else)" if one in last.entered else seat(one) for one in heard_for(gate)]
    )
    why = f"{demand.why}: {last.ref} was decided with a yes, with {heard} heard"
    return _Look(True, why, last.ref, since=last.decided or last.since)


def _fault(gate: Gate, last: Reviewed, facts: Facts, reviews: Sequence[Reviewed]) -> str | None:
    """Why a decided review does not open a gate, if so."""
    if not last.yes:
        return f"{last.ref} was decided with a no"
    if silent := unheard(gate, last):
        return f"{last.ref} was decided without {listed([seat(side) for side in silent])}; a new round asks them"
    return _of_the_design(last, facts, reviews) if gate == "production" else None


def unheard(gate: Gate, review: Reviewed) -> tuple[str, ...]:
    """The sides whose answer a review lacks to open a gate."""
    return tuple(side for side in heard_for(gate) if side not in review.heard)


def _of_the_design(review: Reviewed, facts: Facts, reviews: Sequence[Reviewed]) -> str | None:
    """What is wrong with the version that was looked at: before production, it is the new one that counts."""
    if review.design is None:
        return f"{review.ref} names no version of the design document"
    if facts.design_version is not None and not _same(facts.design_version, review.design):
        return f"{review.ref} looked at another version of the design document than the one that stands now"
    if seen_for_the_trial(review.design, reviews) is not None:
        return f"{review.ref} looked at the version of the design document that the trial was reviewed in"
    return None


def seen_for_the_trial(version: str, reviews: Sequence[Reviewed]) -> str | None:
    """The review that let the trial begin with this version of the design document, if one did."""
    trials = [one for one in reviews if one.stage == REVIEW_STAGE["trial"] and not one.withdrawn]
    return next((one.ref for one in trials if any(_same(seen, version) for seen in one.granted)), None)


def looked_at_for_the_trial(version: str, reviews: Sequence[Reviewed]) -> str | None:
    """The review that let the trial begin with this version of the design document, or that still decides on it."""
    trials = [one for one in reviews if one.stage == REVIEW_STAGE["trial"] and not one.withdrawn and one.yes is None]
    undecided = (one.ref for one in trials if one.design is not None and _same(one.design, version))
    return seen_for_the_trial(version, reviews) or next(undecided, None)


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"
