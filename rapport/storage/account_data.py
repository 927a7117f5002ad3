"""What is on record of an account for digests, briefs and reviews."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Generic, TypeVar, cast

from sqlalchemy import ColumnElement, Table, and_, delete, func, or_, select

from rapport.model.account_data import (
    EVERYONE,
    Evidence,
    ImportResult,
    Incident,
    MetricSeries,
    Project,
    RoadmapItem,
    Sample,
    Win,
    WrittenIncident,
    WrittenProject,
    WrittenRoadmapItem,
    WrittenSample,
    WrittenWin,
)
from rapport.model.base import InputModel, Refused, UserError
from rapport.model.reading import together
from rapport.model.sheets import SheetRow
from rapport.rules.calendar import whole_days
from rapport.storage import account as accounts, support_case, upserts
from rapport.storage.blocker import OWED_BLOCKERS
from rapport.storage.database import Connection
from rapport.storage.tables import (
    AccountRow,
    IncidentRow,
    ProjectRow,
    RoadmapItemRow,
    RoadmapTouchRow,
    UsageMetricRow,
    UsageSampleRow,
    VendorRow,
    WinRow,
)

T = TypeVar("T", Incident, Project, Win)
Span = Callable[[date, date, str], ColumnElement[bool]]


@dataclass(frozen=True)
class Noun(Generic[T]):
    """What is kept of an account by an id of the account's own.

    Attributes:
        name: How a person calls one, which is its command as well.
        written: How a person or a program writes one.
        past: Its fields that cannot lie ahead.
        within: Which of them belong to the days from one to another, both included, of a zone.
        order: How they follow each other.
    """

    name: str
    shown: type[T]
    row: type[Any]
    written: type[InputModel]
    past: tuple[str, ...]
    within: Span
    order: ColumnElement[Any]

    @property
    def plural(self) -> str:
        """How a person calls several, which is their path as well."""
        return f"{self.name}s"

    @property
    def table(self) -> Table:
        """Where they stand."""
        return cast("Table", self.row.__table__)


def _went_on(since: date, until: date, zone: str) -> ColumnElement[bool]:
    days = whole_days(since, until, zone)
    over = or_(IncidentRow.ended.is_(None), IncidentRow.ended > days.start, IncidentRow.began >= days.start)
    return and_(IncidentRow.began < days.end, over)


def _not_over(since: date, *_: object) -> ColumnElement[bool]:
    return or_(ProjectRow.ends.is_(None), ProjectRow.ends >= since)


def _of_these_days(since: date, until: date, *_: object) -> ColumnElement[bool]:
    return WinRow.day.between(since, until)


_FAR_PAST: Final = date(2000, 1, 1)
_FAR_FUTURE: Final = date(2099, 12, 31)

INCIDENTS: Final = Noun(
    "incident", Incident, IncidentRow, WrittenIncident, ("began", "ended"), _went_on, IncidentRow.began.expression
)
PROJECTS: Final = Noun(
    "project", Project, ProjectRow, WrittenProject, (), _not_over, func.coalesce(ProjectRow.starts, _FAR_FUTURE)
)
WINS: Final = Noun("win", Win, WinRow, WrittenWin, ("day",), _of_these_days, WinRow.day.expression)


# Reading


async def evidence(connection: Connection, account: str, since: date, until: date, zone: str = "UTC") -> Evidence:
    """All that is on record of an account from one day to another, both included.

    These are the samples and wins of those days, the incidents that went on in them, the projects that were not over
    before them, also those that lie ahead, the roadmap that touches the account, the blockers open at present, and the
    support cases that were opened or solved in these days or are open.

    Args:
        zone: Where the days begin and end.
    """
    return Evidence(
        since=since,
        until=until,
        usage=await usage(connection, account, since, until),
        incidents=await listed(connection, INCIDENTS, account, since, until, zone),
        projects=await listed(connection, PROJECTS, account, since, until, zone),
        roadmap=await roadmap(connection, account),
        wins=await listed(connection, WINS, account, since, until, zone),
        blockers=tuple(await OWED_BLOCKERS.listed(connection, account)),
        cases=await support_case.questions(connection, account, since, until, zone),
    )


async def usage(
    connection: Connection, account: str, since: date = _FAR_PAST, until: date = _FAR_FUTURE
) -> tuple[MetricSeries, ...]:
    """What was measured in these days, by metric."""
    query = (
        select(UsageMetricRow.metric, UsageMetricRow.unit, UsageSampleRow.day, UsageSampleRow.value)
        .join_from(
            UsageMetricRow,
            UsageSampleRow,
            (UsageSampleRow.account == UsageMetricRow.account) & (UsageSampleRow.metric == UsageMetricRow.metric),
        )
        .where(UsageMetricRow.account == account, UsageSampleRow.day.between(since, until))
        .order_by(UsageSampleRow.day)
    )
    units: dict[str, str] = {}
    samples: dict[str, list[Sample]] = {}
    for row in await connection.execute(query):
        units[row.metric] = row.unit
        samples.setdefault(row.metric, []).append(Sample(day=row.day, value=row.value))
    # Sorted here, because databases do not agree on the order of letters.
    return tuple(
        MetricSeries(metric=metric, unit=units[metric], samples=tuple(samples[metric]))
        for metric in sorted(units, key=str.casefold)
    )


async def listed(
    connection: Connection,
    noun: Noun[T],
    account: str,
    since: date = _FAR_PAST,
    until: date = _FAR_FUTURE,
    zone: str = "UTC",
) -> tuple[T, ...]:
    """An account's incidents, projects or wins of these days of a zone, in their order.

    These are the incidents that went on in them, the projects that were not over before them, and the wins of them.
    """
    columns = noun.table.columns
    query = select(noun.table).where(columns.account == account, noun.within(since, until, zone))
    found = await connection.execute(query.order_by(noun.order, columns.id))
    return tuple(noun.shown.model_validate(row._mapping) for row in found)


async def roadmap(connection: Connection, account: str) -> tuple[RoadmapItem, ...]:
    """What of the roadmap touches an account, with the reason that is its own where there is one."""
    query = (
        select(
            RoadmapItemRow.id,
            RoadmapItemRow.title,
            RoadmapItemRow.expected,
            func.coalesce(RoadmapTouchRow.touches, RoadmapItemRow.touches).label("touches"),
        )
        .outerjoin(RoadmapTouchRow, (RoadmapTouchRow.item == RoadmapItemRow.id) & (RoadmapTouchRow.account == account))
        .where(or_(RoadmapTouchRow.touches.is_not(None), RoadmapItemRow.touches.is_not(None)))
    )
    found = [RoadmapItem.model_validate(row._mapping) for row in await connection.execute(query)]
    return tuple(sorted(found, key=lambda item: (item.expected, item.id)))


async def whole_roadmap(connection: Connection, ids: Iterable[str] | None = None) -> list[WrittenRoadmapItem]:
    """The items with these ids, or all, as they were written: one for each account that they touch."""
    query = select(RoadmapItemRow.id, RoadmapItemRow.title, RoadmapItemRow.expected, RoadmapItemRow.touches).order_by(
        RoadmapItemRow.expected, RoadmapItemRow.id
    )
    own = select(RoadmapTouchRow.item, RoadmapTouchRow.account, RoadmapTouchRow.touches)
    if ids is not None:
        chosen = list(ids)
        query, own = query.where(RoadmapItemRow.id.in_(chosen)), own.where(RoadmapTouchRow.item.in_(chosen))
    touches: dict[str, dict[str, str]] = {}
    for row in await connection.execute(own):
        touches.setdefault(row.item, {})[row.account] = row.touches
    items = []
    for row in await connection.execute(query):
        said: list[tuple[str | None, str | None]] = [(EVERYONE, row.touches)] if row.touches is not None else []
        said += sorted(touches.get(row.id, {}).items())
        items += [
            WrittenRoadmapItem(id=row.id, title=row.title, expected=row.expected, account=key, touches=why)
            for key, why in said or [(None, None)]
        ]
    return items


# Writing


async def put_usage(
    connection: Connection, account: str, rows: Sequence[SheetRow[WrittenSample]]
) -> tuple[ImportResult, list[WrittenSample]]:
    """Keep samples; one of a day that has one already takes its place.

    Returns:
        What became of them, and those that said something new.

    Raises:
        UserError: There is no such account, or a metric comes in another unit, or in other letters, than it has.
    """
    await _lock(connection, account)
    metrics = await connection.execute(
        select(UsageMetricRow.metric, UsageMetricRow.unit).where(UsageMetricRow.account == account)
    )
    units = {row.metric: row.unit for row in metrics}
    new = _new_metrics(rows, units)
    await upserts.insert_new(
        connection, UsageMetricRow, [{"account": account, "metric": metric, "unit": new[metric]} for metric in new]
    )
    query = select(UsageSampleRow.metric, UsageSampleRow.day, UsageSampleRow.value).where(
        UsageSampleRow.account == account,
        UsageSampleRow.metric.in_({row.value.metric for row in rows} - set(new)),
        UsageSampleRow.day.between(min(row.value.day for row in rows), max(row.value.day for row in rows)),
    )
    known = {(row.metric, row.day): row.value for row in await connection.execute(query)}
    put = [one for one in (row.value for row in rows) if known.get((one.metric, one.day)) != one.value]
    await upserts.put(
        connection,
        UsageSampleRow,
        [{"account": account, "metric": one.metric, "day": one.day, "value": one.value} for one in put],
    )
    changed = sum((one.metric, one.day) in known for one in put)
    return ImportResult(new=len(put) - changed, changed=changed, unchanged=len(rows) - len(put)), put


def _new_metrics(rows: Sequence[SheetRow[WrittenSample]], units: Mapping[str, str]) -> dict[str, str]:
    """The metrics that are not known yet, with their units."""
    every = dict(units)
    spelled = {metric.casefold(): metric for metric in every}
    wrong = []
    for row in rows:
        metric, unit = row.value.metric, row.value.unit
        known = spelled.setdefault(metric.casefold(), metric)
        if known != metric:
            wrong.append(UserError(f'is known as "{known}"', field=row.field("metric"), fix="write it like that"))
        elif every.setdefault(metric, unit) != unit:
            wrong.append(
                UserError(
                    f'is "{unit}", but "{metric}" is measured in "{every[metric]}"',
                    field=row.field("unit"),
                    fix=f'convert the value to "{every[metric]}", or give what is measured in "{unit}" another name',
                )
            )
    if wrong:
        raise together(wrong)
    return {metric: unit for metric, unit in every.items() if metric not in units}


async def put(
    connection: Connection, noun: Noun[T], account: str, given: Sequence[SheetRow[Any]]
) -> tuple[ImportResult, list[T]]:
    """Bring an account's incidents, projects or wins up to what is given; those that are not named stay as they are.

    Returns:
        What became of them, and those that are new or changed.

    Raises:
        UserError: There is no such account, or an incident would begin after the end that is known of it.
    """
    await _lock(connection, account)
    known = await by_id(connection, noun, account, [row.value.id for row in given])
    put, told = [], []
    for row in given:
        values, before = row.value.model_dump(), known.get(row.value.id)
        if before is not None and noun is INCIDENTS:
            values["ended"] = _end(row, getattr(before, "ended", None))
        after = noun.shown.model_validate(values)
        if after != before:
            put.append({"account": account, **values})
            told.append(after)
    await upserts.put(connection, noun.table, put)
    changed = sum(values["id"] in known for values in put)
    return ImportResult(new=len(put) - changed, changed=changed, unchanged=len(given) - len(put)), told


def _end(row: SheetRow[WrittenIncident], known: datetime | None) -> datetime | None:
    """When an incident ended. A tracker's export from before it was closed here does not open it again."""
    ended = row.value.ended or known
    if ended is not None and ended < row.value.began:
        raise UserError(
            f"comes after its end, {ended:%Y-%m-%d %H:%M} UTC", field=row.field("began"), fix="write its end as well"
        )
    return ended


async def by_id(connection: Connection, noun: Noun[T], account: str, ids: Sequence[str]) -> dict[str, T]:
    """An account's incidents, projects or wins with these ids, by id."""
    columns = noun.table.columns
    query = select(noun.table).where(columns.account == account, columns.id.in_(ids))
    return {row.id: noun.shown.model_validate(row._mapping) for row in await connection.execute(query)}


async def put_roadmap(
    connection: Connection, rows: Sequence[SheetRow[WrittenRoadmapItem]]
) -> tuple[ImportResult, dict[str, list[WrittenRoadmapItem]]]:
    """Bring items of the roadmap up to what is given, with all whom they touch; other items stay as they are.

    Returns:
        What became of them, and the items that are new, changed or gone for each account, by key; `*` for everyone.

    Raises:
        UserError: There is no such account.
    """
    # Whoever changes the roadmap at the same time waits here; SQLite has one writer anyway.
    await connection.execute(select(VendorRow.id).with_for_update())
    await _refuse_strangers(connection, rows)
    items: dict[str, list[WrittenRoadmapItem]] = {}
    for row in rows:
        items.setdefault(row.value.id, []).append(row.value)
    known: dict[str, list[WrittenRoadmapItem]] = {}
    for item in await whole_roadmap(connection, items):
        known.setdefault(item.id, []).append(item)
    put = [id_ for id_, item in items.items() if set(item) != set(known.get(id_, ()))]
    touched: dict[str, dict[str, WrittenRoadmapItem]] = {}
    for id_ in put:
        for one in set(items[id_]) ^ set(known.get(id_, ())):
            if one.account is not None:
                touched.setdefault(one.account, {})[id_] = items[id_][0]
    await _forget_touches(connection, put)
    every = {id_: next((one.touches for one in items[id_] if one.account == EVERYONE), None) for id_ in put}
    await upserts.put(
        connection,
        RoadmapItemRow,
        [
            {"id": id_, "title": items[id_][0].title, "expected": items[id_][0].expected, "touches": every[id_]}
            for id_ in put
        ],
    )
    own = [one for id_ in put for one in items[id_] if one.account not in (None, EVERYONE)]
    await upserts.put(
        connection,
        RoadmapTouchRow,
        [{"item": one.id, "account": one.account, "touches": one.touches} for one in own],
    )
    changed = len(known.keys() & set(put))
    kept = ImportResult(new=len(put) - changed, changed=changed, unchanged=len(items) - len(put))
    return kept, {account: list(some.values()) for account, some in touched.items()}


async def _refuse_strangers(connection: Connection, rows: Sequence[SheetRow[WrittenRoadmapItem]]) -> None:
    named = {row.value.account for row in rows} - {None, EVERYONE}
    known = set(await connection.scalars(select(AccountRow.key).where(AccountRow.key.in_(named))))
    wrong = [
        UserError(
            f'there is no account "{row.value.account}"',
            field=row.field("account"),
            fix=f'see `rapport account list`, or write "{EVERYONE}" for everyone',
        )
        for row in rows
        if row.value.account in named - known
    ]
    if wrong:
        raise together(wrong)


# Taking away


async def remove_usage(connection: Connection, account: str, metric: str, day: date | None = None) -> ImportResult:
    """Take a metric off the record, or what was measured of it on one day.

    Raises:
        UserError: There is no such account, or nothing to take away.
    """
    await _lock(connection, account)
    same = (UsageSampleRow.account == account) & (UsageSampleRow.metric == metric)
    gone = await connection.execute(
        delete(UsageSampleRow).where(same if day is None else same & (UsageSampleRow.day == day))
    )
    if gone.rowcount == 0:
        when = f" on {day}" if day else ""
        raise UserError(
            f'nothing was measured of "{metric[:120]}"{when}',
            field="metric",
            fix=f"see `rapport usage list {account}`",
            kind=Refused.NOT_FOUND,
        )
    if await connection.scalar(select(func.count()).select_from(UsageSampleRow).where(same)) == 0:
        await connection.execute(
            delete(UsageMetricRow).where(UsageMetricRow.account == account, UsageMetricRow.metric == metric)
        )
    return ImportResult(removed=gone.rowcount)


async def remove(connection: Connection, noun: Noun[T], account: str, id_: str) -> T:
    """Take an incident, a project or a win off the record, and give what it was.

    Raises:
        UserError: There is no such account, or none with this id.
    """
    await _lock(connection, account)
    found = await one(connection, noun, account, id_)
    columns = noun.table.columns
    await connection.execute(delete(noun.table).where(columns.account == account, columns.id == id_))
    return found


async def one(connection: Connection, noun: Noun[T], account: str, id_: str) -> T:
    """One incident, project or win.

    Raises:
        UserError: There is none with this id.
    """
    found = (await by_id(connection, noun, account, [id_])).get(id_)
    if found is None:
        raise UserError(
            f'there is no {noun.name} "{id_[:70]}"',
            field="id",
            fix=f"see `rapport {noun.name} list {account}`",
            kind=Refused.NOT_FOUND,
        )
    return found


async def remove_roadmap(connection: Connection, id_: str) -> list[WrittenRoadmapItem]:
    """Take an item off the roadmap, and give what it was.

    Raises:
        UserError: There is none with this id.
    """
    await connection.execute(select(VendorRow.id).with_for_update())
    found = await whole_roadmap(connection, [id_])
    if not found:
        raise UserError(
            f'there is no item "{id_[:70]}"', field="id", fix="see `rapport roadmap list`", kind=Refused.NOT_FOUND
        )
    await _forget_touches(connection, [id_])
    await connection.execute(delete(RoadmapItemRow).where(RoadmapItemRow.id == id_))
    return found


# How it is done


async def _lock(connection: Connection, account: str) -> None:
    """Have whoever writes of the same account wait; SQLite has one writer anyway."""
    await accounts.account(connection, account)
    await connection.execute(select(AccountRow.key).where(AccountRow.key == account).with_for_update(key_share=True))


async def _forget_touches(connection: Connection, items: Sequence[str]) -> None:
    await connection.execute(delete(RoadmapTouchRow).where(RoadmapTouchRow.item.in_(items)))
