"""Settings, from the environment and `rapport.toml` in the data directory. Only worker.py and starters read them."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
import shlex
import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from rapport.model.account import Role
from rapport.model.base import Email, UserError, mail_address
from rapport.model.relay import RelaySettings


def _mail_mode(value: str) -> str:
    if value in ("off", "live"):
        return value
    head, _, address = value.partition(":")
    if head == "redirect" and address:
        return f"redirect:{mail_address(address)}"
    raise ValueError('is not a mail mode; write "off", "live" or "redirect:someone@example.com"')


def _listed(value: object) -> object:
    """A list in JSON, or with commas between."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.lstrip().startswith("[") else value.split(",") if value.strip() else ()


def _domain(value: str) -> str:
    name = value.strip().lower()
    if not _DOMAIN.fullmatch(name):
        raise ValueError('is not a domain; write "foobar.example", with commas between several')
    return name


def _host(value: str) -> str:
    host = value.strip().strip("[]").lower()
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        if _DOMAIN.fullmatch(host):
            return host
    raise ValueError('is not a host; write "calendar.foobar.example" or an address, without a port') from None


def _issuer(value: str) -> str:
    parts = urlsplit(value)
    loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or parts.scheme not in (("https", "http") if loopback else ("https",)):
        raise ValueError("is not the address of a provider; write the https address that it calls its issuer")
    if parts.query or parts.fragment or parts.username:
        raise ValueError("has more than an address in it; write the issuer as the provider writes it")
    return value


def _of_groups(value: object) -> object:
    """Pairs of a group and a role: a table, or "group=role" with commas between."""
    if isinstance(value, dict):
        return tuple(value.items())
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return tuple(tuple(part.strip() for part in one.rsplit("=", 1)) for one in value.split(",") if one.strip())


def _smtp_url(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in ("smtp", "smtp+starttls", "smtps", "smtp+plain") or not parts.hostname:
        raise ValueError('is not an SMTP address; write "smtp+starttls://user:password@host:587"')
    if parts.path.strip("/") or parts.query or parts.fragment:
        # Everything from the first of these characters on would silently be no part of the password.
        raise ValueError("goes on after the host; a password with / ? or # belongs into RAPPORT_SMTP_PASSWORD")
    if parts.scheme == "smtp+plain" and parts.username:
        raise ValueError("would send user and password in clear; write smtp+starttls:// or smtps://")
    if parts.port == 0:  # a port over 65535 is refused by the property itself
        raise ValueError("names port 0; write the relay's port, such as 587")
    return value


def _command(value: SecretStr) -> SecretStr:
    try:
        words = shlex.split(value.get_secret_value())
    except ValueError:
        words = []
    if not words:
        raise ValueError("is not a command; write its path and arguments, with quotation marks around blanks")
    return value


def _database_url(value: SecretStr) -> SecretStr:
    try:
        known = make_url(value.get_secret_value()).drivername in ("sqlite", "postgresql+asyncpg")
    except (ArgumentError, ValueError):
        known = False
    if not known:
        raise ValueError(
            'is not the address of a database; write "postgresql+asyncpg://user:password@host/name", with what is '
            "special in user and password percent-encoded"
        )
    return value


def _webhook_url(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or parts.scheme not in (("https", "http") if loopback else ("https",)):
        raise ValueError("is not the address of a webhook; write the https address that its receiver gave you")
    return value


def _webhook_secret(value: SecretStr) -> SecretStr:
    try:
        key = base64.b64decode(value.get_secret_value().removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if len(key) < _SHORTEST_KEY:
        raise ValueError("is not a secret of Standard Webhooks; write whsec_ and at least 24 random bytes in base64")
    return value


def _with_password(url: SecretStr, password: SecretStr | None) -> str:
    """An address with the password in it, encoded (RFC 3986), so that it may hold any character."""
    parts = urlsplit(url.get_secret_value())
    if password is None or not parts.netloc:
        return url.get_secret_value()
    userinfo, _, host = parts.netloc.rpartition("@")
    user = userinfo.partition(":")[0]
    return parts._replace(netloc=f"{user}:{quote(password.get_secret_value(), safe='')}@{host}").geturl()


_SHORTEST_KEY = 24
"""How many bytes Standard Webhooks wants at least."""


_DOMAIN = re.compile(r"[^\s@,/:]+")
_Domain = Annotated[str, AfterValidator(_domain)]
_Host = Annotated[str, AfterValidator(_host)]


EMBEDDED_TEMPORAL: Final = "temporal.db"
"""The file of Temporal's server in a data directory where `rapport up` runs all parts itself."""


class Settings(BaseSettings):
    """Everything that an installation can set. The names in the environment begin with `RAPPORT_`.

    Attributes:
        data: The one directory that Rapport writes to.
        database_url: SQLAlchemy's address of the database; by default SQLite in the data directory.
        database_password: The password for it, where that is not in the address. Any character is taken as it is.
        smtp_url: The relay: `smtp://`, `smtp+starttls://` or `smtps://`, with user and password; `smtp+plain://` sends
            without encryption.
        smtp_password: The password for it, likewise.
        smtp_token_command: A command whose output is an access token, to sign in with instead of a password
            (XOAUTH2). It is run without a shell, as whoever runs the workers.
        mail_rate: How many mails a minute the mailbox sends at the most; 0 is no limit.
        mail_from: The mailbox that every mail comes from, and that organises the meetings.
        mail_mode: `off`, `redirect:ADDRESS` or `live`.
        mail_allowed_domains: Where not empty, mails go to these domains only.
        quiet_hours: `keep`: what need not go at once waits for its reader's working time; `ignore`: it does not.
        public_url: The address under which people reach the pages; links in mail begin with it.
        secret: Signs sessions, message ids and webhooks.
        as_: The member that a command acts as, by address, unless it says `--as`.
        links_sign_in: Whether opening the mailed link of a task signs its reader in for that one decision, without a
            sign-in of their own. Weaker: whoever gets hold of the mail can decide.
        paging_webhook_url: Where whoever is on call is paged; without it severity 1 keeps the desk's hours.
        paging_lead_webhook_url: Where the support lead is paged once that one has refused three times; without it, by
            the same webhook.
        paging_webhook_secret: What both are signed with.
        task_queue: Temporal's task queue.
        sweep_seconds: How often it is looked for what is due and nobody is at work on.
        slack_webhook_url: Where reviews are mirrored into a Slack channel: the address of an incoming webhook. Whoever
            knows it can write there, so it is as secret as a password.
        review_channel_mail: The mailbox that gets the same, such as a list's.
        fetch_allowed_hosts: The hosts that members' calendars may be fetched from although they are not public.
        oidc_issuer: The provider by which members sign in, by OpenID Connect, as it calls itself.
        oidc_client_id, oidc_client_secret: What we are there; a public client has no secret.
        oidc_name: What the sign-in page calls the provider.
        oidc_scope: What is asked of it; groups may want one more.
        oidc_groups_claim: The claim that lists somebody's groups.
        oidc_roles: The role that each group gives; without any, groups change no roles.
        crm_webhook_url, crm_webhook_secret: Where product gaps are sent, and what that is signed with.
    """

    model_config = SettingsConfigDict(env_prefix="RAPPORT_", extra="ignore", hide_input_in_errors=True)

    data: Path = Path(".rapport")
    database_url: Annotated[SecretStr, AfterValidator(_database_url)] | None = None
    database_password: SecretStr | None = None
    smtp_url: Annotated[SecretStr, AfterValidator(_smtp_url)] = SecretStr("smtp://127.0.0.1:8025")
    smtp_password: SecretStr | None = None
    smtp_token_command: Annotated[SecretStr, AfterValidator(_command)] | None = None
    mail_rate: Annotated[int, Field(ge=0, le=100_000)] | None = None
    mail_from: Email = "rapport@vendor.example"
    mail_mode: Annotated[str, AfterValidator(_mail_mode)] = "off"
    mail_allowed_domains: Annotated[tuple[_Domain, ...], NoDecode, BeforeValidator(_listed)] = ()
    quiet_hours: Literal["keep", "ignore"] = "keep"
    public_url: str = "http://127.0.0.1:8700"
    secret: SecretStr | None = None
    as_: Annotated[Email | None, Field(validation_alias="RAPPORT_AS")] = None
    links_sign_in: bool = False
    paging_webhook_url: Annotated[SecretStr, AfterValidator(_webhook_url)] | None = None
    paging_lead_webhook_url: Annotated[SecretStr, AfterValidator(_webhook_url)] | None = None
    paging_webhook_secret: Annotated[SecretStr, AfterValidator(_webhook_secret)] | None = None
    task_queue: str = "rapport"
    slack_webhook_url: Annotated[SecretStr, AfterValidator(_webhook_url)] | None = None
    review_channel_mail: Email | None = None
    crm_webhook_url: Annotated[SecretStr, AfterValidator(_webhook_url)] | None = None
    crm_webhook_secret: Annotated[SecretStr, AfterValidator(_webhook_secret)] | None = None
    oidc_issuer: Annotated[str, AfterValidator(_issuer)] | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_name: Annotated[str, Field(max_length=60)] = "your company account"
    oidc_scope: str = "openid email"
    oidc_groups_claim: str = "groups"
    oidc_roles: Annotated[tuple[tuple[str, Role], ...], NoDecode, BeforeValidator(_of_groups)] = ()
    fetch_allowed_hosts: Annotated[tuple[_Host, ...], NoDecode, BeforeValidator(_listed)] = ()
    sweep_seconds: Annotated[int, Field(ge=5, le=3600)] = 120
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def hook_hosts(self) -> tuple[str, ...]:
        """The hosts of the webhooks that stand in these settings: who wrote them there has allowed them."""
        hooks = (self.paging_webhook_url, self.paging_lead_webhook_url, self.slack_webhook_url, self.crm_webhook_url)
        return tuple(urlsplit(url.get_secret_value()).hostname or "" for url in hooks if url is not None)

    @property
    def caught(self) -> Path:
        """The folder in which the embedded stack's catcher keeps its mails."""
        return self.data / "mail"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is handed in wins over the environment, and that over `rapport.toml`."""
        handed_in = init_settings().get("data")
        data = Path(handed_in or os.environ.get("RAPPORT_DATA", ".rapport"))
        file = TomlConfigSettingsSource(settings_cls, data / "rapport.toml")
        return init_settings, env_settings, file, file_secret_settings

    @property
    def secret_bytes(self) -> bytes:
        """The secret, where nothing goes without it.

        Raises:
            UserError: None is set.
        """
        if self.secret is None:
            raise UserError(
                "is not set",
                field="RAPPORT_SECRET",
                fix="set it to a long random text, the same for every process; `rapport up` makes one by itself",
            )
        return self.secret.get_secret_value().encode()

    @property
    def database(self) -> str:
        """The database's address."""
        if self.database_url is not None:
            return _with_password(self.database_url, self.database_password)
        return f"sqlite:///{self.data.absolute() / 'rapport.db'}"

    @property
    def relay(self) -> str:
        """The relay's address, with its password."""
        return _with_password(self.smtp_url, self.smtp_password)

    @property
    def relay_named(self) -> RelaySettings:
        """What the settings are called that lead to the relay, as they were given."""
        return RelaySettings(
            address=self.named("smtp_url"),
            password=None if self.smtp_password is None else self.named("smtp_password"),
            token=None if self.smtp_token_command is None else self.named("smtp_token_command"),
            sender=self.named("mail_from"),
            allowed=self.named("mail_allowed_domains"),
            restart=self.restart,
        )

    @property
    def restart(self) -> str:
        """What to do for the workers to read files and settings again."""
        embedded = (self.data / EMBEDDED_TEMPORAL).exists()
        return "press Ctrl-C where Rapport runs, and run `rapport up` again" if embedded else "restart the workers"

    def named(self, field: str) -> str:
        """What a setting is called where it was given: its variable, or its name in `rapport.toml`."""
        variable = f"RAPPORT_{field.upper()}"
        if variable in {name.upper() for name in os.environ} or field not in self.in_file:
            return variable
        return f"{field} in {self.data / 'rapport.toml'}"

    @property
    def in_file(self) -> frozenset[str]:
        """The names that stand in `rapport.toml`."""
        file = self.data / "rapport.toml"
        return frozenset(tomllib.loads(file.read_bytes().decode())) if file.is_file() else frozenset()


def _insist_known(settings: Settings) -> Settings:
    """Settings whose `rapport.toml` has no name that there is no setting of: it would count for nothing, unsaid."""
    fields = Settings.model_fields
    for name in settings.in_file:
        if name not in fields and name not in {field.validation_alias for field in fields.values()}:
            meant = name.lower().removeprefix("rapport_")
            fix = f"write {meant}" if meant in fields else "write a name of docs/operating.md, such as smtp_url"
            raise UserError(f"has no setting {name[:60]}", field=str(settings.data / "rapport.toml"), fix=fix)
    return settings


def read_settings(data: Path | None = None) -> Settings:
    """The settings of this process.

    Args:
        data: The data directory, unless the environment names it.

    Raises:
        UserError: A setting has a value that makes no sense, or `rapport.toml` is none.
    """
    try:
        settings = Settings(data=data) if data is not None else Settings()
        return _insist_known(settings)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in detail["loc"]).upper()
        field = name if name.startswith("RAPPORT_") else f"RAPPORT_{name}"
        raise UserError(detail["msg"].removeprefix("Value error, "), field=field, fix="correct the setting") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        file = (data or Path(os.environ.get("RAPPORT_DATA", ".rapport"))) / "rapport.toml"
        raise UserError(f"is no TOML: {error}", field=str(file), fix="correct the file") from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", field=str(error.filename), fix="see who owns it") from None
