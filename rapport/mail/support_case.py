"""What a mail may say of a support case; all of it is read when the mail is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from rapport.mail.compose import Person
from rapport.model.account import Member
from rapport.model.message import CaseFacts
from rapport.rules.case_words import TEXT_ERASED, did, told
from rapport.rules.support_case import heading
from rapport.storage import account, support_case, timeline
from rapport.storage.database import Connection
from rapport.storage.support_case import Case, Said

SEVERITIES: Final = {1: "critical", 2: "high", 3: "normal", 4: "low"}
PROMISES: Final = {"first_answer": "first response", "next_update": "next update"}
"""What a customer waits for, within a sentence."""


@dataclass(frozen=True)
class CaseFile:
    """A case with all that was said on it.

    Attributes:
        owner: Who has it; customers' answers go to them.
        said: What the mail is about.
        names: Everybody's name, by id.
    """

    case: Case
    log: tuple[Said, ...]
    names: dict[str, str]
    owner: Member | None = None
    said: str | None = None

    @property
    def writer(self) -> Person | None:
        """In whose name its mails are written: its owner's."""
        owner = self.owner
        return Person(owner.name, owner.email, owner.title, zone=owner.schedule.zone) if owner else None


async def on_record(connection: Connection, facts: CaseFacts) -> CaseFile:
    """A case as it stands."""
    case = await support_case.case(connection, facts.ref)
    owner = await account.members(connection, [case.owner]) if case.owner is not None else []
    return CaseFile(
        case=case,
        log=tuple(await support_case.log(connection, facts.ref)),
        names=await account.names(connection, case.account),
        owner=owner[0] if owner else None,
        said=await timeline.said(connection, facts.said) if facts.said is not None else None,
    )


def context(file: CaseFile, facts: CaseFacts, public_url: str) -> dict[str, Any]:
    """What templates may speak of, as `case`."""
    case = file.case
    return {
        "ref": case.ref,
        "heading": heading(case.said) or case.ref,
        "question": case.said or TEXT_ERASED,
        "contact": file.names.get(case.contact, "someone who has left"),
        "partner": case.partner,
        "area": case.area.replace("_", " "),
        "severity": case.severity,
        "severity_name": SEVERITIES.get(case.severity, "other"),
        "channel": case.channel,
        "state": case.state,
        "opened": case.opened_at,
        "owner": file.owner.name if file.owner else None,
        "said": file.said if facts.said is None or file.said else TEXT_ERASED,
        "by": file.names.get(facts.by or "", "Someone"),
        "did": did(facts.kind, facts.by),
        "kind": facts.kind,
        "promise": PROMISES.get(facts.promise, "next update"),
        "due": facts.due,
        "reason": facts.reason,
        "other": facts.other,
        "url": f"{public_url}/cases/{case.ref}",
        "review_url": f"{public_url}/reviews/new?case={case.ref}",
        "log": [
            {
                "who": file.names.get(line.by or "", "Someone"),
                "did": did(line.kind, line.by),
                "at": line.at,
                "text": told(line.kind, line.text) if line.submission is None or line.text else TEXT_ERASED,
            }
            for line in file.log
        ],
    }
