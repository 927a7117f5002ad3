"""How an attempt asks Temporal for the next one."""

from __future__ import annotations

from datetime import timedelta

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory


def later(why: str, kind: str, wait: timedelta, *, alarm: bool = False) -> ApplicationError:
    """Ask Temporal for another attempt after a while.

    Args:
        alarm: The installation is at fault, and the SDK's logs and metrics are to say so.
    """
    category = ApplicationErrorCategory.UNSPECIFIED if alarm else ApplicationErrorCategory.BENIGN
    return ApplicationError(why, type=kind, next_retry_delay=wait, category=category)
