"""When people have agreed on a time, and which answers count."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from rapport.model.account import CHAMPION
from rapport.model.meeting import Booking, MeetingPhase, Proposal, Slot, Vote

LEAST_NOTICE = timedelta(hours=2)
"""A time that begins sooner than this is no longer booked by a vote."""

LEAST_CHOICE: Final = 2
"""A poll that has lost a time goes on with at least as many."""

HAS_ENDED: Final = "the meeting has ended"
"""Why a reply does not count that comes after its meeting has ended."""

IS_BOOKED: Final = "the time is already booked"
"""Why a reply does not count that comes after the time was booked."""

TOO_LATE: Final = (HAS_ENDED, IS_BOOKED)
"""Why a reply does not count that nobody will ask for again: somebody answers it."""


class PollStanding(StrEnum):
    """Whether a poll has agreed on a time, still can, or cannot any more."""

    AGREED = "agreed"
    OPEN = "open"
    STUCK = "stuck"


class Tally(NamedTuple):
    """The votes, counted: the standing, the time if there is one, and the reason if there is none."""

    standing: PollStanding
    slot: Slot | None = None
    reason: str | None = None


def judge_vote(vote: Vote, proposal: Proposal | None, phase: MeetingPhase) -> str | None:
    """Why this vote does not count, in words for the voter; nothing if it does.

    The one rule behind the validator, the update and the signal: a signal reaches a workflow without its validator.
    """
    if phase is MeetingPhase.ENDED:
        return HAS_ENDED
    if phase is MeetingPhase.BOOKED:
        return IS_BOOKED
    if proposal is None or phase in (MeetingPhase.UNDECIDED, MeetingPhase.PROPOSING, MeetingPhase.DRAFTED):
        return "no times are on offer yet"
    if vote.round != proposal.round:
        return "these times were replaced by newer ones; please use the latest mail"
    if vote.voter != proposal.tam and all(vote.voter != invitee.id for invitee in proposal.invitees):
        return "you are not invited to this meeting"
    known = tuple(slot.id for slot in proposal.slots)
    if not set(vote.slots) <= set(known):
        return f"there is no such time; choose among {', '.join(sorted(known, key=int)) or 'none'}"
    return None


def tally(proposal: Proposal, votes: Mapping[str, Vote], now: datetime) -> Tally:
    """Count the votes for each time.

    A time is agreed as soon as the TAM, and of each required group one person, can make it; the TAM's own calendar
    offered it, so the TAM stands for every time until they vote themselves. From the deadline on, the time that suits
    a champion and most of the others required is enough; where nobody is champion, one that suits any who is required.

    Args:
        votes: The latest vote of each person, by their id.
        now: UTC. Times that begin within `LEAST_NOTICE` of it are out.
    """
    if not proposal.invitees:
        return Tally(PollStanding.STUCK, reason="there is no one to invite")
    if not proposal.slots:
        return Tally(PollStanding.STUCK, reason="no time works for all required attendees")
    possible = [
        slot
        for slot in proposal.slots
        if slot.start >= now + LEAST_NOTICE and _suits(slot, proposal.tam, votes, unheard=True)
    ]
    if not possible:
        return Tally(PollStanding.STUCK, reason="none of the proposed times is possible now")
    agreed = [slot for slot in possible if len(_groups(slot, proposal, votes)) == proposal.required_groups]
    if agreed:
        return Tally(PollStanding.AGREED, best(agreed, proposal, votes))
    champions = [invitee.id for invitee in proposal.invitees if CHAMPION in invitee.personas]
    deciders = champions or [invitee.id for invitee in proposal.invitees if invitee.required]
    whom = "the champion" if champions else "the required attendees"
    if deciders and all(one in votes and not votes[one].slots for one in deciders):
        return Tally(PollStanding.STUCK, reason=f"none of the times work for {whom}")
    if now < proposal.deadline:
        return Tally(PollStanding.OPEN)
    wanted = [slot for slot in possible if any(_suits(slot, one, votes) for one in deciders)]
    if wanted:
        return Tally(PollStanding.AGREED, best(wanted, proposal, votes))
    if not votes:
        return Tally(PollStanding.STUCK, reason="no one replied by the deadline")
    if not champions:
        return Tally(PollStanding.STUCK, reason="none of the times work for anyone who replied")
    return Tally(PollStanding.STUCK, reason="the champion didn't reply by the deadline")


def can_go_on(proposal: Proposal, votes: Mapping[str, Vote], now: datetime) -> bool:
    """Whether a poll that has lost a time needs no other times.

    It does not where a time is agreed all the same, or where at least `LEAST_CHOICE` times can still be agreed by the
    deadline, if only everyone who has not answered says yes: whoever has answered is not asked again.
    """
    if tally(proposal, votes, now).slot is not None:
        return True
    if now >= proposal.deadline:
        return False
    willing = [
        slot
        for slot in proposal.slots
        if slot.start >= now + LEAST_NOTICE
        and _suits(slot, proposal.tam, votes, unheard=True)
        and len(_groups(slot, proposal, votes, unheard=True)) == proposal.required_groups
    ]
    return len(willing) >= LEAST_CHOICE


def best(slots: Sequence[Slot], proposal: Proposal, votes: Mapping[str, Vote]) -> Slot:
    """The time that fills most required groups, then suits most people, then is the earliest."""
    return min(
        slots,
        key=lambda slot: (-len(_groups(slot, proposal, votes)), -len(supporters(slot, proposal, votes)), slot.start),
    )


def supporters(slot: Slot, proposal: Proposal, votes: Mapping[str, Vote]) -> tuple[str, ...]:
    """The invitees who said that this time suits them."""
    return tuple(invitee.id for invitee in proposal.invitees if _suits(slot, invitee.id, votes))


def changes(before: Proposal | None, after: Proposal | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who takes part newly, and who does not any more: contacts, and the TAM, in order."""
    old, new = (() if one is None else (*(invitee.id for invitee in one.invitees), one.tam) for one in (before, after))
    return tuple(id_ for id_ in new if id_ not in old), tuple(id_ for id_ in old if id_ not in new)


def coming(proposal: Proposal, votes: Mapping[str, Vote], booking: Booking) -> tuple[str, ...]:
    """The invitees who said that the booked time suits them; of a time set by hand, nobody has said so."""
    booked = [slot for slot in proposal.slots if (slot.start, slot.end) == (booking.start, booking.end)]
    return supporters(booked[0], proposal, votes) if booked else ()


def unanswered(proposal: Proposal, votes: Mapping[str, Vote]) -> tuple[str, ...]:
    """The required invitees who have not voted."""
    return tuple(invitee.id for invitee in proposal.invitees if invitee.required and invitee.id not in votes)


def uncovered(proposal: Proposal, declined: Collection[str]) -> bool:
    """Whether somebody is missing who has to be there, as far as people say that they cannot come.

    A champion is missed in any case; of all others, one of each required group is enough.
    """
    coming = [invitee for invitee in proposal.invitees if invitee.id not in declined]
    groups = {group for invitee in proposal.invitees for group in invitee.groups}
    covered = {group for invitee in coming for group in invitee.groups}
    return groups != covered or any(
        CHAMPION in invitee.personas for invitee in proposal.invitees if invitee.id in declined
    )


def _groups(slot: Slot, proposal: Proposal, votes: Mapping[str, Vote], *, unheard: bool = False) -> set[int]:
    """The required groups in which someone can make this time; or could, as far as is known by now."""
    return {
        group
        for invitee in proposal.invitees
        if _suits(slot, invitee.id, votes, unheard=unheard)
        for group in invitee.groups
    }


def _suits(slot: Slot, person: str, votes: Mapping[str, Vote], *, unheard: bool = False) -> bool:
    vote = votes.get(person)
    return unheard if vote is None else slot.id in vote.slots
