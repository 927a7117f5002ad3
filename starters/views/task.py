"""How a human task is told: in a list, with all that there is to see of it, and behind a personal link."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from rapport.mail import outbox
from rapport.model.account import Contact, Fact, Member
from rapport.model.base import Instant, WireModel
from rapport.model.commands import in_name
from rapport.model.ids import BOOKS, UNDELIVERED_STEP
from rapport.model.message import MessageState, Resolution
from rapport.model.task import NOT_REQUESTED, WITHDRAWN, Decision, TaskDefinition, TaskPhase
from rapport.rules import audience, drafting
from rapport.rules.message import OFFERED
from rapport.rules.outcome_words import in_words
from rapport.rules.wording import amount
from rapport.storage import account as accounts, minutes, timeline
from rapport.storage.addresses import GONE
from rapport.storage.agenda import Item, Pile
from rapport.storage.database import Connection
from rapport.storage.relay import relay_fault
from rapport.storage.task import Task
from rapport.storage.timeline import Submission, TimelineRecord
from starters.services import Services, present

Person = Member | Contact
"""Whoever decides: a member, or one of the customer's people."""


class OptionShown(WireModel):
    """One answer that is offered.

    Attributes:
        follows: What follows it, where its title does not say so, in a sentence without its point.
    """

    id: str
    title: str
    needs_reason: bool
    follows: str | None = None

    @property
    def told(self) -> str:
        """Its title, and what follows."""
        return f"{self.title}. {self.follows}" if self.follows else self.title


class TaskLine(WireModel):
    """A human task in a list, with its people by address.

    Attributes:
        assignees: Whom it waits for now.
        since: When it was opened.
        on_behalf_of: For whom the reader decides, if it is not for themself.
        why: Why it came to the reader, if it was not theirs from the beginning.
        concerns: The name of the contact whom it concerns, if it concerns just one.
    """

    task: str
    account: str
    subject: str
    step: str
    title: str
    question: str
    options: tuple[OptionShown, ...]
    assignees: tuple[str, ...]
    deadline: Instant | None
    round: int
    phase: TaskPhase
    since: Instant
    on_behalf_of: str | None
    why: str | None
    concerns: str | None
    overdue: bool

    @property
    def matter(self) -> str:
        """The title, without whom it concerns."""
        return self.title.removesuffix(f" ({self.concerns})")

    def is_like(self, other: TaskLine) -> bool:
        """Whether two were opened in the same moment and differ in nothing but whom they concern."""
        mine, others = (
            (one.account, one.step, one.question, one.phase, one.assignees, one.on_behalf_of) for one in (self, other)
        )
        return mine == others and abs(self.since - other.since) < SAME_MOMENT


SAME_MOMENT: Final = timedelta(minutes=1)
"""Within how much time alike tasks were opened that stand together in an inbox."""


def together(lines: Iterable[TaskLine]) -> list[list[TaskLine]]:
    """Lines with those that are alike together, in the place of the first of them."""
    found: list[list[TaskLine]] = []
    for line in lines:
        alike = next((some for some in found if some[0].is_like(line)), None)
        if alike is None:
            found.append([line])
        else:
            alike.append(line)
    return found


class Inbox(WireModel):
    """What waits for a member, and what they wait for; what is overdue comes first.

    Attributes:
        member: Their address; without one, every task that waits for anybody is in `mine`.
        checked: As of when it is known that none of them was ended in Temporal; nothing if that was never looked at.
        drafts: The mails of their accounts that wait to be read.
        steps: What else their accounts wait for them to do.
        cases: The support cases that nobody has, or whose owner can't be paged.
        erasures: The accounts whose erasing waits for them to confirm it.
        overdue: How many wait for them beyond their deadline.
        further, further_asked: How many more there are of each.
    """

    member: str | None
    mine: tuple[TaskLine, ...]
    asked: tuple[TaskLine, ...]
    drafts: tuple[Pile, ...] = ()
    steps: tuple[Item, ...] = ()
    cases: tuple[Item, ...] = ()
    erasures: tuple[Item, ...] = ()
    overdue: int = 0
    further: int = 0
    further_asked: int = 0
    checked: Instant | None = None


class HolderShown(WireModel):
    """Someone whom a task waits for, by address and name.

    Attributes:
        on_behalf_of: The name of whoever they decide for.
    """

    email: str
    name: str
    on_behalf_of: str | None
    via: str
    reason: str | None


class DecisionShown(WireModel):
    """What someone decided, and how we know that it was them.

    Attributes:
        who, on_behalf_of: Names.
        email: The address of whoever decided, unless they are gone from the record.
        option: The option's title.
        verified: operator, token, session or link.
    """

    who: str
    email: str | None
    on_behalf_of: str | None
    option: str
    at: Instant
    reason: str | None
    channel: str | None
    entered_by: str | None
    verified: str | None


class TaskWord(WireModel):
    """A question about a task, or its answer."""

    kind: Literal["question", "answer"]
    who: str
    at: Instant
    text: str | None


class TaskShown(TaskLine):
    """A human task with all that there is to see of it.

    Attributes:
        account_name: What the account is called.
        asks: What the requester has to say, by name.
        said: What they said, by what they were asked for.
        prefilled: What the system knows of that already, for whoever writes it.
        by_customer: Whether the customer's people decide it.
        about: The address of the contact whom it concerns, if it concerns just one.
        unknown: What a to-do is to find out of their work, and what nobody has recorded yet.
        record: The command that records it.
        corrects: The address to which an email failed, where whoever takes care of it can correct it.
        waiting_there: How many other emails to that address would go to the corrected one.
        on_their_way: How many other emails are on their way to that address already.
        requester: Their address.
        requester_name: Their name.
        others: The addresses of those who can decide although it does not wait for them: somebody else has to answer
            first, or they have decided and may change their mind.
        talk: Questions and answers about it, the oldest first.
        outcome: The option's id, or why it closed without one.
        ended: The outcome in words, with who decided and when.
        zone: The TAM's, in which pages tell times that are nobody else's.
        tam: The TAM's address.
        ended_since: Since when its workflow is ended in Temporal, so that nobody hears an answer.
    """

    account_name: str
    kind: str
    quorum: str
    asks: tuple[str, ...]
    said: dict[str, str]
    prefilled: dict[str, str]
    by_customer: bool
    about: str | None
    unknown: tuple[Fact, ...]
    record: str | None
    corrects: str | None = None
    waiting_there: int = 0
    on_their_way: int = 0
    requester: str | None
    requester_name: str | None
    holders: tuple[HolderShown, ...]
    others: tuple[str, ...]
    decisions: tuple[DecisionShown, ...]
    talk: tuple[TaskWord, ...]
    outcome: str | None
    ended: str | None
    closed: Instant | None
    zone: str
    tam: str
    ended_since: Instant | None = None


class TaskLink(WireModel):
    """What the personal link of a task's mail shows.

    Attributes:
        reader: The address of whoever the mail went to.
        superseded: The request was changed since.
        decided: What the reader decided already in this round.
        is_customers: Whether the reader is one of the customer's people, who have no login.
        tam_name: Whom the customer can answer.
    """

    task: TaskShown
    reader: str
    reader_name: str
    zone: str
    vendor: str
    round: int
    superseded: bool
    decided: DecisionShown | None
    is_customers: bool
    tam_name: str


def overdue_first(lines: Iterable[TaskLine]) -> tuple[TaskLine, ...]:
    """They come by deadline already, and those without one last: that puts what is overdue first."""
    return tuple(sorted(lines, key=lambda line: not line.overdue))


async def people_of(connection: Connection, tasks: Iterable[Task]) -> dict[str, Person]:
    """Everyone whom these tasks name, by id: members, and the customer's people whom some are put to."""
    known: dict[str, Person] = {one.id: one for one in await accounts.members(connection)}
    named = {holder.member for task in tasks for holder in task.holders}
    named |= {answer.by for task in tasks for answer in task.answers}
    known |= {one.id: one for one in await accounts.contacts_with(connection, named - known.keys())}
    return known


def line_of(task: Task, known: Mapping[str, Person], now: datetime, reader: Person | None = None) -> dict[str, Any]:
    """What a list shows of a task, by the fields of `TaskLine`."""
    held = next((holder for holder in task.holders if reader is not None and holder.member == reader.id), None)
    return {
        "task": task.id,
        "account": task.account,
        "subject": task.subject,
        "step": task.step,
        "title": task.heading,
        "question": task.definition.question,
        "options": _options(task),
        "assignees": tuple(known[holder.member].email for holder in task.awaited if holder.member in known),
        "deadline": task.deadline,
        "round": task.round,
        "phase": task.phase,
        "since": task.opened,
        "on_behalf_of": known[held.on_behalf_of].email if held and held.on_behalf_of else None,
        "why": held.reason if held else None,
        "concerns": task.about_name,
        "overdue": task.is_overdue(now),
    }


async def in_full(services: Services, task: Task, reader: Person | None = None) -> TaskShown:
    """A task with all that there is to see of it, for a reader or for anybody."""
    if task.definition.task == "alarm":
        return await _alarm(services, task, reader)
    async with services.store.reading() as connection:
        known = await people_of(connection, [task])
        account, tam, vendor = await accounts.surroundings(connection, task.account)
        contacts = await accounts.contacts(connection, task.account)
        goals = await minutes.goals(connection, task.account) if task.definition.is_put_to_customers else []
        said = await timeline.submissions(connection, [one.submission for one in task.answers])
        told = await timeline.tell(connection, task.account)
        about = next((one for one in contacts if one.id == task.about), None)
        corrects = about.email if about and _failed_for_good(task) else None
        waiting, under_way = 0, 0
        if about is not None and corrects is not None:
            waiting, under_way = await outbox.bound_for(connection, about.id, corrects, present())
    names = {id_: member.name for id_, member in known.items()}
    unknown = about.work.unknown(task.definition.finds_out) if about else ()
    requester = known.get(task.requester or "")
    zone = (reader or tam).schedule.zone
    return TaskShown(
        **line_of(task, known, present(), reader),
        account_name=account.name,
        kind=task.definition.task,
        quorum=task.definition.quorum,
        asks=task.definition.asks,
        said=_told(task) if task.definition.is_put_to_customers else _read(task.said),
        prefilled=drafting.prefilled(task.definition.asks, contacts, tam, vendor, goals)
        if task.definition.is_put_to_customers
        else {name: _UNSAID[name][0] for name in task.definition.asks if name in _UNSAID},
        by_customer=task.definition.is_put_to_customers,
        about=about.email if about else None,
        unknown=unknown,
        record=audience.recording(task.account, about.email, unknown) if about and unknown else None,
        corrects=corrects,
        waiting_there=waiting,
        on_their_way=under_way,
        requester=requester.email if requester else None,
        requester_name=requester.name if requester else None,
        holders=_holders(task, known),
        others=tuple(
            known[holder.member].email for holder in task.holders if not holder.awaited and holder.member in known
        ),
        decisions=tuple(_decision(one, task.definition, known, said.get(one.submission)) for one in task.answers),
        talk=tuple(_word(entry, names) for entry in told if _is_said_of(entry, task)),
        outcome=task.outcome,
        ended=None
        if task.outcome is None
        else ended_in_words(task.definition, task.outcome, task.answers, names, zone),
        closed=task.closed,
        zone=zone,
        tam=tam.email,
    )


def others_there(shown: TaskShown) -> str:
    """What else goes to the address that is corrected, in words; empty where nothing does."""
    there, under_way = shown.waiting_there, shown.on_their_way
    waits = amount(there, "other email to them is waiting, and goes", "other emails to them are waiting, and go")
    gone = amount(under_way, "other email is", "other emails are")
    sentences = [f"{waits} to the new address too."] * bool(there)
    sentences += [f"{gone} already on the way to the old address."] * bool(under_way)
    return " ".join(sentences)


def _failed_for_good(task: Task) -> bool:
    """Whether it is about an email that cannot have arrived."""
    offered = {option.id for option in task.definition.options}
    return _is_about_email(task) and Resolution.RESEND in offered and Resolution.SENT not in offered


def _is_about_email(task: Task) -> bool:
    return task.step.endswith(f".{UNDELIVERED_STEP}")


def _options(task: Task) -> tuple[OptionShown, ...]:
    """What is offered, of an email with what each answer does to it."""
    state = MessageState.FAILED if _failed_for_good(task) else MessageState.UNKNOWN
    follows = dict[str, str](OFFERED[state]) if _is_about_email(task) else {}
    return tuple(OptionShown.made_of(one, follows=follows.get(one.id)) for one in task.definition.options)


async def _alarm(services: Services, task: Task, reader: Person | None) -> TaskShown:
    """An alarm: it concerns the installation and no account, and nobody decides it."""
    async with services.store.reading() as connection:
        known = await people_of(connection, [task])
        fault = await relay_fault(connection)
        of_book = await _book(connection, task) if task.id.startswith(BOOKS) else None
    mended = "ended: email goes out again" if of_book is None else "ended: the accounts are handed over"
    to_do = {} if fault is None else {"to fix it": fault.fix, "to check it": TO_CHECK_MAIL}
    return TaskShown(
        **line_of(task, known, present(), reader),
        account_name=INSTALLATION,
        kind=task.definition.task,
        quorum=task.definition.quorum,
        asks=(),
        said=to_do if of_book is None else of_book,
        prefilled={},
        by_customer=False,
        about=None,
        unknown=(),
        record=None,
        requester=None,
        requester_name=None,
        holders=_holders(task, known),
        others=(),
        decisions=(),
        talk=(),
        outcome=task.outcome,
        ended=None if task.outcome is None else mended,
        closed=task.closed,
        zone=reader.schedule.zone if reader is not None else "UTC",
        tam="",
    )


async def _book(connection: Connection, task: Task) -> dict[str, str]:
    """The accounts of somebody who has left, and the commands that hand them over."""
    former = await accounts.member(connection, task.id.removeprefix(BOOKS))
    names = await accounts.account_names(connection)
    theirs = [key for key in await accounts.accounts_of(connection, former.id) if key in names]
    if not theirs:
        return {}
    one, whole = theirs[0], in_name(f"rapport account hand-over --all --from {former.email} --to EMAIL --reason …")
    return {
        "accounts": ", ".join(f"{names[key]} ({key})" for key in theirs),
        "all to one": f"`{whole}`",
        "each by itself": f"`{in_name(f'rapport account hand-over {one} --to EMAIL --reason …')}`",
    }


TO_CHECK_MAIL: Final = "`rapport doctor` signs in to the mail server, `rapport mail status` says whether email goes out"
"""The commands that show whether a fault of the relay is mended."""

INSTALLATION: Final = "Rapport"
"""What a task is about that concerns no account."""


def _holders(task: Task, known: Mapping[str, Person]) -> tuple[HolderShown, ...]:
    names = {id_: person.name for id_, person in known.items()}
    return tuple(
        HolderShown(
            email=known[holder.member].email,
            name=known[holder.member].name,
            on_behalf_of=names.get(holder.on_behalf_of or ""),
            via=holder.via,
            reason=holder.reason,
        )
        for holder in task.awaited
        if holder.member in known
    )


def _decision(
    decision: Decision, definition: TaskDefinition, known: Mapping[str, Person], said: Submission | None
) -> DecisionShown:
    titles = {option.id: option.title for option in definition.options}
    by, instead = known.get(decision.by), known.get((said.on_behalf_of if said else None) or "")
    return DecisionShown(
        who=by.name if by else GONE,
        email=by.email if by else None,
        on_behalf_of=instead.name if instead else None,
        option=titles.get(decision.option, decision.option),
        at=decision.at,
        reason=said.text if said else None,
        channel=said.channel if said else None,
        entered_by=said.entered_by if said else None,
        verified=said.verified if said else None,
    )


_TALK: Final[dict[str, Literal["question", "answer"]]] = {"task.info_asked": "question", "task.info_given": "answer"}


def _is_said_of(entry: TimelineRecord, task: Task) -> bool:
    in_time = task.opened <= entry.at and (task.closed is None or entry.at <= task.closed)
    return entry.kind in _TALK and entry.step == task.on_record and in_time


def _word(entry: TimelineRecord, names: Mapping[str, str]) -> TaskWord:
    return TaskWord(kind=_TALK[entry.kind], who=names.get(entry.who or "", GONE), at=entry.at, text=entry.text)


def _told(task: Task) -> dict[str, str]:
    """What a customer reads; that a message has no conditions, or never comes back, need not be said."""
    said = _read(task.said)
    return {name: text for name, text in said.items() if text.strip().lower() not in _UNSAID.get(name, ())}


_UNSAID: Final = {"conditions": ("none", "none."), "revisit": ("never",)}


def _read(text: str | None) -> dict[str, str]:
    """What was asked for; an erased request says nothing."""
    try:
        read = json.loads(text or "{}")
    except ValueError:
        return {}
    return {str(name): str(words) for name, words in read.items()} if isinstance(read, dict) else {}


def ended_in_words(
    definition: TaskDefinition, outcome: str, answers: Iterable[Decision], names: Mapping[str, str], zone: str
) -> str:
    """An outcome in words, with who decided and when."""
    titles = {option.id: option.title for option in definition.options}
    said = [
        (names.get(one.by, GONE), titles.get(one.option, one.option), _when(one.at, zone))
        for one in sorted(answers, key=lambda one: one.at)
    ]
    if outcome not in titles:
        settled = [(who, when) for who, option, when in said if option == outcome]
        by = f", recorded by {settled[0][0]} on {settled[0][1]}" if settled else ""
        return f"closed: {_CLOSED.get(outcome) or in_words(outcome)}{by}"
    if len(said) == 1 and said[0][1] == titles[outcome]:
        return f"decided: {titles[outcome]}, by {said[0][0]} on {said[0][2]}"
    each = ", ".join(f"{who} chose {option} on {when}" for who, option, when in said)
    return f"decided: {titles[outcome]}" + (f"; {each}" if each else "")


_CLOSED: Final = {NOT_REQUESTED: "it was not asked for", WITHDRAWN: "it is not needed any more"}


def _when(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%a %d %b %Y, %H:%M} ({zone})"
