"""Product gaps from the log to the CRM, on the real server, with a real receiver of webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import randrange
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import insert
from standardwebhooks import Webhook
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter

from rapport.model.base import Refused, UserError
from rapport.model.gap import GapChange, GapSent, GapStatus, NewGap
from rapport.model.ids import gap_id, new_id
from rapport.storage.gap_tables import GapRow
from starters.http.app import create_app
from starters.services import present
from starters.use_cases import account, doctor, gap, timeline, token
from starters.use_cases.doctor import Check, CheckVerdict
from starters.use_cases.gap import GapLinks, GapShown
from tests.conftest import TAM, Installation, example, installation, until
from tests.support.receiver import Receiver, receiver

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cy1sb25nLWVub3VnaA=="
GAP = NewGap(title="Rename batch changes", description="They rename weekly, by hand today.", accounts=("versayce",))


@pytest_asyncio.fixture(loop_scope="session")
async def crm() -> AsyncIterator[Receiver]:
    """Where the CRM would be."""
    async with receiver() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def here(
    dev_server: Client, tmp_path: Path, crm: Receiver, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Installation]:
    """An installation with a CRM, that knows the example account."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.service_client.config.target_host)
    given: dict[str, Any] = {"crm_webhook_url": SecretStr(crm.url), "crm_webhook_secret": SecretStr(SECRET)}
    async with installation(dev_server, tmp_path, new_id("queue"), **given) as made:
        await prepare(made)
        yield made


async def prepare(installation: Installation) -> None:
    """The example account; and one old gap, so that no other test's workflow on the server has the next one's id."""
    await account.import_account(installation.services, example())
    old = {"title": "Old", "description": "x", "status": "delivered", "logged_by": "m_0", "version": 1}
    old |= {"delivery": "sent", "sent_version": 1, "logged_at": present(), "changed_at": present()}
    async with installation.services.store.writing() as connection:
        await connection.execute(insert(GapRow).values(number=randrange(10_000, 9_000_000), **old))


async def in_state(here: Installation, ref: str, state: str) -> GapShown:
    """A gap, once this became of sending it."""

    async def there() -> GapShown | None:
        found = await gap.show(here.services, ref)
        return found if found.delivery == state else None

    found: GapShown = await until(there, f"{ref} to be {state}")
    return found


async def crm_check(here: Installation) -> Check:
    """What the doctor says of the CRM."""
    found = await doctor.examine(here.services.settings)
    return next(check for check in found.checks if check.check == "crm")


async def test_the_crm_hears_of_a_gap_and_of_every_change(here: Installation, crm: Receiver) -> None:
    """Each version is one signed event with an id of its own; the timeline of whoever it concerns tells it."""
    logged = await gap.log(here.services, GAP, TAM)
    await in_state(here, logged.ref, "sent")
    await gap.link(here.services, logged.ref, GapLinks(reviews=("TR-0007",), cases=("CASE-0002",)), TAM)
    await in_state(here, logged.ref, "sent")
    planned = GapChange(status=GapStatus.PLANNED, reason="Third quarter", roadmap="https://road.example/12")
    await gap.change(here.services, logged.ref, planned, TAM)
    found = await in_state(here, logged.ref, "sent")
    assert (found.version, found.sent_version, found.crm, found.resend) == (3, 3, "the CRM has it", None)

    events = [Webhook(SECRET).verify(one.body, one.headers) for one in crm.taken]
    assert [one.headers["webhook-id"] for one in crm.taken] == [f"{logged.ref}.{version}" for version in (1, 2, 3)]
    assert [event["type"] for event in events] == ["gap.logged", "gap.changed", "gap.changed"]
    last = events[-1]["data"]
    assert last["title"] == GAP.title
    assert (last["accounts"], last["reviews"], last["cases"]) == (["versayce"], ["TR-0007"], ["CASE-0002"])
    assert (last["status"], last["roadmap"]) == ("planned", "https://road.example/12")
    assert "logged_by" not in last

    told = [entry.what for entry in await timeline.timeline_of(here.services, "versayce")]
    assert told[-3:] == [
        f"Robin Keller logged the product gap {logged.ref}",
        f"Robin Keller linked the product gap {logged.ref}",
        f"Robin Keller said where the product gap {logged.ref} is",
    ]
    assert (await crm_check(here)).verdict is CheckVerdict.OK


async def test_patience_is_kept_under_the_same_id(here: Installation, crm: Receiver) -> None:
    """What the CRM cannot take now is tried again when it says; it recognises the event by its id."""
    crm.answers += [(429, {"Retry-After": "1"}), (503, {"Retry-After": "1"})]
    logged = await gap.log(here.services, GAP, TAM)
    await in_state(here, logged.ref, "sent")
    assert [one.headers["webhook-id"] for one in crm.taken] == [f"{logged.ref}.1"] * 3
    assert len({one.body for one in crm.taken}) == 1


async def test_what_the_crm_refuses_fails_where_everybody_sees_it(here: Installation, crm: Receiver) -> None:
    """It stands on the gap, in `rapport doctor` and in its workflow's result, without the address; mended, it goes."""
    crm.answers.append((400, {}))
    logged = await gap.log(here.services, GAP, TAM)
    failed = await in_state(here, logged.ref, "failed")
    assert failed.crm == "the CRM does not have it: the CRM refuses it: it answers 400"
    assert failed.resend == f"rapport gap resend {logged.ref}"
    check = await crm_check(here)
    assert check.verdict is CheckVerdict.TROUBLE
    assert [finding.where for finding in check.findings] == [logged.ref]
    handle = here.client.get_workflow_handle(gap_id(logged.ref))

    async def ended() -> bool:
        return (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED

    await until(ended, "the delivery to end")
    sent = await here.client.get_workflow_handle(handle.id, result_type=GapSent).result()
    assert sent == GapSent(state="failed")
    history = (await handle.fetch_history()).to_json()
    for secret in ("a-secret-path", GAP.title, SECRET.removeprefix("whsec_")):
        assert secret not in history
    await gap.resend(here.services, logged.ref)
    await in_state(here, logged.ref, "sent")
    assert (await crm_check(here)).verdict is CheckVerdict.OK


async def test_without_a_crm_gaps_stay_here_until_there_is_one(dev_server: Client, tmp_path: Path) -> None:
    """No CRM is no trouble; the doctor tells what was never sent, once there is one."""
    async with installation(dev_server, tmp_path, new_id("queue")) as plain:
        await prepare(plain)
        logged = await gap.log(plain.services, GAP, TAM)
        assert (await in_state(plain, logged.ref, "off")).crm == "no CRM is set up"
        given = {"crm_webhook_url": SecretStr("https://crm.example/x"), "crm_webhook_secret": SecretStr(SECRET)}
        changed = plain.services.settings.model_copy(update=given)
        check = next(one for one in (await doctor.examine(changed)).checks if one.check == "crm")
        assert (check.verdict, f"rapport gap resend {logged.ref}" in check.fix) == (CheckVerdict.NOTE, True)
        unsigned = changed.model_copy(update={"crm_webhook_secret": None})
        check = next(one for one in (await doctor.examine(unsigned)).checks if one.check == "crm")
        assert check.verdict is CheckVerdict.TROUBLE


async def test_what_makes_no_sense_is_refused(here: Installation) -> None:
    """Unknown accounts and gaps, the same gap twice, a plan without a place to follow it, a link to nothing."""
    ref = (await gap.log(here.services, GAP, TAM)).ref
    with pytest.raises(UserError, match=f"stands already, as {ref}") as twice:
        await gap.log(here.services, GAP.model_copy(update={"title": GAP.title.upper()}), TAM)
    assert twice.value.kind is Refused.CONFLICT
    with pytest.raises(UserError, match="no account"):
        await gap.log(here.services, NewGap(title="Other", description="x", accounts=("nobody",)), TAM)
    for none in ("GAP-0002", "GAP-", "TR-0001", "GAP-99999999999999999999"):
        with pytest.raises(UserError, match="no product gap") as missing:
            await gap.show(here.services, none)
        assert missing.value.kind is Refused.NOT_FOUND
    with pytest.raises(UserError, match="roadmap: is missing"):
        await gap.change(here.services, ref, GapChange(status=GapStatus.PLANNED, reason="Soon"), TAM)
    with pytest.raises(UserError, match="names nothing"):
        await gap.link(here.services, ref, GapLinks(), TAM)


async def test_a_gap_is_kept_although_temporal_does_not_take_it(here: Installation) -> None:
    """The refusal says that it is on record, and how to have it sent later."""
    config = here.client.service_client.config
    away = await Client.connect(config.target_host, namespace="gone", data_converter=pydantic_data_converter)
    lost = type(here.services)(here.services.settings, here.services.store, away)
    with pytest.raises(UserError, match=r"GAP-\d+ is on record") as caught:
        await gap.log(lost, GAP, TAM)
    assert caught.value.kind is Refused.UNREACHABLE
    (kept,) = await gap.listed(here.services, account="versayce")
    assert kept.delivery == "waiting"
    await gap.resend(here.services, kept.ref)
    await in_state(here, kept.ref, "sent")


async def test_the_same_over_the_api(here: Installation) -> None:
    """Log, list, link, status and resend, with the bodies of the command line; refusals name their field."""
    secret = await token.create(here.services, "tests", ("operator",))
    transport = httpx.ASGITransport(create_app(here.services))
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700", headers=headers) as api:
        body = {"as": TAM.email, "title": "A", "description": "B", "accounts": ["versayce"]}
        made = await api.post("/v1/gaps", json=body)
        assert made.status_code == 201, made.text
        ref = made.json()["ref"]
        linked = await api.post(f"/v1/gaps/{ref}/link", json={"as": TAM.email, "reviews": ["TR-0001"]})
        assert linked.json()["reviews"] == ["TR-0001"]
        word = {"as": TAM.email, "status": "declined", "reason": "Too few need it"}
        assert (await api.post(f"/v1/gaps/{ref}/status", json=word)).json()["status"] == "declined"
        for query, count in (({"review": "TR-0001"}, 1), ({"case": "CASE-1"}, 0), ({"status": "open"}, 0)):
            assert len((await api.get("/v1/gaps", params=query)).json()) == count
        assert (await api.post(f"/v1/gaps/{ref}/resend")).status_code == 200
        refused = await api.post("/v1/gaps", json={"as": TAM.email, "title": "C"})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "description")
        assert (await api.get("/v1/gaps/GAP-0999")).status_code == 404
        needs = (await api.get("/v1/accounts/versayce/reviews-needed")).json()
        assert "air_gapped" in {call["scenario"] for call in needs["unsure"]}
        assert (await api.get("/v1/accounts/versayce/gates/trial")).json()["open"] is True
        assert (await api.get("/v1/accounts/versayce/gates/tirla")).status_code == 422
