"""The support desk's further tables: what is searched, and the work that fills its slack."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from rapport.storage.tables import Base


class CaseTextRow(Base):
    """What a case says, as it is searched; a copy of its submissions, kept for as long as they have their words.

    Attributes:
        answer: What solved it; empty while it is open.
        contact: Whose question it is; with them goes the text.
    """

    __tablename__ = "case_texts"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    ref: Mapped[str] = mapped_column(ForeignKey("cases.ref"), unique=True)
    account: Mapped[str] = mapped_column(index=True)
    contact: Mapped[str] = mapped_column(index=True)
    area: Mapped[str]
    question: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime]
    solved_at: Mapped[datetime | None]


class SideProjectRow(Base):
    """Work for when nobody calls. It has no due date: support cannot commit to one.

    Attributes:
        state: `waiting`, `taken` or `done`.
        added_at: Its place in the order; what was put back keeps it.
        since: Since when it is in this state.
        look_again: When the lead looks at it again; a promise to nobody.
        tam, booked_at: Whose training it is, by id, and when, where one is booked; support joins if it is free then.
    """

    __tablename__ = "side_projects"
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    title: Mapped[str]
    note: Mapped[str | None] = mapped_column(Text)
    area: Mapped[str | None]
    state: Mapped[str] = mapped_column(index=True)
    added_at: Mapped[datetime]
    added_by: Mapped[str]
    owner: Mapped[str | None]
    since: Mapped[datetime]
    look_again: Mapped[date | None]
    tam: Mapped[str | None]
    booked_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]


class SideStretchRow(Base):
    """A stretch of side work: who had it, from when to when, and why it ended; reports add these up by desk.

    Attributes:
        ended_by: `done`, `peak`, `absence` or `member`.
    """

    __tablename__ = "side_stretches"
    project: Mapped[str] = mapped_column(ForeignKey("side_projects.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    member: Mapped[str]
    began: Mapped[datetime] = mapped_column(index=True)
    ended: Mapped[datetime | None]
    ended_by: Mapped[str | None]
