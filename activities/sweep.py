"""All on record that is due and has nobody at work on it, and workflows that were ended from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.clock import heartbeats
from activities.delivery import Policy
from activities.late_reply import tell_begun, unasked
from rapport.mail import outbox
from rapport.model.account import Role
from rapport.model.base import UserError
from rapport.model.gap import GapStart
from rapport.model.ids import (
    RELAY_ALARM,
    account_of,
    announcing_id,
    desk_id,
    ended_outside_id,
    gap_id,
    step_of_meeting,
    undelivered_id,
)
from rapport.model.meeting import TimesTaken, is_ad_hoc
from rapport.model.operation import Control, ControlKind
from rapport.model.step import DoneBy, kinds
from rapport.model.support_case import DESK
from rapport.model.sweep import AllGone, Gone, Standstill, StandstillResult, Strays, SweepAsked
from rapport.model.undelivered import UndeliveredStart
from rapport.model.workflows import LASTING, UNDELIVERED
from rapport.revival import CameToItsEndError, ended_outside, is_forgotten, revive
from rapport.rules.onboarding import StepState
from rapport.rules.todo_template import LEAVE
from rapport.storage import (
    announcement,
    cadence,
    contract as contracts,
    gap,
    hour,
    support_case,
    sweep,
    task as tasks,
    tech_review,
    timeline,
)
from rapport.storage.database import Connection, Store
from rapport.storage.relay import mail_gate
from rapport.storage.waits import open_workflows, unknown
from rapport.temporal import running, runs

SETTLE: Final = timedelta(seconds=30)
"""How long what is put on record may take to begin."""

AT_MOST: Final = 200
"""How many failed emails one sweep has go on, how many that are late, and of how many missing workflows it asks; the
next takes the rest. Of all else it takes everything: there is a row of SQL for each, and few are ever waiting."""


@dataclass(frozen=True)
class Sweeping:
    """Finds what is on record, is due, and has nobody at work on it."""

    store: Store
    policy: Policy
    client: Client

    @activity.defn(name="sweep.look")
    async def look(self, question: SweepAsked) -> Strays:
        """Find it, and note that it was looked for."""
        async with heartbeats():
            return await self._look(question)

    async def _look(self, question: SweepAsked) -> Strays:
        before = question.now - timedelta(seconds=question.patience)
        # Beginning is safe to repeat, so it need not wait longer than whoever has put it on record takes.
        begun = question.now - SETTLE
        sending = await self._unsent(begun)
        replies = await unasked(self.store, self.client, question.now, begun)
        async with self.store.writing() as connection:
            goes = self.policy.mode != "off" and (await mail_gate(connection)).has_gone_since(before, question.now)
            failed = await _unasked(connection, question.now)
            # Scheduled while working hours were kept, and they no longer are.
            at_any_hour = goes and not self.policy.quiet_hours
            released = await outbox.release(connection, question.now, AT_MOST) if at_any_hour else []
            mails = [
                *failed,
                *released,
                *(await outbox.late(connection, before, question.now, AT_MOST) if goes else []),
            ]
            waiting = await tech_review.pending(connection, begun)
            strays = Strays(
                mails=tuple(UndeliveredStart(account=one.account, key=one.key) for one in mails),
                cases=tuple(case.start for case in await support_case.pending(connection, begun)),
                reviews=tuple([await tech_review.start(connection, one) for one in waiting]),
                gaps=sending.gaps,
                announcements=sending.announcements,
                replies=replies,
            )
            await sweep.note(connection, question.now, strays)
        await tell_polls(self.store, self.client)
        return strays

    async def _unsent(self, before: datetime) -> Strays:
        """What goes to other systems and has nobody at work on it; with somebody it may take two days."""
        async with self.store.reading() as connection:
            waiting = await gap.pending(connection, before)
            untold = await announcement.pending(connection, before)
        return Strays(
            gaps=tuple([GapStart(ref=ref) for ref in waiting if not await runs(self.client, gap_id(ref))]),
            announcements=tuple([one for one in untold if not await runs(self.client, announcing_id(one.ref))]),
        )


async def tell_polls(store: Store, client: Client) -> None:
    """Tell the polls whose times were taken by other meetings; one that has ended needs no word of it."""
    async with store.reading() as connection:
        polls = await hour.withdrawn(connection, AT_MOST)
    for one in polls:
        try:
            await client.get_workflow_handle(one.meeting).signal("times_taken", TimesTaken(starts=one.starts))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
    if polls:
        async with store.writing() as connection:
            await hour.told(connection, polls)


@dataclass(frozen=True)
class Missing:
    """Finds workflows that SQL shows as open and that Temporal does not run."""

    store: Store
    client: Client
    task_queue: str

    @activity.defn(name="sweep.gone")
    async def gone(self, question: SweepAsked) -> AllGone:
        """Find them; a task of that kind leaves every inbox, as nobody would hear an answer to it.

        What failed with its workflow is its parent's to take care of, as a meeting is its onboarding's.
        """
        async with heartbeats():
            return await self._gone(question)

    async def _gone(self, question: SweepAsked) -> AllGone:
        async with self.store.snapshot() as connection:
            still = await sweep.standing_still(connection)
            closed = await tasks.all_gone(connection)
            shown = await open_workflows(connection)
            shown |= {undelivered_id(one.key) for one in await outbox.unresolved(connection)}
        try:
            listed = await running(self.client, (*LASTING, UNDELIVERED.name), self.task_queue)
        except RPCError as error:
            if error.status is not RPCStatusCode.UNIMPLEMENTED:
                raise
            # The server that skips time keeps no list of its workflows.
            return AllGone()
        # Whoever had them go on may have been stopped before they were back in inboxes.
        await self._reopen([id_ for id_ in closed if id_ in listed])
        missing = shown - listed - {RELAY_ALARM}
        async with self.store.writing() as connection:
            strangers = await unknown(connection, listed - shown)
            twice = await sweep.suspects(connection, question.now, missing, AT_MOST)
        # The list ends somewhere, and lags behind: what it does not show may run.
        gone = [id_ for id_ in twice if not await runs(self.client, id_)]
        alive = set(twice) - set(gone)
        forgotten = {id_ for id_ in gone if await is_forgotten(self.client, id_)}
        # What somebody has left ended is not missed, so it runs again only where Temporal lists it.
        still.pop(desk_id(DESK), None)
        over = [id_ for id_, one in still.items() if id_ in listed | alive or _is_closed(one, shown)]
        async with self.store.writing() as connection:
            since = await sweep.clear(connection, question.now, alive)
            for id_ in gone:
                if id_.startswith("task/"):
                    await tasks.close_gone(connection, id_)
            whose = [one for id_ in gone if (one := await _whose(connection, id_, since[id_])) is not None]
            found = [await _anew(connection, one) if one.workflow_id in forgotten else one for one in whose]
            await sweep.stands_still(connection, {one.workflow_id: one.since for one in found})
            await sweep.goes_on(connection, over)
            unheard = [await _about(connection, id_) for id_ in gone]
        # Somebody may have had them go on since it was asked whether they run.
        await self._reopen([id_ for id_ in gone if id_.startswith("task/")])
        for task in unheard:
            # The next round asks again, and hears the answer.
            if task is not None and await runs(self.client, task):
                await self.client.get_workflow_handle(task).signal("control", Control(kind=ControlKind.CLOSE))
        for id_ in over:
            asking = ended_outside_id(id_)
            if await runs(self.client, asking):
                await self.client.get_workflow_handle(asking).signal("runs_again")
        if strangers:
            activity.logger.warning("the database is older than Temporal", extra={"unknown": strangers})
        return AllGone(workflows=tuple(found), desk=await self._needs_desk(), unknown=len(strangers))

    async def _reopen(self, ids: Sequence[str]) -> None:
        """Put those of these tasks into inboxes again that run at this moment."""
        alive = [id_ for id_ in ids if await runs(self.client, id_)]
        if alive:
            async with self.store.writing() as connection:
                await tasks.reopen_gone(connection, alive)

    async def _needs_desk(self) -> bool:
        """Have the support desk go on if it was ended; whether it has to be started afresh, as that is not possible."""
        id_ = desk_id(DESK)
        # It belongs to nobody who would ask again, so it is on record until all of this is done.
        async with self.store.reading() as connection:
            halfway = id_ in await sweep.standing_still(connection)
        since = await ended_outside(self.client, id_)
        if since is None and not halfway:
            return False
        if since is not None:
            async with self.store.writing() as connection:
                await sweep.stands_still(connection, {id_: since})
        try:
            await revive(self.client, id_)
        except UserError:
            return True
        async with self.store.writing() as connection:
            await sweep.goes_on(connection, [id_])
        return False

    @activity.defn(name="sweep.settle")
    async def settle(self, order: Standstill) -> StandstillResult:
        """Have a workflow go on that was ended from outside, or keep that it stays ended.

        Safe to repeat, also where an attempt got only halfway: what runs by then is told and written down all the same.
        """
        async with heartbeats():
            return await self._settle(order)

    async def _settle(self, order: Standstill) -> StandstillResult:
        if order.outcome == LEAVE:
            async with self.store.writing() as connection:
                await sweep.leave(connection, order.workflow_id, order.entry.at)
                await timeline.append(connection, [order.entry])
            return StandstillResult(outcome="leave")
        try:
            running = await revive(self.client, order.workflow_id)
        except CameToItsEndError as refusal:
            # Perhaps since an attempt at this had it go on; what was put back from a backup may not know that yet.
            async with self.store.snapshot() as connection:
                is_over = order.workflow_id not in await open_workflows(connection)
            return StandstillResult(outcome="over" if is_over else "unable", reason=refusal.problem)
        except UserError as refusal:
            return StandstillResult(outcome="unable", reason=refusal.problem)
        async with self.store.writing() as connection:
            await tasks.reopen_gone(connection, running)
            await sweep.goes_on(connection, running)
            # What an onboarding wrote for a step of its own that failed stays with that step.
            await outbox.take_up(connection, [id_ for id_ in running if id_.startswith(("meeting/", "task/"))])
            await timeline.append(connection, [order.entry])
        await tell_begun(self.store, self.client, running)
        return StandstillResult(outcome="again")


def _is_closed(one: sweep.StandingStill, shown: set[str]) -> bool:
    """Whether it has been taken care of: what is left ended is not shown as open either."""
    return one.left_at is None and one.workflow_id not in shown


async def _about(connection: Connection, workflow_id: str) -> str | None:
    """The to-do about an email whose workflow is gone: nobody hears an answer to it."""
    kind, _, key = workflow_id.partition("/")
    if kind != "undelivered":
        return None
    message = await outbox.message(connection, key)
    return await tasks.open_about_email(connection, message.account or "", key)


async def _whose(connection: Connection, workflow_id: str, since: datetime) -> Gone | None:
    """Whose a workflow is that is gone; nothing for what has a parent."""
    kind, _, ref = workflow_id.partition("/")
    beside = kind == "meeting" and is_ad_hoc(step_of_meeting(workflow_id))
    if beside or kind in ("onboarding", "cadence", "hand-over"):
        account = account_of(ref.partition("/")[0])
        return Gone(account=account, subject=account, workflow_id=workflow_id, since=since, assign=("tam",))
    if kind == "case":
        case = await support_case.case(connection, ref)
        lead = f"role:{Role.SUPPORT_LEAD}"
        return Gone(account=case.account, subject=ref, workflow_id=workflow_id, since=since, assign=(lead,))
    if kind == "tech-review" and (review := await tech_review.review(connection, ref)) is not None:
        return Gone(account=review.account, subject=ref, workflow_id=workflow_id, since=since, assign=("tam",))
    return None


async def _anew(connection: Connection, gone: Gone) -> Gone:
    """A workflow that Temporal no longer has: what is left of an onboarding, or of what recurs, can be started anew."""
    kind, _, _ = gone.workflow_id.partition("/")
    contract = None
    if kind == "onboarding" and (found := await contracts.of_workflow(connection, gone.workflow_id)) is not None:
        contract = found.id
    if kind == "cadence" and (rhythms := await cadence.of_account(connection, gone.account)):
        contract = rhythms[0].contract
    if contract is None:
        return gone.model_copy(update={"forgotten": True})
    steps = await contracts.milestones(connection, contract)
    recurs = kinds(DoneBy.CADENCE)
    at = next(
        (one.step for one in steps if (one.kind in recurs if kind == "cadence" else not StepState(one.state).ended)),
        None,
    )
    return gone.model_copy(update={"forgotten": True, "anew": at})


async def _unasked(connection: Connection, now: datetime) -> list[outbox.Message]:
    """What failed, or may not have arrived, and nobody is asked about, among those whose turn it is."""
    found: dict[str, outbox.Message] = {}

    async def after(key: str) -> list[str]:
        some = await outbox.unresolved_after(connection, key, AT_MOST)
        found.update({one.key: one for one in some})
        return [one.key for one in some]

    turn = await sweep.in_turn(connection, now, after, AT_MOST)
    asked = await tasks.asked_about(connection, [(found[key].account or "", key) for key in turn])
    return [found[key] for key in turn if key not in asked]
