"""The workflows, as use cases speak to them: `flows.HumanTask.decide`.

Each is loaded when a call first names it, and not with the use case: it brings activities, and what they write mails
and ask calendars with, while most commands only read. A name of another module would be loaded where that is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from workflows.base import AccountWorkflow as AccountWorkflow
    from workflows.cadence import Cadence as Cadence
    from workflows.desk import SupportDesk as SupportDesk
    from workflows.gap import GapDelivery as GapDelivery
    from workflows.handover import Handover as Handover
    from workflows.meeting import Meeting as Meeting
    from workflows.onboarding.workflow import Onboarding as Onboarding
    from workflows.support_case import SupportCase as SupportCase
    from workflows.task import HumanTask as HumanTask
    from workflows.tech_review import TechReview as TechReview

_FROM: Final = {
    "AccountWorkflow": "base",
    "Cadence": "cadence",
    "GapDelivery": "gap",
    "Handover": "handover",
    "HumanTask": "task",
    "Meeting": "meeting",
    "Onboarding": "onboarding.workflow",
    "SupportCase": "support_case",
    "SupportDesk": "desk",
    "TechReview": "tech_review",
}


def _loaded(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(name)
    return getattr(import_module(f"workflows.{_FROM[name]}"), name)


def load() -> None:
    """Load all of them now, as servers do: no call has to wait for it."""
    for name in _FROM:
        _loaded(name)


if not TYPE_CHECKING:
    # Where types are checked, there is nothing but what is named above.
    __getattr__ = _loaded
