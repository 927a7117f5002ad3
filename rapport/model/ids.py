"""Business keys. Whatever comes from outside, and every effect, is addressed by one of these, never by a run id."""

from __future__ import annotations

import hashlib
import secrets
from datetime import date, datetime
from typing import Final

UNDELIVERED_STEP, UNWRITTEN_STEP = "undelivered", "unwritten"
"""What the step of a to-do about an email ends with, behind the step that the email is for."""


def scope(account: str, contract: str) -> str:
    """What the ids of a further contract's workflows, and the commands about it, have in an account's place.

    An account's key has no dot, so it can be told from the contract, which may have some.
    """
    return f"{account}.{contract}"


def account_of(scope: str) -> str:
    """The account's key in what stands for an account, or for one of its contracts."""
    return scope.partition(".")[0]


def scope_of(workflow_id: str) -> str:
    """What stands for an account, or one of its contracts, in the id of a workflow of its story."""
    return workflow_id.partition("/")[2].partition("/")[0]


def scope_within(workflow_id: str, account: str) -> str:
    """The scope that a workflow belongs to: what its id names of the account, else the account as a whole."""
    named = scope_of(workflow_id)
    return named if account_of(named) == account else account


def onboarding_id(scope: str) -> str:
    """The workflow that carries an account's contract from signature to steady cadence; see `scope`."""
    return f"onboarding/{scope}"


def cadence_id(account: str) -> str:
    """The workflow of what recurs: the standing meetings and the reviews of an account."""
    return f"cadence/{account}"


def step_workflow(kind: str, scope: str, step: str, attempt: int | str) -> str:
    """The workflow that does a step of a kind that has one for each, see `rapport.model.step.DoneBy`."""
    return f"{kind}/{scope}/{step}/{attempt}"


def meeting_id(scope: str, step: str, attempt: int | str) -> str:
    """The workflow of one meeting; `attempt` counts from 1."""
    return step_workflow("meeting", scope, step, attempt)


def step_of_meeting(workflow_id: str) -> str:
    """The step of a meeting's workflow."""
    return workflow_id.split("/")[2]


def task_id(subject: str, step: str, attempt: int, about: str | None = None) -> str:
    """The workflow of one human task; `subject` is a `scope` or the reference of a review or case.

    Args:
        about: The contact whom it concerns, where each of several has a task of their own.
    """
    return f"task/{subject}/{step}/{attempt}" + (f"/{about}" if about else "")


def review_id(ref: str) -> str:
    """The workflow of one technical review; `ref` is what it is called, such as `TR-0007`."""
    return f"tech-review/{ref}"


def number_in(text: str) -> int | None:
    """The whole number that somebody typed: one to nine digits of ASCII, and none else.

    `str.isdigit` also takes "²", which `int` refuses; `int` also refuses more than 4,300 digits.
    """
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else None


def case_ref(number: int) -> str:
    """A case's number, as customers and mails say it."""
    return f"C-{number:05}"


def case_id(ref: str) -> str:
    """The workflow of one support case."""
    return f"case/{ref}"


def desk_id(name: str) -> str:
    """The workflow of a support desk."""
    return f"desk/{name}"


def handover_id(account: str, until: datetime) -> str:
    """The workflow that gives an account back to its regular TAM; `until` is the instant, in UTC."""
    return f"hand-over/{account}/{until:%Y-%m-%dT%H:%MZ}"


BOOKS: Final = "book/"


def book_task(member: str) -> str:
    """The task about the accounts of a member who has left. It stands in SQL alone, and ends with the last of them."""
    return f"{BOOKS}{member}"


RELAY_ALARM: Final = "relay/mail"
"""The workflow that asks the relay until it takes our mail again, and the task that says so."""


def gap_ref(number: int) -> str:
    """What a product gap is called."""
    return f"GAP-{number:04d}"


def gap_id(ref: str) -> str:
    """The workflow that sends one product gap to the CRM."""
    return f"gap/{ref}"


def announcing_id(ref: str) -> str:
    """The workflow that tells the review channel what is new of one review."""
    return f"announcing/{ref}"


def notice_id(id_: str) -> str:
    """The workflow that sends one mail of no account's story."""
    return f"notice/{id_}"


def morning_id(day: date, member: str) -> str:
    """The workflow that sends one member the mail of one morning; `day` is the date in the member's own zone."""
    return notice_id(f"morning/{day.isoformat()}/{member}")


def message_key(
    contract: str, step: str, attempt: int, occurrence: int, round_: int, purpose: str, email: str, person: str
) -> str:
    """The idempotency key of one mail to one person: one key renders once and is sent at most once.

    Args:
        email: The mail's name: several mails of one step for one purpose have a key each.
    """
    return f"{contract}/{step}/{attempt}/{occurrence}/{round_}/{purpose}/{email}/{person}"


def step_of(message: str) -> str:
    """The step in a message's key."""
    return message.split("/")[1]


def attempt_of(message: str) -> int:
    """Which time its step is done, in a message's key."""
    return int(message.rsplit("/", 6)[1])


def occurrence_of(message: str) -> int:
    """Which of several of its kind it is, in a message's key: an invitation's grows with each change of the time."""
    return int(message.rsplit("/", 5)[1])


def purpose_of(message: str) -> str:
    """The purpose in a message's key: the third part from its end. Empty for what is no such key."""
    parts = message.rsplit("/", 3)
    return parts[1] if len(parts) == 4 else ""


def email_of(message: str) -> str:
    """The name of the mail in a message's key: the second part from its end. Empty for what is no such key."""
    parts = message.rsplit("/", 2)
    return parts[1] if len(parts) == 3 else ""


def round_of(message: str) -> int:
    """The round in a message's key."""
    return int(message.rsplit("/", 4)[1])


def person_of(message: str) -> str:
    """Whom a message's key names: a contact's or a member's id."""
    return message.rpartition("/")[2]


def timeline_key(contract: str, workflow_id: str, entry: str) -> str:
    """The key of one entry that a workflow writes on the timeline."""
    return f"{contract}/{workflow_id}/{entry}"


def number_of(id_: str) -> int:
    """A number that says which of many an id is, where something is counted by what it is about."""
    return int(hashlib.sha256(id_.encode()).hexdigest()[:8], 16)


def new_id(prefix: str) -> str:
    """An opaque id for a person or a submission, safe to stand in a history: it says nothing of whom it names."""
    return f"{prefix}_{secrets.token_hex(8)}"


def undelivered_id(message: str) -> str:
    """The workflow that takes care of one mail that did not go, or may not have arrived."""
    return f"undelivered/{message}"


def undelivered_task(account: str, message: str, number: int) -> str:
    """The to-do about one mail; `number` counts how often somebody was asked, from 1."""
    return task_id(account, UNDELIVERED_STEP, number, hashlib.sha256(message.encode()).hexdigest()[:12])


def unwritten_task(account: str, workflow_id: str, number: int) -> str:
    """The to-do about an email that cannot be written; `number` counts those of one workflow, from 1."""
    return task_id(account, UNWRITTEN_STEP, number, hashlib.sha256(workflow_id.encode()).hexdigest()[:12])


def late_reply_task(account: str, workflow_id: str, voter: str, submission: str | None = None) -> str:
    """The to-do about a reply to a meeting that came too late, which is one submission.

    Without it, what the ids of all to-dos about one person's replies to one meeting begin with.
    """
    theirs = hashlib.sha256(f"{workflow_id}/{voter}".encode()).hexdigest()[:12]
    one = "" if submission is None else hashlib.sha256(submission.encode()).hexdigest()[:12]
    return task_id(account, "reply", 1, f"{theirs}{one}")


def ended_outside_id(workflow_id: str) -> str:
    """The workflow that takes care of one that was ended from outside."""
    return f"ended-outside/{workflow_id}"


def end_of(workflow_id: str) -> str:
    """The signal that tells a workflow what came of one that it has started."""
    return f"ended {workflow_id}"


def gone_task(account: str, workflow_id: str, since: datetime, number: int) -> str:
    """The to-do about a workflow that was ended from outside.

    Args:
        since: When it was first asked, each time that the workflow is ended anew; `number` counts how often, from 1.
    """
    missed = f"{workflow_id}/{since.isoformat()}"
    return task_id(account, "gone", number, hashlib.sha256(missed.encode()).hexdigest()[:12])


def step_of_to_do(step: str) -> bool:
    """Whether this is the step of a to-do about an email. It stands in an inbox, whether its own emails go or not."""
    return not {UNDELIVERED_STEP, UNWRITTEN_STEP}.isdisjoint(step.split(".")[1:])


SWEEP_ID = "sweep"
"""The workflow, and the schedule, that looks for what nobody is at work on."""
