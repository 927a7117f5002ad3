"""The customer's people as deciders: whoever has a persona holds its seat, and nobody acts in their place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rapport.model.account import Contact
from rapport.model.task import CONTACT_PREFIX, Holder, Seat
from rapport.rules import audience


def seats_for(assignees: Iterable[str], contacts: Iterable[Contact]) -> tuple[Seat, ...]:
    """The seats of a task that is put to the customer's people: one a persona, held by all who have it."""
    return refresh([Seat(id=assignee) for assignee in dict.fromkeys(assignees)], contacts)


def refresh(seats: Sequence[Seat], contacts: Iterable[Contact], *, decided: Collection[str] = ()) -> tuple[Seat, ...]:
    """These seats, with those who hold them now: whoever follows someone who has left.

    Args:
        contacts: The account's people who have not left.
        decided: The ids of the seats that are filled already; they stay as they are.
    """
    present = tuple(contacts)
    return tuple(seat if seat.id in decided else _held(seat, present) for seat in seats)


def _held(seat: Seat, contacts: Sequence[Contact]) -> Seat:
    persona = seat.id.removeprefix(CONTACT_PREFIX)
    holders = tuple(Holder(member=contact.id) for contact in audience.holding((persona,), contacts))
    return seat.model_copy(update={"holders": holders})
