"""Which decisions on a human task count, and when they add up to an outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from rapport.model.task import Decision, Quorum, Seat, TaskOption, TaskPhase
from rapport.rules.wording import listed

# Whose word fills a seat when several of its holders have spoken.
_RANK: Final = {"assignee": 0, "delegate": 1, "backup": 2, "manager": 3}


def judge(
    decision: Decision,
    *,
    phase: TaskPhase,
    round_: int,
    options: Sequence[TaskOption],
    seats: Sequence[Seat],
    requester: str | None,
    reason_given: bool,
    outcome: str | None,
    asked_before: Collection[str] = (),
    closed_text: str = "this is closed",
) -> str | None:
    """Why this decision does not count, in words for the person; nothing if it does.

    The one rule behind the validator, the update and the signal: a signal reaches a workflow without its validator.
    While information is missing, deciding stays possible.

    Args:
        outcome: What a closed task ended with: one of the options, or another end, such as that nobody spoke in time.
        asked_before: Who asked in an earlier version of the request.
        closed_text: What to say of a task that closed without an option ("the request was withdrawn").
    """
    if phase is TaskPhase.PREPARING:
        return "the request is still being written; it is mailed to you once it is ready"
    if phase is TaskPhase.CLOSED:
        titles = {option.id: option.title for option in options}
        return closed_text if outcome not in titles else f"this is already decided: {titles[outcome]}"
    if decision.round != round_:
        return "the request was changed; please use the latest mail"
    if decision.by == requester or decision.by in asked_before:
        return "you asked for this yourself; somebody else has to decide it"
    if all(decision.by != holder.member for seat in seats for holder in seat.holders):
        if any(decision.by == seat.owner for seat in seats):
            return "this went to somebody else while you are away; end your absence to decide it yourself"
        return "you are not asked to decide this"
    chosen = next((option for option in options if option.id == decision.option), None)
    if chosen is None:
        return f"this isn't one of the answers: choose {listed([option.title for option in options], 'or')}"
    if chosen.needs_reason and not reason_given:
        return f"{chosen.title} needs a reason; please add one"
    return None


def votes(seats: Sequence[Seat], decisions: Sequence[Decision]) -> dict[str, str]:
    """The option that each filled seat chose, by the seat's id.

    One person fills one seat, however many they hold: their own, else the first one they hold that nobody with a
    better right needs. Where several holders of a seat have spoken, the assignee's word goes before the delegate's,
    the backup's and the manager's, whoever spoke first. Of one person the latest decision counts.

    Args:
        seats: The seats as they stand. A filled one keeps its holders; see `delegation.refresh`.
        decisions: Those of the present round that `judge` let pass, the earliest first.
    """
    chosen = {decision.by: decision.option for decision in decisions}
    places = filled(seats, decisions)
    return {seat.id: chosen[places[seat.id]] for seat in seats if seat.id in places}


def _silent(seats: Sequence[Seat], decisions: Sequence[Decision]) -> list[Seat]:
    spoken = votes(seats, decisions)
    return [seat for seat in seats if seat.id not in spoken]


def filled(seats: Sequence[Seat], decisions: Sequence[Decision]) -> dict[str, str]:
    """Who fills each seat, by the seat's id; as `votes`."""
    held = {decision.by: _held(decision.by, seats) for decision in decisions}
    voters = sorted((person for person in held if held[person]), key=lambda person: min(held[person]))
    return match({person: [seats[index].id for _, index, _ in held[person]] for person in voters})


def outcome(
    quorum: Quorum,
    options: Sequence[TaskOption],
    seats: Sequence[Seat],
    decisions: Sequence[Decision],
    otherwise: str,
    *,
    hear_all: bool = False,
) -> str | None:
    """The option with which a task closes, or nothing while it is open.

    It closes as soon as the outcome is certain: when enough seats have chosen one option, or when no option but
    `otherwise` can get enough any more, whatever the silent seats say. So where all have to approve and people who
    differ mean a no, the first no closes it. What is certain stays: decisions after it change nothing. Where half of
    the seats or fewer are enough, the option that gets them first wins.

    Args:
        quorum: A number larger than the number of seats means all of them.
        decisions: As in `votes`.
        otherwise: The id of the option that stands where people do not agree.
        hear_all: Nothing is certain before every seat has spoken that somebody holds.
    """
    if not seats or (hear_all and any(seat.holders for seat in _silent(seats, decisions))):
        return None
    needed = {"any": 1, "all": len(seats), "majority": len(seats) // 2 + 1}.get(quorum) or min(int(quorum), len(seats))
    for count in range(1, len(decisions) + 1):
        chosen = votes(seats, decisions[:count])
        tally = Counter(chosen.values())
        silent = len(seats) - tally.total()
        # A seat that is silent may still choose it; one that is not asked here has no say.
        own = {option.id: {chosen.get(seat.id, "") for seat in seats if seat.id == option.needs} for option in options}
        for option in options:
            if tally[option.id] >= needed and own[option.id] <= {option.id}:
                return option.id
        lost = (
            option.id == otherwise or tally[option.id] + silent < needed or own[option.id] - {option.id, ""}
            for option in options
        )
        # A single option cannot be lost; its silent seats are waited for.
        if len(options) > 1 and all(lost):
            return otherwise
    return None


def match(wishes: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Who gets which place, by place: one each, to as many as possible; those named earlier go before the others.

    Whoever has a place moves to another of their wishes where that makes room, and never goes away empty-handed.
    """
    taken: dict[str, str] = {}

    def find(person: str, tried: set[str]) -> bool:
        for place in wishes[person]:
            if place not in tried:
                tried.add(place)
                if place not in taken or find(taken[place], tried):
                    taken[place] = person
                    return True
        return False

    for person in wishes:
        find(person, set())
    return taken


def _held(person: str, seats: Sequence[Seat]) -> list[tuple[int, int, int]]:
    """The seats that someone can fill, in order: the rank of their right to it, the seat, their place in it.

    Whoever holds a seat of their own can fill that one alone.
    """
    held: list[tuple[int, int, int]] = []
    for index, seat in enumerate(seats):
        for place, holder in enumerate(seat.holders):
            if holder.member == person:
                if person == seat.owner:
                    return [(-1, index, place)]
                held.append((_RANK[holder.via], index, place))
    return held
