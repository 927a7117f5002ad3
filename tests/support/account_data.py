"""An account of which everything is known."""

from __future__ import annotations

from datetime import timedelta

from rapport.model.account_data import (
    WrittenIncident,
    WrittenProject,
    WrittenRoadmapItem,
    WrittenSample,
    WrittenWin,
)
from rapport.model.sheets import SheetRow
from rapport.storage.account_data import INCIDENTS, PROJECTS, WINS
from starters.services import Services, present
from starters.use_cases import account_data
from tests.conftest import TAM


async def informed(services: Services, account: str) -> None:
    """Give an account some weeks of usage, two incidents of which one goes on, a project, a roadmap and a win."""
    now = present()
    today = now.date()
    measured = {
        ("checks a day", "count"): [1200.0 + 40 * index for index in range(30)],
        ("net new users", "users"): [5.0, -3.0, 0.0, 8.0],
        ("uptime", "%"): [99.95, 99.93, 99.99],
    }
    samples = [
        WrittenSample(day=today - timedelta(days=len(values) - index), metric=metric, unit=unit, value=value)
        for (metric, unit), values in measured.items()
        for index, value in enumerate(values)
    ]
    await account_data.add_usage(services, account, [SheetRow(one) for one in samples], TAM)
    incidents = [
        WrittenIncident(
            id="INC-2041",
            title="Checks from Frankfurt came late",
            severity=2,
            began=now - timedelta(days=9),
            ended=now - timedelta(days=8),
        ),
        WrittenIncident(
            id="INC-2077", title="Satellite in Milan is silent", severity=3, began=now - timedelta(hours=5)
        ),
    ]
    await account_data.add(services, INCIDENTS, account, [SheetRow(one) for one in incidents], TAM)
    project = WrittenProject(id="SHOP-1", title="The shop moves to Kubernetes", starts=today + timedelta(days=30))
    await account_data.add(services, PROJECTS, account, [SheetRow(project)], TAM)
    item = WrittenRoadmapItem(
        id="R-17",
        title="Checks from inside a cluster",
        expected="2027-Q1",
        account=account,
        touches="their shop moves to Kubernetes",
    )
    await account_data.add_roadmap(services, [SheetRow(item)], TAM)
    win = WrittenWin(id="W-1", title="A slow payment page was found", day=today - timedelta(days=12))
    await account_data.add(services, WINS, account, [SheetRow(win)], TAM)
