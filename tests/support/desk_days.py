"""A desk's days on record, without a Temporal: its people, their cases, and weeks of both."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import insert

from rapport.model.account import MembersFile, Role
from rapport.model.reading import read_toml
from rapport.model.side_project import NewSideProject
from rapport.storage import account, imports, side_project
from rapport.storage.database import Connection
from rapport.storage.support_case_tables import CaseRow

NOW: Final = datetime(2026, 11, 24, 9, tzinfo=UTC)
ANA, BEN, DEV, LEAD = (f"{name}@foobar.example" for name in ("ana.pop", "ben.roth", "dev.oyelaran", "pat.lindt"))
DESK: Final = b"""
[[members]]
name = "Ana Pop"
email = "ana.pop@foobar.example"
roles = ["support_engineer"]
zone = "Europe/Zurich"
[[members]]
name = "Ben Roth"
email = "ben.roth@foobar.example"
roles = ["support_engineer"]
zone = "Europe/Zurich"
[[members]]
name = "Dev Oyelaran"
email = "dev.oyelaran@foobar.example"
roles = ["support_engineer", "engineering"]
zone = "Europe/Zurich"
[[members]]
name = "Pat Lindt"
email = "pat.lindt@foobar.example"
roles = ["support_lead"]
zone = "Europe/Zurich"
"""


async def staffed(connection: Connection) -> dict[str, str]:
    """A desk of two with their lead, and a developer, and of nobody else; their ids, by first name."""
    ours = await imports.save_members(connection, read_toml(MembersFile, DESK, "desk.toml"))
    for member in await account.members(connection):
        if member.id not in ours and Role.SUPPORT_ENGINEER in member.roles:
            await account.mark_left(connection, member.id, NOW - timedelta(days=400))
    return {member.name.split()[0]: member.id for member in await account.members(connection)}


async def case(
    connection: Connection,
    number: int,
    owner: str | None,
    severity: int = 1,
    *,
    opened: datetime = NOW,
    resolved: datetime | None = None,
    escalations: int = 0,
    breaches: int = 0,
) -> None:
    """A case as it is on record."""
    state = "resolved" if resolved is not None else "open" if owner is not None else "queued"
    await connection.execute(
        insert(CaseRow).values(
            number=number,
            ref=f"C-{number:05d}",
            account="versayce",
            contact="c",
            area="general",
            severity=severity,
            question="q",
            channel="cli",
            opened_by="m",
            opened_at=opened,
            state=state,
            owner=owner,
            escalations=escalations,
            breaches=breaches,
            projected=1,
            first_answered_at=opened + timedelta(minutes=20) if owner is not None else None,
            resolved_at=resolved,
        )
    )


async def weeks(connection: Connection) -> None:
    """Four weeks with quiet mornings, busy Mondays, one bad Tuesday, and side work in the slack."""
    ids = await staffed(connection)
    chance = random.Random(6)
    number, monday = 0, datetime(2026, 11, 2, tzinfo=UTC)
    for day in range(22):
        morning = monday + timedelta(days=day)
        busy = 9 if day == 15 else 4 if morning.weekday() == 0 else 2
        for _ in range(busy if morning.weekday() < 5 else chance.choice((0, 0, 1))):
            number += 1
            opened = morning + timedelta(minutes=chance.randrange(7 * 60, 17 * 60))
            resolved = opened + timedelta(minutes=chance.randrange(40, 600))
            await case(
                connection,
                number,
                ids[chance.choice(("Ana", "Ben"))],
                chance.choice((1, 2, 3, 3, 3, 4, 4)),
                opened=opened,
                resolved=resolved if resolved < NOW else None,
                escalations=chance.choice((0, 0, 0, 0, 1)),
                breaches=chance.choice((0, 0, 0, 0, 0, 1)),
            )
    for index, (kind, title) in enumerate(
        (("testing", "Soak test of the new collector"), ("documentation", "Upgrade guide, second half"),
         ("integration", "A dashboard for Orbisant's ticket system"), ("training", "Alerts for newcomers"))
    ):  # fmt: skip
        written = NewSideProject.model_validate({"kind": kind, "title": title})
        id_ = await side_project.add(connection, written, ids["Pat"], None, monday + timedelta(hours=index))
        if index < 2:
            begun = monday + timedelta(days=1 + index, hours=9)
            await side_project.take(connection, id_, ids["Ana" if index else "Ben"], begun)
            await side_project.put_back(connection, id_, "peak", begun + timedelta(days=3, hours=4))
            await side_project.take(connection, id_, ids["Ben"], begun + timedelta(days=8))
            if index:
                await side_project.done(connection, id_, begun + timedelta(days=10))
