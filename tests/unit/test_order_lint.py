"""The lint refuses what depends on the order of a set or on an address, and lets pass what does not."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.lint.order import GUARDED

PRELUDE = """
import asyncio
from collections.abc import Collection, Container, Iterable, Set
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

class Model(BaseModel):
    names: frozenset[str]

@dataclass(frozen=True)
class Given:
    names: frozenset[str]

def each(names: Iterable[str], *more: str) -> None: ...
def some(names: Collection[str]) -> None: ...
def within(names: Container[str]) -> None: ...
def sets(names: Set[str], other: frozenset[str] = frozenset()) -> set[str]: return set(names)
def words(**named: Iterable[str]) -> None: ...

class Holder:
    def __init__(self) -> None:
        self.names: set[str] = set()
    def every(self, names: Iterable[str]) -> None: ...
    def known(self, names: Set[str]) -> None: ...

names: set[str] = set()
ordered: dict[str, int] = {}
listed: list[str] = []
holder = Holder()
found: frozenset[str] | None = None
"""

REFUSED = """
for one in names: ...
for one in holder.names: ...
for one in sets(names): ...
for one in ordered.keys() & names: ...
for one in Given(frozenset()).names: ...
for one in names | set(listed): ...
for one in {"a", "b"}: ...
for number, one in enumerate(names): ...
[one for one in names]
{one: 1 for one in names}
[other for one in listed for other in names]
tuple(one for one in names)
list(names)
tuple(names)
iter(names)
next(iter(names))
dict.fromkeys(names)
dict.fromkeys(names, 1)
", ".join(names)
", ".join(one for one in names)
[*names]
(*names, "a")
each(names)
each([], *names)
some(names)
words(some=names)
holder.every(names)
listed.extend(names)
listed += names
zip(listed, names)
map(str, names)
filter(None, names)
reversed(sorted(names, key=len))
min(names, key=len)
max((one for one in names), key=len)
sorted((one for one in names), key=len)
f"{names}"
str(names)
repr(names)
names.pop()
Model(names=frozenset())
id(listed)
hash("a")
sorted(listed, key=id)
def unknown(one: Set[str]) -> list[str]: return [other for other in one]
async def gather() -> None: [one for one in (await asyncio.wait([asyncio.create_task(gather())]))[0]]
async def many() -> None: await asyncio.gather(*{asyncio.create_task(gather())})
"""

ALLOWED = """
"a" in names
len(names), bool(names), not names
names & sets(names) | {"a"}
names <= set(listed)
names == {"a"}
names.add("a"), names.discard("a"), names.update(listed), names.update(names)
set(names), frozenset(names), set(listed)
sorted(names), sorted(set(listed)), sorted(one for one in names), sorted([one for one in names])
min(names), max((one for one in names), default="")
any(one for one in names), all(one == "a" for one in names), sum(len(one) for one in names)
{one for one in names}, {one for one in names for other in names}
for one in sorted(names): ...
for one in [one for one in listed if one in names]: ...
for one in ordered: ...
for one in ordered.keys(): ...
for one, number in ordered.items(): ...
dict.fromkeys(listed)
within(names)
sets(names, frozenset(names))
holder.known(names)
Given(frozenset(listed))
[names], (names, "a"), {"a": names}
{frozenset(names): 1}.get(frozenset(names))
found is None or "a" in found
isinstance(names, set)
def nested() -> None:
    def inner(tried: set[str]) -> None: ...
    inner(names)
"""


CODE = (PRELUDE + REFUSED + ALLOWED).splitlines()


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the type checker says of the same module among the workflows and elsewhere; to start it takes longest."""
    folder = tmp_path_factory.mktemp("lint")
    for name in ("workflows", "activities"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
        (folder / name / "story.py").write_text("\n".join(CODE) + "\n")
    config = ROOT / "pyproject.toml"
    modules = ["workflows/story.py", "activities/story.py"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", folder / "cache", *modules],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.stdout


def refused(said: str, name: str) -> set[int]:
    """The numbers of the lines that are refused there."""
    return {int(line) for line in re.findall(rf"^{name}/story\.py:(\d+): error: .*\[order\]$", said, re.M)}


def test_what_depends_on_an_order_or_an_address_is_refused_and_nothing_else(said: str) -> None:
    """Each line of the one list is refused where it stands in a workflow's module, and none of the other."""
    first = len(PRELUDE.splitlines())
    refused_lines = range(first + 1, first + 1 + len(REFUSED.splitlines()))
    lines = refused(said, "workflows")
    wanted = {number for number in refused_lines if CODE[number - 1]}
    assert sorted(CODE[number - 1] for number in wanted - lines) == [], said
    assert sorted(CODE[number - 1] for number in lines - wanted) == []


def test_elsewhere_everybody_goes_through_sets_as_they_like(said: str) -> None:
    """What no workflow runs is left alone, and read all the same."""
    assert "activities/story.py:" in said
    assert not refused(said, "activities"), said


def test_every_package_that_is_guarded_is_there_and_every_one_that_workflows_import_is_guarded() -> None:
    """A package that is renamed, or a further one of ours that workflows use, does not slip out of the lint's sight."""
    there = {package for package in GUARDED if ROOT.joinpath(*package, "__init__.py").exists()}
    assert there == set(GUARDED)
    written = "".join(path.read_text() for path in ROOT.joinpath("workflows").rglob("*.py"))
    used = set(re.findall(r"^\s*from (rapport)\.(\w+)", written, re.M)) - {
        ("rapport", "search_attributes"),
        ("rapport", "support_rules"),
    }
    assert used
    assert used <= set(GUARDED)
