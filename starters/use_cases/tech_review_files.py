"""The files in which people ask for a technical review: TOML, or Markdown with TOML for its front matter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from rapport.model.base import UserError
from rapport.model.reading import check, parse_toml
from rapport.model.tech_review import ReviewRequest
from starters.use_cases.files import read_file

_HEADING: Final = re.compile(r"^##\s+(.+?)\s*$", re.MULTILINE)
_FRONT: Final = re.compile(r"\A\+\+\+[ \t]*\r?\n(.*?)^\+\+\+[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)


def read_request(path: Path) -> ReviewRequest:
    """Read a request: TOML, or Markdown whose front matter is TOML and whose headings are the questions.

    Raises:
        UserError: It cannot be read, or something in it is missing or wrong.
    """
    return parse_request(read_file(path), path.name)


def parse_request(raw: bytes, source: str) -> ReviewRequest:
    """Read a request from bytes: TOML, or Markdown where its source's name ends in .md.

    Raises:
        UserError: Something in it is missing or wrong.
    """
    if not source.endswith((".md", ".markdown")):
        return check(ReviewRequest, parse_toml(raw, source), source)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"is not UTF-8 at byte {error.start}", field=source, fix="save it as UTF-8") from None
    front = _FRONT.match(text)
    if front is None:
        raise UserError(
            "has no front matter", field=source, fix="begin it with a line +++, the fields as TOML, and a line +++"
        )
    data = parse_toml(front[1].encode(), source)
    parts = _HEADING.split(text[front.end() :])
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        name = re.sub(r"[^a-z0-9]+", "_", heading.lower()).strip("_")
        if name in data:
            raise UserError("stands twice", field=f"{source}: {name}", fix="write it in one place")
        data[_HEADINGS.get(name, name)] = body.strip()
    return check(ReviewRequest, data, source)


_HEADINGS: Final = {
    "why_by_then": "needed_why",
    "why_it_was_not_caught": "why_not_caught",
    "why_it_was_not_caught_before": "why_not_caught",
    "what_the_customer_expects": "expectation",
    "if_it_is_not_met": "if_not_met",
    "the_gap": "gap",
    "others_whom_it_concerns": "others",
}
"""What a heading may be called instead of its field."""
