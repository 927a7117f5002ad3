"""The support desk's tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from rapport.storage.tables import Base


class CaseRow(Base):
    """A support case: what was asked, and how it was last told to stand.

    Attributes:
        ref: Its number, as customers say it.
        question: The submission with the question.
        thread: What its mails have in common; one thread is one case.
        key: The sender's own key; the same once more is the same case.
        status: The `CaseStatus` with which its workflow goes on.
        projected: The number of the projection that stands.
    """

    __tablename__ = "cases"
    __table_args__ = (
        UniqueConstraint("account", "thread"),
        UniqueConstraint("account", "key"),
        Index("cases_by_state", "state"),
        Index("cases_by_owner", "owner"),
        Index("cases_by_end", "resolved_at"),
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ref: Mapped[str] = mapped_column(unique=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.key"), index=True)
    contact: Mapped[str]
    area: Mapped[str]
    severity: Mapped[int]
    question: Mapped[str]
    channel: Mapped[str]
    thread: Mapped[str | None]
    key: Mapped[str | None]
    partner: Mapped[str | None]
    split_from: Mapped[str | None]
    opened_by: Mapped[str]
    opened_at: Mapped[datetime]
    state: Mapped[str]
    owner: Mapped[str | None]
    owned_since: Mapped[datetime | None]
    due: Mapped[datetime | None]
    escalation: Mapped[str | None]
    escalations: Mapped[int]
    breaches: Mapped[int]
    first_answered_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    merged_into: Mapped[str | None]
    waiting_for: Mapped[str | None]
    status: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    projected: Mapped[int]


class CaseLogRow(Base):
    """One word on a case. The words themselves are submissions."""

    __tablename__ = "case_log"
    ref: Mapped[str] = mapped_column(ForeignKey("cases.ref"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str | None]
    submission: Mapped[str | None]
    about: Mapped[str | None]


class AssignmentRow(Base):
    """What the desk decided of a case at one of its turns, and what it looked at.

    Attributes:
        severity: As it was then; what everybody was given lately goes by it.
        to_page, paged_at: Whether they had to be paged, and when the webhook took that.
        refused_at, refusal: Since when the webhook refuses the page, and what it answers.
        lead_paged_at: When it took a page to a lead instead.
        look_again: Where nobody got it, when somebody can.
        considered: Everybody as they stood, for `why`.
    """

    __tablename__ = "case_assignments"
    __table_args__ = (Index("case_assignments_by_time", "at"),)
    ref: Mapped[str] = mapped_column(ForeignKey("cases.ref"), primary_key=True)
    turn: Mapped[int] = mapped_column(primary_key=True)
    severity: Mapped[int]
    at: Mapped[datetime]
    member: Mapped[str | None]
    reason: Mapped[str]
    to_page: Mapped[bool]
    paged_at: Mapped[datetime | None]
    refused_at: Mapped[datetime | None]
    refusal: Mapped[str | None]
    lead_paged_at: Mapped[datetime | None]
    look_again: Mapped[datetime | None]
    considered: Mapped[list[Any]]
