"""What people say to a workflow, as it travels."""

from __future__ import annotations

from typing import Any

from rapport.model.base import Wire


class Left(Wire):
    """A word that no worker could take at once, left at the workflow's door: ids and choices only, as in its update.

    Attributes:
        update: The update that it was meant for, by its name on the wire.
        word: What that update takes.
    """

    update: str
    word: dict[str, Any]
