"""What other systems' answers mean, and what a product gap's delivery to the CRM makes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook
from temporalio.exceptions import ApplicationError

from activities.gap import Gaps
from activities.webhooks import HOOK_GIVES_UP, LONGEST_ASKED_WAIT, Hook, Later, Turned, post
from rapport.model.gap import GapSent, GapStart, NewGap
from rapport.storage import gap
from rapport.storage.database import Store
from tests.helpers_mail import activity_at
from tests.support.receiver import Receiver, receiver

T0 = datetime(2100, 1, 4, 9, tzinfo=UTC)
SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cy1sb25nLWVub3VnaA=="
SECONDS = timedelta(seconds=1)


@pytest.fixture
async def crm() -> AsyncIterator[Receiver]:
    """Where the CRM would be."""
    async with receiver() as opened:
        yield opened


@pytest.fixture
async def delivery(store: Store, crm: Receiver) -> AsyncIterator[Gaps]:
    """Sends gaps there."""
    async with httpx.AsyncClient() as http:
        yield Gaps(store, http, Hook(SecretStr(crm.url), SecretStr(SECRET)))


async def logged(store: Store) -> GapStart:
    """A gap that was never sent."""
    async with store.writing() as connection:
        ref = await gap.add(connection, NewGap(title="Umbenennen für alle", description="x"), "m_1", T0)
    return GapStart(ref=ref)


@pytest.mark.parametrize(
    ("status", "asks", "expected"),
    [
        (200, None, None),
        (204, None, None),
        (302, None, Turned),
        (400, None, Turned),
        (401, "60", Turned),
        (404, None, Turned),
        (410, None, Turned),
        (422, None, Turned),
        (408, None, Later),
        (429, None, Later),
        (500, None, Later),
        (503, None, Later),
        (599, None, Later),
    ],
)
async def test_what_a_receiver_refuses_is_not_tried_again_and_what_it_cannot_take_now_is(
    status: int, asks: str | None, expected: type[Exception] | None
) -> None:
    """3xx and 4xx are for good, but for 408 and 429; 5xx is not. No answer's words hold the address."""
    headers = {"retry-after": asks} if asks else {}
    transport = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers))
    async with httpx.AsyncClient(transport=transport) as http:
        sent = post(http, Hook(SecretStr("https://crm.example/a-secret-path")), "id", b"{}", T0)
        if expected is None:
            await sent
            return
        with pytest.raises(expected) as refused:
            await sent
    assert str(refused.value) == f"it answers {status}"


@pytest.mark.parametrize(
    ("asks", "wait"),
    [
        ("37", 37 * SECONDS),
        ("0", SECONDS),
        ("86400", LONGEST_ASKED_WAIT),
        ("99999999999999999999", LONGEST_ASKED_WAIT),
        ("Mon, 04 Jan 2100 09:02:00 GMT", 120 * SECONDS),
        ("Mon, 04 Jan 2100 08:00:00 GMT", SECONDS),
        ("Tue, 05 Jan 2100 09:00:00 GMT", LONGEST_ASKED_WAIT),
        ("soon", None),
        ("-5", None),
        (None, None),
    ],
)
async def test_a_receiver_can_ask_for_an_hour_at_most(asks: str | None, wait: timedelta | None) -> None:
    """Retry-After is kept where it makes sense, between a second and an hour; else Temporal's own rule holds."""
    headers = {"retry-after": asks} if asks else {}
    transport = httpx.MockTransport(lambda _: httpx.Response(503, headers=headers))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(Later) as later:
            await post(http, Hook(SecretStr("https://crm.example/")), "id", b"{}", T0)
    assert later.value.wait == wait


async def test_a_version_is_sent_once_signed_at_the_attempt(store: Store, delivery: Gaps, crm: Receiver) -> None:
    """What is signed is what is sent, letter by letter, with the attempt's time; another attempt sends nothing more."""
    crm.answers.append((503, {}))
    order = await logged(store)
    with pytest.raises(ApplicationError, match="cannot take it now") as patience:
        await activity_at(T0).run(delivery.deliver, order)
    assert (patience.value.type, patience.value.non_retryable) == ("CrmSilent", False)
    later = T0 + timedelta(hours=3)
    for _ in range(2):
        assert await activity_at(later).run(delivery.deliver, order) == GapSent(state="sent", version=1)
    first, second = crm.taken
    assert first.body == second.body
    assert "Umbenennen für alle" in second.body.decode()
    assert [one.headers["webhook-timestamp"] for one in crm.taken] == [str(int(at.timestamp())) for at in (T0, later)]
    signed = Webhook(SECRET).sign(second.headers["webhook-id"], later, second.body.decode())
    assert second.headers["webhook-signature"] == signed


async def test_two_days_of_silence_end_a_delivery_on_record(store: Store, delivery: Gaps, crm: Receiver) -> None:
    """Until then each attempt asks for another; then it fails for good, in words that hold neither address nor key."""
    crm.answers += [(500, {}), (500, {}), (500, {})]
    order = await logged(store)
    for at, kind in (
        (T0, "CrmSilent"),
        (T0 + HOOK_GIVES_UP - SECONDS, "CrmSilent"),
        (T0 + HOOK_GIVES_UP, "CrmGivenUp"),
    ):
        with pytest.raises(ApplicationError) as failed:
            await activity_at(at).run(delivery.deliver, order)
        assert (failed.value.type, failed.value.non_retryable) == (kind, kind == "CrmGivenUp")
        assert "a-secret-path" not in str(failed.value) + repr(failed.value.__cause__) + repr(delivery)
        assert SECRET not in str(failed.value) + repr(failed.value.__cause__) + repr(delivery)
    async with store.reading() as connection:
        found = await gap.gap(connection, order.ref)
    assert found is not None
    assert (found.delivery, found.delivery_reason) == ("failed", "given up after 48 hours: it answers 500")
