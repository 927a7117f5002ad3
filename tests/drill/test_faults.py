"""A drill of a sound product is well; one fault put back makes it fail, and it names the fault."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final

import pytest

from tests.conftest import ROOT
from tests.drill.faulty import FAULTS

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

_DRILL: Final = """
import asyncio, sys
from starters.drill.private import Commands
from starters.drill.run import DrillOptions, drill

def part(name):
    return (sys.executable, "-m", "tests.drill.faulty", FAULT, name)

commands = Commands(part("worker"), part("http"), part("rapport")) if FAULT else Commands()
given = DrillOptions(seed=7, minutes=0.1, only=(BROKEN,), patience=PATIENCE, commands=commands)
print(asyncio.run(drill(given)).model_dump_json())
"""


def drilled(fault: str, broken: str, patience: float = 30) -> dict[str, Any]:
    """What a short drill tells that breaks one thing, with a fault put back or with none."""
    code = f"FAULT, BROKEN, PATIENCE = {fault!r}, {broken!r}, {patience!r}\n{_DRILL}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=None, capture_output=True, text=True, check=False, timeout=380
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return report


CASES: Final = (
    ("says_sent", "relay killed", "it is on record as sent, and the relay never had it"),
    ("sends_twice", "relay drops", "(hold) arrived 2 times"),
    ("forgets_votes", "worker killed", ": the vote of"),
    ("ignores_approvals", "worker killed", "and not on record as approved"),
    ("answers_500", "temporal killed", "wrong answer: "),
    ("is_blind_to_the_relay", "relay's password", "not told: relay's password"),
    ("is_silent_on_mails", "relay drops", "is unknown, and doctor does not name it"),
)


@pytest.mark.parametrize(("fault", "broken", "named"), CASES, ids=[fault for fault, _, _ in CASES])
def test_a_fault_that_is_put_back_is_found_and_named(fault: str, broken: str, named: str) -> None:
    """A drill on a product with one fault is not well, and says what the fault did."""
    # What the relay did not answer goes again after a minute.
    report = drilled(fault, broken, 100 if fault == "sends_twice" else 30)
    assert any(named in finding for finding in report["findings"]), json.dumps(report, indent=1)
    assert not report["well"]


def test_every_fault_is_tried() -> None:
    """No fault stands here that no drill has to find."""
    assert {fault for fault, _, _ in CASES} == set(FAULTS)


def test_a_product_without_these_faults_is_well() -> None:
    """What finds faults finds none where there is none: a worker is killed, and all is done all the same."""
    report = drilled("", "worker killed", 180)
    assert report["findings"] == [], json.dumps(report, indent=1)
    assert report["acknowledged"] == report["on_record"]
