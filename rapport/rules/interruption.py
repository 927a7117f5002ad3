"""When engineering may be interrupted: one case at a time for each team. What is worst does not queue."""

from __future__ import annotations

from collections.abc import Sequence

from rapport.model.support_case import Escalation


def grantable(escalations: Sequence[Escalation]) -> list[Escalation]:
    """Those whose turn has come: every one of severity 1, and of each team that has none the first.

    The first is the worst, and of those the one that waits for the longest.
    """
    busy = {one.team for one in escalations if one.granted}
    waiting = sorted(
        (one for one in escalations if not one.granted), key=lambda one: (one.severity, one.since, one.ref)
    )
    granted = []
    for one in waiting:
        if one.severity == 1 or one.team not in busy:
            granted.append(one)
            busy.add(one.team)
    return granted
