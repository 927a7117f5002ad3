"""What becomes of a running cadence when the account adopts another playbook."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from rapport.model.cadence import BusinessReview, StandingMeeting
    from rapport.model.playbook import ReviewStep, SyncStep
    from rapport.rules import cadence, playbook_migration
    from rapport.rules.playbook_migration import IN_THE_CALENDAR, NOT_IN_PLAYBOOK

if TYPE_CHECKING:
    from workflows.cadence import Cadence

COUNTED_BY: Final = frozenset({"every"})
PLANNED_BY: Final = frozenset({"every", "offered", "prepare"})
"""What of a review says when it is due, and when its times are offered."""


class PlaybookMigration:
    """The part of a cadence that follows the playbook from the next brief, digest or offer on."""

    def __init__(self, of: Cadence) -> None:
        """Nothing is adopted yet."""
        self.of = of

    async def follow(self, wanted: Iterable[SyncStep | ReviewStep]) -> None:
        """End, add and redefine rhythms, so that these recur."""
        steps = {step.name: step for step in wanted}
        found = playbook_migration.rhythm_changes(self.of.definitions, steps.values())
        await self._end(found.removed)
        for name in found.added:
            self._add(steps[name])
        for change in found.changed:
            self.of.timeline.record("rhythm.changed", step=change.step)
            step, fields = steps[change.step], {field.field for field in change.fields}
            if isinstance(step, SyncStep):
                await self._redefine_sync(step, fields)
            else:
                await self._redefine_review(step, fields)

    def forget(self) -> None:
        """Forget reviews that have ended with the one that was still open."""
        for name in [name for name, review in self.of.reviews.items() if review.ends and not self.of.is_seeing_to]:
            self._forget(name, self.of.reviews.pop(name).before)

    async def _end(self, names: Collection[str]) -> None:
        """Take standing meetings out of everyone's calendar; a review that is open is held, and no other after it."""
        syncs = [name for name in names if name in self.of.syncs]
        for name in names:
            self.of.timeline.record("rhythm.removed", step=name)
        for name in syncs:
            if self.of.syncs[name].standing is not None:
                self.of.announce(name, "closed")
        self.of.tell_everyone_of_changes()
        for name in syncs:
            await self.of.drop_drafts(NOT_IN_PLAYBOOK, name)
            sync = self.of.syncs.pop(name)
            self._forget(name, max(sync.number, sync.sequence))
        for name in [name for name in names if name in self.of.reviews]:
            review = self.of.reviews[name]
            last = review.opened.number if review.opened else review.before
            self.of.reviews[name] = review.model_copy(update={"ends": True, "plan": None, "before": last})

    def _forget(self, name: str, number: int) -> None:
        self.of.retired[name] = number
        self.of.stale.discard(name)
        if name not in self.of.gone:
            self.of.gone.append(name)

    def _add(self, step: SyncStep | ReviewStep) -> None:
        """Begin a rhythm; one that comes back counts on, and invites under numbers that nobody has seen."""
        name, number = step.name, self.of.retired.get(step.name, 0)
        if name in self.of.gone:
            self.of.gone.remove(name)
        if isinstance(step, SyncStep):
            self.of.syncs[name] = StandingMeeting(
                step=step, number=number, sequence=number if name in self.of.retired else -1
            )
        elif name in self.of.reviews:
            self.of.reviews[name] = self.of.reviews[name].model_copy(
                update={"step": step, "ends": False, "counted_from": workflow.now()}
            )
        else:
            self.of.reviews[name] = BusinessReview(step=step, before=number, counted_from=workflow.now())
        self.of.stale.add(name)
        self.of.timeline.record("rhythm.added", step=name)

    async def _redefine_sync(self, step: SyncStep, fields: set[str]) -> None:
        name, sync = step.name, self.of.syncs[step.name]
        self.of.stale.add(name)
        if sync.standing is None or sync.wanted is not None or not IN_THE_CALENDAR & fields:
            again = {"step": step} if sync.standing is not None else {"step": step, "seek_at": None}
            self.of.put(name, sync.model_copy(update=again))
            return
        now = workflow.now()
        anew = cadence.redefined(sync, step, now)
        after = None
        if anew.occurrences != sync.occurrences or anew.announced is None:
            after = max([now, *(one.original for one in sync.recent)])
        plan = await self.of.plan_sync(anew, after)
        # What members said meanwhile is said of the dates that there were.
        self.of.put(name, cadence.planned(cadence.redefined(self.of.syncs[name], step, now), plan))
        there = plan.party.everyone
        before = sync.party.everyone if sync.party else ()
        self.of.announce(name, "renewed", went=tuple(id_ for id_ in before if id_ not in there))

    async def _redefine_review(self, step: ReviewStep, fields: set[str]) -> None:
        """Take another definition; the next one that can still be prepared by then is planned anew by it."""
        name, review = step.name, self.of.reviews[step.name]
        self.of.reviews[name] = review.model_copy(update={"step": step})
        self.of.stale.add(name)
        if review.plan is None or not PLANNED_BY & fields:
            return
        if not COUNTED_BY & fields:
            await self.of.plan_review(name, review.plan.number)
            return
        # They are counted on from the last one: no number, and so no key, is given twice.
        if review.opened is not None:
            counted = {"counted_from": review.opened.target, "before": review.opened.number}
            self.of.reviews[name] = self.of.reviews[name].model_copy(update=counted)
        await self.plan_first(name)

    async def plan_first(self, name: str) -> None:
        """Plan the first review of those counted now that can still be prepared."""
        number = self.of.reviews[name].before + 1
        plan = await self.of.plan_review(name, number)
        while plan.prepare_by <= workflow.now():
            number += 1
            plan = await self.of.plan_review(name, number)
