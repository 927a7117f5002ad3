"""A mail that did not go, or may not have arrived."""

from __future__ import annotations

from typing import Literal

from rapport.model.base import Instant, WireModel
from rapport.model.message import MessageState, Resolution


class UndeliveredStart(WireModel):
    """Which mail it is about, by its key; with no account, where it belongs to no account's story."""

    account: str | None
    key: str


class Trouble(WireModel):
    """How a mail stands that somebody or something has to take care of.

    Attributes:
        state: `failed` and `unknown` are for a person; all other states only have to go on.
        contract, step, title: What it is for.
        subject: What its to-do is about: the account, or the review's or case's reference.
        assign: Who is asked: the account's TAM, a case's owner, or the manager of a member who was not reached.
        about: The contact whom it was for, by id; nothing where it was for a member.
        said: The submission that says in words which mail it is and what happened.
        asked: How often somebody was asked by now, whichever life of the workflow did so: no name is given twice.
        fence: Which attempt this came of.
    """

    state: MessageState
    contract: str
    step: str
    title: str
    subject: str
    assign: tuple[str, ...]
    about: str | None = None
    said: str | None = None
    asked: int = 0
    fence: int = 0


class Outstanding(WireModel):
    """What there is to take care of; nothing once it has gone, or somebody has taken care of it."""

    trouble: Trouble | None = None


class Settling(WireModel):
    """What becomes of a mail that failed, or of which nobody can say whether it arrived.

    Attributes:
        how: It is sent again, it did arrive, its reader was told another way, or it could not be written again.
        by, submission: Who decided that, and what they said with it.
        reason: Why it could not be written, in fixed words.
        fence: The attempt of which they decided; of what cannot be written, nobody did.
    """

    account: str | None
    key: str
    how: Resolution | Literal["unwritten"]
    by: str | None = None
    submission: str | None = None
    reason: str | None = None
    fence: int | None = None
    now: Instant
