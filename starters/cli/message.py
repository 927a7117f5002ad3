"""`rapport message …`"""

from __future__ import annotations

import sys
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from rapport.model.base import UserError
from rapport.model.meeting import Receipt
from rapport.model.message import MessageState, Resolution
from rapport.model.reading import check
from rapport.rules.wording import amount
from starters.cli.common import command, counted, out, when
from starters.services import LATER, Actor, Services
from starters.use_cases import message, message_preview, undelivered
from starters.use_cases.files import read_file
from starters.use_cases.message import Edit, MessageLine, MessageShown
from starters.use_cases.message_preview import PreviewShown

app = typer.Typer(help="Emails: sent ones and drafts.", no_args_is_help=True)

_COLOUR = {
    MessageState.SENT: "green",
    MessageState.DRAFT: "yellow",
    MessageState.FAILED: "red",
    MessageState.UNKNOWN: "red",
}
Keys = Annotated[list[str] | None, typer.Argument(help="The messages' keys.")]
Everything = Annotated[str | None, typer.Option("--account", help="All drafts of this account.")]


def print_list(lines: list[MessageLine]) -> None:
    """An account's messages: each with when it goes, or why it does not, and what can be done about it."""
    for line in lines:
        colour = _COLOUR.get(line.state, "default")
        out.print(f"[{colour}]{line.state:10}[/{colour}] {when(line.at)}  {line.to}", soft_wrap=True)
        out.print(f"           {line.subject}", markup=False, soft_wrap=True)
        if line.goes_at:
            why = f": {line.reason}" if line.reason else ""
            out.print(f"           goes {when(line.goes_at)}{why}", markup=False, soft_wrap=True)
        elif line.reason:
            out.print(f"           {line.reason}", markup=False, soft_wrap=True)
        out.print(f"           {line.key}", style="dim", markup=False, soft_wrap=True)
        if line.next and line.state is not MessageState.DRAFT:
            # A draft's turn comes with all of its account's; what failed is taken care of one by one.
            # Whether to send again what may have arrived is decided with all that there is to see of it.
            way = f"rapport message show {line.key}" if line.look else line.next[0]
            out.print(f"           Next: {way}", markup=False, soft_wrap=True)


_SAID = {
    Resolution.SENT: "Marked as delivered.",
    Resolution.RESEND: "Sending it again.",
    Resolution.ELSEWHERE: "Marked as told another way.",
}


class Released(NamedTuple):
    """Drafts that were let go or held back, as they were, and whether that counts."""

    receipt: Receipt
    drafts: list[MessageShown]


async def _release(
    services: Services, actor: Actor, keys: list[str] | None, account: str | None, reason: str | None, *, hold: bool
) -> Released:
    chosen = tuple(keys or ())
    if account is not None:
        chosen += tuple(line.key for line in await message.listed(services, account, MessageState.DRAFT))
    if not chosen:
        raise UserError("no drafts are named, or there are none", field="KEYS", fix="name keys, or use --account A")
    shown = [await message.show(services, key) for key in chosen]
    return Released(counted(await message.release(services, chosen, actor, hold=hold, reason=reason)), shown)


def _print_approved(done: Released) -> str | None:
    if later := _recorded(done.receipt):
        return later
    out.print(f"{amount(len(done.drafts), 'draft goes out', 'drafts go out')}.")
    for draft in done.drafts:
        if draft.goes_at:
            words = f"To {draft.to} on {when(draft.goes_at)}: until then it is outside their working time."
            out.print(words, soft_wrap=True)
    return None


def _print_held(done: Released) -> str:
    held = amount(len(done.drafts), "draft is held back", "drafts are held back")
    return _recorded(done.receipt) or f"{held}."


def _recorded(receipt: Receipt) -> str | None:
    return f"{LATER.capitalize()}." if receipt.outcome == LATER else None


def _show(shown: MessageShown) -> None:
    out.print(f"[bold]{shown.state}[/bold]  to {shown.name} <{shown.to}>")
    if shown.goes_at:
        waits = shown.state in (MessageState.DRAFT, MessageState.HELD)
        out.print(f"{'If sent now, it goes' if waits else 'Goes'} {when(shown.goes_at)}")
    if shown.reason:
        out.print(shown.reason, markup=False)
    out.print(f"Subject: {shown.subject}\nMessage-ID: {shown.message_id}\n", markup=False)
    for file in shown.files:
        out.print(f"Carries {file.name} ({file.size:,} bytes)", markup=False)
    out.print(shown.text, markup=False, soft_wrap=True)
    if shown.look:
        out.print(f"\n{shown.look}", markup=False, soft_wrap=True)
    for way, follows in zip_longest(shown.next, shown.consequences):
        if follows:
            out.print(f"{follows}:", markup=False, soft_wrap=True)
        out.print(f"Next: {way}", markup=False, soft_wrap=True)


def _print_listed(found: list[MessageLine] | list[MessageShown]) -> None:
    shown = [one for one in found if isinstance(one, MessageShown)]
    if not shown:
        print_list([one for one in found if isinstance(one, MessageLine)])
    for number, draft in enumerate(shown):
        out.print("\n" * (number > 0) + draft.key, style="bold", markup=False, soft_wrap=True)
        _show(draft)


@command(app, "list", show=_print_listed)
async def list_(
    services: Services,
    account: str,
    drafts: Annotated[bool, typer.Option("--drafts", help="The drafts alone, in full, with what sends each.")] = False,
) -> list[MessageLine] | list[MessageShown]:
    """An account's messages, oldest first."""
    if not drafts:
        return await message.listed(services, account)
    return [
        await message.show(services, line.key) for line in await message.listed(services, account, MessageState.DRAFT)
    ]


@command(app, show=_show)
async def show(services: Services, key: str) -> MessageShown:
    """One message with its words. Personal links in it are blanked out."""
    return await message.show(services, key)


def _preview(shown: PreviewShown, html: Path | None) -> None:
    if html is not None:
        html.write_text(shown.html)
        out.print(f"{html} written.", markup=False, soft_wrap=True)
        return
    out.print(f"To {shown.name} <{shown.to}>\nSubject: {shown.subject}\n", markup=False, soft_wrap=True)
    out.print(shown.text, markup=False, soft_wrap=True)


@command(app, show=_preview)
async def preview(
    services: Services,
    name: str,
    account: str,
    to: Annotated[str | None, typer.Option(help="For whom: a contact's address, or the TAM's.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the HTML to this file instead.")] = None,  # noqa: ARG001 - for `_preview`
) -> PreviewShown:
    """Show any email as an account's people would get it, with invented facts. Nothing is sent."""
    return await message_preview.show(services, name, account, to)


@command(app, show=_show)
async def edit(
    services: Services,
    actor: Actor,
    key: str,
    subject: Annotated[str | None, typer.Option("--subject", help="A new subject.")] = None,
    paragraph: Annotated[
        str | None, typer.Option("--paragraph", help="A personal paragraph after the greeting.")
    ] = None,
    body: Annotated[
        str | None, typer.Option("--body", help="A whole new text; - reads it from standard input.")
    ] = None,
) -> MessageShown:
    """Change a draft's words. An empty text takes a change back."""
    given = {"subject": subject, "paragraph": paragraph, "body": sys.stdin.read() if body == "-" else body}
    written = {name: text or None for name, text in given.items() if text is not None}
    if not written:
        raise UserError("nothing to change", field="--subject", fix="give --subject, --paragraph or --body")
    return await message.edit(services, key, check(Edit, written, ""), actor)


@command(app, show=_show)
async def attach(
    services: Services,
    actor: Actor,
    key: str,
    file: Annotated[Path, typer.Argument(help="A document, a picture or plain text; at most 10 MB in all.")],
    name: Annotated[str | None, typer.Option("--name", help="What to call it in the mail.")] = None,
) -> MessageShown:
    """Attach a file to a draft; one of the same name is replaced."""
    return await message.attach(services, key, name or file.name, read_file(file), actor)


@command(app, show=_show)
async def detach(
    services: Services,
    actor: Actor,
    key: str,
    name: Annotated[str, typer.Argument(help="The file's name, as `show` lists it.")],
) -> MessageShown:
    """Take a file away from a draft."""
    return await message.detach(services, key, name, actor)


@command(app, show=_print_approved, document=lambda done: done.receipt)
async def approve(services: Services, actor: Actor, keys: Keys = None, account: Everything = None) -> Released:
    """Send drafts: those named, or all of an account."""
    return await _release(services, actor, keys, account, None, hold=False)


@command(app, show=_print_held, document=lambda done: done.receipt)
async def hold(
    services: Services,
    actor: Actor,
    keys: Keys = None,
    account: Everything = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why.")] = None,
) -> Released:
    """Hold drafts back; they do not go."""
    return await _release(services, actor, keys, account, reason, hold=True)


@command(app, show=lambda _, how: _SAID[how])
async def resolve(
    services: Services,
    actor: Actor,
    key: str,
    how: Annotated[
        Resolution,
        typer.Argument(help="sent: it arrived. resend: send it again. elsewhere: they were told another way."),
    ],
    reason: Annotated[str | None, typer.Option("--reason", help="Why.")] = None,
) -> Receipt:
    """Settle an email that failed, or that may not have arrived."""
    return counted(await undelivered.resolve(services, key, how, actor, reason))


@command(app, show=_SAID[Resolution.RESEND])
async def resend(services: Services, actor: Actor, key: str) -> Receipt:
    """Send a failed email again, to the address that its reader has now."""
    return counted(await undelivered.resolve(services, key, Resolution.RESEND, actor, None))
