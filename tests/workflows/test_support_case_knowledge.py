"""Support as the reference: what solved it before, what is likely the same, and what is done when nobody calls."""

from __future__ import annotations

from datetime import timedelta

from rapport.model.account import Schedule
from rapport.model.side_project import NewSideProject
from rapport.rules.side_project import Move
from rapport.storage import account, agenda, side_project
from starters.use_cases import support_case
from starters.use_cases.support_case import Merge, Say
from starters.views import support_case as support_case_views
from tests.conftest import Installation, by, until
from tests.support.desk import SAM, ask, in_state, open_desk, owner_of

DESK = Schedule(zone="Europe/Zurich")
QUESTION = "The collector times out when it uploads large batches to the gateway"
ANSWER = "Raise the upload limit of the gateway."


async def test_a_case_shows_what_solved_it_before(skipping: Installation) -> None:
    """What was answered in a solved case is shown with one that resembles it; once reopened, it is solved no more."""
    await open_desk(skipping)
    first = (await ask(skipping, QUESTION)).ref
    await owner_of(skipping, first)
    await support_case.resolve(skipping.services, first, Say(text=ANSWER), by(SAM))
    await in_state(skipping, first, "resolved")
    second = (await ask(skipping, "Uploading a large batch timed out at the gateway")).ref
    shown = await support_case_views.show(skipping.services, second)
    assert [(one.ref, one.answer) for one in shown.similar] == [(first, ANSWER)]
    assert (await support_case_views.show(skipping.services, first)).similar == ()
    await support_case.reopen(skipping.services, first, Say(text="It is back."), by(SAM))
    await in_state(skipping, first, "open")

    async def forgotten() -> bool:
        return (await support_case_views.show(skipping.services, second)).similar == ()

    await until(forgotten, "the reopened case to be solved no more")


async def test_likely_duplicates_are_offered_and_never_merged_unasked(skipping: Installation) -> None:
    """The same customer's same question is offered as a duplicate; it stays a case until somebody merges it."""
    await open_desk(skipping)
    first = await ask(skipping, QUESTION)
    second = await ask(skipping, f"Hello! {QUESTION}, again.")
    other = await ask(skipping, "Where do I change the colour of a chart?")
    assert (first.duplicates, second.duplicates, other.duplicates) == ((), (first.ref,), ())
    for ref in (first.ref, second.ref):
        await owner_of(skipping, ref)
        assert (await support_case_views.show(skipping.services, ref)).state == "open"
    await support_case.merge(skipping.services, second.ref, Merge(into=first.ref), by(SAM))
    await in_state(skipping, second.ref, "merged")
    assert (await support_case_views.show(skipping.services, first.ref)).duplicates == ()


async def test_the_peak_puts_side_work_back_and_the_end_of_it_hands_it_out(skipping: Installation) -> None:
    """Cases of severity 1 take side work from whoever has it; when they are solved, it goes out again by itself."""
    await open_desk(skipping)
    store = skipping.services.store
    now = await skipping.now()
    async with store.writing() as connection:
        id_ = await side_project.add(connection, NewSideProject(kind="testing", title="Soak"), "m", None, now)
        (move,) = await side_project.turn(connection, slack=3, peak=8, now=now)
        assert move == Move(id_, move.to, "slack")

    async def state() -> str:
        async with store.reading() as connection:
            return (await side_project.project(connection, id_, DESK, await skipping.now())).state

    refs = [(await ask(skipping, f"Everything is down, number {n}", severity=1)).ref for n in range(4)]

    async def is_back() -> bool:
        return await state() == "waiting"

    await until(is_back, "the side work to be put back")
    for ref in refs:
        await owner_of(skipping, ref)
    for ref in refs:
        await support_case.resolve(skipping.services, ref, Say(text="It is up."), by(SAM))
        await in_state(skipping, ref, "resolved")

    async def is_out() -> bool:
        return await state() == "taken"

    await until(is_out, "the side work to be handed out again")


async def test_a_quiet_morning_hands_side_work_out_and_the_mail_tells_of_it(skipping: Installation) -> None:
    """On a desk where nothing happens, the half-hourly round hands side work out; its title stands in the morning."""
    await open_desk(skipping)
    now = await skipping.now()
    async with skipping.services.store.writing() as connection:
        await side_project.add(connection, NewSideProject(kind="testing", title="Soak test"), "m", None, now)
    handle = await skipping.client.start_workflow(
        "Morning", {}, id="morning-by-hand", task_queue=skipping.services.settings.task_queue
    )
    await handle.result()
    async with skipping.services.store.reading() as connection:
        (one,) = await side_project.projects(connection, DESK, now + timedelta(minutes=1))
        (owner,) = await account.members(connection, [one.owner or ""])
        today = await agenda.day(connection, owner, now)
    assert today.side == ("Soak test",)
    assert not today.is_quiet
