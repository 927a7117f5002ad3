"""Customers as they are: without a VP, with one person for everything, with two of a kind, or with developers alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rapport.model.account import AccountFile, WrittenContact, in_order
from rapport.model.base import UserError
from rapport.model.operation import Operate
from rapport.storage import contract as contracts
from starters.use_cases import account, meeting, onboarding, operation, succession
from starters.use_cases.onboarding import Started, StartRequest
from starters.use_cases.operation import OperationWritten
from starters.use_cases.succession import Newcomer
from tests.conftest import TAM, Installation, example, text_of, until
from tests.support.kickoff import in_phase, vote
from tests.support.task import in_phase as task_in_phase
from tests.workflows.test_succession import step

CHAMPION, USER, SECOND, BUSINESS = "primary_champion", "primary_user", "secondary_user", "key_business_contact"


def people(*held: tuple[str, ...], playbook: str = "enterprise") -> AccountFile:
    """The example account, whose contacts hold these personas: the first is p0@versayce.example."""
    file = example(playbook=playbook)
    contacts = tuple(
        WrittenContact(
            personas=in_order(personas),
            name=f"Person Number{n}",
            email=f"p{n}@versayce.example",
            zone="Europe/Zurich" if n != 1 else "America/New_York",
        )
        for n, personas in enumerate(held)
    )
    return file.model_copy(update={"contacts": contacts})


async def begin(installation: Installation, file: AccountFile) -> Started:
    """Start on a Monday at ten."""
    await installation.sleep_to(0, 10)
    return await onboarding.start(installation.services, StartRequest(file=file))


@pytest.mark.parametrize(
    ("held", "answer"),
    [
        pytest.param([(CHAMPION,), (USER,), (SECOND,)], [0, 1], id="no business contact"),
        pytest.param([(CHAMPION,)], [0], id="one person for all"),
        pytest.param([(USER,)], [0], id="one person for all, who is a user"),
        pytest.param([(CHAMPION, BUSINESS), (USER,)], [0, 1], id="a VP who is the champion"),
        pytest.param([(CHAMPION,), (USER,), (USER,), (BUSINESS,)], [0, 2], id="two primary users"),
        pytest.param([(CHAMPION,), (CHAMPION,), (USER,)], [1, 2], id="two champions"),
        pytest.param([(SECOND,)] * 9, [4], id="nine developers"),
        pytest.param([(BUSINESS,), (BUSINESS,)], [0], id="business contacts alone"),
    ],
)
async def test_everyone_is_asked_once_and_whoever_is_there_is_enough(
    skipping: Installation, held: list[tuple[str, ...]], answer: list[int]
) -> None:
    """Each person gets one welcome, whatever they are; it is booked once those have answered who are required."""
    file = people(*held, playbook="kickoff")
    assert (await begin(skipping, file)).created
    await in_phase(skipping, "voting")
    mails = await skipping.mailed(len(held))
    assert sorted(str(mail["To"]).partition("<")[2].rstrip(">") for mail in mails) == [
        one.email for one in file.contacts
    ]
    for number in answer:
        await in_phase(skipping, "voting")
        await vote(skipping, f"p{number}@versayce.example", "1")
    await in_phase(skipping, "booked")


async def test_a_vp_who_is_the_champion_is_asked_as_one_and_reads_what_a_vp_may(skipping: Installation) -> None:
    """One welcome: a champion's, with the figures, and not a word of being optional."""
    await begin(skipping, people((CHAMPION, BUSINESS), (USER,), playbook="kickoff"))
    (mail,) = await skipping.mailed(1, "p0@versayce.example")
    assert "You're optional" not in text_of(mail)
    assert "3.2 times the annual licence" in text_of(mail)
    (mail,) = await skipping.mailed(1, "p1@versayce.example")
    assert "3.2 times the annual licence" not in text_of(mail)


async def test_developers_alone_go_without_what_is_for_others(skipping: Installation) -> None:
    """Steps that are for nobody there end as that; one that the playbook has wait is on hold, with a task, until
    somebody is named."""
    started = await begin(skipping, people((SECOND,), (SECOND,)))
    assert started.without == (CHAMPION, USER, BUSINESS)
    for name in ("kickoff", "rollout_planning"):
        written = OperationWritten(step=name, reason="Done before")
        await operation.operate(skipping.services, "versayce", Operate.COMPLETE, written, TAM)
    await skipping.sleep_until(await skipping.now() + timedelta(days=6))
    assert (await step(skipping, "training_plan")).outcome == "no one there for it"
    assert (await step(skipping, "qbr")).outcome == "no one there for it"
    assert (await step(skipping, "weekly")).outcome == "runs"
    await task_in_phase(skipping, "open", "task/versayce/people.successor/1")
    held = await step(skipping, "deployment_review")
    assert (held.state, held.waiting_on, held.waiting_for) == ("waiting", ("tam",), "held: nobody is primary user")
    newcomer = Newcomer(personas=(USER,), name="Ada Lind", email="ada@versayce.example", zone="UTC", reason="Joined")
    await succession.add_contact(skipping.services, "versayce", newcomer, TAM)
    await skipping.mailed(1, "ada@versayce.example")
    assert (await step(skipping, "deployment_review")).state == "running"


async def test_an_imported_contract_starts_by_the_account_s_key(skipping: Installation) -> None:
    """The contract of an imported file is kept, brought up to a later file, and starts once when it is asked for."""
    file = example()
    assert file.contract is not None
    shown = await account.import_account(skipping.services, file)
    assert (shown.contract, shown.started) == ("VERSAYCE-2026-11", None)
    with pytest.raises(UserError, match="no onboarding was started"):
        await onboarding.status(skipping.services, "versayce")
    later = file.contract.model_copy(update={"signed_at": datetime(2026, 11, 21, tzinfo=UTC)})
    await account.import_account(skipping.services, file.model_copy(update={"contract": later}))
    await skipping.sleep_to(0, 10)
    assert (await onboarding.start(skipping.services, StartRequest(account="versayce"))).created
    assert not (await onboarding.start(skipping.services, StartRequest(account="versayce"))).created
    async with skipping.services.store.reading() as connection:
        known = await contracts.latest(connection, "versayce")
        assert await contracts.kept(connection, "versayce") is None
    assert known is not None
    assert known.signed_at == later.signed_at
    await account.import_account(skipping.services, file)

    async def running() -> datetime | None:
        return (await account.show(skipping.services, "versayce")).started

    assert await until(running, "an onboarding that has told of itself") == known.requested_at


async def test_a_contract_that_another_account_s_file_gave_is_refused(skipping: Installation) -> None:
    """An import that would take over a kept contract changes nothing, and says whose it is."""
    file = example()
    await account.import_account(skipping.services, file)
    other = file.model_copy(update={"account": file.account.model_copy(update={"key": "orbisant"})})
    with pytest.raises(UserError, match='belongs to the account "versayce"'):
        await account.import_account(skipping.services, other)
    with pytest.raises(UserError, match="no account"):
        await account.show(skipping.services, "orbisant")


async def test_a_partner_s_champion_serves_two_accounts(skipping: Installation) -> None:
    """One person at a partner's firm is champion of two accounts: each has its welcome to them, and its own vote."""
    file = people((CHAMPION,), (USER,), playbook="kickoff")
    assert file.contract is not None
    other = file.model_copy(
        update={
            "account": file.account.model_copy(update={"key": "orbisant", "name": "Orbisant"}),
            "contract": file.contract.model_copy(update={"id": "ORBISANT-1"}),
        }
    )
    assert (await begin(skipping, file)).created
    assert (await onboarding.start(skipping.services, StartRequest(file=other))).created
    await skipping.mailed(2, "p0@versayce.example")
    for number in (0, 1):
        await in_phase(skipping, "voting")
        await vote(skipping, f"p{number}@versayce.example", "1")
    await in_phase(skipping, "booked")
    theirs = await meeting.show(skipping.services, "orbisant", "kickoff")
    assert [answer.answered for answer in theirs.answers] == [False, False]
