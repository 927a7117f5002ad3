"""The review channel: what it is told, once where that can be promised, and what becomes of a channel that fails."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default

import httpx
import pytest
from pydantic import SecretStr
from temporalio.exceptions import ApplicationError

from activities.announcement import Announcements
from activities.message import Messages
from activities.webhooks import HOOK_GIVES_UP, Hook
from rapport.mail.smtp import Mailer
from rapport.model.announcement import Announce, Announced, AnnouncingStart
from rapport.storage import account, announcement
from rapport.storage.database import Store
from rapport.storage.timeline import Submission, submit
from tests.helpers_mail import ScriptedRelay, activity_at, mailer_to, messages_with
from tests.support.receiver import Receiver, receiver

T0 = datetime(2100, 1, 4, 9, tzinfo=UTC)
NASTY = "<!channel> & <https://evil.example|look> *now*"


@pytest.fixture
async def slack() -> AsyncIterator[Receiver]:
    """Where Slack would be."""
    async with receiver() as opened:
        yield opened


@pytest.fixture
async def mailer(relay: ScriptedRelay) -> AsyncIterator[Mailer]:
    """A mailer to the scripted relay."""
    async with mailer_to(relay.port) as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client as the worker has it."""
    async with httpx.AsyncClient(follow_redirects=True) as opened:
        yield opened


@pytest.fixture
def channel(store: Store, mailer: Mailer, http: httpx.AsyncClient, slack: Receiver) -> Announcements:
    """Both channels."""
    messages = messages_with(store, mailer)
    messages = replace(messages, mail_settings=replace(messages.mail_settings, channel="tech-reviews@foobar.example"))
    return Announcements(store, http, messages, Hook(SecretStr(slack.url)))


async def said(store: Store, text: str) -> Announce:
    """Somebody has said something on a review."""
    async with store.writing() as connection:
        robin = await account.member_by_email(connection, "robin.keller@foobar.example")
        assert robin is not None
        one = Submission(
            id="s_1", at=T0, actor=robin.id, channel="page", kind="x", workflow_id="x", verified="session", text=text
        )
        await submit(connection, one)
    return Announce(ref="TR-0007", account="versayce", what="said", submission="s_1", now=T0)


async def tell(channel: Announcements, order: Announce, at: datetime = T0) -> Announced:
    """One attempt."""
    return await activity_at(at).run(channel.tell, order)


async def test_the_channel_reads_the_same_in_slack_and_by_mail(
    channel: Announcements, store: Store, slack: Receiver, relay: ScriptedRelay
) -> None:
    """Who said what on which review, as plain text that calls nobody and links only to the review's own page."""
    assert await tell(channel, await said(store, NASTY)) == Announced(slack="posted", mail="sent")
    (posted,) = slack.taken
    text = json.loads(posted.body)["text"]
    assert text.startswith("*TR-0007, Versayce: Robin Keller wrote*\n")
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|look&gt;" in text
    assert "<!channel>" not in text
    assert text.count("<") == 1
    assert "/reviews/TR-0007|Open the review>" in text
    (mail,) = relay.accepted
    assert mail.recipient == "tech-reviews@foobar.example"
    read = message_from_bytes(mail.raw, policy=default)
    body = read.get_body(preferencelist=("plain",))
    assert body is not None
    assert read["Subject"] == "TR-0007, Versayce: Robin Keller wrote"
    assert NASTY in body.get_content()
    assert "/reviews/TR-0007" in body.get_content()


async def test_the_same_thing_is_told_once(
    channel: Announcements, store: Store, slack: Receiver, relay: ScriptedRelay
) -> None:
    """A repeated attempt posts and mails nothing more; another word on the same review does."""
    order = await said(store, "Yes, if they stay on one node")
    for _ in range(3):
        assert await tell(channel, order) == Announced(slack="posted", mail="sent")
    assert (len(slack.taken), len(relay.accepted)) == (1, 1)
    await tell(channel, order.model_copy(update={"what": "recommended"}))
    assert (len(slack.taken), len(relay.accepted)) == (2, 2)


async def test_patience_is_asked_for_as_slack_says_and_the_mail_goes_meanwhile(
    channel: Announcements, store: Store, slack: Receiver, relay: ScriptedRelay
) -> None:
    """429 is tried again after its Retry-After, 500 and silence by Temporal's own rule; the mail went once by then."""
    order = await said(store, "One moment")
    slack.answers += [(429, {"Retry-After": "37"}), (503, {}), (429, {"Retry-After": "Mon, 04 Jan 2100 09:02:00 GMT"})]
    waits = []
    for _ in range(3):
        with pytest.raises(ApplicationError) as caught:
            await tell(channel, order)
        assert caught.value.type == "ChannelSilent"
        assert not caught.value.non_retryable
        waits.append(caught.value.next_retry_delay)
    assert waits == [timedelta(seconds=37), None, timedelta(minutes=2)]
    assert await tell(channel, order) == Announced(slack="posted", mail="sent")
    assert len(relay.accepted) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 410, 302])
async def test_what_slack_refuses_for_good_is_on_record_and_not_tried_again(
    channel: Announcements, store: Store, slack: Receiver, status: int
) -> None:
    """A refusal is no error of the review's; it stands where `rapport doctor` looks, and no redirect is followed."""
    order = await said(store, "Hello")
    slack.answers.append((status, {"Location": "/elsewhere"}))
    assert (await tell(channel, order)).slack == "failed"
    assert (await tell(channel, order)).slack == "failed"
    assert len(slack.taken) == 1
    async with store.reading() as connection:
        (failed,) = await announcement.failed(connection)
    assert (failed.ref, failed.what, failed.reason) == ("TR-0007", "said", f"it answers {status}")


async def test_two_days_of_silence_are_enough(channel: Announcements, store: Store, slack: Receiver) -> None:
    """What Slack does not take within 48 hours is given up, on record."""
    order = await said(store, "Hello")
    slack.answers += [(500, {}), (500, {})]
    with pytest.raises(ApplicationError):
        await tell(channel, order)
    assert (await tell(channel, order, T0 + HOOK_GIVES_UP)).slack == "failed"


async def test_nobody_reads_the_address_of_the_webhook(
    channel: Announcements, store: Store, slack: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a refusal, nor silence, nor a repr, nor a worker's log holds it."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # as the worker does
    order = await said(store, "Hello")
    slack.answers.append((500, {}))
    with caplog.at_level(logging.DEBUG), pytest.raises(ApplicationError) as caught:
        await tell(channel, order)
    nowhere = replace(channel, slack=Hook(SecretStr("http://127.0.0.1:1/services/a-secret-path")))
    with caplog.at_level(logging.DEBUG), pytest.raises(ApplicationError) as silent:
        await tell(nowhere, order)
    for text in (caplog.text, str(caught.value), str(silent.value), repr(silent.value.__cause__), repr(channel)):
        assert "a-secret-path" not in text
    assert "does not answer" in str(silent.value)
    async with store.reading() as connection:
        (one,) = await announcement.of_review(connection, "TR-0007")
    assert (one.state, one.reason) == ("waiting", "it does not answer")


async def test_what_cannot_be_mailed_is_on_record_and_the_rest_is_told(
    channel: Announcements, store: Store, slack: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its email cannot be written: Slack hears of it and of what comes after it, once, and `doctor` tells it."""

    async def refuse(*_: object) -> None:
        raise ApplicationError("it can't be written", type="Refused", non_retryable=True)

    monkeypatch.setattr(Messages, "send", refuse)
    order = await said(store, "Hello")
    after = order.model_copy(update={"what": "recommended", "now": T0 + timedelta(seconds=1)})
    async with store.writing() as connection:
        await announcement.note(connection, (order, after))
    for _ in range(2):
        await activity_at(T0).run(channel.announce, AnnouncingStart(ref=order.ref, account=order.account))
    assert len(slack.taken) == 2
    async with store.reading() as connection:
        assert await announcement.untold(connection, order.ref) == []
        failed = await announcement.failed_mails(connection)
    assert failed == [("TR-0007, recommended", "it can't be written"), ("TR-0007, said", "it can't be written")]


async def test_without_a_channel_nothing_is_told(
    channel: Announcements, store: Store, slack: Receiver, relay: ScriptedRelay
) -> None:
    """Both channels are optional, each by itself."""
    order = await said(store, "Hello")
    silent = replace(channel, slack=None)
    assert await tell(silent, order) == Announced(slack="off", mail="sent")
    messages = channel.messages
    without = replace(messages, mail_settings=replace(messages.mail_settings, channel=None))
    assert await tell(replace(silent, messages=without), order) == Announced()
    assert (slack.taken, len(relay.accepted)) == ([], 1)
