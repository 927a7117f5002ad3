"""The installation that a command works on: its settings, and where its parts answer."""

from __future__ import annotations

import getpass
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from rapport.model.base import Refused, UserError, WireModel
from rapport.model.reading import read_json
from rapport.settings import Settings, read_settings
from rapport.storage.database import opened
from rapport.temporal import connect, on_demand
from starters.services import ON_HOST, Services

STACK_FILE: Final = "stack.json"


@dataclass(frozen=True)
class Ports:
    """Where the parts listen; 0 takes any free port."""

    http: int = 8700
    temporal: int = 7233
    ui: int = 8233
    smtp: int = 8025


class Addresses(WireModel):
    """Where the parts of an embedded stack answer, as `rapport up` writes them down for other commands.

    Attributes:
        workers: How many it runs.
        relay: The relay of one's own that mails go to, without user and password; nothing where they are caught.
    """

    data: str
    temporal: str
    ui: str
    http: str
    smtp: str
    metrics: str
    mail_mode: str
    quiet_hours: str = "keep"
    workers: int = 1
    relay: str | None = None


def settings_of(data: Path | None, *, beside_stack: bool = True) -> Settings:
    """The settings of an installation, with what its embedded stack says of itself.

    What the environment or `rapport.toml` say wins.

    Args:
        beside_stack: Ask the embedded stack. A stack that starts must not: what an earlier start wrote down is over.

    Raises:
        UserError: A setting has a value that makes no sense.
    """
    settings = read_settings(data)
    found: dict[str, object] = {}
    secret = settings.data / "secret"
    if settings.secret is None and secret.exists():
        found["secret"] = SecretStr(secret.read_text().strip())
    addresses = stack_of(settings.data) if beside_stack else None
    if addresses is not None:
        said = settings.model_fields_set
        found |= {
            name: value
            for name, value in {
                "public_url": addresses.http,
                "mail_mode": addresses.mail_mode,
                "quiet_hours": addresses.quiet_hours,
            }.items()
            if name not in said
        }
    return settings.model_copy(update=found)


def stack_of(data: Path) -> Addresses | None:
    """The embedded stack of a data directory, if one was started there."""
    path = data / STACK_FILE
    return read_json(Addresses, path.read_bytes()) if path.exists() else None


def temporal_of(settings: Settings) -> str | None:
    """Where Temporal answers: at the embedded stack's address, unless Temporal's own variables say something else."""
    stack = stack_of(settings.data)
    asked = os.environ.get("TEMPORAL_ADDRESS") or os.environ.get("TEMPORAL_PROFILE")
    return None if asked or stack is None else stack.temporal


def insist_on_database(settings: Settings) -> None:
    """Make no new database by looking for one.

    Raises:
        UserError: The database would be a file of the data directory, and there is none.
    """
    if settings.database_url is None and not (settings.data / "rapport.db").exists():
        raise UserError(
            f"there is no installation in {settings.data}",
            field="RAPPORT_DATA",
            fix="start one with `rapport demo` or `rapport up`, or set RAPPORT_DATA or RAPPORT_DATABASE_URL",
            kind=Refused.UNREACHABLE,
        )


@asynccontextmanager
async def services(data: Path | None, *, temporal: bool = True, as_: str | None = None) -> AsyncIterator[Services]:
    """Open the parts that use cases work with.

    Args:
        temporal: Whether Temporal is needed; else it is connected to once something asks it.
        as_: In whose name a command acts, by address; where it does not say, the settings do (`RAPPORT_AS`).

    Raises:
        UserError: There is no installation here, or Temporal is needed and does not answer.
        DatabaseFault: The database does not answer, or is of another version.
    """
    settings = settings_of(data)
    insist_on_database(settings)
    async with opened(settings.database) as store:
        await store.check()
        client = await (connect if temporal else on_demand)(temporal_of(settings))
        caller = replace(ON_HOST, user=os_user(), named=as_ or settings.as_)
        yield Services(settings, store, client, caller=caller)


def os_user() -> str:
    """The operating system's user, for the timeline."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
