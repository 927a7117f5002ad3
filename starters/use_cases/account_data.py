"""What is known of an account: usage, incidents, projects and wins, and the roadmap that touches it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from rapport.model.access import Action
from rapport.model.account_data import (
    EVERYONE,
    Evidence,
    ImportResult,
    Incident,
    MetricSeries,
    Project,
    RoadmapItem,
    Win,
    WrittenIncident,
    WrittenRoadmapItem,
    WrittenSample,
)
from rapport.model.base import InputModel, Refused, UserError
from rapport.model.sheets import SheetRow, refuse_repeats
from rapport.storage import account as accounts, account_data, timeline
from rapport.storage.account_data import INCIDENTS, Noun
from rapport.storage.database import Connection
from starters.rights import requires
from starters.services import Actor, Services, member_named, present, submission

SHOWN_DAYS: Final = 91
"""How many days back an account's page and its evidence reach when nobody says: a quarter."""

_TOLD: Final = 8
"""How many records an entry of the timeline names."""

T = TypeVar("T", Incident, Project, Win)
W = TypeVar("W", bound=InputModel)
R = TypeVar("R")


# Looking


@requires(Action.READ)
async def known(services: Services, account: str, since: date | None = None, until: date | None = None) -> Evidence:
    """All that is on record of an account, as digests and reviews speak of it.

    Args:
        since, until: The first and the last day in the TAM's zone; without them, the quarter up to today.

    Raises:
        UserError: There is no such account, or the days are the wrong way round.
    """
    async with services.store.reading() as connection:
        found = await accounts.account(connection, account)
        zone = (await accounts.member(connection, found.tam)).schedule.zone
        last = until or present().astimezone(ZoneInfo(zone)).date()
        first = since or last - timedelta(days=SHOWN_DAYS - 1)
        if last < first:
            raise UserError("comes before since", field="until", fix="write the later of the two as until")
        return await account_data.evidence(connection, account, first, last, zone)


@requires(Action.READ)
async def usage(services: Services, account: str) -> tuple[MetricSeries, ...]:
    """All that was measured of an account.

    Raises:
        UserError: There is no such account.
    """
    return await _of(services, account, account_data.usage)


@requires(Action.READ)
async def listed(services: Services, noun: Noun[T], account: str) -> tuple[T, ...]:
    """Every incident, project or win of an account, also those that are over, in their order.

    Raises:
        UserError: There is no such account.
    """
    return await _of(services, account, lambda connection, key: account_data.listed(connection, noun, key))


@requires(Action.READ)
async def roadmap(services: Services) -> list[WrittenRoadmapItem]:
    """The whole roadmap: each item once for each account that it touches."""
    async with services.store.reading() as connection:
        return await account_data.whole_roadmap(connection)


@requires(Action.READ)
async def roadmap_of(services: Services, account: str) -> tuple[RoadmapItem, ...]:
    """What of the roadmap touches an account.

    Raises:
        UserError: There is no such account.
    """
    return await _of(services, account, account_data.roadmap)


async def _of(services: Services, account: str, read: Callable[[Connection, str], Awaitable[R]]) -> R:
    async with services.store.reading() as connection:
        await accounts.account(connection, account)
        return await read(connection, account)


# Bringing in: all of it or nothing, and the same again changes nothing


@requires(Action.USAGE)
async def add_usage(
    services: Services, account: str, rows: Sequence[SheetRow[WrittenSample]], actor: Actor
) -> ImportResult:
    """Keep what was measured; a measurement of a day that has one already takes its place.

    Raises:
        UserError: There is no such account or member, a day lies ahead or stands twice, or a metric has another unit.
    """
    refuse_repeats(rows, lambda one: (one.metric.casefold(), one.day), "day", "metric and day")
    _refuse_future(rows, "day")
    by = await member_named(services, actor)
    async with services.store.writing() as connection:
        kept, told = await account_data.put_usage(connection, account, rows)
        await _tell(connection, actor, by.id, "usage", account, kept, _measured(told))
    return kept


@requires(Action.RECORD)
async def add(
    services: Services, noun: Noun[T], account: str, rows: Sequence[SheetRow[Any]], actor: Actor
) -> ImportResult:
    """Bring incidents, projects or wins up to what is given. An end that is known stays where nothing is said of it.

    Raises:
        UserError: There is no such account or member, an id stands twice, or what is past lies ahead.
    """
    for field in noun.past:
        _refuse_future(rows, field)
    refuse_repeats(rows, lambda one: one.id, "id", "id")
    by = await member_named(services, actor)
    async with services.store.writing() as connection:
        kept, told = await account_data.put(connection, noun, account, rows)
        lines = [f"{one.id}: {one.title}" for one in told]
        await _tell(connection, actor, by.id, noun.plural, account, kept, lines)
    return kept


@requires(Action.RECORD)
async def close_incident(
    services: Services, account: str, id_: str, actor: Actor, ended: datetime | None = None
) -> Incident:
    """Say when an incident ended; without an instant, now. Saying the same again changes nothing.

    Raises:
        UserError: There is no such account, member or incident, it ended at another time, or it would end before it
            began or in the future.
    """
    by = await member_named(services, actor)
    async with services.store.writing() as connection:
        await accounts.account(connection, account)
        found = await account_data.one(connection, INCIDENTS, account, id_)
        if found.ended is not None:
            if ended in (None, found.ended):
                return found
            raise UserError(
                f"ended at {found.ended:%Y-%m-%d %H:%M} UTC already",
                field="id",
                fix=f"correct its end with `rapport incident add {account} {id_} … --as EMAIL`",
                kind=Refused.CONFLICT,
            )
        at = ended or present()
        if at < found.began:
            raise UserError(
                f"comes before it began, at {found.began:%Y-%m-%d %H:%M} UTC", field="ended", fix="write a later time"
            )
        if at > present():
            raise UserError("lies ahead", field="ended", fix="say so once it has ended")
        closed = found.model_copy(update={"ended": at})
        kept, _ = await account_data.put(
            connection, INCIDENTS, account, [SheetRow(WrittenIncident(**closed.model_dump()))]
        )
        await _tell(connection, actor, by.id, "incident_closed", account, kept, [f"{id_}: {closed.title}"])
    return closed


@requires(Action.RECORD)
async def add_roadmap(services: Services, rows: Sequence[SheetRow[WrittenRoadmapItem]], actor: Actor) -> ImportResult:
    """Bring items of the roadmap up to what is given: whom an item touches is what is said of it last.

    Raises:
        UserError: There is no such account or member, an item names an account twice, or its rows contradict each
            other.
    """
    refuse_repeats(rows, lambda one: (one.id, one.account), "account", "id and account")
    first: dict[str, SheetRow[WrittenRoadmapItem]] = {}
    for row in rows:
        same = first.setdefault(row.value.id, row)
        for field in ("title", "expected"):
            if getattr(same.value, field) != getattr(row.value, field):
                place = same.where.rstrip(":. ") or "before"
                raise UserError(
                    f"is not the one that {place} has", field=row.field(field), fix="write the same in both"
                )
        if (same.value.account is None) is not (row.value.account is None):
            raise UserError(
                "is missing, but another row of this id has one",
                field=(row if row.value.account is None else same).field("account"),
                fix="name an account, or take the row out",
            )
    by = await member_named(services, actor)
    async with services.store.writing() as connection:
        kept, touched = await account_data.put_roadmap(connection, rows)
        # No account's record tells what is built for another.
        for key, items in sorted(touched.items()):
            lines = [f"{one.id}: {one.title}, expected {one.expected}" for one in items]
            await _tell(connection, actor, by.id, "roadmap", key, ImportResult(changed=len(items)), lines)
    return kept


# Taking away what was wrong


@requires(Action.RECORD)
async def remove_usage(
    services: Services, account: str, metric: str, actor: Actor, day: date | None = None
) -> ImportResult:
    """Take a metric off the record, or what was measured of it on one day.

    Raises:
        UserError: There is no such account or member, or nothing to take away.
    """
    by = await member_named(services, actor)
    async with services.store.writing() as connection:
        kept = await account_data.remove_usage(connection, account, metric, day)
        told = f"{metric}, {day}" if day else metric
        await _tell(connection, actor, by.id, "usage", account, kept, [told])
    return kept


@requires(Action.RECORD)
async def remove(services: Services, noun: Noun[T], account: str, id_: str, actor: Actor) -> ImportResult:
    """Take an incident, a project or a win off the record.

    Raises:
        UserError: There is no such account or member, or none with this id.
    """
    by = await member_named(services, actor)
    kept = ImportResult(removed=1)
    async with services.store.writing() as connection:
        gone = await account_data.remove(connection, noun, account, id_)
        await _tell(connection, actor, by.id, noun.plural, account, kept, [f"{id_}: {gone.title}"])
    return kept


@requires(Action.RECORD)
async def remove_roadmap(services: Services, id_: str, actor: Actor) -> ImportResult:
    """Take an item off the roadmap.

    Raises:
        UserError: There is no such member, or none with this id.
    """
    by = await member_named(services, actor)
    kept = ImportResult(removed=1)
    async with services.store.writing() as connection:
        gone = await account_data.remove_roadmap(connection, id_)
        for key in sorted({one.account for one in gone if one.account is not None}):
            await _tell(connection, actor, by.id, "roadmap", key, kept, [f"{id_}: {gone[0].title}"])
    return kept


# How it is done


def _refuse_future(rows: Sequence[SheetRow[W]], field: str) -> None:
    """Refuse what has not come yet anywhere on earth: most of it is a year that was mistyped."""
    now = present()
    for row in rows:
        at: date | None = getattr(row.value, field)
        ahead = at > now if isinstance(at, datetime) else at is not None and at > (now + timedelta(hours=14)).date()
        if ahead:
            raise UserError("lies ahead", field=row.field(field), fix="write when it was; look at the year")


def _measured(samples: Sequence[WrittenSample]) -> list[str]:
    """What was measured, a line each metric."""
    days: dict[str, list[date]] = {}
    for one in samples:
        days.setdefault(one.metric, []).append(one.day)
    return [
        f"{metric}, {min(some)}" if len(some) == 1 else f"{metric}, {len(some)} days from {min(some)} to {max(some)}"
        for metric, some in days.items()
    ]


async def _tell(
    connection: Connection, actor: Actor, by: str, what: str, account: str, kept: ImportResult, lines: Sequence[str]
) -> None:
    """Write one entry on the account's timeline, unless nothing has changed.

    What concerns everyone stands on nobody's timeline; who said it is kept all the same.
    """
    if not kept.new + kept.changed + kept.removed:
        return
    text = "\n".join([*lines[:_TOLD], *([f"and {len(lines) - _TOLD} more"] if len(lines) > _TOLD else [])])
    counts = {"new": kept.new, "changed": kept.changed, "removed": kept.removed}
    about = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    said = submission(by, actor, f"data.{what}", account, text)
    await timeline.record(connection, () if account == EVERYONE else account, f"data.{what}", said, about=about)
