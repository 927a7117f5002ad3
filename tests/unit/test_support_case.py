"""What may be done to a case, what that makes of it, when engineering may be asked, and a review's draft."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from rapport.model.base import MAX_NAME, plain
from rapport.model.support_case import ActKind, CaseAct, CaseClock, CaseState, CaseStatus, Escalation
from rapport.rules import interruption, support_case, tech_review_draft

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
STATUSES = st.builds(
    CaseStatus,
    state=st.sampled_from([CaseState.QUEUED, CaseState.OPEN]),
    owner=st.sampled_from([None, "m_1"]),
    clock=st.just(CaseClock(since=NOW)),
    turn=st.integers(1, 5),
)
ACTS = st.builds(
    CaseAct,
    id=st.just("s_1"),
    kind=st.sampled_from(ActKind),
    by=st.just("m_1"),
    at=st.just(NOW),
    submission=st.just("s_1"),
    has_words=st.just(True),
    other=st.just("C-00007"),
)
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")) | st.sampled_from('\n"\\#='))


@given(STATUSES, st.lists(ACTS, max_size=8), st.booleans())
def test_whatever_is_done_a_case_stands_in_a_way_that_makes_sense(
    status: CaseStatus, acts: list[CaseAct], escalated: bool
) -> None:
    """No act that is let through leaves a clock on what is over, none on what is open, or a turn that goes back."""
    for hour, act in enumerate(acts, 1):
        if support_case.judge(act, status, "C-00001", escalated=escalated) is not None:
            continue
        before, status = status, support_case.apply(act, status, NOW + timedelta(hours=hour))
        assert status.state.is_over == (status.clock is None)
        assert status.turn >= before.turn
        assert (status.merged_into is not None) == (status.state is CaseState.MERGED)
        if status.state is CaseState.WAITING and before.state is not CaseState.WAITING:
            assert status.clock is not None
            assert status.clock.stands_still


@given(ACTS)
def test_nothing_is_done_to_what_became_a_part_of_another_case(act: CaseAct) -> None:
    """Notes, context and what becomes of a gap are still taken; everything else names the case to go on with."""
    status = CaseStatus(state=CaseState.MERGED, merged_into="C-00007")
    reason = support_case.judge(act, status, "C-00001", escalated=False)
    assert (reason is None) == (act.kind in (ActKind.NOTE, ActKind.CONTEXT, ActKind.JOIN, ActKind.GAP))
    assert reason is None or "C-00007" in reason


@given(
    st.lists(
        st.builds(
            Escalation,
            ref=st.integers(1, 30).map(lambda number: f"C-{number:05}"),
            number=st.just(1),
            team=st.sampled_from(["ingest", "platform"]),
            severity=st.integers(1, 4),
            since=st.integers(0, 9).map(lambda hours: NOW + timedelta(hours=hours)),
            granted=st.booleans(),
        ),
        unique_by=lambda one: one.ref,
        max_size=12,
    )
)
def test_a_team_is_asked_one_case_at_a_time_but_for_the_worst(escalations: list[Escalation]) -> None:
    """Severity 1 never queues; of the rest a team gets at most one, and none while it has one."""
    granted = interruption.grantable(escalations)
    assert {one.ref for one in escalations if one.severity == 1 and not one.granted} <= {one.ref for one in granted}
    for team in ("ingest", "platform"):
        has = any(one.team == team and one.granted for one in escalations)
        worst = any(one.team == team and one.severity == 1 for one in escalations)
        rest = [one for one in granted if one.team == team and one.severity > 1]
        assert len(rest) <= (0 if has or worst else 1)


@given(TEXTS, TEXTS)
def test_a_draft_is_a_document_whatever_was_asked(question: str, why: str) -> None:
    """Quotes, backslashes and lines come out as they went in, and what a person has to fill in is empty."""
    known = tech_review_draft.known("C-00001", "versayce", support_case.heading(question), question, why, [why])
    made = tomllib.loads(tech_review_draft.draft(known))
    assert made["gap"] == "\n\n".join(text for text in (question, why) if text)
    assert [made[name] for name, _ in tech_review_draft.ASKED_OF_A_DRAFT] == [""] * len(
        tech_review_draft.ASKED_OF_A_DRAFT
    )


@given(st.text())
def test_a_heading_is_safe_in_a_header(text: str) -> None:
    """Whatever a customer writes first, a subject made of it forges nothing and stays short."""
    found = support_case.heading(text)
    assert plain(found) == found
    assert len(found) <= MAX_NAME
