"""On which line of a TOML document each thing stands.

The standard library's reader keeps no positions. This walks over a text that it has already accepted, and so only has
to find where things begin; it never has to say what is wrong with them.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from typing import Final

Place = tuple[str | int, ...]
"""A way into a document: `("steps", 0, "minutes")`."""

_PART: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_BLANK: Final = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR: Final = re.compile(r"[^,\]}\n#]*")
_STRING: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)


def lines(text: str) -> dict[Place, int]:
    """The line of every table, key and list item of a document, by its place; the first line is 1.

    Args:
        text: A document that `tomllib` accepts. What it would not accept has no places that mean anything.
    """
    walk = _Walk(text.replace("\r\n", "\n"))
    # Lists within lists, nearly too deep for tomllib itself: what was found until then is right.
    with contextlib.suppress(RecursionError):
        walk.document()
    return walk.found


def line_of(place: Place, found: dict[Place, int]) -> int:
    """The line of a place, or of the nearest thing around it that is there; what is missing has no line of its own."""
    for length in range(len(place), 0, -1):
        if place[:length] in found:
            return found[place[:length]]
    return 1


def place_of(field: str) -> Place:
    """A field as refusals name it, such as `steps[0].agenda[1].minutes`, as a way into the document."""
    if field == "body":
        return ()
    return tuple(int(index) if index else name for name, index in _PART.findall(field))


class _Walk:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Place, int] = {}
        self._counted = (0, 1)
        self._items: dict[Place, int] = {}

    def document(self) -> None:
        here: Place = ()
        while self._skip(_BLANK):
            if self.text[self.at] != "[":
                self._pair(here)
                continue
            several = self.text.startswith("[[", self.at)
            line = self._line()
            self.at += 2 if several else 1
            *way, last = self._key()
            here = self._inside((*self._through(way), last), several=several)
            self._note(here, line)
            self._skip(_SPACE)
            self.at += 2 if several else 1

    def _through(self, way: list[str]) -> Place:
        """A header's way to its table; a name that stands for several tables means the last of them."""
        place: Place = ()
        for part in way:
            place = self._inside((*place, part), several=False)
        return place

    def _inside(self, place: Place, *, several: bool) -> Place:
        if several:
            self._items[place] = self._items.get(place, 0) + 1
        return (*place, self._items[place] - 1) if place in self._items else place

    def _note(self, place: Place, line: int) -> None:
        for length in range(1, len(place) + 1):
            self.found.setdefault(place[:length], line)

    def _line(self) -> int:
        """The line of the place that is read; counted on from the last one asked for."""
        since, line = self._counted
        self._counted = (self.at, line + self.text.count("\n", since, self.at))
        return self._counted[1]

    def _skip(self, what: re.Pattern[str]) -> bool:
        """Step over what matches; whether anything is left."""
        if match := what.match(self.text, self.at):
            self.at = match.end()
        return self.at < len(self.text)

    def _pair(self, table: Place) -> None:
        line = self._line()
        place = (*table, *self._key())
        self._note(place, line)
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(place)

    def _key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            bare = _BARE.match(self.text, self.at)
            word = bare or _STRING.match(self.text, self.at)
            if word is None:
                raise AssertionError("the document was not accepted before")
            self.at = word.end()
            parts.append(word[0] if bare else tomllib.loads(f"key = {word[0]}")["key"])
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _value(self, place: Place) -> None:
        match self.text[self.at]:
            case "[":
                self._several("]", place)
            case "{":
                self._several("}", place)
            case '"' | "'":
                self._skip(_STRING)
            case _:
                self._skip(_SCALAR)

    def _several(self, end: str, place: Place) -> None:
        """Step over a list or an inline table, and note what stands in it."""
        self.at += 1
        index = 0
        while self._skip(_BLANK) and self.text[self.at] != end:
            if end == "}":
                self._pair(place)
            else:
                item = (*place, index)
                self._note(item, self._line())
                self._value(item)
                index += 1
            if self._skip(_BLANK) and self.text[self.at] == ",":
                self.at += 1
        self.at += 1
