"""The named sets of timeouts and retries, each for one nature of work. None has an end: see `outcomes`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypedDict

from temporalio.common import RetryPolicy


class Local(TypedDict):
    """How long a local activity may take, and how it is tried again."""

    start_to_close_timeout: timedelta
    retry_policy: RetryPolicy


class Remote(Local):
    """How long an activity on the task queue may take, be silent and be tried again.

    Attributes:
        heartbeat_timeout: The longest silence before its worker counts as dead.
    """

    heartbeat_timeout: timedelta | None


@dataclass(frozen=True)
class Nature:
    """The limits of all activities that do one kind of work.

    Attributes:
        local: How it is tried in the workflow task itself, if it is, before it gets a task of its own.
        remote: How it is tried after that.
    """

    local: Local | None
    remote: Remote


AT_ONCE: Final = Local(
    # Once: what does not go at once goes on the task queue. A relay that has a mail's data may take a minute to answer.
    start_to_close_timeout=timedelta(seconds=80),
    retry_policy=RetryPolicy(maximum_attempts=1),
)


def _queued(limit: int, *, beats: int | None = None, first: int = 1, most: int) -> Remote:
    """The limits of an activity on the task queue, all in seconds; it is tried again without end.

    Args:
        limit: How long one attempt may take.
        beats: How long it may be silent.
        first, most: How long the first pause between attempts is, and the longest.
    """
    return Remote(
        start_to_close_timeout=timedelta(seconds=limit),
        heartbeat_timeout=timedelta(seconds=beats) if beats is not None else None,
        retry_policy=RetryPolicy(initial_interval=timedelta(seconds=first), maximum_interval=timedelta(seconds=most)),
    )


MAIL: Final = _queued(180, beats=10, most=300)
"""What waits for a stopped mail or a patient relay names its own next attempt, and gives up itself."""

CALENDARS: Final = Nature(local=None, remote=_queued(30, first=2, most=30))
"""A calendar that stays unreadable refuses by itself after some attempts, and is left out."""

WEBHOOKS: Final = Nature(local=None, remote=_queued(120, beats=10, first=2, most=300))
"""What other systems refuse for good, or do not take for two days, the activity itself gives up."""

PAGING: Final = Nature(local=None, remote=_queued(30, first=2, most=120))
"""A page that does not get through gives up itself; the case's mails have long gone by then."""

PROBES: Final = Nature(local=None, remote=_queued(180, beats=10, first=5, most=30))
"""Each attempt names the next one, until the relay takes mail again."""

SWEEPS: Final = Nature(local=None, remote=_queued(600, beats=20, most=30))
"""It asks Temporal of each suspect. The next round waits for this one, so it has all the time that it may need."""

CHILDREN: Final = Nature(local=None, remote=_queued(30, most=60))
"""Each attempt names the next one, until the workflow has ended."""

_QUICK: Final = Local(
    # Long enough for a lock that somebody holds; an outage is waited out on the task queue, where it is seen.
    start_to_close_timeout=timedelta(seconds=10),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=2), maximum_attempts=5
    ),
)

_PATIENT: Final = _queued(30, most=20)

PLANNING: Final = Nature(local=_QUICK, remote=_PATIENT)

RECORDS: Final = Nature(local=_QUICK, remote=_PATIENT)
"""A projection is late, never lost."""
