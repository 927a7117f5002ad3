"""Technical reviews from the request to the acknowledgement, with the server's clock, real SMTP and a real database."""

from __future__ import annotations

from starters.commands import reviews, tasks, timelines
from starters.commands.office import Actor
from tests.conftest import CHAMPION, Town, by, link_of, text_of
from tests.support.reviews import (
    CE_VP,
    MESSAGE,
    NO,
    asked,
    choose,
    everybody_says,
    in_phase,
    outcome,
    submitted,
    vote,
    write,
)

THROUGH_LINK = Actor(email=CHAMPION, channel="link")


async def test_a_yes_goes_from_the_request_to_the_acknowledgement(skipping: Town) -> None:
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
    link = await tasks.by_link(skipping.office, link_of(mail))
    await tasks.decide(skipping.office, link.task.task, "acknowledge", THROUGH_LINK, round_=link.round)
    assert await outcome(skipping, ref) == "approved"
    shown = await reviews.show(skipping.office, ref)
    assert shown.acknowledged is not None
    assert not shown.overdue


async def test_a_no_is_decided_together_and_told_as_carefully(skipping: Town) -> None:
    """A recommended no goes to leadership; all three are heard, and the customer gets a message all the same."""
    ref = await submitted(skipping)
    await everybody_says(skipping, ref, "against")
    await choose(skipping, ref, "recommendation", CE_VP, "no", "Nobody could run it")
    await vote(skipping, ref, ce_vp="no", vp_engineering="no")
    assert (await asked(skipping, ref, "leadership")).phase == "open", "the third is heard although two are a majority"
    await vote(skipping, ref, vp_sales="yes")
    await in_phase(skipping, ref, "message")
    await write(skipping, ref, NO)
    mail = (await skipping.mailed(1, CHAMPION))[0]
    assert NO["message"] in text_of(mail)
    await tasks.decide(skipping.office, f"{ref}/acknowledgement", "acknowledge", by(CHAMPION))
    assert await outcome(skipping, ref) == "declined"
    entries = await timelines.timeline_of(skipping.office, "versayce")
    kinds = [one.kind.removeprefix("tech_review.") for one in entries if one.kind.startswith("tech_review.")]
    assert kinds == ["submitted", "recommended", "decided", "told", "acknowledged"]
