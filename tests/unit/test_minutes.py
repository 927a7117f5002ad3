"""Minutes, blockers and actions: what is taken, what is refused, and what stands in SQL afterwards."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st
from pydantic import SecretStr
from temporalio.client import Client

from rapport.model.base import Refused, UserError
from rapport.model.meeting import Agreed
from rapport.model.minutes import (
    ActionDone,
    ActionRecord,
    BlockerCheck,
    BlockerRecord,
    Minutes,
    MinutesRecord,
    NewBlocker,
    Removal,
)
from rapport.model.projection import Wait
from rapport.model.reading import check, read_toml
from rapport.settings import Settings
from rapport.storage import account as accounts, agenda, minutes as records
from rapport.storage.blocker import OWED_BLOCKERS
from rapport.storage.contract import StepShown
from rapport.storage.database import Store
from rapport.storage.minutes import NewMinutes
from starters.cli.minutes import Written
from starters.services import Services, submission
from starters.use_cases import action as actions, audit, blocker as blockers, minutes, timeline
from tests.conftest import CHAMPION, ROOT, TAM, USER, by
from tests.support.minutes import COLLEAGUE, action, blocker

MEETING = "meeting/versayce/kickoff/1"
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)


@pytest.fixture
def services(store: Store, tmp_path: Path) -> Services:
    """The use cases of an installation without a Temporal; nothing here asks one."""
    settings = Settings(data=tmp_path, secret=SecretStr("a secret of the tests"))
    return Services(settings, store, cast("Client", None))


def steps(**states: str) -> list[StepShown]:
    """The meetings of an onboarding, in these states."""
    return [
        StepShown(
            step=step, position=number, title=step.title(), stage="kickoff", kind="meeting", state=state, wait=Wait()
        )
        for number, (step, state) in enumerate(states.items())
    ]


AHEAD = steps(kickoff="running", rollout_planning="waiting", training="done")


async def resolve(services: Services, **parts: Any) -> MinutesRecord:
    """Minutes of these parts, with ids."""
    async with services.store.reading() as connection:
        account = await accounts.account(connection, "versayce")
        return await minutes.resolve(connection, account, "kickoff", AHEAD, check(Minutes, parts, ""))


async def keep(services: Services, *, meeting: str = MEETING, **parts: Any) -> MinutesRecord:
    """Write minutes down, as a report does that was taken."""
    record = await resolve(services, **parts)
    async with services.store.writing() as connection:
        member = await accounts.member_by_email(connection, TAM.email)
        assert member is not None
        said = submission(member.id, TAM, "held", meeting, record.as_text())
        new = NewMinutes(meeting=meeting, account="versayce", step="kickoff", by=member.id, at=said.at, record=record)
        await records.keep(connection, new, said.id)
    return record


async def stands(services: Services) -> records.KnownMinutes:
    """What stands of them."""
    async with services.store.reading() as connection:
        found = await records.of_meeting(connection, MEETING)
    assert found is not None
    return found


def faults(error: pytest.ExceptionInfo[UserError]) -> list[str]:
    """The fields that a refusal names; each has its fix."""
    every = [error.value, *error.value.others]
    assert all(one.fix for one in every)
    return [one.field for one in every]


# What is written


def test_the_shipped_example_is_read() -> None:
    """The example file says what its comments promise."""
    read = read_toml(Minutes, (ROOT / "examples" / "minutes.toml").read_bytes(), "minutes.toml")
    assert len(read.attended) == 3
    assert [one.due for one in read.actions] == [date(2026, 12, 4), date(2026, 12, 7)]
    assert read.private_note


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"attended": ["robin"]}, "attended[0]"),
        ({"attended": [USER, USER.upper().replace("VERSAYCE.EXAMPLE", "versayce.example")]}, "attended[1]"),
        ({"actions": [action(due="soon")]}, "actions[0].due"),
        ({"actions": [{**action(), "due": 86400}]}, "actions[0].due"),
        ({"actions": [{"what": "x", "owner": USER}]}, "actions[0].due"),
        ({"actions": [action(what="two\nlines")]}, "actions[0].what"),
        ({"actions": [action(), action(what="send the GUIDE")]}, "actions[1].what"),
        ({"blockers": [blocker(title=" ")]}, "blockers[0].title"),
        ({"blockers": [blocker(next_check="2026-02-30")]}, "blockers[0].next_check"),
        ({"blockers": [blocker()] * 2}, "blockers[1].title"),
        ({"goals": {"short_term": ["x"] * 41}}, "goals.short_term"),
        ({"goals": {"someday": ["x"]}}, "goals.someday"),
        ({"agreed": [{"step": "rollout_planning", "start": "tomorrow"}]}, "agreed[0].start"),
        ({"agreed": [{"step": "rollout_planning", "start": "2026-12-08T10:00:30"}]}, "agreed[0].start"),
        ({"agreed": [{"step": "rollout_planning", "start": "2026-12-08T10:00", "zone": "Zurich"}]}, "agreed[0].zone"),
        (
            {"agreed": [{"step": "rollout_planning", "start": "2026-12-08T10:00Z", "zone": "Europe/Zurich"}]},
            "agreed[0].zone",
        ),
        ({"agreed": [{"step": "a", "start": "2026-12-08T10:00", "zone": "\ud800"}]}, "body"),
        ({"note": "half a character: \ud800"}, "note"),
        ({"note": "bell \x07"}, "note"),
        ({"private_note": "x" * 20_001}, "private_note"),
        ({"mood": "good"}, "mood"),
    ],
)
def test_what_cannot_be_right_is_refused_by_its_field(parts: dict[str, Any], field: str) -> None:
    """Each fault is told by the field it stands in, with what to do about it."""
    with pytest.raises(UserError) as error:
        check(Minutes, parts, "")
    assert field in faults(error)


def test_flags_say_the_same_as_a_file() -> None:
    """The small case by flags and the same by a document are one and the same; both at once are refused."""
    flags = Written(
        attended=[USER],
        short_term=["Soon"],
        long_term=["Late"],
        action=["Send this; and that; robin.keller@foobar.example; 2026-12-04"],
        blocker=["Firewall; luca.bianchi@versayce.example;2026-12-03"],
        agreed=["rollout_planning; 2026-12-08T10:00; Europe/Zurich"],
        next_="More",
        note="Good",
        private_note="Hm",
    ).minutes()
    document = {
        "attended": [USER],
        "goals": {"short_term": ["Soon"], "long_term": ["Late"]},
        "actions": [action(what="Send this; and that")],
        "blockers": [blocker(title="Firewall")],
        "agreed": [{"step": "rollout_planning", "start": "2026-12-08T10:00", "zone": "Europe/Zurich"}],
        "next": "More",
        "note": "Good",
        "private_note": "Hm",
    }
    assert flags == check(Minutes, document, "")
    wrong: list[tuple[str, list[str] | None, list[str] | None, list[str] | None]] = [
        ("--action", ["Send it; 2026-12-04"], None, None),
        ("--blocker", None, ["Firewall"], None),
        ("--agreed", None, None, ["rollout_planning"]),
    ]
    for flag, promised, blocking, agreed in wrong:
        with pytest.raises(UserError, match="parts") as error:
            Written(action=promised, blocker=blocking, agreed=agreed).minutes()
        assert faults(error) == [flag]
    with pytest.raises(UserError, match="beside other flags") as error:
        Written(file=ROOT / "examples" / "minutes.toml", attended=[USER]).minutes()
    assert faults(error) == ["--file"]


LINES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20)
RECORDS = st.builds(
    MinutesRecord,
    attended=st.lists(LINES).map(tuple),
    short_term=st.lists(LINES).map(tuple),
    actions=st.lists(st.builds(ActionRecord, what=LINES, owner=LINES, due=st.dates())).map(tuple),
    blockers=st.lists(st.builds(BlockerRecord, title=LINES, owner=LINES, next_check=st.dates())).map(tuple),
    agreed=st.lists(st.builds(Agreed, step=LINES, start=st.datetimes(timezones=st.just(UTC)))).map(tuple),
    note=st.none() | LINES,
)


@given(RECORDS)
def test_what_was_minuted_can_be_read_back_from_its_submission(record: MinutesRecord) -> None:
    """A submission alone is enough to know the minutes again; a lone note stays the words that were written."""
    text = record.as_text()
    if record.is_note:
        assert text == record.note
    else:
        assert text is not None
        assert MinutesRecord.read(text) == record


# People and next meetings


async def test_people_are_known_by_their_addresses_or_refused(services: Services) -> None:
    """Contacts and members are taken however their letters are cased; all who are not known are named at once."""
    record = await resolve(services, attended=[USER.title().replace("Example", "example"), COLLEAGUE])
    assert [id_[:2] for id_ in record.attended] == ["c_", "m_"]
    with pytest.raises(UserError) as error:
        await resolve(
            services,
            attended=[USER, "nobody@versayce.example"],
            actions=[action(owner="stranger@foobar.example")],
            blockers=[blocker(), blocker("Budget", owner="who@versayce.example")],
            agreed=[{"step": "training", "start": "2026-12-08T10:00"}],
        )
    assert faults(error) == ["attended[1]", "actions[0].owner", "blockers[1].owner", "agreed[0].step"]
    assert "rollout_planning" in error.value.others[-1].fix


async def test_who_has_left_may_have_been_there_and_owns_nothing_new(services: Services) -> None:
    """Somebody who has left counts among those who attended; nothing new is put on them."""
    async with services.store.writing() as connection:
        member = await accounts.member_by_email(connection, COLLEAGUE)
        assert member is not None
        await accounts.mark_left(connection, member.id, NOW)
    assert (await resolve(services, attended=[COLLEAGUE])).attended == (member.id,)
    with pytest.raises(UserError, match="has left") as error:
        await resolve(services, actions=[action(owner=COLLEAGUE)])
    assert faults(error) == ["actions[0].owner"]


@pytest.mark.parametrize(
    ("start", "zone", "instant"),
    [
        ("2026-12-08T10:00", None, "2026-12-08T09:00:00+00:00"),
        ("2026-12-08T10:00", "America/New_York", "2026-12-08T15:00:00+00:00"),
        ("2026-12-08T10:00+05:30", None, "2026-12-08T04:30:00+00:00"),
    ],
)
async def test_an_agreed_time_is_wall_time_of_its_zone(
    services: Services, start: str, zone: str | None, instant: str
) -> None:
    """Without a zone the TAM's own counts; an offset counts as it stands."""
    record = await resolve(services, agreed=[{"step": "rollout_planning", "start": start, "zone": zone}])
    assert record.agreed == (Agreed(step="rollout_planning", start=datetime.fromisoformat(instant)),)


@pytest.mark.parametrize("start", ["2027-03-28T02:30", "0001-01-01T00:00", "9999-12-31T23:59-10:00"])
async def test_an_agreed_time_that_no_clock_shows_is_refused(services: Services, start: str) -> None:
    """Times that the clocks skip, or that no calendar has, are refused by their field."""
    with pytest.raises(UserError) as error:
        await resolve(services, agreed=[{"step": "rollout_planning", "start": start}])
    assert faults(error) == ["agreed[0].start"]


# What stands


async def test_everything_said_stands_in_its_place(services: Services) -> None:
    """Attendance, goals, actions, blockers and what was agreed can each be read back as they were written."""
    record = await keep(
        services,
        attended=[CHAMPION, USER, TAM.email],
        goals={"short_term": ["Alerts for checkout", "One runbook"], "long_term": ["Fewer pages at night"]},
        actions=[action(), action("List the services", USER, "2026-12-07")],
        blockers=[blocker()],
        agreed=[{"step": "rollout_planning", "start": "2026-12-08T10:00"}],
        next="They show how they deploy",
        note="Good spirits",
    )
    found = await stands(services)
    assert found.record == record
    assert found.corrected_at is None
    async with services.store.reading() as connection:
        [one] = await OWED_BLOCKERS.listed(connection, "versayce")
    assert (one.title, one.owner, one.next_check) == (
        "The firewall lets nothing through",
        "Luca Bianchi",
        date(2026, 12, 3),
    )
    assert one.removed is None


async def test_a_correction_replaces_and_keeps_what_came_of_it(services: Services) -> None:
    """Corrected minutes take the others' place; what is done stays done, what was removed stays removed."""
    await keep(services, actions=[action(), action("List the services", USER)], blockers=[blocker(), blocker("Budget")])
    sent = (await actions.listed(services, "versayce"))[0]
    assert (await actions.done(services, sent.id, ActionDone(), TAM)).done_by == "Robin Keller"
    gone = next(one for one in await blockers.listed(services) if one.title == "Budget")
    await blockers.remove(services, gone.id, Removal(reason="Granted"), TAM)
    await keep(services, actions=[action("Send the GUIDE")], blockers=[blocker(owner=USER, next_check="2026-12-10")])
    assert [one.what for one in await actions.listed(services, "versayce")] == []
    every = await actions.listed(services, "versayce", also_done=True)
    assert [(one.id, one.what) for one in every] == [(sent.id, "Send the GUIDE")]
    left = await blockers.listed(services, "versayce", also_removed=True)
    assert [(one.title, one.owner, one.removed is not None) for one in left] == [
        ("The firewall lets nothing through", "Mara Osei", False),
        ("Budget", "Luca Bianchi", True),
    ]
    assert (await stands(services)).corrected_at is not None


async def test_who_has_left_keeps_what_was_theirs(services: Services) -> None:
    """A correction may still name an owner who has left meanwhile for what they owned, and for nothing of others'."""
    await keep(services, actions=[action(owner=COLLEAGUE)])
    async with services.store.writing() as connection:
        account = await accounts.account(connection, "versayce")
        member = await accounts.member_by_email(connection, COLLEAGUE)
        assert member is not None
        await accounts.mark_left(connection, member.id, NOW)
        same = check(Minutes, {"actions": [action(owner=COLLEAGUE)], "note": "More"}, "")
        before = await records.of_meeting(connection, MEETING)
        assert before is not None
        record = await minutes.resolve_correction(connection, account, same, before.record)
        assert [one.owner for one in record.actions] == [member.id]
        with pytest.raises(UserError, match="has left"):
            await minutes.resolve_correction(connection, account, same, MinutesRecord())


# Blockers and actions


async def test_a_blocker_stays_until_somebody_removes_it_with_a_reason(services: Services) -> None:
    """Added, looked at and removed, each with its actor on the timeline; then it is open no more."""
    past = check(NewBlocker, {**blocker(next_check="2026-01-02"), "note": "since Monday"}, "")
    added = await blockers.add(services, "versayce", past, TAM)
    assert (added.overdue, added.owner_email) == (True, CHAMPION)
    later = await blockers.check(
        services, added.id, BlockerCheck(next_check=date(2090, 1, 2), note="they work on it"), TAM
    )
    assert (later.overdue, later.next_check) == (False, date(2090, 1, 2))
    removed = await blockers.remove(services, added.id, Removal(reason="The rule is in"), by(COLLEAGUE))
    assert (removed.removed_by, removed.reason, removed.remove) == ("Tomas Novak", "The rule is in", None)
    async with services.store.reading() as connection:
        assert await OWED_BLOCKERS.listed(connection, "versayce") == []
    assert await blockers.listed(services, "versayce") == []
    assert [one.id for one in await blockers.listed(services, also_removed=True)] == [added.id]
    told = await timeline.timeline_of(services, "versayce")
    assert [entry.what for entry in told] == [
        "Robin Keller noted a blocker",
        "Robin Keller looked at a blocker",
        "Tomas Novak removed a blocker",
    ]
    title = "The firewall lets nothing through"
    assert [entry.said for entry in told] == [
        f"{title}\nNext check: 2026-01-02\nsince Monday",
        f"{title}\nNext check: 2090-01-02\nthey work on it",
        f"{title}\nThe rule is in",
    ]
    assert {entry.verified for entry in told} == {"operator"}
    assert (await audit.verify(services, "versayce")).whole


async def test_what_stands_already_is_not_noted_twice(services: Services) -> None:
    """The same blocker again is refused with the one that stands; a meeting that names it takes it over."""
    added = await blockers.add(services, "versayce", check(NewBlocker, blocker(), ""), TAM)
    with pytest.raises(UserError, match="stands already") as error:
        await blockers.add(
            services, "versayce", check(NewBlocker, blocker("the FIREWALL lets nothing through"), ""), TAM
        )
    assert (error.value.kind, added.id in error.value.fix) == (Refused.CONFLICT, True)
    await keep(services, blockers=[blocker(next_check="2026-12-10")], actions=[action()])
    [one] = await blockers.listed(services, "versayce")
    assert (one.id, one.next_check) == (added.id, date(2026, 12, 10))
    [promised] = await actions.listed(services, "versayce")
    await keep(services, meeting="meeting/versayce/rollout_planning/1", actions=[action(due="2026-12-11")])
    assert [(one.id, one.due) for one in await actions.listed(services, "versayce")] == [
        (promised.id, date(2026, 12, 11))
    ]
    # The earlier minutes no longer speak of it, so correcting them does not take it away.
    await keep(services)
    assert [one.id for one in await actions.listed(services, "versayce")] == [promised.id]


async def test_what_is_over_cannot_be_done_again(services: Services) -> None:
    """A blocker that is gone is neither looked at nor removed, an action that is done is not done again."""
    added = await blockers.add(services, "versayce", check(NewBlocker, blocker(), ""), TAM)
    await blockers.remove(services, added.id, Removal(reason="Gone"), TAM)
    await keep(services, actions=[action()])
    [promised] = await actions.listed(services)
    await actions.done(services, promised.id, ActionDone(note="Sent"), TAM)
    before = await timeline.timeline_of(services, "versayce")
    for again in (
        blockers.remove(services, added.id, Removal(reason="Again"), TAM),
        blockers.check(services, added.id, BlockerCheck(next_check=date(2026, 12, 8)), TAM),
        actions.done(services, promised.id, ActionDone(), TAM),
    ):
        with pytest.raises(UserError) as error:
            await again
        assert error.value.kind is Refused.CONFLICT
        assert faults(error) == ["id"]
    assert await timeline.timeline_of(services, "versayce") == before
    assert (before[-1].what, before[-1].said) == ("An action is done, says Robin Keller", "Send the guide\nSent")


async def test_who_may_not_and_what_there_is_not_is_refused(services: Services) -> None:
    """Unknown ids, accounts, owners and speakers each have their kind and field; nothing is written."""
    new = check(NewBlocker, blocker(), "")
    stranger = check(NewBlocker, blocker(owner="x@y.example"), "")
    seller = by("sam.ortega@foobar.example")
    for tried, kind, field in (
        (blockers.add(services, "versayce", new, seller), Refused.FORBIDDEN, "--as"),
        (blockers.add(services, "nobody", new, TAM), Refused.NOT_FOUND, "account"),
        (blockers.add(services, "versayce", stranger, TAM), Refused.INVALID, "owner"),
        (blockers.remove(services, "b_0", Removal(reason="x"), TAM), Refused.NOT_FOUND, "id"),
        (actions.done(services, "a_0", ActionDone(), TAM), Refused.NOT_FOUND, "id"),
        (blockers.listed(services, "nobody"), Refused.NOT_FOUND, "account"),
        (actions.listed(services, "nobody"), Refused.NOT_FOUND, "account"),
    ):
        with pytest.raises(UserError) as error:
            await tried
        assert (error.value.kind, error.value.field) == (kind, field)
        assert error.value.fix
    assert await blockers.listed(services) == []
    for empty in ("", " \n"):
        with pytest.raises(UserError, match="is empty"):
            check(Removal, {"reason": empty}, "")


# In the morning


@pytest.mark.parametrize(
    ("at", "shown", "overdue"),
    [
        ("2026-12-02T22:59", False, False),
        ("2026-12-02T23:00", True, False),
        ("2026-12-03T22:59", True, False),
        ("2026-12-03T23:00", True, True),
    ],
)
async def test_what_is_due_stands_in_the_morning_of_the_tam_and_its_owner(
    services: Services, at: str, shown: bool, overdue: bool
) -> None:
    """From its day on, in the reader's zone, it is there and makes a day worth a mail; others read nothing of it."""
    await keep(services, actions=[action(owner=COLLEAGUE, due="2026-12-03")], blockers=[blocker()])
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)
    async with services.store.reading() as connection:
        robin, tomas, ines = [
            await accounts.member_by_email(connection, email)
            for email in (TAM.email, COLLEAGUE, "ines.moreau@foobar.example")
        ]
        assert robin
        assert tomas
        assert ines
        his, theirs, hers = [await agenda.day(connection, one, now) for one in (robin, tomas, ines)]
    assert [(one.title, one.overdue, one.mine) for one in his.blockers] == (
        [("The firewall lets nothing through", overdue, False)] if shown else []
    )
    assert [(one.title, one.owner, one.mine) for one in his.actions] == (
        [("Send the guide", "Tomas Novak", False)] if shown else []
    )
    assert [one.mine for one in theirs.actions] == ([True] if shown else [])
    assert theirs.blockers == ()
    assert his.is_quiet is not shown
    assert hers.is_quiet
