"""Meetings that a member proposed beside the playbook, among the steps of the contract that they belong to.

What such a meeting is called stands here alone: its workflow knows it by a number, and what it writes gets its title
as it is written.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, insert, or_, select, update

from rapport.model.ids import meeting_id, scope_of
from rapport.model.meeting import AD_HOC, ad_hoc_number, ad_hoc_step, is_ad_hoc, untitled
from rapport.rules.erasure import Naming
from rapport.storage.database import Connection
from rapport.storage.tables import ContractRow, MilestoneRow

_BEHIND: Final = 1_000_000
"""Where they stand among a contract's steps: after those of its playbook, in the order in which they were proposed."""

_OPEN: Final = (
    select(MilestoneRow.contract, MilestoneRow.step, MilestoneRow.title, MilestoneRow.attempt, ContractRow.workflow_id)
    .join(ContractRow, ContractRow.id == MilestoneRow.contract)
    .where(MilestoneRow.stage == AD_HOC, MilestoneRow.ended.is_(None))
    .order_by(MilestoneRow.position)
)


async def propose(connection: Connection, contract: str, title: str, now: datetime) -> str:
    """Put a meeting on record that its workflow is about to hold; give what it is called in ids and commands."""
    # One at a time, so that no two get the same number.
    mine = select(ContractRow.id).where(ContractRow.id == contract)
    await connection.execute(mine.with_for_update(key_share=True))
    theirs = (MilestoneRow.contract == contract, MilestoneRow.stage == AD_HOC)
    last = await connection.scalar(select(func.max(MilestoneRow.position)).where(*theirs))
    position = _BEHIND + 1 if last is None else last + 1
    step = ad_hoc_step(position - _BEHIND)
    new: dict[str, Any] = {
        "contract": contract,
        "step": step,
        "position": position,
        "title": title,
        "stage": AD_HOC,
        "kind": "meeting",
        "state": "running",
        "attempt": 1,
        "due": None,
        "began": now,
        "ended": None,
        "outcome": None,
        "waiting_on": [],
        "waiting_for": None,
        "unblock": None,
        "deadline": None,
        "since": None,
        "projected": 0,
    }
    await connection.execute(insert(MilestoneRow).values(new))
    return step


async def withdraw(connection: Connection, contract: str, step: str) -> None:
    """Take a meeting off the record whose workflow never began."""
    one = (MilestoneRow.contract == contract, MilestoneRow.step == step, MilestoneRow.stage == AD_HOC)
    await connection.execute(delete(MilestoneRow).where(*one))


async def end(connection: Connection, contract: str, step: str, outcome: str, now: datetime) -> None:
    """Write down how a meeting beside the playbook ended."""
    one = (MilestoneRow.contract == contract, MilestoneRow.step == step, MilestoneRow.stage == AD_HOC)
    nothing: dict[str, Any] = {"waiting_on": [], "waiting_for": None, "unblock": None, "deadline": None, "since": None}
    ended = {"state": "done", "ended": now, "outcome": outcome, **nothing}
    await connection.execute(update(MilestoneRow).where(*one).values(ended))


async def standing(connection: Connection, account: str, title: str, but: str) -> str | None:
    """The open meeting of an account that has this title already, by its step; another one than this."""
    found = await connection.execute(_OPEN.where(ContractRow.account == account, MilestoneRow.step != but))
    return next((row.step for row in found if row.title.casefold() == title.casefold()), None)


async def beside(connection: Connection, account: str, contract: str | None = None) -> list[str]:
    """The workflows of an account's open meetings beside the playbook.

    Args:
        contract: Only those of this contract, and of those whose onboarding is over.
    """
    query = _OPEN.where(ContractRow.account == account)
    if contract is not None:
        query = query.where(or_(ContractRow.id == contract, ContractRow.ended_at.is_not(None)))
    return [meeting_id(scope_of(row.workflow_id), row.step, row.attempt) for row in await connection.execute(query)]


async def in_full(connection: Connection, contract: str | None, step: str, text: str) -> str:
    """A text that names a meeting beside the playbook by its number, with its title instead.

    Args:
        step: The meeting's, or one that begins with it, as that of a to-do does.
    """
    of = step.partition(".")[0]
    if contract is None or not is_ad_hoc(of):
        return text
    one = (MilestoneRow.contract == contract, MilestoneRow.step == of, MilestoneRow.stage == AD_HOC)
    title = await connection.scalar(select(MilestoneRow.title).where(*one))
    return text if title is None else text.replace(untitled(ad_hoc_number(of)), title)


async def redact_titles(connection: Connection, named: Naming) -> None:
    """Take a name from what meetings beside the playbook are called, whosever they are: somebody wrote that."""
    rows = await connection.execute(
        select(MilestoneRow.contract, MilestoneRow.step, MilestoneRow.title).where(MilestoneRow.stage == AD_HOC)
    )
    for row in rows.all():
        if (title := named.redacted(row.title)) != row.title:
            one = (MilestoneRow.contract == row.contract, MilestoneRow.step == row.step)
            await connection.execute(update(MilestoneRow).where(*one).values(title=title))


async def forget_titles(connection: Connection, account: str) -> None:
    """Erase what an account's meetings beside the playbook were called."""
    contracts = select(ContractRow.id).where(ContractRow.account == account)
    rows = await connection.execute(
        select(MilestoneRow.contract, MilestoneRow.step).where(
            MilestoneRow.contract.in_(contracts), MilestoneRow.stage == AD_HOC
        )
    )
    for row in rows.all():
        one = (MilestoneRow.contract == row.contract, MilestoneRow.step == row.step)
        await connection.execute(update(MilestoneRow).where(*one).values(title=untitled(ad_hoc_number(row.step))))
