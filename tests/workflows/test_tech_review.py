"""Technical reviews from the request to the acknowledgement, with the server's clock, real SMTP and a real database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr
from sqlalchemy import update
from temporalio.common import SearchAttributeKey

from rapport.model.account import MembersFile
from rapport.model.base import Refused, UserError
from rapport.model.ids import review_id
from rapport.model.reading import read_toml
from rapport.model.tech_review import Ask, Design, ReviewStage
from rapport.storage import account as accounts, tech_review as records
from rapport.storage.tables import MemberRow
from rapport.storage.tech_review_tables import ReviewRemarkRow
from starters.cli import tech_review as printing
from starters.cli.common import out
from starters.services import Actor, Services
from starters.use_cases import (
    audit,
    meeting,
    member as members,
    task as tasks,
    tech_review,
    tech_review_record,
    timeline,
)
from starters.use_cases.record_check import verify_record
from starters.use_cases.tech_review import Feedback, MeetingNotes, MeetingTime, ReviewSearch
from starters.views.task import TaskShown
from tests.conftest import CHAMPION, Installation, by, link_of, text_of, until
from tests.support.kickoff import status_of
from tests.support.tech_review import (
    CE,
    CE_VP,
    ENGINEER,
    MESSAGE,
    NO,
    PRODUCT,
    SIDES,
    SUPPORT,
    TA,
    TAM,
    VP_ENGINEERING,
    VP_SALES,
    asked,
    choose,
    confirm,
    everybody_says,
    in_phase,
    live,
    outcome,
    people,
    request,
    say,
    standing,
    submitted,
    vote,
    wants_to_talk,
    why,
    write,
)

THROUGH_LINK = Actor(email=CHAMPION, channel="link")


def several_people(installation: Installation) -> Services:
    """The same installation, as one with a database of its own, which several people share."""
    url = SecretStr("postgresql://db.example/rapport")
    settings = installation.services.settings.model_copy(update={"database_url": url})
    return replace(installation.services, settings=settings)


async def takes_no_operators_word(installation: Installation, ref: str, step: str, leader: str) -> None:
    """In an installation that several people share, leadership's word is not entered by somebody else's hands."""
    task = await asked(installation, ref, step)
    with pytest.raises(UserError, match="not taken from an operator") as refused:
        await tasks.decide(several_people(installation), task.task, "no", by(leader), "Because")
    assert (refused.value.field, refused.value.kind) == ("--as", Refused.FORBIDDEN)


async def test_a_yes_goes_from_the_request_to_the_acknowledgement(skipping: Installation) -> None:
    """Everybody is heard, yes is recommended, the message is approved and read, and the champion confirms it."""
    ref = await submitted(skipping)
    await everybody_says(skipping, ref)
    shown = await in_phase(skipping, ref, "recommendation")
    assert {(one.seat, one.option) for one in shown.remarks} == {
        ("engineering", "in_favour"),
        ("product", "in_favour"),
        ("support", "in_favour"),
        ("account team", "in_favour"),
    }
    await choose(skipping, ref, "recommendation", CE_VP, "yes", None)
    await in_phase(skipping, ref, "message")
    await write(skipping, ref, MESSAGE)
    mail = (await skipping.mailed(1, CHAMPION))[0]
    assert MESSAGE["message"] in text_of(mail)
    assert "- You tell us of each site" in text_of(mail)
    shown = await in_phase(skipping, ref, "acknowledgement")
    assert (shown.outcome, shown.conditions) == (
        "approved",
        ("Updates come once a quarter", "You tell us of each site"),
    )
    link = await tasks.by_link(skipping.services, link_of(mail))
    await tasks.decide(skipping.services, link.task.task, "acknowledge", THROUGH_LINK, round_=link.round)
    assert await outcome(skipping, ref) == "approved"
    shown = await tech_review.show(skipping.services, ref)
    assert shown.acknowledged is not None
    assert not shown.overdue
    async with skipping.services.store.reading() as connection:
        granted = await records.deviations(connection, "versayce")
    # Support reads this with each of the customer's cases.
    assert [(one.ref, one.outcome, one.conditions) for one in granted] == [(ref, "approved", shown.conditions)]


async def test_a_no_is_decided_together_and_told_as_carefully(skipping: Installation) -> None:
    """A recommended no goes to leadership; all three are heard, and the customer gets a message all the same."""
    ref = await submitted(skipping)
    await everybody_says(skipping, ref, "against")
    await takes_no_operators_word(skipping, ref, "recommendation", CE_VP)
    await choose(skipping, ref, "recommendation", CE_VP, "no", "Nobody could run it")
    await takes_no_operators_word(skipping, ref, "leadership", VP_SALES)
    await vote(skipping, ref, ce_vp="no", vp_engineering="no")
    assert (await asked(skipping, ref, "leadership")).phase == "open", "the third is heard although two are a majority"
    await vote(skipping, ref, vp_sales="yes")
    shown = await in_phase(skipping, ref, "message")
    (decision,) = (one for one in shown.remarks if one.kind == "verdict")
    assert (decision.who, decision.text, decision.verified, decision.entered_by) == (None, None, None, None)
    await write(skipping, ref, NO)
    mail = (await skipping.mailed(1, CHAMPION))[0]
    assert NO["message"] in text_of(mail)
    assert not any(ours in text_of(mail) for ours in ("Looks fine", "Nobody could run it", "ce_vp says no"))
    await confirm(skipping, ref)
    assert await outcome(skipping, ref) == "declined"
    async with skipping.services.store.reading() as connection:
        assert await records.deviations(connection, "versayce") == []
    entries = await timeline.timeline_of(skipping.services, "versayce")
    kinds = [one.kind.removeprefix("tech_review.") for one in entries if one.kind.startswith("tech_review.")]
    assert kinds == ["submitted", "recommended", "decided", "told", "acknowledged"]


async def test_what_goes_to_the_customer_is_drafted_approved_sent_and_acknowledged_when_it_is_so(
    skipping: Installation,
) -> None:
    """The record is ahead of no mail: approved and not read by support, the customer has been told nothing."""
    ref = await submitted(skipping)
    await everybody_says(skipping, ref)
    await choose(skipping, ref, "recommendation", CE_VP, "yes", None)

    async def told() -> tuple[str | None, bool]:
        record = await tech_review_record.record(skipping.services, ref)
        shown = await tech_review.show(skipping.services, ref)
        assert ("What the customer was told" in record.markdown) is (shown.told is not None)
        return shown.answer, shown.told is not None

    task = await asked(skipping, ref, "message", phase="preparing")
    assert await told() == (None, False)
    await tasks.request(skipping.services, task.task, MESSAGE, by(CE))
    await asked(skipping, ref, "message")
    assert await told() == ("drafted", False)
    await choose(skipping, ref, "message", CE_VP, "approve", None)
    await asked(skipping, ref, "reading")
    assert await told() == ("approved", False)
    record = await tech_review_record.record(skipping.services, ref)
    assert "Answer to the customer: approved, not sent" in record.markdown
    assert "<dt>Answer to the customer</dt><dd>approved, not sent</dd>" in record.html
    await choose(skipping, ref, "reading", SUPPORT, "read", None)
    await skipping.mailed(1, CHAMPION)
    await asked(skipping, ref, "acknowledgement")
    assert await told() == ("sent", True)
    await confirm(skipping, ref)
    await outcome(skipping, ref)
    assert await told() == ("acknowledged", True)


async def made_ce(installation: Installation, manager: str | None = None) -> None:
    """The VP of CE works as a CE as well, so that he may ask for a review."""
    above = "" if manager is None else f'manager = "{manager}"\n'
    who = f'[[members]]\nname = "Henrik Dahl"\nemail = "{CE_VP}"\n'
    file = f'{who}roles = ["ce_vp", "ce"]\nzone = "Europe/Prague"\n{above}'
    await members.import_members(installation.services, read_toml(MembersFile, file.encode(), "vp.toml"))


async def test_nobody_recommends_what_somebody_above_them_asks_for(skipping: Installation) -> None:
    """The VP of CE asks and has no manager: it goes to leadership at once, his own seat there stays empty, all said."""
    await submitted(skipping)
    await made_ce(skipping)
    made = await tech_review.submit(
        skipping.services, request((await skipping.now()).date(), title="Asked by the VP"), by(CE_VP)
    )
    await everybody_says(skipping, made.ref)
    task = await asked(skipping, made.ref, "leadership")
    assert {holder.email for holder in task.holders} == {VP_ENGINEERING, VP_SALES}
    await vote(skipping, made.ref, vp_engineering="yes", vp_sales="yes")
    shown = await in_phase(skipping, made.ref, "message")
    assert shown.outcome == "approved"
    unsaid = [(one.kind, one.who, one.option) for one in shown.remarks if one.who == "VP of CE"]
    assert unsaid == [("recommendation", "VP of CE", "referred"), ("vote", "VP of CE", "empty")]
    entries = await timeline.timeline_of(skipping.services, "versayce")
    told = [one.what for one in entries if one.kind in ("tech_review.referred", "task.unheld")]
    assert len(told) == 3
    assert all("no one can" in one for one in told)
    closed = [one.what for one in entries if one.kind == "task.closed" and "recommendation" in one.what]
    assert closed
    assert all("there was no one to ask" in one for one in closed), closed
    record = await tech_review_record.record(skipping.services, made.ref)
    assert "No one can recommend on behalf of the requester" in record.markdown
    assert "No one can act for them" in record.markdown


async def test_where_nobody_of_leadership_is_left_it_is_asked_again_when_the_time_is_over(
    skipping: Installation,
) -> None:
    """A review that nobody is there to decide goes round in no circle: it waits for its deadline, and asks anew."""
    await submitted(skipping)
    await made_ce(skipping)
    made = await tech_review.submit(
        skipping.services, request((await skipping.now()).date(), title="Asked by the VP"), by(CE_VP)
    )
    async with skipping.services.store.writing() as connection:
        for email in (VP_ENGINEERING, VP_SALES):
            gone = await accounts.member_by_email(connection, email)
            assert gone is not None
            await accounts.mark_left(connection, gone.id, await skipping.now())
    await everybody_says(skipping, made.ref)
    first = await in_phase(skipping, made.ref, "leadership")
    assert first.deadline is not None
    await skipping.sleep_until(first.deadline + timedelta(hours=1))
    came = "nora.lang@foobar.example"
    file = f'[[members]]\nname = "Nora Lang"\nemail = "{came}"\nroles = ["vp_sales"]\nzone = "Europe/Prague"\n'
    await members.import_members(skipping.services, read_toml(MembersFile, file.encode(), "vp.toml"))
    await skipping.sleep_until(first.deadline + timedelta(days=21))

    async def again() -> bool:
        return bool(skipping.mails(came))

    await until(again, "leadership to be asked again")


@pytest.mark.parametrize(("word", "decided"), [("yes", "approved"), ("no", "declined")])
async def test_where_one_person_is_all_of_leadership_their_word_decides(
    skipping: Installation, word: str, decided: str
) -> None:
    """Who holds the three roles has one seat, is asked once, and is told of once; nothing waits for two others."""
    ref = await submitted(skipping, ask=Ask.UNPLANNED_ENGINEERING)
    now = await skipping.now()
    async with skipping.services.store.writing() as connection:
        for email in (VP_ENGINEERING, VP_SALES):
            gone = await accounts.member_by_email(connection, email)
            assert gone is not None
            await accounts.mark_left(connection, gone.id, now)
        leads = update(MemberRow).where(MemberRow.email == CE_VP)
        await connection.execute(leads.values(roles=["ce_vp", "vp_engineering", "vp_sales"]))
    await everybody_says(skipping, ref)
    await choose(skipping, ref, "recommendation", CE_VP, "no")
    task = await asked(skipping, ref, "leadership")
    assert [holder.email for holder in task.holders] == [CE_VP]
    await choose(skipping, ref, "leadership", CE_VP, word)
    shown = await in_phase(skipping, ref, "message")
    assert shown.outcome == decided
    assert [(one.who, one.option) for one in shown.remarks if one.kind == "vote"] == [("Henrik Dahl", word)]


async def test_where_the_vp_of_ce_leaves_while_he_is_asked_leadership_decides_at_once(skipping: Installation) -> None:
    """Nobody waits for the word of somebody who left: not of the one who recommends, nor of one in the panel."""
    ref = await submitted(skipping)
    await everybody_says(skipping, ref)
    await asked(skipping, ref, "recommendation")
    await leaves(skipping, CE_VP)
    task = await asked(skipping, ref, "leadership")
    assert {holder.email for holder in task.holders} == {VP_ENGINEERING, VP_SALES}
    assert (await tech_review.show(skipping.services, ref)).phase == "leadership"
    await vote(skipping, ref, vp_engineering="no")
    await leaves(skipping, VP_SALES)
    assert (await in_phase(skipping, ref, "message")).outcome == "declined"


async def leaves(installation: Installation, email: str) -> None:
    """Somebody leaves for good."""
    await members.leave(installation.services, email, members.Leaving(reason="Another company"), Actor("", "cli"))


async def test_what_the_vp_of_ce_asks_for_his_manager_recommends(skipping: Installation) -> None:
    """Where somebody is above whoever asks, they are asked, and nobody who reports to him."""
    await submitted(skipping)
    boss = "rita.vogel@foobar.example"
    file = f'[[members]]\nname = "Rita Vogel"\nemail = "{boss}"\nroles = ["product"]\nzone = "Europe/Prague"\n'
    await members.import_members(skipping.services, read_toml(MembersFile, file.encode(), "boss.toml"))
    await made_ce(skipping, boss)
    made = await tech_review.submit(
        skipping.services, request((await skipping.now()).date(), title="Asked by the VP"), by(CE_VP)
    )
    await everybody_says(skipping, made.ref)
    task = await asked(skipping, made.ref, "recommendation")
    assert [holder.email for holder in task.holders] == [boss]
    await choose(skipping, made.ref, "recommendation", boss, "yes", None)
    assert (await in_phase(skipping, made.ref, "message")).outcome == "approved"


async def test_what_a_colleague_words_anew_its_first_requester_does_not_recommend(skipping: Installation) -> None:
    """The VP of CE asks, a CE corrects a word: it still goes to leadership, and the VP has no seat there."""
    await submitted(skipping)
    await made_ce(skipping)
    today = (await skipping.now()).date()
    made = await tech_review.submit(skipping.services, request(today, title="Asked by the VP"), by(CE_VP))
    await asked(skipping, made.ref, "feedback_engineering")
    await tech_review.edit(skipping.services, made.ref, request(today, title="Asked by the VP of CE"), by(CE))
    for side in SIDES:
        task = await asked(skipping, made.ref, f"feedback_{side}", attempt=2)
        await tasks.decide(skipping.services, task.task, "in_favour", by(SIDES[side]))
    task = await asked(skipping, made.ref, "leadership")
    assert {holder.email for holder in task.holders} == {VP_ENGINEERING, VP_SALES}


async def test_who_asked_first_answers_for_no_side_after_a_colleagues_edit(skipping: Installation) -> None:
    """Support asks, a CE words it anew: somebody else speaks for support then, and the record names both."""
    await submitted(skipping)
    today = (await skipping.now()).date()
    made = await tech_review.submit(skipping.services, request(today, title="Asked by support"), by(SUPPORT))
    await asked(skipping, made.ref, "feedback_engineering")
    await tech_review.edit(skipping.services, made.ref, request(today, title="Reworded by the CE"), by(CE))
    task = await asked(skipping, made.ref, "feedback_support", attempt=2)
    assert SUPPORT not in {holder.email for holder in task.holders}
    with pytest.raises(UserError, match="you asked for this yourself"):
        await tasks.decide(skipping.services, task.task, "in_favour", by(SUPPORT))
    shown = await standing(skipping, made.ref, lambda one: one.round == 2)
    assert (shown.by, shown.changed_by) == ("Priya Raman", ("Tomas Novak",))
    known = await tech_review_record.record(skipping.services, made.ref)
    assert "Asked for by: Priya Raman" in known.markdown
    assert "Changed by: Tomas Novak" in known.markdown
    async with skipping.services.store.reading() as connection:
        review = await records.review(connection, made.ref)
        assert review is not None
        begun = await records.start(connection, review)
        support = await accounts.member_by_email(connection, SUPPORT)
    assert support is not None
    assert begun.asked_before == (support.id,), "also where its workflow has to be begun anew"


async def test_without_engineering_a_recommendation_says_why(skipping: Installation) -> None:
    """Where engineering stays silent, the VP of CE is asked all the same, and any word of theirs needs its reason."""
    ref = await submitted(skipping)
    for side in ("product", "support", "account_team"):
        await say(skipping, ref, side)
    task = await asked(skipping, ref, "feedback_engineering")
    assert task.deadline is not None
    await skipping.sleep_until(task.deadline + timedelta(minutes=1))
    task = await asked(skipping, ref, "recommendation")
    assert "Engineering has not answered" in task.question
    with pytest.raises(UserError) as refused:
        await tasks.decide(skipping.services, task.task, "yes", by(CE_VP))
    assert refused.value.field == "reason"
    await tasks.decide(skipping.services, task.task, "yes", by(CE_VP), "They said so in the meeting of Tuesday")
    shown = await in_phase(skipping, ref, "message")
    said = next(one for one in shown.remarks if one.kind == "recommendation")
    assert (said.option, said.text) == ("yes", "They said so in the meeting of Tuesday")


@pytest.mark.parametrize("word", ["no", None])
async def test_unplanned_engineering_needs_the_vp_engineerings_yes(skipping: Installation, word: str | None) -> None:
    """A recommended yes is none without theirs, also where they are silent; outvoted, nobody else commits them."""
    ref = await submitted(skipping, ask=Ask.UNPLANNED_ENGINEERING)
    await everybody_says(skipping, ref)
    await choose(skipping, ref, "recommendation", CE_VP, "yes", None)
    task = await asked(skipping, ref, "commitment")
    if word is not None:
        await choose(skipping, ref, "commitment", VP_ENGINEERING, word, "Not this year")
    else:
        assert task.deadline is not None
        await skipping.sleep_until(task.deadline + timedelta(minutes=1))
    await vote(skipping, ref, ce_vp="yes", vp_sales="yes", vp_engineering="no")
    assert (await in_phase(skipping, ref, "message")).outcome == "declined"
    await skipping.sleep_until((await skipping.now()) + timedelta(days=1))

    async def decided() -> list[EmailMessage]:
        return [mail for mail in skipping.mails(CE) if str(mail["subject"]).startswith("Declined")]

    [told] = await until(decided, "what is decided")
    # Who said what stands below it, with each one's words, and by which rule it is a no.
    assert "(VP of Sales), vote: yes" in text_of(told)
    assert "(VP Engineering), vote: no" in text_of(told)
    assert "vp_engineering says no" in text_of(told)
    assert "needs the VP Engineering’s own yes" in text_of(told).replace("'", "’")


async def test_whoever_decided_hears_on_the_same_day_what_came_of_it(skipping: Installation) -> None:
    """All three of leadership have had their mail of the day, and get the outcome at once, each word as what it was."""
    ref = await submitted(skipping)
    today = (await skipping.now()).date()
    await everybody_says(skipping, ref, "against")
    await choose(skipping, ref, "recommendation", CE_VP, "no", "Nobody could run it")
    await vote(skipping, ref, ce_vp="no", vp_engineering="no", vp_sales="yes")
    for leader in (CE_VP, VP_ENGINEERING, VP_SALES):

        async def told(leader: str = leader) -> list[EmailMessage]:
            return [mail for mail in skipping.mails(leader) if str(mail["subject"]).startswith("Declined")]

        [mail] = await until(told, f"what is decided, for {leader}")
        assert (await skipping.now()).date() == today
        text = text_of(mail)
        assert "(VP of CE), recommendation: no" in text
        assert "(VP of CE), vote: no" in text
        assert "(VP of Sales), vote: yes" in text


async def questions(installation: Installation) -> list[EmailMessage]:
    """The emails by which engineering was asked."""
    return [mail for mail in installation.mails(ENGINEER) if str(mail["Subject"]).startswith("Reply needed")]


async def test_somebody_hears_of_a_review_once_a_day_and_of_its_newest_version(skipping: Installation) -> None:
    """Everyone, who is asked too, gets one email on the day of the request, and the last of two changes the next."""
    ref = await submitted(skipping)
    await skipping.mailed(1, VP_SALES)
    today = (await skipping.now()).date()
    for number in (2, 3):
        await tech_review.edit(skipping.services, ref, request(today, gap=f"Version {number} of the gap"), by(CE))
        await standing(skipping, ref, lambda one, number=number: one.round == number)  # type: ignore[misc]
    assert len(skipping.mails(VP_SALES)) == 1
    assert (await asked(skipping, ref, "feedback_engineering", attempt=3)).phase == "open", "the inbox has it at once"
    assert len(await questions(skipping)) == 1
    # Into her own working time: she is in New York.
    await skipping.sleep_until((await skipping.now()) + timedelta(days=1, hours=6))
    newest = (await skipping.mailed(2, VP_SALES))[1]
    assert str(newest["Subject"]).startswith("Request changed")
    assert "Version 3 of the gap" in text_of(newest)
    assert len(skipping.mails(VP_SALES)) == 2
    assert len(await questions(skipping)) == 2
    assert "Version 3 of the gap" in text_of((await questions(skipping))[1])


async def test_what_the_trial_was_reviewed_in_is_not_looked_at_again_before_production(skipping: Installation) -> None:
    """It is refused where it is asked for, decided or not yet; the version that will be deployed is not."""

    def design(version: str) -> Design:
        return Design(link="https://docs.foobar.example/design", version=version)

    trial = await submitted(skipping, design=design("3"))
    today = (await skipping.now()).date()
    again = request(today, stage=ReviewStage.PRE_PRODUCTION, title="Before production", design=design(" 3"))
    with pytest.raises(UserError, match="before the trial"):
        await tech_review.submit(skipping.services, again, by(CE))
    await everybody_says(skipping, trial)
    await choose(skipping, trial, "recommendation", CE_VP, "yes", None)
    await in_phase(skipping, trial, "message")
    with pytest.raises(UserError) as refused:
        await tech_review.submit(skipping.services, again, by(CE))
    assert (refused.value.field, refused.value.kind) == ("design.version", Refused.CONFLICT)
    newer = again.model_copy(update={"design": design("4")})
    made = await tech_review.submit(skipping.services, newer, by(CE))
    with pytest.raises(UserError, match="before the trial"):
        await tech_review.edit(skipping.services, made.ref, again, by(CE))


async def test_the_vp_engineering_commits(skipping: Installation) -> None:
    """With their yes nobody else of leadership has to be asked; the record calls it no recommendation."""
    ref = await submitted(skipping, ask=Ask.UNPLANNED_ENGINEERING)
    await everybody_says(skipping, ref)
    await choose(skipping, ref, "recommendation", CE_VP, "yes", None)
    await takes_no_operators_word(skipping, ref, "commitment", VP_ENGINEERING)
    await choose(skipping, ref, "commitment", VP_ENGINEERING, "yes", None)
    assert (await in_phase(skipping, ref, "message")).outcome == "approved"
    record = await tech_review_record.record(skipping.services, ref)
    for page, heads in ((record.markdown, "## {}"), (record.html, "<h2>{}</h2>")):
        commits, recommends = (
            page.index(heads.format(name)) for name in ("Commitment of engineering", "Recommendation")
        )
        assert commits < page.index("Ada Brandt") < recommends < page.index("Henrik Dahl")


@pytest.mark.parametrize("word", ["supported", "supported_if", "unsupported"])
async def test_a_practice_is_supported_or_not_with_next_steps(skipping: Installation, word: str) -> None:
    """A question about best practice ends with what was found and with next steps, and no vote."""
    ref = await submitted(skipping, ask=Ask.BEST_PRACTICE_VALIDATION)
    await everybody_says(skipping, ref)
    await choose(skipping, ref, "recommendation", CE_VP, word)
    task = await asked(skipping, ref, "message", phase="preparing")
    assert "next_steps" in task.asks
    words = {name: "none" if name == "conditions" else "Write a dump" for name in task.asks} | {"revisit": "never"}
    await write(skipping, ref, words)
    await confirm(skipping, ref)
    assert await outcome(skipping, ref) == word


async def test_leaderships_silence_is_nothing_and_only_the_silent_are_asked_again(skipping: Installation) -> None:
    """One yes and one no with a silent third is no decision; the third alone is asked again, and decides it."""
    ref = await submitted(skipping)
    await everybody_says(skipping, ref)
    await choose(skipping, ref, "recommendation", CE_VP, "no")
    await vote(skipping, ref, ce_vp="no", vp_sales="yes")
    task = await asked(skipping, ref, "leadership")
    assert task.deadline is not None
    await skipping.sleep_until(task.deadline + timedelta(minutes=1))
    again = await asked(skipping, ref, "leadership", attempt=2)
    assert [holder.email for holder in again.holders] == [VP_ENGINEERING]
    reminded = [
        who for who in (CE_VP, VP_SALES, VP_ENGINEERING) if any(is_reminder(mail) for mail in skipping.mails(who))
    ]
    assert reminded == [VP_ENGINEERING], "who has voted is not reminded"
    assert (await tech_review.show(skipping.services, ref)).outcome is None
    told = [one.what for one in await timeline.timeline_of(skipping.services, "versayce") if one.kind == "task.closed"]
    assert told[-1] == f"{ref} (leadership) closed: not answered in time", "two of them did answer"
    for number in (3, 7):
        with pytest.raises(UserError, match=f"the latest one of this step is {ref}/leadership/2") as refused:
            await tasks.decide(skipping.services, f"{ref}/leadership/{number}", "yes", by(VP_ENGINEERING), "Sure")
        assert refused.value.kind is Refused.NOT_FOUND
    await vote(skipping, ref, attempt=2, vp_engineering="yes")
    assert (await in_phase(skipping, ref, "message")).outcome == "approved"


def is_reminder(mail: EmailMessage) -> bool:
    """Whether a mail says that leadership's decision still waits for its reader."""
    return "yes or no" in mail["Subject"] and "Reminder" in mail["Subject"]


async def test_a_review_that_everybody_leaves_alone_is_overdue_and_says_so(skipping: Installation) -> None:
    """Leadership is told at half-time and five days before; past the date it is overdue everywhere, and never a yes."""
    ref = await submitted(skipping, days=30)
    shown = await tech_review.show(skipping.services, ref)
    await skipping.sleep_until(shown.needed_by + timedelta(days=20))
    late = await standing(skipping, ref, lambda one: one.overdue)
    assert (late.phase, late.outcome, late.closed) == ("recommendation", None, None)
    entries = [one for one in await timeline.timeline_of(skipping.services, "versayce") if "tech_review" in one.kind]
    told = [one.what for one in entries if one.kind in ("tech_review.leadership_told", "tech_review.overdue")]
    assert ["half of the time" in told[0], "in 5 business days" in told[1], "overdue" in told[2]] == [True] * 3
    subjects = [str(mail["Subject"]) for mail in skipping.mails(VP_SALES)]
    assert sum("half the time has passed" in one for one in subjects) == 1
    assert sum("5 business days left" in one for one in subjects) == 1
    assert sum("Overdue: decision" in one for one in subjects) == 1
    assert [
        sum(word in str(mail["Subject"]) for mail in skipping.mails(CE)) for word in ("half the", "Overdue: decision")
    ] == [
        1,
        1,
    ]
    assert not skipping.mails(CHAMPION)
    handle = skipping.client.get_workflow_handle(late.workflow_id)
    described = await handle.describe()
    assert described.typed_search_attributes[SearchAttributeKey.for_keyword("RapportHealth")] == "overdue"
    # It is never too late for an answer.
    number = len([one for one in entries if one.kind == "tech_review.silent" and "VP of CE" in one.what]) + 1
    task = await asked(skipping, ref, "recommendation", attempt=number)
    await tasks.decide(skipping.services, task.task, "yes", by(CE_VP), "Nobody objects, and nobody will")
    await write(skipping, ref, MESSAGE)
    assert not (await in_phase(skipping, ref, "acknowledgement")).overdue


async def test_a_changed_request_is_a_new_round(skipping: Installation) -> None:
    """Everybody is heard anew on the new version of the design; the old links are void, and the old words stay."""
    ref = await submitted(skipping)
    await say(skipping, ref, "engineering", "against", "Not with version 3")
    old = await asked(skipping, ref, "feedback_product")
    today = (await skipping.now()).date()
    newer = request(today, 50, design=Design(link="https://docs.foobar.example/design/second", version="4"))
    with pytest.raises(UserError, match="nothing has changed"):
        await tech_review.edit(skipping.services, ref, request(today), by(CE))
    await tech_review.edit(skipping.services, ref, newer, by(CE))
    shown = await standing(skipping, ref, lambda one: one.round == 2 and len(one.asks) == 4)
    assert [(one.round, one.design_version) for one in shown.rounds] == [(1, "3"), (2, "4")]
    assert [(one.round, one.text) for one in shown.remarks] == [(1, "Not with version 3")]
    with pytest.raises(UserError) as refused:
        await tasks.decide(skipping.services, old.task, "in_favour", by(PRODUCT))
    assert refused.value.kind is Refused.CONFLICT
    for side in ("product", "support", "account_team"):
        task = await asked(skipping, ref, f"feedback_{side}", attempt=2)
        await tasks.decide(skipping.services, task.task, "in_favour", by(SIDES[side]))
    task = await asked(skipping, ref, "feedback_engineering", attempt=2)
    assert task.deadline is not None
    await skipping.sleep_until(task.deadline + timedelta(minutes=1))
    assert (await in_phase(skipping, ref, "recommendation")).round == 2
    question = (await asked(skipping, ref, "recommendation")).question
    assert "Engineering has not answered" in question, "what they said of the old version is no answer to this one"
    mails = [text_of(mail) for mail in skipping.mails(CE_VP) if "recommendation" in mail["Subject"]]
    assert mails
    assert not any("Not with version 3" in text for text in mails)
    made = await tech_review_record.record(skipping.services, ref)
    for page, heading in ((made.markdown, "### Round"), (made.html, "<h3>Round")):
        second = page.index(f"{heading} 2, design document version 4")
        first = page.index(f"{heading} 1, design document version 3")
        assert second < page.index("Looks fine" if "Looks fine" in page else "Leila Haddad") < first
        assert first < page.index("Not with version 3")


async def test_a_withdrawn_review_asks_nobody_any_more(skipping: Installation) -> None:
    """It closes with its tasks; what is said after that is refused."""
    ref = await submitted(skipping)
    await asked(skipping, ref, "feedback_product")
    await wants_to_talk(skipping, ref, PRODUCT)
    await live(skipping, ref)
    await tech_review.withdraw(skipping.services, ref, why("They found another way"), by(CE))
    assert await outcome(skipping, ref) == "withdrawn"
    assert (await live(skipping, ref, lambda one: one.phase == "ended")).booked is None
    assert not (await tech_review.show(skipping.services, ref)).asks
    with pytest.raises(UserError, match="over"):
        await tech_review.feedback(skipping.services, ref, Feedback(text="But wait"), by(TA))


async def test_whoever_was_told_of_a_review_or_spoke_hears_once_that_it_is_withdrawn(skipping: Installation) -> None:
    """All who got the mail that it was asked for, or answered, get one with why, but for whoever withdrew it."""
    ref = await submitted(skipping)
    await say(skipping, ref, "product")

    def readers(begins: str) -> list[str]:
        return sorted(str(mail["To"]) for mail in skipping.mails() if str(mail["Subject"]).startswith(begins))

    async def all_told() -> bool:
        return len(readers("Technical review for Versayce: ")) == 7

    await until(all_told, "the mails that tell of the review")
    told = readers("Technical review for Versayce: ")
    await tech_review.withdraw(skipping.services, ref, why("They found another way"), by(CE))
    await until(status_of(skipping, review_id(ref)), "the end of the review")
    assert sorted(one for one in told if CE not in one) != told
    spoke = [one for one in readers("Withdrawn: ") if one not in told]
    assert readers("Withdrawn: ") == sorted([one for one in told if CE not in one] + spoke)
    assert [PRODUCT in one for one in spoke] == [True]
    mails = [mail for mail in skipping.mails() if str(mail["Subject"]).startswith("Withdrawn: ")]
    assert all("They found another way" in text_of(mail) for mail in mails)


async def test_what_was_decided_stands_in_the_record_of_a_review_that_was_withdrawn_after_it(
    skipping: Installation,
) -> None:
    """Whoever withdraws it takes back no decision; and nobody finds the key in the file that it is to check."""
    ref = await submitted(skipping)
    await everybody_says(skipping, ref)
    await choose(skipping, ref, "recommendation", CE_VP, "yes", None)
    await in_phase(skipping, ref, "message")
    await tech_review.withdraw(skipping.services, ref, why("They found another way"), by(CE))
    assert await outcome(skipping, ref) == "withdrawn"
    record = await tech_review_record.record(skipping.services, ref)
    key = (await audit.key(skipping.services)).public_key
    for page in (record.markdown, record.html):
        assert "withdrawn, after it was decided: approved" in page
        assert "recommendation decides" in page
        assert key not in page.partition("<!-- rapport-record")[0]


async def test_what_was_said_in_the_channel_is_entered_with_its_link(skipping: Installation) -> None:
    """A colleague enters it for whoever said it, with the link; without it, it is refused; all of it says so."""
    ref = await submitted(skipping)
    await asked(skipping, ref, "feedback_engineering")
    said = Feedback(text="We can carry that", stance="in_favour_if", on_behalf_of=ENGINEER)
    with pytest.raises(UserError) as refused:
        await tech_review.feedback(skipping.services, ref, said, by(CE))
    assert refused.value.field == "link"
    link = "https://chat.foobar.example/tech-reviews/p1)**Outcome:approved**"
    await tech_review.feedback(skipping.services, ref, said.model_copy(update={"link": link}), by(CE))
    shown = await standing(skipping, ref, lambda one: len(one.remarks) == 1)
    one = shown.remarks[0]
    assert (one.who, one.seat, one.text, one.link) == ("Jun Sato", "engineering", "We can carry that", link)
    assert (one.entered_by, one.verified) == (CE, "reported")
    with out.capture() as printed:
        printing._print(shown)
    record_ = await tech_review_record.record(skipping.services, ref)
    for told in (record_.markdown, record_.html, " ".join(printed.get().split())):
        assert f"entered by {CE}" in told.replace("\\", "")
    assert f"[said in the channel](<{link}>)" in record_.markdown, "nothing in a link is markup"


async def test_what_others_enter_in_production_is_no_answer_of_a_side(skipping: Installation) -> None:
    """It stands as a remark with its stance, its link and who entered it, and the side is asked on for its own."""
    ref = await submitted(skipping)
    task = await asked(skipping, ref, "feedback_engineering")
    shared = several_people(skipping)
    with pytest.raises(UserError, match="not taken from an operator") as refused:
        await tasks.decide(shared, task.task, "in_favour", by(ENGINEER), "They said so")
    assert refused.value.kind is Refused.FORBIDDEN
    link = "https://chat.foobar.example/tech-reviews/p1"
    said = Feedback(text="We can carry that", stance="in_favour_if", on_behalf_of=ENGINEER, link=link)
    taken = await tech_review.feedback(shared, ref, said, by(CE))
    assert (taken.accepted, "a remark only" in str(taken.reason)) == (True, True)
    (one,) = (await standing(skipping, ref, lambda one: len(one.remarks) == 1)).remarks
    assert (one.who, one.seat, one.option, one.entered_by) == ("Jun Sato", "engineering, own view", "in_favour_if", CE)
    own = Actor(email=ENGINEER, channel="page")
    await tasks.decide(shared, task.task, "against", own, "Not with version 3")
    spoken = (await standing(skipping, ref, lambda one: len(one.remarks) == 2)).remarks
    assert {(one.seat, one.option) for one in spoken} == {
        ("engineering", "against"),
        ("engineering, own view", "in_favour_if"),
    }


async def test_what_others_of_a_side_say_stands_as_theirs(skipping: Installation) -> None:
    """Three answer for one side in the same moment: the first speaks for it, and no other's word is lost to a race."""
    team = ["sasha.engel@foobar.example", "toni.falk@foobar.example"]
    lines = (
        f'[[members]]\nname = "{who}"\nemail = "{who}"\nroles = ["support_engineer"]\nzone = "Europe/Prague"\n'
        for who in team
    )
    await members.import_members(skipping.services, read_toml(MembersFile, "\n".join(lines).encode(), "team.toml"))
    ref = await submitted(skipping)
    await asked(skipping, ref, "feedback_support")
    words = {SUPPORT: "against", team[0]: "in_favour", team[1]: "in_favour_if"}
    await asyncio.gather(
        *(
            tech_review.feedback(skipping.services, ref, Feedback(text=f"{who} says", stance=stance), by(who))
            for who, stance in words.items()
        )
    )
    shown = await standing(skipping, ref, lambda one: len(one.remarks) == 3)
    assert {one.text: one.option for one in shown.remarks} == {f"{who} says": one for who, one in words.items()}
    assert sorted((one.kind, one.seat) for one in shown.remarks) == [
        ("feedback", "support"),
        ("said", "support, own view"),
        ("said", "support, own view"),
    ]
    record = await tech_review_record.record(skipping.services, ref)
    answers, remarks = record.markdown.partition("## Feedback")[2].split("\n## ")[:2]
    assert remarks.startswith("Remarks")
    assert sorted((f"{who} says" in answers, f"{who} says" in remarks) for who in words) == [
        (False, True),
        (False, True),
        (True, False),
    ]


@pytest.mark.parametrize("others", [True, False], ids=["others could", "nobody else could"])
async def test_who_holds_two_roles_speaks_for_one(skipping: Installation, *, others: bool) -> None:
    """What they say next is their own view, and the other side is asked on; its answer it is where they are alone."""
    await skipping.sleep_to(0, 10)
    await people(skipping)
    async with skipping.services.store.writing() as connection:
        both = update(MemberRow).where(MemberRow.email == ENGINEER)
        await connection.execute(both.values(roles=["engineering", "product"]))
        if not others:
            product = await accounts.member_by_email(connection, PRODUCT)
            assert product is not None
            await accounts.mark_left(connection, product.id, await skipping.now())
    wanted = request((await skipping.now()).date(), 40)
    ref = (await tech_review.submit(skipping.services, wanted, by(CE))).ref
    await say(skipping, ref, "engineering")
    await standing(skipping, ref, lambda one: len(one.remarks) == 1)
    task = await asked(skipping, ref, "feedback_product")
    if others:
        with pytest.raises(UserError, match="you speak for engineering in this review"):
            await tasks.decide(skipping.services, task.task, "against", by(ENGINEER), "No")
    second = Feedback(text="As a product manager", stance="against")
    await tech_review.feedback(skipping.services, ref, second, by(ENGINEER))
    shown = await standing(skipping, ref, lambda one: len(one.remarks) == 2)
    kind, seat = ("said", "engineering, own view") if others else ("feedback", "product")
    assert [(one.kind, one.seat) for one in shown.remarks] == [("feedback", "engineering"), (kind, seat)]
    assert (task.task in [one.task for one in shown.asks]) is others


async def test_sales_and_ta_may_join_and_a_side_says_its_stance(skipping: Installation) -> None:
    """Whoever is not asked can say something; whoever is asked has to say what they are for."""
    ref = await submitted(skipping)
    await asked(skipping, ref, "feedback_support")
    await tech_review.feedback(skipping.services, ref, Feedback(text="I know this site"), by(TA))
    with pytest.raises(UserError) as refused:
        await tech_review.feedback(skipping.services, ref, Feedback(text="Hm"), by(SUPPORT))
    assert refused.value.field == "stance"
    shown = await standing(skipping, ref, lambda one: bool(one.remarks))
    assert [(one.kind, one.who, one.text) for one in shown.remarks] == [("said", "Marco Rossi", "I know this site")]


async def test_what_a_review_waits_for_are_the_sides_that_have_not_answered(skipping: Installation) -> None:
    """Each side that has answered is not waited for any more, in words and by role."""
    ref = await submitted(skipping)
    shown = await standing(skipping, ref, lambda one: one.waiting_for is not None)
    assert shown.waiting_for == "feedback of engineering, product, support and account team"
    await everybody_says(skipping, ref, sides=("engineering", "support", "account_team"))
    shown = await standing(skipping, ref, lambda one: len(one.remarks) == 3 and len(one.asks) == 1)
    assert (shown.waiting_for, shown.waiting_on) == ("feedback of product", ("product",))


async def test_a_live_meeting_is_voted_on_booked_and_its_notes_are_remarks(skipping: Installation) -> None:
    """Those who spoke and whoever is named choose times within the date and are invited; their notes are kept."""
    ref = await submitted(skipping)
    await say(skipping, ref, "engineering", "against")
    await say(skipping, ref, "support", "in_favour")
    with pytest.raises(UserError) as refused:
        await wants_to_talk(skipping, ref, PRODUCT, "nobody@foobar.example")
    assert refused.value.field == "invite[0]"
    await wants_to_talk(skipping, ref, PRODUCT, TA)
    shown = await live(skipping, ref)
    needed = (await tech_review.show(skipping.services, ref)).needed_by
    assert sorted(one.who for one in shown.answers) == ["Jun Sato", "Leila Haddad", "Marco Rossi", "Priya Raman"]
    assert shown.slots
    assert all(slot.end <= needed for slot in shown.slots)
    with pytest.raises(UserError, match="arranged already"):
        await wants_to_talk(skipping, ref, SUPPORT)
    for who in (ENGINEER, SUPPORT, PRODUCT, TA):
        [mail] = [one for one in await skipping.mailed(1, who) if "Pick a time to discuss" in str(one["Subject"])]
        assert "Tomas Novak" in str(mail["From"])
        poll = await meeting.poll(skipping.services, link_of(mail))
        assert (poll.ours, poll.tam) == (True, "Tomas Novak")
        await meeting.vote_by_link(skipping.services, link_of(mail), (shown.slots[1].id,), None)
    booked = await live(skipping, ref, lambda one: one.phase == "booked")
    assert booked.booked == shown.slots[1].start

    async def all_invited() -> bool:
        return all([await invitations(skipping, who) for who in (CE, ENGINEER, SUPPORT, PRODUCT, TA)])

    await until(all_invited, "everybody's invitation")
    with pytest.raises(
        UserError, match=rf"not begun yet: it is booked for \d{{4}}-.*review book-meeting {ref} --start TIME"
    ):
        await tech_review.report_meeting(skipping.services, ref, MeetingNotes(text="Early"), by(CE))
    assert booked.booked_until is not None
    await skipping.sleep_until(booked.booked_until)
    await tech_review.report_meeting(skipping.services, ref, MeetingNotes(text="Agreed on two conditions"), by(CE))
    after = await standing(skipping, ref, lambda one: any(said.kind == "meeting" for said in one.remarks))
    noted = next(one for one in after.remarks if one.kind == "meeting")
    assert (noted.who, noted.option, noted.text) == ("Tomas Novak", "held", "Agreed on two conditions")
    record = await tech_review_record.record(skipping.services, ref)
    assert "Agreed on two conditions" in record.markdown.partition("## Live meeting")[2].partition("\n## ")[0]


async def invitations(installation: Installation, who: str) -> list[EmailMessage]:
    """The invitations to the live meeting that somebody got."""
    return [one for one in await installation.mailed(1, who) if str(one["Subject"]).startswith("Booked: live meeting")]


async def test_a_live_meeting_outside_somebodys_hours_says_so_to_them_and_to_its_host(skipping: Installation) -> None:
    """Where no hour is everyone's, the least hard are offered; whoever they are hard on reads it, and the host."""
    ref = await submitted(skipping)
    await say(skipping, ref, "engineering", "against")
    await wants_to_talk(skipping, ref, CE_VP)
    shown = await live(skipping, ref, lambda one: bool(one.slots))
    assert {slot.outside for slot in shown.slots} == {("Jun Sato",)}, "Copenhagen begins as Tokyo ends"
    assert {f"{slot.start.astimezone(ZoneInfo('Asia/Tokyo')):%H:%M}" for slot in shown.slots} == {"17:00"}
    told = {}
    for reader in (ENGINEER, CE, CE_VP):

        async def there(reader: str = reader) -> EmailMessage | None:
            return next((one for one in skipping.mails(reader) if "Pick a time" in one["Subject"]), None)

        told[reader] = " ".join(text_of(await until(there, f"the times for {reader}")).split())
    assert "outside your working hours" in told[ENGINEER]
    assert "outside Jun Sato’s (17:00 in Tokyo) working hours" in told[CE]
    assert "working hours" not in told[CE_VP]
    poll = await meeting.poll(
        skipping.services, link_of(next(one for one in skipping.mails(ENGINEER) if "Pick a time" in one["Subject"]))
    )
    assert poll.late == tuple(slot.id for slot in poll.slots)
    entries = [one.what for one in await timeline.timeline_of(skipping.services, "versayce")]
    assert any("outside Jun Sato’s working hours" in one for one in entries)


async def test_where_no_time_is_left_the_host_finds_one(skipping: Installation) -> None:
    """A date that is too near for a vote leaves the host a to-do on the review; a time set by hand invites everyone."""
    ref = await submitted(skipping, days=1)
    await wants_to_talk(skipping, ref, PRODUCT)
    shown = await live(skipping, ref, lambda one: one.phase == "stuck")
    assert not shown.slots
    await skipping.mailed(1, CE)
    start = (await skipping.now()).replace(minute=0, second=0, microsecond=0) + timedelta(hours=4)
    await tech_review.book_meeting(skipping.services, ref, MeetingTime(start=start, anyway=True), by(PRODUCT))
    assert (await live(skipping, ref, lambda one: one.phase == "booked")).booked == start


@pytest.mark.parametrize("stance", ["against", "in_favour"])
async def test_sides_that_disagree_are_offered_a_meeting_before_leadership_decides(
    skipping: Installation, stance: str
) -> None:
    """Two business days before leadership's deadline, and only where one side is against what another is for."""
    ref = await submitted(skipping)
    await say(skipping, ref, "engineering", stance)
    await everybody_says(skipping, ref, sides=("product", "support", "account_team"))
    await choose(skipping, ref, "recommendation", CE_VP, "no")
    task = await asked(skipping, ref, "leadership")
    assert task.deadline is not None
    assert not (await tech_review.show(skipping.services, ref)).meetings
    await skipping.sleep_until(task.deadline - timedelta(days=1))
    if stance == "against":
        shown = await standing(skipping, ref, lambda one: one.meetings == 1)
        there = await live(skipping, ref)
        assert {"Jun Sato", "Ada Brandt", "Elena Fischer"} <= {one.who for one in there.answers}
    else:
        shown = await tech_review.show(skipping.services, ref)
    assert shown.meetings == (stance == "against")
    entries = await timeline.timeline_of(skipping.services, "versayce")
    assert any(one.kind == "tech_review.meeting_offered" for one in entries) is (stance == "against")


async def test_it_comes_back_by_itself_on_its_day(skipping: Installation) -> None:
    """A yes with a revisit date waits for that day; then everybody is heard once more, in a new round."""
    ref = await submitted(skipping)
    await everybody_says(skipping, ref)
    await choose(skipping, ref, "recommendation", CE_VP, "yes", None)
    day = (await skipping.now()).date() + timedelta(days=50)
    with pytest.raises(UserError) as refused:
        await write(skipping, ref, MESSAGE | {"revisit": "soon"})
    assert refused.value.field == "revisit"
    await write(skipping, ref, MESSAGE | {"revisit": day.isoformat()})
    await confirm(skipping, ref)
    shown = await in_phase(skipping, ref, "revisit")
    assert shown.revisit is not None
    assert (shown.outcome, shown.revisit.date() >= day) == ("approved", True)
    await skipping.sleep_until(shown.revisit + timedelta(minutes=1))
    shown = await standing(skipping, ref, lambda one: one.round == 2)
    assert (shown.phase, shown.rounds[-1].again, shown.closed) == ("feedback", True, None)
    assert shown.request["title"] == shown.title
    # Whoever confirmed the first answer is the customer's, and reads nothing of what is said among us.
    await everybody_says(skipping, ref, attempt=2)
    await choose(skipping, ref, "recommendation", CE_VP, "yes", None, attempt=2)
    await in_phase(skipping, ref, "message")
    await tech_review.withdraw(skipping.services, ref, why("They found another way"), by(CE))
    await until(status_of(skipping, review_id(ref)), "the end of the review")
    among_us = [mail for mail in skipping.mails() if str(mail["Subject"]).startswith(("Approved: ", "Withdrawn: "))]
    assert not [str(mail["To"]) for mail in among_us if "@foobar.example" not in str(mail["To"])]
    assert len([mail for mail in among_us if PRODUCT in str(mail["To"])]) >= 2


async def test_writing_approving_and_reading_the_message_are_due_when_the_customer_needs_it(
    skipping: Installation,
) -> None:
    """Decided on its last days, nothing of the message is due after the customer's date; the review says the same."""
    ref = await submitted(skipping, days=4)
    await everybody_says(skipping, ref)
    await choose(skipping, ref, "recommendation", CE_VP, "yes", None)
    task = await asked(skipping, ref, "message", phase="preparing")
    shown = await in_phase(skipping, ref, "message")
    assert task.deadline == shown.deadline == shown.needed_by
    await tasks.request(skipping.services, task.task, MESSAGE, by(CE))
    assert (await asked(skipping, ref, "message")).deadline == shown.needed_by
    await choose(skipping, ref, "message", CE_VP, "approve", None)
    assert (await asked(skipping, ref, "reading")).deadline == shown.needed_by


async def test_support_can_send_the_message_back(skipping: Installation) -> None:
    """What support objects to is written and approved anew before anything goes to the customer."""
    ref = await submitted(skipping)
    await everybody_says(skipping, ref)
    await choose(skipping, ref, "recommendation", CE_VP, "yes", None)
    task = await asked(skipping, ref, "message", phase="preparing")
    await tasks.request(skipping.services, task.task, MESSAGE, by(CE))
    await choose(skipping, ref, "message", CE_VP, "change", "Too long")
    task = await asked(skipping, ref, "message", phase="preparing")
    await tasks.request(skipping.services, task.task, MESSAGE | {"message": "Shorter"}, by(CE))
    await choose(skipping, ref, "message", CE_VP, "approve", None)
    await choose(skipping, ref, "reading", SUPPORT, "object", "We cannot watch that at night")
    assert not skipping.mails(CHAMPION)
    task = await asked(skipping, ref, "message", 2, "preparing")
    await tasks.request(skipping.services, task.task, MESSAGE | {"message": "Shorter, and not at night"}, by(CE))
    await choose(skipping, ref, "message", CE_VP, "approve", None, 2)
    await choose(skipping, ref, "reading", SUPPORT, "read", None, 2)
    assert "Shorter, and not at night" in text_of((await skipping.mailed(1, CHAMPION))[0])


async def test_a_customer_who_never_confirms_changes_nothing(skipping: Installation) -> None:
    """Their silence is told to the TAM, and the answer stands as it was given."""
    ref = await submitted(skipping)
    await everybody_says(skipping, ref)
    await choose(skipping, ref, "recommendation", CE_VP, "yes", None)
    await write(skipping, ref, MESSAGE)
    task = await asked(skipping, ref, "acknowledgement")
    assert task.deadline is not None
    await skipping.sleep_until(task.deadline + timedelta(minutes=1))
    assert await outcome(skipping, ref) == "approved"
    assert (await tech_review.show(skipping.services, ref)).acknowledged is None
    assert any("Not confirmed" in str(mail["Subject"]) for mail in skipping.mails(TAM))


async def test_the_record_has_all_of_it_and_its_receipts_hold(skipping: Installation, tmp_path: Path) -> None:
    """One page tells request, feedback, recommendation, votes, reasons, conditions, message and dates, and is found."""
    ref = await submitted(skipping)
    await everybody_says(skipping, ref, "in_favour_if")
    await choose(skipping, ref, "recommendation", CE_VP, "no", "Costs <more> than it brings")
    await vote(skipping, ref, ce_vp="no", vp_engineering="yes", vp_sales="yes")
    await write(skipping, ref, MESSAGE)
    await confirm(skipping, ref)
    await outcome(skipping, ref)
    written = await tech_review_record.write(skipping.services, ref, tmp_path / "records")
    markdown, html = (Path(name).read_text() for name in written.files)
    for page in (markdown, html):
        for words in (
            "no connection to the internet",
            "Looks fine",
            "vp_engineering says yes",
            "You tell us of each site",
            MESSAGE["message"],
            "VP Engineering",
            "verified by operator",
        ):
            assert words in page, words
        assert page.count("You tell us of each site") == 1, "the conditions stand once"
    assert "Costs &lt;more> than it brings" in markdown
    assert "Costs &lt;more&gt; than it brings" in html
    for search in ("satellites registry", "brings costs", ref.lower(), "each SITE", '"Costs <more> than it" registry'):
        assert [one.ref for one in await tech_review.listed(skipping.services, ReviewSearch(search=search))] == [ref], (
            search
        )
    for search in ("satellites nowhere", '"brings costs"'):
        assert not await tech_review.listed(skipping.services, ReviewSearch(search=search)), search
    verified = await audit.verify(skipping.services)
    # The recommendation, three votes, the verdict, the approval, the reading and the acknowledgement.
    assert (verified.whole, verified.receipts) == (True, 8)
    key = (await audit.key(skipping.services)).public_key
    assert [verify_record(Path(name), [key]).receipts for name in written.files] == [8, 8]
    assert all(verify_record(Path(name), [key]).whole for name in written.files)
    assert markdown.index("Outcome: **approved**") < markdown.index(MESSAGE["message"]) < markdown.index("Looks fine")
    async with skipping.services.store.writing() as connection:
        await connection.execute(update(ReviewRemarkRow).where(ReviewRemarkRow.seat == "vp_sales").values(option="no"))
    verified = await audit.verify(skipping.services)
    assert not verified.whole
    assert [one.what for one in verified.faults] == ["the receipt tells another decision than is on record"]


class Fate:
    """Who is silent when, drawn from a seed; each question is answered once, or left until its time is up."""

    def __init__(self, installation: Installation, ref: str, seed: int) -> None:
        """A review that has just begun."""
        self.installation, self.ref, self.draw = installation, ref, Random(seed)
        self.left: set[str] = set()

    async def turn(self) -> bool:
        """Have somebody answer, or let time go by; say whether the review is open."""
        shown = await tech_review.show(self.installation.services, self.ref)
        if shown.closed is not None:
            return False
        # What a live meeting asks its host, no review waits for.
        asks = [one for one in shown.asks if "/live_meeting." not in one.task]
        open_ = [one for one in asks if one.task not in self.left]
        if not open_:
            ends = [one.deadline for one in asks if one.deadline]
            if not ends:
                # The next question is about to be put.
                await standing(
                    self.installation, self.ref, lambda one: one.asks != shown.asks or one.closed is not None
                )
                return True
            now, end = await self.installation.now(), min(ends)
            if any(one.task.split("/")[2] in ("message", "reading") for one in asks):
                # What the customer waits for is due and goes on: its time is up long after that.
                await self.installation.sleep_until(max(end, now + timedelta(days=2)) + timedelta(minutes=1))
                return True
            await self.installation.sleep_until(max(end, now) + timedelta(minutes=1))
            await standing(self.installation, self.ref, lambda one: one.asks != shown.asks or one.closed is not None)
            return True
        one = self.draw.choice(open_)
        task = await tasks.show(self.installation.services, one.task)
        # In the end nobody is silent for ever, so that the review ends.
        if self.draw.random() < 0.35 and len(self.left) < 8 and task.phase == "open":
            self.left.add(one.task)
        elif task.phase == "preparing":
            await tasks.request(self.installation.services, one.task, words_for(task), by(task.holders[0].email))
        else:
            who, option = self.draw.choice(task.holders), self.draw.choice(task.options)
            await tasks.decide(self.installation.services, one.task, option.id, by(who.email), "It is so")
            self.left |= {one.task} if task.step == "leadership" and self.draw.random() < 0.3 else set()
        await standing(self.installation, self.ref, lambda now: now != shown or one.task in self.left)
        return True


def words_for(task: TaskShown) -> dict[str, str]:
    """The message, as it is asked for."""
    words = {"message": "So it is.", "conditions": "none", "next_steps": "Wait.", "revisit": "never"}
    return {name: words[name] for name in task.asks}


@pytest.mark.parametrize("seed", range(4))
async def test_whoever_is_silent_no_yes_is_without_one(skipping: Installation, seed: int) -> None:
    """Whatever is answered and left unanswered: it ends, or is overdue; and a yes has somebody's who may give it."""
    ask = list(Ask)[seed % len(Ask)]
    ref = await submitted(skipping, days=25, ask=ask)
    await standing(skipping, ref, lambda one: len(one.asks) == 4)
    fate = Fate(skipping, ref, seed)
    for _ in range(120):
        if not await fate.turn():
            break
        shown = await tech_review.show(skipping.services, ref)
        now = await skipping.now()
        if shown.told is None and shown.closed is None and now > shown.needed_by + timedelta(hours=1):
            await standing(skipping, ref, lambda one: one.overdue or one.told is not None or one.closed is not None)
    shown = await tech_review.show(skipping.services, ref)
    assert shown.closed is not None
    yes = {(one.kind, one.seat) for one in shown.remarks if one.option in ("yes", "supported", "supported_if")}
    votes = [one for one in shown.remarks if one.kind == "vote" and one.option == "yes"]
    if shown.outcome in ("approved", "supported", "supported_if"):
        assert ("recommendation", "VP of CE") in yes or len({one.seat for one in votes}) >= 2
        if ask is Ask.UNPLANNED_ENGINEERING:
            assert yes & {("commitment", "VP Engineering"), ("vote", "VP Engineering")}
    assert (await audit.verify(skipping.services)).whole
