"""Who is asked, and what a mail to them may speak of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from rapport.model.account import (
    BUSINESS,
    Account,
    Contact,
    Fact,
    Role,
    Topic,
    Vendor,
    allowed_topics,
    personas,
)
from rapport.model.commands import in_name
from rapport.model.meeting import Invitee
from rapport.model.projection import Wait
from rapport.model.step import Gathering, Review


def holding(chosen: Iterable[str], contacts: Iterable[Contact]) -> tuple[Contact, ...]:
    """Who has one of these personas: each contact once, in their order, however many of them they have.

    Whatever asks an account "who holds this persona" asks here; `alone` says who stands for the rest.
    """
    wanted = set(chosen)
    return tuple(contact for contact in contacts if not wanted.isdisjoint(contact.asked_as))


def alone(contacts: Sequence[Contact]) -> list[Contact]:
    """These contacts; where an account has but one, that one stands for every other persona too."""
    if len(contacts) != 1:
        return list(contacts)
    rest = tuple(persona for persona in personas() if persona not in contacts[0].personas)
    return [contacts[0].model_copy(update={"stands_for": rest})]


def invitees(step: Gathering, contacts: Iterable[Contact]) -> tuple[Invitee, ...]:
    """The contacts that a meeting asks, each with the required groups that they can fill."""
    return tuple(
        Invitee(
            id=contact.id,
            personas=tuple(persona for persona in contact.asked_as if persona in step.invite),
            groups=tuple(
                index for index, group in enumerate(step.require) if not set(group).isdisjoint(contact.asked_as)
            ),
        )
        for contact in holding(step.invite, contacts)
    )


def vacant(contacts: Iterable[Contact]) -> tuple[str, ...]:
    """The personas that an account has to have, and that nobody has."""
    count = Counter(persona for contact in contacts for persona in contact.asked_as)
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
    return tuple(invitee for invitee in invited if invitee.required and invitee.is_reminded)


def figures(held: Sequence[str], account: Account, vendor: Vendor) -> dict[Topic, str]:
    """What a mail to whoever has these personas may say of the account's numbers and the vendor's health.

    A figure that is not known is absent, so its line drops out of the mail. A topic that none of them may read
    is absent as well: what a template is not given, it cannot leak. Members (no persona) see everything.
    """
    known: dict[Topic, str | None] = {
        "company_health": vendor.company_health,
        "poc_result": account.figures.poc_result,
        "projected_roi": account.figures.projected_roi,
    }
    allowed = allowed_topics(held) if held else frozenset(known)
    return {topic: value for topic, value in known.items() if value and topic in allowed}


def mentioned(coming: Iterable[Contact], account: Account, vendor: Vendor) -> dict[Topic, str]:
    """What the TAM may want to mention at a meeting: nothing, unless the key business contact comes.

    Their time is short and rarely given, so the meeting has to be worth it.
    """
    return figures((BUSINESS,), account, vendor) if holding((BUSINESS,), coming) else {}


def review(step: Review, account: Account) -> Review:
    """Who sends a mail of this step: the account's own rule, where it has one, else the step's."""
    return account.review or step
