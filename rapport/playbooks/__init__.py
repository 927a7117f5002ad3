"""The playbooks that Rapport ships, an installation's own, and how any playbook is read."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from rapport.model.base import Refused, UserError, suggestion
from rapport.model.playbook import Playbook
from rapport.model.reading import read_toml

PLAYBOOKS: Final = "playbooks"
"""The folder of the data directory where an installation keeps its own."""


@cache
def shipped() -> tuple[str, ...]:
    """The names of the playbooks that come with Rapport."""
    return tuple(
        sorted(
            file.name.removesuffix(".toml")
            for file in files("rapport.playbooks").iterdir()
            if file.name.endswith(".toml")
        )
    )


@cache
def _shipped(name: str) -> Playbook:
    return read_toml(Playbook, files("rapport.playbooks").joinpath(f"{name}.toml").read_bytes(), f"{name}.toml")


def names(folder: Path | None = None) -> list[str]:
    """The names of all playbooks: those that come with Rapport, and the installation's own."""
    return sorted({*shipped(), *_files(folder)})


def _files(folder: Path | None) -> dict[str, Path]:
    return {path.stem: path for path in folder.glob("*.toml")} if folder is not None else {}


def load(name: str, folder: Path | None = None) -> Playbook:
    """A playbook by its name: the installation's own `<name>.toml`, or else a shipped one.

    Args:
        folder: Where an installation keeps its own playbooks; it need not exist. One that has a shipped one's name
            takes its place.

    Raises:
        UserError: There is none of this name, or it cannot be read.
    """
    own = _files(folder)
    if name in own:
        return _own(own[name])
    if name not in shipped():
        fix = suggestion(name, names(folder))
        if folder is not None:
            fix += f", or put your own as {folder.name}/NAME.toml into the data directory"
        raise UserError(f'there is no playbook "{name[:40]}"', field="playbook", fix=fix, kind=Refused.NOT_FOUND)
    return _shipped(name)


def _own(path: Path) -> Playbook:
    # It writes mails for invented people, and loads all that mails are written with; what is shipped is sound.
    from rapport.playbooks.checks import examine

    shown = f"{path.parent.name}/{path.name}"
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", field=shown, fix="correct the file's rights") from None
    playbook = examine(raw, shown).sound()
    # It is found by the file's name, and so is recorded under that.
    return playbook if playbook.name == path.stem else playbook.model_copy(update={"name": path.stem})
