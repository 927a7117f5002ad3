"""What is on record at the end: the tables that a drill's reckoning asks, read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Row, select

from rapport.model.base import Instant, WireModel
from rapport.model.ids import review_id, undelivered_task
from rapport.model.message import NOT_DELIVERED
from rapport.storage import task as tasks
from rapport.storage.database import Store
from rapport.storage.support_case_tables import CaseLogRow, CaseRow
from rapport.storage.tables import ContractRow, MessageRow, TimelineRow
from rapport.storage.tech_review_tables import ReviewRemarkRow, ReviewRow


class Mail(WireModel):
    """One row of the outbox."""

    key: str
    account: str | None
    step: str
    workflow_id: str
    purpose: str
    kind: str
    address: str
    email: str
    state: str
    reason: str | None
    created_at: Instant
    not_before: Instant | None
    joined: str | None
    lease_until: Instant | None
    retry_at: Instant | None
    approved_by: str | None


class TimelineEntry(NamedTuple):
    """One entry of a timeline."""

    account: str
    kind: str
    step: str | None
    who: str | None


_MAILS = select(*(getattr(MessageRow, name) for name in Mail.model_fields))


@dataclass(frozen=True)
class DrillRecords:
    """What the database has."""

    messages: dict[str, Mail]
    timeline: frozenset[TimelineEntry]
    contracts: dict[str, Row[Any]]
    cases: dict[str, Row[Any]]
    case_log: frozenset[tuple[str, str]]
    reviews: dict[str, Row[Any]]
    remarks: frozenset[tuple[str, str | None]]
    asked: frozenset[str]

    @classmethod
    async def read(cls, store: Store) -> DrillRecords:
        """Read all of it, as it is at one moment."""
        async with store.snapshot() as connection:
            mails = [Mail.model_validate(row._mapping) for row in await connection.execute(_MAILS)]
            told = await connection.execute(
                select(TimelineRow.account, TimelineRow.kind, TimelineRow.step, TimelineRow.who)
            )
            contracts = await connection.execute(
                select(
                    ContractRow.id,
                    ContractRow.account,
                    ContractRow.workflow_id,
                    ContractRow.run_id,
                    ContractRow.requested_at,
                )
            )
            cases = await connection.execute(select(CaseRow.ref, CaseRow.state, CaseRow.owner, CaseRow.projected))
            log = await connection.execute(select(CaseLogRow.ref, CaseLogRow.kind))
            reviews = await connection.execute(
                select(ReviewRow.ref, ReviewRow.account, ReviewRow.projected, ReviewRow.decided)
            )
            remarks = await connection.execute(select(ReviewRemarkRow.ref, ReviewRemarkRow.by))
            asked = await tasks.open_about_emails(connection)
            return cls(
                messages={mail.key: mail for mail in mails},
                timeline=frozenset(TimelineEntry(row.account, row.kind, row.step, row.who) for row in told),
                contracts={row.id: row for row in contracts},
                cases={row.ref: row for row in cases},
                case_log=frozenset((row.ref, row.kind) for row in log),
                reviews={row.ref: row for row in reviews},
                remarks=frozenset((row.ref, row.by) for row in remarks),
                asked=frozenset(id_.rpartition("/")[2] for id_ in asked),
            )

    def mails_to(
        self, address: str, *, step: str | None = None, purpose: str | None = None, email: str | None = None
    ) -> list[Mail]:
        """The mails to an address: of a step, for a purpose, or of a kind."""
        return [
            mail
            for mail in self.messages.values()
            if mail.address == address
            and step in (None, mail.step)
            and purpose in (None, mail.purpose)
            and email in (None, mail.email)
        ]

    def of_email(self, account: str, email: str) -> list[Mail]:
        """An account's mails of a kind."""
        return [mail for mail in self.messages.values() if mail.account == account and mail.email == email]

    def told(self, account: str, kind: str, *, step: str | None = None, who: str | None = None) -> bool:
        """Whether an account's timeline has such an entry."""
        return any(
            one.account == account and one.kind == kind and step in (None, one.step) and who in (None, one.who)
            for one in self.timeline
        )

    def of_workflow(self, workflow_id: str, email: str) -> list[Mail]:
        """A workflow's mails of a kind."""
        return [one for one in self.messages.values() if one.workflow_id == workflow_id and one.email == email]

    def is_told(self, task: str) -> bool:
        """Whether there is a mail on what became of a task; of a review's, one tells of all once it is decided."""
        review = self.reviews.get(task.split("/")[1])
        if review is None:
            return bool(self.of_workflow(task, "task_outcome"))
        return review.decided is None or bool(self.of_workflow(review_id(review.ref), "review_decided"))

    def decided(self, account: str, task: str, who: str, kind: str) -> bool:
        """Whether somebody's decision of a task came to this."""
        subject, step = task.split("/")[1:3]
        return any(self.told(account, kind, step=name, who=who) for name in (step, f"{subject}.{step}"))

    def unasked(self) -> list[str]:
        """The keys of mails that failed, or may not have arrived, and that nobody is asked about."""
        return [
            one.key
            for one in self.messages.values()
            if one.state in NOT_DELIVERED
            and one.account is not None
            and undelivered_task(one.account, one.key, 1).rpartition("/")[2] not in self.asked
        ]

    def logged(self, ref: str, kind: str) -> bool:
        """Whether a case's log has such a word."""
        return (ref, kind) in self.case_log

    def remarked(self, ref: str, who: str) -> bool:
        """Whether somebody's word is on record in a review."""
        return (ref, who) in self.remarks
