"""A case whose history has become long goes on in a new run: nobody notices, and nothing is lost or told twice."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any
from unittest.mock import patch

from temporalio.service import RPCError

from rapport.model.ids import case_id, new_id
from rapport.model.support_case import ActKind, CaseAct, CaseStart
from rapport.storage import timeline as timeline_storage
from starters.services import submission
from starters.use_cases import support_case, timeline as timelines
from starters.use_cases.support_case import Reclassify, Say
from starters.views import support_case as support_case_views
from starters.views.support_case import CaseLine
from tests.conftest import CHAMPION, TAM, Installation, by, left, text_of, until
from tests.support.desk import ask, desk_of, let_a_draft_go, listed, mail_about, open_desk, over, owner_of
from workflows.base import AccountWorkflow
from workflows.support_case import SupportCase


async def ask_one_that_turns_over(installation: Installation, **more: Any) -> str:
    """Open a case that goes on in a new run whenever it may; give its number."""
    with patch.object(CaseStart, "made_of", partial(CaseStart.made_of, turnover=1)):
        return (await ask(installation, **more)).ref


async def run_of(installation: Installation, ref: str) -> str:
    """The run in which the case is."""
    async for event in installation.client.get_workflow_handle(case_id(ref)).fetch_history_events(page_size=1):
        return event.workflow_execution_started_event_attributes.original_execution_run_id
    raise AssertionError


async def listed_as(installation: Installation, ref: str, state: str) -> CaseLine:
    """The case's line in lists, once it is in this state."""

    async def there() -> CaseLine | None:
        line = await listed(installation, ref)
        return line if line.state == state else None

    line: CaseLine = await until(there, f"{ref} to be {state}")
    return line


async def turned(installation: Installation, ref: str, before: str) -> str:
    """The case's run, once it is another one."""

    async def another() -> str | None:
        run = await run_of(installation, ref)
        return run if run != before else None

    run: str = await until(another, f"another run of {ref}")
    return run


async def test_a_case_goes_on_over_many_runs_and_nothing_is_lost_or_told_twice(skipping: Installation) -> None:
    """Its words, mails and entries are there once each, and the desk knows its owner, however often it turned over."""
    await open_desk(skipping)
    ref = await ask_one_that_turns_over(skipping)
    owner = await owner_of(skipping, ref)
    seen = [await run_of(skipping, ref)]
    colleague = by("priya.raman@foobar.example")
    await support_case.note(skipping.services, ref, Say(text="They use a proxy."), colleague)
    seen.append(await turned(skipping, ref, seen[-1]))
    await support_case.answer(skipping.services, ref, Say(text="Use the second button."), by(owner))
    seen.append(await turned(skipping, ref, seen[-1]))
    await support_case.classify(skipping.services, ref, Reclassify(severity=2), by(owner))
    await support_case.wait_customer(skipping.services, ref, Say(text="Which version is it?"), by(owner))
    seen.append(await turned(skipping, ref, seen[-1]))
    assert (await listed_as(skipping, ref, "waiting")).due is None
    await support_case.customer_said(skipping.services, ref, Say(text="It is 4.2."), TAM)
    seen.append(await turned(skipping, ref, seen[-1]))
    line = await listed_as(skipping, ref, "open")
    assert line.severity == 2
    assert line.due is not None
    held = (await desk_of(skipping)).state.owners[ref]
    assert (held.severity, held.idle) == (2, False)
    await support_case.resolve(skipping.services, ref, Say(text="Rotate twice."), by(owner))
    await mail_about(skipping, CHAMPION, "Resolved")

    async def ended() -> bool:
        return await over(skipping, ref)

    await until(ended, "the end of the case")
    shown = await support_case_views.show(skipping.services, ref)
    said = ["note", "answer", "classify", "wait_customer", "customer_said", "resolve"]
    assert [line.kind for line in shown.log] == said
    told = Counter(line.kind for line in await timelines.timeline_of(skipping.services, "versayce"))
    assert {kind: many for kind, many in told.items() if kind.startswith("case.")} == dict.fromkeys(
        [
            "case.opened",
            "case.assigned",
            "case.answered",
            "case.classified",
            "case.waiting",
            "case.customer_said",
            "case.resolved",
        ],
        1,
    )
    mailed = Counter((str(mail["To"]), str(mail["Subject"]), text_of(mail)) for mail in skipping.mails())
    assert set(mailed.values()) == {1}
    assert len([mail for mail in skipping.mails(CHAMPION) if str(mail["Subject"]).startswith("Re:")]) == 1
    assert ref not in (await desk_of(skipping)).state.owners
    assert len(set(seen)) == len(seen)


async def test_an_act_that_comes_again_after_a_new_run_is_no_second_one(skipping: Installation) -> None:
    """What was answered in time but came again at the door is recognised, though the run that took it is over."""
    await open_desk(skipping)
    ref = await ask_one_that_turns_over(skipping)
    owner = await owner_of(skipping, ref)
    before = await run_of(skipping, ref)
    said = submission(by(owner).email, by(owner), "case.answer", case_id(ref), "Use the second button.")
    async with skipping.services.store.writing() as connection:
        await timeline_storage.submit(connection, said)
    act = CaseAct(id=said.id, kind=ActKind.ANSWER, by=said.actor, at=said.at, submission=said.id, has_words=True)
    handle = skipping.client.get_workflow_handle(case_id(ref))

    async def taken() -> bool:
        try:
            await handle.execute_update(SupportCase.act_on, act, id=act.id)
        except RPCError:
            # It met the end of the run in which the case got its owner; the time-skipping server does not hand it on.
            return False
        return True

    await until(taken, "the case to take the answer")
    await mail_about(skipping, CHAMPION, "Re: [C-00001]")
    now = await turned(skipping, ref, before)
    await handle.signal(AccountWorkflow.hear_later, left("act", act))
    receipt = await handle.execute_update(SupportCase.act_on, act, id=new_id("u"))
    assert receipt.accepted
    await support_case.note(skipping.services, ref, Say(text="They use a proxy."), by("priya.raman@foobar.example"))
    await mail_about(skipping, owner, "added an internal note")
    await turned(skipping, ref, now)
    assert [line.kind for line in (await support_case_views.show(skipping.services, ref)).log] == ["answer", "note"]
    assert len([mail for mail in skipping.mails(CHAMPION) if str(mail["Subject"]).startswith("Re:")]) == 1


async def test_a_draft_that_is_let_go_just_before_a_new_run_goes_out(skipping: Installation) -> None:
    """The owner's word on a draft is carried out before anything else, and the promise is kept by it."""
    await open_desk(skipping)
    ref = await ask_one_that_turns_over(skipping, severity=2)
    owner = await owner_of(skipping, ref)
    before = (await listed_as(skipping, ref, "open")).due
    assert before is not None
    await let_a_draft_go(skipping, owner, before)

    async def later() -> bool:
        due = (await listed(skipping, ref)).due
        return due is not None and due > before

    await until(later, "the next promise")
    assert (await support_case_views.show(skipping.services, ref)).breaches == 0
