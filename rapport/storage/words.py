"""Words that people say to workflows: which is the same one again, and what became of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Row, func, select, update

from rapport.model.meeting import Receipt
from rapport.rules import audit
from rapport.storage import timeline
from rapport.storage.database import Connection
from rapport.storage.support_case_tables import CaseLogRow
from rapport.storage.tables import SubmissionRow, TimelineRow
from rapport.storage.timeline import Submission

SAID_AGAIN_WITHIN: Final = timedelta(minutes=1)
"""How soon after its answer a word that is said again is still the same one: the answer may have been lost."""

_REFUSED: Final = frozenset({"decision.refused", "vote.refused", "drafts.refused", "case.refused", "word.refused"})

_CHANGED_NOTHING: Final = ("decision.late", "vote.late")

_OUTCOMES: Final = {
    "decision.made": "counted",
    "vote.cast": "counted",
    "meeting.asked_again": "new_times",
    "meeting.move_asked": "told",
    "meeting.declined": "told",
    "drafts.approved": "sending",
    "task.opened": "asked",
    "task.changed": "asked",
    "task.declined": "not_requested",
    "task.info_asked": "asked",
    "task.info_given": "answered",
    "operation.pause": "paused",
    "operation.resume": "resumed",
    "workflow.began_again": "continued",
    "operation.skip": "skipped",
    "operation.complete": "done",
    "operation.adopt": "adopted",
    "operation.cancel": "cancelled",
    "cadence.pause": "paused",
    "cadence.resume": "resumed",
    "cadence.adopt": "adopted",
    "cadence.cancel": "cancelled",
    "tech_review.meeting_asked": "asked",
}
"""What the receipt said, by the kind of the entry; of others it is the kind's own last word."""


async def put(connection: Connection, said: Submission, *, by_state: bool = False) -> Submission:
    """Keep what a person says to a workflow; where it is the same word again, the one that is kept already.

    It is the same if the same person says the same by the same channel, and said nothing else to that workflow since;
    and if nobody has told them yet what became of it, or has just done so. Once it has taken effect, what others said
    since makes it another word: a meeting that was moved away can be moved back. So does the answer that it did not
    count.

    Args:
        by_state: Whether it is another word as soon as it was answered: how things stand then says what it does.
    """
    if connection.dialect.name == "postgresql":
        # SQLite has one writer at a time. Here two requests that say the same at once would not see each other.
        await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(said.workflow_id, 0))))
    before = await find(connection, said, by_state=by_state)
    if before is None:
        await timeline.submit(connection, said)
    return before or said


async def find(connection: Connection, said: Submission, *, by_state: bool = False) -> Submission | None:
    """The submission of the same word by the same person, if it is on record; `by_state` as for `put`."""
    mine = SubmissionRow.workflow_id == said.workflow_id
    query = select(SubmissionRow.__table__).where(mine, SubmissionRow.actor == said.actor)
    last = (await connection.execute(query.order_by(SubmissionRow.at.desc()).limit(1))).one_or_none()
    if last is None or not _is_same(last, said):
        return None
    became = await outcome(connection, last.id)
    if last.answered_at is None and became is None:
        return Submission.model_validate(last._mapping)
    lately = last.answered_at is not None and said.at - last.answered_at <= SAID_AGAIN_WITHIN and not by_state
    if last.answered_at is not None and not (lately and (became is None or became.accepted)):
        return None
    others = select(SubmissionRow.id).where(mine, SubmissionRow.at > last.at).limit(1)
    return Submission.model_validate(last._mapping) if await connection.scalar(others) is None else None


def _is_same(last: Row[tuple[object, ...]], said: Submission) -> bool:
    if (last.kind, last.about, last.channel) != (said.kind, said.about, said.channel):
        return False
    if said.text is None or last.text_hash is None:
        return said.text is None and last.text_hash is None
    return bool(last.salt) and audit.text_hash(last.salt, said.text) == last.text_hash


async def outcome(connection: Connection, id_: str) -> Receipt | None:
    """What became of a word, as the record tells it; nothing if it does not."""
    query = select(TimelineRow.kind, TimelineRow.about).where(
        TimelineRow.submission == id_, TimelineRow.kind.not_in(_CHANGED_NOTHING)
    )
    entry = (await connection.execute(query.order_by(TimelineRow.id).limit(1))).one_or_none()
    if entry is None:
        said = select(SubmissionRow.workflow_id).where(SubmissionRow.id == id_).scalar_subquery()
        log = select(CaseLogRow.kind).where(CaseLogRow.submission == id_, said == "case/" + CaseLogRow.ref)
        kind = await connection.scalar(log.limit(1))
        return None if kind is None else Receipt(accepted=True, outcome=kind)
    if entry.kind in _REFUSED:
        return Receipt(accepted=False, reason=entry.about)
    return Receipt(accepted=True, outcome=_OUTCOMES.get(entry.kind, entry.kind.rpartition(".")[2]))


async def answered(connection: Connection, id_: str, now: datetime) -> None:
    """Keep that whoever said it was told what became of it."""
    first = update(SubmissionRow).where(SubmissionRow.id == id_, SubmissionRow.answered_at.is_(None))
    await connection.execute(first.values(answered_at=now))
