"""Pages of human tasks: the inbox, one task with all that can be done about it, and the page behind a mailed link."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from rapport.model.access import Action
from rapport.model.base import Refused, UserError
from rapport.model.ids import number_in
from rapport.model.meeting import Receipt
from rapport.model.task import TaskPhase
from rapport.rules.review_words import ASKS, STAGES
from starters.http.auth import SignInNeeded, session_of
from starters.http.deciding import acting, check_decider, decider, inbox_of
from starters.http.pages.rendering import fields, form_token, page, see_other
from starters.http.pages.visit import SETTLE_SECONDS, RefusedForm, TheVisit, Typed, Visit, form
from starters.http.problems import status_of
from starters.rights import allowed
from starters.services import BEHIND_LINK, LATER, LISTED, Actor, Services
from starters.use_cases import account, task as tasks, tech_review, undelivered
from starters.views.task import TaskLink, TaskShown, others_there

router = APIRouter()


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
async def inbox(visit: TheVisit) -> Response:
    """What waits for a member and what they wait for; for an operator who acts for nobody, all of it."""
    found = await tasks.inbox(visit.services, inbox_of(visit.services, visit.session), most=LISTED)
    return await visit.page("inbox.html", found=found)


@router.get("/tasks/{task:path}")
async def show(visit: TheVisit, task: str) -> Response:
    """One task: the question, what was said, who decides, and what the reader can do."""
    return await _page(visit, await tasks.show(visit.services, task))


async def _done(visit: Visit, before: TaskShown, done: str, receipt: Receipt) -> str:
    """The task's page, with what to say there, once that can be seen."""
    return f"{path_of(before)}?done={await _seen(visit.services, before, done, receipt)}"


async def _seen(services: Services, before: TaskShown, done: str, receipt: Receipt) -> str:
    """What to say of it, once it can be seen."""
    if receipt.outcome == LATER:
        return "recorded"
    deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
    while True:
        if await tasks.show(services, before.task) != before or asyncio.get_running_loop().time() >= deadline:
            return done
        await asyncio.sleep(0.05)


def path_of(task: TaskShown) -> str:
    """The page of a task."""
    return f"/tasks/{task.task.removeprefix('task/')}"


async def _page(visit: Visit, task: TaskShown, failed: RefusedForm | None = None) -> Response:
    own = visit.session.email
    able = can(task, own, visit.services.settings.as_ or task.tam)
    if failed is None and Action.ACT not in await allowed(visit.services, task.account):
        able = replace(able, request=None)
    # Whoever is asked reads what it is about where they answer.
    of_review = task.subject.startswith("TR-") and task.phase is not TaskPhase.CLOSED
    return await visit.page(
        "task.html",
        failed,
        about=task.account,
        task=task,
        review=await tech_review.show(visit.services, task.subject) if of_review else None,
        asks=ASKS,
        stages=STAGES,
        path_here=path_of(task),
        can=able,
        own=own,
        others_there=others_there(task),
    )


async def _again(visit: Visit, task: str, failed: RefusedForm) -> Response:
    return await _page(visit, await tasks.show(visit.services, task), failed)


async def _before(visit: TheVisit, task: str) -> TaskShown:
    return await tasks.show(visit.services, task)


Before = Annotated[TaskShown, Depends(_before)]
"""The task as it was before a form was taken."""


def _actor(visit: Visit, typed: dict[str, str]) -> Actor:
    return acting(visit.session, typed.get("as", ""))


@form(router, "/tasks/{task:path}/decide", again=_again)
async def decide(visit: TheVisit, task: str, typed: Typed, before: Before) -> str:
    """Choose one of the options."""
    option, reason, seen = _chosen(typed), typed.get("reason") or None, number_in(typed.get("round", ""))
    receipt = await tasks.decide(visit.services, task, option, _actor(visit, typed), reason, seen)
    return await _done(visit, before, "decided", receipt)


def _chosen(typed: dict[str, str]) -> str:
    if not typed.get("option"):
        raise UserError("is not chosen", field="option", fix="choose one of the answers")
    return typed["option"]


@form(router, "/tasks/{task:path}/request", again=_again, name="request")
async def ask_for(visit: TheVisit, task: str, typed: Typed, before: Before) -> str:
    """Say what is asked for."""
    said = {name.removeprefix("say-"): text for name, text in typed.items() if name.startswith("say-")}
    return await _done(
        visit, before, "requested", await tasks.request(visit.services, task, said, _actor(visit, typed))
    )


@form(router, "/tasks/{task:path}/decline", again=_again)
async def decline(visit: TheVisit, task: str, typed: Typed, before: Before) -> str:
    """Say that it is not needed."""
    receipt = await tasks.decline(visit.services, task, _actor(visit, typed), typed.get("reason") or None)
    return await _done(visit, before, "declined", receipt)


@form(router, "/tasks/{task:path}/ask", again=_again)
async def ask(visit: TheVisit, task: str, typed: Typed, before: Before) -> str:
    """Ask for information."""
    receipt = await tasks.ask(visit.services, task, typed.get("question", ""), _actor(visit, typed))
    return await _done(visit, before, "asked", receipt)


@form(router, "/tasks/{task:path}/answer", again=_again)
async def answer(visit: TheVisit, task: str, typed: Typed, before: Before) -> str:
    """Give the information."""
    receipt = await tasks.answer(visit.services, task, typed.get("text", ""), _actor(visit, typed))
    return await _done(visit, before, "answered", receipt)


@form(router, "/tasks/{task:path}/record", again=_again)
async def record(visit: TheVisit, task: str, typed: Typed, before: Before) -> str:
    """Record what the to-do was to find out; it ends by that."""
    return await _done(
        visit, before, "known", await account.record_for(visit.services, task, typed, _actor(visit, typed))
    )


@form(router, "/tasks/{task:path}/correct", again=_again)
async def correct(visit: TheVisit, task: str, typed: Typed, before: Before) -> str:
    """Correct the address to which an email failed, and send the email again."""
    email = typed.get("new_email", "").strip()
    receipt = await undelivered.correct(visit.services, task, email, _actor(visit, typed))
    return await _done(visit, before, "readdressed", receipt)


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
        option = _chosen(typed)
        reason = typed.get("reason") or None
        # As anybody sees it: what its reader sees of it differs from that even where nothing has happened.
        before = await tasks.show(services, link.task.task)
        receipt = await tasks.decide(services, link.task.task, option, actor, reason, link.round)
    except UserError as refusal:
        failed = RefusedForm("decide", refusal, typed)
        return await _link(request, services, token, await tasks.by_link(services, token), failed)
    return see_other(f"/m/{token}?done={await _seen(services, before, 'decided', receipt)}")


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
