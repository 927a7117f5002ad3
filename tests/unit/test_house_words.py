"""The pages and the timeline speak like the field: none of the words that only this project used."""

from __future__ import annotations

import re
from typing import Final

import pytest

from starters.use_cases.sentences import SENTENCES
from tests.conftest import ROOT
from tests.support.cli import whole

TEMPLATES: Final = sorted((ROOT / "starters/http/pages/templates").glob("*.html"))

BANNED: Final = {
    r"\bsuits?\b": "works for",
    r"\byours alone\b": "personal",
    r"\bto move (it|them) on\b": "next step",
    r"\bholds? (you|them|us|it|accounts?) up\b": "is blocked, blocker",
    r"\bwhat (recurs|waits)\b": "a noun: recurring meetings, tasks",
    r"\bgranted to them\b": "approved exceptions",
}
"""What is not written, as a regular expression, and what is written instead."""


def shown(template: str) -> str:
    """The text of a template with the texts in its expressions, without names, comments and tags."""
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}", " ", template, flags=re.DOTALL)
    text = re.sub(r"\{\{(.*?)\}\}", lambda code: " ".join(re.findall(r'"([^"]*)"', code[1])), text, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", text)


@pytest.mark.parametrize("banned", BANNED)
def test_no_page_has_a_house_word(banned: str) -> None:
    """Whoever reads a page needs no word of ours explained."""
    texts = {path.name: shown(path.read_text()) for path in TEMPLATES}
    assert len(texts) > 30
    found = [(name, hit[0]) for name, text in texts.items() for hit in re.finditer(banned, text, re.IGNORECASE)]
    assert not found, f"write instead: {BANNED[banned]}"


@pytest.mark.parametrize("banned", [one for one in BANNED if "recurs" not in one])
def test_no_sentence_of_the_timeline_has_a_house_word(banned: str) -> None:
    """Whoever reads the timeline needs none explained either."""
    assert not [one for one in SENTENCES.values() if re.search(banned, one, re.IGNORECASE)]


def helps() -> list[str]:
    """What `--help` says of every command and of each of its options."""
    found, todo = [], [whole()]
    while todo:
        one = todo.pop()
        found += [one.help or "", *(getattr(option, "help", None) or "" for option in one.params)]
        todo += getattr(one, "commands", {}).values()
    return found


@pytest.mark.parametrize("banned", [*BANNED, r"\bit stands on\b"])
def test_no_help_has_a_house_word(banned: str) -> None:
    """Whoever asks a command for help meets none."""
    texts = helps()
    assert len(texts) > 200
    assert not [one for one in texts if re.search(banned, one, re.IGNORECASE)]
