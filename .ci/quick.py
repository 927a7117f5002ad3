"""`just quick FILES`: style, types, imports, and the tests that some files touch; nothing else is collected.

A noun has one file name in every layer, so its tests are found by the name, or else by who imports the file; beside
them a few look at a whole folder. `--long` runs of these tests only those that live long, as `just check` does with
what differs from the main branch: CI runs them all.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
YEARS = ("tests/workflows/test_simulation.py",)
REPLAY = ("tests/replay/test_replay.py", "tests/workflows/test_sandbox.py")
PLAYBOOKS = ("tests/*/test_playbook*.py", "tests/unit/test_steps.py", "tests/unit/test_forecast.py")
MAILS = ("tests/*/test_compose*.py", "tests/*/test_samples*.py")
DOCS = ("tests/stack/test_docs.py",)
FOLDERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("workflows/", (*REPLAY, *YEARS)),
    ("activities/", YEARS),
    # Workflows read rules: what a rule answers otherwise is another command.
    ("rapport/rules/", (*REPLAY, *YEARS)),
    ("rapport/playbooks/", (*PLAYBOOKS, *YEARS)),
    ("rapport/emails/", MAILS),
    ("rapport/storage/migrations/", ("tests/unit/test_storage.py",)),
    ("starters/http/pages/templates/", ("tests/http/test_pages.py",)),
    ("starters/http/pages/static/", ("tests/http/test_pages.py",)),
    ("starters/cli/", ("tests/unit/test_commands.py",)),
    ("starters/simulate/", YEARS),
    ("tests/years/", YEARS),
    ("tests/replay/", REPLAY),
    ("bench/", ("tests/unit/test_bench.py",)),
    ("rapport/personas.toml", (*MAILS, *YEARS, "tests/unit/test_reading.py", "tests/unit/test_succession.py")),
    ("rapport/reviews.toml", ("tests/unit/test_scenario.py", "tests/*/test_tech_review*.py")),
    ("rapport/support.toml", ("tests/unit/test_support_rules.py", "tests/*/test_desk*.py")),
    ("docs/", DOCS),
    ("README.md", DOCS),
    ("CONTRIBUTING.md", DOCS),
    (".ci/quick.py", ("tests/unit/test_quick.py",)),
    ("justfile", ("tests/unit/test_quick.py",)),
    (".ci/versions.py", ("tests/unit/test_versions.py",)),
    ("docker-compose.yml", ("tests/*/test_compose_*.py",)),
)
"""Which tests look at whatever lies in a folder, whatever its name."""


def touched(files: Iterable[str]) -> list[str]:
    """The files of tests that some files touch, each path seen from the repository's root."""
    texts = {path: path.read_text() for path in sorted(ROOT.glob("tests/*/test_*.py"))}
    found: set[Path] = set()
    for file in files:
        path = Path(file)
        if ROOT / path in texts:
            found.add(ROOT / path)
            continue
        beside = {
            test for folder, some in FOLDERS if file.startswith(folder) for one in some for test in ROOT.glob(one)
        }
        near = {test for test in texts if _is_of(test, path.stem)}
        if not near and (path.suffix == ".py" or not beside) and len(path.parts) > 1:
            said = _mentioning(path)
            near = {test for test, text in texts.items() if path.stem in text and said.search(text)}
        # What no test names is a part of what its folder is named for.
        found |= beside | (near or {test for test in texts if path.suffix == ".py" and _is_of(test, path.parent.name)})
    return sorted(str(test.relative_to(ROOT)) for test in found)


def _is_of(test: Path, noun: str) -> bool:
    """Whether a test is about a noun, by its own name."""
    return test.name.startswith((f"test_{noun}.", f"test_{noun}_"))


def _mentioning(path: Path) -> re.Pattern[str]:
    """How a test says that it uses a file: it imports it, or has the name of what is no module."""
    *folders, name = path.with_suffix("").parts
    if path.suffix != ".py":
        return re.compile(rf"\b{re.escape(path.name)}\b")
    package = r"\.".join(folders)
    return re.compile(rf"\b{package}\.{name}\b|from {package} import (?:\([^)]*|[^\n]*)\b{name}\b")


def differing(base: str) -> list[str]:
    """What differs from where this branch left another, committed or not."""
    left = subprocess.run(
        ["git", "merge-base", base, "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    changed = _lines("git", "diff", "--name-only", left)
    return [*changed, *_lines("git", "ls-files", "--others", "--exclude-standard")]


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def main() -> int:
    """Run what the arguments name, and give the exit code of what fails first."""
    parser = argparse.ArgumentParser(prog="just quick", description=__doc__)
    parser.add_argument("files", nargs="*", help="what was changed; by default what differs from --since")
    parser.add_argument("--since", default="main", help="the branch that is compared with")
    parser.add_argument("--long", action="store_true", help="the tests alone, and of these those that live long")
    asked = parser.parse_args()
    files = [str(Path(file).resolve().relative_to(ROOT)) for file in asked.files] or differing(asked.since)
    tests = touched(files)
    commands = []
    if not asked.long:
        code = [file for file in files if file.endswith(".py") and (ROOT / file).exists()]
        style = [["ruff", "format", "--check", *code], ["ruff", "check", *code]] if code else []
        commands += [*style, ["mypy"], ["lint-imports"]]
    if tests:
        commands.append(["pytest", *(("-m", "long") if asked.long else ()), *tests])
    for command in commands:
        print("$", *command, flush=True)
        done = subprocess.run(command, cwd=ROOT, check=False)
        # Pytest says 5 where none of the tests lives long.
        if done.returncode and not (asked.long and done.returncode == 5):
            return done.returncode
    if not tests:
        print("no test is known to touch these files")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
