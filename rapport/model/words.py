"""What people say to a workflow, as it travels."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, AliasPath, Field

from rapport.model.base import WireModel

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
        """The same as its id."""
        return self.id
