"""Emails that failed, or may not have arrived: what one mail to whoever takes care of them tells of."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Final

from rapport.mail import outbox, scheduled
from rapport.model.ids import UNDELIVERED_STEP, case_id, undelivered_task
from rapport.model.message import MessageRequest, MessageState
from rapport.model.task import MEMBER_PREFIX
from rapport.rules.attention import MailVerdict
from rapport.storage.database import Connection

TOGETHER: Final = timedelta(minutes=10)
"""For how long a mail about some of them speaks for those that it lists."""

_CASES: Final = case_id("")

_ALSO: Final = {MessageState.FAILED: "also not delivered", MessageState.UNKNOWN: "also not confirmed, may have arrived"}
"""What the others are told as, by their state: of what may have arrived nobody says that it did not."""


async def _told_of(connection: Connection, occasion: MessageRequest) -> list[outbox.Message]:
    """The emails that the mail about a to-do for one of them tells of: that one first, then the others of the account.

    Those of a case are its owner's to take care of, and those to a member somebody else's than the TAM's.
    """
    if occasion.account is None or not occasion.step.endswith(f".{UNDELIVERED_STEP}"):
        return []
    lost = [
        one
        for one in await outbox.unresolved(connection, account=occasion.account)
        if not one.person.startswith(MEMBER_PREFIX)
    ]
    digest = occasion.workflow_id.rpartition("/")[2]
    mine = [one for one in lost if undelivered_task(occasion.account, one.key, 1).endswith(f"/{digest}")]
    return [*mine, *(one for one in lost if one not in mine and _cares(one) == _cares(mine[0]))] if mine else []


def _cares(message: outbox.Message) -> str:
    return message.workflow_id if message.workflow_id.startswith(_CASES) else ""


async def with_others(connection: Connection, occasion: MessageRequest, said: dict[str, str]) -> dict[str, str]:
    """What was said of a to-do, with the others beside it: one fault or crash leaves several at a time."""
    request = occasion.task.request if occasion.task is not None else None
    others = (await _told_of(connection, occasion))[1:] if request in said else []
    if not others:
        return said
    assert request is not None
    words = json.loads(said[request])
    for state, told in _ALSO.items():
        if listed := "; ".join(f"{one.subject}, to {one.address}" for one in others if one.state is state):
            words[told] = f"{listed}. {_EACH}"
    return said | {request: json.dumps(words, ensure_ascii=False)}


_EACH: Final = "Each is a task of its own in your inbox"


async def told_already(
    connection: Connection, occasion: MessageRequest, person: str, present: datetime
) -> MailVerdict | None:
    """That a mail is a part of one that its reader got a moment ago, and that lists the same email."""
    found = await _told_of(connection, occasion)
    if not found:
        return None
    since = max(found[0].settled_at or present, present - TOGETHER)
    host = await scheduled.told_by(connection, occasion, person, since)
    return None if host is None else MailVerdict(None, "another mail tells of it", joins=host)
