"""Which activities each workflow can ask for, read from the source of the workflows."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from functools import cache
from typing import Final

from worker import WORKFLOWS

ASKS: Final = {"done", "attempted", "at_once", "in_the_end", "post", "sent", "Projector"}
"""Through what a workflow asks for activities, or hands them to what asks; a lint holds that there is no other way."""

_HANDLERS: Final = {"init", "run", "signal", "update", "query", "validator"}


@cache
def asked(module: str) -> frozenset[str]:
    """The names of the activities that a workflow can come to ask for.

    From what Temporal calls, along every name that is used, through the workflow's own module and all that it imports
    of the workflows: nothing that is asked for is missed, though a name that two have may bring in one too many.
    """
    modules = {name: _tree(name) for name in _imported(module)}
    functions: dict[str, list[tuple[str, ast.AST]]] = {}
    for name, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions.setdefault(node.name, []).append((name, node))
    begins = [name for name, found in functions.items() if any(_is_handler(node) for _, node in found)]
    seen: set[str] = set()
    found: set[str] = set()
    tables = [node for tree in modules.values() for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    names = [*begins, "__init__", "__aenter__", "__aexit__", *(one for node in tables for one in _names(node))]
    while names:
        if (name := names.pop()) in seen:
            continue
        seen.add(name)
        for where, node in functions.get(name, ()):
            found.update(_activities(where, node))
            names += [one for one in _names(node) if one in functions]
    return frozenset(found)


def everything_asked() -> dict[str, frozenset[str]]:
    """The same for every workflow there is, by its name in Temporal."""
    return {_name(kind): asked(kind.__module__) for kind in WORKFLOWS}


def _name(kind: type) -> str:
    return str(vars(kind)["__temporal_workflow_definition"].name)


def _imported(module: str) -> set[str]:
    """A module of the workflows with all that it imports of them."""
    found, left = set[str](), [module]
    while left:
        if (name := left.pop()) in found:
            continue
        found.add(name)
        froms = [node.module or "" for node in _loaded(_tree(name)) if isinstance(node, ast.ImportFrom)]
        left += [one for one in froms if one.startswith("workflows.")]
    return found


def _loaded(tree: ast.AST) -> Iterator[ast.AST]:
    """All of a module but what is there for the type checker alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _loaded(node)


@cache
def _tree(module: str) -> ast.Module:
    file = importlib.import_module(module).__file__
    assert file is not None
    with open(file) as source:
        return ast.parse(source.read())


def _is_handler(node: ast.AST) -> bool:
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else []
    called = [one.func if isinstance(one, ast.Call) else one for one in decorators]
    return any(isinstance(one, ast.Attribute) and one.attr in _HANDLERS for one in called)


def _names(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Attribute):
            yield one.attr
        elif isinstance(one, ast.Name):
            yield one.id


def _activities(module: str, node: ast.AST) -> Iterator[str]:
    """The activities that a function names as what it asks for, as Temporal knows them."""
    for call in ast.walk(node):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ASKS):
            continue
        act = call.args[0]
        if isinstance(act, ast.Attribute) and isinstance(act.value, ast.Name) and act.value.id != "self":
            method = getattr(getattr(importlib.import_module(module), act.value.id), act.attr)
            yield method.__temporal_activity_definition.name
