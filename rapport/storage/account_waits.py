"""What waits of accounts beside their onboardings: open support cases, and technical reviews that go on."""

from __future__ import annotations

from collections import defaultdict
from typing import Literal

from sqlalchemy import func, select

from rapport.model.base import Instant, WireModel
from rapport.model.message import MessageState
from rapport.model.support_case import CaseState
from rapport.rules import support_case
from rapport.storage.database import Connection
from rapport.storage.support_case import OPEN
from rapport.storage.support_case_tables import CaseRow
from rapport.storage.tables import MessageRow
from rapport.storage.tech_review_tables import ReviewRow


class OtherWait(WireModel):
    """A case, a review or another contract of an account: what it waits for, on whom, since when, and the way on."""

    kind: Literal["case", "review", "contract"]
    ref: str
    waiting_on: tuple[str, ...]
    waiting_for: str | None
    since: Instant | None
    deadline: Instant | None
    unblock: str | None


async def other_waits(connection: Connection) -> dict[str, list[OtherWait]]:
    """The open cases of every account, the worst first, then its reviews that go on, the most urgent first."""
    found: dict[str, list[OtherWait]] = defaultdict(list)
    rows = await connection.execute(
        select(
            CaseRow.account,
            CaseRow.ref,
            CaseRow.state,
            CaseRow.waiting_for,
            CaseRow.owned_since,
            CaseRow.opened_at,
            CaseRow.due,
        )
        .where(CaseRow.state.in_(list(OPEN)))
        .order_by(CaseRow.severity, CaseRow.number)
    )
    for row in rows:
        state = CaseState(row.state)
        found[row.account].append(
            OtherWait(
                kind="case",
                ref=row.ref,
                waiting_on=support_case.waits_on(state),
                waiting_for=row.waiting_for,
                since=row.owned_since or row.opened_at,
                deadline=row.due,
                unblock=support_case.way_on(state, row.ref),
            )
        )
    rows = await connection.execute(
        select(
            ReviewRow.account,
            ReviewRow.ref,
            ReviewRow.waiting_on,
            ReviewRow.waiting_for,
            ReviewRow.since,
            ReviewRow.deadline,
            ReviewRow.unblock,
        )
        .where(ReviewRow.closed.is_(None))
        .order_by(ReviewRow.needed_by, ReviewRow.number)
    )
    for row in rows:
        found[row.account].append(OtherWait(kind="review", **{key: row._mapping[key] for key in _OF_REVIEW}))
    return found


async def drafts(connection: Connection) -> dict[str, int]:
    """How many emails of each account wait to be read, where any do."""
    query = (
        select(MessageRow.account, func.count().label("unread"))
        .where(MessageRow.state == MessageState.DRAFT)
        .group_by(MessageRow.account)
    )
    return {row.account: row.unread for row in await connection.execute(query)}


_OF_REVIEW = ("ref", "waiting_on", "waiting_for", "since", "deadline", "unblock")
