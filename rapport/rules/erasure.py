"""Which words name a person who is to be erased, and a text without them.

Erased is what says who somebody is: their address and their name in full, however they are cased and spaced, and each
part of the name that is written as a name, unless another person around the account bears it too. Where a text belongs
to no account, a name says who somebody is only if nobody else anywhere bears it: a namesake's records are not theirs.
"""

from __future__ import annotations

import email
import email.policy
import json
import re
from collections.abc import Iterable
from copy import copy
from typing import Any, Final

ERASED: Final = "(erased)"
"""What stands in a text in place of a name or an address."""

ERASED_DOMAIN: Final = "erased.invalid"
"""The domain of the addresses that erased contacts are left with (RFC 2606): no mail ever reaches it."""

_SHORTEST: Final = 3
"""How many letters a part of a name has at least: shorter ones are in too many words of their own."""


def is_erased(address: str) -> bool:
    """Whether this is what an erased contact has in place of an address."""
    return address.endswith(f"@{ERASED_DOMAIN}")


class Naming:
    """Everything by which one person is named."""

    def __init__(self, name: str, address: str, others: Iterable[str] = (), strangers: Iterable[str] = ()) -> None:
        """Know a person by name and address. A whole name that somebody else bears as well says nobody's.

        Args:
            others: The names of the other people around the account.
            strangers: Those of everybody else.
        """
        around = [other.casefold().split() for other in others]
        shared = {part for other in around for part in other}
        parts = {part for part in name.split() if len(part) >= _SHORTEST and part.casefold() not in shared}
        same = name.casefold().split()
        here = same not in around
        self._whole = _whole(address, name if here else None)
        self._anywhere = _whole(
            address, name if here and all(same != one.casefold().split() for one in strangers) else None
        )
        some = "|".join(re.escape(part) for part in sorted(sorted(parts), key=len, reverse=True))
        self._parts = re.compile(rf"(?<!\w)(?:{some})(?!\w)") if some else None

    def anywhere(self) -> Naming:
        """How they are named in texts that may be about anybody: by the address, and a whole name of nobody else."""
        whole = copy(self)
        whole._whole, whole._parts = self._anywhere, None
        return whole

    def redacted(self, text: str) -> str:
        """A text in which `ERASED` stands for each mention of the person."""
        text = self._whole.sub(ERASED, text)
        return self._parts.sub(ERASED, text) if self._parts is not None else text

    def named_in(self, text: str) -> bool:
        """Whether a text names them; in JSON, also where letters are escaped."""
        if self.redacted(text) != text:
            return True
        try:
            value = json.loads(text)
        except ValueError:
            return False
        return isinstance(value, dict | list) and self.redacted_value(value) != value

    def redacted_value(self, value: Any) -> Any:
        """What a JSON column holds, without them; the names of its fields stay."""
        if isinstance(value, str):
            return self.redacted(value)
        if isinstance(value, list):
            return [self.redacted_value(one) for one in value]
        if isinstance(value, dict):
            return {name: self.redacted_value(one) for name, one in value.items()}
        return value

    def named_in_mail(self, raw: bytes) -> bool:
        """Whether a mail names them anywhere: in its headers, its texts, its calendars or its files' names."""
        read = email.message_from_bytes(raw, policy=email.policy.default)
        for part in read.walk():
            if any(self.named_in(str(value)) for value in part.values()):
                return True
            if part.get_content_maintype() == "text":
                content = str(part.get_content()).replace("\r\n", "\n")
                # Lines of a calendar are folded (RFC 5545, 3.1).
                if self.named_in(content.replace("\n ", "") if part.get_content_subtype() == "calendar" else content):
                    return True
        return False


def _whole(address: str, name: str | None) -> re.Pattern[str]:
    """An address, and a name in full where it says whose it is."""
    whole = [re.escape(address)]
    if name is not None:
        whole.append(r"\s+".join(re.escape(part) for part in name.split()))
    return re.compile(rf"(?<!\w)(?:{'|'.join(whole)})(?!\w)", re.IGNORECASE)
