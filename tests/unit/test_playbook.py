"""Where a playbook comes from, by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from rapport.mail import emails
from rapport.model.base import Refused, UserError
from rapport.model.playbook import Playbook
from rapport.model.reading import read_toml
from rapport.playbooks import load, shipped
from tests.support import cadence

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
    assert tuple(load(name).name for name in shipped()) == shipped()


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
    with pytest.raises(UserError) as refused:
        load(name, folder)
    assert refused.value.kind is Refused.NOT_FOUND
    assert "enterprise, growth, ours, renewal, self_serve" in refused.value.fix
    assert "playbooks/NAME.toml" in refused.value.fix


def test_the_folder_need_not_exist(tmp_path: Path) -> None:
    """Most installations have no playbooks of their own."""
    assert load("enterprise", tmp_path / "playbooks").name == "enterprise"
    with pytest.raises(UserError):
        load("ours", tmp_path / "playbooks")


def test_a_faulty_one_is_refused_by_file_and_field(folder: Path) -> None:
    """What is wrong in one's own file is told as `rapport playbook check` would, by file, line and field."""
    (folder / "ours.toml").write_text(OWN.format(name="ours").replace("primary_champion", "chief"))
    with pytest.raises(UserError) as refused:
        load("ours", folder)
    assert refused.value.field == "playbooks/ours.toml:11: hello.to[0]"


def test_a_file_and_its_playbook_have_one_name(folder: Path) -> None:
    """A copy that was not renamed inside is used, and recorded, under the name by which it is found."""
    (folder / "copy.toml").write_text(OWN.format(name="ours"))
    assert load("copy", folder).name == "copy"


@pytest.mark.parametrize(
    ("old", "new", "field", "problem"),
    [
        ("minutes = 30", "minutes = 45", "steps[1].minutes", "key_business_contact gives at most 30 minutes"),
        ("minutes = 15", "minutes = 20\nwhere = 'remote'", "steps[0].where", "is not known here"),
        ('every = "1 week"', 'every = "1 month"', "steps[0].every", "'1 week' or '2 weeks'"),
        ('rhythm = "review"', 'rhythm = "rhyme"', "steps[1]", "'sync', 'review'"),
        ('rhythm = "sync"\n', "", "steps[0]", "rhythm is missing"),
        ('topic = "What holds you up", minutes = 4', 'topic = "All", minutes = 8', "steps[0].agenda", "do not fit"),
        ('follow_up = "review_follow_up"', "prepare = 25", "steps[1]", ""),
        ('brief = "review_brief"', 'brief = "review_brief"\nprepare = 25', "steps[1].prepare", "smaller than offered"),
        (
            'invite = ["primary_champion", "primary_user", "secondary_user"]',
            'invite = ["primary_user", "secondary_user"]',
            "steps[0].require",
            "not invited",
        ),
    ],
)
def test_a_rhythm_that_breaks_a_rule_is_refused(old: str, new: str, field: str, problem: str) -> None:
    """What recurs keeps the rules of meetings and of personas; a refusal names the field as it was written."""
    text = cadence.HEAD + cadence.WEEKLY + cadence.QBR
    assert old in text
    with pytest.raises(UserError) as refused:
        read_toml(Playbook, text.replace(old, new).encode(), "ours.toml")
    assert field in refused.value.field
    assert problem in str(refused.value)


def test_the_shipped_year_has_its_rhythms() -> None:
    """The enterprise playbook ends in a weekly sync and a quarterly review, whose mails there are."""
    steps = {step.name: step for step in load("enterprise").steps}
    assert {*steps["weekly"].emails.values(), *steps["qbr"].emails.values()} <= emails.names()
    assert steps["weekly"].stage == steps["qbr"].stage == "cadence"
