"""The two kinds of model, and the scalar types that every edge shares."""

from __future__ import annotations

import difflib
import re
import unicodedata
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Self, TypeVar

import email_validator
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints

# The machine's zone files and the pinned `tzdata` package disagree at times (America/Vancouver in 2027 did), and
# a workflow's worker may run on any machine: only the package counts.
zoneinfo.reset_tzpath(())

D = TypeVar("D", bound=date)

MAX_NAME: Final = 120
MAX_TEXT: Final = 20_000

# C0, C1, line and paragraph separators, the marks that reverse the reading direction, and code points that are no
# characters and never will be.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef"
    + "".join(rf"\U{plane:04x}fffe\U{plane:04x}ffff" for plane in range(17))
    + "]"
)
_UNDECODED: Final = "\ufffd"
"""What stands where bytes were no text (Unicode, chapter 3.9)."""
_SPACE: Final = frozenset({"Cf", "Mn", "Me", "Zl", "Zp", "Zs", "Cc"})
"""The categories of characters that show nothing by themselves: of no width, marks on others, spaces."""
_BLANK: Final = frozenset(
    ["\u115f", "\u1160", "\u2065", "\u2800", "\u3164", "\uffa0"]
    + [chr(code) for code in (*range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE1000))]
)
"""Letters and symbols that show nothing, and unassigned code points that are to show nothing once they are assigned.

With the categories above, all that Unicode calls Default_Ignorable_Code_Point (DerivedCoreProperties.txt).
"""


class Refused(StrEnum):
    """Why an edge refuses. The CLI's exit code and the HTTP status follow from it, nothing else does."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    UNREACHABLE = "unreachable"
    FORBIDDEN = "forbidden"


class UserError(Exception):
    """A request that cannot be met, told in words for the person who made it.

    Args:
        problem: What is wrong, in one sentence, without a full stop.
        field: The field at fault, as its author wrote it (`contacts[1].zone`), where there is one.
        fix: What to do about it, in one sentence, without a full stop.
        kind: Why, as `Refused`.
        others: Further things that are wrong with the same request.
    """

    def __init__(
        self,
        problem: str,
        *,
        field: str = "",
        fix: str = "",
        kind: Refused = Refused.INVALID,
        others: Sequence[UserError] = (),
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.field = field
        self.fix = fix
        self.kind = kind
        self.others = tuple(others)

    def __str__(self) -> str:
        """The refusal as one line: field, problem, fix."""
        head = f"{self.field}: {self.problem}" if self.field else self.problem
        return f"{head} ({self.fix})" if self.fix else head


class Several(ValueError):  # noqa: N818 - as `UserError`
    """Several faults of one thing, for a validator that knows them all; each in the words of a single one.

    Args:
        faults: Each as "field: problem; fix", seen from the thing that is validated.
    """

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(self.faults[0])


def suggestion(value: str, known: Iterable[str]) -> str:
    """What to write instead of a name that is none: the nearest one, and all that there are; by titles, if it has any.

    Args:
        known: The names; or what each is called, by its name.
    """
    if isinstance(known, Mapping) and all(isinstance(title, str) for title in known.values()):
        return f"{nearest(value, known)}choose {choices(known.items()) or 'none'}"
    names = list(known)
    return f"{nearest(value, names)}use one of {', '.join(names) or 'none'}"


def listed(names: Sequence[str], word: str = "and") -> str:
    """One or several names: "engineering, product and support"."""
    *others, last = names or [""]
    return f"{', '.join(others)} {word} {last}" if others else last


def choices(titles: Iterable[tuple[str, str]]) -> str:
    """What can be chosen, by its titles; with what to type in backticks, which a page leaves out.

    Args:
        titles: Each id with its title.
    """
    return listed([f"“{title}” (`{id_}`)" for id_, title in titles], "or")


def one_of(titles: Mapping[str, str]) -> BeforeValidator:
    """Refuses what is none of some ids, and names each by its title."""

    def known(value: Any) -> Any:
        if str(value) not in titles:
            raise ValueError(f"has a value that is not allowed; choose {choices(titles.items())}")
        return value

    return BeforeValidator(known)


def nearest(value: str, known: Iterable[str]) -> str:
    """A question whether the nearest known name is meant, with a space after it; nothing where none is near."""
    near = difflib.get_close_matches(value[:60], list(known), n=1)
    return f'did you mean "{near[0]}"? ' if near else ""


class WireModel(BaseModel):
    """What travels through Temporal. Ignores unknown fields, so that workers of two versions can serve at once."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    @classmethod
    def made_of(cls, record: object, /, **more: Any) -> Self:
        """A model of a record or a row: what it has under the names of the model's fields, and more that is given."""
        known = {name: getattr(record, name) for name in cls.model_fields if name not in more and hasattr(record, name)}
        return cls.model_validate(known | more)


class InputModel(BaseModel):
    """What a person writes. Refuses fields it does not know, so that a typing error is never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def plain(value: str) -> str:
    """Refuse what could forge a mail header or disguise a text: control characters and encoded words (RFC 2047).

    Python before 3.11.15, 3.12.13 and 3.13.12 decodes an encoded word in a display name and writes its line breaks
    into the header; refusing it here keeps every later reader safe.
    """
    if _UNPRINTABLE.search(value):
        raise ValueError("contains a line break or another control character; write plain text on one line")
    if "=?" in value:
        raise ValueError('contains "=?", the start of an encoded word; write the characters themselves')
    return _readable(value)


def _readable(text: str) -> str:
    """A text without the space around it; nothing of one that shows nothing.

    Raises:
        ValueError: Most of it are marks in place of bytes that were no text.
    """
    seen = [one for one in text if unicodedata.category(one) not in _SPACE and one not in _BLANK]
    if seen.count(_UNDECODED) * 2 > len(seen):
        raise ValueError("is no text; write it anew, and send it as UTF-8")
    return text.strip() if seen else ""


def name(value: str) -> str:
    """Check a name as `plain` does, and refuse one that is nothing but spaces: mails greet people by it."""
    text = plain(value)
    if not text:
        raise ValueError("is empty; fill it in")
    return text


def prose(value: str) -> str:
    """Refuse control characters in a text of several lines; line feeds and tabs are allowed."""
    text = value.replace("\r\n", "\n")
    if _UNPRINTABLE.search(text.replace("\n", " ").replace("\t", " ")):
        raise ValueError("contains a control character; write plain text")
    return _readable(text)


def mail_address(value: str) -> str:
    """Check an address and give its ASCII form (RFC 5321), lower case in the domain.

    Raises:
        ValueError: The address is malformed, or its local part needs SMTPUTF8, which no relay is sure to speak.
    """
    plain(value)
    if not value.rpartition("@")[0].isascii():
        # Also what the ASCII form would have none of: a Kelvin sign becomes a K there, and one mailbox another.
        raise ValueError("has letters outside ASCII before the @, which many mail servers refuse; use an ASCII address")
    try:
        checked = email_validator.validate_email(value, check_deliverability=False)
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"is not a mail address; {str(error).removesuffix('.')}") from None
    assert checked.ascii_email is not None
    return checked.ascii_email


def zone_name(value: str) -> str:
    """Refuse a zone that the IANA database does not know."""
    if value not in _zones():
        raise ValueError(f'"{value[:40]}" is not an IANA time zone; write one such as "Europe/Zurich"')
    return value


_ZONES: frozenset[str] = frozenset()


def _zones() -> frozenset[str]:
    global _ZONES  # noqa: PLW0603 - reading 600 file names once is enough
    if not _ZONES:
        _ZONES = frozenset(zoneinfo.available_timezones())
    return _ZONES


def utc(value: datetime) -> datetime:
    """Insist on an instant: a time without a zone means different things to different readers."""
    if value.tzinfo is None:
        raise ValueError('has no time zone; write it as "2026-11-30T14:00:00Z"')
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError('is outside the years 1 to 9999 in UTC; write it as "2026-11-30T14:00:00Z"') from None


YEARS: Final = range(1970, 2101)
"""The years that somebody may mean. A date of another one is a slip of the keyboard, and it takes minutes to count the
working days until then."""


def meant(value: D) -> D:
    """Refuse a day or an instant of a year that nobody means."""
    if value.year not in YEARS:
        raise ValueError(f"is in the year {value.year}; write the year that is meant with four digits")
    return value


Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]
"""An account's key: lower-case letters, digits and hyphens."""
StepName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
ContractId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME), AfterValidator(name)]
Prose = Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(prose)]
Email = Annotated[str, StringConstraints(max_length=254), AfterValidator(mail_address)]
Zone = Annotated[str, AfterValidator(zone_name)]
Instant = Annotated[datetime, AfterValidator(utc)]


class Word(WireModel):
    """What somebody says to a workflow.

    Attributes:
        id: Its submission's; the same id once more is the same word.
        at: When it was given, however much later it is taken.
    """

    id: str
    at: Instant


WrittenDay = Annotated[date, AfterValidator(meant)]
WrittenInstant = Annotated[Instant, AfterValidator(meant)]
"""A day and an instant as somebody writes them, of a year that they may mean."""
