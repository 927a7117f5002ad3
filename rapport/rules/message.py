"""What a person can do about a message."""

from __future__ import annotations

from typing import Final

from rapport.model.commands import in_name
from rapport.model.message import MessageState, Resolution

LOOK: Final = "We can't tell whether it arrived. Look for its Message-ID in the mail server's log, or ask its reader."
"""What comes before anybody says what becomes of an email that may not have arrived."""

_FOLLOWS: Final = {
    MessageState.FAILED: (
        "Send it again, to the address that its reader has now. Correct that first if it's wrong",
        "If you've told its reader another way, close it. It isn't sent again",
    ),
    MessageState.UNKNOWN: (
        "If it arrived, mark it as delivered. It isn't sent again, so whoever didn't get it never will",
        "If it didn't arrive, send it again. Whoever got it after all gets it twice",
        "If you've told its reader another way, close it. It isn't sent again",
    ),
}


def consequences(state: MessageState) -> tuple[str, ...]:
    """What follows each of the commands that take care of a message that was not delivered, in their order."""
    return _FOLLOWS.get(state, ())


def ways_on(state: MessageState, key: str) -> tuple[str, ...]:
    """The commands that take care of a message, the likeliest first; none where it goes on by itself, or is over."""
    match state:
        case MessageState.DRAFT:
            return (in_name(f"rapport message approve {key}"),)
        case MessageState.FAILED:
            return (in_name(f"rapport message resend {key}"), _resolve(key, Resolution.ELSEWHERE))
        case MessageState.UNKNOWN:
            return tuple(_resolve(key, how) for how in Resolution)
        case _:
            return ()


def _resolve(key: str, how: Resolution) -> str:
    return in_name(f"rapport message resolve {key} {how}")
