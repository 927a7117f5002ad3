"""A year of what recurs, on the time-skipping server: holidays, four reviews, a fresh run after each."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest

from bench.actions import actions
from rapport.model.account import AccountFile
from rapport.model.base import Refused, UserError
from rapport.model.cadence import RhythmView
from rapport.model.ids import meeting_id, task_id
from rapport.model.minutes import Minutes, WrittenGoals
from rapport.model.reading import read_toml
from starters.use_cases import cadence, meeting as meetings, task, timeline
from starters.use_cases.meeting import MeetingShown
from tests.conftest import BUSINESS, CHAMPION, ROOT, TAM, Installation, by, signed_now, until
from tests.support.cadence import QBR, WEEKLY, begin, coming, events, view
from workflows.cadence import Cadence

ZURICH = ZoneInfo("Europe/Zurich")
MINUTES = Minutes(goals=WrittenGoals(short_term=("Fewer false alerts",)))


def with_holidays() -> AccountFile:
    """The example account, whose people have public holidays."""
    return signed_now(read_toml(AccountFile, (ROOT / "examples" / "versayce.toml").read_bytes(), "versayce.toml"))


async def in_phase(installation: Installation, phase: str) -> MeetingShown:
    """The review, once it is in this phase."""

    async def there() -> MeetingShown | None:
        try:
            shown = await meetings.show(installation.services, "versayce", "qbr")
        except UserError as refusal:
            if refusal.kind is not Refused.NOT_FOUND:
                raise
            return None
        return shown if shown.phase == phase else None

    shown: MeetingShown = await until(there, f"a review that is {phase}")
    return shown


async def planned(installation: Installation) -> RhythmView:
    """The next review, once it is planned."""

    async def there() -> RhythmView | None:
        qbr = next(one for one in (await view(installation)).rhythms if one.step == "qbr")
        return qbr if qbr.offer_at else None

    qbr: RhythmView = await until(there, "the plan of the next review")
    return qbr


async def told(installation: Installation, kind: str) -> list[timeline.EntryShown]:
    """The entries of one kind on the account's timeline."""
    return [entry for entry in await timeline.timeline_of(installation.services, "versayce") if entry.kind == kind]


def instants(listed: Any) -> list[datetime]:
    """The instants in one EXDATE, or in several."""
    return [one.dt for some in (listed if isinstance(listed, list) else [listed]) for one in some.dts]


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_a_year_of_weeklies_and_four_reviews(skipping: Installation) -> None:
    """Every weekly but those on holidays, a review a quarter; what is said while a run gives way to the next counts."""
    handle = await begin(skipping, WEEKLY + QBR, with_holidays())
    began = await skipping.now()
    runs = [(await handle.describe()).run_id]
    skipped: list[datetime] = []
    periods: list[str] = []
    for number in range(1, 5):
        qbr = await planned(skipping)
        assert qbr.target is not None
        assert qbr.offer_at is not None
        assert timedelta(days=33) < qbr.target - qbr.offer_at < timedelta(days=50)
        await skipping.sleep_until(qbr.offer_at + timedelta(hours=1))
        meeting = await in_phase(skipping, "voting")
        assert all(slot.start >= qbr.target for slot in meeting.slots)
        for person in (CHAMPION, BUSINESS):
            await meetings.vote(skipping.services, "versayce", "qbr", ("1",), by(person))
        await task.decide(skipping.services, f"task/versayce/qbr_preparation/{number}", "done", TAM)
        booked = await in_phase(skipping, "booked")
        assert booked.booked_until is not None
        await skipping.sleep_until(booked.booked_until)
        period = (await view(skipping)).rhythms[1].period
        assert period is not None
        periods.append(period)
        dates = (await coming(skipping))[1:3]
        # All at the very moment at which one run gives way to the next.
        receipts = await asyncio.gather(
            meetings.report(skipping.services, "versayce", "qbr", "held", TAM, written=MINUTES),
            handle.signal(Cadence.look_again),
            *(cadence.skip(skipping.services, "versayce", "weekly", at.astimezone(ZURICH).date(), TAM) for at in dates),
        )
        assert [receipt.outcome for receipt in receipts if receipt is not None] == ["held", "skipped", "skipped"]
        skipped += dates

        async def turned(before: str = runs[-1]) -> str | None:
            run = (await handle.describe()).run_id
            return run if run != before else None

        runs.append(await until(turned, "a fresh run"))
        assert not set(dates) & set(await coming(skipping))
    await skipping.sleep_until(began + timedelta(days=366))

    first = events(skipping.mails(CHAMPION)[0])[0]["DTSTART"].dt
    weeks = [first + timedelta(weeks=number) for number in range(53)]
    by_rule = [at for at in weeks if at < began + timedelta(days=367)]
    off = [at for at in by_rule if at.date() in holidays.country_holidays("CH", subdiv="ZH", years=[2026, 2027])]
    expected = [at for at in by_rule if at not in off and at.astimezone(UTC) not in skipped]
    assert off
    briefs = {
        str(mail["Subject"]): mail
        for mail in skipping.mails(TAM.email)
        if str(mail["Subject"]).startswith("Brief: Versayce weekly sync, ")
    }
    assert list(briefs) == [f"Brief: Versayce weekly sync, {at:%a} {at.day} {at:%b}, {at:%H:%M}" for at in expected]
    assert all(mail["Date"].datetime < at for mail, at in zip(briefs.values(), expected, strict=True))
    assert len([mail for mail in skipping.mails(CHAMPION) if " summary, " in str(mail["Subject"])]) == len(expected)
    assert set(off) <= set(instants(events(skipping.mails(CHAMPION)[0])[0]["EXDATE"]))
    reviews = [str(mail["Subject"]) for mail in skipping.mails(TAM.email)]
    reviews = [subject for subject in reviews if "Brief: Versayce quarterly" in subject]
    assert len(reviews) == 8, "of each review its facts, and the day before it another"
    assert len([subject for subject in reviews if ", from " in subject]) <= 4
    for address in (CHAMPION, BUSINESS):
        assert len([mail for mail in skipping.mails(address) if "summary and next steps" in str(mail["Subject"])]) == 4
    assert len(await told(skipping, "sync.skipped")) == 8
    assert await told(skipping, "cadence.missed") == []

    histories = [
        await skipping.client.get_workflow_handle(handle.id, run_id=run).fetch_history() for run in dict.fromkeys(runs)
    ]
    assert len(histories) == 5
    assert max(len(history.events) for history in histories) < 300
    # 44 weeks of two each; four reviews; eight dates called off, with their mails.
    assert sum(actions(history.events).total() for history in histories) <= 190
    spent = 0
    for number, period in enumerate(periods, 1):
        for id_ in (meeting_id("versayce", "qbr", period), task_id("versayce", "qbr_preparation", number)):
            history = await skipping.client.get_workflow_handle(id_).fetch_history()
            spent += actions(history.events).total()
    assert spent <= 120
