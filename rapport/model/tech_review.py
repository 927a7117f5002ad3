"""Technical reviews: what is asked for a customer, where it stands, and what workflows tell of it; ids on the wire."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)

from rapport.model.account import Persona
from rapport.model.announcement import Announce
from rapport.model.base import YEARS, InputModel, Instant, Several, Slug, WireModel, Word, choices, one_of, plain
from rapport.model.commands import in_name
from rapport.model.minutes import Day, Filled, Line
from rapport.model.projection import TimelineEvent, Wait
from rapport.model.reading import faults
from rapport.model.support_case import CaseRef
from rapport.model.tech_review_facts import Remark, ReviewPhase, ReviewVerdict
from rapport.model.triage import MatterKind

_REF = re.compile(r"TR-[0-9]{4,9}")


def review_ref(number: int) -> str:
    """What a review is called: `TR-0007`."""
    return f"TR-{number:04d}"


def is_review_ref(text: str) -> bool:
    """Whether this is what a review is called."""
    return _REF.fullmatch(text) is not None


class ReviewStage(StrEnum):
    """Where the customer is when the question comes up."""

    PRE_TRIAL = "pre_trial"
    PRE_PRODUCTION = "pre_production"
    POST_SALE = "post_sale"


class Ask(StrEnum):
    """What a review asks for."""

    NON_STANDARD_REQUIREMENT = "non_standard_requirement"
    UNPLANNED_ENGINEERING = "unplanned_engineering"
    BEST_PRACTICE_VALIDATION = "best_practice_validation"
    TRADEOFF_OR_TIMELINE = "tradeoff_or_timeline"


def is_web_link(text: str) -> bool:
    """Whether this is a link that a page may offer."""
    return re.fullmatch(r"https?://[^\s/<>\"()]+[^\s<>\"]*", text) is not None


def _link(value: str) -> str:
    text = plain(value)
    if not is_web_link(text):
        raise ValueError('is not a link; write it as "https://…"')
    return text


WebLink = Annotated[str, StringConstraints(min_length=8, max_length=2000), AfterValidator(_link)]


class Design(InputModel):
    """The customer's technical design document, in the version that is reviewed."""

    link: WebLink
    version: Line


STAGES: Final[Mapping[str, str]] = {
    ReviewStage.PRE_TRIAL: "before a trial",
    ReviewStage.PRE_PRODUCTION: "before production",
    ReviewStage.POST_SALE: "after the sale",
}
"""How people read where the customer is."""

ASKS: Final[Mapping[str, str]] = {
    Ask.NON_STANDARD_REQUIREMENT: "a non-standard requirement",
    Ask.UNPLANNED_ENGINEERING: "unplanned engineering",
    Ask.BEST_PRACTICE_VALIDATION: "whether this is a supported practice",
    Ask.TRADEOFF_OR_TIMELINE: "a trade-off or a timeline",
}
"""How people read what is asked for."""

ASKED: Final = {
    "stage": (f"choose {choices(STAGES.items())}", "it says who is heard"),
    "ask": (f"choose {choices(ASKS.items())}", "it says whose yes is needed"),
    "gap": (
        "say where the customer differs from best practice or documented limits",
        "without it nobody can tell what is to be decided",
    ),
    "needed_by": (
        'give the day as "2026-12-18"',
        "reminders and escalation are planned backwards from it",
    ),
    "needed_why": (
        "say what the date means for the customer",
        "a date without a reason cannot be weighed against others",
    ),
    "requirement": (
        'write "new" or "existing"',
        "a requirement that was there before tells of a gap in qualification",
    ),
    "why_not_caught": (
        "say what kept it from being caught in qualification",
        "so that the next one is caught",
    ),
    "expectation": (
        "say what the customer expects",
        "an answer that they do not expect has to be told otherwise",
    ),
    "if_not_met": (
        "say what happens if it is not met",
        "that is what a no would cost",
    ),
}
"""The answers that every request needs: what to write, and why it is asked."""


def _beside(handler: ModelWrapValidatorHandler[Any], data: dict[str, Any], silent: Sequence[str]) -> list[str]:
    """What is wrong with a request beside the answers that are missing."""
    try:
        handler({name: value for name, value in data.items() if name not in silent})
    except ValidationError as error:
        found = [one for one in faults(error, "") if one.field not in silent]
        return [f"{one.field}: {one.problem}; {one.fix}" for one in found]
    return []


class ReviewRequest(InputModel):
    """What is asked of engineering, product and support for a customer.

    Attributes:
        gap: The misalignment with best practice, or with documented limits.
        needed_by: The day by whose end the customer needs to know.
        why_not_caught: What kept it from being caught in technical qualification.
        others: Other customers whom it concerns.
        context: Further business context.
        scenarios: The scenarios of `reviews.toml` that called for it.
        tell: Who at the customer is told, by persona.
        kind: What it is, if that was asked; what is no decision is shown another door.
        case: The support case that turned out to need a decision.
    """

    account: Slug
    title: Line
    stage: Annotated[ReviewStage, one_of(STAGES)]
    ask: Annotated[Ask, one_of(ASKS)]
    gap: Filled
    needed_by: Day
    needed_why: Filled
    requirement: Literal["new", "existing"]
    why_not_caught: Filled
    expectation: Filled
    if_not_met: Filled
    design: Design | None = None
    others: Filled | None = None
    context: Filled | None = None
    scenarios: Annotated[tuple[Line, ...], Field(max_length=20)] = ()
    tell: Persona = "primary_champion"
    kind: MatterKind | None = None
    case: CaseRef | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _answered(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Name every answer that is missing, each with what to write and why it is asked; and what else is wrong."""
        if isinstance(data, dict):
            kind, account = data.get("kind"), data.get("account")
            if isinstance(kind, str) and kind in set(MatterKind) - {MatterKind.DECISION}:
                # Nobody has to answer for a review that it is not one.
                shown = account if isinstance(account, str) else "ACCOUNT"
                command = in_name(f"rapport review triage {shown} --kind {kind} --what …")
                way = f"run `{command}`, which shows the right door"
                if kind == MatterKind.BROKEN_NOW:
                    way = f"support leads it: run `{command} --confirm`, which opens a support case"
                raise Several([f'kind: "{kind}" is not for a tech review; {way}'])
            silent = [name for name in ASKED if not str(data.get(name) or "").strip()]
            if silent:
                missing = [f"{name}: is missing; {ASKED[name][0]}: {ASKED[name][1]}" for name in silent]
                raise Several([*missing, *_beside(handler, data, silent)])
        return handler(data)


class ReviewRound(WireModel):
    """One round of a review: what a workflow needs to know of the request as it stands.

    Attributes:
        submission: The request's words, a JSON object of `ReviewRequest`, by id.
        by: The member who asks: the account's CE, as a rule.
        needed_by: The end of the day by which the customer needs to know.
        again: Whether the review has come back by itself.
    """

    number: int = 1
    submission: str
    by: str
    stage: ReviewStage
    ask: Ask
    needed_by: Instant
    tell: str = "primary_champion"
    again: bool = False


class ReviewStart(WireModel):
    """What starts a review.

    Attributes:
        asked_before: Who worded its earlier rounds, where it goes on from one of the later ones.
    """

    ref: str
    account: str
    round: ReviewRound
    asked_before: tuple[str, ...] = ()


class ReviewWord(Word):
    """What somebody said to a review; the words stand in SQL under this id.

    Attributes:
        stance: What they are for, where they say it for themselves: somebody else speaks for their side, or nobody.
        side: Whose they are, as a side is asked for feedback.
        others: Whom they name, by id, who ask for a live meeting.
    """

    by: str
    stance: str | None = None
    side: str | None = None
    others: tuple[str, ...] = ()


class ReviewEdit(Word):
    """A changed request; it makes a new round."""

    round: ReviewRound

    @property
    def by(self) -> str:
        """Who said it, as of any other word."""
        return self.round.by


class ReviewView(WireModel):
    """A review as its workflow has it."""

    ref: str
    account: str
    phase: ReviewPhase
    round: ReviewRound
    overdue: bool
    verdict: ReviewVerdict | None
    outcome: str | None
    waiting_on: tuple[str, ...] = ()
    waiting_for: str | None = None
    deadline: Instant | None = None
    unblock: str | None = None
    revisit: Instant | None = None
    meetings: int = 0


class ReviewProjection(WireModel):
    """What a review tells SQL in one batch. Safe to repeat.

    Attributes:
        number: Counts the projections; one that arrives late overwrites nothing.
        outcome: The verdict of the latest round that has one, or `withdrawn`.
        decided, told, acknowledged: When it was decided, the customer was written to, and they confirmed.
        message: What was said to the customer, by id.
        meetings: How many live meetings there were on it, with the one that is being arranged.
        announcements: What the review channel is to be told of it, in its order.
    """

    ref: str
    account: str
    number: int
    phase: ReviewPhase
    round: ReviewRound
    overdue: bool
    outcome: str | None
    decided: Instant | None
    told: Instant | None
    acknowledged: Instant | None
    message: str | None
    revisit: Instant | None
    meetings: int = 0
    remarks: tuple[Remark, ...]
    entries: tuple[TimelineEvent, ...]
    announcements: tuple[Announce, ...]
    wait: Wait
    now: Instant


class ReviewResult(WireModel):
    """How a review ended."""

    outcome: str


class Settlement(InputModel):
    """What the message to the customer settles beside its words, as whoever writes it says it.

    Attributes:
        conditions: One a line; "none" where there are none.
        revisit: The day on which the review comes back, or "never".
    """

    message: Filled
    conditions: Filled | None = None
    next_steps: Filled | None = None
    revisit: Annotated[str, StringConstraints(max_length=20)] = "never"

    @model_validator(mode="after")
    def _day(self) -> Settlement:
        if self.revisit.strip().lower() != "never":
            try:
                day = date.fromisoformat(self.revisit.strip())
            except ValueError:
                raise ValueError('revisit: is not a day; write it as "2027-03-01", or "never"') from None
            if day.year not in YEARS:
                raise ValueError(f'revisit: is in the year {day.year}; write the year that is meant, or "never"')
        return self

    @property
    def day(self) -> date | None:
        """The day on which the review comes back."""
        text = self.revisit.strip().lower()
        return None if text == "never" else date.fromisoformat(text)

    @property
    def listed(self) -> tuple[str, ...]:
        """The conditions, one by one."""
        lines = (line.strip().removeprefix("-").strip() for line in (self.conditions or "").splitlines())
        return tuple(line for line in lines if line and line.lower() not in ("none", "none."))
