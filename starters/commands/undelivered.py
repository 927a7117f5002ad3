"""Emails that failed, or of which nobody can tell whether they arrived: a member's word on them."""

from __future__ import annotations

from rapport.mail import outbox, outdated
from rapport.model.base import Refusal, Refused
from rapport.model.meeting import Receipt
from rapport.model.message import NOT_DELIVERED, MessageState, Resolution
from rapport.storage import tasks as task_records
from starters.commands import tasks
from starters.commands.office import Actor, Office


async def resolve(office: Office, key: str, resolution: Resolution, actor: Actor, reason: str | None = None) -> Receipt:
    """Say what becomes of an email that failed, or of which nobody can tell whether it arrived.

    It answers the to-do that stands in the TAM's inbox for it, or in that of a case's owner.

    Raises:
        Refusal: It did not fail, it cannot have arrived, nobody is asked about it yet, or the actor may not decide it.
    """
    async with office.store.reading() as connection:
        message = await outbox.message(connection, key)
        asked = await task_records.open_about_email(connection, message.account or "", key)
        gone = message.is_open and await outdated.goes_to_nobody(connection, message)
    if gone:
        raise Refusal("its reader has left; it goes to nobody", field="key", fix="nothing", kind=Refused.CONFLICT)
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
        raise Refusal(problem, field="key", fix=fix, kind=Refused.CONFLICT)
    if message.state is MessageState.FAILED and resolution is Resolution.SENT:
        raise Refusal("the mail server refused it, so it didn't arrive", field="how", fix="use resend or elsewhere")
    return await tasks.decide(office, asked, resolution, actor, reason)
