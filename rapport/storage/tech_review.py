"""Technical reviews on record: requests by round, everything said, votes, conditions and signed receipts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Text, and_, case, cast, delete, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from rapport.model.base import Instant, WireModel
from rapport.model.ids import task_id
from rapport.model.message import MessageState
from rapport.model.tech_review import (
    Ask,
    ReviewProjection,
    ReviewRequest,
    ReviewRound,
    ReviewStage,
    ReviewStart,
    review_ref,
)
from rapport.model.tech_review_facts import Remark, ReviewPhase, ReviewVerdict
from rapport.rules import receipt
from rapport.storage.database import Connection
from rapport.storage.folding import folded, folded_answers
from rapport.storage.numbers import take
from rapport.storage.signing import Signer
from rapport.storage.support_case_tables import CaseRow
from rapport.storage.tables import AccountRow, MessageRow, SubmissionRow
from rapport.storage.tech_review_tables import (
    ReviewConditionRow,
    ReviewReceiptRow,
    ReviewRemarkRow,
    ReviewRoundRow,
    ReviewRow,
)
from rapport.storage.timeline import append
from rapport.storage.upserts import insert_new, put

WITHOUT_OUTCOME: Final = "open"
"""What stands for the outcome of a review that has none yet."""


class KnownReview(WireModel):
    """A review as it was last told."""

    ref: str
    account: str
    title: str
    stage: ReviewStage
    ask: Ask
    from_case: str | None = None
    submitter: str
    submitted: Instant
    round: int
    needed_by: Instant
    phase: ReviewPhase
    overdue: bool
    outcome: str | None
    decided: Instant | None
    told: Instant | None
    acknowledged: Instant | None
    message: str | None
    revisit: Instant | None
    meetings: int = 0
    closed: Instant | None
    waiting_on: tuple[str, ...]
    waiting_for: str | None
    unblock: str | None
    deadline: Instant | None
    since: Instant | None
    projected: int

    @property
    def is_open(self) -> bool:
        """Whether its workflow goes on."""
        return self.closed is None


class KnownRound(WireModel):
    """One version of the request."""

    round: int
    submission: str
    by: str
    at: Instant
    again: bool
    needed_by: Instant
    design_link: str | None
    design_version: str | None
    scenarios: tuple[str, ...]


class KnownDeviation(WireModel):
    """What an account was granted, and on which conditions."""

    ref: str
    title: str
    outcome: ReviewVerdict
    decided: Instant
    conditions: tuple[str, ...]


class KnownReceipt(WireModel):
    """A signed receipt as it stands."""

    ref: str
    key: str
    document: str
    signature: str
    public_key: str


async def add(
    connection: Connection, request: ReviewRequest, round_: ReviewRound, now: datetime, number: int | None = None
) -> KnownReview | str:
    """Write a new review down; give what it is called, or the one that somebody else has asked for meanwhile.

    Args:
        number: The one that it gets; without it, the next.

    Raises:
        GivenMeanwhileError: Another review has that number.
    """
    # Two at once could also ask for the same: the second looks once the first is on record.
    number = await take(connection, ReviewRow.number, number)
    if (there := await standing(connection, request.account, request.title)) is not None:
        return there
    ref = review_ref(number)
    await connection.execute(
        insert(ReviewRow).values(
            ref=ref,
            number=number,
            account=request.account,
            title=request.title,
            stage=request.stage,
            ask=request.ask,
            from_case=request.case,
            submitter=round_.by,
            submitted=now,
            round=1,
            needed_by=round_.needed_by,
            phase=ReviewPhase.FEEDBACK,
            overdue=False,
            waiting_on=[],
            projected=0,
        )
    )
    await _add_round(connection, ref, request, round_, now)
    return ref


async def _add_round(
    connection: Connection, ref: str, request: ReviewRequest, round_: ReviewRound, now: datetime
) -> None:
    await insert_new(
        connection,
        ReviewRoundRow,
        [
            {
                "ref": ref,
                "round": round_.number,
                "submission": round_.submission,
                "by": round_.by,
                "at": now,
                "again": round_.again,
                "needed_by": round_.needed_by,
                "design_link": request.design.link if request.design else None,
                "design_version": request.design.version if request.design else None,
                "scenarios": [*request.scenarios],
            }
        ],
    )


async def come_back(connection: Connection, ref: str, round_: ReviewRound, now: datetime) -> None:
    """Write down a round that came by itself, with the words of the one before. Safe to repeat."""
    before = max((one for one in await rounds(connection, ref) if one.round < round_.number), key=lambda one: one.round)
    await insert_new(
        connection,
        ReviewRoundRow,
        [
            before.model_dump(include={"submission", "by", "design_link", "design_version", "scenarios"})
            | {"ref": ref, "round": round_.number, "at": now, "again": True, "needed_by": round_.needed_by}
        ],
    )


async def settle(connection: Connection, ref: str, round_: int, conditions: Sequence[str]) -> None:
    """Write down what a yes depends on, in place of what this round said before."""
    await connection.execute(
        delete(ReviewConditionRow).where(
            ReviewConditionRow.ref == ref,
            ReviewConditionRow.round == round_,
            ReviewConditionRow.position >= len(conditions),
        )
    )
    rows = [
        {"ref": ref, "round": round_, "position": position, "text": text_} for position, text_ in enumerate(conditions)
    ]
    await put(connection, ReviewConditionRow, rows)


async def project(connection: Connection, projection: ReviewProjection, signer: Signer) -> None:
    """Write down what a review says of itself, and sign the decisions in it; what it said later already stands."""
    round_, wait = projection.round, projection.wait
    await connection.execute(
        update(ReviewRow)
        .where(ReviewRow.ref == projection.ref, ReviewRow.projected < projection.number)
        .values(
            round=round_.number,
            stage=round_.stage,
            ask=round_.ask,
            needed_by=round_.needed_by,
            phase=projection.phase,
            overdue=projection.overdue,
            outcome=projection.outcome,
            decided=projection.decided,
            told=projection.told,
            acknowledged=projection.acknowledged,
            message=projection.message,
            revisit=projection.revisit,
            meetings=projection.meetings,
            closed=projection.now if projection.phase is ReviewPhase.CLOSED else None,
            waiting_on=list(wait.on),
            waiting_for=wait.what,
            unblock=wait.unblock,
            deadline=wait.deadline,
            since=wait.since,
            projected=projection.number,
        )
    )
    await _keep_round(connection, projection)
    await insert_new(
        connection,
        ReviewRemarkRow,
        [{"ref": projection.ref, **remark.model_dump()} for remark in projection.remarks],
    )
    await append(connection, projection.entries)
    decisions = [remark for remark in projection.remarks if remark.kind in receipt.DECISIONS]
    hashes = await text_hashes(connection, [one.submission for one in decisions if one.submission])
    key = await signer.key(connection) if decisions else None
    signed = []
    for remark in decisions:
        assert key is not None
        words = receipt.document(projection.ref, projection.account, remark, hashes.get(remark.submission or ""))
        signature, public_key = receipt.sign(key, words)
        signed.append(
            {
                "ref": projection.ref,
                "key": remark.key,
                "document": words,
                "signature": signature,
                "public_key": public_key,
            }
        )
    await insert_new(connection, ReviewReceiptRow, signed)


async def _keep_round(connection: Connection, projection: ReviewProjection) -> None:
    """Write down a new version of the request, once a workflow goes by it; the earlier ones stay on record."""
    there = (ReviewRoundRow.ref == projection.ref, ReviewRoundRow.round == projection.round.number)
    if await connection.scalar(select(ReviewRoundRow.round).where(*there)) is not None:
        return
    said = await connection.scalar(select(SubmissionRow.text).where(SubmissionRow.id == projection.round.submission))
    try:
        request = ReviewRequest.model_validate_json(said or "{}")
    except ValidationError:
        # It was erased meanwhile; that there was a round stays on record.
        return
    await _add_round(connection, projection.ref, request, projection.round, projection.now)
    await connection.execute(update(ReviewRow).where(ReviewRow.ref == projection.ref).values(title=request.title))


async def text_hashes(connection: Connection, submissions: Sequence[str]) -> dict[str, str | None]:
    """The hashes of what people wrote, by their submissions' ids; they stay when the words are erased."""
    rows = await connection.execute(
        select(SubmissionRow.id, SubmissionRow.text_hash).where(SubmissionRow.id.in_(submissions))
    )
    return {row.id: row.text_hash for row in rows}


async def review(connection: Connection, ref: str) -> KnownReview | None:
    """One review, by what it is called."""
    row = (await connection.execute(select(ReviewRow.__table__).where(ReviewRow.ref == ref))).one_or_none()
    return None if row is None else _known(row._asdict())


async def standing(connection: Connection, account: str, title: str) -> KnownReview | None:
    """The open review of an account with this title, in capitals or not."""
    query = select(ReviewRow.__table__).where(ReviewRow.account == account, ReviewRow.closed.is_(None))
    # Compared here: SQLite's own lower() leaves any letter but A to Z as it is.
    rows = (row for row in await connection.execute(query) if row.title.casefold() == title.casefold())
    return next((_known(row._asdict()) for row in rows), None)


async def listed(
    connection: Connection,
    account: str | None = None,
    *,
    open_only: bool = False,
    overdue_only: bool = False,
    words: Sequence[str] = (),
    scenario: str | None = None,
    outcome: str | None = None,
    titles: Mapping[str, str] = MappingProxyType({}),
    limit: int | None = None,
) -> list[KnownReview]:
    """The reviews: what is overdue first, then the newest.

    Args:
        words: Each is somewhere in it: in its title, the customer's name, a request, a remark or the message.
        scenario: One that a request names.
        outcome: What its latest decided round came to; `WITHOUT_OUTCOME` for what has none.
        titles: What each scenario is called: people read that in a request, and look for it.
        limit: How many of them; by default all.
    """
    query = select(ReviewRow.__table__).where(*_matching(account, open_only, words, scenario, outcome, titles))
    if overdue_only:
        query = query.where(ReviewRow.overdue)
    query = query.order_by(ReviewRow.overdue.desc(), ReviewRow.number.desc()).limit(limit)
    return [_known(row._asdict()) for row in await connection.execute(query)]


async def counted(
    connection: Connection,
    account: str | None = None,
    *,
    open_only: bool = False,
    words: Sequence[str] = (),
    scenario: str | None = None,
    outcome: str | None = None,
    titles: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, int]:
    """How many reviews `listed` has, and how many of them are overdue."""
    query = select(func.count().label("total"), func.count(case((ReviewRow.overdue, 1))).label("overdue"))
    query = query.select_from(ReviewRow).where(*_matching(account, open_only, words, scenario, outcome, titles))
    row = (await connection.execute(query)).one()
    return row.total, row.overdue


def _matching(
    account: str | None,
    open_only: bool,
    words: Sequence[str],
    scenario: str | None,
    outcome: str | None,
    titles: Mapping[str, str],
) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if account is not None:
        found.append(ReviewRow.account == account)
    if open_only:
        found.append(ReviewRow.closed.is_(None))
    if scenario is not None:
        found.append(ReviewRow.ref.in_(select(ReviewRoundRow.ref).where(_names(scenario))))
    if outcome is not None:
        found.append(ReviewRow.outcome.is_(None) if outcome == WITHOUT_OUTCOME else ReviewRow.outcome == outcome)
    answers = folded_answers(SubmissionRow.text)
    for word in words:
        asked = (
            select(ReviewRoundRow.ref)
            .join(SubmissionRow, SubmissionRow.id == ReviewRoundRow.submission)
            .where(_says(answers, _in_json(word)))
        )
        said = (
            select(ReviewRemarkRow.ref)
            .join(SubmissionRow, SubmissionRow.id == ReviewRemarkRow.submission)
            .where(
                case(
                    (ReviewRemarkRow.kind == "message", _says(answers, _in_json(word))),
                    else_=_says(folded(SubmissionRow.text), word),
                )
            )
        )
        called = [_names(name) for name, title in titles.items() if word.lower() in title.lower()]
        found.append(
            or_(
                _says(folded(ReviewRow.title), word),
                _says(folded(ReviewRow.ref), word),
                ReviewRow.account.in_(select(AccountRow.key).where(_says(folded(AccountRow.name), word))),
                ReviewRow.ref.in_(asked),
                ReviewRow.ref.in_(said),
                *([ReviewRow.ref.in_(select(ReviewRoundRow.ref).where(or_(*called)))] if called else []),
            )
        )
    return found


def _names(scenario: str) -> ColumnElement[bool]:
    """Whether a round names a scenario."""
    return cast(ReviewRoundRow.scenarios, Text).like(f'%"{_escaped(scenario)}"%', escape="\\")


def _says(folded_text: ColumnElement[str], word: str) -> ColumnElement[bool]:
    """Whether a word is in a text, in capitals or not, in any alphabet."""
    return folded_text.like(f"%{_escaped(word.lower())}%", escape="\\")


def _in_json(word: str) -> str:
    """A word as it is written within JSON: quotes and backslashes are escaped there."""
    return json.dumps(word, ensure_ascii=False)[1:-1]


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _known(row: Mapping[str, Any]) -> KnownReview:
    return KnownReview.model_validate(row)


async def of_case(connection: Connection, case: str) -> list[KnownReview]:
    """The reviews that came out of a support case, the oldest first."""
    query = select(ReviewRow.__table__).where(ReviewRow.from_case == case).order_by(ReviewRow.number)
    return [_known(row._asdict()) for row in await connection.execute(query)]


async def case_owner(connection: Connection, ref: str) -> str | None:
    """Who has the support case that a review came out of, by id; nobody where it came out of none."""
    case = select(ReviewRow.from_case).where(ReviewRow.ref == ref).scalar_subquery()
    owner: str | None = await connection.scalar(select(CaseRow.owner).where(CaseRow.ref == case))
    return owner


async def pending(connection: Connection, before: datetime) -> list[KnownReview]:
    """The reviews that were put on record before an instant and that no workflow has taken."""
    new = (ReviewRow.projected == 0, ReviewRow.closed.is_(None), ReviewRow.submitted < before)
    query = select(ReviewRow.__table__).where(*new).order_by(ReviewRow.number)
    return [KnownReview.model_validate(row._asdict()) for row in await connection.execute(query)]


async def rounds(connection: Connection, ref: str) -> list[KnownRound]:
    """The versions of a review's request, the oldest first."""
    query = select(ReviewRoundRow.__table__).where(ReviewRoundRow.ref == ref).order_by(ReviewRoundRow.round)
    return [KnownRound.model_validate(row._asdict()) for row in await connection.execute(query)]


async def start(connection: Connection, known: KnownReview) -> ReviewStart:
    """What the workflow of a review that is on record is begun with."""
    *earlier, last = await rounds(connection, known.ref)
    round_ = ReviewRound(
        number=last.round,
        submission=last.submission,
        by=last.by,
        stage=known.stage,
        ask=known.ask,
        needed_by=last.needed_by,
    )
    asked_before = tuple(dict.fromkeys(one.by for one in earlier if one.by != last.by))
    return ReviewStart(ref=known.ref, account=known.account, round=round_, asked_before=asked_before)


async def sent_at(connection: Connection, known: KnownReview) -> Instant | None:
    """When the present round's answer went out to the customer, if it has: approved and on its way is not yet sent."""
    if known.told is None:
        return None
    query = select(func.min(MessageRow.settled_at)).where(
        # By the account's index: no other has the workflow.
        MessageRow.account == known.account,
        MessageRow.workflow_id.startswith(f"{task_id(known.ref, 'acknowledgement', 0).rpartition('/')[0]}/"),
        MessageRow.email.in_(["review_message", "review_message_reminder"]),
        MessageRow.state == MessageState.SENT,
        MessageRow.created_at >= known.told,
    )
    found: datetime | None = await connection.scalar(query)
    return found


async def remarks(connection: Connection, ref: str) -> list[Remark]:
    """Everything that was said and decided in a review, the oldest first."""
    query = (
        select(ReviewRemarkRow.__table__)
        .where(ReviewRemarkRow.ref == ref)
        .order_by(ReviewRemarkRow.at, ReviewRemarkRow.key)
    )
    return [Remark.model_validate(row._asdict()) for row in await connection.execute(query)]


async def conditions(connection: Connection, ref: str, round_: int) -> list[str]:
    """What a yes depends on."""
    query = (
        select(ReviewConditionRow.text)
        .where(ReviewConditionRow.ref == ref, ReviewConditionRow.round == round_)
        .order_by(ReviewConditionRow.position)
    )
    return list(await connection.scalars(query))


async def deviations(connection: Connection, account: str) -> list[KnownDeviation]:
    """What an account was granted beyond the usual: its last answer was a yes, the newest first.

    It stands, with its conditions, while the review is looked at again, until there is another answer.
    """
    yes = [verdict for verdict in ReviewVerdict if verdict.is_yes]
    answer = aliased(ReviewRemarkRow)
    last = select(func.max(answer.round)).where(answer.ref == ReviewRow.ref, answer.kind == "verdict").scalar_subquery()
    decided = (ReviewRemarkRow.ref == ReviewRow.ref, ReviewRemarkRow.kind == "verdict", ReviewRemarkRow.round == last)
    query = (
        select(ReviewRow.ref, ReviewRow.title, ReviewRow.outcome, ReviewRemarkRow.round, ReviewRemarkRow.at)
        .join(ReviewRemarkRow, and_(*decided))
        .where(ReviewRow.account == account, ReviewRow.outcome.in_(yes))
    )
    rows = (await connection.execute(query.order_by(ReviewRemarkRow.at.desc(), ReviewRow.ref))).all()
    return [
        KnownDeviation.made_of(row, decided=row.at, conditions=tuple(await conditions(connection, row.ref, row.round)))
        for row in rows
    ]


async def kept_receipts(connection: Connection, ref: str | None = None) -> list[KnownReceipt]:
    """The signed receipts of a review, or of all."""
    query = select(ReviewReceiptRow.__table__).order_by(ReviewReceiptRow.ref, ReviewReceiptRow.key)
    if ref is not None:
        query = query.where(ReviewReceiptRow.ref == ref)
    return [KnownReceipt.model_validate(row._asdict()) for row in await connection.execute(query)]


async def open_refs(connection: Connection) -> list[str]:
    """The refs of all reviews whose workflows go on."""
    return list(await connection.scalars(select(ReviewRow.ref).where(ReviewRow.closed.is_(None))))
