"""Which places of workflow code a replay passes: those at which a workflow waits, or gives a command."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any, Final

import workflows

FOLDER: Final = Path(workflows.__file__).parent
COMMANDS: Final = ("upsert_search_attributes", "continue_as_new")
"""What gives a command without an `await`."""

Place = tuple[str, str, str]
"""A module's name, the function, and the code of the place; it stays the same when lines move."""

_passed: set[tuple[str, int]] = set()


def places() -> dict[Place, set[tuple[str, int]]]:
    """Each place at which a workflow waits or gives a command, with its lines, by file and number.

    The same code twice in one function is one place, which is passed once any of it is.
    """
    found: dict[Place, set[tuple[str, int]]] = {}
    for file in sorted(FOLDER.rglob("*.py")):
        for function, node in _sites(ast.parse(file.read_text()), ""):
            place = (file.stem, function, " ".join(ast.unparse(node).split()))
            end = node.end_lineno or node.lineno
            found.setdefault(place, set()).update((str(file), line) for line in range(node.lineno, end + 1))
    return found


def _sites(node: ast.AST, function: str) -> Iterator[tuple[str, ast.expr]]:
    for child in ast.iter_child_nodes(node):
        within = function
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            within = f"{function}.{child.name}".lstrip(".")
        if isinstance(child, ast.Await) or _is_command(child):
            assert isinstance(child, ast.expr)
            yield within, child
        yield from _sites(child, within)


def _is_command(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="workflow"), attr=name)):
            return name in COMMANDS
        case _:
            return False


def tracing() -> ThreadPoolExecutor:
    """Where a replayer runs workflows, so that the lines that they pass are noted."""
    return ThreadPoolExecutor(1, initializer=lambda: sys.settrace(_of_a_call))


def passed() -> set[tuple[str, int]]:
    """The lines of workflow code that were passed so far, by file and number."""
    return _passed


def _of_a_call(frame: FrameType, event: str, given: Any) -> Any:
    # A workflow's coroutine is called anew each time that it goes on.
    return _of_a_line if frame.f_code.co_filename.startswith(str(FOLDER)) else None


def _of_a_line(frame: FrameType, event: str, given: Any) -> Any:
    if event == "line":
        _passed.add((frame.f_code.co_filename, frame.f_lineno))
    return _of_a_line
