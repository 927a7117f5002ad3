"""What the system can fill in of a text that the TAM has to write: what it knows, and blanks for what it does not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from rapport.model.account import CHAMPION, Contact, Member, Vendor
from rapport.rules import audience

BLANK: Final = "[date]"
"""Stands where only a person knows what belongs; nothing with a blank goes to a customer."""

USERS: Final = ("primary_user", "secondary_user")


def prefilled(
    asks: Collection[str], contacts: Sequence[Contact], tam: Member, vendor: Vendor, goals: Sequence[str] = ()
) -> dict[str, str]:
    """The texts that a sign-off asks for, as far as they can be told, by name.

    Args:
        asks: The names of the texts. Those that nothing is known for are left out.
        goals: What the customer wants to reach, as it was said.
    """
    users = audience.holding(USERS, contacts)
    known = {
        "goals": _list(goals),
        "sessions": _list([f"{BLANK}, 45 minutes: {_session(user, vendor)}; with {user.name}" for user in users]),
        "who_does_what": _list(
            [
                *(
                    f"{one.name}: signs this plan off, and sees to it that there is time"
                    for one in audience.holding((CHAMPION,), contacts)
                ),
                *(f"{user.name}: {_part(user)}" for user in users),
                f"{tam.name}, {vendor.name}: holds the sessions, and answers what is open between them",
            ]
        ),
    }
    return {name: known[name] for name in asks if known.get(name)}


def has_blank(text: str) -> bool:
    """Whether something is still to be filled in."""
    return BLANK in text


def together(names: Sequence[str]) -> str:
    """Names in a sentence: "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _session(user: Contact, vendor: Vendor) -> str:
    """What a session with this user is about."""
    work = user.work
    if work.deployment:
        return f"{vendor.product} in deployments with {together(work.deployment)}"
    if work.projects:
        where = f", in {together(work.languages)}" if work.languages else ""
        return f"{vendor.product} in the {together(work.projects)}{where}"
    if work.languages:
        return f"{vendor.product} for code in {together(work.languages)}"
    return f"first steps with {vendor.product}"


def _part(user: Contact) -> str:
    """What this user does meanwhile."""
    work = user.work
    if "primary_user" in user.asked_as:
        tools = f", and says where it differs from {together(work.previous_tools)}" if work.previous_tools else ""
        return f"chooses small deployments to begin with{tools}"
    return f"brings a small project to try it on{f', such as the {work.projects[0]}' if work.projects else ''}"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
