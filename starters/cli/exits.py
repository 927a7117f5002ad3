"""The exit codes of every command: what each tells, and which refusal leads to it. The manual has this table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rapport.model.base import Refused

MEANING: Final[Mapping[int, str]] = {
    0: "done",
    2: "refused input: something is missing or wrong, or the member may not do it",
    3: "not found",
    4: "refused by the state of things, or what was looked at isn't as it should be",
    5: "a part can't be reached, or can't do its part, such as a database whose disk is full",
}
"""What each tells. Every other one is a fault of Rapport itself."""

EXIT: Final[Mapping[Refused, int]] = {
    Refused.INVALID: 2,
    Refused.FORBIDDEN: 2,
    Refused.NOT_FOUND: 3,
    Refused.CONFLICT: 4,
    Refused.UNREACHABLE: 5,
}
"""The exit code of each kind of refusal."""
