"""Refusals over HTTP: RFC 9457 problem details for programs, a page that says what to do for people."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

from rapport.model.base import Refusal, Refused
from starters.http.auth import Unauthorized

STATUS = {
    Refused.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Refused.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Refused.CONFLICT: HTTPStatus.CONFLICT,
    Refused.UNREACHABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Refused.FORBIDDEN: HTTPStatus.FORBIDDEN,
}


def status_of(refusal: Refusal) -> HTTPStatus:
    """The HTTP status that tells a refusal's kind."""
    return HTTPStatus.UNAUTHORIZED if isinstance(refusal, Unauthorized) else STATUS[refusal.kind]


def problem(refusal: Refusal) -> JSONResponse:
    """A refusal as problem details (RFC 9457)."""
    status = status_of(refusal)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": str(refusal),
        "errors": [{"field": one.field, "problem": one.problem, "fix": one.fix} for one in (refusal, *refusal.others)],
    }
    headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse(body, status_code=status, media_type="application/problem+json", headers=headers)
