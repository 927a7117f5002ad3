"""What a workflow tells SQL of itself, so that lists can be read without asking it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from rapport.model.base import WireModel

from workflows.options import RECORDS
from workflows.outcomes import done
from workflows.reset import Numbers

N = TypeVar("N", bound=WireModel)
R = TypeVar("R")


class Projector(Generic[N, R]):
    """Has one activity a batch write down what is new. Every workflow that SQL knows is projected by this alone.

    Its batches are counted. One that arrives late, with a mail that had to wait, overwrites no later one.
    """

    def __init__(
        self,
        act: Callable[[Any, N], Awaitable[R]],
        gather: Callable[[int], N | None],
        details: Callable[[], str],
        take_back: Callable[[N], None] | None = None,
        number: int = 0,
    ) -> None:
        """Nothing is told yet.

        Args:
            act: The activity that writes a batch; safe to repeat.
            gather: Takes what SQL does not know yet out of what is queued, as the batch of this number; gives nothing
                if SQL knows everything.
            details: How the workflow stands, in Markdown, for Temporal's UI.
            take_back: Queues a batch again, as whoever took it along has not written it.
            number: How many batches an earlier run of the same workflow has told.
        """
        self._numbers = Numbers(number)
        self._act = act
        self._gather = gather
        self._details = details
        self._take_back = take_back

    @property
    def number(self) -> int:
        """How many batches were told."""
        return self._numbers.last

    def take(self) -> N | None:
        """What SQL does not know yet, to be written by whoever takes it; and show it in Temporal's UI."""
        news = self._gather(self.number + 1)
        if news is not None:
            self._numbers.take()
            workflow.set_current_details(self._details())
        return news

    def take_back(self, news: N) -> None:
        """Have a batch be told anew that somebody took along and did not write."""
        assert self._take_back is not None
        self._take_back(news)

    async def write(self) -> R | None:
        """Write down what no activity has taken along, in one local activity; give its answer."""
        news = self.take()
        return None if news is None else await done(self._act, news, "Write down what happened", RECORDS)
