"""The emails that there are: each one Markdown file with front matter, `rapport/emails/<name>.md`.

What begins with `_` is a part that several of them include.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import BaseLoader, Environment, FunctionLoader, PackageLoader, StrictUndefined, meta, nodes, pass_context
from jinja2.runtime import Context

from rapport.mail import filters, parts
from rapport.mail.markdown import PARTIALS, Document, escape
from rapport.model.account import personas
from rapport.model.base import UserError, suggestion
from rapport.model.message import MessageRequest, Weight
from rapport.rules.claims import CLAIMS

CONTACTS: Final = "contacts"
"""In `audience`: anyone at the account."""
MEMBERS: Final = "members"
"""In `audience`: anyone on the vendor's side, and the review channel."""


@dataclass(frozen=True)
class FrontMatter:
    """What an email's front matter says of it.

    Attributes:
        subject: A template, in plain text.
        audience: Who may get it: `contacts`, `members`, or the personas.
        weight: How much it presses; nothing where its occasion says so.
        claims: What must be true as a whole when it goes, of `rapport.rules.claims`.
    """

    name: str
    subject: str
    audience: frozenset[str]
    weight: Weight | None = None
    claims: tuple[str, ...] = ()

    def is_for(self, *held: str) -> bool:
        """Whether somebody may get it, by their personas; a member has none."""
        return bool(self.audience & ({CONTACTS, *held} if held else {MEMBERS}))


GIVEN: Final = frozenset({"paragraph", "sections", "subject", "personal", "content", "claim", *PARTIALS})
"""What templates may speak of beside their context."""

_FRONT: Final = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)
_FIELD: Final = re.compile(r"(\w+): *(.+)")


def _halves(source: str) -> tuple[str, str]:
    """A file's front matter, and its body at its own lines."""
    found = _FRONT.match(source)
    if found is None:
        return "", source
    return found[1], "\n" * found[0].count("\n") + source[found.end() :]


def read(name: str, source: str) -> FrontMatter:
    """Read an email's front matter: a field a line, its value a text in double quotes, a word, or a list of words.

    Raises:
        UserError: It is not sound; the field is named.
    """
    front, _ = _halves(source)
    said: dict[str, Any] = {}
    for line in front.splitlines():
        if (found := _FIELD.fullmatch(line.rstrip())) is None or found[1] in said:
            raise UserError(f"{name}.md: `{line[:40]}` is no field of its own", field=name, fix="write `field: value`")
        said[found[1]] = _value(name, found[1], found[2])
    subject, audience, weight = (said.pop(field, None) for field in ("subject", "audience", "weight"))
    known = {CONTACTS, MEMBERS, *personas()}
    if not isinstance(subject, str):
        raise UserError(f"{name}.md has no subject", field="subject", fix='add `subject: "…"`')
    if not isinstance(audience, list) or not audience or not known.issuperset(audience):
        raise UserError(
            f"{name}.md doesn't say who may get it", field="audience", fix=f"list some of {', '.join(sorted(known))}"
        )
    if weight not in (None, *Weight):
        raise UserError(f"{name}.md: there is no weight {weight}", field="weight", fix=f"use {', '.join(Weight)}")
    claimed = said.pop("claims", [])
    if not isinstance(claimed, list) or not CLAIMS.keys() >= set(claimed):
        raise UserError(f"{name}.md claims what there is not", field="claims", fix=f"list some of {', '.join(CLAIMS)}")
    if said:
        raise UserError(f"{name}.md: there is no field {next(iter(said))}", field="front matter", fix="take it out")
    return FrontMatter(name, subject, frozenset(audience), Weight(weight) if weight else None, tuple(claimed))


def _value(name: str, field: str, written: str) -> str | list[str]:
    if written.startswith("["):
        return re.findall(r"\w+", written) if re.fullmatch(r"\[(\w+(, *\w+)*)?\]", written) else []
    if not written.startswith('"'):
        return written
    try:
        return str(json.loads(written))
    except ValueError:
        raise UserError(f"{name}.md: this is no text in double quotes", field=field, fix="end it with one") from None


class Bodies(BaseLoader):
    """Loads emails without their front matter."""

    def __init__(self, files: BaseLoader) -> None:
        """Of these files."""
        self.files = files

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        """As any loader; line numbers stay those of the file."""
        source, path, is_fresh = self.files.get_source(environment, template)
        return _halves(source)[1], path, is_fresh


@cache
def markdown() -> Environment:
    """Where emails' bodies are rendered to Markdown; what they print is words, unless it is a partial."""
    environment = Environment(
        loader=Bodies(PackageLoader("rapport", "emails")),
        autoescape=False,  # noqa: S701 - `finalize` escapes, for Markdown
        finalize=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(PARTIALS, claim=_claim)
    environment.filters.update(filters.FOR_MARKDOWN)
    return environment


@cache
def _subjects() -> Environment:
    environment = Environment(
        loader=FunctionLoader(lambda name: email(name).subject),
        autoescape=False,  # noqa: S701 - a header is not HTML
        undefined=StrictUndefined,
    )
    environment.globals.update(claim=_claim)
    environment.filters.update(filters.FOR_MARKDOWN)
    return environment


def folder() -> Path:
    """Where they are."""
    return Path(str(files("rapport").joinpath("emails")))


@cache
def names() -> frozenset[str]:
    """The names of the emails that there are."""
    return frozenset(path.stem for path in folder().glob("[!_]*.md"))


@cache
def email(name: str) -> FrontMatter:
    """What an email says of itself.

    Raises:
        UserError: There is none of this name, or its front matter is not sound.
    """
    known(name)
    return read(name, (folder() / f"{name}.md").read_text())


def known(name: str) -> str:
    """A name, if there is an email of it.

    Raises:
        UserError: There is none.
    """
    if name in names():
        return name
    raise UserError(f'there is no mail "{name[:40]}"', field="email", fix=suggestion(name, sorted(names())))


def is_for(name: str, *held: str) -> bool:
    """Whether somebody may get an email, by their personas; a member has none."""
    return email(name).is_for(*held)


def audience(name: str) -> frozenset[str]:
    """Who may get an email: `contacts`, `members`, or the personas."""
    return email(name).audience


def weight_of(occasion: MessageRequest) -> Weight:
    """How much the mails of an occasion press: as the email says, or else as its purpose has it."""
    return email(occasion.email).weight or occasion.weight


def claims(name: str) -> tuple[str, ...]:
    """What an email claims as a whole."""
    return email(name).claims


@cache
def block_claims(name: str) -> tuple[str, ...]:
    """What an email's blocks claim: of each claim that is false, the blocks are left out."""
    trees = [_subjects().parse(email(name).subject), *parts.syntax(markdown(), f"{name}.md")]
    calls = (call for tree in trees for call in tree.find_all(nodes.Call))
    asked = (call.args for call in calls if isinstance(call.node, nodes.Name) and call.node.name == "claim")
    return tuple(dict.fromkeys(one.as_const() for args in asked for one in args))


@pass_context
def _claim(context: Context, *claimed: str) -> bool:
    """Whether a block that claims all of these stands in the mail."""
    if unknown := [one for one in claimed if one not in CLAIMS]:
        raise ValueError(f"there is no claim {unknown[0]}")
    return not set(claimed) & set(context["left_out"])


def subject(name: str, context: dict[str, Any]) -> str:
    """An email's subject for one reader."""
    return _subjects().get_template(name).render(context)


def body(name: str, context: dict[str, Any]) -> Document:
    """An email's body for one reader."""
    return Document.read(markdown().get_template(f"{name}.md").render(context))


@cache
def speaks_of(name: str, what: str) -> bool:
    """Whether an email reads this of what it is given."""
    return any(what in meta.find_undeclared_variables(tree) for tree in templates(name))


def templates(name: str) -> Iterator[nodes.Template]:
    """The syntax of an email's templates, and of all that they include."""
    yield _subjects().parse(email(name).subject)
    yield from parts.syntax(markdown(), f"{name}.md")
    yield from parts.syntax(parts.environment(html=False), "_signature.txt")
    yield from parts.syntax(parts.environment(html=True), "layout.html")
