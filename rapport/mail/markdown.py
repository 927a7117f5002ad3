"""Markdown for mails: words that stay words, the partials, and one source as HTML and as plain text.

What a template prints is escaped for Markdown unless it is `Md`, as HTML's autoescape does for markup: CommonMark takes
a backslash before any ASCII punctuation for that character (https://spec.commonmark.org/0.31.2/#backslash-escapes).
A partial is a fenced block whose first word names it and whose content is JSON: each renderer draws it in its own way.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from jinja2 import Undefined
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode
from markupsafe import Markup, escape as as_html

from rapport.model.resources import Shelf

_PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")
_BLANK: Final = re.compile(r"[ \t\r\n\f\v]+")
_GREETING: Final = "Hi "


class Md(str):
    """Markdown that is meant; a plain `str` is words."""

    __slots__ = ()


def escape(value: object) -> Md:
    """Words in a line of Markdown, whatever they are: none of them opens a list, a link or an element.

    Raises:
        ValueError: It is not known, and would leave a gap.
    """
    if isinstance(value, Md):
        return value
    if value is None:
        raise ValueError("it speaks of what is not known")
    return Md(_PUNCTUATION.sub(r"\\\1", _BLANK.sub(" ", str(value))))


def prose(text: str) -> Md:
    """What a person wrote in plain text: its paragraphs and lines, and lists of lines that begin with "- "."""
    return Md("\n\n" + "\n\n".join(_paragraphs(text)) + "\n\n")


def quote(text: str) -> Md:
    """What a person wrote in plain text, as `prose` reads it, set apart as a block quote."""
    return Md("\n\n" + textwrap.indent("\n\n".join(_paragraphs(text)), "> ", lambda _: True) + "\n\n")


def _paragraphs(text: str) -> Iterable[str]:
    for part in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").strip()):
        lines = [line.strip() for line in part.split("\n") if line.strip()]
        if lines and all(line.startswith("- ") for line in lines):
            yield "\n".join(f"- {escape(line[2:])}" for line in lines)
        elif lines:
            yield "\\\n".join(map(escape, lines))


def safe_link(url: str) -> str:
    """Refuse a link that runs something: escaping does not stop `javascript:`."""
    if not url.startswith(("https://", "http://", "mailto:")):
        raise ValueError("a link in a mail begins with https://, http:// or mailto:")
    return url


# --- what templates write partials with


def button(label: str, link: str) -> Md:
    """What the reader is asked to do, as a button; in the text part its label and the link below it."""
    return _partial("button", label=label, link=safe_link(link))


def table(rows: Iterable[Sequence[object]]) -> Md:
    """Rows of cells, of which the last is the one that counts; in the text part a line each."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    if not cells:
        raise ValueError("there is nothing for its table")
    return _partial("table", rows=cells)


def _cell(value: object) -> str:
    if value is None or isinstance(value, Undefined):
        raise ValueError("a table speaks of what is not known")
    return str(value)


def chart(told: str, drawn: Markup) -> Md:
    """A chart, as `rapport.mail.chart` tells and draws it."""
    return _partial("chart", told=told, drawn=str(drawn))


def command(text: str) -> Md:
    """What a member may type instead, to be copied as it is."""
    return _partial("command", text=text)


def small(text: str) -> Md:
    """Small print."""
    return _partial("small", text=text)


def point(name: str, value: object) -> Md:
    """A list item where the value is known, else nothing."""
    if value is None or isinstance(value, Undefined) or value == "":
        return Md("")
    return Md(f"- **{escape(name)}:** {escape(value)}")


def shelf(shown: Shelf) -> Md:
    """What there is to read about a language or a tool: links, each with its reason."""
    links = (f"- [{escape(one.title)}]({escape(one.link)})\\\n  {escape(one.why)}" for one in shown.links)
    return Md("\n\n".join(["", f"**{escape(shown.title)}**", "\n".join(links), ""]))


PARTIALS: Final[dict[str, Callable[..., Md]]] = {
    "button": button,
    "table": table,
    "chart": chart,
    "command": command,
    "small": small,
    "point": point,
    "shelf": shelf,
}


def _partial(kind: str, **facts: object) -> Md:
    # JSON in ASCII is one line, and no line of it can close the fence.
    return Md(f"\n\n~~~{kind}\n{json.dumps(facts)}\n~~~\n\n")


# --- reading it


@dataclass(frozen=True)
class Document:
    """A mail's body: its blocks of the outermost level, each as tokens."""

    blocks: tuple[tuple[Token, ...], ...]

    @classmethod
    def read(cls, source: str) -> Document:
        """Read Markdown.

        Raises:
            ValueError: It has a link that runs something, or a partial that there is not.
        """
        blocks, block = [], []
        for token in _READER.parse(source):
            block.append(token)
            if token.level == 0 and token.nesting <= 0:
                blocks.append(tuple(block))
                block = []
        return cls(tuple(_tight(one) for one in blocks))

    @property
    def is_greeted(self) -> bool:
        """Whether it begins with a greeting."""
        first = self.blocks[0] if self.blocks else ()
        return len(first) > 1 and first[0].type == "paragraph_open" and first[1].content.startswith(_GREETING)

    def without_greeting(self) -> Document:
        """The document as a part of another mail, whose greeting serves both."""
        return Document(self.blocks[1:] if self.is_greeted else self.blocks)

    def with_paragraph(self, text: str) -> Document:
        """The document with what a person adds, after its first paragraph: the point comes first."""
        greeting = int(self.is_greeted)
        opening = len(self.blocks) > greeting and self.blocks[greeting][0].type == "paragraph_open"
        place = greeting + int(opening)
        return Document((*self.blocks[:place], *Document.read(prose(text)).blocks, *self.blocks[place:]))

    def asks_by(self, link: str) -> bool:
        """Whether one of its buttons leads there."""
        fences = (token for block in self.blocks for token in block if token.type == "fence" and token.info == "button")
        return any(_facts(token)["link"] == link for token in fences)

    @property
    def html(self) -> Markup:
        """The document in HTML, escaped."""
        tokens = [token for block in self.blocks for token in block]
        return Markup(_READER.renderer.render(tokens, _READER.options, {}))  # noqa: S704 - the renderer escapes

    @property
    def text(self) -> str:
        """The document in plain text."""
        return "\n\n".join(_block(SyntaxTreeNode(list(block)).children[0]) for block in self.blocks)


def _tight(block: tuple[Token, ...]) -> tuple[Token, ...]:
    """Lists without gaps, although a line between their items that is left out leaves one."""
    inside = [
        replace(token, hidden=True) if token.level and token.type in ("paragraph_open", "paragraph_close") else token
        for token in block
    ]
    return tuple(inside) if block[0].type in ("bullet_list_open", "ordered_list_open") else block


def _facts(token: Token) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(token.content)
    return found


# --- as HTML


def _fence(_: RendererHTML, tokens: Sequence[Token], index: int, *_rest: object) -> str:
    token = tokens[index]
    if (draw := _DRAWN.get(token.info)) is None:
        return f"<pre><code>{as_html(token.content)}</code></pre>\n"
    return f"{draw(**_facts(token))}\n"


def _draw_table(rows: Sequence[Sequence[str]]) -> Markup:
    cell, last = Markup("<td>{}</td>"), Markup('<td class="clock">{}</td>')
    lines = (
        Markup("<tr>{}{}</tr>\n").format(Markup("").join(cell.format(one) for one in row[:-1]), last.format(row[-1]))
        for row in rows
    )
    return Markup('<table role="presentation" class="times">\n{}</table>').format(Markup("").join(lines))


_DRAWN: Final[dict[str, Callable[..., Markup]]] = {
    "button": lambda label, link: Markup('<p class="act"><a class="button" href="{}">{}</a></p>').format(link, label),
    "table": _draw_table,
    "chart": lambda told, drawn: Markup(drawn),  # noqa: ARG005, S704 - drawn by ours, which escapes
    "command": lambda text: Markup("<pre><code>{}</code></pre>").format(text),
    "small": lambda text: Markup('<p class="small">{}</p>').format(text),
}


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False})
    reader.disable("image")
    reader.add_render_rule("fence", _fence)

    def allowed(url: str) -> bool:
        # It refuses a mail with a link that runs something; the reader's own would show that link as words.
        return bool(safe_link(url))

    reader.validateLink = allowed  # type: ignore[method-assign]
    return reader


_READER: Final = _reader()


# --- as text

_TOLD: Final[dict[str, Callable[..., str]]] = {
    "button": lambda label, link: f"{label}:\n{link}",
    "table": lambda rows: "\n".join("- " + ", ".join(row) for row in rows),
    "chart": lambda told, drawn: f"- {told}",  # noqa: ARG005 - of what the partial has, the words
    "command": lambda text: f"    {text}",
    "small": lambda text: str(text),
}


def _block(node: SyntaxTreeNode) -> str:
    match node.type:
        case "bullet_list":
            return "\n".join(_item("- ", item) for item in node.children)
        case "ordered_list":
            first = int(node.attrs.get("start", 1))
            return "\n".join(_item(f"{number}. ", item) for number, item in enumerate(node.children, first))
        case "blockquote":
            return textwrap.indent(_blocks(node), "  ")
        case "hr":
            return "-" * 10
        case "fence" if node.info in _TOLD:
            return _TOLD[node.info](**json.loads(node.content))
        case "fence" | "code_block":
            return textwrap.indent(node.content.rstrip("\n"), "    ")
        case _:
            return "".join(_inline(child) for child in node.children)


def _blocks(node: SyntaxTreeNode) -> str:
    return "\n\n".join(_block(child) for child in node.children)


def _item(mark: str, item: SyntaxTreeNode) -> str:
    parts = "\n".join(_block(child) for child in item.children)
    return mark + textwrap.indent(parts, " " * len(mark)).lstrip(" ")


def _inline(node: SyntaxTreeNode) -> str:
    match node.type:
        case "text" | "code_inline":
            return node.content
        case "softbreak":
            return " "
        case "hardbreak":
            return "\n"
        case "link":
            words, link = "".join(_inline(child) for child in node.children), str(node.attrs["href"])
            bare = link.removeprefix("mailto:")
            return words if words == bare else f"{words} ({bare})"
        case _:
            return "".join(_inline(child) for child in node.children)
