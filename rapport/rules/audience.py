"""Who is asked, and what a mail to them may speak of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from rapport.model.account import BUSINESS, Account, Contact, Fact, Role, Topic, Vendor, personas
from rapport.model.commands import in_name
from rapport.model.meeting import Invitee
from rapport.model.projection import Wait
from rapport.model.step import Gathering, Review


def invitees(step: Gathering, contacts: Iterable[Contact]) -> tuple[Invitee, ...]:
    """The contacts that a meeting asks, each with the required groups that they can fill."""
    return tuple(
        Invitee(
            id=contact.id,
            persona=contact.persona,
            groups=tuple(index for index, group in enumerate(step.require) if contact.persona in group),
        )
        for contact in contacts
        if contact.persona in step.invite
    )


def vacant(contacts: Iterable[Contact]) -> tuple[str, ...]:
    """The personas that an account has to have, and that nobody has."""
    count = Counter(contact.persona for contact in contacts)
    return tuple(persona for persona, rules in personas().items() if count[persona] < rules.at_least)


def missing(vacancies: Sequence[str]) -> str:
    """Who is missing, in words: "nobody is primary champion"."""
    titles = [personas()[persona].title.lower() for persona in vacancies]
    return f"nobody is {' or '.join(titles)}"


def wait_for_successor(account: str, vacancies: Sequence[str], deadline: datetime | None) -> Wait:
    """What is waited for while nobody has a persona that somebody has to have."""
    command = in_name(
        f"rapport account add-contact {account} --persona {vacancies[0]} --name NAME --email ADDRESS --zone ZONE "
        "--reason REASON"
    )
    return Wait(
        on=(Role.TAM,),
        what=f"held: {missing(vacancies)}",
        unblock=command,
        deadline=deadline,
    )


def recording(account: str, email: str, facts: Sequence[Fact]) -> str:
    """The command that records what is known of a contact's work."""
    words = " ".join(f"--{fact.replace('_', '-')} …" for fact in facts)
    return in_name(f"rapport account edit-contact {account} {email} {words}")


def reminded(invited: Sequence[Invitee]) -> tuple[Invitee, ...]:
    """The required invitees who may be reminded of a vote; a business contact never is."""
    return tuple(invitee for invitee in invited if invitee.required and personas()[invitee.persona].poll_reminders)


def figures(persona: str | None, account: Account, vendor: Vendor) -> dict[Topic, str]:
    """What a mail to this persona may say of the account's numbers and the vendor's health.

    A figure that is not known is absent, so its line drops out of the mail. A topic that is not the persona's is
    absent as well: what a template is not given, it cannot leak. Members (no persona) see everything.
    """
    known: dict[Topic, str | None] = {
        "company_health": vendor.company_health,
        "poc_result": account.figures.poc_result,
        "projected_roi": account.figures.projected_roi,
    }
    allowed = personas()[persona].topics if persona is not None else frozenset(known)
    return {topic: value for topic, value in known.items() if value and topic in allowed}


def mentioned(coming: Iterable[Contact], account: Account, vendor: Vendor) -> dict[Topic, str]:
    """What the TAM may want to mention at a meeting: nothing, unless the key business contact comes.

    Their time is short and rarely given, so the meeting has to be worth it.
    """
    there = {contact.persona for contact in coming}
    return figures(BUSINESS, account, vendor) if BUSINESS in there else {}


def review(step: Review, account: Account) -> Review:
    """Who sends a mail of this step: the account's own rule, where it has one, else the step's."""
    return account.review or step
