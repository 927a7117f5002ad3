"""Pages of the support desk: what waits, who has what, one case, and the form for a question on the phone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response

from rapport.model.base import Refused, UserError
from rapport.model.reading import check
from rapport.model.support_case import GENERAL, Dossier, WrittenCase
from starters.http.deciding import acting
from starters.http.pages.rendering import done_of
from starters.http.pages.visit import RefusedForm, TheVisit, Typed, Visit, form
from starters.services import SUPPORT, Actor, Services
from starters.use_cases import account, desk, support_case
from starters.use_cases.support_case import Assign, CaseDone, HandOff, Merge, Reclassify, Say
from starters.views import support_case as support_case_views

router = APIRouter()

DOSSIER: Final = (
    ("tried", "What was tried"),
    ("reproduction", "How to make it happen"),
    ("version", "Version"),
    ("logs", "What the logs say"),
    ("impact", "What it costs the customer"),
)


@router.get("/support")
async def status(visit: TheVisit) -> Response:
    """The desk: what waits for an owner, who has what since when, what was promised next."""
    return await _desk_page(visit)


@router.get("/cases/{ref}")
async def show(visit: TheVisit, ref: str, why: Annotated[bool, Query()] = False) -> Response:
    """One case: the question, all that was said, what was promised, and what can be done."""
    return await _case_page(visit, ref, why=why)


_OPEN: Final = ("account", "question", "contact", "severity", "area", "channel", "partner", "id")
Work = Callable[[Services, str, dict[str, str], Actor], Awaitable[CaseDone]]


def _saying(command: Callable[[Services, str, Say, Actor], Awaitable[CaseDone]]) -> Work:
    async def work(services: Services, ref: str, typed: dict[str, str], actor: Actor) -> CaseDone:
        return await command(services, ref, check(Say, {"text": typed.get("text", "")}, ""), actor)

    return work


async def _assign(services: Services, ref: str, typed: dict[str, str], actor: Actor) -> CaseDone:
    return await support_case.assign(services, ref, check(Assign, {"to": typed.get("to", "")}, ""), actor)


async def _hand_off(services: Services, ref: str, typed: dict[str, str], actor: Actor) -> CaseDone:
    said = {"text": typed.get("text", ""), "to": typed.get("to") or None}
    return await support_case.hand_off(services, ref, check(HandOff, said, ""), actor)


async def _classify(services: Services, ref: str, typed: dict[str, str], actor: Actor) -> CaseDone:
    said = {name: typed[name] for name in ("severity", "area") if typed.get(name)}
    return await support_case.classify(services, ref, check(Reclassify, said, ""), actor)


async def _escalate(services: Services, ref: str, typed: dict[str, str], actor: Actor) -> CaseDone:
    said = {name: typed[name] for name, _ in DOSSIER if typed.get(name, "").strip()}
    return await support_case.escalate(services, ref, check(Dossier, said, ""), actor)


async def _merge(services: Services, ref: str, typed: dict[str, str], actor: Actor) -> CaseDone:
    return await support_case.merge(services, ref, check(Merge, {"into": typed.get("into", "").strip()}, ""), actor)


_VERBS: Final[dict[str, Work]] = {
    "answer": _saying(support_case.answer),
    "note": _saying(support_case.note),
    "context": _saying(support_case.context),
    "wait-customer": _saying(support_case.wait_customer),
    "customer-said": _saying(support_case.customer_said),
    "resolve": _saying(support_case.resolve),
    "reopen": _saying(support_case.reopen),
    "assign": _assign,
    "hand-off": _hand_off,
    "classify": _classify,
    "escalate": _escalate,
    "merge": _merge,
}


async def _work(verb: str) -> Work:
    if verb not in _VERBS:
        raise UserError("there is no such page", kind=Refused.NOT_FOUND)
    return _VERBS[verb]


def _actor(visit: Visit, typed: dict[str, str]) -> Actor:
    """Who acts: a signed-in member as nobody but themself, an operator as the member whom the form names."""
    return acting(visit.session, typed.get("as") or visit.services.settings.as_ or "")


async def _desk_page(visit: Visit, failed: RefusedForm | None = None) -> Response:
    return await visit.page(
        "desk.html",
        failed,
        desk=await desk.status(visit.services),
        zone=support_case_views.rules(visit.services).desk.zone,
        accounts=await account.portfolio(visit.services),
        areas=_areas(visit.services),
        actors=await _actors(visit),
        key=support_case.new_key(),
    )


async def _case_page(
    visit: Visit,
    ref: str,
    failed: RefusedForm | None = None,
    *,
    why: bool = False,
) -> Response:
    shown = await support_case_views.show(visit.services, ref)
    return await visit.page(
        "case.html",
        failed,
        about=shown.account,
        case=shown,
        zone=support_case_views.rules(visit.services).desk.zone,
        areas=_areas(visit.services),
        dossier=DOSSIER,
        engineers=await support_case_views.engineers(visit.services),
        actors=await _actors(visit),
        why=why,
    )


def _areas(services: Services) -> list[tuple[str, str]]:
    known = support_case_views.rules(services).areas
    return [(GENERAL, "Not placed yet"), *((name, area.title) for name, area in known.items())]


async def _actors(visit: Visit) -> list[tuple[str, str]]:
    """As whom an operator may act; a member acts as themself."""
    return [] if visit.session.email is not None else await support_case_views.engineers(visit.services, SUPPORT)


@form(router, "/support/open", again=_desk_page, name="open")
async def open_case(visit: TheVisit, typed: Typed) -> str:
    """Log a question."""
    data = {name: value for name in _OPEN if (value := typed.get(name, "").strip())}
    written = check(WrittenCase, {"channel": "page", **data}, "")
    opened = await support_case.open_case(visit.services, written, _actor(visit, typed))
    return f"/cases/{opened.ref}?done={'opened' if opened.created else 'joined'}"


@form(router, "/cases/{ref}/{verb}", again=_case_page)
async def act(visit: TheVisit, ref: str, verb: str, typed: Typed, work: Annotated[Work, Depends(_work)]) -> str:
    """Do something to a case."""
    done = await work(visit.services, ref, typed, _actor(visit, typed))
    told = done_of(done, f"case_{verb.replace('-', '_')}")
    return f"/cases/{ref}?done={told}"
