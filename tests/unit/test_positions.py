"""Where in a TOML document each thing stands."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from rapport.model.positions import Place, line_of, lines
from rapport.playbooks import shipped
from tests.mail_fixtures import EXAMPLE

CALM = settings(deadline=None, max_examples=200)

AWKWARD = '''
# a comment with [brackets] and "quotes"
title = "a # b ] } , \\" c"
'quoted key' = 1
a.b . "c.d" = [ # not the end ]
  1, 2979-05-27 07:32:00,

  ["x", """
two lines, \\""" and five quotes"""""], { y = 1, z = { w = [
    'last' ] } },
]
literal = \'\'\'
it's '' here\'\'\'\'\'

[[steps]]
name = "one"
[steps.onsite]
minutes = 1
[[steps.onsite.agenda]]
topic = "x"
'''


def places(data: Any, place: Place = ()) -> Iterator[Place]:
    """Every place in a document, as the standard library reads it."""
    items: Any = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*place, key)
        yield from places(value, (*place, key))


KEYS = st.sampled_from(["a", "b", "c-1", "_", '"q.x"', "'l ] #'", '"\\u00e9\\n"', "1979"])
SCALARS = st.sampled_from(
    [
        *("1", "-1.5e3", "true", "inf", "0xff", "1979-05-27", "1979-05-27 07:32:00Z", "07:32:00", "''", '""'),
        *('"a # b"', '"\\"]"', "'{ ,'", '"""\n\n x"""', "'''\n'' '''", '"""a"""""', '"""\\\n  "" x\\""""', "''''''"),
    ]
)
GAPS = st.sampled_from(["", " ", "\n", "\n\n# ] }\n", " # x\n\t"])


@st.composite
def listed(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """A list, over one line or several, with comments between its items."""
    items = draw(st.lists(inner, max_size=3))
    text = ",".join(f"{draw(GAPS)}{item}{draw(GAPS)}" for item in items)
    return f"[{text}{draw(st.sampled_from(['', ','])) if items else ''}{draw(GAPS)}]"


@st.composite
def inlined(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """A table on one line."""
    keys = draw(st.lists(KEYS, max_size=3, unique=True))
    return "{" + ", ".join(f"{key} = {draw(inner)}" for key in keys) + " }"


VALUES = st.recursive(SCALARS, lambda inner: listed(inner) | inlined(inner), max_leaves=8)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[Place, int]]:
    """A document, and the lines on which its writer put the keys of its tables."""
    text = ""
    put: dict[Place, int] = {}
    counts: dict[str, int] = {}
    for _ in range(draw(st.integers(0, 5))):
        name = draw(st.sampled_from(["t", "u"]))
        counts[name] = counts.get(name, -1) + 1
        text += draw(st.sampled_from(["", "\n", "# [[t]]\n"]))
        put[(name, counts[name])] = text.count("\n") + 1
        text += f"[[{name}]]" + draw(st.sampled_from(["", " # x"])) + "\n"
        for key in draw(st.lists(KEYS, max_size=3, unique=True)):
            text += draw(st.sampled_from(["", "\n", "  "]))
            put[(name, counts[name], *tomllib.loads(f"{key} = 1"))] = text.count("\n") + 1
            text += f"{key} = {draw(VALUES)}" + draw(st.sampled_from(["", " # ]"])) + "\n"
    return text, put


@CALM
@given(documents(), st.booleans())
def test_every_place_has_the_line_it_was_written_on(written: tuple[str, dict[Place, int]], dos: bool) -> None:
    """Every place that the standard library's reader sees is found, no other, each on its writer's line."""
    text, put = written
    found = lines(text.replace("\n", "\r\n") if dos else text)
    assert set(found) == set(places(tomllib.loads(text)))
    assert {place: found[place] for place in put} == put
    assert all(found[place[:-1]] <= line for place, line in found.items() if len(place) > 1)


@pytest.mark.parametrize(
    "text",
    [
        AWKWARD,
        EXAMPLE.read_text(),
        *(files("rapport.playbooks").joinpath(f"{name}.toml").read_text() for name in shipped()),
    ],
    ids=lambda text: text.strip().splitlines()[0][:30],
)
def test_real_documents_are_found_whole(text: str) -> None:
    """In what people write, each key stands on a line that has it, and nothing is lost."""
    found, rows = lines(text), text.splitlines()
    assert set(found) == set(places(tomllib.loads(text)))
    for place, line in found.items():
        if isinstance(place[-1], str):
            assert place[-1] in rows[line - 1]


def test_awkward_text_is_counted_right() -> None:
    """Strings of several lines, comments and inline tables move nothing that follows."""
    found = lines(AWKWARD)
    assert found["title",] == 3
    assert found["a", "b", "c.d", 1] == 6
    assert found["a", "b", "c.d", 2] == 8
    assert found["a", "b", "c.d", 3, "z", "w", 0] == 10
    assert found["literal",] == 12
    assert found["steps", 0, "onsite", "agenda", 0, "topic"] == 20


@example(b"[" * 400 + b"]" * 400)
@given(st.integers(1, 400).map(lambda depth: b"[" * depth + b"]" * depth))
@settings(deadline=None, max_examples=10)
def test_depth_is_no_error(value: bytes) -> None:
    """Lists within lists that the standard library still reads raise nothing here."""
    try:
        tomllib.loads(f"a = {value.decode()}")
    except (RecursionError, ValueError):
        return
    assert lines(f"a = {value.decode()}")["a",] == 1


def test_what_is_missing_has_the_line_of_what_it_is_missing_from() -> None:
    """A field that is not there is told at the head of its table, and a whole document's fault at its first line."""
    found = lines('name = "x"\n\n[[steps]]\nname = "a"\n')
    assert line_of(("steps", 0, "title"), found) == 3
    assert line_of(("steps", 0, "name"), found) == 4
    assert line_of((), found) == 1
