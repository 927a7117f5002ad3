"""What every command shares: its options, its output, its exit codes."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer
from pydantic import BaseModel, TypeAdapter
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import DBAPIError
from temporalio.service import RPCError

from rapport.model.access import Action
from rapport.model.base import Refused, UserError
from rapport.model.commands import read_by
from rapport.model.meeting import Receipt
from rapport.storage.contract import ContractState
from rapport.storage.faults import DatabaseFault, file_fault
from rapport.temporal import run_to_end
from starters.cli.exits import EXIT
from starters.installation import services
from starters.services import LATER, Actor, Services, told_by_temporal
from starters.views.disk import disk_alarm
from starters.views.mail_kept import MailKept, kept_now
from starters.views.standstill import is_stale

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, Any]])

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Data = Annotated[
    Path | None, typer.Option("--data", help="The data directory (RAPPORT_DATA, default .rapport).", metavar="DIR")
]
As = Annotated[
    str | None, typer.Option("--as", help="The address of the member who acts (RAPPORT_AS).", metavar="EMAIL")
]
AsIfWanted = Annotated[
    str | None,
    typer.Option("--as", help="A member whose rights it is to keep to (RAPPORT_AS), by address.", metavar="EMAIL"),
]

_UTC: ContextVar[bool] = ContextVar("utc", default=False)
"""Whether instants are shown in UTC instead of the reader's own zone."""


def show_utc(wanted: bool) -> None:
    """Show instants in UTC from now on, where that is wanted."""
    _UTC.set(wanted)


_READER: ContextVar[str | None] = ContextVar("reader", default=None)
"""Under whose address printed commands act: whoever is named by `--as`, or by the settings."""


def for_reader(text: str) -> str:
    """A text whose commands act in the name of whoever reads it, where that is known."""
    return read_by(text, _READER.get())


class ReadersConsole(Console):
    """A console whose printed commands are complete for whoever reads them."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, with the reader's address in every command that acts in somebody's name."""
        super().print(*(for_reader(one) if isinstance(one, str) else one for one in objects), **options)


out = ReadersConsole(highlight=False)
err = ReadersConsole(stderr=True, highlight=False)


def fail(refusal: UserError, *, as_json: bool, beside: Mapping[str, Any] | None = None) -> typer.Exit:
    """Tell a refusal, and give the exit that says its kind.

    Args:
        beside: What the command's document has anyway, refused or not.
    """
    for one in (refusal, *refusal.others):
        err.print(f"[red]✗[/red] {escape(str(one))}", soft_wrap=True)
    if as_json:
        faults = [
            {"field": one.field, "problem": one.problem, "fix": for_reader(one.fix)}
            for one in (refusal, *refusal.others)
        ]
        print_json({**(beside or {}), "error": faults[0], "others": faults[1:]})
    return typer.Exit(EXIT[refusal.kind])


def finish(work: Awaitable[T], *, as_json: bool, beside: Callable[[UserError], Mapping[str, Any]] | None = None) -> T:
    """Run one command's work to its end.

    Args:
        beside: What the document of a refusal has beside it.

    Raises:
        typer.Exit: It was refused.
    """

    try:
        return run_to_end(work)
    except UserError as refusal:
        raise fail(refusal, as_json=as_json, beside=beside(refusal) if beside else None) from None
    except DatabaseFault as fault:
        raise fail(fault.refusal(), as_json=as_json) from None
    except RPCError as error:
        raise fail(told_by_temporal(error), as_json=as_json) from None
    except (DBAPIError, ConnectionError):
        silent = UserError(
            "the database does not answer as it should",
            field="RAPPORT_DATABASE_URL",
            fix="see that it runs, and that `rapport setup` was run",
            kind=Refused.UNREACHABLE,
        )
        raise fail(silent, as_json=as_json) from None
    except OSError as error:
        if (told := file_fault(error)) is None:
            raise
        raise fail(told, as_json=as_json) from None


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    show: str | Callable[..., str | None],
    help: str | None = None,
    document: Callable[..., Any] | None = lambda answer: answer,
    fault: Callable[[Any], Refused | None] | None = None,
    beside: Callable[[UserError], Mapping[str, Any]] | None = None,
    mails: bool | None = None,
) -> Callable[[F], F]:
    """Make a command of what is to be done: what comes of it is shown, or with `--json` printed as a document.

    Work that takes `services` is done in an opened installation, and has `--data` and `--as`; where it takes `actor` as
    well, somebody has to be named. A parameter that is a NamedTuple is a group of options, one for each of its fields.
    Of `--json` and `--data` work is told where it asks for them.

    Args:
        name: Its name, where it is not the work's.
        help: What it does, where the work has no docstring.
        show: What is said once it is done, or prints what it gives, or gives what is said of it.
        document: What of the answer is the JSON document; nothing where the work prints its own. As `show`, it is
            handed those of the command's arguments that it names.
        beside: What the document of a refusal has beside it.
        fault: Why what was found is not as it should be; the exit code says so after it is shown.
        mails: Whether emails may follow, so that it is said where none go out: of whatever somebody does, by default.
    """
    shown_by = (lambda _: show) if isinstance(show, str) else show

    def decorate(work: F) -> F:
        made = {"services", "actor"}
        taken = set(work.__annotations__) - {"return"}
        # What a command is handed is not the command line's to know.
        work.__annotations__ = {one: of for one, of in work.__annotations__.items() if one not in {*made, "return"}}
        given = inspect.signature(work, eval_str=True).parameters.values()
        groups = {one.name: one.annotation for one in given if hasattr(one.annotation, "_fields")}
        names_somebody = "actor" in taken
        options = {"as_": (As if names_somebody else AsIfWanted, None), "data": (Data, None), "json": (Json, False)}
        if "services" not in taken:
            del options["as_"]
        if not taken & {"services", "data"}:
            del options["data"]
        asked = [one for one in given if one.name not in {*made, *options}]
        written = [of for one in asked for of in (_options(one.annotation) if one.name in groups else [one])]
        written += [
            inspect.Parameter(one, inspect.Parameter.KEYWORD_ONLY, annotation=of[0], default=of[1])
            for one, of in options.items()
        ]
        parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in written]

        def run(*, json: bool, data: Path | None = None, as_: str | None = None, **said: Any) -> None:
            _READER.set(as_)
            kept: list[MailKept | None] = []

            async def done() -> Any:
                handed: dict[str, Any] = {one: of for one, of in (("json", json), ("data", data)) if one in taken}
                if "services" not in taken:
                    return await work(**handed, **_grouped(said, groups))
                async with services(data, temporal=False, as_=as_) as parts:
                    _READER.set(parts.caller.named)
                    if names_somebody:
                        handed["actor"] = acting(parts)
                    from starters.use_cases.names import in_full

                    alarm = await disk_alarm(parts.store, parts.settings.data)
                    if alarm is not None:
                        problem = f"{alarm.problem[0].upper()}{alarm.problem[1:]}."
                        err.print(
                            f"[bold red]{escape(problem)}[/bold red] To fix it: {escape(alarm.fix)}.", soft_wrap=True
                        )
                    said.update(await in_full(parts, said))
                    answer = await work(services=parts, **handed, **_grouped(said, groups))
                    if (names_somebody if mails is None else mails) and not (alarm is not None and alarm.full):
                        from starters.rights import may

                        starts = await may(parts, Action.MAIL)
                        kept.append(await kept_now(parts.store, parts.settings.mail_mode, alarm, may_start=starts))
                    return answer

            answer = finish(done(), as_json=json, beside=beside)
            if json and document:
                print_json(_told(document, answer, said))
            elif isinstance(answer, Receipt) and answer.outcome == LATER:
                out.print(f"{LATER.capitalize()}.")
            elif text := _told(shown_by, answer, said):
                out.print(text)
            for one in filter(None, kept):
                told = f"No email goes out now: {one.problem}. What is due goes once it does."
                err.print(f"[yellow]{escape(told)}[/yellow] To fix it: {escape(one.remedy)}.", soft_wrap=True)
            if fault is not None and (kind := fault(answer)) is not None:
                raise typer.Exit(EXIT[kind])

        run.names_somebody = names_somebody  # type: ignore[attr-defined]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        app.command(name or work.__name__.rstrip("_"), help=help or inspect.getdoc(work))(run)
        return work

    return decorate


def _told(by: Callable[..., T], answer: Any, said: Mapping[str, Any]) -> T:
    return by(answer, **{one: said[one] for one in list(inspect.signature(by).parameters)[1:]})


def _options(group: Any) -> list[inspect.Parameter]:
    """The options of a group, as parameters."""
    hints = get_type_hints(group, include_extras=True)
    return [one.replace(annotation=hints[one.name]) for one in inspect.signature(group).parameters.values()]


def _grouped(said: dict[str, Any], groups: Mapping[str, Any]) -> dict[str, Any]:
    """What was said, that of a group's options together."""
    made = {name: group(**{one: said[one] for one in group._fields}) for name, group in groups.items()}
    apart = {one for group in groups.values() for one in group._fields}
    return {name: value for name, value in said.items() if name not in apart} | made


def given(**said: Any) -> dict[str, Any]:
    """What was said; what was left out is left to the model."""
    return {name: value for name, value in said.items() if value is not None}


def is_file(text: str) -> bool:
    """Whether a text is the path of a file, and no account's key."""
    path = Path(text)
    return path.suffix == ".toml" or path.exists()


def counted(receipt: Receipt) -> Receipt:
    """A receipt, if it says that the word counts.

    Raises:
        UserError: It does not count; the reason says why.
    """
    if not receipt.accepted:
        raise UserError(receipt.reason or "it doesn't count", fix="look how it stands now", kind=Refused.CONFLICT)
    return receipt


def acting(parts: Services) -> Actor:
    """Who acts: the member of `--as`, entered by this operating system's user."""
    return Actor(email=parts.caller.named or "", channel="cli", entered_by=parts.caller.user)


def print_json(value: BaseModel | Sequence[BaseModel] | dict[str, Any]) -> None:
    """Print one JSON document, times in RFC 3339 UTC."""
    sys.stdout.write(TypeAdapter(Any).dump_json(value, by_alias=True).decode() + "\n")


class FittedTable(Table):
    """A table that breaks no word, so that what is copied from it is whole, such as an address.

    Where not even the longest words fit beside each other, each row is a paragraph, with its columns' names.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table itself, in columns as wide as their longest words need, or its rows as paragraphs."""
        cells = [[console.render_str(str(cell)) for cell in (of.header, *of.cells)] for of in self.columns]
        natural = [max(cell_len(line) for cell in of for line in cell.plain.split("\n")) for of in cells]
        words = [max(cell_len(word) for cell in of for word in cell.plain.split() or [""]) for of in cells]
        least = [wide if of.no_wrap else word for of, wide, word in zip(self.columns, natural, words, strict=True)]
        room = options.max_width - sum(self.padding[1::2]) * (len(cells) - 1)
        if sum(least) <= room:
            for column, width in zip(self.columns, _shared(natural, least, room), strict=True):
                column.width = width
            yield from super().__rich_console__(console, options)
            return
        names, *rows = zip(*cells, strict=True)
        for row in rows:
            for name, cell in zip(names, row, strict=True):
                if cell:
                    yield Text.assemble((f"{name}: " if name else "", "dim"), cell)
            yield ""


def _shared(natural: list[int], least: list[int], room: int) -> list[int]:
    """How wide columns are that have so much room together: the widest gives way first, and none below its least."""
    widths = list(natural)
    while sum(widths) > room:
        wide = max((one for one in range(len(widths)) if widths[one] > least[one]), key=widths.__getitem__)
        widths[wide] -= 1
    return widths


def table(*columns: str) -> Table:
    """A table in the one style that all lists have."""
    made = FittedTable(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def told_stage(stage: str | None, state: ContractState | None) -> str:
    """Where an account is, in words: its stage, and whether it is paused; or why it has none."""
    match state:
        case None:
            return "no contract"
        case ContractState.NOT_STARTED:
            return "not started"
        case ContractState.REQUESTED:
            return "start requested"
        case ContractState.PAUSED:
            return f"{stage}, paused"
        case _:
            return stage or "begun"


def when(instant: datetime | None) -> str:
    """An instant for a person: wall time where the command runs, or with `--utc` in UTC, with its zone."""
    return f"{instant.astimezone(UTC if _UTC.get() else None):%Y-%m-%d %H:%M %Z}" if instant else ""


def print_checked(checked: datetime | None) -> None:
    """Say as of when a list is right about what was ended in Temporal, where that did not answer just now."""
    if is_stale(checked):
        known = f"as of {when(checked)}, when Rapport last looked" if checked else "not known yet"
        out.print(f"[yellow]Temporal did not answer. What was ended there is {known}.[/yellow]")
