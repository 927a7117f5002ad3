"""`rapport account new`: an account file, asked for question by question, or written out to be filled in."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from rapport.model.account import personas
from rapport.model.base import Refused, UserError
from starters.cli.common import Json, fail, out, print_json
from starters.use_cases.account import read_file

_HEAD = """\
# An account file. Fill in what stands between < and >, and take out what you don't need.
# Then: rapport account import {file}

"""
_OPTIONAL = """\
# Needed for meetings onsite: the enterprise playbook may hold its kickoff onsite
# where large_account or growth_potential is true, and does not start without it.
# place = "{name}, Example Street 1, Zurich"
# Who sends its emails: "write", "approve" or "auto"; left out, each step of the playbook decides.
# review = "approve"

# What is known of it, for the steps that are not for everyone. What no one has asked yet stays out.
# [account.facts]
# large_account = true
# on_prem = true
"""
_CONTRACT = """\
# Its first day, where that is not the day on which it was signed, and its last one.
# starts = 2027-01-01
# ends = 2027-12-31
# What was bought, where that is not the product that you sell to everyone, and the contract that it renews.
# product = "FooBar Tracing"
# renews = "ACME-2026"
"""
_PEOPLE = """\
# One table for each person there; at least one. Personas:
# {personas}.
# Who has several: personas = ["primary_champion", "key_business_contact"]
"""
_KNOWN = """\
# What is known of their work, for the emails that need it.
# languages = ["Python"]
# projects = ["checkout service"]
# deployment = ["Kubernetes"]
"""


def new(
    key: Annotated[str, typer.Argument(help="Its key: lower-case letters, digits and hyphens, such as versayce.")],
    file: Annotated[
        Path | None, typer.Option("--file", help="Where to write it; KEY.toml here unless named.", metavar="FILE")
    ] = None,
    ask: Annotated[
        bool | None, typer.Option("--ask/--no-ask", help="Ask for what it holds; by default where someone can answer.")
    ] = None,
    json: Json = False,
) -> None:
    """Write an account file: by asking for what it holds, or with comments that say what belongs in it."""
    path = file or Path(f"{key}.toml")
    try:
        if path.exists():
            raise UserError(
                f"{path.name} is there already", field="--file", fix="choose another name", kind=Refused.CONFLICT
            )
        asks = (sys.stdin.isatty() and not json) if ask is None else ask
        text = "".join(_blocks(_asked() if asks else _blanks(key), key, path.name))
        path.write_text(text, encoding="utf-8")
        if asks:
            read_file(path)
    except UserError as refusal:
        raise fail(refusal, as_json=json) from None
    except OSError as error:
        told = UserError(f"can't be written: {error.strerror}", field="--file", fix="choose another place")
        raise fail(told, as_json=json) from None
    if json:
        print_json({"file": str(path), "complete": asks})
    else:
        then = f"rapport account import {path}"
        wrote = f"Wrote {path}. Next: {then}" if asks else f"Wrote {path}. Fill it in. Next: {then}"
        out.print(wrote, markup=False, soft_wrap=True)


def _blanks(key: str) -> dict[str, Any]:
    """What stands in a file that nobody was asked for."""
    return {
        "account": {"name": "<its name>", "tam": "<the address of a team member who is a TAM>"},
        "contract": {"id": f"{key.upper()}-1", "signed_at": datetime.now(UTC).replace(microsecond=0)},
        "contacts": [
            {
                "persona": "primary_champion",
                "name": "<first and last name>",
                "email": "<address>",
                "zone": "Europe/Zurich",
                "country": "CH",
            }
        ],
    }


def _asked() -> dict[str, Any]:
    """What somebody answers."""
    account = {"name": typer.prompt("Name of the company"), "tam": typer.prompt("Address of its TAM")}
    contacts: list[dict[str, Any]] = []
    zone = "Europe/Zurich"
    while not contacts or typer.confirm("Is there someone else", default=False):
        name, email = typer.prompt("Name of a person there"), typer.prompt("Their address")
        known = ", ".join(personas())
        held = typer.prompt(f"What they are ({known}; several with commas)", default=next(iter(personas())))
        zone = typer.prompt("Their time zone", default=zone)
        country = typer.prompt("Their country, for its holidays, such as CH (empty if unknown)", default="")
        contact = {"personas": [one.strip() for one in held.split(",")], "name": name, "email": email, "zone": zone}
        contacts.append(contact | ({"country": country} if country else {}))
    given: dict[str, Any] = {"account": account, "contacts": contacts}
    contract = typer.prompt("The number of the signed contract (empty if none is signed yet)", default="")
    if contract:
        day = typer.prompt("Signed on", default=f"{datetime.now(UTC):%Y-%m-%d}")
        given["contract"] = {"id": contract, "signed_at": f"{day}T09:00:00Z"}
    return given


def _blocks(given: dict[str, Any], key: str, file: str) -> Iterator[str]:
    """The file, piece by piece, with what may be added as comments."""
    yield _HEAD.format(file=file)
    yield "[account]\n" + _lines({"key": key, **given["account"]}) + _OPTIONAL.format(name=given["account"]["name"])
    if "contract" in given:
        yield (
            "\n# Kept until you start it: rapport onboarding start "
            + key
            + "\n[contract]\n"
            + _lines(given["contract"])
            + _CONTRACT
        )
    yield "\n" + _PEOPLE.format(personas=", ".join(personas()))
    for number, contact in enumerate(given["contacts"]):
        yield ("\n" if number else "") + "[[contacts]]\n" + _lines(contact) + ("" if number else _KNOWN)


def _lines(table: dict[str, Any]) -> str:
    """TOML for a table of texts, lists of texts, and instants."""

    def written(value: Any) -> str:
        # A text of JSON is one of TOML as well, but for half characters, which no terminal gives.
        return (
            f"{value:%Y-%m-%dT%H:%M:%SZ}"
            if isinstance(value, datetime)
            else json_format.dumps(value, ensure_ascii=False)
        )

    return "".join(f"{name} = {written(value)}\n" for name, value in table.items())
