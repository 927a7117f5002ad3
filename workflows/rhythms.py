"""What members say of what recurs: their words are taken here, and `Cadence` acts on them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from rapport.model.cadence import (
        CadencePlan,
        CadenceState,
        Change,
        Missed,
        MoveOne,
        NotHeld,
        Occurrence,
        Review,
        SetRhythm,
        SkipOne,
        Sync,
    )
    from rapport.model.meeting import Receipt
    from rapport.model.operations import Operate, Operation
    from rapport.model.playbook import Playbook, ReviewStep, SyncStep
    from rapport.policy import adoption, cadence
    from rapport.policy.operations import UNCHANGED

from workflows.correspondence import Correspondence
from workflows.diary import Diary
from workflows.words import Door

OPERATIONS: Final = MappingProxyType(
    {Operate.PAUSE: "paused", Operate.RESUME: "resumed", Operate.ADOPT: "adopted", Operate.CANCEL: "cancelled"}
)
"""What can be done to what recurs as a whole, and what then stands in the receipt."""


class Rhythms(Correspondence):
    """What recurs for one account, with everything that may be said of it."""

    def __init__(self, account: str, contract: str, state: CadenceState) -> None:
        """As an earlier run left it, or at the very beginning."""
        super().__init__(account)
        self.syncs: dict[str, Sync] = dict(state.syncs)
        self.reviews: dict[str, Review] = dict(state.reviews)
        self.changes = list(state.changes)
        self.missed = list(state.missed)
        self.recall(state.receipts, state.drafts)
        self.diary = Diary(account, contract, written=state.written, wait=state.wait)
        self.contract = contract
        self.playbook, self.version = state.playbook, state.version
        self.adopting: tuple[SyncStep | ReviewStep, ...] | None = None
        self.has_adopted = False
        self.people_moved = False
        self.stale: set[str] = set()

    # What members say: these record, and `run` acts

    @workflow.update(name="set", description="Set the standing time")
    def set_rhythm(self, op: SetRhythm) -> Receipt:
        """A member's word on the day and the time; everyone gets the series anew."""
        return self.take_word("set", op)

    @set_rhythm.validator
    def _validate_set(self, op: SetRhythm) -> None:
        self.check_word("set", op)

    @workflow.update(name="skip", description="Call one occurrence off")
    def skip(self, op: SkipOne) -> Receipt:
        """A member's word that one occurrence does not take place; everyone's calendar loses it."""
        return self.take_word("skip", op)

    @skip.validator
    def _validate_skip(self, op: SkipOne) -> None:
        self.check_word("skip", op)

    @workflow.update(name="move", description="Move one occurrence")
    def move(self, op: MoveOne) -> Receipt:
        """A member's word that one occurrence takes place at another time."""
        return self.take_word("move", op)

    @move.validator
    def _validate_move(self, op: MoveOne) -> None:
        self.check_word("move", op)

    @workflow.update(name="report", description="Say that an occurrence was not held")
    def report(self, op: NotHeld) -> Receipt:
        """A member's word that nobody met, though nobody had called it off."""
        return self.take_word("report", op)

    @report.validator
    def _validate_report(self, op: NotHeld) -> None:
        self.check_word("report", op)

    @workflow.update(name="operate", description="Pause, resume, adopt another playbook, or cancel what recurs")
    def operate(self, operation: Operation) -> Receipt:
        """A member's word on all of it, as on an onboarding."""
        return self.take_word("operate", operation)

    @operate.validator
    def _validate_operate(self, operation: Operation) -> None:
        self.check_word("operate", operation)

    def doors(self) -> Mapping[str, Door[Any]]:
        """What may be said of it."""
        return {
            **super().doors(),
            "set": Door(SetRhythm, self._judge, self._take_set),
            "skip": Door(SkipOne, self._judge, self._take_skip),
            "move": Door(MoveOne, self._judge, self._take_move),
            "report": Door(NotHeld, self._judge, self._take_report),
            "operate": Door(Operation, self._judge, self._take_operation),
        }

    def tell_refused(self, word: Any, reason: str) -> None:
        """On the timeline."""
        self.diary.tell("word.refused", step=getattr(word, "step", None), who=word.by, submission=word.id, about=reason)

    @workflow.query(name="plan", description="What recurs, by which playbook")
    def plan(self) -> CadencePlan:
        """The definitions of what recurs."""
        return CadencePlan(
            contract=self.contract,
            playbook=self.playbook,
            version=self.version,
            steps=self.definitions,
            closing=self.closing,
        )

    @workflow.signal(name="people_changed", description="Somebody came, left, or is represented")
    def look_again(self) -> None:
        """Look again who is invited, and whose calendars count."""
        self.people_moved = self.changed = True

    @workflow.signal(name="close", description="The cadence is not needed any more")
    def close(self) -> None:
        """Come to an end; nothing recurs from now on."""
        self.closing = self.changed = True

    # How it is done

    @property
    def definitions(self) -> tuple[SyncStep | ReviewStep, ...]:
        """What recurs, with what was adopted and is not acted on yet."""
        if self.adopting is not None:
            return self.adopting
        syncs = (sync.step for sync in self.syncs.values())
        return (*syncs, *(review.step for review in self.reviews.values() if not review.ends))

    def _adopts(self, playbook: Playbook, left_out: tuple[str, ...]) -> bool:
        """Take a playbook's rhythms from now on; whether that changes anything that recurs."""
        self.playbook, self.version, self.has_adopted = playbook.name, playbook.version, True
        wanted = adoption.rhythms_of(playbook, left_out)
        if adoption.rhythm_changes(self.definitions, wanted).changes_nothing:
            return False
        self.adopting = wanted
        return True

    def _judge(self, word: SetRhythm | SkipOne | MoveOne | NotHeld | Operation) -> str | None:
        reason = None
        match word:
            case SetRhythm():
                reason = cadence.judge_set(word, self.syncs)
            case SkipOne():
                reason = cadence.judge_skip(word, self.syncs, workflow.now())
            case MoveOne():
                reason = cadence.judge_move(word, self.syncs, workflow.now())
            case NotHeld():
                reason = cadence.judge_not_held(word, self.syncs, workflow.now())
            case Operation() if word.kind not in OPERATIONS:
                fine = "what recurs can be paused, resumed, cancelled or follow another playbook"
                reason = f"{fine}, not {word.kind}"
        return reason or ("nothing recurs any more; the cadence was closed" if self.closing else None)

    def _take_set(self, op: SetRhythm) -> str:
        sync = self.syncs[op.step]
        self.put(op.step, sync.model_copy(update={"wanted": op}))
        self.diary.tell("sync.set", step=op.step, who=op.by, submission=op.id)
        return "set"

    def _take_skip(self, op: SkipOne) -> str:
        self._alter(op.step, op.day, "skipped", op, {"off": "skipped"})
        return "skipped"

    def _take_move(self, op: MoveOne) -> str:
        one = self._named(op.step, op.day)
        at = cadence.lead(one, op.start, workflow.now())
        times = {"start": op.start, "end": op.start + (one.end - one.start), "tick": at}
        self._alter(op.step, op.day, "moved", op, times)
        return "moved"

    def _take_report(self, op: NotHeld) -> str:
        one = self._named(op.step, op.day)
        self.put(op.step, cadence.replaced(self.syncs[op.step], one.model_copy(update={"outcome": "not_held"})))
        self.diary.tell("sync.not_held", step=op.step, who=op.by, instant=one.start, submission=op.id)
        return "not_held"

    def _take_operation(self, operation: Operation) -> str:
        if operation.playbook is not None and not self._adopts(operation.playbook, operation.left_out):
            return UNCHANGED
        self.diary.tell(f"cadence.{operation.kind}", who=operation.by, submission=operation.id)
        match operation.kind:
            case Operate.ADOPT:
                pass
            case Operate.PAUSE | Operate.RESUME:
                paused = operation.kind is Operate.PAUSE
                self.paused_at = (self.paused_at or workflow.now()) if paused else None
                # So that SQL knows of each which word on it was the last.
                self.stale |= {*self.syncs, *self.reviews}
            case _:
                self.closing = True
        return OPERATIONS[operation.kind]

    def _named(self, step: str, day: object) -> Occurrence:
        sync = self.syncs[step]
        return next(one for one in (*sync.recent, *sync.occurrences) if one.day == day)

    def _alter(self, step: str, day: object, kind: Any, op: SkipOne | MoveOne, values: Mapping[str, object]) -> None:
        """Change one occurrence, and have everyone told."""
        one = self._named(step, day).model_copy(update=values)
        self.put(step, cadence.replaced(self.syncs[step], one))
        self.diary.tell(
            f"sync.{kind}", step=step, who=op.by, about=one.day.isoformat(), instant=one.start, submission=op.id
        )
        self.announce(step, kind, op, one)

    def announce(
        self,
        step: str,
        kind: Any,
        op: SetRhythm | SkipOne | MoveOne | None = None,
        one: Occurrence | None = None,
        went: tuple[str, ...] = (),
    ) -> None:
        """Have everyone told; each change counts the SEQUENCE up.

        Args:
            went: Who is not invited any more.
        """
        sync = self.syncs[step].model_copy(update={"sequence": self.syncs[step].sequence + 1})
        self.put(step, sync)
        by, said = (op.by, op.id) if op else (None, None)
        self.changes.append(
            Change(step=step, kind=kind, sequence=sync.sequence, by=by, submission=said, occurrence=one, went=went)
        )
        if kind in ("begun", "changed"):
            assert sync.first is not None
            self.diary.tell(f"sync.{kind}", step=step, who=by, instant=sync.first.start)
        self.changed = True

    def put(self, name: str, sync: Sync) -> None:
        """Hold a standing meeting as it is now."""
        if sync != self.syncs[name]:
            self.syncs[name] = sync
            self.stale.add(name)

    def miss(self, missed: Missed) -> None:
        """Note what came and went while nobody saw to it."""
        self.missed.append(missed)
        self.diary.tell("cadence.missed", step=missed.step, about=missed.what, instant=missed.at)
