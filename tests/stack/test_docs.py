"""Every command in README and docs runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from starters.cli.main import app
from tests.conftest import ROOT
from tests.stack.test_demo import rapport
from tests.support.cli import whole

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(page: Path) -> list[str]:
    """The commands of a page's console blocks, in order."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_run_in_their_order(page: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader who types a page's commands one after the other sees none of them fail."""
    monkeypatch.chdir(ROOT)
    for command in commands(page):
        program, *arguments = shlex.split(command)
        assert program == "rapport", command
        done = offline(*arguments) if arguments[:2] == ["playbook", "check"] else rapport(data, *arguments)
        assert done.exit_code == 0, (command, done.stderr)


def offline(*arguments: str) -> Result:
    """Run a command that needs no installation."""
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    """`rapport …` in running text names a command that there is, or an option of `rapport` itself."""
    known = whole()
    for words in re.findall(r"`rapport ((?:[a-z-]+ ?)+)", page.read_text()):
        group = known
        first, *_ = words.split()
        if first.startswith("--"):
            assert any(first in option.opts for option in known.params), f"rapport {words}"
            continue
        for word in words.split()[:2]:
            found = getattr(group, "commands", {}).get(word)
            if not hasattr(group, "commands"):
                break
            assert found is not None, f"rapport {words}"
            group = found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    """A relative link or picture names a file that is there."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    """A path of the repository in running text leads to a file or a folder."""
    parts = r"(?:rapport|activities|workflows|starters|tests|bench|examples|docs)"
    for path in re.findall(rf"`({parts}/[\w./*-]+)`", page.read_text()):
        assert any(ROOT.glob(path.rstrip("/"))), path


def dots(page: Path) -> list[str]:
    """What a page's table of nouns and folders says that there is: each as a path without its ending."""
    found: list[str] = []
    folders: list[str] = []
    for line in page.read_text().splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")] if line.startswith("| ") else []
        if cells[:1] == ["noun"]:
            folders = cells[1:]
        elif not cells:
            folders = [] if not line.startswith("|") else folders
        elif folders:
            found += [f"{folder}{cells[0]}" for folder, cell in zip(folders, cells[1:], strict=True) if cell == "•"]
    return found


def test_every_noun_has_the_files_that_the_map_says() -> None:
    """A dot in the table of nouns and layers is a file, or a folder, of that name: it names no path in running text."""
    named = dots(ROOT / "docs" / "architecture.md")
    assert len(named) >= 50
    assert [path for path in named if not ((ROOT / path).is_dir() or (ROOT / f"{path}.py").is_file())] == []


def test_a_page_has_commands_to_run() -> None:
    """Without commands the tests above would prove nothing."""
    assert sum(len(commands(page)) for page in PAGES) >= 15
