"""Hearing that a run was reset in Temporal to an earlier point: it may have forgotten what is on record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from temporalio import workflow

_BEFORE_ANY: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Nothing is numbered more than once a second for long, so the seconds since then are more than what was given."""

_START: Final = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
_WORD: Final = 8
_MASK: Final = 2**64 - 1


def whenever_reset(hear: Callable[[], None]) -> None:
    """Call something once the run was reset, before anything else is done. It may do no more than note that.

    It is called between the workflow's turns, where nothing of Temporal's answers, and what fails there is never said.

    Temporal gives such a run other random numbers. One that was reset to before its first task has them as it comes to
    be: not those of its name. Of a run that went on from another one that is not known.
    """

    def heard(seed: int) -> None:  # noqa: ARG001 - whichever it is
        hear()

    workflow.register_random_seed_callback(heard)
    info = workflow.info()
    if info.continued_run_id is None and workflow.random_seed() != seed_of(info.first_execution_run_id):
        hear()


class Numbers:
    """Numbers that rise, past all that a workflow had given before it was reset to where it had given fewer."""

    def __init__(self, last: int = 0) -> None:
        """Go on after the last one that was given."""
        self._last = last
        self._was_reset = False
        whenever_reset(self._note)

    def _note(self) -> None:
        self._was_reset = True

    @property
    def last(self) -> int:
        """The last one, or what stands in its place after a reset."""
        if self._was_reset:
            self._last, self._was_reset = max(self._last, int((workflow.now() - _BEFORE_ANY).total_seconds())), False
        return self._last

    def take(self) -> int:
        """Give the next one."""
        self._last = self.last + 1
        return self._last


def seed_of(run_id: str) -> int:
    """The seed that Temporal's SDK gives a run of this id, as long as it is not reset: SipHash-1-3 with an empty key.

    It is the same in every version, or else no run would replay that ever asked for a random number.
    """
    data = run_id.encode() + b"\xff"
    whole = len(data) - len(data) % _WORD
    words = [int.from_bytes(data[at : at + _WORD], "little") for at in range(0, whole, _WORD)]
    words.append(len(data) % 256 << 56 | int.from_bytes(data[whole:], "little"))
    state = _START
    for word in words:
        v0, v1, v2, v3 = state
        v0, v1, v2, v3 = _mixed(v0, v1, v2, v3 ^ word)
        state = (v0 ^ word, v1, v2, v3)
    v0, v1, v2, v3 = state
    v2 ^= 0xFF
    for _ in range(3):
        v0, v1, v2, v3 = _mixed(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


def _mixed(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    v0 = (v0 + v1) & _MASK
    v1 = _turned(v1, 13) ^ v0
    v0 = _turned(v0, 32)
    v2 = (v2 + v3) & _MASK
    v3 = _turned(v3, 16) ^ v2
    v0 = (v0 + v3) & _MASK
    v3 = _turned(v3, 21) ^ v0
    v2 = (v2 + v1) & _MASK
    v1 = _turned(v1, 17) ^ v2
    return v0, v1, _turned(v2, 32), v3


def _turned(word: int, by: int) -> int:
    return (word << by | word >> 64 - by) & _MASK
