"""Pages of the support desk: what waits, who has what, one case, and the form for a question on the phone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from rapport.model.base import Refusal, Refused
from rapport.model.reading import check
from rapport.model.support import GENERAL, Dossier, WrittenCase
from starters.commands import accounts, case_reading, cases, desk
from starters.commands.cases import Assign, Done, HandOff, Merge, Reclassify, Say
from starters.commands.office import SUPPORT, Actor, Office
from starters.http.auth import Session, SignedIn, TheOffice, check_form
from starters.http.deciding import acting
from starters.http.pages.rendering import done_of, fields, member_page, see_other
from starters.http.problems import status_of

router = APIRouter()

DOSSIER: Final = (
    ("tried", "What was tried"),
    ("reproduction", "How to make it happen"),
    ("version", "Version"),
    ("logs", "What the logs say"),
    ("impact", "What it costs the customer"),
)


@dataclass(frozen=True)
class RefusedForm:
    """A form that was refused, with what was typed in it."""

    name: str
    refusal: Refusal
    typed: dict[str, str] = field(default_factory=dict)


@router.get("/support")
async def status(request: Request, office: TheOffice, session: SignedIn) -> Response:
    """The desk: what waits for an owner, who has what since when, what was promised next."""
    return await _desk_page(request, office, session)


@router.post("/support/open")
async def open_case(request: Request, office: TheOffice, session: SignedIn) -> Response:
    """Log a question."""
    await check_form(request, office, session)
    typed = await fields(request)
    data = {name: value for name in _OPEN if (value := typed.get(name, "").strip())}
    try:
        written = check(WrittenCase, {"channel": "page", **data}, "")
        opened = await cases.open_case(office, written, _actor(office, session, typed))
    except Refusal as refusal:
        return await _desk_page(request, office, session, RefusedForm("open", refusal, typed))
    return see_other(f"/cases/{opened.ref}?done={'opened' if opened.created else 'joined'}")


@router.get("/cases/{ref}")
async def show(
    request: Request,
    ref: str,
    office: TheOffice,
    session: SignedIn,
    why: Annotated[bool, Query()] = False,
) -> Response:
    """One case: the question, all that was said, what was promised, and what can be done."""
    return await _case_page(request, office, session, ref, why=why)


@router.post("/cases/{ref}/{verb}")
async def act(request: Request, ref: str, verb: str, office: TheOffice, session: SignedIn) -> Response:
    """Do something to a case."""
    await check_form(request, office, session)
    typed = await fields(request)
    work = _VERBS.get(verb)
    if work is None:
        raise Refusal("there is no such page", kind=Refused.NOT_FOUND)
    try:
        done = await work(office, ref, typed, _actor(office, session, typed))
    except Refusal as refusal:
        return await _case_page(request, office, session, ref, RefusedForm(verb, refusal, typed))
    told = done_of(done, f"case_{verb.replace('-', '_')}")
    return see_other(f"/cases/{ref}?done={told}")


_OPEN: Final = ("account", "question", "contact", "severity", "area", "channel", "partner", "id")
Work = Callable[[Office, str, dict[str, str], Actor], Awaitable[Done]]


def _saying(command: Callable[[Office, str, Say, Actor], Awaitable[Done]]) -> Work:
    async def work(office: Office, ref: str, typed: dict[str, str], actor: Actor) -> Done:
        return await command(office, ref, check(Say, {"text": typed.get("text", "")}, ""), actor)

    return work


async def _assign(office: Office, ref: str, typed: dict[str, str], actor: Actor) -> Done:
    return await cases.assign(office, ref, check(Assign, {"to": typed.get("to", "")}, ""), actor)


async def _hand_off(office: Office, ref: str, typed: dict[str, str], actor: Actor) -> Done:
    said = {"text": typed.get("text", ""), "to": typed.get("to") or None}
    return await cases.hand_off(office, ref, check(HandOff, said, ""), actor)


async def _classify(office: Office, ref: str, typed: dict[str, str], actor: Actor) -> Done:
    said = {name: typed[name] for name in ("severity", "area") if typed.get(name)}
    return await cases.classify(office, ref, check(Reclassify, said, ""), actor)


async def _escalate(office: Office, ref: str, typed: dict[str, str], actor: Actor) -> Done:
    said = {name: typed[name] for name, _ in DOSSIER if typed.get(name, "").strip()}
    return await cases.escalate(office, ref, check(Dossier, said, ""), actor)


async def _merge(office: Office, ref: str, typed: dict[str, str], actor: Actor) -> Done:
    return await cases.merge(office, ref, check(Merge, {"into": typed.get("into", "").strip()}, ""), actor)


_VERBS: Final[dict[str, Work]] = {
    "answer": _saying(cases.answer),
    "note": _saying(cases.note),
    "context": _saying(cases.context),
    "wait-customer": _saying(cases.wait_customer),
    "customer-said": _saying(cases.customer_said),
    "resolve": _saying(cases.resolve),
    "reopen": _saying(cases.reopen),
    "assign": _assign,
    "hand-off": _hand_off,
    "classify": _classify,
    "escalate": _escalate,
    "merge": _merge,
}


def _actor(office: Office, session: Session, typed: dict[str, str]) -> Actor:
    """Who acts: a signed-in member as nobody but themself, an operator as the member whom the form names."""
    return acting(session, typed.get("as") or office.settings.as_ or "")


async def _desk_page(request: Request, office: Office, session: Session, failed: RefusedForm | None = None) -> Response:
    return await member_page(
        request,
        office,
        session,
        "desk.html",
        status=200 if failed is None else status_of(failed.refusal),
        desk=await desk.status(office),
        zone=case_reading.rules(office).desk.zone,
        accounts=await accounts.portfolio(office),
        areas=_areas(office),
        actors=await _actors(office, session),
        key=cases.new_key(),
        failed=failed,
    )


async def _case_page(
    request: Request,
    office: Office,
    session: Session,
    ref: str,
    failed: RefusedForm | None = None,
    *,
    why: bool = False,
) -> Response:
    return await member_page(
        request,
        office,
        session,
        "case.html",
        status=200 if failed is None else status_of(failed.refusal),
        case=await case_reading.show(office, ref),
        zone=case_reading.rules(office).desk.zone,
        areas=_areas(office),
        dossier=DOSSIER,
        engineers=await case_reading.engineers(office),
        actors=await _actors(office, session),
        why=why,
        failed=failed,
    )


def _areas(office: Office) -> list[tuple[str, str]]:
    known = case_reading.rules(office).areas
    return [(GENERAL, "Not placed yet"), *((name, area.title) for name, area in known.items())]


async def _actors(office: Office, session: Session) -> list[tuple[str, str]]:
    """As whom an operator may act; a member acts as themself."""
    return [] if session.email is not None else await case_reading.engineers(office, SUPPORT)
