"""What is no tech review finds its door: a case, a product gap, or the submitter's leadership."""

from __future__ import annotations

import shlex
from datetime import timedelta

import pytest

from rapport.model.base import Refused, UserError
from rapport.model.reading import read_toml
from rapport.model.tech_review import ReviewRequest
from rapport.model.triage import Answers, MatterKind
from rapport.rules.triage import DOOR_QUESTIONS, triage as door_of
from starters.use_cases import account, task, timeline, triage
from starters.use_cases.triage import Matter
from starters.views import support_case
from tests.conftest import CHAMPION, ROOT, TAM, Installation, by, example, text_of, until
from tests.support.desk import mail_about, open_desk
from tests.support.task import MANAGER

WHAT = "Their CTO called twice about the answer to last week's case"


def matter(kind: MatterKind) -> Matter:
    """Something that somebody brings."""
    return Matter(account="versayce", kind=kind, what=WHAT)


async def known(installation: Installation) -> None:
    """The account is known, and it is Monday at ten."""
    await installation.sleep_to(0, 10)
    await account.import_account(installation.services, example())


def test_every_kind_has_one_door_and_a_way_on() -> None:
    """Whatever is answered, there is a reason and either a command or somebody who is asked; no answer is a review."""
    assert set(DOOR_QUESTIONS) == set(MatterKind)
    assert door_of(Answers()).door == "review"
    doors = {kind: door_of(Answers(kind=kind), "versayce") for kind in MatterKind}
    assert {kind: door.door for kind, door in doors.items()} == {
        MatterKind.DECISION: "review",
        MatterKind.BROKEN_NOW: "case",
        MatterKind.ESCALATION: "leadership",
        MatterKind.WISH: "gap",
        MatterKind.NOT_SURE: "leadership",
    }
    for door in doors.values():
        assert door.why
        assert bool(door.next) is not door.asks
    assert (
        doors[MatterKind.BROKEN_NOW].next
        == "rapport review triage versayce --kind broken_now --what … --confirm --as EMAIL"
    )


def test_a_submission_that_is_no_review_is_turned_away_with_the_way_on() -> None:
    """The refusal names the field and the command, before any other answer is asked for; a decision passes."""
    raw = (ROOT / "examples" / "reviews" / "air-gapped.toml").read_text()
    assert read_toml(ReviewRequest, f'kind = "decision"\n{raw}'.encode(), "x.toml").kind is MatterKind.DECISION
    for kind in set(MatterKind) - {MatterKind.DECISION}:
        with pytest.raises(UserError) as caught:
            read_toml(ReviewRequest, f'account = "versayce"\nkind = "{kind}"\n'.encode(), "x.toml")
        assert caught.value.field == "x.toml: kind"
        assert f"rapport review triage versayce --kind {kind}" in caught.value.fix
        assert caught.value.others == ()
        assert ("--confirm" in caught.value.fix) is (kind is MatterKind.BROKEN_NOW)


async def test_an_escalation_goes_to_the_submitters_manager(skipping: Installation) -> None:
    """They get it as a to-do with what was said, and cannot answer without a word; the submitter is told."""
    await known(skipping)
    found = await triage.bring(skipping.services, matter(MatterKind.ESCALATION), TAM)
    assert found.task is not None
    assert found.asked == "Ines Moreau"
    (mail,) = await skipping.mailed(1, MANAGER)
    assert WHAT in text_of(mail)
    with pytest.raises(UserError):
        await task.decide(skipping.services, found.task, "mine", TAM, reason="Myself")
    with pytest.raises(UserError):
        await task.decide(skipping.services, found.task, "mine", by(MANAGER))
    assert (await task.decide(skipping.services, found.task, "mine", by(MANAGER), reason="I call her")).accepted
    (told,) = await skipping.mailed(1, TAM.email)
    assert "I call her" in text_of(told)
    line = next(iter(await timeline.timeline_of(skipping.services, "versayce")))
    assert line.what == "Robin Keller asked their leadership: escalation"


async def test_being_unsure_is_leaderships_to_settle_and_nobodys_silence_is_an_answer(skipping: Installation) -> None:
    """The task waits in their inbox, climbs, and ends unanswered; twice the same is two tasks."""
    await known(skipping)
    first = await triage.bring(skipping.services, matter(MatterKind.NOT_SURE), TAM)
    second = await triage.bring(skipping.services, matter(MatterKind.NOT_SURE), TAM)
    assert first.task != second.task
    assert first.task is not None

    async def there() -> bool:
        return {first.task, second.task} <= {
            line.task for line in (await task.inbox(skipping.services, by(MANAGER))).mine
        }

    await until(there, "both in the inbox")
    await skipping.sleep_until(await skipping.now() + timedelta(days=40))

    async def over() -> bool:
        return (await task.show(skipping.services, first.task or "")).outcome == "unanswered"

    await until(over, "the end")


async def test_other_doors_are_told_and_nothing_begins(skipping: Installation) -> None:
    """A case, a gap and a review are for the submitter to open; unknown accounts are refused."""
    await known(skipping)
    for kind in (MatterKind.BROKEN_NOW, MatterKind.WISH, MatterKind.DECISION):
        found = await triage.bring(skipping.services, matter(kind), TAM)
        assert found.task is None
        assert found.next
    with pytest.raises(UserError) as caught:
        await triage.bring(skipping.services, matter(MatterKind.WISH).model_copy(update={"account": "nobody"}), TAM)
    assert caught.value.kind is Refused.NOT_FOUND
    assert skipping.mails() == []


async def test_what_is_broken_now_opens_a_case_once_it_is_confirmed(skipping: Installation) -> None:
    """Asked first, there is a command to copy; confirmed, a case with its number; nothing else can be confirmed."""
    await open_desk(skipping)
    services = skipping.services
    asked = await triage.bring(services, matter(MatterKind.BROKEN_NOW), TAM)
    assert (asked.case, await support_case.listed(services)) == (None, [])
    assert shlex.split(asked.next or "")[-5:] == ["--what", WHAT, "--confirm", "--as", "EMAIL"]
    sure = matter(MatterKind.BROKEN_NOW).model_copy(update={"confirm": True, "key": "form-1"})
    found = await triage.bring(services, sure, TAM)
    assert found.case is not None
    assert (await triage.bring(services, sure, TAM)).case == found.case
    shown = await support_case.show(services, found.case)
    assert (shown.question, shown.severity, shown.contact) == (WHAT, triage.BROKEN, "Luca Bianchi")
    await mail_about(skipping, CHAMPION, f"[{found.case}]")
    with pytest.raises(UserError) as caught:
        await triage.bring(services, matter(MatterKind.WISH).model_copy(update={"confirm": True}), TAM)
    assert caught.value.field == "confirm"
