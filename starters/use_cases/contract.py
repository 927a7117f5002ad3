"""What another system tells of a signed contract: it starts once, and what is told later of its people counts."""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Final

from rapport.mailing import mail_settings
from rapport.model.access import Action
from rapport.storage import timeline
from rapport.storage.database import Connection
from starters.rights import Matter, requires
from starters.services import Actor, Services, submission
from starters.use_cases import account as accounts, onboarding
from starters.use_cases.onboarding import Started, StartRequest

TOLD: Final = "contract.told"
"""What an event is called on record."""


async def _of_request(_: Connection, request: StartRequest) -> list[Matter]:
    return [(Action.START, request.file.account.key if request.file else request.account)]


@requires(Action.START, "request", _of_request)
async def signed(services: Services, request: StartRequest, told_at: datetime) -> Started:
    """Start a contract's onboarding, as an event tells; or, where an event of it came before, take what is newer.

    An event that says the same as the last one changes nothing, so what was changed here since then stays; neither does
    one that is older than that, however late it comes.

    Args:
        told_at: When it was so, as the sender says.

    Raises:
        UserError: As `onboarding.start` and `account.import_account`.
    """
    file = request.file
    contract = request.contract or (file.contract if file else None)
    if file is None or contract is None:
        return await onboarding.start(services, request)
    # What stands in it cannot be guessed from this, also once its people are erased.
    what = hmac.digest(mail_settings(services.settings).secret, file.model_dump_json().encode(), "sha256").hex()
    to = f"contract/{contract.id}"
    async with services.store.reading() as connection:
        last = await timeline.last_told(connection, to, TOLD)
    if last is None:
        started = await onboarding.start(services, request)
    else:
        # As long as its workflow has not said that it runs, a start with the file would bring its people in.
        of_known = {"file": None, "account": file.account.key, "contract": contract}
        known = request.model_copy(update=of_known)
        started = await onboarding.start(services, known)
        if last.about == what or last.at >= told_at:
            return started
        await accounts.import_account(services, file)
    event = submission("service", Actor(email="", channel="hook"), TOLD, to)
    async with services.store.writing() as connection:
        await timeline.submit(connection, event.model_copy(update={"at": told_at, "about": what}))
    return started
