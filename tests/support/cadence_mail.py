"""What mails about something that recurs can be told: all there is, and the least."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from rapport.mail import emails
from rapport.mail.cadence import OnRecord
from rapport.mail.context import AccountContext
from rapport.model.account_data import (
    Blocker,
    Evidence,
    Incident,
    MetricSeries,
    Project,
    Question,
    RoadmapItem,
    Sample,
    Win,
)
from rapport.model.cadence import Missed, Occurrence, ReviewPlan, StandingTime
from rapport.model.message import RhythmFacts
from rapport.model.minutes import ActionRecord, MinutesRecord

MAILS = frozenset(
    name for name in emails.names() if name.startswith(("standing_", "occurrence_", "weekly_", "review_", "cadence_"))
)
DAY = date(2026, 12, 1)
SINCE, UNTIL = date(2026, 11, 23), date(2026, 11, 29)


def occurrence(number: int = 1, *, moved: bool = False) -> Occurrence:
    """A Tuesday at ten in Zurich."""
    original = datetime(2026, 12, 1, 9, tzinfo=UTC) + timedelta(weeks=number - 1)
    start = original + timedelta(hours=5) if moved else original
    return Occurrence(
        number=number,
        day=DAY + timedelta(weeks=number - 1),
        original=original,
        start=start,
        end=start + timedelta(minutes=15),
        tick=original - timedelta(days=1),
        until=UNTIL,
    )


def rhythm(company: AccountContext, kind: str = "begun", *, sparse: bool = False) -> RhythmFacts:
    """What a mail may say of the weekly sync, or of the review that it stands beside."""
    first = occurrence()
    return RhythmFacts(
        uid="V.weekly.series",
        title="Weekly sync",
        step="weekly",
        minutes=15,
        agenda=(("What holds you up", 4),),
        every="1 week" if sparse else "2 weeks",
        weeks=1 if sparse else 2,
        kind=kind,
        standing=StandingTime(weekday=1, at=time(10), zone="Europe/Zurich", first=DAY),
        first=first,
        excluded=() if sparse else (occurrence(5).original, occurrence(9).original),
        moved=() if sparse else (occurrence(3, moved=True),),
        dates_until=first.start + timedelta(weeks=53),
        occurrence=occurrence(1, moved=not sparse),
        required=tuple(company.contacts)[1:2],
        people=(*tuple(company.contacts)[1:], company.account.tam),
        since=SINCE,
        until=UNTIL,
        review=ReviewPlan(
            number=1,
            period="2027-Q1",
            since=DAY,
            day=date(2027, 3, 1),
            target=datetime(2027, 3, 1, 8, tzinfo=UTC),
            offer_at=datetime(2027, 1, 25, 8, tzinfo=UTC),
            prepare_by=datetime(2027, 2, 15, 8, tzinfo=UTC),
            brief_at=datetime(2027, 2, 26, 8, tzinfo=UTC),
        ),
        missed=(
            Missed(step="weekly", what="sync", at=first.start),
            *(() if sparse else (Missed(step="qbr", what="review", at=first.start),)),
        ),
        titles={"weekly": "Weekly sync", "qbr": "Quarterly business review"},
    )


def evidence(*, sparse: bool = False) -> Evidence:
    """All that can be on record of a week, or nothing."""
    if sparse:
        return Evidence(since=SINCE, until=UNTIL)
    at = datetime(2026, 11, 25, 7, 30, tzinfo=UTC)
    days = [SINCE + timedelta(days=n) for n in range(7)]
    return Evidence(
        since=SINCE,
        until=UNTIL,
        usage=(
            MetricSeries(
                metric="active_users",
                unit="people",
                samples=tuple(Sample(day=day, value=40 + 3 * n) for n, day in enumerate(days)),
            ),
            MetricSeries(metric="hosts", unit="", samples=(Sample(day=UNTIL, value=1240),)),
        ),
        incidents=(
            Incident(id="i1", title="Alerts came late", severity=2, began=at, ended=at + timedelta(hours=3)),
            Incident(id="i2", title="Dashboards are slow", severity=3, began=at),
        ),
        projects=(
            Project(id="p1", title="Checkout on Kubernetes", starts=date(2026, 12, 7), ends=date(2027, 2, 26)),
            Project(id="p2", title="Single sign-on"),
        ),
        roadmap=(
            RoadmapItem(
                id="r1", title="Satellites without root", expected="2027-Q1", touches="Your on-prem satellites."
            ),
            RoadmapItem(id="r2", title="Dark mode", expected="2027-Q2"),
        ),
        wins=(Win(id="w1", title="An outage was seen 14 minutes before the first call", day=date(2026, 11, 24)),),
        blockers=(
            Blocker(id="b1", title="The firewall change is not approved", owner="Mara Osei", next_check=DAY, raised=at),
            Blocker(id="b2", title="No test cluster", owner="Luca Bianchi", next_check=DAY, raised=at, removed=at),
        ),
        cases=(
            Question(ref="C-00007", title="All is down", severity=1, opened=at),
            Question(ref="C-00005", title="How do I rotate a token?", severity=3, opened=at, resolved=at),
        ),
    )


def on_record(*, sparse: bool = False) -> OnRecord:
    """The same with what was said at the review, or without."""
    if sparse:
        return OnRecord(evidence(sparse=True))
    said = MinutesRecord(
        short_term=("Alerts for checkout",),
        long_term=("One tool for every team",),
        actions=(ActionRecord(what="Send the sizing guide", owner="m_0", due=DAY),),
        note="They may leave",
    )
    return OnRecord(evidence(), said)
