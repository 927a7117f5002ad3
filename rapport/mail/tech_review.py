"""What the mails of a technical review speak of: the request, what was said to it, and what is decided."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from rapport.model.tech_review_facts import Remark, TechReviewFacts
from rapport.rules import tech_review as rules
from rapport.rules.review_words import ASKS, NOTES, REMARKS, STAGES, answers_of, chosen
from rapport.rules.wording import seat


def context(
    facts: TechReviewFacts,
    said: Mapping[str, str],
    names: Mapping[str, str],
    public_url: str,
    scenarios: Mapping[str, str],
    reader: str | None = None,
) -> dict[str, Any]:
    """What a mail may say of a review.

    Args:
        said: What people wrote, by submission; what was erased says nothing.
        names: How to call members and contacts, by id.
        scenarios: What each scenario is called.
        reader: Who reads it, by id: nobody is told of themselves as of somebody else.
    """
    request, message = read(said.get(facts.request)), read(said.get(facts.message or ""))
    design = request.get("design")
    return {
        "ref": facts.ref,
        "round": facts.round,
        "what": facts.what,
        "left": rules.left(facts.what),
        "url": f"{public_url}/reviews/{facts.ref}",
        "title": str(request.get("title", facts.ref)),
        "stage": STAGES.get(str(request.get("stage")), ""),
        "ask": ASKS.get(str(request.get("ask")), ""),
        "by": "You" if facts.by == reader else names.get(facts.by),
        "asked": answers_of(request, scenarios),
        "design": design if isinstance(design, dict) else None,
        "needed_by": facts.needed_by,
        "overdue": facts.overdue,
        "deadline": facts.deadline,
        "verdict": facts.verdict,
        "to_write": rules.to_write(str(request.get("ask"))),
        "decision": chosen(facts.verdict or ""),
        "rule": rules.rule(str(request.get("ask")), [one.kind for one in facts.remarks]),
        "said": [spoken(one, said, names) for one in facts.remarks if one.kind not in ("verdict", "message")],
        "message": str(message.get("message", "")),
        "conditions": list_of(message.get("conditions")),
        "next_steps": str(message.get("next_steps") or ""),
        "revisit": day_of(str(message.get("revisit", "never"))),
    }


def seat_of(remark: Remark) -> str:
    """For whom somebody spoke, in words; where it was for themselves, whose they are, and that it is their own view."""
    words = seat(remark.seat or "")
    return f"{words}, own view" if words and remark.kind == "said" else words


def spoken(remark: Remark, said: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str | None]:
    """A remark as it is read: for whom somebody speaks, what they chose, and why."""
    words = seat_of(remark)
    return {
        "seat": words if remark.by else "",
        "who": names.get(remark.by) if remark.by else words,
        "kind": remark.kind,
        "what": REMARKS[remark.kind],
        "option": chosen(remark.option or ""),
        "text": said.get(remark.submission or "") or NOTES.get(remark.option or ""),
    }


def read(text: str | None) -> dict[str, Any]:
    """A JSON object that was kept as a text; an erased one says nothing."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def day_of(text: str) -> str | None:
    """The day on which a decision is looked at again, as people say it: "Saturday 1 March 2031"; "never" is none."""
    if text.strip().lower() == "never":
        return None
    with contextlib.suppress(ValueError):
        day = date.fromisoformat(text.strip())
        return f"{day:%A} {day.day} {day:%B %Y}"
    return text


def list_of(text: object) -> list[str]:
    """Conditions, one by one; "none" is none."""
    lines = (line.strip().removeprefix("-").strip() for line in str(text or "").splitlines())
    return [line for line in lines if line and line.lower() not in ("none", "none.")]
