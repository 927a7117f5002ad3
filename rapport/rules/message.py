"""What a person can do about a message."""

from __future__ import annotations

from typing import Final, NamedTuple

from rapport.model.commands import in_name
from rapport.model.message import MessageState, Resolution

LOOK: Final = "We can't tell whether it arrived. Look for its Message-ID in the mail server's log, or ask its reader."
"""What comes before anybody says what becomes of an email that may not have arrived."""

_ELSEWHERE: Final = (Resolution.ELSEWHERE, "If you've told its reader another way, close it. It isn't sent again")

OFFERED: Final[dict[MessageState, tuple[tuple[Resolution, str], ...]]] = {
    MessageState.FAILED: (
        (Resolution.RESEND, "Send it again, to the address that its reader has now. Correct that first if it's wrong"),
        _ELSEWHERE,
    ),
    MessageState.UNKNOWN: (
        (
            Resolution.SENT,
            "If it arrived, mark it as delivered. It isn't sent again, so whoever didn't get it never will",
        ),
        (Resolution.RESEND, "If it didn't arrive, send it again. Whoever got it after all gets it twice"),
        _ELSEWHERE,
    ),
}
"""What can become of an email that was not delivered, by its state, the likeliest first, and what follows each."""


class WayOn(NamedTuple):
    """A command that takes care of a message, and what follows it, where somebody has to weigh that."""

    command: str
    follows: str | None = None


def ways_on(state: MessageState, key: str) -> tuple[WayOn, ...]:
    """What takes care of a message, the likeliest first; nothing where it goes on by itself, or is over."""
    if state is MessageState.DRAFT:
        return (WayOn(in_name(f"rapport message approve {key}")),)
    return tuple(WayOn(_command(state, key, how), follows) for how, follows in OFFERED.get(state, ()))


def _command(state: MessageState, key: str, how: Resolution) -> str:
    if state is MessageState.FAILED and how is Resolution.RESEND:
        return in_name(f"rapport message resend {key}")
    return in_name(f"rapport message resolve {key} {how}")
