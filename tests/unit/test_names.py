"""No class of the code base has the name of another, but for those that have yet to be renamed."""

from __future__ import annotations

import ast
from collections import Counter
from typing import Final

from tests.conftest import ROOT

YET: Final = frozenset({
    "Bar", "Change", "Check", "Clock", "Company", "Considered", "Crowd", "Departed", "Done", "Door", "Dues",
    "Fault", "FaultShown", "Finding", "Given", "Held", "Kept", "Kind", "Known", "Line", "Link", "Mark",
    "Morning", "Noted", "Opened", "Owner", "Party", "Project", "Records", "RefusedForm", "Report", "RequestBody",
    "Resumed", "Rhythms", "Row", "Rules", "Scenario", "Series", "Shown", "Standing", "Telling", "Told", "Turn",
    "Typed", "Verdict", "Waiting", "Word", "Words", "Work", "Written",
})  # fmt: skip
"""Names that stand twice. This list only gets shorter: what is renamed leaves it."""


def test_no_further_class_name_stands_twice() -> None:
    """A name leads to one class: whoever looks for it finds that one, and no other."""
    paths = [
        path for part in ("rapport", "activities", "workflows", "starters") for path in (ROOT / part).rglob("*.py")
    ]
    trees = [ast.parse(path.read_text()) for path in (*paths, ROOT / "worker.py")]
    names = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert {name for name, count in names.items() if count > 1 and not name.startswith("_")} == YET
