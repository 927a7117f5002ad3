"""What an onboarding is given, and what it answers."""

from __future__ import annotations

from rapport.model.base import Instant, Wire
from rapport.model.playbook import Playbook, Stage


class OnboardingStart(Wire):
    """What starts an onboarding. The playbook is a copy: editing the file changes no running account."""

    account: str
    contract: str
    playbook: Playbook


class MilestoneView(Wire):
    """One step as its onboarding sees it."""

    step: str
    title: str
    stage: Stage
    state: str
    at: Instant | None
    outcome: str | None = None


class OnboardingView(Wire):
    """An onboarding as it stands, answered by its workflow."""

    account: str
    contract: str
    stage: Stage | None
    paused: bool
    milestones: tuple[MilestoneView, ...]


class OnboardingResult(Wire):
    """How an onboarding ended: each step's outcome."""

    outcomes: dict[str, str]
