"""What members do to a running onboarding as a whole, and what it passes on to the workflows of its steps."""

from __future__ import annotations

from enum import StrEnum

from rapport.model.base import WireModel, Word
from rapport.model.playbook import Playbook


class Operate(StrEnum):
    """The operations on a running onboarding."""

    PAUSE = "pause"
    RESUME = "resume"
    SKIP = "skip"
    REDO = "redo"
    COMPLETE = "complete"
    ADOPT = "adopt"
    CANCEL = "cancel"


OF_A_STEP = frozenset({Operate.SKIP, Operate.REDO, Operate.COMPLETE})
"""The operations that name a step."""


class Seen(WireModel):
    """A step as it was on record when somebody said what becomes of it."""

    attempt: int
    state: str


class Operation(Word):
    """A member's word on an onboarding; the reason stands in SQL, under the submission's id.

    Attributes:
        step: The step, for those in `OF_A_STEP`.
        seen: What they knew of it. Of two who decide about a step at once, the second did not know of the first.
        playbook, left_out: What is adopted, and which of its steps the account does not get.
    """

    by: str
    kind: Operate
    step: str | None = None
    seen: Seen | None = None
    playbook: Playbook | None = None
    left_out: tuple[str, ...] = ()


class ControlKind(StrEnum):
    """What a workflow is told by whoever started it, or had it go on."""

    PAUSE = "pause"
    RESUME = "resume"
    CLOSE = "close"
    TELL = "tell"


class Control(WireModel):
    """A word from the one above: stand still, go on, come to an end, or tell again what it waits for.

    Attributes:
        by, submission, outcome: Who ended it, what they wrote, and how that ended it, where a member has.
    """

    kind: ControlKind
    by: str | None = None
    submission: str | None = None
    outcome: str | None = None
