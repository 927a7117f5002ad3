"""`just quick` finds the tests that a file touches, and `just check` misses nothing that CI finds for it."""

from __future__ import annotations

import subprocess
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def quick() -> ModuleType:
    """The script; it stands in no package."""
    spec = spec_from_file_location("quick", ROOT / ".ci" / "quick.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("file", "tests"),
    [
        ("workflows/task.py", {"workflows/test_task", "http/test_task", "unit/test_task", "replay/test_replay"}),
        ("rapport/rules/pace.py", {"unit/test_pace", "replay/test_replay", "workflows/test_sandbox"}),
        ("rapport/storage/task.py", {"unit/test_task", "stack/test_task"}),
        ("workflows/onboarding/steps.py", {"unit/test_steps", "replay/test_replay", "workflows/test_sandbox"}),
        (
            "rapport/playbooks/enterprise.toml",
            {"unit/test_playbook", "workflows/test_playbook", "workflows/test_simulation"},
        ),
        ("tests/support/kickoff.py", {"workflows/test_meeting", "workflows/test_sandbox"}),
        ("tests/unit/test_pace.py", {"unit/test_pace"}),
        ("docs/operating.md", {"stack/test_docs"}),
    ],
)
def test_a_file_leads_to_the_tests_of_its_noun(quick: ModuleType, file: str, tests: set[str]) -> None:
    """By its name in every folder of tests, or by who imports it, and by what looks at its folder."""
    assert {f"tests/{one}.py" for one in tests} <= set(quick.touched([file]))


def test_a_noun_leads_to_few_tests(quick: ModuleType) -> None:
    """A quick loop collects what the noun is about, not half of the tests."""
    every = len(list(ROOT.glob("tests/*/test_*.py")))
    assert len(quick.touched(["rapport/storage/task.py"])) < every / 4


def test_no_test_that_lives_long_is_out_of_reach(quick: ModuleType) -> None:
    """Whatever CI runs beyond the ordinary tests, some file of the product leads to it."""
    kept = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    product = [file for file in kept if not file.startswith(("tests/", "docs/"))]
    reached = set(quick.touched(product))
    long = {str(path.relative_to(ROOT)) for path in ROOT.glob("tests/*/test_*.py") if "mark.long" in path.read_text()}
    assert long - reached == set()
