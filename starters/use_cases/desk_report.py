"""What the desk goes by, and what its days looked like; by desk, never by engineer."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import Field

from rapport import support_rules
from rapport.model.access import Action
from rapport.model.base import InputModel, Instant, UserError, WireModel, WrittenDay
from rapport.model.reading import check
from rapport.rules.desk_report import DeskReport
from rapport.storage import desk_report, support_case, sweep
from rapport.support_rules import DeskRules
from starters import pictures
from starters.rights import requires
from starters.services import Services, present

DAYS: Final = 28
"""How many days a report covers unless told otherwise."""
MOST_DAYS: Final = 400
"""How many days it covers at most."""


class OwnerShown(WireModel):
    """Which engineering team owns an area, and whether somebody has asked lately."""

    area: str
    title: str
    team: str
    confirmed: date
    days: int
    is_stale: bool


class RulesShown(WireModel):
    """What the desk goes by: the tables of `support.toml`, and who owns what as of today.

    Attributes:
        on_call: Who is on call now, by address.
        begins: When the first turn begins, if that is still to come.
        paged: Whether whoever is on call can be paged; else they are not.
        older_since: Since when the worker goes by other rules than the file has by now.
        restart: What to do for it to read them.
        unfit: Why some who take turns on call can't take cases, by address.
    """

    rules: dict[str, Any]
    owners: tuple[OwnerShown, ...]
    on_call: str | None
    unfit: dict[str, str]
    begins: Instant | None = None
    paged: bool = False
    older_since: Instant | None = None
    restart: str = ""
    now: Instant


@requires(Action.READ)
async def rules(services: Services) -> RulesShown:
    """What the desk goes by.

    Raises:
        UserError: The installation's `support.toml` is wrong; it names line and fix.
    """
    found, now = support_rules.load(services.settings.data), present()
    async with services.store.reading() as connection:
        unfit = await support_case.unfit(connection, found.on_call.members if found.on_call else ())
        read = await sweep.rules_read(connection)
    begins = found.on_call.begins(found.desk.zone) if found.on_call else None
    owners = [(name, found.owner(name, now)) for name in found.areas]
    return RulesShown(
        rules=found.model_dump(mode="json"),
        owners=tuple(OwnerShown.made_of(one, area=name, title=one.area) for name, one in owners if one is not None),
        on_call=found.on_call_now(now),
        unfit=unfit,
        begins=begins if begins is not None and begins > now else None,
        paged=services.settings.paging_webhook_url is not None,
        older_since=read.at if read is not None and read.digest != found.digest else None,
        restart=services.settings.restart,
        now=now,
    )


@requires(Action.READ)
async def report(services: Services, first: date | None = None, last: date | None = None) -> DeskReport:
    """The desk over some days, both included, in its own zone; the last four weeks unless told otherwise.

    Raises:
        UserError: The days are in the wrong order, or too many.
    """
    found = support_rules.load(services.settings.data)
    first, last = _days(found, first, last)
    async with services.store.reading() as connection:
        return await desk_report.read(
            connection,
            desk=found.desk.schedule,
            slack=found.desk.slack,
            peak=found.desk.peak,
            first=first,
            last=last,
            now=present(),
        )


def write(report: DeskReport, folder: Path) -> tuple[Path, ...]:
    """Write a report down: its picture, its hours as a sheet, and all of it as JSON.

    Raises:
        UserError: The folder cannot be written to.
    """
    files = {
        "desk-week.svg": str(pictures.week(report)),
        "desk-week.csv": _sheet(report),
        "desk.json": report.model_dump_json(indent=2) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot be written to: {error.strerror}", field="--out", fix="name a folder of your own"
        ) from None
    return tuple(folder / name for name in files)


def _sheet(report: DeskReport) -> str:
    sheet = io.StringIO()
    rows = csv.writer(sheet, lineterminator="\n")
    rows.writerow(["weekday", "hour", "opened", "load", "most", "staff", "each", "busiest"])
    rows.writerows(
        [hour.weekday, hour.hour, hour.opened, hour.load, hour.most, hour.staff, hour.each, hour.busiest]
        for hour in report.week
    )
    return sheet.getvalue()


class _Span(InputModel):
    first: Annotated[WrittenDay | None, Field(alias="from")] = None
    last: Annotated[WrittenDay | None, Field(alias="to")] = None


def _days(rules: DeskRules, first: date | None, last: date | None) -> tuple[date, date]:
    check(_Span, {"from": first, "to": last}, "")
    last = last or present().astimezone(ZoneInfo(rules.desk.zone)).date()
    first = first or last - timedelta(days=DAYS - 1)
    if last < first:
        raise UserError("comes before the first day", field="to", fix="write the earlier day as from")
    if (last - first).days >= MOST_DAYS:
        raise UserError(
            f"is more than {MOST_DAYS} days after the first", field="to", fix="report on fewer days at once"
        )
    return first, last
