"""What the mails of a technical review are told, with all that can be known and with the least."""

from __future__ import annotations

import json
from typing import Final

from rapport.model.tech_review_facts import Remark, ReviewPhase, ReviewVerdict, TechReviewFacts
from tests.helpers_mail import NOW

ASKING: Final = {"review_asked", "review_asked_again", "review_message", "review_message_reminder", "review_write"}
"""Those with a personal link."""
OF_TASKS: Final = ASKING | {"review_unread", "review_acknowledged"}
OF_MEETINGS: Final = {"review_meeting", "review_meeting_stuck", "review_meeting_notes"}
MAILS: Final = OF_TASKS | OF_MEETINGS | {"review_submitted", "review_decided", "review_due", "review_withdrawn"}
FOR_CUSTOMERS: Final = {"review_message", "review_message_reminder"}

SAID: Final = {
    "s_r1": json.dumps(
        {
            "title": "A site <without> a way out",
            "stage": "pre_trial",
            "ask": "non_standard_requirement",
            "gap": "No connection.\n\nNot one.",
            "needed_why": "The budget",
            "expectation": "Updates & more",
            "design": {"link": "https://docs.example/d", "version": "3"},
        }
    ),
    "s_r2": "We could carry <that>\non a medium",
    "s_r3": json.dumps(
        {
            "message": "We do this with you.\n\n- one\n- two",
            "conditions": "- Once a quarter\n- Each site is named",
            "next_steps": "Tell us when.",
            "revisit": "2027-03-01",
        }
    ),
}


def facts(*, sparse: bool = False) -> TechReviewFacts:
    """A review whose customer is told a yes late, or a no of which everything else was erased."""
    base = TechReviewFacts(
        ref="TR-0007",
        round=1,
        what="1" if sparse else "overdue",
        request="s_r1",
        by="gone" if sparse else "m_3",
        needed_by=NOW,
        verdict=ReviewVerdict.DECLINED if sparse else ReviewVerdict.APPROVED,
    )
    if sparse:
        return base
    remark = Remark(key="k", round=2, kind="feedback", seat="engineering", by="m_1", option="in_favour_if", at=NOW)
    return base.model_copy(
        update={
            "round": 2,
            "overdue": True,
            "phase": ReviewPhase.MESSAGE,
            "message": "s_r3",
            "deadline": NOW,
            "remarks": (remark.model_copy(update={"submission": "s_r2"}), remark.model_copy(update={"by": "gone"})),
        }
    )
