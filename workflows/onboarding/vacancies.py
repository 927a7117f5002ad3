"""When somebody is missing at the customer: what writes to them is held, and the TAM names whoever follows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.planning import Planning, VacanciesAsked
    from rapport.model.projection import Wait
    from rapport.rules import audience, onboarding
    from rapport.rules.todo_template import NAME_A_SUCCESSOR, TODO_DAYS

from workflows.onboarding.state import OnboardingState
from workflows.options import PLANNING
from workflows.outcomes import done
from workflows.waiting import followed_up, wait_until


class Vacancies:
    """The part of an onboarding's steps that looks who is there.

    Attributes:
        moved: Whether somebody came, left or took over since it last looked.
        unheld: The personas that nobody has; `lost` are those that somebody had.
        vacant: Those of them for which steps wait, or will.
        hold: What the steps wait for that are held for it.
    """

    def __init__(self, state: OnboardingState) -> None:
        """Who is there is known from the start."""
        self.state = state
        self.moved = False
        self.unheld, self.lost = state.start.unheld, state.start.lost
        self.vacant: tuple[str, ...] = ()
        self.hold: Wait | None = None
        self._searches = False

    async def look(self, looked: Callable[[], None]) -> None:
        """Once people came or went: hold what needs somebody who is missing, and go on after that.

        Nobody is asked while nothing of that kind is heard, and no step needs anybody, so it costs nothing then.

        Args:
            looked: Is called each time that it is known who is there.
        """
        while self.moved or self._vacant() != self.vacant:
            self.moved = False
            question = VacanciesAsked(account=self.state.start.account, now=workflow.now())
            answer = await done(Planning.vacancies, question, "Is anybody missing?", PLANNING)
            await self.state.messages.drop_departed()
            before = self.held
            self.unheld, self.lost = answer.personas, answer.lost
            if self._vacant() != self.vacant:
                self.vacant = self._vacant()
                self.state.show_anew(sorted(before | self.held))
                self.state.timeline.record(
                    "account.vacant" if self.vacant else "account.complete", about=",".join(self.vacant)
                )
            self.hold = self._wait(answer.ask_again)
            if self.vacant and not self._searches:
                # One search serves whoever is missing by then: somebody may come and leave again before it has noticed.
                self._searches = True
                self.state.go_on(self._find())
            looked()

    @property
    def held(self) -> set[str]:
        """The waiting steps that do not begin as nobody is there whom they need."""
        return onboarding.held(self.state.progress, self.unheld, self.lost)

    def needed_by(self, name: str) -> tuple[str, ...]:
        """The personas for which a step waits."""
        return audience.vacancies(self.state.progress[name].definition, self.unheld, self.lost)

    def _vacant(self) -> tuple[str, ...]:
        return onboarding.vacant(self.state.progress, self.unheld, self.lost, workflow.now())

    async def _find(self) -> None:
        """Have the TAM name whoever follows, as often as it takes: what is held does not go on without them."""

        def is_over() -> bool:
            return not self.vacant or not onboarding.unfinished(self.state.progress)

        while not is_over():
            title = audience.missing(self.vacant).capitalize()
            todo = self.state.todo(NAME_A_SUCCESSOR, "people", self.hold.unblock if self.hold else None, title)
            await todo.put(is_over)
            if not is_over():
                account, days = self.state.start.account, TODO_DAYS[1:]
                again, *_ = await followed_up(account, days, "When is this asked again?")
                self.hold = self._wait(again)
                self.state.show_anew(sorted(self.held))
                await wait_until(todo.owner, again, is_over, "Ask again who follows")
        self._searches = False

    def _wait(self, until: datetime) -> Wait | None:
        return audience.wait_for_successor(self.state.start.account, self.vacant, until) if self.vacant else None
