"""Whom and what a mail may speak of: the installation, the vendor and its people, and the people of one account."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rapport.mail.compose import Person
from rapport.model.account import CHAMPION, Account, Contact, Figures, Member, Vendor
from rapport.model.message import MeetingFacts
from rapport.model.resources import Library, library
from rapport.model.step import Review
from rapport.rules import audience
from rapport.rules.erasure import is_erased
from rapport.storage import account as accounts
from rapport.storage.database import Connection


@dataclass(frozen=True)
class MailSettings:
    """What every mail of an installation has in common.

    Attributes:
        channel: The mailbox of the review channel, if it has one.
        data: The data directory, if there is one: what an installation calls things is read as a mail is written.
    """

    sender: str
    public_url: str
    secret: bytes = field(repr=False)
    library: Library = field(default_factory=library, repr=False)
    channel: str | None = None
    data: Path | None = None

    def link(self, token: str) -> str:
        """The address of a personal link; from the settings, never from a request's Host."""
        return f"{self.public_url}/m/{token}"


@dataclass(frozen=True)
class VendorContext:
    """The vendor and its people: all there is around a mail that belongs to no account's story."""

    vendor: Vendor
    members: dict[str, Member]

    @staticmethod
    async def around(
        connection: Connection, account: str | None, also: Iterable[str] = (), leaving: Sequence[str] = ()
    ) -> VendorContext:
        """Read an account's `AccountContext`, or the vendor's own people where there is no account.

        Args:
            also: Ids of people who are needed too.
            leaving: As in `AccountContext.read`.

        Raises:
            UserError: There is no such account, or nobody ever said who the vendor is.
        """
        if account is not None:
            return await AccountContext.read(connection, account, also, leaving)
        members = await accounts.members(connection, also)
        return VendorContext(await accounts.vendor(connection), {member.id: member for member in members})

    def person(self, id_: str) -> Person | None:
        """The person with this id, as a mail speaks of them; nothing if they have left."""
        member = self.members.get(id_)
        if member is None:
            return None
        return Person(member.name, member.email, member.title, zone=member.schedule.zone)

    def leaver(self, id_: str) -> Person | None:
        """The person with this id, also one who has left and gets a last mail; nothing if nobody has it."""
        return self.person(id_)

    def writer(self, mailbox: str) -> Person:
        """In whose name a mail is written, and who gets the answers: here the vendor, at the configured mailbox."""
        return Person(self.vendor.name, mailbox)

    @property
    def zone(self) -> str:
        """In which zone days are counted: of an account in its champion's."""
        return "UTC"

    def review(self, asked: Review) -> Review:
        """Who sends a mail for which `asked` was asked."""
        return asked

    def context(self, to: Person, public_url: str) -> dict[str, Any]:  # noqa: ARG002 - an account has a page
        """What a mail to this reader may speak of."""
        return {"vendor": self.vendor, "account": None, "tam": None}


@dataclass(frozen=True)
class AccountContext(VendorContext):
    """The people and facts around one account, read at the moment of use.

    Attributes:
        departed: Contacts who have left, as far as they are needed: the last champion while nobody is, and those who
            get a last mail.
    """

    account: Account
    contacts: dict[str, Contact]
    departed: tuple[Contact, ...] = ()

    @property
    def tam(self) -> Member:
        """Who writes to the customer."""
        return self.members[self.account.tam]

    @property
    def personas(self) -> frozenset[str]:
        """The personas that someone at the account has."""
        return frozenset(persona for contact in self.contacts.values() for persona in contact.asked_as)

    @property
    def unheld(self) -> tuple[str, ...]:
        """The personas that nobody has."""
        return audience.unheld(self.contacts.values())

    @property
    def lost(self) -> tuple[str, ...]:
        """Those of them that somebody had."""
        return audience.lost(self.contacts.values(), self.account)

    @property
    def champion(self) -> Contact:
        """Whose calendar counts for the account: a champion's, the last one's, or whose is nearest."""
        return audience.lead((*self.contacts.values(), *self.departed))

    @property
    def zone(self) -> str:
        """In which zone days are counted: the champion's."""
        return self.champion.schedule.zone

    @classmethod
    async def read(
        cls, connection: Connection, account: str, also: Iterable[str] = (), leaving: Sequence[str] = ()
    ) -> AccountContext:
        """Read an account, its contacts, its TAM and the vendor.

        Args:
            also: Ids of people who are needed too; those who are contacts cost nothing more.
            leaving: Ids of contacts who are written to although they have left.

        Raises:
            UserError: There is no such account.
        """
        found, tam, vendor = await accounts.surroundings(connection, account)
        contacts = {contact.id: contact for contact in await accounts.contacts(connection, account)}
        others = [id_ for id_ in also if id_ not in contacts and id_ != tam.id]
        members = [tam, *(await accounts.members(connection, others) if others else ())]
        departed = await accounts.departed(connection, account, ids=leaving) if leaving else []
        if not audience.holding((CHAMPION,), contacts.values()):
            departed += (await accounts.departed(connection, account, persona=CHAMPION))[:1]
        if not contacts and not departed:
            departed = (await accounts.departed(connection, account))[:1]
        return cls(vendor, {member.id: member for member in members}, found, contacts, tuple(departed))

    def person(self, id_: str) -> Person | None:
        """The contact or member with this id, as a mail speaks of them; nothing if they have left."""
        return self._person(self.contacts.get(id_), id_)

    def leaver(self, id_: str) -> Person | None:
        """The person with this id, also one who has left and gets a last mail; nothing if nobody has it."""
        there = (*self.contacts.values(), *self.departed)
        known = (contact for contact in there if contact.id == id_ and not is_erased(contact.email))
        return self._person(next(known, None), id_)

    def _person(self, contact: Contact | None, id_: str) -> Person | None:
        if contact is None:
            return super().person(id_)
        return Person(
            contact.name, contact.email, contact.title, contact.asked_as, contact.personas, contact.schedule.zone
        )

    def writer(self, mailbox: str) -> Person:  # noqa: ARG002 - the account's mails have a person behind them
        """The TAM, in whose name every mail of the account is written."""
        tam = self.person(self.account.tam)
        assert tam is not None
        return tam

    def review(self, asked: Review) -> Review:
        """Who sends a mail: the account's own rule, where it has one."""
        return audience.review(asked, self.account)

    def context(self, to: Person, public_url: str) -> dict[str, Any]:
        """What a mail to this reader may speak of. Figures stand in `figures` alone, by the reader's topics."""
        return {
            "vendor": self.vendor.model_copy(update={"company_health": None}),
            "account": self.account.model_copy(update={"figures": Figures()}),
            "tam": self.person(self.account.tam),
            "figures": audience.figures(to.reads_as, self.account, self.vendor),
            "account_url": f"{public_url}/accounts/{self.account.key}",
        }

    def host(self, meeting: MeetingFacts) -> Member:
        """Who holds a meeting: the TAM of its time, who may be another than today's."""
        tam = self.members.get(meeting.proposal.tam) if meeting.proposal is not None else None
        return tam or self.tam

    def place(self, meeting: MeetingFacts) -> str:
        """Where to go or which link to open."""
        return (self.account.place if meeting.where == "onsite" else self.host(meeting).join_url) or ""
