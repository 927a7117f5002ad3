"""What workflows tell SQL, so that lists can be read without asking a workflow. Ids, roles and instants only."""

from __future__ import annotations

from rapport.model.base import Instant, WireModel


class TimelineEvent(WireModel):
    """Something that happened: what kind, when, about whom and which step; ids only.

    Attributes:
        key: Unique; writing the same entry again changes nothing.
        instant: An instant that the entry is about, such as a booked time.
        submission: What a person said with it, by id.
    """

    key: str
    account: str
    at: Instant
    kind: str
    step: str | None = None
    who: str | None = None
    about: str | None = None
    instant: Instant | None = None
    submission: str | None = None


class Wait(WireModel):
    """What a running step waits for.

    Attributes:
        on: Roles and personas, never people.
        what: In words, such as "answers on the proposed times".
        unblock: The command that moves it on without them.
        since: Since when it is waited for just this.
        round: Which time it is waited for the same: a new round is another wait.
    """

    on: tuple[str, ...] = ()
    what: str | None = None
    unblock: str | None = None
    deadline: Instant | None = None
    since: Instant | None = None
    round: int = 0


class Milestone(WireModel):
    """The projection of one step.

    Attributes:
        wait: What it waits for, where its onboarding knows; a child workflow tells for itself.
    """

    step: str
    position: int
    title: str
    stage: str
    kind: str
    state: str
    attempt: int = 1
    due: Instant | None = None
    began: Instant | None = None
    ended: Instant | None = None
    outcome: str | None = None
    wait: Wait | None = None


class Projection(WireModel):
    """What an onboarding tells SQL in one batch. Safe to repeat.

    Attributes:
        number: Counts the onboarding's projections. One that arrives late, with a mail that had to wait, does not
            overwrite a later one.
        playbook, version: What it follows by now.
    """

    account: str
    contract: str
    run_id: str
    number: int
    stage: str | None
    playbook: str
    version: int
    now: Instant
    ended: bool = False
    paused_at: Instant | None = None
    milestones: tuple[Milestone, ...] = ()
    entries: tuple[TimelineEvent, ...] = ()


class HeldHour(WireModel):
    """The hour that a meeting has of the vendor's own people, by id; `travel` days before and after they travel."""

    members: tuple[str, ...]
    start: Instant
    end: Instant
    travel: int = 0


class StepNews(WireModel):
    """What the workflow of a running step tells SQL in one batch. Safe to repeat.

    Attributes:
        wait: What the step waits for; nothing where several work at it, and the onboarding itself says that.
        meeting: The workflow's id of a meeting that has another hour than before, or none any more.
        hour: That hour.
        outcome: How a meeting ended that stands beside the playbook; a step's onboarding tells for that.
    """

    contract: str
    step: str
    wait: Wait | None
    now: Instant
    entries: tuple[TimelineEvent, ...] = ()
    meeting: str | None = None
    hour: HeldHour | None = None
    outcome: str | None = None
