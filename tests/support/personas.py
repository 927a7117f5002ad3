"""People of every persona that `personas.toml` has, also of one that no example knows."""

from __future__ import annotations

from collections.abc import Sequence

from rapport.model.account import Contact, personas


def of_every_persona(contacts: Sequence[Contact]) -> list[Contact]:
    """These contacts, and somebody more for each persona that none of them has."""
    there = {persona for contact in contacts for persona in contact.personas}
    missing = [persona for persona in personas() if persona not in there]
    return [
        *contacts,
        *(
            contacts[-1].model_copy(
                update={"id": f"c_{persona}", "personas": (persona,), "email": f"{persona}@versayce.example"}
            )
            for persona in missing
        ),
    ]
