"""Every place that holds a person: the one list that erasing goes by.

A table or a column with text that does not stand here fails the tests, and so does a file of the data directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class Place(NamedTuple):
    """What the texts of one table hold, each by the names of its columns.

    Attributes:
        words: What somebody wrote, or may have: a person may be named there, and is taken out.
        person: What says who a customer's person is, or is theirs as a whole; it goes with them.
        ours: What is about the vendor's own people and systems; no customer's person stands there.
        ids: Ids, states, codes, hashes, and what playbooks say: nobody's name.
    """

    words: tuple[str, ...] = ()
    person: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


def _place(words: str = "", person: str = "", ours: str = "", ids: str = "") -> Place:
    return Place(*(tuple(names.split()) for names in (words, person, ours, ids)))


PLACES: Final[Mapping[str, Place]] = MappingProxyType(
    {
        "absences": _place(ids="id member delegate submission"),
        "accounts": _place(words="name place facts figures", ids="key tam regular_tam review held"),
        "actions": _place(words="what", ids="id account meeting owner done_by"),
        "announcements": _place(words="reason", ids="key ref account what submission option occasion state"),
        "attachments": _place(words="name content", ids="message type added_by"),
        "blockers": _place(words="title", ids="id account meeting owner removed_by removal"),
        "case_assignments": _place(words="reason refusal considered", ids="ref member"),
        "case_log": _place(words="about", ids="ref kind by submission"),
        "case_texts": _place(words="question answer", ids="ref account contact area"),
        "cases": _place(
            words="thread key partner waiting_for",
            ids="ref account contact area question channel split_from opened_by state owner escalation merged_into "
            "status",
        ),
        "contacts": _place(person="name email title schedule work", ids="id account personas"),
        "contracts": _place(words="product", ids="id account playbook workflow_id run_id stage renews"),
        "ended_outside": _place(ids="workflow_id"),
        "gap_links": _place(ids="kind ref"),
        "gaps": _place(words="title description roadmap delivery_reason", ids="status logged_by delivery"),
        "goals": _place(words="title", ids="meeting term"),
        "hours": _place(ids="meeting member"),
        "offers": _place(ids="meeting member"),
        "incidents": _place(words="title", ids="account id"),
        "late_replies": _place(ids="vote account workflow_id voter slots"),
        "links": _place(person="digest", ids="message account person purpose workflow_id"),
        "members": _place(
            ours="email name title roles join_url calendar_url schedule areas", ids="id manager backup delegate"
        ),
        "messages": _place(
            words="subject raw edits reason resolution reply occasion",
            person="address",
            ids="key account contract step workflow_id purpose kind person email left_out state message_id joined "
            "approved_by submission left_in",
        ),
        "milestones": _place(
            words="waiting_for unblock outcome", ids="contract step title stage kind state waiting_on"
        ),
        "minutes": _place(words="next note", ids="meeting account step by submission attended agreed"),
        "private_notes": _place(words="text", ids="meeting account by"),
        "probes": _place(ids="name"),
        "projects": _place(words="title", ids="account id"),
        "relay_faults": _place(ids="name"),
        "relays": _place(ours="fix", ids="name kind missed_kind"),
        "rhythms": _place(ids="account step contract workflow_id title rhythm every coming period"),
        "roadmap_items": _place(words="title expected touches", ids="id"),
        "roadmap_touches": _place(words="touches", ids="item account"),
        "sessions": _place(ours="id member token"),
        "side_projects": _place(words="title note", ids="id kind area state added_by owner tam"),
        "side_stretches": _place(ids="project member ended_by"),
        "signing_keys": _place(ids="seal public_key sealed"),
        "submissions": _place(
            person="text salt",
            ours="entered_by",
            ids="id actor channel kind workflow_id text_hash verified on_behalf_of shown about",
        ),
        "sweeps": _place(ids="name found"),
        "switches": _place(ours="by reason", ids="name"),
        "task_holders": _place(words="reason", ids="task member on_behalf_of via"),
        "tasks": _place(
            words="title definition unblock",
            ids="id account contract subject step phase requester request asked answers outcome about gone_in",
        ),
        "tech_review_conditions": _place(words="text", ids="ref"),
        "tech_review_receipts": _place(ids="ref key document signature public_key"),
        "tech_review_remarks": _place(ids="ref key kind seat by option submission"),
        "tech_review_rounds": _place(words="design_link design_version", ids="ref submission by scenarios"),
        "tech_reviews": _place(
            words="title waiting_for unblock",
            ids="ref account stage ask from_case submitter phase outcome message waiting_on",
        ),
        "timeline": _place(ids="key account kind step who about submission previous hash"),
        "timeline_heads": _place(ids="account hash"),
        "timeline_marks": _place(ids="account hash"),
        "tokens": _place(ours="name digest member scopes"),
        "usage_metrics": _place(words="unit", ids="account metric"),
        "usage_samples": _place(ids="account metric"),
        "vendor": _place(ours="name product company_health"),
        "wins": _place(words="title", ids="account id"),
    }
)

FILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mail/*": "caught mails of an embedded stack; those to a person, and those that name them, are deleted",
        "rapport.db*": "the tables; what was erased is overwritten, and the log of writes is emptied",
        "temporal.db*": "histories, which hold ids, roles and instants alone",
        "token": "the owner's",
        "secret": "the installation's",
        "stack.json": "at which ports an embedded stack answers",
        "*.lock": "which process runs",
        "*.toml": "settings and rules, which the vendor's people write",
        "emails/*": "mails that the vendor's people write",
        "*.log": "what happened, by id",
    }
)
"""Every file of a data directory, by pattern, and what it holds of a person."""
