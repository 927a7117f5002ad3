"""What a real server does to a cadence: an outage behind it, and words that arrive while a run gives way."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from rapport.model.account import AccountFile, Schedule
from rapport.model.cadence import (
    CadenceResult,
    CadenceStart,
    CadenceState,
    ReviewPlan,
    SkipOne,
    StandingParty,
    StandingTime,
)
from rapport.model.ids import cadence_id, meeting_id, new_id
from rapport.model.meeting import Book, MeetingPhase, Report
from rapport.model.playbook import Playbook
from rapport.model.reading import read_toml
from rapport.model.step import ReviewStep, SyncStep
from rapport.rules import cadence, recurrence
from rapport.storage import account as account_storage
from starters.services import present
from starters.use_cases import account as accounts, timeline
from tests.conftest import CHAMPION, TAM, Installation, account, text_of, until
from tests.support.cadence import HEAD, QBR, WEEKLY
from workflows.cadence import Cadence
from workflows.meeting import Meeting

pytestmark = pytest.mark.asyncio(loop_scope="session")

ZURICH = ZoneInfo("Europe/Zurich")
PEOPLE = Schedule(zone="Europe/Zurich")


def steps() -> tuple[SyncStep | ReviewStep, ...]:
    """A weekly and a review."""
    playbook = read_toml(Playbook, (HEAD + WEEKLY + QBR).encode(), "rhythm.toml")
    return tuple(step for step in playbook.steps if isinstance(step, SyncStep | ReviewStep))


def behind(now: datetime) -> CadenceState:
    """A cadence three of whose dates have passed without a brief, and whose next is four to six days ahead."""
    day = next(found for ahead in (4, 5, 6) if (found := now.date() + timedelta(days=ahead)).weekday() < 5)
    standing = StandingTime(weekday=day.weekday(), at=time(10), zone="Europe/Zurich", first=day - timedelta(weeks=10))
    state = cadence.laid_out(steps(), now - timedelta(weeks=10))
    sync = state.syncs["weekly"]
    planned = recurrence.occurrences(
        standing,
        weeks=1,
        minutes=15,
        after=now - timedelta(days=21, hours=12),
        number=7,
        tam=PEOPLE,
        champion=PEOPLE,
    )
    sync = sync.model_copy(
        update={
            "standing": standing,
            "party": StandingParty(tam="m_nobody", invitees=()),
            "first": recurrence.first(standing, 15, PEOPLE, PEOPLE),
            "occurrences": planned,
            "sequence": 0,
            "number": planned[-1].number,
            "announced": now + timedelta(weeks=50),
        }
    )
    return state.model_copy(update={"syncs": {"weekly": sync}})


def reviewed(state: CadenceState, now: datetime) -> CadenceState:
    """The same with a review whose times are to be offered now."""
    plan = ReviewPlan(
        number=1,
        period="2027-Q1",
        since=now.date() - timedelta(days=90),
        day=now.date() + timedelta(days=40),
        target=now + timedelta(days=40),
        offer_at=now - timedelta(minutes=1),
        prepare_by=now + timedelta(days=20),
        brief_at=now + timedelta(days=39),
    )
    review = state.reviews["qbr"].model_copy(update={"plan": plan})
    return state.model_copy(update={"reviews": {"qbr": review}})


async def start(installation: Installation, key: str, state: CadenceState) -> WorkflowHandle[Cadence, CadenceResult]:
    """Run the cadence of an account of its own, with everyone's ids in it."""
    file: AccountFile = account(key, f"{key.upper()}-1")
    await accounts.import_account(installation.services, file)
    async with installation.services.store.reading() as connection:
        tam = (await account_storage.account(connection, key)).tam
    sync = state.syncs["weekly"].model_copy(update={"party": StandingParty(tam=tam, invitees=())})
    state = state.model_copy(update={"syncs": {"weekly": sync}})
    await installation.client.start_workflow(
        Cadence.run,
        CadenceStart(account=key, contract=f"{key.upper()}-1", steps=steps(), state=state),
        id=cadence_id(key),
        task_queue=installation.services.settings.task_queue,
    )
    return installation.client.get_workflow_handle_for(Cadence.run, cadence_id(key))


async def test_what_an_outage_made_too_late_is_one_mail(here: Installation) -> None:
    """Three dates pass without a worker: the TAM gets one list of them, nobody a brief or digest that is too late."""
    now = datetime.now(UTC)
    state = behind(now)
    handle = await start(here, "outage", state.model_copy(update={"reviews": {}}))
    (mail,) = await here.mailed(1, TAM.email)
    assert str(mail["Subject"]) == "Versayce: emails for 3 meetings weren't sent"
    missed = [one for one in state.syncs["weekly"].occurrences if one.start <= now]
    assert len(missed) == 3
    for one in missed:
        local = one.start.astimezone(ZURICH)
        assert f"{local:%A} {local.day} {local:%B}, 10:00" in text_of(mail)

    async def told() -> bool:
        entries = [entry.kind for entry in await timeline.timeline_of(here.services, "outage")]
        return entries.count("cadence.missed") == 3

    await until(told, "three entries on the timeline")
    view = await handle.query(Cadence.view)
    assert view.rhythms[0].coming[0].start > now
    assert here.mails(CHAMPION) == []
    assert len(here.mails()) == 1
    await handle.signal(Cadence.close)
    await handle.result()


async def test_nothing_said_while_a_run_gives_way_is_lost(here: Installation) -> None:
    """Ten dates are called off and twenty signals sent while the run after a review begins: each counts, once."""
    now = datetime.now(UTC)
    handle = await start(here, "turning", reviewed(behind(now), now))
    meeting = here.client.get_workflow_handle(meeting_id("turning", "qbr", "2027-Q1"))

    async def offered() -> bool:
        try:
            return (await meeting.query(Meeting.view)).phase is MeetingPhase.VOTING
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False

    await until(offered, "the review's meeting")
    at = datetime.now(UTC) + timedelta(seconds=1)
    await meeting.execute_update(Meeting.book, Book(at=present(), id=new_id("s"), by="m_tam", start=at))

    async def held() -> bool:
        try:
            await meeting.execute_update(
                Meeting.take_report, Report(at=present(), id="s_held", by="m_tam", outcome="held"), id="s_held"
            )
        except WorkflowUpdateFailedError:
            return False
        return True

    ahead = [one for one in (await handle.query(Cadence.view)).rhythms[0].coming if one.start > now][1:11]
    before = (await handle.describe()).run_id
    skips = [SkipOne(at=present(), id=f"s_{one.number}", by="m_tam", step="weekly", day=one.day) for one in ahead]
    reporting = asyncio.create_task(until(held, "the word that it was held"))
    outcomes: list[str | None] = []
    turned = asyncio.Event()

    async def keep_saying(some: list[SkipOne]) -> None:
        """Say it again and again, before the run ends, while it ends, and after."""
        last = False
        while not last:
            last = turned.is_set()
            outcomes.extend([(await handle.execute_update(Cadence.skip, skip)).outcome for skip in some])

    async def fresh() -> bool:
        return (await handle.describe()).run_id != before

    saying = [asyncio.create_task(keep_saying(skips[start::3])) for start in range(3)]
    await reporting
    for _ in range(5):
        await handle.signal(Cadence.look_again)
    await until(fresh, "the next run")
    turned.set()
    await asyncio.gather(*saying)
    assert set(outcomes) == {"skipped"}
    assert len(outcomes) >= 20
    view = await handle.query(Cadence.view)
    assert {skip.day for skip in skips} <= {one.day for one in view.rhythms[0].coming if one.off == "skipped"}

    async def told() -> bool:
        entries = [entry.kind for entry in await timeline.timeline_of(here.services, "turning")]
        return entries.count("sync.skipped") == 10 and entries.count("review.ended") == 1

    await until(told, "ten dates called off, each once")
    await handle.signal(Cadence.close)
    await handle.result()
