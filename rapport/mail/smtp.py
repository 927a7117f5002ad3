"""The wire: one message to one recipient, over connections that are used again.

SMTP has a gap that no client can close (RFC 1047): the server accepts, and the sender dies before it knows. So the
caller is asked to commit its intention between RCPT and DATA, and whatever happens from then on without an answer
is reported as unknown, never as failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import Final, Literal, cast
from urllib.parse import unquote, urlsplit

import aiosmtplib

from rapport.mail.answers import FOR_GOOD, Meaning, Phase, meaning
from rapport.mail.tokens import NoToken, Tokens
from rapport.model.relay import VARIABLES, FaultKind, RelaySettings, described

DATA_TIMEOUT: Final = 60.0
COMMAND_TIMEOUT: Final = 20.0
MAX_CONNECTIONS: Final = 4
MAX_MESSAGES: Final = 100
MAX_IDLE: Final = 30.0

TESTED_EACH: Final = 60.0
"""Seconds for which it is believed that a mail to our own mailbox is taken, once one was."""

PROMPT: Final = 1.0
"""Seconds within which a relay takes a message that somebody can wait for."""


class Deferred(Exception):  # noqa: N818 - an answer of the relay, not a fault of ours
    """The relay asks to try again later (4xx), or could not be reached."""


class _OfAll(Exception):  # noqa: N818
    """What concerns every mail alike.

    Attributes:
        code: The relay's own (RFC 5321), where it gave one.
    """

    def __init__(self, kind: FaultKind, code: int | None = None) -> None:
        """Met with this answer, if there was any."""
        super().__init__(described(kind, code))
        self.kind = kind
        self.code = code


class Unserved(_OfAll, Deferred):
    """The relay could not be reached, or asks for patience before it knows whom a mail is for."""


class TooFast(Deferred):
    """The mailbox sends more than it may; no mail is at fault.

    Attributes:
        code: The relay's own (RFC 5321).
    """

    def __init__(self, code: int, words: str) -> None:
        """Met with this answer."""
        super().__init__(words)
        self.code = code


class Lost(Deferred):
    """The connection broke before any data went out; nothing was handed over."""

    def __init__(self) -> None:
        """Nothing more is known of it."""
        super().__init__("the connection was lost, or the mail server took too long, before the message went out")


class NotAtOnce(Exception):  # noqa: N818
    """The relay was not ready for this message's data in the time that was given; nothing went out."""


class Rejected(Exception):  # noqa: N818
    """The relay refuses this message for good (5xx)."""


class Unanswered(Exception):  # noqa: N818
    """The message's data went out and no answer came back: nobody can say whether it arrived (RFC 1047)."""


class Misconfigured(_OfAll):
    """The relay takes no mail at all of ours: wrong password, bad certificate, no encryption, sender refused.

    Nothing of it was handed over; `FaultKind.MESSAGE` is met after its data, and refuses that.
    """


@dataclass(frozen=True)
class Relay:
    """Where mail is handed over.

    Attributes:
        named: What the settings are called that say so.
    """

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    named: RelaySettings = VARIABLES

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine."""
        return _is_loopback(self.host)

    @classmethod
    def parse(cls, url: str, named: RelaySettings = VARIABLES) -> Relay:
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
            named=named,
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

    def __init__(
        self,
        relay: Relay,
        *,
        hostname: str,
        data_timeout: float = DATA_TIMEOUT,
        tokens: Tokens | None = None,
        own: str | None = None,
    ) -> None:
        """Prepare; nothing is opened before the first message.

        Args:
            hostname: What the client calls itself in EHLO.
            data_timeout: Seconds to wait for the answer to a message's data.
            tokens: Where access tokens come from, to sign in with instead of a password.
            own: Where a test mail goes, where that is not the sender's own mailbox.
        """
        self.relay = relay
        self._tokens = tokens
        self._hostname = hostname
        self._data_timeout = data_timeout
        self._own = own
        self._tested: float | None = None
        self._idle: deque[_Connection] = deque()
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._began: list[float] = []
        self._was_prompt = True
        self._opens = False
        self._first: asyncio.Future[Misconfigured | None] | None = None
        self._limit: TooFast | None = None

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
            except TooFast as answer:
                self._limit = answer
                raise
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
            client = await self._begin(connection, sender, recipient, patience)
            # Python 3.11's wait_for, in the client, swallows a cancellation that comes together with an answer.
            if limit.expired():
                raise NotAtOnce
            limit.reschedule(None)
            await commit()
            return await self._data(client, sender, raw)

    async def _begin(self, connection: _Connection, sender: str, recipient: str, patience: float) -> aiosmtplib.SMTP:
        """Name sender and recipient, on a fresh connection where one that was used already is of no use any more.

        Relays close what was idle, has had its share of messages, or has signed in by a token that has run out since.
        What they say then is about that connection.
        """
        try:
            await self._envelope(connection.client, sender, recipient, patience)
        except (Unserved, TooFast, Misconfigured):
            if not connection.used:
                raise
            connection.client.close()
            connection.client, connection.used = await self._open(patience), 0
            await self._envelope(connection.client, sender, recipient, patience)
        return connection.client

    async def _envelope(self, client: aiosmtplib.SMTP, sender: str, recipient: str, patience: float) -> None:
        """Name sender and recipient; whoever is refused as a sender is so for all mails alike."""
        await _named(client.mail(sender, timeout=patience))
        await self._address(client, sender, recipient, patience)

    async def _address(self, client: aiosmtplib.SMTP, sender: str, recipient: str, patience: float) -> None:
        """Name the recipient."""
        try:
            await client.rcpt(recipient, timeout=patience)
        except aiosmtplib.SMTPResponseException as error:
            with _left_open(error):
                if _in_doubt(Phase.RECIPIENT, error) and await self._refuses_us(client, sender, patience):
                    raise Misconfigured(FaultKind.SENDER, error.code) from None
            raise _refusal(error) from None
        except (aiosmtplib.SMTPException, OSError):
            raise Lost from None

    async def _refuses_us(self, client: aiosmtplib.SMTP, sender: str, patience: float) -> bool:
        """Whether the relay takes no mail of ours to our own mailbox either; then the recipient is not the reason."""
        try:
            await client.rset(timeout=patience)
            await _named(client.mail(sender, timeout=patience))
            await client.rcpt(sender, timeout=patience)
        except aiosmtplib.SMTPResponseException as error:
            if isinstance(answer := _refusal(error), Deferred):
                raise answer from None
            return _in_doubt(Phase.RECIPIENT, error)
        except Misconfigured:
            return True
        except (aiosmtplib.SMTPException, OSError):
            raise Lost from None
        return False

    async def _data(self, client: aiosmtplib.SMTP, sender: str, raw: bytes) -> str:
        """Send the data; many relays say only then that they refuse whoever sends it."""
        try:
            return await self._hand_over(client, raw)
        except aiosmtplib.SMTPResponseException as error:
            with _left_open(error):
                if _in_doubt(Phase.MESSAGE, error) and await self._refuses_all(client, sender) is not None:
                    raise Misconfigured(FaultKind.MESSAGE, error.code) from None
            raise _refusal(error) from None

    async def _refuses_all(self, client: aiosmtplib.SMTP, sender: str) -> int | None:
        """The code by which the relay refuses a mail to our own mailbox, once it has that. One a minute goes there.

        Returns:
            Nothing where it takes that mail, or refuses its recipient alone.

        Raises:
            Deferred: It does not say, so the mail that made us ask is not given up.
        """
        if self._tested is not None and time.monotonic() - self._tested < TESTED_EACH:
            return None
        own = self._own or sender
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT):
                await client.rset()
                await self._envelope(client, sender, own, COMMAND_TIMEOUT)
                await self._hand_over(client, _test_mail(sender, own))
        except aiosmtplib.SMTPResponseException as error:
            if isinstance(answer := _refusal(error), Deferred):
                raise answer from None
            return error.code if _in_doubt(Phase.MESSAGE, error) else None
        except Misconfigured as refusal:
            return refusal.code
        except Rejected:
            return None
        except (Unanswered, aiosmtplib.SMTPException, OSError):
            client.close()
            raise Lost from None
        self._tested = time.monotonic()
        return None

    async def _hand_over(self, client: aiosmtplib.SMTP, raw: bytes) -> str:
        """Send the data. The client's own method does not say on which side of the 354 a connection broke.

        Raises:
            SMTPResponseException: The relay refuses it, for now or for good.
            Lost, Deferred, Unanswered: It gives no such answer, before the data went out or after.
        """
        protocol, went_out = client.protocol, False
        if protocol is None:
            raise Lost
        transport = cast("asyncio.WriteTransport", protocol.transport)

        async def write(data: bytes) -> None:
            # Without its last line there is no mail, however much of it the relay has (RFC 5321, 4.1.1.4). So that goes
            # once all the rest has left this process: a slow line is no reason for not knowing whether it arrived.
            nonlocal went_out
            transport.set_write_buffer_limits(high=0)
            protocol.write(data.removesuffix(_LAST_LINE))
            # As a stream of the standard library does.
            await protocol._drain_helper()
            protocol.write(_LAST_LINE)
            went_out = True

        writing: asyncio.Task[None] | None = None
        try:
            # One timeout for both of the answers that DATA has.
            async with asyncio.timeout(self._data_timeout):
                answer = await client.execute_command(b"DATA", timeout=None)
                if answer.code == aiosmtplib.SMTPStatus.start_input:
                    # Beside the answer: a relay may refuse it before it has all of it.
                    writing = asyncio.create_task(write(_on_the_wire(raw)))
                    answer = await protocol.read_response()
        except BaseException as error:
            # Also a cancellation: the client would call itself connected, and its next message would hang.
            client.close()
            if isinstance(error, (aiosmtplib.SMTPException, OSError)):
                raise (Unanswered(type(error).__name__) if went_out else Lost()) from None
            raise
        finally:
            if writing is not None and not went_out:
                # To close it would be to send the rest, however long the relay takes.
                transport.abort()
                client.close()
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
        if went_out and answer.code == aiosmtplib.SMTPStatus.completed:
            return _said(answer.code, answer.message)
        if not 400 <= answer.code < 600:
            client.close()
            odd = f"{answer.code} is no answer to a message"
            raise Unanswered(odd) if went_out else Deferred(odd)
        raise aiosmtplib.SMTPResponseException(answer.code, answer.message)

    async def probe(self, sender: str, *, whole: bool = False) -> None:
        """Sign in as for a message, and ask whether one to the sender themself would be taken.

        Args:
            whole: Send a test mail there as well, because it is mails that are refused. Else none is sent.

        Raises:
            Deferred, Misconfigured: The relay cannot be reached, or takes nothing of ours.
        """
        client = await self._connect(COMMAND_TIMEOUT)
        try:
            await self._envelope(client, sender, sender, COMMAND_TIMEOUT)
            if whole and (code := await self._refuses_all(client, sender)) is not None:
                raise Misconfigured(FaultKind.MESSAGE, code)
        except (Lost, Unserved):
            raise
        except (Rejected, Deferred):
            # What concerns this one recipient, or asks for patience, does not concern all that we send.
            return
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
        before = self._limit
        async with self._free:
            # Who stood in line as it said "too many" takes its word for it.
            if self._limit is not None and self._limit is not before:
                raise TooFast(self._limit.code, str(self._limit))
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
        return _Connection(await self._open(patience))

    async def _open(self, patience: float) -> aiosmtplib.SMTP:
        """Open a connection. Until one could be opened the others wait for the first, and share it if that is a fault.

        So a wrong password is tried once, and not once for each message that wants to go.
        """
        first = self._first
        if self._opens or first is None:
            return await self._connect(patience) if self._opens else await self._connect_first(patience)
        await asyncio.wait([first])
        if (met := first.result()) is not None:
            raise Misconfigured(met.kind, met.code)
        return await self._connect(patience)

    async def _connect_first(self, patience: float) -> aiosmtplib.SMTP:
        first = self._first = asyncio.get_running_loop().create_future()
        met = None
        try:
            return await self._connect(patience)
        except Misconfigured as fault:
            met = fault
            raise
        finally:
            self._first = None
            first.set_result(met)

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

    async def _connect(self, patience: float) -> aiosmtplib.SMTP:
        relay = self.relay
        client = aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            local_hostname=self._hostname,
            use_tls=relay.security == "tls",
            start_tls=relay.security == "starttls",
            timeout=patience,
        )
        try:
            await client.connect()
            if relay.user is not None:
                await self._sign_in(client, relay.user)
            self._opens = True
        except BaseException as error:
            client.close()
            met = _met(error)
            if isinstance(met, Misconfigured | Deferred):
                self._opens = False
            if met is error:
                raise
            raise met from None
        return client

    async def _sign_in(self, client: aiosmtplib.SMTP, user: str) -> None:
        if client.is_ehlo_or_helo_needed:
            await client.ehlo()
        if self._tokens is not None:
            await self._by_token(client, user, self._tokens)
            return
        code = None
        for method in client.supported_auth_methods:
            sign_in = getattr(client, f"auth_{method.replace('-', '')}")
            try:
                await sign_in(user, self.relay.password or "")
            except aiosmtplib.SMTPAuthenticationError as error:
                # A wrong password is as wrong by another method, and some relays count.
                if error.code not in _ANOTHER_METHOD:
                    raise
                code = error.code
            else:
                return
        raise Misconfigured(FaultKind.SIGN_IN, code)

    async def _by_token(self, client: aiosmtplib.SMTP, user: str, tokens: Tokens) -> None:
        if "xoauth2" not in client.server_auth_methods:
            raise Misconfigured(FaultKind.SIGN_IN)
        while True:
            was_known = tokens.is_known
            try:
                token = await tokens.token()
            except NoToken:
                raise Misconfigured(FaultKind.TOKEN) from None
            try:
                await client.auth_xoauth2(user, token)
            except aiosmtplib.SMTPAuthenticationError as error:
                if error.code not in FOR_GOOD:
                    raise
                tokens.forget(token)
                # One that was given long ago may have run out; one of this moment is refused for another reason.
                if not was_known:
                    raise
            else:
                return


_ANOTHER_METHOD: Final = (504, 534, 538)
"""Codes by which a relay refuses a method of signing in, and not who signs in (RFC 4954)."""


def _met(error: BaseException) -> BaseException:
    """What an error on the way to a signed-in connection means."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        phase = _phase(error)
        return _of_all(phase, _FAULT_AT[phase], error)
    if not isinstance(error, aiosmtplib.SMTPException | OSError):
        return error
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return Misconfigured(FaultKind.CERTIFICATE)
    # The client says by its bare base class what the relay does not offer; what goes wrong has a subclass.
    unoffered = type(error) in (aiosmtplib.SMTPException, aiosmtplib.SMTPNotSupported)
    if unoffered or any(_speaks_otherwise(cause) for cause in causes):
        return Misconfigured(FaultKind.ENCRYPTION)
    return Unserved(FaultKind.UNREACHABLE)


def _phase(error: aiosmtplib.SMTPResponseException) -> Phase:
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return Phase.SIGN_IN
    if isinstance(error, aiosmtplib.SMTPConnectResponseError | aiosmtplib.SMTPHeloError):
        return Phase.GREETING
    # What is left is STARTTLS.
    return Phase.ENCRYPTION


_FAULT_AT: Final = {
    Phase.GREETING: FaultKind.SENDER,
    Phase.ENCRYPTION: FaultKind.ENCRYPTION,
    Phase.SIGN_IN: FaultKind.PASSWORD,
}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _speaks_otherwise(error: BaseException) -> bool:
    """Whether TLS found no TLS, or no version of it in common; a connection that was cut in it says nothing."""
    return isinstance(error, ssl.SSLError) and not isinstance(
        error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError
    )


async def _named(command: Awaitable[object]) -> None:
    """Await MAIL, of which a failure leaves nothing behind. Its sender is the same for every mail."""
    try:
        await command
    except aiosmtplib.SMTPResponseException as error:
        raise _of_all(Phase.SENDER, FaultKind.SENDER, error) from None
    except (aiosmtplib.SMTPException, OSError):
        raise Unserved(FaultKind.UNREACHABLE) from None


def _in_doubt(phase: Phase, error: aiosmtplib.SMTPResponseException) -> bool:
    return meaning(phase, error.code, error.message) is Meaning.DOUBT


def _of_all(phase: Phase, kind: FaultKind, error: aiosmtplib.SMTPResponseException) -> Deferred | Misconfigured:
    """What an answer means that comes before the relay knows whom a mail is for."""
    match meaning(phase, error.code, error.message):
        case Meaning.TOO_FAST:
            return TooFast(error.code, _words(error))
        case Meaning.LATER:
            return Unserved(FaultKind.BUSY, error.code)
        case _:
            return Misconfigured(kind, error.code)


def _refusal(error: aiosmtplib.SMTPResponseException) -> Deferred | Rejected:
    match meaning(Phase.MESSAGE, error.code, error.message):
        case Meaning.TOO_FAST:
            return TooFast(error.code, _words(error))
        case Meaning.LATER:
            return Deferred(_words(error))
        case _:
            return Rejected(_words(error))


@contextlib.contextmanager
def _left_open(refusal: aiosmtplib.SMTPResponseException) -> Iterator[None]:
    """Ask for a mail to our own mailbox what a refusal is about.

    Where that is told to wait, the relay speaks of us: whoever reads that mail is told so beside the refusal that made
    us ask, and not as if it were said of them.
    """
    try:
        yield
    except (Lost, TooFast, Unserved):
        raise
    except Deferred as own:
        words = f"{_words(refusal)}; asked about our own mailbox, the mail server said {own}"
        raise Deferred(words) from None


def _test_mail(sender: str, recipient: str) -> bytes:
    """A mail by which to ask whether any is taken."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = sender, recipient
    mail["Subject"] = "Test: checking that emails go out"
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain=sender.partition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(
        "The mail server refused an email once it had read it. This one checks whether it refuses them all.\n"
        "You don't have to do anything.\n"
    )
    return mail.as_bytes()


def _words(error: aiosmtplib.SMTPResponseException) -> str:
    return _said(error.code, error.message)


def _said(code: int, text: str) -> str:
    """What the relay said, as any database keeps it: some say it in Latin-1, or with control characters."""
    printable = "".join(one if one.isprintable() else "\ufffd" if one.strip() else " " for one in text)
    # What is no answer at all has a code of the client's own.
    return (f"{code} {printable}" if code > 0 else printable)[:500]


_LAST_LINE: Final = b".\r\n"


def _on_the_wire(raw: bytes) -> bytes:
    """A message as DATA wants it (RFC 5321, 2.3.8 and 4.5.2): CR LF alone ends a line, and dots at its start double."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    lines = re.sub(rb"(?m)^\.", b"..", lines)
    return lines + (_LAST_LINE if lines.endswith(b"\r\n") else b"\r\n" + _LAST_LINE)


async def _quit(client: aiosmtplib.SMTP) -> None:
    try:
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await client.quit(timeout=2)
    finally:
        client.close()
