"""Which mails are those of human tasks."""

from __future__ import annotations

from typing import Final

from rapport.mail import emails

_OF_A_TASK: Final = ("task_", "not_decided")
TASK_MAILS: Final = frozenset(
    name for name in emails.names() if any(claim.startswith(_OF_A_TASK) for claim in emails.claims(name))
)
"""Those that claim something of a task, as each of them does: no list of them has to be kept."""
