"""What Temporal's UI shows of a running workflow, as Markdown. Roles and instants only; names stay in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rapport.model.cadence import CadenceView
from rapport.model.commands import in_name, reading_drafts
from rapport.model.ids import account_of, cadence_id, step_workflow
from rapport.model.meeting import MeetingPhase, MeetingView
from rapport.model.projection import Wait
from rapport.model.step import DoneBy, Stage
from rapport.model.support_case import CaseView, DeskView
from rapport.model.task import CONTACT_PREFIX, TaskPhase, TaskView
from rapport.model.tech_review import ReviewView
from rapport.rules import quorum
from rapport.rules.onboarding import Progress, StepState, current_stage
from rapport.rules.wording import amount

_MARK = {
    StepState.WAITING: "○",
    StepState.RUNNING: "▶",
    StepState.DONE: "✓",
    StepState.SKIPPED: "–",
    StepState.DROPPED: "–",
    StepState.FAILED: "✗",
}


def onboarding(
    scope: str,
    steps: Mapping[str, Progress],
    paused_at: datetime | None = None,
    hold: Wait | None = None,
    shut: Mapping[str, Wait] | None = None,
) -> str:
    """Where an account is: its stages, its steps, and where to look next.

    Args:
        scope: What the account, or this one of its contracts, is called by commands.
        hold: Why nothing goes to the customer.
        shut: The steps that wait before a gate.
    """
    here = current_stage(steps)
    # That the steps of a stage have ended isn't a tick: whether their emails have gone is known elsewhere.
    stages = " → ".join(
        f"**{stage}**" if stage is here else stage
        for stage in Stage
        if any(step.definition.stage is stage for step in steps.values())
    )
    # Lists, because Temporal's UI draws the cells of a table without any space between them.
    lines = [stages, ""]
    if paused_at is not None:
        resume = f"`{in_name(f'rapport onboarding resume {scope} --reason …')}`"
        lines += [f"**Paused** since {_at(paused_at)}: nothing goes out, answers are still taken. {resume}", ""]
    if hold is not None:
        lines += [f"Some steps are on {hold.what}. Next: `{hold.unblock}`", ""]
    for name, wait in (shut or {}).items():
        lines += [f"`{name}` waits for {wait.what}. To go on: `{wait.unblock}`", ""]
    for step in steps.values():
        since = step.ended or step.began or step.due
        state = f"{step.state}: {step.outcome}" if step.outcome else str(step.state)
        at = f", {_at(since)}" if since else ""
        lines.append(f"- {_MARK[step.state]} **{step.definition.title}** ({step.definition.stage}): {state}{at}")
    lines += [""]
    for name, step in steps.items():
        if step.state is StepState.RUNNING:
            lines.append(_running(scope, name, step))
    return "\n".join([*lines, "", f"Everything at once: `rapport onboarding status {scope}`"])


def _running(scope: str, name: str, step: Progress) -> str:
    """Where to look for what a running step waits for."""
    if step.definition.done_by is DoneBy.ONBOARDING:
        return f"`{name}` is sending; to read the drafts: `{reading_drafts(account_of(scope))}`."
    if step.definition.done_by is DoneBy.CADENCE:
        return f"What `{name}` waits for stands in `{cadence_id(account_of(scope))}`."
    return f"What `{name}` waits for stands in `{step_workflow(step.definition.kind, scope, name, step.attempt)}`."


def meeting(view: MeetingView) -> str:
    """Where a meeting is: what it waits for, the way out, and each time with its votes."""
    lines = [f"**{view.phase}**, round {view.round}"]
    if view.booking is not None:
        lines.append(f"\nBooked: **{_at(view.booking.start)}** (by {view.booking.by})")
    lines += _wait(view)
    if view.proposal is not None and view.phase is not MeetingPhase.ENDED:
        votes = {vote.voter: vote for vote in view.votes}
        personas = {invitee.id: " and ".join(invitee.personas) for invitee in view.proposal.invitees}
        lines += ["", "Times on offer, and whom they suit:", ""]
        for slot in view.proposal.slots:
            yes = [personas[id_] for id_ in quorum.supporters(slot, view.proposal, votes)]
            lines.append(f"- {_at(slot.start)}: {', '.join(yes) or 'nobody yet'}")
        lines.append(f"\n{len(view.votes)} of {len(view.proposal.invitees)} have answered.")
    return "\n".join(lines)


def cadence(view: CadenceView, drafts: int) -> str:
    """What recurs for an account: each rhythm with its next times, and what waits for somebody."""
    lines = []
    for rhythm in view.rhythms:
        lines.append(f"**{rhythm.title}**, every {rhythm.every.removeprefix('1 ')}, {amount(rhythm.minutes, 'minute')}")
        if rhythm.rhythm == "review":
            meeting = f"`meeting/{view.account}/{rhythm.step}/{rhythm.period}`" if rhythm.period else "none yet"
            lines.append(f"- the next is wanted on {_at(rhythm.target)}; the meeting opened last: {meeting}")
        for one in rhythm.coming[:4]:
            moved = " (moved)" if one.is_moved else ""
            lines.append(f"- {_at(one.start)}{moved}" + (f": off, {one.off}" if one.off else ""))
        if rhythm.wait.what:
            lines.append(f"\nWaits for {rhythm.wait.what}. To move it on: `{rhythm.wait.unblock}`")
        lines.append("")
    if drafts:
        lines.append(f"{amount(drafts, 'draft waits', 'drafts wait')}: `{reading_drafts(view.account)}`\n")
    return "\n".join([*lines, f"Everything at once: `rapport cadence show {view.account}`"])


def roles(assign: Sequence[str]) -> tuple[str, ...]:
    """The roles that a task waits on, never people."""
    named = {"manager": "tam_manager"}
    return tuple(
        dict.fromkeys(
            named.get(one, one.removeprefix("role:").removeprefix(CONTACT_PREFIX))
            for one in assign
            if not one.startswith("m_")
        )
    )


def task(view: TaskView) -> str:
    """Where a human task is: what it waits for, the way out, and how far it is."""
    lines = [f"**{view.title}**: {view.question}", "", f"{view.phase}, round {view.round}"]
    if view.outcome is not None:
        lines.append(f"\nOutcome: **{view.outcome}**")
    lines += _wait(view)
    if view.phase is not TaskPhase.CLOSED:
        lines += ["", "Seats:", ""]
        for seat in view.seats:
            how = ", ".join(
                f"{holder.via}: {holder.reason}" if holder.reason else holder.via for holder in seat.holders
            )
            persona = seat.id.removeprefix(CONTACT_PREFIX) if seat.id.startswith(CONTACT_PREFIX) else None
            lines.append(f"- {seat.role or persona or 'a member'}: {how or 'nobody'}")
        lines.append(f"\n{len(view.decisions)} have decided.")
    return "\n".join(lines)


def tech_review(view: ReviewView) -> str:
    """Where a technical review is: by when the customer needs to know, what it waits for, and the way out."""
    late = "**Overdue.** " if view.overdue else ""
    lines = [f"{late}**{view.phase}**, round {view.round.number}: {view.round.ask}, {view.round.stage}"]
    lines.append(f"\nThe customer needs to know by {_at(view.round.needed_by)}.")
    if view.outcome is not None:
        lines.append(f"\nOutcome: **{view.outcome}**")
    return "\n".join([*lines, *_wait(view), "", f"Everything at once: `rapport review show {view.ref}`"])


def desk(view: DeskView) -> str:
    """Where a desk is: how much waits, how much is in hand, and what was not heard yet."""
    state = view.state
    lines = [f"**{len(state.queue)}** wait for an owner, **{len(state.owners)}** are in hand", ""]
    lines += [f"- `case/{case.ref}`: severity {case.severity}, since {_at(case.since)}" for case in state.queue[:20]]
    if len(state.queue) > 20:
        lines.append(f"- and {len(state.queue) - 20} more")
    if state.unacknowledged:
        lines.append(f"\n{amount(len(state.unacknowledged), 'case has', 'cases have')} not confirmed their owner yet.")
    for one in state.escalations:
        lines.append(f"\nEngineering ({one.team}): `case/{one.ref}` {'has it' if one.granted else 'waits'}")
    return "\n".join([*lines, "", f"{state.taken} handed out in {state.runs} runs. All of it: `rapport desk status`"])


def case(view: CaseView) -> str:
    """Where a case is: whose it is by role, what is promised, and the way out."""
    status = view.status
    lines = [f"**{status.state}**, severity {status.severity}, area {status.area}", ""]
    if view.waiting_for:
        lines.append(f"Waits for {view.waiting_for}.")
    if status.clock is not None:
        promise = status.clock.promise.replace("_", " ")
        until = f"by {_at(view.due)}" if view.due else "its clock stands still"
        lines.append(f"\nPromised: {promise}, {until}")
    if view.escalation:
        lines.append(f"\nEngineering: {view.escalation}")
    return "\n".join([*lines, "", f"Everything at once: `rapport case show {view.ref}`"])


def _wait(view: MeetingView | TaskView | ReviewView) -> list[str]:
    """What is waited for, for whom, until when, and the way out."""
    lines = []
    if view.waiting_for:
        due = f", due {_at(view.deadline)}" if view.deadline else ""
        lines.append(f"\nWaits for {view.waiting_for}{due}.")
    if view.waiting_on:
        lines.append(f"\nWaits on: {', '.join(view.waiting_on)}")
    if view.unblock:
        lines.append(f"\nTo move it on: `{view.unblock}`")
    return lines


def _at(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M} UTC"
