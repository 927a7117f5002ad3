"""`rapport demo`, `rapport up`, `rapport setup`: starting an installation."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer
from rich.markup import escape

from rapport.model.account import AccountFile
from rapport.model.base import Refused, UserError
from rapport.model.reading import read_toml
from rapport.schedules import register_schedules
from rapport.settings import read_settings
from rapport.storage.database import opened
from rapport.temporal import connect, on_demand, register_search_attributes
from starters.cli.common import command, err, out, print_json
from starters.installation import Ports, os_user, settings_of, temporal_of
from starters.secrets import kept, make_private, private
from starters.services import ON_HOST, Services
from starters.use_cases import access, desk, onboarding, sign_in
from starters.use_cases.onboarding import Started, StartRequest
from starters.use_cases.token import OWNER

if TYPE_CHECKING:
    from starters.stack import Stack

app = typer.Typer()

LEFT_TO_UP: Final = "left to `rapport up`"


class Serving(NamedTuple):
    """How the embedded stack is served."""

    http_port: Annotated[
        int, typer.Option("--http-port", help="Pages and API; 0 for any free port.", min=0, max=65535)
    ] = 8700
    temporal_port: Annotated[int, typer.Option("--temporal-port", help="Temporal's gRPC port.", min=0, max=65535)] = (
        7233
    )
    ui_port: Annotated[int, typer.Option("--ui-port", help="Temporal's UI.", min=0, max=65535)] = 8233
    smtp_port: Annotated[int, typer.Option("--smtp-port", help="The mail catcher.", min=0, max=65535)] = 8025
    workers: Annotated[
        int,
        typer.Option(
            "--workers", help="How many; each takes a core while there is much to do, and memory.", min=1, max=16
        ),
    ] = 2
    durable: Annotated[
        bool,
        typer.Option(
            "--durable", help="Write through to the disk at each commit; survives a power cut, a quarter slower."
        ),
    ] = False


def add_to(root: typer.Typer) -> None:
    """Add the commands, which have no noun."""
    root.add_typer(app)


@command(app, show="", document=None)
async def demo(
    data: Path | None,
    json: bool,
    serving: Serving,
    drafts: Annotated[
        bool, typer.Option("--drafts", help="The welcome waits as drafts that the TAM reads and sends.")
    ] = False,
) -> None:
    """Start the embedded stack with an example account. Ctrl-C stops it; starting again goes on where it was."""
    await _serve(data, serving, example=example_account(review="approve" if drafts else "auto"), as_json=json)


@command(app, show="", document=None)
async def up(data: Path | None, json: bool, serving: Serving) -> None:
    """Start the embedded stack: Temporal, workers, HTTP and a mail catcher, all on the loopback."""
    await _serve(data, serving, example=None, as_json=json)


def _print_set_up(done: dict[str, str]) -> None:
    if "administrator" in done:
        out.print(f"{done['administrator']} is an administrator.", markup=False)
    if done["search_attributes"] == LEFT_TO_UP:
        out.print("The database is up to date. Temporal does not answer yet: `rapport up` starts it and does the rest.")
    else:
        out.print("The database is up to date; search attributes and schedules are registered.")


@command(app, show=_print_set_up)
async def setup(
    data: Path | None,
    administrator: Annotated[
        str | None,
        typer.Option(help='Who is an administrator from now on: "Name <address>", or a member\'s address.'),
    ] = None,
) -> dict[str, str]:
    """Prepare a real cluster: migrations, search attributes, schedules. Safe to repeat."""
    return await _set_up(data, administrator)


def example_account(review: str) -> AccountFile:
    """The example account, with its mails sent by itself or read by the TAM first."""
    raw = files("examples").joinpath("versayce.toml").read_bytes()
    file = read_toml(AccountFile, raw, "versayce.toml")
    return file.model_copy(update={"account": file.account.model_copy(update={"review": review})})


async def _set_up(data: Path | None, administrator: str | None) -> dict[str, str]:
    """Bring all up to date; naming an administrator needs nothing but the database, and comes before Temporal.

    Raises:
        UserError: Temporal does not answer, and no `rapport up` will do its part; or nobody can be named so.
    """
    settings = settings_of(data)
    with private():
        if settings.database_url is None:
            make_private(settings.data)
        async with opened(settings.database) as store:
            await store.migrate()
        if settings.database_url is None:
            kept(settings.data / "secret")
    done = {"database": "current"}
    if administrator is not None:
        async with opened(settings.database) as store:
            caller = replace(ON_HOST, user=os_user())
            parts = Services(settings, store, await on_demand(temporal_of(settings)), caller=caller)
            done["administrator"] = await access.name_administrator(parts, administrator)
    try:
        client = await connect(temporal_of(settings))
    except UserError as refusal:
        if administrator is None:
            raise
        if settings.database_url is None:
            return done | {"search_attributes": LEFT_TO_UP, "schedules": LEFT_TO_UP}
        problem = f"{done['administrator']} is an administrator, but {refusal.problem}"
        raise UserError(problem, field=refusal.field, fix=refusal.fix, kind=Refused.UNREACHABLE) from None
    await register_search_attributes(client)
    await register_schedules(client, settings.task_queue, settings.sweep_seconds)
    await desk.start(client, settings.task_queue)
    return done | {"search_attributes": "registered", "schedules": "registered"}


async def _serve(data: Path | None, serving: Serving, *, example: AccountFile | None, as_json: bool) -> None:
    """Run the stack until it is told to stop."""
    from starters.stack import running, signals

    asked = signals()
    sender = f"onboarding@{example.account.tam.partition('@')[2]}" if example else None
    parts = running(
        data or read_settings().data,
        Ports(serving.http_port, serving.temporal_port, serving.ui_port, serving.smtp_port),
        workers=serving.workers,
        durable=serving.durable,
        sender=sender,
        # Whoever tries it out wants to see mails now, whatever the hour is at their readers'.
        quiet_hours=example is None,
        tell=lambda what: None if as_json else err.print(what, style="dim"),
    )
    async with parts as stack:
        started = await onboarding.start(stack.services, StartRequest(file=example, as_new=True)) if example else None
        _announce(stack, await _links(stack, example), example, started, as_json=as_json)
        stopping = [asyncio.create_task(asked.wait()), asyncio.create_task(stack.stopped.wait())]
        await asyncio.wait(stopping, return_when=asyncio.FIRST_COMPLETED)
        for task in stopping:
            task.cancel()
        if not as_json:
            out.print("\nStopping. What is under way is kept, and goes on at the next start.")


async def _links(stack: Stack, example: AccountFile | None) -> dict[str, str]:
    """Where to look. Each link to a page signs its reader in once; the token itself stands in no address."""
    pages = {"pages": "/"}
    if stack.addresses.relay is None:
        pages["mail"] = "/mail"
    if example:
        pages["account"] = f"/accounts/{example.account.key}"
    links = {name: await sign_in.printed(stack.services, OWNER, path) for name, path in pages.items()}
    return links | {"temporal_ui": f"{stack.addresses.ui}/namespaces/default/workflows"}


def _announce(
    stack: Stack, links: dict[str, str], example: AccountFile | None, started: Started | None, *, as_json: bool
) -> None:
    """Say where to look, once everything answers."""
    where = stack.addresses
    if as_json:
        print_json(
            {
                "ready": True,
                **where.model_dump(),
                "token_file": str(Path(where.data) / "token"),
                "links": links,
                "started": started.model_dump() if started else None,
            }
        )
        return
    out.print("\n[bold green]ready[/bold green]\n")
    if example and started:
        news = "has just begun" if started.created else "goes on where it was"
        out.print(f"The onboarding of [bold]{example.account.name}[/bold] {news}.\n")
        out.print(f"  its page      {links['account']}", soft_wrap=True)
    else:
        out.print(f"  pages         {links['pages']}", soft_wrap=True)
    if where.relay is None:
        out.print(f"  caught mail   {links['mail']}", soft_wrap=True)
    else:
        goes = "off: no email goes out" if where.mail_mode == "off" else where.mail_mode
        out.print(f"  mail server   {where.relay}, mode {goes}", soft_wrap=True, markup=False)
    out.print(f"  Temporal UI   {links['temporal_ui']}", soft_wrap=True)
    out.print(f"  API           {where.http}/v1/  (token in {Path(where.data) / 'token'})", soft_wrap=True)
    out.print(
        "\nEach link to a page signs you in once, within 15 minutes. For another: rapport token link", soft_wrap=True
    )
    if where.quiet_hours == "ignore":
        out.print(
            "\nMails go at once, whatever the hour is where they are read; RAPPORT_QUIET_HOURS=keep lets them wait.",
            soft_wrap=True,
        )
    if example:
        data = "" if where.data == ".rapport" else f" --data {where.data}"
        command = f"rapport onboarding status {example.account.key}{data}"
        # A line that is to be copied is never broken.
        out.print(f"\nIn another terminal: [bold]{escape(command)}[/bold]", soft_wrap=True)
    out.print("Ctrl-C stops everything; nothing is lost.", style="dim")
