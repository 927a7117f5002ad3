"""What keeps a mail server from taking any mail of ours at all: the installation's fault, and no mail's."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from rapport.model.base import Instant, WireModel


class FaultKind(StrEnum):
    """What the mail server does not accept."""

    PASSWORD = "password"  # noqa: S105 - the name of a fault
    TOKEN = "token"  # noqa: S105
    SIGN_IN = "sign_in"
    CERTIFICATE = "certificate"
    ENCRYPTION = "encryption"
    SENDER = "sender"
    MESSAGE = "message"
    UNREACHABLE = "unreachable"
    BUSY = "busy"

    @property
    def is_outage(self) -> bool:
        """Whether it may be over without anybody's doing; nothing of ours is refused for good."""
        return self in (FaultKind.UNREACHABLE, FaultKind.BUSY)


_WHAT: Final = {
    FaultKind.PASSWORD: "the mail server refuses our user name or password",
    FaultKind.TOKEN: "the command that should give an access token for the mail server gives none",
    FaultKind.SIGN_IN: "the mail server offers no sign-in that we can use",
    FaultKind.CERTIFICATE: "the mail server's certificate can't be trusted for its name",
    FaultKind.ENCRYPTION: "the mail server doesn't offer the encryption that we ask for",
    FaultKind.SENDER: "the mail server refuses everything that we send",
    FaultKind.MESSAGE: "the mail server refuses everything that we send, once it has read it",
    FaultKind.UNREACHABLE: "the mail server can't be reached",
    FaultKind.BUSY: "the mail server takes nothing and asks us to try again later",
}


class RelaySettings(NamedTuple):
    """What the settings are called that lead to the mail server: a variable, or a name and the file it is in.

    Attributes:
        address: Its address.
        password: The password, where that is not in the address.
        token: The command that gives an access token, where that is used instead.
        sender: The mailbox that we send from.
        allowed: The domains that mail may go to.
        restart: What to do for a changed setting to be read.
    """

    address: str = "RAPPORT_SMTP_URL"
    password: str | None = None
    token: str | None = None
    sender: str = "RAPPORT_MAIL_FROM"
    allowed: str = "RAPPORT_MAIL_ALLOWED_DOMAINS"
    restart: str = "restart the workers"

    def not_allowed(self, domain: str) -> str:
        """Why no mail goes to a domain, and what to do about it."""
        remedy = f"Add it there, then {self.restart}. After that, send the email again"
        return f"{self.allowed} doesn't allow {domain}. {remedy}"


VARIABLES: Final = RelaySettings()
"""The settings of an installation that says no more than the address, by its variable."""


class RelayFault(WireModel):
    """Why no mail goes, as it was met last.

    Attributes:
        since: When it was first met.
        code: The mail server's own code (RFC 5321), where it gave one.
        fix: What to do about it, in words of whoever met it: the settings that they used.
        probed_at: When the mail server was last asked.
    """

    kind: FaultKind
    code: int | None = None
    fix: str
    since: Instant
    probed_at: Instant

    @property
    def what(self) -> str:
        """What is wrong, in words that hold no secret and nothing of a mail."""
        return described(self.kind, self.code)


class RelayLimit(WireModel):
    """That the mail server says that the mailbox sends too much, and how long nothing goes for that.

    Attributes:
        since: When it said so first.
        until: When the next email goes.
        code: The mail server's own code (RFC 5321).
    """

    since: Instant
    until: Instant
    code: int

    @property
    def what(self) -> str:
        """What it says, in words that hold nothing of a mail."""
        return f"the mail server says that we send too many emails ({self.code})"

    @staticmethod
    def fixed(rate: str) -> str:
        """What to do about it where it lasts.

        Args:
            rate: What the setting is called that says how many emails a minute go.
        """
        return f"set {rate} to what the mail server allows in a minute, or ask whoever runs it for a higher limit"


class RelayAsked(WireModel):
    """What the workflow of an alarm asks for: at which instant is all that it knows."""

    now: Instant


class RelayStart(WireModel):
    """What starts the workflow of an alarm: what the relay does not take is on record in SQL.

    Attributes:
        account: It is about none.
    """

    account: None = None


def fixed(kind: FaultKind, named: RelaySettings) -> str:
    """What to do about a fault, where these settings lead to the mail server."""
    match kind:
        case FaultKind.PASSWORD if named.token is not None:
            return f"correct the user name in {named.address}, or the access token that {named.token} gives"
        case FaultKind.PASSWORD if named.password is not None:
            what = f"the user name in {named.address}, or the password in {named.password}"
            return f"correct {what}. Then {named.restart}"
        case FaultKind.PASSWORD:
            return f"correct the user name and password in {named.address}. Then {named.restart}"
        case FaultKind.TOKEN:
            return f"run the command in {named.token} by hand: its output must be an access token and nothing else"
        case FaultKind.SIGN_IN:
            return f"check the user name and the port in {named.address}, and what the mail server offers there"
        case FaultKind.CERTIFICATE:
            return f"correct the host in {named.address}, or the mail server's certificate"
        case FaultKind.ENCRYPTION:
            return f"correct the scheme and the port in {named.address}, or turn on STARTTLS at the mail server"
        case FaultKind.SENDER:
            return (
                f"ask whoever runs the mail server: it may not allow the address in {named.sender}, "
                "or have ours on a block list"
            )
        case FaultKind.MESSAGE:
            return (
                f"see that our user may send as the address in {named.sender}, and that its domain's SPF, DKIM and "
                "DMARC records allow this mail server"
            )
        case FaultKind.UNREACHABLE:
            return f"see that the mail server runs, that no firewall is in between, and that {named.address} names it"
        case FaultKind.BUSY:
            return "ask whoever runs the mail server: it may be overloaded, its disk full, or our limit used up"


def described(kind: FaultKind, code: int | None) -> str:
    """A fault in words, with the mail server's code."""
    return f"{_WHAT[kind]} ({code})" if code is not None else _WHAT[kind]
