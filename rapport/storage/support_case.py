"""Cases on record: what was asked, what was said, who was given them and why, and how each stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Row, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from rapport.model.account_data import Question
from rapport.model.base import Instant, Refused, UserError, WireModel
from rapport.model.ids import case_id, case_ref
from rapport.model.support_case import CaseProjection, CaseStart, CaseState, CaseStatus, WrittenCase
from rapport.rules.calendar import whole_days
from rapport.rules.routing import Choice, GivenCase, bar_of
from rapport.rules.support_case import heading
from rapport.storage import account as accounts, search
from rapport.storage.database import Connection
from rapport.storage.numbers import take
from rapport.storage.support_case_tables import AssignmentRow, CaseLogRow, CaseRow
from rapport.storage.tables import AccountRow, EndedOutsideRow, MemberRow, SubmissionRow, UtcInstant
from rapport.storage.timeline import append
from rapport.storage.upserts import insert_new, put

OPEN: Final = (CaseState.QUEUED, CaseState.OPEN, CaseState.WAITING)
"""The states in which something is still owed."""

CASES_LISTED: Final = 500
"""How many cases a list has at most."""


ROUTED_WITHIN: Final = timedelta(minutes=1)
"""How long the desk may take to look for somebody, before it is told that nobody has a case."""


class Case(WireModel):
    """A case as it was last told, with its question.

    Attributes:
        said: The question's words; nothing once they were erased.
    """

    number: int
    ref: str
    account: str
    contact: str
    area: str
    severity: int
    question: str
    channel: str
    thread: str | None
    partner: str | None
    split_from: str | None
    opened_by: str
    opened_at: Instant
    state: CaseState
    owner: str | None
    owned_since: Instant | None
    due: Instant | None
    escalation: str | None
    escalations: int
    breaches: int
    first_answered_at: Instant | None
    resolved_at: Instant | None
    merged_into: str | None
    waiting_for: str | None
    status: CaseStatus | None
    said: str | None = None

    @property
    def start(self) -> CaseStart:
        """What its workflow is begun with."""
        return CaseStart.made_of(self)


class DeskStanding(WireModel):
    """What is open at the desk.

    Attributes:
        queued, held: How many have no owner, and how many have one.
        due: When the first of what was promised falls due.
    """

    queued: int
    held: int
    due: Instant | None


class Said(WireModel):
    """One word on a case, with its text."""

    number: int
    kind: str
    at: Instant
    by: str | None
    about: str | None
    submission: str | None
    text: str | None


class Standing(WireModel):
    """How somebody stood when the desk gave a case away."""

    bar: str | None
    load: int
    given: int
    hours: int
    last: Instant | None


class CandidateRecord(Standing):
    """One member, as they stood when the desk gave a case away."""

    member: str


class Turn(WireModel):
    """What the desk decided at one turn of a case, and what became of the page.

    Attributes:
        to_page: Whether whoever got it had to be paged.
        paged: Whether they were: the webhook has taken it.
        refused_at, refusal: Since when it refuses the page, and what it answered last.
        lead_paged: Whether a lead was paged instead.
    """

    turn: int
    at: Instant
    reason: str
    to_page: bool
    paged: bool
    refused_at: Instant | None = None
    refusal: str | None = None
    lead_paged: bool = False


class Assignment(Turn):
    """A turn, whom it gave the case to, and whom it looked at."""

    ref: str
    severity: int
    member: str | None
    considered: tuple[CandidateRecord, ...]


async def add(
    connection: Connection,
    written: WrittenCase,
    contact: str,
    question: str,
    opened_by: str,
    now: datetime,
    split_from: str | None = None,
    number: int | None = None,
) -> str:
    """Put a case on record and give it its number.

    Args:
        contact, opened_by: Ids of people.
        question: The submission with the question.
        number: The one that it gets; without it, the next.

    Raises:
        GivenMeanwhileError: Another case has that number.
    """
    number = await take(connection, CaseRow.number, number)
    ref = case_ref(number)
    await connection.execute(
        insert(CaseRow).values(
            **written.model_dump(include={"account", "area", "severity", "channel", "thread", "partner"}),
            number=number,
            ref=ref,
            contact=contact,
            question=question,
            key=written.id,
            split_from=split_from,
            opened_by=opened_by,
            opened_at=now,
            state=CaseState.QUEUED,
            escalations=0,
            breaches=0,
            projected=0,
        )
    )
    await search.put(connection, ref)
    return ref


_COLUMNS = tuple(column for column in CaseRow.__table__.columns if column.name not in ("key", "projected"))
_CASES = select(*_COLUMNS, SubmissionRow.text.label("said")).outerjoin(
    SubmissionRow, SubmissionRow.id == CaseRow.question
)


def _case(row: Row[Any]) -> Case:
    return Case.model_validate(row._mapping)


async def case(connection: Connection, ref: str) -> Case:
    """One case.

    Raises:
        UserError: There is none with this number.
    """
    row = (await connection.execute(_CASES.where(CaseRow.ref == ref))).one_or_none()
    if row is None:
        raise UserError(
            f'there is no case "{ref[:20]}"',
            field="ref",
            fix="use a number of `rapport case list`, such as C-00001",
            kind=Refused.NOT_FOUND,
        )
    return _case(row)


async def pending(connection: Connection, before: datetime) -> list[Case]:
    """Cases that were put on record before an instant and never told how they stand."""
    # None has another state before it is told; and by its state few rows are looked at.
    new = (CaseRow.state == CaseState.QUEUED, CaseRow.projected == 0, CaseRow.opened_at < before)
    rows = await connection.execute(_CASES.where(*new))
    return [_case(row) for row in rows]


async def known(connection: Connection, account: str, key: str | None, thread: str | None) -> Case | None:
    """The case that a sender's key or a thread belongs to already."""
    same = [CaseRow.key == key] if key else []
    same += [CaseRow.thread == thread] if thread else []
    if not same:
        return None
    rows = await connection.execute(_CASES.where(CaseRow.account == account, or_(*same)).order_by(CaseRow.number))
    row = rows.first()
    return _case(row) if row else None


async def cases(
    connection: Connection,
    account: str | None = None,
    *,
    states: Iterable[CaseState] = OPEN,
    owner: str | None = None,
    since: datetime | None = None,
    limit: int = CASES_LISTED,
) -> list[Case]:
    """Cases: those that need somebody first, then the worst, and of those the oldest.

    Args:
        since: Those that are over are left out unless they ended after this.
    """
    query = _CASES.where(CaseRow.state.in_(list(states)))
    if account is not None:
        query = query.where(CaseRow.account == account)
    if owner is not None:
        query = query.where(CaseRow.owner == owner)
    if since is not None:
        query = query.where(or_(CaseRow.state.in_(list(OPEN)), CaseRow.resolved_at >= since))
    # What is left out of a long list is what can wait.
    first = sqlalchemy.case({str(state): place for place, state in enumerate(CaseState)}, value=CaseRow.state)
    query = query.order_by(first, CaseRow.severity, CaseRow.number).limit(limit)
    return [_case(row) for row in await connection.execute(query)]


async def standing(connection: Connection) -> DeskStanding:
    """How many cases are open, with and without an owner, and what was promised next; not of those ended outside."""
    held, due = func.count(CaseRow.owner).label("held"), func.min(CaseRow.due).label("due")
    ended = (sqlalchemy.literal(case_id("")) + CaseRow.ref).in_(select(EndedOutsideRow.workflow_id))
    query = select(func.count().label("open"), held, due).where(CaseRow.state.in_(list(OPEN)), ~ended)
    row = (await connection.execute(query)).one()
    return DeskStanding(queued=row.open - row.held, held=row.held, due=row.due)


async def log(connection: Connection, ref: str) -> list[Said]:
    """What was said on a case, in order."""
    rows = await connection.execute(
        select(CaseLogRow.__table__, SubmissionRow.text)
        .outerjoin(SubmissionRow, SubmissionRow.id == CaseLogRow.submission)
        .where(CaseLogRow.ref == ref)
        .order_by(CaseLogRow.number)
    )
    return [Said.model_validate(row._mapping) for row in rows]


async def answers(connection: Connection, refs: Sequence[str]) -> dict[str, str]:
    """What was last answered in these cases, by number."""
    rows = await connection.execute(
        select(CaseLogRow.ref, SubmissionRow.text)
        .join(SubmissionRow, SubmissionRow.id == CaseLogRow.submission)
        .where(CaseLogRow.ref.in_(list(refs)), CaseLogRow.kind.in_(("answer", "resolve")))
        .order_by(CaseLogRow.number)
    )
    return {row.ref: row.text for row in rows if row.text}


_OF_STATUS: Final = {column.name for column in CaseRow.__table__.columns} & set(CaseStatus.model_fields) - {"projected"}


async def project(connection: Connection, projection: CaseProjection) -> None:
    """Write down what a case says of itself; what it said later already stands."""
    status = projection.status
    await connection.execute(
        update(CaseRow)
        .where(CaseRow.ref == projection.ref, CaseRow.projected < projection.number)
        .values(
            **status.model_dump(include=_OF_STATUS),
            **projection.model_dump(include={"due", "escalation", "waiting_for"}),
            first_answered_at=status.first_answered,
            resolved_at=status.resolved,
            status=status.model_dump(mode="json"),
            projected=projection.number,
        )
    )
    said = [line.submission for line in projection.log if line.submission is not None]
    known = select(CaseLogRow.kind, CaseLogRow.submission).where(
        CaseLogRow.ref == projection.ref, CaseLogRow.submission.in_(said)
    )
    # A case that was reset in Temporal hears again what it was told, and logs it under other numbers.
    logged = {(row.kind, row.submission) for row in await connection.execute(known)} if said else set()
    lines = [line for line in projection.log if (line.kind, line.submission) not in logged]
    await insert_new(connection, CaseLogRow, [{"ref": projection.ref, **line.model_dump()} for line in lines])
    await append(connection, projection.entries)
    await search.put(connection, projection.ref)


_WORST: Final = (
    select(CaseRow.ref)
    .where(CaseRow.account == bindparam("of"), CaseRow.severity == 1, CaseRow.state.in_(list(OPEN)))
    .order_by(CaseRow.number)
    .limit(1)
)


async def has_worst(connection: Connection, account: str) -> str | None:
    """The account's open case of severity 1, if it has one."""
    found: str | None = await connection.scalar(_WORST, {"of": account})
    return found


async def questions(connection: Connection, account: str, since: date, until: date, zone: str) -> tuple[Question, ...]:
    """The cases that are open, and those that were opened or solved in these days of a zone; the worst first."""
    days = whole_days(since, until, zone)
    query = _CASES.where(
        CaseRow.account == account,
        CaseRow.state != CaseState.MERGED,
        or_(
            CaseRow.state.in_(list(OPEN)),
            CaseRow.opened_at.between(days.start, days.end),
            CaseRow.resolved_at.between(days.start, days.end),
        ),
    ).order_by(CaseRow.severity, CaseRow.number)
    return tuple(
        Question(
            ref=row.ref,
            title=heading(row.said) or row.ref,
            severity=row.severity,
            opened=row.opened_at,
            resolved=row.resolved_at,
        )
        for row in await connection.execute(query)
    )


async def open_refs(connection: Connection, *, owner: str | None = None) -> list[str]:
    """The numbers of all open cases, or of one owner's."""
    query = select(CaseRow.ref).where(CaseRow.state.in_(list(OPEN))).order_by(CaseRow.number)
    if owner is not None:
        query = query.where(CaseRow.owner == owner)
    return list(await connection.scalars(query))


async def asked_by(connection: Connection, question: str) -> str | None:
    """The case that was opened with this submission, if there is one."""
    ref: str | None = await connection.scalar(select(CaseRow.ref).where(CaseRow.question == question))
    return ref


async def put_assignments(connection: Connection, choices: Iterable[tuple[Choice, int, int]], now: datetime) -> None:
    """Keep what the desk decided: each choice with the case's turn and severity. The latest word on a turn stands."""
    rows = [
        {
            "ref": choice.ref,
            "turn": turn,
            "severity": severity,
            "at": now,
            "member": choice.to,
            "reason": choice.reason,
            "to_page": choice.paged,
            "look_again": choice.again if choice.to is None else None,
            "considered": [
                CandidateRecord.model_validate(one._asdict() | {"bar": one.bar}).model_dump(mode="json")
                for one in choice.considered
            ],
        }
        for choice, turn, severity in choices
    ]
    await put(connection, AssignmentRow, rows)


async def put_paged(connection: Connection, ref: str, turn: int, now: datetime, *, lead: bool = False) -> None:
    """Keep that whoever got a case was paged, or a lead in their place."""
    mine = update(AssignmentRow).where(AssignmentRow.ref == ref, AssignmentRow.turn == turn)
    await connection.execute(mine.values({"lead_paged_at" if lead else "paged_at": now}))


async def put_refused(connection: Connection, ref: str, turn: int, refusal: str, now: datetime) -> None:
    """Keep that the webhook refuses the page, what it answered last, and since when that is so."""
    mine = update(AssignmentRow).where(AssignmentRow.ref == ref, AssignmentRow.turn == turn)
    since = func.coalesce(AssignmentRow.refused_at, sqlalchemy.literal(now, UtcInstant))
    await connection.execute(mine.values(refused_at=since, refusal=refusal))


async def assignments(connection: Connection, ref: str) -> list[Assignment]:
    """What the desk decided of a case, turn by turn."""
    rows = await connection.execute(
        select(
            AssignmentRow.__table__,
            AssignmentRow.paged_at.is_not(None).label("paged"),
            AssignmentRow.lead_paged_at.is_not(None).label("lead_paged"),
        )
        .where(AssignmentRow.ref == ref)
        .order_by(AssignmentRow.turn)
    )
    return [Assignment.model_validate(row._mapping) for row in rows]


async def unfit(connection: Connection, emails: Iterable[str]) -> dict[str, str]:
    """Why these can never be given a case, by address; those who can are not in it."""
    known = {member.email.lower(): member for member in await accounts.members(connection)}
    found = {}
    for email in emails:
        member = known.get(email.lower())
        why = "isn't a team member" if member is None else bar_of(member.roles, left=member.left_at is not None)
        if why is not None:
            found[email] = str(why)
    return found


class Stuck(WireModel):
    """A case that somebody has to look after, and since when."""

    ref: str
    account: str
    of: str
    heading: str
    severity: int
    since: Instant
    due: Instant | None


class Unowned(Stuck):
    """A case that nobody has, though the desk has looked for somebody, or has not come to it.

    Attributes:
        reason: Why nobody has it.
        look_again: When the first who could have it is at work; nothing where that is nobody at all.
    """

    reason: str
    look_again: Instant | None

    @property
    def is_urgent(self) -> bool:
        """Whether somebody has to act: waiting does not help it."""
        return self.severity == 1 or self.look_again is None


NOT_HANDED_OUT: Final = "the desk hasn't handed it out yet"
_TURN = aliased(AssignmentRow)
# Of the few that are looked at: the last turn of every case that there ever was would take longer with each year.
_LAST_TURN: Final = (AssignmentRow.ref == CaseRow.ref) & (
    AssignmentRow.turn == select(func.max(_TURN.turn)).where(_TURN.ref == CaseRow.ref).scalar_subquery()
)
_SHOWN: Final = (
    *(CaseRow.ref, CaseRow.account, AccountRow.name.label("of")),
    *(SubmissionRow.text.label("said"), CaseRow.severity),
)
_UNOWNED: Final = (
    select(
        *_SHOWN,
        CaseRow.opened_at,
        CaseRow.due,
        AssignmentRow.member,
        AssignmentRow.reason,
        AssignmentRow.at,
        AssignmentRow.look_again,
        AssignmentRow.refusal,
        AssignmentRow.lead_paged_at,
    )
    .join(AccountRow, AccountRow.key == CaseRow.account)
    .outerjoin(SubmissionRow, SubmissionRow.id == CaseRow.question)
    .outerjoin(AssignmentRow, _LAST_TURN)
    .where(
        CaseRow.state == CaseState.QUEUED,
        CaseRow.owner.is_(None),
        # One that was never told is looked after by the sweep.
        CaseRow.projected > 0,
        (sqlalchemy.literal(case_id("")) + CaseRow.ref).not_in(select(EndedOutsideRow.workflow_id)),
    )
    .order_by(CaseRow.severity, CaseRow.number)
)


async def unowned(connection: Connection, now: datetime) -> list[Unowned]:
    """The cases that nobody has, the worst first. The desk has a moment to find somebody."""
    return [
        Unowned.made_of(
            row,
            heading=heading(row.said) or row.ref,
            reason=_why_unowned(row) if routed else NOT_HANDED_OUT,
            since=row.at if routed else row.opened_at,
            look_again=row.look_again if routed else None,
        )
        for row in await connection.execute(_UNOWNED)
        for routed in [row.at is not None and row.member is None]
        if routed or row.opened_at <= now - ROUTED_WITHIN
    ]


def _why_unowned(row: Row[Any]) -> str:
    if row.refusal is None or row.lead_paged_at is not None:
        return str(row.reason)
    return f"{row.reason}. No lead was paged either: {row.refusal}"


class Unpaged(Stuck):
    """A case whose owner was to be paged, and since when the webhook refuses it.

    Attributes:
        owner: Who has it, by id.
        refusal: What the webhook answered last.
        lead_paged: Whether a lead was paged instead.
    """

    owner: str
    owner_name: str
    refusal: str
    lead_paged: bool

    @property
    def told(self) -> str:
        """What is wrong, in words that follow the case's number."""
        instead = "a lead was paged instead" if self.lead_paged else "no lead was paged either"
        return f"{self.owner_name} has it and couldn't be paged: {self.refusal}; {instead}"


_UNPAGED: Final = (
    select(
        *_SHOWN,
        CaseRow.owner,
        MemberRow.name.label("owner_name"),
        AssignmentRow.refusal,
        AssignmentRow.refused_at.label("since"),
        AssignmentRow.lead_paged_at.is_not(None).label("lead_paged"),
        CaseRow.due,
    )
    .join(AccountRow, AccountRow.key == CaseRow.account)
    .join(MemberRow, MemberRow.id == CaseRow.owner)
    .outerjoin(SubmissionRow, SubmissionRow.id == CaseRow.question)
    .join(AssignmentRow, _LAST_TURN)
    .where(
        # Whoever has answered since is awake.
        CaseRow.state == CaseState.OPEN,
        or_(CaseRow.first_answered_at.is_(None), CaseRow.first_answered_at < AssignmentRow.at),
        AssignmentRow.member == CaseRow.owner,
        AssignmentRow.refused_at.is_not(None),
        AssignmentRow.paged_at.is_(None),
        (sqlalchemy.literal(case_id("")) + CaseRow.ref).not_in(select(EndedOutsideRow.workflow_id)),
    )
    .order_by(CaseRow.severity, CaseRow.number)
)


async def unpaged(connection: Connection) -> list[Unpaged]:
    """The cases whose owner is to be paged, has not answered, and cannot be paged as the webhook refuses it."""
    return [Unpaged.made_of(row, heading=heading(row.said) or row.ref) for row in await connection.execute(_UNPAGED)]


async def given_since(connection: Connection, since: datetime) -> dict[str, tuple[GivenCase, ...]]:
    """What each member was given since an instant, by id."""
    found: dict[str, list[GivenCase]] = {}
    rows = await connection.execute(
        select(AssignmentRow.member, AssignmentRow.at, AssignmentRow.severity)
        .where(AssignmentRow.at >= since, AssignmentRow.member.is_not(None))
        .order_by(AssignmentRow.at)
    )
    for row in rows:
        found.setdefault(row.member, []).append(GivenCase(row.at, row.severity))
    return {member: tuple(some) for member, some in found.items()}


async def counts(connection: Connection) -> Mapping[str, int]:
    """How many cases are in each state."""
    rows = await connection.execute(select(CaseRow.state, func.count().label("many")).group_by(CaseRow.state))
    return {row.state: row.many for row in rows}


def lately(now: datetime) -> datetime:
    """From when on a resolved case still counts as news."""
    return now - timedelta(days=14)
