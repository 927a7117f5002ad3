"""What else may happen in a year, beside what `rapport simulate` offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from rapport.model.account import CHAMPION
from rapport.model.operation import Operate
from starters.simulate.life import Life, Scenario
from starters.simulate.scenarios import SCENARIOS, Smooth
from starters.use_cases import operation, succession
from starters.use_cases.operation import OperationWritten
from starters.use_cases.succession import Successor


@dataclass
class Paused(Smooth):
    """Everyone answers, and after two weeks the onboarding is paused for six."""

    says: str = "everyone answers, with a pause of six weeks"
    paused: bool = False
    resumed: bool = False

    async def act(self, life: Life) -> None:
        """Pause after two weeks and resume six weeks later; at all other times everyone goes on answering.

        What comes of such a word is there at the next look, not at the same one: some of it is done at once.
        """
        since = life.now - life.began
        if not self.paused and since >= timedelta(weeks=2):
            self.paused = True
            await self._say(life, Operate.PAUSE, "They merge two teams")
        elif not self.resumed and since >= timedelta(weeks=8):
            self.resumed = True
            await self._say(life, Operate.RESUME, "They are back")
        else:
            await super().act(life)

    async def _say(self, life: Life, kind: Operate, why: str) -> None:
        await operation.operate(life.services, life.account, kind, OperationWritten(reason=why), life.acting_tam)


@dataclass
class ChampionLeaves(Smooth):
    """Everyone answers, and in the third week the champion leaves and somebody follows."""

    says: str = "everyone answers, and the champion leaves in week 3"
    left: bool = False

    async def act(self, life: Life) -> None:
        """Name the successor after two weeks; what comes of that is there at the next look."""
        if not self.left and life.now - life.began >= timedelta(weeks=2):
            self.left = True
            successor = Successor(
                persona=CHAMPION,
                name="Nora Vidal",
                email="nora.vidal@versayce.example",
                reason="Luca moved to another team",
            )
            await succession.replace_contact(life.services, life.account, successor, life.acting_tam)
        else:
            await super().act(life)


OWN: Final[dict[str, Callable[[], Scenario]]] = {"paused": Paused, "champion_leaves": ChampionLeaves}
ALL: Final[dict[str, Callable[[], Scenario]]] = {**SCENARIOS, **OWN}
