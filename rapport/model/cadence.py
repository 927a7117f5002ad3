"""The cadence as workflows see it: a standing time, its occurrences, the next review; ids and instants only."""

from __future__ import annotations

from datetime import date, time
from typing import Literal

from pydantic import Field

from rapport.model.base import Instant, WireModel, Word
from rapport.model.meeting import Invitee, Receipt
from rapport.model.projection import TimelineEvent, Wait
from rapport.model.step import ReviewStep, SyncStep

Off = Literal["holiday", "skipped", "absence", "taken"]
"""Why an occurrence of a standing meeting does not take place."""


class StandingTime(WireModel):
    """The time at which a standing meeting takes place, on the wall of one zone.

    Attributes:
        weekday: Monday is 0.
        first: The day of its first occurrence; it fixes which weeks count where it is held every other week.
    """

    weekday: int = Field(ge=0, le=6)
    at: time
    zone: str
    first: date


class Occurrence(WireModel):
    """One time of a standing meeting.

    Attributes:
        number: Counts the occurrences of this meeting from 1, those that do not take place too.
        day: The date by the rule, in the zone of the standing time; people name an occurrence by it.
        original: When it takes place by the rule: its RECURRENCE-ID (RFC 5545).
        start, end: When it takes place.
        tick: When the TAM gets the brief and the champion the digest.
        until: The last whole day before that; a digest speaks of the days up to it.
        outcome: Whether it was held; nothing while nobody can know. It counts as held unless somebody says otherwise.
        off: Why it does not take place, if so.
    """

    number: int
    day: date
    original: Instant
    start: Instant
    end: Instant
    tick: Instant
    until: date
    outcome: Literal["held", "not_held"] | None = None
    off: Off | None = None

    @property
    def is_moved(self) -> bool:
        """Whether somebody moved it."""
        return self.start != self.original


class StandingParty(WireModel):
    """Who a standing meeting is with: the TAM, and the contacts, by id."""

    tam: str
    invitees: tuple[Invitee, ...]

    @property
    def everyone(self) -> tuple[str, ...]:
        """The ids of all of them, the TAM last."""
        return (*(invitee.id for invitee in self.invitees), self.tam)


class StandingMeeting(WireModel):
    """A standing meeting as its cadence holds it.

    Attributes:
        occurrences: Those that are planned and whose brief has not gone, the next at the front.
        recent: The last few whose brief has gone, and of those that were missed.
        announced: Until when the calendar knows which holidays drop out.
        sequence: The SEQUENCE of the last invitation (RFC 5545); it grows with each change.
        told: The last day that a digest spoke of.
        told_from: The first day that it spoke of.
        unheard: Whether nobody got that digest, so that the next speaks of its days too.
        number: The number of the last occurrence that was planned.
        wanted: A standing time that a member set, and that is not planned yet.
        seek_at: When the calendars are looked through for a time again, where there was none.
        first: The first occurrence, as the rule has it.
        excluded: The occurrences by the rule that drop out because somebody has a holiday.
        look_at: When the next absence of the TAM's takes some of the dates, unless somebody serves the account then.
    """

    step: SyncStep
    standing: StandingTime | None = None
    party: StandingParty | None = None
    first: Occurrence | None = None
    occurrences: tuple[Occurrence, ...] = ()
    recent: tuple[Occurrence, ...] = ()
    excluded: tuple[Instant, ...] = ()
    announced: Instant | None = None
    sequence: int = -1
    told: date | None = None
    told_from: date | None = None
    unheard: bool = False
    number: int = 0
    wanted: SetRhythm | None = None
    seek_at: Instant | None = None
    look_at: Instant | None = None


class ReviewPlan(WireModel):
    """The review that comes next.

    Attributes:
        number: Counts the account's reviews from 1.
        period: The quarter that it stands for, such as "2027-Q1".
        since: The first day that it looks back on.
        target: The beginning of the first day on which it is wanted.
        offer_at: When its times are offered.
        prepare_by: When the TAM has to have prepared it.
        brief_at: When the TAM gets the facts for it: before it has to be prepared.
    """

    number: int
    period: str
    since: date
    day: date
    target: Instant
    offer_at: Instant
    prepare_by: Instant
    brief_at: Instant


class BusinessReview(WireModel):
    """A review as its cadence holds it: the plan of the next one, and how far it is.

    Attributes:
        plan: The next one, whose times are not offered yet.
        opened: The one whose times were offered last.
        briefed: Whether the TAM has the facts for that, or needs them no more.
        booked: The time that it has.
        again_at: When the TAM is briefed on it once more, as it is booked: the business day before.
        briefs: How often they were.
        tam: The member who gets its briefs.
        counted_from: From when on reviews are counted, if not from the cadence's beginning; `before` is the number of
            the last one until then.
        ends: Whether it is no longer in the playbook, and only the one that is open is still held.
    """

    step: ReviewStep
    plan: ReviewPlan | None = None
    briefed: bool = False
    opened: ReviewPlan | None = None
    tam: str | None = None
    counted_from: Instant | None = None
    before: int = 0
    ends: bool = False
    booked: Instant | None = None
    again_at: Instant | None = None
    briefs: int = 0


class ReviewSet(WireModel):
    """The time that an account's review has by now, as its meeting tells the cadence; nothing where it has none."""

    step: str
    number: int
    start: Instant | None


class SetRhythm(Word):
    """A member's word on the standing time, in the champion's zone.

    Attributes:
        weekday: Monday is 0.
    """

    by: str
    step: str
    weekday: int
    clock: time


class SkipOne(Word):
    """A member's word that one occurrence does not take place; why stands in SQL, under this id."""

    by: str
    step: str
    day: date


class MoveOne(Word):
    """A member's word that one occurrence takes place at another time."""

    by: str
    step: str
    day: date
    start: Instant


class NotHeld(Word):
    """A member's word that an occurrence did not take place, though nobody had called it off."""

    by: str
    step: str
    day: date


class Missed(WireModel):
    """Something that came and went while nobody was there to see to it.

    Attributes:
        what: A standing meeting's occurrence, or a review whose times nobody offered.
    """

    step: str
    what: Literal["sync", "review"]
    at: Instant


class StandingChange(WireModel):
    """What everyone invited has to be told of a standing meeting.

    Attributes:
        kind: A new standing time, a changed one, the same for another year, one occurrence moved or called off, or
            the end of it all.
        sequence: The SEQUENCE (RFC 5545) that goes with it.
        occurrence: The one occurrence, where it is about one.
        went: Who is not invited any more; they are told alone (RFC 5546, 3.2.5).
    """

    step: str
    kind: Literal["begun", "changed", "renewed", "moved", "skipped", "closed"]
    sequence: int
    by: str | None = None
    submission: str | None = None
    occurrence: Occurrence | None = None
    went: tuple[str, ...] = ()


class SyncPlan(WireModel):
    """What planning a standing meeting came to.

    Attributes:
        standing: Nothing where no time suits those who are needed.
        occurrences: The next ones, beyond those that were planned before.
        away: The beginnings of those dates, also of earlier planned ones, that the TAM's absence takes by now.
        look_at: When it takes the next of them.
        taken: The beginnings of the new dates on which the TAM has another meeting.
    """

    party: StandingParty
    standing: StandingTime | None = None
    first: Occurrence | None = None
    occurrences: tuple[Occurrence, ...] = ()
    excluded: tuple[Instant, ...] = ()
    announced: Instant | None = None
    away: tuple[Instant, ...] = ()
    look_at: Instant | None = None
    taken: tuple[Instant, ...] = ()


class ReviewPlanned(WireModel):
    """What planning a review came to."""

    plan: ReviewPlan
    tam: str


class CadenceState(WireModel):
    """What a run of a cadence hands over to the next.

    Attributes:
        began: When the first run began; reviews are counted from there.
        written: How many timeline entries were written.
        mails: How many mails were written to the TAM alone.
        projected: The number of the last batch that SQL was told.
        changes: What people have to be told of and have not been yet.
        missed: What was missed and the TAM has not been told of yet.
        retired: The last number of each rhythm that has ended, so that none is used twice if it comes back.
        playbook, version: What the account follows.
    """

    began: Instant
    syncs: dict[str, StandingMeeting]
    reviews: dict[str, BusinessReview]
    receipts: dict[str, Receipt] = Field(default_factory=dict)
    drafts: tuple[str, ...] = ()
    written: int = 0
    projected: int = 0
    mails: int = 0
    changes: tuple[StandingChange, ...] = ()
    missed: tuple[Missed, ...] = ()
    wait: Wait = Wait()
    retired: dict[str, int] = Field(default_factory=dict)
    playbook: str = ""
    version: int = 0


class CadenceStart(WireModel):
    """What starts a cadence.

    Attributes:
        steps: The rhythms of the playbook that the account gets.
        playbook, version: That playbook.
        state: What the run before this one hands over.
    """

    account: str
    contract: str
    steps: tuple[SyncStep | ReviewStep, ...]
    playbook: str = ""
    version: int = 0
    state: CadenceState | None = None


class CadenceResult(WireModel):
    """How a cadence ended: it was closed."""

    outcome: Literal["closed"] = "closed"


class RhythmView(WireModel):
    """One rhythm as it stands.

    Attributes:
        rhythm: `sync` or `review`.
        standing: The standing time, where there is one.
        coming: The planned occurrences, the next at the front; of a review the day on which it is wanted.
        period, number: The review whose meeting was opened last: its quarter, and which of the account's it is.
        open: Whether its meeting has not come to its end.
        target, offer_at: When the next review is wanted, and when its times are offered.
        wait: What it waits for, where somebody has to do something.
    """

    step: str
    title: str
    rhythm: Literal["sync", "review"]
    every: str
    minutes: int
    standing: StandingTime | None = None
    coming: tuple[Occurrence, ...] = ()
    period: str | None = None
    number: int = 0
    open: bool = False
    target: Instant | None = None
    offer_at: Instant | None = None
    wait: Wait = Wait()


class CadenceView(WireModel):
    """A cadence as it stands, answered by its workflow."""

    account: str
    contract: str
    rhythms: tuple[RhythmView, ...]
    closing: bool = False


class CadencePlan(WireModel):
    """What recurs for an account by which playbook; what adopting another would change is told from it."""

    contract: str
    playbook: str
    version: int
    steps: tuple[SyncStep | ReviewStep, ...]
    closing: bool = False


class CadenceNews(WireModel):
    """What a cadence tells SQL in one batch. Safe to repeat.

    Attributes:
        number: Counts the batches; one that arrives late does not overwrite a later one.
        rhythms: Those of which something is new.
        gone: The rhythms that are no longer in the playbook.
        paused_at: Since when nothing goes out, if it is paused.
        playbook, version: What the account follows from now on, where that has changed.
    """

    account: str
    contract: str
    number: int
    now: Instant
    rhythms: tuple[RhythmView, ...] = ()
    ended: bool = False
    entries: tuple[TimelineEvent, ...] = ()
    gone: tuple[str, ...] = ()
    paused_at: Instant | None = None
    playbook: str | None = None
    version: int = 0


StandingMeeting.model_rebuild()
