"""How often one client may ask for what a flood could misuse. Counted in memory, by each process for itself."""

from __future__ import annotations

import ipaddress
import math
import time
from dataclasses import dataclass, field
from typing import Final, cast

from fastapi import Request
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from rapport.model.base import Refused, UserError
from rapport.rules.wording import amount

SIGN_IN_BY_CLIENT: Final = RateLimitItemPerMinute(20, namespace="sign-in client")
SIGN_IN_BY_ADDRESS: Final = RateLimitItemPerHour(5, namespace="sign-in address")
"""How often one client may ask for one mailbox, whether or not it is a member's. Others' requests do not count for it:
a stranger locks nobody out. How much a mailbox gets from all of them together is counted in SQL."""
LINKS_BY_CLIENT: Final = RateLimitItemPerMinute(300, namespace="link client")
"""High enough for a whole company whose mail scanner opens every link from one address."""
ANSWERS_BY_LINK: Final = RateLimitItemPerHour(20, namespace="link answers")
"""How often one link may be used to say something: each time may mail somebody, and stands in the history of a
workflow, which Temporal ends once that is too long. Looking counts for nothing."""


class TooManyRequestsError(UserError):
    """Too many requests.

    Attributes:
        wait: The seconds after which the next one is taken.
    """

    def __init__(self, wait: int) -> None:
        """Refuse for this many seconds."""
        minutes = math.ceil(wait / 60)
        super().__init__(
            "there were too many requests of this kind",
            fix=f"try again in {amount(minutes, 'minute')}",
            kind=Refused.FORBIDDEN,
        )
        self.wait = wait


@dataclass(frozen=True)
class Limits:
    """Counts requests in fixed windows: one limit's worth may come at the end of a window, another after it."""

    limiter: FixedWindowRateLimiter = field(default_factory=lambda: FixedWindowRateLimiter(MemoryStorage()))

    async def take(self, limit: RateLimitItem, whom: str) -> None:
        """Count one request of someone.

        Raises:
            TooMany: They have had all that the limit allows for now.
        """
        if not await self.limiter.hit(limit, whom):
            reset = (await self.limiter.get_window_stats(limit, whom)).reset_time
            raise TooManyRequestsError(max(1, math.ceil(reset - time.time())))


def limits_of(request: Request) -> Limits:
    """What this server counts requests by; each process counts for itself."""
    return cast("Limits", request.app.state.limits)


def client_of(request: Request) -> str:
    """Whom to count a request for: the client's address, of IPv6 its network, which is one customer's (RFC 6177).

    Behind a proxy uvicorn puts the client's own address here, if the proxy is trusted.
    """
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
