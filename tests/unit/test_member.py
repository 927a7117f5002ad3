"""What holds of members: whom they lean on, when they are away, and what is refused in words."""

from __future__ import annotations

import asyncio
import zoneinfo
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy import insert, select
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from rapport.model.account import Absence, MembersFile, WrittenAbsence
from rapport.model.base import Refused, UserError
from rapport.model.ids import new_id
from rapport.model.projection import HeldHour
from rapport.model.reading import check, read_toml
from rapport.rules.calendar import whole_days
from rapport.settings import Settings
from rapport.storage import account, hour
from rapport.storage.account import KnownAbsence
from rapport.storage.database import Store
from rapport.storage.tables import SubmissionRow, TaskRow
from starters.services import Actor, Services, member_named, present
from starters.use_cases import member as members
from starters.use_cases.member import AbsenceShown, Leaving
from tests.conftest import HOST
from tests.helpers_mail import NOW
from tests.mail_fixtures import EXAMPLE

TAM, MANAGER, CE = "robin.keller@foobar.example", "ines.moreau@foobar.example", "tomas.novak@foobar.example"
VP, LEAD, SALES = "henrik.dahl@foobar.example", "priya.raman@foobar.example", "sam.ortega@foobar.example"
ZONES = st.sampled_from(sorted(zoneinfo.available_timezones()))
DAYS = st.dates(date(2026, 1, 1), date(2037, 12, 31))


@pytest.fixture
def services(store: Store, tmp_path: Path) -> Services:
    """The parts that these use cases work with; Temporal knows no workflow."""
    return Services(Settings(data=tmp_path), store, cast("Client", Silent(RPCStatusCode.NOT_FOUND)))


OPEN_TASK = {
    "id": "task/versayce/onsite_approval/1",
    "account": "versayce",
    "contract": "C-1",
    "subject": "versayce",
    "step": "onsite_approval",
    "title": "Onsite kickoff",
    "definition": {},
    "phase": "open",
    "round": 1,
    "answers": [],
    "opened": NOW,
}


def person(name: str, /, **more: Any) -> dict[str, Any]:
    """One of the [[members]] of a file."""
    return {"name": name, "email": f"{name}@foobar.example", "roles": ["ce"], "zone": "Europe/Prague", **more}


def members_file(*written: dict[str, Any]) -> MembersFile:
    """A members file with these people."""
    return check(MembersFile, {"members": written}, "members.toml")


def by(email: str) -> Actor:
    """Someone acting on the command line."""
    return Actor(email=email, channel="cli", entered_by="tester")


def away(member: str = TAM, /, **more: Any) -> WrittenAbsence:
    """An absence as its member writes it: a week in the summer of 2090, or what `more` says."""
    return check(WrittenAbsence, {"member": member, "from": "2090-07-03", "until": "2090-07-07", **more}, "")


async def ids(store: Store) -> dict[str, str]:
    """The members' ids, by the part of their address before the @."""
    async with store.reading() as connection:
        return {member.email.partition("@")[0]: member.id for member in await account.members(connection)}


async def refused(call: Any) -> UserError:
    """The refusal that a use case meets, with a field and a fix."""
    with pytest.raises(UserError) as caught:
        await call
    assert caught.value.field
    assert caught.value.fix
    return caught.value


class Silent:
    """Stands in for Temporal's client: each workflow answers a signal with this error."""

    def __init__(self, status: RPCStatusCode) -> None:
        self.status = status

    def get_workflow_handle(self, *_: object) -> Silent:
        """Any workflow."""
        return self

    async def signal(self, *_: object, **__: object) -> None:
        """No answer, or nobody there."""
        raise RPCError("", self.status, b"")


@pytest.mark.parametrize(("status", "warned"), [(RPCStatusCode.UNAVAILABLE, 1), (RPCStatusCode.NOT_FOUND, 0)])
async def test_an_absence_stands_also_where_no_task_can_be_told(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, status: RPCStatusCode, warned: int
) -> None:
    """Temporal's silence costs no absence, and is logged; a task that has closed meanwhile is no error at all."""
    services = Services(Settings(data=tmp_path), store, cast("Client", Silent(status)))
    async with store.writing() as connection:
        await connection.execute(insert(TaskRow).values(**OPEN_TASK))
    assert (await members.add_absence(services, away(), by(TAM))).state == "ahead"
    assert len([record for record in caplog.records if "1 of 1 open tasks" in record.getMessage()]) == warned


# --- whom they lean on


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_the_order_of_a_file_does_not_matter(services: Services, order: Sequence[int]) -> None:
    """People who lean on each other, in a ring and before they stand in the file, are kept as written."""
    ring = [
        person("a", manager="B@foobar.example", backup="c@foobar.example"),
        person("b", delegate="c@foobar.example"),
        person("c", manager=MANAGER, delegate="a@foobar.example"),
    ]
    await members.import_members(services, members_file(*(ring[index] for index in order)))
    known = await ids(services.store)
    async with services.store.reading() as connection:
        found = await account.availability(connection, [known[name] for name in "abc"])
    kept = {name: found[known[name]] for name in "abc"}
    assert (kept["a"].manager, kept["a"].backup, kept["a"].delegate) == (known["b"], known["c"], None)
    assert (kept["b"].manager, kept["b"].backup, kept["b"].delegate) == (None, None, known["c"])
    assert (kept["c"].manager, kept["c"].backup, kept["c"].delegate) == (known["ines.moreau"], None, known["a"])


async def test_importing_members_again_changes_nothing_and_touches_nobody_else(services: Services) -> None:
    """A members file keeps its people's ids and leaves alone whom it does not name."""
    before = await members.listed(services)
    file = members_file(person("a", manager="b@foobar.example"), person("b"))
    first = await members.import_members(services, file)
    known = await ids(services.store)
    assert await members.import_members(services, file) == first
    assert await ids(services.store) == known
    assert [line.email for line in first] == ["a@foobar.example", "b@foobar.example"]
    assert [line for line in await members.listed(services) if line not in first] == before


async def test_what_a_file_no_longer_says_is_taken_back(services: Services) -> None:
    """A manager whom the next file leaves out is the member's manager no more."""
    await members.import_members(services, members_file(person("a", manager=MANAGER)))
    [line] = await members.import_members(services, members_file(person("a")))
    assert line.manager is None


@pytest.mark.parametrize("field", ["manager", "backup", "delegate"])
async def test_whoever_is_leaned_on_has_to_be_known(services: Services, field: str) -> None:
    """An address of nobody is refused with its place in the file, and nothing of the file stays."""
    before = await members.listed(services)
    file = members_file(person("a"), person("b"), person("c", **{field: "nobody@foobar.example"}))
    refusal = await refused(members.import_members(services, file))
    assert (refusal.field, refusal.kind) == (f"members[2].{field}", Refused.INVALID)
    assert await members.listed(services) == before


@pytest.mark.parametrize("field", ["manager", "backup", "delegate"])
def test_nobody_leans_on_themself(field: str) -> None:
    """A member who would be their own manager, backup or delegate is refused, however the address is cased."""
    with pytest.raises(UserError) as caught:
        members_file(person("a"), person("b", **{field: "B@foobar.example"}))
    assert caught.value.field == f"members.toml: members[1].{field}"
    assert caught.value.fix


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "members"),
        ("members = []", "members"),
        ("[account]\nkey = 'x'", "members"),
        ("[[members]]\nname = 'A'", "members[0].zone"),
    ],
)
def test_a_members_file_that_is_wrong_names_the_field(text: str, field: str) -> None:
    """What is no members file is refused with the field at fault."""
    with pytest.raises(UserError) as caught:
        read_toml(MembersFile, text.encode(), "members.toml")
    assert caught.value.field == f"members.toml: {field}"


def test_an_address_stands_in_a_members_file_once() -> None:
    """Two members of one address are refused."""
    with pytest.raises(UserError, match="twice"):
        members_file(person("a"), person("a", email="A@foobar.example"))


def test_the_shipped_members_file_is_accepted() -> None:
    """examples/members.toml is a members file."""
    path = EXAMPLE.with_name("members.toml")
    assert len(members.read_file(path).members) == 3


async def test_everyone_of_the_example_has_somebody_to_go_up_to(services: Services) -> None:
    """In the shipped example a matter reaches a vice president from everyone, in at most two steps."""
    managers = {line.email: line.manager for line in await members.listed(services)}
    tops = {email for email, manager in managers.items() if manager is None}
    assert tops == {VP, "elena.fischer@foobar.example"}
    assert all(manager in tops or managers[manager] in tops for manager in managers.values() if manager)


# --- whole days


@settings(max_examples=300, deadline=None)
@given(zone=ZONES, first=DAYS, length=st.integers(0, 40), inside=st.floats(0, 1))
def test_whole_days_are_whole_whatever_the_clocks_do(zone: str, first: date, length: int, inside: float) -> None:
    """In every zone, through every change of its clocks, an absence holds its days and nothing of their neighbours."""
    last, place = first + timedelta(days=length), ZoneInfo(zone)
    span = whole_days(first, last, zone)
    assert {span.start.tzinfo, span.end.tzinfo} == {UTC}
    tick = timedelta(microseconds=1)
    somewhere = span.start + (span.end - span.start - tick) * inside
    for instant in (span.start, somewhere, span.end - tick):
        assert first <= instant.astimezone(place).date() <= last
    assert (span.start - tick).astimezone(place).date() < first
    assert span.end.astimezone(place).date() > last


@settings(max_examples=100, deadline=None)
@given(zone=ZONES, first=DAYS, lengths=st.lists(st.integers(0, 20), min_size=2, max_size=4))
def test_days_that_follow_each_other_leave_no_gap(zone: str, first: date, lengths: list[int]) -> None:
    """An absence that begins on the day after another ends begins at the very instant at which the other ends."""
    end: datetime | None = None
    for length in lengths:
        span = whole_days(first, first + timedelta(days=length), zone)
        assert end in (None, span.start)
        end, first = span.end, first + timedelta(days=length + 1)


# --- absences


async def test_days_count_in_the_members_own_zone(services: Services) -> None:
    """From Monday until Friday is Monday's first to Friday's last minute where the member lives."""
    shown = await members.add_absence(services, away(SALES, reason="Holiday"), by(SALES))
    assert (shown.starts, shown.ends) == (
        datetime(2090, 7, 3, 4, tzinfo=UTC),
        datetime(2090, 7, 8, 4, tzinfo=UTC),
    )
    assert (shown.member, shown.name, shown.state, shown.reason) == (SALES, "Sam Ortega", "ahead", "Holiday")
    assert await members.absences(services) == await members.absences(services, SALES.upper()) == [shown]
    assert await members.absences(services, TAM) == []


async def test_an_instant_counts_as_it_stands(services: Services) -> None:
    """Instants with an offset are taken as they are, also beside a day."""
    shown = await members.add_absence(services, away(**{"from": "2090-07-03T12:00:00+02:00"}), by(TAM))
    assert (shown.starts, shown.ends) == (
        datetime(2090, 7, 3, 10, tzinfo=UTC),
        datetime(2090, 7, 7, 22, tzinfo=UTC),
    )


async def test_whoever_announces_an_absence_hears_what_is_booked_with_them_then(services: Services) -> None:
    """Nobody moves these meetings for them: of a series the dates are canceled, and what they offer is withdrawn."""
    robin = (await ids(services.store))["robin.keller"]
    inside = datetime(2090, 7, 4, 8, tzinfo=UTC)
    booked = {"meeting/versayce/kickoff/1": inside, "meeting/other/kickoff/1": inside + timedelta(days=7)}
    async with services.store.writing() as connection:
        for meeting, start in booked.items():
            held = HeldHour(members=(robin,), start=start, end=start + timedelta(minutes=30))
            await hour.hold(connection, meeting, held)
    shown = await members.add_absence(services, away(), by(TAM))
    assert shown.booked == ("kickoff, versayce: Tue 4 Jul, 10:00 (Zurich time)",)
    assert (await members.end_absence(services, shown.id, by(TAM))).booked == ()


async def test_one_day_is_an_absence(services: Services) -> None:
    """The same day as from and until is that day; today is not in the past."""
    here = present().astimezone(ZoneInfo("Europe/Zurich")).date().isoformat()
    shown = await members.add_absence(services, away(**{"from": here, "until": here}), by(TAM))
    assert shown.state == "away"
    [line] = [line for line in await members.listed(services) if line.email == TAM]
    assert line.away_until == shown.ends
    assert (await members.show(services, TAM)).absences == (shown,)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"until": "2090-07-02"}, "until", "before from"),
        ({"from": "2090-07-03T10:00:00Z", "until": "2090-07-03T10:00:00Z"}, "until", "before from"),
        ({"from": "2001-07-03", "until": "2001-07-07"}, "until", "in the past"),
        ({"member": "nobody@foobar.example"}, "member", "no member"),
        ({"delegate": "nobody@foobar.example"}, "delegate", "no member"),
        ({"delegate": TAM.upper()}, "delegate", "themself"),
    ],
)
async def test_an_absence_that_cannot_be_meant_is_refused(
    services: Services, changes: dict[str, str], field: str, words: str
) -> None:
    """Each thing that is wrong with an absence is told with its field and a fix, and nothing of it is kept."""
    refusal = await refused(members.add_absence(services, away(**changes), by(TAM)))
    assert refusal.field == field
    assert words in refusal.problem
    assert await members.absences(services) == []
    async with services.store.reading() as connection:
        assert list(await connection.scalars(select(SubmissionRow.id))) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2090-7-3",
        "20900703",
        "2090-02-30",
        "2090-07-03T10:00",
        "0090-07-03",
        "9999-12-31",
        20900703,
        None,
    ],
)
@pytest.mark.parametrize("field", ["from", "until"])
def test_a_day_that_is_none_is_refused(field: str, text: object) -> None:
    """What is neither a day nor an instant, or lies in a year that nobody means, is refused with its field."""
    with pytest.raises(UserError) as caught:
        away(**{field: text})
    assert caught.value.field == field
    assert caught.value.fix


async def test_absences_of_a_member_never_overlap(services: Services) -> None:
    """A second absence in the same time is a conflict that names the first; the days beside it are free."""
    first = await members.add_absence(services, away(), by(TAM))
    for start, end in (("06-30", "07-03"), ("07-07", "07-09"), ("07-04", "07-05"), ("06-01", "08-01")):
        again = away(**{"from": f"2090-{start}", "until": f"2090-{end}"})
        refusal = await refused(members.add_absence(services, again, by(TAM)))
        assert (refusal.field, refusal.kind) == ("from", Refused.CONFLICT)
        assert first.id in refusal.problem
        assert "from 2090-07-03 00:00 until 2090-07-08 00:00 (Europe/Zurich)" in refusal.problem
    for start, end in (("07-01", "07-02"), ("07-08", "07-09")):
        await members.add_absence(services, away(**{"from": f"2090-{start}", "until": f"2090-{end}"}), by(TAM))
    await members.add_absence(services, away(CE), by(CE))
    assert len(await members.absences(services)) == 4


async def test_of_two_absences_at_once_one_is_kept(services: Services) -> None:
    """Announced twice in the same moment, an absence is kept once."""
    done = await asyncio.gather(
        *(members.add_absence(services, away(), by(TAM)) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(one, AbsenceShown) for one in done) == 1
    assert sum(isinstance(one, UserError) for one in done) == 4
    assert len(await members.absences(services)) == 1


async def test_delegates_may_form_chains(services: Services) -> None:
    """Whoever stands in may be away as well, with a stand-in of their own; the chain may even close."""
    for member, delegate in ((TAM, CE), (CE, VP), (VP, TAM)):
        shown = await members.add_absence(services, away(member, delegate=delegate), by(member))
        assert shown.delegate == delegate


async def test_ending_an_absence_frees_the_rest_of_it(services: Services) -> None:
    """Back early, a member is available from then on, may be away again, and cannot come back twice."""
    now = present()
    long = away(**{"from": (now - timedelta(days=3)).isoformat(), "until": (now + timedelta(days=3)).isoformat()})
    shown = await members.add_absence(services, long, by(TAM))
    assert shown.state == "away"
    ended = await members.end_absence(services, shown.id, by(TAM))
    assert ended.state == "over"
    assert now <= ended.ends <= present()
    assert await members.absences(services) == []
    refusal = await refused(members.end_absence(services, shown.id, by(TAM)))
    assert (refusal.field, refusal.kind) == ("id", Refused.CONFLICT)
    whole = away(**{"from": str(now.date() - timedelta(days=1)), "until": str(now.date() + timedelta(days=3))})
    taken = await refused(members.add_absence(services, whole, by(TAM)))
    assert "begin when that one was over, with 20" in taken.fix
    later = away(**{"from": present().isoformat(), "until": (now + timedelta(days=3)).isoformat()})
    assert (await members.add_absence(services, later, by(TAM))).state == "away"
    [past, current] = await kept(services)
    assert (past.over_at, past.ends, current.ended_early_at) == (ended.ends, shown.ends, None)


async def kept(services: Services) -> list[KnownAbsence]:
    """Every absence on record."""
    async with services.store.reading() as connection:
        return await account.absences(connection)


async def test_an_absence_that_has_not_begun_is_withdrawn(services: Services) -> None:
    """Ended before it begins, an absence counts for nothing, stays on record, and its days are free again."""
    shown = await members.add_absence(services, away(), by(TAM))
    ended = await members.end_absence(services, shown.id, by(MANAGER))
    assert ended == shown.model_copy(update={"state": "withdrawn"})
    assert await members.absences(services) == []
    assert (await refused(members.end_absence(services, shown.id, by(TAM)))).kind is Refused.CONFLICT
    again = await members.add_absence(services, away(), by(TAM))
    async with services.store.reading() as connection:
        [found] = (await account.availability(connection, [(await ids(services.store))["robin.keller"]])).values()
    assert found.absences == (Absence(starts=again.starts, ends=again.ends),)
    assert len(await kept(services)) == 2


async def test_an_absence_that_is_unknown_cannot_be_ended(services: Services) -> None:
    """An id of nothing is not found."""
    refusal = await refused(members.end_absence(services, "a_0", by(MANAGER)))
    assert (refusal.field, refusal.kind) == ("id", Refused.NOT_FOUND)


async def test_what_is_said_of_an_absence_is_on_record(services: Services) -> None:
    """Who announced and who ended an absence, by which hands and with which words, is kept with its id."""
    shown = await members.add_absence(services, away(reason="Knee"), by(MANAGER))
    await members.end_absence(services, shown.id, by(TAM))
    known = await ids(services.store)
    row = select(
        SubmissionRow.actor, SubmissionRow.entered_by, SubmissionRow.kind, SubmissionRow.workflow_id, SubmissionRow.text
    ).order_by(SubmissionRow.at)
    async with services.store.reading() as connection:
        said = [tuple(one) for one in await connection.execute(row)]
    assert said == [
        (known["ines.moreau"], "tester", "absence.add", shown.id, "Knee"),
        (known["robin.keller"], "tester", "absence.end", shown.id, None),
    ]


# --- who may


@pytest.mark.parametrize("speaker", [SALES, MANAGER, VP, LEAD])
async def test_members_speak_for_themselves_and_leads_for_everyone(services: Services, speaker: str) -> None:
    """Whatever their role, members announce and end their own absences; leads do it for others."""
    shown = await members.add_absence(services, away(SALES), by(speaker))
    assert (await members.end_absence(services, shown.id, by(speaker))).state == "withdrawn"


@pytest.mark.parametrize(
    ("speaker", "kind"), [(TAM, Refused.FORBIDDEN), ("x@y.example", Refused.INVALID), ("", Refused.INVALID)]
)
async def test_others_speak_for_nobody_else(services: Services, speaker: str, kind: Refused) -> None:
    """A colleague, a stranger and nobody may neither announce, end nor dismiss for someone else."""
    shown = await members.add_absence(services, away(SALES), by(SALES))
    for call in (
        members.add_absence(services, away(CE), by(speaker)),
        members.end_absence(services, shown.id, by(speaker)),
        *([members.leave(services, SALES, Leaving(reason="Found better"), by(speaker))] if speaker else []),
    ):
        refusal = await refused(call)
        assert (refusal.field, refusal.kind) == ("--as", kind)
    assert await members.absences(services) == [shown]
    assert (await members.show(services, SALES)).left_at is None


# --- leaving


async def test_nobody_takes_a_vote_along_a_chain_of_delegates(services: Services) -> None:
    """In whichever order they send away whom it passes: the absence by which it would come to them is refused."""
    people = members_file(
        person("vic", roles=["ce_vp"], delegate="dan@foobar.example"),
        person("dan", roles=["ce"], delegate="lea@foobar.example", manager="lea@foobar.example"),
        person("lea", roles=["tam_manager"]),
    )
    await members.import_members(services, people)
    vic, dan, lea = (f"{name}@foobar.example" for name in ("vic", "dan", "lea"))
    for first, then in ((vic, dan), (dan, vic)):
        absence = await members.add_absence(services, away(first), by(lea))
        refusal = await refused(members.add_absence(services, away(then), by(lea)))
        assert (refusal.field, refusal.kind) == ("delegate", Refused.FORBIDDEN)
        assert refusal.problem == "would have you decide for vic"
        await members.end_absence(services, absence.id, by(lea))
    # Where they say it themselves, or it does not come to her, nothing is in the way.
    await members.add_absence(services, away(vic), by(lea))
    await members.add_absence(services, away(dan), by(dan))


async def test_nobody_takes_a_vote_by_sending_its_holder_away(services: Services) -> None:
    """Who leads may announce anybody's absence, and names a stand-in only for those below them."""
    for who, whose, stand_in in ((MANAGER, VP, MANAGER), (MANAGER, LEAD, TAM), (LEAD, VP, TAM)):
        refusal = await refused(members.add_absence(services, away(whose, delegate=stand_in), by(who)))
        assert (refusal.field, refusal.kind) == ("delegate", Refused.FORBIDDEN)
    assert await members.absences(services) == []
    assert (await members.add_absence(services, away(VP), by(MANAGER))).delegate is None
    assert (await members.add_absence(services, away(TAM, delegate=CE), by(MANAGER))).delegate == CE
    assert (await members.add_absence(services, away(CE, delegate=MANAGER), by(VP))).delegate == MANAGER


async def test_nobody_is_put_in_anothers_place_by_sending_them_away(services: Services) -> None:
    """Their usual delegate stands in for them once they say that they are away, or anybody else does who may."""
    vp = {"name": "Henrik Dahl", "email": VP, "roles": ["ce_vp"], "zone": "Europe/Prague", "backup": LEAD}
    await members.import_members(services, members_file(vp | {"delegate": MANAGER}))
    for who, stand_in in ((MANAGER, {}), (MANAGER, {"delegate": MANAGER}), (LEAD, {"delegate": LEAD})):
        refusal = await refused(members.add_absence(services, away(VP, **stand_in), by(who)))
        assert (refusal.field, refusal.kind) == ("delegate", Refused.FORBIDDEN)
        assert "decide for Henrik Dahl" in refusal.problem
    assert (await members.add_absence(services, away(VP), by(LEAD))).delegate == MANAGER


async def test_whoever_has_left_acts_no_more(services: Services) -> None:
    """After leaving, a member decides nothing, is away no more, and stands in for nobody new."""
    shown = await members.leave(services, TAM, Leaving(reason="Retired"), HOST)
    assert shown.left_at is not None
    assert shown.accounts == ("versayce",)
    acting = await refused(member_named(services, by(TAM)))
    assert (acting.field, acting.problem) == ("--as", "has left")
    assert (await refused(members.add_absence(services, away(), by(MANAGER)))).field == "member"
    delegated = await refused(members.add_absence(services, away(CE, delegate=TAM), by(CE)))
    assert (delegated.field, delegated.problem) == ("delegate", "has left")
    assert (await refused(members.leave(services, TAM, Leaving(reason="Twice"), HOST))).kind is Refused.CONFLICT
    async with services.store.reading() as connection:
        found = await account.availability(connection)
    assert [one.left for one in found.values()].count(True) == 1


async def test_a_file_brings_nobody_back(services: Services) -> None:
    """Whoever has left for good has left, also when a file still names them."""
    await members.import_members(services, members_file(person("a")))
    left = await members.leave(services, "a@foobar.example", Leaving(reason="Moved away"), HOST)
    [line] = await members.import_members(services, members_file(person("a", name="Anna")))
    assert (line.name, line.left_at) == ("Anna", left.left_at)


@pytest.mark.parametrize("reason", ["", "  ", "a\x00b"])
def test_leaving_needs_a_reason(reason: str) -> None:
    """Nobody leaves without a word."""
    with pytest.raises(UserError) as caught:
        check(Leaving, {"reason": reason}, "")
    assert caught.value.field == "reason"
    assert caught.value.fix


async def test_unknown_members_are_not_found(services: Services) -> None:
    """An address of nobody is told as such, by each use case that takes one."""
    nobody = "nobody@foobar.example"
    for call in (
        members.show(services, nobody),
        members.absences(services, nobody),
        members.leave(services, nobody, Leaving(reason="x"), HOST),
    ):
        assert (await refused(call)).kind is Refused.NOT_FOUND


# --- availability


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_availability_holds_what_is_ahead_and_nothing_else(
    imported: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever absences there are, one counts while it is not over, up to when it was ended, and for its member."""
    hours = st.integers(-50, 50)
    spans = data.draw(st.lists(st.tuples(hours, st.integers(1, 20), st.none() | hours), max_size=6))

    async def run() -> None:
        path = tmp_path_factory.mktemp("availability") / "rapport.db"
        path.write_bytes(imported.read_bytes())
        store = Store(f"sqlite:///{path}")
        known = await ids(store)
        robin = known["robin.keller"]
        expected: list[Absence] = []
        async with store.writing() as connection:
            for start, length, ended in spans:
                starts, ends = NOW + timedelta(hours=start), NOW + timedelta(hours=start + length)
                one = KnownAbsence(id=new_id("a"), member=robin, starts=starts, ends=ends)
                if await account.add_absence(connection, one, "s_1", NOW) is not None:
                    continue
                early = None if ended is None else NOW + timedelta(hours=ended)
                if early is not None and await account.end_absence(connection, one.id, early):
                    ends = min(ends, early)
                if ends > NOW and ends > starts:
                    expected.append(Absence(starts=starts, ends=ends))
        async with store.reading() as connection:
            some = await account.availability(connection, [robin, known["tomas.novak"], "m_unknown"], since=NOW)
            everyone = await account.availability(connection, since=NOW)
            none = await account.availability(connection, [], since=NOW)
        await store.close()
        assert set(some) == {robin, known["tomas.novak"]}
        assert none == {}
        assert set(everyone) == set(known.values())
        assert everyone[robin] == some[robin]
        assert list(some[robin].absences) == sorted(expected, key=lambda absence: absence.starts)
        assert [one.member for one in everyone.values() if one.absences] == ([robin] if expected else [])
        assert some[robin].backup == known["tomas.novak"]
        assert some[robin].manager == known["ines.moreau"]

    asyncio.run(run())
