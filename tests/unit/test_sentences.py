"""What the timeline says: a sentence for each kind of event, and words for all that a sentence speaks of."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from typing import Final, get_args

import pytest
from hypothesis import given, strategies as st

from activities.undelivered import SAID
from rapport.model.account import personas
from rapport.model.ids import message_key
from rapport.model.step import Gate, Stage, TaskStep
from rapport.playbooks import load
from rapport.rules import tech_review, todo_template
from rapport.rules.outcome_words import OUTCOMES, in_words
from rapport.rules.review_words import chosen
from rapport.rules.todo_template import TodoTemplate
from rapport.storage.timeline import TimelineRecord
from starters.cli import tech_review as reviews
from starters.use_cases.sentences import _TODOS, SENTENCES, sentence
from starters.use_cases.tech_review import Stance
from tests.conftest import ROOT

_RECORDED: Final = re.compile(
    r'timeline\.record\((?:connection, [^"]*?, )?\s*"([a-z_.]+)"|'
    r'TimelineEvent\((?:[^()]|\([^()]*\))*?kind="([a-z_.]+)"',
    re.DOTALL,
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


MAKERS: Final = (todo_template.failed_when_booked, todo_template.review_ended_when_booked)
ASKED: Final = (todo_template.failed_when_asked, todo_template.review_ended_when_asked)
GATES: Final[tuple[str, ...]] = get_args(Gate)
TEMPLATES: Final = [
    *(one for one in vars(todo_template).values() if isinstance(one, TodoTemplate)),
    todo_template.failed_because("x"),
    *(make("Fri", why) for make in MAKERS for why in (None, "x")),
    *(make(4, 1, why) for make in ASKED for why in (None, "x")),
]
"""Every to-do that there is, with each of its ways to be asked."""

_ASKED_OF_PEOPLE: Final = [
    step.definition()
    for name in ("enterprise", "growth", "self_serve")
    for step in load(name).steps
    if isinstance(step, TaskStep)
]

_INNER: Final = re.compile(
    r"\b[a-z0-9]+(_[a-z0-9]+)+\b|\b(meeting|task|onboarding|cadence|tech-review|hand-over|undelivered|case)/"
    r"|\bgo(es)? on\b"
)
"""What no reader is to see: keys with underscores, ids of workflows; and a way of speaking of them."""

_WORKFLOW_IDS: Final = [
    "onboarding/acme",
    "cadence/acme",
    "meeting/acme/rollout_planning/1",
    "meeting/acme/qbr/2027-Q1",
    "task/acme/rollout_planning.failed/1",
    "tech-review/TR-0001",
    "case/C-00001",
    "hand-over/acme/2027",
    "undelivered/C_1/rollout_planning/1",
]
_TITLES: Final = {"rollout_planning": "Rollout planning", "qbr": "Quarterly business review"}


def test_every_to_do_is_told_in_words() -> None:
    """What a to-do is for is said beside its step's title, and its end by a word of its own, never by a key."""
    for template in TEMPLATES:
        step = f"rollout_planning.{template.name}"
        assert template.name in _TODOS
        assert template.definition.on_timeout in OUTCOMES
        told = sentence(entry("task.closed", template.definition.on_timeout, step), {}, _TITLES, "UTC")
        assert told == f"Rollout planning ({_TODOS[template.name]}) closed: {OUTCOMES[template.definition.on_timeout]}"


def test_an_answer_is_told_as_the_task_offered_it() -> None:
    """Of each task, every answer is told by its title, also where a later task of the same step called it otherwise."""
    for number, template in enumerate(TEMPLATES):
        step, later = f"rollout_planning.{template.name}", datetime(2027, 1, 1, tzinfo=UTC)
        options = {option.id: option.title for option in template.definition.options}
        offered = {step: [(datetime(2026, 1, 1, tzinfo=UTC), options), (later, dict.fromkeys(options, "Else"))]}
        for id_, title in options.items():
            for kind in ("decision.made", "decision.late", "task.closed"):
                assert title in sentence(entry(kind, id_, step), {}, _TITLES, "UTC", None, offered), number


@pytest.mark.parametrize("said", SAID.values())
def test_what_became_of_an_email_names_its_reader(said: str) -> None:
    """Whoever says what became of an email that needed attention says of which: it is told whose it is."""
    about = message_key("C_1", "kickoff", 1, 1, 1, "proposal", "welcome", "c_2")
    told = sentence(entry(f"message.{said}", about, "kickoff"), {"m_1": "Robin", "c_2": "Mara Osei"}, {}, "UTC")
    assert "Mara Osei" in told


def test_a_to_do_about_an_email_does_not_contradict_its_answers() -> None:
    """What an email's to-do is called is true whether it failed, or arrived after all, as one of its answers says."""
    assert {template.name for template in todo_template.ABOUT_EMAIL.values()} == {"undelivered"}
    options = {one.id: one.title for one in todo_template.NOBODY_KNOWS.definition.options}
    offered = {"kickoff.undelivered": [(datetime(2026, 1, 1, tzinfo=UTC), options)]}
    told = sentence(entry("decision.made", "sent", "kickoff.undelivered"), {"m_1": "Robin"}, {}, "UTC", None, offered)
    assert told == "kickoff (an email that needs attention): Robin chose “It arrived”"


@pytest.mark.parametrize("path", ["activities/delivery.py", "rapport/mail/smtp.py", "rapport/model/relay.py"])
def test_people_are_told_of_the_mail_server(path: str) -> None:
    """Why an email did not go is said in tasks and emails, whose readers know a mail server and no relay."""
    nodes = [*ast.walk(ast.parse((ROOT / path).read_text()))]
    documents = {node.value for node in nodes if isinstance(node, ast.Expr)}
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and node not in documents]
    assert [text for text in texts if isinstance(text, str) and re.search(r"\brelay\b.* |.* relay\b", text)] == []


def test_counts_of_outcomes_read_as_counts() -> None:
    """How many emails went, or how many tasks came to an answer, is told as it was counted."""
    for counted, told in (
        ("3 of 3 sent", "3 of 3 sent"),
        ("2 of 3 sent, 1 with another mail", "2 of 3 sent, 1 with another mail"),
        ("2 of 3 not_needed", "2 of 3 not needed"),
        ("with_rollout_planning", "together with Rollout planning"),
    ):
        ended = sentence(entry("step.ended", counted, "qbr"), {}, _TITLES, "UTC")
        assert ended == f"Quarterly business review ended: {told}"


def test_no_outcome_is_a_key() -> None:
    """Whatever ends a task of a shipped playbook, or is answered to it, has words where its titles are not at hand."""
    for definition in _ASKED_OF_PEOPLE:
        assert {option.id for option in definition.options} | {definition.on_timeout} <= set(OUTCOMES)
    assert not [words for words in OUTCOMES.values() if _INNER.search(words)]


@given(data=st.data())
def test_no_sentence_has_an_inner_word(data: st.DataObject) -> None:
    """Each kind of event, of each thing that it can be about: no key and no id reaches a reader."""
    kind = data.draw(st.sampled_from(sorted(SENTENCES))).partition(" ")[0]
    about = data.draw(st.sampled_from(_ABOUT))
    if kind.startswith("workflow."):
        about = data.draw(st.sampled_from(_WORKFLOW_IDS))
    step = data.draw(st.sampled_from(["rollout_planning", "qbr_preparation", *(f"qbr.{name}" for name in _TODOS)]))
    step = "C-00001" if kind.startswith("case.") else step
    told = sentence(entry(kind, about, step), {}, _TITLES, "UTC")
    assert not _INNER.search(told), told


_ABOUT: Final = [
    *OUTCOMES,
    *Stage,
    *GATES,
    *(f"{gate} TR-0001" for gate in GATES),
    *personas(),
    *(option.id for definition in _ASKED_OF_PEOPLE for option in definition.options),
    "with_rollout_planning",
    "2 of 3 not_needed",
    "1 of 4 done",
    "ce_vp",
    "vp_engineering",
    "first_answer",
    "next_update",
]
"""What events are about."""


@pytest.mark.parametrize("id_", get_args(Stance))
def test_a_position_has_one_name(id_: str) -> None:
    """A side's position reads the same as a choice, in emails and lists, as an outcome, and beside the id to type."""
    choice = next(one.title for one in tech_review.feedback("support").options if one.id == id_)
    assert {choice.lower(), chosen(id_), in_words(id_)} == {chosen(id_)}
    assert f"{id_} ({chosen(id_)})" in reviews._POSITIONS


@pytest.mark.parametrize(
    ("about", "told"),
    [
        ("- engineering", "TR-1: Ada (engineering, own view) commented"),
        ("against account_team", "TR-1: Ada (account team, own view) opposes it"),
        ("in_favour_if support", "TR-1: Ada (support, own view) supports it with conditions"),
        ("in_favour", "TR-1: Ada supports it"),
        ("-", "TR-1: Ada commented"),
    ],
)
def test_a_remark_is_told_with_the_side_of_whoever_made_it(about: str, told: str) -> None:
    """What somebody says for themselves names whose they are, and what they are for; both only where they are known."""
    assert sentence(entry(tech_review.OWN_VIEW, about, "TR-1"), {"m_1": "Ada"}, {}, "UTC") == told


@pytest.mark.parametrize("side", tech_review.SIDES)
def test_a_question_to_a_side_is_told_by_the_sides_name(side: str) -> None:
    """The timeline calls a review's question by what it asks for."""
    told = sentence(entry("task.opened", None, f"TR-1.feedback_{side}"), {}, {}, "UTC")
    assert told.startswith(f"TR-1 (feedback of {side.replace('_', ' ')})")
