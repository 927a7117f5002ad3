"""People come and go on an account: a contact follows another, leaves or joins; another member takes the account over.

Each is safe to repeat: what stands already is said to stand, and only whoever goes by it is told again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import date, datetime
from email.parser import BytesHeaderParser
from email.policy import default
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator
from temporalio.common import (
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from rapport.model.access import Action
from rapport.model.account import (
    Account,
    Contact,
    DayOrInstant,
    Member,
    Persona,
    Role,
    WorkingHours,
    WrittenContact,
)
from rapport.model.base import Email, InputModel, Name, Prose, Refused, UserError, WireModel, Zone
from rapport.model.ids import handover_id, notice_id, onboarding_id
from rapport.model.message import HandoverFacts, MessageRequest, Purpose
from rapport.model.projection import TimelineEvent
from rapport.model.reading import check
from rapport.model.succession import HandoverStart
from rapport.model.workflows import NOTICE
from rapport.rules import calendar
from rapport.rules.erasure import is_erased
from rapport.search_attributes import found_by
from rapport.storage import account as account_storage, erasure, succession, timeline
from rapport.storage.database import Connection
from rapport.storage.erasure import Erased
from rapport.storage.succession import ContactRecord
from starters import flows
from starters.rights import ask, requires
from starters.services import ANSWER_SECONDS, Actor, Services, member_named, present, submission
from starters.use_cases import account as accounts
from starters.use_cases.account import AccountShown
from starters.use_cases.member import tell_people_changed
from starters.use_cases.sentences import called


def _filled(value: str) -> str:
    if not value:
        raise ValueError("is empty; say why")
    return value


Reason = Annotated[Prose, AfterValidator(_filled)]


class Successor(InputModel):
    """Who follows a contact, in the same persona.

    Attributes:
        former: Who is followed, by address; needed only where several have the persona.
        zone, country, subdivision, hours: Where and when they work; without a zone as the one whom they follow.
    """

    persona: Persona
    name: Name
    email: Email
    title: Name | None = None
    former: Email | None = None
    zone: Zone | None = None
    country: str | None = None
    subdivision: str | None = None
    hours: WorkingHours | None = None
    reason: Reason


class Newcomer(WrittenContact):
    """Somebody who is a contact from now on."""

    reason: Reason


class Departure(InputModel):
    """Why somebody is no contact any more."""

    reason: Reason


class HandOver(InputModel):
    """Who takes an account over.

    Attributes:
        to: The member, by address.
        until: The last day in the regular TAM's zone, which still belongs to it, or the instant at which it ends.
            Without it, it is for good.
    """

    to: Email
    until: DayOrInstant | None = None
    reason: Reason


class SuccessionResult(WireModel):
    """What became of it.

    Attributes:
        changed: Whether anything was changed; if not, it stood like that already.
        what: The same in words.
    """

    changed: bool
    what: str
    account: AccountShown


@requires(Action.ACT)
async def replace_contact(services: Services, account: str, successor: Successor, actor: Actor) -> SuccessionResult:
    """Have somebody follow a contact: what was to go to one goes to the other, and past votes stay on record.

    Whom they follow stays a contact where they have other personas; somebody who is one already gets this persona too.

    Raises:
        UserError: Nobody has the persona, several have it and none is named, the address belongs to somebody else, or
            the actor may not. Or Temporal does not answer: then it is on record, and repeating it tells those who go
            by it.
    """
    by = await member_named(services, actor)
    now = present()
    async with services.store.writing() as connection:
        await _known_account(connection, account)
        known = await succession.everyone(connection, account)
        there = _with_address(known, successor.email)
        stands = _has(there, (successor.persona,))
        if not stands or _is_another(known, successor):
            former = _former(known, successor)
            await _refuse_taken(connection, there, successor.name, successor.email)
            rest = tuple(persona for persona in former.personas if persona != successor.persona)
            if there is not None and there.left_at is None:
                came = there.id
                await succession.put_personas(connection, account, came, (*there.personas, successor.persona))
            else:
                contact = await _following(connection, account, former, successor)
                came = await succession.join(connection, account, contact, former.position, there.id if there else None)
            if rest:
                await succession.put_personas(connection, account, former.id, rest)
            else:
                await account_storage.contacts_left(connection, [former.id], now)
            await record(connection, account, "contact.replaced", former.id, came, by, actor, successor.reason, now)
    title = called(successor.persona)
    what = f"{successor.name} is {title} already" if stands else f"{successor.name} follows as {title}"
    return await _done(services, account, what, changed=not stands)


@requires(Action.ACT)
async def add_contact(services: Services, account: str, newcomer: Newcomer, actor: Actor) -> SuccessionResult:
    """Add a contact; what was held because nobody had their persona goes on.

    Raises:
        UserError: The address belongs to somebody else, or the actor may not; or Temporal does not answer, as for
            `replace_contact`.
    """
    by = await member_named(services, actor)
    now = present()
    async with services.store.writing() as connection:
        await _known_account(connection, account)
        known = await succession.everyone(connection, account)
        there = _with_address(known, newcomer.email)
        stands = _has(there, newcomer.personas)
        if not stands:
            await _refuse_taken(connection, there, newcomer.name, newcomer.email)
            if there is not None and there.left_at is None:
                came = there.id
                await succession.put_personas(connection, account, came, (*there.personas, *newcomer.personas))
            else:
                contact = WrittenContact.model_validate(newcomer.model_dump(exclude={"reason"}))
                position = max((one.position for one in known), default=-1) + 1
                came = await succession.join(connection, account, contact, position, there.id if there else None)
            about = ",".join(newcomer.personas)
            await record(connection, account, "contact.added", came, about, by, actor, newcomer.reason, now)
    title = called(*newcomer.personas)
    what = f"{newcomer.name} is {title} already" if stands else f"{newcomer.name} is {title} from now on"
    return await _done(services, account, what, changed=not stands)


@requires(Action.ACT)
async def remove_contact(
    services: Services, account: str, email: str, departure: Departure, actor: Actor
) -> SuccessionResult:
    """Note that somebody is no contact any more. What needs somebody in their place waits.

    Raises:
        UserError: There is no such contact, or the actor may not; or Temporal does not answer, as for
            `replace_contact`.
    """
    by = await member_named(services, actor)
    now = present()
    async with services.store.writing() as connection:
        await _known_account(connection, account)
        there = _with_address(await succession.everyone(connection, account), email)
        if there is None:
            raise _no_contact(account, email)
        stands = there.left_at is not None
        if not stands:
            await account_storage.contacts_left(connection, [there.id], now)
            await record(
                connection,
                account,
                "contact.removed",
                there.id,
                ",".join(there.personas),
                by,
                actor,
                departure.reason,
                now,
            )
    what = f"{there.name} is no contact {'already' if stands else 'any more'}"
    return await _done(services, account, what, changed=not stands)


@requires(Action.ERASE)
async def erase_contact(
    services: Services, account: str, email: str, actor: Actor, reason: str | None = None
) -> Erased:
    """Erase a contact, also one who has left, from everything on record; whoever is still there leaves with it.

    Their name and address, what they said, and what was said of them are gone for good; the timeline's hash chain stays
    whole. What was to go to them does not go.

    Args:
        email: Their address; or their id, to have it told again that they are erased.

    Raises:
        UserError: There is no such contact, or the actor may not; or Temporal does not answer, as for
            `replace_contact`.
    """
    by = await member_named(services, actor)
    if not (reason or "").strip():
        raise UserError("is missing", field="reason", fix="say why")
    now = present()
    caught = await asyncio.to_thread(_caught_ids, services.settings.caught)
    async with services.store.writing() as connection:
        await _known_account(connection, account)
        known = await succession.everyone(connection, account)
        there = _with_address(known, email) or next((one for one in known if one.id == email), None)
        if there is None:
            raise _no_contact(account, email)
        concerned = None
        erased = Erased(contact=there.id, messages=0, texts=0, records=0)
        if not is_erased(there.email):
            named = await erasure.naming(connection, account, there.id)
            reason = named.redacted(reason) if reason is not None else None
            concerned = await erasure.concerned(connection, account, there.id, named, caught.values())
            erased = await erasure.erase(connection, account, there.id, named, now)
            await record(
                connection, account, "contact.erased", there.id, ",".join(there.personas), by, actor, reason, now
            )
        listeners = await succession.listeners(connection, account)
    if concerned is not None:
        await asyncio.to_thread(forget_caught, services.settings.caught, concerned.includes)
        await services.store.scrub()
    if await tell_people_changed(services, listeners) > 0:
        # The address is no more, so the same command finds them by what is left.
        raise untold(f"repeat it with {there.id} in place of the address once Temporal is back")
    return erased


def _caught_ids(folder: Path) -> dict[Path, str]:
    """The Message-ID of each mail that the catcher of an embedded stack has kept."""
    found = {}
    for path in folder.glob("*.eml"):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            found[path] = str(BytesHeaderParser(policy=default).parse(file)["message-id"] or "")
    return found


def forget_caught(folder: Path, is_concerned: Callable[[str, bytes], bool]) -> None:
    """Delete what the mail catcher of an embedded stack has of somebody, also what it has got meanwhile.

    Args:
        is_concerned: Whether a mail is theirs, by its Message-ID and its bytes.
    """
    for path, message_id in _caught_ids(folder).items():
        with contextlib.suppress(FileNotFoundError):
            if is_concerned(message_id, path.read_bytes()):
                path.unlink()


@requires(Action.ACT, about=None)
async def hand_over(services: Services, account: str, order: HandOver, actor: Actor) -> SuccessionResult:
    """Have another member serve an account, for a while or for good: open tasks, mails and meetings become theirs.

    Raises:
        UserError: The member is unknown, has left, is no TAM or has no link to join; the day is over; or the actor may
            not; or Temporal does not answer, as for `replace_contact`.
    """
    by = await member_named(services, actor)
    async with services.store.reading() as connection:
        repeats = await _stands_already(connection, account, order)
    if not repeats:
        await ask(services, Action.ACT, actor, account)
    now = present()
    async with services.store.writing() as connection:
        found = await _known_account(connection, account)
        serving = await account_storage.member(connection, found.tam)
        regular = await account_storage.member(connection, found.regular_tam) if found.regular_tam else serving
        to = await _taker(connection, order.to, serving)
        until = None if order.until is None else _end(order.until, regular.schedule.zone)
        if until is not None and until <= now:
            raise UserError("is in the past", field="until", fix="write a day from today on, or a later instant")
        if until is not None and to.id == regular.id:
            raise UserError("is the regular TAM", field="until", fix="leave it out to give the account back to them")
        stands = (found.tam, found.tam_until) == (to.id, until)
        if repeats and not stands:
            # It has changed hands at this very moment.
            await ask(services, Action.ACT, actor, account)
        if not stands:
            goes_back = regular.id if until is not None else None
            await succession.hand_over(connection, account, to.id, goes_back, until)
            await succession.tell_of_books(connection, now)
            await record(
                connection, account, "account.handed_over", to.id, serving.id, by, actor, order.reason, now, until
            )
    if until is not None:
        await _give_back_later(services, account, until)
    await _write_to_the_taker(services, account)
    place = ZoneInfo(regular.schedule.zone)
    span = f" until {until.astimezone(place):%Y-%m-%d %H:%M} ({place})" if until is not None else ""
    what = f"{to.name} serves {account}{span}" + (" already" if stands else " from now on")
    return await _done(services, account, what, changed=not stands)


async def _stands_already(connection: Connection, account: str, order: HandOver) -> bool:
    """Whether an account is served as this says, and for as long.

    Whoever has handed it over may repeat that, although it is not theirs any more; and change nothing in it.
    """
    to = await account_storage.member_by_email(connection, order.to)
    if to is None or await account_storage.tam_of(connection, account) != to.id:
        return False
    found = await account_storage.account(connection, account)
    regular = await account_storage.member(connection, found.regular_tam) if found.regular_tam else to
    until = None if order.until is None else _end(order.until, regular.schedule.zone)
    return found.tam_until == until


@requires(Action.ACT, about=None)
async def hand_over_all(services: Services, email: str, order: HandOver, actor: Actor) -> list[SuccessionResult]:
    """Have another member serve every account that a member serves, as when they leave. Safe to repeat.

    What was handed over from one to the other already is told again: Temporal may not have been there the first time.

    Args:
        email: Who serves them now.

    Raises:
        UserError: As `hand_over`, before any account has changed hands, or at the first for which Temporal does not
            answer; there is no such member; or they serve none.
    """
    await member_named(services, actor)
    async with services.store.reading() as connection:
        former = await account_storage.member_by_email(connection, email)
        to = await account_storage.member_by_email(connection, order.to)
        if former is None:
            raise UserError(
                f'there is no member "{email[:70]}"',
                field="from",
                fix="see `rapport member list`",
                kind=Refused.NOT_FOUND,
            )
        theirs = await account_storage.accounts_of(connection, former.id)
        there = await account_storage.accounts_of(connection, to.id) if to is not None else []
        last = {one: await succession.last_hand_over(connection, one) for one in there}
        again = [one for one, said in last.items() if said is not None and said.former == former.id]
    for account in theirs:
        await ask(services, Action.ACT, actor, account)
    if not theirs and not again:
        raise UserError(
            "serves no account", field="from", fix="see `rapport portfolio --tam EMAIL`", kind=Refused.CONFLICT
        )
    return [await hand_over(services, account, order, actor) for account in (*again, *theirs)]


async def _write_to_the_taker(services: Services, account: str) -> None:
    """Tell whoever serves the account now, once for each time that it was handed over."""
    async with services.store.reading() as connection:
        found = await account_storage.account(connection, account)
        said = await succession.last_hand_over(connection, account)
    if said is None:
        return
    occasion = MessageRequest(
        account=account,
        step="people",
        title="The account is handed over",
        workflow_id=notice_id(said.id),
        purpose=Purpose.NOTICE,
        email="account_handed_over",
        to=(found.tam,),
        now=present(),
        handover=HandoverFacts(former=said.former, until=found.tam_until, submission=said.id),
    )
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await services.client.start_workflow(
                NOTICE.name,
                occasion,
                id=notice_id(said.id),
                task_queue=services.settings.task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                search_attributes=found_by(account),
                static_summary=f"{account} is handed over: a mail",
            )
    except WorkflowAlreadyStartedError:
        return
    except (RPCError, TimeoutError):
        raise untold() from None


async def _give_back_later(services: Services, account: str, until: datetime) -> None:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await services.client.start_workflow(
                flows.Handover.run,
                HandoverStart(account=account, until=until),
                id=handover_id(account, until),
                task_queue=services.settings.task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                search_attributes=found_by(account),
                static_summary=f"{account} goes back to its regular TAM",
            )
    except (RPCError, TimeoutError):
        raise untold() from None


async def _done(services: Services, account: str, what: str, *, changed: bool) -> SuccessionResult:
    """Tell those who go by the account's people, also on a repetition: the first time may have failed."""
    async with services.store.reading() as connection:
        listeners = await succession.listeners(connection, account)
    if await tell_people_changed(services, listeners) > 0:
        raise untold()
    return SuccessionResult(changed=changed, what=what, account=await accounts.show(services, account))


def _no_contact(account: str, email: str) -> UserError:
    return UserError(
        f'"{account}" has no contact "{email[:70]}"',
        field="contact",
        fix=f"see `rapport account show {account}`",
        kind=Refused.NOT_FOUND,
    )


def untold(fix: str = "repeat the same command once Temporal is back") -> UserError:
    """That something is on record of which nobody knows yet."""
    return UserError(
        "it is on record, but Temporal does not answer, so nobody acts on it yet",
        field="TEMPORAL_ADDRESS",
        fix=fix,
        kind=Refused.UNREACHABLE,
    )


async def record(
    connection: Connection,
    account: str,
    kind: str,
    who: str,
    about: str,
    by: Member,
    actor: Actor,
    reason: str | None,
    now: datetime,
    instant: datetime | None = None,
) -> None:
    """One submission and one entry on the timeline, with what they are about."""
    said = submission(by.id, actor, kind, onboarding_id(account), reason)
    await timeline.submit(connection, said)
    entry = TimelineEvent(
        key=f"{account}/{said.id}",
        account=account,
        at=now,
        kind=kind,
        who=who,
        about=about,
        instant=instant,
        submission=said.id,
    )
    await timeline.append(connection, [entry])


async def _known_account(connection: Connection, account: str) -> Account:
    await succession.lock(connection, account)
    return await account_storage.account(connection, account)


def _with_address(known: list[ContactRecord], email: str) -> ContactRecord | None:
    return next((one for one in known if one.email.lower() == email.lower()), None)


def _is_another(known: list[ContactRecord], successor: Successor) -> bool:
    """Whether it is said of whom somebody follows, and that one is still there beside the successor."""
    former = _with_address(known, successor.former or "")
    return former is not None and former.left_at is None and former.email.lower() != successor.email.lower()


def _former(known: list[ContactRecord], successor: Successor) -> ContactRecord:
    """Who is followed."""
    title = called(successor.persona)
    same = [one for one in known if one.email.lower() != successor.email.lower() and _has(one, (successor.persona,))]
    if successor.former is not None:
        same = [one for one in same if one.email.lower() == successor.former.lower()]
        if not same:
            raise UserError(f"is no {title} here", field="former", fix="write the address of one who is")
    if not same:
        raise UserError(
            f"nobody is {title}",
            field="persona",
            fix=f"name somebody with `rapport account add-contact … --persona {successor.persona} --as EMAIL`",
            kind=Refused.CONFLICT,
        )
    if len(same) > 1:
        raise UserError(
            f"{len(same)} have it", field="persona", fix="say who is followed with former, the address of one of them"
        )
    return same[0]


def _has(there: ContactRecord | None, wanted: Sequence[str]) -> bool:
    """Whether somebody is a contact who has all of these personas."""
    return there is not None and there.left_at is None and set(wanted) <= set(there.personas)


async def _refuse_taken(connection: Connection, there: ContactRecord | None, name: str, email: str) -> None:
    """Refuse the address of somebody of another name on this account, or of somebody on the vendor's side."""
    if there is not None and there.left_at is None and there.name != name:
        raise UserError(
            f"belongs to {there.name}, {called(*there.personas)} here",
            field="email",
            fix=f'use another address, or write "{there.name}" where it is them',
            kind=Refused.CONFLICT,
        )
    if await account_storage.member_by_email(connection, email) is not None:
        raise UserError(
            "a member has this address; a person is on one side only", field="email", fix="use another address"
        )


async def _following(
    connection: Connection, account: str, former: ContactRecord, successor: Successor
) -> WrittenContact:
    """The successor as a contact, in the other one's zone and hours unless they have their own."""
    before: Contact = next(one for one in await account_storage.contacts(connection, account) if one.id == former.id)
    schedule = before.schedule.model_dump()
    if successor.zone is not None:
        schedule |= {"zone": successor.zone, "country": successor.country, "subdivision": successor.subdivision}
    elif successor.country is not None:
        schedule |= {"country": successor.country, "subdivision": successor.subdivision}
    if successor.hours is not None:
        schedule["hours"] = successor.hours
    given = successor.model_dump(include={"name", "email", "title"}) | {"personas": (successor.persona,)}
    return check(WrittenContact, {**schedule, **given}, "")


async def _taker(connection: Connection, email: str, serving: Member) -> Member:
    found = await account_storage.member_by_email(connection, email)
    if found is None:
        raise UserError(
            f'there is no member "{email[:70]}"', field="to", fix="see `rapport member list`", kind=Refused.NOT_FOUND
        )
    if found.left_at is not None:
        raise UserError("has left", field="to", fix="name somebody who still works here")
    if Role.TAM not in found.roles:
        raise UserError("does not have the role tam", field="to", fix='add "tam" to the roles of this member')
    if serving.join_url is not None and found.join_url is None:
        raise UserError("has no link to join", field="to", fix="add join_url to their [[members]]; meetings need it")
    return found


def _end(until: date, zone: str) -> datetime:
    return until if isinstance(until, datetime) else calendar.whole_days(until, until, zone).end
