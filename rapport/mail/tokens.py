"""Access tokens for signing in to the relay (XOAUTH2), as a command of the installation gives them."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from typing import Final

TIMEOUT: Final = 20.0
"""Seconds that the command may take."""

LONGEST_TOKEN: Final = 16_384
"""More characters than any provider's token has."""


class NoToken(Exception):  # noqa: N818 - what became of a command, not a fault of ours
    """The command failed, took too long, or printed something that is no token."""


class Tokens:
    """Runs a command for an access token, and keeps that until the relay refuses it.

    The command is run without a shell. Nothing of what it prints is logged, or told in an error.
    """

    def __init__(self, command: Sequence[str]) -> None:
        """Prepare; nothing is run before a token is needed."""
        self._command = tuple(command)
        self._known: str | None = None
        self._turn = asyncio.Lock()

    @property
    def is_known(self) -> bool:
        """Whether the next token is one that was given before."""
        return self._known is not None

    async def token(self) -> str:
        """The token that is known, or a new one.

        Raises:
            NoToken: There is none.
        """
        async with self._turn:
            if self._known is None:
                self._known = await self._run()
            return self._known

    def forget(self, token: str) -> None:
        """The relay has refused this one."""
        if self._known == token:
            self._known = None

    async def _run(self) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, limit=LONGEST_TOKEN
            )
        except (OSError, ValueError):
            raise NoToken from None
        try:
            async with asyncio.timeout(TIMEOUT):
                said, _ = await process.communicate()
        except TimeoutError:
            raise NoToken from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        token = said.decode("ascii", "replace").strip()
        if (
            process.returncode != 0
            or not token
            or len(token) > LONGEST_TOKEN
            or not token.isprintable()
            or " " in token
        ):
            raise NoToken
        return token
