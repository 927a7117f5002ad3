"""Emails that are still three files, a folder each: `subject.txt`, `body.txt`, `body.html`.

The module goes with the last of them.

An email counts as converted once its Markdown file exists; then its folder goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import nodes
from markupsafe import Markup

from rapport.mail.parts import environment, syntax

CLAIMED: Final[dict[str, tuple[str, ...]]] = {}
"""What they claim as a whole; of a mail that is one file, its front matter says it."""

SIGNATURE: Final = "\n--\n"
_GREETING: Final = re.compile(r"\AHello [^\n]*,\n")
_HTML_GREETING: Final = re.compile(r"\A<p>Hello [^<]*,</p>")


@cache
def names() -> frozenset[str]:
    """Those that are left."""
    folder = Path(str(files("rapport").joinpath("emails")))
    left = {path.parent.name for path in folder.glob("*/subject.txt")}
    return frozenset(name for name in left if not (folder / f"{name}.md").exists())


def subject(name: str, context: dict[str, Any]) -> str:
    """An email's subject for one reader."""
    return environment(html=False).get_template(f"{name}/subject.txt").render(context)


def text(name: str, context: dict[str, Any]) -> str:
    """An email's text for one reader, greeting and signature included."""
    return environment(html=False).get_template(f"{name}/body.txt").render(context)


def html(name: str, context: dict[str, Any]) -> str:
    """An email's page for one reader; without `sections` in its context, what stands in the layout."""
    return environment(html=True).get_template(f"{name}/body.html").render(context)


def part(name: str, context: dict[str, Any]) -> tuple[str, Markup]:
    """An email's text and HTML as a part of another one: without greeting and signature."""
    said = _GREETING.sub("", text(name, context).lstrip().partition(SIGNATURE)[0]).strip()
    body = _HTML_GREETING.sub("", html(name, context).strip())
    body = body.replace("<h1>", '<h2 class="part">').replace("</h1>", "</h2>")
    # What followed the greeting's comma begins a sentence now.
    return said[:1].upper() + said[1:], Markup(body)  # noqa: S704 - rendered by the environment that escapes


def templates(name: str) -> Iterator[nodes.Template]:
    """The syntax of an email's templates, and of all that they extend, include and import."""
    yield from syntax(environment(html=False), f"{name}/subject.txt", f"{name}/body.txt")
    yield from syntax(environment(html=True), f"{name}/body.html")
