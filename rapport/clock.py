"""The present: this machine's, or the one that a simulation has set for what it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

_SET: Final[ContextVar[datetime | None]] = ContextVar("present", default=None)


def present() -> datetime:
    """The present, in UTC."""
    return _SET.get() or datetime.now(UTC)


def is_set() -> bool:
    """Whether a simulation says what time it is."""
    return _SET.get() is not None


@contextmanager
def set_to(instant: datetime) -> Iterator[None]:
    """Have it be this instant for everything that is done within, and for every task that is begun within."""
    before = _SET.set(instant)
    try:
        yield
    finally:
        _SET.reset(before)
