"""Those who are asked for something, and the ladder that their silence climbs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.task import Ladder, ResumedEscalation, Seated
    from rapport.model.task import EscalationStep


class Assignees:
    """Those who are asked for one thing, and the ladder that their silence climbs."""

    def __init__(
        self,
        ladder: Ladder,
        requester: str | None,
        seated: Seated,
        *,
        asked_before: tuple[str, ...] = (),
        entitled: bool = False,
    ) -> None:
        """Just asked."""
        self.ladder = ladder
        self.entitled = entitled
        self.requester = requester
        self.asked_before = asked_before
        self.seats = seated.seats
        self.rungs = list(seated.rungs)
        self.deadline = seated.deadline
        self._due_by = seated.due
        self.managers = seated.managers
        self.next_change = seated.next_change

    @property
    def end(self) -> datetime | None:
        """When the wait for them ends, at the latest."""
        return next((rung.at for rung in self.rungs if rung.kind == "timeout"), None)

    @property
    def due_by(self) -> datetime | None:
        """When they are to have answered: it may go on after that, and is overdue then."""
        return self._due_by or self.end

    def due(self, now: datetime) -> EscalationStep | None:
        """Take the next rung, if its instant has come."""
        return self.rungs.pop(0) if self.rungs and self.rungs[0].at <= now else None

    def resume(self, resumed: ResumedEscalation) -> None:
        """Go on with what time was left."""
        self.rungs = list(resumed.rungs)
        self._due_by = resumed.due

    @property
    def unheld(self) -> tuple[str, ...]:
        """The seats that nobody can fill."""
        return tuple(seat.id for seat in self.seats if not seat.holders)

    def is_left_alone(self, decided: Collection[str]) -> bool:
        """Whether nobody is left for any seat that is silent, and nobody comes back before the end."""
        is_asked = any(seat.holders for seat in self.seats if seat.id not in decided)
        comes_back = self.next_change is not None and (self.end is None or self.next_change < self.end)
        return not is_asked and not comes_back

    def holders(self, seat_id: str | None = None) -> tuple[str, ...]:
        """The members who can fill a seat, or any seat, each once."""
        seats = [seat for seat in self.seats if seat_id in (None, seat.id)]
        return tuple(dict.fromkeys(holder.member for seat in seats for holder in seat.holders))

    def reseat(self, seated: Seated) -> tuple[str, ...]:
        """Take over how seats stand by now; give those who hold one newly.

        Whoever gets a seat has its ladder before them from now on; the end of it all stays where it was.
        """
        before = set(self.holders())
        moved = {rung.seat for rung in seated.rungs if rung.seat is not None}
        end = self.end
        kept = [rung for rung in self.rungs if rung.seat not in moved]
        new = [rung for rung in seated.rungs if rung.kind != "timeout" and (end is None or rung.at < end)]
        if end is None:
            new += [rung for rung in seated.rungs if rung.kind == "timeout"]
            self._due_by = seated.due
        self.rungs = sorted([*kept, *new], key=lambda rung: rung.at)
        self.seats = seated.seats
        self.managers = seated.managers
        self.next_change = seated.next_change
        return tuple(member for member in self.holders() if member not in before)
