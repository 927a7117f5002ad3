"""Sessions of people who are signed in, and whether one more link to sign in may be mailed.

A session is over once its row is gone. Of what its browser carries only the SHA-256 is kept.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, insert, or_, select

from rapport.model.base import WireModel
from rapport.storage.access import digest
from rapport.storage.database import Connection
from rapport.storage.tables import LinkRow, MemberRow, SessionRow, SubmissionRow, TokenRow

SESSION_LIFE: Final = timedelta(hours=12)

SIGN_IN_ASKED: Final = "sign_in.asked"
"""What a request for a link is called on record."""

LINKS_AN_HOUR: Final = 10
"""How many links a mailbox gets at once, whoever asks for them."""

LINK_EVERY: Final = timedelta(minutes=10)
"""How far apart they come from then on. It is shorter than a link lives: whoever else asks, a member who needs one has
one in their mailbox, and can use it."""


class SessionRecord(WireModel):
    """Whose session it is.

    Attributes:
        id: The SHA-256 of what the browser carries.
        member: The id of the member who came in by a mailed link.
        token: Or else the name of the bearer token that the operator came in with.
    """

    id: str
    member: str | None
    token: str | None


async def begin(connection: Connection, now: datetime, *, member: str | None = None, token: str | None = None) -> str:
    """Begin a session of a member, by id, or of a token's holder, by its name; give what its browser is to carry."""
    secret = secrets.token_urlsafe(32)
    await connection.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
    row = {"id": digest(secret), "member": member, "token": token, "expires_at": now + SESSION_LIFE}
    await connection.execute(insert(SessionRow).values(row))
    return secret


async def find(connection: Connection, secret: str, now: datetime) -> SessionRecord | None:
    """The session that a browser carries, while it lasts: until its end, its token's, or its member's leaving."""
    row = (
        await connection.execute(
            select(SessionRow.id, SessionRow.member, SessionRow.token)
            .outerjoin(MemberRow, MemberRow.id == SessionRow.member)
            .outerjoin(TokenRow, TokenRow.name == SessionRow.token)
            .where(
                SessionRow.id == digest(secret),
                SessionRow.expires_at > now,
                or_(
                    MemberRow.id.is_not(None) & MemberRow.left_at.is_(None),
                    TokenRow.name.is_not(None) & TokenRow.revoked_at.is_(None),
                ),
            )
        )
    ).one_or_none()
    return None if row is None else SessionRecord.model_validate(row._mapping)


async def end(connection: Connection, id_: str) -> None:
    """End one session."""
    await connection.execute(delete(SessionRow).where(SessionRow.id == id_))


async def end_all(connection: Connection, *, member: str | None = None, token: str | None = None) -> None:
    """End every session of a member, or of a token's holders, in whatever browser it is."""
    whose = SessionRow.member == member if member is not None else SessionRow.token == token
    await connection.execute(delete(SessionRow).where(whose))


async def may_ask(connection: Connection, member: str, now: datetime) -> bool:
    """Whether a member is mailed one more link. Their requests wait for each other until the transaction ends."""
    await connection.execute(select(MemberRow.id).where(MemberRow.id == member).with_for_update())
    asked = (SubmissionRow.actor == member, SubmissionRow.kind == SIGN_IN_ASKED)
    lately = await connection.scalar(
        select(func.count()).select_from(SubmissionRow).where(*asked, SubmissionRow.at > now - timedelta(hours=1))
    )
    if (lately or 0) < LINKS_AN_HOUR:
        return True
    last = select(SubmissionRow.at, SubmissionRow.workflow_id).where(*asked).order_by(SubmissionRow.at.desc()).limit(1)
    row = (await connection.execute(last)).one()
    used = select(LinkRow.digest).where(LinkRow.workflow_id == row.workflow_id, LinkRow.used_at.is_not(None))
    return row.at <= now - LINK_EVERY or await connection.scalar(used) is not None
