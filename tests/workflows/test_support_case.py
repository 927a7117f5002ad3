"""A case: its number, its owner, what was promised, and how it ends."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from rapport.model.base import UserError
from rapport.model.ids import case_id, desk_id, task_id
from rapport.model.reading import check
from rapport.model.support_case import DESK, ActKind, CaseAct, Dossier, WrittenCase
from rapport.storage import account, support_case as support_case_storage
from rapport.storage.tables import ContactRow
from rapport.storage.waits import open_waits
from starters.services import present
from starters.use_cases import message, support_case, task as tasks, timeline
from starters.use_cases.support_case import Assign, HandOff, Merge, Say, Split
from starters.views import support_case as support_case_views
from starters.views.task import TaskLine
from tests.conftest import CHAMPION, TAM, Installation, by, left, text_of, until
from tests.support.desk import (
    DEV,
    DOSSIER,
    ENGINEER_WHO_ALSO_SUPPORTS,
    KIM,
    LEAD,
    LEE,
    SAM,
    ask,
    away,
    case_of,
    html_of,
    in_state,
    let_a_draft_go,
    mail_about,
    open_desk,
    over,
    owner_of,
    sleep_past,
)
from workflows.base import AccountWorkflow
from workflows.support_case import SupportCase


async def test_a_question_gets_a_number_an_owner_an_answer_and_an_end(skipping: Installation) -> None:
    """The customer reads the number and when they hear from us, the owner the question; answer and end go out."""
    await open_desk(skipping)
    opened = await ask(skipping)
    assert (opened.ref, opened.created) == ("C-00001", True)
    owner = await owner_of(skipping, opened.ref)
    assert owner in (SAM, KIM)
    acknowledged = await mail_about(skipping, CHAMPION, "[C-00001] We've received your request")
    assert "First response by Tuesday" in text_of(acknowledged)
    assert "How do I rotate a token?" in text_of(await mail_about(skipping, owner, "Assigned to you: C-00001"))
    assert "past agreements" in text_of(await mail_about(skipping, TAM.email, "any context for support"))
    await support_case.answer(skipping.services, opened.ref, Say(text="Under Settings, Tokens, Rotate."), by(owner))
    answer = await mail_about(skipping, CHAMPION, "Re: [C-00001]")
    assert "Under Settings, Tokens, Rotate." in text_of(answer)
    assert owner in str(answer["Reply-To"])
    await support_case.resolve(skipping.services, opened.ref, Say(text="Rotated under Settings."), by(owner))
    assert "Rotated under Settings." in text_of(await mail_about(skipping, CHAMPION, "Resolved"))
    await in_state(skipping, opened.ref, "resolved")
    shown = await support_case_views.show(skipping.services, opened.ref)
    assert [line.kind for line in shown.log] == ["answer", "resolve"]


async def test_half_a_promise_reminds_most_of_it_drafts_and_its_end_is_told_to_the_lead(skipping: Installation) -> None:
    """The owner is reminded and gets a draft for the customer that does not go by itself; at the end the lead knows."""
    await open_desk(skipping)
    ref = (await ask(skipping, severity=2)).ref
    owner = await owner_of(skipping, ref)
    seen = await in_state(skipping, ref, "open")
    assert seen.due is not None
    await sleep_past(skipping, seen.due - timedelta(minutes=50))
    assert "Half the time" in html_of(await mail_about(skipping, owner, "First response due"))
    await sleep_past(skipping, seen.due - timedelta(minutes=10))
    await mail_about(skipping, owner, "Draft update ready")
    drafts = await message.drafts(skipping.services, "versayce")
    assert [draft.name for draft in drafts] == ["Luca Bianchi"]
    assert not [mail for mail in skipping.mails(CHAMPION) if "Status update" in str(mail["Subject"])]
    await sleep_past(skipping, seen.due + timedelta(minutes=1))
    await mail_about(skipping, owner, "SLA missed")
    await mail_about(skipping, LEAD, "SLA missed")
    assert (await support_case_views.show(skipping.services, ref)).breaches == 1


async def test_a_draft_that_its_owner_sends_keeps_the_promise(skipping: Installation) -> None:
    """The owner may release it, though they may not act on the account; the next update is promised from then on."""
    await open_desk(skipping)
    ref = (await ask(skipping, severity=2)).ref
    owner = await owner_of(skipping, ref)
    before = (await in_state(skipping, ref, "open")).due
    assert before is not None
    await let_a_draft_go(skipping, owner, before)

    async def later() -> bool:
        due = (await case_of(skipping, ref)).due
        return due is not None and due > before

    await until(later, "the next promise")
    assert (await support_case_views.show(skipping.services, ref)).breaches == 0


async def test_the_clock_stands_still_while_we_wait_for_the_customer(skipping: Installation) -> None:
    """Two days of the customer's silence break nothing; their answer lets the clock go on where it stood."""
    await open_desk(skipping)
    ref = (await ask(skipping, severity=2)).ref
    owner = await owner_of(skipping, ref)
    await support_case.wait_customer(skipping.services, ref, Say(text="Which version is it?"), by(owner))
    assert "Which version is it?" in text_of(await mail_about(skipping, CHAMPION, "We need more information"))
    seen = await in_state(skipping, ref, "waiting")
    assert seen.due is None
    await skipping.sleep_until(await skipping.now() + timedelta(days=2))
    assert (await support_case_views.show(skipping.services, ref)).breaches == 0
    await support_case.customer_said(skipping.services, ref, Say(text="It is 4.2."), TAM)
    seen = await in_state(skipping, ref, "open")
    now = await skipping.now()
    assert seen.due is not None
    assert timedelta(hours=7, minutes=55) <= seen.due - now <= timedelta(hours=8 + 14 + 1)
    assert "It is 4.2." in text_of(await mail_about(skipping, owner, "logged the customer's reply"))


async def test_a_customers_silence_comes_back_to_the_owner_until_it_ends(skipping: Installation) -> None:
    """Five working days without a word: the owner is told, and again after five more; until then it has a deadline."""
    await open_desk(skipping)
    ref = (await ask(skipping, severity=2)).ref
    owner = await owner_of(skipping, ref)
    asked = await skipping.now()
    await support_case.wait_customer(skipping.services, ref, Say(text="Which version is it?"), by(owner))
    await in_state(skipping, ref, "waiting")

    async def next_follow_up(after: datetime) -> datetime | None:
        async with skipping.services.store.reading() as connection:
            [wait] = [one for one in await open_waits(connection) if one.where == case_id(ref)]
        assert wait.held
        assert wait.there
        return wait.deadline if wait.deadline and wait.deadline > after else None

    first = await until(lambda: next_follow_up(asked), "a day on which it is looked after")
    assert timedelta(days=5) <= first - asked <= timedelta(days=8)
    await sleep_past(skipping, first + timedelta(minutes=1))
    told = await mail_about(skipping, owner, "No reply from Versayce")
    assert "Luca Bianchi (Versayce)" in text_of(told)
    second = await until(lambda: next_follow_up(first), "another one")
    await sleep_past(skipping, second + timedelta(minutes=1))

    async def told_again() -> bool:
        return len([mail for mail in skipping.mails(owner) if "No reply" in str(mail["Subject"])]) == 2

    await until(told_again, "the second mail")
    kinds = [line.kind for line in await timeline.timeline_of(skipping.services, "versayce")]
    assert kinds.count("case.customer_silent") == 2
    await support_case.customer_said(skipping.services, ref, Say(text="It is 4.2."), TAM)
    assert (await in_state(skipping, ref, "open")).due is not None


async def test_an_absent_owner_hands_on_with_all_that_was_said(skipping: Installation) -> None:
    """Once an absence of the owner's begins, a colleague has the case, and reads the whole of it."""
    await open_desk(skipping)
    ref = (await ask(skipping)).ref
    owner = await owner_of(skipping, ref)
    other = KIM if owner == SAM else SAM
    await support_case.note(skipping.services, ref, Say(text="They use a proxy."), by(owner))
    await away(skipping, owner, days=5)
    await skipping.client.get_workflow_handle(case_id(ref)).signal("people_changed")

    async def handed() -> bool:
        return (await support_case_views.show(skipping.services, ref)).owner_email == other

    await until(handed, "the colleague to have it")
    assert "They use a proxy." in text_of(await mail_about(skipping, other, "Assigned to you"))
    told = [line.kind for line in await timeline.timeline_of(skipping.services, "versayce")]
    assert "case.owner_away" in told


async def test_a_case_is_handed_off_to_somebody_else_with_context(skipping: Installation) -> None:
    """Handing off takes words, never goes back to the same person, and the next one reads them."""
    await open_desk(skipping)
    ref = (await ask(skipping)).ref
    owner = await owner_of(skipping, ref)
    other = KIM if owner == SAM else SAM
    await support_case.hand_off(skipping.services, ref, HandOff(text="Needs somebody who knows proxies."), by(owner))

    async def handed() -> bool:
        return (await support_case_views.show(skipping.services, ref)).owner_email == other

    await until(handed, "the colleague to have it")
    assert "knows proxies" in text_of(await mail_about(skipping, other, "Assigned to you"))


async def test_no_developer_gets_a_case_not_even_by_hand(skipping: Installation) -> None:
    """An area that only a developer knows waits; naming one is refused with the reason; the lead is told at once."""
    await open_desk(skipping)
    ref = (await ask(skipping, area="accounts")).ref
    await mail_about(skipping, LEAD, "Unassigned")
    shown = await support_case_views.show(skipping.services, ref)
    assert (shown.owner, shown.state) == (None, "queued")
    bars = {seen.name: seen.bar for seen in shown.why[0].considered}
    assert bars["Both Sides"] == "is with engineering"
    for developer in (DEV, ENGINEER_WHO_ALSO_SUPPORTS):
        with pytest.raises(UserError, match="is with engineering"):
            await support_case.assign(skipping.services, ref, Assign(to=developer), by(LEAD))
    await support_case.assign(skipping.services, ref, Assign(to=LEE), by(LEAD))
    assert await owner_of(skipping, ref) == LEE


async def test_engineering_is_asked_with_a_whole_dossier_and_answers_the_owner(skipping: Installation) -> None:
    """A dossier with a gap is refused; the whole of it stands in the task; the answer goes to the owner alone."""
    await open_desk(skipping)
    ref = (await ask(skipping)).ref
    owner = await owner_of(skipping, ref)
    with pytest.raises(UserError, match="impact") as refused:
        check(Dossier, dict.fromkeys(("tried", "reproduction", "version", "logs"), "x"), "")
    assert refused.value.field == "impact"
    await support_case.escalate(skipping.services, ref, DOSSIER, by(owner))
    asked = text_of(await mail_about(skipping, DEV, f"{ref} for platform"))
    assert all(text in asked for _, text in DOSSIER)
    with pytest.raises(UserError, match="asked already"):
        await support_case.escalate(skipping.services, ref, DOSSIER, by(owner))
    task = task_id(ref, "escalation", 1)
    customers = len(skipping.mails(CHAMPION))
    await tasks.decide(skipping.services, task, "answer", by(DEV), "Raise the header limit.")
    assert "Raise the header limit." in text_of(await mail_about(skipping, owner, "Engineering replied"))
    assert len(skipping.mails(CHAMPION)) == customers
    shown = await support_case_views.show(skipping.services, ref)
    assert (shown.escalations, shown.escalation) == (1, None)


async def test_one_case_at_a_time_for_each_team_but_the_worst_does_not_queue(skipping: Installation) -> None:
    """A second case waits until engineering has answered the first; one of severity 1 goes in at once.

    The desk goes on in a new run again and again meanwhile, and forgets neither who is asked nor who waits.
    """
    await open_desk(skipping, turnover=2)
    refs = [(await ask(skipping, f"Question {number}", severity=3)).ref for number in (1, 2)]
    worst = (await ask(skipping, "All is down", severity=1)).ref
    for ref in (*refs, worst):
        await support_case.escalate(skipping.services, ref, DOSSIER, by(await owner_of(skipping, ref)))
    await mail_about(skipping, DEV, f"{refs[0]} for platform")
    await mail_about(skipping, DEV, f"{worst} for platform")

    async def standing(ref: str) -> str | None:
        return (await support_case_views.show(skipping.services, ref)).escalation

    assert await standing(refs[1]) == "waits until they are free"
    await tasks.decide(skipping.services, task_id(refs[0], "escalation", 1), "answer", by(DEV), "So.")
    await tasks.decide(skipping.services, task_id(worst, "escalation", 1), "answer", by(DEV), "So.")
    await mail_about(skipping, DEV, f"{refs[1]} for platform")


async def test_the_worst_reaches_engineering_though_no_desk_lets_it_in(skipping: Installation) -> None:
    """A case of severity 1 waits for nobody's word: engineering has it though the desk does not run."""
    await open_desk(skipping)
    ref = (await ask(skipping, "All is down", severity=1)).ref
    owner = await owner_of(skipping, ref)
    await skipping.client.get_workflow_handle(desk_id(DESK)).terminate()
    await support_case.escalate(skipping.services, ref, DOSSIER, by(owner))
    await mail_about(skipping, DEV, f"{ref} for platform")


async def test_the_same_thread_joins_its_case_and_opens_a_resolved_one_again(skipping: Installation) -> None:
    """A further word of the thread is one of its case; after the end it opens that again, with the same number."""
    await open_desk(skipping)
    ref = (await ask(skipping, thread="<1@versayce>")).ref
    joined = await ask(skipping, "It also fails with 4.3.", thread="<1@versayce>")
    assert (joined.ref, joined.created, joined.joined) == (ref, False, True)
    owner = await owner_of(skipping, ref)
    await support_case.resolve(skipping.services, ref, Say(text="Use 4.4."), by(owner))
    await in_state(skipping, ref, "resolved")
    await until(lambda: over(skipping, ref), "the end of the run")
    again = await ask(skipping, "It is back.", thread="<1@versayce>")
    assert (again.ref, again.created) == (ref, False)
    await in_state(skipping, ref, "open")
    assert await owner_of(skipping, ref) == owner
    kinds = [line.kind for line in (await support_case_views.show(skipping.services, ref)).log]
    assert kinds == ["customer_said", "resolve", "customer_said"]
    with pytest.raises(UserError, match="is open"):
        await support_case.reopen(skipping.services, ref, Say(text="Why not"), by(owner))


async def test_cases_merge_only_when_somebody_says_so_and_split_again(skipping: Installation) -> None:
    """Two equal questions stay two; merged, the customer reads the new number; a part can become a case of its own."""
    await open_desk(skipping)
    first, second = [(await ask(skipping)).ref for _ in range(2)]
    assert first != second
    owner = await owner_of(skipping, first)
    await support_case.merge(skipping.services, second, Merge(into=first), by(owner))
    assert f"and {first} describe the same issue" in text_of(
        await mail_about(skipping, CHAMPION, f"Merged into {first}")
    )
    await in_state(skipping, second, "merged")
    with pytest.raises(UserError, match=f"part of {first}|merged"):
        await support_case.answer(skipping.services, second, Say(text="Late"), by(owner))
    made = await support_case.split(skipping.services, first, Split(question="And how do I revoke one?"), by(owner))
    assert (await support_case_views.show(skipping.services, made.ref)).split_from == first


async def test_what_the_tam_knows_reaches_the_owner(skipping: Installation) -> None:
    """Context can be added at any time, and goes to whoever has the case."""
    await open_desk(skipping)
    ref = (await ask(skipping)).ref
    owner = await owner_of(skipping, ref)
    await support_case.context(skipping.services, ref, Say(text="They run behind a proxy."), TAM)
    assert "behind a proxy" in text_of(await mail_about(skipping, owner, "added context"))


async def test_a_case_that_is_over_interrupts_engineering_no_longer(skipping: Installation) -> None:
    """Resolved while engineering has it, their task closes, nobody is told of an answer, and the run ends."""
    await open_desk(skipping)
    ref = (await ask(skipping)).ref
    owner = await owner_of(skipping, ref)
    await support_case.escalate(skipping.services, ref, DOSSIER, by(owner))
    await mail_about(skipping, DEV, f"{ref} for platform")
    await support_case.resolve(skipping.services, ref, Say(text="It was the proxy."), by(owner))
    await until(lambda: over(skipping, ref), "the end of the run")
    assert (await tasks.show(skipping.services, task_id(ref, "escalation", 1))).phase == "closed"
    assert not [mail for mail in skipping.mails(owner) if "engineering" in str(mail["Subject"]).lower()]


async def test_whatever_is_done_twice_with_one_id_counts_once(skipping: Installation) -> None:
    """An act that arrives as update and again as signal is one line of the log, and one mail."""
    await open_desk(skipping)
    ref = (await ask(skipping)).ref
    owner = await owner_of(skipping, ref)
    await support_case.answer(skipping.services, ref, Say(text="So."), by(owner))
    await mail_about(skipping, CHAMPION, f"Re: [{ref}]")
    async with skipping.services.store.reading() as connection:
        (line,) = await support_case_storage.log(connection, ref)
    act = CaseAct(id=line.submission or "", kind=ActKind.ANSWER, by=line.by or "", at=line.at, has_words=True)
    handle = skipping.client.get_workflow_handle(case_id(ref))
    await handle.signal(AccountWorkflow.hear_later, left("act", act))
    assert (await handle.execute_update(SupportCase.act_on, act)).accepted
    assert len(await cases_log(skipping, ref)) == 1


async def cases_log(installation: Installation, ref: str) -> list[str]:
    """What was done to a case, by kind."""
    return [line.kind for line in (await support_case_views.show(installation.services, ref)).log]


async def test_a_late_act_at_the_door_is_told_and_changes_nothing(skipping: Installation) -> None:
    """What was left while no worker was there and cannot be done any more stands on the timeline."""
    await open_desk(skipping)
    ref = (await ask(skipping)).ref
    owner = await owner_of(skipping, ref)
    async with skipping.services.store.reading() as connection:
        member = (await support_case_storage.case(connection, ref)).owner or ""
    act = CaseAct(id="s_1", kind=ActKind.REOPEN, by=member, at=await skipping.now(), has_words=True)
    await skipping.client.get_workflow_handle(case_id(ref)).signal(AccountWorkflow.hear_later, left("act", act))

    async def told() -> bool:
        return "case.refused" in [line.kind for line in await timeline.timeline_of(skipping.services, "versayce")]

    await until(told, "the refusal on the timeline")
    assert (await support_case_views.show(skipping.services, ref)).owner_email == owner


async def test_histories_hold_no_word_and_no_name(skipping: Installation) -> None:
    """Of a whole life of a case, its workflow, the desk's and the task's hold ids, roles and instants alone."""
    await open_desk(skipping)
    ref = (await ask(skipping, "Why does Wombat say Zebra?")).ref
    owner = await owner_of(skipping, ref)
    await support_case.answer(skipping.services, ref, Say(text="Because of the Giraffe."), by(owner))
    await support_case.escalate(skipping.services, ref, DOSSIER, by(owner))
    await mail_about(skipping, DEV, f"{ref} for platform")
    for id_ in (case_id(ref), desk_id(DESK), task_id(ref, "escalation", 1)):
        history = await skipping.client.get_workflow_handle(id_).fetch_history()
        data = b"".join(event.SerializeToString() for event in history.events)
        for word in ("Wombat", "Giraffe", "Another token", "Luca", "luca.bianchi", "Okafor", "sam.okafor", "Kim"):
            assert word.encode() not in data, (id_, word)


async def test_a_case_that_temporal_never_heard_of_begins_later_under_its_number(skipping: Installation) -> None:
    """Put on record while Temporal did not answer, it begins with the next question; neither is lost nor renumbered."""
    await open_desk(skipping)
    async with skipping.services.store.writing() as connection:
        written = WrittenCase(account="versayce", question="Am I lost?", area="api")
        (contact,) = [one for one in await account.contacts(connection, "versayce") if one.email == CHAMPION]
        ref = await support_case_storage.add(
            connection, written, contact.id, "s_0", "m_0", present() - timedelta(minutes=2)
        )
    other = (await ask(skipping)).ref
    assert (ref, other) == ("C-00001", "C-00002")
    for one in (ref, other):
        assert await owner_of(skipping, one) in (SAM, KIM)


async def renamed(installation: Installation, name: str) -> None:
    """The champion's name, as whoever works on the database wrote it."""
    async with installation.services.store.writing() as connection:
        row = update(ContactRow).where(ContactRow.email == CHAMPION)
        await connection.execute(row.values(name=name))


async def test_a_mail_of_a_case_that_cannot_be_written_is_its_owners_task(skipping: Installation) -> None:
    """Whoever has the case corrects what is wrong, and not the account's TAM; then the customer has the answer."""
    await open_desk(skipping)
    ref = (await ask(skipping)).ref
    owner = await owner_of(skipping, ref)
    await mail_about(skipping, CHAMPION, ref)
    await renamed(skipping, "=?utf-8?q?Luca?=")
    assert (await support_case.answer(skipping.services, ref, Say(text="Rotate it twice."), by(owner))).accepted

    async def asked() -> TaskLine | None:
        mine = (await tasks.inbox(skipping.services, by(owner))).mine
        return next((line for line in mine if "/unwritten/" in line.task), None)

    line: TaskLine = await until(asked, "the owner to be asked")
    assert line.subject == ref
    assert not [one for one in (await tasks.inbox(skipping.services, TAM)).mine if "/unwritten/" in one.task]
    await renamed(skipping, "Luca Bianchi")
    before = len(skipping.mails(CHAMPION))
    assert (await tasks.decide(skipping.services, line.task, "again", by(owner))).accepted
    assert "Rotate it twice." in text_of((await skipping.mailed(before + 1, CHAMPION))[-1])
