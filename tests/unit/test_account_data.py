"""What is kept of an account for digests and reviews: what counts, what is refused, what the timeline says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import select
from temporalio.client import Client

from rapport.model.account import AccountFile
from rapport.model.account_data import (
    ImportResult,
    WrittenIncident,
    WrittenProject,
    WrittenRoadmapItem,
    WrittenSample,
    WrittenWin,
)
from rapport.model.base import InputModel, Refused, UserError
from rapport.model.reading import check, read_toml
from rapport.model.sheets import SheetRow, numbered
from rapport.settings import Settings
from rapport.storage import imports
from rapport.storage.account_data import INCIDENTS, PROJECTS, WINS, Noun, put_usage
from rapport.storage.database import Store
from rapport.storage.tables import Base
from starters.services import Actor, Services, present
from starters.use_cases import account_data, audit, timeline
from tests.helpers_mail import NOW
from tests.mail_fixtures import EXAMPLE

W = TypeVar("W", bound=InputModel)

TAM = Actor(email="robin.keller@foobar.example", channel="api", entered_by="token warehouse")
DAY = date(2026, 11, 2)
NOUNS: tuple[Noun[Any], ...] = (INCIDENTS, PROJECTS, WINS)


@pytest.fixture
def services(store: Store, tmp_path: Path) -> Services:
    """The parts that these use cases work with; none of them asks Temporal."""
    return Services(Settings(data=tmp_path), store, cast("Client", None))


async def other(store: Store) -> str:
    """A second account; its key."""
    text = EXAMPLE.read_text().replace('key = "versayce"', 'key = "orbisant"')
    async with store.writing() as connection:
        await imports.save(connection, read_toml(AccountFile, text.encode(), "orbisant.toml"), NOW)
    return "orbisant"


def rows(model: type[W], *given: dict[str, Any]) -> list[SheetRow[W]]:
    """Records as they come in a list."""
    return numbered([check(model, one, "") for one in given], "records")


def sample(value: float = 1, **more: Any) -> dict[str, Any]:
    """A measurement."""
    return {"day": DAY.isoformat(), "metric": "checks a day", "unit": "count", "value": value, **more}


def incident(**more: Any) -> dict[str, Any]:
    """An incident that goes on."""
    return {"id": "INC-1", "title": "Checks late", "severity": 2, "began": "2026-11-02T10:00:00Z", **more}


def item(**more: Any) -> dict[str, Any]:
    """An item of the roadmap."""
    return {"id": "R-1", "title": "Checks from inside", "expected": "2027-Q1", **more}


async def dump(store: Store) -> dict[str, list[Any]]:
    """Everything in the database."""
    async with store.reading() as connection:
        return {
            table.name: [tuple(row) for row in await connection.execute(select(table).order_by(*table.primary_key))]
            for table in Base.metadata.sorted_tables
        }


async def told(services: Services, account: str = "versayce") -> list[tuple[str, str | None]]:
    """The account's timeline: what happened, and what was said with it. Its chain is whole."""
    assert (await audit.verify(services, account)).whole
    return [(entry.what, entry.said) for entry in await timeline.timeline_of(services, account)]


async def refused(call: Any, field: str, kind: Refused = Refused.INVALID) -> UserError:
    """The refusal that a use case meets, about this field, with a fix."""
    with pytest.raises(UserError) as caught:
        await call
    assert (caught.value.field, caught.value.kind) == (field, kind)
    assert caught.value.fix
    return caught.value


# --- usage


async def test_usage_comes_back_by_metric_with_its_unit(services: Services) -> None:
    """What was measured is told by metric, in its unit, the oldest first, and the timeline has one entry for it."""
    given = [
        sample(3400, day="2026-11-03"),
        sample(1200),
        sample(99.95, metric="uptime", unit="%"),
        sample(12.5, metric="Data sent", unit="GB"),
    ]
    assert await account_data.add_usage(services, "versayce", rows(WrittenSample, *given), TAM) == ImportResult(new=4)
    found = await account_data.usage(services, "versayce")
    assert [(one.metric, one.unit) for one in found] == [
        ("checks a day", "count"),
        ("Data sent", "GB"),
        ("uptime", "%"),
    ]
    assert [(one.day.day, one.value) for one in found[0].samples] == [(2, 1200), (3, 3400)]
    assert await told(services) == [
        (
            "Robin Keller brought usage figures up to date: 4 new",
            "checks a day, 2 days from 2026-11-02 to 2026-11-03\nuptime, 2026-11-02\nData sent, 2026-11-02",
        )
    ]


async def test_a_repeated_import_changes_nothing(services: Services) -> None:
    """The same file again leaves every table as it is, the timeline among them; one new figure is one change."""
    given = [sample(index, day=(DAY + timedelta(days=index)).isoformat()) for index in range(12)]
    await account_data.add_usage(services, "versayce", rows(WrittenSample, *given), TAM)
    before = await dump(services.store)
    assert await account_data.add_usage(services, "versayce", rows(WrittenSample, *given), TAM) == ImportResult(
        unchanged=12
    )
    assert await dump(services.store) == before
    given[3]["value"] = 7
    assert await account_data.add_usage(services, "versayce", rows(WrittenSample, *given), TAM) == ImportResult(
        changed=1, unchanged=11
    )
    assert (await told(services))[-1] == (
        "Robin Keller brought usage figures up to date: 1 changed",
        "checks a day, 2026-11-05",
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.integers(-3, 3)), max_size=12), st.randoms())
async def test_the_last_figure_of_a_day_counts(store: Store, given_: list[tuple[str, int, int]], random: Any) -> None:
    """However figures come in, in one import or many, each day has the one that came last."""
    meant: dict[tuple[str, int], int] = {}
    async with store.writing() as connection:
        for metric, day, value in given_:
            said = sample(value, metric=metric, day=(DAY + timedelta(days=day)).isoformat())
            await put_usage(connection, "versayce", rows(WrittenSample, said))
            meant[metric, day] = value
        whole = [
            sample(value, metric=metric, day=(DAY + timedelta(days=day)).isoformat())
            for (metric, day), value in meant.items()
        ]
        random.shuffle(whole)
        if whole:
            kept, changed = await put_usage(connection, "versayce", rows(WrittenSample, *whole))
            assert (kept, changed) == (ImportResult(unchanged=len(whole)), [])


async def test_a_metric_has_one_unit_and_one_spelling(services: Services) -> None:
    """Another unit, or other letters, are refused with what to do, within a file as well, and nothing is kept."""
    await account_data.add_usage(services, "versayce", rows(WrittenSample, sample(1, metric="traffic", unit="GB")), TAM)
    before = await dump(services.store)
    for given_, field, fix in (
        ([sample(), sample(2, metric="traffic", unit="TB")], "records[1].unit", 'convert the value to "GB"'),
        ([sample(), sample(2, metric="Traffic", unit="GB")], "records[1].metric", "write it like that"),
        ([sample(), sample(2, day="2026-11-03", unit="%")], "records[1].unit", 'convert the value to "count"'),
    ):
        refusal = await refused(account_data.add_usage(services, "versayce", rows(WrittenSample, *given_), TAM), field)
        assert fix in refusal.fix
    assert await dump(services.store) == before
    key = await other(services.store)
    assert (
        await account_data.add_usage(services, key, rows(WrittenSample, sample(1, metric="traffic", unit="TB")), TAM)
    ).new


async def test_two_at_the_same_time_agree_on_the_unit(services: Services) -> None:
    """Of two imports of a new metric in different units one is refused; never do both stand."""
    calls = [
        account_data.add_usage(services, "versayce", rows(WrittenSample, sample(1, metric="traffic", unit=unit)), TAM)
        for unit in ("GB", "TB")
    ]
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["ImportResult", "UserError"]


async def test_what_was_wrong_is_taken_away(services: Services) -> None:
    """A day goes alone, a metric with all its days; then it can come in another unit."""
    given = [sample(), sample(day="2026-11-03"), sample(metric="uptime", unit="%")]
    await account_data.add_usage(services, "versayce", rows(WrittenSample, *given), TAM)
    assert await account_data.remove_usage(services, "versayce", "checks a day", TAM, DAY) == ImportResult(removed=1)
    assert await account_data.remove_usage(services, "versayce", "checks a day", TAM) == ImportResult(removed=1)
    assert [one.metric for one in await account_data.usage(services, "versayce")] == ["uptime"]
    await refused(account_data.remove_usage(services, "versayce", "checks a day", TAM), "metric", Refused.NOT_FOUND)
    assert (await account_data.add_usage(services, "versayce", rows(WrittenSample, sample(unit="runs")), TAM)).new == 1
    assert (await told(services))[1] == (
        "Robin Keller brought usage figures up to date: 1 removed",
        "checks a day, 2026-11-02",
    )


# --- incidents, projects, wins


async def test_an_incident_is_kept_corrected_and_closed(services: Services) -> None:
    """An incident goes on until someone says when it ended; the same end again changes nothing, another is refused."""
    assert await account_data.add(
        services, INCIDENTS, "versayce", rows(WrittenIncident, incident()), TAM
    ) == ImportResult(new=1)
    worse = rows(WrittenIncident, incident(severity=1))
    assert await account_data.add(services, INCIDENTS, "versayce", worse, TAM) == ImportResult(changed=1)
    began = datetime(2026, 11, 2, 10, tzinfo=UTC)
    await refused(
        account_data.close_incident(services, "versayce", "INC-1", TAM, began - timedelta(seconds=1)), "ended"
    )
    await refused(
        account_data.close_incident(services, "versayce", "INC-1", TAM, present() + timedelta(hours=1)), "ended"
    )
    ended = began + timedelta(minutes=40)
    closed = await account_data.close_incident(services, "versayce", "INC-1", TAM, ended)
    assert (closed.severity, closed.ended) == (1, ended)
    before = await dump(services.store)
    assert await account_data.close_incident(services, "versayce", "INC-1", TAM, ended) == closed
    assert await account_data.close_incident(services, "versayce", "INC-1", TAM) == closed
    assert await dump(services.store) == before
    later = account_data.close_incident(services, "versayce", "INC-1", TAM, ended + timedelta(hours=1))
    await refused(later, "id", Refused.CONFLICT)
    assert (await told(services))[-1] == ("Robin Keller says that an incident is over", "INC-1: Checks late")


async def test_an_older_export_does_not_open_an_incident_again(services: Services) -> None:
    """What is silent about the end leaves it as it is known, and cannot move the beginning past it."""
    whole = incident(ended="2026-11-02T10:40:00Z")
    await account_data.add(services, INCIDENTS, "versayce", rows(WrittenIncident, whole), TAM)
    assert await account_data.add(
        services, INCIDENTS, "versayce", rows(WrittenIncident, incident()), TAM
    ) == ImportResult(unchanged=1)
    late = rows(WrittenIncident, incident(began="2026-11-02T11:00:00Z"))
    await refused(account_data.add(services, INCIDENTS, "versayce", late, TAM), "records[0].began")


async def test_what_is_recorded_by_id_is_brought_up_to_date(services: Services) -> None:
    """Projects and wins are recognised by their id in their account; whom a file does not name stays."""
    given = [{"id": "P-1", "title": "Search", "starts": "2026-12-01"}, {"id": "P-2", "title": "Shop"}]
    assert await account_data.add(services, PROJECTS, "versayce", rows(WrittenProject, *given), TAM) == ImportResult(
        new=2
    )
    moved = {"id": "P-1", "title": "Search", "starts": "2027-01-11", "ends": "2027-03-01"}
    assert await account_data.add(services, PROJECTS, "versayce", rows(WrittenProject, moved), TAM) == ImportResult(
        changed=1
    )
    assert [(one.id, str(one.starts)) for one in await account_data.listed(services, PROJECTS, "versayce")] == [
        ("P-1", "2027-01-11"),
        ("P-2", "None"),
    ]
    win = {"id": "W-1", "title": "Slow page found", "day": "2026-11-02"}
    assert await account_data.add(services, WINS, "versayce", rows(WrittenWin, win), TAM) == ImportResult(new=1)
    assert await account_data.remove(services, PROJECTS, "versayce", "P-2", TAM) == ImportResult(removed=1)
    assert await account_data.remove(services, WINS, "versayce", "W-1", TAM) == ImportResult(removed=1)
    for noun in NOUNS:
        await refused(account_data.remove(services, noun, "versayce", "X-1", TAM), "id", Refused.NOT_FOUND)
    assert [what for what, _ in await told(services)] == [
        f"Robin Keller brought {what} up to date: {change}"
        for what, change in (
            ("projects", "2 new"),
            ("projects", "1 changed"),
            ("wins", "1 new"),
            ("projects", "1 removed"),
            ("wins", "1 removed"),
        )
    ]


async def test_a_long_import_is_one_entry_that_names_the_first_few(services: Services) -> None:
    """However many records come in at once, the timeline has one entry, short enough to read."""
    given = [{"id": f"W-{index:03}", "title": "A win", "day": "2026-11-02"} for index in range(200)]
    await account_data.add(services, WINS, "versayce", rows(WrittenWin, *given), TAM)
    ((what, said),) = await told(services)
    assert what.endswith("200 new")
    assert said is not None
    assert (said.count("\n"), said.splitlines()[-1]) == (8, "and 192 more")


# --- the roadmap


async def test_the_roadmap_touches_one_account_several_or_all(services: Services) -> None:
    """Each account sees what touches it, with its own reason before everyone's, and its timeline names nothing else."""
    key = await other(services.store)
    given = [
        item(account="versayce", touches="they move to Kubernetes"),
        item(id="R-2", title="Sign-on", expected="2026-Q4", account="*", touches="people come and go"),
        item(id="R-2", title="Sign-on", expected="2026-Q4", account=key, touches="they asked"),
        item(id="R-3", title="Nobody's yet"),
    ]
    assert await account_data.add_roadmap(services, rows(WrittenRoadmapItem, *given), TAM) == ImportResult(new=3)
    assert [(one.id, one.touches) for one in await account_data.roadmap_of(services, "versayce")] == [
        ("R-2", "people come and go"),
        ("R-1", "they move to Kubernetes"),
    ]
    assert [(one.id, one.touches) for one in await account_data.roadmap_of(services, key)] == [("R-2", "they asked")]
    assert [(one.id, one.account) for one in await account_data.roadmap(services)] == [
        ("R-2", "*"),
        ("R-2", key),
        ("R-1", "versayce"),
        ("R-3", None),
    ]
    said = [said for _, said in await told(services)]
    assert said == ["R-1: Checks from inside, expected 2027-Q1"]
    before = await dump(services.store)
    shuffled = rows(WrittenRoadmapItem, *reversed(given))
    assert await account_data.add_roadmap(services, shuffled, TAM) == ImportResult(unchanged=3)
    assert await dump(services.store) == before


async def test_whom_an_item_touches_is_what_was_said_last(services: Services) -> None:
    """An item that is given anew touches whom it names then; both the old and the new account learn of it."""
    key = await other(services.store)
    await account_data.add_roadmap(services, rows(WrittenRoadmapItem, item(account="versayce", touches="a")), TAM)
    moved = rows(WrittenRoadmapItem, item(account=key, touches="b"))
    assert await account_data.add_roadmap(services, moved, TAM) == ImportResult(changed=1)
    assert await account_data.roadmap_of(services, "versayce") == ()
    assert (len(await told(services)), len(await told(services, key))) == (2, 1)
    assert await account_data.remove_roadmap(services, "R-1", TAM) == ImportResult(removed=1)
    assert await account_data.roadmap(services) == []
    await refused(account_data.remove_roadmap(services, "R-1", TAM), "id", Refused.NOT_FOUND)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([item(account="versayce", touches="a"), item(account="versayce", touches="b")], "records[1].account"),
        ([item(account="versayce", touches="a"), item(account="*", touches="b", title="Else")], "records[1].title"),
        ([item(account="versayce", touches="a"), item(account="*", touches="b", expected="?")], "records[1].expected"),
        ([item(account="versayce", touches="a"), item()], "records[1].account"),
        ([item(), item(account="versayce", touches="a")], "records[0].account"),
        ([item(account="versayce", touches="a"), item(id="R-2", account="nobody", touches="b")], "records[1].account"),
    ],
)
async def test_a_roadmap_that_contradicts_itself_is_refused(
    services: Services, given: list[dict[str, Any]], field: str
) -> None:
    """Rows of one item that do not agree, and accounts that nobody knows, are named, and nothing is kept."""
    before = await dump(services.store)
    await refused(account_data.add_roadmap(services, rows(WrittenRoadmapItem, *given), TAM), field)
    assert await dump(services.store) == before


# --- what is refused everywhere


def every(services: Services, account: str, actor: Actor) -> Iterable[Any]:
    """Each way to give data of an account."""
    yield account_data.add_usage(services, account, rows(WrittenSample, sample()), actor)
    yield account_data.add(services, INCIDENTS, account, rows(WrittenIncident, incident()), actor)
    yield account_data.add(services, PROJECTS, account, rows(WrittenProject, {"id": "P-1", "title": "Search"}), actor)
    yield account_data.add(
        services, WINS, account, rows(WrittenWin, {"id": "W-1", "title": "X", "day": "2026-11-02"}), actor
    )
    yield account_data.close_incident(services, account, "INC-1", actor)
    yield account_data.remove_usage(services, account, "checks a day", actor)
    for noun in NOUNS:
        yield account_data.remove(services, noun, account, "X-1", actor)


async def test_nothing_is_kept_of_an_account_that_nobody_knows(services: Services) -> None:
    """An unknown account is told as such by every way in and out, and nothing is written."""
    before = await dump(services.store)
    for call in every(services, "nobody", TAM):
        await refused(call, "account", Refused.NOT_FOUND)
    for noun in NOUNS:
        await refused(account_data.listed(services, noun, "nobody"), "account", Refused.NOT_FOUND)
    for read in (account_data.usage, account_data.roadmap_of):
        await refused(read(services, "nobody"), "account", Refused.NOT_FOUND)
    await refused(account_data.known(services, "nobody"), "account", Refused.NOT_FOUND)
    assert await dump(services.store) == before


@pytest.mark.parametrize("email", ["", "nobody@foobar.example", "luca.bianchi@versayce.example"])
async def test_only_members_give_data(services: Services, email: str) -> None:
    """Nobody, strangers and the customer's own people give none: what mails say of an account has an author here."""
    for call in every(services, "versayce", Actor(email=email, channel="api")):
        await refused(call, "--as")
    await refused(account_data.add_roadmap(services, rows(WrittenRoadmapItem, item()), Actor(email, "api")), "--as")


async def test_what_has_not_come_yet_was_not_measured(services: Services) -> None:
    """Figures, incidents and wins of the future are a mistyped year; projects lie ahead by right."""
    ahead = (present() + timedelta(days=2)).date().isoformat()
    soon = f"{ahead}T10:00:00Z"
    await refused(
        account_data.add_usage(services, "versayce", rows(WrittenSample, sample(day=ahead)), TAM), "records[0].day"
    )
    win = {"id": "W-1", "title": "X", "day": ahead}
    await refused(account_data.add(services, WINS, "versayce", rows(WrittenWin, win), TAM), "records[0].day")
    for field, one in (("began", incident(began=soon)), ("ended", incident(ended=soon))):
        await refused(
            account_data.add(services, INCIDENTS, "versayce", rows(WrittenIncident, one), TAM), f"records[0].{field}"
        )
    project = {"id": "P-1", "title": "Search", "starts": ahead}
    assert (await account_data.add(services, PROJECTS, "versayce", rows(WrittenProject, project), TAM)).new == 1


async def test_an_id_that_stands_twice_is_refused(services: Services) -> None:
    """Of two records of one id, or one metric and day, nobody knows which counts."""
    twice = rows(WrittenIncident, incident(), incident(severity=1))
    await refused(account_data.add(services, INCIDENTS, "versayce", twice, TAM), "records[1].id")
    same = rows(WrittenSample, sample(1), sample(2, metric="Checks a day"))
    await refused(account_data.add_usage(services, "versayce", same, TAM), "records[1].day")


# --- what digests and reviews get


async def test_evidence_without_data_is_empty(services: Services) -> None:
    """Where nothing is on record there is nothing to speak of."""
    found = await account_data.known(services, "versayce", DAY, DAY)
    assert found.is_empty
    assert (found.since, found.until) == (DAY, DAY)
    await refused(account_data.known(services, "versayce", DAY, DAY - timedelta(days=1)), "until")
    await account_data.add_roadmap(services, rows(WrittenRoadmapItem, item()), TAM)
    assert (await account_data.known(services, "versayce")).is_empty


async def test_evidence_is_of_its_days_both_included(services: Services) -> None:
    """A week has the figures and wins of its days, the incidents that went on in it, the projects not over before."""
    week = (date(2026, 11, 2), date(2026, 11, 8))
    days = ["2026-11-01", "2026-11-02", "2026-11-08", "2026-11-09"]
    await account_data.add_usage(services, "versayce", rows(WrittenSample, *(sample(day=day) for day in days)), TAM)
    won = [{"id": f"W-{day}", "title": "A win", "day": day} for day in days]
    await account_data.add(services, WINS, "versayce", rows(WrittenWin, *won), TAM)
    # The TAM is in Zurich, an hour ahead of UTC in November.
    spans = {
        "over-before": ("2026-11-01T10:00:00Z", "2026-11-01T23:00:00Z"),
        "into-it": ("2026-11-01T10:00:00Z", "2026-11-01T23:00:01Z"),
        "a-moment": ("2026-11-01T23:00:00Z", "2026-11-01T23:00:00Z"),
        "in-it": ("2026-11-08T22:59:59Z", None),
        "after": ("2026-11-08T23:00:00Z", None),
        "all-along": ("2026-10-01T00:00:00Z", None),
    }
    felt = [incident(id=id_, began=began, ended=ended) for id_, (began, ended) in spans.items()]
    await account_data.add(services, INCIDENTS, "versayce", rows(WrittenIncident, *felt), TAM)
    planned = [
        {"id": "over", "title": "X", "starts": "2026-10-01", "ends": "2026-11-01"},
        {"id": "last-day", "title": "X", "starts": "2026-10-01", "ends": "2026-11-02"},
        {"id": "ahead", "title": "X", "starts": "2027-02-01"},
        {"id": "some-day", "title": "X"},
    ]
    await account_data.add(services, PROJECTS, "versayce", rows(WrittenProject, *planned), TAM)
    found = await account_data.known(services, "versayce", *week)
    assert [str(one.day) for one in found.usage[0].samples] == days[1:3]
    assert [str(one.day) for one in found.wins] == days[1:3]
    assert [one.id for one in found.incidents] == ["all-along", "into-it", "a-moment", "in-it"]
    assert [one.id for one in found.projects] == ["last-day", "ahead", "some-day"]
    key = await other(services.store)
    assert (await account_data.known(services, key, *week)).is_empty
