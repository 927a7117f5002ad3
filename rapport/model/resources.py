"""What can be sent to somebody about a language or a tool: a short shelf each, shipped or an installation's own."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from pydantic import Field, HttpUrl, RootModel, model_validator

from rapport.model.base import InputModel, Name, UserError, WireModel
from rapport.model.reading import read_toml

RESOURCES_FILE: Final = "resources.toml"


class Resource(InputModel):
    """Something to read: what it is called, where it is, and why it is worth it, in one sentence."""

    title: Name
    link: HttpUrl
    why: Name


class Shelf(InputModel):
    """What there is about one language or tool.

    Attributes:
        also: Other names for it.
    """

    title: Name
    also: tuple[Name, ...] = ()
    links: tuple[Resource, ...] = Field(min_length=1, max_length=5)


class _File(RootModel[dict[Name, Shelf]]):
    @model_validator(mode="after")
    def _in_lower_case(self) -> _File:
        for name in self.root:
            if name != name.lower():
                raise ValueError(f'{name}: is not in lower case; write "{name.lower()}"')
        return self


class Library(WireModel):
    """All shelves, by name."""

    shelves: dict[str, Shelf] = Field(default_factory=dict)

    def about(self, names: Iterable[str]) -> list[Shelf]:
        """The shelves about these languages or tools, each once, in their order; of some there may be none."""
        called = {also.lower(): shelf for shelf in self.shelves.values() for also in shelf.also}
        called |= self.shelves
        found = [called[name.strip().lower()] for name in names if name.strip().lower() in called]
        return list({shelf.title: shelf for shelf in found}.values())


@cache
def library(data: Path | None = None) -> Library:
    """The shipped shelves, with those of an installation in their place or beside them; read once a process.

    Args:
        data: The data directory; it need not have any.

    Raises:
        UserError: A file cannot be read, or something in it is wrong.
    """
    shelves = dict(read_toml(_File, files("rapport").joinpath(RESOURCES_FILE).read_bytes(), RESOURCES_FILE).root)
    own = data / RESOURCES_FILE if data is not None else None
    if own is not None and own.exists():
        try:
            raw = own.read_bytes()
        except OSError as error:
            raise UserError(
                f"cannot be read: {error.strerror}", field=str(own.name), fix="correct its rights"
            ) from None
        shelves |= read_toml(_File, raw, own.name).root
    return Library(shelves=shelves)
