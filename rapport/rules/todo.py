"""The to-dos that the system itself gives to the TAM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rapport.model.account import Fact
from rapport.model.task import TaskDefinition, TaskOption
from rapport.rules.drafting import together

FOUND: Final = "done"
"""The outcome that what a mail needs is on record."""


def finding_out(facts: Sequence[Fact]) -> TaskDefinition:
    """A to-do of the TAM's: find out what a mail to one contact cannot be written without."""
    return TaskDefinition(
        task="to_do",
        question=f"Find out, and record: {together([fact.replace('_', ' ') for fact in facts])}",
        options=(
            TaskOption(id=FOUND, title="It is recorded"),
            TaskOption(id="not_needed", title="Leave this mail out"),
        ),
        assign=("tam",),
        finds_out=tuple(facts),
    )
