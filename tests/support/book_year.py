"""A year of a book: every account on one server whose clock jumps ahead, and people who answer, late, or never."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from temporalio.service import RPCError

from rapport.mail.catcher import Catcher
from rapport.model.account import WrittenAbsence
from rapport.model.account_data import WrittenIncident, WrittenSample, WrittenWin
from rapport.model.base import Refused, UserError
from rapport.model.ids import morning_id, new_id
from rapport.model.meeting import Receipt
from rapport.model.minutes import Minutes
from rapport.model.morning import MorningStart
from rapport.model.operation import Operate
from rapport.model.reading import check
from rapport.model.sheets import SheetRow
from rapport.model.sweep import SweepStart
from rapport.model.task import TaskPhase
from rapport.model.workflows import MORNING, SWEEP
from rapport.rules import calendar
from rapport.storage import waits
from rapport.storage.account_data import INCIDENTS, WINS
from rapport.storage.waits import OpenWait
from starters.services import Actor
from starters.simulate import life as life_module
from starters.simulate.life import Life, beginning
from starters.simulate.sources import of_file
from starters.use_cases import (
    account_data,
    cadence,
    meeting,
    member,
    message,
    onboarding,
    operation,
    succession,
    task,
)
from starters.use_cases.message import Edit
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.operation import OperationWritten
from starters.use_cases.succession import Departure, HandOver, Successor
from tests.support.oracle import Judged, Record, judge
from tests.support.random_book import TAM, Away, Book, Signing

T = TypeVar("T")

LOOKS: Final = (time(9, 7), time(15, 37))
"""When people look at what there is for them, in the TAM's zone; at the first, a round of morning mails has begun."""

_LINK: Final = re.compile(r"/m/([\w-]+)")
_DAY: Final = timedelta(days=1)


class Witness(Catcher):
    """A catcher that has each mail judged by the record as it is at that instant."""

    def __init__(self, folder: Path) -> None:
        """Beside the database of the same data directory."""
        super().__init__(folder)
        self.record = Record(folder.parent / "rapport.db")
        self.judged: list[Judged] = []
        self.life: Life | None = None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep it, and judge it."""
        assert isinstance(envelope.content, bytes)
        now = None
        if self.life is not None:
            now = self.life.shift.seen(await self.life.environment.get_current_time())
        self.judged.append(judge(envelope.content, self.record, now))
        return await super().handle_DATA(server, session, envelope)


@dataclass
class BookYear:
    """A year of a book, at an instant.

    Attributes:
        refused: What was refused, by what was tried: for whoever looks why something did not happen.
        warned_of: The meetings that were booked in an absence when it was announced, as whoever announced it was told.
        adrift: The waits that nobody could end, as they were met.
    """

    book: Book
    life: Life
    witness: Witness
    refused: Counter[str] = field(default_factory=Counter)
    adrift: list[tuple[datetime, OpenWait]] = field(default_factory=list)
    left_with: list[tuple[datetime, str, str]] = field(default_factory=list)
    visits: list[tuple[datetime, str, str, str]] = field(default_factory=list)
    due: list[tuple[datetime, Any]] = field(default_factory=list)
    stuck: list[tuple[datetime, Judged]] = field(default_factory=list)
    decides_at: dict[str, datetime] = field(default_factory=dict)
    warned_of: set[str] = field(default_factory=set)
    _read: int = 0
    _declined: Counter[str] = field(default_factory=Counter)

    @property
    def record(self) -> Record:
        """What is on record."""
        return self.witness.record

    async def live(self) -> None:
        """Let the year pass."""
        one_by_one = sorted(
            [
                *((signing.at, signing) for signing in self.book.signings[1:]),
                *((away.announced, away) for away in self.book.away),
                *((leaving.at, leaving) for leaving in self.book.leaving),
            ],
            key=lambda due: due[0],
        )
        self.due = one_by_one
        for look in self._looks():
            await self.life.reach(look)
            with self.life.acting():
                await self._look()
        await self.life.reach(self.book.until)

    def _looks(self) -> Iterable[datetime]:
        day = self.book.begins.date()
        while day < self.book.until.date():
            for at in LOOKS:
                look = calendar.wall(day, at, "Europe/Zurich")
                if look > self.life.now and day.weekday() != 5:
                    yield look
            day += _DAY

    async def _look(self) -> None:
        """What happens by the clock, then what is new, then what people do about what they find."""
        await self._by_the_clock(SWEEP.name, SweepStart(patience=600))
        await self._by_the_clock(MORNING.name, MorningStart())
        for member_ in self.record.rows("SELECT id FROM members"):
            # What their email says is so as it is written, and not once they have acted on it.
            with contextlib.suppress(RPCError):
                await self.life.settle(morning_id(self.life.now.date(), member_["id"]))
        while self.due and self.due[0][0] <= self.life.now:
            _, what = self.due.pop(0)
            await self._happens(what)
        if self.life.now.hour < 12:
            await self._measure()
            await self._change_plans()
        await self._read_mail()
        await self._follow_links()
        await self._serve()
        await self._decide()
        if self.life.now.hour < 12:
            await self._check()

    async def _by_the_clock(self, name: str, start: Any) -> None:
        """Rounds that a schedule starts; this server has none."""
        id_ = new_id(name.lower())
        client, queue = self.life.services.client, self.life.services.settings.task_queue
        await client.start_workflow(name, start, id=id_, task_queue=queue)
        await self.life.settle(id_)

    async def _try(self, what: str, doing: Awaitable[T]) -> T | None:
        try:
            return await doing
        except UserError as refusal:
            self.refused[f"{what}: {refusal}"[:200]] += 1
            return None

    # What happens to them

    async def _happens(self, what: Any) -> None:
        services = self.life.services
        if isinstance(what, Signing):
            request = (
                StartRequest(file=what.file)
                if what.file is not None
                else StartRequest(account=what.account, contract=what.contract)
            )
            await self._try(f"start {what.contract.playbook}", onboarding.start(services, request))
        elif isinstance(what, Away):
            written = WrittenAbsence.model_validate(
                {"member": what.member, "from": what.first.isoformat(), "until": what.last.isoformat()}
            )
            shown = await self._try("absence", member.add_absence(services, written, _page(what.member)))
            self.warned_of.update(shown.booked if shown is not None else ())
            if what.hands_over:
                last_day = datetime.combine(what.first - timedelta(days=4), time(12), UTC)
                self.due.append((max(last_day, self.life.now), _HandsOver(what)))
                self.due.sort(key=lambda due: due[0])
        elif isinstance(what, _HandsOver):
            order = HandOver(to="noor.haddad@foobar.example", until=what.away.last.isoformat(), reason="On leave")
            await self._try("hand over", succession.hand_over_all(services, what.away.member, order, _page(TAM)))
        elif isinstance(what, _Resumes):
            written_ = OperationWritten(reason="They are back")
            by = self._tam(what.account)
            await self._try("resume", operation.operate(services, what.account, Operate.RESUME, written_, by))
        elif what.follower is not None:
            successor = Successor(
                persona=what.persona,
                name="New Comer",
                email=what.follower,
                former=what.email,
                reason="They changed teams",
            )
            doing = succession.replace_contact(services, what.account, successor, self._tam(what.account))
            await self._try("replace", doing)
        else:
            doing = succession.remove_contact(
                services, what.account, what.email, Departure(reason="Left"), self._tam(what.account)
            )
            await self._try("remove", doing)

    async def _measure(self) -> None:
        """On Mondays, some accounts have numbers, incidents and wins."""
        today = self.life.now.date()
        if today.weekday() != 0:
            return
        for key in self.record.accounts():
            dice = self.book.dice("data", key, today)
            if self.book.dice("has data", key).random() < 0.4:
                continue
            by = self._tam(key)
            if dice.random() < 0.6:
                sample = WrittenSample(day=today - _DAY, metric="Builds", unit="count", value=dice.randrange(50, 5000))
                doing = account_data.add_usage(self.life.services, key, [SheetRow(sample)], by)
                await self._try("usage", doing)
            if dice.random() < 0.1:
                began = self.life.now - timedelta(days=2)
                incident = WrittenIncident.model_validate(
                    {"id": f"inc-{today}", "title": "Slow queries", "severity": 3, "began": began.isoformat()}
                )
                doing = account_data.add(self.life.services, INCIDENTS, key, [SheetRow(incident)], by)
                await self._try("incident", doing)
            if dice.random() < 0.1:
                win = WrittenWin.model_validate(
                    {"id": f"win-{today}", "title": "Found a leak in minutes", "day": today.isoformat()}
                )
                doing = account_data.add(self.life.services, WINS, key, [SheetRow(win)], by)
                await self._try("win", doing)

    async def _change_plans(self) -> None:
        """On Tuesdays, a date of what recurs is called off or moved here and there, or an account is paused."""
        today, services = self.life.now.date(), self.life.services
        if today.weekday() != 1:
            return
        for key in self.record.accounts():
            dice, by = self.book.dice("plans", key, today), self._tam(key)
            what = dice.random()
            if what < 0.02:
                self.due.append((self.life.now + timedelta(days=9), _Resumes(key)))
                self.due.sort(key=lambda due: due[0])
                written = OperationWritten(reason="They merge two teams")
                await self._try("pause", operation.operate(services, key, Operate.PAUSE, written, by))
            elif what < 0.08:
                found = self.record.row("SELECT step, coming FROM rhythms WHERE account = ? AND rhythm = 'sync'", key)
                ahead = [one for one in json.loads(found["coming"]) if not one.get("off")] if found else []
                if found is None or len(ahead) < 3:
                    continue
                day = date.fromisoformat(ahead[1]["day"])
                if what < 0.05:
                    doing = cadence.skip(services, key, found["step"], day, by, "A fair")
                else:
                    start = datetime.fromisoformat(ahead[1]["start"]) + timedelta(days=1, hours=dice.choice((0, 1, 2)))
                    doing = cadence.move(services, key, found["step"], day, start, by)
                await self._try("change a date", doing)

    # What customers do

    async def _read_mail(self) -> None:
        new, self._read = self.witness.judged[self._read :], len(self.witness.judged)
        for one in sorted(new, key=lambda one: (one.at, one.to)):
            if one.row is None:
                continue
            if one.row["email"] == "meeting_report":
                await self._report(one)
            elif one.row["email"] in ("meeting_stuck", "standing_stuck"):
                delay = timedelta(days=self.book.dice("stuck", one.key).choice((0, 0, 2)))
                self.stuck.append((self.life.now + delay, one))
            link = _LINK.search(one.text)
            temper = self.book.temper.get((one.row["account"] or "", one.to))
            if link is not None and temper is not None and temper.answers_after is not None:
                self.visits.append((self.life.now + temper.answers_after, one.row["account"], one.to, link[1]))

    async def _follow_links(self) -> None:
        due = [visit for visit in self.visits if visit[0] <= self.life.now]
        self.visits = [visit for visit in self.visits if visit[0] > self.life.now]
        for _, account, address, token in due:
            services = self.life.services
            if await task.is_task(services, token):
                link = await self._try("task link", task.by_link(services, token))
                if link is None or link.superseded or link.decided is not None or link.task.phase is not TaskPhase.OPEN:
                    continue
                who = Actor(email=link.reader, channel="link")
                option = self.book.dice("sign", token[:0], address, link.round).choice(link.task.options)
                doing = task.decide(services, link.task.task, option.id, who, "Please change it", link.round)
                await self._try("sign", doing)
            else:
                await self._vote(account, address, token)

    async def _vote(self, account: str, address: str, token: str) -> None:
        services = self.life.services
        poll = await self._try("poll", meeting.poll(services, token))
        if poll is None or poll.stale or poll.answered or poll.booked is not None or not poll.slots:
            return
        wants = self.book.temper[account, address]
        self._declined[f"{account}/{address}"] += 1
        declines = self._declined[f"{account}/{address}"] <= wants.declines
        slots = () if declines else tuple(slot.id for slot in poll.slots)
        if slots and len(slots) > 2:
            slots = tuple(sorted(self.book.dice("vote", account, address).sample(slots, len(slots) - 1)))
        await self._try("vote", meeting.vote_by_link(services, token, slots, None))

    # What the vendor's people do

    def _tam(self, account: str) -> Actor:
        return _page(self.record.tam(account))

    def _is_away(self, email: str) -> bool:
        return self.record.is_away(email, self.life.now)

    async def _report(self, one: Judged) -> None:
        """Most meetings were held, some were not, and some nobody ever reports on."""
        assert one.row is not None
        account, step = one.row["account"], one.row["step"]
        dice = self.book.dice("report", account, step, one.key)
        what = dice.random()
        if what > 0.94:
            return
        written = check(Minutes, self._minutes(account, step, dice), "") if dice.random() < 0.6 else None
        name = self.record.named(one.row["contract"])
        outcome: Any = "held" if what < 0.85 else "no_show"
        by = _page(one.to)
        doing = meeting.report(
            self.life.services, name, step, outcome, by, written=written if outcome == "held" else None
        )
        if await self._try(f"report {outcome}", doing) is None and outcome == "held":
            # What was agreed in the room does not suit: it is left to a vote.
            await self._try("report anew", meeting.report(self.life.services, name, step, outcome, by))

    def _minutes(self, account: str, step: str, dice: Any) -> dict[str, Any]:
        tam = self.record.tam(account)
        later = (self.life.now + timedelta(days=dice.randrange(3, 20))).date()
        said: dict[str, Any] = {"goals": {"short_term": ["Fewer false alerts"], "long_term": ["One place to look"]}}
        if dice.random() < 0.5:
            said["actions"] = [{"what": f"Send the list {later}", "owner": tam, "due": later.isoformat()}]
        if dice.random() < 0.3:
            said["blockers"] = [{"title": f"No test system {later}", "owner": tam, "next_check": later.isoformat()}]
        if step == "kickoff" and dice.random() < 0.3:
            at = datetime.combine(later, time(dice.randrange(9, 17)))
            said["agreed"] = [{"step": "rollout_planning", "start": at.isoformat(), "zone": "Europe/Zurich"}]
        return said

    async def _serve(self) -> None:
        """Drafts are read and sent, some late, some never; what nobody agreed on is booked by hand."""
        ready = [one for at, one in self.stuck if at <= self.life.now]
        self.stuck = [one for one in self.stuck if one[0] > self.life.now]
        for one in ready:
            await self._settle_by_hand(one)
        for account in self.record.with_drafts():
            tam = self.record.tam(account)
            if self._is_away(tam):
                continue
            by = _page(tam)
            for draft in await message.drafts(self.life.services, account):
                patience = self.book.dice("draft", account, draft.step, draft.key[:0]).choice((0, 0, 0, 2, 6, 400))
                if draft.at + timedelta(days=patience) > self.life.now:
                    continue
                if draft.to_write and draft.paragraph is None:
                    word = Edit(paragraph="Write to me whenever something is in the way.")
                    await self._try("edit", message.edit(self.life.services, draft.key, word, by))
                await self._try("release", message.release(self.life.services, (draft.key,), by))

    async def _settle_by_hand(self, one: Judged) -> None:
        """The TAM takes a time that nothing speaks against; or else one against which hours alone speak."""
        assert one.row is not None
        name, step, account = self.record.named(one.row["contract"]), one.row["step"], one.row["account"]
        by = self._tam(account)
        services = self.life.services
        if self._is_away(by.email):
            return
        candidates = [
            calendar.wall(self.life.now.date() + timedelta(days=days), time(hour), "Europe/Zurich")
            for days in range(3, 18)
            for hour in (15, 10, 9, 16)
        ]
        weak = None
        for start in candidates:
            if one.row["email"] == "standing_stuck":
                day = f"{start:%a}".lower()
                doing: Awaitable[Receipt] = cadence.set_time(services, name, step, day, f"{start:%H:%M}", by)
            else:
                doing = meeting.book(services, name, step, start, by)
            try:
                await doing
            except UserError as refusal:
                if refusal.kind is not Refused.CONFLICT or not refusal.field:
                    self.refused[f"by hand: {refusal}"[:200]] += 1
                    return
                found = [str(fault) for fault in (refusal, *refusal.others)]
                if all("outside the working hours" in fault for fault in found):
                    weak = weak or start
            else:
                return
        if weak is None:
            self.refused["by hand: nothing at all"] += 1
        elif one.row["email"] == "standing_stuck":
            day = f"{weak:%a}".lower()
            await self._try("set", cadence.set_time(services, name, step, day, f"{weak:%H:%M}", by, anyway=True))
        else:
            await self._try("book", meeting.book(services, name, step, weak, by, anyway=True))

    async def _decide(self) -> None:
        """Whoever is asked and is there says something, some late, some never."""
        anyone = Actor(email="", channel="cli")
        services = self.life.services
        if await task.waiting(services, anyone) == 0:
            return
        members = set(self.record.members())
        for line in (await task.inbox(services, anyone)).mine:
            email = next((one for one in line.assignees if one in members and not self._is_away(one)), None)
            if email is None:
                continue
            dice = self.book.dice("decide", line.task.partition(".")[0])
            wait = timedelta(days=dice.choice((0, 0, 0, 0, 3, 400)))
            if self.decides_at.setdefault(line.task, self.life.now + wait) > self.life.now:
                continue
            who = _page(email)
            if line.phase is TaskPhase.PREPARING:
                asks = (await task.show(services, line.task)).asks
                dates = (self.life.now + timedelta(days=24)).date()
                said = dict.fromkeys(asks, "As agreed") | ({"dates": f"{dates}"} if "dates" in asks else {})
                await self._try("request", task.request(services, line.task, said, who))
            elif line.phase is TaskPhase.OPEN:
                option = dice.choice((*line.options[:1], *line.options))
                reason = "It is the best way" if option.needs_reason else None
                await self._try(f"decide {line.title}", task.decide(services, line.task, option.id, who, reason))

    # What has to hold at any time

    async def _check(self) -> None:
        async with self.life.services.store.reading() as connection:
            self.adrift += [
                (self.life.now, one) for one in await waits.open_waits(connection) if not (one.held and one.there)
            ]
        self.left_with += [(self.life.now, task_, who) for task_, who in self.record.with_those_who_left()]


@dataclass(frozen=True)
class _HandsOver:
    away: Away


@dataclass(frozen=True)
class _Resumes:
    account: str


def _page(email: str) -> Actor:
    return Actor(email=email, channel="page")


@asynccontextmanager
async def begun(book: Book) -> AsyncIterator[BookYear]:
    """Begin the year of a book with its first account."""
    first = book.signings[0]
    assert first.file is not None
    file = first.file.model_copy(update={"members": book.members.members, "vendor": book.members.vendor})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(life_module, "Catcher", Witness)
        async with beginning(of_file(file, Path("none")), book.begins) as life:
            assert isinstance(life.catcher, Witness)
            life.catcher.life = life
            yield BookYear(book, life, life.catcher)
