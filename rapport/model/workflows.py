"""The workflows there are, as those who start them know them: a name, what it takes, what it gives.

A workflow that starts another one names it by this and does not import its module: the sandbox loads every module
that a workflow imports anew for each run, and an onboarding would load all the workflows that it may ever start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from rapport.model.announcement import AnnouncingStart
from rapport.model.cadence import CadenceResult, CadenceStart
from rapport.model.gap import GapSent, GapStart
from rapport.model.meeting import MeetingResult, MeetingStart
from rapport.model.message import MessageRequest, Outcomes
from rapport.model.morning import MorningResult, MorningStart
from rapport.model.relay import RelayStart
from rapport.model.succession import HandoverStart
from rapport.model.support_case import CaseResult, CaseStart, DeskStart
from rapport.model.sweep import Gone, StandstillResult, SweepStart, Swept
from rapport.model.task import TaskResult, TaskStart
from rapport.model.tech_review import ReviewResult, ReviewStart
from rapport.model.undelivered import UndeliveredStart

S = TypeVar("S")
R = TypeVar("R")


def mail_queue(task_queue: str) -> str:
    """The task queue of mails that wait for the relay; so nothing else waits behind them, and be it for an hour."""
    return f"{task_queue}-mail"


@dataclass(frozen=True)
class WorkflowKind(Generic[S, R]):
    """One workflow: its name in Temporal, its input and its result."""

    name: str
    takes: type[S]
    gives: type[R]


CADENCE: Final = WorkflowKind("Cadence", CadenceStart, CadenceResult)
HUMAN_TASK: Final = WorkflowKind("HumanTask", TaskStart, TaskResult)
MEETING: Final = WorkflowKind("Meeting", MeetingStart, MeetingResult)
NOTICE: Final = WorkflowKind("Notice", MessageRequest, Outcomes)
HANDOVER: Final = WorkflowKind("Handover", HandoverStart, type(None))
GAP: Final = WorkflowKind("GapDelivery", GapStart, GapSent)
ANNOUNCING: Final = WorkflowKind("Announcing", AnnouncingStart, type(None))
TECH_REVIEW: Final = WorkflowKind("TechReview", ReviewStart, ReviewResult)
MORNING: Final = WorkflowKind("Morning", MorningStart, MorningResult)
RELAY: Final = WorkflowKind("RelayAlarm", RelayStart, type(None))
SUPPORT_CASE: Final = WorkflowKind("SupportCase", CaseStart, CaseResult)
UNDELIVERED: Final = WorkflowKind("Undelivered", UndeliveredStart, type(None))
SWEEP: Final = WorkflowKind("Sweep", SweepStart, Swept)
ENDED_OUTSIDE: Final = WorkflowKind("EndedOutside", Gone, StandstillResult)
SUPPORT_DESK: Final = WorkflowKind("SupportDesk", DeskStart, type(None))

LASTING: Final = ("Onboarding", *(one.name for one in (CADENCE, MEETING, HUMAN_TASK, TECH_REVIEW, SUPPORT_CASE)))
"""The kinds of workflow that SQL shows as open for as long as they run."""
