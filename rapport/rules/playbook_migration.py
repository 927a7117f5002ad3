"""What changes from one playbook to another; and for an account that is on its way, if it adopts a newer one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from rapport.model.base import Instant, WireModel
from rapport.model.playbook import Playbook
from rapport.model.step import CadenceStep, ReviewStep, StepDefinition, SyncStep
from rapport.rules.onboarding import Progress, StepState

NOT_FOR_THIS_ACCOUNT = "not for this account"
NOT_IN_PLAYBOOK = "no longer in the playbook"

IN_THE_CALENDAR = frozenset({"title", "every", "minutes", "agenda", "invite", "require"})
"""What of a standing meeting its invitation says: where it changes, the series goes out anew."""


class FieldChange(WireModel):
    """One field before and after, as JSON has it; nothing where the field has no value."""

    field: str
    before: Any = None
    after: Any = None


class StepChange(WireModel):
    """A step that both playbooks have, and where they differ."""

    step: str
    fields: tuple[FieldChange, ...]


class Difference(WireModel):
    """What differs between two playbooks, in the order of their steps.

    Attributes:
        playbook: What differs of the playbook itself: name, title, version.
    """

    playbook: tuple[FieldChange, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[StepChange, ...] = ()


class Adoption(WireModel):
    """What adopting a playbook would change for one account.

    Attributes:
        changed: Waiting steps that get their new definition.
        added: New steps, which wait.
        left_out: New steps that this account does not get.
        dropped: Waiting steps that the playbook no longer has, or no longer has for this account.
        kept: Running and ended steps that the playbook defines otherwise or no longer has; nothing changes for them.
        replanned: Waiting steps whose due instant has to be worked out anew.
        free: Those of the changed and added that wait for nothing that has not ended: their offset alone, counted from
            what they follow, holds them. It may be over long ago, so they are staggered.
    """

    playbook: str
    version: int
    changed: tuple[StepChange, ...] = ()
    added: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    replanned: tuple[str, ...] = ()
    free: tuple[str, ...] = ()

    @property
    def changes_nothing(self) -> bool:
        """Whether the account's plan stays as it is."""
        return not (self.changed or self.added or self.left_out or self.dropped)


class RhythmAdoption(WireModel):
    """What adopting a playbook would change of what recurs for one account.

    Attributes:
        changed: Rhythms that get their new definition, from the next brief, digest or offer on.
        invited_anew: Those of them whose standing invitation goes out again.
        removed: Rhythms that come to an end; a review whose times are offered is still held.
    """

    changed: tuple[StepChange, ...] = ()
    invited_anew: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def changes_nothing(self) -> bool:
        """Whether everything recurs as before."""
        return not (self.changed or self.added or self.removed)


class Plan(WireModel):
    """An account's plan as its onboarding has it: which playbook, and each step with where it stands.

    Attributes:
        began: Since when it runs, or from when it is to.
        ends: When its contract ends, where that is known.
    """

    contract: str
    playbook: str
    version: int
    paused_at: Instant | None = None
    began: Instant | None = None
    ends: Instant | None = None
    steps: dict[str, Progress]


def difference(old: Playbook, new: Playbook) -> Difference:
    """What is other in `new` than in `old`."""
    before, after = _by_name(old), _by_name(new)
    return Difference(
        playbook=_fields(
            old.model_dump(mode="json", exclude={"steps"}), new.model_dump(mode="json", exclude={"steps"})
        ),
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed=tuple(
            StepChange(step=name, fields=found)
            for name, step in after.items()
            if name in before and (found := _step_fields(before[name], step))
        ),
    )


def changes(progress: Mapping[str, Progress], new: Playbook, left_out: Iterable[str]) -> Adoption:
    """What adopting `new` would change for an account.

    Args:
        progress: The account's steps as they stand.
        left_out: The steps of `new` that the account does not get, see `plan.left_out`.
    """
    omitted, wanted = set(left_out), _by_name(new)
    changed, replanned = [], []
    for name, step in progress.items():
        if step.state is not StepState.WAITING or name not in wanted or name in omitted:
            continue
        fields = _step_fields(step.definition, wanted[name])
        if fields:
            changed.append(StepChange(step=name, fields=fields))
        if {change.field for change in fields} & {"after", "offset", "before"}:
            replanned.append(name)
    added = [name for name in wanted if name not in progress and name not in omitted]
    dropped = [
        name
        for name, step in progress.items()
        if step.state is StepState.WAITING and (name not in wanted or name in omitted)
    ]
    ended = {name for name, step in progress.items() if step.state.ended} | omitted | set(dropped)
    ended -= {name for name, step in progress.items() if step.state is StepState.RUNNING}
    return Adoption(
        playbook=new.name,
        version=new.version,
        changed=tuple(changed),
        added=tuple(added),
        left_out=tuple(name for name in wanted if name not in progress and name in omitted),
        dropped=tuple(dropped),
        kept=tuple(_kept(progress, wanted)),
        replanned=tuple(replanned),
        free=tuple(name for name in (*replanned, *added) if all(other in ended for other in wanted[name].after)),
    )


def rhythms_of(playbook: Playbook, left_out: Iterable[str]) -> tuple[SyncStep | ReviewStep, ...]:
    """What recurs by a playbook for an account that does not get some of its steps."""
    omitted = set(left_out)
    return tuple(step for step in playbook.steps if isinstance(step, CadenceStep) and step.name not in omitted)


def rhythm_changes(running: Iterable[SyncStep | ReviewStep], wanted: Iterable[SyncStep | ReviewStep]) -> RhythmAdoption:
    """What becomes of what recurs when other rhythms are wanted; one that turns into another kind ends and begins."""
    before, after = {step.name: step for step in running}, {step.name: step for step in wanted}
    same = [name for name, step in after.items() if name in before and before[name].rhythm == step.rhythm]
    changed = tuple(
        StepChange(step=name, fields=found) for name in same if (found := _step_fields(before[name], after[name]))
    )
    return RhythmAdoption(
        changed=changed,
        invited_anew=tuple(
            change.step
            for change in changed
            if isinstance(after[change.step], SyncStep) and IN_THE_CALENDAR & {field.field for field in change.fields}
        ),
        added=tuple(name for name in after if name not in same),
        removed=tuple(name for name in before if name not in same),
    )


def adopted(progress: Mapping[str, Progress], new: Playbook, adoption: Adoption, now: datetime) -> dict[str, Progress]:
    """An account's steps after it has adopted `new`, in the new playbook's order; what that lacks stays in its place.

    Args:
        adoption: What `changes` said of these very steps.
    """
    dropped, left_out, replanned = set(adoption.dropped), set(adoption.left_out), set(adoption.replanned)

    def after(definition: StepDefinition) -> Progress:
        step = progress.get(definition.name)
        if step is None and definition.name in left_out:
            return _ended(Progress(definition=definition), NOT_FOR_THIS_ACCOUNT, now)
        if step is None:
            return Progress(definition=definition)
        if definition.name in dropped:
            return _ended(step, NOT_FOR_THIS_ACCOUNT, now)
        if step.state is not StepState.WAITING:
            return step
        due = None if definition.name in replanned else step.due
        return step.model_copy(update={"definition": definition, "due": due})

    found = {definition.name: after(definition) for definition in new.steps}
    gone = {
        name: _ended(step, NOT_IN_PLAYBOOK, now) if name in dropped else step
        for name, step in progress.items()
        if name not in found
    }
    return _woven(list(progress), found, gone)


def _ended(step: Progress, why: str, now: datetime) -> Progress:
    return step.model_copy(update={"state": StepState.DROPPED, "due": None, "ended": now, "outcome": why})


def _woven(before: list[str], found: dict[str, Progress], gone: dict[str, Progress]) -> dict[str, Progress]:
    """The steps that are left, each of those that are gone behind the one that it stood behind."""
    behind: dict[str | None, list[str]] = {}
    anchor: str | None = None
    for name in before:
        if name in gone:
            behind.setdefault(anchor, []).append(name)
        else:
            anchor = name
    order = list(behind.get(None, ()))
    for name in found:
        order += [name, *behind.get(name, ())]
    return {name: found.get(name) or gone[name] for name in order}


def _kept(progress: Mapping[str, Progress], wanted: Mapping[str, StepDefinition]) -> Iterator[str]:
    for name, step in progress.items():
        waits = step.state is StepState.WAITING
        if not waits and (name not in wanted or _step_fields(step.definition, wanted[name])):
            yield name


def _by_name(playbook: Playbook) -> dict[str, StepDefinition]:
    return {step.name: step for step in playbook.steps}


def _step_fields(before: StepDefinition, after: StepDefinition) -> tuple[FieldChange, ...]:
    return () if before == after else _fields(before.model_dump(mode="json"), after.model_dump(mode="json"))


def _fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(field=field, before=before.get(field), after=after.get(field))
        for field in dict.fromkeys((*before, *after))
        if before.get(field) != after.get(field)
    )
