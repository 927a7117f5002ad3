"""Side work: handed out in slack, put back at the peak, and never with a due date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy import update

from rapport.model.account import Role, Schedule
from rapport.model.base import UserError
from rapport.model.reading import check
from rapport.model.side_project import NewSideProject, SideState
from rapport.rules.calendar import Interval
from rapport.rules.routing import WEIGHTS, Engineer, HeldCase, bar, must_hand_on
from rapport.rules.side_project import OpenSideProject, is_at_work, moves, pressure
from rapport.storage import side_project
from rapport.storage.database import Connection, Store
from rapport.storage.support_case_tables import CaseRow
from tests.support.desk_days import case, staffed

ZURICH = Schedule(zone="Europe/Zurich")
SYDNEY = Schedule(zone="Australia/Sydney")
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)

severities = st.lists(st.integers(1, 4), max_size=5)
engineers = st.builds(
    lambda number, roles, schedule, areas, holds, away: Engineer(
        f"m{number}",
        frozenset(roles),
        schedule,
        areas,
        (Interval(NOW - HOUR, NOW + away * HOUR),) if away else (),
        tuple(map(HeldCase, holds)),
    ),
    st.integers(0, 9),
    st.sampled_from([{Role.SUPPORT_ENGINEER}, {Role.SUPPORT_ENGINEER}, {Role.SUPPORT_ENGINEER, Role.ENGINEERING}]),
    st.sampled_from([ZURICH, ZURICH, SYDNEY]),
    st.none() | st.frozensets(st.sampled_from(["api", "agents"])),
    severities,
    st.integers(0, 30) | st.just(0),
)
desks = st.lists(engineers, max_size=6, unique_by=lambda one: one.id)
projects = st.lists(
    st.builds(
        lambda number, area, owner, hours: OpenSideProject(
            f"s{number}", area, owner, NOW + hours * HOUR if hours is not None else None
        ),
        st.integers(0, 99),
        st.none() | st.sampled_from(["api", "agents"]),
        st.none() | st.integers(0, 9).map(lambda number: f"m{number}"),
        st.none() | st.integers(-3, 5),
    ),
    max_size=8,
    unique_by=lambda one: one.id,
)


@given(projects, desks, severities, st.integers(0, 6), st.integers(1, 10))
@settings(deadline=None, max_examples=300)
def test_slack_hands_out_and_a_peak_takes_all_back(
    found: list[OpenSideProject], desk: list[Engineer], queued: list[int], slack: int, more: int
) -> None:
    """Whatever the desk looks like, side work goes only to those who are free for it, and a peak leaves nobody any."""
    peak = slack + more
    there = [one for one in desk if is_at_work(one, NOW)]
    whole = sum(WEIGHTS[case.severity] for one in there for case in one.holds) + sum(WEIGHTS[one] for one in queued)
    done = moves(found, desk, queued, slack=slack, peak=peak, now=NOW)
    state = pressure(desk, queued, slack=slack, peak=peak, now=NOW)
    by_id, people_ = {one.id: one for one in found}, {one.id: one for one in desk}
    back, out = [move for move in done if move.to is None], [move for move in done if move.to is not None]
    assert len({move.project for move in done}) == len(done)
    if there and (whole >= peak * len(there) or 1 in queued):
        assert state.is_peak
    if state.is_peak:
        assert not out
        assert {move.project for move in back} == {one.id for one in found if one.owner is not None}
    for move in back:
        owner = people_.get(by_id[move.project].owner or "")
        if move.why == "absence":
            assert must_hand_on(owner, 4, NOW)
    if out:
        assert whole <= slack * len(there)
        assert not queued
    after = {one.id: one.owner for one in found} | {move.project: move.to for move in done}
    for move in out:
        taker = people_[move.to or ""]
        project = by_id[move.project]
        assert taker in there
        assert bar(taker, project.area) is None
        assert list(after.values()).count(taker.id) == 1
        assert project.booked_at is None or NOW < project.booked_at <= NOW + HOUR
    assert all(bar(one) is None for one in there)


def test_between_slack_and_peak_everything_stays() -> None:
    """One case more or less neither takes side work away nor hands it out."""
    desk = [
        Engineer("a", frozenset({Role.SUPPORT_ENGINEER}), ZURICH, holds=(HeldCase(2),)),
        Engineer("b", frozenset({Role.SUPPORT_ENGINEER}), ZURICH, holds=(HeldCase(2),)),
    ]
    there = [OpenSideProject("s1", owner="a"), OpenSideProject("s2")]
    assert moves(there, desk, [], slack=3, peak=8, now=NOW) == ()
    assert [move.project for move in moves(there, desk, [2], slack=3, peak=8, now=NOW)] == []
    assert [move.project for move in moves(there, desk, [1], slack=3, peak=8, now=NOW)] == ["s1"]


def test_whoever_had_least_of_it_is_next() -> None:
    """Of those with as little to do, it goes to who had the least of it lately."""
    desk = [Engineer(id_, frozenset({Role.SUPPORT_ENGINEER}), ZURICH) for id_ in ("a", "b", "c")]
    (move,) = moves([OpenSideProject("s1")], desk, [], slack=3, peak=8, now=NOW, had={"a": 2, "b": 1, "c": 2})
    assert move.to == "b"


@pytest.mark.parametrize("field", ["due", "due_date", "deadline", "until", "by"])
def test_a_due_date_is_refused_with_the_reason(field: str) -> None:
    """Whatever it is called, a due date is refused, and the refusal says why."""
    with pytest.raises(UserError) as refused:
        check(NewSideProject, {"kind": "testing", "title": "Soak test", field: "2026-12-01"}, "")
    assert refused.value.field == field
    assert refused.value.problem == "support cannot commit to a date: the next peak puts side work back"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"kind": "testing", "booked_at": "2026-12-01T09:00:00Z", "tam": "a@b.example"}, "booked_at: support cannot"),
        ({"kind": "training", "booked_at": "2026-12-01T09:00:00Z"}, "tam: is missing"),
        ({"kind": "training", "tam": "a@b.example"}, "booked_at: is missing"),
        ({"kind": "development"}, "kind: has a value that is not allowed"),
    ],
)
def test_only_a_tams_training_has_a_time(data: dict[str, Any], said: str) -> None:
    """A booked time stands for a training alone, and for one that belongs to a TAM."""
    with pytest.raises(UserError) as refused:
        check(NewSideProject, {"title": "Course", **data}, "")
    assert str(refused.value).startswith(said)


# --- on record


async def turn(connection: Connection, now: datetime) -> set[tuple[str, str | None, str]]:
    """One turn of the desk; which project went where, and why."""
    return {(move.project, move.to, move.why) for move in await side_project.turn(connection, slack=3, peak=8, now=now)}


async def test_the_desks_turn_hands_out_and_puts_back_and_keeps_the_hours(store: Store) -> None:
    """Slack hands side work to two engineers, never to the developer; a peak puts it back, and the hours stand."""
    async with store.writing() as connection:
        ids = await staffed(connection)
        made = [
            await side_project.add(connection, NewSideProject(kind="testing", title=f"Test {n}"), "m", None, NOW)
            for n in range(3)
        ]
        out = await turn(connection, NOW)
        assert {(to, why) for _, to, why in out} == {(ids["Ana"], "slack"), (ids["Ben"], "slack")}
        assert await turn(connection, NOW + HOUR) == set()
        for number in range(3):
            await case(connection, number + 1, ids["Ana"])
        back = await turn(connection, NOW + 2 * HOUR)
        assert {(project, to) for project, to, _ in back} == {(project, None) for project, _, _ in out}
        found = await side_project.projects(connection, ZURICH, NOW + 5 * HOUR)
        assert [one.id for one in found] == sorted(made)
        assert [(one.state, one.hours, one.put_back) for one in found].count((SideState.WAITING, 2.0, 1)) == 2
        await connection.execute(update(CaseRow).values(state="resolved"))
        assert len(await turn(connection, NOW + 3 * HOUR)) == 2


async def test_whoever_is_away_loses_it_and_a_case_in_the_queue_keeps_it_waiting(store: Store) -> None:
    """Days of absence put side work back; while a customer waits for an owner none is handed out."""
    async with store.writing() as connection:
        ids = await staffed(connection)
        id_ = await side_project.add(connection, NewSideProject(kind="testing", title="Soak"), "m", None, NOW)
        assert await side_project.take(connection, id_, ids["Dev"], NOW)
        assert not await side_project.take(connection, id_, ids["Ana"], NOW)
        await case(connection, 1, None, severity=4)
        assert await turn(connection, NOW) == {(id_, None, "absence")}
        assert await turn(connection, NOW) == set()


async def test_a_booked_training_is_joined_if_somebody_is_free_and_over_by_itself(store: Store) -> None:
    """An hour before it begins a free engineer joins; without one nobody does; afterwards it is over either way."""
    at = NOW + 5 * HOUR
    training = NewSideProject(kind="training", title="Alerts for users", tam="t@foobar.example", booked_at=at)
    async with store.writing() as connection:
        await staffed(connection)
        id_ = await side_project.add(connection, training, "m", "m_tam", NOW)
        assert await turn(connection, at - 2 * HOUR) == set()
        assert {project for project, _, _ in await turn(connection, at - HOUR)} == {id_}
        assert await turn(connection, at + HOUR) == set()
        await turn(connection, at + 4 * HOUR)
        (one,) = await side_project.projects(connection, ZURICH, at, also_done=True)
        assert (one.state, one.stretches, one.tam) == (SideState.DONE, 1, "m_tam")


async def test_what_is_done_stays_done(store: Store) -> None:
    """Done is an end: it is neither handed out nor put back, and a second time changes nothing."""
    async with store.writing() as connection:
        ids = await staffed(connection)
        id_ = await side_project.add(connection, NewSideProject(kind="documentation", title="Guide"), "m", None, NOW)
        await side_project.take(connection, id_, ids["Ana"], NOW)
        assert await side_project.done(connection, id_, NOW + HOUR)
        assert not await side_project.done(connection, id_, NOW + 2 * HOUR)
        assert not await side_project.put_back(connection, id_, "member", NOW + 2 * HOUR)
        assert not await side_project.look_again(connection, id_, NOW.date())
        assert await turn(connection, NOW + 2 * HOUR) == set()
        with pytest.raises(UserError, match='there is no side project "side_x"'):
            await side_project.project(connection, "side_x", ZURICH, NOW)
