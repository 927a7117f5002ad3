"""What else may happen in a year, beside what `rapport simulate` offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from rapport.model.operations import Operate
from starters.commands import operations
from starters.commands.operations import OperationWritten
from starters.simulate.life import Life
from starters.simulate.scenarios import SCENARIOS, Scenario, Smooth


@dataclass
class Paused(Smooth):
    """Everyone answers, and after two weeks the onboarding is paused for six."""

    says: str = "everyone answers, with a pause of six weeks"
    paused: bool = False
    resumed: bool = False

    async def act(self, life: Life) -> None:
        """Pause after two weeks and resume six weeks later; in between everyone goes on answering."""
        since = life.now - life.began
        if not self.paused and since >= timedelta(weeks=2):
            self.paused = True
            await self._say(life, Operate.PAUSE, "They merge two teams")
        elif not self.resumed and since >= timedelta(weeks=8):
            self.resumed = True
            await self._say(life, Operate.RESUME, "They are back")
        await super().act(life)

    async def _say(self, life: Life, kind: Operate, why: str) -> None:
        await operations.operate(life.office, life.account, kind, OperationWritten(reason=why), life.acting_tam)


OWN: Final[dict[str, Callable[[], Scenario]]] = {"paused": Paused}
ALL: Final[dict[str, Callable[[], Scenario]]] = {**SCENARIOS, **OWN}
