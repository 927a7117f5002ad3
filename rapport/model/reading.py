"""From what a person wrote to a checked model, or to a refusal that names the field and the fix."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rapport.model.base import YEARS, Several, UserError

M = TypeVar("M", bound=BaseModel)

MAX_BYTES: Final = 1_000_000
_DAY: Final = re.compile(r"\d{4}-?\d{2}-?\d{2}")
_SHOWN: Final = 10
_STEP_KIND: Final = 2
"""Where pydantic puts the kind of a playbook's step into its path, between the step's number and the field."""
_INNER_FIELD = re.compile(r"^([a-z_]+(?:\[\d+\])?(?:\.[a-z_]+)*): (.*)$", re.DOTALL)

EMPTY: Final = "is empty"
"""What is wrong with a list that has to hold something, and does not."""

NULL: Final = "contains U+0000, a character that no store keeps"
"""What is wrong with a text that is one as far as JSON and TOML are concerned."""

UNKNOWN: Final = "is not known here"
"""What is wrong with a field that a model does not have."""

_KNOWN: Final = {
    "too_short": f"{EMPTY}; write at least 1",
    "missing": "is missing; add it",
    "extra_forbidden": f"{UNKNOWN}; correct its name or take it out",
    "string_type": "has to be a text; put it between quotes",
    "string_too_short": "is empty; fill it in",
    "model_type": "has to be a table; write it with its fields",
    "dict_type": "has to be a table; write it with its fields",
    "rhythm_not_found": 'rhythm is missing; write rhythm = "sync" or rhythm = "review"',
}


def read_toml(model: type[M], raw: bytes, source: str) -> M:
    """Read one TOML document.

    Args:
        source: What to call it in a refusal, such as the file's name.

    Raises:
        UserError: It is too large, not UTF-8, not TOML, or not what the model asks for.
    """
    return check(model, parse_toml(raw, source), source)


def parse_toml(raw: bytes, source: str) -> dict[str, Any]:
    """Parse one TOML document, whatever stands in it.

    Raises:
        UserError: It is too large, not UTF-8, or not TOML.
    """
    if len(raw) > MAX_BYTES:
        raise UserError(f"is larger than {MAX_BYTES // 1_000_000} MB", field=source, fix="split it, or shorten it")
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UserError(f"is not UTF-8 at byte {error.start}", field=source, fix="save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"is not TOML: {error}", field=source, fix="correct that line") from None
    except (ValueError, RecursionError):
        # A number of thousands of digits, or lists within lists: tomllib has no error of its own for these.
        raise UserError(
            "is not TOML that can be read", field=source, fix="write shorter numbers and flatter lists"
        ) from None


def read_json(model: type[M], raw: bytes) -> M:
    """Read one JSON document, such as the body of a request.

    Raises:
        UserError: It is too large, not JSON, or not what the model asks for.
    """
    if len(raw) > MAX_BYTES:
        raise UserError(f"is larger than {MAX_BYTES // 1_000_000} MB", field="body", fix="shorten it")
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(f"is not JSON{where}", field="body", fix="send one JSON object") from None
    if not isinstance(data, dict):
        raise UserError("is not a JSON object", field="body", fix="send one JSON object")
    return check(model, data, "")


def read_instant(text: str, field: str, zone: str = "UTC", *, ends: bool = False) -> datetime:
    """Read an instant: with an offset or Z as it stands, without one as wall time of `zone`.

    Args:
        ends: Whether a day without a time of day stands for its end, as in "until Sunday"; otherwise for its beginning.

    Raises:
        UserError: The text has another form, a clock of that zone never shows it, or it lies beyond all calendars.
    """
    fix = 'write it as "2026-12-01T09:00" or "2026-12-01T08:00:00Z"'
    try:
        read = datetime.fromisoformat(text)
        if ends and _DAY.fullmatch(text):
            read = datetime.combine(read, time.max)
    except ValueError:
        raise UserError("is not a time", field=field, fix=fix) from None
    # Until when something is looked at may be any time; nothing is planned for it.
    if not ends and read.year not in YEARS:
        raise UserError(f"is in the year {read.year}", field=field, fix="write the year that is meant with four digits")
    try:
        if read.tzinfo is not None:
            return read.astimezone(UTC)
        there = read.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        is_shown = there.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == read
    except OverflowError:
        raise UserError("is outside the years 1 to 9999 in UTC", field=field, fix=fix) from None
    if not is_shown:
        raise UserError(
            f"the clocks of {zone} skip that time", field=field, fix="choose another, or write it with its offset"
        )
    return there


def read_day(text: str, field: str, fix: str = 'write it as "2026-12-24"') -> date:
    """Read a day.

    Raises:
        UserError: The text is none.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UserError("is not a day", field=field, fix=fix) from None
    if day.year not in YEARS:
        raise UserError(f"is in the year {day.year}", field=field, fix="write the year that is meant with four digits")
    return day


def check(model: type[M], data: Any, source: str, *, shown: int = _SHOWN) -> M:
    """Check data that is already parsed.

    Args:
        shown: How many faults are told at most.

    Raises:
        UserError: It is not what the model asks for; it names the first fault, and carries the others.
    """
    try:
        checked = model.model_validate(data)
    except ValidationError as error:
        raise together(faults(error, source), shown) from None
    except UnicodeEncodeError:
        # Pydantic cannot name a field that is no text; a JSON text can hold a lone surrogate.
        raise UserError("holds half a character", field=source or "body", fix="write whole characters") from None
    if (field := _with_null(data)) is not None:
        where = f"{source}: {field}" if source and field else source or field or "body"
        raise UserError(NULL, field=where, fix="take it out")
    return checked


def _with_null(data: Any) -> str | None:
    """The field whose text has U+0000 in it, which PostgreSQL cannot keep, as its author would write it."""
    todo = [("", data)]
    while todo:
        field, value = todo.pop()
        if isinstance(value, str) and "\0" in value:
            return field
        if isinstance(value, dict):
            if any("\0" in name for name in value):
                return field
            todo += [(f"{field}.{name}" if field else name, one) for name, one in value.items()]
        if isinstance(value, list | tuple):
            todo += [(f"{field}[{index}]", one) for index, one in enumerate(value)]
    return None


def faults(error: ValidationError, source: str) -> list[UserError]:
    """What a model found wrong, each fault as a refusal of its own.

    Args:
        source: What was read, to stand before the field.
    """
    return [
        _refusal(detail, text, source)
        for detail in error.errors(include_url=False, include_input=False)
        for text in _texts(detail)
    ]


def together(refusals: Sequence[UserError], shown: int = _SHOWN) -> UserError:
    """Several faults of one request as one refusal: the first, with some of the others beside it.

    Args:
        shown: How many at most.
    """
    first, *others = refusals
    return UserError(first.problem, field=first.field, fix=first.fix, kind=first.kind, others=others[: shown - 1])


def _texts(detail: ErrorDetails) -> tuple[str, ...]:
    """What one of pydantic's errors says: one thing, or as many as a validator of ours has found."""
    found = detail.get("ctx", {}).get("error")
    kind = detail["type"]
    if kind == "union_tag_not_found" and "rhythm" in str(detail.get("ctx", {}).get("discriminator")):
        kind = "rhythm_not_found"
    if kind == "too_short" and detail.get("ctx", {}).get("field_type") == "Value":
        # Of a text that is trimmed first, pydantic says "Value"; of a list, what it is.
        kind = "string_too_short"
    return found.faults if isinstance(found, Several) else (_KNOWN.get(kind) or _words(detail),)


def _refusal(detail: ErrorDetails, text: str, source: str) -> UserError:
    field = ""
    for part in _without_kinds(detail["loc"]):
        if isinstance(part, int):
            field += f"[{part}]"
        else:
            field += f".{part}" if field else str(part)
    inner = _INNER_FIELD.match(text)
    if inner:
        field, text = f"{field}.{inner[1]}" if field else inner[1], inner[2]
    problem, _, fix = text.partition("; ")
    where = f"{source}: {field}" if source and field else source or field or "body"
    return UserError(problem, field=where, fix=fix)


def _without_kinds(parts: tuple[int | str, ...]) -> list[int | str]:
    """Where a fault is, without the kind that pydantic names after a step's place: nobody wrote it there."""
    kept = list(parts)
    if len(kept) > _STEP_KIND and kept[0] == "steps":
        of = kept.pop(_STEP_KIND)
        if of == "cadence" and len(kept) > _STEP_KIND and kept[_STEP_KIND] in ("sync", "review"):
            kept.pop(_STEP_KIND)
    return kept


def _words(detail: ErrorDetails) -> str:
    if detail["type"] == "string_pattern_mismatch":
        pattern = str(detail.get("ctx", {}).get("pattern", ""))
        return f"has a form that is not allowed; use {_FORMS.get(pattern, pattern)}"
    context = detail.get("ctx", {})
    if detail["type"] == "string_too_long" or (detail["type"] == "too_long" and context.get("field_type") == "Value"):
        return f"is too long; write at most {context.get('max_length')} characters"
    if detail["type"] == "too_long":
        return f"has too many entries; write at most {context.get('max_length')}"
    if detail["type"] == "union_tag_not_found":
        return 'kind: is missing; write it, such as kind = "message"'
    if detail["type"] in ("literal_error", "enum", "union_tag_invalid"):
        expected = context.get("expected") or context.get("expected_tags", "another value")
        field = "kind: " if detail["type"] == "union_tag_invalid" else ""
        return f"{field}has a value that is not allowed; use {expected}"
    if detail["type"] == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    words = detail["msg"]
    return f"does not fit; {words[0].lower() if words[1:2].islower() else words[0]}{words[1:]}"


_FORMS: Final = {
    r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$": "lower-case letters, digits and hyphens, at most 63",
    r"^[a-z][a-z0-9_]{0,39}$": "lower-case letters, digits and underscores, at most 40",
    r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$": "letters, digits, dots, hyphens and underscores, at most 64",
}
