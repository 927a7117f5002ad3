"""What calls for a tech review of an account, and whether its gates are open."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from temporalio.service import RPCError, RPCStatusCode

from rapport.model.access import Action
from rapport.model.base import UserError, WireModel, suggestion
from rapport.model.commands import in_name
from rapport.model.scenario import scenarios
from rapport.rules import gate as gates
from rapport.rules.gate import GATES, GateStanding, Reviewed
from rapport.rules.scenario import Call, how_to_record, needs
from rapport.storage import account as accounts, contract as contracts, gate as records
from starters.rights import requires
from starters.services import ANSWER_SECONDS, Services

logger = logging.getLogger("rapport")


class CallShown(Call):
    """A scenario, with what came of it for this account.

    Attributes:
        reviews: The account's reviews of its stages that name it and were not withdrawn, by reference.
        record: What to write where, so that the facts which are missing are known.
    """

    reviews: tuple[str, ...] = ()
    record: str | None = None


class ReviewNeeds(WireModel):
    """What calls for a review of an account.

    Attributes:
        needed: The scenarios that apply.
        unsure: Those of which it cannot be told, because somebody has to find something out first.
        gates: How the account's gates stand.
        submit: The command that submits a review.
    """

    account: str
    needed: tuple[CallShown, ...]
    unsure: tuple[CallShown, ...]
    gates: tuple[GateStanding, ...]
    submit: str = in_name("rapport review submit FILE")


@requires(Action.READ)
async def needed(services: Services, account: str) -> ReviewNeeds:
    """Which scenarios call for a review of an account and why, and what is not known yet.

    Raises:
        UserError: There is no such account, or the installation's `reviews.toml` is wrong.
    """
    known = scenarios(services.settings.data)
    async with services.store.reading() as connection:
        found = await accounts.account(connection, account)
        reviews = await records.reviewed(connection, account)
    calls = needs(found.facts, known)
    return ReviewNeeds(
        account=account,
        needed=tuple(_shown(call, reviews) for call in calls.needed),
        unsure=tuple(_shown(call, reviews) for call in calls.unsure),
        gates=tuple(gates.standing(account, gate, found.facts, reviews, calls.needed) for gate in GATES),
    )


def _shown(call: Call, reviews: list[Reviewed]) -> CallShown:
    naming = [one for one in reviews if call.scenario in one.scenarios]
    of_its_stages = (one.ref for one in naming if one.stage in call.stages and not one.withdrawn)
    record = how_to_record(call.missing) if call.missing else None
    return CallShown(**call.model_dump(), reviews=tuple(of_its_stages), record=record)


@requires(Action.READ)
async def gate(services: Services, account: str, name: str) -> GateStanding:
    """Whether a gate is open for an account, why, and which review opened it or has to.

    Raises:
        UserError: There is no such account or gate, or the installation's `reviews.toml` is wrong.
    """
    known = next((one for one in GATES if one == name), None)
    if known is None:
        raise UserError(f'there is no gate "{name[:40]}"', field="gate", fix=suggestion(name, GATES))
    async with services.store.reading() as connection:
        found = await accounts.account(connection, account)
        reviews = await records.reviewed(connection, account)
    calls = needs(found.facts, scenarios(services.settings.data)).needed
    return gates.standing(account, known, found.facts, reviews, calls)


async def gates_changed(services: Services, account: str) -> None:
    """Tell an account's onboarding that a gate may have opened or shut. One that does not run has no need to know.

    An onboarding that cannot be told asks again by itself, once its to-do comes to an end.
    """
    async with services.store.reading() as connection:
        running = await contracts.running(connection, account)
    for id_ in running:
        handle = services.client.get_workflow_handle(id_)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await handle.signal("gates_changed", rpc_timeout=timedelta(seconds=ANSWER_SECONDS))
        except (RPCError, TimeoutError) as error:
            if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
                continue
            logger.warning("Temporal did not answer: the onboarding of %s looks at its gates later", account)
