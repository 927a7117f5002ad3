"""Where an installation's settings come from."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st
from pydantic import SecretStr, ValidationError
from sqlalchemy import make_url

from rapport.mail.smtp import Relay
from rapport.model.base import UserError
from rapport.model.relay import FaultKind, fixed
from rapport.settings import Settings, read_settings
from starters.further_worker import _handed_on
from starters.installation import STACK_FILE, Addresses, Ports, settings_of
from starters.stack import _embedded
from tests.conftest import ROOT

MANUAL = ROOT / "docs" / "operating.md"
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
    with pytest.raises(UserError, match="RAPPORT_MAIL_ALLOWED_DOMAINS"):
        settings_of(None)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from the environment in which the tests run."""
    for name in list(os.environ):
        if name.upper().startswith("RAPPORT_"):
            monkeypatch.delenv(name)


def configured(data: Path, text: str) -> Settings:
    """The settings of a data directory with this `rapport.toml`."""
    (data / "rapport.toml").write_text(text)
    return read_settings(data)


@pytest.mark.usefixtures("bare")
def test_a_fault_names_the_settings_that_were_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has to mend it is sent to where the address, the password, the token and the sender were set."""
    file = tmp_path / "rapport.toml"
    settings = configured(tmp_path, 'smtp_url = "smtp+starttls://robin@relay.example:587"\nsmtp_password = "secret"')
    fix = fixed(FaultKind.PASSWORD, settings.relay_named)
    assert f"smtp_url in {file}" in fix
    assert f"smtp_password in {file}" in fix
    assert "RAPPORT" not in fix
    assert f"smtp_url in {file}" in fixed(FaultKind.CERTIFICATE, settings.relay_named)
    assert "RAPPORT_MAIL_FROM" in fixed(FaultKind.SENDER, settings.relay_named)
    monkeypatch.setenv("RAPPORT_SMTP_PASSWORD", "another")
    assert read_settings(tmp_path).relay_named.password == "RAPPORT_SMTP_PASSWORD"
    by_token = configured(tmp_path, 'smtp_token_command = "token"\nmail_from = "robin@foobar.example"')
    assert f"smtp_token_command in {file}" in fixed(FaultKind.PASSWORD, by_token.relay_named)
    assert f"smtp_token_command in {file}" in fixed(FaultKind.TOKEN, by_token.relay_named)
    assert f"mail_from in {file}" in fixed(FaultKind.MESSAGE, by_token.relay_named)
    monkeypatch.setenv("rapport_smtp_url", "smtps://robin:secret@relay.example")
    (tmp_path / "rapport.toml").write_text("")
    monkeypatch.delenv("RAPPORT_SMTP_PASSWORD")
    assert "password in RAPPORT_SMTP_URL" in fixed(FaultKind.PASSWORD, read_settings(tmp_path).relay_named)


@pytest.mark.usefixtures("bare")
def test_what_to_restart_is_what_runs(tmp_path: Path) -> None:
    """Where `rapport up` runs the workers, that is what is stopped and started."""
    settings = configured(tmp_path, 'smtp_url = "smtps://robin:x@relay.example"')
    assert fixed(FaultKind.PASSWORD, settings.relay_named).endswith(". Then restart the workers")
    (tmp_path / "temporal.db").touch()
    fix = fixed(FaultKind.PASSWORD, settings.relay_named)
    assert "Ctrl-C" in fix
    assert "restart the workers" not in fix


@pytest.mark.usefixtures("bare")
def test_no_fix_has_the_password(tmp_path: Path) -> None:
    """What a page or a log shows of a fault names settings, and never what they hold."""
    settings = configured(tmp_path, 'smtp_url = "smtps://robin:hunter2@relay.example"')
    for kind in FaultKind:
        assert not {"hunter2", "robin"} & set(re.split(r"\W+", fixed(kind, settings.relay_named)))


@pytest.mark.usefixtures("bare")
def test_a_further_worker_reads_the_file_itself(tmp_path: Path) -> None:
    """It is handed what its stack has chosen, and finds what stands in `rapport.toml` there, to name it."""
    settings = configured(tmp_path, 'smtp_url = "smtp://127.0.0.1:25"').model_copy(update={"public_url": EARLIER})
    given = _handed_on(settings)
    assert "RAPPORT_SMTP_URL" not in given
    assert (given["RAPPORT_PUBLIC_URL"], given["RAPPORT_DATA"]) == (EARLIER, str(tmp_path))


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(("name", "fix"), [("RAPPORT_SMTP_URL", "write smtp_url"), ("smtp_adress", "such as smtp_url")])
def test_a_name_that_is_no_setting_is_refused(tmp_path: Path, name: str, fix: str) -> None:
    """What would count for nothing in `rapport.toml` is said at once, and not found out by mail that does not go."""
    with pytest.raises(UserError, match=f"has no setting {name}") as refused:
        configured(tmp_path, f'{name} = "smtp://127.0.0.1:25"')
    assert fix in str(refused.value)


@pytest.mark.usefixtures("bare")
def test_the_manuals_example_of_the_file_is_read(tmp_path: Path) -> None:
    """`rapport.toml` as docs/operating.md shows it is one: each name is a setting, with the value that stands there."""
    (text,) = re.findall(r"^```toml\n(# rapport\.toml\n.*?)```", MANUAL.read_text(), re.MULTILINE | re.DOTALL)
    settings = configured(tmp_path, text)
    said = tomllib.loads(text)
    assert len(said) >= 5
    for name, value in said.items():
        read = getattr(settings, name)
        meant = tuple(value) if isinstance(value, list) else value
        assert (read.get_secret_value() if isinstance(read, SecretStr) else read) == meant
    assert Relay.parse(settings.relay).user is not None
