"""The named sets of timeouts and retries, each for one nature of work."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypedDict

from temporalio.common import RetryPolicy


class Local(TypedDict):
    """How long a local activity may take, and how it is tried again."""

    start_to_close_timeout: timedelta
    retry_policy: RetryPolicy


class Remote(Local):
    """The same for an activity on the task queue, with the longest silence before its worker counts as dead."""

    heartbeat_timeout: timedelta | None


MAIL: Final = Remote(
    # Without an end: what waits for a stopped mail or a patient relay names its own next attempt, and gives up itself.
    start_to_close_timeout=timedelta(minutes=3),
    heartbeat_timeout=timedelta(seconds=10),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=1),
        maximum_interval=timedelta(minutes=5),
        non_retryable_error_types=["Refused", "PayloadsTooLarge"],
    ),
)

AT_ONCE: Final = Local(
    # Once: what does not go at once goes by MAIL. A relay that has a mail's data may take a minute to answer.
    start_to_close_timeout=timedelta(seconds=80),
    retry_policy=RetryPolicy(maximum_attempts=1),
)

CALENDARS: Final = Remote(
    # A calendar that stays unreadable for a minute is left out, and that is told.
    start_to_close_timeout=timedelta(seconds=30),
    heartbeat_timeout=None,
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=2),
        maximum_attempts=5,
        non_retryable_error_types=["PayloadsTooLarge"],
    ),
)

WEBHOOKS: Final = Remote(
    # Without an end: what other systems refuse for good, or do not take for two days, the activity itself gives up.
    start_to_close_timeout=timedelta(minutes=2),
    heartbeat_timeout=timedelta(seconds=10),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=2),
        maximum_interval=timedelta(minutes=5),
        non_retryable_error_types=["Refused", "PayloadsTooLarge"],
    ),
)

PAGING: Final = Remote(
    # A page that does not get through in half an hour is told; the case's mails have long gone by then.
    start_to_close_timeout=timedelta(seconds=30),
    heartbeat_timeout=None,
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=2),
        maximum_interval=timedelta(minutes=2),
        maximum_attempts=20,
        non_retryable_error_types=["PayloadsTooLarge"],
    ),
)

PLANNING: Final = Local(
    start_to_close_timeout=timedelta(seconds=10),
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10)),
)

RECORDS: Final = Local(
    # Retried without limit: a projection is late, never lost.
    start_to_close_timeout=timedelta(seconds=10),
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10)),
)
