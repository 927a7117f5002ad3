"""The desk: each case is handed to one person, whatever is renewed, repeated or silent in between."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from rapport.model.ids import desk_id
from rapport.model.support_case import DESK, Assigned, DeskStart, QueuedCase
from rapport.storage.agenda import Item
from starters.use_cases import desk, support_case, task, timeline
from starters.use_cases.member import people_changed
from starters.use_cases.support_case import Assign, Say
from starters.views import support_case as support_case_views
from tests.conftest import Installation, by, skipping_installation, text_of, until
from tests.support.desk import (
    DEV,
    KIM,
    LEAD,
    LEE,
    SAM,
    ask,
    away,
    desk_of,
    in_state,
    mail_about,
    open_desk,
    owner_of,
)
from tests.support.pager import Pager, pager
from workflows.desk import SupportDesk

AROUND_THE_CLOCK = """
[desk]
zone = "Europe/Zurich"
hours = {{ start = 08:00:00, end = 18:00:00 }}

[on_call]
members = ["{member}"]
since = 2020-01-01
"""


async def test_a_burst_is_handed_out_once_each_over_many_runs(skipping: Installation) -> None:
    """Thirty at once, with a desk that goes on in a new run after every ten words: none is lost, none given twice."""
    await open_desk(skipping, turnover=10)
    opened = await asyncio.gather(*(ask(skipping, f"Question {number}") for number in range(30)))
    refs = [one.ref for one in opened]
    assert len(set(refs)) == 30
    for ref in refs:
        await owner_of(skipping, ref)

    async def confirmed() -> bool:
        return not (await desk_of(skipping)).state.unacknowledged

    await until(confirmed, "every case to have heard")
    state = (await desk_of(skipping)).state
    assert state.runs > 1
    assert (set(state.owners), state.taken, state.queue) == (set(refs), 30, ())
    shown = [await support_case_views.show(skipping.services, ref) for ref in refs]
    assert [len(one.why) for one in shown] == [1] * 30
    loads = sorted([sum(one.owner_email == email for one in shown) for email in (SAM, KIM)])
    assert loads == [15, 15]


async def test_what_comes_at_night_waits_in_order_and_goes_out_in_the_morning(skipping: Installation) -> None:
    """Nobody is at work: the lead is told at once, and the desk looks again by itself when somebody is."""
    await open_desk(skipping, hour=22)
    refs = [
        (await ask(skipping, f"Question {number}", area="dashboards", severity=4 - number)).ref for number in (0, 1)
    ]
    await mail_about(skipping, LEAD, f"Unassigned: {refs[0]}")
    assert {case.ref for case in (await desk.status(skipping.services)).queue} == set(refs)
    night = await skipping.now()
    await skipping.sleep_until(night + timedelta(hours=12))
    for ref in refs:
        assert await owner_of(skipping, ref) == LEE
    assert "Assigned to you" in str((await mail_about(skipping, LEE, f"you: {refs[1]}"))["Subject"])


async def test_a_case_that_finds_no_desk_asks_again_until_there_is_one(skipping: Installation) -> None:
    """The customer is acknowledged all the same; once the desk runs and somebody says so, the case has an owner."""
    await open_desk(skipping)
    handle = skipping.client.get_workflow_handle(desk_id(DESK))
    await handle.terminate()
    ref = (await ask(skipping)).ref
    await in_state(skipping, ref, "queued")
    await skipping.client.start_workflow(
        SupportDesk.run, DeskStart(), id=desk_id(DESK), task_queue=skipping.services.settings.task_queue
    )
    # The time-skipping server stops skipping once a signal to another workflow has failed; so no minute passes here.
    await people_changed(skipping.services)
    assert await owner_of(skipping, ref) in (SAM, KIM)


async def test_a_word_that_was_not_heard_is_said_again(skipping: Installation) -> None:
    """The desk carries what cases have not confirmed, and repeats it; a case that hears twice changes nothing."""
    await open_desk(skipping)
    ref = (await ask(skipping)).ref
    owner = await owner_of(skipping, ref)
    state = (await desk_of(skipping)).state
    word = Assigned(ref=ref, turn=1, member=state.owners[ref].member)
    await skipping.client.get_workflow_handle(desk_id(DESK)).terminate()
    start = DeskStart(state=state.model_copy(update={"unacknowledged": {ref: word}}))
    await skipping.client.start_workflow(
        SupportDesk.run, start, id=desk_id(DESK), task_queue=skipping.services.settings.task_queue
    )
    assert ref in (await desk_of(skipping)).state.unacknowledged
    await skipping.sleep_until(await skipping.now() + timedelta(minutes=6))

    async def heard() -> bool:
        return not (await desk_of(skipping)).state.unacknowledged

    await until(heard, "the case to confirm")
    shown = await support_case_views.show(skipping.services, ref)
    assert (shown.owner_email, len(shown.why)) == (owner, 1)
    assert len([mail for mail in skipping.mails(owner) if f"Assigned to you: {ref}" in str(mail["Subject"])]) == 1


async def test_the_same_need_twice_is_one_case(skipping: Installation) -> None:
    """A case that asks again for the same turn gets the same answer, and nobody gets a second one."""
    await open_desk(skipping)
    ref = (await ask(skipping)).ref
    owner = await owner_of(skipping, ref)
    handle = skipping.client.get_workflow_handle(desk_id(DESK))
    need = QueuedCase(ref=ref, account="versayce", turn=1, since=await skipping.now())
    for _ in range(3):
        await handle.signal(SupportDesk.need, need)
    await until(lambda: _quiet(skipping), "the desk to be quiet")
    state = (await desk_of(skipping)).state
    assert (state.taken, list(state.owners), state.queue) == (1, [ref], ())
    assert (await support_case_views.show(skipping.services, ref)).owner_email == owner


async def _quiet(installation: Installation) -> bool:
    return not (await desk_of(installation)).state.unacknowledged


async def test_the_end_of_an_absence_frees_the_queue(skipping: Installation) -> None:
    """Nobody knows the area while its only engineer is away; the day they are back it is theirs."""
    await open_desk(skipping)
    await away(skipping, LEE, days=2)
    ref = (await ask(skipping, area="dashboards")).ref
    await mail_about(skipping, LEAD, "Unassigned")
    await skipping.sleep_until(await skipping.now() + timedelta(days=2, minutes=1))
    assert await owner_of(skipping, ref) == LEE


async def test_a_case_that_waits_is_told_so_once_however_often_the_desk_looks_again(skipping: Installation) -> None:
    """With each news of somebody the desk looks again who can take it; the lead is not told the same anew."""
    await open_desk(skipping, hour=22)
    ref = (await ask(skipping)).ref
    await mail_about(skipping, LEAD, f"Unassigned: {ref}")
    for _ in range(2):
        heard = (await desk_of(skipping)).heard
        await people_changed(skipping.services)

        async def again(before: int = heard) -> bool:
            return (await desk_of(skipping)).heard > before

        await until(again, "the desk to look again")
    await skipping.sleep_until(await skipping.now() + timedelta(hours=12))
    assert await owner_of(skipping, ref) in (SAM, KIM)
    told = [line.kind for line in await timeline.timeline_of(skipping.services, "versayce")]
    assert told.count("case.queued") == 1
    assert len([mail for mail in skipping.mails(LEAD) if "Unassigned" in str(mail["Subject"])]) == 1


async def test_severity_one_wakes_whoever_is_on_call(tmp_path: Path) -> None:
    """With a rota and a webhook: paged at night, with the number and never the question, and promised by the clock."""
    (tmp_path / "support.toml").write_text(AROUND_THE_CLOCK.format(member=SAM))
    async with (
        pager() as webhook,
        skipping_installation(tmp_path, paging_webhook_url=SecretStr(webhook.url)) as installation,
    ):
        webhook.refuse = 1
        await open_desk(installation, hour=23)
        ref = (await ask(installation, "All is down at Versayce", severity=1)).ref
        assert await owner_of(installation, ref) == SAM
        await until(lambda: _paged(webhook), "the page")
        assert (webhook.pages[-1]["case"], webhook.pages[-1]["on_call"]) == (ref, SAM)
        assert "All is down" not in str(webhook.pages)
        shown = await support_case_views.show(installation.services, ref)
        assert shown.due is not None
        assert shown.due - await installation.now() <= timedelta(minutes=31)
        assert (await desk.status(installation.services)).worst == "around the clock"


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (DEV, "is with engineering"),
        (LEAD, "isn't a support engineer"),
        ("no.one@foobar.example", "isn't a team member"),
        (LEE, "does not know the area"),
    ],
)
async def test_severity_one_that_whoever_is_on_call_cannot_take_pages_the_lead(
    tmp_path: Path, who: str, why: str
) -> None:
    """At night, with nobody who could have it: the lead is paged, has it in their inbox, and reads why."""
    (tmp_path / "support.toml").write_text(AROUND_THE_CLOCK.format(member=who))
    async with (
        pager() as webhook,
        skipping_installation(tmp_path, paging_webhook_url=SecretStr(webhook.url)) as installation,
    ):
        await open_desk(installation, hour=23)
        ref = (await ask(installation, "All is down at Versayce", severity=1)).ref
        await until(lambda: _paged(webhook), "the lead's page")
        assert {page["on_call"] for page in webhook.pages} <= {LEAD, "priya.raman@foobar.example"}
        services = installation.services
        (line,) = (await task.inbox(services, by(LEAD))).cases
        assert (line.case, f"the person on call {why}" in line.what) == (ref, True)
        assert line.unblock == f"rapport case assign {ref} --to EMAIL --as {LEAD}"
        assert await task.waiting(services, by(LEAD)) == 1
        assert (await task.inbox(services, by(KIM))).cases == ()
        await support_case.assign(services, ref, Assign(to=SAM), by(LEAD))
        assert await owner_of(installation, ref) == SAM
        assert (await task.inbox(services, by(LEAD))).cases == ()


async def _paged(webhook: Pager) -> bool:
    return len(webhook.pages) >= 1


@pytest.mark.parametrize("refusal", ["404 Not Found", "302 Found", "503 Unavailable"])
async def test_whoever_cannot_be_paged_is_not_said_to_be_and_the_lead_hears_at_once(
    tmp_path: Path, refusal: str
) -> None:
    """After three refusals, of any kind, the lead has a mail and a page; once the webhook takes it, it says so."""
    (tmp_path / "support.toml").write_text(AROUND_THE_CLOCK.format(member=SAM))
    async with pager() as elsewhere, pager() as lead, pager() as webhook:
        webhook.refuse, webhook.refusal, webhook.location = 1_000, refusal, elsewhere.url
        lead.secret = webhook.secret = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cy1sb25nLWVub3VnaA=="
        settings = {
            "paging_webhook_url": SecretStr(webhook.url),
            "paging_lead_webhook_url": SecretStr(lead.url),
            "paging_webhook_secret": SecretStr(lead.secret),
        }
        async with skipping_installation(tmp_path, **settings) as installation:
            await open_desk(installation, hour=23)
            began = await installation.now()
            ref = (await ask(installation, "All is down at Versayce", severity=1)).ref
            assert await owner_of(installation, ref) == SAM
            await installation.sleep_until(began + timedelta(seconds=30))
            mail = await mail_about(installation, LEAD, f"Couldn't page Sam Okafor: {ref}")
            assert "the paging service refused three pages" in text_of(mail)
            await until(lambda: _paged(lead), "the lead's page")
            assert await installation.now() - began < timedelta(minutes=1)
            assert LEAD in [page["on_call"] for page in lead.pages]
            (why,) = (await support_case_views.show(installation.services, ref)).why
            assert (why.to_page, why.paged) == (True, False)
            services = installation.services

            async def is_told() -> bool:
                return any(one.what.endswith("; a lead was paged instead") for one in await cases(LEAD))

            async def cases(who: str) -> tuple[Item, ...]:
                return (await task.inbox(services, by(who))).cases

            await until(is_told, "the inbox to say so")
            for who in (LEAD, SAM):
                (line,) = await cases(who)
                assert (line.case, line.what.startswith("Sam Okafor has it and couldn't be paged: ")) == (ref, True)
            assert await cases(KIM) == ()
            assert "couldn't be paged" in ((await support_case_views.show(services, ref)).unpaged or "")

            webhook.refuse = 0
            await installation.sleep_until(began + timedelta(minutes=5))

            async def paged() -> bool:
                return (await support_case_views.show(installation.services, ref)).why[0].paged

            await until(paged, "the page to be on record")
            assert await cases(LEAD) == ()
            assert (await support_case_views.show(services, ref)).unpaged is None
            assert [page["case"] for page in webhook.pages] == [ref]
            told = [line.kind for line in await timeline.timeline_of(installation.services, "versayce")]
            assert [kind for kind in told if kind in ("case.unpaged", "case.paged")] == ["case.unpaged", "case.paged"]
        assert elsewhere.asked == []


async def test_without_a_webhook_severity_one_keeps_desk_hours_and_says_so(skipping: Installation) -> None:
    """At night it waits for the morning, and the customer reads why."""
    await open_desk(skipping, hour=23)
    ref = (await ask(skipping, severity=1)).ref
    mail = await mail_about(skipping, "luca.bianchi@versayce.example", f"[{ref}]")
    assert "no one is on call" in mail.get_body(preferencelist=("plain",)).get_content()
    shown = await in_state(skipping, ref, "queued")
    assert shown.due is not None
    assert shown.due.hour in (6, 7)
    assert "no paging webhook" in (await desk.status(skipping.services)).worst


async def test_starting_the_desk_twice_is_harmless(skipping: Installation) -> None:
    """What runs goes on with all that it has."""
    await open_desk(skipping)
    ref = (await ask(skipping)).ref
    await owner_of(skipping, ref)
    assert not await desk.start(skipping.client, skipping.services.settings.task_queue)
    assert list((await desk_of(skipping)).state.owners) == [ref]


async def test_a_case_that_ends_leaves_the_desk(skipping: Installation) -> None:
    """What is resolved is nobody's load any more."""
    await open_desk(skipping)
    ref = (await ask(skipping)).ref
    owner = await owner_of(skipping, ref)
    await support_case.resolve(skipping.services, ref, Say(text="So."), by(owner))

    async def gone() -> bool:
        return not (await desk_of(skipping)).state.owners

    await until(gone, "the desk to forget it")
