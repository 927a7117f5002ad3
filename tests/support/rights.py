"""Which actions a route, a command or a page asks for: found in its code, whatever it calls on its way there."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from starters.http import hooks, pages
from starters.http.api import (
    account_data,
    cadence,
    desk,
    gap,
    member,
    minutes,
    operation,
    router as api_router,
    succession,
    support_case,
    task,
    tech_review,
    tech_review_needs,
)
from tests.support.cli import whole

OURS = ("starters.http", "starters.cli", "starters.use_cases", "starters.views")
OPEN = "open"
"""What asks for no right, because it goes by a secret of its own."""


def asked_by(function: Any) -> set[str]:
    """The actions that a function asks for, by itself or through what it calls."""
    return set(_asked(function, set()))


def _asked(thing: Any, seen: set[int]) -> Iterator[str]:
    if isinstance(thing, dict):
        thing = tuple(thing.values())
    if isinstance(thing, type) and thing.__module__.startswith(OURS):
        thing = [of for of in vars(thing).values() if isinstance(of, FunctionType)]
    if isinstance(thing, tuple | list):
        for one in thing:
            yield from _asked(one, seen)
    if isinstance(thing, FunctionType) and hasattr(thing, "action"):
        yield OPEN if thing.action is None else str(thing.action)
        return
    thing = getattr(thing, "__wrapped__", thing)
    if not isinstance(thing, FunctionType) or id(thing) in seen or not thing.__module__.startswith(OURS):
        return
    seen.add(id(thing))
    cells = dict(zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True))
    known = thing.__globals__ | {name: cell.cell_contents for name, cell in cells.items()}
    for one in _named(thing.__code__, known):
        yield from _asked(one, seen)


def _named(code: CodeType, known: dict[str, Any]) -> Iterator[Any]:
    """What code names, also in the functions within it: functions, and those of modules."""
    found: Any = None
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_DEREF", "LOAD_CLOSURE"):
            found = known.get(step.argval)
            yield found
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(found, ModuleType):
            found = getattr(found, step.argval, None)
            yield found
        elif isinstance(step.argval, CodeType):
            yield from _named(step.argval, known)


def _routes(router: APIRouter) -> Iterator[APIRoute]:
    for part in router.routes:
        if isinstance(part, APIRoute):
            yield part
        elif (inner := vars(part).get("original_router")) is not None:
            yield from _routes(inner)


def api_entries() -> dict[str, Any]:
    """The routes of the API and of webhooks, by method and path."""
    modules = (
        account_data, cadence, desk, gap, member, minutes, operation, succession, support_case, task, tech_review,
        tech_review_needs, hooks,
    )  # fmt: skip
    return _by_name([api_router, *(module.router for module in modules)])


def page_entries() -> dict[str, Any]:
    """The pages, by method and path."""
    return _by_name([pages.router])


def _by_name(routers: list[APIRouter]) -> dict[str, Any]:
    found = [route for router in routers for route in _routes(router)]
    return {
        f"{sorted(route.methods or ())[0]} {route.path}": (route.endpoint, *_needed_by(route.dependant))
        for route in found
    }


def _needed_by(dependant: Dependant) -> Iterator[Any]:
    """What FastAPI calls before a route."""
    for one in dependant.dependencies:
        yield one.call
        yield from _needed_by(one)


def command_entries() -> dict[str, Any]:
    """The commands, by what is typed."""

    def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
        if hasattr(command, "commands"):
            for name, one in command.commands.items():
                yield from walk(one, f"{path} {name}".strip())
        else:
            yield path, command.callback

    return dict(walk(whole(), ""))
