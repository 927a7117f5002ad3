"""Pages of human tasks: the inbox, one task with all that can be done about it, and the page behind a mailed link."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from rapport.model.access import Action
from rapport.model.base import Refused, UserError
from rapport.model.ids import number_in
from rapport.model.meeting import Receipt
from rapport.model.task import TaskPhase
from starters.http.auth import Session, SignedIn, SignInNeeded, TheServices, check_form, session_of
from starters.http.deciding import acting, check_decider, decider, inbox_of
from starters.http.pages.rendering import RefusedForm, fields, form_token, member_page, page, see_other
from starters.http.problems import status_of
from starters.rights import allowed
from starters.services import BEHIND_LINK, LATER, LISTED, Actor, Services
from starters.use_cases import account, task as tasks, undelivered
from starters.views.task import TaskLink, TaskShown, others_there

router = APIRouter()

SETTLE_SECONDS: Final = 3.0
"""How long a page waits until what was accepted can be seen before it shows the task again."""


@dataclass(frozen=True)
class Can:
    """What the reader of a task's page can do, and as whom, by address.

    Attributes:
        decide: Among whom an operator chooses; a member finds themself alone here.
        insist: Whether deciding would go past a question that is still open.
    """

    decide: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    request: str | None = None
    answer: str | None = None
    insist: bool = False


def can(task: TaskShown, own: str | None, operator_as: str) -> Can:
    """What somebody can do about a task. The workflow judges; this only spares people forms that it would refuse.

    Args:
        own: The address of the member who reads; nothing for an operator.
        operator_as: As whom an operator asks and answers.
    """
    holders = tuple(holder.email for holder in task.holders)
    me = own or operator_as
    if task.kind == "alarm" or task.ended_since is not None:
        return Can()
    if task.phase is TaskPhase.PREPARING:
        return Can(request=me if own is None or own in (*holders, task.tam) else None)
    if task.phase is TaskPhase.OPEN:
        deciders = (*holders, *task.others)
        mine = deciders if own is None else tuple(one for one in deciders if one == own)
        return Can(decide=mine, ask=mine, request=me if task.asks and own in (None, task.requester) else None)
    if task.phase is TaskPhase.NEEDS_INFO:
        answers = own is None or own in (*holders, task.requester)
        deciders = tuple(one for one in task.others if own in (None, one))
        return Can(answer=me if answers else None, decide=deciders, insist=bool(deciders))
    return Can()


@router.get("/inbox")
async def inbox(request: Request, services: TheServices, session: SignedIn) -> Response:
    """What waits for a member and what they wait for; for an operator who acts for nobody, all of it."""
    found = await tasks.inbox(services, inbox_of(services, session), most=LISTED)
    return await member_page(request, services, session, "inbox.html", found=found)


@router.post("/tasks/{task:path}/decide")
async def decide(request: Request, task: str, services: TheServices, session: SignedIn) -> Response:
    """Choose one of the options."""

    async def work(typed: dict[str, str], actor: Actor) -> Receipt:
        if not typed.get("option"):
            raise UserError("is not chosen", field="option", fix="choose one of the answers")
        reason = typed.get("reason") or None
        return await tasks.decide(services, task, typed["option"], actor, reason, number_in(typed.get("round", "")))

    return await _take(request, services, session, task, "decide", work)


@router.post("/tasks/{task:path}/request")
async def ask_for(request: Request, task: str, services: TheServices, session: SignedIn) -> Response:
    """Say what is asked for."""

    async def work(typed: dict[str, str], actor: Actor) -> Receipt:
        said = {name.removeprefix("say-"): text for name, text in typed.items() if name.startswith("say-")}
        return await tasks.request(services, task, said, actor)

    return await _take(request, services, session, task, "request", work)


@router.post("/tasks/{task:path}/decline")
async def decline(request: Request, task: str, services: TheServices, session: SignedIn) -> Response:
    """Say that it is not needed."""

    async def work(typed: dict[str, str], actor: Actor) -> Receipt:
        return await tasks.decline(services, task, actor, typed.get("reason") or None)

    return await _take(request, services, session, task, "decline", work)


@router.post("/tasks/{task:path}/ask")
async def ask(request: Request, task: str, services: TheServices, session: SignedIn) -> Response:
    """Ask for information."""

    async def work(typed: dict[str, str], actor: Actor) -> Receipt:
        return await tasks.ask(services, task, typed.get("question", ""), actor)

    return await _take(request, services, session, task, "ask", work)


@router.post("/tasks/{task:path}/answer")
async def answer(request: Request, task: str, services: TheServices, session: SignedIn) -> Response:
    """Give the information."""

    async def work(typed: dict[str, str], actor: Actor) -> Receipt:
        return await tasks.answer(services, task, typed.get("text", ""), actor)

    return await _take(request, services, session, task, "answer", work)


@router.post("/tasks/{task:path}/record")
async def record(request: Request, task: str, services: TheServices, session: SignedIn) -> Response:
    """Record what the to-do was to find out; it ends by that."""

    async def work(typed: dict[str, str], actor: Actor) -> Receipt:
        return await account.record_for(services, task, typed, actor)

    return await _take(request, services, session, task, "record", work)


@router.post("/tasks/{task:path}/correct")
async def correct(request: Request, task: str, services: TheServices, session: SignedIn) -> Response:
    """Correct the address to which an email failed, and send the email again."""

    async def work(typed: dict[str, str], actor: Actor) -> Receipt:
        return await undelivered.correct(services, task, typed.get("new_email", "").strip(), actor)

    return await _take(request, services, session, task, "correct", work)


@router.get("/tasks/{task:path}")
async def show(request: Request, task: str, services: TheServices, session: SignedIn) -> Response:
    """One task: the question, what was said, who decides, and what the reader can do."""
    return await _page(request, services, session, await tasks.show(services, task))


async def _take(
    request: Request,
    services: Services,
    session: Session,
    task: str,
    name: str,
    work: Callable[[dict[str, str], Actor], Awaitable[Receipt]],
) -> Response:
    """Take a form; show what came of it, or the page with what was typed and why it was refused."""
    await check_form(request, services, session)
    typed = await fields(request)
    before = await tasks.show(services, task)
    try:
        receipt = await work(typed, acting(session, typed.get("as", "")))
    except UserError as refusal:
        failed = RefusedForm(name, refusal, typed)
        return await _page(request, services, session, await tasks.show(services, task), failed)
    return see_other(f"{path_of(before)}?done={await _done(services, before, name, receipt)}")


async def _done(services: Services, before: TaskShown, name: str, receipt: Receipt) -> str:
    """What to say of it, once it can be seen."""
    if receipt.outcome == LATER:
        return "recorded"
    deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
    while True:
        if await tasks.show(services, before.task) != before or asyncio.get_running_loop().time() >= deadline:
            break
        await asyncio.sleep(0.05)
    return _DONE.get(name, "answered")


_DONE: Final = {
    "decide": "decided",
    "record": "known",
    "correct": "readdressed",
    "request": "requested",
    "decline": "declined",
    "ask": "asked",
}


def path_of(task: TaskShown) -> str:
    """The page of a task."""
    return f"/tasks/{task.task.removeprefix('task/')}"


async def _page(
    request: Request, services: Services, session: Session, task: TaskShown, failed: RefusedForm | None = None
) -> Response:
    own = session.email
    able = can(task, own, services.settings.as_ or task.tam)
    if failed is None and Action.ACT not in await allowed(services, task.account):
        able = replace(able, request=None)
    return await member_page(
        request,
        services,
        session,
        "task.html",
        about=task.account,
        status=200 if failed is None else status_of(failed.refusal),
        task=task,
        path_here=path_of(task),
        can=able,
        own=own,
        failed=failed,
        others_there=others_there(task),
    )


# Behind a mailed link


async def link_page(request: Request, services: Services, token: str) -> HTMLResponse:
    """What a task's link shows. Looking changes nothing, whoever or whatever looks."""
    try:
        link = await tasks.by_link(services, token)
    except UserError as refusal:
        return _link_refusal(refusal)
    return await _link(request, services, token, link)


async def answer_link(request: Request, services: Services, token: str) -> Response:
    """Take a decision behind a task's link, of whoever is signed in as its reader.

    Raises:
        SignInNeeded: Nobody is, or somebody else.
        UserError: The form was not drawn for this session.
    """
    try:
        link = await tasks.by_link(services, token)
    except UserError as refusal:
        return _link_refusal(refusal)
    actor = await decider(request, services, link)
    await check_decider(request, services)
    if actor.channel == "link":
        services = replace(services, caller=BEHIND_LINK)
    typed = await fields(request)
    try:
        if not typed.get("option"):
            raise UserError("is not chosen", field="option", fix="choose one of the answers")
        reason = typed.get("reason") or None
        # As anybody sees it: what its reader sees of it differs from that even where nothing has happened.
        before = await tasks.show(services, link.task.task)
        receipt = await tasks.decide(services, link.task.task, typed["option"], actor, reason, link.round)
    except UserError as refusal:
        failed = RefusedForm("decide", refusal, typed)
        return await _link(request, services, token, await tasks.by_link(services, token), failed)
    done = await _done(services, before, "decide", receipt)
    return see_other(f"/m/{token}?done={done}")


async def _link(
    request: Request,
    services: Services,
    token: str,
    link: TaskLink,
    failed: RefusedForm | None = None,
) -> HTMLResponse:
    try:
        await decider(request, services, link)
        may = True
    except SignInNeeded:
        may = False
    return page(
        "link_sign_off.html" if link.is_customers else "link_task.html",
        status=200 if failed is None else status_of(failed.refusal),
        link=link,
        task=link.task,
        path_here=path_of(link.task),
        state=_state(link),
        may=may,
        session=await session_of(request, services),
        token=token,
        form_token=form_token(services, token),
        failed=failed,
        recorded=request.query_params.get("done") == "recorded",
    )


def _state(link: TaskLink) -> str:
    """What a link can still do for its reader."""
    task = link.task
    if task.phase is TaskPhase.CLOSED:
        return "closed"
    if link.superseded:
        return "superseded"
    if link.is_customers and task.phase is TaskPhase.PREPARING:
        return "changing"
    if link.decided is not None:
        return "decided"
    if link.reader == task.requester or task.phase is TaskPhase.PREPARING:
        return "asking"
    if task.phase is TaskPhase.OPEN and link.reader not in {holder.email for holder in task.holders}:
        return "elsewhere"
    return "open"


def _link_refusal(refusal: UserError) -> HTMLResponse:
    expired = refusal.kind is Refused.CONFLICT
    return page("link_closed.html", status=410 if expired else 404, kind="expired_task" if expired else "unknown")
