"""What Markdown for mails promises: words stay words, and one source says the same in HTML and in plain text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given, strategies as st
from markupsafe import Markup

from rapport.mail.compose import Person
from rapport.mail.emails import markdown, read
from rapport.mail.markdown import Document, escape
from rapport.model.base import UserError

NEW_YORKER = Person("Dana Whitfield", "dana@x.example", zone="America/New_York")
TYPED = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=60) | st.text(
    "*_`#>-+=~[](){}!|\\<&;:.,/\"'@ 019ab", max_size=60
)
MORE = (
    "1. x",
    "*a*",
    "](http://evil.example)",
    "# x",
    "- x",
    "    x",
    "<b>x</b>",
    "&amp;",
    "~~~button",
    "a  ",
    "===",
    "\\",
)


class Seen(HTMLParser):
    """The elements and the words of an HTML text."""

    def __init__(self, html: str) -> None:
        """Read it."""
        super().__init__()
        self.tags: list[str] = []
        self.words = ""
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element begins."""
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        """Words."""
        self.words += data


def document(source: str, **context: Any) -> Document:
    """A source, rendered as an email's body is."""
    return Document.read(markdown().from_string(source).render(context))


def plain(text: str) -> str:
    """A text without its white space."""
    return re.sub(r"\s+", "", text)


def typed(function: Any) -> Any:
    """Try each of what Markdown would read as more than words."""
    for words in MORE:
        function = example(words)(function)
    return function


@pytest.mark.parametrize(
    ("source", "tags"),
    [
        ("{{ value }}", {"p"}),
        ("Hello {{ value }}, how are you?", {"p"}),
        ("- {{ value }}\n- b", {"ul", "li"}),
        ("> {{ value }}", {"blockquote", "p"}),
        ("So **x {{ value }}**", {"p", "strong"}),
        ("## x {{ value }}", {"h2"}),
    ],
)
@typed
@given(TYPED)
def test_words_that_people_typed_stay_what_they_are(source: str, tags: set[str], value: str) -> None:
    """Whatever somebody is called, wherever their name stands, it is no Markdown, in HTML and in text."""
    found = document(source, value=value)
    shown = Seen(found.html)
    assert set(shown.tags) <= tags
    assert plain(value) in plain(shown.words)
    assert plain(value) in plain(found.text)


@typed
@given(TYPED)
def test_what_people_wrote_keeps_its_lines_and_is_no_markup(value: str) -> None:
    """Prose has paragraphs, lines and lists, and nothing else."""
    text = f"First {value}\nsecond\n\n- {value}x\n- b"
    for source, also in (("{{ text | prose }}", set()), ("{{ text | quote }}", {"blockquote"})):
        found = document(source, text=text)
        shown = Seen(found.html)
        assert set(shown.tags) <= {"p", "br", "ul", "li"} | also
        assert plain(shown.words).replace("-", "") == plain(text).replace("-", "")
        assert plain(found.text) == plain(text)


def test_partials_say_the_same_in_both() -> None:
    """A button, table, chart, command and small print have their words and link in HTML and in text."""
    source = (
        'Please {{ button("Choose <now>", "https://x.example/m/1") }}{{ table(rows) }}'
        "{{ small('Small & fine') }}{{ chart(told, drawn) }}"
        """{{ command('rapport case list --as "x"') }}"""
    )
    rows = [("Tuesday *1*", "15:00"), ("Wednesday", "16:00")]
    found = document(source, rows=rows, told="usage: 1 → 2", drawn=Markup("<b>usage</b>"))
    assert found.text == (
        "Please\n\nChoose <now>:\nhttps://x.example/m/1\n\n- Tuesday *1*, 15:00\n- Wednesday, 16:00\n\n"
        'Small & fine\n\n- usage: 1 → 2\n\n    rapport case list --as "x"'
    )
    assert '<a class="button" href="https://x.example/m/1">Choose &lt;now&gt;</a>' in found.html
    assert "<td>Tuesday *1*</td>" in found.html
    assert '<p class="small">Small &amp; fine</p>' in found.html
    assert "<b>usage</b>" in found.html
    assert "<pre><code>rapport case list --as &#34;x&#34;</code></pre>" in found.html
    assert found.asks_by("https://x.example/m/1")
    assert not found.asks_by("https://x.example/m/2")


def test_a_point_that_is_not_known_leaves_no_gap() -> None:
    """An item is left out with its line, and the list around it stays one list."""
    source = '{{ point("A", 1) }}\n{{ point("B", given.b) }}\n{{ point("C", none) }}\n- **D:** 4'
    found = document(source, given={})
    assert found.text == "- A: 1\n- D: 4"
    assert found.html == "<ul>\n<li><strong>A:</strong> 1</li>\n<li><strong>D:</strong> 4</li>\n</ul>\n"


def test_a_link_says_where_it_leads_in_text() -> None:
    """A link's words come with its address in the text part; an address that says itself stands once."""
    found = document(
        "See [the guide]({{ link }}) or [{{ mail }}](mailto:{{ mail }}).",
        link="https://x.example/a_b",
        mail="a@b.example",
    )
    assert found.text == "See the guide (https://x.example/a_b) or a@b.example."
    assert 'href="https://x.example/a_b"' in found.html


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "/m/x"])
@pytest.mark.parametrize("source", ["[x]({{ link }})", '{{ button("x", link) }}'])
def test_a_link_that_runs_something_is_refused(source: str, link: str) -> None:
    """Only web and mail addresses are linked to."""
    with pytest.raises(ValueError, match="link"):
        document(source, link=link)


def test_an_instant_names_the_readers_city() -> None:
    """A day with its time stands in the reader's zone, by its city."""
    found = document("By {{ at | date_time }}.", at=datetime(2026, 11, 25, 3, 30, tzinfo=UTC), to=NEW_YORKER)
    assert found.text == "By Tuesday 24 November, 22:30 (New York time)."


def test_what_is_not_known_is_no_blank() -> None:
    """A value that there is not is an error, in a sentence and in a table."""
    for source in ("Due {{ due }}.", "{{ table([[1, due]]) }}"):
        with pytest.raises(ValueError, match="not known"):
            document(source, due=None)


def test_a_personal_paragraph_follows_the_first() -> None:
    """What a person adds stands after the greeting and the point."""
    found = document("Hi Luca,\n\nThe point.\n\nThe rest.").with_paragraph("Mine *own*\n\nTwice")
    assert found.text == "Hi Luca,\n\nThe point.\n\nMine *own*\n\nTwice\n\nThe rest."
    assert document("Hi Luca,\n").with_paragraph("Mine").text == "Hi Luca,\n\nMine"
    assert found.without_greeting().text.startswith("The point.")


@pytest.mark.parametrize(
    ("front", "field"),
    [
        ("audience: [contacts]", "subject"),
        ('subject: "x"', "audience"),
        ('subject: "x"\naudience: [nobody]', "audience"),
        ('subject: "x"\naudience: contacts', "audience"),
        ('subject: "x"\naudience: [contacts]\nweight: heavy', "weight"),
        ('subject: "x"\naudience: [contacts]\ncolour: red', "front matter"),
        ('subject: "x"\nsubject: "y"', "sample"),
        ('subject: "x\naudience: [contacts]', "subject"),
    ],
)
def test_front_matter_is_refused_by_its_field(front: str, field: str) -> None:
    """What an email says of itself is checked, and the field that is wrong is named."""
    with pytest.raises(UserError) as refusal:
        read("sample", f"---\n{front}\n---\nHi\n")
    assert refusal.value.field == field


def test_what_is_markdown_already_is_not_escaped_again() -> None:
    """A partial stays one."""
    assert escape(escape("*a*")) == escape("*a*") == r"\*a\*"
