"""What is not a tech review: the right door for it, and leadership asked where that is the door."""

from __future__ import annotations

import json
import shlex
from typing import Annotated, Final

from pydantic import Field
from temporalio.common import (
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from rapport.model.access import Action
from rapport.model.account import Member, Role
from rapport.model.account_data import Severity
from rapport.model.base import Email, InputModel, Prose, Refused, Slug, UserError
from rapport.model.commands import in_name
from rapport.model.ids import task_id
from rapport.model.projection import TimelineEvent
from rapport.model.support_case import Channel, WrittenCase
from rapport.model.task import TaskStart
from rapport.model.triage import Answers, MatterKind
from rapport.rules import triage as rules
from rapport.rules.triage import Door
from rapport.search_attributes import found_by
from rapport.storage import account as accounts, timeline
from starters import flows
from starters.rights import ask, requires
from starters.services import Actor, Services, member_named, submission
from starters.use_cases import support_case
from starters.use_cases.words import heard, once

BROKEN: Final = 2
"""The severity of what is broken now, unless somebody says how bad it is: an important part does not work."""


class Matter(InputModel):
    """A matter that somebody brings, and what they say that it is.

    Attributes:
        what: What it is about, for whoever has to find its place.
        confirm: What is broken now opens a support case at once.
        severity, contact, key: As with that case: how bad it is, whose question it is, the sender's own key.
    """

    account: Slug
    kind: MatterKind
    what: Annotated[Prose, Field(min_length=1)]
    confirm: bool = False
    severity: Severity = BROKEN
    contact: Email | None = None
    key: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class TriageShown(Door):
    """The door, with the task of whoever is asked.

    Attributes:
        task: The id of the human task, where leadership is asked.
        asked: Who that is, by name or role.
        case: The number of the support case that was opened; `duplicates` are open cases likely about the same.
    """

    task: str | None = None
    asked: str | None = None
    case: str | None = None
    duplicates: tuple[str, ...] = ()


@requires(Action.GAPS)
async def bring(services: Services, matter: Matter, actor: Actor) -> TriageShown:
    """Find the door of a matter. Where it is the submitter's leadership, they are asked at once.

    What is broken now opens a support case, once the submitter has confirmed that it is to.

    Raises:
        UserError: There is no such account, the actor is no member, nobody leads them, they may not open cases, another
            kind of matter is confirmed, or Temporal does not take it.
    """
    if matter.confirm and matter.kind is not MatterKind.BROKEN_NOW:
        raise UserError(
            f'opens a support case, and "{matter.kind}" has another door',
            field="confirm",
            fix=f"leave it out, or say --kind {MatterKind.BROKEN_NOW}",
        )
    member = await member_named(services, actor)
    async with services.store.reading() as connection:
        await accounts.account(connection, matter.account)
    door = rules.triage(Answers(kind=matter.kind), matter.account)
    if door.door == "case":
        return await _broken(services, matter, door, actor)
    if not door.asks:
        return TriageShown(**door.model_dump())
    return await _ask_leadership(services, matter, door, member, actor)


async def _broken(services: Services, matter: Matter, door: Door, actor: Actor) -> TriageShown:
    """Open the case, or say how to."""
    if not matter.confirm:
        again = rules.confirmed(matter.account, shlex.quote(matter.what))
        return TriageShown(**door.model_dump(exclude={"next"}), next=again)
    channel: Channel = actor.channel if actor.channel in ("api", "page") else "cli"
    written = WrittenCase(
        account=matter.account,
        question=matter.what,
        contact=matter.contact,
        severity=matter.severity,
        channel=channel,
        id=matter.key,
    )
    await ask(services, Action.OPEN_CASE, actor, for_customers=True)
    opened = await support_case.open_case(services, written, actor)
    known = in_name(f"rapport case context {opened.ref} --text …")
    return TriageShown(**door.model_dump(exclude={"next"}), next=known, case=opened.ref, duplicates=opened.duplicates)


async def _ask_leadership(services: Services, matter: Matter, door: Door, member: Member, actor: Actor) -> TriageShown:
    """Open a to-do for whoever leads the submitter; it climbs its ladder, and its outcome is told to the submitter."""
    leader, name = await _leader(services, member)
    said = await once(
        services,
        submission(member.id, actor, "triage", matter.account, json.dumps({"matter": matter.what}, ensure_ascii=False)),
        by_state=True,
        kind=door.kind,
    )
    ref = f"Q-{said.id.removeprefix('s_')[:8]}"
    id_ = task_id(ref, door.kind, 1)
    entry = TimelineEvent(
        key=f"{matter.account}/{ref}/{said.id}",
        account=matter.account,
        at=said.at,
        kind="triage.asked",
        who=member.id,
        about=door.kind,
    )
    async with services.store.writing() as connection:
        await timeline.append(connection, [entry])
    title = "An escalation" if door.kind is MatterKind.ESCALATION else "Where it belongs"
    given = TaskStart(
        account=matter.account,
        contract=ref,
        subject=ref,
        step=door.kind,
        title=title,
        definition=rules.question(door.kind, leader),
        requester=member.id,
        request=said.id,
    )
    try:
        await services.client.start_workflow(
            flows.HumanTask.run,
            given,
            id=id_,
            task_queue=services.settings.task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=found_by(matter.account),
            static_summary=f"{title}, for {matter.account}",
        )
    except WorkflowAlreadyStartedError:
        # The same word again, whose answer was lost.
        pass
    except RPCError:
        raise UserError(
            "Temporal did not take it", fix="repeat it once Temporal is back", kind=Refused.UNREACHABLE
        ) from None
    await heard(services, said.id)
    return TriageShown(**door.model_dump(), task=id_, asked=name)


async def _leader(services: Services, member: Member) -> tuple[str, str]:
    """Who leads a member: their manager, or else whoever leads TAMs; as a task names them, and for people."""
    async with services.store.reading() as connection:
        everyone = {one.id: one for one in await accounts.members(connection) if one.left_at is None}
    manager = everyone.get(member.manager or "")
    if manager is not None:
        return manager.id, manager.name
    leads = [one for one in everyone.values() if Role.TAM_MANAGER in one.roles and one.id != member.id]
    if not leads:
        raise UserError(
            "has nobody who leads them", field="--as", fix="give the member a manager, with `rapport member import`"
        )
    return f"role:{Role.TAM_MANAGER}", "the TAM managers"
