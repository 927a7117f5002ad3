"""What is on record of reviews over their rounds: what gates see, what an account was granted, and signed receipts."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr
from sqlalchemy import delete, select, update
from temporalio.client import Client

from rapport.model.account import Facts
from rapport.model.base import UserError
from rapport.model.projection import Wait
from rapport.model.tech_review import Ask, Design, ReviewProjection, ReviewRound, ReviewStage
from rapport.model.tech_review_facts import Remark, ReviewPhase
from rapport.rules import receipt
from rapport.rules.gate import seen_for_the_trial, standing
from rapport.settings import Settings
from rapport.storage import account, gate, tech_review, timeline
from rapport.storage.database import Connection, Store
from rapport.storage.signing import Signer, hexed, public_keys
from rapport.storage.tables import SubmissionRow
from rapport.storage.tech_review_tables import ReviewReceiptRow, ReviewRow, SigningKeyRow
from starters.services import Actor, Services, submission
from starters.use_cases import audit
from tests.support.tech_review import request

T0: Final = datetime(2026, 11, 23, 9, tzinfo=UTC)
SECRET: Final = b"a secret of the tests"
HIGH_RISK: Final = Facts(high_risk=True)


class Told:
    """A review that tells of itself, as its workflow would."""

    def __init__(self, connection: Connection, member: str) -> None:
        """Nobody has asked yet."""
        self.connection, self.signer, self.member = connection, Signer(SECRET), member
        self.number = 0

    async def ask(self, version: str, **changes: Any) -> None:
        """A review before production, with a version of its design."""
        asked = request(date(2026, 11, 23), stage=ReviewStage.PRE_PRODUCTION, design=self._design(version), **changes)
        said = submission(self.member, Actor(email="", channel="cli"), "review.submit", "x", asked.model_dump_json())
        await timeline.submit(self.connection, said)
        self.round = ReviewRound(
            submission=said.id, by=self.member, stage=asked.stage, ask=Ask.TRADEOFF_OR_TIMELINE, needed_by=T0
        )
        ref = await tech_review.add(self.connection, asked, self.round, T0)
        assert isinstance(ref, str)
        self.ref = ref

    async def ask_anew(self, version: str) -> None:
        """Another version of the design, in a new round."""
        asked = request(date(2026, 11, 23), stage=ReviewStage.PRE_PRODUCTION, design=self._design(version))
        said = submission(self.member, Actor(email="", channel="cli"), "review.edit", "x", asked.model_dump_json())
        await timeline.submit(self.connection, said)
        self.round = self.round.model_copy(update={"number": self.round.number + 1, "submission": said.id})

    async def tell(self, *kinds: str, outcome: str | None = None, decided: bool = False) -> None:
        """What was said by now, of these kinds."""
        self.number += 1
        now = T0 + timedelta(hours=self.number)
        remarks = []
        for kind in kinds:
            said = submission(self.member, Actor(email="", channel="cli"), f"x.{kind}", "x", f"Words of {kind}")
            await timeline.submit(self.connection, said)
            told: dict[str, Any] = {"by": self.member, "seat": "engineering", "option": "in_favour"}
            if kind == "verdict":
                told = {"option": outcome}
            key = f"{kind}/{self.round.number}"
            one = {"key": key, "round": self.round.number, "kind": kind, "at": now, "submission": said.id}
            remarks.append(Remark.model_validate(told | one))
        projection = ReviewProjection(
            ref=self.ref,
            account="versayce",
            number=self.number,
            phase=ReviewPhase.FEEDBACK,
            round=self.round,
            overdue=False,
            outcome=outcome,
            decided=now if decided else None,
            told=None,
            acknowledged=None,
            message=None,
            revisit=None,
            remarks=tuple(remarks),
            entries=(),
            announcements=(),
            wait=Wait(),
            now=now,
        )
        await tech_review.project(self.connection, projection, self.signer)

    def _design(self, version: str) -> Design:
        return Design.model_validate({"link": "https://docs.foobar.example/design", "version": version})


async def begun(connection: Connection) -> Told:
    """A review of the design's second version that was decided with a yes, engineering heard, on one condition."""
    member = await account.member_by_email(connection, "robin.keller@foobar.example")
    assert member is not None
    made = Told(connection, member.id)
    await made.ask("2")
    await made.tell("feedback", "recommendation")
    await made.tell("verdict", outcome="approved", decided=True)
    await tech_review.settle(connection, made.ref, 1, ["You tell us of each site"])
    return made


def office_of(store: Store, secret: bytes) -> Services:
    """What audits need: the database, and the secret."""
    return Services(Settings(secret=SecretStr(secret.decode())), store, cast("Client", None))


async def test_a_gate_goes_by_the_round_that_stands(store: Store) -> None:
    """A yes to an older version of the design, and who was heard on it, open nothing once there is a newer one."""
    async with store.writing() as connection:
        made = await begun(connection)
        found = await gate.reviewed(connection, "versayce")
        assert standing("versayce", "production", HIGH_RISK, found).open
        await made.ask_anew("3")
        await made.tell(outcome="approved")
        found = await gate.reviewed(connection, "versayce")
        assert [(one.yes, one.heard, one.design) for one in found] == [(None, frozenset(), "3")]
        assert not standing("versayce", "production", HIGH_RISK, found).open
        await made.tell("verdict", outcome="approved", decided=True)
        found = await gate.reviewed(connection, "versayce")
        shut = standing("versayce", "production", HIGH_RISK, found)
    assert (shut.open, "decided without engineering" in shut.why) == (False, True)


async def test_a_gate_says_whose_answer_a_colleague_entered(store: Store) -> None:
    """What somebody said in the channel and a colleague entered counts as heard, and is not told as their own hand."""
    async with store.writing() as connection:
        made = await begun(connection)
        [feedback] = [one for one in await tech_review.remarks(connection, made.ref) if one.kind == "feedback"]
        of_feedback = SubmissionRow.id == feedback.submission
        await connection.execute(update(SubmissionRow).where(of_feedback).values(verified="reported"))
        found = await gate.reviewed(connection, "versayce")
    shown = standing("versayce", "production", HIGH_RISK, found)
    assert shown.open
    assert shown.why.endswith("with engineering (entered by someone else) heard")


async def test_a_no_outlives_its_withdrawal_and_a_version_that_was_granted_the_next_one(store: Store) -> None:
    """Neither asking anew nor withdrawing takes back what a round was answered with."""
    async with store.writing() as connection:
        made = await begun(connection)
        await made.ask_anew("3")
        await made.tell("feedback")
        await made.tell("verdict", outcome="declined", decided=True)
        await made.ask_anew("4")
        await made.tell(outcome="withdrawn")
        (found,) = await gate.reviewed(connection, "versayce")
    assert (found.yes, found.withdrawn, found.granted) == (False, True, frozenset({"2"}))
    earlier = found.model_copy(update={"ref": "TR-0000", "yes": True, "withdrawn": False, "decided": T0})
    earlier = earlier.model_copy(update={"heard": frozenset({"engineering"}), "design": "4"})
    assert standing("versayce", "production", HIGH_RISK, [earlier]).open
    assert not standing("versayce", "production", HIGH_RISK, [earlier, found]).open
    trial = earlier.model_copy(update={"stage": "pre_trial", "design": "5"})
    assert seen_for_the_trial("2", [trial]) == "TR-0000"


@pytest.mark.parametrize(("outcome", "stands"), [("approved", True), ("declined", False), ("withdrawn", False)])
async def test_what_was_granted_stands_until_there_is_another_answer(store: Store, outcome: str, stands: bool) -> None:
    """A review that came back takes nothing away while it is looked at again: support reads the conditions on."""
    async with store.writing() as connection:
        made = await begun(connection)
        before = await tech_review.deviations(connection, "versayce")
        assert [(one.ref, one.conditions) for one in before] == [(made.ref, ("You tell us of each site",))]
        await made.ask_anew("3")
        await made.tell("feedback", outcome="approved")
        assert await tech_review.deviations(connection, "versayce") == before
        kinds = ("withdrawal",) if outcome == "withdrawn" else ("verdict",)
        await made.tell(*kinds, outcome=outcome, decided=outcome != "withdrawn")
        await tech_review.settle(connection, made.ref, 2, ["Twice a year"])
        after = await tech_review.deviations(connection, "versayce")
    assert [one.conditions for one in after] == [("Twice a year",)] * stands


async def test_a_receipt_that_is_missing_or_of_other_words_is_found(store: Store) -> None:
    """Every decision has its receipt, and what was said with it is what was signed."""
    async with store.writing() as connection:
        made = await begun(connection)
    services = office_of(store, SECRET)
    whole = await audit.verify(services)
    assert (whole.whole, whole.receipts) == (True, 2)
    async with store.writing() as connection:
        of_verdict = SubmissionRow.id == (await tech_review.remarks(connection, made.ref))[-1].submission
        await connection.execute(update(SubmissionRow).where(of_verdict).values(text_hash="ab" * 32))
        await connection.execute(delete(ReviewReceiptRow).where(ReviewReceiptRow.key == "recommendation/1"))
    found = await audit.verify(services)
    assert not found.whole
    assert [(one.key, one.what) for one in found.faults] == [
        ("verdict/1", "the receipt tells another decision than is on record"),
        ("recommendation/1", "the decision has no receipt"),
    ]


async def test_what_is_overdue_comes_first_however_old_it_is(store: Store) -> None:
    """A list that is cut short loses nothing that is overdue, and says how much there is of either."""
    async with store.writing() as connection:
        older = await begun(connection)
        newer = Told(connection, older.member)
        await newer.ask("2", title="Another")
        assert [one.ref for one in await tech_review.listed(connection)] == [newer.ref, older.ref]
        await connection.execute(update(ReviewRow).where(ReviewRow.ref == older.ref).values(overdue=True))
        assert [one.ref for one in await tech_review.listed(connection)] == [older.ref, newer.ref]
        assert [one.ref for one in await tech_review.listed(connection, limit=1)] == [older.ref]
        assert [one.ref for one in await tech_review.listed(connection, overdue_only=True)] == [older.ref]
        assert await tech_review.counted(connection) == (2, 1)
        assert await tech_review.counted(connection, words=["another"]) == (1, 0)


TITLES: Final = {"air_gapped": "Air-gapped instance", "support_screen_share": "No screen share with support"}


@pytest.mark.parametrize(
    ("wanted", "older", "newer"),
    [
        ({"scenario": "air_gapped"}, False, True),
        ({"scenario": "air"}, False, False),
        ({"outcome": "approved"}, True, False),
        ({"outcome": "declined"}, False, False),
        ({"outcome": tech_review.WITHOUT_OUTCOME}, False, True),
        ({"words": ["VERSAYCE"]}, True, True),
        ({"words": ["another"], "scenario": "air_gapped", "outcome": "open"}, False, True),
        ({"words": ["another"], "outcome": "approved"}, False, False),
        ({"words": ["AIR-gapped"], "titles": TITLES}, False, True),
        ({"words": ["air-gapped instance", "another"], "titles": TITLES}, False, True),
        ({"words": ["screen share"], "titles": TITLES}, False, False),
    ],
)
async def test_a_search_finds_by_customer_scenario_outcome_and_words(
    store: Store, wanted: dict[str, Any], older: bool, newer: bool
) -> None:
    """All that is asked for has to hold; words are also in the customer's name and in what a scenario is called."""
    async with store.writing() as connection:
        first = await begun(connection)
        second = Told(connection, first.member)
        await second.ask("2", title="Another", scenarios=("air_gapped", "docker_compose"))
        found = [one.ref for one in await tech_review.listed(connection, **wanted)]
        assert found == [ref for ref, there in ((second.ref, newer), (first.ref, older)) if there]
        assert await tech_review.counted(connection, **wanted) == (len(found), 0)


SEARCHED: Final = {
    "жУРАВЛЬ": True,
    "ÜBER": True,
    '"quoted"': True,
    "it's": True,
    "C:\\dir": True,
    "100%": True,
    "100_": False,
    "of%this": False,
    "見積もり": True,
    "ΣΥΝΟΛΟ": True,
    "🚀": True,
    "needed_why": False,
    "gap": False,
}
"""What is searched for, and whether it is in what was written."""


async def test_a_search_finds_the_words_that_people_wrote_and_no_others(store: Store) -> None:
    """In any alphabet, in capitals or not, with quotes and all; and never by the names of a request's fields."""
    await search_for_words(store)


async def search_for_words(store: Store) -> None:
    """Search for words that are in a review's request, and for some that are not."""
    said = 'Журавль, über "quoted" it\'s C:\\dir 100% of all this, 見積もり, σύνολο συνολο 🚀'
    async with store.writing() as connection:
        made = await begun(connection)
        await made.ask("2", title="Words", gap=said)
        found = {word: (await tech_review.counted(connection, words=[word]))[0] for word in SEARCHED}
    assert found == {word: int(there) for word, there in SEARCHED.items()}


async def test_receipts_need_nothing_but_the_database(store: Store) -> None:
    """Whoever has the same database and the same secret signs with the same key; no file is read or written."""
    async with store.writing() as connection:
        made = await begun(connection)
    async with store.writing() as connection:
        elsewhere = Told(connection, made.member)
        await elsewhere.ask("2", title="Another")
        await elsewhere.tell("verdict", outcome="approved", decided=True)
        kept = await tech_review.kept_receipts(connection)
    assert len(kept) == 3
    assert len({one.public_key for one in kept}) == 1
    assert (await audit.verify(office_of(store, SECRET))).whole


async def test_workers_that_sign_for_the_first_time_at_once_take_one_key(store: Store) -> None:
    """Each asks in a transaction of its own, before any other is committed."""

    async def key() -> str:
        async with store.writing() as connection:
            return hexed(await Signer(SECRET).key(connection))

    keys = await asyncio.gather(*(key() for _ in range(8)))
    async with store.reading() as connection:
        assert await public_keys(connection) == set(keys)
    assert len(set(keys)) == 1


async def test_another_secret_signs_with_another_key(store: Store) -> None:
    """After the secret was changed, reviews go on, and what was signed before is still whole."""
    async with store.writing() as connection:
        made = await begun(connection)
        made.signer = Signer(b"another secret")
        await made.ask_anew("3")
        await made.tell("verdict", outcome="approved", decided=True)
    before = await audit.key(office_of(store, SECRET))
    after = await audit.key(office_of(store, b"another secret"))
    assert after.earlier == (before.public_key,)
    assert before.earlier == (after.public_key,)
    whole = await audit.verify(office_of(store, b"another secret"))
    assert (whole.whole, whole.receipts) == (True, 3)


async def test_the_database_alone_signs_nothing(store: Store) -> None:
    """The private key is sealed: without the secret it cannot be read, and what was put in its place is refused."""
    async with store.writing() as connection:
        raw = (await Signer(SECRET).key(connection)).private_bytes_raw()
        row = (await connection.execute(select(SigningKeyRow.__table__))).one()
        assert raw not in row.sealed
        await connection.execute(update(SigningKeyRow).values(sealed=os.urandom(len(row.sealed))))
        with pytest.raises(UserError, match="signing_keys"):
            await Signer(SECRET).key(connection)


async def test_a_receipt_of_a_key_that_is_not_on_record_is_found(store: Store) -> None:
    """Whoever may write a receipt, and has another key, is found out."""
    async with store.writing() as connection:
        made = await begun(connection)
        (one, *_) = await tech_review.kept_receipts(connection, made.ref)
        signature, public_key = receipt.sign(Ed25519PrivateKey.generate(), one.document)
        forged = {"signature": signature, "public_key": public_key}
        await connection.execute(update(ReviewReceiptRow).where(ReviewReceiptRow.key == one.key).values(**forged))
    found = await audit.verify(office_of(store, SECRET))
    assert [fault.what for fault in found.faults] == [
        "the receipt was signed with another key than this installation's"
    ]
