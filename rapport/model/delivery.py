"""How far something is that goes to another system: a gap to the CRM, news of a review to its channel."""

from __future__ import annotations

from enum import StrEnum


class DeliveryState(StrEnum):
    """Where it stands.

    Attributes:
        WAITING: It is tried, or is to be.
        SENT, POSTED: The other system has it.
        FAILED: It does not go; somebody has to see to it.
        OFF: No such system is set up.
    """

    WAITING = "waiting"
    SENT = "sent"
    POSTED = "posted"
    FAILED = "failed"
    OFF = "off"
