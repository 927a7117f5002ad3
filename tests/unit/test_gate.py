"""Gates: who needs a review before a trial or production, and what opens the gate, over all reviews there can be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import example, given, strategies as st

from rapport.model.account import Facts
from rapport.model.commands import in_name
from rapport.model.step import Gate
from rapport.rules.gate import GATES, REVIEW_STAGE, Reviewed, standing
from rapport.rules.scenario import Call
from rapport.rules.tech_review import heard_for
from starters.use_cases.tech_review_needs import _shown

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
ALL = frozenset({"engineering", "product", "support"})

instants = st.integers(0, 400).map(lambda hours: NOW + timedelta(hours=hours))
reviews_ = st.builds(
    Reviewed,
    ref=st.integers(1, 99).map("TR-{:04d}".format),
    stage=st.sampled_from(["pre_trial", "pre_production", "post_sale"]),
    yes=st.sampled_from([True, False, None]),
    withdrawn=st.booleans(),
    heard=st.frozensets(st.sampled_from([*ALL, "sales"])),
    design=st.sampled_from([None, "1", "2", " 2 "]),
    granted=st.frozensets(st.sampled_from(["1", "2", " 2 "])),
    since=instants,
    decided=instants,
    scenarios=st.frozensets(st.sampled_from(["air_gapped", "executors"])),
    closed=st.booleans(),
)
TITLES = {"air_gapped": "Without a way out", "executors": "Work beside it", "late": "One more"}

calls_ = st.lists(
    st.builds(
        lambda scenario, stages: Call(scenario=scenario, title=TITLES[scenario], why="So.", stages=stages),
        scenario=st.sampled_from(list(TITLES)),
        stages=st.sampled_from([("pre_trial",), ("pre_trial", "pre_production"), ("pre_production",), ("post_sale",)]),
    ),
    max_size=3,
    unique_by=lambda call: call.scenario,
)
facts_ = st.builds(
    Facts, key_prospect=st.booleans(), high_risk=st.booleans(), design_version=st.sampled_from([None, "1", "2"])
)
several = st.lists(reviews_, max_size=5, unique_by=lambda review: review.ref)
gates_ = st.sampled_from(GATES)


def needs(gate: Gate, facts: Facts) -> bool:
    """Whether the source document asks for a review."""
    return facts.high_risk or (facts.key_prospect and gate == "trial")


@given(gates_, facts_, several)
def test_a_gate_that_needs_a_review_opens_by_a_yes_of_one_that_heard_everybody_alone(
    gate: Gate, facts: Facts, reviews: list[Reviewed]
) -> None:
    """No path through a gate without a yes, without those who have to be heard, or with an open question beside it."""
    found = standing("versayce", gate, facts, reviews)
    assert found.needed is needs(gate, facts)
    if not found.needed:
        assert found.open
    elif found.open:
        opened = next(review for review in reviews if review.ref == found.review)
        assert opened.yes
        assert not opened.withdrawn
        assert opened.stage == REVIEW_STAGE[gate]
        assert {*heard_for(gate)} <= opened.heard
        assert all(one.yes is not None for one in reviews if one.stage == REVIEW_STAGE[gate] and not one.withdrawn)
        noes = [one for one in reviews if one.stage == REVIEW_STAGE[gate] and one.yes is False]
        assert all((one.decided, one.ref) <= (opened.decided, opened.ref) for one in noes), "also one that is withdrawn"
        if gate == "production":
            assert opened.design is not None
            assert facts.design_version in (None, opened.design.strip())
    else:
        assert found.on
        assert found.unblock
        assert found.why


@given(facts_, several, calls_)
def test_a_scenario_opens_a_trial_by_a_yes_of_a_review_that_names_it(
    facts: Facts, reviews: list[Reviewed], calls: list[Call]
) -> None:
    """Beside whatever else the account needs; of the reviews that name a scenario the last decided one counts."""
    found = standing("versayce", "trial", facts, reviews, calls)
    alone = standing("versayce", "trial", facts, reviews)
    asking = [call for call in calls if "pre_trial" in call.stages]
    if not asking:
        assert found == alone
        return
    assert found.needed
    concerned = [one for one in reviews if one.stage == "pre_trial" and not (one.withdrawn and one.yes is not False)]
    met = [
        call.scenario
        for call in asking
        if (named := [one for one in concerned if call.scenario in one.scenarios])
        and all(one.yes is not None for one in named)
        and (last := max(named, key=lambda one: (one.decided or one.since, one.ref))).yes
        and last.heard >= ALL
    ]
    unmet = [call.scenario for call in asking if call.scenario not in met]
    assert found.open is (alone.open and not unmet)
    if alone.open and unmet:
        assert all(TITLES[name] in found.why for name in unmet)
        assert found.unblock
        assert found.on


@given(facts_, several, calls_)
def test_a_scenario_shuts_production_as_high_risk_does(
    facts: Facts, reviews: list[Reviewed], calls: list[Call]
) -> None:
    """Engineering looks at the new version of the design; the gate names the scenarios that ask for it."""
    found = standing("versayce", "production", facts, reviews, calls)
    asking = [call.scenario for call in calls if call.stages != ("post_sale",)]
    risky = standing(
        "versayce", "production", facts.model_copy(update={"high_risk": bool(asking) or facts.high_risk}), reviews
    )
    assert (found.open, found.review, found.on) == (risky.open, risky.review, risky.on)
    assert all(TITLES[name] in found.why for name in asking)


@given(gates_, facts_, several, calls_)
def test_nobody_is_sent_to_change_a_review_that_is_over(
    gate: Gate, facts: Facts, reviews: list[Reviewed], calls: list[Call]
) -> None:
    """What moves a shut gate on is a change of a review that still takes one, or another review."""
    found = standing("versayce", gate, facts, reviews, calls)
    if "review edit" in (found.unblock or ""):
        [changed] = [one for one in reviews if one.ref == found.review]
        assert changed.ref in str(found.unblock)
        assert not changed.withdrawn
        assert not changed.closed


def test_a_scenario_that_no_review_names_is_asked_about_in_one_that_is_open_or_in_another() -> None:
    """A decided review stays as it is: one that names the scenario is submitted; `needed` lists those that name it."""
    call = Call(scenario="executors", title="One", why="So.", stages=("pre_trial",))
    decided = Reviewed(ref="TR-0001", stage="pre_trial", yes=True, heard=ALL, since=NOW, decided=NOW)
    found = standing("versayce", "trial", Facts(), [decided], [call])
    assert (found.open, found.review, found.unblock) == (False, None, in_name("rapport review submit FILE"))
    undecided = decided.model_copy(update={"ref": "TR-0002", "yes": None, "decided": None})
    found = standing("versayce", "trial", Facts(), [decided, undecided], [call])
    assert (found.review, found.unblock) == ("TR-0002", in_name("rapport review edit TR-0002 FILE"))
    assert _shown(call, [decided]).reviews == ()
    naming = decided.model_copy(update={"scenarios": frozenset({"executors"})})
    assert _shown(call, [naming]).reviews == ("TR-0001",)


@given(gates_, facts_, several, reviews_)
def test_what_was_withdrawn_or_belongs_elsewhere_changes_nothing(
    gate: Gate, facts: Facts, reviews: list[Reviewed], more: Reviewed
) -> None:
    """A withdrawn review that was not answered with a no, and one after the sale, neither open nor shut a gate."""
    before = standing("versayce", gate, facts, reviews)
    withdrawn = more.model_copy(update={"withdrawn": True, "yes": more.yes or None})
    for harmless in (withdrawn, more.model_copy(update={"stage": "post_sale"})):
        assert standing("versayce", gate, facts, [*reviews, harmless.model_copy(update={"ref": "TR-9999"})]) == before


@given(gates_, several)
@example("trial", [])
def test_silence_is_never_a_yes(gate: Gate, reviews: list[Reviewed]) -> None:
    """While nothing is decided, the gate of a high-risk account is shut, whoever was heard."""
    silent = [review.model_copy(update={"yes": None, "heard": ALL}) for review in reviews]
    assert not standing("versayce", gate, Facts(high_risk=True), silent).open


@given(st.lists(reviews_, min_size=1, max_size=5, unique_by=lambda review: review.ref), st.booleans())
def test_the_last_decision_counts(reviews: list[Reviewed], yes: bool) -> None:
    """Of several decided reviews of one stage the one that was decided last says whether the gate is open."""
    decided = [
        review.model_copy(
            update={
                "stage": "pre_trial",
                "withdrawn": False,
                "heard": ALL,
                "yes": review.yes or False,
                "decided": NOW + timedelta(days=index),
            }
        )
        for index, review in enumerate(reviews)
    ]
    decided[-1] = decided[-1].model_copy(update={"yes": yes})
    found = standing("versayce", "trial", Facts(key_prospect=True), decided)
    assert found.open is yes
    assert found.review == decided[-1].ref


def test_production_asks_for_the_new_version_of_the_design() -> None:
    """The version that the trial was reviewed in does not do, nor one that is out of date, nor none at all."""
    trial = Reviewed(
        ref="TR-0001", stage="pre_trial", yes=True, heard=ALL, design="1", granted={"1"}, since=NOW, decided=NOW
    )
    later = trial.model_copy(update={"ref": "TR-0002", "stage": "pre_production", "heard": frozenset({"engineering"})})
    for design, stands, is_open in (
        (None, None, False),
        ("1", None, False),
        ("2", None, True),
        ("2", "2", True),
        ("2", "3", False),
        ("1", "1", False),
    ):
        facts = Facts(high_risk=True, design_version=stands)
        found = standing("versayce", "production", facts, [trial, later.model_copy(update={"design": design})])
        assert found.open is is_open, (design, stands, found.why)
    assert standing("versayce", "production", Facts(key_prospect=True), []).open


def test_who_has_not_answered_agrees_in_number() -> None:
    """One has not, two have not."""

    def why(*heard: str) -> str:
        review = Reviewed(ref="TR-0001", stage="pre_trial", yes=None, heard=frozenset(heard), since=NOW)
        return standing("a", "trial", Facts(key_prospect=True), [review]).why

    assert "engineering, product and support have not answered" in why()
    assert "support has not answered" in why("engineering", "product")
