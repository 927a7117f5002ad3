"""What the wire promises: who was handed a message, and who can say so."""

from __future__ import annotations

import asyncio
import base64
import email
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from hypothesis import given, strategies as st

from rapport.mail import smtp, tokens
from rapport.mail.smtp import Deferred, Mailer, Misconfigured, NotAtOnce, Rejected, Relay, Unanswered, Unserved
from rapport.mail.tokens import Tokens
from rapport.model.relay import FaultKind
from tests.conftest import LIMIT, free_port
from tests.helpers_mail import DROP, HANG, USUAL, ScriptedRelay, mailer_to, nothing, until

SENDER = "onboarding@foobar.example"
TO = "luca@versayce.example"
RAW = b"Subject: x\r\n\r\nhello\r\n"


async def refuse() -> None:
    """A commit that fails."""
    raise RuntimeError("overtaken")


async def test_the_relays_words_come_back_on_acceptance(relay: ScriptedRelay) -> None:
    """An accepted message gives the relay's own 250 text, and arrives with its bytes unchanged."""
    relay.then("body", "250 2.0.0 queued as ABC123")
    async with mailer_to(relay.port) as mailer:
        assert await mailer.send(SENDER, TO, RAW, nothing) == "250 2.0.0 queued as ABC123"
    assert [(mail.sender, mail.recipient, mail.raw) for mail in relay.accepted] == [(SENDER, TO, RAW)]


@pytest.mark.parametrize(
    ("point", "answer"),
    [
        ("greeting", "421 4.3.2 busy"),
        ("MAIL", "451 4.3.0 later"),
        ("RCPT", "450 4.2.0 greylisted"),
        ("DATA", "452 full"),
    ],
)
async def test_patience_then_acceptance(relay: ScriptedRelay, point: str, answer: str) -> None:
    """A 4xx before any data means that nothing was handed over, and the next attempt succeeds."""
    relay.then(point, answer)
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Deferred, match=answer[:3]):
            await mailer.send(SENDER, TO, RAW, nothing)
        assert relay.received == []
        await mailer.send(SENDER, TO, RAW, nothing)
    assert len(relay.accepted) == 1


async def test_patience_after_the_data(relay: ScriptedRelay) -> None:
    """A 4xx after the body is an answer: the message was not taken, and may be sent again."""
    relay.then("body", "451 4.7.1 later")
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Deferred, match="451"):
            await mailer.send(SENDER, TO, RAW, nothing)
        await mailer.send(SENDER, TO, RAW, nothing)
    assert len(relay.accepted) == 1


async def test_one_bad_recipient_of_three(relay: ScriptedRelay) -> None:
    """A 550 for one recipient rejects that message alone, and its connection goes on serving the others."""
    relay.then_for("bad@versayce.example", "550 5.1.1 no such user")
    async with mailer_to(relay.port) as mailer:
        await mailer.send(SENDER, "a@versayce.example", RAW, nothing)
        with pytest.raises(Rejected, match=r"550 5\.1\.1 no such user"):
            await mailer.send(SENDER, "bad@versayce.example", RAW, nothing)
        await mailer.send(SENDER, "c@versayce.example", RAW, nothing)
    assert [mail.recipient for mail in relay.accepted] == ["a@versayce.example", "c@versayce.example"]
    assert (relay.connections, relay.seen["RSET"]) == (1, 1)


async def test_rejection_after_the_data(relay: ScriptedRelay) -> None:
    """A 5xx after the body is final, and is told in the relay's words."""
    relay.then("body", "554 5.7.1 spam, it says")
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Rejected, match=r"554 5\.7\.1 spam, it says"):
            await mailer.send(SENDER, TO, RAW, nothing)


@pytest.mark.parametrize(
    ("point", "answer", "told"),
    [
        ("RCPT", "503 5.5.1 need MAIL command", "503"),
        ("RCPT", "hello?", "Malformed"),
    ],
)
async def test_a_confused_relay_is_patience(relay: ScriptedRelay, point: str, answer: str, told: str) -> None:
    """What is said of the order of commands, or is no answer at all, says nothing of the mail: it goes again."""
    relay.then(point, answer)
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Deferred, match=f"^{told}"):
            await mailer.send(SENDER, TO, RAW, nothing)
        await mailer.send(SENDER, TO, RAW, nothing)
    assert len(relay.accepted) == 1


async def test_a_lost_connection_before_the_data_is_patience(relay: ScriptedRelay) -> None:
    """A connection that is cut at RCPT leaves nothing behind: the message may be sent again."""
    relay.then("RCPT", DROP)
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Deferred):
            await mailer.send(SENDER, TO, RAW, nothing)


async def test_a_drop_after_the_data_is_unanswered(relay: ScriptedRelay) -> None:
    """A connection that is cut after the final dot leaves nobody able to say (RFC 1047)."""
    relay.then("body", DROP)
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Unanswered):
            await mailer.send(SENDER, TO, RAW, nothing)
        await mailer.send(SENDER, TO, RAW, nothing)
    assert len(relay.accepted) == 1


@pytest.mark.parametrize(("then", "met"), [(b"", Deferred), (b"cut", Deferred), (b"552 5.3.4 too large\r\n", Rejected)])
async def test_a_mail_whose_last_line_did_not_go_has_not_arrived(then: bytes, met: type[Exception]) -> None:
    """A relay that has only a part of the data, since the line is slow or cut, has no mail: it goes again. One that
    refuses it meanwhile is heard."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 slow\r\n")
        while verb := (await reader.readline())[:4].upper():
            writer.write(b"354 go\r\n" if verb == b"DATA" else b"250 ok\r\n")
            if verb == b"DATA":
                await reader.read(1000)
                if then == b"cut":
                    writer.transport.abort()
                writer.write(then)
                await done.wait()
                break
        writer.close()

    done = asyncio.Event()
    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        async with mailer_to(server.sockets[0].getsockname()[1], data_timeout=20 if then else 1) as mailer:
            with pytest.raises(met) as caught:
                await mailer.send(SENDER, TO, b"x" * 30_000_000, nothing)
        done.set()
    assert not isinstance(caught.value, Unanswered)


@pytest.mark.parametrize("point", ["greeting", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_drop_before_the_354_has_sent_nothing(relay: ScriptedRelay, point: str) -> None:
    """A connection that is cut anywhere before the relay asks for the data has sent nothing; the mail goes again."""
    relay.then(point, DROP)
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Deferred):
            await mailer.send(SENDER, TO, RAW, nothing)
        assert relay.received == []
        await mailer.send(SENDER, TO, RAW, nothing)
    assert len(relay.accepted) == 1


async def test_silence_before_the_354_has_sent_nothing(relay: ScriptedRelay) -> None:
    """A relay that never asks for the data was given none of it."""
    relay.then("DATA", HANG)
    async with mailer_to(relay.port, data_timeout=0.2) as mailer:
        with pytest.raises(Deferred):
            await mailer.send(SENDER, TO, RAW, nothing)
        relay.release.set()
        await mailer.send(SENDER, TO, RAW, nothing)
    assert len(relay.received) == 1


async def test_a_refusal_of_data_itself_is_told(relay: ScriptedRelay) -> None:
    """A 5xx instead of the 354 is final for that message, and its connection serves the next."""
    relay.then("DATA", "554 5.5.1 no valid recipients")
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Rejected, match="554"):
            await mailer.send(SENDER, TO, RAW, nothing)
        await mailer.send(SENDER, TO, RAW, nothing)
    assert (relay.connections, len(relay.accepted)) == (1, 1)


@pytest.mark.parametrize("answer", ["299 what", "nonsense"])
async def test_an_answer_that_is_none_is_unanswered(relay: ScriptedRelay, answer: str) -> None:
    """An answer to the data that neither accepts nor refuses is never taken for a refusal, so it is not sent again."""
    relay.then("body", answer)
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Unanswered):
            await mailer.send(SENDER, TO, RAW, nothing)
        assert not mailer._idle


async def test_an_answer_to_the_verb_that_is_none_has_sent_nothing(relay: ScriptedRelay) -> None:
    """A relay that answers DATA with neither 354 nor a refusal is given nothing, over a connection that ends there."""
    relay.then("DATA", "250 no need")
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Deferred):
            await mailer.send(SENDER, TO, RAW, nothing)
        assert (relay.received, list(mailer._idle)) == ([], [])


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"\r\n", b"\r", b"\n", b"\r\n.\r\n", b" "]), max_size=12))
def test_what_goes_over_the_wire_ends_once(parts: list[bytes]) -> None:
    """Whatever a message holds, its data ends with the one dot that ends it, and the relay reads the same lines."""
    raw = b"".join(parts)
    wire = b"\r\n" + smtp._on_the_wire(raw)
    assert wire.index(b"\r\n.\r\n") == len(wire) - 5
    read = wire[2:-3].replace(b"\r\n.", b"\r\n").removeprefix(b".")
    plain = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    assert read == plain + (b"" if plain.endswith(b"\r\n") else b"\r\n")


async def test_acceptance_later_than_the_timeout_is_unanswered(relay: ScriptedRelay) -> None:
    """A 250 that comes after the timeout is not waited for, and never taken for the next message's answer."""
    relay.then("body", HANG)
    async with mailer_to(relay.port, data_timeout=0.2) as mailer:
        with pytest.raises(Unanswered):
            await mailer.send(SENDER, TO, RAW, nothing)
        relay.release.set()
        relay.then("body", "250 second")
        assert await mailer.send(SENDER, TO, RAW, nothing) == "250 second"
    assert relay.connections == 2


async def test_the_timeout_holds_for_the_whole_of_data(relay: ScriptedRelay) -> None:
    """The wait for both of DATA's answers together is the timeout, so that a lease can be longer than it."""
    loop = asyncio.get_running_loop()
    relay.then("DATA", HANG)
    relay.on["DATA"] = lambda: loop.call_later(0.4, relay.release.set)
    relay.then("body", HANG)
    relay.on["body"] = relay.release.clear
    async with mailer_to(relay.port, data_timeout=0.6) as mailer:
        begun = loop.time()
        with pytest.raises(Unanswered):
            await mailer.send(SENDER, TO, RAW, nothing)
    assert loop.time() - begun < 0.9
    assert len(relay.received) == 1


async def test_a_cancellation_in_data_leaves_the_mailer_usable(relay: ScriptedRelay) -> None:
    """After a cancellation in the middle of DATA the next message goes over a fresh connection and is answered."""
    relay.then("body", HANG)
    async with mailer_to(relay.port) as mailer:
        sending = asyncio.create_task(mailer.send(SENDER, TO, RAW, nothing))
        await relay.reached("body")
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        async with asyncio.timeout(LIMIT):
            await mailer.send(SENDER, TO, RAW, nothing)
    assert relay.connections == 2


async def test_cancellations_give_their_places_back(relay: ScriptedRelay) -> None:
    """More cancelled messages than there are connections do not stop the ones that follow."""
    relay.then("body", *[HANG] * (smtp.MAX_CONNECTIONS * 2))
    async with mailer_to(relay.port) as mailer:
        for round_ in (1, 2):
            sending = [asyncio.create_task(mailer.send(SENDER, TO, RAW, nothing)) for _ in range(smtp.MAX_CONNECTIONS)]
            await relay.reached("body", smtp.MAX_CONNECTIONS * round_)
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)
        async with asyncio.timeout(LIMIT):
            await mailer.send(SENDER, TO, RAW, nothing)


async def test_a_failing_commit_sends_nothing(relay: ScriptedRelay) -> None:
    """When the intention cannot be committed no data goes out, and the half conversation is not continued."""
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(RuntimeError, match="overtaken"):
            await mailer.send(SENDER, TO, RAW, refuse)
        await mailer.send(SENDER, "other@versayce.example", RAW, nothing)
    assert [mail.recipient for mail in relay.received] == ["other@versayce.example"]
    assert relay.seen["DATA"] == 1


async def test_the_commit_stands_between_rcpt_and_data(relay: ScriptedRelay) -> None:
    """The intention is committed once the recipient is accepted, and before the relay hears of any data."""
    seen: list[dict[str, int]] = []

    async def commit() -> None:
        seen.append(dict(relay.seen))

    async with mailer_to(relay.port) as mailer:
        await mailer.send(SENDER, TO, RAW, commit)
        relay.then("RCPT", "550 no")
        with pytest.raises(Rejected):
            await mailer.send(SENDER, TO, RAW, commit)
    assert [(points["RCPT"], points.get("DATA", 0)) for points in seen] == [(1, 0)]


async def test_connections_are_used_again_and_replaced_after_a_hundred(relay: ScriptedRelay) -> None:
    """Messages share a connection, and no connection carries more than a hundred."""
    async with mailer_to(relay.port) as mailer:
        for number in range(smtp.MAX_MESSAGES):
            await mailer.send(SENDER, f"u{number}@versayce.example", RAW, nothing)
        assert (relay.connections, relay.seen["QUIT"]) == (1, 1)
        await mailer.send(SENDER, TO, RAW, nothing)
    assert relay.connections == 2
    assert len(relay.accepted) == smtp.MAX_MESSAGES + 1


async def test_at_most_four_connections_at_a_time(relay: ScriptedRelay) -> None:
    """A burst of messages opens at most the agreed number of connections."""
    async with mailer_to(relay.port) as mailer:
        await asyncio.gather(*(mailer.send(SENDER, TO, RAW, nothing) for _ in range(40)))
    assert relay.connections <= smtp.MAX_CONNECTIONS
    assert len(relay.accepted) == 40


async def test_an_idle_connection_expires(relay: ScriptedRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was idle for too long is given up politely, and a fresh one takes its place."""
    async with mailer_to(relay.port) as mailer:
        await mailer.send(SENDER, TO, RAW, nothing)
        monkeypatch.setattr(smtp, "MAX_IDLE", 0.0)
        await mailer.send(SENDER, TO, RAW, nothing)
        assert (relay.connections, relay.seen["QUIT"]) == (2, 1)


@pytest.mark.parametrize(
    "answer", [DROP, "421 4.4.2 idle for too long", "421 4.7.0 too many messages in this connection", "451 4.3.2 again"]
)
async def test_a_relay_that_has_had_enough_of_a_connection_is_asked_on_another(
    relay: ScriptedRelay, answer: str
) -> None:
    """What a relay says to a connection's second mail is about the connection: the mail goes at once, on another."""
    relay.then("MAIL", USUAL["MAIL"], answer)
    async with mailer_to(relay.port) as mailer:
        for _ in range(3):
            await mailer.send(SENDER, TO, RAW, nothing)
    assert (len(relay.accepted), relay.connections) == (3, 2)


@pytest.mark.parametrize("answer", [DROP, "421 4.7.0 too many messages in this connection"])
async def test_a_relay_that_has_had_enough_is_asked_twice_and_no_more(relay: ScriptedRelay, answer: str) -> None:
    """Where it takes nothing on the fresh connection either, that is its answer."""
    relay.then("MAIL", USUAL["MAIL"], answer, answer)
    async with mailer_to(relay.port) as mailer:
        await mailer.send(SENDER, TO, RAW, nothing)
        with pytest.raises(Deferred):
            await mailer.send(SENDER, TO, RAW, nothing)
    assert (len(relay.accepted), relay.connections) == (1, 2)


@pytest.mark.parametrize(
    ("point", "answer"), [("MAIL", "530 5.7.57 sign in first"), ("RCPT", "550 5.7.1 not signed in")]
)
async def test_who_is_signed_out_meanwhile_signs_in_again(relay: ScriptedRelay, point: str, answer: str) -> None:
    """A relay that forgets who signed in, as when a token runs out, refuses that connection: no fault of all mail."""
    async with mailer_to(relay.port) as mailer:
        await mailer.send(SENDER, TO, RAW, nothing)
        # Once for the mail, and once for the mail to ourselves by which it is asked whether it means us all.
        relay.then(point, answer, *([answer] if point == "RCPT" else []))
        await mailer.send(SENDER, TO, RAW, nothing)
    assert (len(relay.accepted), relay.connections) == (2, 2)


async def test_who_is_refused_on_a_fresh_connection_too_is_an_alarm(relay: ScriptedRelay) -> None:
    """Asked twice, and no more often."""
    async with mailer_to(relay.port) as mailer:
        await mailer.send(SENDER, TO, RAW, nothing)
        relay.then("MAIL", *["530 5.7.57 sign in first"] * 2)
        with pytest.raises(Misconfigured):
            await mailer.send(SENDER, TO, RAW, nothing)
    assert (len(relay.accepted), relay.connections) == (1, 2)


async def test_a_connection_that_the_relay_closed_is_not_used(relay: ScriptedRelay) -> None:
    """A relay that hangs up between two messages costs the second one nothing."""
    async with mailer_to(relay.port) as mailer:
        await mailer.send(SENDER, TO, RAW, nothing)
        client = mailer._idle[0].client
        for task in list(relay._tasks):
            task.cancel()
        await until(lambda: not client.is_connected)
        await mailer.send(SENDER, TO, RAW, nothing)
    assert len(relay.accepted) == 2


@pytest.mark.parametrize("point", ["greeting", "MAIL", "RCPT"])
async def test_what_is_not_ready_in_time_goes_nowhere(relay: ScriptedRelay, point: str) -> None:
    """A relay that keeps a message waiting for longer than its sender can gets none of it; the next one goes."""
    relay.then(point, HANG)
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(NotAtOnce):
            await mailer.send(SENDER, TO, RAW, refuse, within=0.05)
        assert relay.received == []
        await mailer.send(SENDER, TO, RAW, nothing, within=20)
    assert len(relay.accepted) == 1


async def test_no_free_connection_in_time_is_not_at_once(relay: ScriptedRelay) -> None:
    """Behind four messages that the relay is busy with, a fifth that cannot wait does not go."""
    relay.then("RCPT", *([HANG] * 4))
    async with mailer_to(relay.port) as mailer:
        four = [asyncio.create_task(mailer.send(SENDER, TO, RAW, nothing)) for _ in range(4)]
        await relay.reached("RCPT", 4)
        with pytest.raises(NotAtOnce):
            await mailer.send(SENDER, TO, RAW, refuse, within=0.05)
        relay.release.set()
        await asyncio.gather(*four)
    assert len(relay.accepted) == 4


async def test_the_answer_to_the_data_is_waited_for(relay: ScriptedRelay) -> None:
    """Once its data is on its way a message is never given up in haste: nobody could say whether it arrived."""
    relay.then("body", HANG)
    async with mailer_to(relay.port) as mailer:
        sending = asyncio.create_task(mailer.send(SENDER, TO, RAW, nothing, within=0.05))
        await relay.reached("body")
        await asyncio.wait([sending], timeout=0.2)
        assert not sending.done()
        relay.release.set()
        assert (await sending).startswith("250")


async def test_a_prompt_relay_is_known_by_its_last_answer(
    relay: ScriptedRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay counts as prompt until it keeps a message waiting, and again once it has taken one at once."""
    async with mailer_to(relay.port) as mailer:
        found = [mailer.is_prompt]
        relay.then("body", HANG)
        sending = asyncio.create_task(mailer.send(SENDER, TO, RAW, nothing))
        await relay.reached("body")
        found.append(mailer.is_prompt)
        monkeypatch.setattr(smtp, "PROMPT", 0.0)
        found.append(mailer.is_prompt)
        relay.release.set()
        await sending
        monkeypatch.undo()
        found.append(mailer.is_prompt)
        await mailer.send(SENDER, TO, RAW, nothing)
        found.append(mailer.is_prompt)
    assert found == [True, True, False, False, True]


@pytest.mark.parametrize(
    ("point", "answer", "prompt"), [("RCPT", "450 later", False), ("greeting", DROP, False), ("RCPT", "550 no", True)]
)
async def test_a_refusal_is_an_answer_and_patience_is_none(
    relay: ScriptedRelay, point: str, answer: str, *, prompt: bool
) -> None:
    """A relay that refuses a message for good was prompt; one that asks for patience, or is not there, was not."""
    relay.then(point, answer)
    async with mailer_to(relay.port) as mailer:
        with pytest.raises((Deferred, Rejected)):
            await mailer.send(SENDER, TO, RAW, nothing)
        assert mailer.is_prompt is prompt


async def test_closing_says_goodbye(relay: ScriptedRelay) -> None:
    """Closing the mailer ends every idle connection with QUIT."""
    async with mailer_to(relay.port) as mailer:
        await asyncio.gather(*(mailer.send(SENDER, TO, RAW, nothing) for _ in range(4)))
        opened = relay.connections
    assert relay.seen["QUIT"] == opened


async def test_nobody_listening_is_patience() -> None:
    """A relay that cannot be reached is asked again later."""
    async with mailer_to(1) as mailer:
        with pytest.raises(Deferred):
            await mailer.send(SENDER, TO, RAW, nothing)


@pytest.mark.parametrize(
    ("url", "host", "port", "security"),
    [
        ("smtp://127.0.0.1:8025", "127.0.0.1", 8025, "none"),
        ("smtp://localhost", "localhost", 25, "none"),
        ("smtp://[::1]:8025", "::1", 8025, "none"),
        ("smtp://127.9.9.9", "127.9.9.9", 25, "none"),
        ("smtp://mail.foobar.example", "mail.foobar.example", 587, "starttls"),
        ("smtp://mail.foobar.example:25", "mail.foobar.example", 25, "starttls"),
        ("smtp://10.0.0.5:25", "10.0.0.5", 25, "starttls"),
        ("smtp://localhost.foobar.example", "localhost.foobar.example", 587, "starttls"),
        ("smtp://0.0.0.0:25", "0.0.0.0", 25, "starttls"),
        ("smtp+starttls://127.0.0.1:587", "127.0.0.1", 587, "starttls"),
        ("smtps://mail.foobar.example", "mail.foobar.example", 465, "tls"),
        ("smtp+plain://mail:1025", "mail", 1025, "none"),
    ],
)
def test_mail_leaves_the_loopback_encrypted(url: str, host: str, port: int, security: str) -> None:
    """Plain SMTP is for the loopback; anywhere else encryption is insisted on, unless the address says `plain`."""
    relay = Relay.parse(url)
    assert (relay.host, relay.port, relay.security) == (host, port, security)


def test_user_and_password_are_decoded_and_not_shown() -> None:
    """User and password may hold any character, and no representation of the relay tells the password."""
    relay = Relay.parse("smtps://robin%40foobar.example:p%3Aw%2F%40%25@mail.foobar.example")
    assert (relay.user, relay.password) == ("robin@foobar.example", "p:w/@%")
    assert "p:w" not in repr(relay)


# --- a real server, with certificates and sign-in


class Inbox:
    """What an aiosmtpd server received, and who signed in."""

    def __init__(self) -> None:
        """Empty."""
        self.mails: list[bytes] = []
        self.encrypted: list[bool] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep one mail."""
        assert isinstance(envelope.content, bytes)
        self.mails.append(envelope.content)
        self.encrypted.append(session.ssl is not None)
        return "250 kept"


@asynccontextmanager
async def real_relay(**options: Any) -> AsyncIterator[tuple[int, Inbox]]:
    """An aiosmtpd server on a free port."""
    inbox, loop = Inbox(), asyncio.get_running_loop()
    direct = options.pop("ssl", None)
    server = await loop.create_server(
        lambda: SMTP(inbox, hostname="relay.example", loop=loop, **options), "127.0.0.1", 0, ssl=direct
    )
    try:
        yield int(server.sockets[0].getsockname()[1]), inbox
    finally:
        server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """Make a self-signed certificate for a name or an address; needs openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")

    def make(name: str) -> tuple[Path, Path]:
        cert, key = folder / f"{name}.crt", folder / f"{name}.key"
        alternative = f"IP:{name}" if name[0].isdigit() else f"DNS:{name}"
        subprocess.run(
            [
                *(openssl, "req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"),
                *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={name}"),
                *("-addext", f"subjectAltName={alternative}", "-keyout", str(key), "-out", str(cert)),
            ],
            check=True,
            capture_output=True,
        )
        return cert, key

    return make


def serving(pair: tuple[Path, Path]) -> ssl.SSLContext:
    """A server's side of TLS with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context


def trust(monkeypatch: pytest.MonkeyPatch, cert: Path) -> None:
    """Let this process trust a certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))


async def send_over(url: str) -> str:
    """Send one message through the relay at this address."""
    mailer = Mailer(Relay.parse(url), hostname="foobar.example")
    try:
        return await mailer.send(SENDER, TO, RAW, nothing)
    finally:
        await mailer.close()


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
async def test_a_trusted_certificate_encrypts(
    scheme: str, certificate: Callable[[str], tuple[Path, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a certificate that is trusted for the host's name the mail arrives, encrypted."""
    pair = certificate("127.0.0.1")
    trust(monkeypatch, pair[0])
    options = {"ssl": serving(pair)} if scheme == "smtps" else {"tls_context": serving(pair)}
    async with real_relay(**options) as (port, inbox):
        assert await send_over(f"{scheme}://127.0.0.1:{port}") == "250 kept"
    assert inbox.encrypted == [True] if scheme == "smtp+starttls" else len(inbox.mails) == 1


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
@pytest.mark.parametrize(("name", "trusted"), [("127.0.0.1", False), ("mail.foobar.example", True)])
async def test_a_bad_certificate_is_an_alarm(
    scheme: str,
    name: str,
    trusted: bool,
    certificate: Callable[[str], tuple[Path, Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A self-signed certificate, and one for another host, stop the mail before it is told to anyone."""
    pair = certificate(name)
    if trusted:
        trust(monkeypatch, pair[0])
    options = {"ssl": serving(pair)} if scheme == "smtps" else {"tls_context": serving(pair)}
    async with real_relay(**options) as (port, inbox):
        with pytest.raises(Misconfigured, match="certificate"):
            await send_over(f"{scheme}://127.0.0.1:{port}")
    assert inbox.mails == []


@pytest.mark.parametrize("user", ["", "robin:secret@"])
async def test_stripped_starttls_is_an_alarm(relay: ScriptedRelay, user: str) -> None:
    """A relay that does not offer STARTTLS where it is asked for gets neither mail nor password in clear."""
    with pytest.raises(Misconfigured, match="encryption"):
        await send_over(f"smtp+starttls://{user}127.0.0.1:{relay.port}")
    assert set(relay.seen) <= {"greeting", "EHLO", "QUIT"}


def signing_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    """Accept robin with the password `right`."""
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"robin", b"right")
    return AuthResult(success=good, handled=False)


async def test_a_wrong_password_is_an_alarm(
    certificate: Callable[[str], tuple[Path, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong password is the installation's fault and no message's, and the right one sends."""
    pair = certificate("127.0.0.1")
    trust(monkeypatch, pair[0])
    async with real_relay(tls_context=serving(pair), authenticator=signing_in, auth_required=True) as (port, inbox):
        with pytest.raises(Misconfigured, match="password"):
            await send_over(f"smtp+starttls://robin:wrong@127.0.0.1:{port}")
        assert await send_over(f"smtp+starttls://robin:right@127.0.0.1:{port}") == "250 kept"
    assert len(inbox.mails) == 1


async def test_sign_in_that_is_not_offered_is_an_alarm(relay: ScriptedRelay) -> None:
    """A password for a relay that knows no sign-in is the installation's fault."""
    with pytest.raises(Misconfigured):
        await send_over(f"smtp://robin:secret@127.0.0.1:{relay.port}")
    assert relay.received == []


# --- what concerns all that we send, and no mail in particular


BLOCKED = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using a list"


@pytest.mark.parametrize(
    ("point", "answers", "code"),
    [
        ("greeting", ["554 5.7.1 no service for you"], 554),
        ("EHLO", ["550 5.7.1 bad name"], 550),
        ("MAIL", ["553 5.7.1 not your address"], 553),
        ("MAIL", ["530 5.7.0 authentication required"], 530),
        ("RCPT", [BLOCKED, BLOCKED], 554),
        ("RCPT", ["530 5.7.0 sign in first", "530 5.7.0 sign in first"], 530),
        ("RCPT", ["550 5.1.8 sender's domain not found", "550 5.1.8 sender's domain not found"], 550),
    ],
)
async def test_a_refused_sender_is_the_installations_fault(
    relay: ScriptedRelay, point: str, answers: list[str], code: int
) -> None:
    """A relay that refuses whoever we are, early or with the first recipient, refuses no mail in particular."""
    relay.then(point, *answers)
    if point == "EHLO":
        relay.then("HELO", *answers)
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Misconfigured) as met:
            await mailer.send(SENDER, TO, RAW, nothing)
        assert (met.value.kind, met.value.code) == (FaultKind.SENDER, code)
        assert await mailer.send(SENDER, TO, RAW, nothing)
    assert len(relay.received) == 1


@pytest.mark.parametrize(
    ("refusal", "own"),
    [
        ("550 5.1.1 no such user", None),
        ("550 no", None),
        (BLOCKED, "250 ok"),
        ("554 5.7.1 relay access denied", "250 ok"),
        (BLOCKED, "550 5.1.1 no such user"),
    ],
)
async def test_a_refused_recipient_is_the_mails_own(relay: ScriptedRelay, refusal: str, own: str | None) -> None:
    """A recipient who is refused while the relay would take a mail to ourselves is refused alone."""
    relay.then_for(TO, refusal)
    if own is not None:
        relay.then_for(SENDER, own)
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Rejected, match=refusal[:3]):
            await mailer.send(SENDER, TO, RAW, nothing)
        await mailer.send(SENDER, "other@versayce.example", RAW, nothing)
    assert (relay.connections, len(relay.accepted), relay.seen.get("DATA")) == (1, 1, 1)


@pytest.mark.parametrize("answer", [DROP, "451 4.3.0 later"])
async def test_a_doubt_that_is_not_settled_is_patience(relay: ScriptedRelay, answer: str) -> None:
    """Where nobody can say whether a refusal concerns us or the recipient, the mail is not given up."""
    relay.then_for(TO, BLOCKED)
    relay.then("RSET", answer)
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Deferred):
            await mailer.send(SENDER, TO, RAW, nothing)


@pytest.mark.parametrize(("point", "refusal"), [("RCPT", BLOCKED), ("body", "554 5.7.1 not from you")])
async def test_what_is_said_of_our_own_mailbox_is_not_said_of_the_reader(
    relay: ScriptedRelay, point: str, refusal: str
) -> None:
    """A mail waits with the answer that was given for its reader, and with that for our own mailbox named as such."""
    relay.then(point, refusal, "452 4.2.2 onboarding is full")
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Deferred) as met:
            await mailer.send(SENDER, TO, RAW, nothing)
    assert str(met.value).startswith(refusal)
    assert str(met.value).endswith("; asked about our own mailbox, the mail server said 452 4.2.2 onboarding is full")


@pytest.mark.parametrize("point", ["greeting", "EHLO", "MAIL", "RCPT"])
async def test_patience_is_no_fault(relay: ScriptedRelay, point: str) -> None:
    """A 4xx anywhere is a relay that is busy, whatever enhanced code it has."""
    relay.then(point, "451 4.7.1 slow down", "451 4.7.1 slow down")
    relay.then("HELO", "451 4.7.1 slow down")
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Deferred):
            await mailer.send(SENDER, TO, RAW, nothing)


UNAUTHENTICATED = "550 5.7.26 This mail is unauthenticated"


@pytest.mark.parametrize(
    ("point", "answer", "code"),
    [
        ("body", UNAUTHENTICATED, 550),
        ("body", "550 5.7.1 sender not allowed", 550),
        ("body", "550 5.7.509 Access denied, sending domain does not pass DMARC verification", 550),
        ("body", "554 Message rejected: Email address is not verified", 554),
        ("DATA", "554 5.7.1 not from you", 554),
    ],
)
async def test_a_sender_refused_after_the_data_is_the_installations_fault(
    relay: ScriptedRelay, point: str, answer: str, code: int
) -> None:
    """A relay that refuses who we are once it has the mail does so for one to ourselves as well: no mail's fault."""
    relay.then(point, answer, answer)
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Misconfigured) as met:
            await mailer.send(SENDER, TO, RAW, nothing)
        assert (met.value.kind, met.value.code) == (FaultKind.MESSAGE, code)
        assert await mailer.send(SENDER, TO, RAW, nothing)
    assert [mail.recipient for mail in relay.accepted] == [TO]


@pytest.mark.parametrize("answer", ["554 5.7.1 spam, it says", UNAUTHENTICATED, "554 no"])
async def test_a_mail_refused_after_the_data_is_refused_alone(relay: ScriptedRelay, answer: str) -> None:
    """Where the relay takes a mail to ourselves, the refused one fails alone; ourselves get one a minute at most."""
    async with mailer_to(relay.port) as mailer:
        for _ in range(3):
            relay.then("body", answer)
            with pytest.raises(Rejected, match=answer[:3]):
                await mailer.send(SENDER, TO, RAW, nothing)
        await mailer.send(SENDER, TO, RAW, nothing)
    assert [mail.recipient for mail in relay.accepted] == [SENDER, TO]
    test = email.message_from_bytes(relay.to(SENDER)[0].raw)
    assert (test["To"], test["Auto-Submitted"]) == (SENDER, "auto-generated")


@pytest.mark.parametrize("answer", ["552 5.3.4 too large", "554 5.6.0 malformed", "550 5.1.1 no such user"])
async def test_what_is_surely_the_mails_own_costs_no_test(relay: ScriptedRelay, answer: str) -> None:
    """A refusal for size, form or reader sends nothing to ourselves."""
    relay.then("body", answer)
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Rejected):
            await mailer.send(SENDER, TO, RAW, nothing)
    assert len(relay.received) == 1


@pytest.mark.parametrize("answer", [DROP, "451 4.3.0 later"])
async def test_a_doubt_after_the_data_that_is_not_settled_is_patience(relay: ScriptedRelay, answer: str) -> None:
    """Where the relay does not say what it thinks of a mail to ourselves, the refused one is tried again."""
    relay.then("body", UNAUTHENTICATED, answer)
    async with mailer_to(relay.port) as mailer:
        with pytest.raises(Deferred):
            await mailer.send(SENDER, TO, RAW, nothing)


async def test_a_whole_probe_sends_a_mail_to_ourselves(relay: ScriptedRelay) -> None:
    """Where mails are refused that were read, only a mail can tell that they are taken again."""
    async with mailer_to(relay.port) as mailer:
        relay.then("body", UNAUTHENTICATED)
        with pytest.raises(Misconfigured) as met:
            await mailer.probe(SENDER, whole=True)
        assert (met.value.kind, met.value.code) == (FaultKind.MESSAGE, 550)
        await mailer.probe(SENDER, whole=True)
    assert [mail.recipient for mail in relay.accepted] == [SENDER]


async def test_a_test_mail_goes_where_all_mail_goes(relay: ScriptedRelay) -> None:
    """Where all mail is redirected, so is the one that is sent to find out."""
    relay.then("body", UNAUTHENTICATED)
    own = "all@foobar.example"
    mailer = Mailer(Relay("127.0.0.1", relay.port, "none"), hostname="foobar.example", own=own)
    with pytest.raises(Rejected):
        await mailer.send(SENDER, own, RAW, nothing)
    await mailer.close()
    assert [mail.recipient for mail in relay.received] == [own, own]


@pytest.mark.parametrize(
    ("point", "answer", "kind", "code"),
    [
        ("greeting", DROP, FaultKind.UNREACHABLE, None),
        ("greeting", "421 4.3.2 busy", FaultKind.BUSY, 421),
        ("MAIL", DROP, FaultKind.UNREACHABLE, None),
        ("MAIL", "452 4.3.1 disk full", FaultKind.BUSY, 452),
    ],
)
async def test_what_no_mail_gets_past_is_told_from_one_mails_patience(
    relay: ScriptedRelay, point: str, answer: str, kind: FaultKind, code: int | None
) -> None:
    """What the relay says before it knows whom a mail is for concerns them all, and the probe meets it as well."""
    async with mailer_to(relay.port) as mailer:
        for act in (lambda: mailer.send(SENDER, TO, RAW, nothing), lambda: mailer.probe(SENDER)):
            relay.then(point, answer)
            with pytest.raises(Unserved) as met:
                await act()
            assert (met.value.kind, met.value.code) == (kind, code)
        relay.then("RCPT", "450 4.2.0 greylisted")
        with pytest.raises(Deferred) as own:
            await mailer.send(SENDER, TO, RAW, nothing)
        assert not isinstance(own.value, Unserved)


async def test_a_relay_without_a_word_or_a_name_cannot_be_reached(
    relay: ScriptedRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody at the port, no such name, and a connection on which nothing comes back are one thing to whoever waits."""
    monkeypatch.setattr(smtp, "COMMAND_TIMEOUT", 0.3)
    relay.then("greeting", HANG)
    for host, port in (("127.0.0.1", free_port()), ("relay.invalid", 25), ("127.0.0.1", relay.port)):
        mailer = Mailer(Relay(host, port, "none"), hostname="foobar.example")
        with pytest.raises(Unserved) as met:
            await mailer.send(SENDER, TO, RAW, nothing)
        assert met.value.kind is FaultKind.UNREACHABLE


async def test_tls_that_finds_none_is_an_alarm(relay: ScriptedRelay) -> None:
    """A relay that speaks in clear on a port where encryption was to begin at once is set up wrongly."""
    with pytest.raises(Misconfigured) as met:
        await send_over(f"smtps://127.0.0.1:{relay.port}")
    assert met.value.kind is FaultKind.ENCRYPTION


async def test_a_refused_sign_in_is_tried_once_for_all_mails(relay: ScriptedRelay) -> None:
    """Many mails that want to go at once cost one sign-in, by one method, while it is refused; then all go."""
    relay.then("EHLO", *["250-scripted\r\n250 AUTH PLAIN LOGIN"] * 9)
    relay.then("AUTH", "535 5.7.8 wrong", *["235 ok"] * 8)
    mailer = Mailer(Relay("127.0.0.1", relay.port, "none", "robin", "secret"), hostname="foobar.example")
    met = await asyncio.gather(*(mailer.send(SENDER, TO, RAW, nothing) for _ in range(4)), return_exceptions=True)
    assert [type(one) for one in met] == [Misconfigured] * 4
    assert (relay.connections, relay.seen["AUTH"]) == (1, 1)
    await asyncio.gather(*(mailer.send(SENDER, TO, RAW, nothing) for _ in range(4)))
    await mailer.close()
    assert len(relay.accepted) == 4


async def test_a_first_connection_that_hangs_holds_up_no_other(relay: ScriptedRelay) -> None:
    """Whoever gives up on the first connection leaves the way to those who waited for it."""
    relay.then("greeting", HANG)
    async with mailer_to(relay.port) as mailer:
        hangs = mailer.send(SENDER, TO, RAW, nothing, within=0.1)
        others = [mailer.send(SENDER, TO, RAW, nothing) for _ in range(3)]
        met, *_ = await asyncio.gather(hangs, *others, return_exceptions=True)
        assert isinstance(met, NotAtOnce)
    assert len(relay.accepted) == 3


async def test_a_probe_sends_nothing(relay: ScriptedRelay) -> None:
    """A probe goes as far as the recipient, and says goodbye; who is refused as a recipient is not its matter."""
    async with mailer_to(relay.port) as mailer:
        await mailer.probe(SENDER)
        for answer in ("550 5.1.1 no such user", "450 greylisted"):
            relay.then("RCPT", answer)
            await mailer.probe(SENDER)
        relay.then("RCPT", BLOCKED, BLOCKED)
        with pytest.raises(Misconfigured):
            await mailer.probe(SENDER)
        relay.then("RCPT", DROP)
        with pytest.raises(Deferred):
            await mailer.probe(SENDER)
    assert (relay.received, relay.seen.get("DATA"), relay.seen["QUIT"]) == ([], None, 3 + 1)


# --- access tokens


class Provider(Inbox):
    """A server of XOAUTH2, as Google describes it: who it is for is told in JSON before the 535."""

    def __init__(self, *good: str) -> None:
        """These tokens are good."""
        super().__init__()
        self.good = good
        self.shown: list[str] = []

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
        """Take a token."""
        user, bearer = base64.b64decode(args[1]).decode().strip("\x01").split("\x01")
        token = bearer.removeprefix("auth=Bearer ")
        self.shown.append(token)
        if (user, token in self.good) == ("user=robin", True):
            return AuthResult(success=True, auth_data=user)
        # It answers 334 with a document, and waits for the client's empty line.
        await server.challenge_auth('{"status":"401"}')
        return AuthResult(success=False, handled=False)


@pytest.fixture
async def provider() -> AsyncIterator[tuple[int, Provider]]:
    """It, on a free port of the loopback."""
    made, loop = Provider("fresh"), asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(made, hostname="relay.example", loop=loop, auth_require_tls=False),
        *("127.0.0.1", 0),
    )
    yield int(server.sockets[0].getsockname()[1]), made
    server.close()


def giving(tmp_path: Path, *some: str) -> Tokens:
    """A command that gives these in turn, and counts."""
    file = tmp_path / "tokens"
    file.write_text("\n".join(some))
    program = (
        "import pathlib, sys; file = pathlib.Path(sys.argv[1]); first, *rest = file.read_text().split('\\n'); "
        "file.write_text('\\n'.join(rest or [first])); print(first)"
    )
    return Tokens((sys.executable, "-c", program, str(file)))


def by_token(port: int, given: Tokens) -> Mailer:
    """A mailer that signs in with what a command gives."""
    return Mailer(Relay("127.0.0.1", port, "none", "robin"), hostname="foobar.example", tokens=given)


async def test_a_token_signs_in_and_is_kept_until_it_is_refused(provider: tuple[int, Provider], tmp_path: Path) -> None:
    """A token serves every sign-in until the server refuses it; then the command is asked for another, at once."""
    port, server = provider
    mailer = by_token(port, giving(tmp_path, "old", "fresh"))
    server.good = ("old",)
    await mailer.send(SENDER, TO, RAW, nothing)
    await mailer.close()
    await mailer.send(SENDER, TO, RAW, nothing)
    assert server.shown == ["old", "old"]
    await mailer.close()
    server.good = ("fresh",)
    await mailer.send(SENDER, TO, RAW, nothing)
    await mailer.close()
    assert (server.shown, len(server.mails)) == (["old", "old", "old", "fresh"], 3)


async def test_a_token_of_this_moment_that_is_refused_is_an_alarm(
    provider: tuple[int, Provider], tmp_path: Path
) -> None:
    """A token that is refused although it was given this moment is the installation's fault; no other is asked for."""
    port, server = provider
    mailer = by_token(port, giving(tmp_path, "wrong"))
    with pytest.raises(Misconfigured) as met:
        await mailer.send(SENDER, TO, RAW, nothing)
    assert (met.value.kind, met.value.code, server.shown) == (FaultKind.PASSWORD, 535, ["wrong"])
    assert "wrong" not in str(met.value)


@pytest.mark.parametrize(
    "program", ["import sys; print('secret'); sys.exit(1)", "pass", "print('two words')", "print('x' * 20_000)", None]
)
async def test_a_command_that_gives_no_token_is_an_alarm(provider: tuple[int, Provider], program: str | None) -> None:
    """A command that fails, is not there, or prints what is no token is an alarm that repeats nothing of it."""
    command = (sys.executable, "-c", program) if program is not None else ("/nowhere/to/be-found",)
    with pytest.raises(Misconfigured) as met:
        await by_token(provider[0], Tokens(command)).send(SENDER, TO, RAW, nothing)
    assert (met.value.kind, provider[1].shown) == (FaultKind.TOKEN, [])
    assert "secret" not in str(met.value)


async def test_a_command_that_takes_too_long_is_ended(
    provider: tuple[int, Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that says nothing is ended after its time, and no process of it stays."""
    monkeypatch.setattr(tokens, "TIMEOUT", 0.2)
    slow = Tokens((sys.executable, "-c", "import time; time.sleep(60)"))
    with pytest.raises(Misconfigured):
        await by_token(provider[0], slow).send(SENDER, TO, RAW, nothing)


async def test_a_relay_without_xoauth2_is_an_alarm(relay: ScriptedRelay, tmp_path: Path) -> None:
    """Where the relay knows no access tokens none is asked for, and none is shown."""
    with pytest.raises(Misconfigured) as met:
        await by_token(relay.port, giving(tmp_path, "fresh")).send(SENDER, TO, RAW, nothing)
    assert met.value.kind is FaultKind.SIGN_IN
    assert (tmp_path / "tokens").read_text() == "fresh"
