"""Workflows that another one started in an earlier run of itself."""

from __future__ import annotations

from typing import Any

from rapport.model.base import WireModel


class ChildAsked(WireModel):
    """Whose is this workflow, or what came of it?

    Attributes:
        parent, run: The workflow that asks.
    """

    id: str
    parent: str
    run: str


class ChildFound(WireModel):
    """Whether it was started by that very workflow, before it was reset, and whether it runs."""

    own: bool
    runs: bool


class ChildEnded(WireModel):
    """What it gave; nothing where it ended without a result."""

    result: Any = None
