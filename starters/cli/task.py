"""`rapport inbox` and `rapport task …`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from rapport.model.base import Refused, UserError
from rapport.model.commands import deciding, in_name, read_by, reading_drafts
from rapport.model.meeting import Receipt
from rapport.model.task import TaskPhase
from rapport.model.tech_review import is_review_ref
from rapport.rules.wording import amount
from rapport.storage.agenda import Item
from starters.cli.common import (
    command,
    out,
    print_checked,
    table,
    when,
)
from starters.services import LISTED, Actor, Services
from starters.use_cases import task as tasks
from starters.views.task import Inbox, OptionShown, TaskLine, TaskShown, others_there, together

app = typer.Typer(help="Tasks: approvals and to-dos, and answering them.", no_args_is_help=True)

Task = Annotated[
    str,
    typer.Argument(help="The task, as the inbox names it, or ACCOUNT/STEP for its latest attempt.", metavar="TASK"),
]


_top = typer.Typer()


def add_to(root: typer.Typer) -> None:
    """Put `inbox` among the commands."""
    root.add_typer(_top)
    root.add_typer(app, name="task")


def _said(say: Sequence[str]) -> dict[str, str]:
    found = {}
    for one in say:
        name, equals, text = one.partition("=")
        if not equals:
            raise UserError("has no =", field="--say", fix='write it as NAME=TEXT, such as --say "cost=2000 CHF"')
        found[name.strip()] = text
    return found


def _print_inbox(found: Inbox) -> None:
    if found.mine:
        if found.asked:
            out.print("[bold]Waits for you[/bold]" if found.member else "")
        # Where nobody in particular asks, it matters whom each waits for.
        _print_lines(found.mine, mine=found.member is not None)
        _print_further(found.further)
    elif found.member:
        also = found.drafts or found.steps or found.cases or found.erasures
        out.print("No task waits for you." if also else "Nothing waits for you.")
    else:
        out.print("No task waits for anybody. Whose drafts wait to be read, `rapport inbox --as EMAIL` tells.")
    for pile in found.drafts:
        mails = amount(pile.count, "draft waits", "drafts wait")
        command = reading_drafts(pile.account)
        out.print(f"\n{escape(pile.of)}: {mails} to be read: {command}", soft_wrap=True)
    for heading, items in (
        ("Support cases that need someone", found.cases),
        ("Your accounts wait for you to do", found.steps),
        ("Accounts to be erased wait for a second person", found.erasures),
    ):
        if items:
            out.print(f"\n[bold]{heading}[/bold]")
            _print_items(items)
    if found.asked:
        out.print("\n[bold]You wait for[/bold]")
        _print_lines(found.asked, mine=False)
        _print_further(found.further_asked)
    print_checked(found.checked)


@command(_top, show=_print_inbox, document=lambda found, asked: found.asked if asked else found.mine)
async def inbox(
    services: Services,
    actor: Actor,
    json: bool,
    asked: Annotated[bool, typer.Option("--asked", help="With --json: what you asked for, instead.")] = False,  # noqa: ARG001 - for the document
) -> Inbox:
    """List your tasks and what you are waiting for; without a name, every open task."""
    return await tasks.inbox(services, actor, most=None if json else LISTED)


def _print_items(items: Sequence[Item]) -> None:
    rows = table("account", "what", "why", "due", "how")
    for item in items:
        due = f"[red]{when(item.deadline)}[/red]" if item.overdue else when(item.deadline)
        rows.add_row(item.account, escape(item.title), escape(item.what), due, escape(item.unblock or ""))
    out.print(rows)


def _print_further(count: int) -> None:
    if count:
        out.print(f"{amount(count, 'more comes', 'more come')} after these; --json gives all of them.")


def _print_lines(lines: Sequence[TaskLine], *, mine: bool) -> None:
    rows = table("task", "options" if mine else "waits for", "when")
    # Whoever answers copies the task; titles break, it does not.
    rows.columns[2].no_wrap = True
    for alike in together(lines):
        line, count = alike[0], len(alike)
        due = f"[red]{when(line.deadline)}[/red]" if line.overdue else when(line.deadline)
        span = f"since {when(line.since)}\ndue {due}"
        options = PHASE_WORDS.get(line.phase) or ", ".join(option.id for option in line.options) or "ends automatically"
        instead = f", for {line.on_behalf_of}" if line.on_behalf_of else ""
        second = options + instead if mine else ", ".join(line.assignees) or "nobody"
        title = line.title if count == 1 else f"{line.matter} ({count} tasks)"
        named = [
            f"[dim]{one.task.removeprefix('task/')}[/dim]{f' {one.concerns}' if count > 1 and one.concerns else ''}"
            for one in alike
        ]
        what = "\n".join([escape(title), *named])
        rows.add_row(what, second, span)
    out.print(rows)
    # Not every task that waits takes a decision yet; its own page says what it takes.
    how = "To see one of them, and how to answer it" if mine else "To see one of them"
    out.print(f"\n{how}:\n  rapport task show {lines[0].task.removeprefix('task/')}", markup=False, soft_wrap=True)


PHASE_WORDS = {TaskPhase.PREPARING: "to be asked for", TaskPhase.NEEDS_INFO: "a question is open"}
"""What a list says instead of the options, of a task that does not simply wait for a decision."""


def _print_task(shown: TaskShown) -> None:
    phase = shown.phase.replace("_", " ")
    of = f" of {escape(shown.account_name)}: {phase}, round {shown.round}" if shown.account else f": {phase}"
    out.print(f"[bold]{escape(shown.title)}[/bold]{of}")
    out.print(shown.question, markup=False)
    for name, text in shown.said.items():
        out.print(f"  {name.replace('_', ' ')}: {text.replace(chr(10), chr(10) + '    ')}", markup=False)
    if shown.requester_name:
        out.print(f"Asked for by {shown.requester_name}.", markup=False)
    if shown.account and shown.subject != shown.account:
        kind = "review" if is_review_ref(shown.subject) else "case"
        out.print(f"All of it: rapport {kind} show {shown.subject}", markup=False)
    for word in shown.talk:
        out.print(f"{word.who}: {word.text or '(erased)'}", markup=False)
    if shown.ended:
        out.print(f"{shown.ended[:1].upper()}{shown.ended[1:]}.", markup=False)
    rows = table("who", "for", "chose", "when", "verified by", "reason")
    for one in shown.decisions:
        rows.add_row(
            one.who, one.on_behalf_of or "", one.option, when(one.at), one.verified or "", escape(one.reason or "")
        )
    if shown.decisions:
        out.print(rows)
    if shown.phase is not TaskPhase.CLOSED and shown.kind == "alarm":
        _print_whose(shown)
        out.print("There is nothing to decide. This ends automatically once its cause is fixed.")
    elif shown.ended_since is not None:
        out.print(f"[red]It was ended in Temporal on {when(shown.ended_since)}.[/red] No one would hear an answer.")
    elif shown.phase is not TaskPhase.CLOSED:
        print_open(shown)


def _print_whose(shown: TaskShown) -> None:
    for holder in shown.holders:
        instead = f", in place of {holder.on_behalf_of}" if holder.on_behalf_of else ""
        why = f" ({holder.reason})" if holder.reason else ""
        out.print(f"Waits for {holder.name}{instead}{why}.", markup=False)


def print_open(shown: TaskShown) -> None:
    """Print what a task waits for, and the commands that answer it."""
    _print_whose(shown)
    if shown.deadline:
        due = when(shown.deadline)
        out.print(f"[red]Overdue[/red]: was due {due}." if shown.overdue else f"Due {due}.")
    if shown.phase is TaskPhase.PREPARING:
        words = " ".join(f'--say "{name}=…"' for name in shown.asks)
        for name, text in shown.prefilled.items() if not shown.said else ():
            out.print(f"What is known for {name.replace('_', ' ')}:\n{text}", markup=False)
        _print_ways(shown, "To ask for it", in_name(f"rapport task request {shown.task} {words}"))
    elif shown.phase is TaskPhase.NEEDS_INFO:
        _print_ways(shown, "To answer", in_name(f'rapport task answer {shown.task} --text "…"'))
    else:
        if shown.record:
            _print_ways(shown, "To record it, which ends this", shown.record)
        if shown.corrects:
            correct = in_name(f"rapport account edit-contact {shown.account} {shown.corrects} --new-email ADDRESS")
            _print_ways(shown, "To correct the address first", correct)
            if others := others_there(shown):
                out.print(f"  {others}")
        _print_ways(shown, "To decide", *(line for option in shown.options for line in _choice(shown, option)))


def _choice(shown: TaskShown, option: OptionShown) -> tuple[str, str]:
    """What an answer says and what follows it, and the command that gives it."""
    return f"{option.told}:", f"  {deciding(shown.task, option.id, needs_reason=option.needs_reason)}"


def _print_ways(shown: TaskShown, what: str, *ways: str) -> None:
    """Print commands, under the name of whom the task waits for where that is one person."""
    only = shown.holders[0].email if len(shown.holders) == 1 else None
    out.print("\n  ".join([f"{what}:", *(read_by(way, only) for way in ways)]), soft_wrap=True, markup=False)


@command(app, show=_print_task)
async def show(services: Services, task: Task) -> TaskShown:
    """One task: the question, what was said, who decides, and how it ended."""
    return await tasks.show(services, task)


def _not_counted(refusal: UserError) -> dict[str, Any]:
    """The receipt of a decision that does not count."""
    if refusal.kind is not Refused.CONFLICT:
        return {}
    return Receipt(accepted=False, reason=refusal.problem).model_dump()


@command(app, show="Your decision counts.", beside=_not_counted)
async def decide(
    services: Services,
    actor: Actor,
    task: Task,
    option: Annotated[str, typer.Option("--option", help="The option's id, such as approve.")],
    reason: Annotated[str | None, typer.Option("--reason", help="Why; some options need it.")] = None,
    round_: Annotated[int | None, typer.Option("--round", help="The round that you saw.")] = None,
) -> Receipt:
    """Choose one of the options."""
    return await tasks.decide(services, task, option, actor, reason, round_)


@command(app, show="Asked; those who decide get a mail.")
async def request(
    services: Services,
    actor: Actor,
    task: Task,
    say: Annotated[
        list[str] | None, typer.Option("--say", help="A text that is asked for, by name.", metavar="NAME=TEXT")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="The same as --say reason=TEXT.")] = None,
    cost: Annotated[str | None, typer.Option("--cost", help="The same as --say cost=TEXT.")] = None,
    dates: Annotated[str | None, typer.Option("--dates", help="The same as --say dates=TEXT.")] = None,
    prefilled: Annotated[
        bool, typer.Option("--prefilled", help="For the rest, take what the system has filled in.")
    ] = False,
) -> Receipt:
    """Say what you ask for; on an open task, say it anew, and everyone decides anew."""
    short = {name: text for name, text in (("reason", reason), ("cost", cost), ("dates", dates)) if text is not None}
    known = (await tasks.show(services, task)).prefilled if prefilled else {}
    return await tasks.request(services, task, known | _said(say or ()) | short, actor)


@command(app, show="Closed; nobody is asked.")
async def decline(
    services: Services,
    actor: Actor,
    task: Task,
    reason: Annotated[str | None, typer.Option("--reason", help="Why it is not needed.")] = None,
) -> Receipt:
    """Say that it is not needed; it closes as not requested."""
    return await tasks.decline(services, task, actor, reason)


@command(app, show="Your question goes to whoever asked you.")
async def ask(
    services: Services,
    actor: Actor,
    task: Task,
    question: Annotated[str, typer.Option("--question", help="What you need to know.")],
) -> Receipt:
    """Say what you need to know before you decide."""
    return await tasks.ask(services, task, question, actor)


@command(app, show="Your answer goes to those who decide.")
async def answer(
    services: Services,
    actor: Actor,
    task: Task,
    text: Annotated[str, typer.Option("--text", help="What those who decide need to know.")],
) -> Receipt:
    """Answer the open question."""
    return await tasks.answer(services, task, text, actor)
