"""The commands that Rapport prints are commands that it has, and can be run as they are printed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rapport.model.commands import in_name, read_by
from rapport.model.task import TaskOption, TaskPhase
from rapport.rules import todo_template
from starters.cli import task
from starters.cli.common import out
from starters.cli.main import COMMANDS
from starters.views.task import OptionShown, TaskShown
from tests.conftest import ROOT
from tests.support.cli import whole

PARTS = ("rapport", "activities", "workflows", "starters")
CODE = [path for part in PARTS for path in sorted((ROOT / part).rglob("*.py"))] + [ROOT / "worker.py"]
TEXTS = [
    path
    for folder in ("rapport", "starters")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".html", ".txt", ".md"}
]
READING = frozenset({"inbox", "meeting show"})
"""What `--as` only narrows."""
NEEDED = {"onboarding resume": frozenset({"--reason"})}
"""What a command is refused without, although its parser takes it: a preview goes without."""
NO_COMMANDS = frozenset({"rapport session"})
"""What only looks like one: what a signature is for."""


def printed(node: ast.expr) -> str:
    """What a literal prints; what it puts in reads X, or as a command under a name does."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(printed(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return printed(node.value) if isinstance(node.value, ast.Call) else "X"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "in_name":
        return in_name(printed(node.args[0]))
    return "X"


def literals(path: Path) -> Iterator[str]:
    """The texts in a module: its literals, but for docstrings."""

    def walk(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        if isinstance(node, ast.expr) and (text := printed(node)) != "X":
            yield text
            return
        for child in ast.iter_child_nodes(node):
            yield from walk(child)

    return walk(ast.parse(path.read_text()))


def spelled_out(template: str) -> str:
    """A template's text, in which the commands that it puts together read as they are printed."""

    def put_together(found: re.Match[str]) -> str:
        return "".join(part[1:-1] if part[0] in "'\"" else "X" for part in found[1].strip("()").split(" ~ "))

    return re.sub(r"\{\{ (\(?[\"']rapport .*?) \| command\(.*?\) \}\}", put_together, template)


def commands(text: str) -> Iterator[str]:
    """The commands in a text: between backticks, on a line of their own, or at a line's end behind a colon."""
    for found in re.finditer(r"`(rapport [^`]+)`|(?:^|: |\n\s*|>)(rapport [a-z-]+(?: [^\n`<;]*)?)", text):
        yield found[1] or found[2]


ROOT_COMMAND = whole()


def leaf(words: list[str]) -> tuple[str, Any] | None:
    """The command that words name, with its name; nothing if there is none."""
    group: Any = ROOT_COMMAND
    path = []
    for word in words:
        if not hasattr(group, "commands"):
            break
        if word not in group.commands:
            return None
        group = group.commands[word]
        path.append(word)
    return " ".join(path), group


def elided(words: list[str]) -> bool:
    """Whether a command leaves options out on purpose: it has an ellipsis that is no option's value."""
    return any(word == "…" and not before.startswith("--") for before, word in pairwise(words))


def faults(text: str) -> list[str]:
    """What is wrong with the commands that a text prints."""
    found = []
    for command in commands(text):
        words = re.sub(r"\{\{.*?\}\}", "X", command).replace("{}", "X").split()[1:]
        if words[0] == "X" or command in NO_COMMANDS:
            continue
        if (known := leaf(words)) is None:
            found.append(f"no such command: {command}")
            continue
        name, end = known
        options = {option: one for one in end.params for option in one.opts if option.startswith("--")}
        given = {word.split("=")[0].strip(",.;") for word in words if word.startswith("--")}
        found += [f"no such option: {one} of {command}" for one in sorted(given - set(options) - {"--help"})]
        if not elided(words):
            needed = {one for one in options if options[one].required} | NEEDED.get(name, frozenset())
            found += [f"lacks {one}: {command}" for one in sorted(needed - given)]
        # What whoever runs the host may do without a name is complete without one.
        insists = getattr(end.callback, "names_somebody", False)
        if insists and name not in READING and "--as" not in given:
            found.append(f"lacks --as: {command}")
    return found


def test_a_command_that_code_prints_is_complete() -> None:
    """A command in a text of the product exists, knows its options, and says in whose name it acts."""
    found = [(str(path.relative_to(ROOT)), one) for path in CODE for text in literals(path) for one in faults(text)]
    assert found == []


def test_a_command_on_a_page_or_in_a_mail_is_complete() -> None:
    """A command on a page or in a mail exists, knows its options, and says in whose name it acts."""
    found = [(str(path.relative_to(ROOT)), one) for path in TEXTS for one in faults(spelled_out(path.read_text()))]
    assert found == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("see that, then: rapport message resend KEY", "lacks --as"),
        ("`rapport mail start` lets it go again", "lacks --as"),
        ("`rapport mail begin`", "no such command"),
        ("rapport case reopen C-1 --reason … --as EMAIL", "no such option: --reason"),
        ("rapport onboarding redo X kickoff --as EMAIL", "lacks --reason"),
    ],
)
def test_an_incomplete_command_is_found(text: str, fault: str) -> None:
    """The tests above see what they are to see."""
    assert [one for one in faults(text) if one.startswith(fault)]


def test_a_command_that_a_template_puts_together_is_read() -> None:
    """The test above sees what a template makes of literals and values."""
    made = """<code>{{ ("rapport blocker remove " ~ blocker.id ~ ' --reason "…"') | command(me) }}</code>"""
    assert faults(spelled_out(made)) == ['lacks --as: rapport blocker remove X --reason "…"']


def test_whoever_reads_a_command_finds_their_own_address_in_it() -> None:
    """A command under a name is printed under the reader's, and keeps the placeholder where nobody is known."""
    command = in_name("rapport message resend KEY")
    assert read_by(command, "robin@vendor.example") == "rapport message resend KEY --as robin@vendor.example"
    assert read_by(command, None) == "rapport message resend KEY --as EMAIL"
    assert read_by("rapport case show C-1", "robin@vendor.example") == "rapport case show C-1"
    assert read_by(None, "robin@vendor.example") is None


def printed_ways(*options: TaskOption) -> list[tuple[str, str]]:
    """What the command for a to-do with these options prints below "To decide": what each says, and how it is given."""
    given: dict[str, Any] = {
        "task": "task/versayce/kickoff.gone/1",
        "phase": TaskPhase.OPEN,
        "options": tuple(
            OptionShown(id=one.id, title=one.title, needs_reason=one.needs_reason, follows=FOLLOWS) for one in options
        ),
        **{"holders": (), "deadline": None, "record": None},
    }
    shown = TaskShown.model_construct(None, **given)
    with out.capture() as printed_:
        task.print_open(shown)
    _, *lines = printed_.get().splitlines()
    told = [line.strip() for line in lines]
    return [*zip(told[::2], told[1::2], strict=True)]


FOLLOWS = "Nobody is asked again"
CHORES = [one for one in vars(todo_template).values() if isinstance(one, todo_template.TodoTemplate)]


@pytest.mark.parametrize("chore", CHORES, ids=lambda chore: chore.title)
def test_the_page_of_a_task_prints_a_reason_where_one_is_needed(chore: todo_template.TodoTemplate) -> None:
    """Each option is printed as a command that is taken, with a reason where it is refused without.

    Before it stands what the page says as well: the option's title, and what follows.
    """
    options = chore.definition.options
    printed = printed_ways(*options)
    assert [told for told, _ in printed] == [f"{one.title}. {FOLLOWS}:" for one in options]
    ways = [way for _, way in printed]
    assert [("--reason" in way) for way in ways] == [one.needs_reason for one in options]
    assert [fault for way in ways for fault in faults(way)] == []


def test_the_list_of_commands_says_of_each_what_its_own_help_says() -> None:
    """`rapport --help` loads no command, and tells of each what `rapport COMMAND --help` begins with."""
    helps = {name: " ".join((one.help or "").split("\n\n")[0].split()) for name, one in ROOT_COMMAND.commands.items()}
    assert helps == {name: entry.summary for name, entry in COMMANDS.items()}
