"""How large a request's body may be, by the kind of route; and what becomes of one that goes on beyond that."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rapport.model.base import UserError
from rapport.model.ids import number_in
from rapport.model.reading import MAX_BYTES
from rapport.rules.attachment import MAX_TOTAL

LIMITS: Final = (
    (re.compile(r"/v1/messages/.+/files/[^/]+|/accounts/[^/]+/drafts"), MAX_BYTES + MAX_TOTAL),
    # Whoever sends these is not known yet: an address or a token, and what a reader of a mail says.
    (re.compile(r"/sign-in"), 16_000),
    (re.compile(r"/m/.*"), 250_000),
)
"""The most bytes that a body may have, by path; the first that fits counts, and of all others `MAX_BYTES` is it."""

LINGER_SECONDS: Final = 1.0
LINGER_BYTES: Final = 2_000_000
"""For how long, and how much of it, what is still under way is thrown away after a 413, so that its sender comes to
read that (RFC 9112, 9.6); then the connection is closed."""


class TooLargeError(UserError):
    """A body is larger than its route takes."""

    def __init__(self, most: int) -> None:
        """Name the limit, in bytes."""
        size = f"{most // 1_000_000} MB" if most >= MAX_BYTES else f"{most // 1_000} kB"
        super().__init__(f"is larger than {size}", field="body", fix="shorten it")


class _Over(Exception):  # noqa: N818 - leads to the answer, and is nobody's fault but the sender's
    """The limit is passed."""


def limit_of(path: str) -> int:
    """The most bytes that the body of a request to this path may have."""
    return next((most for pattern, most in LIMITS if pattern.fullmatch(path)), MAX_BYTES)


class Bounded:
    """Answers 413 as soon as a body passes its route's limit, and closes the connection (RFC 9110, 15.5.14).

    Bytes are counted as they come, because a chunked body announces no length. Starlette's own limit does so too, but
    answers a length that was announced in plain text, without what every other response of ours carries.

    Args:
        refuse: Draws the refusal, as a problem or a page.
    """

    def __init__(self, app: ASGIApp, refuse: Callable[[Request, UserError], Awaitable[Response]]) -> None:
        self.app = app
        self.refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        most = limit_of(scope["path"])
        taken, over, answered = 0, False, False

        async def bounded() -> Message:
            nonlocal taken, over
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                over = True
                raise _Over
            return message

        async def sent(message: Message) -> None:
            nonlocal answered
            # What is made of a body that broke off is no answer to it.
            if not over or answered:
                answered = True
                await send(message)

        length = request.headers.get("content-length", "0")
        if (number := number_in(length)) is None or number > most:
            over = True
        else:
            try:
                await self.app(scope, bounded, sent)
            except Exception:
                if not over or answered:
                    raise
        if over and not answered:
            await self._close(request, most, receive, send, begun=taken > 0)

    async def _close(self, request: Request, most: int, receive: Receive, send: Send, *, begun: bool) -> None:
        answer = await self.refuse(request, TooLargeError(most))
        answer.headers["Connection"] = "close"

        async def lingering(message: Message) -> None:
            if message["type"] == "http.response.body":
                await send({**message, "more_body": True})
                # Whoever waits for a "100 Continue" has sent nothing yet: to ask for more would answer that.
                if begun or "expect" not in request.headers:
                    await _drain(receive)
                message = {**message, "body": b""}
            await send(message)

        await answer(request.scope, receive, lingering)


async def _drain(receive: Receive) -> None:
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            thrown = 0
            while thrown < LINGER_BYTES and (message := await receive()).get("more_body", False):
                thrown += len(message["body"])
    except TimeoutError:
        return
