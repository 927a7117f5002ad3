"""What was done on a support case, and what was written of it, in the words that pages, commands and mails share."""

from __future__ import annotations

import json
from typing import Final

from rapport.model.support_case import Dossier

TEXT_ERASED: Final = "(this text was erased)"

CASE_WORDS: Final = {
    "answer": "answered the customer",
    "note": "added an internal note",
    "context": "added context",
    "wait_customer": "asked the customer for information",
    "customer_said": "replied",
    "customer_logged": "logged the customer's reply",
    "assign": "assigned the case",
    "hand_off": "reassigned the case",
    "classify": "changed the severity or area",
    "escalate": "escalated to engineering",
    "engineering": "replied from engineering",
    "merge": "merged this case into another one",
    "join": "merged another case into this one",
    "split": "split off a separate case",
    "to_review": "drafted a technical review",
    "gap": "logged a product gap",
    "review": "requested a technical review",
    "resolve": "resolved the case",
    "reopen": "reopened the case",
}
"""What somebody did, after their name."""


def told(kind: str, text: str | None) -> str | None:
    """What somebody wrote; a dossier stands on a line each."""
    if text is None or kind != "escalate":
        return text
    said = json.loads(text)
    return "\n".join(f"{name}: {said[name]}" for name in Dossier.model_fields if name in said)


def did(kind: str, by: str | None) -> str:
    """What somebody did, after their name; what the customer said may have been noted by one of ours."""
    logged = kind == "customer_said" and by is not None and by.startswith("m_")
    return CASE_WORDS.get("customer_logged" if logged else kind, kind.replace("_", " "))
