"""The playbooks that Rapport ships, and how any playbook is read."""

from __future__ import annotations

from importlib.resources import files

from rapport.model.base import Refusal, Refused
from rapport.model.playbook import Playbook
from rapport.model.reading import read_toml


def shipped() -> list[str]:
    """The names of the playbooks that come with Rapport."""
    return sorted(
        file.name.removesuffix(".toml") for file in files("rapport.playbooks").iterdir() if file.name.endswith(".toml")
    )


def load(name: str) -> Playbook:
    """A shipped playbook.

    Raises:
        Refusal: There is none of this name.
    """
    if name not in shipped():
        raise Refusal(
            f'there is no playbook "{name[:40]}"',
            field="playbook",
            fix=f"use one of {', '.join(shipped())}",
            kind=Refused.NOT_FOUND,
        )
    return parse(files("rapport.playbooks").joinpath(f"{name}.toml").read_bytes(), f"{name}.toml")


def parse(raw: bytes, source: str) -> Playbook:
    """Read and check a playbook.

    Raises:
        Refusal: What is wrong, with the field and the fix.
    """
    return read_toml(Playbook, raw, source)
