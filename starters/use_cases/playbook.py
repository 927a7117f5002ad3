"""Playbooks: looking at one, checking one, and telling two apart."""

from __future__ import annotations

from pathlib import Path

from rapport.model.access import Action
from rapport.model.base import Refused, UserError, WireModel
from rapport.model.cadence import CadencePlan
from rapport.model.ids import cadence_id
from rapport.model.playbook import Playbook
from rapport.model.step import StepDefinition
from rapport.playbooks import PLAYBOOKS, load, names
from rapport.playbooks.checks import Examined, examine
from rapport.rules import forecast, playbook_migration
from rapport.rules.forecast import Span
from rapport.rules.playbook_migration import Adoption, Difference, RhythmAdoption
from rapport.storage import cadence as cadences
from starters import flows
from starters.rights import requires
from starters.services import Services, WorkflowEndedError, answered
from starters.use_cases.names import contract_of
from starters.use_cases.operation import left_out_for


class PlaybookLine(WireModel):
    """A playbook in a list; `steps` is how many it has."""

    name: str
    title: str
    version: int
    steps: int


class PlaybookShown(WireModel):
    """A playbook as it is shown.

    Attributes:
        earliest: The business days, counted from the start, on which each step begins and ends at the earliest.
    """

    name: str
    title: str
    version: int
    steps: tuple[StepDefinition, ...]
    earliest: tuple[Span, ...]


class Compared(WireModel):
    """What differs between two playbooks; and what adopting the second would change for an account.

    Attributes:
        follows: The playbook that the account follows, and its version.
        adoption: For its onboarding, while that runs.
        rhythms: For what recurs, once something does.
    """

    difference: Difference
    account: str | None = None
    follows: str | None = None
    adoption: Adoption | None = None
    rhythms: RhythmAdoption | None = None


def check(file: Path) -> Examined:
    """Look at a playbook file from all sides.

    Raises:
        UserError: It cannot be read at all.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot be read: {error.strerror}", field=str(file), fix="check the path", kind=Refused.NOT_FOUND
        ) from None
    return examine(raw, str(file))


def find(name: str, data: Path) -> Playbook:
    """A playbook by its name, an installation's own or a shipped one; or by the path of its file.

    Args:
        data: The data directory; it need not exist.

    Raises:
        UserError: There is none, or it is not sound.
    """
    if name.endswith(".toml") or "/" in name:
        return check(Path(name)).sound()
    return load(name, data / PLAYBOOKS)


def listed(data: Path) -> list[PlaybookLine]:
    """Every playbook by its name: those that come with Rapport, and an installation's own.

    Args:
        data: The data directory; it need not exist.

    Raises:
        UserError: One of the installation's own is not sound.
    """
    found = ((name, load(name, data / PLAYBOOKS)) for name in names(data / PLAYBOOKS))
    return [PlaybookLine(name=name, title=one.title, version=one.version, steps=len(one.steps)) for name, one in found]


def shown(playbook: Playbook) -> PlaybookShown:
    """A playbook with what it comes to."""
    return PlaybookShown.made_of(playbook, earliest=tuple(forecast.earliest(playbook).values()))


def compare(old: Playbook, new: Playbook) -> Compared:
    """What is other in the second playbook than in the first."""
    return Compared(difference=playbook_migration.difference(old, new))


@requires(Action.READ)
async def compare_for(services: Services, account: str, old: Playbook, new: Playbook) -> Compared:
    """What is other in the second playbook, and what adopting it would change for an account. Asking changes nothing.

    Raises:
        UserError: There is no such account, neither an onboarding of it runs nor anything recurs, or no worker answers.
    """
    async with services.store.reading() as connection:
        contract = await contract_of(connection, account)
        key, _, of = account.partition(".")
        left_out = await left_out_for(connection, key, new, contract)
        recurring = await cadences.of_account(connection, key)
    if contract is None or contract.run_id is None:
        raise UserError(
            f'no onboarding was started for "{account}"',
            field="account",
            fix=f"start it with `rapport onboarding start {account}`",
            kind=Refused.NOT_FOUND,
        )
    goes_along = contract is not None and (not of or any(one.contract == contract.id for one in recurring))
    recurs = await _recurring(services, key) if goes_along else None
    if contract.ended_at is not None and recurs is None:
        raise UserError(
            f'the onboarding of "{account}" is over, and nothing recurs for it',
            field="account",
            fix="leave the account out to see how the playbooks differ",
            kind=Refused.CONFLICT,
        )
    follows, steps, rhythms = f"{contract.playbook} {contract.playbook_version}", None, None
    if contract.ended_at is None:
        handle = services.client.get_workflow_handle_for(flows.Onboarding.run, contract.workflow_id)
        runs = await answered(handle.query(flows.Onboarding.plan), f"onboarding of {account}")
        follows, steps = f"{runs.playbook} {runs.version}", playbook_migration.changes(runs.steps, new, left_out)
    if recurs is not None:
        rhythms = playbook_migration.rhythm_changes(recurs.steps, playbook_migration.rhythms_of(new, left_out))
        # A cadence that began before it knew says nothing of it.
        follows = f"{recurs.playbook} {recurs.version}" if recurs.playbook else follows
    return Compared(
        difference=playbook_migration.difference(old, new),
        account=account,
        follows=follows,
        adoption=steps,
        rhythms=rhythms,
    )


async def _recurring(services: Services, account: str) -> CadencePlan | None:
    """What recurs for an account, if anything does."""
    handle = services.client.get_workflow_handle_for(flows.Cadence.run, cadence_id(account))
    try:
        found = await answered(handle.query(flows.Cadence.plan), f"cadence of {account}")
    except WorkflowEndedError:
        return None
    return None if found.closing else found
