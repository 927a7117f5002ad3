"""`rapport portfolio`, and `rapport account list`, which shows the same."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import typer

from rapport.model.commands import reading_drafts
from rapport.rules.wording import amount
from starters.cli.common import command, out, print_checked, table, told_stage, when
from starters.cli.mail import print_mail
from starters.services import Services
from starters.use_cases import account as accounts, mail_switch
from starters.use_cases.account import AccountLine
from starters.use_cases.mail_switch import MailStatus

app = typer.Typer()


def add_to(root: typer.Typer) -> None:
    """Add the command, which has no noun."""
    root.add_typer(app)


Tam = Annotated[str | None, typer.Option("--tam", help="Only the accounts that this member serves.", metavar="EMAIL")]


class Portfolio(NamedTuple):
    """Every account, and whether email goes out."""

    lines: list[AccountLine]
    mail: MailStatus | None = None


async def read_portfolio(services: Services, tam: str | None = None) -> Portfolio:
    """Every account, or those of one TAM, and whether email goes out."""
    return Portfolio(await accounts.portfolio(services, tam), await mail_switch.status(services))


def print_portfolio(found: Portfolio) -> None:
    """Every account, with what it waits for, since when, and the way out; above them, why no email goes out."""
    lines, mail = found
    if mail is not None and not mail.sends:
        print_mail(mail)
        out.print()
    if not lines:
        out.print("No accounts yet. Bring one in with `rapport account import FILE`.")
        return
    rows = table("account", "stage", "waits for", "since", "due")
    for line in lines:
        due = f"[red]{when(line.deadline)}[/red]" if line.overdue else when(line.deadline)
        rows.add_row(line.account, told_stage(line.stage, line.state), line.waiting_for or "", when(line.since), due)
        for one in line.others:
            due = f"[red]{when(one.deadline)}[/red]" if one.overdue else when(one.deadline)
            rows.add_row("", one.kind, f"{one.ref}: {one.waiting_for or 'nothing'}", when(one.since), due)
        if line.drafts:
            rows.add_row("", "drafts", f"{amount(line.drafts, 'email')} to read", "", "")
    out.print(rows)
    print_checked(lines[0].checked)
    for line in lines:
        ways = [way for way in (line.unblock, *(one.unblock for one in line.others)) if way]
        ways += [reading_drafts(line.account)] if line.drafts and not line.tam_left else []
        if ways:
            out.print(f"\nNext for {line.account}:\n  " + "\n  ".join(ways), soft_wrap=True, markup=False)


@command(app, show=print_portfolio, document=lambda found: found.lines)
async def portfolio(services: Services, tam: Tam = None) -> Portfolio:
    """Every account: stage, what it is waiting for, since when, and the next step."""
    return await read_portfolio(services, tam)
