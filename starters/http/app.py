"""The HTTP application: API, webhooks, pages, health; and what holds for every response."""

from __future__ import annotations

import asyncio
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from temporalio.service import RPCError

from rapport.mail.catcher import Catcher
from rapport.model.access import Action
from rapport.model.base import Refused, UserError
from rapport.model.reading import NULL
from rapport.storage.faults import DatabaseFault, file_fault
from rapport.storage.probes import probe
from rapport.storage.relay import mail_gate
from starters.http import api, hooks, metrics, pages
from starters.http.api import (
    account_data,
    cadence,
    desk,
    gap,
    member,
    minutes,
    operation,
    succession,
    support_case,
    task,
    tech_review,
    tech_review_needs,
)
from starters.http.auth import Bearer, SignInNeeded, TheServices
from starters.http.bounds import Bounded
from starters.http.limits import Limits
from starters.http.problems import RouteError, problem
from starters.rights import ask
from starters.services import Services, present

READY_SECONDS: Final = 3.0
"""How long each part may take to answer whoever asks whether this process is ready."""

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; frame-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""On every response; a response that needs another policy sets its own."""


def create_app(services: Services, catcher: Catcher | None = None) -> FastAPI:
    """Put the application together.

    Args:
        catcher: The embedded stack's mail catcher, whose mails `/mail` then shows.
    """
    app = FastAPI(title="Rapport", version="1", docs_url=None, redoc_url=None, routes=[*_routes()])
    app.state.services = services
    app.state.catcher = catcher
    app.state.limits = Limits()
    static = files("starters.http.pages").joinpath("static")
    app.mount("/static", StaticFiles(directory=str(static)), name="static")
    _health(app, services)
    _errors(app)
    app.add_middleware(Bounded, refuse=_refused)
    # The outermost: its headers are on what the other one answers as well.
    app.add_middleware(_Guard)
    return app


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """What there is to ask for. FastAPI prepares it at the first question: once a process, as that takes long."""
    whole = APIRouter()
    for part in _PARTS:
        whole.include_router(part.router)
    return tuple(whole.routes)


_PARTS: Final = (
    api,
    account_data,
    member,
    cadence,
    support_case,
    succession,
    operation,
    task,
    minutes,
    tech_review,
    tech_review_needs,
    gap,
    desk,
    hooks,
    pages,
)

_SECRETS: Final = ("/m/", "/sign-in")
"""Where tokens arrive: whatever is none gets the same answer. Only digests of them are looked for."""


class _Guard:
    """Refuses what no store keeps, and puts the headers on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        secret = scope["method"] == "GET" and scope["path"].startswith(_SECRETS)
        if "\0" in scope["path"] and not secret:
            refusal = UserError("there is nothing here", fix="check the address", kind=Refused.NOT_FOUND)
            await problem(refusal)(scope, receive, guarded)
            return
        if not secret and (b"%00" in scope["query_string"] or b"\0" in scope["query_string"]):
            await problem(UserError(NULL, field="query", fix="take it out"))(scope, receive, guarded)
            return
        await self.app(scope, receive, guarded)


def _health(app: FastAPI, services: Services) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        """Whether this process answers."""
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        """Whether the parts that this process needs answer; and whether mail goes, which it does not need."""
        fault = await _database_fault(services)
        parts = {"database": fault is None, "temporal": await _temporal_answers(services)}
        ready = all(parts.values())
        more = {"mail": await _mail_goes(services)} if fault is None else {"why": str(fault)}
        return JSONResponse({"ready": ready, **parts, **more}, status_code=200 if ready else 503)

    @app.get("/metrics", include_in_schema=False)
    async def figures(_: Bearer, asked: TheServices) -> Response:
        """Figures for Prometheus."""
        await ask(asked, Action.READ)
        return Response(await metrics.exposed(services.store, present()), media_type=metrics.CONTENT_TYPE)


async def _database_fault(services: Services) -> DatabaseFault | None:
    """What keeps the database from taking something new."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            await probe(services.store, "readyz", present())
    except DatabaseFault as fault:
        return fault
    except TimeoutError:
        return DatabaseFault(
            f"the database did not answer within {READY_SECONDS:.0f} seconds", "see what keeps it so busy"
        )
    return None


async def _mail_goes(services: Services) -> bool:
    """Whether mail goes, as the workers have it on record, whatever this process's own settings are."""
    async with services.store.reading() as connection:
        gate = await mail_gate(connection)
    return gate.fault is None and not gate.stopped


async def _temporal_answers(services: Services) -> bool:
    try:
        async with asyncio.timeout(READY_SECONDS):
            return await services.client.service_client.check_health()
    except (RPCError, TimeoutError):
        return False


def _errors(app: FastAPI) -> None:
    """Refusals become problem details, or pages for people."""

    app.exception_handler(UserError)(_refused)

    @app.exception_handler(DatabaseFault)
    async def unreachable(request: Request, fault: DatabaseFault) -> Response:
        return await _refused(request, fault.refusal())

    @app.exception_handler(OSError)
    async def unwritable(request: Request, error: OSError) -> Response:
        if (refusal := file_fault(error)) is None:
            raise error
        return await _refused(request, refusal)

    @app.exception_handler(SignInNeeded)
    async def sign_in(request: Request, _: SignInNeeded) -> Response:
        return pages.sign_in_needed(request)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        # All that can be wrong with a body is told by its reader, except that there is none.
        field = ".".join(str(part) for part in first["loc"][1:]) or "body"
        refusal = UserError(str(first["msg"]).lower(), field=field, fix="see /openapi.json")
        return await _refused(request, refusal)

    @app.exception_handler(HTTPException)
    async def missing(request: Request, error: HTTPException) -> Response:
        wrong_method = error.status_code == HTTPStatus.METHOD_NOT_ALLOWED
        # What one route tells is its own methods; another one at the same path may have more.
        methods = ", ".join(_allowed(request)) if wrong_method else ""
        refusal = RouteError(
            "there is nothing here" if error.status_code == HTTPStatus.NOT_FOUND else error.detail.lower(),
            fix=f"use one of {methods}" if wrong_method else "check the address",
        )
        refusal.status = HTTPStatus(error.status_code)
        answer = await _refused(request, refusal)
        if wrong_method:
            answer.headers["Allow"] = methods
        return answer


_METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


def _allowed(request: Request) -> list[str]:
    """The methods that something here takes at this path (RFC 9110 §15.5.6)."""
    routes = request.app.routes
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


async def _refused(request: Request, refusal: UserError) -> Response:
    return problem(refusal) if _is_api(request) else await pages.refusal_page(request, refusal)


def _is_api(request: Request) -> bool:
    return request.url.path.startswith("/v1/")
