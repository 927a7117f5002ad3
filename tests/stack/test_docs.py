"""Every command in README and docs runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sysconfig
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from starters.cli.main import app
from starters.drill.faults import FAULTS
from starters.installation import STACK_FILE
from tests.conftest import ROOT
from tests.stack.test_demo import rapport
from tests.support.cli import whole
from tests.support.compose_file import ComposeFile

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


def typed(page: Path, program: str) -> list[str]:
    """The lines of a page's blocks for a shell that begin with a program."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith(f"{program} ")]


OPERATING = ROOT / "docs" / "operating.md"
SERVICES = ComposeFile({"RAPPORT_SECRET": "x", "POSTGRES_PASSWORD": "y"}).services
INSIDE = re.compile(r"docker compose (?:run --rm|exec -T) ([a-z-]+) (.+)")


@pytest.mark.parametrize("line", [found[0] for one in typed(OPERATING, "docker") if (found := INSIDE.fullmatch(one))])
def test_what_runs_within_compose_runs(line: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of the manual names a service that there is, and Rapport's own is one that succeeds there."""
    found = INSIDE.fullmatch(line)
    assert found is not None
    service, inner = found.groups()
    assert service in SERVICES
    program, *arguments = shlex.split(inner)
    assert program in {"setup": ["rapport"]}.get(service, ["pg_dump", "pg_dumpall", "psql"])
    if program == "rapport":
        monkeypatch.setenv("TEMPORAL_ADDRESS", json.loads((data / STACK_FILE).read_text())["temporal"])
        done = rapport(data, *arguments)
        assert done.exit_code == 0, (line, done.stdout, done.stderr)


@pytest.mark.parametrize("line", typed(OPERATING, "docker"))
def test_compose_is_asked_for_what_there_is(line: str) -> None:
    """Whatever is started, stopped or restarted by name is a service of the file."""
    words = shlex.split(line.partition(" > ")[0].partition(" < ")[0])
    assert words[:2] == ["docker", "compose"]
    assert words[2] in {"up", "run", "exec", "stop", "start", "down"}
    named = [word for word in words[3:] if not word.startswith("-")]
    assert set(named[:1] if words[2] in ("run", "exec") else named) <= set(SERVICES)


@pytest.mark.parametrize("line", typed(OPERATING, "temporal"))
def test_temporals_own_command_looks_where_the_manual_says(line: str, data: Path) -> None:
    """Temporal's program comes along, and tells of the account's workflows."""
    address = json.loads((data / STACK_FILE).read_text())["temporal"]
    _, *arguments = shlex.split(line.replace("127.0.0.1:7233", address))
    program = Path(sysconfig.get_path("scripts")) / "temporal"
    given = [str(program), *arguments, "--namespace", os.environ["TEMPORAL_NAMESPACE"]]
    done = subprocess.run(given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert any(word in done.stdout for word in ("onboarding/versayce", "WorkflowExecutionStarted")), done.stdout


def test_every_fault_of_the_drill_is_in_the_manual() -> None:
    """What `--fault` takes stands there by name, and nothing else does."""
    listed = re.search(r"What `--fault` takes: (.*?)\.\n\n", (ROOT / "docs" / "drill.md").read_text(), re.DOTALL)
    assert listed is not None
    assert re.findall(r"`([^`]+)`", listed[1]) == [fault.name for fault in FAULTS]


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
