"""Accounts, contacts and members, as a person writes them down and as the rest of Rapport reads them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    HttpUrl,
    PlainValidator,
    WithJsonSchema,
    field_serializer,
    model_validator,
)

from rapport.model.base import (
    ContractId,
    Email,
    InputModel,
    Instant,
    Name,
    Prose,
    Several,
    Slug,
    StepName,
    WireModel,
    WrittenDay,
    WrittenInstant,
    Zone,
    meant,
    suggestion,
    utc,
)


class Role(StrEnum):
    """What a member does on the vendor's side."""

    TAM = "tam"
    TAM_MANAGER = "tam_manager"
    CE = "ce"
    CE_VP = "ce_vp"
    TA = "ta"
    SALES = "sales"
    VP_SALES = "vp_sales"
    PRODUCT = "product"
    ENGINEERING = "engineering"
    VP_ENGINEERING = "vp_engineering"
    SUPPORT_ENGINEER = "support_engineer"
    SUPPORT_LEAD = "support_lead"
    ADMINISTRATOR = "administrator"


Topic = Literal["goals", "company_health", "poc_result", "projected_roi"]


class PersonaRules(InputModel):
    """What holds for everyone of one persona; one table of `personas.toml`."""

    title: str
    max_meeting_minutes: int = Field(ge=15)
    poll_reminders: bool
    topics: frozenset[Topic]
    messages_a_month: int = Field(ge=1)


@cache
def personas() -> dict[str, PersonaRules]:
    """The personas, by name, in the order of `personas.toml`."""
    with files("rapport").joinpath("personas.toml").open("rb") as file:
        return {name: PersonaRules.model_validate(rules) for name, rules in tomllib.load(file).items()}


def persona_titles() -> dict[str, str]:
    """What each persona is called, by its name."""
    return {name: one.title for name, one in personas().items()}


def _known_persona(value: str) -> str:
    if value not in personas():
        raise ValueError(f'"{value[:40]}" is not a persona; {suggestion(value, persona_titles())}')
    return value


Persona = Annotated[str, AfterValidator(_known_persona)]


def in_order(chosen: Iterable[str]) -> tuple[str, ...]:
    """Personas, each once, in the order of `personas.toml`; whoever has several is written to as the first."""
    wanted = set(chosen)
    return tuple(persona for persona in personas() if persona in wanted)


def allowed_topics(held: Iterable[str]) -> frozenset[Topic]:
    """What mails may speak of to whoever has these personas: what any of them may read."""
    return frozenset[Topic]().union(*(personas()[persona].topics for persona in held))


def attention_budget(held: Iterable[str]) -> int:
    """How many mails a month whoever has these personas gets at most: as many as the strictest of them allows."""
    return min(personas()[persona].messages_a_month for persona in held)


Personas = Annotated[
    tuple[Persona, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    AfterValidator(in_order),
    Field(min_length=1, validation_alias=AliasChoices("personas", "persona")),
]
"""The personas of one person: a list, or one by its name, written as `personas` or `persona`."""

CHAMPION = "primary_champion"
BUSINESS = "key_business_contact"
"""The persona whose word a meeting's time needs."""

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class WorkingHours(InputModel):
    """When a person works, in wall time of their own zone.

    Attributes:
        days: Their working days; left out, all but their country's weekend, which is Friday and Saturday in Egypt.
        lunch: From when to when no meeting is offered; empty where they eat at any time.
        meetings_a_day: After how many meetings no other is offered on a day, for members; left out, any number.
    """

    start: time = time(9)
    end: time = time(17)
    days: frozenset[Weekday] | None = None
    lunch: tuple[time, ...] = (time(12), time(13))
    meetings_a_day: int | None = Field(default=None, ge=1, le=48)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("has a zone of its own; write wall times such as 09:00:00, the person's zone is known")
        if self.start >= self.end:
            raise ValueError("end must be later than start; write for example start = 09:00:00, end = 17:00:00")
        if self.days is not None and not self.days:
            raise ValueError('days is empty; name at least one, such as ["mon", "tue"]')
        if self.lunch and not (len(self.lunch) == 2 and self.lunch[0] < self.lunch[1]):
            raise ValueError("lunch: has to be when it begins and ends; write [12:00:00, 13:00:00], or [] for none")
        if any(at.tzinfo is not None for at in self.lunch):
            raise ValueError("lunch: has a zone of its own; write wall times such as 12:00:00")
        return self

    @field_serializer("days", when_used="json")
    def _in_the_order_of_the_week(self, days: frozenset[Weekday] | None) -> list[Weekday] | None:
        # A set has another order in each process, and what is written is compared and hashed elsewhere.
        return None if days is None else [day for day in WEEKDAYS if day in days]


class Schedule(InputModel):
    """What is needed to know when a person can be met: zone, working hours, public holidays."""

    zone: Zone
    country: str | None = None
    subdivision: str | None = None
    hours: WorkingHours = WorkingHours()

    @model_validator(mode="after")
    def _known_country(self) -> Self:
        if self.country is None:
            if self.subdivision is not None:
                raise ValueError("subdivision needs a country; add country")
            return self
        known = _countries().get(self.country)
        if known is None:
            raise ValueError(f'country "{self.country[:20]}" is unknown; write its ISO 3166 code, such as "CH"')
        if self.subdivision is not None and self.subdivision not in known:
            some = ", ".join(sorted(known)[:8])
            raise ValueError(
                f'subdivision "{self.subdivision[:20]}" is unknown in {self.country}; use one such as {some}'
            )
        return self


@cache
def _countries() -> dict[str, frozenset[str]]:
    # A third of a second to import; most commands never need it.
    import holidays

    return {code: frozenset(parts) for code, parts in holidays.list_supported_countries(include_aliases=True).items()}


def filled(value: str) -> str:
    """Refuse a blank that `rapport account new` left: an email would greet somebody by it."""
    if re.fullmatch(r"<[a-z ,]+>", value):
        raise ValueError(f"is still the blank {value[:40]}; write what belongs there, without < and >")
    return value


Filled = Annotated[Name, AfterValidator(filled)]


class WrittenContact(Schedule):
    """A person at the account, as an account file gives them.

    Attributes:
        personas: What they are for the rollout; a file may say `persona = "primary_user"` of one.
    """

    personas: Personas
    name: Filled
    email: Email
    title: Name | None = None
    languages: tuple[Name, ...] = ()
    projects: tuple[Name, ...] = ()
    deployment: tuple[Name, ...] = ()
    previous_tools: tuple[Name, ...] = ()
    chat_channel: Name | None = None


class WrittenMember(Schedule):
    """A person on the vendor's side, as an account file or a members file gives them.

    Attributes:
        manager: Whom a matter goes up to, by address.
        backup: Who helps out when they stay silent, by address.
        delegate: Who stands in during any absence that names nobody else, by address.
        areas: The product areas that they know, as `support.toml` names them; left out, they know all of them.
    """

    name: Name
    email: Email
    roles: frozenset[Role] = Field(min_length=1)
    title: Name | None = None
    join_url: HttpUrl | None = None
    calendar_url: HttpUrl | None = None
    manager: Email | None = None
    backup: Email | None = None
    delegate: Email | None = None
    areas: frozenset[StepName] | None = None

    @model_validator(mode="after")
    def _leans_on_others(self) -> Self:
        for field in ("manager", "backup", "delegate"):
            other = getattr(self, field)
            if other is not None and other.lower() == self.email.lower():
                raise ValueError(f"{field}: is the member themself; name somebody else, or leave it out")
        return self


class WrittenWork(InputModel):
    """What is newly known of a contact. What is left out stays as it is; an empty list takes it back.

    Attributes:
        new_email: Where they are reached from now on; what failed goes there when it is sent again.
    """

    languages: tuple[Name, ...] | None = None
    projects: tuple[Name, ...] | None = None
    deployment: tuple[Name, ...] | None = None
    previous_tools: tuple[Name, ...] | None = None
    chat_channel: Name | None = None
    new_email: Email | None = None


class Vendor(InputModel):
    """The company that uses Rapport, as its mails speak of it."""

    name: Name
    product: Name
    company_health: Prose | None = None


class Figures(InputModel):
    """What is known of the account's numbers. A figure that is not known drops its line from every mail."""

    poc_result: Prose | None = None
    projected_roi: Prose | None = None


Deployment = Literal["cloud", "kubernetes", "docker_compose", "single_container", "machine_image"]
Permissions = Literal["none", "code_host_sync", "explicit_api"]


class Facts(InputModel):
    """What is known of an account: for the playbook's predicates, and for the scenarios that call for a tech review.

    What nobody has asked yet is left out, and counts as not known, which is neither yes nor no.

    Attributes:
        key_prospect: Whether sales has named it one.
        high_risk: Whether its requirements are non-standard or risky.
        air_gapped: Whether its installation has no way out to the internet.
        deployment: How it is installed.
        features: The features that it builds on, such as `batch_changes`.
        permissions: By what its users get to see what they may.
        language_barrier: Whether support and the customer share no language that both work in.
        screen_share: Whether support may look at a screen of theirs.
        design_version: The version of the technical design document that stands now.
    """

    large_account: bool = False
    growth_potential: bool = False
    on_prem: bool = False
    high_risk: bool = False
    key_prospect: bool = False
    air_gapped: bool | None = None
    deployment: Deployment | None = None
    features: tuple[StepName, ...] | None = None
    permissions: Permissions | None = None
    language_barrier: bool | None = None
    screen_share: bool | None = None
    design_version: Name | None = None


class WrittenAccount(InputModel):
    """A customer organisation, as an account file gives it."""

    key: Slug
    name: Filled
    tam: Email
    place: Name | None = None
    review: Literal["write", "approve", "auto"] | None = None
    facts: Facts = Facts()
    figures: Figures = Figures()


class WrittenContract(InputModel):
    """The signed contract that starts an onboarding.

    Attributes:
        signed_at: When it was signed; left out, when it is first put on record.
        product: What was bought; left out, the vendor's product.
        starts: Its first day; left out, the day on which it was signed.
        ends: Its last day, before which a renewal is prepared.
        renews: The contract of the same account that it renews.
        playbook: What its onboarding follows; left out, `enterprise`, or `renewal` for one that renews another.
    """

    id: ContractId
    signed_at: WrittenInstant | None = None
    product: Name | None = None
    starts: WrittenDay | None = None
    ends: WrittenDay | None = None
    renews: ContractId | None = None
    playbook: StepName | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        first = self.starts or (self.signed_at.date() if self.signed_at else None)
        if self.ends is not None and first is not None and self.ends < first:
            raise ValueError(f"ends: is before {first}, on which it starts; write its last day")
        if self.renews == self.id:
            raise ValueError("renews: is this contract itself; name the one before it")
        return self


class SignedContract(WrittenContract):
    """A contract of which is known when it was signed."""

    signed_at: WrittenInstant


class BookRow(InputModel):
    """One row of a book: an account whose onboarding is started with the rest of its book.

    Attributes:
        at: The step at which it enters.
        as_new: Whether it begins as with a new customer, whenever its contract was signed.
    """

    account: Slug
    at: Name | None = None
    as_new: bool = False


class AccountFile(InputModel):
    """One account file: the account, its contract, its people and the vendor's."""

    account: WrittenAccount
    contract: WrittenContract | None = None
    contacts: tuple[WrittenContact, ...] = Field(min_length=1)
    members: tuple[WrittenMember, ...] = ()
    vendor: Vendor | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        faults = [
            *_duplicates("contacts", [contact.email for contact in self.contacts]),
            *_duplicates("members", [member.email for member in self.members]),
        ]
        vendors = {member.email.lower() for member in self.members}
        faults += [
            f"contacts[{index}].email: a member has this address too; a person is on one side only"
            for index, contact in enumerate(self.contacts)
            if contact.email.lower() in vendors
        ]
        if faults:
            raise Several(faults)
        return self


def _duplicates(field: str, addresses: list[str]) -> Iterator[str]:
    seen: set[str] = set()
    for index, address in enumerate(addresses):
        if address.lower() in seen:
            yield f"{field}[{index}].email: the address stands twice; give each person their own"
        seen.add(address.lower())


class MembersFile(InputModel):
    """A file of the vendor's people alone, without an account."""

    members: tuple[WrittenMember, ...] = Field(min_length=1)
    vendor: Vendor | None = None

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if faults := list(_duplicates("members", [member.email for member in self.members])):
            raise Several(faults)
        return self


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _day_or_instant(value: object) -> date:
    """Read a whole day or an instant; which of them it is, the type of what comes back tells."""
    if not isinstance(value, str):
        raise ValueError('has to be a text; write a day such as "2026-12-24" between quotes')
    try:
        read = date.fromisoformat(value) if _DAY.fullmatch(value) else utc(datetime.fromisoformat(value))
    except ValueError:
        raise ValueError(
            'is neither a day nor an instant; write "2026-12-24", or "2026-12-24T12:00:00+01:00" with its offset'
        ) from None
    return meant(read)


DayOrInstant = Annotated[
    date, PlainValidator(_day_or_instant), WithJsonSchema({"type": "string", "examples": ["2026-12-24"]})
]
"""A whole day (a `date`), or an instant in UTC (a `datetime`), as a person writes either."""


class WrittenAbsence(InputModel):
    """An absence, as a person announces it.

    Attributes:
        member: Who is away, by address.
        from_: The first day in the member's own zone, or the instant at which it begins.
        until: The last day, which still belongs to it, or the instant at which it ends.
        delegate: Who stands in, by address; without it the member's usual delegate.
    """

    member: Email
    from_: Annotated[DayOrInstant, Field(alias="from")]
    until: DayOrInstant
    delegate: Email | None = None
    reason: Prose | None = None


Fact = Literal["languages", "projects", "deployment", "previous_tools", "chat_channel"]
"""Something that can be known of a contact's work."""


class ContactWork(WireModel):
    """What is known of a contact's work."""

    languages: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    deployment: tuple[str, ...] = ()
    previous_tools: tuple[str, ...] = ()
    chat_channel: str | None = None

    def unknown(self, facts: Iterable[Fact]) -> tuple[Fact, ...]:
        """Which of these facts nobody has recorded."""
        return tuple(fact for fact in facts if not getattr(self, fact))


class Contact(WireModel):
    """A person at the account, as SQL holds them. Never part of a workflow's history.

    Attributes:
        personas: What they are for the rollout, in the order of `personas.toml`.
        stands_for: The other personas, where they are the account's only contact: whatever is for anyone there is for
            them. What they may read, and how much, their own personas say.
    """

    id: str
    account: str
    personas: tuple[str, ...]
    stands_for: tuple[str, ...] = ()
    name: str
    email: str
    title: str | None = None
    schedule: Schedule
    work: ContactWork = ContactWork()

    @property
    def asked_as(self) -> tuple[str, ...]:
        """The personas as which they are asked and written to, their own first."""
        return (*self.personas, *self.stands_for)

    @property
    def role(self) -> str:
        """What they are there, as people say it: "Primary champion, Primary user"."""
        return ", ".join(personas()[persona].title for persona in self.personas)


class Member(WireModel):
    """A person on the vendor's side, as SQL holds them. Never part of a workflow's history.

    `manager`, `backup` and `delegate` are members' ids; `left_at` is set once they have left for good; `areas` are the
    product areas that they know, nothing for all of them.
    """

    id: str
    name: str
    email: str
    roles: frozenset[Role]
    title: str | None = None
    join_url: str | None = None
    calendar_url: str | None = None
    schedule: Schedule
    manager: str | None = None
    backup: str | None = None
    delegate: str | None = None
    left_at: Instant | None = None
    areas: frozenset[str] | None = None


class Absence(WireModel):
    """When a member is away, and who stands in for them meanwhile if it is not their usual delegate."""

    starts: Instant
    ends: Instant
    delegate: str | None = None


class Availability(WireModel):
    """What has to be known of a member to tell who acts in their place.

    Attributes:
        left: The member has left the company for good.
        delegate: Who stands in during any absence that names nobody else.
        backup: Who helps out when they stay silent.
        manager: Whom a matter goes up to.
    """

    member: str
    roles: frozenset[Role]
    left: bool = False
    absences: tuple[Absence, ...] = ()
    delegate: str | None = None
    backup: str | None = None
    manager: str | None = None


class Account(WireModel):
    """A customer organisation, as SQL holds it.

    Attributes:
        tam: Who serves it now.
        regular_tam, tam_until: To whom it goes back, and when, where it was handed over for a while.
        held: The personas that somebody there has or had.
    """

    key: str
    name: str
    tam: str
    regular_tam: str | None = None
    tam_until: Instant | None = None
    place: str | None = None
    review: Literal["write", "approve", "auto"] | None = None
    facts: Facts
    figures: Figures
    held: tuple[str, ...] = ()

    def tam_at(self, instant: datetime) -> str:
        """Who serves the account at an instant, as far as is known now."""
        is_back = self.regular_tam is not None and self.tam_until is not None and self.tam_until <= instant
        return self.regular_tam if is_back and self.regular_tam is not None else self.tam
