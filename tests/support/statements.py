"""What SQLAlchemy makes of a statement is kept for the whole process, and not anew for each test's own database."""

from __future__ import annotations

from functools import wraps
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.util import LRUCache

from rapport.storage import sqlite

_made = sqlite.create_engine  # type: ignore[attr-defined]
_KEPT: LRUCache[Any, Any] = LRUCache(4000)
_first: list[Engine] = []


@wraps(_made)
def _engine(*arguments: Any, **options: Any) -> Engine:
    """An engine that speaks the same dialect as all before it, which is what they keep a statement by."""
    engine: Engine = _made(*arguments, **options)
    _first[:] = _first or [engine]
    engine.dialect = _first[0].dialect
    engine._compiled_cache = _KEPT
    return engine


def kept() -> None:
    """Have every engine of this process keep them in one place."""
    sqlite.create_engine = _engine  # type: ignore[attr-defined]
