"""Histories of every released version replay through today's workflows."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from rapport.model.people import AccountFile
from tests.conftest import example
from tests.replay.record import HISTORIES, SCENARIOS, called
from worker import WORKFLOWS

FILES = sorted(HISTORIES.glob("*/*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
async def test_a_committed_history_replays(file: Path) -> None:
    """What a worker of that version did is what a worker of this version would do."""
    history = WorkflowHistory.from_json(file.stem.split(".")[-1], file.read_text())
    await Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter).replay_workflow(history)


def test_every_scenario_and_workflow_is_recorded() -> None:
    """Each scenario left one history of each workflow in it; without them the test above would prove nothing."""
    recorded = {file.stem for file in FILES}
    assert recorded >= {f"{called(one)}.{kind.partition('/')[0]}" for one, kinds in SCENARIOS.items() for kind in kinds}


async def test_a_changed_workflow_is_noticed() -> None:
    """A history whose first activity was another one does not replay; so replaying can fail."""
    file = next(file for file in FILES if file.stem.endswith(".meeting"))
    text = file.read_text().replace('"planning.propose"', '"planning.other"')
    history = WorkflowHistory.from_json("meeting", text)
    with pytest.raises(Exception, match=r"[Nn]ondeterminism"):
        await Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter).replay_workflow(history)


def personal(file: AccountFile) -> list[str]:
    """Names, addresses and texts that may stand in no history."""
    names = [contact.name for contact in file.contacts] + [member.name for member in file.members]
    addresses = [contact.email for contact in file.contacts] + [member.email for member in file.members]
    words = names + addresses + [word for name in names for word in name.split()]
    figures = [file.account.figures.poc_result or "", file.account.figures.projected_roi or ""]
    return words + figures


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_history_names_nobody(file: Path) -> None:
    """Histories carry ids, roles and times: no name, address, figure or free text of the account stands in them."""
    readable = decoded(file.read_text())
    for word in personal(example()):
        assert not re.search(rf"\b{re.escape(word)}\b", readable), word
    assert "@" not in readable


def decoded(history: str) -> str:
    """A history with its payloads in the clear."""
    parts = [history]

    def walk(value: object) -> None:
        if isinstance(value, dict):
            data = value.get("data")
            if isinstance(data, str):
                parts.append(base64.b64decode(data).decode(errors="replace"))
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(json.loads(history))
    return "\n".join(parts)
