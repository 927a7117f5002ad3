"""What the emails of human tasks tell those who are asked, and whoever asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rapport.mail.compose import Edits, MailWords
from rapport.model.message import TaskAnswer, TaskFacts
from rapport.model.tech_review_facts import ReviewVerdict
from tests.support import tech_review_mail
from tests.unit.test_compose import letter

OPTIONS = (("approve", "Approve"), ("deny", "Deny"), ("remote", "Hold it remotely"))


def words(name: str, **facts: Any) -> MailWords:
    """A task's email to the TAM, who is m_0."""
    draft = letter(name, "tam")
    task = TaskFacts(question="May it be onsite?", options=OPTIONS, **facts)
    occasion = draft.occasion.model_copy(update={"task": task})
    return replace(draft, occasion=occasion).words(Edits())


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"kind": "to_do"}, "Reminder: task: "),
        ({"asks": ("reason",)}, "Reminder: your input is needed: "),
        ({"requester": "m_0", "asks": ("reason",), "request": "s_1"}, "Reminder: your input is needed: "),
        ({"requester": "m_1", "asks": ("reason",), "request": "s_1"}, "Reminder: approval needed: "),
    ],
)
def test_a_reminder_asks_its_reader_for_their_own_part(facts: dict[str, Any], told: str) -> None:
    """Whoever has to say what is asked for, or to answer a question, is not reminded of a decision."""
    assert words("task_reminder", **facts).subject.startswith(told)


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("approve", "Approved"),
        ("deny", "Declined"),
        ("remote", "Hold it remotely"),
        ("withdrawn", "Withdrawn"),
        ("timed_out", "No decision"),
    ],
)
def test_an_outcome_is_told_as_what_became_of_it(outcome: str, told: str) -> None:
    """By no key, and not by a label that is an order; what a playbook calls its own is told by its title."""
    answers = (TaskAnswer(by="m_1", option=outcome, submission="s_4"),) if outcome in dict(OPTIONS) else ()
    found = words("task_outcome", outcome=outcome, answers=answers)
    assert found.subject.startswith(f"{told}: ")
    assert ("Ines Moreau" in found.text, "Go." in found.text) == (bool(answers), bool(answers))
    assert "_" not in found.subject + found.text


def test_several_answers_are_listed_with_the_rule_by_which_they_decide() -> None:
    """Who said what, with each one's reason, and why that is the outcome."""
    answers = tuple(TaskAnswer(by=by, option="deny", submission="s_4") for by in ("m_0", "m_1"))
    text = words("task_outcome", outcome="deny", answers=answers, quorum="majority").text
    assert "is decided: Declined. More than half decide." in text
    assert "- Robin Keller: Deny\n  Go.\n- Ines Moreau: Deny\n  Go.\n" in text


@pytest.mark.parametrize("verdict", list(ReviewVerdict))
def test_only_whoever_writes_a_yes_is_told_how_conditions_are_written(verdict: ReviewVerdict) -> None:
    """A no has none."""
    draft = letter("review_write", "tam")
    review = tech_review_mail.facts().model_copy(update={"verdict": verdict})
    written = replace(draft, occasion=draft.occasion.model_copy(update={"tech_review": review})).words(Edits())
    assert ("condition per line" in written.text) is verdict.is_yes


@pytest.mark.parametrize("name", ["meeting_invitation", "meeting_cancelled"])
def test_a_live_meetings_mail_says_what_is_talked_about_and_where_it_is_read(name: str) -> None:
    """The review's title and its page; a meeting with the customer names no review."""
    draft = letter(name, "tam")
    about = draft.occasion.model_copy(update={"tech_review": tech_review_mail.facts()})
    told = replace(draft, occasion=about).words(Edits()).text
    assert "A site <without> a way out" in told
    assert "/reviews/TR-0007" in told
    assert "/reviews/" not in draft.words(Edits()).text


@pytest.mark.parametrize("name", ["task_opened", "task_reminder", "review_asked", "review_asked_again"])
def test_whoever_helps_out_with_silence_is_not_told_that_they_cover_for_somebody(name: str) -> None:
    """Nobody covers for a colleague who is there, and has just not replied."""
    covering = words(name, in_place_of={"m_0": "m_1"}).text
    helping = words(name, in_place_of={"m_0": "m_1"}, helping=("m_0",)).text
    assert ("You're covering for Ines Moreau." in covering, "no reply yet" in covering) == (True, False)
    assert "covering" not in helping
    assert "There's no reply yet, so you're asked as well, on behalf of Ines Moreau." in helping


@pytest.mark.parametrize(("helping", "told"), [((), False), (("m_2",), True)])
def test_an_escalation_tells_of_a_backup_only_where_one_was_asked(helping: tuple[str, ...], told: bool) -> None:
    """A member may have no backup, or one who was asked already."""
    text = words("task_manager", kind="to_do", helping=helping).text
    assert "is still open" in text
    assert ("also with a backup asked" in text) is told
