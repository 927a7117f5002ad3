"""What a playbook comes to if nobody ever hesitates: when each step can come, and how much mail that is for whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from rapport.model.account import personas
from rapport.model.base import WireModel
from rapport.model.playbook import Playbook
from rapport.model.step import Offset

MONTH: Final = 21
"""The business days that a month has, about."""

YEAR: Final = 12 * MONTH
"""The business days of a contract, about: most are for a year."""


class Span(WireModel):
    """The business days, counted from the start of an onboarding, on which a step begins and ends at the earliest."""

    step: str
    begins: int
    ends: int


class BudgetOverrun(NamedTuple):
    """More mails to one persona within a month than it has attention for.

    Attributes:
        last: The step with which they become too many.
        steps: All that write in that month.
    """

    persona: str
    mails: int
    first_day: int
    last: str
    steps: tuple[str, ...]


def earliest(playbook: Playbook) -> dict[str, Span]:
    """When each step can come at the earliest, in the playbook's order.

    Everyone answers at once, every mail goes on the day, and every step is part of the plan.
    """
    steps = {step.name: step for step in playbook.steps}
    found: dict[str, Span] = {}

    def span(name: str) -> Span:
        if name not in found:
            step = steps[name]
            ready, wait = max((span(other).ends for other in step.after), default=0), business_days(step.offset)
            begins = ready + wait if step.before is None else max(ready, YEAR - wait)
            found[name] = Span(step=name, begins=begins, ends=begins + step.fewest_days)
        return found[name]

    return {name: span(name) for name in steps}


def business_days(offset: str | None) -> int:
    """The fewest business days that an offset spans."""
    if offset is None:
        return 0
    parsed = Offset.parse(offset)
    if parsed.unit == "business day":
        return parsed.count
    days = parsed.count if parsed.unit == "day" else parsed.count // 24
    weeks, rest = divmod(days, 7)
    return weeks * 5 + max(0, rest - 2)


def crowded(playbook: Playbook) -> Iterator[BudgetOverrun]:
    """The personas to whom a playbook writes more within some month than they have attention for, each once."""
    spans = earliest(playbook)
    for persona, rules in personas().items():
        mails = sorted(
            (spans[step.name].begins + day, index, step.name)
            for index, step in enumerate(playbook.steps)
            for day in step.mail_days(persona)
        )
        for first, (day, _, _) in enumerate(mails):
            month = [mail for mail in mails[first:] if mail[0] < day + MONTH]
            if len(month) > rules.messages_a_month:
                steps = tuple(dict.fromkeys(name for _, _, name in month))
                yield BudgetOverrun(persona, len(month), day, month[rules.messages_a_month][2], steps)
                break
