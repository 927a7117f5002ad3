"""The wire: one message to one recipient, over connections that are used again.

SMTP has a gap that no client can close (RFC 1047): the server accepts, and the sender dies before it knows. So the
caller is asked to commit its intention between RCPT and DATA, and whatever happens from then on without an answer
is reported as unknown, never as failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

import aiosmtplib

DATA_TIMEOUT: Final = 60.0
COMMAND_TIMEOUT: Final = 20.0
MAX_CONNECTIONS: Final = 4
MAX_MESSAGES: Final = 100
MAX_IDLE: Final = 30.0

PROMPT: Final = 1.0
"""Seconds within which a relay takes a message that somebody can wait for."""


class Deferred(Exception):  # noqa: N818 - an answer of the relay, not a fault of ours
    """The relay asks to try again later (4xx), or could not be reached."""


class NotAtOnce(Exception):  # noqa: N818
    """The relay was not ready for this message's data in the time that was given; nothing went out."""


class Rejected(Exception):  # noqa: N818
    """The relay refuses this message for good (5xx)."""


class Unanswered(Exception):  # noqa: N818
    """The message's data went out and no answer came back: nobody can say whether it arrived (RFC 1047)."""


class Misconfigured(Exception):  # noqa: N818
    """The relay cannot be used as it is set up: wrong password, bad certificate, no encryption on offer."""


@dataclass(frozen=True)
class Relay:
    """Where mail is handed over."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Relay:
        """Read `smtp://`, `smtp+starttls://`, `smtps://` or `smtp+plain://`.

        Plain SMTP to anything but the loopback is upgraded to STARTTLS and fails without it; asked softly, clients
        send in clear to any server that does not offer encryption. Whoever wants that, such as for a catcher in a
        network of its own, has to say `smtp+plain`.
        """
        parts = urlsplit(url)
        host = parts.hostname or "127.0.0.1"
        security: Literal["none", "starttls", "tls"] = "starttls"
        if parts.scheme == "smtps":
            security = "tls"
        elif parts.scheme == "smtp+plain" or (parts.scheme == "smtp" and _is_loopback(host)):
            security = "none"
        return cls(
            host=host,
            port=parts.port or {"none": 25, "starttls": 587, "tls": 465}[security],
            security=security,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass
class _Connection:
    client: aiosmtplib.SMTP
    used: int = 0
    since: float = 0.0


class Mailer:
    """Hands messages to one relay, over at most `MAX_CONNECTIONS` connections at a time."""

    def __init__(self, relay: Relay, *, hostname: str, data_timeout: float = DATA_TIMEOUT) -> None:
        """Prepare; nothing is opened before the first message.

        Args:
            hostname: What the client calls itself in EHLO.
            data_timeout: Seconds to wait for the answer to a message's data.
        """
        self.relay = relay
        self._hostname = hostname
        self._data_timeout = data_timeout
        self._idle: deque[_Connection] = deque()
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._began: list[float] = []
        self._was_prompt = True

    @property
    def is_prompt(self) -> bool:
        """Whether the relay dealt with the last message at once, and keeps none waiting now."""
        present = time.monotonic()
        return self._was_prompt and all(present - began < PROMPT for began in self._began)

    async def send(
        self,
        sender: str,
        recipient: str,
        raw: bytes,
        commit: Callable[[], Awaitable[None]],
        *,
        within: float | None = None,
    ) -> str:
        """Hand over one message.

        Args:
            commit: Awaited after the recipient was accepted and before any data goes out; if it raises, nothing goes.
            within: Seconds until the recipient has to be accepted. The answer to the data is always waited for.

        Returns:
            The relay's own words on acceptance.

        Raises:
            Deferred, Rejected, Misconfigured, NotAtOnce: Nothing was accepted.
            Unanswered: The data went out and no answer came.
        """
        with self._timed():
            try:
                async with asyncio.timeout(within) as limit:
                    return await self._send(sender, recipient, raw, commit, limit, within or COMMAND_TIMEOUT)
            except (TimeoutError, Deferred):
                if not limit.expired():
                    raise
                raise NotAtOnce from None

    async def _send(
        self,
        sender: str,
        recipient: str,
        raw: bytes,
        commit: Callable[[], Awaitable[None]],
        limit: asyncio.Timeout,
        patience: float,
    ) -> str:
        async with self._connection(patience) as connection:
            client = connection.client
            await _command(client.mail(sender, timeout=patience))
            await _command(client.rcpt(recipient, timeout=patience))
            # Python 3.11's wait_for, in the client, swallows a cancellation that comes together with an answer.
            if limit.expired():
                raise NotAtOnce
            limit.reschedule(None)
            await commit()
            try:
                # The client's own timeout holds for each of the two answers that DATA has, this one for both.
                async with asyncio.timeout(self._data_timeout):
                    answer = await client.data(raw, timeout=self._data_timeout)
            except aiosmtplib.SMTPDataError as error:
                if not 400 <= error.code < 600:
                    client.close()
                    raise Unanswered(f"{error.code} is no answer to a message") from None
                raise _refusal(error) from None
            except BaseException as error:
                # Also a cancellation: the client would call itself connected, and its next message would hang.
                client.close()
                if isinstance(error, (aiosmtplib.SMTPException, OSError)):
                    raise Unanswered(type(error).__name__) from None
                raise
            return f"{answer.code} {answer.message}"[:500]

    async def greet(self) -> None:
        """Open a connection, encrypted as it is set up, say EHLO and goodbye. No sign-in, no mail.

        Raises:
            Deferred, Misconfigured: The relay cannot be reached, or not in the way that is set up.
        """
        client = await self._connect(replace(self.relay, user=None, password=None), COMMAND_TIMEOUT)
        try:
            await _command(client.ehlo())
        finally:
            await _quit(client)

    async def close(self) -> None:
        """Say goodbye on every idle connection."""
        while self._idle:
            await _quit(self._idle.pop().client)

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        """Notice whether the relay is prompt."""
        began, dealt_with = time.monotonic(), False
        self._began.append(began)
        try:
            yield
            dealt_with = True
        except Rejected:
            dealt_with = True
            raise
        finally:
            self._began.remove(began)
            self._was_prompt = dealt_with and time.monotonic() - began < PROMPT

    @contextlib.asynccontextmanager
    async def _connection(self, patience: float) -> AsyncIterator[_Connection]:
        async with self._free:
            connection = await self._take(patience)
            try:
                yield connection
            except Rejected:
                await self._give_back(connection, reset=True)
                raise
            except BaseException:
                connection.client.close()
                raise
            await self._give_back(connection)

    async def _take(self, patience: float) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if time.monotonic() - connection.since < MAX_IDLE and connection.client.is_connected:
                return connection
            await _quit(connection.client)
        return _Connection(await self._connect(self.relay, patience))

    async def _give_back(self, connection: _Connection, *, reset: bool = False) -> None:
        connection.used += 1
        connection.since = time.monotonic()
        if connection.used >= MAX_MESSAGES:
            await _quit(connection.client)
            return
        if reset:
            try:
                await connection.client.rset(timeout=COMMAND_TIMEOUT)
            except (aiosmtplib.SMTPException, OSError):
                connection.client.close()
                return
        self._idle.append(connection)

    async def _connect(self, relay: Relay, patience: float) -> aiosmtplib.SMTP:
        client = aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            local_hostname=self._hostname,
            use_tls=relay.security == "tls",
            start_tls=relay.security == "starttls",
            username=relay.user,
            password=relay.password,
            timeout=patience,
        )
        try:
            await client.connect()
        except aiosmtplib.SMTPAuthenticationError as error:
            client.close()
            if error.code < 500:
                raise Deferred(f"sign-in: {error.code}") from None
            raise Misconfigured(f"the relay refuses the user or the password ({error.code})") from None
        except aiosmtplib.SMTPConnectResponseError as error:
            client.close()
            raise Deferred(f"greeting: {error.code}") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            if _is_certificate(error):
                raise Misconfigured("the relay's certificate cannot be trusted for its name") from None
            if type(error) in (aiosmtplib.SMTPException, aiosmtplib.SMTPNotSupported):
                # The client says by its bare base class what the relay does not offer; what goes wrong has a subclass.
                raise Misconfigured(
                    "the relay does not offer what the settings ask for: encryption or sign-in"
                ) from None
            raise Deferred("the relay cannot be reached") from None
        except BaseException:
            client.close()
            raise
        return client


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


async def _command(command: Awaitable[object]) -> None:
    """Await MAIL or RCPT, of which a failure leaves nothing behind."""
    try:
        await command
    except aiosmtplib.SMTPResponseException as error:
        raise _refusal(error) from None
    except (aiosmtplib.SMTPException, OSError):
        raise Deferred("the connection was lost before the message went out") from None


def _refusal(error: aiosmtplib.SMTPResponseException) -> Deferred | Rejected:
    words = f"{error.code} {error.message}"[:500]
    return Rejected(words) if 500 <= error.code < 600 else Deferred(words)


async def _quit(client: aiosmtplib.SMTP) -> None:
    try:
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await client.quit(timeout=2)
    finally:
        client.close()
