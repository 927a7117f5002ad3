"""Product gaps: logging one, linking it to whom it concerns, saying where it is, and having the CRM told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Final, TypeVar

from pydantic import Field
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from rapport.model.access import Action
from rapport.model.account import Member
from rapport.model.base import Prose, Refused, UserError
from rapport.model.delivery import DeliveryState
from rapport.model.gap import Gap, GapChange, GapStart, GapStatus, Kind, Links, NewGap
from rapport.model.ids import gap_id, gap_ref
from rapport.model.support_case import CASE_REF
from rapport.storage import account as people, gap as gaps, support_case as support_case_storage, timeline
from rapport.storage.addresses import GONE
from rapport.storage.database import Connection
from rapport.storage.gap_tables import GapRow
from starters import flows
from starters.rights import requires
from starters.services import ANSWER_SECONDS, Actor, Services, member_named, present, submission
from starters.use_cases import support_case
from starters.use_cases.numbers import numbered

L = TypeVar("L", bound=Links)


class GapLinks(Links):
    """What a gap is linked to from now on, and why."""

    note: Annotated[Prose, Field(min_length=1)] | None = None


class GapShown(Gap):
    """A gap with its people, and what the CRM has of it.

    Attributes:
        logged_by: The name of the member who logged it.
        workflow_id: The workflow that sends it.
        crm: What became of sending it as it stands, in words.
        resend: The command that sends it again, where that is needed.
    """

    workflow_id: str
    crm: str
    resend: str | None


@requires(Action.GAPS)
async def log(services: Services, written: NewGap, actor: Actor) -> GapShown:
    """Log something that customers need and the product does not do.

    Raises:
        UserError: An account or case is unknown, one of its gaps has this title already, the actor is no member, or
            Temporal does not take the delivery; the gap is on record then.
    """
    member = await member_named(services, actor)
    now = present()

    async def add(number: int) -> str:
        async with services.store.writing() as connection:
            full = await _with_accounts(connection, written)
            await _refuse_unknown(connection, full.accounts)
            await _refuse_same(connection, full)
            ref = await gaps.add(connection, full, member.id, now, number)
            said = submission(member.id, actor, "gap.log", gap_id(ref), f"{written.title}\n{written.description}")
            await timeline.record(connection, full.accounts, "gap.logged", said, about=ref)
        return ref

    ref = await numbered(services, GapRow.number, lambda number: gap_id(gap_ref(number)), add)
    return await _told(services, await _sent(services, ref), written.cases, written.description, member, actor)


@requires(Action.GAPS)
async def link(services: Services, ref: str, written: GapLinks, actor: Actor) -> GapShown:
    """Link a gap to more accounts, reviews or cases; what it is linked to already is no error.

    Raises:
        UserError: There is no such gap or account, nothing is named, the actor is no member, or as `log`.
    """
    member = await member_named(services, actor)
    pairs = written.pairs()
    if not pairs:
        raise UserError("names nothing", field="accounts", fix="name an account, a review or a case")
    found = await _find(services, ref)
    async with services.store.writing() as connection:
        written = await _with_accounts(connection, written)
        pairs = written.pairs()
        await _refuse_unknown(connection, written.accounts)
        if not await gaps.link(connection, ref, pairs, present()):
            return await _shown(connection, found)
        names = ", ".join(name for _, name in pairs)
        said = submission(member.id, actor, "gap.link", gap_id(ref), written.note or f"{found.title}: {names}")
        await timeline.record(connection, {*found.accounts, *written.accounts}, "gap.linked", said, about=ref)
    new = [case for case in written.cases if case not in found.cases]
    return await _told(services, await _sent(services, ref), new, written.note or found.description, member, actor)


@requires(Action.GAPS)
async def change(services: Services, ref: str, written: GapChange, actor: Actor) -> GapShown:
    """Say where a gap is by now, and why; with the place on the roadmap where its progress can be followed.

    Raises:
        UserError: There is no such gap, a planned one has no place on the roadmap, the actor is no member, or as `log`.
    """
    member = await member_named(services, actor)
    found = await _find(services, ref)
    roadmap = str(written.roadmap) if written.roadmap else None
    if written.status is GapStatus.PLANNED and not (roadmap or found.roadmap):
        raise UserError(
            "is missing", field="roadmap", fix="give the link under which a planned gap can be followed on the roadmap"
        )
    said = submission(member.id, actor, "gap.status", gap_id(ref), f"{found.title}: {written.status}\n{written.reason}")
    async with services.store.writing() as connection:
        await gaps.change(connection, ref, written.status, roadmap, present())
        await timeline.record(connection, found.accounts, "gap.changed", said, about=ref)
    return await _told(services, await _sent(services, ref), found.cases, written.reason, member, actor)


@requires(Action.GAPS)
async def resend(services: Services, ref: str) -> GapShown:
    """Have the CRM told again, whatever became of it before.

    Raises:
        UserError: There is no such gap, or Temporal does not take it.
    """
    await _find(services, ref)
    async with services.store.writing() as connection:
        await gaps.again(connection, ref)
    return await _sent(services, ref)


@requires(Action.READ)
async def show(services: Services, ref: str) -> GapShown:
    """One gap.

    Raises:
        UserError: There is none of this reference.
    """
    found = await _find(services, ref)
    async with services.store.reading() as connection:
        return await _shown(connection, found)


@requires(Action.READ)
async def listed(
    services: Services,
    *,
    status: GapStatus | None = None,
    account: str | None = None,
    review: str | None = None,
    case: str | None = None,
) -> list[GapShown]:
    """The gaps, the newest first: all, or of one status, or that concern one account, review or case.

    Raises:
        UserError: There is no such account.
    """
    named: list[tuple[Kind, str | None]] = [("account", account), ("review", review), ("case", case)]
    given = [(kind, ref) for kind, ref in named if ref is not None]
    async with services.store.reading() as connection:
        if account is not None:
            await people.account(connection, account)
        found = await gaps.known(connection, status=status, linked=given[0] if given else None)
        for kind, ref in given[1:]:
            concerned = {one.ref for one in await gaps.known(connection, linked=(kind, ref))}
            found = [one for one in found if one.ref in concerned]
        return [await _shown(connection, one) for one in found]


async def _find(services: Services, ref: str) -> Gap:
    async with services.store.reading() as connection:
        found = await gaps.gap(connection, ref)
    if found is None:
        raise UserError(
            f'there is no product gap "{ref[:40]}"',
            field="ref",
            fix="see `rapport gap list` for the references",
            kind=Refused.NOT_FOUND,
        )
    return found


async def _with_accounts(connection: Connection, written: L) -> L:
    """Links of a gap, with the accounts of its cases added: what a case needs, its account needs.

    Raises:
        UserError: There is no such case.
    """
    accounts = list(written.accounts)
    for ref in written.cases:
        if _is_ours(ref):
            try:
                accounts.append((await support_case_storage.case(connection, ref)).account)
            except UserError as refusal:
                raise UserError(refusal.problem, field="cases", fix=refusal.fix, kind=refusal.kind) from None
    return written.model_copy(update={"accounts": tuple(dict.fromkeys(accounts))})


def _is_ours(case: str) -> bool:
    """Whether a case is one of the support desk's; of another system's only the name is known."""
    return re.fullmatch(CASE_REF, case) is not None


async def _told(
    services: Services, gap: GapShown, among: Iterable[str], why: str, member: Member, actor: Actor
) -> GapShown:
    """Report to the cases that a gap came up in where it is by now."""
    words = "\n".join([f"{gap.title}: {gap.status}", why, *([gap.roadmap] if gap.roadmap else [])])
    for ref in among:
        if _is_ours(ref):
            await support_case.hear_of_gap(services, ref, gap.ref, gap.status, words, member, actor)
    return gap


async def _refuse_unknown(connection: Connection, accounts: tuple[str, ...]) -> None:
    for account in accounts:
        await people.account(connection, account)


async def _refuse_same(connection: Connection, written: NewGap) -> None:
    """Whoever logs what is logged already gets to the one that there is."""
    for one in await gaps.known(connection):
        same = one.title.casefold() == written.title.casefold()
        if same and (set(one.accounts) & set(written.accounts) or not written.accounts):
            raise UserError(
                f"stands already, as {one.ref}",
                field="title",
                fix=f"link it to what is new instead: rapport gap link {one.ref} --as EMAIL",
                kind=Refused.CONFLICT,
            )


async def _sent(services: Services, ref: str) -> GapShown:
    """Have a gap sent, by the workflow that runs for it or by a new one.

    Raises:
        UserError: Temporal does not take it.
    """
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await services.client.start_workflow(
                flows.GapDelivery.run,
                GapStart(ref=ref),
                id=gap_id(ref),
                task_queue=services.settings.task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                start_signal="gap_changed",
                static_summary=f"Send the product gap {ref} to the CRM",
                rpc_timeout=timedelta(seconds=ANSWER_SECONDS),
            )
    except (RPCError, TimeoutError):
        raise UserError(
            f"{ref} is on record, and Temporal did not take its delivery to the CRM",
            fix=f"once Temporal is back: rapport gap resend {ref}",
            kind=Refused.UNREACHABLE,
        ) from None
    return await show(services, ref)


_CRM: Final[dict[str, str]] = {
    DeliveryState.WAITING: "on its way to the CRM",
    DeliveryState.SENT: "the CRM has it",
    DeliveryState.FAILED: "the CRM does not have it",
    DeliveryState.OFF: "no CRM is set up",
}


async def _shown(connection: Connection, found: Gap) -> GapShown:
    names = await people.names(connection, None)
    reason = f": {found.delivery_reason}" if found.delivery_reason else ""
    return GapShown.made_of(
        found,
        logged_by=names.get(found.logged_by, GONE),
        workflow_id=gap_id(found.ref),
        crm=_CRM[found.delivery] + reason,
        resend=f"rapport gap resend {found.ref}" if found.delivery == DeliveryState.FAILED else None,
    )
