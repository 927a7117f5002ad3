"""A support case for mails to speak of: all that there can be of it, or the least."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from rapport.mail import emails
from rapport.mail.support_case import CaseFile
from rapport.model.account import Member, Role, Schedule
from rapport.model.message import CaseFacts
from rapport.model.support_case import CaseState
from rapport.storage.support_case import Case, Said

MAILS: Final = frozenset(name for name in emails.names() if name.startswith("case_"))
AT: Final = datetime(2026, 11, 25, 7, 30, tzinfo=UTC)


def facts(*, sparse: bool = False) -> CaseFacts:
    """What the mail is told of the case."""
    if sparse:
        return CaseFacts(ref="C-00012")
    return CaseFacts(
        ref="C-00012",
        said="s_1",
        by="m_9",
        kind="context",
        promise="first_answer",
        due=AT,
        reason="no one who could have it is at work now",
        other="C-00007",
    )


def file(*, sparse: bool = False) -> CaseFile:
    """The case as it is on record."""
    case = Case(
        number=12,
        ref="C-00012",
        account="versayce",
        contact="c_1",
        area="api",
        severity=2,
        question="s_0",
        channel="phone",
        thread=None,
        partner=None if sparse else "Helvetia Systems",
        split_from=None,
        opened_by="m_9",
        opened_at=AT,
        state=CaseState.QUEUED if sparse else CaseState.OPEN,
        owner=None if sparse else "m_9",
        owned_since=None,
        due=AT,
        escalation=None,
        escalations=0,
        breaches=0,
        first_answered_at=None,
        resolved_at=None,
        merged_into=None,
        waiting_for=None,
        status=None,
        said=None if sparse else "Rotating <a> token fails =?utf-8?q?x?=\n\n- since Friday\n- for <everybody>",
    )
    said = Said(number=1, kind="note", at=AT, by="m_9", about=None, submission="s_1", text="They use a <proxy>.")
    owner = Member(
        id="m_9",
        name="Sam Okafor",
        email="sam.okafor@foobar.example",
        roles=frozenset({Role.SUPPORT_ENGINEER}),
        schedule=Schedule(zone="Europe/Zurich"),
    )
    return CaseFile(
        case=case,
        log=() if sparse else (said, said.model_copy(update={"number": 2, "text": None})),
        names={} if sparse else {"m_9": "Sam Okafor", "c_1": "Luca Bianchi"},
        owner=None if sparse else owner,
        said=None if sparse else "They use a <proxy>.",
    )
