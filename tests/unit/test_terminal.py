"""What a reader at a terminal expects: names of which the beginning is enough, whole addresses, their own clock."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import cast

import pytest
from hypothesis import assume, given, strategies as st
from rich.console import Console
from temporalio.client import Client

from rapport.mail.outbox import Queue
from rapport.model.account import AccountFile
from rapport.model.base import Refused, UserError
from rapport.model.reading import read_toml
from rapport.model.relay import FaultKind
from rapport.playbooks import load
from rapport.settings import Settings
from rapport.storage import account as accounts, imports
from rapport.storage.contract import ContractState
from rapport.storage.database import Store
from starters.cli import onboarding as onboardings
from starters.cli.common import show_utc, table, when
from starters.cli.mail import mail_goes, print_mail
from starters.services import Services, present
from starters.use_cases import account as account_cases, playbook as playbooks
from starters.use_cases.mail_switch import DeferralsShown, MailStatus, RelayFaultShown, RelayLimitShown
from starters.use_cases.names import in_full, one_of
from starters.use_cases.onboarding import MilestoneShown, Started, Status
from tests.mail_fixtures import EXAMPLE

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)

WORDS = st.text("abcdefgh", min_size=1, max_size=12)
ADDRESSES = st.builds(lambda name, host: f"{name}@{host}.example", WORDS, WORDS)
CELLS = st.lists(WORDS | ADDRESSES, max_size=6).map(" ".join)


@pytest.fixture
async def services(store: Store, tmp_path: Path) -> Services:
    """An installation with the accounts versayce and versal; nothing here asks Temporal."""
    text = EXAMPLE.read_text().replace('key = "versayce"', 'key = "versal"')
    async with store.writing() as connection:
        await imports.save(connection, read_toml(AccountFile, text.encode(), "versal.toml"), present())
    return Services(Settings(data=tmp_path), store, cast("Client", None))


async def test_the_beginning_of_a_name_is_enough_where_it_is_only_ones(services: Services) -> None:
    """An account and a playbook can be called by as much of their name as is only theirs, several accounts each."""
    assert await in_full(services, {"account": "versay", "reason": "versay"}) == {"account": "versayce"}
    assert await in_full(services, {"account": ["versal", "versay"]}) == {"account": ["versal", "versayce"]}
    assert await in_full(services, {"account": None, "playbook": "enter"}) == {"playbook": "enterprise"}
    with pytest.raises(UserError) as caught:
        await in_full(services, {"account": "versa"})
    assert str(caught.value) == 'account: "versa" may be versal or versayce (write more of it)'


@given(st.lists(WORDS), WORDS)
def test_a_name_stands_for_itself_or_for_the_only_one_that_begins_like_it(known: list[str], text: str) -> None:
    """A whole name is never taken for a longer one, and what begins no name stays as it was typed."""
    begun = {name for name in known if name.startswith(text)}
    assume(text in known or len(begun) < 2)
    assert one_of(text, known, "account") == (text if text in known or not begun else begun.pop())


async def test_a_mistyped_name_is_answered_with_the_nearest(services: Services) -> None:
    """Accounts and playbooks that do not exist are refused with the one that was likely meant."""
    async with services.store.reading() as connection:
        with pytest.raises(UserError, match="there is no account") as caught:
            await accounts.account(connection, "versacye")
    assert caught.value.fix.startswith('did you mean "versayce"? ')
    assert caught.value.kind is Refused.NOT_FOUND
    with pytest.raises(UserError) as caught:
        load("entreprise")
    assert caught.value.fix.startswith('did you mean "enterprise"? ')


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=4), st.integers(40, 120))
def test_a_table_fits_and_breaks_no_address(rows: list[tuple[str, str, str]], width: int) -> None:
    """No line is longer than the terminal is wide, and every word stands in the output as it was written."""
    made = table("who", "address", "said")
    for row in rows:
        made.add_row(*row)
    written = io.StringIO()
    Console(file=written, width=width, highlight=False).print(made)
    lines = written.getvalue().splitlines()
    assert all(len(line.rstrip()) <= width for line in lines)
    told = {word for line in lines for word in line.split()}
    assert {word for row in rows for cell in row for word in cell.split()} <= told


@pytest.fixture
def in_utc() -> Iterator[None]:
    """What `--utc` does, taken back afterwards."""
    show_utc(True)
    yield
    show_utc(False)


@pytest.mark.usefixtures("in_utc")
def test_machines_read_utc() -> None:
    """With --utc an instant is told in UTC wherever the command runs."""
    assert when(datetime(2026, 12, 1, 8, 30, tzinfo=UTC)) == "2026-12-01 08:30 UTC"


@pytest.mark.parametrize(("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_heard(tmp_path: Path, more: dict[str, str], coloured: bool) -> None:
    """A refusal at a terminal is red, and without any colour where NO_COLOR is set (no-color.org)."""
    (tmp_path / "wrong.toml").write_text("x")
    command = [str(Path(sys.executable).with_name("rapport")), "playbook", "check", str(tmp_path / "wrong.toml")]
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    kept |= {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    done = subprocess.run(command, env=kept | more, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert ("\x1b[31m" in done.stderr) is coloured


@given(
    mode=st.sampled_from(["live", "off", "redirect:robin@foobar.example"]),
    stopped=st.booleans(),
    fault=st.booleans(),
    stuck=st.booleans(),
    limited=st.booleans(),
)
def test_the_mail_status_never_says_both_that_mail_goes_and_that_it_does_not(
    mode: str, stopped: bool, fault: bool, stuck: bool, limited: bool
) -> None:
    """Its first line names the mode and the one thing that keeps mail from going, or that it goes."""
    shown = MailStatus(
        mode=mode,
        quiet_hours="keep",
        stopped=stopped,
        stopped_by=None,
        stopped_at=None,
        sends=not (stopped or fault or mode == "off"),
        why_not=None,
        fault=RelayFaultShown(
            kind=FaultKind.PASSWORD, code=535, fix="x", since=NOW, probed_at=NOW, problem="no", remedy="x"
        )
        if fault
        else None,
        limited=RelayLimitShown(since=NOW, until=NOW, code=450, problem="too many", remedy="x") if limited else None,
        deferred=DeferralsShown(count=1, since=NOW, answers={}, none_sent=True, stuck=True) if stuck else None,
    )
    first = mail_goes(shown)
    assert first.startswith(f"mode {mode}")
    assert ("mail goes out" in first.replace("no mail goes out", "")) == (shown.sends and not stuck and not limited)
    assert ("no mail goes out" in first) == (mode == "off")


@pytest.mark.parametrize("width", [60, 80])
def test_the_status_names_the_keys_that_commands_take(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside its title, each step has its key, whole in a narrow window too: commands take keys alone."""
    playbook = load("enterprise", Path("nowhere"))
    steps = [
        MilestoneShown(step=one.name, title=one.title, stage=one.stage, state="waiting", at=None, outcome=None)
        for one in playbook.steps
    ]
    console = Console(file=io.StringIO(), width=width)
    monkeypatch.setattr(onboardings, "out", console)
    onboardings.print_status(
        Status(
            account="versayce",
            contract="C-1",
            workflow_id="onboarding/versayce",
            stage="kickoff",
            state=ContractState.RUNNING,
            paused=False,
            milestones=tuple(steps),
            waiting_on=(),
            next=None,
            live=True,
        )
    )
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert {one.step for one in steps} <= set(written.split())
    assert max(len(line) for line in written.splitlines()) <= width


def test_the_playbooks_can_be_listed(tmp_path: Path) -> None:
    """Each playbook that `playbook show` takes is in the list, an installation's own as well, by its file's name."""
    own = tmp_path / "playbooks" / "ours.toml"
    own.parent.mkdir()
    own.write_bytes(files("rapport.playbooks").joinpath("self_serve.toml").read_bytes())
    assert [one.name for one in playbooks.listed(tmp_path)] == ["enterprise", "growth", "ours", "renewal", "self_serve"]
    assert [one.name for one in playbooks.listed(tmp_path / "nowhere")] == [
        "enterprise",
        "growth",
        "renewal",
        "self_serve",
    ]


def test_a_start_names_the_next_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has started an onboarding is told how to follow it."""
    console = Console(file=io.StringIO(), width=60)
    monkeypatch.setattr(onboardings, "out", console)
    onboardings.print_started(Started(workflow_id="onboarding/versayce", run_id="r", created=True))
    assert "Next: rapport onboarding status versayce\n" in console.file.getvalue()  # type: ignore[attr-defined]


async def test_an_import_says_what_a_start_would_be_refused_for(services: Services) -> None:
    """A large account without an address is told so at its import, while the file is still at hand."""
    for key, place, told in (("near", "Zurich", 0), ("far", None, 1)):
        text = EXAMPLE.read_text().replace('key = "versayce"', f'key = "{key}"').replace("VERSAYCE-", f"{key.upper()}-")
        file = read_toml(AccountFile, text.replace("on_prem = true", "large_account = true").encode(), f"{key}.toml")
        file = file.model_copy(update={"account": file.account.model_copy(update={"place": place})})
        said = (await account_cases.import_account(services, file)).lacking
        assert (len(said), "account.place" in str(said)) == (told, bool(told))


@pytest.mark.parametrize(
    ("count", "told"), [(1, "1 email is waiting to go out"), (3, "3 emails are waiting to go out")]
)
def test_what_waits_to_go_out_is_counted(count: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Also while nothing is wrong: after a relay was mended, what had waited goes at the mailbox's rate."""
    shown = MailStatus(
        mode="live", quiet_hours="keep", stopped=False, stopped_by=None, stopped_at=None, sends=True, why_not=None
    )
    print_mail(shown)
    assert "waiting" not in capsys.readouterr().out
    print_mail(shown.model_copy(update={"queued": Queue(count=count, since=NOW)}))
    assert told in capsys.readouterr().out
