"""What the timeline says: a sentence for each kind of event, and words for all that a sentence speaks of."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from hypothesis import given, strategies as st

from rapport.storage.timeline import TimelineRecord
from starters.use_cases.sentences import SENTENCES, sentence
from tests.conftest import ROOT

_RECORDED: Final = re.compile(
    r'timeline\.record\(\s*"([a-z_.]+)"|TimelineEvent\((?:[^()]|\([^()]*\))*?kind="([a-z_.]+)"', re.DOTALL
)


def entry(kind: str, about: str | None = None, step: str | None = None) -> TimelineRecord:
    """An entry of somebody of whom nobody knows any more."""
    empty = dict.fromkeys(TimelineRecord.model_fields)
    said = {"at": datetime(2026, 12, 1, tzinfo=UTC), "kind": kind, "who": "m_1", "about": about, "step": step}
    return TimelineRecord.model_validate({**empty, **said})


def test_every_event_has_its_sentence() -> None:
    """Whatever a workflow, an activity or a use case records is told in words, never as its kind."""
    kinds = {
        "".join(kind)
        for part in ("rapport", "activities", "workflows", "starters")
        for path in (ROOT / part).rglob("*.py")
        for kind in _RECORDED.findall(path.read_text())
    }
    assert len(kinds) > 40
    assert kinds <= set(SENTENCES)


@given(
    key=st.sampled_from(list(SENTENCES)),
    about=st.none() | st.text(max_size=8),
    step=st.none() | st.sampled_from(["kickoff", "kickoff.report", "C-1"]),
)
def test_a_sentence_speaks_of_what_there_is(key: str, about: str | None, step: str | None) -> None:
    """Each sentence can be said of whatever an event is about, and leaves no name of a word in it."""
    kind, _, only = key.partition(" ")
    told = sentence(entry(kind, "" if only == "-" else only or about, step), {}, {"kickoff": "Kickoff"}, "UTC")
    assert told
    assert told != kind
