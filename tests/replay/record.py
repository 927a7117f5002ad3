"""Record the histories that later code has to replay: `just record`.

Run it when a version is released, and when a workflow learns something new: each history lands in a folder of its
version, and none is ever changed afterwards; until the version is released, `just record --anew` replaces them all.

A new workflow needs one function here that lives through it as people would, or the name of a test that does, and one
line in `SCENARIOS`. What is registered and in no history is told at the end, and so is what could not be lived through.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest
from sqlalchemy import update
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from rapport.model.account import WrittenAbsence, WrittenWork
from rapport.model.base import UserError
from rapport.model.gap import NewGap
from rapport.model.ids import (
    RELAY_ALARM,
    announcing_id,
    cadence_id,
    case_id,
    desk_id,
    ended_outside_id,
    gap_id,
    meeting_id,
    onboarding_id,
    review_id,
    task_id,
    undelivered_id,
)
from rapport.model.message import MessageState, Resolution
from rapport.model.morning import MorningStart
from rapport.model.operation import Control, ControlKind, Operate
from rapport.model.relay import VARIABLES, FaultKind, RelayStart
from rapport.model.support_case import DESK
from rapport.model.sweep import Gone, SweepStart
from rapport.model.workflows import ENDED_OUTSIDE, MORNING, RELAY, SWEEP
from rapport.storage import relay
from rapport.storage.tables import MessageRow
from starters import services as office_module
from starters.use_cases import (
    account as accounts,
    cadence,
    gap as gaps,
    meeting,
    member,
    message,
    onboarding,
    operation,
    sign_in,
    task as use,
    timeline,
    undelivered,
)
from starters.use_cases.message import Edit
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.operation import OperationWritten
from tests.conftest import (
    BUSINESS,
    CHAMPION,
    SECOND_USER,
    TAM,
    USER,
    Installation,
    by,
    example,
    skipping_installation,
    until,
)
from tests.support import cadence as cadence_support, sign_off, task as tasks
from tests.support.approval import seen
from tests.support.kickoff import begin, drafted, in_phase, reviewed, status_of, vote
from tests.support.playbooks import put
from tests.support.tech_review import say, submitted
from tests.workflows import (
    test_cadence_adoption,
    test_contract,
    test_desk,
    test_gate,
    test_meeting,
    test_meeting_brief,
    test_meeting_changes,
    test_meeting_proposals,
    test_meeting_replies,
    test_operation,
    test_rollout,
    test_succession,
    test_support_case,
    test_support_case_turnover,
    test_tech_review,
    test_waits,
)
from worker import WORKFLOWS

SUPPORT: Final = (case_id("C-00001"), desk_id(DESK))
CHANNEL: Final = "tech-reviews@foobar.example"
HISTORIES: Final = Path(__file__).parent / "histories"


async def sides_that_disagree_are_offered_a_meeting(installation: Installation) -> None:
    """One side is against what the others are for, and leadership's time is nearly over."""
    await test_tech_review.test_sides_that_disagree_are_offered_a_meeting_before_leadership_decides(
        installation, "against"
    )


async def booked_by_vote_and_held(installation: Installation) -> None:
    """The smooth way: everyone answers, and it is held."""
    await begin(installation)
    await in_phase(installation, "voting")
    await vote(installation, CHAMPION, "1", "2")
    await vote(installation, USER, "2")
    booked = await in_phase(installation, "booked")
    assert booked.booked_until is not None
    await installation.sleep_until(booked.booked_until)
    await meeting.report(installation.services, "versayce", "kickoff", "held", TAM)
    await until(status_of(installation, onboarding_id("versayce")), "the end")


async def nobody_answers_and_the_tam_books(installation: Installation) -> None:
    """Two reminders, the notice to the TAM, a booking by hand that is moved once, a no-show, a second round."""
    await begin(installation)
    shown = await in_phase(installation, "voting")
    assert shown.deadline is not None
    await installation.sleep_until(shown.deadline + timedelta(seconds=1))
    await in_phase(installation, "stuck")
    start = (await installation.now() + timedelta(days=5)).replace(hour=14, minute=0, second=0, microsecond=0)
    await meeting.book(installation.services, "versayce", "kickoff", start, TAM)
    await in_phase(installation, "booked")
    await meeting.book(installation.services, "versayce", "kickoff", start + timedelta(hours=1), TAM)
    await installation.mailed(4 + 6 + 1 + 10)
    await installation.sleep_until(start + timedelta(hours=4))
    await meeting.report(installation.services, "versayce", "kickoff", "no_show", TAM)
    await in_phase(installation, "voting")


async def the_champion_alone_until_the_deadline(installation: Installation) -> None:
    """One answer, and the booking at the deadline."""
    await begin(installation)
    shown = await in_phase(installation, "voting")
    await vote(installation, CHAMPION, "3")
    assert shown.deadline is not None
    await installation.sleep_until(shown.deadline + timedelta(seconds=1))
    await in_phase(installation, "booked")
    await installation.mailed(9)


NOTES: Final = """
name = "notes"
title = "Two notes"
version = 1

[[steps]]
name = "first"
title = "First note"
kind = "message"
stage = "welcome"
to = ["primary_champion"]
email = "hello"
review = "auto"

[[steps]]
name = "second"
title = "Second note"
kind = "message"
stage = "rollout"
to = ["primary_user"]
email = "hello"
review = "approve"
after = ["first"]
offset = "2 business days"
"""


async def messages_alone(installation: Installation) -> None:
    """A playbook without a meeting: a mail that goes by itself, a wait, a draft that someone sends, the end."""
    folder = installation.services.settings.data / "playbooks"
    folder.mkdir(exist_ok=True)
    (folder / "notes.toml").write_text(NOTES)
    await installation.sleep_to(0, 10)
    file = example()
    account = file.account.model_copy(update={"review": None})
    request = StartRequest(file=file.model_copy(update={"account": account}), playbook="notes")
    await onboarding.start(installation.services, request)
    await installation.mailed(1, CHAMPION)
    await installation.sleep_until(await installation.now() + timedelta(days=3))

    async def written() -> bool:
        return len(await message.drafts(installation.services, "versayce")) == 1

    await until(written, "the draft")
    keys = tuple(draft.key for draft in await message.drafts(installation.services, "versayce"))
    await message.release(installation.services, keys, TAM)
    await installation.mailed(1, USER)
    await until(status_of(installation, onboarding_id("versayce")), "the end")


async def drafts_go_stale_and_are_sent(installation: Installation) -> None:
    """Drafts wait until their times are too near, new ones are edited, one is held, three are sent."""
    await begin(installation, reviewed("approve"))
    shown = await drafted(installation)
    await installation.sleep_until(shown.slots[0].start)

    async def renewed() -> bool:
        drafts = await message.drafts(installation.services, "versayce")
        return len(drafts) == 4 and (await meeting.show(installation.services, "versayce", "kickoff")).round >= 2

    await until(renewed, "new drafts")
    keys = tuple(draft.key for draft in await message.drafts(installation.services, "versayce"))
    await message.edit(installation.services, keys[1], Edit(paragraph="Nice to see you again."), TAM)
    await message.release(installation.services, keys[:1], TAM, hold=True)
    await message.release(installation.services, keys[1:], TAM)
    await in_phase(installation, "voting")
    await installation.mailed(3)


async def a_sign_in_link(installation: Installation) -> None:
    """A member asks for a link, and it is mailed."""
    await accounts.import_account(installation.services, example())
    asked = await sign_in.ask(installation.services, TAM.email, "/")
    assert asked is not None
    await until(status_of(installation, asked), "the end")


async def an_onsite_is_approved(installation: Installation) -> None:
    """The TAM asks, the manager needs to know more, is answered, and approves."""
    await asked_for_an_onsite(installation)
    await tasks.ask(installation, tasks.MANAGER, "Who comes along?")
    await tasks.in_phase(installation, "needs_info")
    await tasks.answer(installation, TAM.email, "Tomas.")
    await tasks.in_phase(installation, "open")
    await tasks.decide(installation, tasks.MANAGER, "approve")
    await in_phase(installation, "voting")
    await installation.mailed(2, CHAMPION)


async def an_onsite_is_denied_in_its_second_round(installation: Installation) -> None:
    """The request is changed, and denied with a reason."""
    await asked_for_an_onsite(installation)
    await tasks.request(installation, TAM.email)
    await installation.mailed(2, tasks.MANAGER)
    await tasks.decide(installation, tasks.MANAGER, "deny", round_=2, reason="Not this quarter.")
    await in_phase(installation, "voting")


async def nobody_decides_on_the_onsite(installation: Installation) -> None:
    """The manager is away, comes back, and says nothing until time has run out."""
    await asked_for_an_onsite(installation)
    today = (await installation.now()).date()
    away = {"member": tasks.MANAGER, "from": str(today), "until": str(today + timedelta(days=1))}
    await member.add_absence(installation.services, WrittenAbsence.model_validate(away), by(tasks.MANAGER))
    await installation.client.get_workflow_handle(tasks.TASK).signal("people_changed")
    await installation.mailed(1, "henrik.dahl@foobar.example")
    deadline = (await tasks.view(installation)).deadline
    assert deadline is not None
    await installation.sleep_until(deadline + timedelta(minutes=1))
    await in_phase(installation, "voting")


async def nobody_asks_for_the_onsite(installation: Installation) -> None:
    """The TAM is reminded once, and time runs out."""
    await tasks.begin_large(installation)
    deadline = (await tasks.in_phase(installation, "preparing")).deadline
    assert deadline is not None
    await installation.sleep_until(deadline + timedelta(minutes=1))
    await in_phase(installation, "voting")


async def the_onsite_is_not_needed(installation: Installation) -> None:
    """The TAM does without."""
    await tasks.begin_large(installation)
    await tasks.in_phase(installation, "preparing")
    await tasks.request(installation, TAM.email, declined=True)
    await in_phase(installation, "voting")


async def asked_for_an_onsite(installation: Installation) -> None:
    """The way up to the manager's decision."""
    await tasks.begin_large(installation)
    await tasks.in_phase(installation, "preparing")
    await tasks.request(installation, TAM.email)
    await tasks.in_phase(installation, "open")
    await installation.mailed(1, tasks.MANAGER)


async def a_round_of_mornings(installation: Installation) -> None:
    """The TAM has drafts to read and gets a mail when their day begins."""
    await begin(installation, reviewed("approve"))
    await drafted(installation)
    await installation.sleep_to(1, 9)
    await installation.client.start_workflow(MORNING.name, MorningStart(), id="morning/1", task_queue="rapport")
    await until(status_of(installation, "morning/1"), "the end of the round")


async def a_repeated_round_of_mornings(installation: Installation) -> None:
    """The same round again finds that the mail was seen to."""
    await a_round_of_mornings(installation)
    await installation.client.start_workflow(MORNING.name, MorningStart(), id="morning/2", task_queue="rapport")
    await until(status_of(installation, "morning/2"), "the end of the repeated round")


async def what_recurs_until_its_first_review(installation: Installation) -> None:
    """Weeklies, one called off, one moved, the time set anew, and a review that is booked."""
    await cadence_support.begin(installation, cadence_support.WEEKLY + cadence_support.QBR)
    await installation.mailed(4)
    first, second = [at.date() for at in (await cadence_support.coming(installation))[:2]]
    await cadence.skip(installation.services, "versayce", "weekly", second, TAM)
    start = (await cadence_support.coming(installation))[0] + timedelta(hours=2)
    await cadence.move(installation.services, "versayce", "weekly", first, start, TAM, anyway=True)
    await installation.mailed(12)
    await cadence.set_time(installation.services, "versayce", "weekly", "tue", "11:00", TAM)
    await installation.mailed(16)
    await a_review_is_booked(installation)


async def a_review_is_booked(installation: Installation) -> None:
    """Its times are offered, both choose one, and it takes place."""

    async def planned() -> datetime | None:
        return next(one.offer_at for one in (await cadence_support.view(installation)).rhythms if one.step == "qbr")

    await installation.sleep_until(await until(planned, "the review's day") + timedelta(hours=1))

    async def voting() -> bool:
        try:
            return (await meeting.show(installation.services, "versayce", "qbr")).phase == "voting"
        except UserError:
            return False

    await until(voting, "the review's times")
    for person in (CHAMPION, BUSINESS):
        await meeting.vote(installation.services, "versayce", "qbr", ("1",), by(person))

    async def booked() -> datetime | None:
        return (await meeting.show(installation.services, "versayce", "qbr")).booked_until

    await installation.sleep_until(await until(booked, "the booking"))


async def what_recurs_after_its_first_review(installation: Installation) -> None:
    """The review is held, and the run after it goes on with the weeklies."""
    await what_recurs_until_its_first_review(installation)
    handle = installation.client.get_workflow_handle(cadence_id("versayce"))
    before = (await handle.describe()).run_id
    await meeting.report(installation.services, "versayce", "qbr", "held", TAM)

    async def turned() -> bool:
        return (await handle.describe()).run_id != before

    await until(turned, "the run after the review")
    await installation.sleep_until(await installation.now() + timedelta(days=15))


async def what_recurs_without_a_common_hour(installation: Installation) -> None:
    """Nobody's hours meet; the TAM sets the time, and later it is closed."""
    file = example()
    far = [
        contact.model_copy(update={"zone": "Pacific/Auckland"}) if "primary_champion" in contact.personas else contact
        for contact in file.contacts
    ]
    handle = await cadence_support.begin(installation, file=file.model_copy(update={"contacts": tuple(far)}))
    await installation.mailed(1, TAM.email)
    await cadence.set_time(installation.services, "versayce", "weekly", "tue", "08:30", TAM, anyway=True)
    await installation.mailed(5)
    await handle.signal("close")

    async def over() -> bool:
        return any(
            entry.kind == "cadence.ended" for entry in await timeline.timeline_of(installation.services, "versayce")
        )

    await until(over, "the end")


async def mails_wait_for_the_morning(installation: Installation) -> None:
    """Asked for at night: the welcome waits, goes in the morning, and the vote goes on from there."""
    night = await installation.sleep_to(2, 22)
    await onboarding.start(installation.services, StartRequest(file=example()))
    await in_phase(installation, "voting")
    await installation.sleep_until(night + timedelta(hours=12))
    await installation.mailed(4)
    await vote(installation, CHAMPION, "1")
    await vote(installation, USER, "1")
    await in_phase(installation, "booked")


async def what_waits_is_overtaken(installation: Installation) -> None:
    """Asked for at night, and booked by hand that night: the welcome is dropped when its time comes."""
    night = await installation.sleep_to(2, 22)
    await onboarding.start(installation.services, StartRequest(file=example()))
    await in_phase(installation, "voting")
    await meeting.book(
        installation.services, "versayce", "kickoff", night + timedelta(days=5, hours=12), TAM, anyway=True
    )
    await in_phase(installation, "booked")
    await installation.sleep_until(night + timedelta(hours=12))

    async def dropped() -> bool:
        return len(await message.listed(installation.services, "versayce", MessageState.SUPPRESSED)) >= 3

    await until(dropped, "welcomes that are dropped")


async def a_plan_is_changed_and_signed(installation: Installation) -> None:
    """The TAM writes a training plan, the champion asks for changes, and signs the new version."""
    await installation.sleep_to(0, 10)
    task = await sign_off.written(installation, await sign_off.plan(installation))
    await use.decide(installation.services, task.task, "ask_for_changes", by(CHAMPION), "Not in December")
    task = await sign_off.written(installation, await sign_off.in_phase(installation, "preparing"))
    await use.decide(installation.services, task.task, "sign_off", by(CHAMPION))
    await until(status_of(installation, onboarding_id("versayce")), "the end")


async def what_a_mail_needs_is_found_out(installation: Installation) -> None:
    """Nothing is known of the developer's languages; the TAM records them, and the mail is written."""
    await installation.sleep_to(0, 10)
    name = put(installation.services.settings.data, "documents", "developer_docs")
    file = example(playbook=name)
    contacts = tuple(one.model_copy(update={"languages": ()}) for one in file.contacts)
    await onboarding.start(installation.services, StartRequest(file=file.model_copy(update={"contacts": contacts})))
    await seen(installation, "versayce/developer_docs", lambda task: task.phase == "open")
    await accounts.edit_contact(installation.services, "versayce", SECOND_USER, WrittenWork(languages=("Go",)), TAM)
    await until(status_of(installation, onboarding_id("versayce")), "the end")


async def a_gap_is_logged_without_a_crm(installation: Installation) -> None:
    """There is nobody to tell, and that is on record."""
    await accounts.import_account(installation.services, example())
    gap = await gaps.log(
        installation.services, NewGap(title="A gap", description="A need", accounts=("versayce",)), TAM
    )
    await until(status_of(installation, gap_id(gap.ref)), "the end")


async def what_was_left_behind_is_swept(installation: Installation) -> None:
    """An email was ready for an hour, and nobody at work on it: the sweep has it go."""
    await begin(installation, reviewed("approve"))
    await drafted(installation)
    key = await left_behind(installation, state=MessageState.READY)
    await until(status_of(installation, undelivered_id(key)), "the end")


async def what_was_ended_outside_is_left_so(installation: Installation) -> None:
    """What recurred for an account is not there any more: its TAM is asked whether it goes on, and leaves it."""
    await accounts.import_account(installation.services, example())
    id_ = cadence_id("versayce")
    gone = Gone(
        account="versayce", subject="versayce", workflow_id=id_, since=await installation.now(), assign=("tam",)
    )
    await installation.client.start_workflow(ENDED_OUTSIDE.name, gone, id=ended_outside_id(id_), task_queue="rapport")

    async def asked() -> str | None:
        lines = (await use.inbox(installation.services, TAM)).mine
        return next((line.task for line in lines if "/gone/" in line.task), None)

    await use.decide(installation.services, await until(asked, "the TAM to be asked"), "leave", TAM, "They left.")
    await until(status_of(installation, ended_outside_id(id_)), "the end")


async def nobody_knew_what_became_of_an_email(installation: Installation) -> None:
    """The TAM lets one to-do about it pass, and has it sent again at the second."""
    await begin(installation, reviewed("approve"))
    await drafted(installation)
    key = await left_behind(installation, state=MessageState.FAILED, reason="550 no such user here")

    async def asked() -> str | None:
        lines = (await use.inbox(installation.services, TAM)).mine
        return next((line.task for line in lines if "/undelivered/" in line.task), None)

    first = await until(asked, "the to-do")

    async def asked_again() -> bool:
        await installation.sleep_until(await installation.now() + timedelta(days=1))
        return await asked() not in (None, first)

    await until(asked_again, "the second to-do")
    assert (await undelivered.resolve(installation.services, key, Resolution.RESEND, TAM)).accepted
    await until(status_of(installation, undelivered_id(key)), "the end")


async def the_relay_is_asked_until_it_takes_email(installation: Installation) -> None:
    """A fault of the relay's configuration is on record; the managers are told, and the first probe ends it."""
    async with installation.services.store.writing() as connection:
        await relay.meet_fault(connection, FaultKind.PASSWORD, 535, await installation.now(), VARIABLES)
    await installation.client.start_workflow(RELAY.name, RelayStart(), id=RELAY_ALARM, task_queue="rapport")
    await until(status_of(installation, RELAY_ALARM), "the end of the alarm")


async def operated(installation: Installation, kind: Operate) -> None:
    """Do something to the whole onboarding."""
    await operation.operate(installation.services, "versayce", kind, OperationWritten(reason="They move house"), TAM)


async def a_pause_finds_a_to_do_open(installation: Installation) -> None:
    """Nobody read the drafts, and the TAM has a to-do, when all is paused; then it goes on."""
    await begin(installation, reviewed("approve"))
    await drafted(installation)
    await installation.sleep_until(await installation.now() + timedelta(days=4))

    async def asked() -> bool:
        return any("/kickoff.drafts/" in line.task for line in (await use.inbox(installation.services, TAM)).mine)

    await until(asked, "the to-do")
    told = len(await timeline.timeline_of(installation.services, "versayce"))
    await operated(installation, Operate.PAUSE)
    await installation.sleep_until(await installation.now() + timedelta(hours=3))
    await operated(installation, Operate.RESUME)
    await drafted(installation)

    async def on_record() -> bool:
        return len(await timeline.timeline_of(installation.services, "versayce")) >= told + 2

    await until(on_record, "both on record")


async def drafts_are_dropped_with_their_meeting(installation: Installation) -> None:
    """The onboarding is cancelled while its first mails wait to be read."""
    await begin(installation, reviewed("approve"))
    await drafted(installation)
    await operated(installation, Operate.CANCEL)
    await until(status_of(installation, meeting_id("versayce", "kickoff", 1)), "the end of the meeting")


async def a_pause_gives_back_what_was_left(installation: Installation) -> None:
    """Mails that go by themselves after some days go later by what a pause has taken."""
    await installation.sleep_to(0, 10)
    await onboarding.start(installation.services, StartRequest(file=example(), playbook="self_serve"))
    await installation.mailed(3)
    await operated(installation, Operate.PAUSE)
    await installation.sleep_until(await installation.now() + timedelta(days=3))
    await operated(installation, Operate.RESUME)
    await installation.sleep_until(await installation.now() + timedelta(days=40))
    await until(status_of(installation, onboarding_id("versayce")), "the end")


async def what_recurs_is_closed_with_a_review_open(installation: Installation) -> None:
    """The times of a review are out, and its preparation is asked for, when all comes to its end."""
    await cadence_support.begin(installation, cadence_support.WEEKLY + cadence_support.QBR)
    await installation.mailed(4)

    async def planned() -> datetime | None:
        return next(one.offer_at for one in (await cadence_support.view(installation)).rhythms if one.step == "qbr")

    await installation.sleep_until(await until(planned, "the review's day") + timedelta(hours=1))

    async def voting() -> bool:
        try:
            return (await meeting.show(installation.services, "versayce", "qbr")).phase == "voting"
        except UserError:
            return False

    await until(voting, "the review's times")
    handle = installation.client.get_workflow_handle(cadence_id("versayce"))
    await handle.signal("control", Control(kind=ControlKind.PAUSE))
    await installation.sleep_until(await installation.now() + timedelta(hours=3))
    await handle.signal("control", Control(kind=ControlKind.RESUME))
    await handle.signal("close")
    await until(status_of(installation, cadence_id("versayce")), "the end")


async def a_review_is_mirrored(installation: Installation) -> None:
    """A request and a word on it reach the review channel, one after the other."""
    ref = await submitted(installation)
    await say(installation, ref, "engineering")
    await installation.mailed(2, CHANNEL)
    await until(status_of(installation, announcing_id(ref)), "all to be told")


async def a_review_comes_to_its_end(installation: Installation) -> None:
    """It is withdrawn, and everything is written down."""
    await test_tech_review.test_a_withdrawn_review_asks_nobody_any_more(installation)
    await until(status_of(installation, review_id("TR-0001")), "the end")


async def left_behind(installation: Installation, **values: object) -> str:
    """Leave a draft as an attempt leaves it that died, and have the sweep look; give the draft's key."""
    key = (await message.drafts(installation.services, "versayce"))[0].key
    now = await installation.now()
    async with installation.services.store.writing() as connection:
        stands = {"created_at": now - timedelta(hours=1), "settled_at": now - timedelta(minutes=50), **values}
        await connection.execute(update(MessageRow).where(MessageRow.key == key).values(**stands))
    await installation.client.start_workflow(SWEEP.name, SweepStart(patience=60), id="sweep/1", task_queue="rapport")
    await until(status_of(installation, "sweep/1"), "the end of the sweep")
    return key


BOTH: Final = ("onboarding", "meeting")
ALL: Final = (*BOTH, "task")
REVIEW: Final = (review_id("TR-0001"),)
ASKED_BY_VP: Final = (review_id("TR-0002"),)
LIVE: Final = meeting_id("TR-0001", "live_meeting", 1)

SCENARIOS: Final[dict[Callable[[Installation], Awaitable[None]], tuple[str, ...]]] = {
    booked_by_vote_and_held: BOTH,
    nobody_answers_and_the_tam_books: BOTH,
    the_champion_alone_until_the_deadline: BOTH,
    drafts_go_stale_and_are_sent: BOTH,
    messages_alone: ("onboarding",),
    a_sign_in_link: ("notice",),
    a_round_of_mornings: ("morning/1",),
    a_repeated_round_of_mornings: ("morning/2",),
    an_onsite_is_approved: ALL,
    an_onsite_is_denied_in_its_second_round: ALL,
    nobody_decides_on_the_onsite: ALL,
    nobody_asks_for_the_onsite: ALL,
    the_onsite_is_not_needed: ALL,
    a_plan_is_changed_and_signed: ("onboarding", task_id("versayce", "training_plan", 1)),
    what_a_mail_needs_is_found_out: ("onboarding",),
    what_recurs_until_its_first_review: ("onboarding", "cadence"),
    what_recurs_after_its_first_review: ("cadence",),
    what_recurs_without_a_common_hour: ("cadence",),
    mails_wait_for_the_morning: BOTH,
    what_waits_is_overtaken: BOTH,
    a_gap_is_logged_without_a_crm: (gap_id("GAP-0001"),),
    what_was_left_behind_is_swept: ("sweep", "undelivered"),
    what_was_ended_outside_is_left_so: ("ended-outside",),
    nobody_knew_what_became_of_an_email: ("undelivered",),
    the_relay_is_asked_until_it_takes_email: (RELAY_ALARM,),
    a_pause_finds_a_to_do_open: BOTH,
    drafts_are_dropped_with_their_meeting: BOTH,
    a_pause_gives_back_what_was_left: ("onboarding",),
    what_recurs_is_closed_with_a_review_open: ("cadence",),
    a_review_comes_to_its_end: REVIEW,
    a_review_is_mirrored: ("announcing", *REVIEW),
    # Lives that tests live as well.
    test_gate.test_a_decided_review_opens_the_gate_in_the_version_that_was_looked_at: ("onboarding", *REVIEW),
    test_contract.test_a_renewal_ends_what_was_to_prepare_it: (f"onboarding/{test_contract.SECOND}",),
    test_gate.test_somebody_is_asked_again_and_again_and_nobodys_silence_opens_it: ("onboarding",),
    test_tech_review.test_a_no_is_decided_together_and_told_as_carefully: REVIEW,
    test_tech_review.test_leaderships_silence_is_nothing_and_only_the_silent_are_asked_again: REVIEW,
    test_tech_review.test_a_review_that_everybody_leaves_alone_is_overdue_and_says_so: REVIEW,
    test_tech_review.test_a_changed_request_is_a_new_round: REVIEW,
    test_tech_review.test_it_comes_back_by_itself_on_its_day: REVIEW,
    test_tech_review.test_a_live_meeting_is_voted_on_booked_and_its_notes_are_remarks: (*REVIEW, LIVE),
    test_tech_review.test_nobody_recommends_what_somebody_above_them_asks_for: ASKED_BY_VP,
    test_tech_review.test_where_nobody_of_leadership_is_left_it_is_asked_again_when_the_time_is_over: ASKED_BY_VP,
    sides_that_disagree_are_offered_a_meeting: (*REVIEW, LIVE),
    test_waits.test_a_meeting_for_which_nobody_finds_a_time_ends_without_one: BOTH,
    test_waits.test_a_meeting_that_nobody_reports_ends_unreported: BOTH,
    test_waits.test_drafts_that_nobody_reads_climb_the_ladder_and_never_go_out: BOTH,
    test_waits.test_a_late_yes_offers_a_conversion_and_switches_nothing_by_itself: ALL,
    test_waits.test_a_yes_to_a_visit_calls_off_no_booked_meeting_by_itself: BOTH,
    test_meeting.test_stopped_mail_holds_up_no_decision: BOTH,
    test_meeting_proposals.test_a_training_goes_from_its_times_to_its_minutes: ("meeting/versayce/adhoc_1/1",),
    test_meeting_proposals.test_what_stops_the_account_stops_it: (*BOTH, "meeting/versayce/adhoc_1/1"),
    test_meeting_proposals.test_what_recurs_passes_a_pause_on_once_the_onboarding_is_over: ("cadence",),
    test_meeting_replies.test_whoever_has_to_be_there_brings_everyone_new_times: BOTH,
    test_meeting_replies.test_a_time_that_the_host_set_is_theirs_to_change: ALL,
    test_meeting_replies.test_one_of_two_users_may_stay_away: BOTH,
    test_meeting_brief.test_a_kickoff_that_moves_is_briefed_on_again: BOTH,
    test_meeting_brief.test_the_facts_of_a_review_come_before_it_is_prepared_and_follow_its_booking: (
        "cadence",
        "meeting",
    ),
    test_meeting_changes.test_a_canceled_meeting_leaves_every_calendar_and_its_step_ends: BOTH,
    test_meeting_changes.test_whoever_was_asked_for_times_hears_that_nobody_meets: BOTH,
    test_meeting_changes.test_new_times_take_the_place_of_the_booked_one: BOTH,
    test_operation.test_a_pause_holds_reminders_and_takes_votes: BOTH,
    test_operation.test_a_pause_of_six_weeks_brings_new_times: BOTH,
    test_operation.test_a_paused_approval_climbs_no_ladder: ALL,
    test_operation.test_what_is_due_at_once_after_a_pause_is_previewed_and_staggered: ("onboarding",),
    test_operation.test_a_skipped_step_takes_back_what_it_has_under_way: BOTH,
    test_operation.test_a_cancelled_onboarding_ends_and_leaves_nothing_open: BOTH,
    test_operation.test_an_account_adopts_a_newer_playbook: ("onboarding",),
    test_succession.test_a_champion_replaced_during_the_vote_hands_it_to_the_successor: BOTH,
    test_succession.test_a_champion_replaced_after_the_booking_is_taken_off_alone: BOTH,
    test_succession.test_without_a_successor_the_vote_is_held_until_one_is_named: BOTH,
    test_succession.test_hand_over_moves_tasks_meetings_and_mails: BOTH,
    test_succession.test_what_is_held_can_be_cancelled: BOTH,
    test_succession.test_a_draft_to_somebody_replaced_goes_to_the_successor: BOTH,
    test_succession.test_a_pending_mail_of_a_step_goes_to_the_successor: ("onboarding",),
    test_rollout.test_each_developer_has_a_project_of_their_own: ("onboarding",),
    test_rollout.test_a_time_agreed_in_the_room_needs_no_vote: (
        "onboarding",
        meeting_id("versayce", "rollout_planning", 1),
    ),
    test_support_case.test_a_case_that_is_over_interrupts_engineering_no_longer: SUPPORT,
    test_tech_review.test_the_vp_engineering_commits: REVIEW,
    test_cadence_adoption.test_reviews_are_counted_on_from_the_last_by_the_new_distance: ("cadence",),
    test_succession.test_a_hand_over_for_a_while_ends_by_itself: ("hand-over",),
    test_support_case.test_a_question_gets_a_number_an_owner_an_answer_and_an_end: SUPPORT,
    test_support_case.test_half_a_promise_reminds_most_of_it_drafts_and_its_end_is_told_to_the_lead: SUPPORT,
    test_support_case.test_a_draft_that_its_owner_sends_keeps_the_promise: SUPPORT,
    test_support_case.test_the_clock_stands_still_while_we_wait_for_the_customer: SUPPORT,
    test_support_case.test_an_absent_owner_hands_on_with_all_that_was_said: SUPPORT,
    test_support_case.test_one_case_at_a_time_for_each_team_but_the_worst_does_not_queue: SUPPORT,
    test_support_case.test_the_same_thread_joins_its_case_and_opens_a_resolved_one_again: SUPPORT,
    test_desk.test_a_burst_is_handed_out_once_each_over_many_runs: SUPPORT,
    test_desk.test_what_comes_at_night_waits_in_order_and_goes_out_in_the_morning: SUPPORT,
    test_support_case_turnover.test_a_case_goes_on_over_many_runs_and_nothing_is_lost_or_told_twice: SUPPORT,
    test_rollout.test_whoever_follows_a_developer_gets_what_was_to_go_to_them: ("onboarding",),
    test_cadence_adoption.test_another_turn_brings_the_series_up_to_date_and_keeps_the_next_date: ("cadence",),
    test_cadence_adoption.test_rhythms_end_begin_and_come_back_under_numbers_nobody_has_seen: ("cadence",),
}
"""Each scenario, and the kinds, or ids, of the workflows whose histories it leaves."""


def called(scenario: Callable[[Installation], Awaitable[None]]) -> str:
    """The name of a scenario, in file names."""
    return scenario.__name__.removeprefix("test_")


QUIET: Final = (mails_wait_for_the_morning, what_waits_is_overtaken)
"""The scenarios in which mails wait for their readers' working time; in the others the hour is of no account."""

DONE: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED

WORKED: Final = (
    DONE,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
)
AT_WORK: Final = (EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED)

LIMIT: Final = timedelta(minutes=3)
"""How long a scenario may take, on a machine that does other things as well."""

BY_NAME: Final = {called(scenario): scenario for scenario in SCENARIOS}


class Noting(Interceptor):
    """Notes what begins on a worker: the server that skips time gives no list of it."""

    begun: ClassVar[dict[str, list[str]]] = {}
    """The runs of each workflow in their order, by its id."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """What goes into each run; it may keep nothing, and so writes into what is shared."""
        return NotingInbound


class NotingInbound(WorkflowInboundInterceptor):
    """Notes one run."""

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        """Note it, and let it go."""
        info = workflow.info()
        runs = Noting.begun.setdefault(info.workflow_id, [])
        if info.run_id not in runs:
            runs.append(info.run_id)
        return await self.next.execute_workflow(input)


def files_of(scenario: Callable[[Installation], Awaitable[None]]) -> list[str]:
    """The names of the histories that a scenario leaves at least."""
    return [f"{called(scenario)}.{kind.partition('/')[0]}.json" for kind in SCENARIOS[scenario]]


async def lived(scenario: Callable[[Installation], Awaitable[None]]) -> dict[str, str]:
    """Live through a scenario, and give each workflow's history as JSON, by the name of its file.

    Of a workflow that went on in many runs, they are the last, and the first, which shows how it turned the page.
    """
    Noting.begun.clear()
    histories: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as data:
        settings: dict[str, Any] = {"quiet_hours": "keep" if scenario in QUIET else "ignore"}
        settings |= {"review_channel_mail": CHANNEL} if scenario is a_review_is_mirrored else {}
        async with skipping_installation(Path(data), interceptors=[Noting()], **settings) as installation:
            await scenario(installation)
            for wanted in SCENARIOS[scenario]:
                kind = wanted.partition("/")[0]
                id_ = next(id_ for id_ in Noting.begun if wanted in (id_, kind) and id_.startswith(f"{kind}/"))
                runs = Noting.begun[id_]
                for name, run in ((kind, runs[-1]), *([(f"first-{kind}", runs[0])] if len(runs) > 1 else [])):
                    history = await until(partial(begun, installation, id_, run), f"{id_} to have done something")
                    histories[f"{called(scenario)}.{name}.json"] = history.to_json()
    return histories


async def begun(installation: Installation, id_: str, run: str) -> WorkflowHistory | None:
    """A run's history, once a worker has done anything in it; before that, any code would replay it.

    Not while a worker is at work on it: how much of that is in it would differ from one recording to the next.
    """
    history = await installation.client.get_workflow_handle(id_, run_id=run).fetch_history()
    tasks = [event.event_type for event in history.events if event.event_type in (*AT_WORK, *WORKED)]
    return history if DONE in tasks and tasks[-1] in WORKED else None


def live(name: str) -> dict[str, str] | str:
    """Live through a scenario in a process of its own; give its histories, or what went wrong."""
    # A busy machine takes its time, as in tests.
    office_module.ANSWER_SECONDS = 30.0  # type: ignore[misc]

    async def in_time() -> dict[str, str]:
        async with asyncio.timeout(LIMIT.total_seconds()):
            return await lived(BY_NAME[name])

    try:
        return asyncio.run(in_time())
    except (Exception, pytest.fail.Exception) as error:
        return f"{type(error).__name__}: {error}"


def anonymous(value: Any) -> Any:
    """A history without the name of the machine and process that made it."""
    if isinstance(value, dict):
        return {name: "worker" if name == "identity" else anonymous(inner) for name, inner in value.items()}
    return [anonymous(inner) for inner in value] if isinstance(value, list) else value


def workflow_of(file: Path) -> str:
    """The name of the workflow whose history a file holds."""
    started = json.loads(file.read_text())["events"][0]["workflowExecutionStartedEventAttributes"]
    return str(started["workflowType"]["name"])


def registered() -> dict[str, type]:
    """Every workflow that a worker knows, by name."""
    return {str(workflow._Definition.must_from_class(kind).name): kind for kind in WORKFLOWS}


def unrecorded() -> list[str]:
    """The workflows that a worker knows, and that are in no history."""
    return sorted(set(registered()) - {workflow_of(file) for file in HISTORIES.glob("*/*.json")})


def main(anew: bool, names: Collection[str] = ()) -> int:
    """Record every scenario that this version has not recorded yet, some at a time; give how many things are missing.

    Args:
        anew: Also those that it has.
        names: Only these, be they recorded or not.
    """
    if unknown := set(names) - {called(scenario) for scenario in SCENARIOS}:
        sys.stderr.write(f"no scenario is called {', '.join(sorted(unknown))}\n")
        return len(unknown)
    folder = HISTORIES / version("rapport")
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.glob("*.json"))
    wanted = [
        called(scenario)
        for scenario in SCENARIOS
        if (
            called(scenario) in names
            if names
            else anew or not all((folder / file).exists() for file in files_of(scenario))
        )
    ]
    missing, written = 0, set()
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as processes:
        for name, histories in zip(wanted, processes.map(live, wanted), strict=True):
            if isinstance(histories, str):
                sys.stdout.write(f"FAILED   {name}: {histories}\n")
                missing += 1
                continue
            for file, history in histories.items():
                if (folder / file).exists() and not (anew or names):
                    sys.stdout.write(f"kept     {file}\n")
                    continue
                (folder / file).write_text(json.dumps(anonymous(json.loads(history)), indent=1) + "\n")
                written.add(folder / file)
                sys.stdout.write(f"recorded {file}\n")
            sys.stdout.flush()
    if anew and not names and not missing:
        for old in before - written:
            old.unlink()
            sys.stdout.write(f"removed  {old.name}\n")
    for name in unrecorded():
        sys.stdout.write(f"MISSING  {name}: no scenario of tests/replay/record.py leaves a history of it; add one\n")
        missing += 1
    return missing


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(1 if main("--anew" in given, [one for one in given if one != "--anew"]) else 0)
