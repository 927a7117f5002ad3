"""docker-compose.yml: who gets which settings, and what an operator counts on. No container is started."""

from __future__ import annotations

import re
import tomllib
from typing import Any
from unittest.mock import patch

import pytest
import uvicorn
from pydantic import SecretStr

from rapport.mail.smtp import Relay
from rapport.settings import Settings
from starters.further_worker import environment, variable
from tests.conftest import ROOT
from tests.support.compose_file import ComposeFile, duration
from worker import GRACE

OURS = ("setup", "worker", "http")
SECRETS = {"RAPPORT_SECRET": "a long random text", "POSTGRES_PASSWORD": "p@ss/w:o#r?d%41 &x"}
FILE = ComposeFile(SECRETS)

APART = {
    "data": "the image says where it is, and the file mounts it there",
    "as_": "whom a person's own commands act as; nobody acts as anybody for a whole installation",
}
"""The settings that the file does not pass on, and why."""

CHOSEN: dict[str, Any] = {
    "smtp_url": SecretStr("smtp+starttls://robin@relay.example:587"),
    "smtp_password": SecretStr("p@ss/w:o#r?d"),
    "mail_from": "onboarding@foobar.example",
    "mail_mode": "live",
    "mail_allowed_domains": ("foobar.example", "versayce.example"),
    "mail_rate": 20,
    "smtp_token_command": SecretStr("/var/lib/rapport/token --for relay"),
    "sweep_seconds": 60,
    "quiet_hours": "ignore",
    "public_url": "https://rapport.foobar.example",
    "links_sign_in": True,
    "paging_webhook_url": SecretStr("https://pager.example/hook"),
    "task_queue": "other",
    "slack_webhook_url": SecretStr("https://chat.example/hook"),
    "review_channel_mail": "reviews@foobar.example",
    "crm_webhook_url": SecretStr("https://crm.example/hook"),
    "crm_webhook_secret": SecretStr("whsec_c2VjcmV0LW9mLXRoZS10ZXN0cy1sb25nLWVub3VnaA=="),
    "log_level": "DEBUG",
}
"""What an operator may write into `.env`, as settings."""

GIVEN = {"database_url", "database_password", "secret"}
"""Settings that the file itself says, or takes from the two secrets."""


def read(variables: dict[str, str]) -> Settings:
    """The settings of a process that gets these variables and no others."""
    with patch.dict("os.environ", variables, clear=True):
        return Settings()


@pytest.mark.parametrize("service", OURS)
def test_every_setting_is_passed_on(service: str) -> None:
    """Each field of the settings can be set in `.env`, or stands on the short list with its reason."""
    passed = {name for name in FILE.services[service]["environment"] if name.startswith("RAPPORT_")}
    assert passed == {variable(field) for field in Settings.model_fields if field not in APART}
    assert not set(APART) - set(Settings.model_fields)


def test_the_manual_names_every_setting() -> None:
    """Whoever writes `.env` finds each variable in the table of docs/operating.md."""
    rows = re.findall(r"^\| `(RAPPORT_\w+)` \|", (ROOT / "docs" / "operating.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(variable(field) for field in Settings.model_fields)


@pytest.mark.parametrize("service", OURS)
def test_what_an_operator_writes_arrives(service: str) -> None:
    """What stands in `.env` is what the processes read, the list of allowed domains above all."""
    said = environment(Settings.model_construct(**CHOSEN))
    settings = read(ComposeFile({**SECRETS, **said}).environment(service))
    assert {name: getattr(settings, name) for name in CHOSEN} == CHOSEN
    assert settings.secret_bytes.decode() == SECRETS["RAPPORT_SECRET"]


def test_the_documented_example_can_send() -> None:
    """The example of `.env` in the manual says from whom email comes, and each of its names is passed on."""
    (example,) = re.findall(r"^```\n(RAPPORT_SECRET=.*?)```", (ROOT / "docs" / "operating.md").read_text(), re.M | re.S)
    said = dict(re.findall(r"^(\w+)='(.*)'$", example, re.M))
    assert set(said) <= set(ComposeFile(said).environment("http")) | {"POSTGRES_PASSWORD"}
    settings = read(ComposeFile(said).environment("worker"))
    assert (settings.mail_from, settings.mail_mode) == ("onboarding@foobar.example", "live")


@pytest.mark.parametrize(
    ("said", "proxy", "client"),
    [({}, "127.0.0.1", "127.0.0.1"), ({"FORWARDED_ALLOW_IPS": "172.16.0.0/12"}, "172.18.0.1", "203.0.113.9")],
    ids=["by default", "where it is named"],
)
async def test_a_proxy_is_believed_where_it_is_named_and_nowhere_else(
    said: dict[str, str], proxy: str, client: str
) -> None:
    """What a proxy says of its client counts with `FORWARDED_ALLOW_IPS` in `.env`; workers do not get that."""
    file = ComposeFile({**SECRETS, **said})
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["client"][0])

    with patch.dict("os.environ", file.environment("http"), clear=True):
        config = uvicorn.Config(app, log_config=None)
        config.load()
    headers = [(b"x-forwarded-for", b"203.0.113.9")]
    scope: Any = {"type": "http", "scheme": "http", "client": (proxy, 1), "headers": headers}
    await config.loaded_app(scope, None, None)
    assert seen == [client]
    assert "FORWARDED_ALLOW_IPS" not in file.environment("worker")


def test_two_secrets_are_enough_and_no_mail_goes_out() -> None:
    """With nothing else in `.env` the defaults hold: mail is off, and would go to the catcher."""
    settings = read(FILE.environment("worker"))
    relay = Relay.parse(settings.relay)
    assert (settings.mail_mode, relay.host, relay.port, relay.security) == ("off", "mail", 1025, "none")
    assert settings.model_fields_set == GIVEN | {"smtp_url"}


@pytest.mark.parametrize("missing", SECRETS)
def test_without_a_secret_nothing_starts(missing: str) -> None:
    """Compose refuses a file in which a secret is missing or empty, and says where to set it."""
    for others in ({name: value for name, value in SECRETS.items() if name != missing}, {**SECRETS, missing: ""}):
        with pytest.raises(KeyError, match=f"set {missing} in .env"):
            ComposeFile(others).services  # noqa: B018 - reading it is what is refused


def test_a_worker_is_let_finish() -> None:
    """Docker waits longer than a worker lets what is under way take."""
    assert duration(FILE.services["worker"]["stop_grace_period"]) > GRACE


def test_there_may_be_any_number_of_workers() -> None:
    """Nothing of a worker can be there only once, and nobody lives in a worker's network."""
    assert not {"ports", "container_name", "network_mode", "hostname"} & set(FILE.services["worker"])
    assert not [name for name, one in FILE.services.items() if "network_mode" in one]


def test_own_files_are_where_the_image_looks_for_them() -> None:
    """The data directory is a folder of the host, read-only like everything else but /tmp."""
    data = re.search(r"RAPPORT_DATA=(\S+)", (ROOT / "Dockerfile").read_text())
    assert data is not None
    for service in OURS:
        one = FILE.services[service]
        assert one["volumes"] == [f"./data:{data[1]}:ro"]
        assert (one["read_only"], one["tmpfs"]) == (True, ["/tmp"])


@pytest.mark.parametrize("service", FILE.services)
def test_no_service_takes_the_whole_machine(service: str) -> None:
    """Each has a limit of memory, logs that rotate, and a check of its health that ends."""
    one = FILE.services[service]
    assert one["mem_limit"]
    assert {"max-size", "max-file"} <= set(one["logging"]["options"])
    # `setup` ends; nothing waits for the UI, and its image promises no program to ask it with.
    if service not in ("setup", "temporal-ui"):
        assert duration(one["healthcheck"]["timeout"])


def test_nothing_is_open_to_others() -> None:
    """Whatever has a port has it on the loopback: a proxy that ends TLS stands before it."""
    ports = [port for one in FILE.services.values() for port in one.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_gets_no_secrets() -> None:
    """What lies beside the file for Compose, and for the developer, is no part of what the image is built from."""
    kept_out = (ROOT / ".dockerignore").read_text().split()
    assert {".env", "data", ".rapport", ".venv"} <= set(kept_out)


def test_the_documented_list_of_domains_is_one() -> None:
    """The example of `.env` in the operating manual gives a list that the settings read."""
    found = re.search(r"^RAPPORT_MAIL_ALLOWED_DOMAINS='(.*)'$", (ROOT / "docs" / "operating.md").read_text(), re.M)
    assert found is not None
    assert read({"RAPPORT_MAIL_ALLOWED_DOMAINS": found[1]}).mail_allowed_domains == tuple(found[1].split(", "))


def test_the_image_has_the_pinned_versions_only() -> None:
    """Every package of the image is one of the lock, by hash, and the build's own tool is pinned."""
    steps = (ROOT / "Dockerfile").read_text()
    assert "--require-hashes -r requirements.lock" in steps
    assert "--no-deps ." in steps
    (tool,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert re.fullmatch(r"hatchling==[\d.]+", tool)
