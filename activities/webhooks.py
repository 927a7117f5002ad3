"""Posting to other systems' webhooks: what is worth another attempt, when, and what nobody may read afterwards.

The address of a webhook is a secret of its own. It stands in no error, no history and no log; what is told of a
failure are the receiver's status and our own words.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
from pydantic import SecretStr
from standardwebhooks import Webhook

RECEIVER_SECONDS: Final = 15.0
"""Seconds that a receiver has to answer."""

LONGEST_ASKED_WAIT: Final = timedelta(hours=1)
"""The longest wait that a receiver can ask for."""

HOOK_GIVES_UP: Final = timedelta(hours=48)
"""How long one thing is tried, as mails are."""


@dataclass(frozen=True)
class Hook:
    """Another system's webhook: where it is, and what its posts are signed with, where that is known."""

    url: SecretStr = field(repr=False)
    secret: SecretStr | None = field(default=None, repr=False)

    def headers(self, id_: str, content: bytes, now: datetime) -> dict[str, str]:
        """What a post says of itself: signed as Standard Webhooks says, where there is a secret.

        Args:
            id_: The event's; the same over all attempts, so that a receiver that keeps the ids takes each once.
            now: The attempt's time: receivers refuse what is older than five minutes.
        """
        said = {"content-type": "application/json", "webhook-id": id_, "webhook-timestamp": str(int(now.timestamp()))}
        if self.secret is not None:
            said["webhook-signature"] = Webhook(self.secret.get_secret_value()).sign(id_, now, content.decode())
        return said


_OK: Final = range(200, 300)
_REFUSED: Final = range(300, 500)
_TOO_MANY: Final = 429
_TIMED_OUT: Final = 408


class Turned(Exception):  # noqa: N818 - the receiver's answer, not a fault of ours
    """The receiver refuses for good."""


class Later(Exception):  # noqa: N818 - as `Turned`
    """The receiver cannot take it now.

    Attributes:
        wait: How long it asks to wait, if it does.
    """

    def __init__(self, why: str, wait: timedelta | None = None) -> None:
        super().__init__(why)
        self.wait = wait


async def post(http: httpx.AsyncClient, hook: Hook, id_: str, content: bytes, now: datetime) -> None:
    """Post JSON once; only a 2xx answer says that it arrived (RFC 9110, 15.3).

    A redirect is not followed: it would carry what is meant for one receiver to another.

    Raises:
        Turned: 3xx or 4xx, but 408 and 429.
        Later: 408, 429, 5xx, or no answer.
    """
    try:
        asked = http.stream(
            "POST",
            hook.url.get_secret_value(),
            content=content,
            headers=hook.headers(id_, content, now),
            timeout=RECEIVER_SECONDS,
            follow_redirects=False,
        )
        # The status is all that counts: what else a receiver says is not read, however much it is.
        async with asyncio.timeout(RECEIVER_SECONDS), asked as answer:
            status = answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
        # Its words can hold the address.
        raise Later("it does not answer") from None
    if status in _OK:
        return
    if status in (_TOO_MANY, _TIMED_OUT) or status not in _REFUSED:
        raise Later(f"it answers {status}", _wait(answer.headers.get("retry-after"), now))
    raise Turned(f"it answers {status}")


def _wait(text: str | None, now: datetime) -> timedelta | None:
    """What `Retry-After` asks for: seconds or a date (RFC 9110, 10.2.3); nothing where it says nothing of use."""
    if not text:
        return None
    if text.strip().isdecimal():
        wait = timedelta(seconds=min(int(text.strip()[:9]), LONGEST_ASKED_WAIT.total_seconds()))
    else:
        try:
            wait = parsedate_to_datetime(text) - now
        except (ValueError, TypeError):
            return None
    return max(timedelta(seconds=1), min(wait, LONGEST_ASKED_WAIT))
