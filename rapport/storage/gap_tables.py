"""The tables of product gaps and of what leaves for other systems."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from rapport.storage.tables import Base


class GapRow(Base):
    """A product gap.

    Attributes:
        number: What its reference is made of.
        version: Grows with every change.
        delivery: What became of sending the newest version: `waiting`, `sent`, `failed` or `off`.
        first_tried_at: When sending the newest version was tried first.
        sent_version: The newest version that the CRM has.
    """

    __tablename__ = "gaps"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str]
    description: Mapped[str] = mapped_column(Text)
    status: Mapped[str]
    roadmap: Mapped[str | None]
    logged_by: Mapped[str]
    logged_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    version: Mapped[int]
    delivery: Mapped[str]
    delivery_reason: Mapped[str | None]
    first_tried_at: Mapped[datetime | None]
    sent_version: Mapped[int]


class GapLinkRow(Base):
    """What a gap concerns: an account, a review or a case."""

    __tablename__ = "gap_links"
    __table_args__ = (Index("gap_links_by_ref", "kind", "ref"),)
    gap: Mapped[int] = mapped_column(ForeignKey("gaps.number"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(primary_key=True)


class AnnouncementRow(Base):
    """What the review channel is to be told, by the announcement's key.

    Attributes:
        submission, option, until, occasion, happened_at: As in `Announce`.
        position: Its place among those that happened at the same instant.
        state: Of the post in Slack: `waiting`, `posted` or `failed`.
        reason: Why it failed, or waits; never the channel's address.
        unmailed: Whether its mail cannot be written.
        ended_at: When nothing was left to be done for it, in any channel.
    """

    __tablename__ = "announcements"
    key: Mapped[str] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(index=True)
    account: Mapped[str]
    what: Mapped[str]
    submission: Mapped[str | None]
    option: Mapped[str | None]
    until: Mapped[datetime | None]
    occasion: Mapped[str | None]
    happened_at: Mapped[datetime]
    position: Mapped[int]
    state: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str | None]
    first_tried_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    unmailed: Mapped[bool]
    ended_at: Mapped[datetime | None] = mapped_column(index=True)
