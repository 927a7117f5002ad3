"""`rapport account …`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapport.model.account import WrittenWork
from rapport.model.base import Refused
from rapport.model.reading import check
from rapport.rules.wording import amount
from starters.cli import account_new, succession
from starters.cli.common import command, out, table, told_stage, when
from starters.cli.portfolio import Portfolio, print_portfolio, read_portfolio
from starters.services import Actor, Services
from starters.use_cases import account as accounts, book as books
from starters.use_cases.account import AccountShown, ContactEdited, PersonShown
from starters.use_cases.book import BookImported
from starters.use_cases.files import told_by_line

Several = list[str] | None

app = typer.Typer(help="Accounts and their people.", no_args_is_help=True)
app.command("new")(account_new.new)
app.add_typer(succession.app)


def _split(said: list[str]) -> tuple[str, ...]:
    """What was given, each by itself or with commas."""
    return tuple(part.strip() for one in said for part in one.split(",") if part.strip())


def print_edited(shown: ContactEdited, account: str, email: str) -> None:
    """A contact as corrected, and what may still reach their address before that."""
    _print_work(shown)
    if shown.on_their_way:
        many = "One email was" if shown.on_their_way == 1 else f"{shown.on_their_way} emails were"
        told = f"{many} on the way to {email} already. To see what became of it: rapport message list {account}"
        out.print(told, markup=False, soft_wrap=True)
    if shown.to_send_again:
        told = amount(len(shown.to_send_again), "email to them failed and isn't", "emails to them failed and aren't")
        out.print(f"{told} sent by this. To send what failed to the new address:")
        for command_ in shown.to_send_again:
            out.print(f"  {command_}", markup=False, soft_wrap=True)


def _print_work(shown: PersonShown) -> None:
    out.print(f"{shown.name}, {shown.role}, {shown.email}", markup=False, soft_wrap=True)
    for name, known in shown.work.model_dump().items() if shown.work else ():
        text = ", ".join(known) if isinstance(known, list | tuple) else known
        out.print(f"  {name.replace('_', ' ')}: {text or 'not known'}", markup=False)


def _print(shown: AccountShown) -> None:
    out.print(f"[bold]{shown.name}[/bold]  ({shown.account})")
    if shown.contract:
        where = told_stage(shown.stage or ("done" if shown.ended else None), shown.state)
        since = when(shown.paused or shown.requested)
        where = f"begins {when(shown.begins)}" if shown.begins else f"{where}{f' since {since}' if since else ''}"
        out.print(f"contract {shown.contract}, playbook {shown.playbook}, {where}")
    rows = table("who", "address", "role", "zone")
    stands_in = f"TAM until {when(shown.tam_until)}" if shown.tam_until else "TAM"
    rows.add_row(shown.tam.name, shown.tam.email, stands_in, shown.tam.zone)
    if shown.regular_tam:
        rows.add_row(shown.regular_tam.name, shown.regular_tam.email, "regular TAM", shown.regular_tam.zone)
    for contact in shown.contacts:
        rows.add_row(contact.name, contact.email, contact.role, contact.zone)
    out.print(rows)
    succession.print_vacant(shown)


def _print_imported(shown: AccountShown) -> str | None:
    _print(shown)
    for one in shown.lacking:
        out.print(f"Before its onboarding can start: {one}", markup=False, soft_wrap=True)
    return f"Next: rapport onboarding start {shown.account}" if shown.contract and not shown.started else None


def _print_book(book: BookImported) -> str | None:
    rows = table("account", "file", "onboarding")
    for one in book.lines:
        began = f"{'started' if one.created else 'was started before'}{f' at {one.at}' if one.at else ''}"
        state = "not brought in" if one.problems else began if one.workflow_id else "not started"
        rows.add_row(one.account, one.file, state)
    out.print(rows)
    for one in book.lines:
        for problem in one.problems:
            out.print(problem, markup=False, soft_wrap=True)
    return None


def _print_brought_in(found: AccountShown | BookImported) -> str | None:
    return _print_book(found) if isinstance(found, BookImported) else _print_imported(found)


@command(
    app,
    "import",
    show=_print_brought_in,
    document=lambda found: found.lines if isinstance(found, BookImported) else found,
    fault=lambda found: (
        Refused.INVALID if isinstance(found, BookImported) and any(one.problems for one in found.lines) else None
    ),
)
async def import_(
    services: Services,
    file: Annotated[
        Path,
        typer.Argument(
            help="An account file, such as examples/versayce.toml, or a directory of them: a whole book. Its book.csv "
            "(account,at) says which are started, and at which step each enters."
        ),
    ],
) -> AccountShown | BookImported:
    """Bring an account and its people up to what a file says, or a whole directory of accounts. Safe to repeat."""
    if file.is_dir():
        return await books.import_book(services, books.read_book(file))
    written = accounts.read_file(file)
    with told_by_line(file):
        return await accounts.import_account(services, written)


@command(app, "list", show=print_portfolio, document=lambda found: found.lines)
async def list_(services: Services) -> Portfolio:
    """Every account: its stage, and what it waits for."""
    return await read_portfolio(services)


@command(app, show=_print)
async def show(services: Services, account: str) -> AccountShown:
    """One account with its people."""
    return await accounts.show(services, account)


@command(app, "edit-contact", show=print_edited)
async def edit_contact(
    services: Services,
    actor: Actor,
    account: str,
    email: str,
    languages: Annotated[Several, typer.Option("--languages", help="Programming languages, such as Python,Go.")] = None,
    projects: Annotated[Several, typer.Option("--projects", help="What they work on.")] = None,
    deployment: Annotated[Several, typer.Option("--deployment", help="What they deploy with.")] = None,
    previous_tools: Annotated[Several, typer.Option("--previous-tools", help="What they used before.")] = None,
    chat_channel: Annotated[str | None, typer.Option("--chat-channel", help="Where they can be reached.")] = None,
    new_email: Annotated[
        str | None, typer.Option("--new-email", help="Their corrected address.", metavar="EMAIL")
    ] = None,
) -> ContactEdited:
    """Record what is known of a contact; an empty text takes it back. To-dos to find it out end by it."""
    lists = {
        "languages": languages,
        "projects": projects,
        "deployment": deployment,
        "previous_tools": previous_tools,
    }
    given: dict[str, object] = {name: _split(said) for name, said in lists.items() if said is not None}
    if chat_channel is not None:
        given["chat_channel"] = chat_channel or None
    if new_email is not None:
        given["new_email"] = new_email
    return await accounts.edit_contact(services, account, email, check(WrittenWork, given, ""), actor)
