"""Where a playbook comes from, by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from rapport.model.base import Refusal, Refused
from rapport.playbooks import load, shipped

OWN = """
name = "{name}"
title = "Our own"
version = 3

[[steps]]
name = "hello"
title = "A first note"
kind = "message"
stage = "welcome"
to = ["primary_champion"]
email = "hello"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An installation's own playbooks: one called `ours`."""
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "ours.toml").write_text(OWN.format(name="ours"))
    return folder


def test_every_shipped_playbook_is_sound() -> None:
    """What Rapport ships can be loaded, and is called what its file is called."""
    assert "enterprise" in shipped()
    assert [load(name).name for name in shipped()] == shipped()


def test_an_installation_may_have_its_own(folder: Path) -> None:
    """A file in the folder is found by its name, beside the shipped ones."""
    assert load("ours", folder).version == 3
    assert load("enterprise", folder).name == "enterprise"


def test_ones_own_takes_the_place_of_a_shipped_one(folder: Path) -> None:
    """Who puts an `enterprise.toml` into the folder gets that one."""
    (folder / "enterprise.toml").write_text(OWN.format(name="enterprise"))
    assert load("enterprise", folder).title == "Our own"


@pytest.mark.parametrize("name", ["nothing", "../ours", "/etc/passwd", "", "ours.toml"])
def test_a_name_that_is_none_is_refused_with_those_that_are(folder: Path, name: str) -> None:
    """The refusal lists shipped and own ones, and a name never leads out of the folder."""
    with pytest.raises(Refusal) as refused:
        load(name, folder)
    assert refused.value.kind is Refused.NOT_FOUND
    assert "enterprise, growth, ours, self_serve" in refused.value.fix
    assert "playbooks/NAME.toml" in refused.value.fix


def test_the_folder_need_not_exist(tmp_path: Path) -> None:
    """Most installations have no playbooks of their own."""
    assert load("enterprise", tmp_path / "playbooks").name == "enterprise"
    with pytest.raises(Refusal):
        load("ours", tmp_path / "playbooks")


def test_a_faulty_one_is_refused_by_file_and_field(folder: Path) -> None:
    """What is wrong in one's own file is told as `rapport playbook check` would, by file, line and field."""
    (folder / "ours.toml").write_text(OWN.format(name="ours").replace("primary_champion", "chief"))
    with pytest.raises(Refusal) as refused:
        load("ours", folder)
    assert refused.value.field == "playbooks/ours.toml:11: hello.to[0]"


def test_a_file_and_its_playbook_have_one_name(folder: Path) -> None:
    """A copy that was not renamed inside would be recorded under the wrong name."""
    (folder / "copy.toml").write_text(OWN.format(name="ours"))
    with pytest.raises(Refusal, match="give both the same name") as refused:
        load("copy", folder)
    assert refused.value.field == "playbooks/copy.toml:2: name"
