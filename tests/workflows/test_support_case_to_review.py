"""Between the desk and what it cannot answer itself: a case that needs a decision, or that the product lacks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rapport.model.base import UserError
from rapport.model.gap import GapChange, GapStatus, NewGap
from starters.use_cases import (
    account as accounts,
    gap as gaps,
    support_case,
    tech_review,
    tech_review_files,
)
from starters.use_cases.gap import GapLinks as Links
from starters.use_cases.support_case import Assign, Say
from starters.views import support_case as support_case_views
from starters.views.support_case import CaseShown, WordShown
from tests.conftest import TAM, Installation, account, by, text_of, until
from tests.support.desk import SAM, ask, in_state, mail_about, open_desk, over, owner_of, sleep_past
from tests.support.tech_review import CE, CE_VP, choose, everybody_says, in_phase, people, standing, why

QUESTION = "May we run two collectors behind one address?"
COMPLETED = {
    "needed_by": "2099-12-18",
    "needed_why": "They move house then.",
    "why_not_caught": "Nobody asked about addresses.",
    "expectation": "That it is supported.",
    "if_not_met": "They keep one collector.",
}


async def desk_with_reviewers(installation: Installation) -> str:
    """A case that somebody has, where everybody is whose word a review needs; give its number."""
    await open_desk(installation)
    await people(installation)
    ref = (await ask(installation, QUESTION)).ref
    if await owner_of(installation, ref) != SAM:
        await support_case.assign(installation.services, ref, Assign(to=SAM), by(SAM))
        await until(lambda: _is_sams(installation, ref), "Sam to have it")
    await support_case.note(installation.services, ref, Say(text="The docs say one"), by(SAM))
    return ref


async def _is_sams(installation: Installation, ref: str) -> bool:
    return (await support_case_views.show(installation.services, ref)).owner_email == SAM


def completed(draft: str) -> bytes:
    """A draft with its gaps filled in, as its author does with an editor."""
    for name, text in COMPLETED.items():
        draft = draft.replace(f'{name} = ""', f'{name} = "{text}"')
    return draft.encode()


def words(shown: CaseShown, kind: str) -> list[WordShown]:
    """What stands on a case of one kind."""
    return [line for line in shown.log if line.kind == kind]


async def test_a_case_that_needs_a_decision_becomes_a_review_and_learns_its_outcome(skipping: Installation) -> None:
    """The draft has what the case knows; submitted, the case shows the review, and in the end what was decided."""
    ref = await desk_with_reviewers(skipping)
    services = skipping.services
    drafted = await support_case.to_review(services, ref, Say(text="Nobody has tried."), by(SAM))
    letter = text_of(await mail_about(skipping, TAM.email, "Needs a technical review"))
    assert f"/reviews/new?case={ref}" in letter
    with pytest.raises(UserError) as empty:
        tech_review_files.parse_request(drafted.draft.encode(), "draft.toml")
    assert {one.field.rpartition(" ")[2] for one in (empty.value, *empty.value.others)} == set(COMPLETED)
    request = tech_review_files.parse_request(completed(drafted.draft), "draft.toml")
    assert (request.account, request.case, request.title) == ("versayce", ref, QUESTION)
    assert request.gap == f"{QUESTION}\n\nNobody has tried."
    assert "The docs say one" in (request.context or "")

    review = (await tech_review.submit(services, request, by(CE))).ref
    assert (await standing(skipping, review, lambda one: bool(one.asks))).from_case == ref
    shown = await support_case_views.show(services, ref)
    assert [(one.ref, one.outcome) for one in shown.reviews] == [(review, None)]
    assert [(one.who, one.about) for one in words(shown, "review")] == [("Tomas Novak", review)]
    assert words(shown, "review_ended") == []

    await everybody_says(skipping, review)
    await choose(skipping, review, "recommendation", CE_VP, "yes", None)
    await in_phase(skipping, review, "message")
    shown = await support_case_views.show(services, ref)
    assert [(one.ref, one.outcome) for one in shown.reviews] == [(review, "approved")]
    assert [(one.what, one.about) for one in words(shown, "review_ended")] == [("ended: approved", review)]
    # Whoever has the case is told with everybody else: once a day, so here on the working day after it was submitted.
    await sleep_past(skipping, await skipping.now() + timedelta(days=3))
    assert QUESTION in str((await mail_about(skipping, SAM, "Approved: "))["Subject"])


async def test_a_withdrawn_review_says_so_on_its_case_and_none_names_a_case_of_somebody_else(
    skipping: Installation,
) -> None:
    """A review that nobody needs any more ends on the case as well; a case that is none is refused by its field."""
    ref = await desk_with_reviewers(skipping)
    services = skipping.services
    drafted = (await support_case.to_review(services, ref, Say(text="Well?"), by(SAM))).draft
    request = tech_review_files.parse_request(completed(drafted), "draft.toml")
    await accounts.import_account(services, account("acme", "C-2"))
    for change in ({"case": "C-99999"}, {"account": "acme"}):
        with pytest.raises(UserError) as refused:
            await tech_review.submit(services, request.model_copy(update=change), by(CE))
        assert refused.value.field == "case"
    review = (await tech_review.submit(services, request, by(CE))).ref
    await standing(skipping, review, lambda one: bool(one.asks))
    await tech_review.withdraw(services, review, why("They have one address."), by(CE))
    await in_phase(skipping, review, "closed")
    shown = await support_case_views.show(services, ref)
    assert [(one.what, one.about) for one in words(shown, "review_ended")] == [("ended: withdrawn", review)]


async def test_a_product_gap_reports_back_to_its_case_also_once_that_is_over(skipping: Installation) -> None:
    """Logged from a case, each step of a gap is on the case’s log, and its owner reads it, also once it is over."""
    ref = await desk_with_reviewers(skipping)
    services = skipping.services
    new = NewGap(title="Two collectors", description="They have two sites.", cases=(ref, "CASE-2"))
    gap = await gaps.log(services, new, TAM)
    assert gap.accounts == ("versayce",)
    await mail_about(skipping, SAM, "Robin Keller logged a product gap")
    await support_case.resolve(services, ref, Say(text="One for now."), by(SAM))
    await in_state(skipping, ref, "resolved")
    await until(lambda: over(skipping, ref), "the case's end")
    planned = GapChange(status=GapStatus.PLANNED, reason="Third quarter", roadmap="https://road.example/7")
    await gaps.change(services, gap.ref, planned, TAM)

    async def heard() -> CaseShown | None:
        shown = await support_case_views.show(services, ref)
        return shown if len(words(shown, "gap")) == 2 else None

    shown: CaseShown = await until(heard, "the case to hear of it")
    assert shown.state == "resolved"
    assert [line.about for line in words(shown, "gap")] == [f"{gap.ref}: open", f"{gap.ref}: planned"]
    assert "https://road.example/7" in (words(shown, "gap")[1].text or "")
    assert [(one.ref, one.status, one.roadmap) for one in shown.gaps] == [
        (gap.ref, "planned", "https://road.example/7")
    ]

    async def told() -> bool:
        return any("Third quarter" in text_of(mail) for mail in skipping.mails(SAM))

    await until(told, "Sam to be told")
    await until(lambda: over(skipping, ref), "the case to stay over")
    with pytest.raises(UserError) as refused:
        await gaps.link(services, gap.ref, Links(cases=("C-99999",)), TAM)
    assert refused.value.field == "cases"


async def test_the_portfolio_says_what_waits_of_cases_and_reviews(skipping: Installation) -> None:
    """Each open case and review is told with whom it waits for, until when, and the command; what is over is not."""
    ref = await desk_with_reviewers(skipping)
    services = skipping.services
    drafted = (await support_case.to_review(services, ref, Say(text="Well?"), by(SAM))).draft
    request = tech_review_files.parse_request(completed(drafted), "draft.toml")
    review = (await tech_review.submit(services, request, by(CE))).ref

    async def asks() -> accounts.AccountLine | None:
        (line,) = await accounts.portfolio(services)
        return line if any(one.kind == "review" and one.unblock for one in line.others) else None

    line = await until(asks, "the review to wait for its answers")
    assert [(one.kind, one.ref) for one in line.others] == [("case", ref), ("review", review)]
    case, asked = line.others
    assert (case.waiting_on, case.unblock) == (("support_engineer",), f"rapport case answer {ref} --text … --as EMAIL")
    assert case.waiting_for == "the first answer"
    assert (case.deadline is not None, "engineering" in asked.waiting_on, bool(asked.unblock)) == (True, True, True)
    await support_case.resolve(services, ref, Say(text="So."), by(SAM))
    await in_state(skipping, ref, "resolved")
    await tech_review.withdraw(services, review, why("Done."), by(CE))
    await in_phase(skipping, review, "closed")
    (line,) = await accounts.portfolio(services)
    assert line.others == ()
