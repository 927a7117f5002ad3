"""Driving the example's kickoff through the use cases, as people do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from temporalio.client import WorkflowExecutionStatus

from rapport.model.base import Refusal, Refused
from rapport.model.message import MessageState
from rapport.model.people import AccountFile
from starters.commands import meetings, messages, onboardings
from starters.commands.meetings import MeetingShown
from starters.commands.onboardings import StartRequest
from tests.conftest import Town, by, example, until


def reviewed(review: str) -> AccountFile:
    """The example account with another rule on who sends its mails."""
    file = example()
    return file.model_copy(update={"account": file.account.model_copy(update={"review": review})})


async def begin(town: Town, file: AccountFile | None = None) -> None:
    """Start the example's onboarding on a Monday at ten."""
    await town.sleep_to(0, 10)
    started = await onboardings.start(town.office, StartRequest(file=file or example()))
    assert started.created


async def kickoff(town: Town) -> MeetingShown:
    """The kickoff as it stands."""
    return await meetings.show(town.office, "versayce", "kickoff")


async def in_phase(town: Town, phase: str) -> MeetingShown:
    """The kickoff, once it is in this phase."""

    async def there() -> MeetingShown | None:
        try:
            shown = await kickoff(town)
        except Refusal as refusal:
            if refusal.kind is not Refused.NOT_FOUND:
                raise
            return None
        return shown if shown.phase == phase else None

    shown: MeetingShown = await until(there, f"the phase {phase}")
    return shown


async def drafted(town: Town) -> MeetingShown:
    """The kickoff, once it waits for the TAM to read four drafts."""

    async def there() -> MeetingShown | None:
        shown = await in_phase(town, "drafted")
        four = len(await messages.listed(town.office, "versayce", MessageState.DRAFT)) == 4
        return shown if four and shown.waiting_on == ("tam",) else None

    shown: MeetingShown = await until(there, "four drafts")
    return shown


async def vote(town: Town, email: str, *slots: str) -> None:
    """Answer the poll for someone."""
    receipt = await meetings.vote(town.office, "versayce", "kickoff", slots, by(email))
    assert receipt.accepted


def status_of(town: Town, workflow_id: str) -> Callable[[], Awaitable[bool]]:
    """Whether a workflow has ended well."""

    async def ended() -> bool:
        described = await town.client.get_workflow_handle(workflow_id).describe()
        return described.status is WorkflowExecutionStatus.COMPLETED

    return ended
