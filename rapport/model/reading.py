"""From what a person wrote to a checked model, or to a refusal that names the field and the fix."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rapport.model.base import Refusal

M = TypeVar("M", bound=BaseModel)

MAX_BYTES: Final = 1_000_000
_SHOWN: Final = 10
_INNER_FIELD = re.compile(r"^([a-z_]+(?:\[\d+\])?(?:\.[a-z_]+)*): (.*)$", re.DOTALL)

_KNOWN: Final = {
    "missing": "is missing; add it",
    "extra_forbidden": "is not known here; correct its name or take it out",
    "string_type": "has to be a text; put it between quotes",
    "string_too_short": "is empty; fill it in",
    "model_type": "has to be a table; write it with its fields",
    "dict_type": "has to be a table; write it with its fields",
    "union_tag_not_found": 'kind is missing; write kind = "meeting" or kind = "message"',
    "rhythm_not_found": 'rhythm is missing; write rhythm = "sync" or rhythm = "review"',
}


def read_toml(model: type[M], raw: bytes, source: str) -> M:
    """Read one TOML document.

    Args:
        source: What to call it in a refusal, such as the file's name.

    Raises:
        Refusal: It is too large, not UTF-8, not TOML, or not what the model asks for.
    """
    if len(raw) > MAX_BYTES:
        raise Refusal(f"is larger than {MAX_BYTES // 1_000_000} MB", field=source, fix="split it, or shorten it")
    try:
        data = tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Refusal(f"is not UTF-8 at byte {error.start}", field=source, fix="save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise Refusal(f"is not TOML: {error}", field=source, fix="correct that line") from None
    except (ValueError, RecursionError):
        # A number of thousands of digits, or lists within lists: tomllib has no error of its own for these.
        raise Refusal(
            "is not TOML that can be read", field=source, fix="write shorter numbers and flatter lists"
        ) from None
    return check(model, data, source)


def read_json(model: type[M], raw: bytes) -> M:
    """Read one JSON document, such as the body of a request.

    Raises:
        Refusal: It is too large, not JSON, or not what the model asks for.
    """
    if len(raw) > MAX_BYTES:
        raise Refusal(f"is larger than {MAX_BYTES // 1_000_000} MB", field="body", fix="shorten it")
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Refusal(f"is not JSON{where}", field="body", fix="send one JSON object") from None
    if not isinstance(data, dict):
        raise Refusal("is not a JSON object", field="body", fix="send one JSON object")
    return check(model, data, "")


def check(model: type[M], data: Any, source: str) -> M:
    """Check data that is already parsed.

    Raises:
        Refusal: It is not what the model asks for; it names the first fault, and carries the others.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise together(faults(error, source)) from None
    except UnicodeEncodeError:
        # Pydantic cannot name a field that is no text; a JSON text can hold a lone surrogate.
        raise Refusal("holds half a character", field=source or "body", fix="write whole characters") from None


def faults(error: ValidationError, source: str) -> list[Refusal]:
    """What a model found wrong, each fault as a refusal of its own.

    Args:
        source: What was read, to stand before the field.
    """
    return [_refusal(detail, source) for detail in error.errors(include_url=False, include_input=False)]


def together(refusals: Sequence[Refusal]) -> Refusal:
    """Several faults of one request as one refusal: the first, with some of the others beside it."""
    first, *others = refusals
    return Refusal(first.problem, field=first.field, fix=first.fix, kind=first.kind, others=others[: _SHOWN - 1])


def _refusal(detail: ErrorDetails, source: str) -> Refusal:
    field = ""
    for part in _without_kinds(detail["loc"]):
        if isinstance(part, int):
            field += f"[{part}]"
        else:
            field += f".{part}" if field else str(part)
    kind = detail["type"]
    if kind == "union_tag_not_found" and "rhythm" in str(detail.get("ctx", {}).get("discriminator")):
        kind = "rhythm_not_found"
    text = _KNOWN.get(kind) or _words(detail)
    inner = _INNER_FIELD.match(text)
    if inner:
        field, text = f"{field}.{inner[1]}" if field else inner[1], inner[2]
    problem, _, fix = text.partition("; ")
    where = f"{source}: {field}" if source and field else source or field or "body"
    return Refusal(problem, field=where, fix=fix)


def _without_kinds(parts: tuple[int | str, ...]) -> list[int | str]:
    """Where a fault is, without the kind that pydantic names after a step's place: nobody wrote it there."""
    kept = list(parts)
    if len(kept) > 2 and kept[0] == "steps" and kept[2] in ("meeting", "message", "task", "cadence"):
        of = kept.pop(2)
        if of == "cadence" and len(kept) > 2 and kept[2] in ("sync", "review"):
            kept.pop(2)
    return kept


def _words(detail: ErrorDetails) -> str:
    if detail["type"] == "string_pattern_mismatch":
        pattern = str(detail.get("ctx", {}).get("pattern", ""))
        return f"has a form that is not allowed; use {_FORMS.get(pattern, pattern)}"
    if detail["type"] in ("literal_error", "enum", "union_tag_invalid"):
        context = detail.get("ctx", {})
        expected = context.get("expected") or context.get("expected_tags", "another value")
        return f"has a value that is not allowed; use {expected}"
    if detail["type"] == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    words = detail["msg"]
    return f"does not fit; {words[0].lower() if words[1:2].islower() else words[0]}{words[1:]}"


_FORMS: Final = {
    r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$": "lower-case letters, digits and hyphens, at most 63",
    r"^[a-z][a-z0-9_]{0,39}$": "lower-case letters, digits and underscores, at most 40",
    r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$": "letters, digits, dots, hyphens and underscores, at most 64",
}
