"""What a customer signs off: written by the TAM, read and answered through a link, followed up to the TAM alone."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from rapport.model.base import UserError
from rapport.model.ids import onboarding_id
from starters.services import Actor
from starters.use_cases import account, onboarding, task as tasks, timeline
from tests.conftest import CHAMPION, TAM, Installation, by, example, text_of, until
from tests.support.kickoff import status_of
from tests.support.sign_off import PLAN, in_phase, link, plan, written

THROUGH_LINK = Actor(email=CHAMPION, channel="link")
SUPERIOR = "dana.whitfield@versayce.example"


async def told(installation: Installation) -> list[str]:
    """What the timeline says of the plan."""
    lines = await timeline.timeline_of(installation.services, "versayce")
    return [line.what for line in lines if line.kind.startswith(("task.", "decision."))]


async def outcome(installation: Installation) -> str | None:
    """How the step ended, once the onboarding has."""
    await until(status_of(installation, onboarding_id("versayce")), "the end of the onboarding")
    status = await onboarding.status(installation.services, "versayce")
    return next(step.outcome for step in status.milestones if step.step == "training_plan")


async def test_the_tam_writes_and_the_champion_signs(skipping: Installation) -> None:
    """The TAM is asked first; the champion reads the whole plan in the mail; their word through the link ends it."""
    await skipping.sleep_to(0, 10)
    task = await plan(skipping)
    asked = (await skipping.mailed(1, TAM.email))[0]
    assert "write the training plan" in str(asked["Subject"])
    assert not skipping.mails(CHAMPION)
    task = await written(skipping, task)
    assert [holder.email for holder in task.holders] == [CHAMPION]
    mail = (await skipping.mailed(1, CHAMPION))[0]
    assert "For your sign-off by" in str(mail["Subject"])
    for line in "\n".join(PLAN.values()).splitlines():
        assert line in text_of(mail)
    shown = await tasks.by_link(skipping.services, await link(skipping))
    assert (shown.is_customers, shown.superseded, shown.decided) == (True, False, None)
    receipt = await tasks.decide(skipping.services, task.task, "sign_off", THROUGH_LINK, round_=shown.round)
    assert receipt.outcome == "sign_off"
    assert await outcome(skipping) == "sign_off"
    assert await told(skipping) == [
        "Training plan: the TAM is asked what is wanted",
        "Training plan was put to those who decide",
        "Training plan: Luca Bianchi, primary champion, chose “Sign it off” through their link",
        "Training plan closed: Sign it off",
    ]
    assert "Signed off" in skipping.mails(TAM.email)[-1].get_body(("html",)).get_content()  # type: ignore[union-attr]


async def test_changes_make_a_new_round_and_void_the_old_link(skipping: Installation) -> None:
    """Asking for changes needs a reason, brings the plan back to the TAM, and the old link says that it is replaced."""
    await skipping.sleep_to(0, 10)
    task = await written(skipping, await plan(skipping))
    old = await link(skipping)
    with pytest.raises(UserError, match="needs a reason"):
        await tasks.decide(skipping.services, task.task, "ask_for_changes", THROUGH_LINK)
    await tasks.decide(skipping.services, task.task, "ask_for_changes", THROUGH_LINK, "Not in the week of the release")
    back = await in_phase(skipping, "preparing")
    assert [holder.email for holder in back.holders] == [TAM.email]
    assert back.decisions[0].reason == "Not in the week of the release"
    mail = (await skipping.mailed(2, TAM.email))[1]
    assert "Changes requested" in str(mail["Subject"])
    assert "Luca Bianchi requested changes" in text_of(mail)
    assert "Not in the week of the release" in text_of(mail)
    with pytest.raises(UserError, match="still being written"):
        await tasks.decide(skipping.services, task.task, "sign_off", THROUGH_LINK)
    again = await written(skipping, back, sessions="- 15 December: all of it")
    assert (again.round, again.decisions) == (2, ())
    new = await link(skipping, 2)
    assert "New version" in str(skipping.mails(CHAMPION)[-1]["Subject"])
    assert (await tasks.by_link(skipping.services, old)).superseded
    with pytest.raises(UserError, match="latest mail"):
        await tasks.decide(skipping.services, task.task, "sign_off", THROUGH_LINK, round_=1)
    shown = await tasks.by_link(skipping.services, new)
    assert (shown.superseded, shown.task.said["sessions"]) == (False, "- 15 December: all of it")
    await tasks.decide(skipping.services, task.task, "sign_off", THROUGH_LINK, round_=shown.round)
    assert await outcome(skipping) == "sign_off"
    assert "Training plan goes back to the TAM, to be changed" in await told(skipping)


async def test_a_customers_silence_goes_to_the_tam_and_ends_unsigned(skipping: Installation) -> None:
    """Two reminders in the champion's hours, then the TAM is told, never anybody above the champion; then it ends."""
    await skipping.sleep_to(0, 10)
    task = await written(skipping, await plan(skipping))
    assert task.deadline is not None
    start = await skipping.now()
    await skipping.sleep_until(task.deadline + timedelta(minutes=1))
    assert await outcome(skipping) == "not_signed_off"
    entries = [one for one in await timeline.timeline_of(skipping.services, "versayce") if one.kind.startswith("task.")]
    climbed = {one.kind: 0 for one in entries}
    zurich = ZoneInfo("Europe/Zurich")
    days = [(one.at.astimezone(zurich).date() - start.astimezone(zurich).date()).days for one in entries[2:]]
    assert [one.kind for one in entries[2:]] == [
        "task.reminded",
        "task.reminded",
        "task.manager_told",
        "task.closed",
    ]
    assert days == [2, 4, 7, 14]
    assert "task.backup_added" not in climbed
    assert all(8 <= one.at.astimezone(zurich).hour < 18 for one in entries[2:])
    await skipping.mailed(3, CHAMPION)
    subjects = [str(mail["Subject"]) for mail in skipping.mails(TAM.email)]
    assert any("No sign-off yet" in subject for subject in subjects)
    assert not skipping.mails(SUPERIOR)


async def test_a_tam_who_writes_nothing_holds_nothing_up(skipping: Installation) -> None:
    """Unwritten, the plan goes up the TAM's own ladder and ends as not requested; the champion hears nothing."""
    await skipping.sleep_to(0, 10)
    task = await plan(skipping)
    assert task.deadline is not None
    await skipping.sleep_until(task.deadline + timedelta(minutes=1))
    assert await outcome(skipping) == "not_requested"
    assert not skipping.mails(CHAMPION)


async def test_the_seat_goes_to_whoever_follows_the_champion(skipping: Installation) -> None:
    """A champion who has left can sign no more; their successor is asked, with the whole plan."""
    await skipping.sleep_to(0, 10)
    task = await written(skipping, await plan(skipping))
    old = await link(skipping)
    file = example(playbook="signing")
    nina = "nina.frey@versayce.example"
    contacts = tuple(
        one.model_copy(update={"name": "Nina Frey", "email": nina}) if one.email == CHAMPION else one
        for one in file.contacts
    )
    await account.import_account(skipping.services, file.model_copy(update={"contacts": contacts}))
    await skipping.mailed(1, nina)
    with pytest.raises(UserError, match="not known"):
        await tasks.by_link(skipping.services, old)
    with pytest.raises(UserError):
        await tasks.decide(skipping.services, task.task, "sign_off", THROUGH_LINK)
    await tasks.decide(skipping.services, task.task, "sign_off", by(nina))
    assert await outcome(skipping) == "sign_off"
    assert "Training plan passed on to Nina Frey" in await told(skipping)


async def test_blanks_do_not_reach_a_customer(skipping: Installation) -> None:
    """What the system filled in names the people and their work; what it left blank has to be filled in first."""
    task = await plan(skipping)
    assert "checkout service, in Python and Go; with Jonas Lindqvist" in task.prefilled["sessions"]
    assert "Nagios and Prometheus" in task.prefilled["who_does_what"]
    assert "goals" not in task.prefilled
    with pytest.raises(UserError) as refused:
        await tasks.request(skipping.services, task.task, {**task.prefilled, "goals": "x"}, TAM)
    assert refused.value.field == "sessions"
    assert "[date]" in refused.value.problem
