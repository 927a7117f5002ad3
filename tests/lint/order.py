"""A plugin for mypy: nothing that workflows run may depend on the order of a set, or on an address in memory.

The order of a set of strings differs from process to process, that of a set of handles from run to run. Temporal's
replay compares the kinds of commands alone: it sees nothing where a signal goes to another workflow, or where the same
arguments come in another order. So mypy, which knows what is a set also behind calls and attributes, refuses it before
anything runs: `error: … [order]`. What is allowed is what gives the same in any order: to ask whether something is in a
set, to put sets together, `sorted`, `len`, `any`, `all`, `sum`; and to hand a set to what says that it takes one.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from mypy.errorcodes import ErrorCode
from mypy.nodes import CallExpr, Context, Decorator, FuncDef, NameExpr, SymbolNode, TypeInfo
from mypy.options import Options
from mypy.plugin import FunctionContext, MethodContext, Plugin
from mypy.plugins.default import DefaultPlugin
from mypy.types import CallableType, Instance, Type, TypeVarType, UnionType, get_proper_type

GUARDED: Final = (("workflows",), ("rapport", "rules"), ("rapport", "model"))
"""The packages whose code runs in workflows."""

SETS: Final = ("builtins.set", "builtins.frozenset", "typing.AbstractSet", "typing.MutableSet")
"""What has no order. A dict's views are sets as well, but in the order of the dict, and types of their own."""

ORDERLESS: Final = tuple(
    f"builtins.{name}"
    for name in ("sorted", "min", "max", "len", "any", "all", "sum", "bool", "isinstance", "set", "frozenset")
)
"""What gives the same in whatever order it sees what it is given; with a key it does not, as a key has ties."""

DISPLAYS: Final = ("<list>", "<tuple>")
"""Lists and tuples that are written out. What is unpacked into one keeps its order."""

HARMLESS: Final = ("__contains__", "__eq__", "__ne__", "get", "setdefault", "append", "add", "model_dump")
"""The methods that take a set for a key or an element, or to look into it."""

ADDRESSES: Final = ("builtins.id", "builtins.hash")
"""What gives another number in each process."""

ORDER: Final = ErrorCode("order", "Code that workflows run depends on the order of a set, or on an address", "Rapport")


class OrderPlugin(Plugin):
    """Looks at every call in the guarded packages, also at those that loops and operators are."""

    def __init__(self, options: Options) -> None:
        """Hooks of ours would hide mypy's own, so those are called from ours."""
        super().__init__(options)
        self._default = DefaultPlugin(options)

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type]:
        """Look at each call of a function or a class."""
        usual = self._default.get_function_hook(fullname)

        def look(context: FunctionContext) -> Type:
            if is_guarded(context.api.path):
                if fullname in ADDRESSES:
                    refuse(context, "id and hash give another number in each process")
                self._look_at_arguments(context, fullname)
            return usual(context) if usual is not None else context.default_return_type

        return look

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type]:
        """Look at each call of a method."""
        usual = self._default.get_method_hook(fullname)
        of, _, name = fullname.rpartition(".")

        def look(context: MethodContext) -> Type:
            if is_guarded(context.api.path):
                if of in SETS and name == "pop":
                    refuse(context, "which one pop() takes depends on the order of a set")
                elif of in SETS and name == "__iter__" and not is_orderless(context.api.path, context.context):
                    refuse(context, "this goes through a set, whose order is anything; sort it, or keep a dict")
                elif of not in SETS and name not in HARMLESS:
                    self._look_at_arguments(context, fullname)
            return usual(context) if usual is not None else context.default_return_type

        return look

    def _look_at_arguments(self, context: FunctionContext | MethodContext, fullname: str) -> None:
        """Refuse a set that is handed to what does not say that it takes one: it may go through it."""
        given = context.arg_types
        if fullname in DISPLAYS:
            if any(is_set(kind) for kind in given[0]) and unpacks(context.api.path, context.context):
                refuse(context, "this goes through a set, whose order is anything; sort it, or keep a dict")
            return
        if any(is_address(kind) for kinds in given for kind in kinds):
            refuse(context, "id and hash give another number in each process")
        has_key = any("key" in names for names in context.arg_names)
        if fullname.startswith("<") or (fullname in ORDERLESS and not has_key):
            return
        formal = self._formals(fullname, context.context)
        for number, kinds in enumerate(given):
            if any(is_set(kind) for kind in kinds) and not (number < len(formal) and takes_sets(formal[number])):
                refuse(context, f"a set is handed to {fullname}, which may go through it; sort it before")

    def _formals(self, fullname: str, call: Context) -> list[Type]:
        """What a function says that it takes; nothing where that is not known."""
        symbol = self.lookup_fully_qualified(fullname)
        node: SymbolNode | None = symbol.node if symbol is not None else None
        if node is None and isinstance(call, CallExpr) and isinstance(call.callee, NameExpr):
            # It stands in another function.
            node = call.callee.node
        if isinstance(node, TypeInfo):
            # A model goes into Temporal's payloads as it is gone through.
            made = node.get("__init__") if not node.has_base("pydantic.main.BaseModel") else None
            node = made.node if made is not None else None
        if isinstance(node, Decorator):
            node = node.func
        kind = get_proper_type(node.type) if isinstance(node, FuncDef) else None
        if not isinstance(node, FuncDef) or not isinstance(kind, CallableType):
            return []
        return kind.arg_types[1:] if node.info and not node.is_static else kind.arg_types


def refuse(context: FunctionContext | MethodContext, why: str) -> None:
    """Say so, as mypy says everything."""
    context.api.fail(why, context.context, code=ORDER)


def is_set(kind: Type) -> bool:
    """Whether values of a type are sets, or may be."""
    proper = get_proper_type(kind)
    match proper:
        case Instance():
            return proper.type.fullname in SETS
        case UnionType():
            return any(is_set(item) for item in proper.items)
        case TypeVarType():
            return is_set(proper.upper_bound)
        case _:
            return False


def is_address(kind: Type) -> bool:
    """Whether something is `id` or `hash` itself, to be called by somebody else."""
    proper = get_proper_type(kind)
    return (
        isinstance(proper, CallableType) and proper.definition is not None and proper.definition.fullname in ADDRESSES
    )


def takes_sets(formal: Type) -> bool:
    """Whether a parameter says that it may be a set, so that going through it is refused; or is only looked into."""
    proper = get_proper_type(formal)
    return is_set(formal) or (isinstance(proper, Instance) and proper.type.fullname == "typing.Container")


def is_guarded(path: str) -> bool:
    """Whether a module runs in workflows."""
    file = Path(path)
    parts = (file.relative_to(Path.cwd()) if file.is_absolute() and file.is_relative_to(Path.cwd()) else file).parts
    return any(parts[: len(package)] == package for package in GUARDED)


@cache
def tree_of(path: str) -> ast.Module:
    """A module as it is written: mypy tells a hook what something is, but not where it stands."""
    return ast.parse(Path(path).read_text())


def unpacks(path: str, display: Context) -> bool:
    """Whether anything is unpacked into a list or tuple that is written out."""
    return any(
        isinstance(node, ast.List | ast.Tuple)
        and (node.lineno, node.col_offset) == (display.line, display.column)
        and any(isinstance(element, ast.Starred) for element in node.elts)
        for node in ast.walk(tree_of(path))
    )


def is_orderless(path: str, iterated: Context) -> bool:
    """Whether it is all the same in which order something is gone through."""
    return (iterated.line, iterated.column) in _orderless(path)


@cache
def _orderless(path: str) -> frozenset[tuple[int, int]]:
    """Where a comprehension goes through something and gives a set, or is all that such a function is given."""
    found = []
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.SetComp():
                found += node.generators
            case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp() | ast.ListComp() as every], keywords=words):
                if f"builtins.{name}" in ORDERLESS and all(word.arg == "default" for word in words):
                    found += every.generators
    return frozenset((each.iter.lineno, each.iter.col_offset) for each in found)


def plugin(version: str) -> type[Plugin]:
    """What mypy asks a plugin's module for."""
    return OrderPlugin
