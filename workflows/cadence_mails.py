"""The mails of a cadence, as occasions: who is written to, and what of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from rapport.model.cadence import (
        BusinessReview,
        Missed,
        Occurrence,
        ReviewPlan,
        StandingChange,
        StandingMeeting,
    )
    from rapport.model.message import MessageRequest, Purpose, RhythmFacts
    from rapport.model.task import TaskDefinition, TaskOption
    from rapport.rules import cadence

MISSED: Final = "cadence"
"""The step in the keys of mails that are about the cadence as a whole."""


def preparation(review: str) -> TaskDefinition:
    """The TAM's to-do before a review."""
    return TaskDefinition(
        task="to_do",
        question=f"Is everything ready for the {review}?",
        options=(TaskOption(id="done", title="Prepared"), TaskOption(id="not_needed", title="Not needed")),
        assign=("tam",),
        on_timeout="not_done",
    )


class Recurring:
    """Puts what is due into occasions. It counts the mails that belong to no occurrence, so that each has its key."""

    def __init__(self, account: str, contract: str, mails: int) -> None:
        """After so many mails of an earlier run."""
        self.account = account
        self.contract = contract
        self.mails = mails

    def before(self, sync: StandingMeeting, one: Occurrence, since: date) -> tuple[MessageRequest, ...]:
        """The brief to the TAM, and the digest to the customer where there is one, before one occurrence."""
        assert sync.party is not None
        facts = self._of_sync(sync).model_copy(update={"occurrence": one, "since": since, "until": one.until})
        brief = self._occasion(
            sync.step.name, sync.step.title, Purpose.BRIEF, sync.step.brief, facts, occurrence=one.number
        )
        told = brief.model_copy(update={"to": (sync.party.tam,), "stale_at": one.start})
        if sync.step.digest is None:
            return (told,)
        digest = brief.model_copy(
            update={
                "purpose": Purpose.DIGEST,
                "email": sync.step.digest,
                "personas": sync.step.to,
                "review": sync.step.review,
            }
        )
        return told, digest.model_copy(update={"stale_at": one.start})

    def invitation(self, sync: StandingMeeting, change: StandingChange, now: datetime) -> MessageRequest:
        """The series, or one occurrence of it, for everyone's calendar."""
        assert sync.party is not None
        ahead = cadence.upcoming(sync, now)
        skipped = tuple(one.original for one in ahead if one.off not in (None, "holiday"))
        facts = self._of_sync(sync).model_copy(
            update={
                "kind": change.kind,
                "sequence": change.sequence,
                "occurrence": change.occurrence or next((one for one in ahead if one.off is None), None),
                "excluded": tuple(sorted({*sync.excluded, *skipped})),
                "moved": tuple(one for one in ahead if one.is_moved and one.off is None),
            }
        )
        to = (*(invitee.id for invitee in sync.party.invitees), sync.party.tam)
        email = "occurrence_changed" if change.kind in ("moved", "skipped") else "standing_invitation"
        name, title = sync.step.name, sync.step.title
        occasion = self._occasion(name, title, Purpose.INVITATION, email, facts, occurrence=change.sequence + 1)
        return occasion.model_copy(update={"to": to})

    def parting(self, invitation: MessageRequest, change: StandingChange) -> MessageRequest:
        """The mail to those who are not invited any more, and to nobody else: the series leaves their calendars."""
        news = {"purpose": Purpose.PARTING, "email": "standing_parting", "to": change.went}
        return invitation.model_copy(update=news)

    def no_time(self, sync: StandingMeeting) -> MessageRequest:
        """The mail that tells the TAM that no standing time suits everyone who is needed."""
        assert sync.party is not None
        return self._to_the_tam(sync.step.name, sync.step.title, "standing_stuck", self._of_sync(sync), sync.party.tam)

    def what_was_missed(
        self,
        missed: Sequence[Missed],
        syncs: Mapping[str, StandingMeeting],
        reviews: Mapping[str, BusinessReview],
        tam: str,
    ) -> MessageRequest:
        """The mail that tells the TAM of everything that came and went while nobody saw to it."""
        titles = {name: sync.step.title for name, sync in syncs.items()}
        titles |= {name: review.step.title for name, review in reviews.items()}
        facts = RhythmFacts(uid="", title="", step=MISSED, minutes=0, missed=tuple(missed), titles=titles)
        return self._to_the_tam(MISSED, "What was missed", "cadence_missed", facts, tam)

    def review_brief(self, review: BusinessReview, plan: ReviewPlan) -> MessageRequest:
        """The mail that tells the TAM what there is to say at the review."""
        assert review.tam is not None
        occasion = self._of_review(review, plan, Purpose.BRIEF, review.step.brief)
        facts = occasion.rhythm.model_copy(update={"booked": review.booked}) if occasion.rhythm is not None else None
        return occasion.model_copy(update={"to": (review.tam,), "occurrence": review.briefs, "rhythm": facts})

    def follow_up(self, review: BusinessReview, plan: ReviewPlan) -> MessageRequest:
        """The mail that tells everyone who was invited what was said and agreed."""
        occasion = self._of_review(review, plan, Purpose.MESSAGE, review.step.follow_up)
        return occasion.model_copy(update={"personas": review.step.invite, "review": review.step.review})

    def _of_review(self, review: BusinessReview, plan: ReviewPlan, purpose: Purpose, email: str) -> MessageRequest:
        step = review.step
        facts = RhythmFacts(
            uid="",
            title=step.title,
            step=step.name,
            minutes=step.minutes,
            agenda=tuple((item.topic, item.minutes) for item in step.agenda),
            every=step.every,
            since=plan.since,
            until=plan.day,
            review=plan,
        )
        return self._occasion(step.name, step.title, purpose, email, facts, attempt=plan.number)

    def _of_sync(self, sync: StandingMeeting) -> RhythmFacts:
        step, party = sync.step, sync.party
        invitees = party.invitees if party else ()
        tam = (party.tam,) if party else ()
        return RhythmFacts(
            uid=f"{self.contract}.{step.name}.series",
            title=step.title,
            step=step.name,
            minutes=step.minutes,
            agenda=tuple((item.topic, item.minutes) for item in step.agenda),
            every=step.every,
            weeks=step.weeks,
            standing=sync.standing,
            first=sync.first,
            dates_until=sync.announced,
            required=(*(invitee.id for invitee in invitees if invitee.required), *tam),
            people=(*(invitee.id for invitee in invitees), *tam),
        )

    def _to_the_tam(self, step: str, title: str, email: str, facts: RhythmFacts, tam: str) -> MessageRequest:
        self.mails += 1
        occasion = self._occasion(step, title, Purpose.NOTICE, email, facts, occurrence=self.mails)
        return occasion.model_copy(update={"to": (tam,)})

    def _occasion(
        self,
        step: str,
        title: str,
        purpose: Purpose,
        email: str,
        facts: RhythmFacts,
        *,
        attempt: int = 1,
        occurrence: int = 1,
    ) -> MessageRequest:
        return MessageRequest(
            account=self.account,
            contract=self.contract,
            step=step,
            title=title,
            workflow_id=workflow.info().workflow_id,
            attempt=attempt,
            occurrence=occurrence,
            purpose=purpose,
            email=email,
            now=workflow.now(),
            rhythm=facts,
        )
