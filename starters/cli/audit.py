"""`rapport audit`: is the timeline what was written?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapport.model.base import Refused
from rapport.rules.wording import amount
from rapport.storage.timeline import Verified
from starters.cli.common import command, out, table
from starters.services import Services
from starters.use_cases import audit, record_check
from starters.use_cases.audit import Export, Key
from starters.use_cases.record_check import RecordChecked

app = typer.Typer(
    help="The timeline's hash chain and the receipts of decisions: verify them, export them.", no_args_is_help=True
)


def _print_key(found: Key) -> None:
    out.print(found.public_key)
    for earlier in found.earlier:
        out.print(f"{earlier}  (an earlier one)")


def _print_export(exported: Export) -> None:
    rows = table("entry", "at", "kind", "who", "by way of", "verified by", "for", "shown", "hash")
    for entry in exported.entries:
        said = entry.said
        who = (said.actor if said else entry.who) or ""
        rows.add_row(
            str(entry.sequence),
            entry.at,
            entry.kind,
            exported.names.get(who, who),
            said.channel if said else "",
            said.verified if said else "",
            exported.names.get(said.on_behalf_of or "", said.on_behalf_of or "") if said else "",
            (said.shown or "")[:12] if said else "",
            entry.hash[:12],
        )
    out.print(rows)


def _print_verified(verified: Verified) -> None:
    if verified.whole:
        out.print(f"{verified.entries} entries, all as they were written.")
        if verified.before:
            out.print(f"{verified.before} more were so before. Next: rapport audit verify --all looks at them again.")
        if verified.receipts:
            out.print(f"{verified.receipts} receipts of decisions, all as they were signed.")
        return
    rows = table("account", "entry", "what", "when", "")
    for finding in verified.findings:
        rows.add_row(finding.account, str(finding.sequence or ""), finding.what, finding.at or "", finding.detail)
    for fault in verified.faults:
        rows.add_row(fault.ref, "", "receipt", "", fault.what)
    out.print(rows)


@command(app, show=_print_verified, fault=lambda verified: None if verified.whole else Refused.CONFLICT)
async def verify(
    services: Services,
    account: Annotated[str | None, typer.Argument(help="This account only; by default all.")] = None,
    again: Annotated[bool, typer.Option("--all", help="Also what was found whole before.")] = False,
) -> Verified:
    """Find every entry that is altered, missing, reordered or added, and every receipt of a decision that does not
    hold. Goes on from the last entry that was found as it was written. Exit code 4 if there is one."""
    return await audit.verify(services, account, again=again)


def _print_checked(found: RecordChecked) -> None:
    if found.whole:
        valid = amount(found.receipts, "valid receipt")
        out.print(f"{found.file}: unchanged since it was signed, with {valid}.", markup=False)
    for fault in found.faults:
        out.print(f"{found.file}: {fault}", markup=False, soft_wrap=True)


@command(
    app,
    "verify-record",
    show=_print_checked,
    fault=lambda found: None if found.whole else Refused.CONFLICT,
)
async def verify_record(
    file: Annotated[Path, typer.Argument(help="A record, as Markdown or HTML.", metavar="FILE")],
    key: Annotated[
        list[str],
        typer.Option("--key", help="The public key that signed it; repeat it for earlier ones.", metavar="HEX"),
    ],
) -> RecordChecked:
    """Check the record of a decision as a file alone: it needs the public key, and no database. Exit code 4 if it was
    changed, or signed with another key."""
    return record_check.verify_record(file, key)


@command(app, show=_print_key)
async def key(services: Services) -> Key:
    """The public key that signs the receipts of decisions; keep it elsewhere to check them without this place."""
    return await audit.key(services)


@command(app, show=_print_export)
async def export(services: Services, account: str) -> Export:
    """All entries of an account with their hashes; with --json, all that the hashes cover."""
    return await audit.export(services, account)
