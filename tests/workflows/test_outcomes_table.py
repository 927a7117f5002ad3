"""Every activity that every workflow asks for fails in every way, and what was promised happens all the same.

Each scenario is lived without a fault first. Then each activity that comes up in it fails, the first time that a
workflow asks for it: once, five times, until somebody sees it in Temporal's UI, it refuses, its answer comes too late,
or its work is done twice. A TAM looks into the inbox now and then and does what stands there. In the end every mail has
gone that goes without a fault, once, the timeline tells what it tells without one, every workflow has ended that ends
without one, and nothing is left.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Final

import pytest
from sqlalchemy import select, update

from rapport.model.ids import cadence_id, handover_id, onboarding_id, review_id, undelivered_id
from rapport.model.message import MessageState
from rapport.model.minutes import Minutes, WrittenGoals
from rapport.model.operation import Operate
from rapport.model.sweep import SweepStart
from rapport.model.workflows import SWEEP
from rapport.rules.pace import LONGEST_WAIT
from rapport.storage.tables import MessageRow
from starters.services import Actor
from starters.use_cases import (
    meeting,
    message,
    onboarding,
    succession,
    support_case,
    task as decisions,
    tech_review as tech_reviews,
    timeline,
)
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.succession import Departure, HandOver, Newcomer
from starters.use_cases.support_case import Say
from tests.conftest import BUSINESS, CHAMPION, TAM, USER, Installation, by, example, until
from tests.replay import record
from tests.support import cadence, desk, task as tasks, tech_review
from tests.support.approval import seen
from tests.support.asked import everything_asked
from tests.support.faults import Mode, Pair
from tests.support.kickoff import begin, drafted, in_phase, reviewed, status_of, vote
from tests.support.table import Lived, Scenario, live
from tests.workflows import test_gate, test_operation, test_succession, test_tech_review

# Scenarios


async def a_kickoff_is_voted_on_and_held(installation: Installation) -> None:
    """Everyone answers, the TAM is asked how it went, and says so."""
    await begin(installation)
    await in_phase(installation, "voting")
    await vote(installation, CHAMPION, "1", "2")
    await vote(installation, USER, "2")
    booked = await in_phase(installation, "booked")
    assert booked.booked_until is not None
    await installation.sleep_until(booked.booked_until + timedelta(hours=3))
    await installation.mailed(1, TAM.email)
    await meeting.report(installation.services, "versayce", "kickoff", "held", TAM)
    await until(status_of(installation, onboarding_id("versayce")), "the end")


async def what_was_left_behind_goes_on(installation: Installation) -> None:
    """One mail is left ready and one failed, with nobody at work on either: the sweep has both go on."""
    await begin(installation, reviewed("approve"))
    await drafted(installation)
    ready, failed, *_ = [one.key for one in await message.listed(installation.services, "versayce", MessageState.DRAFT)]
    async with installation.services.store.writing() as connection:
        for key, state in ((ready, MessageState.READY), (failed, MessageState.FAILED)):
            row = update(MessageRow).where(MessageRow.key == key)
            await connection.execute(row.values(state=state, created_at=datetime.fromisoformat("2026-01-01T00:00Z")))
    asked = SweepStart(patience=60)
    await installation.client.start_workflow(
        SWEEP.name, asked, id="sweep/1", task_queue=installation.services.settings.task_queue
    )
    await until(status_of(installation, "sweep/1"), "the sweep")
    for key in (ready, failed):
        await until(status_of(installation, undelivered_id(key)), "the mail")


async def what_cannot_be_written_is_asked_about(installation: Installation) -> None:
    """A step fails as its mail cannot be written, and a draft that was read cannot be sent: its TAM sees to both."""
    await record.messages_alone(installation)


async def a_draft_that_cannot_be_sent_is_asked_about(installation: Installation) -> None:
    """The same in a meeting."""
    await record.drafts_go_stale_and_are_sent(installation)


async def an_owner_sends_a_word(installation: Installation) -> None:
    """What a case's owner was to tell the customer is drafted, and they send it."""
    key, owner = await drafted_word(installation)
    await message.release(installation.services, (key,), owner)
    await desk.mail_about(installation, CHAMPION, "[C-00001] Status update")


async def a_word_on_a_case_that_cannot_be_sent_is_asked_about(installation: Installation) -> None:
    """It cannot be sent: its owner sees to it."""
    await an_owner_sends_a_word(installation)


async def a_reader_leaves_while_their_note_waits(installation: Installation) -> None:
    """A pause, a draft to somebody who leaves, nobody who follows for a while, and a draft that is held back."""
    test_operation.own(installation, record.NOTES)
    await installation.sleep_to(0, 10)
    file = example()
    file = file.model_copy(update={"account": file.account.model_copy(update={"review": None})})
    await onboarding.start(installation.services, StartRequest(file=file, playbook="notes"))
    await installation.mailed(1, CHAMPION)

    async def counts_down() -> bool:
        second = (await onboarding.status(installation.services, "versayce")).milestones[1]
        return second.at is not None

    # Before that, there is nothing that a pause could leave of the wait.
    await until(counts_down, "the day of the second note")
    await test_operation.do(installation, Operate.PAUSE)
    await installation.sleep_until(await installation.now() + timedelta(days=3))
    await test_operation.do(installation, Operate.RESUME)
    await installation.sleep_until(await installation.now() + timedelta(days=7))
    await until(lambda: drafts_in(installation), "the draft")
    await succession.remove_contact(installation.services, "versayce", USER, Departure(reason="Left"), TAM)
    await seen(installation, "versayce/people.successor", lambda task: task.phase == "open")
    await decisions.decide(installation.services, "versayce/people.successor", "later", TAM, "They look for somebody")
    await seen(installation, "versayce/people.successor", lambda task: task.phase == "closed")
    newcomer = {"persona": "primary_user", "name": "Nora Vidal", "email": test_succession.NORA, "zone": "Europe/Zurich"}
    follows = Newcomer.model_validate({**newcomer, "reason": "She follows"})
    await succession.add_contact(installation.services, "versayce", follows, TAM)
    await message.release(
        installation.services, await until(lambda: drafts_in(installation), "a draft to her"), TAM, hold=True
    )
    await until(status_of(installation, onboarding_id("versayce")), "the end")


async def a_reader_of_a_draft_is_replaced(installation: Installation) -> None:
    """Times for the kickoff wait to be read, and the champion leaves: their successor gets a draft of their own."""
    await begin(installation, reviewed("approve"))
    await drafted(installation)
    await test_succession.replace(installation)

    async def follows() -> bool:
        return test_succession.NORA in {draft.to for draft in await message.drafts(installation.services, "versayce")}

    await until(follows, "a draft to the successor")


async def drafted_word(installation: Installation) -> tuple[str, Actor]:
    """What a case's owner is to tell the customer, once it waits to be read: its key, and the owner."""
    await desk.open_desk(installation)
    ref = (await desk.ask(installation, severity=2)).ref
    owner = await desk.owner_of(installation, ref)
    case = await desk.in_state(installation, ref, "open")
    assert case.due is not None
    await desk.sleep_past(installation, case.due - timedelta(minutes=10))
    (key,) = await until(lambda: drafts_in(installation), "the draft")
    return key, by(owner)


async def drafts_in(installation: Installation) -> tuple[str, ...]:
    """The keys of the mails that wait to be read."""
    return tuple(draft.key for draft in await message.drafts(installation.services, "versayce"))


async def an_owner_holds_a_word_back(installation: Installation) -> None:
    """What a case's owner was to tell the customer is drafted, and they hold it back."""
    key, owner = await drafted_word(installation)
    await message.release(installation.services, (key,), owner, hold=True)

    async def held() -> bool:
        return bool(await message.listed(installation.services, "versayce", MessageState.HELD))

    await until(held, "it to be held")


async def a_welcome_waits_for_the_morning(installation: Installation) -> None:
    """Asked for at night, it reaches each reader in their own working time."""
    await installation.sleep_to(2, 22)
    await onboarding.start(installation.services, StartRequest(file=example()))
    await in_phase(installation, "voting")
    await installation.sleep_until(await installation.now() + timedelta(hours=14))


async def letters_fall_due_in_a_pause(installation: Installation) -> None:
    """A gate is passed during a pause; what comes after it is staggered."""
    test_operation.own(installation, test_operation.GATED)
    await installation.sleep_to(0, 10)
    await onboarding.start(installation.services, StartRequest(file=example(), playbook="gated"))
    await seen(installation, "versayce/gate", lambda task: task.phase == "open")
    await test_operation.do(installation, Operate.PAUSE)
    await decisions.decide(installation.services, "versayce/gate", "done", TAM)
    await tasks.in_phase(installation, "closed", "task/versayce/gate/1")
    await installation.sleep_until(await installation.now() + timedelta(days=7))
    await test_operation.do(installation, Operate.RESUME)
    await installation.mailed(1, CHAMPION)
    await installation.sleep_until(await installation.now() + timedelta(days=10))
    await installation.mailed(3, CHAMPION)
    await until(status_of(installation, onboarding_id("versayce")), "the end")


async def is_told(installation: Installation, kind: str) -> bool:
    """Whether the timeline tells something of this kind."""
    return kind in {one.kind for one in await timeline.timeline_of(installation.services, "versayce")}


async def an_account_goes_back(installation: Installation) -> None:
    """Another TAM takes the account over for two days; then it is the first one's again."""
    await begin(installation, test_succession.with_noor())
    await in_phase(installation, "voting")
    # Whom to tell of people who change is read from what is on record; the kickoff is on it once it has begun.
    await until(lambda: is_told(installation, "step.began"), "the kickoff on record")
    ends = (await installation.now() + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
    order = HandOver(to=test_succession.NOOR, until=ends.isoformat(), reason="Robin is away")
    await succession.hand_over(installation.services, "versayce", order, TAM)
    # A meeting that looks only once the account is back finds everybody as before, and rightly tells nothing.
    await until(lambda: is_told(installation, "meeting.joined"), "the meeting with its new TAM")
    await installation.sleep_until(ends + timedelta(minutes=1))
    await until(status_of(installation, handover_id("versayce", ends)), "the account to be back")


async def an_approval_stands_still(installation: Installation) -> None:
    """Two weeks of a pause while the TAM prepares a request; then the manager approves it."""
    await tasks.begin_large(installation)
    await tasks.in_phase(installation, "preparing")
    await test_operation.do(installation, Operate.PAUSE)
    await installation.sleep_until(await installation.now() + timedelta(days=14))
    await test_operation.do(installation, Operate.RESUME)
    # What the pause held is asked about less and less often, once an hour at last; here no sweep is quicker.
    await installation.sleep_until(await installation.now() + LONGEST_WAIT)
    await tasks.in_phase(installation, "preparing")
    await tasks.request(installation, TAM.email)
    await tasks.in_phase(installation, "open")
    await tasks.decide(installation, tasks.MANAGER, "approve")
    await in_phase(installation, "voting")


async def a_review_is_held(installation: Installation) -> None:
    """The TAM is asked how it went, and says so."""
    await installation.sleep_until(await installation.now() + timedelta(hours=3))
    await desk.mail_about(installation, TAM.email, "business review take place")
    written = Minutes(goals=WrittenGoals(short_term=("Fewer false alerts",)))
    await meeting.report(installation.services, "versayce", "qbr", "held", TAM, written=written)


async def what_was_agreed_in_a_review_cannot_be_sent(installation: Installation) -> None:
    """A review is held, and the mails with what was agreed in it fail: the TAM sees to them."""
    await cadence.begin(installation, cadence.QBR)
    await record.a_review_is_booked(installation)
    await a_review_is_held(installation)
    for reader in (CHAMPION, BUSINESS):
        await desk.mail_about(installation, reader, "Quarterly business review: summary and next steps")


async def what_recurs_goes_on_after_its_first_review(installation: Installation) -> None:
    """Weeklies are held, moved and called off, a review is booked and held, and the weeklies go on."""
    await record.what_recurs_until_its_first_review(installation)
    handle = installation.client.get_workflow_handle(cadence_id("versayce"))
    before = (await handle.describe()).run_id
    await a_review_is_held(installation)

    async def turned() -> bool:
        return (await handle.describe()).run_id != before

    await until(turned, "the run after the review")
    await installation.sleep_until(await installation.now() + timedelta(days=15))


async def the_worst_is_paged_and_answered(installation: Installation) -> None:
    """A case of severity 1 goes at night to whoever is on call, and to engineering, and is answered."""
    await desk.open_desk(installation, hour=22)
    ref = (await desk.ask(installation, "All is down", severity=1)).ref
    owner = await desk.owner_of(installation, ref)
    await support_case.escalate(installation.services, ref, desk.DOSSIER, by(owner))
    await desk.mail_about(installation, desk.DEV, f"{ref} for platform")
    await support_case.answer(installation.services, ref, Say(text="Restart it."), by(owner))
    await desk.mail_about(installation, CHAMPION, f"[{ref}]")


async def a_review_comes_back_on_its_day(installation: Installation) -> None:
    """A yes with a revisit date; should what it promises be refused, its message is written again."""
    day = (await installation.now()).date() + timedelta(days=60)
    words = tech_review.MESSAGE | {"revisit": day.isoformat()}
    rewriting = asyncio.create_task(tech_review.write(installation, "TR-0001", words, attempt=2))
    try:
        await test_tech_review.test_it_comes_back_by_itself_on_its_day(installation)
    finally:
        rewriting.cancel()


async def a_review_is_talked_about_live(installation: Installation) -> None:
    """A live meeting whose time is set by hand, and a review that is withdrawn once everybody knows of it."""
    await test_tech_review.test_where_no_time_is_left_the_host_finds_one(installation)

    async def is_told() -> bool:
        """Whether all mails of it went, or will not: the date's came after one of the same day."""
        ends = {"review_due": 4, "review_submitted": 7, "review_announcement": 3, "review_meeting": 1}
        async with installation.services.store.reading() as connection:
            ended = MessageRow.state.in_((MessageState.SENT, MessageState.SUPPRESSED))
            seen = Counter((await connection.execute(select(MessageRow.email).where(ended))).scalars())
        return seen >= Counter(ends | {"meeting_invitation": 2})

    await until(is_told, "everybody to be told of the review, of its date and of the meeting")
    reason = tech_reviews.Reason(reason="They agreed without it.")
    await tech_reviews.withdraw(installation.services, "TR-0001", reason, by(tech_review.CE))
    await until(status_of(installation, review_id("TR-0001")), "the end of the review")


# The table

SCENARIOS: Final[dict[Scenario, dict[str, tuple[str, ...]]]] = {
    record.messages_alone: {
        "Onboarding": (
            "messages.deliver",
            "messages.draft",
            "messages.send",
            "planning.dues",
            "records.project",
        ),
    },
    a_kickoff_is_voted_on_and_held: {
        "Meeting": (
            "messages.send",
            "planning.confirm",
            "planning.follow_up",
            "planning.propose",
            "records.tell_step",
        ),
    },
    record.drafts_go_stale_and_are_sent: {
        "HumanTask": (
            "messages.send",
            "tasks.project",
            "tasks.reseat",
            "tasks.seat",
        ),
        "Meeting": (
            "messages.deliver",
            "messages.draft",
            "messages.set_aside",
            "planning.reopen",
        ),
    },
    what_cannot_be_written_is_asked_about: {
        "Onboarding": (
            "messages.drop_left_behind",
            "messages.left_invitation",
            "undelivered.settle",
        ),
        "Undelivered": (
            "messages.deliver",
            "planning.follow_up",
            "undelivered.look",
            "undelivered.settle",
        ),
    },
    a_draft_that_cannot_be_sent_is_asked_about: {
        "HumanTask": ("planning.follow_up",),
        "Meeting": ("undelivered.settle",),
    },
    an_owner_sends_a_word: {
        "SupportCase": ("messages.deliver",),
    },
    a_word_on_a_case_that_cannot_be_sent_is_asked_about: {
        "SupportCase": (
            "messages.draft",
            "messages.send",
            "planning.follow_up",
            "support.outlook",
            "support.project",
            "undelivered.settle",
        ),
        "SupportDesk": ("support.assign",),
    },
    record.nobody_answers_and_the_tam_books: {
        "Meeting": ("planning.take",),
    },
    record.what_a_mail_needs_is_found_out: {
        "Onboarding": ("tasks.known",),
    },
    letters_fall_due_in_a_pause: {
        "Onboarding": ("planning.stagger",),
    },
    test_operation.test_a_pause_of_six_weeks_brings_new_times: {
        "Meeting": ("planning.resumed",),
    },
    test_gate.test_somebody_is_asked_again_and_again_and_nobodys_silence_opens_it: {
        "Onboarding": ("gates.look",),
    },
    test_succession.test_what_is_held_can_be_cancelled: {
        "Meeting": ("planning.gather",),
        "Onboarding": ("planning.vacancies",),
    },
    a_reader_leaves_while_their_note_waits: {
        "Onboarding": (
            "messages.drop_departed",
            "messages.set_aside",
            "planning.follow_up",
            "planning.resumed",
        ),
    },
    a_reader_of_a_draft_is_replaced: {
        "Meeting": ("messages.drop_departed",),
    },
    an_owner_holds_a_word_back: {
        "SupportCase": ("messages.set_aside",),
    },
    a_welcome_waits_for_the_morning: {
        "Meeting": ("messages.deliver",),
    },
    an_approval_stands_still: {
        "HumanTask": ("tasks.resume",),
    },
    an_account_goes_back: {
        "Handover": ("messages.send", "planning.follow_up", "records.hand_back"),
        "Notice": ("planning.follow_up",),
    },
    what_recurs_goes_on_after_its_first_review: {
        "Cadence": (
            "messages.deliver",
            "messages.draft",
            "messages.send",
            "messages.send_bundle",
            "planning.follow_up",
            "records.tell_cadence",
            "rhythms.plan",
            "rhythms.review",
            "rhythms.seek",
        ),
    },
    what_was_agreed_in_a_review_cannot_be_sent: {
        "Cadence": ("undelivered.settle",),
    },
    a_review_is_talked_about_live: {
        "Announcing": ("announcements.announce",),
        "TechReview": (
            "gates.waiting",
            "messages.send",
            "planning.follow_up",
            "reviews.deadline",
            "reviews.lay_out",
            "reviews.project",
        ),
    },
    a_review_comes_back_on_its_day: {
        "TechReview": (
            "reviews.again",
            "reviews.settle",
        ),
    },
    the_worst_is_paged_and_answered: {
        "SupportCase": ("support.page", "support.team"),
    },
    record.a_round_of_mornings: {
        "Morning": ("reports.mornings",),
        "Notice": ("messages.send",),
    },
    record.the_relay_is_asked_until_it_takes_email: {
        "RelayAlarm": ("relay.probe", "relay.tell"),
    },
    record.a_gap_is_logged_without_a_crm: {
        "GapDelivery": ("gaps.deliver",),
    },
    what_was_left_behind_goes_on: {
        "Sweep": ("sweep.look", "sweep.gone"),
    },
    record.what_was_ended_outside_is_left_so: {
        "EndedOutside": ("planning.follow_up", "sweep.settle"),
    },
}
"""Each scenario, and what it is there for: the activities that each workflow asks for in it."""

REFUSED: Final[dict[Scenario, tuple[Pair, ...]]] = {
    what_cannot_be_written_is_asked_about: (("Onboarding", "messages.send"), ("Onboarding", "messages.deliver")),
    a_draft_that_cannot_be_sent_is_asked_about: (("Meeting", "messages.deliver"), ("HumanTask", "messages.send")),
    a_word_on_a_case_that_cannot_be_sent_is_asked_about: (
        ("SupportCase", "messages.deliver"),
        ("SupportCase", "messages.send"),
    ),
    an_account_goes_back: (("Handover", "messages.send"), ("Notice", "messages.send")),
    what_recurs_goes_on_after_its_first_review: (("Cadence", "messages.send_bundle"),),
    what_was_agreed_in_a_review_cannot_be_sent: (("Cadence", "messages.deliver"),),
    a_review_is_talked_about_live: (("TechReview", "messages.send"),),
}
"""What refuses in a scenario, also without a fault: that is what it is about."""

ON_CALL: Final[dict[Scenario, str]] = {the_worst_is_paged_and_answered: desk.SAM}
"""Who is on call."""

QUIET: Final[tuple[Scenario, ...]] = (a_welcome_waits_for_the_morning,)
"""Those in which mails wait for their readers' working time."""

MIRRORED: Final[tuple[Scenario, ...]] = (a_review_is_talked_about_live,)
"""Those in which reviews have a channel."""

WAIT_FOR_OTHERS: Final = (
    *("Cadence", "EndedOutside", "Handover", "HumanTask", "Meeting", "Notice", "Onboarding", "SupportCase"),
    *("TechReview", "Undelivered"),
)
"""What waits for workflows that it has started, and takes those up that it had before it was reset."""

SPOKEN_TO: Final = ("Cadence", "HumanTask", "Meeting", "Onboarding", "SupportCase", "TechReview")
"""The workflows that people speak to."""

NOWHERE: Final[dict[Pair, str]] = {
    **{
        (workflow, activity): "only where it was reset in Temporal: tests/stack/test_reset.py"
        for workflow in WAIT_FOR_OTHERS
        for activity in ("children.find", "children.result")
    },
    **dict.fromkeys(
        [
            ("Meeting", "messages.offered"),
            *((workflow, "words.recall") for workflow in SPOKEN_TO),
        ],
        "only where it was reset in Temporal: tests/stack/test_recalled.py",
    ),
    **dict.fromkeys(
        [("Onboarding", "sweep.settle"), ("Cadence", "sweep.settle"), ("Cadence", "messages.left_invitation")],
        "only where a meeting was ended in Temporal: tests/stack/test_left_invitation.py",
    ),
    **dict.fromkeys(
        [("Onboarding", "meetings.beside"), ("Cadence", "meetings.beside")],
        "only where an account is paused or ends: tests/workflows/test_meeting_proposals.py",
    ),
    ("HumanTask", "messages.deliver"): "what a task asks goes at once, at any hour: docs/adr/0014-attention.md",
    ("HumanTask", "messages.draft"): "nobody reads the mails of a task before they go",
    ("HumanTask", "messages.set_aside"): "nor holds one back",
    ("HumanTask", "undelivered.settle"): "as in Onboarding: it is one function of AccountWorkflow's",
    ("TechReview", "messages.deliver"): "as in HumanTask: it is one function of AccountWorkflow's",
    ("TechReview", "messages.draft"): "nobody reads the mails of a review before they go; the message is a task's",
    ("TechReview", "messages.set_aside"): "nor holds one back",
    ("TechReview", "undelivered.settle"): "as in Onboarding: it is one function of AccountWorkflow's",
    ("Cadence", "messages.set_aside"): "as in Onboarding: it is one function of AccountWorkflow's",
}
"""What no scenario passes, and why."""

SHORT: Final = (record.messages_alone,)
"""Those that are lived with every change of anything; the others are for the long run."""


def passed(scenario: Scenario) -> set[Pair]:
    """The pairs of a workflow and an activity that a scenario is there for."""
    return {(workflow, activity) for workflow, some in SCENARIOS[scenario].items() for activity in some}


def test_the_table_names_every_activity_of_every_workflow() -> None:
    """Whatever a workflow can ask for is passed by a scenario, or there is a reason; nothing else is in the table."""
    there = {(workflow, activity) for workflow, some in everything_asked().items() for activity in some}
    table = set().union(*(passed(scenario) for scenario in SCENARIOS))
    assert sorted(there - table - set(NOWHERE)) == []
    assert sorted((table | set(NOWHERE)) - there) == []
    assert not table & set(NOWHERE)


async def live_as_it_is(scenario: Scenario, mode: Mode | None, before: Lived | None) -> Lived:
    """Live a scenario of the table."""
    settings = {"quiet_hours": "keep"} if scenario in QUIET else {}
    settings |= {"review_channel_mail": "tech-reviews@foobar.example"} if scenario in MIRRORED else {}
    return await live(
        scenario, mode, before, refused=REFUSED.get(scenario, ()), on_call=ON_CALL.get(scenario), **settings
    )


LIVED: Final[dict[Scenario, Lived]] = {}


async def promised(scenario: Scenario) -> Lived:
    """What a scenario comes to without a fault."""
    if scenario not in LIVED:
        LIVED[scenario] = await live_as_it_is(scenario, None, None)
    return LIVED[scenario]


@pytest.mark.parametrize("mode", list(Mode), ids=lambda mode: mode.name.lower())
@pytest.mark.parametrize(
    "scenario",
    [scenario if scenario in SHORT else pytest.param(scenario, marks=pytest.mark.long) for scenario in SCENARIOS],
    ids=record.called,
)
async def test_what_was_promised_happens(scenario: Scenario, mode: Mode) -> None:
    """Whatever way the activities of a scenario fail in, it comes to what it comes to without."""
    lived = await live_as_it_is(scenario, mode, await promised(scenario))
    assert sorted(passed(scenario) - lived.faults.met) == []
