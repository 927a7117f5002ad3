"""Contracts whose onboarding begins later, late, or in the middle, on the time-skipping server."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from rapport.model.account import AccountFile
from rapport.model.base import Refused, UserError
from rapport.model.operation import Operate
from starters.use_cases import account, onboarding, operation
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.operation import OperationWritten
from tests.conftest import TAM, Installation, example, text_of

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
