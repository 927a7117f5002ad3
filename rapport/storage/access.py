"""Links in mail, bearer tokens, and the switch that stops all mail. Of a secret only its SHA-256 is kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, insert, or_, select, update

from rapport.model.access import TokenScope
from rapport.model.account import Role
from rapport.model.base import Instant, Refused, UserError, WireModel
from rapport.storage.database import Connection
from rapport.storage.tables import LinkRow, MemberRow, RelayFaultRow, SubmissionRow, SwitchRow, TokenRow
from rapport.storage.timeline import Submission
from rapport.storage.upserts import insert_new, put

LINK_LIFE = timedelta(days=30)
SIGN_IN_LIFE = timedelta(minutes=15)


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Link(WireModel):
    """What a personal link may do, and for whom.

    Attributes:
        used_at: When a link that is good for once was used.
    """

    account: str | None = None
    person: str
    purpose: str
    workflow_id: str
    round: int
    expires_at: Instant
    used_at: Instant | None = None


def new_token() -> str:
    """A link's token: 256 bits that nobody can guess."""
    return secrets.token_urlsafe(32)


async def make_link(connection: Connection, message: str, token: str, link: Link) -> None:
    """Keep a new link; its token is shown once, in the mail."""
    await connection.execute(insert(LinkRow).values(digest=digest(token), message=message, **link.model_dump()))


async def find_link(connection: Connection, token: str) -> Link | None:
    """The link behind a token, whether or not it has expired."""
    row = (
        await connection.execute(
            select(
                LinkRow.account,
                LinkRow.person,
                LinkRow.purpose,
                LinkRow.workflow_id,
                LinkRow.round,
                LinkRow.expires_at,
                LinkRow.used_at,
            ).where(LinkRow.digest == digest(token))
        )
    ).one_or_none()
    return None if row is None else Link.model_validate(row._mapping)


async def use_link(connection: Connection, token: str, now: datetime) -> bool:
    """Use a link that is good for once, unless it has expired; say whether this was the one time."""
    used = await connection.execute(
        update(LinkRow)
        .where(LinkRow.digest == digest(token), LinkRow.used_at.is_(None), LinkRow.expires_at > now)
        .values(used_at=now)
    )
    return used.rowcount == 1


class Token(WireModel):
    """A bearer token, without its secret.

    Attributes:
        member, owner: The id and the address of the member whose it is; nothing where it is a service's.
        scopes: What a service may do with it.
    """

    name: str
    member: str | None = None
    owner: str | None = None
    scopes: tuple[str, ...]
    created_at: Instant
    revoked_at: Instant | None


async def create_token(
    connection: Connection,
    name: str,
    scopes: tuple[str, ...],
    now: datetime,
    *,
    member: str | None = None,
    secret: str | None = None,
) -> str:
    """Keep a new bearer token and give its secret, which is shown once.

    Args:
        scopes: What it may do, where it is a service's.
        member: The id of the member whose it is.

    Raises:
        UserError: The name is taken.
    """
    secret = secret or f"rapport_{secrets.token_urlsafe(32)}"
    new = {
        "name": name,
        "digest": digest(secret),
        "member": member,
        "scopes": list(scopes),
        "created_at": now,
        "revoked_at": None,
    }
    await insert_new(connection, TokenRow, [new])
    if await connection.scalar(select(TokenRow.digest).where(TokenRow.name == name)) != new["digest"]:
        raise UserError(
            f'there is a token "{name}" already', field="name", fix="choose another name", kind=Refused.CONFLICT
        )
    return secret


async def find_token(connection: Connection, secret: str) -> Token | None:
    """The valid token with this secret."""
    row = (await connection.execute(_VALID_TOKEN, {"given": digest(secret)})).one_or_none()
    return None if row is None else Token.model_validate(row._mapping)


async def tokens(connection: Connection) -> list[Token]:
    """Every token, also the revoked."""
    return [Token.model_validate(row._mapping) for row in await connection.execute(_TOKENS.order_by(TokenRow.name))]


async def revoke_token(connection: Connection, name: str, now: datetime) -> None:
    """Make a token useless from now on.

    Raises:
        UserError: There is none with this name that is still valid.
    """
    await insist_on_token(connection, name)
    await connection.execute(update(TokenRow).where(TokenRow.name == name).values(revoked_at=now))


def opens_pages(token: Token) -> bool:
    """Whether its holder may sign in to the pages with it, as the operator: members do so by their mail."""
    return TokenScope.OPERATOR in token.scopes


async def insist_on_token(connection: Connection, name: str, *, opens_pages: bool = False) -> None:
    """Refuse the name of a token that opens nothing.

    Args:
        opens_pages: Also one that does not open the pages.

    Raises:
        UserError: There is none with this name that is still valid.
    """
    valid = select(TokenRow.scopes).where(TokenRow.name == name, TokenRow.revoked_at.is_(None))
    scopes = await connection.scalar(valid)
    if scopes is not None and opens_pages and TokenScope.OPERATOR not in scopes:
        raise UserError(
            "doesn't open the pages",
            field="name",
            fix="members sign in there by email; a token for it has --scope operator",
            kind=Refused.FORBIDDEN,
        )
    if scopes is None:
        raise UserError(
            f'there is no valid token "{name[:70]}"',
            field="name",
            fix="see `rapport token list`",
            kind=Refused.NOT_FOUND,
        )


_TOKENS = select(
    TokenRow.name,
    TokenRow.member,
    MemberRow.email.label("owner"),
    TokenRow.scopes,
    TokenRow.created_at,
    TokenRow.revoked_at,
).outerjoin(MemberRow, MemberRow.id == TokenRow.member)
_VALID_TOKEN = _TOKENS.where(
    TokenRow.digest == bindparam("given"),
    TokenRow.revoked_at.is_(None),
    # A member who has left takes their tokens along; a service's has nobody there.
    MemberRow.left_at.is_(None),
)
_MAIL_SWITCH = select(SwitchRow.stopped, SwitchRow.by, SwitchRow.reason, SwitchRow.at).where(SwitchRow.name == "mail")


async def put_roles(connection: Connection, member: str, roles: Iterable[Role]) -> None:
    """Give a member these roles, and no others."""
    await connection.execute(update(MemberRow).where(MemberRow.id == member).values(roles=sorted(roles)))


_LOGGED: Final = ("access.", "member.", "token.", "mail.")
"""How the kinds of what is done to the installation itself begin."""


async def log(connection: Connection) -> list[Submission]:
    """What was said of members, tokens and the switch of all mail, oldest first."""
    of_these = or_(*(SubmissionRow.kind.startswith(kind, autoescape=True) for kind in _LOGGED))
    columns = [getattr(SubmissionRow, name) for name in Submission.model_fields]
    found = await connection.execute(select(*columns).where(of_these).order_by(SubmissionRow.at, SubmissionRow.id))
    return [Submission.model_validate(row._mapping) for row in found]


class MailSwitch(WireModel):
    """Whether all mail is stopped, who did it, why and when."""

    stopped: bool
    by: str | None = None
    reason: str | None = None
    at: Instant | None = None


async def mail_switch(connection: Connection) -> MailSwitch:
    """The switch as it stands."""
    row = (await connection.execute(_MAIL_SWITCH)).one_or_none()
    return MailSwitch(stopped=False) if row is None else MailSwitch.model_validate(row._mapping)


async def throw_mail_switch(connection: Connection, switch: MailSwitch) -> None:
    """Stop all mail, or let it go again; how long it was stopped until now is kept."""
    before = (await connection.execute(_MAIL_SWITCH)).one_or_none()
    if before is not None and before.stopped and before.at < switch.at:
        await put(connection, RelayFaultRow, [{"name": "stopped", "since": before.at, "until": switch.at}])
    await put(connection, SwitchRow, [{"name": "mail", **switch.model_dump()}])
