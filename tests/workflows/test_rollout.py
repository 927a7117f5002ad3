"""The steps for users: mails that wait until enough is known, to-dos for each of them, and meetings that fit in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rapport.model.account import AccountFile, WrittenWork
from rapport.model.base import UserError
from rapport.model.ids import onboarding_id
from rapport.model.message import MessageState
from rapport.model.minutes import Minutes
from rapport.model.operation import Operate
from rapport.model.reading import check
from rapport.playbooks import load
from starters.use_cases import (
    account,
    meeting,
    message,
    onboarding,
    operation,
    succession,
    task as tasks,
    timeline,
)
from starters.use_cases.message import Edit, MessageShown
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.operation import OperationWritten
from starters.use_cases.succession import Successor
from starters.views.task import TaskLine
from tests.conftest import CHAMPION, SECOND_USER, TAM, USER, Installation, by, example, text_of, until
from tests.support import task as onsite
from tests.support.approval import seen
from tests.support.kickoff import in_phase, status_of, vote
from tests.support.playbooks import put
from tests.support.sign_off import written

KIM = "kim.sato@versayce.example"


def with_kim(playbook: str, *, review: str = "auto") -> AccountFile:
    """The example account with one more developer, of whose work nothing is known."""
    file = example(playbook=playbook)
    jonas = next(one for one in file.contacts if one.email == SECOND_USER)
    kim = jonas.model_copy(update={"name": "Kim Sato", "email": KIM, "languages": (), "projects": ()})
    changed = file.account.model_copy(update={"review": review})
    return file.model_copy(update={"contacts": (*file.contacts, kim), "account": changed})


async def start(installation: Installation, *steps: str, review: str = "auto") -> None:
    """Begin an onboarding of these steps alone, on a Monday at ten."""
    await installation.sleep_to(0, 10)
    name = put(installation.services.settings.data, "some", *steps)
    assert (await onboarding.start(installation.services, StartRequest(file=with_kim(name, review=review)))).created


async def waiting(installation: Installation, count: int) -> list[TaskLine]:
    """The TAM's inbox, once so much is in it."""

    async def full() -> list[TaskLine] | None:
        mine = (await tasks.inbox(installation.services, TAM)).mine
        return sorted(mine, key=lambda line: line.title) if len(mine) == count else None

    found: list[TaskLine] = await until(full, f"{count} tasks")
    return found


async def outcomes(installation: Installation) -> dict[str, str | None]:
    """How each step ended, once the onboarding has."""
    await until(status_of(installation, onboarding_id("versayce")), "the end of the onboarding")
    return {step.step: step.outcome for step in (await onboarding.status(installation.services, "versayce")).milestones}


async def record(installation: Installation, email: str, **known: tuple[str, ...]) -> None:
    """Record what is known of somebody's work."""
    await account.edit_contact(installation.services, "versayce", email, WrittenWork.model_validate(known), TAM)


async def test_documents_go_by_language_and_wait_where_it_is_unknown(skipping: Installation) -> None:
    """Whose languages are known gets theirs; for the other the TAM finds them out, and then the mail is written."""
    await start(skipping, "developer_docs")
    [todo] = await waiting(skipping, 1)
    assert (todo.title, todo.step) == ("Documents for developers (Kim Sato)", "developer_docs")
    asked = text_of((await skipping.mailed(1, TAM.email))[0])
    command = f"rapport account edit-contact versayce {KIM} --languages … --projects …"
    assert f"{command} --as {TAM.email}" in asked
    assert (await tasks.show(skipping.services, todo.task)).record == f"{command} --as EMAIL"
    first = (await skipping.mailed(1, SECOND_USER))[0]
    assert str(first["Subject"]) == "FooBar Enterprise docs for Python and Go"
    assert "https://opentelemetry.io/docs/languages/go/" in text_of(first)
    assert "checkout service" in text_of(first)
    status = await onboarding.status(skipping.services, "versayce")
    assert (status.waiting_on, status.milestones[0].waiting_for) == (
        ("tam",),
        "the TAM, to find out what the mails need",
    )
    with pytest.raises(UserError, match="nobody has recorded languages, projects of Kim Sato yet"):
        await tasks.decide(skipping.services, todo.task, "done", TAM)
    await record(skipping, KIM, languages=("Rust",))
    assert (await tasks.inbox(skipping.services, TAM)).mine
    assert not skipping.mails(KIM)
    await record(skipping, KIM, projects=("label printer",))
    mail = text_of((await skipping.mailed(1, KIM))[0])
    assert "OpenTelemetry for Rust" in mail
    assert "label printer" in mail
    assert await outcomes(skipping) == {"developer_docs": "2 of 2 sent"}
    assert (await tasks.inbox(skipping.services, TAM)).mine == ()
    told = [line.what for line in await timeline.timeline_of(skipping.services, "versayce")]
    assert "What is known of Kim Sato has changed: languages" in told


async def test_nobody_gets_a_mail_that_could_have_gone_to_anyone(skipping: Installation) -> None:
    """Where the TAM leaves the mail out, or finds nothing out in time, none goes, and the step says so."""
    await start(skipping, "developer_docs")
    [todo] = await waiting(skipping, 1)
    await tasks.decide(skipping.services, todo.task, "not_needed", TAM)
    assert await outcomes(skipping) == {"developer_docs": "1 of 1 sent, 1 not written"}
    assert not skipping.mails(KIM)


async def test_whoever_follows_a_developer_gets_what_was_to_go_to_them(skipping: Installation) -> None:
    """A to-do about somebody who left ends; their successor is found out about anew, and written to."""
    await start(skipping, "developer_docs")
    [todo] = await waiting(skipping, 1)
    lee = "lee.park@versayce.example"
    successor = Successor(persona="secondary_user", name="Lee Park", email=lee, former=KIM, reason="Kim changed teams")
    await succession.replace_contact(skipping.services, "versayce", successor, TAM)

    async def anew() -> TaskLine | None:
        mine = (await tasks.inbox(skipping.services, TAM)).mine
        return mine[0] if [line.title for line in mine] == ["Documents for developers (Lee Park)"] else None

    assert (await until(anew, "the to-do about Lee Park")).task != todo.task
    await record(skipping, lee, languages=("Rust",), projects=("label printer",))
    assert "OpenTelemetry for Rust" in text_of((await skipping.mailed(1, lee))[0])
    assert await outcomes(skipping) == {"developer_docs": "2 of 2 sent"}
    assert not skipping.mails(KIM)
    assert len(skipping.mails(SECOND_USER)) == 1


async def test_a_draft_to_a_developer_who_left_is_written_to_the_successor(skipping: Installation) -> None:
    """Where a mail waited for the TAM's word, the successor's waits instead; nobody gets two."""
    await start(skipping, "developer_docs", review="approve")

    async def drafts() -> list[MessageShown]:
        return await message.drafts(skipping.services, "versayce")

    [draft] = await until(drafts, "the draft")
    assert draft.to == SECOND_USER
    lee = "lee.park@versayce.example"
    successor = Successor(persona="secondary_user", name="Lee Park", email=lee, former=SECOND_USER, reason="He left")
    await succession.replace_contact(skipping.services, "versayce", successor, TAM)

    async def found_out() -> bool:
        titles = {line.title for line in (await tasks.inbox(skipping.services, TAM)).mine}
        return {f"Documents for developers ({name})" for name in ("Lee Park", "Kim Sato")} <= titles

    await until(found_out, "both to-dos")
    await record(skipping, lee, languages=("Go",), projects=("checkout service",))
    await record(skipping, KIM, languages=("Rust",), projects=("label printer",))

    async def both() -> list[MessageShown] | None:
        found = await drafts()
        return found if {one.to for one in found} == {lee, KIM} else None

    keys = tuple(one.key for one in await until(both, "both drafts"))
    await message.release(skipping.services, keys, TAM)
    assert await outcomes(skipping) == {"developer_docs": "2 of 2 sent"}
    assert not skipping.mails(SECOND_USER)
    assert (len(skipping.mails(lee)), len(skipping.mails(KIM))) == (1, 1)


async def test_each_developer_has_a_project_of_their_own(skipping: Installation) -> None:
    """One to-do a person, named after them; silence ends it, and the step counts what was done."""
    await start(skipping, "developer_project")
    jonas, kim = await waiting(skipping, 2)
    assert (jonas.title, kim.title) == ("A first project (Jonas Lindqvist)", "A first project (Kim Sato)")
    assert [option.id for option in kim.options] == ["done", "not_needed"]
    status = await onboarding.status(skipping.services, "versayce")
    assert status.milestones[0].waiting_on == ("tam",)
    await tasks.decide(skipping.services, jonas.task, "done", TAM)
    await waiting(skipping, 1)
    still = await onboarding.status(skipping.services, "versayce")
    assert still.milestones[0].waiting_for is not None
    assert kim.deadline is not None
    # A month after it was due nobody is reminded any more.
    await skipping.sleep_until(kim.deadline + timedelta(days=30))
    assert await outcomes(skipping) == {"developer_project": "1 of 2 done"}
    subjects = [str(mail["Subject"]) for mail in skipping.mails(TAM.email)]
    for name in ("Jonas Lindqvist", "Kim Sato"):
        assert any(one.startswith("Task due ") and f"A first project ({name}), Versayce" in one for one in subjects)


async def test_what_a_person_has_to_write_does_not_go_unwritten(skipping: Installation) -> None:
    """A draft of the kind that the TAM writes holds what is known, and goes only with a word of theirs."""
    await start(skipping, "deployment_resources", review="write")

    async def written() -> bool:
        return bool(await message.drafts(skipping.services, "versayce"))

    await until(written, "the draft")
    [draft] = await message.drafts(skipping.services, "versayce")
    assert "Jenkins, Kubernetes and on-prem satellites" in draft.text
    assert "The Prometheus receiver" in draft.text
    with pytest.raises(UserError, match="nothing of yours"):
        await message.release(skipping.services, (draft.key,), TAM)
    await message.edit(skipping.services, draft.key, Edit(paragraph="Start with the staging cluster."), TAM)
    await message.release(skipping.services, (draft.key,), TAM)
    assert "staging cluster" in text_of((await skipping.mailed(1, USER))[0])
    assert await outcomes(skipping) == {"deployment_resources": "1 of 1 sent"}


async def test_an_onsite_kickoff_takes_the_rollout_planning_in(skipping: Installation) -> None:
    """Held on site, the kickoff leaves no rollout planning to be arranged."""
    name = put(skipping.services.settings.data, "visit", "kickoff", "onsite_approval", "rollout_planning")
    file = onsite.large()
    assert file.contract is not None
    file = file.model_copy(update={"contract": file.contract.model_copy(update={"playbook": name})})
    await skipping.sleep_to(0, 10)
    await onboarding.start(skipping.services, StartRequest(file=file))
    await onsite.in_phase(skipping, "preparing")
    await onsite.request(skipping, TAM.email)
    await onsite.in_phase(skipping, "open")
    await onsite.decide(skipping, onsite.MANAGER, "approve")
    await held(skipping)
    ended = await outcomes(skipping)
    assert (ended["kickoff"], ended["rollout_planning"]) == ("held", "with_kickoff")


async def test_a_time_agreed_in_the_room_needs_no_vote(skipping: Installation) -> None:
    """What was agreed at the kickoff is booked at once: an invitation to everyone, and not one proposal."""
    name = put(skipping.services.settings.data, "room", "kickoff", "onsite_approval", "rollout_planning")
    await skipping.sleep_to(0, 10)
    await onboarding.start(skipping.services, StartRequest(file=example(playbook=name)))
    over = await held(skipping, "rollout_planning")

    async def booked() -> bool:
        try:
            shown = await meeting.show(skipping.services, "versayce", "rollout_planning")
        except UserError:
            return False
        return shown.phase == "booked"

    await until(booked, "the rollout planning")
    shown = await meeting.show(skipping.services, "versayce", "rollout_planning")
    assert shown.booked == over
    await skipping.mailed(3, CHAMPION)
    subjects = [str(mail["Subject"]) for mail in skipping.mails(CHAMPION)]
    assert subjects[-1].startswith("Booked: rollout planning, ")
    assert not any("Pick a time" in subject for subject in subjects)
    told = [line.what for line in await timeline.timeline_of(skipping.services, "versayce")]
    assert any(what.startswith("Rollout planning booked for") and "agreed in the room" in what for what in told)
    assert await message.listed(skipping.services, "versayce", MessageState.DRAFT) == []


async def held(installation: Installation, agreed: str | None = None) -> object:
    """Vote for a kickoff, hold it, and say so; give the time that was agreed for another meeting."""
    await in_phase(installation, "voting")
    await vote(installation, CHAMPION, "1")
    await vote(installation, USER, "1")
    booked = await in_phase(installation, "booked")
    assert booked.booked_until is not None
    await installation.sleep_until(booked.booked_until)
    if agreed is None:
        await meeting.report(installation.services, "versayce", "kickoff", "held", TAM)
        return None
    start = booked.booked_until.replace(minute=0) + timedelta(days=2)
    said = {
        "agreed": [{"step": agreed, "start": start.isoformat()}],
        "goals": {"short_term": ["Alerts before customers call"], "long_term": ["One view of all sites"]},
    }
    await meeting.report(installation.services, "versayce", "kickoff", "held", TAM, written=check(Minutes, said, ""))
    return start


async def test_the_whole_playbook_runs_to_its_end(skipping: Installation) -> None:
    """From the contract to the users' first projects: every step in its turn, and the onboarding ends."""
    await skipping.sleep_to(0, 10)
    await onboarding.start(skipping.services, StartRequest(file=example(playbook="enterprise")))
    await held(skipping, "rollout_planning")
    await hold_next(skipping, "rollout_planning")
    plan = await seen(skipping, "versayce/training_plan", lambda task: task.phase == "preparing")
    assert plan.prefilled["goals"].splitlines() == [
        "- Alerts before customers call",
        "- One view of all sites (in the long run)",
    ]
    await written(skipping, plan)
    await tasks.decide(skipping.services, plan.task, "sign_off", by(CHAMPION))
    await voted(skipping, "deployment_review", USER)
    await hold_next(skipping, "deployment_review")
    for _ in range(60):
        for line in (await tasks.inbox(skipping.services, TAM)).mine:
            await tasks.decide(skipping.services, line.task, "done", TAM)
        if await status_of(skipping, onboarding_id("versayce"))():
            break
        await skipping.sleep_until(await skipping.now() + timedelta(hours=12))
    found = await outcomes(skipping)
    assert set(found) == {step.name for step in load("enterprise").steps}
    assert all(outcome is not None and not outcome.startswith("failed") for outcome in found.values())
    assert (
        found.items()
        >= {
            "kickoff": "held",
            "onsite_approval": "not for this account",
            "rollout_planning": "held",
            "training_plan": "sign_off",
            "deployment_review": "held",
            "deployment_resources": "1 of 1 sent",
            "first_integration": "done",
            "developer_docs": "1 of 1 sent",
            "developer_project": "1 of 1 done",
            "chat_channel": "done",
            "weekly": "runs",
            "users_weekly": "runs",
            "qbr": "runs",
        }.items()
    )
    assert (await onboarding.status(skipping.services, "versayce")).stage == "done"


async def voted(installation: Installation, step: str, email: str) -> None:
    """Vote for the first time of a meeting that comes after some days."""
    for _ in range(20):
        try:
            shown = await meeting.show(installation.services, "versayce", step)
        except UserError:
            shown = None
        if shown is not None and shown.phase == "voting":
            break
        await installation.sleep_until(await installation.now() + timedelta(hours=12))
    assert (await meeting.vote(installation.services, "versayce", step, ("1",), by(email))).accepted


async def hold_next(installation: Installation, step: str) -> None:
    """Hold a meeting that is booked, and say so."""

    async def booked() -> meeting.MeetingShown | None:
        try:
            shown = await meeting.show(installation.services, "versayce", step)
        except UserError:
            return None
        return shown if shown.phase == "booked" else None

    shown = await until(booked, f"the booking of {step}")
    await installation.sleep_until(shown.booked_until)
    await meeting.report(installation.services, "versayce", step, "held", TAM)


async def test_skipping_a_step_withdraws_the_to_dos_of_all(skipping: Installation) -> None:
    """Whoever skips a step that has a to-do for each user leaves none of them in the inbox; a pause keeps them."""
    await start(skipping, "developer_project")
    before = await waiting(skipping, 2)
    await operate(skipping, Operate.PAUSE)
    await skipping.sleep_until(await skipping.now() + timedelta(days=30))
    assert [line.task for line in await waiting(skipping, 2)] == [line.task for line in before]
    await operate(skipping, Operate.RESUME)
    await operate(skipping, Operate.SKIP, "developer_project")
    for line in before:
        assert (await seen(skipping, line.task, lambda task: task.phase == "closed")).outcome == "skipped"
    assert (await tasks.inbox(skipping.services, TAM)).mine == ()
    await until(status_of(skipping, onboarding_id("versayce")), "the end of the onboarding")


async def test_silence_sends_nothing_that_has_to_be_written(skipping: Installation) -> None:
    """The to-do to read drafts cannot send one that nobody has written in; unread to the end, it is held back."""
    await start(skipping, "deployment_resources", review="write")

    async def insisted() -> TaskLine | None:
        await skipping.sleep_until(await skipping.now() + timedelta(hours=12))
        return next((line for line in (await tasks.inbox(skipping.services, TAM)).mine), None)

    todo: TaskLine = await until(insisted, "the to-do to read the draft")
    with pytest.raises(UserError, match="nothing of yours"):
        await tasks.decide(skipping.services, todo.task, "send", TAM)
    assert todo.deadline is not None
    await skipping.sleep_until(todo.deadline + timedelta(days=20))
    assert await outcomes(skipping) == {"deployment_resources": "0 of 1 sent"}
    assert not skipping.mails(USER)


async def operate(installation: Installation, kind: Operate, step: str | None = None) -> None:
    """Operate on the account as its TAM."""
    word = OperationWritten(reason="So agreed.", step=step)
    assert (await operation.operate(installation.services, "versayce", kind, word, TAM)).accepted
