"""Emails that fail, or may not have arrived, on a real Temporal server: somebody hears of each, and can act."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

import pytest
from pydantic import SecretStr
from temporalio.client import Client, WorkflowExecutionStatus

from rapport.mail import outbox
from rapport.mail.compose import readable
from rapport.model.account import WrittenWork
from rapport.model.base import Refused, UserError
from rapport.model.ids import new_id, undelivered_id
from rapport.model.message import MessageState, Resolution
from rapport.model.operation import Control, ControlKind
from rapport.rules.message import OFFERED
from starters.cli.account import print_edited
from starters.cli.task import _print_inbox
from starters.services import Actor, present
from starters.use_cases import (
    account as accounts,
    mail_switch,
    meeting as meetings,
    message as messages,
    onboarding,
    succession,
    task,
    timeline,
    undelivered,
)
from starters.use_cases.message import MessageLine
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.succession import Departure
from starters.views.task import TaskLine, together
from tests.conftest import (
    BUSINESS,
    CHAMPION,
    HOST,
    SECOND_USER,
    TAM,
    USER,
    Installation,
    account,
    by,
    installation,
    until,
)
from tests.helpers_mail import DROP, ScriptedRelay, scripted_relay
from tests.stack.test_sweep import sweep

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNKNOWN_USER = "550 5.1.1 no such user here"


@asynccontextmanager
async def welcomed(
    server: Client, data: Path, prepare: Callable[[ScriptedRelay], None], playbook: str | None = None
) -> AsyncIterator[tuple[Installation, ScriptedRelay, str]]:
    """An account whose welcomes were handed to a relay that does as it was told; its key."""
    async with scripted_relay() as relay:
        prepare(relay)
        async with installation(
            server, data, new_id("queue"), smtp_url=SecretStr(f"smtp://127.0.0.1:{relay.port}")
        ) as made:
            key = new_id("a").replace("_", "-")
            await onboarding.start(made.services, StartRequest(file=account(key, new_id("C")), playbook=playbook))
            yield made, relay, key


async def in_state(here: Installation, key: str, to: str, state: MessageState) -> MessageLine:
    """The welcome to one person, once it is in this state."""

    async def there() -> MessageLine | None:
        listed = await messages.listed(here.services, key)
        return next((one for one in listed if one.to == to and one.state is state), None)

    line: MessageLine = await until(there, f"the welcome to {to} to be {state}")
    return line


async def asked(here: Installation, count: int = 1) -> list[TaskLine]:
    """What the TAM is asked about emails, once it is so much."""

    async def there() -> list[TaskLine]:
        mine = (await task.inbox(here.services, TAM)).mine
        found = [line for line in mine if "/undelivered/" in line.task]
        return found if len(found) >= count else []

    found: list[TaskLine] = await until(there, "the TAM to be asked")
    return found


def decoded(raw: bytes) -> str:
    """A mail's text."""
    part = BytesParser(policy=default).parsebytes(raw).get_body(("plain",))
    assert part is not None
    return " ".join(str(part.get_content()).split())


async def is_over(here: Installation, message: str) -> None:
    """Wait until nobody has to take care of an email any more."""

    async def ended() -> bool:
        described = await here.client.get_workflow_handle(undelivered_id(message)).describe()
        return described.status is WorkflowExecutionStatus.COMPLETED

    await until(ended, "the email's workflow to end")


async def test_a_refused_address_is_corrected_and_the_email_sent_again(dev_server: Client, tmp_path: Path) -> None:
    """A 550 is the TAM's task with the server's words; with the corrected address the email goes there, once."""
    async with welcomed(dev_server, tmp_path, lambda relay: relay.then_for(USER, UNKNOWN_USER)) as (here, relay, key):
        failed = await in_state(here, key, USER, MessageState.FAILED)
        (line,) = await asked(here)
        assert line.subject == key
        shown = await task.show(here.services, line.task)
        assert [(one.id, one.follows) for one in shown.options] == [*OFFERED[MessageState.FAILED]]
        assert "550 5.1.1 no such user here" in str(shown.said)
        assert failed.subject in str(shown.said)
        new = "mara.osei@new.example"
        edited = await accounts.edit_contact(here.services, key, USER, WrittenWork(new_email=new), TAM)
        assert edited.to_send_again == (f"rapport message resend {failed.key} --as {TAM.email}",)
        assert (await undelivered.resolve(here.services, failed.key, Resolution.RESEND, TAM)).accepted
        await in_state(here, key, new, MessageState.SENT)
        await is_over(here, failed.key)
        assert (len(relay.to(new)), len(relay.to(USER))) == (1, 0)
        assert f"To: Mara Osei <{new}>".encode() in relay.to(new)[0].raw
        told = [entry.kind for entry in await timeline.timeline_of(here.services, key)]
        assert told.count("message.sent_again") == 1
        with pytest.raises(UserError, match="sent") as refused:
            await undelivered.resolve(here.services, failed.key, Resolution.RESEND, TAM)
        assert refused.value.kind is Refused.CONFLICT


async def test_what_waits_goes_to_the_corrected_address(here: Installation) -> None:
    """An email that is frozen and waits goes to where its reader is reached by now, and to nobody else."""
    key = new_id("a").replace("_", "-")
    await mail_switch.stop(here.services, HOST, "A test")
    await onboarding.start(here.services, StartRequest(file=account(key, new_id("C"))))

    async def waits() -> bool:
        return len(await messages.listed(here.services, key, MessageState.READY)) == 4

    await until(waits, "the welcomes")
    new = "mara.osei@new.example"
    await accounts.edit_contact(here.services, key, USER, WrittenWork(new_email=new), TAM)
    await mail_switch.start(here.services, HOST, "A test")
    (mail,) = await here.mailed(1, new)
    assert str(mail["To"]) == f"Mara Osei <{new}>"
    await here.mailed(4)
    assert not here.mails(USER)
    assert (await in_state(here, key, new, MessageState.SENT)).state is MessageState.SENT


async def test_what_is_on_its_way_to_the_old_address_is_said(
    here: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    """An email that is being sent while an address is corrected stays as it is, and whoever corrects hears of it."""
    key = new_id("a").replace("_", "-")
    await mail_switch.stop(here.services, HOST, "A test")
    await onboarding.start(here.services, StartRequest(file=account(key, new_id("C"))))

    async def waits() -> bool:
        return len(await messages.listed(here.services, key, MessageState.READY)) == 4

    await until(waits, "the welcomes")
    (line,) = [one for one in await messages.listed(here.services, key) if one.to == USER]
    async with here.services.store.writing() as connection:
        held = await outbox.lease(connection, line.key, present())
    assert held is not None
    new = "mara.osei@new.example"
    edited = await accounts.edit_contact(here.services, key, USER, WrittenWork(new_email=new), TAM)
    print_edited(edited, key, USER)
    assert f"One email was on the way to {USER} already." in capsys.readouterr().out
    again = await accounts.edit_contact(here.services, key, new, WrittenWork(new_email="mara@new.example"), TAM)
    assert (edited.on_their_way, again.on_their_way) == (1, 0)
    async with here.services.store.writing() as connection:
        await outbox.release_lease(connection, held)
    await mail_switch.start(here.services, HOST, "A test")
    await here.mailed(1, USER)


async def test_an_email_of_which_nobody_knows_is_confirmed_or_sent_again(dev_server: Client, tmp_path: Path) -> None:
    """A break after the data leaves it unknown: confirmed, nothing goes; sent again, the same bytes go."""

    def drop_two(relay: ScriptedRelay) -> None:
        relay.then_for(USER, "250 ok")
        relay.then("body", DROP, DROP)

    async with welcomed(dev_server, tmp_path, drop_two) as (here, relay, key):
        await asked(here, 2)
        unknown = await messages.listed(here.services, key, MessageState.UNKNOWN)
        assert len(unknown) == 2
        arrived, lost = unknown
        assert (await undelivered.resolve(here.services, arrived.key, Resolution.SENT, TAM)).accepted
        await in_state(here, key, arrived.to, MessageState.SENT)
        assert (await undelivered.resolve(here.services, lost.key, Resolution.RESEND, TAM)).accepted
        await in_state(here, key, lost.to, MessageState.SENT)
        await is_over(here, arrived.key)
        await is_over(here, lost.key)
        assert [mail.answer[:3] for mail in relay.received if mail.recipient == arrived.to] == [DROP[:3]]
        first, second = (mail.raw for mail in relay.received if mail.recipient == lost.to)
        assert first == second


async def test_a_domain_that_is_not_allowed_is_the_tams_task(dev_server: Client, tmp_path: Path) -> None:
    """The list of domains keeps the welcomes back: the TAM is asked, and has them sent once it allows their domain."""
    key = new_id("a").replace("_", "-")
    file, queue = account(key, new_id("C")), new_id("queue")
    async with scripted_relay() as relay:
        url, only = SecretStr(f"smtp://127.0.0.1:{relay.port}"), ("foobar.example",)
        async with installation(dev_server, tmp_path, queue, smtp_url=url, mail_allowed_domains=only) as here:
            await onboarding.start(here.services, StartRequest(file=file))
            lines = await asked(here, 4)
            assert (await mail_switch.status(here.services)).allowed_domains == only
            said = str((await task.show(here.services, lines[0].task)).said)
            assert "RAPPORT_MAIL_ALLOWED_DOMAINS doesn't allow versayce.example" in said
            assert {mail.recipient for mail in relay.received} <= {TAM.email}
        async with installation(dev_server, tmp_path, queue, smtp_url=url) as here:
            for line in await asked(here, 4):
                assert (await task.decide(here.services, line.task, Resolution.RESEND, TAM)).accepted
            await in_state(here, key, USER, MessageState.SENT)


async def test_each_of_several_is_told_of_though_they_ended_differently(dev_server: Client, tmp_path: Path) -> None:
    """Two welcomes are refused and two may have arrived: whoever is asked gets an email that lists each of them."""

    def fail_all(relay: ScriptedRelay) -> None:
        relay.then("body", DROP, UNKNOWN_USER, DROP, UNKNOWN_USER)

    async with welcomed(dev_server, tmp_path, fail_all) as (here, relay, key):
        lines = await asked(here, 4)
        lost = [one for one in await messages.listed(here.services, key) if one.step == "kickoff"]
        assert sorted(one.state for one in lost) == sorted([MessageState.FAILED, MessageState.UNKNOWN] * 2)
        assert len({line.task for line in lines}) == 4

        async def all_told() -> bool:
            to_tam = [one for one in await messages.listed(here.services, key) if ".undelivered" in one.step]
            told = " ".join(decoded(mail.raw) for mail in relay.to(TAM.email))
            over = [one for one in to_tam if one.state in (MessageState.SENT, MessageState.SUPPRESSED)]
            return len(over) == 4 and all(one.to in told for one in lost)

        await until(all_told, "each to be told of")


async def test_what_one_crash_leaves_unknown_is_told_once(
    dev_server: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four welcomes of which nobody knows: one email lists all, the inbox shows them together, each ends by itself."""

    def drop_all(relay: ScriptedRelay) -> None:
        relay.then("body", DROP, DROP, DROP, DROP)

    async with welcomed(dev_server, tmp_path, drop_all) as (here, relay, key):
        lines = await asked(here, 4)
        unknown = await messages.listed(here.services, key, MessageState.UNKNOWN)
        assert len(unknown) == len({line.task for line in lines}) == 4

        async def told() -> list[MessageState] | None:
            to_tam = [one for one in await messages.listed(here.services, key) if ".undelivered" in one.step]
            return sorted(one.state for one in to_tam) if len(to_tam) == 4 else None

        async def all_told() -> bool:
            return await told() == sorted([MessageState.SENT, *[MessageState.SUPPRESSED] * 3])

        await until(all_told, "the TAM to be told")
        (mail,) = relay.to(TAM.email)
        text = decoded(mail.raw)
        assert all(one.to in text for one in unknown)
        assert "Each is a task of its own in your inbox" in text

        inbox = await task.inbox(here.services, TAM)
        assert len(together(inbox.mine)) == len(inbox.mine) - 3
        _print_inbox(inbox)
        printed = capsys.readouterr().out
        assert "(4 tasks)" in " ".join(printed.split())
        assert all(line.task.removeprefix("task/") in printed for line in lines)
        assert {"Luca Bianchi", "Mara Osei"} < {line.concerns for line in lines}

        first, *rest = unknown
        assert (await undelivered.resolve(here.services, first.key, Resolution.SENT, TAM)).accepted
        await in_state(here, key, first.to, MessageState.SENT)
        await is_over(here, first.key)
        assert len(await asked(here, 3)) == 3
        for one in rest:
            assert (await undelivered.resolve(here.services, one.key, Resolution.RESEND, TAM)).accepted
            await in_state(here, key, one.to, MessageState.SENT)


async def test_whoever_was_told_another_way_gets_no_email(dev_server: Client, tmp_path: Path) -> None:
    """It stays failed, nobody is asked again, and what it did not carry is on record as told."""
    async with welcomed(dev_server, tmp_path, lambda relay: relay.then_for(BUSINESS, UNKNOWN_USER)) as (
        here,
        relay,
        key,
    ):
        failed = await in_state(here, key, BUSINESS, MessageState.FAILED)
        (line,) = await asked(here)
        assert (await task.decide(here.services, line.task, "elsewhere", TAM)).accepted
        await is_over(here, failed.key)
        assert (await in_state(here, key, BUSINESS, MessageState.FAILED)).key == failed.key
        assert not relay.to(BUSINESS)


async def test_every_refused_reader_is_a_task_of_their_own(dev_server: Client, tmp_path: Path) -> None:
    """Four refused welcomes are four tasks; the emails about these tasks, refused too, are no further ones."""

    def refuse(relay: ScriptedRelay) -> None:
        for reader in (USER, BUSINESS, CHAMPION, SECOND_USER):
            relay.then_for(reader, UNKNOWN_USER)
        relay.then_for(TAM.email, *[UNKNOWN_USER] * 20)

    async with welcomed(dev_server, tmp_path, refuse) as (here, _, key):
        assert len({line.task for line in await asked(here, 4)}) == 4

        async def refused() -> bool:
            told = [one for one in await messages.listed(here.services, key) if ".undelivered" in one.step]
            # Of those that wait at the same moment, the first tells of all.
            ended = [one for one in told if one.state in (MessageState.FAILED, MessageState.SUPPRESSED)]
            return len(ended) == 4 and any(one.state is MessageState.FAILED for one in ended)

        await until(refused, "the TAM's own emails to fail")
        assert len(await asked(here, 4)) == 4
        everyone = await task.inbox(here.services, Actor(email="", channel="cli", entered_by="tester"))
        assert sum("/undelivered/" in line.task for line in everyone.mine) == 4


async def test_a_wait_says_who_was_never_reached(dev_server: Client, tmp_path: Path) -> None:
    """Portfolio, status and meeting name the reader whose question failed, until it has gone."""
    async with welcomed(dev_server, tmp_path, lambda relay: relay.then_for(USER, UNKNOWN_USER)) as (here, _, key):
        failed = await in_state(here, key, USER, MessageState.FAILED)

        async def said() -> list[bool]:
            (line,) = [one for one in await accounts.portfolio(here.services) if one.account == key]
            (step,) = [one for one in (await onboarding.status(here.services, key)).milestones if one.step == "kickoff"]
            meeting = await meetings.show(here.services, key, "kickoff")
            texts = (line.waiting_for, step.waiting_for, meeting.waiting_for)
            return ["not reached by email: Mara Osei" in (text or "") for text in texts]

        async def everywhere() -> bool:
            return all(await said())

        await until(everywhere, "all to say so")
        await asked(here)
        assert (await undelivered.resolve(here.services, failed.key, Resolution.RESEND, TAM)).accepted
        await in_state(here, key, USER, MessageState.SENT)
        assert not any(await said())


async def test_a_second_failure_is_told_with_its_own_words(dev_server: Client, tmp_path: Path) -> None:
    """Sent again and refused for another reason: the next task says that reason, and the timeline knows of both."""
    full = "552 5.2.2 mailbox full"
    async with welcomed(dev_server, tmp_path, lambda relay: relay.then_for(USER, UNKNOWN_USER, full)) as (here, _, key):
        failed = await in_state(here, key, USER, MessageState.FAILED)
        (first,) = await asked(here)
        assert (await undelivered.resolve(here.services, failed.key, Resolution.RESEND, TAM)).accepted

        async def asked_again() -> str | None:
            return next((line.task for line in await asked(here) if line.task != first.task), None)

        again = await task.show(here.services, await until(asked_again, "the second task"))
        assert full in str(again.said)
        told = [(entry.kind, entry.what) for entry in await timeline.timeline_of(here.services, key)]
        assert [kind for kind, _ in told].count("message.failed") == 2
        assert ("message.sent_again", "Robin Keller had the email to Mara Osei sent again") in told


async def test_whoever_speaks_after_a_to_do_that_lapsed_is_heard(dev_server: Client, tmp_path: Path) -> None:
    """Everyone let the to-do pass: the command that is printed works at once, for that day and after it."""
    async with welcomed(dev_server, tmp_path, lambda relay: relay.then_for(USER, UNKNOWN_USER)) as (here, _, key):
        failed = await in_state(here, key, USER, MessageState.FAILED)
        (line,) = await asked(here)
        lapsed = here.client.get_workflow_handle(line.task)
        await lapsed.signal("control", Control(kind=ControlKind.CLOSE))
        await lapsed.result()

        async def sleeps() -> bool:
            described = await here.client.get_workflow_handle(undelivered_id(failed.key)).describe()
            history = here.client.get_workflow_handle(undelivered_id(failed.key)).fetch_history_events()
            timers = [event async for event in history if event.HasField("timer_started_event_attributes")]
            return described.status is WorkflowExecutionStatus.RUNNING and bool(timers)

        await until(sleeps, "the day in which nobody is asked")
        assert any("rapport message resend" in way for way in failed.next)
        assert (await undelivered.resolve(here.services, failed.key, Resolution.RESEND, TAM)).accepted
        await in_state(here, key, USER, MessageState.SENT)
        await is_over(here, failed.key)


async def test_whoever_speaks_is_heard_though_nothing_runs(dev_server: Client, tmp_path: Path) -> None:
    """Its workflow was terminated, its to-do is closed, and no sweep was there yet: the word begins it anew."""
    async with welcomed(dev_server, tmp_path, lambda relay: relay.then_for(USER, UNKNOWN_USER)) as (here, _, key):
        failed = await in_state(here, key, USER, MessageState.FAILED)
        (line,) = await asked(here)
        await here.client.get_workflow_handle(undelivered_id(failed.key)).terminate("by hand")
        asking = here.client.get_workflow_handle(line.task)
        await asking.signal("control", Control(kind=ControlKind.CLOSE))
        await asking.result()
        stranger = by("nobody@foobar.example")
        with pytest.raises(UserError, match="member"):
            await undelivered.resolve(here.services, failed.key, Resolution.RESEND, stranger)
        assert (await undelivered.resolve(here.services, failed.key, Resolution.RESEND, TAM)).accepted
        await in_state(here, key, USER, MessageState.SENT)
        await is_over(here, failed.key)


async def test_another_life_of_its_workflow_gives_no_name_twice(dev_server: Client, tmp_path: Path) -> None:
    """It failed twice and its workflow was terminated: the TAM has a new task and its mail, and all that is told."""
    full = "552 5.2.2 mailbox full"
    async with welcomed(dev_server, tmp_path, lambda relay: relay.then_for(USER, UNKNOWN_USER, full)) as made:
        here, _, key = made
        failed = await in_state(here, key, USER, MessageState.FAILED)
        known = {line.task for line in await asked(here)}

        async def asked_anew() -> str | None:
            mine = (await task.inbox(here.services, TAM)).mine
            return next((one.task for one in mine if "/undelivered/" in one.task and one.task not in known), None)

        async def mailed(count: int) -> bool:
            sent = await messages.listed(here.services, key, MessageState.SENT)
            return sum(one.to == TAM.email and ".undelivered" in one.step for one in sent) >= count

        await undelivered.resolve(here.services, failed.key, Resolution.RESEND, TAM)
        known.add(await until(asked_anew, "the second task"))
        await until(lambda: mailed(2), "its mail")
        await here.client.get_workflow_handle(undelivered_id(failed.key)).terminate("by hand")

        async def swept() -> str | None:
            await sweep(here)
            return await asked_anew()

        third = await until(swept, "the third task")
        assert third.split("/")[3] == "3"
        await until(lambda: mailed(3), "its mail")
        await undelivered.resolve(here.services, failed.key, Resolution.ELSEWHERE, TAM)
        await is_over(here, failed.key)
        told = [entry.kind for entry in await timeline.timeline_of(here.services, key)]
        assert (told.count("message.sent_again"), told.count("message.told_elsewhere")) == (1, 1)
        assert told.count("decision.made") == 2


async def test_nobody_takes_care_of_an_email_to_whoever_has_left(dev_server: Client, tmp_path: Path) -> None:
    """Its reader has left before anybody decided: it needs nobody's attention any more."""
    async with welcomed(dev_server, tmp_path, lambda relay: relay.then_for(USER, UNKNOWN_USER)) as (here, _, key):
        failed = await in_state(here, key, USER, MessageState.FAILED)
        (line,) = await asked(here)
        departure = Departure(reason="She works elsewhere now.")
        await succession.remove_contact(here.services, key, USER, departure, TAM)
        assert (await task.decide(here.services, line.task, "resend", TAM)).accepted
        await is_over(here, failed.key)
        assert (await in_state(here, key, USER, MessageState.SUPPRESSED)).key == failed.key


async def test_whether_an_email_arrived_before_its_reader_left_can_be_said(dev_server: Client, tmp_path: Path) -> None:
    """Doctor and inbox ask for it, so the command that they name takes it; only sending it again makes no sense."""

    def drop(relay: ScriptedRelay) -> None:
        relay.then("body", DROP, DROP, DROP, DROP)

    async with welcomed(dev_server, tmp_path, drop) as (here, relay, key):
        await asked(here, 4)
        unknown = await in_state(here, key, USER, MessageState.UNKNOWN)
        await succession.remove_contact(here.services, key, USER, Departure(reason="She works elsewhere now."), TAM)
        with pytest.raises(UserError, match="its reader has left") as refused:
            await undelivered.resolve(here.services, unknown.key, Resolution.RESEND, TAM)
        assert refused.value.fix == "use sent or elsewhere"
        assert (await undelivered.resolve(here.services, unknown.key, Resolution.SENT, TAM)).accepted
        await in_state(here, key, USER, MessageState.SENT)
        assert not relay.to(USER)


async def test_a_relay_may_answer_in_any_letters(dev_server: Client, tmp_path: Path) -> None:
    """Latin-1 and control characters after the dot: accepted is sent, once, and refused is a task."""

    def odd(relay: ScriptedRelay) -> None:
        relay.then_for(USER, "550 5.1.1 destinataire refus\udce9")
        relay.then("body", "250 2.0.0 accept\udce9\x00 en file", "250 ok \x07")

    async with welcomed(dev_server, tmp_path, odd) as (here, relay, key):
        failed = await in_state(here, key, USER, MessageState.FAILED)
        assert (failed.reason or "").startswith("550 5.1.1 destinataire refus")
        for reader in (CHAMPION, BUSINESS, SECOND_USER):
            await in_state(here, key, reader, MessageState.SENT)
            assert len(relay.to(reader)) == 1
        await asked(here)


async def test_times_are_not_offered_for_a_meeting_that_is_booked(dev_server: Client, tmp_path: Path) -> None:
    """A welcome that failed and is sent again after the booking asks nobody to vote any more."""
    async with welcomed(dev_server, tmp_path, lambda relay: relay.then_for(SECOND_USER, UNKNOWN_USER)) as made:
        here, relay, key = made
        failed = await in_state(here, key, SECOND_USER, MessageState.FAILED)
        (line,) = await asked(here)
        for voter in (BUSINESS, CHAMPION, USER):
            await meetings.vote(here.services, key, "kickoff", ("1",), by(voter))

        async def invited() -> bool:
            sent = await messages.listed(here.services, key, MessageState.SENT)
            return any(one.purpose == "invitation" and one.to == SECOND_USER for one in sent)

        await until(invited, "the invitation")
        assert (await task.decide(here.services, line.task, "resend", TAM)).accepted
        await is_over(here, failed.key)
        kept = next(one for one in await messages.listed(here.services, key) if one.key == failed.key)
        assert kept.state is MessageState.SENT
        # The invitation has a link of its own, to decline by or to ask for another time.
        welcome = next(one for one in relay.to(SECOND_USER) if "Welcome" in readable(one.raw)["subject"])
        assert "/m/" not in readable(welcome.raw)["text"]
