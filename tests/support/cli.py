"""The command line with all of its commands loaded, for tests that look at each of them."""

from __future__ import annotations

from functools import cache

from typer.core import TyperGroup
from typer.main import get_command

from starters.cli.main import COMMANDS, app, loaded


@cache
def whole() -> TyperGroup:
    """The command line as a group in which every command is the real one."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    group.commands = {name: loaded(name) for name in COMMANDS}
    return group
