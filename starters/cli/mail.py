"""`rapport mail …`"""

from __future__ import annotations

import typer

from starters.cli.common import As, Data, Json, acting, out, print_json, when, with_office
from starters.commands import messages
from starters.commands.messages import MailStatus

app = typer.Typer(help="Whether mail goes out.", no_args_is_help=True)


@app.command()
def status(data: Data = None, json: Json = False) -> None:
    """Whether mail goes out, and why not."""
    _print(with_office(data, messages.mail_status, as_json=json), as_json=json)


@app.command()
def stop(as_: As = None, data: Data = None, json: Json = False) -> None:
    """Stop all mail at once; what is due waits."""
    shown = with_office(data, lambda office: messages.stop_mail(office, acting(office, as_)), as_json=json)
    _print(shown, as_json=json)


@app.command()
def start(as_: As = None, data: Data = None, json: Json = False) -> None:
    """Let mail go again; what waited follows within half a minute."""
    shown = with_office(data, lambda office: messages.start_mail(office, acting(office, as_)), as_json=json)
    _print(shown, as_json=json)


def _print(shown: MailStatus, *, as_json: bool) -> None:
    if as_json:
        print_json(shown)
        return
    out.print(
        f"mode {shown.mode}: "
        + ("[green]mail goes out[/green]" if shown.sends else "[yellow]no mail goes out[/yellow]")
    )
    if shown.quiet_hours == "ignore":
        out.print("quiet hours are ignored: mails go whatever the hour is where they are read")
    if shown.why_not:
        out.print(shown.why_not)
    if shown.stopped:
        out.print(f"stopped by {shown.stopped_by}, {when(shown.stopped_at)}")
