"""What gates ask of an account's reviews."""

from __future__ import annotations

from sqlalchemy import and_, select

from rapport.model.task import WITHDRAWN
from rapport.model.tech_review_facts import ReviewVerdict
from rapport.rules.gate import Reviewed
from rapport.storage.database import Connection
from rapport.storage.tables import SubmissionRow
from rapport.storage.tech_review_tables import ReviewRemarkRow, ReviewRoundRow, ReviewRow


async def reviewed(connection: Connection, account: str) -> list[Reviewed]:
    """An account's reviews, each with its newest round, as far as gates ask."""
    newest = and_(ReviewRoundRow.ref == ReviewRow.ref, ReviewRoundRow.round == ReviewRow.round)
    rows = list(
        await connection.execute(
            select(
                ReviewRow.ref,
                ReviewRow.round,
                ReviewRow.stage,
                ReviewRow.outcome,
                ReviewRow.closed,
                ReviewRoundRow.at,
                ReviewRoundRow.design_version,
            )
            .add_columns(ReviewRoundRow.scenarios)
            .join(ReviewRoundRow, newest)
            .where(ReviewRow.account == account)
            .order_by(ReviewRow.number)
        )
    )
    said = list(
        await connection.execute(
            select(ReviewRemarkRow.ref, ReviewRemarkRow.kind, ReviewRemarkRow.seat, ReviewRemarkRow.option)
            .add_columns(ReviewRemarkRow.by, ReviewRemarkRow.at, ReviewRemarkRow.round, SubmissionRow.verified)
            .outerjoin(SubmissionRow, SubmissionRow.id == ReviewRemarkRow.submission)
            .join(ReviewRow, ReviewRow.ref == ReviewRemarkRow.ref)
            .where(ReviewRow.account == account, ReviewRemarkRow.kind.in_(["feedback", "verdict"]))
            .order_by(ReviewRemarkRow.at)
        )
    )
    versions = await connection.execute(
        select(ReviewRoundRow.ref, ReviewRoundRow.round, ReviewRoundRow.design_version)
        .join(ReviewRow, ReviewRow.ref == ReviewRoundRow.ref)
        .where(ReviewRow.account == account, ReviewRoundRow.design_version.is_not(None))
    )
    looked_at = {(one.ref, one.round): one.design_version for one in versions}
    found = []
    for row in rows:
        ever = [one for one in said if one.ref == row.ref]
        here = [one for one in ever if one.round == row.round]
        # What was withdrawn is answered no more: the last answer that there was stands.
        concerned = ever if row.outcome == WITHDRAWN else here
        verdict = next((one for one in reversed(concerned) if one.kind == "verdict"), None)
        found.append(
            Reviewed(
                ref=row.ref,
                stage=row.stage,
                yes=ReviewVerdict(verdict.option).is_yes if verdict is not None else None,
                withdrawn=row.outcome == WITHDRAWN,
                # A side that let its time pass has a remark as well, and nobody who made it.
                heard=frozenset(one.seat for one in here if one.kind == "feedback" and one.by and one.seat),
                entered=frozenset(one.seat for one in here if one.kind == "feedback" and one.verified == "reported"),
                design=row.design_version,
                scenarios=frozenset(row.scenarios),
                granted=frozenset(
                    looked_at[one.ref, one.round]
                    for one in ever
                    if one.kind == "verdict" and ReviewVerdict(one.option).is_yes and (one.ref, one.round) in looked_at
                ),
                closed=row.closed is not None,
                since=row.at,
                decided=verdict.at if verdict is not None else None,
            )
        )
    return found
