"""What a technical review asks of calendars and of people, and what it writes down of itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from rapport.model.account import Role
from rapport.model.announcement import Noted
from rapport.model.base import Instant, UserError, WireModel
from rapport.model.reading import check
from rapport.model.tech_review import ReviewProjection, ReviewRound, Settlement
from rapport.model.tech_review_facts import ReviewPhase
from rapport.rules import calendar, tech_review as tech_review_rules
from rapport.storage import account as accounts, announcement, tech_review
from rapport.storage.database import Store
from rapport.storage.signing import Signer
from rapport.storage.timeline import said

_MAY_JOIN: Final = frozenset({Role.SALES, Role.TA})


class LayOut(WireModel):
    """What does a round that begins go by?"""

    ref: str = ""
    account: str
    by: str
    needed_by: Instant
    now: Instant


class LeadershipNotice(WireModel):
    """When leadership is told, and why then."""

    at: Instant
    what: str


class LaidOut(WireModel):
    """A round's dates and people, by id.

    Attributes:
        leaders: Who is told as the customer's date comes near.
        others: Who may join in although nobody asks them: sales and TAs, the account's TAM, and whoever has the support
            case that it came out of.
    """

    tellings: tuple[LeadershipNotice, ...]
    leaders: tuple[str, ...]
    others: tuple[str, ...]


class Until(WireModel):
    """How long does a phase that begins now have?"""

    phase: ReviewPhase
    by: str
    needed_by: Instant
    now: Instant


class Deadline(WireModel):
    """The instant at which a phase ends, and at which a live meeting is offered to sides that disagree."""

    at: Instant
    meet_at: Instant | None = None


class Settle(WireModel):
    """What does the approved message promise?"""

    ref: str
    round: int
    by: str
    submission: str
    now: Instant


class Settled(WireModel):
    """What it promises beside its words, and when the review comes back by itself."""

    revisit: Instant | None = None


class Again(WireModel):
    """A review comes back by itself."""

    ref: str
    round: ReviewRound
    now: Instant


@dataclass(frozen=True)
class Reviews:
    """Answers questions about a review's dates and people, and writes down and signs what it tells of itself.

    Attributes:
        mirrored: Whether there is a channel that is told of reviews.
    """

    store: Store
    signer: Signer
    mirrored: bool = False

    @activity.defn(name="reviews.lay_out")
    async def lay_out(self, question: LayOut) -> LaidOut:
        """Plan when leadership is told, backwards from the customer's date, and see who belongs to it."""
        async with self.store.reading() as connection:
            members = [one for one in await accounts.members(connection) if one.left_at is None]
            submitter = await accounts.member(connection, question.by)
            tam = await accounts.tam_of(connection, question.account)
            owner = await tech_review.case_owner(connection, question.ref)
        told = tech_review_rules.tell_leadership(question.now, question.needed_by, submitter.schedule)
        leaders = tuple(one.id for one in members if one.roles & tech_review_rules.LEADERS)
        others = [one.id for one in members if one.roles & _MAY_JOIN]
        others += [one for one in (tam, owner) if one is not None and one not in (question.by, *others)]
        return LaidOut(
            tellings=tuple(LeadershipNotice(at=at, what=what) for at, what in told.items()),
            leaders=leaders,
            others=tuple(one for one in others if one not in leaders),
        )

    @activity.defn(name="reviews.deadline")
    async def deadline(self, question: Until) -> Deadline:
        """Plan a phase's end, backwards from the customer's date."""
        async with self.store.reading() as connection:
            who = (await accounts.member(connection, question.by)).schedule
        at = tech_review_rules.phase_deadline(question.phase, question.now, question.needed_by, who)
        two_days_before = calendar.business_day_around(at, -tech_review_rules.MEET_DAYS, who)
        return Deadline(at=at, meet_at=max(two_days_before, question.now))

    @activity.defn(name="reviews.settle")
    async def settle(self, question: Settle) -> Settled:
        """Write down the conditions that the customer is told, and see when the review comes back.

        Raises:
            ApplicationError: `Refused`; what was approved was erased since, or says something else than it may.
        """
        async with self.store.writing() as connection:
            text = await said(connection, question.submission)
            try:
                settlement = check(Settlement, json.loads(text or "{}"), "")
            except (UserError, ValueError):
                raise ApplicationError(
                    "the approved message cannot be read", type="Refused", non_retryable=True
                ) from None
            who = (await accounts.member(connection, question.by)).schedule
            await tech_review.settle(connection, question.ref, question.round, settlement.listed)
        day = settlement.day
        return Settled(revisit=None if day is None else tech_review_rules.comes_back(day, who))

    @activity.defn(name="reviews.again")
    async def again(self, order: Again) -> ReviewRound:
        """Begin a round that comes by itself, with the words of the one before and a date of its own."""
        async with self.store.writing() as connection:
            who = (await accounts.member(connection, order.round.by)).schedule
            needed = tech_review_rules.next_needed(order.now, who)
            round_ = order.round.model_copy(
                update={"number": order.round.number + 1, "needed_by": needed, "again": True}
            )
            await tech_review.come_back(connection, order.ref, round_, order.now)
        return round_

    @activity.defn(name="reviews.project")
    async def project(self, projection: ReviewProjection) -> Noted:
        """Write down what a review says of itself, with a signed receipt for each decision. Safe to repeat.

        What its channel is to be told of it, if there is one, is on record with it.
        """
        tells = self.mirrored and bool(projection.announcements)
        async with self.store.writing() as connection:
            await tech_review.project(connection, projection, self.signer)
            if tells:
                await announcement.note(connection, projection.announcements)
        return Noted(announcements=tells)
