"""Texts as they are searched, in capitals or not: SQLite's own `lower()` leaves any letter but A to Z as it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

_FIELD: Final = '"[a-z_]+": ?'
"""The name of a field in JSON; within a value each quote is escaped."""


class folded(GenericFunction[str]):  # noqa: N801 - called as SQL calls it
    """A text in small letters, of any alphabet."""

    type = Text()
    inherit_cache = True


class folded_answers(GenericFunction[str]):  # noqa: N801 - called as SQL calls it
    """As `folded`, of a JSON object without the names of its fields, which nobody wrote."""

    type = Text()
    inherit_cache = True


@compiles(folded, "postgresql")
def _lower(element: folded, compiler: Any, **options: Any) -> str:
    return f"lower({compiler.process(element.clauses, **options)})"


@compiles(folded_answers, "postgresql")
def _lower_answers(element: folded_answers, compiler: Any, **options: Any) -> str:
    return f"regexp_replace(lower({compiler.process(element.clauses, **options)}), '{_FIELD}', '', 'g')"


def _fold(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _fold_answers(text: str | None) -> str | None:
    return None if text is None else re.sub(_FIELD, "", text.lower())


TAUGHT: Final[Mapping[str, Callable[[str | None], str | None]]] = {"folded": _fold, "folded_answers": _fold_answers}
"""The functions that SQLite is taught; PostgreSQL has its own."""
