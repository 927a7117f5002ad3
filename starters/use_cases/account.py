"""Accounts: bringing them in, and looking at them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from rapport.mail import outbox
from rapport.model.access import Action
from rapport.model.account import (
    AccountFile,
    Contact,
    ContactWork,
    Member,
    Role,
    SignedContract,
    WrittenContract,
    WrittenWork,
    personas,
)
from rapport.model.base import Instant, Refused, UserError, WireModel
from rapport.model.commands import by_whom, in_name, read_by
from rapport.model.ids import account_of, case_id, onboarding_id, review_id
from rapport.model.meeting import Receipt
from rapport.model.message import MessageState
from rapport.model.playbook import Playbook
from rapport.model.projection import Wait
from rapport.model.reading import check, together
from rapport.playbooks import PLAYBOOKS, load
from rapport.rules import audience, contract as rules, onboarding
from rapport.rules.message import ways_on
from rapport.storage import (
    account as accounts,
    contract as contracts,
    imports,
    succession,
    sweep,
    task as task_storage,
    timeline,
)
from rapport.storage.account_waits import OtherWait, drafts, other_waits
from rapport.storage.contract import Contract, ContractState, StepShown
from rapport.storage.database import Connection
from rapport.storage.unreached import Unreached, unreached, with_unreached
from starters.rights import Matter, requires
from starters.services import Actor, Services, member_named, present, submission
from starters.use_cases import mail_switch, task as tasks
from starters.use_cases.access import recording_members
from starters.use_cases.files import read_written, refuse_calendars_inside, within_rights
from starters.use_cases.member import people_changed, tell_people_changed
from starters.use_cases.names import contract_of
from starters.use_cases.task import found_out
from starters.use_cases.tech_review_needs import gates_changed
from starters.views import standstill

logger = logging.getLogger(__name__)


class PersonShown(WireModel):
    """A person as an account shows them.

    Attributes:
        work: What is known of their work; of contacts alone.
    """

    name: str
    email: str
    role: str
    personas: tuple[str, ...] = ()
    title: str | None
    zone: str
    work: ContactWork | None = None


class ContactEdited(PersonShown):
    """A contact as corrected.

    Attributes:
        on_their_way: How many emails were on their way to the old address already, where there is a new one.
        to_send_again: The commands that send what failed for them, to the new address; nothing else sends it.
    """

    on_their_way: int = 0
    to_send_again: tuple[str, ...] = ()


class AccountShown(WireModel):
    """An account with its people, and where its onboarding is.

    Attributes:
        tam: Who serves it now.
        regular_tam, tam_until: To whom it goes back, and when, where it was handed over for a while.
        state: How far its onboarding is; nothing where it has no contract.
        requested: Since when a start was asked for that nothing has followed.
        paused: Since when it is paused.
        vacant: The personas that somebody had who has left, and nobody has now; steps that need one wait.
        lacking: After an import, what a start of its onboarding would be refused for.
        begins: When its onboarding begins, where it waits for the contract's start.
    """

    account: str
    name: str
    tam: PersonShown
    contacts: tuple[PersonShown, ...]
    contract: str | None
    playbook: str | None
    stage: str | None
    started: Instant | None
    ended: Instant | None
    state: ContractState | None = None
    requested: Instant | None = None
    paused: Instant | None = None
    regular_tam: PersonShown | None = None
    tam_until: Instant | None = None
    vacant: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    begins: Instant | None = None

    def whom(self, roles: Sequence[str]) -> tuple[str, ...]:
        """Who is meant by these roles and personas, by name.

        A role that nobody is known to have is named itself. Of personas only where nobody has any of them: an account's
        only contact stands for all.
        """
        there = tuple(one.name for one in self.contacts if not {*roles}.isdisjoint(one.personas))
        rest = [one for one in roles if not (there and one in personas())]
        return (*there, *(self.tam.name if one == Role.TAM else one for one in rest))


class OtherShown(OtherWait):
    """A case or a review that waits, and whether it is past its deadline."""

    overdue: bool


class AccountLine(WireModel):
    """One line of the portfolio: what is waiting, for whom, since when, and how to move it on.

    Attributes:
        state: How far its onboarding is; nothing where it has no contract.
        paused: Whether it is paused.
        no_mail: Why no email goes out at all, from the whole installation; nothing where it does.
        others: What waits of its support cases and technical reviews, and another contract that never began.
        checked: As of when it is known whether any of it was ended in Temporal; nothing if that was never looked at.
        tam: Who serves it, by address.
        tam_left: Whether they have left, so that nothing goes out in their name before it is handed over.
        drafts: How many emails wait to be read.
    """

    account: str
    name: str
    stage: str | None
    state: ContractState | None = None
    paused: bool = False
    no_mail: str | None = None
    waiting_on: tuple[str, ...]
    waiting_for: str | None
    since: Instant | None
    deadline: Instant | None
    overdue: bool
    unblock: str | None
    others: tuple[OtherShown, ...] = ()
    checked: Instant | None = None
    tam: str = ""
    tam_name: str = ""
    tam_left: bool = False
    drafts: int = 0

    def read_by(self, reader: str | None, acts: str | None) -> AccountLine:
        """The same for one reader: its commands act in their name, or in that of whoever can do it for the account."""
        others = tuple(
            one.model_copy(update={"unblock": by_whom(one.unblock, one.waiting_on, acts, reader)})
            for one in self.others
        )
        unblock = by_whom(self.unblock, self.waiting_on, acts, reader)
        return self.model_copy(update={"others": others, "unblock": unblock})


def read_file(path: Path) -> AccountFile:
    """Read and check an account file.

    Raises:
        UserError: It cannot be read, or something in it is wrong.
    """
    return read_written(AccountFile, path)


def _named(refusal: UserError, field: str, called: str) -> list[UserError]:
    """A refusal's faults, where a field is called otherwise in the file."""
    return [
        UserError(one.problem, field=called if one.field == field else one.field, fix=one.fix, kind=one.kind)
        for one in (refusal, *refusal.others)
    ]


async def _of_file(_: Connection, file: AccountFile) -> list[Matter]:
    return [(Action.START, file.account.key)]


@requires(Action.START, "file", _of_file)
async def import_account(services: Services, file: AccountFile) -> AccountShown:
    """Bring an account, its people and its contract up to what a file says; nothing is started.

    Raises:
        UserError: The file contradicts what is known.
    """
    wrong: list[UserError] = []
    playbook, signed = None, None
    if file.contract is not None:
        try:
            playbook = load(await _named_playbook(services, file, file.contract), services.settings.data / PLAYBOOKS)
        except UserError as refusal:
            wrong += _named(refusal, "playbook", "contract.playbook")
    file = await within_rights(services, file)
    refuse_calendars_inside(services, file.members)
    key = file.account.key
    async with services.store.writing() as connection:
        before, facts = await _people(connection, key), await accounts.facts_of(connection, key)
        async with recording_members(services, connection, file.members):
            try:
                await imports.save(connection, file, present())
            except UserError as refusal:
                wrong += (refusal, *refusal.others)
            if wrong:
                raise together(wrong)
        if file.contract is not None and playbook is not None:
            signed = await contracts.keep(connection, key, file.contract, playbook, onboarding_id(key), present())
        await succession.tell_of_books(connection, present())
        others = before != await _people(connection, key)
        listeners = await succession.listeners(connection, key) if others else []
    await people_changed(services, None if file.members else key)
    untold = await tell_people_changed(services, listeners)
    if untold:
        logger.warning("Temporal did not answer: import %s again, so that its meetings learn who takes part", key)
    if facts is not None and facts != file.account.facts:
        await gates_changed(services, key)
    async with services.store.reading() as connection:
        contacts = await accounts.contacts(connection, key)
    await found_out(services, contacts)
    shown = await show(services, file.account.key)
    if playbook is None or signed is None or shown.started is not None or not contacts:
        return shown
    return shown.model_copy(update={"lacking": await _lacking(services, key, playbook, signed)})


async def _named_playbook(services: Services, file: AccountFile, contract: WrittenContract) -> str:
    """Which playbook a contract's onboarding would follow.

    Raises:
        UserError: It renews a contract that the account does not have.
    """
    if contract.playbook is not None:
        return contract.playbook
    async with services.store.reading() as connection:
        started = await contracts.started(connection, file.account.key)
        others = [one for one in started if one.id != contract.id and not one.is_cancelled]
        product = (file.vendor or await accounts.vendor(connection)).product if others else ""
    renews = rules.renewed(contract, others, product)
    return rules.FIRST_PLAYBOOK if renews is None else rules.RENEWAL_PLAYBOOK


async def _lacking(services: Services, key: str, playbook: Playbook, contract: SignedContract) -> tuple[str, ...]:
    """What a start would be refused for, said while the file is still at hand."""
    # Only here: a command that reads accounts loads nothing that writes mail.
    from rapport.mail.context import AccountContext
    from starters.use_cases.onboarding import unready

    async with services.store.reading() as connection:
        company = await AccountContext.read(connection, key)
    left_out = onboarding.left_out(playbook, company.account.facts, company.personas, ends=contract.ends is not None)
    doubt = rules.doubt(contract, present(), company.champion.schedule)
    faults = (*unready(playbook, company, left_out), *((doubt,) if doubt is not None else ()))
    return tuple(dict.fromkeys(str(fault) for fault in faults))


@requires(Action.ACT)
async def edit_contact(
    services: Services, account: str, email: str, change: WrittenWork, actor: Actor
) -> ContactEdited:
    """Record what is known of a contact's work, or a new address; to-dos that were to find it out end by themselves.

    Raises:
        UserError: The member may not act on accounts, nothing is to be changed, there is no such contact, or the
            address is somebody else's.
    """
    member = await member_named(services, actor)
    # Nothing in a list's place is no list, and is as if it were left out; of the channel, it takes it back.
    given = {
        name: said
        for name, said in change.model_dump(exclude_unset=True).items()
        if said is not None or name == "chat_channel"
    }
    if not given:
        raise UserError("is missing", field="languages", fix="say what is known, such as --languages Python")
    async with services.store.reading() as connection:
        contact = await _contact(connection, account, email)
    address = given.pop("new_email", None) or contact.email
    work = ContactWork.model_validate({**contact.work.model_dump(), **given})
    moves, on_their_way, failed = address != contact.email, 0, list[outbox.Message]()
    if work != contact.work or moves:
        given |= {"address": address} if moves else {}
        said = submission(member.id, actor, "contact.edit", contact.id)
        fields = ", ".join(sorted(given))
        async with services.store.writing() as connection:
            await accounts.put_work(connection, contact.id, work)
            if moves:
                await _refuse_taken(connection, account, address)
                await accounts.put_address(connection, contact.id, address)
                on_their_way = await outbox.readdress(connection, contact.id, contact.email, address, said.at)
                failed = await outbox.unresolved(connection, account=account)
            await timeline.record(connection, account, "contact.edited", said, who=contact.id, about=fields)
    changed = contact.model_copy(update={"work": work, "email": address})
    await found_out(services, [changed])
    again = [
        read_by(ways_on(one.state, one.key)[0].command, member.email)
        for one in failed
        if one.person == contact.id and one.state is MessageState.FAILED
    ]
    return ContactEdited(**_person(changed).model_dump(), on_their_way=on_their_way, to_send_again=tuple(again))


async def _refuse_taken(connection: Connection, account: str, address: str) -> None:
    holder = await accounts.holder_of(connection, account, address)
    if holder is not None:
        raise UserError(
            f"the address {address} is {holder}'s", field="new_email", fix="check the address", kind=Refused.CONFLICT
        )


@requires(Action.ACT, "task", tasks.of_task)
async def record_for(services: Services, task: str, typed: Mapping[str, str], actor: Actor) -> Receipt:
    """Record what a to-do was to find out of a contact's work, each fact as words between commas.

    Raises:
        UserError: As `edit_contact`, or nothing that the to-do asks for was typed.
    """
    found = await tasks.show(services, task)
    given: dict[str, object] = {}
    for fact in found.unknown:
        words = tuple(word.strip() for word in typed.get(fact, "").split(",") if word.strip())
        if words:
            given[fact] = words[0] if fact == "chat_channel" else words
    if found.about is None or not given:
        raise UserError("is empty", field=(found.unknown or ("option",))[0], fix="write what you have found out")
    await edit_contact(services, found.account, found.about, check(WrittenWork, given, ""), actor)
    return Receipt(accepted=True, outcome="recorded")


async def _contact(connection: Connection, account: str, email: str) -> Contact:
    await accounts.account(connection, account)
    contacts = await accounts.contacts(connection, account)
    found = next((contact for contact in contacts if contact.email.lower() == email.lower()), None)
    if found is None:
        raise UserError(
            f'"{account}" has no contact with this address',
            field="email",
            fix=f"see `rapport account show {account}`",
            kind=Refused.NOT_FOUND,
        )
    return found


def _person(contact: Contact) -> PersonShown:
    return PersonShown.made_of(contact, role=contact.role, personas=contact.personas, zone=contact.schedule.zone)


@requires(Action.READ)
async def show(services: Services, account: str) -> AccountShown:
    """One account.

    Args:
        account: Its key, or ACCOUNT.CONTRACT for one of its contracts.

    Raises:
        UserError: There is none with this key, or no such contract.
    """
    async with services.store.reading() as connection:
        named = await contract_of(connection, account, reads=True)
        account = account_of(account)
        found = await accounts.account(connection, account)
        contacts = await accounts.contacts(connection, account)
        tam = await accounts.member(connection, found.tam)
        regular = await accounts.member(connection, found.regular_tam) if found.regular_tam else None
        contract = named or await contracts.kept(connection, account)
        # Of what was erased no role is to be filled.
        vacant = () if await accounts.is_erased(connection, account) else audience.lost(contacts, found)
    return AccountShown(
        account=found.key,
        name=found.name,
        tam=_tam(tam),
        regular_tam=_tam(regular) if regular else None,
        tam_until=found.tam_until,
        vacant=vacant,
        contacts=tuple(_person(contact) for contact in contacts),
        contract=contract.id if contract else None,
        playbook=contract.playbook if contract else None,
        stage=contract.stage if contract else None,
        started=contract.requested_at if contract and contract.run_id else None,
        ended=contract.ended_at if contract else None,
        state=contract.state if contract else None,
        requested=contract.requested_at if contract and contract.run_id is None else None,
        paused=contract.paused_at if contract else None,
        begins=contract.begins_after(present()) if contract else None,
    )


def _tam(member: Member) -> PersonShown:
    return PersonShown(name=member.name, email=member.email, role="tam", title=member.title, zone=member.schedule.zone)


async def _people(connection: Connection, account: str) -> tuple[set[tuple[str, tuple[str, ...]]], str | None]:
    """Who an account's people are: the contacts with their personas, and the TAM."""
    contacts = await accounts.contacts(connection, account)
    return {(contact.id, contact.personas) for contact in contacts}, await accounts.tam_of(connection, account)


@requires(Action.READ)
async def portfolio(services: Services, tam: str | None = None) -> list[AccountLine]:
    """Every account, those that nobody serves and that wait the longest past their deadline first.

    Args:
        tam: Only those that this member serves, by address.

    Raises:
        UserError: There is no such member.
    """
    async with services.store.reading() as connection:
        names = await accounts.account_names(connection)
        of_account = await contracts.of_all(connection)
        waiting = await contracts.first_waiting(connection)
        asked = await task_storage.most_urgent(connection)
        served_by = await accounts.serving(connection)
        unread = await drafts(connection)
        if tam is not None and await accounts.member_by_email(connection, tam) is None:
            raise UserError(
                f'there is no member "{tam[:70]}"', field="tam", fix="see `rapport member list`", kind=Refused.NOT_FOUND
            )
        others = await other_waits(connection)
        missed = await unreached(connection, present())
        known = await sweep.known_ended(connection)
    no_mail = await mail_switch.why_not(services)
    still, checked = await standstill.all_ended(services, known)
    lines = [
        _unserved(
            _still(
                _line(
                    key,
                    name,
                    contract,
                    _most_urgent(waiting, of_account.get(key, [])),
                    asked.get(key),
                    [*_not_begun(of_account.get(key, []), contract), *others.get(key, [])],
                    missed,
                ),
                of_account.get(key, []),
                still,
            ).model_copy(update={"checked": checked, "drafts": unread.get(key, 0), "no_mail": no_mail}),
            served_by[key],
        ).read_by(services.reader, served_by[key].acts)
        for key, name in names.items()
        for contract in [contracts.current(of_account.get(key, []))]
        if tam is None or served_by[key].email.lower() == tam.lower()
    ]
    return sorted(
        lines,
        key=lambda line: (
            not line.tam_left,
            not _is_late(line),
            line.deadline is None,
            line.deadline,
            line.account,
        ),
    )


class BookOfAccounts(NamedTuple):
    """What one TAM serves: how many accounts, how many of them are past a deadline, and how many drafts wait."""

    name: str
    email: str
    has_left: bool
    accounts: int
    overdue: int
    drafts: int


def books(lines: Sequence[AccountLine]) -> list[BookOfAccounts]:
    """The portfolio by TAM: those who have left first, then by name."""
    by_tam: dict[str, list[AccountLine]] = {}
    for line in lines:
        by_tam.setdefault(line.tam, []).append(line)
    found = [
        BookOfAccounts(
            name=some[0].tam_name,
            email=email,
            has_left=some[0].tam_left,
            accounts=len(some),
            overdue=sum(_is_late(one) for one in some),
            drafts=sum(one.drafts for one in some),
        )
        for email, some in by_tam.items()
    ]
    return sorted(found, key=lambda one: (not one.has_left, one.name, one.email))


def _unserved(line: AccountLine, by: accounts.ServedBy) -> AccountLine:
    """A line with who serves its account: where they have left, that is what it waits for."""
    line = line.model_copy(update={"tam": by.email, "tam_name": by.name, "tam_left": by.has_left})
    if not by.has_left:
        return line
    unblock = in_name(f"rapport account hand-over {line.account} --to EMAIL --reason …")
    return line.model_copy(
        update={
            "waiting_on": (Role.TAM_MANAGER,),
            "waiting_for": f"another TAM: {by.name} has left, and no email goes out until it is handed over",
            "unblock": unblock,
            "deadline": None,
            "overdue": False,
        }
    )


def _not_begun(of: Sequence[Contract], current: Contract | None) -> list[OtherWait]:
    """Another contract of an account than the one that its line tells of, where its start was asked for in vain."""
    unbegun = next((one for one in reversed(of) if one.state is ContractState.REQUESTED), None)
    if unbegun is None or current is None or unbegun.id == current.id or (hold := unbegun.hold) is None:
        return []
    return [
        OtherWait(
            kind="contract",
            ref=unbegun.id,
            waiting_on=hold.on,
            waiting_for=hold.what,
            since=hold.since,
            deadline=None,
            unblock=hold.unblock,
        )
    ]


def _most_urgent(waiting: Mapping[str, StepShown], of: Sequence[Contract]) -> tuple[str, StepShown] | None:
    """What waits most urgently of an account's contracts: which one's step."""
    found = [(one.id, waiting[one.id]) for one in of if one.id in waiting]
    return min(found, key=lambda one: contracts.urgency(one[1].wait), default=None)


def _still(line: AccountLine, started: Sequence[Contract], still: Mapping[str, sweep.StandingStill]) -> AccountLine:
    """A line with what of it was ended in Temporal: since when, and the command that has it continue."""

    def ended(id_: str) -> dict[str, Any]:
        one = still[id_]
        left = one.left_at is not None
        decides = ("support_lead",) if id_.startswith("case/") else ("tam",)
        return {
            "waiting_on": () if left else decides,
            "waiting_for": standstill.waits_for(left=left),
            "since": one.since,
            "unblock": standstill.way_on(id_),
            "deadline": None,
            "overdue": False,
        }

    others = tuple(
        one.model_copy(update=ended(id_)) if one.kind in _ID_OF and (id_ := _ID_OF[one.kind](one.ref)) in still else one
        for one in line.others
    )
    line = line.model_copy(update={"others": others})
    ended_ones = [one.workflow_id for one in started if one.ended_at is None and one.workflow_id in still]
    return line.model_copy(update=ended(ended_ones[0])) if ended_ones else line


_ID_OF: Final = {"case": case_id, "review": review_id}


def _is_late(line: AccountLine) -> bool:
    return line.overdue or any(one.overdue for one in line.others)


def _line(
    key: str,
    name: str,
    contract: Contract | None,
    waiting: tuple[str, StepShown] | None,
    asked: Wait | None,
    others: Sequence[OtherWait],
    missed: Mapping[tuple[str, str], tuple[Unreached, ...]],
) -> AccountLine:
    wait = waiting[1].wait if waiting else Wait()
    what = wait.what
    if waiting is not None and what is not None:
        what = with_unreached(what, missed.get((waiting[0], waiting[1].step), ()))
    if asked is not None and contracts.urgency(asked) < contracts.urgency(wait):
        # A to-do beside the steps, such as drafts to read; a step's own task stands there in its words, as due then.
        wait, what = asked, asked.what
    if contract is not None and (hold := contract.hold) is not None:
        # Nothing of it goes on before that, whatever else it waits for.
        wait, what = hold, hold.what
    stage = None if contract is None else contract.stage or ("done" if contract.ended_at else None)
    return AccountLine(
        account=key,
        name=name,
        stage=stage,
        state=contract.state if contract else None,
        paused=contract is not None and contract.state is ContractState.PAUSED,
        waiting_on=wait.on,
        waiting_for=what,
        since=wait.since,
        deadline=wait.deadline,
        overdue=bool(wait.on) and wait.deadline is not None and wait.deadline < present(),
        unblock=wait.unblock,
        others=tuple(
            OtherShown(
                **one.model_dump(),
                overdue=bool(one.waiting_on) and one.deadline is not None and one.deadline < present(),
            )
            for one in others
        ),
    )
