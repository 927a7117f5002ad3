"""What the desk goes by: the shipped rules, an installation's own, and what is refused with file, line and fix."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from rapport.model.base import UserError
from rapport.support_rules import DeskRules, OnCall, load
from tests.conftest import ROOT

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


def own(folder: Path, text: str) -> DeskRules:
    """The rules of an installation whose `support.toml` says this."""
    (folder / "support.toml").write_text(text, encoding="utf-8")
    return load(folder)


def test_two_processes_with_the_same_rules_take_them_for_the_same() -> None:
    """What a worker noted, `doctor` finds unchanged, although sets have another order in each process."""
    code = "from rapport.support_rules import load; print(load().digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert digests == {f"{load().digest}\n"}


def test_the_shipped_rules_hold_without_a_file(tmp_path: Path) -> None:
    """Without a file of their own, an installation promises what is shipped, more for what is graver."""
    rules = load(tmp_path)
    assert rules == load()
    answers = [rules.promise(severity).first_answer for severity in (1, 2, 3, 4)]
    updates = [rules.promise(severity).next_update for severity in (1, 2, 3, 4)]
    assert answers == sorted(answers)
    assert updates == sorted(updates)
    assert rules.promise(1).around_the_clock
    assert rules.on_call_now(NOW) is None


def test_a_table_of_ones_own_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    """Own areas are all areas; the promises that are not written stay as shipped."""
    rules = own(
        tmp_path,
        """
        [areas.compiler]
        title = "Compiler"
        team = "core"
        confirmed = 2026-11-01
        [teams.core]
        title = "Core"
        engineers = ["vera.lindt@foobar.example"]
        """,
    )
    assert list(rules.areas) == ["compiler"]
    assert rules.severity == load().severity
    found = rules.owner("compiler", NOW)
    assert found is not None
    assert (found.team, found.engineers, str(found)) == (
        "Core",
        ("vera.lindt@foobar.example",),
        "Core, confirmed 2026-11-01",
    )


def test_an_owner_that_nobody_confirmed_for_long_is_doubtful() -> None:
    """After the days of the rules, an owner is shown with how long ago somebody asked; not a day earlier."""
    rules = load()
    confirmed = datetime.combine(rules.areas["accounts"].confirmed, NOW.time(), UTC)
    last = rules.owner("accounts", confirmed + timedelta(days=180))
    stale = rules.owner("accounts", confirmed + timedelta(days=181))
    assert last is not None
    assert stale is not None
    assert not last.is_stale
    assert str(stale) == "Platform, last confirmed 2026-03-02, 181 days ago: ask whether it still is"
    assert rules.owner("general", NOW) is None


def test_turns_on_call_change_by_the_desks_clock(tmp_path: Path) -> None:
    """A week each, in order, from nine to nine on the desk's wall, on either side of a change of the clocks."""
    rules = own(
        tmp_path,
        """
        [on_call]
        members = ["a@foobar.example", "b@foobar.example", "c@foobar.example"]
        since = 2026-10-19
        """,
    )
    for at, who in (
        (datetime(2026, 10, 19, 6, 59, tzinfo=UTC), None),
        (datetime(2026, 10, 19, 7, 0, tzinfo=UTC), "a"),
        (datetime(2026, 10, 26, 7, 59, tzinfo=UTC), "a"),
        (datetime(2026, 10, 26, 8, 0, tzinfo=UTC), "b"),
        (datetime(2026, 11, 2, 8, 0, tzinfo=UTC), "c"),
        (datetime(2026, 11, 9, 8, 0, tzinfo=UTC), "a"),
    ):
        assert rules.on_call_now(at) == (f"{who}@foobar.example" if who else None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[desk\n", "support.toml:1: is not TOML"),
        ('[desk]\nzone = "Europe/Zurich"\nhuors = 3\n', "support.toml:3: desk.huors: is not known here"),
        ('\n[desk]\nzone = "Zurich"\n', 'support.toml:3: desk.zone: "Zurich" is not an IANA time zone'),
        ('[desk]\nzone = "Europe/Zurich"\nslack = 9\n', "support.toml:3: desk.slack: is not below peak"),
        (
            '[severity.1]\ntitle = "x"\nfirst_answer = "soon"\nnext_update = "1 hour"\n',
            'support.toml:3: severity.1.first_answer: is no amount of desk time (write it as "30',
        ),
        (
            '[severity.1]\ntitle = "x"\nfirst_answer = "0 hours"\nnext_update = "1 hour"\n',
            "support.toml:3: severity.1.first_answer: is nothing",
        ),
        (
            '[severity.1]\ntitle = "x"\nfirst_answer = "1 hour"\nnext_update = "1 hour"\nresolution = "2 hours"\n',
            "support.toml:5: severity.1.resolution: is not known here",
        ),
        (
            '[severity.1]\ntitle = "x"\nfirst_answer = "1 hour"\nnext_update = "1 hour"\n',
            "severity.2: is missing (add the table [severity.2])",
        ),
        (
            '[areas.api]\ntitle = "API"\n\nteam = "plattform"\nconfirmed = 2026-01-01\n',
            'support.toml:4: areas.api.team: there is no team "plattform" (did you mean "platform"?',
        ),
        (
            '[areas.general]\ntitle = "All"\nteam = "platform"\nconfirmed = 2026-01-01\n',
            "support.toml:1: areas.general: is the name for what nobody has placed yet",
        ),
        ("[on_call]\nmembers = []\nsince = 2026-01-01\n", "support.toml:2: on_call.members: is empty"),
        (
            '[on_call]\nmembers = ["a@b.example"]\nsince = 2026-01-01\nat = "09:00:00+01:00"\n',
            "support.toml:4: on_call.at: has a zone of its own",
        ),
    ],
)
def test_a_fault_is_named_by_file_line_and_fix(tmp_path: Path, text: str, said: str) -> None:
    """Whatever is wrong with an own file is refused on its line, with what to write."""
    with pytest.raises(UserError) as refused:
        own(tmp_path, text)
    assert said in str(refused.value)
    assert refused.value.fix


def test_an_area_that_is_none_is_refused_with_those_that_are() -> None:
    """A case's area is one of the rules', or general."""
    rules = load()
    assert rules.area("api") == "api"
    assert rules.area("general") == "general"
    with pytest.raises(UserError, match=r'there is no area "apis".*did you mean "api"'):
        rules.area("apis")


def test_promises_read_as_they_were_written() -> None:
    """The rules, dumped for a reader, say amounts in words."""
    dumped = load().model_dump(mode="json")
    assert dumped["severity"]["1"]["first_answer"] == "30 minutes"
    assert dumped["severity"]["2"]["next_update"] == "8 hours"
    assert dumped["areas"]["api"]["confirmed"] == date(2026, 10, 5).isoformat()


def test_the_manuals_rota_is_a_rota(tmp_path: Path) -> None:
    """What the manual shows of [on_call] is read, says what it says, and names every field that there is."""
    text = (ROOT / "docs" / "support.md").read_text()
    (shown,) = [block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if block.startswith("[on_call]")]
    rota = own(tmp_path, shown).on_call
    assert rota is not None
    assert rota.model_fields_set == set(OnCall.model_fields)
    assert (rota.days, rota.at) == (OnCall.model_fields["days"].default, OnCall.model_fields["at"].default)
    assert rota.begins("Europe/Zurich") == datetime(2026, 11, 30, 8, tzinfo=UTC)
