"""The rules of a running playbook, for any playbook there could be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

from hypothesis import given, strategies as st

from rapport.model.account import Deployment, Facts, personas
from rapport.model.condition import FLAGS, asks_for_less, fact
from rapport.model.playbook import Playbook
from rapport.model.step import MessageStep, Stage
from rapport.rules import onboarding
from rapport.rules.onboarding import Progress, StepState

START = datetime(2026, 11, 23, 9, tzinfo=UTC)


@st.composite
def playbooks(draw: st.DrawFn) -> Playbook:
    """A playbook whose steps wait for earlier ones."""
    count = draw(st.integers(1, 8))
    steps = []
    for n in range(count):
        after = draw(st.sets(st.integers(0, n - 1))) if n else set()
        steps.append(
            MessageStep(
                name=f"s{n}",
                title=f"Step {n}",
                kind="message",
                stage=draw(st.sampled_from(list(Stage))),
                after=tuple(f"s{other}" for other in sorted(after)),
                to=("primary_champion",),
                email="hello",
            )
        )
    return Playbook(name="any", title="Any", version=1, steps=tuple(steps))


def laid_out(playbook: Playbook) -> dict[str, Progress]:
    """Every step waits."""
    return {step.name: Progress(definition=step) for step in playbook.steps}


DECIDED = (StepState.DONE, StepState.SKIPPED, StepState.DROPPED)


@given(playbooks(), st.data())
def test_every_step_of_every_playbook_gets_its_turn(playbook: Playbook, data: st.DataObject) -> None:
    """However steps end, each begins once everything it waits for has ended, and never before; what failed holds them
    until somebody has decided on it."""
    steps, now, begun = laid_out(playbook), START, []
    while onboarding.unfinished(steps):
        for name in onboarding.ready(steps):
            steps[name] = steps[name].model_copy(update={"due": onboarding.began_waiting(steps[name], steps, START)})
        due = onboarding.due_now(steps, now)
        running = [name for name, step in steps.items() if step.state in (StepState.RUNNING, StepState.FAILED)]
        assert due or running, "nothing runs and nothing can begin"
        for name in due:
            assert {steps[other].state for other in steps[name].definition.after} <= set(DECIDED)
            begun.append(name)
            steps[name] = steps[name].model_copy(update={"state": StepState.RUNNING})
        name = data.draw(st.sampled_from(sorted({*running, *due})))
        fails = () if steps[name].state is StepState.FAILED else (StepState.FAILED,)
        end = data.draw(st.sampled_from([*DECIDED, *fails]))
        now += timedelta(hours=1)
        steps[name] = steps[name].model_copy(update={"state": end, "ended": now})
    assert sorted(begun) == sorted(steps)
    assert onboarding.current_stage(steps) is None


@given(playbooks())
def test_the_stage_is_the_first_that_is_not_reached(playbook: Playbook) -> None:
    """Stages are reached in their order, and one without steps is passed."""
    steps = laid_out(playbook)
    first = min((step.stage for step in playbook.steps), key=list(Stage).index)
    assert onboarding.current_stage(steps) is first
    assert all(onboarding.reached(stage, steps) for stage in list(Stage)[: list(Stage).index(first)])


@given(playbooks())
def test_the_next_alarm_is_the_earliest_due_step_that_waits(playbook: Playbook) -> None:
    """An alarm is set for the earliest due instant, and for none where nothing is due."""
    steps = laid_out(playbook)
    assert onboarding.next_due(steps) is None
    for index, name in enumerate(reversed(list(steps))):
        steps[name] = steps[name].model_copy(update={"due": START + timedelta(hours=index)})
    assert onboarding.next_due(steps) == START


_KNOWN = st.sampled_from([None, False, True])


@given(
    st.builds(
        Facts,
        large_account=st.booleans(),
        air_gapped=_KNOWN,
        language_barrier=_KNOWN,
        screen_share=_KNOWN,
        deployment=st.sampled_from([None, *get_args(Deployment)]),
        features=st.sampled_from([None, (), ("executors", "batch_changes")]),
    ),
    st.sets(st.sampled_from(sorted(personas()))),
)
def test_predicates_ask_facts_and_people(facts: Facts, present: set[str]) -> None:
    """`when` holds exactly when the fact is known to be so, or someone has the persona."""
    for name in FLAGS:
        known = getattr(facts, fact(name))
        assert onboarding.applies((name,), facts, present) is (known is (not asks_for_less(name)))
    for deployment in get_args(Deployment):
        assert onboarding.applies((f"deployment:{deployment}",), facts, present) is (facts.deployment == deployment)
    assert onboarding.applies(("feature:executors",), facts, present) is ("executors" in (facts.features or ()))
    for persona in personas():
        assert onboarding.applies((f"has_persona:{persona}",), facts, present) is (persona in present)
    assert onboarding.applies((), facts, present)
    assert onboarding.applies(("large_account", "growth_potential"), facts, present) is (
        facts.large_account or facts.growth_potential
    )
