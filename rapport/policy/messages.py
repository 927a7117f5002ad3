"""What a person can do about a message."""

from __future__ import annotations

from rapport.model.commands import in_name
from rapport.model.message import MessageState, Resolution


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
