"""What may be done at all, how far, and what a service's token is for."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class TokenScope(StrEnum):
    """What a token that belongs to no member may do."""

    READ = "read"
    START_ONBOARDINGS = "start_onboardings"
    WRITE_USAGE = "write_usage"
    OPEN_CASES = "open_cases"
    OPERATOR = "operator"
    """All that whoever owns the data directory may do: each embedded stack makes one for its owner."""


class Reach(IntEnum):
    """How far a role's right goes; what may be done further away may be done nearer as well.

    `OWN` are the accounts that a member serves or is the backup or delegate for; of people it is the member alone.
    `TEAM` are also those of colleagues with the same manager, and of everyone below.
    """

    OWN = 1
    TEAM = 2
    ALL = 3


class Action(StrEnum):
    """What somebody may do; each use case asks for one of them."""

    READ = "read"
    READ_AUDIT = "read_audit"
    READ_NOTES = "read_notes"
    START = "start_onboardings"
    ACT = "act_on_accounts"
    DRAFTS = "send_drafts"
    CASE_DRAFTS = "send_case_drafts"
    ERASE = "erase_contacts"
    ERASE_ACCOUNT = "erase_accounts"
    USAGE = "write_usage"
    RECORD = "record_news"
    DECIDE = "decide_tasks"
    REQUEST_REVIEW = "request_reviews"
    SPEAK = "speak_in_reviews"
    WITHDRAW_REVIEW = "withdraw_reviews"
    GAPS = "log_gaps"
    OPEN_CASE = "open_cases"
    ADD_TO_CASE = "add_to_cases"
    WORK_ON_CASE = "work_on_cases"
    SIDE_PROJECTS = "side_projects"
    LEAD_DESK = "lead_the_desk"
    ABSENCES = "announce_absences"
    MEMBERS = "change_members"
    MAIL = "stop_mail"
    TOKENS = "manage_tokens"
    HOST = "run_the_host"
