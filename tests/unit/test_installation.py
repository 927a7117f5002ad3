"""Where an installation's settings come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from sqlalchemy import make_url

from rapport.mail.smtp import Relay
from rapport.model.base import Refusal
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


@given(password=st.text(st.characters(codec="utf-8"), min_size=1))
@example(password="p@ss/w:o#r?d%41 &$")
@example(password="http://[::1]")
def test_a_password_may_hold_any_character(password: str) -> None:
    """A password that is set by itself reaches the database's driver and the relay as it is."""
    kept = SecretStr(password)
    url = SecretStr("postgresql+asyncpg://rapport@database:5432/rapport?ssl=disable")
    database = make_url(Settings(database_url=url, database_password=kept).database)
    assert (database.username, database.password, database.host) == ("rapport", password, "database")
    assert (database.port, database.database, database.query) == (5432, "rapport", {"ssl": "disable"})
    address = SecretStr("smtp+starttls://robin%40foobar.example:other@relay.example:587")
    relay = Relay.parse(Settings(smtp_url=address, smtp_password=kept).relay)
    assert (relay.user, relay.password, relay.host, relay.port) == (
        "robin@foobar.example",
        password,
        "relay.example",
        587,
    )


def test_a_database_in_a_file_needs_no_password(tmp_path: Path) -> None:
    """A password without a server changes nothing."""
    assert Settings(data=tmp_path, database_password=SecretStr("x")).database == f"sqlite:///{tmp_path}/rapport.db"
    url = SecretStr("sqlite:////var/rapport.db")
    assert Settings(database_url=url, database_password=SecretStr("x")).database == "sqlite:////var/rapport.db"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("smtp+starttls://robin:p/w@relay.example", "SMTP address|RAPPORT_SMTP_PASSWORD"),
        ("smtp+starttls://robin:1#2@relay.example", "RAPPORT_SMTP_PASSWORD"),
        ("smtp+starttls://robin:1?2@relay.example", "RAPPORT_SMTP_PASSWORD"),
        ("smtp+plain://robin:word@relay.example", "in clear"),
    ],
)
def test_a_relay_that_would_get_half_a_password_is_refused(url: str, why: str) -> None:
    """A character that ends the host ends nothing silently, and no password is sent in clear."""
    with pytest.raises(ValidationError, match=why):
        Settings(smtp_url=SecretStr(url))


@pytest.mark.parametrize("text", ['["Foobar.example", "versayce.example"]', "foobar.example, versayce.example"])
def test_domains_are_listed_as_people_write_them(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list in JSON, and one with commas, however it is spelled, is the same list."""
    monkeypatch.setenv("RAPPORT_MAIL_ALLOWED_DOMAINS", text)
    assert Settings().mail_allowed_domains == ("foobar.example", "versayce.example")


@pytest.mark.parametrize("text", ["robin@foobar.example", "foobar.example,,", "foobar.example versayce.example", "["])
def test_what_is_no_list_of_domains_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that would let nobody through, or everybody, starts nothing; the refusal names the setting."""
    monkeypatch.setenv("RAPPORT_MAIL_ALLOWED_DOMAINS", text)
    with pytest.raises(Refusal, match="RAPPORT_MAIL_ALLOWED_DOMAINS"):
        settings_of(None)
