"""What an onboarding is given, and what it answers."""

from __future__ import annotations

from rapport.model.base import Instant, WireModel
from rapport.model.playbook import Playbook
from rapport.model.step import Review, Stage


class OnboardingStart(WireModel):
    """What starts an onboarding. The playbook is a copy: editing the file changes no running account.

    Attributes:
        left_out: The steps whose `when` does not hold for this account.
        review: Who sends this account's mails, where the account has a rule of its own. A hint: whoever writes a mail
            asks again.
        at: The step at which an account that is already a customer enters; it gets nothing for earlier ones.
        unheld: The personas that nobody there has when it starts.
        lost: Those of them that somebody had who has left.
        begins: When its first steps begin, where that is still to come.
        ends: When the contract ends, where that is known.
        renews: The workflow of the onboarding whose contract this one renews, while that runs.
    """

    account: str
    contract: str
    playbook: Playbook
    left_out: tuple[str, ...] = ()
    review: Review | None = None
    at: str | None = None
    unheld: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    begins: Instant | None = None
    ends: Instant | None = None
    renews: str | None = None


class MilestoneView(WireModel):
    """One step as its onboarding sees it."""

    step: str
    title: str
    stage: Stage
    state: str
    at: Instant | None
    outcome: str | None = None


class OnboardingView(WireModel):
    """An onboarding as it stands, answered by its workflow."""

    account: str
    contract: str
    stage: str | None
    paused: bool
    paused_at: Instant | None = None
    milestones: tuple[MilestoneView, ...]


class OnboardingResult(WireModel):
    """How an onboarding ended: each step's outcome."""

    outcomes: dict[str, str]
