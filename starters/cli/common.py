"""What every command shares: its options, its output, its exit codes."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from pydantic import BaseModel, TypeAdapter
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import DBAPIError

from rapport.model.base import Refused, UserError
from rapport.model.meeting import Receipt
from rapport.storage.faults import DatabaseFault, file_fault
from rapport.temporal import run_to_end
from starters.installation import os_user, services
from starters.services import LATER, Actor, Services
from starters.views.standstill import is_stale

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, Any]])

EXIT: Final = {
    Refused.INVALID: 2,
    Refused.NOT_FOUND: 3,
    Refused.CONFLICT: 4,
    Refused.FORBIDDEN: 2,
    Refused.UNREACHABLE: 5,
}

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Data = Annotated[
    Path | None, typer.Option("--data", help="The data directory (RAPPORT_DATA, default .rapport).", metavar="DIR")
]
As = Annotated[
    str | None, typer.Option("--as", help="The address of the member who acts (RAPPORT_AS).", metavar="EMAIL")
]

_UTC: ContextVar[bool] = ContextVar("utc", default=False)
"""Whether instants are shown in UTC instead of the reader's own zone."""


def show_utc(wanted: bool) -> None:
    """Show instants in UTC from now on, where that is wanted."""
    _UTC.set(wanted)


out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def fail(refusal: UserError, *, as_json: bool, beside: Mapping[str, Any] | None = None) -> typer.Exit:
    """Tell a refusal, and give the exit that says its kind.

    Args:
        beside: What the command's document has anyway, refused or not.
    """
    for one in (refusal, *refusal.others):
        err.print(f"[red]✗[/red] {_escape(str(one))}", soft_wrap=True)
    if as_json:
        faults = [{"field": one.field, "problem": one.problem, "fix": one.fix} for one in (refusal, *refusal.others)]
        print_json({**(beside or {}), "error": faults[0], "others": faults[1:]})
    return typer.Exit(EXIT[refusal.kind])


def _escape(text: str) -> str:
    return text.replace("[", r"\[")


def finish(work: Awaitable[T], *, as_json: bool) -> T:
    """Run one command's work to its end.

    Raises:
        typer.Exit: It was refused.
    """

    try:
        return run_to_end(work)
    except UserError as refusal:
        raise fail(refusal, as_json=as_json) from None
    except DatabaseFault as fault:
        raise fail(fault.refusal(), as_json=as_json) from None
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


def with_office(data: Path | None, work: Callable[[Services], Awaitable[T]], *, as_json: bool) -> T:
    """Open the installation and do one use case with it."""

    async def opened() -> T:
        async with services(data) as parts:
            return await work(parts)

    return finish(opened(), as_json=as_json)


def command(
    app: typer.Typer, name: str | None = None, *, show: str | Callable[..., str | None], help: str | None = None
) -> Callable[[F], F]:
    """Make a command of what is to be done in an installation: it is opened, and what comes of it is shown.

    The work takes `services`; where it takes `actor` as well, the command has `--as`. Every command has `--data` and
    `--json`, of which it is told where it asks for it.

    Args:
        name: Its name, where it is not the work's.
        help: What it does, where the work has no docstring.
        show: What is said once it is done, or prints what it gives, or gives what is said of it; of the command's
            arguments it is handed those that it names.
    """
    shown_by = (lambda _: show) if isinstance(show, str) else show

    def decorate(work: F) -> F:
        made = {"services", "actor"}
        # What a command is handed is not the command line's to know.
        work.__annotations__ = {one: of for one, of in work.__annotations__.items() if one not in {*made, "return"}}
        given = inspect.signature(work, eval_str=True)
        acts, asks = "actor" in given.parameters, "json" in given.parameters
        named = list(inspect.signature(shown_by).parameters)[1:]
        options = {"as_": (As, None) if acts else None, "data": (Data, None), "json": (Json, False)}
        parameters = [one for one in given.parameters.values() if one.name not in {*made, *options}]
        parameters += [
            inspect.Parameter(one, inspect.Parameter.KEYWORD_ONLY, annotation=of[0], default=of[1])
            for one, of in options.items()
            if of is not None
        ]

        def run(*, data: Path | None, json: bool, as_: str | None = None, **said: Any) -> None:
            async def done(parts: Services) -> Any:
                actor = {"actor": acting(parts, as_)} if acts else {}
                from starters.use_cases.names import in_full

                said.update(await in_full(parts, said))
                return await work(services=parts, **actor, **({"json": json} if asks else {}), **said)

            answer = with_office(data, done, as_json=json)
            if json:
                print_json(answer)
            elif isinstance(answer, Receipt) and answer.outcome == LATER:
                out.print(f"{LATER.capitalize()}.")
            elif text := shown_by(answer, **{one: said[one] for one in named}):
                out.print(text)

        run.__signature__ = given.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        app.command(name or work.__name__.rstrip("_"), help=help or inspect.getdoc(work))(run)
        return work

    return decorate


def counted(receipt: Receipt) -> Receipt:
    """A receipt, if it says that the word counts.

    Raises:
        UserError: It does not count; the reason says why.
    """
    if not receipt.accepted:
        raise UserError(receipt.reason or "it doesn't count", fix="look how it stands now", kind=Refused.CONFLICT)
    return receipt


def acting(parts: Services, email: str | None) -> Actor:
    """Who acts: the member of `--as`, entered by this operating system's user."""
    return Actor(email=email or parts.settings.as_ or "", channel="cli", entered_by=os_user())


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


def when(instant: datetime | None) -> str:
    """An instant for a person: wall time where the command runs, or with `--utc` in UTC, with its zone."""
    return f"{instant.astimezone(UTC if _UTC.get() else None):%Y-%m-%d %H:%M %Z}" if instant else ""


def print_checked(checked: datetime | None) -> None:
    """Say as of when a list is right about what was ended in Temporal, where that did not answer just now."""
    if is_stale(checked):
        known = f"as of {when(checked)}, when Rapport last looked" if checked else "not known yet"
        out.print(f"[yellow]Temporal did not answer. What was ended there is {known}.[/yellow]")
