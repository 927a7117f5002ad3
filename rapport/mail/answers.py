"""What a refusal of the relay is about: everything that we send, or this one mail.

Codes alone do not say so. 550 5.7.1 is a sender that may not send, and spam in one mail; so where an answer may be
about either, whoever met it asks for a mail to our own mailbox as well.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """How far a conversation with the relay had come when it refused."""

    GREETING = "greeting"
    ENCRYPTION = "encryption"
    SIGN_IN = "sign-in"
    SENDER = "MAIL"
    RECIPIENT = "RCPT"
    MESSAGE = "DATA"


class Meaning(StrEnum):
    """What a refusal means.

    Attributes:
        LATER: Nothing is refused for good.
        TOO_FAST: The mailbox sends more than it may, for now or today: whatever code says so, no mail is at fault.
        FAULT: All that we send is refused: the installation's fault, and no mail's.
        DOUBT: As much, or this mail alone; a mail to our own mailbox tells.
        OWN: This mail, or its recipient, is refused.
    """

    LATER = "later"
    TOO_FAST = "too fast"
    FAULT = "fault"
    DOUBT = "doubt"
    OWN = "own"


FOR_GOOD: Final = range(500, 600)
"""Permanent negative answers (RFC 5321, 4.2.1)."""

_OUT_OF_ORDER: Final = 503
"""Says something of the connection's past and nothing of its future, such as that no sender was named; so no mail is at
fault."""

_SIGN_IN_FIRST: Final = 530
"""RFC 4954, 6: authentication required."""

_BEFORE_ANY_MAIL: Final = (Phase.GREETING, Phase.ENCRYPTION, Phase.SIGN_IN, Phase.SENDER)
"""What is said there concerns no recipient and no content: the sender is the same for every mail."""

_OF_A_MAIL: Final = (Phase.SENDER, Phase.RECIPIENT, Phase.MESSAGE)

_ENHANCED: Final = re.compile(r"\s*5\.(\d{1,3}\.\d{1,3})\b")

_SENDERS: Final = frozenset({"1.7", "1.8", "2.252"})
"""A bad sender's address (RFC 3463, 3.2), and Exchange Online's SendAsDenied, which comes after the data."""

_OF_SECURITY: Final = "7."
"""Security and policy (RFC 3463, 3.8): that delivery is not authorised (1), and that DKIM (RFC 7372: 20 to 22), SPF
(23, 24), the reverse address (25) or several of them (26) fail. Microsoft's codes of senders are of these too: not
signed in (57), not allowed as this sender (60), DMARC (509), banned (501 to 503, 708)."""

_OF_ONE: Final = frozenset({"7.2", "7.5", "7.6", "7.7", "7.16", "7.17", "7.18", "7.19", "7.512"})
"""Those of them that are about one list (2), one mail's encryption and integrity (5 to 7), its size (16), its
recipient's mailbox (RFC 7293: 17 to 19), or its headers (Microsoft's 512)."""

_UNSAID: Final = (550, 553, 554)
"""Codes that refuse a whole message for any reason. Some relays name no enhanced code when they refuse its sender."""


_WORDS_OF_TOO_FAST: Final = re.compile(
    r"too much mail|too many (\w+ ){0,2}(e?mails?|messages|recipients?|connections?|sessions?|requests|log-?ins?)"
    r"|too (fast|quickly|often)|more slowly|slow down|throttl"
    r"|\b(rate|sending|sender|hourly|daily|submission|thread|connections?|message|e?mail|relay) (limits?|quotas?)\b"
    r"|\b(unusual|sending|submission|message|connection) rate\b|concurrent (\w+ )?connections",
    re.IGNORECASE,
)
"""How mail servers say it, as most have no code for it. Postfix: "too much mail from"; Exchange: "Message submission
rate for this client has exceeded", "sender thread limit exceeded"; Gmail: "Daily user sending limit exceeded", "Too
many login attempts"; SES: "Throttling failure: Maximum sending rate exceeded"."""

_TOO_FAST: Final = re.compile(r"4\.5\.3|4\.7\.28|4\.7\.[56]\d\d|5\.4\.5|5\.1\.90|5\.2\.0 .*SubmissionQuota", re.DOTALL)
"""Codes that say so: too many recipients, where each mail has one (RFC 3463, 3.6), Gmail's unusual rate and daily
limit, and Microsoft's throttled addresses, daily limit and quota of a sender."""

_OF_READER: Final = re.compile(r"[45]\.[12]\.")
"""An address, or a mailbox (RFC 3463, 3.2 and 3.3): that it is full, or gets too much from everybody, is its own."""


def _is_too_fast(text: str) -> bool:
    said = text.strip()
    if _TOO_FAST.match(said):
        return True
    return not _OF_READER.match(said) and _WORDS_OF_TOO_FAST.search(said) is not None


def meaning(phase: Phase, code: int, text: str) -> Meaning:
    """What a refusal is about.

    Args:
        code: The relay's own (RFC 5321).
        text: What it said, beginning with its enhanced code (RFC 2034), if it has one.
    """
    if _is_too_fast(text):
        return Meaning.TOO_FAST
    if code not in FOR_GOOD or (code == _OUT_OF_ORDER and phase in _OF_A_MAIL):
        return Meaning.LATER
    if phase in _BEFORE_ANY_MAIL:
        return Meaning.FAULT
    found = _ENHANCED.match(text)
    detail = found[1] if found else None
    if code == _SIGN_IN_FIRST or detail in _SENDERS:
        return Meaning.DOUBT
    if detail is None:
        return Meaning.DOUBT if phase is Phase.MESSAGE and code in _UNSAID else Meaning.OWN
    return Meaning.DOUBT if detail.startswith(_OF_SECURITY) and detail not in _OF_ONE else Meaning.OWN
