"""Driving an account's cadence through the use cases, as people do."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from icalendar import Calendar
from sqlalchemy import insert
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from rapport.model.account import AccountFile
from rapport.model.cadence import CadenceResult, CadenceView
from rapport.model.ids import cadence_id
from rapport.storage import account as accounts
from rapport.storage.tables import BlockerRow
from starters.use_cases import onboarding
from starters.use_cases.onboarding import StartRequest
from tests.conftest import Installation, example, until
from workflows.cadence import Cadence

HEAD: Final = """
name = "rhythm"
title = "What recurs, and nothing else"
version = 1
"""

WEEKLY: Final = """
[[steps]]
name = "weekly"
title = "Weekly sync"
kind = "cadence"
rhythm = "sync"
stage = "cadence"
every = "1 week"
minutes = 15
invite = ["primary_champion", "primary_user", "secondary_user"]
require = [["primary_champion"], ["primary_user", "secondary_user"]]
agenda = [{ topic = "What holds you up", minutes = 4 }]
brief = "weekly_brief"
digest = "weekly_digest"
"""

QBR: Final = """
[[steps]]
name = "qbr"
title = "Quarterly business review"
kind = "cadence"
rhythm = "review"
stage = "cadence"
every = "3 months"
minutes = 30
invite = ["key_business_contact", "primary_champion"]
require = [["primary_champion"], ["key_business_contact"]]
agenda = [{ topic = "Wins and return", minutes = 10 }]
brief = "review_brief"
follow_up = "review_follow_up"
"""


def events(mail: Any) -> list[Any]:
    """The calendar events in a mail."""
    parts = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    return [event for part in parts for event in Calendar.from_ical(part.get_content()).events]


def method(mail: Any) -> str:
    """The iTIP method of the calendar in a mail."""
    (part,) = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    return str(part.get_param("method"))


async def begin(
    installation: Installation, steps: str = WEEKLY, file: AccountFile | None = None, *, news: bool = True
) -> WorkflowHandle[Any, CadenceResult]:
    """Start an onboarding of nothing but these rhythms on a Monday at ten; give the cadence that runs then.

    Args:
        news: Whether there is something to tell each week: an open blocker.
    """
    folder = installation.services.settings.data / "playbooks"
    folder.mkdir(exist_ok=True)
    (folder / "rhythm.toml").write_text(HEAD + steps)
    await installation.sleep_to(0, 10)
    started = await onboarding.start(installation.services, StartRequest(file=file or example(), playbook="rhythm"))
    assert started.created
    handle = installation.client.get_workflow_handle(cadence_id("versayce"), result_type=CadenceResult)

    async def runs() -> bool:
        try:
            await handle.describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

    await until(runs, "the cadence")
    if news:
        await block(installation)
    return handle


async def block(installation: Installation) -> None:
    """Put an open blocker on record."""
    async with installation.services.store.writing() as connection:
        tam = await accounts.tam_of(connection, "versayce")
        now = await installation.now()
        row = {"id": "b_1", "account": "versayce", "position": 0, "title": "The firewall change", "owner": tam}
        await connection.execute(insert(BlockerRow).values(**row, next_check=now.date(), raised_at=now))


async def view(installation: Installation) -> CadenceView:
    """The cadence as it stands."""
    handle = installation.client.get_workflow_handle(cadence_id("versayce"))
    return await handle.query(Cadence.view)


async def coming(installation: Installation, step: str = "weekly") -> list[datetime]:
    """When a standing meeting is held next."""
    found = next(one for one in (await view(installation)).rhythms if one.step == step)
    return [one.start for one in found.coming if one.off is None]
