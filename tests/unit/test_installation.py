"""Where an installation's settings come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from rapport.settings import Settings
from starters.installation import STACK_FILE, Addresses, Ports, settings_of
from starters.stack import _embedded

EARLIER = "http://127.0.0.1:8701"


@pytest.fixture
def restarted(tmp_path: Path) -> Path:
    """The data directory of a stack that ran on another port before."""
    said = Addresses(data="", temporal="", ui="", http=EARLIER, smtp="", metrics="", mail_mode="live")
    (tmp_path / STACK_FILE).write_text(said.model_dump_json())
    return tmp_path


def embedded(settings: Settings) -> Settings:
    """The settings of a stack that starts on its default ports."""
    return _embedded(settings, Ports(http=8700, temporal=1, ui=2, smtp=3), None)


def test_a_stack_started_on_another_port_puts_that_port_into_mails(restarted: Path) -> None:
    """Links in mail lead to where the pages are now, whatever an earlier start on the same directory wrote down."""
    assert embedded(settings_of(restarted, beside_stack=False)).public_url == "http://127.0.0.1:8700"


def test_a_demo_lets_mails_go_at_any_hour_unless_it_is_told_not_to(tmp_path: Path) -> None:
    """Whoever tries the demo at night sees mails; `keep` in the settings makes them wait there as well."""
    ports = Ports(http=8700, temporal=1, ui=2, smtp=3)
    assert _embedded(Settings(data=tmp_path), ports, None, quiet_hours=False).quiet_hours == "ignore"
    assert _embedded(Settings(data=tmp_path), ports, None).quiet_hours == "keep"
    told = Settings(data=tmp_path, quiet_hours="keep")
    assert _embedded(told, ports, None, quiet_hours=False).quiet_hours == "keep"


def test_other_commands_take_the_running_stacks_address(restarted: Path) -> None:
    """A command beside a running stack knows where its pages are."""
    assert settings_of(restarted).public_url == EARLIER
