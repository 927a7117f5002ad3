"""What is not a tech review: the right door for it, and leadership asked where that is the door."""

from __future__ import annotations

import json
import shlex
from typing import Annotated, Final

from pydantic import Field
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from rapport.model.base import Email, Prose, Refusal, Refused, Slug, Written
from rapport.model.commands import in_name
from rapport.model.evidence import Severity
from rapport.model.human_task import TaskStart
from rapport.model.ids import task_id
from rapport.model.people import Member, Role
from rapport.model.records import Entry
from rapport.model.support import Channel, WrittenCase
from rapport.model.triage import Answers, Kind
from rapport.policy import triage as rules
from rapport.policy.triage import Door
from rapport.storage import people, timeline
from starters.commands import cases
from starters.commands.office import Actor, Office, member_named, submission
from starters.commands.words import heard, once
from workflows.human_task import HumanTask

ACCOUNT = SearchAttributeKey.for_keyword("RapportAccount")


BROKEN: Final = 2
"""The severity of what is broken now, unless somebody says how bad it is: an important part does not work."""


class Matter(Written):
    """A matter that somebody brings, and what they say that it is.

    Attributes:
        what: What it is about, for whoever has to find its place.
        confirm: What is broken now opens a support case at once.
        severity, contact, key: As with that case: how bad it is, whose question it is, the sender's own key.
    """

    account: Slug
    kind: Kind
    what: Annotated[Prose, Field(min_length=1)]
    confirm: bool = False
    severity: Severity = BROKEN
    contact: Email | None = None
    key: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class Shown(Door):
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


async def bring(office: Office, matter: Matter, actor: Actor) -> Shown:
    """Find the door of a matter. Where it is the submitter's leadership, they are asked at once.

    What is broken now opens a support case, once the submitter has confirmed that it is to.

    Raises:
        Refusal: There is no such account, the actor is no member, nobody leads them, they may not open cases, another
            kind of matter is confirmed, or Temporal does not take it.
    """
    if matter.confirm and matter.kind is not Kind.BROKEN_NOW:
        raise Refusal(
            f'opens a support case, and "{matter.kind}" has another door',
            field="confirm",
            fix=f"leave it out, or say --kind {Kind.BROKEN_NOW}",
        )
    member = await member_named(office, actor)
    async with office.store.reading() as connection:
        await people.account(connection, matter.account)
    door = rules.triage(Answers(kind=matter.kind), matter.account)
    if door.door == "case":
        return await _broken(office, matter, door, actor)
    if not door.asks:
        return Shown(**door.model_dump())
    return await _ask_leadership(office, matter, door, member, actor)


async def _broken(office: Office, matter: Matter, door: Door, actor: Actor) -> Shown:
    """Open the case, or say how to."""
    if not matter.confirm:
        again = rules.confirmed(matter.account, shlex.quote(matter.what))
        return Shown(**door.model_dump(exclude={"next"}), next=again)
    channel: Channel = actor.channel if actor.channel in ("api", "page") else "cli"
    written = WrittenCase(
        account=matter.account,
        question=matter.what,
        contact=matter.contact,
        severity=matter.severity,
        channel=channel,
        id=matter.key,
    )
    opened = await cases.open_case(office, written, actor)
    known = in_name(f"rapport case context {opened.ref} --text …")
    return Shown(**door.model_dump(exclude={"next"}), next=known, case=opened.ref, duplicates=opened.duplicates)


async def _ask_leadership(office: Office, matter: Matter, door: Door, member: Member, actor: Actor) -> Shown:
    """Open a to-do for whoever leads the submitter; it climbs its ladder, and its outcome is told to the submitter."""
    leader, name = await _leader(office, member)
    said = await once(
        office,
        submission(member.id, actor, "triage", matter.account, json.dumps({"matter": matter.what}, ensure_ascii=False)),
        by_state=True,
        kind=door.kind,
    )
    ref = f"Q-{said.id.removeprefix('s_')[:8]}"
    id_ = task_id(ref, door.kind, 1)
    entry = Entry(
        key=f"{matter.account}/{ref}/{said.id}",
        account=matter.account,
        at=said.at,
        kind="triage.asked",
        who=member.id,
        about=door.kind,
    )
    async with office.store.writing() as connection:
        await timeline.append(connection, [entry])
    title = "An escalation" if door.kind is Kind.ESCALATION else "Where it belongs"
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
        await office.client.start_workflow(
            HumanTask.run,
            given,
            id=id_,
            task_queue=office.settings.task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=TypedSearchAttributes([SearchAttributePair(ACCOUNT, matter.account)]),
            static_summary=f"{title}, for {matter.account}",
        )
    except WorkflowAlreadyStartedError:
        # The same word again, whose answer was lost.
        pass
    except RPCError:
        raise Refusal(
            "Temporal did not take it", fix="repeat it once Temporal is back", kind=Refused.UNREACHABLE
        ) from None
    await heard(office, said.id)
    return Shown(**door.model_dump(), task=id_, asked=name)


async def _leader(office: Office, member: Member) -> tuple[str, str]:
    """Who leads a member: their manager, or else whoever leads TAMs; as a task names them, and for people."""
    async with office.store.reading() as connection:
        everyone = {one.id: one for one in await people.members(connection) if one.left_at is None}
    manager = everyone.get(member.manager or "")
    if manager is not None:
        return manager.id, manager.name
    leads = [one for one in everyone.values() if Role.TAM_MANAGER in one.roles and one.id != member.id]
    if not leads:
        raise Refusal(
            "has nobody who leads them", field="--as", fix="give the member a manager, with `rapport member import`"
        )
    return f"role:{Role.TAM_MANAGER}", "the TAM managers"
