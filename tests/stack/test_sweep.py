"""The sweep, on a real Temporal server: what is on record and nobody is at work on goes on, once."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import update
from temporalio.client import Client, WorkflowExecutionStatus

import activities.sweep
from activities import delivery
from rapport.mail import outbox
from rapport.model.announcement import Announce
from rapport.model.base import UserError
from rapport.model.delivery import DeliveryState
from rapport.model.ids import announcing_id, case_id, gap_id, new_id, onboarding_id, task_id, undelivered_id
from rapport.model.message import MessageState, Purpose, Resolution
from rapport.model.operation import Operate
from rapport.model.relay import VARIABLES, FaultKind
from rapport.model.support_case import WrittenCase
from rapport.model.sweep import Strays, SweepStart, Swept
from rapport.model.workflows import SWEEP
from rapport.storage import (
    account as accounts,
    announcement,
    contract,
    relay,
    support_case,
    sweep as sweeps,
    task as task_records,
    timeline,
)
from rapport.storage.gap_tables import GapRow
from rapport.storage.tables import MessageRow, RelayRow
from starters.http.app import create_app
from starters.services import Actor, submission
from starters.use_cases import doctor, gap, mail_switch, message, onboarding, operation, task, token, undelivered
from starters.use_cases.doctor import CheckVerdict
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.operation import OperationWritten
from tests.conftest import HOST, TAM, USER, Installation, account, installation, until
from tests.stack import test_gap
from tests.support.receiver import receiver

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG_AGO = datetime.now(UTC) - timedelta(hours=1)


async def sweep(here: Installation) -> Swept:
    """One round, as the schedule starts it; what is due for a minute counts."""
    swept = await here.client.execute_workflow(
        SWEEP.name,
        SweepStart(patience=60),
        id=new_id("sweep"),
        task_queue=here.services.settings.task_queue,
        result_type=Swept,
    )
    assert isinstance(swept, Swept)
    return swept


async def drafted(here: Installation) -> tuple[str, list[str]]:
    """An account with four drafts, and their keys."""
    key = new_id("a").replace("_", "-")
    file = account(key, new_id("C"))
    file = file.model_copy(update={"account": file.account.model_copy(update={"review": "approve"})})
    await onboarding.start(here.services, StartRequest(file=file))

    async def four() -> bool:
        return len(await message.listed(here.services, key, MessageState.DRAFT)) == 4

    await until(four, "four drafts")
    return key, [one.key for one in await message.listed(here.services, key)]


async def left_behind(here: Installation, key: str, **values: object) -> None:
    """Leave a message as an attempt leaves it that died, with nobody at work on it."""
    async with here.services.store.writing() as connection:
        stands = {"state": MessageState.READY, "created_at": LONG_AGO, **values}
        await connection.execute(update(MessageRow).where(MessageRow.key == key).values(**stands))


async def test_what_was_left_behind_goes_once(here: Installation) -> None:
    """Ready for an hour, deferred past its time, and under a lease that ran out: each is sent, however often swept."""
    _, keys = await drafted(here)
    await left_behind(here, keys[0])
    await left_behind(here, keys[1], state=MessageState.DEFERRED, retry_at=LONG_AGO, raw=b"Subject: Hi\r\n\r\nHi.\r\n")
    await left_behind(here, keys[2], lease_until=LONG_AGO, fence=3)
    assert (await sweep(here)).mails == 3
    for key in keys[:3]:
        await here.client.get_workflow_handle(undelivered_id(key)).result()
    assert (await sweep(here)).mails == 0
    assert len(here.mails()) == 3
    async with here.services.store.reading() as connection:
        states = await outbox.states(connection, keys)
        last = await sweeps.last(connection)
    assert sorted(states.values()) == ["draft", "sent", "sent", "sent"]
    assert last is not None
    assert (last.found["mails"], datetime.now(UTC) - last.at < timedelta(minutes=1)) == (0, True)


@pytest.mark.sqlite
async def test_doctor_and_metrics_name_what_nobody_is_at_work_on(
    here: Installation, dev_server: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with its state, its age and the way on; and since when nobody looked. A stranger gets no figures."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.service_client.config.target_host)
    _, keys = await drafted(here)
    await left_behind(here, keys[0])
    await left_behind(here, keys[1], state=MessageState.FAILED, reason="550 gone", settled_at=LONG_AGO)
    await left_behind(here, keys[2], state=MessageState.UNKNOWN, settled_at=LONG_AGO)
    async with here.services.store.writing() as connection:
        await sweeps.note(connection, LONG_AGO, Strays())
    found = {check.check: check for check in (await doctor.examine(here.services.settings)).checks}
    emails, last = found["emails"], found["sweep"]
    assert (emails.verdict, last.verdict) == (CheckVerdict.TROUBLE, CheckVerdict.TROUBLE)
    assert {one.where: one.fix for one in emails.findings} == {
        keys[0]: "nothing; the sweep has it go on. If it stays, see Temporal's UI",
        keys[1]: f"correct the address if it's wrong, then: rapport message resend {keys[1]} --as EMAIL",
        keys[2]: f"ask its reader. If it arrived: rapport message resolve {keys[2]} sent --as EMAIL; "
        f"if not: rapport message resolve {keys[2]} resend --as EMAIL",
    }
    ages = [re.search(r"for (\d+) minutes", one.problem) for one in emails.findings]
    expected = (datetime.now(UTC) - LONG_AGO) // timedelta(minutes=1)
    assert all(age is not None and expected - 1 <= int(age[1]) <= expected for age in ages)
    secret = await token.create(here.services, "prometheus", ("read",))
    transport = httpx.ASGITransport(create_app(here.services))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
        assert (await client.get("/metrics")).status_code == 401
        figures = (await client.get("/metrics", headers={"Authorization": f"Bearer {secret}"})).text
    assert 'rapport_messages{state="draft"} 1.0' in figures
    assert "rapport_messages_unresolved 2.0" in figures
    (swept,) = re.findall(r"^rapport_sweep_last_timestamp_seconds (\S+)$", figures, re.MULTILINE)
    assert float(swept) == pytest.approx(LONG_AGO.timestamp())


async def test_what_waits_for_its_time_is_left_alone(here: Installation) -> None:
    """Scheduled, deferred until later, leased, fresh, or a draft: nobody has to go on with it."""
    _, keys = await drafted(here)
    soon = datetime.now(UTC) + timedelta(minutes=10)
    await left_behind(here, keys[0], not_before=soon)
    await left_behind(here, keys[1], state=MessageState.DEFERRED, retry_at=soon)
    await left_behind(here, keys[2], lease_until=datetime.now(UTC) + outbox.LEASE)
    await left_behind(here, keys[3], created_at=datetime.now(UTC))
    assert (await sweep(here)).mails == 0


async def emails_check(here: Installation) -> doctor.Check:
    """What the doctor says of emails."""
    return next(one for one in (await doctor.examine(here.services.settings)).checks if one.check == "emails")


async def stands(here: Installation, key: str, *, paused: bool) -> bool:
    """Whether the record says so of the account's onboarding."""
    async with here.services.store.reading() as connection:
        known = await contract.latest(connection, key)
    return known is not None and (known.paused_at is not None) is paused


async def test_what_a_paused_onboarding_holds_is_left_alone(here: Installation) -> None:
    """What was scheduled for a moment within the pause is nobody's to send, nor stranded; after the pause it goes."""
    key, keys = await drafted(here)
    assert (
        await operation.operate(here.services, key, Operate.PAUSE, OperationWritten(reason="They merge."), TAM)
    ).accepted
    await until(lambda: stands(here, key, paused=True), "the pause")
    await left_behind(here, keys[0], not_before=LONG_AGO)
    assert (await emails_check(here)).verdict is CheckVerdict.OK
    assert (await sweep(here)).mails == 0
    assert here.mails() == []
    assert (
        await operation.operate(here.services, key, Operate.RESUME, OperationWritten(reason="They have."), TAM)
    ).accepted
    await until(lambda: stands(here, key, paused=False), "the end of the pause")
    assert (await sweep(here)).mails == 1


async def test_what_mail_stop_had_deferred_does_not_go_in_a_pause(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped, begun, paused, started: four welcomes stay until the resume, and their own attempts send each once."""
    moment = timedelta(seconds=0.2)
    monkeypatch.setattr(delivery, "STOPPED_PAUSE", moment)
    monkeypatch.setattr(delivery, "FAULT_PAUSES", (moment, moment))
    key = new_id("a").replace("_", "-")
    await mail_switch.stop(here.services, HOST, "A test")
    await onboarding.start(here.services, StartRequest(file=account(key, new_id("C"))))

    async def ready() -> list[str]:
        found = [one.key for one in await message.listed(here.services, key, MessageState.READY)]
        return found if len(found) == 4 else []

    keys = await until(ready, "four welcomes")
    why = OperationWritten(reason="They merge.")
    assert (await operation.operate(here.services, key, Operate.PAUSE, why, TAM)).accepted
    await until(lambda: stands(here, key, paused=True), "the pause")
    async with here.services.store.reading() as connection:
        handle = here.client.get_workflow_handle((await outbox.message(connection, keys[0])).workflow_id)
    await mail_switch.start(here.services, HOST, "A test")

    async def left() -> bool:
        pending = (await handle.describe()).raw_description.pending_activities
        return any("is paused" in one.last_failure.message for one in pending)

    await until(left, "an attempt that leaves them")
    assert here.mails() == []
    assert (await operation.operate(here.services, key, Operate.RESUME, why, TAM)).accepted
    await here.mailed(4)
    assert len(here.mails()) == 4


@pytest.mark.parametrize("frozen", [True, False])
async def test_an_email_of_no_account_goes_on_too(here: Installation, frozen: bool) -> None:
    """A morning's email that nobody is at work on is sent, and does not stand in the way of others' for ever."""
    _, keys = await drafted(here)
    async with here.services.store.reading() as connection:
        member = await accounts.member_by_email(connection, TAM.email)
    assert member is not None
    raw = b"Subject: Hi\r\n\r\nHi.\r\n" if frozen else None
    ours = {
        "account": None,
        "contract": None,
        "person": member.id,
        "raw": raw,
        "occasion": await of_nobody(here, keys[0]),
    }
    await left_behind(here, keys[0], **ours)
    (finding,) = (await emails_check(here)).findings
    assert finding.fix.startswith("nothing; the sweep has it go on")
    assert (await sweep(here)).mails == 1
    await here.client.get_workflow_handle(undelivered_id(keys[0])).result()
    assert len(here.mails()) == 1
    assert (await emails_check(here)).verdict is CheckVerdict.OK


async def of_nobody(here: Installation, key: str) -> dict[str, Any]:
    """What a draft is rendered from, as a link to sign in to be sent to its reader."""
    async with here.services.store.reading() as connection:
        draft = await outbox.draft(connection, key)
    assert draft is not None
    return {
        **draft.occasion,
        "account": None,
        "contract": None,
        "purpose": Purpose.SIGN_IN,
        "email": "sign_in",
        "meeting": None,
    }


@pytest.mark.parametrize("state", [MessageState.FAILED, MessageState.UNKNOWN])
async def test_what_failed_of_no_account_is_told_by_the_doctor(here: Installation, state: MessageState) -> None:
    """It is in nobody's inbox, so for a day the doctor names it, and says no command that would refuse."""
    _, keys = await drafted(here)
    await left_behind(here, keys[0], account=None, contract=None, state=state, settled_at=LONG_AGO)
    check = await emails_check(here)
    assert check.verdict is CheckVerdict.NOTE
    assert [(one.where, one.fix.partition(",")[0]) for one in check.findings] == [(keys[0], "nobody is asked about it")]
    with pytest.raises(UserError, match="belongs to no account"):
        await undelivered.resolve(here.services, keys[0], Resolution.RESEND, TAM)
    assert (await sweep(here)).mails == 0
    await left_behind(here, keys[0], state=state, settled_at=datetime.now(UTC) - timedelta(hours=25))
    assert (await emails_check(here)).verdict is CheckVerdict.OK


@pytest.mark.parametrize("step", ["running", "mail_gate"])
async def test_a_round_takes_the_time_it_needs(here: Installation, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Each of its two looks is the task queue's from the first, has minutes, and shows meanwhile that it is alive."""
    goes_on, known = asyncio.Event(), getattr(activities.sweep, step)

    async def slowly(*given: Any) -> Any:
        await goes_on.wait()
        return await known(*given)

    monkeypatch.setattr(activities.sweep, step, slowly)
    queue = here.services.settings.task_queue
    handle = await here.client.start_workflow(SWEEP.name, SweepStart(patience=60), id=new_id("sweep"), task_queue=queue)

    async def is_alive() -> bool:
        there = (await handle.describe()).raw_description.pending_activities
        return any(one.HasField("last_heartbeat_time") for one in there)

    try:
        await until(is_alive, "a sign of life")
    finally:
        goes_on.set()
    await handle.result()
    events = [event async for event in handle.fetch_history_events()]
    asked = [event.activity_task_scheduled_event_attributes for event in events]
    asked = [one for one in asked if one.activity_type.name.startswith("sweep.")]
    assert [one.activity_type.name for one in asked] == ["sweep.look", "sweep.gone"]
    assert all(one.start_to_close_timeout.ToTimedelta() >= timedelta(minutes=5) for one in asked)


async def test_nothing_is_late_while_mail_is_stopped(here: Installation) -> None:
    """Stopped by hand, mail waits; once it goes again, what was left behind does."""
    _, keys = await drafted(here)
    await left_behind(here, keys[0])
    await mail_switch.stop(here.services, HOST, "A test")
    assert (await sweep(here)).mails == 0
    await mail_switch.start(here.services, HOST, "A test")
    assert (await sweep(here)).mails == 1


async def test_nothing_is_late_while_the_relay_takes_nothing(here: Installation) -> None:
    """What waits for the relay goes on by itself, and has some time for that once it is mended; then it is late."""
    _, keys = await drafted(here)
    await left_behind(here, keys[0])
    store, present = here.services.store, datetime.now(UTC)
    async with store.writing() as connection:
        await relay.meet_fault(connection, FaultKind.SENDER, 554, present - timedelta(hours=1), VARIABLES)
    assert (await sweep(here)).mails == 0
    for mended, found in ((present, 0), (present - timedelta(seconds=90), 1)):
        async with store.writing() as connection:
            await relay.mend(connection, mended)
        check = next(one for one in (await doctor.examine(here.services.settings)).checks if one.check == "emails")
        assert check.verdict is CheckVerdict.OK
        assert (await sweep(here)).mails == found
    assert (await mail_switch.status(here.services)).sends


async def test_a_mail_that_waits_for_its_turn_is_not_late(here: Installation) -> None:
    """At the mailbox's rate a mail may wait for an hour, and nobody else takes it up meanwhile."""
    _, keys = await drafted(here)
    present, turn = datetime.now(UTC), datetime.now(UTC) + timedelta(hours=1)
    await remembered(here, turn, given_at=present)
    await left_behind(here, keys[0], turn_at=turn)
    assert (await sweep(here)).mails == 0
    await remembered(here, None, given_at=None)


async def remembered(here: Installation, next_at: datetime | None, given_at: datetime | None) -> None:
    """Have the mailbox remember a turn, and when that was given."""
    async with here.services.store.writing() as connection:
        await connection.execute(update(RelayRow).values(next_at=next_at, given_at=given_at))


@pytest.mark.parametrize("known", [True, False])
async def test_a_turn_that_the_rate_cannot_explain_keeps_no_mail_waiting(here: Installation, known: bool) -> None:
    """A clock that was hours ahead gave it, maybe as the last: doctor and sweep see the mail, and it goes."""
    _, keys = await drafted(here)
    far = datetime.now(UTC) + timedelta(hours=6)
    await remembered(here, far if known else None, given_at=far if known else None)
    await left_behind(here, keys[0], turn_at=far)
    check = await emails_check(here)
    assert (check.verdict, [one.where for one in check.findings]) == (CheckVerdict.TROUBLE, [keys[0]])
    assert (await sweep(here)).mails == 1
    await here.client.get_workflow_handle(undelivered_id(keys[0])).result()
    assert len(here.mails()) == 1
    await remembered(here, None, given_at=None)


@pytest.mark.parametrize("what", ["lease_until", "retry_at", "created_at"])
async def test_no_instant_of_a_clock_that_was_ahead_strands_a_mail(here: Installation, what: str) -> None:
    """A lease, a wait or a date of next year counts for nothing: doctor and sweep see the mail, and it goes, once."""
    _, keys = await drafted(here)
    wrong: dict[str, object] = {what: datetime.now(UTC) + timedelta(days=400)}
    if what == "retry_at":
        wrong |= {"state": MessageState.DEFERRED, "raw": b"Subject: Hi\r\n\r\nHi.\r\n"}
    await left_behind(here, keys[0], **wrong)
    check = await emails_check(here)
    assert (check.verdict, [one.where for one in check.findings]) == (CheckVerdict.TROUBLE, [keys[0]])
    assert (await sweep(here)).mails == 1
    await here.client.get_workflow_handle(undelivered_id(keys[0])).result()
    assert len(here.mails()) == 1


async def test_a_case_that_never_began_begins(here: Installation) -> None:
    """A case that was put on record while Temporal was away is begun by the sweep, once."""
    key, _ = await drafted(here)
    async with here.services.store.reading() as connection:
        asker = next(one for one in await accounts.contacts(connection, key) if one.email == USER)
    said = submission(asker.id, TAM, "case.open", "case", "It is slow.")
    async with here.services.store.writing() as connection:
        await timeline.submit(connection, said)
        written = WrittenCase(account=key, contact=USER, question="It is slow.")
        ref = await support_case.add(connection, written, asker.id, said.id, asker.id, LONG_AGO)
    swept = await sweep(here)
    assert swept.cases >= 1
    described = await here.client.get_workflow_handle(case_id(ref)).describe()
    assert described.status is not None

    async def told() -> bool:
        async with here.services.store.reading() as connection:
            return (await support_case.case(connection, ref)).status is not None

    await until(told, "the case to be told")
    assert (await sweep(here)).cases == 0


async def unbegun(here: Installation) -> list[str]:
    """What is on record and has not begun, as the doctor names it."""
    found = next(one for one in (await doctor.examine(here.services.settings)).checks if one.check == "on record")
    return [one.where for one in found.findings]


async def test_what_the_channel_was_not_told_is_told_once(dev_server: Client, tmp_path: Path) -> None:
    """On record while Temporal was away, or with its workflow ended by hand: the sweep has it told, in its order."""
    async with (
        receiver() as slack,
        installation(dev_server, tmp_path, new_id("queue"), slack_webhook_url=SecretStr(slack.url)) as here,
    ):
        key, ref = (await drafted(here))[0], new_id("TR")
        orders = [
            Announce(ref=ref, account=key, what=what, now=LONG_AGO) for what in ("submitted", "decided", "withdrawn")
        ]
        async with here.services.store.writing() as connection:
            await announcement.note(connection, orders)
        assert await unbegun(here) == [f"{ref}, to its channel"]
        slack.answers += [(200, {}), (429, {"Retry-After": "600"})]
        assert (await sweep(here)).announcements == 1

        async def waits() -> bool:
            return len(slack.taken) == 2

        await until(waits, "the second to be refused")
        assert (await sweep(here)).announcements == 0, "somebody is at work on it"
        telling = here.client.get_workflow_handle(announcing_id(ref))
        await telling.terminate("by hand")
        assert (await sweep(here)).announcements == 1
        await telling.result()
        assert (await sweep(here)).announcements == 0
        assert await unbegun(here) == []
        async with here.services.store.reading() as connection:
            told = [(one.key, one.state) for one in await announcement.of_review(connection, ref)]
    assert sorted(told) == sorted((order.key, DeliveryState.POSTED) for order in orders)
    posted = [json.loads(one.body)["text"].partition(": ")[2].partition("*")[0] for one in slack.taken]
    # The second was refused once before it was taken.
    assert posted == [posted[0], posted[1], posted[1], posted[3]]
    assert len(set(posted)) == 3


async def test_a_gap_whose_delivery_was_ended_by_hand_is_sent(dev_server: Client, tmp_path: Path) -> None:
    """It was tried, so it is no new one; the CRM gets it all the same, once."""
    async with receiver() as crm:
        secret = SecretStr(test_gap.SECRET)
        given: dict[str, Any] = {"crm_webhook_url": SecretStr(crm.url), "crm_webhook_secret": secret}
        async with installation(dev_server, tmp_path, new_id("queue"), **given) as here:
            await test_gap.prepare(here)
            crm.answers.append((429, {"Retry-After": "600"}))
            ref = (await gap.log(here.services, test_gap.GAP, TAM)).ref

            async def tried() -> bool:
                return len(crm.taken) == 1

            await until(tried, "the first attempt")
            async with here.services.store.writing() as connection:
                await connection.execute(update(GapRow).values(changed_at=LONG_AGO))
            assert (await sweep(here)).gaps == 0, "somebody is at work on it"
            sending = here.client.get_workflow_handle(gap_id(ref))
            await sending.terminate("by hand")
            assert (await sweep(here)).gaps == 1
            await sending.result()
            assert (await sweep(here)).gaps == 0
        assert [one.headers["webhook-id"] for one in crm.taken] == [f"{ref}.1"] * 2


async def test_what_failed_and_nobody_is_asked_about_is_asked_about(here: Installation) -> None:
    """A failed email without anybody at work on it becomes a task, and only one."""
    _, keys = await drafted(here)
    await left_behind(here, keys[0], state=MessageState.FAILED, reason="550 gone", settled_at=LONG_AGO)
    assert (await sweep(here)).mails == 1
    assert (await sweep(here)).mails == 0


async def test_what_was_ended_from_outside_is_somebodys(here: Installation) -> None:
    """An onboarding that is terminated in Temporal becomes a task of its TAM's; its own tasks leave every inbox."""
    key = new_id("a").replace("_", "-")
    file = account(key, new_id("C"))
    facts = file.account.facts.model_copy(update={"large_account": True})
    file = file.model_copy(update={"account": file.account.model_copy(update={"facts": facts})})
    await onboarding.start(here.services, StartRequest(file=file))
    approval = task_id(key, "onsite_approval", 1)

    async def open_tasks() -> set[str]:
        everyone = await task.inbox(here.services, Actor(email="", channel="cli", entered_by="tester"))
        return {line.task for line in everyone.mine if key in line.task}

    async def asked() -> bool:
        return approval in await open_tasks()

    await until(asked, "the approval to be asked for")
    assert (await sweep(here)).gone == 0
    await here.client.get_workflow_handle(onboarding_id(key)).terminate("by hand")
    await here.client.get_workflow_handle(approval).terminate("by hand")

    async def told() -> bool:
        await sweep(here)
        return [id_.rpartition("/")[0] for id_ in await open_tasks()] == [f"task/{key}/gone/1"]

    await until(told, "the TAM to be told")
    for _ in range(2):
        assert (await sweep(here)).gone == 0, "once"


async def test_what_is_ended_from_outside_again_is_told_again(here: Installation) -> None:
    """Each time that a workflow disappears is a task of its own, also while Temporal remembers the one before."""
    key, _ = await drafted(here)

    async def told() -> bool:
        return (await sweep(here)).gone == 1

    await here.client.get_workflow_handle(onboarding_id(key)).terminate("by hand")
    await until(told, "the TAM to be told")
    # Somebody has begun it again; where no worker asks for its work it runs as long as one likes.
    again = await here.client.start_workflow("Onboarding", id=onboarding_id(key), task_queue=new_id("queue"))
    assert (await sweep(here)).gone == 0
    await again.terminate("by hand")
    await until(told, "the TAM to be told again")
    assert (await sweep(here)).gone == 0


async def test_workflows_that_run_do_not_hide_one_that_is_gone(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are more than Temporal's list shows, each that it leaves out is asked about in its turn."""

    async def nothing(*_: Any) -> set[str]:
        return set()

    monkeypatch.setattr(activities.sweep, "running", nothing)
    monkeypatch.setattr(activities.sweep, "AT_MOST", 1)
    keys = sorted([(await drafted(here))[0] for _ in range(2)])
    await here.client.get_workflow_handle(onboarding_id(keys[1])).terminate("by hand")

    async def told() -> bool:
        await sweep(here)
        everyone = await task.inbox(here.services, Actor(email="", channel="cli", entered_by="tester"))
        gone = [line.task for line in everyone.mine if "/gone/" in line.task]
        assert all(id_.startswith(f"task/{keys[1]}/gone/") for id_ in gone)
        return bool(gone)

    await until(told, "the TAM to be told")


async def test_a_decision_on_an_email_is_heard_also_where_its_workflow_was_ended(here: Installation) -> None:
    """Its to-do, to which nobody listens any more, is taken back and put again; the answer to that one counts."""
    key, keys = await drafted(here)
    await left_behind(here, keys[0], state=MessageState.FAILED, reason="550 gone", settled_at=LONG_AGO)
    await sweep(here)

    async def asked() -> bool:
        async with here.services.store.reading() as connection:
            return await task_records.open_about_email(connection, key, keys[0]) is not None

    await until(asked, "the TAM to be asked")
    await here.client.get_workflow_handle(undelivered_id(keys[0])).terminate("by hand")

    async def asked_again() -> bool:
        await sweep(here)
        described = await here.client.get_workflow_handle(undelivered_id(keys[0])).describe()
        return described.status is WorkflowExecutionStatus.RUNNING and await asked()

    await until(asked_again, "the TAM to be asked again")
    assert (await undelivered.resolve(here.services, keys[0], Resolution.RESEND, TAM)).accepted
    await here.client.get_workflow_handle(undelivered_id(keys[0])).result()
    assert len(here.mails()) >= 1
    async with here.services.store.reading() as connection:
        assert (await outbox.states(connection, keys[:1]))[keys[0]] is MessageState.SENT
