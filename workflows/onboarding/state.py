"""What an onboarding's parts know of its steps, and the little that each of them may do to these."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable
from datetime import datetime
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from rapport.model.onboarding import OnboardingStart
    from rapport.rules import onboarding
    from rapport.rules.onboarding import Progress
    from rapport.rules.todo_template import TodoTemplate

from workflows.base import AccountWorkflow
from workflows.outcomes import beside
from workflows.timeline import Timeline
from workflows.waiting import Todo


class OnboardingState:
    """How far each step is, and the little that the parts of an onboarding may have done for them.

    Attributes:
        scope: What the ids of its steps' workflows name: the account, or one of its contracts.
        messages: What the onboarding writes to people.
        control_beside: Passes something on to the meetings beside the playbook.
        pending_projection: Takes what SQL does not know yet, for an activity that does something anyway.
        playbook: The plan that the account follows.
        began: Since when it runs, or from when it is to: nothing of it begins before.
        progress: Each step by name, in the playbook's order.
        stale: The steps of which something is new that SQL does not know yet.
        performing: What is under way for steps beside the rest.
    """

    def __init__(self, start: OnboardingStart, owner: AccountWorkflow) -> None:
        """Every step of the playbook waits, but those that this account does not get."""
        self.start = start
        self.scope = owner.scope
        self._owner = owner
        self.control_beside = owner.control_beside
        self.messages = owner.messages
        self.pending_projection = owner.pending_projection
        self.playbook = start.playbook
        now = workflow.now()
        self.began = max(now, start.begins or now)
        self.progress: dict[str, Progress] = onboarding.laid_out(start.playbook, start.left_out, now, start.at)
        self.timeline = Timeline(start.account, start.contract)
        self.stale: set[str] = set()
        self.performing: set[asyncio.Task[None]] = set()
        self._todo_counts: Counter[tuple[str, str]] = Counter()

    @property
    def paused_at(self) -> datetime | None:
        """Since when the whole stands still, if it does."""
        return self._owner.paused_at

    @paused_at.setter
    def paused_at(self, since: datetime | None) -> None:
        self._owner.paused_at = since

    @property
    def is_paused(self) -> bool:
        """Whether nothing begins and nobody is reminded; what people say is still taken."""
        return self.paused_at is not None

    def wake(self) -> None:
        """Have the steps looked through once more: something is new."""
        self._owner.changed = True

    def set(self, name: str, **values: object) -> None:
        """Change some fields of a step's progress, to be told with the next batch."""
        self.progress[name] = self.progress[name].model_copy(update=values)
        self.stale.add(name)

    def show_anew(self, names: Iterable[str]) -> None:
        """Have what these steps wait for be told again, soon."""
        self.tell_anew(names)
        self.wake()

    def tell_anew(self, names: Iterable[str]) -> None:
        """Have what these steps wait for be told again, together with whatever is told next."""
        self.stale |= set(names)

    def todo(self, template: TodoTemplate, name: str, unblock: str | None, title: str | None = None) -> Todo:
        """Make one more to-do for the TAM, for a step or for what has a title of its own."""
        self._todo_counts[template.name, name] += 1
        number = self._todo_counts[template.name, name]
        title = title or self.progress[name].definition.title
        return Todo(template, self._owner, self.start.contract, name, title, number, unblock)

    def go_on(self, work: Coroutine[Any, Any, None]) -> None:
        """See to something beside the rest; the onboarding does not end before it is done."""
        task = beside(work)
        self.performing.add(task)
        task.add_done_callback(self._performed)

    def _performed(self, task: asyncio.Task[None]) -> None:
        # Whoever waits for the last of them looks again once it is out of the way, and not before.
        self.performing.discard(task)
        self.wake()
