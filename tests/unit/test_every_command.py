"""What is so of every command: who acts is read in one place, and Temporal is asked by what needs it alone."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner, Result

from rapport.model.base import UserError
from starters.cli.main import app
from starters.installation import services as opened
from starters.services import Services
from tests.conftest import ROOT
from tests.mail_fixtures import empty, imported
from tests.support.cli import whole

__all__ = ["empty", "imported"]

ROBIN, INES, TOMAS, PRIYA = (
    f"{one}@foobar.example" for one in ("robin.keller", "ines.moreau", "tomas.novak", "priya.raman")
)
WHO: Final = {
    "case": PRIYA, "desk": PRIYA, "mail": INES, "audit": INES,
    "member": None, "access": None, "token": None, "account import": None,
}  # fmt: skip
"""In whose name these act here; all else is the TAM's."""
WITHOUT_TEMPORAL: Final = f"""
0 account import examples/versayce.toml
0 member import examples/members.toml
0 member import examples/reviews/members.toml
0 member list
0 member show {ROBIN}
0 absence add {ROBIN} --from 2090-07-03 --until 2090-07-07
0 absence list
0 absence end {{}}
0 access grant {INES} --reason R
0 access log
0 access revoke {INES} --reason R
0 account list
0 account show versayce
0 account edit-contact versayce luca.bianchi@versayce.example --projects P
0 account add-contact versayce --persona secondary_user --name N --email n@versayce.example --reason R --zone UTC
0 account remove-contact versayce n@versayce.example --reason R
0 account replace-contact versayce --persona primary_user --name P --email p@versayce.example --reason R
0 account erase-contact versayce p@versayce.example --reason R
2 account hand-over versayce --to {TOMAS} --reason R
5 account erase versayce --reason R
0 account withdraw-erasure versayce
4 account confirm-erasure versayce
0 timeline versayce
0 portfolio
0 inbox
0 usage add versayce --metric m --unit GB --day 2026-11-12 --value 1
0 usage import versayce examples/data/usage.csv
0 usage list versayce
0 usage remove versayce m
0 incident add versayce I-1 --title T --severity 3 --began 2026-11-12T10:00
0 incident close versayce I-1 --at 2026-11-12T11:00
0 incident import versayce examples/data/incidents.csv
0 incident list versayce
0 incident remove versayce I-1
0 project add versayce P-1 --title T
0 project import versayce examples/data/projects.csv
0 project list versayce
0 project remove versayce P-1
0 roadmap add R-1 --title T --expected 2027-Q3 --touches *=all
0 roadmap import examples/data/roadmap.csv
0 roadmap list
0 roadmap remove R-1
0 win add versayce W-1 --title T --day 2026-11-12
0 win import versayce examples/data/wins.csv
0 win list versayce
0 win remove versayce W-1
3 onboarding status versayce
5 onboarding start versayce
0 onboarding status versayce
5 onboarding pause versayce --reason R
2 onboarding resume versayce
5 onboarding resume versayce --reason R
5 onboarding skip versayce kickoff --reason R
5 onboarding redo versayce kickoff --reason R
5 onboarding complete versayce kickoff --reason R
5 onboarding adopt versayce self_serve --reason R
5 onboarding cancel versayce --reason R
5 meeting show versayce kickoff
5 meeting vote versayce kickoff 1
5 meeting book versayce kickoff --start 2090-07-03T10:00
5 meeting held versayce kickoff
4 meeting minutes versayce kickoff
5 meeting no-show versayce kickoff
5 meeting reschedule versayce kickoff --reason R
5 meeting cancel versayce kickoff --reason R
5 meeting propose versayce --title T --with primary_champion --minutes 30
0 meeting list versayce
0 blocker add versayce --title T --owner {ROBIN} --next-check 2090-07-03
0 blocker list
0 blocker check {{}} --next-check 2090-07-04
0 blocker remove {{}} --reason R
0 action list
3 action done A-1
3 cadence show versayce
5 cadence set versayce weekly --day tue --at 10:00
5 cadence skip versayce weekly 2090-07-04
5 cadence move versayce weekly 2090-07-04 --start 2090-07-05T10:00
5 cadence report versayce weekly 2026-11-10
5 case open versayce --question Q
0 case list
0 case show C-00001
5 case note C-00001 --text T
5 case context C-00001 --text T
5 case answer C-00001 --text T
5 case wait-customer C-00001 --text T
5 case customer-said C-00001 --text T
5 case resolve C-00001 --text T
5 case reopen C-00001 --text T
5 case assign C-00001 --to {PRIYA}
5 case hand-off C-00001 --text T
5 case classify C-00001 --severity 2
5 case escalate C-00001 --tried T --reproduction R --version V --logs L --impact I
5 case open versayce --question Q2
5 case merge C-00001 --into C-00002
5 case split C-00001 --question Q3
5 case to-review C-00001 --text T
0 desk status
0 desk rules
0 desk report
0 desk side-project add T --kind testing
0 desk side-project list
4 desk side-project take {{}}
4 desk side-project put-back {{}}
0 desk side-project look-again {{}} --on 2090-07-03
0 desk side-project done {{}}
3 task show task/versayce/onsite_approval/1
3 task decide task/versayce/onsite_approval/1 --option approve
3 task request task/versayce/onsite_approval/1
3 task decline task/versayce/onsite_approval/1
3 task ask task/versayce/onsite_approval/1 --question Q
3 task answer task/versayce/onsite_approval/1 --text T
5 review submit examples/reviews/air-gapped.toml
0 review list
0 review show TR-0001
4 review edit TR-0001 examples/reviews/air-gapped.toml
5 review feedback TR-0001 --text T --stance in_favour
5 review request-meeting TR-0001 --reason R
3 review meeting TR-0001
3 review book-meeting TR-0001 --start 2090-07-03T10:00
3 review meeting-held TR-0001 --text T
5 review withdraw TR-0001 --reason R
0 review record TR-0001
0 review needed versayce
2 review gate versayce g
0 review triage versayce --kind wish --what W
0 message list versayce
3 message show k
0 message preview meeting_invitation versayce
3 message edit k --subject S
3 message attach k examples/data/wins.csv
3 message detach k wins.csv
2 message approve --account versayce
2 message hold --account versayce
3 message resolve k sent
3 message resend k
4 mail status
0 mail stop --reason R
0 mail start --reason R
5 gap log --title T --description D --account versayce
0 gap show GAP-0001
0 gap list
0 gap link GAP-0001 --account versayce
5 gap status GAP-0001 --to considered --reason R
5 gap resend GAP-0001
0 token create t --scope read
0 token list
0 token revoke t
3 token link
0 token webhook-secret
0 audit verify
0 audit key
0 audit export versayce
0 member leave {TOMAS} --reason R
"""
"""Each command as somebody types it, one after the other, where no Temporal answers, and its exit code: 5 where it
needs a workflow. `{}` is the id that the last line gave."""


def every_command() -> Iterator[tuple[str, Any]]:
    """Each command that opens an installation, with what is typed for it."""

    def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
        for name, one in getattr(command, "commands", {}).items():
            yield from walk(one, f"{path} {name}".strip())
        if not hasattr(command, "commands"):
            yield path, command

    return ((name, one) for name, one in walk(whole(), "") if any("--as" in param.opts for param in one.params))


def typed(command: Any) -> list[str]:
    """Something for all that a command insists on."""
    words: list[str] = []
    for param in command.params:
        if param.required:
            named = [param.opts[0]] if param.param_type_name == "option" else []
            words += [*named, _SOMETHING.get(param.name, "x")]
    return words


_SOMETHING: Final = {"severity": "3", "value": "1", "how": "sent", "kind": "wish", "to": "planned", "minutes": "30"}


def test_in_whose_name_a_command_acts_is_read_in_one_place(
    imported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command acts as whom `--as` names, else as whom `RAPPORT_AS` does, else as whoever runs the host."""
    shutil.copy(imported, tmp_path / "rapport.db")
    named: list[str | None] = []

    @asynccontextmanager
    async def no_further(*args: Any, **kwargs: Any) -> AsyncIterator[Services]:
        async with opened(*args, **kwargs) as parts:
            named.append(parts.caller.named)
            if parts:
                raise UserError("no further")
            yield parts

    monkeypatch.setattr("starters.cli.common.services", no_further)
    found = {}
    for name, command in every_command():
        words = [*name.split(), *typed(command), "--data", str(tmp_path)]
        for more, setting in (([], None), ([], ROBIN), (["--as", TOMAS], ROBIN)):
            done = CliRunner().invoke(app, [*words, *more], env={"RAPPORT_AS": setting})
            assert "no further" in done.stderr, (name, done.output)
        found[name], named[:] = tuple(named), []
    assert {name: one for name, one in found.items() if one != (None, ROBIN, TOMAS)} == {}


def test_where_no_temporal_answers_what_needs_no_workflow_does(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What reads or writes the database alone does, and what needs a workflow says in one line what it lacks."""
    shutil.copy(empty, tmp_path / "rapport.db")
    (tmp_path / "secret").write_text("a secret of the tests, long enough")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    monkeypatch.chdir(ROOT)
    last, found, tried = "", {}, set()
    commands = {name for name, _ in every_command()}
    for line in WITHOUT_TEMPORAL.strip().splitlines():
        code, _, text = line.partition(" ")
        words = shlex.split(text.format(last))
        name = next(name for name in (" ".join(words[:count]) for count in (3, 2, 1)) if name in commands)
        who = WHO.get(name, WHO.get(words[0], ROBIN))
        done = CliRunner().invoke(app, [*words, "--data", str(tmp_path)], env={"RAPPORT_AS": who})
        assert isinstance(done.exception, SystemExit | None), (line, done.exc_info)
        if done.exit_code != int(code) or (done.exit_code == 5 and not in_one_line(done)):
            found[line] = done.output
        last = made[0] if (made := _ID.search(done.stdout)) else last
        tried.add(name)
    assert found == {}
    assert tried == commands


_ID: Final = re.compile(r"\b[a-z]+_[0-9a-f]{16}\b")


def in_one_line(done: Result) -> bool:
    """Whether it says in one line that Temporal does not answer."""
    return len(done.stderr.splitlines()) == 1 and "Temporal" in done.stderr
