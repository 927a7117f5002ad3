"""Operations on a running onboarding, on the time-skipping server."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from rapport import clock
from rapport.model.account import Schedule
from rapport.model.base import Refused, UserError
from rapport.model.ids import onboarding_id
from rapport.model.meeting import Receipt
from rapport.model.message import MessageState
from rapport.model.operation import Operate
from rapport.playbooks import PLAYBOOKS
from rapport.playbooks.checks import examine
from rapport.rules.calendar import working_time
from starters.use_cases import message, onboarding, operation, task, timeline
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.operation import OperationWritten
from tests.conftest import CHAMPION, TAM, USER, Installation, example, text_of, until
from tests.support.kickoff import begin, drafted, in_phase, kickoff, reviewed, status_of, vote
from tests.support.task import MANAGER, TASK, begin_large, in_phase as task_in_phase, request
from tests.workflows.test_meeting import events

MESSAGES = """
name = "letters"
title = "Letters"
version = 1

[[steps]]
name = "first"
title = "First"
kind = "message"
stage = "welcome"
to = ["primary_champion"]
email = "hello"
review = "auto"

[[steps]]
name = "second"
title = "Second"
kind = "message"
stage = "kickoff"
after = ["first"]
offset = "4 business days"
to = ["primary_champion"]
email = "hello"
review = "auto"

[[steps]]
name = "third"
title = "Third"
kind = "message"
stage = "kickoff"
after = ["first"]
offset = "4 business days"
to = ["primary_champion"]
email = "hello"
review = "auto"
"""


async def do(
    installation: Installation,
    kind: Operate,
    *,
    step: str | None = None,
    playbook: str | None = None,
    reason: str = "So agreed.",
) -> Receipt:
    """Operate on the account as its TAM."""
    written = OperationWritten(reason=reason, step=step, playbook=playbook)
    return await operation.operate(installation.services, "versayce", kind, written, TAM)


async def days(installation: Installation, count: int) -> None:
    """Let days pass, one by one."""
    for _ in range(count):
        await installation.sleep_until(await installation.now() + timedelta(days=1))


def own(installation: Installation, text: str = MESSAGES) -> str:
    """Keep a playbook in the installation's folder; give its name."""
    playbook = examine(text.encode(), "own.toml").sound()
    folder = installation.services.settings.data / PLAYBOOKS
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{playbook.name}.toml").write_text(text)
    return playbook.name


async def begin_letters(installation: Installation, *, at: str | None = None) -> None:
    """Start the example by the playbook of three letters, on a Monday at ten."""
    name = own(installation)
    await installation.sleep_to(0, 10)
    await onboarding.start(installation.services, StartRequest(file=example(), playbook=name, at=at))


async def states(installation: Installation) -> dict[str, tuple[str, str | None]]:
    """Each step's state and outcome."""
    shown = await onboarding.status(installation.services, "versayce")
    return {step.step: (step.state, step.outcome) for step in shown.milestones}


async def test_a_pause_holds_reminders_and_takes_votes(skipping: Installation) -> None:
    """While paused nobody is reminded, votes count, nothing is booked; after it the vote has what time was left."""
    await begin(skipping)
    shown = await in_phase(skipping, "voting")
    await skipping.mailed(4)
    assert (await do(skipping, Operate.PAUSE)).outcome == "paused"
    assert (await do(skipping, Operate.PAUSE)).outcome == "nothing to do"
    assert (await onboarding.status(skipping.services, "versayce")).paused
    await days(skipping, 2)
    assert len(skipping.mails()) == 4
    await vote(skipping, CHAMPION, "6")
    await vote(skipping, USER, "6")
    await days(skipping, 1)
    assert (await kickoff(skipping)).phase == "voting"
    assert (await do(skipping, Operate.RESUME)).outcome == "resumed"
    booked = await in_phase(skipping, "booked")
    assert booked.booked == shown.slots[5].start
    told = [entry.what for entry in await timeline.timeline_of(skipping.services, "versayce")]
    assert "Robin Keller paused the onboarding" in told
    assert "Robin Keller resumed the onboarding" in told


def left(paused: datetime, resumed: datetime, before: datetime, after: datetime, who: Schedule) -> timedelta:
    """By how much somebody's working time until an instant differs from what it was at the pause."""
    return abs(working_time(paused, before, who) - working_time(resumed, after, who))


async def test_after_a_pause_the_vote_has_what_was_left(skipping: Installation) -> None:
    """The champion has, to the minute, as much of their working time to answer as when it was paused."""
    champion = next(contact for contact in example().contacts if "primary_champion" in contact.personas)
    await begin(skipping)
    before = await in_phase(skipping, "voting")
    await do(skipping, Operate.PAUSE)
    paused = await skipping.now()
    await days(skipping, 1)
    await do(skipping, Operate.RESUME)
    resumed = await skipping.now()

    async def moved() -> datetime | None:
        deadline = (await kickoff(skipping)).deadline
        return deadline if deadline != before.deadline else None

    after = await until(moved, "another deadline")
    assert before.deadline is not None
    assert left(paused, resumed, before.deadline, after, champion) <= timedelta(minutes=1)


async def test_a_pause_of_six_weeks_brings_new_times(skipping: Installation) -> None:
    """When every time on offer has passed in a pause, people are offered new ones."""
    await begin(skipping)
    before = await in_phase(skipping, "voting")
    await do(skipping, Operate.PAUSE)
    await days(skipping, 42)
    assert len(skipping.mails()) == 4
    await do(skipping, Operate.RESUME)

    async def renewed() -> bool:
        after = await kickoff(skipping)
        return after.round == 2 and after.phase == "voting" and after.slots[0].start > before.slots[-1].start

    await until(renewed, "new times")
    assert len(await skipping.mailed(8)) == 8


async def test_drafts_do_not_go_while_it_is_paused(skipping: Installation) -> None:
    """Releasing drafts of a paused onboarding is refused, with the command that comes first."""
    await begin(skipping, reviewed("approve"))
    await drafted(skipping)
    await do(skipping, Operate.PAUSE)
    drafts = tuple(draft.key for draft in await message.drafts(skipping.services, "versayce"))
    with pytest.raises(UserError, match="paused") as refusal:
        await message.release(skipping.services, drafts, TAM)
    assert refusal.value.kind is Refused.CONFLICT


async def test_a_paused_approval_climbs_no_ladder(skipping: Installation) -> None:
    """In two weeks of a pause nobody is reminded; then there is as much working time left as there was."""
    robin = next(member for member in example().members if member.email == TAM.email)
    await begin_large(skipping)
    before = await task_in_phase(skipping, "preparing")
    await skipping.mailed(1, TAM.email)
    await do(skipping, Operate.PAUSE)
    paused = await skipping.now()
    await days(skipping, 14)
    assert (await task_in_phase(skipping, "preparing")).outcome is None
    assert len(skipping.mails(TAM.email)) == 1
    await do(skipping, Operate.RESUME)
    resumed = await skipping.now()

    async def moved() -> datetime | None:
        deadline = (await task_in_phase(skipping, "preparing")).deadline
        return deadline if deadline != before.deadline else None

    after = await until(moved, "another deadline")
    assert before.deadline is not None
    assert left(paused, resumed, before.deadline, after, robin) <= timedelta(minutes=1)


GATED = """
name = "gated"
title = "Letters behind a question"
version = 1

[[steps]]
name = "gate"
title = "Gate"
kind = "task"
stage = "welcome"
task = "to_do"
question = "Is everything ready?"
assign = ["tam"]
options = [{ id = "done", title = "Done" }]
""" + "".join(
    f"""
[[steps]]
name = "{name}"
title = "{name}"
kind = "message"
stage = "kickoff"
after = ["gate"]
to = ["primary_champion"]
email = "hello"
review = "auto"
"""
    for name in ("first", "second", "third")
)


async def test_what_is_due_at_once_after_a_pause_is_previewed_and_staggered(skipping: Installation) -> None:
    """Three letters that became due in a pause go on three business days, each at the instant of the preview."""
    own(skipping, GATED)
    await skipping.sleep_to(0, 10)
    await onboarding.start(skipping.services, StartRequest(file=example(), playbook="gated"))
    await task_in_phase(skipping, "open", "task/versayce/gate/1")
    await do(skipping, Operate.PAUSE)
    await task.decide(skipping.services, "versayce/gate", "done", TAM)
    await task_in_phase(skipping, "closed", "task/versayce/gate/1")
    await days(skipping, 7)
    assert skipping.mails(CHAMPION) == []
    with clock.set_to(await skipping.now()):
        planned = await operation.preview(skipping.services, "versayce")
    assert [(step.step, step.to) for step in planned.steps] == [
        (name, ("primary_champion",)) for name in ("first", "second", "third")
    ]
    await do(skipping, Operate.RESUME)
    assert len(await skipping.mailed(1, CHAMPION)) == 1
    await days(skipping, 10)
    sent = [mail["Date"].datetime for mail in await skipping.mailed(3, CHAMPION)]
    for at, step in zip(sent, planned.steps, strict=True):
        assert abs(at - step.at) < timedelta(minutes=1)
    assert len({at.date() for at in sent}) == 3
    assert all(at.weekday() < 5 for at in sent)


async def test_a_skipped_step_takes_back_what_it_has_under_way(skipping: Installation) -> None:
    """Leaving out a booked kickoff calls it off in everyone's calendar; the onboarding goes on without it."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    await in_phase(skipping, "booked")
    await skipping.mailed(9)
    assert (await do(skipping, Operate.SKIP, step="kickoff")).outcome == "skipped"
    cancelled = [event for mail in (await skipping.mailed(14))[9:] for event in events(mail)]
    assert [str(event["STATUS"]) for event in cancelled] == ["CANCELLED"] * 5
    await until(status_of(skipping, onboarding_id("versayce")), "the end of the onboarding")
    assert (await states(skipping))["kickoff"] == ("skipped", "skipped")
    with pytest.raises(UserError, match="no onboarding"):
        await do(skipping, Operate.SKIP, step="kickoff")


async def test_a_step_done_elsewhere_ends_and_can_be_done_again(skipping: Installation) -> None:
    """Completing a waiting step ends it; redoing it does it as a second attempt, and nothing after it again."""
    await begin_letters(skipping)
    await skipping.mailed(1, CHAMPION)
    with pytest.raises(UserError, match="has not ended"):
        await do(skipping, Operate.REDO, step="second")
    assert (await do(skipping, Operate.COMPLETE, step="second")).outcome == "done"
    assert (await do(skipping, Operate.COMPLETE, step="second")).outcome == "nothing to do"
    with pytest.raises(UserError, match="has ended already"):
        await do(skipping, Operate.SKIP, step="second")
    assert (await states(skipping))["second"] == ("done", "elsewhere")
    assert (await do(skipping, Operate.REDO, step="first")).outcome == "attempt 2"
    assert len(await skipping.mailed(2, CHAMPION)) == 2
    with pytest.raises(UserError, match='"versayce" has no step "nowhere"'):
        await do(skipping, Operate.SKIP, step="nowhere")


async def test_what_was_settled_elsewhere_is_told_to_all_who_were_asked(skipping: Installation) -> None:
    """Whoever was asked reads who settled it and why, by mail and at the task; who settled it gets no mail."""
    await begin_large(skipping)
    await task_in_phase(skipping, "preparing")
    await request(skipping, TAM.email)
    await task_in_phase(skipping, "open")
    await skipping.mailed(1, MANAGER)
    before = len(skipping.mails(TAM.email))
    await do(skipping, Operate.COMPLETE, step="onsite_approval", reason="Ines said yes on the phone")
    assert (await task_in_phase(skipping, "closed", TASK)).outcome == "elsewhere"
    last = (await skipping.mailed(2, MANAGER))[-1]
    assert str(last["Subject"]) == "Done elsewhere: Onsite kickoff, Versayce"
    assert "recorded by Robin Keller" in text_of(last)
    assert "Ines said yes on the phone" in text_of(last)
    shown = await task.show(skipping.services, TASK)
    assert (shown.ended or "").startswith("closed: done another way, recorded by Robin Keller on ")
    assert [(one.who, one.reason) for one in shown.decisions] == [("Robin Keller", "Ines said yes on the phone")]
    assert len(skipping.mails(TAM.email)) == before


async def test_a_cancelled_onboarding_ends_and_leaves_nothing_open(skipping: Installation) -> None:
    """Cancelling ends tasks and meetings, calls off what is booked, and says so; another contract can start then."""
    await begin_large(skipping)
    await task_in_phase(skipping, "preparing")
    assert (await do(skipping, Operate.CANCEL, reason="They were bought.")).outcome == "cancelled"
    await until(status_of(skipping, onboarding_id("versayce")), "the end of the onboarding")
    shown = await onboarding.status(skipping.services, "versayce")
    assert {step.state for step in shown.milestones} == {"dropped"}
    assert shown.stage == "cancelled"
    assert (await task_in_phase(skipping, "closed", TASK)).outcome == "cancelled"
    drafts = await message.listed(skipping.services, "versayce", MessageState.DRAFT)
    assert drafts == []
    file = example()
    assert file.contract is not None
    again = file.model_copy(update={"contract": file.contract.model_copy(update={"id": "VERSAYCE-2027-01"})})
    assert (await onboarding.start(skipping.services, StartRequest(file=again))).created


async def test_an_account_adopts_a_newer_playbook(skipping: Installation) -> None:
    """Waiting steps follow the new playbook, what has ended stays, and what it no longer has is dropped."""
    await begin_letters(skipping)
    await skipping.mailed(1, CHAMPION)
    newer = MESSAGES.replace("version = 1", "version = 2").replace('name = "third"', 'name = "fourth"')
    own(skipping, newer.replace('title = "Second"', 'title = "Number two"'))
    assert (await do(skipping, Operate.ADOPT, playbook="letters")).outcome == "adopted"
    assert (await do(skipping, Operate.ADOPT, playbook="letters")).outcome == "nothing to do"
    now = await states(skipping)
    assert now["first"][0] == "done"
    assert now["third"] == ("dropped", "no longer in the playbook")
    assert now["fourth"][0] == "waiting"
    plan = await operation.plan_of(skipping.services, "versayce")
    assert (plan.version, plan.steps["second"].definition.title) == (2, "Number two")


async def test_a_customer_already_enters_in_the_middle(skipping: Installation) -> None:
    """Entering at a step gives nothing for the earlier ones; an unknown step is refused and starts nothing."""
    with pytest.raises(UserError, match="no step"):
        await begin_letters(skipping, at="nowhere")
    await begin_letters(skipping, at="third")
    assert await states(skipping) == {
        "first": ("skipped", "a customer already"),
        "second": ("skipped", "a customer already"),
        "third": ("waiting", None),
    }
    assert skipping.mails() == []
