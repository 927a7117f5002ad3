"""What somebody says that their matter is, before it becomes a tech review or finds another door."""

from __future__ import annotations

from enum import StrEnum

from rapport.model.base import InputModel


class MatterKind(StrEnum):
    """What a matter is, in its submitter's word."""

    DECISION = "decision"
    BROKEN_NOW = "broken_now"
    ESCALATION = "escalation"
    WISH = "wish"
    NOT_SURE = "not_sure"


class Answers(InputModel):
    """What a submitter says of their matter. Without a kind it is taken for what it was submitted as: a review."""

    kind: MatterKind | None = None
