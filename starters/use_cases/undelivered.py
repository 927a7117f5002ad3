"""Emails that failed, or of which nobody can tell whether they arrived: a member's word on them."""

from __future__ import annotations

import asyncio

from temporalio.common import WorkflowIDConflictPolicy

from rapport.mail import claims, outbox
from rapport.model.access import Action
from rapport.model.account import WrittenWork
from rapport.model.base import Refused, UserError
from rapport.model.ids import undelivered_id
from rapport.model.meeting import Receipt
from rapport.model.message import NOT_DELIVERED, MessageState, Resolution
from rapport.model.reading import check
from rapport.model.undelivered import UndeliveredStart
from rapport.model.workflows import UNDELIVERED
from rapport.search_attributes import found_by
from rapport.storage import task as task_records
from starters.rights import requires
from starters.services import OPENING_SECONDS, Actor, Services, answered, member_named
from starters.use_cases import account, task as tasks


@requires(Action.ACT, "task", tasks.of_task)
async def correct(services: Services, task: str, address: str, actor: Actor) -> Receipt:
    """Correct the address to which an email failed, and send the email there.

    Raises:
        UserError: The task is about no such email, the address is the one that failed or no address, or it is somebody
            else's; or the actor may not act on accounts, or not decide the task.
    """
    found = await tasks.show(services, task)
    if found.corrects is None:
        raise UserError("is about no address", field="task", fix="choose one of its options", kind=Refused.CONFLICT)
    change = check(WrittenWork, {"new_email": address}, "")
    if change.new_email == found.corrects:
        fix = "correct it, or send the email again as it is"
        raise UserError("is the address that this contact has", field="new_email", fix=fix)
    await account.edit_contact(services, found.account, found.corrects, change, actor)
    return await tasks.decide(services, found.task, Resolution.RESEND, actor)


@requires(Action.DECIDE)
async def resolve(
    services: Services, key: str, resolution: Resolution, actor: Actor, reason: str | None = None
) -> Receipt:
    """Say what becomes of an email that failed, or of which nobody can tell whether it arrived.

    It answers the to-do that stands in the TAM's inbox for it, or in that of a case's owner. Where everyone let that
    pass, or nothing runs for the email, that to-do is opened for it.

    Raises:
        UserError: It did not fail, it cannot have arrived, nobody can be asked about it now, or the actor may not
            decide it.
    """
    async with services.store.reading() as connection:
        message = await outbox.message(connection, key)
        asked = await task_records.open_about_email(connection, message.account or "", key)
        gone = message.is_open and await claims.goes_to_nobody(connection, message)
    # Whether it arrived before they left is still asked, in an inbox.
    if gone and (resolution is Resolution.RESEND or message.state is not MessageState.UNKNOWN):
        fix = "use sent or elsewhere" if message.state is MessageState.UNKNOWN else "nothing"
        raise UserError("its reader has left; it goes to nobody", field="key", fix=fix, kind=Refused.CONFLICT)
    if asked is None and message.state in NOT_DELIVERED and message.account is not None and message.is_open:
        await member_named(services, actor)
        asked = await _asked_at_once(services, UndeliveredStart(account=message.account, key=key))
    if asked is None:
        if message.state not in NOT_DELIVERED:
            problem, fix = f"is {message.state}; there is nothing to settle", f"see `rapport message show {key}`"
        elif message.account is None:
            problem, fix = (
                "belongs to no account; nobody is asked about it",
                "correct its reader's address if it's wrong",
            )
        elif message.resolution is not None:
            problem, fix = "was taken care of already: its reader was told another way", "write to them yourself"
        else:
            problem, fix = "is being looked at; nobody is asked about it yet", "try again in a minute"
        raise UserError(problem, field="key", fix=fix, kind=Refused.CONFLICT)
    if message.state is MessageState.FAILED and resolution is Resolution.SENT:
        raise UserError("the mail server refused it, so it didn't arrive", field="how", fix="use resend or elsewhere")
    return await tasks.decide(services, asked, resolution, actor, reason)


async def _asked_at_once(services: Services, start: UndeliveredStart) -> str | None:
    """Have the to-do about an email opened that is open no more, or not yet; its id, once it stands in an inbox."""
    assert start.account is not None
    starting = services.client.start_workflow(
        UNDELIVERED.name,
        start,
        id=undelivered_id(start.key),
        task_queue=services.settings.task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        start_signal="ask_now",
        search_attributes=found_by(start.account),
        static_summary="Take care of an email",
    )
    await answered(starting, f"email {start.key}")
    end = asyncio.get_running_loop().time() + OPENING_SECONDS
    while True:
        async with services.store.reading() as connection:
            asked = await task_records.open_about_email(connection, start.account, start.key)
        if asked is not None or asyncio.get_running_loop().time() >= end:
            return asked
        await asyncio.sleep(0.05)
