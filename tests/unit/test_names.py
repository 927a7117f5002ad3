"""No class or constant has the name of another, and what failed or may not have arrived has one name."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from rapport.rules import todo_template
from rapport.rules.todo_template import TodoTemplate
from tests.conftest import ROOT

PATHS: Final = (
    *(
        path
        for part in ("rapport", "activities", "workflows", "starters")
        for path in (ROOT / part).rglob("*.py")
        # A migration stands alone.
        if "migrations" not in path.parts
    ),
    ROOT / "worker.py",
)


def modules() -> list[ast.Module]:
    """The code base's modules."""
    return [ast.parse(path.read_text()) for path in PATHS]


def twice(names: Iterable[str]) -> set[str]:
    """The names that stand more than once, but for those of one module's own."""
    return {name for name, count in Counter(names).items() if count > 1 and not name.startswith("_")}


def constants(module: ast.Module) -> set[str]:
    """A module's constants; a single letter is a type's variable."""
    found: set[str] = set()
    for node in module.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        found |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return {name for name in found if name.isupper() and len(name) > 1}


def test_no_class_name_stands_twice() -> None:
    """A name leads to one class: whoever looks for it finds that one, and no other."""
    nodes = (node for module in modules() for node in ast.walk(module))
    assert twice(node.name for node in nodes if isinstance(node, ast.ClassDef)) == set()


def test_no_constants_name_stands_twice() -> None:
    """A constant says by its name what it is of: the same name elsewhere means the same thing, and is imported."""
    assert twice(name for module in modules() for name in constants(module)) == set()


def test_what_waits_has_one_name_each() -> None:
    """An email is scheduled for its reader's time, and deferred by the mail server; no word stands for both."""
    told = [*PATHS, *(ROOT / "docs").rglob("*.md"), *(ROOT / "rapport" / "emails").glob("*.md")]
    told += (ROOT / "starters" / "http" / "pages" / "templates").glob("*.html")
    both = re.compile(r"\bput(s|ting)?[ _]?(it|them)?[ _]off\b", re.IGNORECASE)
    assert [f"{path.name}: {found[0]}" for path in told if (found := both.search(path.read_text()))] == []


def test_no_two_kinds_of_to_do_have_the_same_title() -> None:
    """An inbox tells by its title what a to-do is about; an option that leaves things is called one way."""
    templates = [one for one in vars(todo_template).values() if isinstance(one, TodoTemplate)]
    assert twice(one.title for one in templates) == set()
    options = [one for template in templates for one in template.definition.options]
    assert {one.id for one in options if one.title.startswith("Leave it")} == {todo_template.LEAVE}


def test_what_was_not_delivered_is_listed_once() -> None:
    """`NOT_DELIVERED` alone lists what failed or may not have arrived: a further such state is added in one place."""

    def lists_both(node: ast.AST) -> bool:
        if not isinstance(node, ast.Tuple | ast.List | ast.Set):
            return False
        return {"FAILED", "UNKNOWN"} <= {one.attr for one in node.elts if isinstance(one, ast.Attribute)}

    found = [
        str(path.relative_to(ROOT))
        for path in PATHS
        for node in ast.walk(ast.parse(path.read_text()))
        if lists_both(node)
    ]
    assert found == ["rapport/model/message.py"]
