"""Driving the example's kickoff through the use cases, as people do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from temporalio.client import WorkflowExecutionStatus

from rapport.model.account import AccountFile
from rapport.model.base import Refused, UserError
from rapport.model.message import MessageState
from starters.use_cases import meeting, message, onboarding
from starters.use_cases.meeting import MeetingShown
from starters.use_cases.onboarding import StartRequest
from tests.conftest import Installation, by, example, until


def reviewed(review: str) -> AccountFile:
    """The example account with another rule on who sends its mails."""
    file = example()
    return file.model_copy(update={"account": file.account.model_copy(update={"review": review})})


async def begin(installation: Installation, file: AccountFile | None = None) -> None:
    """Start the example's onboarding on a Monday at ten."""
    await installation.sleep_to(0, 10)
    started = await onboarding.start(installation.services, StartRequest(file=file or example()))
    assert started.created


async def kickoff(installation: Installation) -> MeetingShown:
    """The kickoff as it stands."""
    return await meeting.show(installation.services, "versayce", "kickoff")


async def in_phase(installation: Installation, phase: str) -> MeetingShown:
    """The kickoff, once it is in this phase."""

    async def there() -> MeetingShown | None:
        try:
            shown = await kickoff(installation)
        except UserError as refusal:
            if refusal.kind is not Refused.NOT_FOUND:
                raise
            return None
        return shown if shown.phase == phase else None

    shown: MeetingShown = await until(there, f"the phase {phase}")
    return shown


async def drafted(installation: Installation) -> MeetingShown:
    """The kickoff, once it waits for the TAM to read four drafts."""

    async def there() -> MeetingShown | None:
        shown = await in_phase(installation, "drafted")
        four = len(await message.listed(installation.services, "versayce", MessageState.DRAFT)) == 4
        return shown if four and shown.waiting_on == ("tam",) else None

    shown: MeetingShown = await until(there, "four drafts")
    return shown


async def vote(installation: Installation, email: str, *slots: str) -> None:
    """Answer the poll for someone."""
    receipt = await meeting.vote(installation.services, "versayce", "kickoff", slots, by(email))
    assert receipt.accepted


def status_of(installation: Installation, workflow_id: str) -> Callable[[], Awaitable[bool]]:
    """Whether a workflow has ended well."""

    async def ended() -> bool:
        described = await installation.client.get_workflow_handle(workflow_id).describe()
        return described.status is WorkflowExecutionStatus.COMPLETED

    return ended
