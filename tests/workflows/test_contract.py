"""Contracts whose onboarding begins later, late, or in the middle, on the time-skipping server."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from rapport import clock
from rapport.model.account import AccountFile, WrittenContract
from rapport.model.base import Refused, UserError
from rapport.model.ids import onboarding_id
from rapport.model.operation import Operate
from rapport.storage import contract as contracts
from starters.use_cases import account, cadence, meeting, message, onboarding, operation
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.operation import OperationWritten
from tests.conftest import BUSINESS, CHAMPION, ROOT, TAM, Installation, example, text_of, until
from tests.support import cadence as recurring
from tests.support.kickoff import begin, status_of

FIRST, SECOND = "versayce.VERSAYCE-2026-11", "versayce.VERSAYCE-2"
LONG_AGO = datetime.now(UTC) - timedelta(days=248)


def signed(**given: Any) -> AccountFile:
    """The example, with a contract of which more is said."""
    file = example()
    assert file.contract is not None
    return file.model_copy(update={"contract": file.contract.model_copy(update=given)})


async def test_one_signed_long_ago_is_asked_about(skipping: Installation) -> None:
    """A start is refused with both ways on, and leaves nothing on record; either of them starts it."""
    file = signed(signed_at=LONG_AGO)
    with pytest.raises(UserError, match=r"248 days ago .say `--at STEP` .* or `--as-new`") as refusal:
        await onboarding.start(skipping.services, StartRequest(file=file))
    assert refusal.value.kind is Refused.INVALID
    assert refusal.value.field == "contract.signed_at"
    with pytest.raises(UserError, match="no account"):
        await account.show(skipping.services, "versayce")
    lacking = (await account.import_account(skipping.services, file)).lacking
    assert [one for one in lacking if "--as-new" in one] == list(lacking) != []
    with pytest.raises(UserError, match="--as-new"):
        await onboarding.start(skipping.services, StartRequest(account="versayce"))
    assert (await onboarding.start(skipping.services, StartRequest(account="versayce", as_new=True))).created
    assert not (await onboarding.start(skipping.services, StartRequest(file=file))).created


@pytest.mark.parametrize("name", ["versayce", "orbisant"])
async def test_an_example_starts_as_documented_in_a_year_from_now(skipping: Installation, name: str) -> None:
    """Whoever imports an example and starts it, however long after it was written, is asked nothing: it does not say
    when it was signed, and counts from when it was first put on record, whatever its file is read again for."""
    path = ROOT / "examples" / f"{name}.toml"
    later = datetime.now(UTC) + timedelta(days=366)
    for days in (0, 1):
        with clock.set_to(later + timedelta(days=days)):
            assert (await account.import_account(skipping.services, account.read_file(path))).lacking == ()
    with clock.set_to(later + timedelta(days=2)):
        started = await onboarding.start(skipping.services, StartRequest(file=account.read_file(path)))
        assert (started.created, started.begins) == (True, None)
    async with skipping.services.store.reading() as connection:
        known = await contracts.latest(connection, name)
    assert known is not None
    assert known.signed_at == later


async def test_one_that_does_not_say_when_it_was_signed_has_not_ended_before(skipping: Installation) -> None:
    """What is put on record as signed today, and ended yesterday, is refused by its last day."""
    file = signed(signed_at=None, ends=date(2026, 1, 31))
    for act in (
        account.import_account(skipping.services, file),
        onboarding.start(skipping.services, StartRequest(file=file)),
    ):
        with pytest.raises(UserError, match="is before") as refusal:
            await act
        assert "ends" in refusal.value.field


async def test_one_signed_long_ago_may_enter_in_the_middle(skipping: Installation) -> None:
    """A customer who is on the way enters at a step, and nothing is asked."""
    request = StartRequest(file=signed(signed_at=LONG_AGO), at="kickoff")
    assert (await onboarding.start(skipping.services, request)).created


async def test_one_with_a_later_start_waits_for_it(skipping: Installation) -> None:
    """Nothing goes out before the contract's first day, a pause in between moves nothing, and the welcome goes then."""
    starts = date.today() + timedelta(days=40)  # noqa: DTZ011 - a day far enough from any zone's today
    file = signed(starts=starts)
    started = await onboarding.start(skipping.services, StartRequest(file=file))
    assert started.begins is not None
    assert started.begins.date() >= starts
    assert (await onboarding.status(skipping.services, "versayce")).begins == started.begins
    assert (await account.show(skipping.services, "versayce")).begins == started.begins
    for kind in (Operate.PAUSE, Operate.RESUME):
        written = OperationWritten(reason="They think it over")
        await operation.operate(skipping.services, "versayce", kind, written, TAM)
        await skipping.sleep_until(await skipping.now() + timedelta(days=3))
    await skipping.sleep_until(started.begins - timedelta(minutes=5))
    assert skipping.mails() == []
    steps = (await onboarding.status(skipping.services, "versayce")).milestones
    assert {step.at for step in steps if step.state == "waiting"} == {started.begins}
    await skipping.sleep_until(started.begins + timedelta(minutes=5))
    (mail,) = await skipping.mailed(1, "luca.bianchi@versayce.example")
    assert "Welcome" in text_of(mail) + str(mail["Subject"])


async def test_as_new_begins_at_once_what_was_to_wait(skipping: Installation) -> None:
    """Whoever wants to begin before the contract's start says so."""
    file = signed(starts=date.today() + timedelta(days=40))  # noqa: DTZ011 - as above
    started = await onboarding.start(skipping.services, StartRequest(file=file, as_new=True))
    assert started.begins is None
    await skipping.mailed(1, "luca.bianchi@versayce.example")


def another(**given: Any) -> StartRequest:
    """A further contract of the account, of which more is said."""
    now = datetime.now(UTC)
    contract = WrittenContract.model_validate({"id": "VERSAYCE-2", "signed_at": now, **given})
    return StartRequest(account="versayce", contract=contract)


async def test_a_renewal_welcomes_nobody_and_what_recurs_goes_on(skipping: Installation) -> None:
    """A second contract for the same product thanks whoever decided, sends no welcome and no times, and the weekly sync
    stays as it was, also in the answers about the account."""
    await recurring.begin(skipping)
    await until(status_of(skipping, onboarding_id("versayce")), "the end of the first onboarding")
    started = await onboarding.start(skipping.services, another())
    assert started.workflow_id == f"onboarding/{SECOND}"
    await skipping.mailed(1, BUSINESS)
    await skipping.sleep_until(await skipping.now() + timedelta(hours=1))
    thanked = [
        mail for mail in skipping.mails() if str(mail["Subject"]).startswith("Versayce renewed FooBar Enterprise")
    ]
    assert sorted(str(mail["To"]).partition("<")[2][:-1] for mail in thanked) == [BUSINESS, CHAMPION]
    assert not [mail for mail in skipping.mails() if "Welcome" in str(mail["Subject"]) or "kickoff" in text_of(mail)]
    shown = await onboarding.status(skipping.services, "versayce")
    assert (shown.contract, {one.name for one in shown.contracts}) == ("VERSAYCE-2", {"versayce", SECOND})
    states = {step.step: step.state for step in shown.milestones}
    assert states.pop("weekly") == "done"
    # It has no end.
    assert {states.pop(name) for name in ("renewal_value", "renewal_plan", "renewal_ahead")} == {"dropped"}
    assert set(states) == {"renewal_thanks", "renewal_people", "renewal_goals"}
    assert (await cadence.show(skipping.services, "versayce")).rhythms[0].step == "weekly"
    former = await onboarding.status(skipping.services, FIRST)
    assert [step.step for step in former.milestones] == ["weekly"]
    # A playbook that has nothing recur is the renewal's, and not that of what recurs.
    written = OperationWritten(playbook="growth", reason="They grow")
    assert (await operation.operate(skipping.services, "versayce", Operate.ADOPT, written, TAM)).accepted
    assert (await cadence.show(skipping.services, "versayce")).rhythms[0].step == "weekly"


@pytest.mark.parametrize("way", [{"playbook": "kickoff"}, {"renews": "OTHER"}])
async def test_a_renewal_is_not_welcomed_by_accident(skipping: Installation, way: dict[str, str]) -> None:
    """A playbook that welcomes is refused for it, and so is a predecessor that there is not; nothing is on record."""
    await recurring.begin(skipping)
    await until(status_of(skipping, onboarding_id("versayce")), "the end of the first onboarding")
    with pytest.raises(UserError, match=r"welcomes a new customer|no contract"):
        await onboarding.start(skipping.services, another(**way))
    assert (await onboarding.status(skipping.services, "versayce")).contracts == ()


async def test_a_further_product_runs_beside_the_first(skipping: Installation) -> None:
    """It has its own ids and emails that name it; a command that may mean either is refused with both names, and one
    that names a contract reaches that alone."""
    await begin(skipping)
    started = await onboarding.start(skipping.services, another(product="FooBar Tracing", playbook="kickoff"))
    assert started.workflow_id == f"onboarding/{SECOND}"
    await skipping.mailed(2, CHAMPION)
    subjects = {str(mail["Subject"]).partition(":")[0] for mail in skipping.mails(CHAMPION)}
    assert subjects == {"Welcome to FooBar Enterprise", "Welcome to FooBar Tracing"}
    await until(lambda: phase(skipping, SECOND), "the vote of the second kickoff")
    assert await phase(skipping, FIRST)
    with pytest.raises(UserError, match=f"name one of them: {FIRST}, {SECOND}") as refusal:
        await meeting.show(skipping.services, "versayce", "kickoff")
    assert refusal.value.kind is Refused.CONFLICT
    written = OperationWritten(step="kickoff", reason="They know each other")
    with pytest.raises(UserError, match="several onboardings"):
        await operation.operate(skipping.services, "versayce", Operate.SKIP, written, TAM)
    assert (await operation.operate(skipping.services, SECOND, Operate.SKIP, written, TAM)).accepted
    await until(status_of(skipping, f"onboarding/{SECOND}"), "the end of the second onboarding")
    assert await phase(skipping, "versayce")
    lines = await account.portfolio(skipping.services)
    assert [line.stage for line in lines] == ["kickoff"]
    assert {line.key.partition("/")[0] for line in await message.listed(skipping.services, "versayce")} == {
        "VERSAYCE-2026-11",
        "VERSAYCE-2",
    }


AHEAD = """
name = "ahead"
title = "Before the end"
version = 1

[[steps]]
name = "value"
title = "Usage and results"
kind = "message"
stage = "cadence"
before = "end"
offset = "30 days"
to = ["primary_champion"]
email = "renewal_value"
review = "auto"

[[steps]]
name = "plan"
title = "Renewal plan"
kind = "task"
stage = "cadence"
after = ["value"]
before = "end"
offset = "5 business days"
task = "to_do"
question = "Plan the renewal"
assign = ["tam"]
options = [{ id = "done", title = "Done" }, { id = "not_needed", title = "Not needed" }]
"""


async def ending(installation: Installation, days: int | None = 60) -> StartRequest:
    """A contract that ends in so many days, or never, by a playbook of nothing but what comes before its end."""
    folder = installation.services.settings.data / "playbooks"
    (folder / "ahead.toml").write_text(AHEAD)
    ends = date.today() + timedelta(days=days) if days is not None else None  # noqa: DTZ011 - as above
    return StartRequest(file=signed(ends=ends), playbook="ahead")


async def test_steps_stand_before_the_contract_s_end(skipping: Installation) -> None:
    """What is to come 30 days before the last day comes then, or on the business day before; a pause in between moves
    nothing; and what stands after it waits for its own day."""
    request = await ending(skipping)
    await onboarding.start(skipping.services, request)
    assert request.file is not None
    assert request.file.contract is not None
    ends = request.file.contract.ends
    assert ends is not None

    async def planned() -> datetime | None:
        steps = (await onboarding.status(skipping.services, "versayce")).milestones
        return next(step.at for step in steps if step.step == "value")

    due = await until(planned, "the day of the first step")
    assert ends - timedelta(days=33) < due.date() <= ends - timedelta(days=29)
    for kind in (Operate.PAUSE, Operate.RESUME):
        written = OperationWritten(reason="They think it over")
        await operation.operate(skipping.services, "versayce", kind, written, TAM)
        await skipping.sleep_until(await skipping.now() + timedelta(days=4))
    assert await planned() == due
    await skipping.sleep_until(due - timedelta(minutes=5))
    assert skipping.mails() == []
    await skipping.sleep_until(due + timedelta(minutes=5))
    (mail,) = await skipping.mailed(1, CHAMPION)
    assert f"{ends.day} {ends:%B}" in text_of(mail)
    steps = {one.step: one for one in (await onboarding.status(skipping.services, "versayce")).milestones}
    assert (steps["value"].state, steps["plan"].state) == ("done", "waiting")


async def test_without_an_end_nothing_stands_before_it(skipping: Installation) -> None:
    """Steps before an end that nobody knows are left out, and say so."""
    await onboarding.start(skipping.services, await ending(skipping, None))
    steps = (await onboarding.status(skipping.services, "versayce")).milestones
    assert {step.outcome for step in steps} == {"not for this account"}


async def test_a_renewal_ends_what_was_to_prepare_it(skipping: Installation) -> None:
    """Once another contract renews it, an onboarding that still waits for its end has nothing more to do."""
    await onboarding.start(skipping.services, await ending(skipping))
    started = await onboarding.start(skipping.services, another(renews="VERSAYCE-2026-11"))
    assert started.workflow_id == f"onboarding/{SECOND}"
    await until(status_of(skipping, onboarding_id("versayce")), "the end of the first onboarding")
    former = await onboarding.status(skipping.services, FIRST)
    assert {step.outcome for step in former.milestones} == {"renewed"}
    (mail,) = await skipping.mailed(1, CHAMPION)
    assert str(mail["Subject"]).startswith("Versayce renewed")


async def phase(installation: Installation, named: str) -> bool:
    """Whether the kickoff of a contract asks for votes."""
    try:
        return (await meeting.show(installation.services, named, "kickoff")).phase == "voting"
    except UserError as refusal:
        if refusal.kind is not Refused.NOT_FOUND:
            raise
        return False
