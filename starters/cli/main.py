"""`rapport`: the commands there are; what one of them needs is loaded when it is called."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, Final, NamedTuple

import typer
from typer._click.exceptions import NoArgsIsHelpError, NoSuchOption, UsageError
from typer.core import TyperCommand, TyperGroup

from starters.logs import keep_sdk_from_terminal


class Entry(NamedTuple):
    """A command, or a noun with commands of its own.

    Attributes:
        module: Where in `starters.cli` it is.
        summary: The first paragraph of its help.
    """

    module: str
    summary: str


COMMANDS: Final[Mapping[str, Entry]] = {
    "demo": Entry(
        "stack",
        "Start the embedded stack with an example account. Ctrl-C stops it; starting again goes on where it was.",
    ),
    "up": Entry("stack", "Start the embedded stack: Temporal, workers, HTTP and a mail catcher, all on the loopback."),
    "setup": Entry("stack", "Prepare a real cluster: migrations, search attributes, schedules. Safe to repeat."),
    "doctor": Entry(
        "doctor",
        "Look at every part, and at every open wait. Exit code 4: something is wrong; 5: a part can't do its part.",
    ),
    "timeline": Entry("timeline", "All that happened to an account, oldest first."),
    "portfolio": Entry("portfolio", "Every account: stage, what it is waiting for, since when, and the next step."),
    "inbox": Entry("task", "List your tasks and what you are waiting for; without a name, every open task."),
    "simulate": Entry(
        "simulate", "Live an account's first year in seconds: the same workflows and mails, and nothing of it is real."
    ),
    "drill": Entry(
        "drill",
        "Kill, cut, fill and break everything on a private installation. Exit code 4: something was lost or hidden.",
    ),
    "account": Entry("account", "Accounts and their people."),
    "member": Entry("member", "Members: who they are, and on whom they lean."),
    "absence": Entry("absence", "Absences: who is away, until when, and who stands in."),
    "usage": Entry("account_data", "Usage: what was measured of an account, in its unit."),
    "incident": Entry("account_data", "Incidents that an account felt."),
    "project": Entry("account_data", "What an account is working on, or will."),
    "roadmap": Entry("account_data", "The vendor's roadmap, and whom it touches."),
    "win": Entry("account_data", "What went well for an account."),
    "onboarding": Entry("onboarding", "Onboardings of signed contracts."),
    "meeting": Entry("meeting", "Meetings: times, answers, bookings, outcomes."),
    "blocker": Entry("blocker", "Blockers: what an account is blocked by, until it is cleared."),
    "action": Entry("action", "Actions: what people promised in meetings, until it is done."),
    "cadence": Entry("cadence", "Recurring meetings: weekly syncs and business reviews."),
    "case": Entry("support_case", "Support cases: questions, who has them, what was promised."),
    "desk": Entry("desk", "The support desk: open cases and their owners."),
    "task": Entry("task", "Tasks: approvals and to-dos, and answering them."),
    "review": Entry("tech_review", "Technical reviews: a decision that a customer needs, with everybody heard."),
    "message": Entry("message", "Emails: sent ones and drafts."),
    "mail": Entry("mail", "Whether mail goes out."),
    "playbook": Entry("playbook", "Playbooks: the plans that onboardings follow."),
    "gap": Entry("gap", "Product gaps: what customers need and the product does not do."),
    "access": Entry("access", "Who may do what, and who is an administrator."),
    "token": Entry("token", "Bearer tokens of the JSON API."),
    "audit": Entry("audit", "The timeline's hash chain and the receipts of decisions: verify them, export them."),
}


class CommandsOnCall(TyperGroup):
    """The commands by name. To list them takes none of them; to call one takes that one alone.

    What is typed wrong is told as every other refusal, whichever command it is in, and ends with the same exit code.
    """

    def __init__(self, **attributes: Any) -> None:
        """All there are, as their entries tell them."""
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=entry.summary) for name, entry in COMMANDS.items()}
        self._listing = False
        self._as_json = False

    def make_context(self, info_name: Any, args: list[str], *parents: Any, **extra: Any) -> Any:
        """Read the options that stand before the command's name."""
        self._as_json = "--json" in args
        with _told(as_json=self._as_json):
            return super().make_context(info_name, args, *parents, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Read the command's own options and arguments, and do it."""
        with _told(as_json=self._as_json):
            return super().invoke(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command itself, or where they are listed its entry."""
        if self._listing or cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        return loaded(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Help, from the entries."""
        self._listing = True
        super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Completion of a command's name, from the entries."""
        self._listing = True
        return super().shell_complete(ctx, incomplete)


@contextmanager
def _told(*, as_json: bool) -> Iterator[None]:
    """Tell what cannot be understood of a command line, and where to look it up."""
    try:
        yield
    except UsageError as error:
        if isinstance(error, NoArgsIsHelpError):
            raise
        # What it takes to tell a refusal is not needed otherwise.
        from rapport.model.base import UserError
        from starters.cli.common import fail

        command = error.ctx.command_path if error.ctx is not None else "rapport"
        if isinstance(error, NoSuchOption):
            alike = get_close_matches(error.option_name, _options(error), 1)
            problem, field = f"isn't an option of `{command}`", error.option_name
        else:
            problem, _, hint = error.format_message().rstrip(".?").partition(". Did you mean ")
            alike, field = ([hint.strip("'\"")] if hint else []), ""
            problem = f"{problem[:1].lower()}{problem[1:]}"
        fix = f"did you mean {alike[0]}? `{command} -h` lists all" if alike else f"see `{command} -h`"
        raise fail(UserError(problem, field=field, fix=fix), as_json=as_json) from None


def _options(error: NoSuchOption) -> list[str]:
    params = error.ctx.command.get_params(error.ctx) if error.ctx is not None else ()
    return [name for one in params for name in (*one.opts, *one.secondary_opts) if name.startswith("-")]


def loaded(name: str) -> Any:
    """The command of that name, with all that it needs."""
    with _loading():
        module = import_module(f"starters.cli.{COMMANDS[name].module}")
    root = typer.Typer()
    root.callback()(_nothing)
    if hasattr(module, "add_to"):
        module.add_to(root)
    else:
        root.add_typer(module.app, name=name)
    group = typer.main.get_command(root)
    assert isinstance(group, TyperGroup)
    found = group.commands[name]
    _add_utc(found)
    return found


@contextmanager
def _loading() -> Iterator[None]:
    """Look for no garbage meanwhile, which took a fifth of the time, nor afterwards in what is loaded: it stays."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _add_utc(command: Any) -> None:
    """Give `--utc` to a command, or to all below a noun."""
    below = getattr(command, "commands", {}).values()
    for one in below:
        _add_utc(one)
    if not below:
        command.params += typer.main.get_command(_with_utc).params


def _show_utc(wanted: bool) -> None:
    from starters.cli.common import show_utc

    show_utc(wanted)


_with_utc = typer.Typer(add_completion=False)


@_with_utc.command()
def _utc(
    _utc: Annotated[
        bool,
        typer.Option(
            "--utc", help="Show times in UTC, not in your zone.", is_eager=True, expose_value=False, callback=_show_utc
        ),
    ] = False,
) -> None:
    pass


def _nothing() -> None:
    pass


app = typer.Typer(
    name="rapport",
    cls=CommandsOnCall,
    help="Engagement automation for technical account managers.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rapport {version('rapport')}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", help="Which version this is.", is_eager=True, callback=_say_version)
    ] = False,
) -> None:
    """Engagement automation for technical account managers."""
    keep_sdk_from_terminal()


def run() -> None:
    """The console script's entry."""
    app()
