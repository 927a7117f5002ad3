"""What holds of a technical review: who is heard, whose yes it needs, and by when; pure rules.

Silence is never a yes. Every instant is planned backwards from the day by which the customer needs to know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from rapport.model.account import CHAMPION, Role, Schedule
from rapport.model.ids import number_in
from rapport.model.step import AgendaItem, Gate, MeetingStep, Stage
from rapport.model.task import TaskDefinition, TaskOption
from rapport.model.tech_review import Ask, ReviewStage
from rapport.model.tech_review_facts import Remark, ReviewPhase, ReviewVerdict
from rapport.rules import wording
from rapport.rules.calendar import (
    add_business_days,
    add_working_time,
    business_day_around,
    business_days_until,
    next_working_instant,
    voting_deadline,
    wall,
    working_time,
)
from rapport.rules.wording import amount

Word = Literal["yes", "no"]
YES: Final = "yes"
NO: Final = "no"

ENGINEERING: Final = "engineering"


class Side(NamedTuple):
    """One of those who are asked for feedback.

    Attributes:
        question: What it is asked.
        speakers: Who can speak for it.
        needed: The role without which nobody could answer for it, and whose turn it is where its answer is missing.
        stages: The stages whose reviews it is heard in.
        gates: The gates that a review opens only with its answer.
    """

    question: str
    speakers: tuple[str, ...]
    needed: Role | None = None
    stages: tuple[ReviewStage, ...] = tuple(ReviewStage)
    gates: tuple[Gate, ...] = ()


_BUT_PRODUCTION: Final = (ReviewStage.PRE_TRIAL, ReviewStage.POST_SALE)

SIDES: Final[dict[str, Side]] = {
    ENGINEERING: Side(
        "Can engineering stand behind this, and what would it take?",
        ("role:engineering",),
        needed=Role.ENGINEERING,
        gates=("trial", "production"),
    ),
    "product": Side(
        "Does this fit where the product is going, and is it a gap to be logged?",
        ("role:product",),
        needed=Role.PRODUCT,
        stages=_BUT_PRODUCTION,
        gates=("trial",),
    ),
    "support": Side(
        "Can support carry this customer with what is asked for?",
        ("role:support_lead", "role:support_engineer"),
        needed=Role.SUPPORT_LEAD,
        stages=_BUT_PRODUCTION,
        gates=("trial",),
    ),
    "account_team": Side(
        "What does the account team know that those who decide should hear?",
        ("tam", "role:sales"),
    ),
}
"""All that there is to say of a side, by its id; what it is called is its id in words. Everything else follows."""

OWN_VIEW: Final = "tech_review.said"
"""The entry that tells what somebody said for themselves: about what they are for, or -, and whose they are."""

FEEDBACK_OF: Final = "feedback_"
"""What a side's question is called, before the side."""

LEADERSHIP: Final = ("role:vp_engineering", "role:ce_vp", "role:vp_sales")
"""Who decides together where no is recommended. Who holds two of these roles has one seat: the first."""

LEADERS: Final = frozenset({Role.CE_VP, Role.VP_ENGINEERING, Role.VP_SALES})
"""Their roles."""

VP_ENGINEERING: Final = LEADERSHIP[0]
CE_VP: Final = LEADERSHIP[1]

REFERRED: Final = "referred"
"""What stands for a recommendation where nobody is entitled to one: leadership decides, as after a no."""

EMPTY_SEAT: Final = "empty"
"""What stands for the vote of a seat of leadership that nobody is entitled to fill."""

FIVE_DAYS: Final = 5
"""How many business days before the date leadership is told once more."""

MEET_DAYS: Final = 2
"""How many business days before leadership's deadline a live meeting is offered to sides that disagree."""

ROUND_DAYS: Final = 10
"""How many business days a review that comes back by itself has."""

_OWN: Final = {ReviewPhase.FEEDBACK: 5, ReviewPhase.RECOMMENDATION: 3, ReviewPhase.LEADERSHIP: 5}
"""How many business days each phase has at most."""

_AFTER: Final = {ReviewPhase.FEEDBACK: 8, ReviewPhase.RECOMMENDATION: 6, ReviewPhase.LEADERSHIP: 3}
"""How many business days before the customer's date each phase ends: what comes after it needs them."""


def heard(stage: ReviewStage) -> tuple[str, ...]:
    """The sides that are asked for feedback: before production engineering reviews the design, else all of them."""
    return tuple(side for side, one in SIDES.items() if stage in one.stages)


def heard_for(gate: Gate) -> tuple[str, ...]:
    """The sides that have to have answered in a review for it to open a gate; silence is no answer."""
    return tuple(side for side, one in SIDES.items() if gate in one.gates)


def needed_roles() -> tuple[Role, ...]:
    """The roles without which nobody entitled could answer."""
    return (
        Role.CE_VP,
        Role.VP_ENGINEERING,
        Role.VP_SALES,
        *(one.needed for one in SIDES.values() if one.needed is not None),
    )


def asked_for(step: str) -> str:
    """What a task of a review is for, in words: "feedback of account team", "recommendation"."""
    side = step.removeprefix(FEEDBACK_OF)
    return step.replace("_", " ") if side == step else f"feedback of {wording.seat(side)}"


def side_of(roles: Collection[Role], *, is_tam: bool) -> str | None:
    """The side to which somebody belongs: the first that one of their roles, or being the account's TAM, speaks for."""
    mine = {f"role:{role}" for role in roles} | ({"tam"} if is_tam else set())
    return next((side for side, one in SIDES.items() if mine.intersection(one.speakers)), None)


# When


def needed_at(day: date, who: Schedule) -> datetime:
    """The instant by which an answer of that day has to be there: the end of the working hours of whoever tells it."""
    return wall(day, who.hours.end, who.zone)


def phase_deadline(phase: ReviewPhase, opened: datetime, needed: datetime, who: Schedule) -> datetime:
    """When a phase ends: planned backwards from the customer's date, and no longer than it needs.

    Where the date is too near for that, what working time is left is halved, so that what follows has some as well;
    each phase has all of the last four hours. Where none is left, and past the date, people have as long as they need:
    what is asked again every day is soon read by nobody. The message to the customer ends at the date itself, and past
    it on the next business day.
    """
    if phase is ReviewPhase.MESSAGE:
        return needed if opened < needed else voting_deadline(next_working_instant(opened, who), 1, who)
    if opened >= needed:
        return add_business_days(opened, _OWN[phase], who)
    latest = min(_before(needed, _AFTER[phase], who), add_business_days(opened, _OWN[phase], who))
    soonest = add_business_days(opened, 1, who)
    if latest >= soonest:
        return latest
    left = working_time(opened, needed, who)
    if left > timedelta(hours=4):
        return add_working_time(opened, left / 2, who)
    return needed if left else soonest


def half_time(opened: datetime, needed: datetime, who: Schedule) -> datetime:
    """The instant by which half of the working time is gone."""
    return add_working_time(opened, working_time(opened, needed, who) / 2, who)


def tell_leadership(opened: datetime, needed: datetime, who: Schedule) -> dict[datetime, str]:
    """When leadership is told that a decision is due, and why then: `half_time`, or how many business days are left.

    Where so few are left at the opening already, that is told at once, and nothing at half-time.
    """
    told: dict[datetime, str] = {}
    five = max(business_day_around(needed, -FIVE_DAYS, who), opened)
    half = half_time(opened, needed, who)
    if half < needed and five > opened:
        told[half] = "half_time"
    if five < needed:
        told[five] = str(business_days_until(five, needed, who))
    return dict(sorted(told.items()))


def left(what: str) -> str:
    """How much time is left, in words, as `tell_leadership` says it."""
    days = number_in(what)
    return amount(days, "business day") if days else "less than a business day"


def comes_back(day: date, who: Schedule) -> datetime:
    """The instant on which a review comes back by itself."""
    return next_working_instant(wall(day, who.hours.start, who.zone), who)


def next_needed(opened: datetime, who: Schedule) -> datetime:
    """The date of a round that came back by itself: the end of a working day."""
    day = add_business_days(opened, ROUND_DAYS, who).astimezone(ZoneInfo(who.zone)).date()
    return needed_at(day, who)


def is_overdue(needed: datetime, now: datetime, *, told: bool) -> bool:
    """Whether the customer's date has passed without an answer to them."""
    return not told and now >= needed


def _before(needed: datetime, days: int, who: Schedule) -> datetime:
    """The end of work so many business days before the date."""
    begins = business_day_around(needed, -days, who)
    return wall(begins.astimezone(ZoneInfo(who.zone)).date(), who.hours.end, who.zone)


# Whose word counts


def recommendation(ask: Ask, *, engineering_answered: bool) -> TaskDefinition:
    """What the VP of CE is asked. Without engineering's answer every word needs a reason: why they did not wait."""
    lonely = not engineering_answered
    late = ", without engineering's answer" if lonely else ""
    options: tuple[TaskOption, ...]
    if ask is Ask.BEST_PRACTICE_VALIDATION:
        options = (
            TaskOption(id="supported", title=f"Supported{late}", needs_reason=lonely),
            TaskOption(id="supported_if", title=f"Supported with conditions{late}", needs_reason=True),
            TaskOption(id="unsupported", title=f"Not supported{late}", needs_reason=True),
        )
        question = "Is what the customer does a supported practice?"
    else:
        options = (
            TaskOption(id=YES, title=f"Recommend yes{late}", needs_reason=lonely),
            TaskOption(id=NO, title=f"Recommend no{late}", needs_reason=True),
        )
        question = "Do we recommend what is asked for?"
    if lonely:
        question += " Engineering has not answered; say why you do not wait."
    return TaskDefinition(
        task="review", question=question, options=options, assign=(CE_VP,), on_timeout="silent", entitled=True
    )


def needs_commitment(ask: Ask) -> bool:
    """Whether a yes needs one of the VP Engineering as well: it is their people's time."""
    return ask is Ask.UNPLANNED_ENGINEERING


COMMITMENT: Final = TaskDefinition(
    task="review",
    question="A yes is recommended. It needs unplanned engineering: do you commit to it?",
    options=(
        TaskOption(id=YES, title="Yes, we commit to it"),
        TaskOption(id=NO, title="No", needs_reason=True),
    ),
    assign=(VP_ENGINEERING,),
    on_timeout="silent",
    entitled=True,
)


def panel(ask: Ask, silent: Sequence[str]) -> TaskDefinition:
    """What leadership is asked: everybody is heard until the deadline."""
    question = "Do we do what is asked for? Everybody is heard until the deadline."
    if needs_commitment(ask):
        question += " A yes needs the VP Engineering's."
    return TaskDefinition(
        task="review",
        question=question,
        options=(
            TaskOption(
                id=YES,
                title="Yes, we do it",
                needs_reason=True,
                needs=VP_ENGINEERING if needs_commitment(ask) else None,
            ),
            TaskOption(id=NO, title="No, they are told no", needs_reason=True),
        ),
        assign=tuple(silent),
        quorum="majority",
        hear_all=True,
        otherwise=NO,
        on_timeout="silent",
        entitled=True,
    )


def of_leadership(
    ask: Ask, seats: Collection[str], votes: Mapping[str, str], empty: Collection[str] = ()
) -> ReviewVerdict | None:
    """What leadership has decided, or nothing while it has not: more than half of all seats, never of those who spoke.

    A tie in which everybody has spoken is no yes, and so a no. While somebody is silent, a tie is nothing: they are
    asked again. A seat that nobody may fill is not waited for, and counts for no side.

    Args:
        seats: Everybody who decides.
        votes: What each of them said, by seat.
        empty: Those of the seats that nobody may fill.
    """
    yes = sum(votes.get(seat) == YES for seat in seats)
    no = sum(votes.get(seat) == NO for seat in seats)
    committed = not needs_commitment(ask) or votes.get(VP_ENGINEERING) == YES
    if 2 * yes > len(seats) and committed:
        return ReviewVerdict.APPROVED
    spoken = yes + no > 0 and all(seat in votes for seat in seats if seat not in empty)
    if 2 * no > len(seats) or spoken:
        return ReviewVerdict.DECLINED
    if needs_commitment(ask) and votes.get(VP_ENGINEERING) == NO:
        return ReviewVerdict.DECLINED
    return None


class Spoken(NamedTuple):
    """Who filled a seat of leadership, and what they said."""

    person: str
    word: str


def one_vote_each(heard: Mapping[str, Spoken], filled: Mapping[str, str], said: Mapping[str, str]) -> dict[str, Spoken]:
    """Whoever has been heard by now, by seat: one person has one vote, however often and for whomever they are asked.

    Args:
        heard: Those who spoke before.
        filled, said: Who filled which seat now, and what was said for it.
    """
    now = dict(heard)
    for seat, person in filled.items():
        if all(person != one.person for one in now.values()):
            now[seat] = Spoken(person, said[seat])
    return now


def votes(heard: Mapping[str, Spoken]) -> dict[str, str]:
    """The vote of each seat that was heard, by the seat's id."""
    return {seat: one.word for seat, one in heard.items()}


def still_silent(seats: Sequence[str], heard: Collection[str]) -> tuple[str, ...]:
    """Who of leadership has yet to be heard."""
    return tuple(seat for seat in seats if seat not in heard)


def of_recommendation(word: str) -> ReviewVerdict | None:
    """What follows from the recommendation alone; nothing where others have to decide, or nobody said anything."""
    return {
        YES: ReviewVerdict.APPROVED,
        "supported": ReviewVerdict.SUPPORTED,
        "supported_if": ReviewVerdict.SUPPORTED_IF,
        "unsupported": ReviewVerdict.UNSUPPORTED,
    }.get(word)


def rule(ask: str, kinds: Collection[str]) -> str:
    """By which rule a round was decided, in a sentence or two.

    Args:
        kinds: The kinds of what was said in it.
    """
    needs = " A yes needs the VP Engineering's own yes." if ask == Ask.UNPLANNED_ENGINEERING else ""
    if "vote" in kinds:
        return f"Leadership decides by more than half of its seats. Each person has one.{needs}"
    if "commitment" in kinds:
        return f"The VP of CE recommends.{needs}"
    return "The VP of CE's recommendation decides. Leadership decides only if it's a no."


# What the customer is told

POSITIONS: Final = {
    "in_favour": "Support",
    "in_favour_if": "Support with conditions",
    "against": "Oppose",
    "no_objection": "No objection",
}
"""What a side can be for, and what that is called."""

_NEED_REASONS: Final = frozenset({"in_favour_if", "against"})


def feedback(side: str) -> TaskDefinition:
    """The task that asks one side for feedback."""
    return TaskDefinition(
        task="review",
        question=SIDES[side].question,
        options=tuple(
            TaskOption(id=id_, title=title, needs_reason=id_ in _NEED_REASONS) for id_, title in POSITIONS.items()
        ),
        assign=SIDES[side].speakers,
        on_timeout="silent",
    )


_TO_WRITE: Final[Mapping[str, str]] = {
    Ask.NON_STANDARD_REQUIREMENT: "that this is outside our standard guidelines, what that means, and the conditions",
    Ask.UNPLANNED_ENGINEERING: "what our engineers will do, by when, and the conditions",
    Ask.TRADEOFF_OR_TIMELINE: "which trade-off or timeline we agree to, what that means, and the conditions",
}


def to_write(ask: str) -> str:
    """What the customer is told of a yes to a request of this kind, as a clause: "which trade-off we agree to"."""
    return _TO_WRITE.get(ask, "what we agree to, what that means, and the conditions")


def message(ask: Ask, verdict: ReviewVerdict) -> TaskDefinition:
    """The message to the customer: whoever asked for the review writes it, the VP of CE approves it."""
    validates = verdict in (ReviewVerdict.SUPPORTED, ReviewVerdict.SUPPORTED_IF, ReviewVerdict.UNSUPPORTED)
    asks = ["message"]
    if verdict.is_yes:
        asks.append("conditions")
    if validates or not verdict.is_yes:
        asks.append("next_steps")
    if validates:
        what = "what we found, and what they do next"
    else:
        what = to_write(ask) if verdict.is_yes else "our no, why, and what to do instead"
    return TaskDefinition(
        task="approval",
        question=f"Does this message tell the customer {what}?",
        options=(
            TaskOption(id="approve", title="Send it"),
            TaskOption(id="change", title="Ask for changes", needs_reason=True, returns=True),
        ),
        assign=("role:ce_vp",),
        on_timeout="silent",
        asks=(*asks, "revisit"),
    )


READING: Final = TaskDefinition(
    task="approval",
    question="This goes to the customer. Can support live with what it says?",
    options=(
        TaskOption(id="read", title="Read, it can go"),
        TaskOption(id="object", title="Object", needs_reason=True),
    ),
    assign=("role:support_lead",),
    on_timeout="silent",
)


def acknowledgement(tell: str, asks: Sequence[str]) -> TaskDefinition:
    """What the customer is asked once they were told."""
    return TaskDefinition(
        task="sign_off",
        question="Please confirm that you have read this.",
        options=(TaskOption(id="acknowledge", title="I have read this"),),
        assign=(f"contact:{tell}",),
        on_timeout="not_acknowledged",
        asks=tuple(asks),
    )


# Talking about it


def live_meeting(ref: str) -> MeetingStep:
    """A live meeting on a review. The step's personas are asked for nothing: colleagues meet."""
    return MeetingStep(
        name="live_meeting",
        title=f"Live meeting on {ref}",
        stage=Stage.ROLLOUT,
        kind="meeting",
        minutes=30,
        agenda=(AgendaItem(topic="What we disagree on, and what would settle it", minutes=15),),
        invite=(CHAMPION,),
        require=((CHAMPION,),),
        earliest=2,
        latest=10,
        voting_days=1,
        reminders=0,
        email="meeting_proposal",
    )


def who_meets(remarks: Iterable[Remark], others: Sequence[str], host: str) -> tuple[str, ...]:
    """Those of ours who spoke, and whom somebody named, each once; the host holds it anyway."""
    spoke = [one.by for one in remarks if one.by is not None and one.seat != "customer"]
    return tuple(one for one in dict.fromkeys((*spoke, *others)) if one != host)


def deciders(remarks: Iterable[Remark]) -> frozenset[str]:
    """Who recommended, committed or voted."""
    return frozenset(one.by for one in remarks if one.kind in ("recommendation", "commitment", "vote") and one.by)


def disagree(remarks: Iterable[Remark]) -> bool:
    """Whether one side is against what another is for."""
    stances = {one.option for one in remarks if one.kind == "feedback"}
    return "against" in stances and not stances.isdisjoint({"in_favour", "in_favour_if"})
