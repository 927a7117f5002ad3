"""What is no tech review finds its door: a case, a product gap, or the submitter's leadership."""

from __future__ import annotations

import shlex
from datetime import timedelta

import pytest

from rapport.model.base import Refusal, Refused
from rapport.model.reading import read_toml
from rapport.model.tech_review import ReviewRequest
from rapport.model.triage import Answers, Kind
from rapport.policy.triage import QUESTIONS
from rapport.policy.triage import triage as door_of
from starters.commands import accounts, case_reading, tasks, timelines, triage
from starters.commands.triage import Matter
from tests.conftest import CHAMPION, ROOT, TAM, Town, by, example, text_of, until
from tests.support.desk import mail_about, open_desk
from tests.support.tasks import MANAGER

WHAT = "Their CTO called twice about the answer to last week's case"


def matter(kind: Kind) -> Matter:
    """Something that somebody brings."""
    return Matter(account="versayce", kind=kind, what=WHAT)


async def known(town: Town) -> None:
    """The account is known, and it is Monday at ten."""
    await town.sleep_to(0, 10)
    await accounts.import_account(town.office, example())


def test_every_kind_has_one_door_and_a_way_on() -> None:
    """Whatever is answered, there is a reason and either a command or somebody who is asked; no answer is a review."""
    assert set(QUESTIONS) == set(Kind)
    assert door_of(Answers()).door == "review"
    doors = {kind: door_of(Answers(kind=kind), "versayce") for kind in Kind}
    assert {kind: door.door for kind, door in doors.items()} == {
        Kind.DECISION: "review",
        Kind.BROKEN_NOW: "case",
        Kind.ESCALATION: "leadership",
        Kind.WISH: "gap",
        Kind.NOT_SURE: "leadership",
    }
    for door in doors.values():
        assert door.why
        assert bool(door.next) is not door.asks
    assert (
        doors[Kind.BROKEN_NOW].next == "rapport review triage versayce --kind broken_now --what … --confirm --as EMAIL"
    )


def test_a_submission_that_is_no_review_is_turned_away_with_the_way_on() -> None:
    """The refusal names the field and the command, before any other answer is asked for; a decision passes."""
    raw = (ROOT / "examples" / "reviews" / "air-gapped.toml").read_text()
    assert read_toml(ReviewRequest, f'kind = "decision"\n{raw}'.encode(), "x.toml").kind is Kind.DECISION
    for kind in set(Kind) - {Kind.DECISION}:
        with pytest.raises(Refusal) as caught:
            read_toml(ReviewRequest, f'account = "versayce"\nkind = "{kind}"\n'.encode(), "x.toml")
        assert caught.value.field == "x.toml: kind"
        assert f"rapport review triage versayce --kind {kind}" in caught.value.fix
        assert caught.value.others == ()
        assert ("--confirm" in caught.value.fix) is (kind is Kind.BROKEN_NOW)


async def test_an_escalation_goes_to_the_submitters_manager(skipping: Town) -> None:
    """They get it as a to-do with what was said, and cannot answer without a word; the submitter is told."""
    await known(skipping)
    found = await triage.bring(skipping.office, matter(Kind.ESCALATION), TAM)
    assert found.task is not None
    assert found.asked == "Ines Moreau"
    (mail,) = await skipping.mailed(1, MANAGER)
    assert WHAT in text_of(mail)
    with pytest.raises(Refusal):
        await tasks.decide(skipping.office, found.task, "mine", TAM, reason="Myself")
    with pytest.raises(Refusal):
        await tasks.decide(skipping.office, found.task, "mine", by(MANAGER))
    assert (await tasks.decide(skipping.office, found.task, "mine", by(MANAGER), reason="I call her")).accepted
    (told,) = await skipping.mailed(1, TAM.email)
    assert "I call her" in text_of(told)
    line = next(iter(await timelines.timeline_of(skipping.office, "versayce")))
    assert line.what == "Robin Keller asked their leadership: escalation"


async def test_being_unsure_is_leaderships_to_settle_and_nobodys_silence_is_an_answer(skipping: Town) -> None:
    """The task waits in their inbox, climbs, and ends unanswered; twice the same is two tasks."""
    await known(skipping)
    first = await triage.bring(skipping.office, matter(Kind.NOT_SURE), TAM)
    second = await triage.bring(skipping.office, matter(Kind.NOT_SURE), TAM)
    assert first.task != second.task
    assert first.task is not None

    async def there() -> bool:
        return {first.task, second.task} <= {
            line.task for line in (await tasks.inbox(skipping.office, by(MANAGER))).mine
        }

    await until(there, "both in the inbox")
    await skipping.sleep_until(await skipping.now() + timedelta(days=40))

    async def over() -> bool:
        return (await tasks.show(skipping.office, first.task or "")).outcome == "unanswered"

    await until(over, "the end")


async def test_other_doors_are_told_and_nothing_begins(skipping: Town) -> None:
    """A case, a gap and a review are for the submitter to open; unknown accounts are refused."""
    await known(skipping)
    for kind in (Kind.BROKEN_NOW, Kind.WISH, Kind.DECISION):
        found = await triage.bring(skipping.office, matter(kind), TAM)
        assert found.task is None
        assert found.next
    with pytest.raises(Refusal) as caught:
        await triage.bring(skipping.office, matter(Kind.WISH).model_copy(update={"account": "nobody"}), TAM)
    assert caught.value.kind is Refused.NOT_FOUND
    assert skipping.mails() == []


async def test_what_is_broken_now_opens_a_case_once_it_is_confirmed(skipping: Town) -> None:
    """Asked first, there is a command to copy; confirmed, a case with its number; nothing else can be confirmed."""
    await open_desk(skipping)
    office = skipping.office
    asked = await triage.bring(office, matter(Kind.BROKEN_NOW), TAM)
    assert (asked.case, await case_reading.listed(office)) == (None, [])
    assert shlex.split(asked.next or "")[-5:] == ["--what", WHAT, "--confirm", "--as", "EMAIL"]
    sure = matter(Kind.BROKEN_NOW).model_copy(update={"confirm": True, "key": "form-1"})
    found = await triage.bring(office, sure, TAM)
    assert found.case is not None
    assert (await triage.bring(office, sure, TAM)).case == found.case
    shown = await case_reading.show(office, found.case)
    assert (shown.question, shown.severity, shown.contact) == (WHAT, triage.BROKEN, "Luca Bianchi")
    await mail_about(skipping, CHAMPION, f"[{found.case}]")
    with pytest.raises(Refusal) as caught:
        await triage.bring(office, matter(Kind.WISH).model_copy(update={"confirm": True}), TAM)
    assert caught.value.field == "confirm"
