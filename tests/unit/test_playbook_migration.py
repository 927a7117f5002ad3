"""What adopting a newer playbook changes for an account, for any two playbooks and any state of its steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings, strategies as st

from rapport.model.playbook import Playbook
from rapport.model.step import MessageStep, Stage
from rapport.rules import onboarding
from rapport.rules.onboarding import Progress, StepState
from rapport.rules.playbook_migration import Adoption, adopted, changes, difference

START = datetime(2026, 11, 23, 9, tzinfo=UTC)
NOW = START + timedelta(days=30)
CALM = settings(deadline=None, max_examples=50)


@st.composite
def playbooks(draw: st.DrawFn) -> Playbook:
    """A playbook of some of ten steps, in any order, each waiting for some that stand before it."""
    names = draw(st.lists(st.sampled_from([f"s{n}" for n in range(10)]), min_size=1, max_size=8, unique=True))
    steps = [
        MessageStep(
            name=name,
            title=draw(st.sampled_from(["A", "B"])),
            kind="message",
            stage=draw(st.sampled_from(list(Stage))),
            after=tuple(sorted(draw(st.sets(st.sampled_from(names[:index]), max_size=3)))) if index else (),
            offset=draw(st.sampled_from([None, "1 day"])),
            to=("primary_champion",),
            email="hello",
        )
        for index, name in enumerate(names)
    ]
    return Playbook(name="any", title="Any", version=1, steps=tuple(steps))


@st.composite
def under_way(draw: st.DrawFn, playbook: Playbook, omitted: set[str]) -> dict[str, Progress]:
    """A playbook's steps at some moment: none has begun before what it waits for has ended."""
    steps = onboarding.laid_out(playbook, omitted, START)
    for name in steps:
        step = steps[name]
        free = all(steps[other].state.ended for other in step.definition.after)
        if step.state is not StepState.WAITING or not free:
            continue
        state = draw(st.sampled_from([StepState.WAITING, StepState.RUNNING, StepState.DONE, StepState.SKIPPED]))
        given_: dict[str, object] = {"state": state, "due": draw(st.sampled_from([START, NOW]))}
        if state is StepState.WAITING and draw(st.booleans()):
            given_ = {}
        if state is not StepState.WAITING:
            given_["began"] = START
        if state.ended:
            given_ |= {"ended": START, "outcome": "sent"}
        steps[name] = step.model_copy(update=given_)
    return steps


@st.composite
def adoptions(draw: st.DrawFn) -> tuple[dict[str, Progress], Playbook, set[str]]:
    """An account under way, the playbook that it adopts, and the steps of that which it does not get."""
    old, new = draw(playbooks()), draw(playbooks())
    before, after = (
        draw(st.sets(st.sampled_from([step.name for step in one.steps]), max_size=2)) for one in (old, new)
    )
    return draw(under_way(old, before)), new, after


def result(progress: dict[str, Progress], new: Playbook, omitted: set[str]) -> tuple[Adoption, dict[str, Progress]]:
    """What is said to change, and what comes of it."""
    said = changes(progress, new, omitted)
    return said, adopted(progress, new, said, NOW)


@CALM
@given(st.data(), playbooks(), st.booleans())
def test_adopting_the_same_playbook_changes_nothing(data: st.DataObject, playbook: Playbook, some: bool) -> None:
    """Who adopts what they follow keeps every step as it is, in its order, also those that they do not get."""
    omitted = {playbook.steps[0].name} if some else set()
    progress = data.draw(under_way(playbook, omitted))
    said, after = result(progress, playbook, omitted)
    assert said.changes_nothing
    assert (said.kept, said.replanned, said.free) == ((), (), ())
    assert list(after.items()) == list(progress.items())


@CALM
@given(adoptions())
def test_what_runs_or_has_ended_never_changes(adoption: tuple[dict[str, Progress], Playbook, set[str]]) -> None:
    """Whatever a newer playbook says, steps that have begun, ended or were left out stay, with their definition."""
    progress, new, omitted = adoption
    said, after = result(progress, new, omitted)
    settled = {name: step for name, step in progress.items() if step.state is not StepState.WAITING}
    assert {name: after[name] for name in settled} == settled
    wanted = {step.name: step for step in new.steps}
    assert set(said.kept) == {name for name, step in settled.items() if step.definition != wanted.get(name)}


@CALM
@given(adoptions())
def test_every_waiting_step_is_the_new_playbooks(adoption: tuple[dict[str, Progress], Playbook, set[str]]) -> None:
    """After adoption, what waits has the new definition, and what the account does not get waits no more."""
    progress, new, omitted = adoption
    said, after = result(progress, new, omitted)
    wanted = {step.name: step for step in new.steps}
    waiting = {name: step.definition for name, step in after.items() if step.state is StepState.WAITING}
    settled = {name for name, step in progress.items() if step.state is not StepState.WAITING}
    assert waiting == {name: step for name, step in wanted.items() if name not in settled | omitted}
    assert set(after) == set(progress) | set(wanted)
    assert {name for name, step in after.items() if step.outcome and step.ended == NOW} == {
        *said.dropped,
        *said.left_out,
    }


@CALM
@given(adoptions())
def test_every_change_is_said_and_said_once(adoption: tuple[dict[str, Progress], Playbook, set[str]]) -> None:
    """A step that is other after adoption than before stands in exactly one list, and none stands there in vain."""
    progress, new, omitted = adoption
    said, after = result(progress, new, omitted)
    told = [*(change.step for change in said.changed), *said.added, *said.left_out, *said.dropped]
    assert sorted(told) == sorted(name for name, step in after.items() if step != progress.get(name))
    assert said.changes_nothing == (not told)


@CALM
@given(adoptions())
def test_no_step_is_due_before_what_it_waits_for(adoption: tuple[dict[str, Progress], Playbook, set[str]]) -> None:
    """A step whose waits have changed gets its due anew; `free` are those that nothing but their offset holds."""
    progress, new, omitted = adoption
    said, after = result(progress, new, omitted)
    for step in after.values():
        if step.state is StepState.WAITING and step.due is not None:
            assert all(after[other].state.ended for other in step.definition.after)
    assert set(said.free) == set(onboarding.ready(after)) - {
        name for name, step in progress.items() if step.state is StepState.WAITING and name not in said.replanned
    }


@CALM
@given(adoptions())
def test_an_account_comes_to_its_end_after_adopting(
    adoption: tuple[dict[str, Progress], Playbook, set[str]],
) -> None:
    """Nothing that waits after adoption waits for ever."""
    progress, new, omitted = adoption
    _, steps = result(progress, new, omitted)
    for _ in range(len(steps) + 1):
        for name in steps:
            if steps[name].state is StepState.RUNNING:
                steps[name] = steps[name].model_copy(update={"state": StepState.DONE, "ended": NOW})
        for name in [*onboarding.ready(steps), *onboarding.due_now(steps, NOW)]:
            steps[name] = steps[name].model_copy(update={"state": StepState.DONE, "ended": NOW})
    assert not onboarding.unfinished(steps)


@CALM
@given(playbooks(), playbooks())
def test_a_difference_leads_from_one_playbook_to_the_other(old: Playbook, new: Playbook) -> None:
    """Steps are added, removed or changed, and every changed field is told as it was and as it is."""
    said = difference(old, new)
    before, after = ({step.name: step.model_dump(mode="json") for step in one.steps} for one in (old, new))
    assert set(said.added) == set(after) - set(before)
    assert set(said.removed) == set(before) - set(after)
    for name in set(before) & set(after):
        fields = {field.field: field for change in said.changed if change.step == name for field in change.fields}
        assert {**before[name], **{name: field.after for name, field in fields.items()}} == after[name]
        assert all(field.before == before[name][field.field] != field.after for field in fields.values())
    assert difference(old, old) == difference(new, new)
