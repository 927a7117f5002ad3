"""What the outbox promises: one key renders once, sent stays sent, and of two attempts one wins."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import sqlite3
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine, event, select, text
from sqlalchemy.exc import IntegrityError

from rapport.mail import outbox
from rapport.mail.outbox import LEASE, NEXT, Lease
from rapport.mail.outbox.leases import READER_ERASED, readdressed
from rapport.model.base import UserError
from rapport.model.message import SETTLED, UNDER_WAY, MessageState, Purpose, Resolution
from rapport.rules.attention import LONGEST_AHEAD
from rapport.rules.erasure import Naming
from rapport.rules.pace import LONGEST_WAIT, SKEW
from rapport.storage.database import Store
from rapport.storage.erasure import erase_mails
from rapport.storage.tables import MessageRow
from tests.helpers_mail import NOW, pause
from tests.mail_fixtures import address

T = TypeVar("T")
S = MessageState


def row(key: str, *, kind: str = "hold", state: S = S.READY, raw: bytes | None = b"bytes") -> dict[str, Any]:
    """A message as an activity hands it in."""
    return {
        "key": key,
        "account": "versayce",
        "contract": "V",
        "step": "kickoff",
        "workflow_id": "meeting/versayce/kickoff/1",
        "purpose": "proposal",
        "kind": kind,
        "person": "c_1",
        "address": "luca@versayce.example",
        "email": "welcome",
        "occasion": {},
        "edits": {"subject": None, "paragraph": None, "body": None},
        "state": state,
        "reason": None,
        "subject": "Welcome",
        "message_id": f"<{key}@foobar.example>",
        "raw": None if state is S.DRAFT else raw,
        "created_at": NOW,
        "attempts": 0,
        "fence": 0,
    }


async def read(store: Store, key: str) -> dict[str, Any]:
    """A message's whole row."""
    async with store.reading() as connection:
        return dict(
            (await connection.execute(select(MessageRow.__table__).where(MessageRow.key == key))).one()._mapping
        )


async def put(store: Store, *rows: dict[str, Any]) -> None:
    """Keep messages."""
    async with store.writing() as connection:
        await outbox.intend(connection, rows)


async def take(store: Store, key: str, at: datetime) -> Lease | None:
    """Lease a message in a transaction of its own."""
    async with store.writing() as connection:
        return await outbox.lease(connection, key, at)


async def go(store: Store, held: Lease, state: S, at: datetime, **values: Any) -> bool:
    """Move a message in a transaction of its own."""
    async with store.writing() as connection:
        return await outbox.move(connection, held, state, now=at, **values)


async def test_nothing_of_what_a_relay_says_is_kept_of_somebody_who_was_erased_meanwhile(store: Store) -> None:
    """Mail servers repeat addresses; what was under way as its reader was erased ends without one."""
    await put(store, row("m"))
    held = await take(store, "m", NOW)
    assert held is not None
    assert await go(store, held, S.SENDING, NOW)
    named = Naming("Luca Bianchi", held.address)
    async with store.writing() as connection:
        await erase_mails(connection, "versayce", held.person, named, NOW)
    words = f"550 5.1.1 <{held.address}> is unknown"
    assert await go(store, held, S.FAILED, NOW, reason=words, reply=words)
    ended = await read(store, "m")
    assert (ended["state"], ended["reason"], ended["reply"]) == (S.FAILED, READER_ERASED, None)
    assert not any(named.named_in(str(value)) for value in ended.values())


async def test_a_mail_that_names_somebody_who_was_erased_is_not_handed_over(store: Store) -> None:
    """Whoever was about to send it to somebody else is overtaken: it is written again, and goes once."""
    await put(store, row("m", raw=b"Subject: x\r\n\r\nLuca Bianchi\r\n") | {"person": "c_2"})
    held = await take(store, "m", NOW)
    assert held is not None
    async with store.writing() as connection:
        await erase_mails(connection, "versayce", "c_1", Naming("Luca Bianchi", "luca@versayce.example"), NOW)
    assert not await go(store, held, S.SENDING, NOW)
    assert ((await read(store, "m"))["state"], (await read(store, "m"))["raw"]) == (S.READY, None)


# --- the machine: any order of what attempts, crashes, clocks and people can do


@dataclass
class Known:
    """What the model knows of one message."""

    kind: str
    raw: bytes | None
    state: S
    fence: int = 0
    lease_until: datetime | None = None
    retry_at: datetime | None = None
    history: list[S] = field(default_factory=list)

    def leasable(self, now: datetime) -> bool:
        """Whether an attempt may have it at this moment."""
        if self.lease_until is not None and self.lease_until >= now:
            return False
        if self.state is S.DEFERRED:
            return self.retry_at is not None and self.retry_at <= now
        return self.state is S.READY or (self.state is S.SENDING and self.kind == "resend")


class Outbox(RuleBasedStateMachine):
    """Drives the real outbox on a real SQLite file, beside a model of what it may do."""

    template: Path

    keys: Bundle[str] = Bundle("keys")
    leases: Bundle[Lease] = Bundle("leases")

    def __init__(self) -> None:
        """A database of its own."""
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "rapport.db"
        shutil.copy(self.template, path)
        self.runner = asyncio.Runner()
        self.store = Store(address(path))
        self.now = NOW
        self.model: dict[str, Known] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one piece of work to its end."""
        return self.runner.run(work)

    def teardown(self) -> None:
        """Close the database."""
        self.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    @initialize(target=keys)
    def first(self) -> str:
        """There is always one message."""
        self.run(put(self.store, row("a", raw=b"first")))
        self.model["a"] = Known("hold", b"first", S.READY)
        return "a"

    @rule(
        target=keys,
        key=st.sampled_from("abc"),
        kind=st.sampled_from(["hold", "resend"]),
        state=st.sampled_from([S.READY, S.DRAFT]),
        raw=st.binary(min_size=1, max_size=4),
    )
    def intend(self, key: str, kind: str, state: S, raw: bytes) -> str:
        """A key that is there stays as it is, and whoever wanted it again is told."""
        if key in self.model:
            with pytest.raises(IntegrityError):
                self.run(put(self.store, row(key, kind=kind, state=state, raw=raw)))
        else:
            self.run(put(self.store, row(key, kind=kind, state=state, raw=raw)))
            self.model[key] = Known(kind, None if state is S.DRAFT else raw, state)
        return key

    @rule(seconds=st.sampled_from([0, 1, 60, 89, 91, 4000]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now += timedelta(seconds=seconds)

    @rule(target=leases, key=keys)
    def lease(self, key: str) -> Any:
        """An attempt gets the lease exactly if the model says so, with the bytes that were frozen."""
        known = self.model[key]
        free = known.lease_until is None or known.lease_until < self.now
        may = known.leasable(self.now)
        held = self.run(take(self.store, key, self.now))
        assert (held is not None) is may
        if known.state is S.SENDING and known.kind == "hold" and free:
            known.state, known.lease_until = S.UNKNOWN, None
        if held is None:
            return Lease(
                key=key,
                kind=known.kind,
                state=known.state,
                fence=-1,
                account="",
                person="",
                address="",
                step="",
                first_tried_at=NOW,
                attempts=0,
                raw=b"",
            )
        known.fence, known.lease_until = held.fence, self.now + LEASE
        assert held.raw == known.raw
        return held

    @rule(held=leases, state=st.sampled_from([S.SENDING, S.SENT, S.FAILED, S.UNKNOWN, S.DEFERRED]))
    def move(self, held: Lease, state: S) -> None:
        """Only the attempt whose fence is the newest moves a message, and only along the arrows."""
        known = self.model[held.key]
        under_way = known.state in UNDER_WAY and known.fence > 0
        may = held.fence == known.fence and under_way and state in NEXT[known.state]
        retry_at = self.now + timedelta(minutes=1) if state is S.DEFERRED else None
        values = {"retry_at": retry_at} if retry_at else {}
        assert self.run(go(self.store, held, state, self.now, **values)) is may
        if may:
            known.state = state
            known.retry_at = retry_at or known.retry_at
            known.lease_until = self.now + LEASE if state is S.SENDING else None

    @rule(held=leases)
    def release_lease(self, held: Lease) -> None:
        """A lease that is given back is free, unless it was overtaken."""

        async def work() -> None:
            async with self.store.writing() as connection:
                await outbox.release_lease(connection, held)

        known = self.model[held.key]
        if known.state is S.SENDING:
            return  # nobody gives a lease back once the data may be out
        self.run(work())
        if held.fence == known.fence:
            known.lease_until = None

    @rule(key=keys, raw=st.binary(min_size=1, max_size=4))
    def freeze(self, key: str, raw: bytes) -> None:
        """A draft gets its bytes once; bytes that are there never change."""

        async def work() -> bool:
            async with self.store.writing() as connection:
                return await outbox.freeze(connection, key, ("Subject", raw), "m_1", None)

        known = self.model[key]
        may = known.state in (S.DRAFT, S.HELD)
        assert self.run(work()) is may
        if may:
            known.state, known.raw = S.READY, raw

    @rule(key=keys, state=st.sampled_from([S.HELD, S.SUPPRESSED]))
    def set_aside(self, key: str, state: S) -> None:
        """Only what still waits for a person can be held or suppressed by one."""

        async def work() -> None:
            async with self.store.writing() as connection:
                await outbox.set_aside(connection, [key], state, "a reason", self.now)

        self.run(work())
        known = self.model[key]
        if known.state is S.DRAFT or (known.state is S.HELD and state is S.SUPPRESSED):
            known.state = state

    @rule(key=keys, subject=st.sampled_from(["One", "Two"]))
    def edit(self, key: str, subject: str) -> None:
        """Only what still waits for a person can be edited."""

        async def work() -> bool:
            async with self.store.writing() as connection:
                return await outbox.edit(connection, key, subject, {"subject": subject})

        assert self.run(work()) is (self.model[key].state in (S.DRAFT, S.HELD))

    @invariant()
    def as_modelled(self) -> None:
        """The database says what the model says; what is sent stays sent, and `hold` kinds were submitted once."""
        for key, known in self.model.items():
            found = self.run(read(self.store, key))
            assert (found["state"], found["raw"], found["kind"]) == (known.state, known.raw, known.kind)
            assert found["lease_until"] == known.lease_until
            if S.SENT in known.history:
                assert known.state is S.SENT
            if known.kind == "hold" and known.history and known.history[-1] in (S.SENDING, S.UNKNOWN):
                assert known.state is not S.READY
            if known.state in SETTLED and known.state is not S.HELD:
                assert found["lease_until"] is None
            if not known.history or known.history[-1] is not known.state:
                known.history.append(known.state)


def test_the_outbox_keeps_its_promises_in_any_order(empty: Path) -> None:
    """In any order of attempts, crashes, waits and people's words the outbox does what a small model of it says."""
    machine = type("Machine", (Outbox,), {"template": empty})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


# --- the promises one by one


async def test_a_key_renders_once(store: Store) -> None:
    """A second intent of the same key is told so, changes nothing, and takes what came with it along."""
    await put(store, row("k", raw=b"first"))
    before = await read(store, "k")
    with pytest.raises(IntegrityError):
        await put(store, row("other"), row("k", kind="resend", raw=b"second") | {"subject": "Other"})
    assert await read(store, "k") == before


async def sending(store: Store, key: str, kind: str) -> Lease:
    """A message whose sender died in the middle of its data."""
    await put(store, row(key, kind=kind, raw=b"frozen"))
    held = await take(store, key, NOW)
    assert held is not None
    assert await go(store, held, S.SENDING, NOW)
    return held


async def test_a_hold_kind_left_in_sending_becomes_unknown_after_its_lease(store: Store) -> None:
    """A one-off that was left in `sending` waits for its lease, then is `unknown`, and is never leased again."""
    held = await sending(store, "k", "hold")
    assert await take(store, "k", NOW + LEASE) is None
    assert (await read(store, "k"))["state"] == S.SENDING
    assert await take(store, "k", NOW + LEASE + timedelta(seconds=1)) is None
    found = await read(store, "k")
    assert (found["state"], found["settled_at"]) == (S.UNKNOWN, NOW + LEASE + timedelta(seconds=1))
    assert "may have arrived" in found["reason"]
    assert await take(store, "k", NOW + timedelta(days=1)) is None
    assert not await go(store, held, S.SENT, NOW)


async def test_a_resend_kind_left_in_sending_is_leased_again_with_the_same_bytes(store: Store) -> None:
    """A reminder that was left in `sending` goes again after the lease: same bytes, higher fence."""
    first = await sending(store, "k", "resend")
    assert await take(store, "k", NOW + LEASE) is None
    second = await take(store, "k", NOW + LEASE + timedelta(seconds=1))
    assert second is not None
    assert (second.raw, second.attempts) == (first.raw, 2)
    assert second.fence > first.fence
    assert second.first_tried_at == NOW


@pytest.mark.parametrize("state", [S.SENDING, S.SENT, S.FAILED, S.UNKNOWN, S.DEFERRED])
async def test_an_overtaken_attempt_changes_nothing(store: Store, state: S) -> None:
    """What an attempt says after another has taken its message over is not heard."""
    await put(store, row("k", kind="resend"))
    old = await take(store, "k", NOW)
    new = await take(store, "k", NOW + LEASE + timedelta(seconds=1))
    assert old is not None
    assert new is not None
    before = await read(store, "k")
    assert not await go(store, old, state, NOW + LEASE, retry_at=NOW)
    async with store.writing() as connection:
        await outbox.release_lease(connection, old)
    assert await read(store, "k") == before
    assert await go(store, new, S.SENDING, NOW + LEASE)
    assert await go(store, new, S.SENT, NOW + LEASE)


@pytest.mark.parametrize("state", list(S))
async def test_sent_is_the_end(store: Store, state: S) -> None:
    """Nothing that anyone can do takes a message out of `sent`."""
    held = await sending(store, "k", "resend")
    assert await go(store, held, S.SENT, NOW, reply="250 ok")
    before = await read(store, "k")
    assert not await go(store, held, state, NOW)
    async with store.writing() as connection:
        await outbox.set_aside(connection, ["k"], state, "why", NOW)
        assert not await outbox.freeze(connection, "k", ("Other", b"other"), None, None)
        assert not await outbox.edit(connection, "k", "Other", {})
        assert await outbox.drop_departed(connection, ["k"], NOW + timedelta(days=1)) == []
    assert await take(store, "k", NOW + timedelta(days=30)) is None
    assert await read(store, "k") == before


@pytest.mark.parametrize("how", ["let_rest", "fail", *Resolution])
@pytest.mark.parametrize("state", list(S))
async def test_what_is_given_up_or_settled_goes_only_where_it_may(store: Store, state: S, how: str) -> None:
    """Whatever a message is in, it ends in what may follow that, is said to have changed, or stays all as it was."""
    await put(store, row("k", state=state))
    was = await read(store, "k")
    async with store.writing() as connection:
        if how in tuple(Resolution):
            changed = await outbox.settle_by_hand(connection, "k", Resolution(how), "new@versayce.example", NOW)
        else:
            changed = await getattr(outbox, how)(connection, "k", "why", NOW)
    found = await read(store, "k")
    assert changed == (found != was)
    assert found["state"] == state or S(found["state"]) in NEXT[state]


@pytest.mark.parametrize("how", ["let_rest", "fail"])
@pytest.mark.parametrize("state", list(S))
async def test_nothing_is_given_up_while_an_attempt_is_at_it(store: Store, state: S, how: str) -> None:
    """What is under a lease stays as it is until that has run out."""
    await put(store, row("k", state=state) | {"lease_until": NOW + LEASE})
    was = await read(store, "k")
    async with store.writing() as connection:
        assert not await getattr(outbox, how)(connection, "k", "why", NOW)
    assert await read(store, "k") == was


async def test_committing_to_the_data_renews_the_lease(store: Store) -> None:
    """However late in its lease an attempt hands the data over, nobody else gets the message while it waits."""
    await put(store, row("k", kind="resend"))
    held = await take(store, "k", NOW)
    assert held is not None
    late = NOW + LEASE - timedelta(seconds=1)
    assert await go(store, held, S.SENDING, late)
    assert await take(store, "k", late + timedelta(seconds=60)) is None


async def test_a_deferred_message_waits_for_its_time(store: Store) -> None:
    """A message that the relay asked patience for is not leased before its time, and says when that is."""
    await put(store, row("k"), row("sent"))
    held = await take(store, "k", NOW)
    assert held is not None
    assert await go(store, held, S.DEFERRED, NOW, retry_at=NOW + timedelta(minutes=5), reason="450")
    async with store.reading() as connection:
        assert await outbox.next_try(connection, ["k"]) == NOW + timedelta(minutes=5)
        assert await outbox.next_try(connection, ["nothing"]) is None
    assert await take(store, "k", NOW + timedelta(minutes=4)) is None
    assert await take(store, "k", NOW + timedelta(minutes=5)) is not None


async def test_of_many_attempts_exactly_one_wins(store: Store) -> None:
    """However many attempts, in however many processes, ask for a message at once, one gets it."""
    await put(store, *(row(f"k{number}") for number in range(5)))
    others = [Store(store.url) for _ in range(3)]

    async def attempt(where: Store, key: str) -> Lease | None:
        return await take(where, key, NOW)

    try:
        asked = [(where, f"k{number}") for number in range(5) for where in (store, *others) for _ in range(3)]
        won = [held for held in await asyncio.gather(*(attempt(*one) for one in asked)) if held is not None]
    finally:
        await asyncio.gather(*(other.close() for other in others))
    assert sorted(held.key for held in won) == [f"k{number}" for number in range(5)]
    assert {held.fence for held in won} == {1}


async def test_drafts_are_frozen_by_one_of_two_approvals(store: Store) -> None:
    """Of two approvals at once one gives the draft its bytes, and those stay."""
    await put(store, row("k", state=S.DRAFT))

    async def approve(raw: bytes, by: str) -> bool:
        async with store.writing() as connection:
            return await outbox.freeze(connection, "k", ("Subject", raw), by, None)

    results = await asyncio.gather(approve(b"one", "m_1"), approve(b"two", "m_2"))
    assert sorted(results) == [False, True]
    found = await read(store, "k")
    assert (found["raw"], found["approved_by"]) == ((b"one", "m_1") if results[0] else (b"two", "m_2"))


async def test_giving_a_lease_back_costs_no_attempt(store: Store) -> None:
    """A message whose relay could not be used as it is set up stays as it was, and free at once."""
    await put(store, row("k"))
    before = await read(store, "k")
    held = await take(store, "k", NOW)
    assert held is not None
    async with store.writing() as connection:
        await outbox.release_lease(connection, held)
    after = await read(store, "k")
    assert (after["state"], after["attempts"], after["lease_until"]) == (before["state"], 0, None)
    assert await take(store, "k", NOW) is not None


@pytest.mark.parametrize(
    ("state", "purpose", "email", "after", "goes"),
    [
        (S.READY, Purpose.PROPOSAL, "welcome", False, False),
        (S.DEFERRED, Purpose.PROPOSAL, "welcome", False, False),
        (S.SENDING, Purpose.PROPOSAL, "welcome", False, True),
        (S.READY, Purpose.TASK, "task", False, True),
        (S.READY, Purpose.TASK, "task", True, True),
        (S.DEFERRED, Purpose.NOTICE, "notice", True, True),
        (S.READY, Purpose.REMINDER, "meeting_reminder", True, False),
        (S.DEFERRED, Purpose.INVITATION, "meeting_invitation", False, True),
        (S.READY, Purpose.INVITATION, "meeting_cancelled", False, True),
    ],
)
async def test_a_pause_holds_what_waits(
    store: Store, state: S, purpose: Purpose, email: str, after: bool, goes: bool
) -> None:
    """Nothing that waits goes during a pause but what asks or answers members, and what calendars have to know."""
    written = NOW + timedelta(minutes=1 if after else -1)
    given = {"state": state, "purpose": purpose, "email": email, "created_at": written, "retry_at": NOW}
    await put(store, row("k", kind="resend") | given)
    await pause(store, "V", NOW)
    later = NOW + timedelta(hours=1)
    async with store.reading() as connection:
        assert await outbox.any_paused(connection, ["k"]) is not goes
        assert [one.key for one in await outbox.late(connection, later, later, 9)] == ["k"] * goes
        assert goes or await outbox.next_try(connection, ["k"]) is None
    if not goes:
        assert await take(store, "k", later) is None
        await pause(store, "V", None)
    assert await take(store, "k", later) is not None
    assert await take(store, "k", later) is None


MOMENTS = st.one_of(st.none(), st.integers(-10_000, 10_000), st.integers(-(10**8), 10**8))


def test_whatever_instants_a_clock_wrote_a_mail_goes_in_time(empty: Path, tmp_path: Path) -> None:
    """A lease or a wait that could be right is kept, up to the longest that the rules give; any other is none."""
    runner, store = asyncio.Runner(), Store(address(Path(shutil.copy(empty, tmp_path / "clocks.db"))))
    keys = (str(number) for number in itertools.count())

    @settings(deadline=None, max_examples=80)
    @given(st.sampled_from([S.READY, S.DEFERRED, S.SENDING]), MOMENTS, MOMENTS, st.booleans(), MOMENTS)
    @example(S.READY, 0, None, False, 31 * 24 * 60 * 60 + 2)
    def goes(state: S, lease: int | None, retry: int | None, waits: bool, first: int | None) -> None:
        key = next(keys)
        until = None if lease is None else NOW + timedelta(seconds=lease)
        again = until if waits or retry is None else NOW + timedelta(seconds=retry)
        again = again or NOW
        not_before = None if first is None else NOW + timedelta(seconds=first)
        given_ = {"state": state, "lease_until": until, "retry_at": again, "not_before": not_before}
        runner.run(put(store, row(key, kind="resend") | given_))
        longest = LONGEST_WAIT if until == again else LEASE
        is_leased = until is not None and NOW <= until <= NOW + longest + SKEW
        is_scheduled = state is S.DEFERRED and NOW < again <= NOW + LONGEST_WAIT + SKEW
        is_scheduled |= not_before is not None and NOW < not_before <= NOW + LONGEST_AHEAD

        async def named(at: datetime) -> bool:
            async with store.reading() as connection:
                return key in [one.key for one in await outbox.late(connection, at + timedelta(seconds=1), at, 1000)]

        assert runner.run(named(NOW)) or is_leased or is_scheduled
        held = runner.run(take(store, key, NOW))
        assert (held is None) is (is_leased or is_scheduled)
        # An instant that is too far off today may be a possible one by then, and then holds for once: there are three.
        longest = max(LONGEST_WAIT + SKEW, LONGEST_AHEAD) + timedelta(seconds=1)
        looks = [NOW + longest * times for times in (1, 2, 3)]
        if held is None:
            at = next(at for at in looks if runner.run(named(at)))
            assert runner.run(take(store, key, at)) is not None

    try:
        goes()
    finally:
        runner.run(store.close())
        runner.close()


async def keys_of(store: Store, prefix: str) -> list[str]:
    """The keys of an occasion."""
    async with store.reading() as connection:
        return list((await outbox.of_occasion(connection, "versayce", prefix, NOW)).states)


async def test_an_occasion_finds_its_own_messages_alone(store: Store) -> None:
    """An occasion's keys are found by all but the person, and a wildcard in a name stands for itself."""
    mine = ["V_1/a/1/c_1", "V_1/a/1/c_2", "V_1/a/1/ÿ", "V_1/a/1/\U0001f600"]
    await put(store, *(row(key) for key in (*mine, "V_1/a/1", "V_1/a/10/c_1", "V_1/a/2/c_1", "Vx1/a/1/c_1")))
    assert await keys_of(store, "V_1/a/1/") == mine


@pytest.mark.sqlite
async def test_an_occasion_looks_through_no_other_mails(store: Store) -> None:
    """An occasion's messages are found by their key, by SQLite's own plan, however many mails its account has had."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, given: Any, *___: Any) -> None:
        asked.append((statement, given))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        await keys_of(store, "V_1/a/1/")
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    [(statement, given)] = [one for one in asked if "FROM messages" in one[0]]
    async with store.reading() as connection:
        path = (await connection.execute(text("PRAGMA database_list"))).one().file
    with contextlib.closing(sqlite3.connect(path)) as file:
        plan = [step for *_, step in file.execute(f"EXPLAIN QUERY PLAN {statement}", given)]
    assert plan == ["SEARCH messages USING INDEX sqlite_autoindex_messages_1 (key>? AND key<?)"]


async def test_an_unknown_key_is_refused(store: Store) -> None:
    """Asking for a message that is not there is refused, and leasing it gives nothing."""
    with pytest.raises(UserError, match="no message"):
        async with store.reading() as connection:
            await outbox.message(connection, "nothing")
    assert await take(store, "nothing", NOW) is None


@given(st.text(max_size=200), st.booleans())
def test_only_the_header_names_another_address(body: str, folded: bool) -> None:
    """Whatever stands in a mail's text stays as it is, and so do its other header fields."""
    fold = "\r\n " if folded else " "
    head = "From: mara@old.example\r\nTo: Mara{}<{}>\r\nReply-To: mara@old.example"
    before = f"{head.format(fold, 'Mara@old.example')}\r\n\r\nmara@old.example {body}".encode("utf-8", "replace")
    after = f"{head.format(fold, 'mara@new.example')}\r\n\r\nmara@old.example {body}".encode("utf-8", "replace")
    assert readdressed(before, "mara@old.example", "mara@new.example") == after


@pytest.mark.parametrize("state", [S.DRAFT, S.HELD, S.READY, S.DEFERRED])
@pytest.mark.parametrize("raw", [None, b"bytes"])
async def test_what_a_failed_step_has_left_is_as_it_was_where_it_goes_on(
    store: Store, state: S, raw: bytes | None
) -> None:
    """Whether it waited to be read, was held back, was scheduled without bytes, or was about to go."""
    key = "V/kickoff/1/1/1/proposal/welcome/c_1"
    later = NOW + timedelta(hours=3)
    before = row(key, state=state) | {"raw": raw, "not_before": later, "reason": "why"}
    other = row("V/kickoff/1/1/1/proposal/welcome/c_2", state=S.SUPPRESSED)
    await put(store, before)
    await put(store, other)
    async with store.writing() as connection:
        (gone,) = await outbox.drop_of_step(connection, "V", "kickoff", 1, NOW)
    assert (gone.key, gone.state) == (key, S.SUPPRESSED)
    async with store.writing() as connection:
        await outbox.take_up(connection, ["meeting/versayce/kickoff/1"])
    after, again = await read(store, key), S.READY if state is S.DEFERRED else state
    assert (after["state"], after["raw"], after["not_before"]) == (again, raw, later)
    assert (after["left_in"], after["settled_at"]) == (None, None)
    assert again in NEXT[S.SUPPRESSED]
    # What was suppressed for a reason of its own stays so.
    assert (await read(store, str(other["key"])))["state"] == S.SUPPRESSED


@pytest.mark.parametrize("taken_up", [False, True])
async def test_a_new_address_is_tried_as_if_for_the_first_time(store: Store, taken_up: bool) -> None:
    """What was tried for days at an address that is theirs no more goes at once to the other, and has all its hours."""
    tried = row("V/kickoff/1/1/1/proposal/welcome/c_1")
    await put(store, tried)
    old = str(tried["address"])
    held = await take(store, str(tried["key"]), NOW)
    assert held is not None
    retry_at = NOW + timedelta(minutes=60)
    assert await go(store, held, S.DEFERRED, NOW, reason="450 4.2.1 no such mailbox yet", retry_at=retry_at)
    later = NOW + timedelta(minutes=30)
    async with store.writing() as connection:
        if taken_up:
            await outbox.drop_of_step(connection, "V", "kickoff", 1, NOW)
            await outbox.take_up(connection, ["meeting/versayce/kickoff/1"])
        assert await outbox.readdress(connection, "c_1", old, "luca@new.example", later) == 0
    moved = await read(store, str(tried["key"]))
    assert (moved["state"], moved["address"], moved["reason"]) == (S.READY, "luca@new.example", None)
    again = await take(store, str(tried["key"]), later)
    assert again is not None
    assert (again.first_tried_at, again.attempts, again.fence) == (later, 1, held.fence + 1)
