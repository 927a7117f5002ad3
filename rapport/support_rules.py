"""What the support desk goes by: its hours, its promises, and who owns what; shipped, or an installation's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Self
from zoneinfo import ZoneInfo

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema, field_validator, model_validator

from rapport.model.account import Schedule
from rapport.model.base import Email, InputModel, Name, Several, StepName, UserError, WireModel, WrittenDay, suggestion
from rapport.model.positions import line_of, lines, place_of
from rapport.model.reading import check, parse_toml
from rapport.model.support_case import GENERAL
from rapport.rules import wording
from rapport.rules.calendar import wall
from rapport.rules.sla import Promise

SUPPORT_FILE: Final = "support.toml"

_AMOUNT: Final = re.compile(r"(\d{1,4}) (minute|hour)s?")
_LONGEST: Final = timedelta(hours=1000)
_AT_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)")
_DAY: Final = timedelta(days=1)


def _amount(value: object) -> timedelta:
    found = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('is no amount of desk time; write it as "30 minutes" or "4 hours"')
    amount = timedelta(**{f"{found[2]}s": int(found[1])})
    if not timedelta() < amount <= _LONGEST:
        raise ValueError('is nothing, or more than 1000 hours; write it as "30 minutes" or "4 hours"')
    return amount


def told(amount: timedelta) -> str:
    """An amount of time as its author wrote it: "30 minutes", "4 hours"."""
    minutes = round(amount / timedelta(minutes=1))
    count, unit = (minutes // 60, "hour") if minutes % 60 == 0 else (minutes, "minute")
    return wording.amount(count, unit)


Amount = Annotated[
    timedelta,
    PlainValidator(_amount),
    PlainSerializer(told, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["30 minutes"]}),
]
"""An amount of the desk's time."""


class Desk(Schedule):
    """The desk itself: when it is there, in its own zone.

    Attributes:
        slack, peak: Load for each engineer at work. Up to the one, side work is handed out; from the other on, it is
            put back.
    """

    title: Name = "Support"
    slack: int = Field(default=3, ge=0)
    peak: int = Field(default=8, ge=1)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.slack >= self.peak:
            raise ValueError("slack: is not below peak; make it smaller, or side work comes and goes with every case")
        return self

    @property
    def schedule(self) -> Schedule:
        """Its hours alone."""
        return Schedule(zone=self.zone, country=self.country, subdivision=self.subdivision, hours=self.hours)


class SeverityRule(InputModel):
    """What the cases of one severity are promised."""

    title: Name
    first_answer: Amount
    next_update: Amount
    around_the_clock: bool = False

    @property
    def promise(self) -> Promise:
        """The times that are promised, as `rapport.rules.sla` counts them: in desk hours, or around the clock."""
        return Promise(self.first_answer, self.next_update, self.around_the_clock)


class Area(InputModel):
    """A product area, and the engineering team that owned it when that was last confirmed."""

    title: Name
    team: StepName
    confirmed: WrittenDay


class Team(InputModel):
    """An engineering team.

    Attributes:
        engineers: Who of them can be asked, by address; without them, whoever is with engineering.
    """

    title: Name
    engineers: tuple[Email, ...] = ()


class Knowledge(InputModel):
    """For how long it is believed that an area's owner is still the same, in days."""

    confirm_after_days: int = Field(default=180, ge=1)


class OnCall(InputModel):
    """Who can be reached at night, in turns.

    Attributes:
        members: By address, in the order of their turns.
        since: The first day of the first turn, in the desk's zone.
        days: How long a turn is.
        at: When turns change.
    """

    members: tuple[Email, ...] = Field(min_length=1)
    since: WrittenDay
    days: int = Field(default=7, ge=1, le=366)
    at: time = time(9)

    @field_validator("at")
    @classmethod
    def _on_the_wall(cls, value: time) -> time:
        if value.tzinfo is not None:
            raise ValueError("has a zone of its own; write a wall time such as 09:00:00, the desk's zone is known")
        return value

    def begins(self, zone: str) -> datetime:
        """When the first turn begins."""
        return wall(self.since, self.at, zone)

    def now(self, now: datetime, zone: str) -> Email | None:
        """Whose turn it is, by address; before the first turn, nobody's."""
        day = now.astimezone(ZoneInfo(zone)).date()
        if wall(day, self.at, zone) > now:
            day -= _DAY
        turn = (day - self.since).days // self.days
        return None if turn < 0 else self.members[turn % len(self.members)]


class AreaOwner(WireModel):
    """Who owns an area, as a case shows it.

    Attributes:
        name: The team's name in the rules.
        confirmed: When that was last confirmed.
        is_stale: Nobody has asked for too long.
    """

    area: str
    name: str
    team: str
    engineers: tuple[str, ...]
    confirmed: WrittenDay
    is_stale: bool
    days: int

    def __str__(self) -> str:
        """In a line, such as "Ingest, confirmed 2026-09-14"."""
        if not self.is_stale:
            return f"{self.team}, confirmed {self.confirmed}"
        ago = f"{wording.amount(self.days, 'day')} ago"
        return f"{self.team}, last confirmed {self.confirmed}, {ago}: ask whether it still is"


class DeskRules(InputModel):
    """All that the desk goes by."""

    desk: Desk
    severity: dict[str, SeverityRule]
    areas: dict[StepName, Area] = Field(min_length=1)
    teams: dict[StepName, Team]
    knowledge: Knowledge = Knowledge()
    on_call: OnCall | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        faults = [*self._severities()]
        for name, area in self.areas.items():
            if name == GENERAL:
                faults.append(f"areas.{name}: is the name for what nobody has placed yet; call it otherwise")
            if area.team not in self.teams:
                there = suggestion(area.team, self.teams) if self.teams else "add [teams.NAME]"
                faults.append(f'areas.{name}.team: there is no team "{area.team}"; {there}')
        if faults:
            raise Several(faults)
        return self

    def _severities(self) -> list[str]:
        wanted = ["1", "2", "3", "4"]
        faults = [
            f"severity.{one}: is missing; add the table [severity.{one}]" for one in wanted if one not in self.severity
        ]
        faults += [
            f"severity.{one[:20]}: is no severity; use 1, the worst, to 4" for one in self.severity if one not in wanted
        ]
        faults += [
            f"severity.{one}.around_the_clock: only severity 1 may wake somebody; take it out"
            for one, rule in self.severity.items()
            if one != "1" and rule.around_the_clock
        ]
        return faults

    def promise(self, severity: int) -> Promise:
        """What a severity is promised.

        Raises:
            KeyError: It is none.
        """
        return self.severity[str(severity)].promise

    def owner(self, area: str, now: datetime) -> AreaOwner | None:
        """Which engineering team owns an area; nobody of one that is not placed, or that is none of these."""
        known = self.areas.get(area)
        if known is None:
            return None
        team = self.teams[known.team]
        days = (now.astimezone(ZoneInfo(self.desk.zone)).date() - known.confirmed).days
        return AreaOwner(
            area=known.title,
            name=known.team,
            team=team.title,
            engineers=team.engineers,
            confirmed=known.confirmed,
            is_stale=days > self.knowledge.confirm_after_days,
            days=days,
        )

    def area(self, name: str) -> str:
        """Check the name of an area.

        Raises:
            UserError: There is none of this name.
        """
        if name == GENERAL or name in self.areas:
            return name
        raise UserError(f'there is no area "{name[:40]}"', field="area", fix=suggestion(name, [*self.areas, GENERAL]))

    @property
    def digest(self) -> str:
        """By which the rules of a process are told from those in the file."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def on_call_now(self, now: datetime) -> Email | None:
        """Who is on call, by address; nobody without a rota."""
        return self.on_call.now(now, self.desk.zone) if self.on_call is not None else None


def load(data: Path | None = None) -> DeskRules:
    """The shipped rules, with those tables in their place that an installation has of its own.

    Args:
        data: The data directory; it need not have a `support.toml`.

    Raises:
        UserError: The file cannot be read, or something in it is wrong; it names file, line and fix.
    """
    shipped = parse_toml(files("rapport").joinpath(SUPPORT_FILE).read_bytes(), SUPPORT_FILE)
    own = data / SUPPORT_FILE if data is not None else None
    if own is None or not own.exists():
        return check(DeskRules, shipped, SUPPORT_FILE)
    try:
        raw = own.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", field=SUPPORT_FILE, fix="correct its rights") from None
    return read(raw, shipped)


def read(raw: bytes, shipped: Mapping[str, Any]) -> DeskRules:
    """An installation's own rules over the shipped ones.

    Raises:
        UserError: As `load`.
    """
    try:
        data = parse_toml(raw, SUPPORT_FILE)
    except UserError as refusal:
        at = _AT_LINE.search(refusal.problem)
        if at is None:
            raise
        problem = _AT_LINE.sub("", refusal.problem)
        raise UserError(problem, field=f"{SUPPORT_FILE}:{at[1]}", fix=refusal.fix) from None
    try:
        return check(DeskRules, {**shipped, **data}, "")
    except UserError as refusal:
        places = lines(raw.decode())
        first, *others = [
            UserError(
                fault.problem,
                field=f"{SUPPORT_FILE}:{line_of(place_of(fault.field), places)}: {fault.field}",
                fix=fault.fix,
            )
            for fault in (refusal, *refusal.others)
        ]
        raise UserError(first.problem, field=first.field, fix=first.fix, others=others) from None
