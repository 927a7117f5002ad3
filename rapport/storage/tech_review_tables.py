"""The tables of technical reviews. People's words stand in submissions; here is what was asked, said and decided."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from rapport.storage.tables import Base


class ReviewRow(Base):
    """The projection of a technical review, with what was asked for in its present round.

    Attributes:
        number: What its ref counts.
        from_case: The support case that turned out to need it.
        outcome: The verdict of the latest round that has one, or `withdrawn`.
        message: The submission with what the customer was told.
        meetings: How many live meetings there were on it.
        projected: The number of the projection that it stands at.
    """

    __tablename__ = "tech_reviews"
    __table_args__ = (
        Index("tech_reviews_by_account", "account"),
        Index("tech_reviews_by_case", "from_case"),
        Index("tech_reviews_by_overdue", "overdue", "number"),
    )
    ref: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.key"))
    title: Mapped[str]
    stage: Mapped[str]
    ask: Mapped[str]
    from_case: Mapped[str | None]
    submitter: Mapped[str] = mapped_column(ForeignKey("members.id"))
    submitted: Mapped[datetime]
    round: Mapped[int]
    needed_by: Mapped[datetime]
    phase: Mapped[str]
    overdue: Mapped[bool]
    outcome: Mapped[str | None]
    decided: Mapped[datetime | None]
    told: Mapped[datetime | None]
    acknowledged: Mapped[datetime | None]
    message: Mapped[str | None]
    revisit: Mapped[datetime | None]
    meetings: Mapped[int] = mapped_column(default=0)
    closed: Mapped[datetime | None]
    waiting_on: Mapped[list[str]]
    waiting_for: Mapped[str | None] = mapped_column(Text)
    unblock: Mapped[str | None] = mapped_column(Text)
    deadline: Mapped[datetime | None]
    since: Mapped[datetime | None]
    projected: Mapped[int]


class ReviewRoundRow(Base):
    """One version of a review's request.

    Attributes:
        submission: Its words, a JSON object of `ReviewRequest`.
        again: Whether the review came back by itself, with the words of the round before.
        design_link, design_version: The design document that was reviewed.
        scenarios: Those of `reviews.toml` that it is about; a gate asks for them, also once the words are erased.
    """

    __tablename__ = "tech_review_rounds"
    ref: Mapped[str] = mapped_column(ForeignKey("tech_reviews.ref"), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    submission: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]
    again: Mapped[bool]
    needed_by: Mapped[datetime]
    design_link: Mapped[str | None] = mapped_column(Text)
    design_version: Mapped[str | None]
    scenarios: Mapped[list[str]]


class ReviewRemarkRow(Base):
    """Something that was said or decided in a review. Votes are remarks too."""

    __tablename__ = "tech_review_remarks"
    __table_args__ = (Index("tech_review_remarks_by_submission", "submission"),)
    ref: Mapped[str] = mapped_column(ForeignKey("tech_reviews.ref"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    round: Mapped[int]
    kind: Mapped[str]
    seat: Mapped[str | None]
    by: Mapped[str | None]
    option: Mapped[str | None]
    submission: Mapped[str | None]
    at: Mapped[datetime]


class ReviewConditionRow(Base):
    """What a yes depends on."""

    __tablename__ = "tech_review_conditions"
    ref: Mapped[str] = mapped_column(ForeignKey("tech_reviews.ref"), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)


class ReviewReceiptRow(Base):
    """The signed receipt of a decision.

    Attributes:
        document: What is signed: a JSON array in its canonical form (RFC 8785).
        signature, public_key: Ed25519, in hex.
    """

    __tablename__ = "tech_review_receipts"
    ref: Mapped[str] = mapped_column(ForeignKey("tech_reviews.ref"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[str] = mapped_column(Text)
    signature: Mapped[str] = mapped_column(String(128))
    public_key: Mapped[str] = mapped_column(String(64))


class SigningKeyRow(Base):
    """A key that signs receipts.

    Attributes:
        seal: Which of the installation's secrets opens it.
        public_key: Ed25519, in hex.
        sealed: The private key, encrypted (AES-GCM).
    """

    __tablename__ = "signing_keys"
    seal: Mapped[str] = mapped_column(String(64), primary_key=True)
    public_key: Mapped[str] = mapped_column(String(64))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
