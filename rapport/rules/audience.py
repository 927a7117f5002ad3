"""Who is asked, and what a mail to them may speak of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
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
from rapport.model.step import AdHocMeeting, Gathering, Review, StepBase


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


def lead(contacts: Sequence[Contact]) -> Contact:
    """Whose calendar counts for an account, and who speaks for it: a champion, else whoever comes nearest to one."""
    order = list(personas())
    return min(contacts, key=lambda contact: min(order.index(persona) for persona in contact.personas))


def led_by(step: Gathering, contacts: Iterable[Contact], champion: Contact) -> Contact:
    """Whose calendar a standing meeting goes by: the champion's, or where they aren't invited, a guest's."""
    invited = holding(step.invite, contacts)
    alone = invited and champion.id not in {contact.id for contact in invited}
    return lead(invited) if alone else champion


def invitees(step: Gathering, contacts: Iterable[Contact]) -> tuple[Invitee, ...]:
    """The contacts that a meeting asks, each with the required groups that they can fill."""
    guests = step.guests if isinstance(step, AdHocMeeting) else ()
    people = list(contacts)
    asked = {contact.id for contact in holding(step.invite, people)} | set(guests)
    invited = [contact for contact in people if contact.id in asked]
    named = [contact.id for contact in invited if contact.id in guests]
    # Somebody is required as far as somebody holds the persona; of those who are there, else, any one.
    groups = [group for group in step.require if holding(group, invited)] or ([] if named else [step.invite])
    return tuple(
        Invitee(
            id=contact.id,
            personas=tuple(persona for persona in contact.asked_as if persona in step.invite) or contact.personas,
            groups=(
                *(index for index, group in enumerate(groups) if holding(group, [contact])),
                *(len(groups) + index for index, id_ in enumerate(named) if id_ == contact.id),
            ),
        )
        for contact in invited
    )


def required_groups(invited: Iterable[Invitee]) -> int:
    """Of how many groups somebody has to be able to come."""
    return len({group for invitee in invited for group in invitee.groups})


def unheld(contacts: Iterable[Contact]) -> tuple[str, ...]:
    """The personas that nobody at an account has."""
    there = {persona for contact in contacts for persona in contact.asked_as}
    return tuple(persona for persona in personas() if persona not in there)


def lost(contacts: Iterable[Contact], account: Account) -> tuple[str, ...]:
    """The personas that somebody had, and that nobody has now."""
    return tuple(persona for persona in unheld(contacts) if persona in account.held)


def vacancies(
    step: StepBase, unheld: Collection[str], lost: Collection[str], *, begins: bool = True
) -> tuple[str, ...]:
    """For which personas a step waits until somebody is named: of a group that it needs, and of which nobody is there.

    Args:
        unheld: The personas that nobody has.
        lost: Those of them that somebody had.
        begins: Whether its time has come; before that, only a successor is waited for.
    """
    if step.nobody == "without":
        return ()
    holding_up = unheld if step.nobody == "wait" and begins else lost
    return tuple(
        dict.fromkeys(
            persona for group in step.needed if set(group) <= set(unheld) for persona in group if persona in holding_up
        )
    )


def is_for_nobody(step: StepBase, unheld: Collection[str]) -> bool:
    """Whether there is nobody at the customer with whom a step could be done, so that it is left out."""
    meant = {*step.people, *(persona for group in step.needed for persona in group)}
    return bool(meant) and meant <= set(unheld)


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
