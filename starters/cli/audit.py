"""`rapport audit`: is the timeline what was written?"""

from __future__ import annotations

from typing import Annotated

import typer

from rapport.model.base import Refused
from starters.cli.common import EXIT, Data, Json, out, print_json, table, with_office
from starters.commands import audit

app = typer.Typer(help="The timeline's hash chain: verify it, export it.", no_args_is_help=True)


@app.command()
def verify(
    account: Annotated[str | None, typer.Argument(help="This account only; by default all.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Find every entry that is altered, missing, reordered or added. Exit code 4 if there is one."""
    verified = with_office(data, lambda office: audit.verify(office, account), as_json=json)
    if json:
        print_json(verified)
    elif verified.whole:
        out.print(f"{verified.entries} entries, all as they were written.")
    else:
        rows = table("account", "entry", "what", "when", "")
        for finding in verified.findings:
            rows.add_row(finding.account, str(finding.sequence or ""), finding.what, finding.at or "", finding.detail)
        out.print(rows)
    if not verified.whole:
        raise typer.Exit(EXIT[Refused.CONFLICT])


@app.command()
def export(account: str, data: Data = None, json: Json = False) -> None:
    """All entries of an account with their hashes; with --json, all that the hashes cover."""
    exported = with_office(data, lambda office: audit.export(office, account), as_json=json)
    if json:
        print_json(exported)
        return
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
