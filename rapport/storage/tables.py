"""The tables. Instants are UTC; a document of ours stands in one JSON column, checked by its model when read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcInstant(TypeDecorator[datetime]):
    """An instant, aware and in UTC on both sides; SQLite itself keeps no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Refuse a naive time, and hand over UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give UTC back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """What all tables share."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcInstant,
        dict[str, Any]: JSON,
        list[str]: JSON,
        list[Any]: JSON,
        bytes: LargeBinary,
    }


class VendorRow(Base):
    """The company that uses Rapport; one row."""

    __tablename__ = "vendor"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    product: Mapped[str]
    company_health: Mapped[str | None] = mapped_column(Text)


class MemberRow(Base):
    """A person on the vendor's side. `left_at` is set when they have left for good.

    Attributes:
        areas: The product areas that they know, where they do not know all of them.
    """

    __tablename__ = "members"
    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    title: Mapped[str | None]
    roles: Mapped[list[str]]
    join_url: Mapped[str | None]
    calendar_url: Mapped[str | None]
    schedule: Mapped[dict[str, Any]]
    manager: Mapped[str | None] = mapped_column(ForeignKey("members.id"))
    backup: Mapped[str | None] = mapped_column(ForeignKey("members.id"))
    delegate: Mapped[str | None] = mapped_column(ForeignKey("members.id"))
    left_at: Mapped[datetime | None]
    areas: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))


class AbsenceRow(Base):
    """When a member is away: from `starts`, without `ends`.

    Attributes:
        delegate: Who stands in, where it is not the member's usual delegate.
        submission: What was said with it.
        ended_early_at: When the member was back before the end; before `starts`, the absence was withdrawn.
    """

    __tablename__ = "absences"
    id: Mapped[str] = mapped_column(primary_key=True)
    member: Mapped[str] = mapped_column(ForeignKey("members.id"), index=True)
    starts: Mapped[datetime]
    ends: Mapped[datetime]
    delegate: Mapped[str | None] = mapped_column(ForeignKey("members.id"))
    submission: Mapped[str | None]
    created_at: Mapped[datetime]
    ended_early_at: Mapped[datetime | None]


class HourRow(Base):
    """An hour of a member's that a meeting has taken: from `starts`, without `ends`. Without a row it is free again.

    Attributes:
        travel: How many days before and after it they travel; nothing else is offered on these.
    """

    __tablename__ = "hours"
    meeting: Mapped[str] = mapped_column(primary_key=True)
    member: Mapped[str] = mapped_column(ForeignKey("members.id"), primary_key=True, index=True)
    starts: Mapped[datetime]
    ends: Mapped[datetime]
    travel: Mapped[int]


class OfferRow(Base):
    """A time of a member's that a poll offers, until it is booked or the poll has others.

    Attributes:
        withdrawn_at: When another meeting took a part of it; its poll is told, and then it is gone.
    """

    __tablename__ = "offers"
    meeting: Mapped[str] = mapped_column(primary_key=True)
    member: Mapped[str] = mapped_column(ForeignKey("members.id"), primary_key=True, index=True)
    starts: Mapped[datetime] = mapped_column(primary_key=True)
    ends: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class AccountRow(Base):
    """A customer organisation.

    Attributes:
        tam: Who serves it now. Every reader goes by this alone.
        regular_tam, tam_until: To whom it goes back, and when, where it was handed over for a while.
    """

    __tablename__ = "accounts"
    key: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    tam: Mapped[str] = mapped_column(ForeignKey("members.id"), index=True)
    regular_tam: Mapped[str | None] = mapped_column(ForeignKey("members.id"))
    tam_until: Mapped[datetime | None]
    place: Mapped[str | None]
    review: Mapped[str | None]
    facts: Mapped[dict[str, Any]]
    figures: Mapped[dict[str, Any]]
    held: Mapped[list[str]]
    created_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]


class ContactRow(Base):
    """A person at an account. `left_at` is set when they are replaced or removed, or a later file omits them."""

    __tablename__ = "contacts"
    __table_args__ = (UniqueConstraint("account", "email"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.key"), index=True)
    position: Mapped[int]
    personas: Mapped[list[str]]
    name: Mapped[str]
    email: Mapped[str]
    title: Mapped[str | None]
    schedule: Mapped[dict[str, Any]]
    work: Mapped[dict[str, Any]]
    left_at: Mapped[datetime | None]


class UsageMetricRow(Base):
    """Something that is measured of an account, in the one unit that all its samples have."""

    __tablename__ = "usage_metrics"
    account: Mapped[str] = mapped_column(ForeignKey("accounts.key"), primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    unit: Mapped[str]


class UsageSampleRow(Base):
    """What was measured on one day; a later measurement of the same day takes its place."""

    __tablename__ = "usage_samples"
    __table_args__ = (ForeignKeyConstraint(["account", "metric"], ["usage_metrics.account", "usage_metrics.metric"]),)
    account: Mapped[str] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    value: Mapped[float]


class IncidentRow(Base):
    """An outage or fault that an account felt. `severity` is 1, the worst, to 4."""

    __tablename__ = "incidents"
    account: Mapped[str] = mapped_column(ForeignKey("accounts.key"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    severity: Mapped[int]
    began: Mapped[datetime]
    ended: Mapped[datetime | None]


class ProjectRow(Base):
    """What an account is working on, or will."""

    __tablename__ = "projects"
    account: Mapped[str] = mapped_column(ForeignKey("accounts.key"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    starts: Mapped[date | None]
    ends: Mapped[date | None]


class WinRow(Base):
    """Something that went well for an account because of the product."""

    __tablename__ = "wins"
    account: Mapped[str] = mapped_column(ForeignKey("accounts.key"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    day: Mapped[date]


class RoadmapItemRow(Base):
    """What the vendor builds next. `touches` says why it matters to every account, where it does."""

    __tablename__ = "roadmap_items"
    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    expected: Mapped[str]
    touches: Mapped[str | None]


class RoadmapTouchRow(Base):
    """Why an item of the roadmap matters to one account."""

    __tablename__ = "roadmap_touches"
    item: Mapped[str] = mapped_column(ForeignKey("roadmap_items.id"), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.key"), primary_key=True, index=True)
    touches: Mapped[str]


class ContractRow(Base):
    """A signed contract, and the projection of the onboarding that it started.

    The primary key is what makes a contract start at most once for ever, also after its onboarding has closed.
    """

    __tablename__ = "contracts"
    id: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.key"), index=True)
    playbook: Mapped[str]
    playbook_version: Mapped[int]
    signed_at: Mapped[datetime]
    product: Mapped[str | None]
    starts: Mapped[date | None]
    ends: Mapped[date | None]
    renews: Mapped[str | None]
    begins: Mapped[datetime | None]
    requested_at: Mapped[datetime | None]
    workflow_id: Mapped[str]
    run_id: Mapped[str | None]
    stage: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    projected: Mapped[int]


class MilestoneRow(Base):
    """The projection of one step, with what it waits for: on which roles, since when, until when, and the way out."""

    __tablename__ = "milestones"
    contract: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    title: Mapped[str]
    stage: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    attempt: Mapped[int]
    due: Mapped[datetime | None]
    began: Mapped[datetime | None]
    ended: Mapped[datetime | None]
    outcome: Mapped[str | None]
    waiting_on: Mapped[list[str]]
    waiting_for: Mapped[str | None]
    unblock: Mapped[str | None]
    deadline: Mapped[datetime | None]
    since: Mapped[datetime | None]
    projected: Mapped[int]


class TaskRow(Base):
    """The projection of a human task.

    Attributes:
        definition: The `TaskDefinition`, as the workflow was given it.
        answers: The latest `Decision` of each person in this round.
        request, asked: Submissions: what was asked for in this round, and the open question about it.
        about: The contact whom it concerns, if it concerns just one.
        unblock: The command that moves it on, as its workflow has said.
        gone_in: The phase that it was in when its workflow was ended from outside, until that goes on.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        Index("tasks_by_account", "account"),
        Index("tasks_by_phase", "phase"),
        Index("tasks_by_subject", "subject", "step"),
        Index("tasks_by_requester", "requester"),
        Index("tasks_by_about", "about"),
        Index("tasks_by_gone_in", "gone_in"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str]
    contract: Mapped[str]
    subject: Mapped[str]
    step: Mapped[str]
    title: Mapped[str]
    definition: Mapped[dict[str, Any]]
    phase: Mapped[str]
    round: Mapped[int]
    requester: Mapped[str | None]
    request: Mapped[str | None]
    asked: Mapped[str | None]
    answers: Mapped[list[Any]]
    opened: Mapped[datetime]
    deadline: Mapped[datetime | None]
    outcome: Mapped[str | None]
    closed: Mapped[datetime | None]
    about: Mapped[str | None]
    unblock: Mapped[str | None]
    gone_in: Mapped[str | None]


class TaskHolderRow(Base):
    """Someone whom an open task waits for, or who can decide it meanwhile; a closed task has none."""

    __tablename__ = "task_holders"
    task: Mapped[str] = mapped_column(ForeignKey("tasks.id"), primary_key=True)
    member: Mapped[str] = mapped_column(primary_key=True, index=True)
    on_behalf_of: Mapped[str | None]
    via: Mapped[str]
    reason: Mapped[str | None]
    awaited: Mapped[bool]


class AttachmentRow(Base):
    """A file that a draft will carry."""

    __tablename__ = "attachments"
    message: Mapped[str] = mapped_column(ForeignKey("messages.key"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    size: Mapped[int]
    content: Mapped[bytes]
    added_by: Mapped[str]
    added_at: Mapped[datetime]


class SubmissionRow(Base):
    """What a person said, committed before their decision travels; the workflow gets the id alone.

    `workflow_id` names what it was said to; what concerns no workflow has the absence's or the member's id there.

    Attributes:
        text: What they said; erased together with `salt`.
        text_hash: SHA-256(salt‖text), which stays when both are erased.
        verified: How the person was verified: operator, token, session, link or signature; or `unverified`.
        on_behalf_of: The member for whom they decided, by id.
        shown: The SHA-256 of what they were shown.
        about: The SHA-256 of what they chose beside the text, by which the same word is known when it is said again.
        answered_at: When whoever said it to a workflow was told what became of it; until then they may say it again.
    """

    __tablename__ = "submissions"
    __table_args__ = (
        Index("submissions_by_workflow", "workflow_id", "at"),
        Index("submissions_by_actor", "actor", "at"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    channel: Mapped[str]
    entered_by: Mapped[str | None]
    kind: Mapped[str]
    workflow_id: Mapped[str]
    text: Mapped[str | None] = mapped_column(Text)
    salt: Mapped[str | None] = mapped_column(String(32))
    text_hash: Mapped[str | None] = mapped_column(String(64))
    verified: Mapped[str]
    on_behalf_of: Mapped[str | None]
    shown: Mapped[str | None] = mapped_column(String(64))
    about: Mapped[str | None] = mapped_column(String(64))
    answered_at: Mapped[datetime | None]


class MessageRow(Base):
    """The outbox: one mail to one person. `raw` is frozen when the state becomes `ready`, and never changes again.

    Attributes:
        kind: `resend` or `hold`; what a crash in the middle of sending asks for.
        occasion: The `MessageRequest` that the mail is rendered from.
        edits: What a member changed in a draft: subject, paragraph, body.
        left_out: The claims that no longer held when it was rendered, whose blocks it goes without.
        fence: Grows with each attempt; an attempt whose fence was overtaken changes nothing.
        not_before: The instant for which it is scheduled. Without bytes, it is rendered when it goes.
        joined: The message that it became a part of.
        guests: How many others have joined this one.
        turn_at: When it may go at the mailbox's pace, where it waits for that.
        account, contract: Nothing for a mail that belongs to no account's story.
        resolution: How a person took care of it, where it was not sent again.
        left_in: The state in which its step has left it by failing; it is in that again if the step goes on.
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index("messages_by_account", "account", "created_at"),
        Index("messages_by_state", "state", "settled_at"),
        Index("messages_by_person", "person"),
    )
    key: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str | None]
    contract: Mapped[str | None]
    step: Mapped[str]
    workflow_id: Mapped[str]
    purpose: Mapped[str]
    kind: Mapped[str]
    person: Mapped[str]
    address: Mapped[str]
    email: Mapped[str]
    occasion: Mapped[dict[str, Any]]
    edits: Mapped[dict[str, Any]]
    left_out: Mapped[list[str]] = mapped_column(default=list)
    state: Mapped[str]
    reason: Mapped[str | None]
    subject: Mapped[str]
    message_id: Mapped[str]
    raw: Mapped[bytes | None]
    created_at: Mapped[datetime]
    not_before: Mapped[datetime | None]
    joined: Mapped[str | None]
    guests: Mapped[int] = mapped_column(default=0)
    first_tried_at: Mapped[datetime | None]
    attempts: Mapped[int]
    fence: Mapped[int]
    lease_until: Mapped[datetime | None]
    retry_at: Mapped[datetime | None]
    turn_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    reply: Mapped[str | None]
    approved_by: Mapped[str | None]
    submission: Mapped[str | None]
    resolution: Mapped[str | None]
    left_in: Mapped[str | None]


class RelayFaultRow(Base):
    """A time in which no mail was tried, and that is over.

    It was a fault of the relay, from when it was met until the relay took our mail again; or mail was stopped by hand.
    """

    __tablename__ = "relay_faults"
    name: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime] = mapped_column(primary_key=True)
    until: Mapped[datetime]


class SweepRow(Base):
    """When it was last looked for what nobody is at work on, and how many of each were found; and what workers note."""

    __tablename__ = "sweeps"
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    found: Mapped[dict[str, Any]]


class EndedOutsideRow(Base):
    """A workflow that SQL shows as open and that was ended from outside.

    Attributes:
        since: When it was first missed.
        left_at: When somebody decided that it stays ended, if anybody did.
    """

    __tablename__ = "ended_outside"
    workflow_id: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    left_at: Mapped[datetime | None]


class LateReplyRow(Base):
    """A reply to a time poll that came too late, or may have, until whoever answers it is asked. It holds ids alone.

    Attributes:
        vote: The submission's id.
        workflow_id: The meeting's.
        is_late: Whether it is known that it came too late; else it waits at the meeting's door.
    """

    __tablename__ = "late_replies"
    vote: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str]
    workflow_id: Mapped[str]
    voter: Mapped[str]
    round: Mapped[int]
    slots: Mapped[list[str]]
    at: Mapped[datetime]
    is_late: Mapped[bool]


class LinkRow(Base):
    """A personal link in a mail. Only the SHA-256 of its token is kept.

    Attributes:
        used_at: When a link that is good for once was used.
    """

    __tablename__ = "links"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    message: Mapped[str]
    account: Mapped[str | None]
    person: Mapped[str]
    purpose: Mapped[str]
    workflow_id: Mapped[str]
    round: Mapped[int]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class MinutesRow(Base):
    """How a meeting was said to have gone, by its workflow's id; a correction replaces it.

    Attributes:
        submission: What was said last; the timeline has all of them.
        attended: Ids of contacts and members.
        agreed: The next meetings agreed in the room, each an `Agreed`.
        next: What else was agreed, in words.
    """

    __tablename__ = "minutes"
    meeting: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.key"), index=True)
    step: Mapped[str]
    by: Mapped[str]
    written_at: Mapped[datetime]
    corrected_at: Mapped[datetime | None]
    submission: Mapped[str]
    attended: Mapped[list[str]]
    agreed: Mapped[list[Any]]
    next: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)


class GoalRow(Base):
    """What the customer wants to reach, as a meeting heard it: in the `short` or the `long` term."""

    __tablename__ = "goals"
    meeting: Mapped[str] = mapped_column(ForeignKey("minutes.meeting"), primary_key=True)
    term: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]


class ActionRow(Base):
    """What somebody promised to do until the end of a day. `owner` is a contact's or member's id."""

    __tablename__ = "actions"
    id: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.key"), index=True)
    meeting: Mapped[str | None]
    position: Mapped[int]
    what: Mapped[str]
    owner: Mapped[str] = mapped_column(index=True)
    due: Mapped[date]
    raised_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    done_by: Mapped[str | None]


class BlockerRow(Base):
    """What holds an account up. `owner` is a contact's or member's id.

    Attributes:
        removal: The submission that says why it was removed.
    """

    __tablename__ = "blockers"
    id: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.key"), index=True)
    meeting: Mapped[str | None]
    position: Mapped[int]
    title: Mapped[str]
    owner: Mapped[str] = mapped_column(index=True)
    next_check: Mapped[date]
    raised_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    removed_by: Mapped[str | None]
    removal: Mapped[str | None]


class PrivateNoteRow(Base):
    """A note on a meeting for the TAM alone. It has a table of its own, so that nothing reads it along with others.

    It may be there before the meeting's minutes: these wait for a worker, and no workflow ever hears of it.
    """

    __tablename__ = "private_notes"
    meeting: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.key"))
    by: Mapped[str]
    text: Mapped[str] = mapped_column(Text)


class TimelineRow(Base):
    """The append-only record of all that happened to an account.

    Attributes:
        key: `<contract>/<workflow id>/<digest>` of a workflow's entry, else the business key of the effect.
        who: The person whom the entry is about or who acted: a contact's or member's id.
        about: A step, message key or round, by id.
        submission: What a person said with it.
        sequence: Its place in the account's hash chain, from 1.
        previous: The hash of the account's entry before it.
        hash: SHA-256 of all of this but `id`; see `rapport.rules.audit`.
    """

    __tablename__ = "timeline"
    __table_args__ = (UniqueConstraint("account", "sequence"), Index("timeline_by_submission", "submission"))
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(unique=True)
    account: Mapped[str]
    at: Mapped[datetime]
    kind: Mapped[str]
    step: Mapped[str | None]
    who: Mapped[str | None]
    about: Mapped[str | None]
    instant: Mapped[datetime | None]
    submission: Mapped[str | None]
    sequence: Mapped[int]
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class TimelineHeadRow(Base):
    """The end of an account's hash chain: without it, entries cut off at the end would leave no trace."""

    __tablename__ = "timeline_heads"
    account: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))


class TimelineMarkRow(Base):
    """How far an account's chain was verified: up to this entry it was what was written, at that time.

    Attributes:
        hash: That entry's.
        at: When it was verified.
    """

    __tablename__ = "timeline_marks"
    account: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]


class TokenRow(Base):
    """A bearer token of the JSON API, a member's or a service's. Only its SHA-256 is kept."""

    __tablename__ = "tokens"
    name: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    member: Mapped[str | None] = mapped_column(ForeignKey("members.id"))
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class SessionRow(Base):
    """Somebody who is signed in: a member, or whoever holds a token. It ends with its row.

    Attributes:
        id: The SHA-256 of what their browser carries.
    """

    __tablename__ = "sessions"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    member: Mapped[str | None] = mapped_column(ForeignKey("members.id"))
    token: Mapped[str | None] = mapped_column(ForeignKey("tokens.name"))
    expires_at: Mapped[datetime]


class SwitchRow(Base):
    """A switch that an operator throws for the whole installation: `mail` stopped or not."""

    __tablename__ = "switches"
    name: Mapped[str] = mapped_column(primary_key=True)
    stopped: Mapped[bool]
    by: Mapped[str]
    reason: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime]


class RelayRow(Base):
    """How it stands with the relay that a mailbox sends by; one row, as there is one mailbox: `mail`.

    Attributes:
        kind, code: What it does not take, as `RelayFault`; nothing while it takes our mail.
        since: When that was first met.
        fix: What to do about it, as whoever met it has it: they know which settings lead there.
        probed_at: When it was last asked.
        missed, missed_since, missed_last, missed_kind: The attempts that it did not take anything of, as `Misses`.
        next_at: What the mailbox's pace remembers of the turn that was given last.
        given_at: When that one was given, by the clock of whoever gave it.
        slowed, slowed_since, slowed_until, slowed_code: That the mailbox sends too fast for it, as `SlowDown`.
    """

    __tablename__ = "relays"
    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str | None]
    code: Mapped[int | None]
    fix: Mapped[str | None]
    since: Mapped[datetime | None]
    probed_at: Mapped[datetime | None]
    missed: Mapped[int | None]
    missed_since: Mapped[datetime | None]
    missed_last: Mapped[datetime | None]
    missed_kind: Mapped[str | None]
    next_at: Mapped[datetime | None]
    given_at: Mapped[datetime | None]
    slowed: Mapped[int | None]
    slowed_since: Mapped[datetime | None]
    slowed_until: Mapped[datetime | None]
    slowed_code: Mapped[int | None]


class ProbeRow(Base):
    """When somebody last looked whether anything can be written.

    Attributes:
        name: Who looked.
    """

    __tablename__ = "probes"
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class RhythmRow(Base):
    """The projection of one rhythm of an account's cadence.

    Attributes:
        coming: The planned occurrences, the next at the front, as `Occurrence`s.
        period: The quarter of the review whose meeting was opened last.
        number: The number of that review.
        open: Whether its meeting has not come to its end.
        target: When the next review is wanted.
    """

    __tablename__ = "rhythms"
    account: Mapped[str] = mapped_column(ForeignKey("accounts.key"), primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    contract: Mapped[str]
    workflow_id: Mapped[str]
    title: Mapped[str]
    rhythm: Mapped[str]
    every: Mapped[str]
    minutes: Mapped[int]
    coming: Mapped[list[Any]]
    period: Mapped[str | None]
    number: Mapped[int]
    target: Mapped[datetime | None]
    open: Mapped[bool]
    ended_at: Mapped[datetime | None]
    projected: Mapped[int]
