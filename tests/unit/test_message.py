"""What a person is offered about an email that was not delivered."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from rapport.model.ids import attempt_of, message_key, occurrence_of, person_of, purpose_of, round_of, step_of
from rapport.model.message import MessageState, Purpose, Resolution
from rapport.rules import message, todo_template
from rapport.rules.message import OFFERED, ways_on
from rapport.storage.unreached import present_question

KEY = "versayce/kickoff/1/m_1"


def test_each_way_on_says_what_follows_it() -> None:
    """Every command for what was not delivered has its sentence beside it, and no state but these needs any."""
    assert set(OFFERED) == {MessageState.FAILED, MessageState.UNKNOWN}
    for state in MessageState:
        ways = ways_on(state, KEY)
        assert all(KEY in way.command for way in ways)
        assert [bool(way.follows) for way in ways] == [True] * len(OFFERED.get(state, ())) or state not in OFFERED


@pytest.mark.parametrize(
    ("state", "template"),
    [(MessageState.FAILED, todo_template.DID_NOT_GO), (MessageState.UNKNOWN, todo_template.NOBODY_KNOWS)],
)
def test_commands_and_the_to_do_offer_the_same(state: MessageState, template: todo_template.TodoTemplate) -> None:
    """What a command can say of an email, its to-do in the inbox can answer, and nothing else."""
    assert [how for how, _ in OFFERED[state]] == [option.id for option in template.definition.options]


def test_a_further_resolution_is_offered_nowhere_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can become of an email is listed for each state: a new member of the enumeration changes no list."""
    before = ways_on(MessageState.UNKNOWN, KEY)
    monkeypatch.setattr(message, "Resolution", [*Resolution, "mislaid"])
    assert ways_on(MessageState.UNKNOWN, KEY) == before
    assert [way.command for way in before if "mislaid" in way.command] == []


_PART = st.from_regex(r"[a-z][a-z0-9_.]{0,8}", fullmatch=True)
_COUNT = st.integers(1, 99)
_PARTS = st.tuples(_PART, _PART, _COUNT, _COUNT, _COUNT, _PART, _PART, _PART)


@given(_PARTS, _PARTS)
def test_a_key_says_of_which_mail_it_is(
    one: tuple[str, str, int, int, int, str, str, str], other: tuple[str, str, int, int, int, str, str, str]
) -> None:
    """Two mails share a key only if all is the same that tells them apart, their names too; a key gives its parts."""
    assert (message_key(*one) == message_key(*other)) is (one == other)
    assert message_key(*one[:6], other[6], one[7]) != message_key(*one) or other[6] == one[6]
    key = message_key(*one)
    assert (step_of(key), round_of(key), purpose_of(key), person_of(key)) == (one[1], one[4], one[5], one[7])
    assert (attempt_of(key), occurrence_of(key)) == (one[2], one[3])


_ASKED = st.builds(
    lambda attempt, occurrence, round_, purpose, person: message_key(
        "C-1", "kickoff", attempt, occurrence, round_, purpose, "an_email", person
    ),
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from((Purpose.PROPOSAL, Purpose.REMINDER, Purpose.INVITATION)),
    st.sampled_from("ab"),
)


@given(st.lists(_ASKED, unique=True))
def test_the_open_question_is_the_latest_one_whatever_order_its_emails_have(keys: list[str]) -> None:
    """Its emails are all of the latest attempt and round, nothing later was left out, and an invitation ends a poll."""
    asked = {key for some in present_question(keys).values() for key in some}
    assert bool(asked) is bool(keys)
    assert {(attempt_of(key), round_of(key)) for key in asked} == (
        {max((attempt_of(key), round_of(key)) for key in keys)} if keys else set()
    )
    of_round = {key for one in asked for key in keys if key.split("/")[2:5:2] == one.split("/")[2:5:2]}
    invited = {key for key in of_round if purpose_of(key) == Purpose.INVITATION}
    if not invited:
        assert asked == of_round
    for key in invited:
        of_one = [other for other in invited if person_of(other) == person_of(key)]
        assert (key in asked) is (occurrence_of(key) == max(map(occurrence_of, of_one)))
