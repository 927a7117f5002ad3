"""Steps that wait before a gate, on the time-skipping server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rapport.model.account import AccountFile
from rapport.model.operation import Operate
from rapport.model.tech_review import ReviewStage
from starters.use_cases import (
    account,
    onboarding,
    operation,
    task,
    tech_review,
    tech_review_needs,
    timeline,
)
from starters.use_cases.onboarding import MilestoneShown, StartRequest
from starters.use_cases.operation import OperationWritten
from tests.conftest import TAM, Installation, by, example, until
from tests.support.tech_review import CE, CE_VP, choose, everybody_says, people, request, vote, why

PLAYBOOK = """
name = "gated"
title = "To production"
version = 1

[[steps]]
name = "prepare"
title = "Prepare"
kind = "task"
stage = "rollout"
task = "to_do"
question = "Is it prepared?"
assign = ["tam"]
options = [{ id = "done", title = "Done" }]

[[steps]]
name = "go_live"
title = "Go live"
kind = "task"
stage = "rollout"
gate = "production"
task = "to_do"
question = "Is it live?"
assign = ["tam"]
options = [{ id = "done", title = "Done" }]
"""


def file(**facts: Any) -> AccountFile:
    """The example account, on its way to production."""
    made = example(playbook="gated")
    known = made.account.facts.model_copy(update=facts)
    return made.model_copy(update={"account": made.account.model_copy(update={"facts": known})})


async def begin(installation: Installation, **facts: Any) -> None:
    """Start the onboarding on a Monday at ten."""
    (installation.services.settings.data / "playbooks" / "gated.toml").write_text(PLAYBOOK)
    await installation.sleep_to(0, 10)
    assert (await onboarding.start(installation.services, StartRequest(file=file(**facts)))).created


async def step(installation: Installation, name: str = "go_live") -> MilestoneShown:
    """One step as everybody sees it."""
    status = await onboarding.status(installation.services, "versayce")
    return next(one for one in status.milestones if one.step == name)


async def waits_at_the_gate(installation: Installation) -> MilestoneShown:
    """The step, once it is said what it waits for."""

    async def there() -> MilestoneShown | None:
        found = await step(installation)
        return found if found.waiting_for else None

    found: MilestoneShown = await until(there, "the step to wait before the gate")
    return found


async def runs(installation: Installation, name: str = "go_live") -> MilestoneShown:
    """The step, once it has begun."""

    async def there() -> MilestoneShown | None:
        found = await step(installation, name)
        return found if found.state == "running" and "a decision" in (found.waiting_for or "") else None

    found: MilestoneShown = await until(there, f"{name} to begin, and to say what it waits for")
    return found


async def says(installation: Installation, words: str) -> bool:
    """Whether this stands in what the step waits for."""
    return words in ((await step(installation)).waiting_for or "")


async def asked(installation: Installation) -> str | None:
    """The to-do that insists on the review, if it is open."""
    inbox = await task.inbox(installation.services, TAM)
    return next((line.task for line in inbox.mine if ".gate" in line.task), None)


async def test_a_step_waits_before_a_shut_gate_and_says_so(skipping: Installation) -> None:
    """Nothing of it begins; status names whose turn it is, for what, until when, and the way on. Others go on."""
    await begin(skipping, high_risk=True)
    waits = await waits_at_the_gate(skipping)
    assert waits.state == "waiting"
    assert waits.waiting_on == ("ce", "tam")
    assert waits.waiting_for == "the production gate: high-risk, and no review before production was submitted"
    assert waits.unblock == f"rapport review submit FILE --as {TAM.email}"
    assert waits.deadline is not None
    assert waits.deadline > await skipping.now() + timedelta(days=7)
    await runs(skipping, "prepare")
    line = next(one for one in await account.portfolio(skipping.services) if one.account == "versayce")
    assert line.waiting_for
    assert not (await tech_review_needs.gate(skipping.services, "versayce", "production")).open


async def test_without_a_risk_the_gate_is_open_and_costs_no_wait(skipping: Installation) -> None:
    """An account that needs no review goes through as if there were no gate."""
    await begin(skipping)
    await runs(skipping)


async def test_a_step_begins_as_soon_as_its_gate_opens(skipping: Installation) -> None:
    """What is known of the account changes: the onboarding hears of it and goes on, and the timeline tells why."""
    await begin(skipping, high_risk=True)
    await waits_at_the_gate(skipping)
    await account.import_account(skipping.services, file(high_risk=False))
    await runs(skipping)
    told = [entry.what for entry in await timeline.timeline_of(skipping.services, "versayce")]
    assert "The production gate is shut; what waits for it does not begin" in told


async def test_somebody_is_asked_again_and_again_and_nobodys_silence_opens_it(skipping: Installation) -> None:
    """Two business days later a to-do insists; its end opens nothing, another follows; the open gate takes it back."""
    await begin(skipping, high_risk=True)
    await waits_at_the_gate(skipping)
    assert await asked(skipping) is None
    await skipping.sleep_until(await skipping.now() + timedelta(days=3))
    first = await until(lambda: asked(skipping), "a to-do")
    receipt = await task.decide(skipping.services, first, "later", TAM, reason="The document is being written")
    assert receipt.accepted

    async def closed() -> bool:
        return await asked(skipping) is None

    await until(closed, "the to-do to be closed")
    assert (await step(skipping)).state == "waiting"
    await skipping.sleep_until(await skipping.now() + timedelta(days=7))
    second = await until(lambda: asked(skipping), "another to-do")
    assert second != first
    await account.import_account(skipping.services, file(high_risk=False))
    await runs(skipping)
    await until(closed, "the to-do to be taken back")


async def test_a_decided_review_opens_the_gate_in_the_version_that_was_looked_at(skipping: Installation) -> None:
    """Submitted, it is named in the wait; a yes with engineering heard lets the step begin, as the timeline says."""
    await people(skipping)
    await begin(skipping, high_risk=True)
    await waits_at_the_gate(skipping)
    asked_for = request((await skipping.now()).date(), stage=ReviewStage.PRE_PRODUCTION)
    ref = (await tech_review.submit(skipping.services, asked_for, by(CE))).ref

    async def named() -> bool:
        return (await step(skipping)).unblock == f"rapport review show {ref}"

    await until(named, "the wait to name the review")
    assert "engineering has not answered" in ((await step(skipping)).waiting_for or "")
    await everybody_says(skipping, ref, sides=("engineering", "account_team"))
    assert not (await tech_review_needs.gate(skipping.services, "versayce", "production")).open
    await choose(skipping, ref, "recommendation", CE_VP, "yes")
    await runs(skipping)
    opened = await tech_review_needs.gate(skipping.services, "versayce", "production")
    assert (opened.open, opened.review) == (True, ref)
    told = [entry.what for entry in await timeline.timeline_of(skipping.services, "versayce")]
    assert f"The production gate is open, by {ref}" in told


async def test_a_no_keeps_the_gate_shut(skipping: Installation) -> None:
    """Decided with a no by leadership, the step goes on waiting, for another round."""
    await people(skipping)
    await begin(skipping, high_risk=True)
    asked_for = request((await skipping.now()).date(), stage=ReviewStage.PRE_PRODUCTION)
    ref = (await tech_review.submit(skipping.services, asked_for, by(CE))).ref
    await everybody_says(skipping, ref, sides=("engineering", "account_team"))
    await choose(skipping, ref, "recommendation", CE_VP, "no")
    await vote(skipping, ref, ce_vp="no", vp_engineering="no", vp_sales="no")

    await until(lambda: says(skipping, "decided with a no"), "the wait to say so")
    assert (await step(skipping)).state == "waiting"
    assert (await step(skipping)).unblock == f"rapport review edit {ref} FILE --as {TAM.email}"
    # Each turn of the review is heard at once, whatever it is.
    await tech_review.edit(skipping.services, ref, asked_for.model_copy(update={"gap": "A smaller one"}), by(CE))
    await until(lambda: says(skipping, f"{ref} is not decided"), "the wait to name the new round")
    await tech_review.withdraw(skipping.services, ref, why("They do without"), by(CE))
    await until(lambda: says(skipping, "decided with a no"), "the no that was answered to stand")
    assert (await step(skipping)).unblock == f"rapport review submit FILE --as {TAM.email}"


async def test_a_step_that_gets_another_gate_is_asked_about_anew(skipping: Installation) -> None:
    """An adopted playbook that names another gate for a waiting step lets nothing through in between."""
    await begin(skipping, high_risk=True)
    await waits_at_the_gate(skipping)
    newer = PLAYBOOK.replace('gate = "production"', 'gate = "trial"').replace("version = 1", "version = 2")
    (skipping.services.settings.data / "playbooks" / "gated.toml").write_text(newer)
    word = OperationWritten(playbook="gated", reason="The trial comes first")
    assert (await operation.operate(skipping.services, "versayce", Operate.ADOPT, word, TAM)).accepted

    async def moved() -> bool:
        return "the trial gate" in ((await step(skipping)).waiting_for or "")

    await until(moved, "the wait to name the other gate")
    assert (await step(skipping)).state == "waiting"


async def test_a_pause_keeps_what_waits_and_a_resume_looks_again(skipping: Installation) -> None:
    """A gate that opens while the onboarding is paused begins nothing; the resume does."""
    await begin(skipping, high_risk=True)
    await waits_at_the_gate(skipping)
    word = OperationWritten(reason="They move offices")
    await operation.operate(skipping.services, "versayce", Operate.PAUSE, word, TAM)
    await account.import_account(skipping.services, file(high_risk=False))
    await skipping.sleep_until(await skipping.now() + timedelta(days=2))
    assert (await step(skipping)).state == "waiting"
    await operation.operate(skipping.services, "versayce", Operate.RESUME, word, TAM)
    await runs(skipping)


async def test_skipping_the_step_ends_the_wait(skipping: Installation) -> None:
    """Whoever does without the step is not asked about its gate any more, and the onboarding comes to its end."""
    await begin(skipping, high_risk=True)
    await waits_at_the_gate(skipping)
    for name in ("go_live", "prepare"):
        word = OperationWritten(step=name, reason="They went live themselves")
        await operation.operate(skipping.services, "versayce", Operate.SKIP, word, TAM)

    async def ended() -> bool:
        return (await onboarding.status(skipping.services, "versayce")).stage in (None, "done")

    await until(ended, "the end")
