"""Whose wall calendar shows what: put together from the invitations that arrived, as a calendar program does it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import holidays
import icalendar
import recurring_ical_events  # type: ignore[import-untyped]

from tests.support.oracle import Judged, Record


class Held(NamedTuple):
    """A meeting as it stood in somebody's calendar when it began.

    Attributes:
        known: Since when it stood there so.
        first: Since when anybody had an invitation to it.
    """

    start: datetime
    end: datetime
    what: str
    known: datetime
    first: datetime
    account: str
    step: str


@dataclass
class _Entry:
    """One UID: its events, by which of its dates they are for."""

    events: dict[datetime | None, Any] = field(default_factory=dict)
    off: set[datetime] = field(default_factory=set)

    def take(self, method: str, event: Any) -> None:
        """Take what a mail says of it."""
        which = event["RECURRENCE-ID"].dt.astimezone(UTC) if "RECURRENCE-ID" in event else None
        if method == "CANCEL":
            if which is None:
                self.events.clear()
            else:
                self.events.pop(which, None)
                self.off.add(which)
            return
        if which is None:
            self.off.clear()
        else:
            self.off.discard(which)
        self.events[which] = event

    def between(self, first: datetime, last: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Its times that begin between two instants."""
        if not self.events:
            return
        calendar = icalendar.Calendar()
        for event in self.events.values():
            calendar.add_component(event)
        for one in recurring_ical_events.of(calendar).between(first - timedelta(days=1), last):
            start, end = one["DTSTART"].dt.astimezone(UTC), one["DTEND"].dt.astimezone(UTC)
            recurs = one["RECURRENCE-ID"].dt.astimezone(UTC) if "RECURRENCE-ID" in one else start
            if first <= start < last and recurs not in self.off:
                yield start, end


def _part(mail: EmailMessage) -> Any:
    for part in mail.walk():
        if part.get_content_type() == "text/calendar":
            return icalendar.Calendar.from_ical(part.get_content())
    return None


def calendars(judged: Sequence[Judged], until: datetime) -> dict[str, list[Held]]:
    """What took place by each reader's calendar, by their address, in order."""
    told: dict[str, dict[str, list[tuple[datetime, Judged, str, list[Any]]]]] = {}
    first: dict[str, datetime] = {}
    for one in judged:
        part = _part(one.mail)
        if part is None:
            continue
        by_uid: dict[str, list[Any]] = {}
        for event in part.walk("VEVENT"):
            by_uid.setdefault(str(event["UID"]), []).append(event)
        for uid, events in by_uid.items():
            first.setdefault(uid, one.at)
            told.setdefault(one.to, {}).setdefault(uid, []).append((one.at, one, str(part["METHOD"]), events))
    found: dict[str, list[Held]] = {}
    for to, uids in told.items():
        for uid, revisions in uids.items():
            entry = _Entry()
            for (at, one, method, events), (following, *_) in pairwise([*revisions, (until, revisions[-1][1], "", [])]):
                if method == "REQUEST" and any("RECURRENCE-ID" not in event for event in events):
                    entry = _Entry()
                for event in events:
                    entry.take(method, event)
                found.setdefault(to, []).extend(
                    Held(start, end, one.subject, at, first[uid], one.account, str(one.occasion["step"]))
                    for start, end in entry.between(at, following)
                )
    return {to: sorted(held) for to, held in found.items()}


def is_off(record: Record, person: dict[str, Any], at: datetime) -> str | None:
    """Why somebody does not work on the day of an instant: their country's weekend, or a public holiday."""
    who = json.loads(person["schedule"])
    day = at.astimezone(ZoneInfo(who["zone"])).date()
    if who.get("country") is None:
        return "weekend" if day.weekday() >= 5 else None
    there = holidays.country_holidays(who["country"], subdiv=who.get("subdivision"), years=day.year)
    days = (who.get("hours") or {}).get("days")
    if days is None and day.weekday() in there.weekend:
        return "weekend"
    return "holiday" if day in there else None


def faults(year: Any) -> Iterator[str]:
    """What is wrong in the calendars of a year."""
    record: Record = year.record
    walls = calendars(year.witness.judged, year.life.now)
    members = {row["email"]: row for row in record.rows("SELECT * FROM members")}
    for email, person in members.items():
        held = walls.get(email, [])
        yield from _overlaps(email, held)
        for one in held:
            if why := is_off(record, person, one.start):
                yield f"{why}: {email}, {one.start}, {one.what}"
            yield from _absences(record, person, one, year.warned_of)
        yield from _too_many(record, person, held)
    for person in record.rows("SELECT * FROM contacts"):
        if "primary_champion" not in json.loads(person["personas"]):
            continue
        for one in walls.get(person["email"], []):
            was_there = one.account == person["account"] and one.known == one.first
            if was_there and (why := is_off(record, person, one.start)):
                yield f"champion's {why}: {person['email']}, {one.start}, {one.what}"


def _too_many(record: Record, person: dict[str, Any], held: Sequence[Held]) -> Iterator[str]:
    """Meetings that a poll or a series put on a day which was full by then, or full of recurring ones.

    What people agreed on in the room, or a member set by hand, is theirs to answer for.
    """
    schedule = json.loads(person["schedule"])
    cap, zone = (schedule.get("hours") or {}).get("meetings_a_day"), ZoneInfo(schedule["zone"])
    by_hand = {
        (row["account"], row["step"], row["instant"])
        for row in record.rows(
            "SELECT account, step, instant FROM timeline WHERE kind IN ('meeting.booked', 'meeting.moved')"
            " AND about IN ('hand', 'agreed')"
        )
    }
    series = {(row["account"], row["step"]) for row in record.rows("SELECT account, step FROM rhythms")}
    set_by_hand = {
        (row["account"], row["step"])
        for row in record.rows("SELECT account, step FROM timeline WHERE kind = 'sync.set'")
    }
    days: dict[date, list[Held]] = {}
    for one in held:
        days.setdefault(one.start.astimezone(zone).date(), []).append(one)
    for day, some in days.items():
        for one in some:
            recurs = (one.account, one.step) in series
            mine = f"{one.start.replace(tzinfo=None)}.000000"
            if (one.account, one.step, mine) in by_hand or (one.account, one.step) in set_by_hand:
                continue
            before = [
                other
                for other in some
                if other.first < one.first and (not recurs or (other.account, other.step) in series)
            ]
            if cap and len(before) >= cap:
                yield f"cap: {person['email']}, {day}: {one.what} ({one.account}) beside {len(before)} of {cap}"


def _overlaps(email: str, held: Sequence[Held]) -> Iterator[str]:
    latest: Held | None = None
    for one in held:
        if latest is not None and one.start < latest.end:
            yield (
                f"two places: {email}, {one.start}: {one.what} ({one.account}, known {one.known}, first {one.first})"
                f" and {latest.what} ({latest.account}, known {latest.known}, first {latest.first})"
            )
        latest = one if latest is None or one.end > latest.end else latest


def _absences(record: Record, person: dict[str, Any], one: Held, warned_of: Collection[str]) -> Iterator[str]:
    """What lies in an absence, but for what its member was told of as they announced it."""
    for row in record.rows("SELECT * FROM absences WHERE member = ?", person["id"]):
        starts, ends, created = (datetime.fromisoformat(row[name]) for name in ("starts", "ends", "created_at"))
        starts, ends, created = (at.replace(tzinfo=UTC) for at in (starts, ends, created))
        if one.start < ends and starts < one.end:
            when = "after the invitation" if created > one.known else "before the invitation"
            known = any(told.startswith(f"{one.step.replace('_', ' ')}, {one.account}") for told in warned_of)
            if known and created > one.first:
                continue
            yield f"absence, announced {when}: {person['email']}, {one.start}, {one.what} ({one.account} {one.step})"
