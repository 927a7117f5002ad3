"""What people say to a workflow, as it travels."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AliasChoices, AliasPath, Field

from rapport.model.base import WireModel
from rapport.model.meeting import Receipt

LATER: Final = "recorded, will be checked when a worker is back"
"""The outcome of a word that could not be judged at once."""

_Id = Annotated[str, Field(pattern=r"^[a-z]+_[0-9a-z]+$", max_length=64)]


class Left(WireModel):
    """A word that no worker could take at once, left at the workflow's door: ids and choices only, as in its update.

    Attributes:
        update: The update that it was meant for, by its name on the wire.
        word: What that update takes.
    """

    update: str
    word: dict[str, Any]


class Unread(WireModel):
    """What can be read of a word whose rest cannot: which one it is, and who said it."""

    id: _Id
    by: Annotated[_Id, Field(validation_alias=AliasChoices("by", "voter", AliasPath("round", "by")))]

    @property
    def submission(self) -> str:
        """The submission with what was said: its id is the word's own."""
        return self.id


class RecallAsked(WireModel):
    """Which run of a workflow was reset in Temporal, and may have forgotten what it was told."""

    workflow_id: str
    run_id: str


class SaidBefore(WireModel):
    """A word that an earlier run has taken, and the receipt that it gave, where that is known."""

    left: Left
    receipt: Receipt | None = None


class Recalled(WireModel):
    """The words that such a run does not know any more, the first first; and whether it was reset at all."""

    words: tuple[SaidBefore, ...] = ()
    was_reset: bool = False
