"""`rapport mail …`"""

from __future__ import annotations

from typing import Annotated, Final

import typer
from rich.markup import escape

from rapport.model.base import Refused
from rapport.rules.wording import amount
from starters.cli.common import command, out, when
from starters.services import Actor, Services
from starters.use_cases import mail_switch
from starters.use_cases.mail_switch import MailStatus, RelayFaultShown

Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]

app = typer.Typer(help="Whether mail goes out.", no_args_is_help=True)


def undelivered(count: int) -> str:
    """How many emails somebody has to take care of."""
    return amount(count, "email failed or may not have arrived", "emails failed or may not have arrived")


def print_fault(fault: RelayFaultShown) -> None:
    """Why no email goes out, since when, and what to do."""
    said = f"{fault.problem[0].upper()}{fault.problem[1:]}, since {when(fault.since)}"
    out.print(f"[bold red]Emails aren't going out.[/bold red] {escape(said)}.", soft_wrap=True)
    out.print(f"To fix it: {escape(fault.remedy)}.", soft_wrap=True)
    out.print(f"Last tried {when(fault.probed_at)}. Once it works, everything goes out automatically.", soft_wrap=True)


_KEPT: Final = {
    "disk": ", [red]but nothing goes out: the disk is full[/red]",
    "fault": ", [yellow]but the mail server takes no email[/yellow]",
    "stopped": ", [yellow]but sending is stopped by hand[/yellow]",
    "off": ": [yellow]no mail goes out[/yellow]",
}


def exit_of(shown: MailStatus) -> Refused | None:
    """What looking at it ends with: as a refusal of the same would, nothing where mail goes."""
    if shown.kept_by == "disk" or (shown.kept_by is None and shown.temporal is False):
        return Refused.UNREACHABLE
    return None if shown.sends and not (shown.deferred and shown.deferred.stuck) else Refused.CONFLICT


def mail_goes(shown: MailStatus) -> str:
    """What the mode comes to: also one that lets mail go does not while something else keeps it."""
    if shown.temporal is False and shown.kept_by is None:
        known = f"as of {when(shown.swept)}" if shown.swept else "of whenever it ran last"
        return f"mode {shown.mode}, [red]but Temporal does not answer, so nothing is sent; the rest is {known}[/red]"
    if shown.kept_by is not None:
        return f"mode {shown.mode}{_KEPT[shown.kept_by]}"
    if shown.limited is not None:
        return f"mode {shown.mode}, [yellow]but slowly: none goes until {when(shown.limited.until)}[/yellow]"
    if shown.deferred and shown.deferred.stuck:
        return f"mode {shown.mode}, [yellow]but nothing has gone out lately[/yellow]"
    return f"mode {shown.mode}: [green]mail goes out[/green]"


def print_mail(shown: MailStatus) -> None:
    """Whether mail goes out, and all that keeps it from that."""
    out.print(mail_goes(shown))
    if shown.quiet_hours == "ignore":
        out.print("quiet hours are ignored: mails go whatever the hour is where they are read")
    if shown.fault:
        print_fault(shown.fault)
    elif shown.why_not:
        out.print(shown.why_not)
    elif shown.limited:
        said = f"{shown.limited.problem[0].upper()}{shown.limited.problem[1:]}, since {when(shown.limited.since)}"
        out.print(f"[yellow]{escape(said)}.[/yellow] It goes on automatically.", soft_wrap=True)
        out.print(f"If that lasts: {escape(shown.limited.remedy)}.", soft_wrap=True)
    if shown.queued:
        waits = amount(shown.queued.count, "email is waiting to go out", "emails are waiting to go out, the oldest")
        out.print(f"[yellow]{waits} since {when(shown.queued.since)}.[/yellow]", soft_wrap=True)
    if shown.deferred:
        told = shown.deferred.told(when(shown.deferred.since))
        out.print(f"[yellow]{escape(told)}.[/yellow]", soft_wrap=True)
        if shown.deferred.none_sent:
            out.print("No email has gone out since then.")
    if shown.allowed_domains:
        out.print(
            f"[yellow]only to {', '.join(shown.allowed_domains)}[/yellow]; what is for others fails", soft_wrap=True
        )
    if shown.rate:
        out.print(f"at most {amount(shown.rate, 'email')} a minute")
    if shown.undelivered:
        out.print(
            f"[red]{undelivered(shown.undelivered)}[/red]: see `rapport inbox` and `rapport doctor`", soft_wrap=True
        )
    if shown.swept:
        out.print(f"last looked for stuck emails {when(shown.swept)}")
    if shown.stopped:
        why = f": {escape(shown.stopped_because)}" if shown.stopped_because else ""
        out.print(f"stopped by {shown.stopped_by}, {when(shown.stopped_at)}{why}", soft_wrap=True)


@command(app, show=print_mail, fault=exit_of)
async def status(services: Services) -> MailStatus:
    """Whether mail goes out, and why not. Exit code 4: it doesn't; 5: as nothing can be recorded."""
    return await mail_switch.status_now(services)


@command(app, show=print_mail, mails=False)
async def stop(services: Services, actor: Actor, reason: Reason) -> MailStatus:
    """Stop all mail at once; what is due waits."""
    return await mail_switch.stop(services, actor, reason)


@command(app, show=print_mail, mails=False)
async def start(services: Services, actor: Actor, reason: Reason) -> MailStatus:
    """Let mail go again; what waited follows within half a minute."""
    return await mail_switch.start(services, actor, reason)
