"""What keeps a mail server from taking any mail of ours at all: the installation's fault, and no mail's."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from rapport.model.base import Instant, Wire


class FaultKind(StrEnum):
    """What the mail server does not accept."""

    PASSWORD = "password"  # noqa: S105 - the name of a fault
    TOKEN = "token"  # noqa: S105
    SIGN_IN = "sign_in"
    CERTIFICATE = "certificate"
    ENCRYPTION = "encryption"
    SENDER = "sender"


_WHAT: Final = {
    FaultKind.PASSWORD: "the mail server refuses our user name or password",
    FaultKind.TOKEN: "the command that should give an access token for the mail server gives none",
    FaultKind.SIGN_IN: "the mail server offers no sign-in that we can use",
    FaultKind.CERTIFICATE: "the mail server's certificate can't be trusted for its name",
    FaultKind.ENCRYPTION: "the mail server doesn't offer the encryption that we ask for",
    FaultKind.SENDER: "the mail server refuses everything that we send",
}

_FIX: Final = {
    FaultKind.PASSWORD: (
        "correct the user name and password in RAPPORT_SMTP_URL, or the access token, and restart the workers"
    ),
    FaultKind.TOKEN: "run RAPPORT_SMTP_TOKEN_COMMAND by hand: its output must be an access token and nothing else",
    FaultKind.SIGN_IN: "check the user name and the port in RAPPORT_SMTP_URL, and what the mail server offers there",
    FaultKind.CERTIFICATE: "correct the host in RAPPORT_SMTP_URL, or the mail server's certificate",
    FaultKind.ENCRYPTION: "correct the scheme and the port in RAPPORT_SMTP_URL, or turn on STARTTLS at the mail server",
    FaultKind.SENDER: (
        "ask whoever runs the mail server: it may not allow RAPPORT_MAIL_FROM, or have our address on a block list"
    ),
}


class RelayFault(Wire):
    """Why no mail goes, as it was met last.

    Attributes:
        since: When it was first met.
        code: The mail server's own code (RFC 5321), where it gave one.
        probed_at: When the mail server was last asked.
    """

    kind: FaultKind
    code: int | None = None
    since: Instant
    probed_at: Instant

    @property
    def what(self) -> str:
        """What is wrong, in words that hold no secret and nothing of a mail."""
        return described(self.kind, self.code)

    @property
    def fix(self) -> str:
        """What to do about it."""
        return fixed(self.kind)


class RelayAsked(Wire):
    """What the workflow of an alarm asks for: at which instant is all that it knows."""

    now: Instant


class RelayStart(Wire):
    """What starts the workflow of an alarm: what the relay does not take is on record in SQL.

    Attributes:
        account: It is about none.
    """

    account: None = None


def fixed(kind: FaultKind) -> str:
    """What to do about a fault."""
    return _FIX[kind]


def described(kind: FaultKind, code: int | None) -> str:
    """A fault in words, with the mail server's code."""
    return f"{_WHAT[kind]} ({code})" if code is not None else _WHAT[kind]
