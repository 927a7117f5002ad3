"""The scenarios that call for a tech review: what an account's facts say, and what a wrong file is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from rapport.model.account import Facts
from rapport.model.base import UserError
from rapport.model.condition import FLAGS, fact
from rapport.model.scenario import FILE, ReviewScenario, read, scenarios
from rapport.rules.condition import holds
from rapport.rules.scenario import needs
from tests.support.facts import ALL_KNOWN, facts_for

maybe = st.sampled_from([None, False, True])
facts_ = st.builds(
    Facts,
    on_prem=st.booleans(),
    high_risk=st.booleans(),
    key_prospect=st.booleans(),
    air_gapped=maybe,
    deployment=st.sampled_from([None, "cloud", "docker_compose"]),
    features=st.sampled_from([None, (), ("batch_changes",), ("executors", "batch_changes")]),
    permissions=st.sampled_from([None, "none", "explicit_api"]),
    language_barrier=maybe,
    screen_share=maybe,
)
conditions = st.sampled_from(
    [*FLAGS, "deployment:docker_compose", "permissions:explicit_api", "feature:batch_changes", "feature:executors"]
)
written = st.dictionaries(
    st.from_regex(r"\A[a-z][a-z0-9_]{0,8}\Z"),
    st.builds(
        ReviewScenario,
        title=st.just("A title"),
        when=st.lists(conditions, min_size=1, max_size=3, unique=True).map(tuple),
        why=st.just("Because"),
        stages=st.just(("pre_trial",)),
    ),
    max_size=6,
)


def named(facts: Facts) -> tuple[set[str], set[str]]:
    """The shipped scenarios that apply, and those of which too little is known."""
    found = needs(facts, scenarios())
    return {call.scenario for call in found.needed}, {call.scenario for call in found.unsure}


@pytest.mark.parametrize(("name", "scenario"), scenarios().items())
def test_each_shipped_scenario_calls_for_a_review(name: str, scenario: ReviewScenario) -> None:
    """It applies where all that it asks for holds, is unsure where one fact is not known, and else asks for nothing."""
    whole = facts_for(*scenario.when)
    needed, unsure = named(whole)
    assert name in needed
    assert not unsure
    for condition in scenario.when:
        without = whole.model_copy(update={fact(condition): Facts.model_fields[fact(condition)].default})
        assert name not in named(without)[0]
    assert named(facts_for())[0].isdisjoint({name})


def test_what_calls_for_a_review_is_shipped() -> None:
    """Air gap, Compose with batch changes, both support risks and explicit permissions are among the scenarios."""
    assert set(scenarios()) >= {"air_gapped", "compose_batch_changes", "support_language", "support_screen_share"}
    assert named(Facts()) == (set(), {name for name in scenarios() if _asks_for_the_unknown(name)})


def _asks_for_the_unknown(name: str) -> bool:
    return all(getattr(Facts(), fact(condition)) is None for condition in scenarios()[name].when)


@given(facts_, written)
def test_what_is_not_known_is_never_taken_for_a_no(facts: Facts, given_: dict[str, ReviewScenario]) -> None:
    """Every scenario applies, or cannot apply because something is known to be otherwise, or names what is missing."""
    found = needs(facts, given_)
    sure, unsure = {call.scenario for call in found.needed}, {call.scenario for call in found.unsure}
    assert not sure & unsure
    for name, scenario in given_.items():
        answers = [holds(condition, facts) for condition in scenario.when]
        assert (name in sure) is all(answers)
        assert (name in unsure) is (False not in answers and None in answers)
    for call in found.unsure:
        assert call.missing
        assert all(getattr(facts, missing) is None for missing in call.missing)


@given(facts_, written)
def test_more_knowledge_settles_and_never_unsettles(facts: Facts, given_: dict[str, ReviewScenario]) -> None:
    """Once every fact is known nothing is unsure, and what applied before still does."""
    known = facts.model_copy(update={name: value for name, value in ALL_KNOWN.items() if getattr(facts, name) is None})
    before, after = needs(facts, given_), needs(known, given_)
    assert not after.unsure
    assert {call.scenario for call in before.needed} <= {call.scenario for call in after.needed}


def test_every_condition_asks_for_a_fact_that_an_account_file_can_give() -> None:
    """What a person is told to add is a field of `[account.facts]`."""
    for condition in (*FLAGS, "deployment:cloud", "permissions:none", "feature:x"):
        assert fact(condition) in Facts.model_fields


WRONG = """
[one]
title = "One"
when = ["airgapped", "deployment:dockercompose"]
why = "x"
stages = ["pre_trail"]

[two]
when = []
whi = "x"
"""


def test_a_wrong_file_is_refused_with_every_line_and_what_to_write() -> None:
    """Each fault names file and line, once, with the nearest thing that there is."""
    with pytest.raises(UserError) as caught:
        read(WRONG.encode(), FILE)
    told = [str(one) for one in (caught.value, *caught.value.others)]
    assert told[0].startswith('reviews.toml:4: one.when[0]: "airgapped" is no condition (did you mean "air_gapped"?')
    assert told[1].startswith("reviews.toml:4: one.when[1]:")
    assert 'did you mean "docker_compose"' in told[1]
    assert any(text.startswith("reviews.toml:6: one.stages[0]:") for text in told)
    assert any(text.startswith("reviews.toml:9: two.when: is empty") for text in told)
    assert any(text.startswith("reviews.toml:10: two.whi: is not known here") for text in told)
    assert not any("one.when: is empty" in text for text in told)


@pytest.mark.parametrize("text", ["[x", "x = 1", '[X]\ntitle = "a"', "\x00"])
def test_what_is_no_such_file_is_refused(text: str) -> None:
    """Broken TOML and other shapes are refused, never skipped."""
    with pytest.raises(UserError):
        read(text.encode(), FILE)


def test_an_installation_has_scenarios_of_its_own(tmp_path: Path) -> None:
    """A table of a shipped one's name takes its place; another one stands beside it; the same twice is refused."""
    mine = '[{name}]\ntitle = "Ours"\nwhen = {when}\nwhy = "We say so"\nstages = ["post_sale"]\n'
    (tmp_path / FILE).write_text(
        mine.format(name="air_gapped", when=json.dumps(["air_gapped", "high_risk"]))
        + mine.format(name="executors", when=json.dumps(["feature:executors"]))
    )
    found = scenarios(tmp_path)
    assert found["air_gapped"].title == "Ours"
    assert set(found) == {*scenarios(), "executors"}
    (tmp_path / FILE).write_text(
        mine.format(name="a", when=json.dumps(["on_prem", "high_risk"]))
        + mine.format(name="b", when=json.dumps(["high_risk", "on_prem"]))
    )
    with pytest.raises(UserError, match='asks for the same as "a"'):
        scenarios(tmp_path)
