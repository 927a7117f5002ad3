"""Refusals over HTTP: RFC 9457 problem details for programs, a page that says what to do for people."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from fastapi.responses import JSONResponse

from rapport.model.base import Refused, UserError
from starters.http.auth import UnauthorizedError
from starters.http.bounds import TooLargeError
from starters.http.limits import TooManyRequestsError

STATUS = {
    Refused.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Refused.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Refused.CONFLICT: HTTPStatus.CONFLICT,
    Refused.UNREACHABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Refused.FORBIDDEN: HTTPStatus.FORBIDDEN,
}

_BY_CLASS = (
    (UnauthorizedError, HTTPStatus.UNAUTHORIZED),
    (TooManyRequestsError, HTTPStatus.TOO_MANY_REQUESTS),
    (TooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
)
"""The statuses that one refusal alone has."""

RETRY_SECONDS: Final = 10
"""When a program may ask again for what a part that does not answer kept from it."""


class RouteError(UserError):
    """What is refused before a route is reached, with the status that HTTP has for it."""

    status = HTTPStatus.NOT_FOUND


def status_of(refusal: UserError) -> HTTPStatus:
    """The HTTP status that tells a refusal's kind."""
    if isinstance(refusal, RouteError):
        return refusal.status
    known = (status for kind, status in _BY_CLASS if isinstance(refusal, kind))
    return next(known, STATUS[refusal.kind])


def headers_of(refusal: UserError) -> dict[str, str]:
    """The headers that tell a program what to do about a refusal."""
    if isinstance(refusal, TooManyRequestsError):
        return {"Retry-After": str(refusal.wait)}
    if refusal.kind is Refused.UNREACHABLE:
        return {"Retry-After": str(RETRY_SECONDS)}
    return {"WWW-Authenticate": "Bearer"} if isinstance(refusal, UnauthorizedError) else {}


def problem(refusal: UserError) -> JSONResponse:
    """A refusal as problem details (RFC 9457), in the words of a request: it has fields, and no options."""
    status = status_of(refusal)
    faults = [
        UserError(one.problem, field=one.field.removeprefix("--").replace("-", "_"), fix=one.fix)
        if one.field.startswith("--")
        else one
        for one in (refusal, *refusal.others)
    ]
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": str(faults[0]),
        "errors": [{"field": one.field, "problem": one.problem, "fix": one.fix} for one in faults],
    }
    return JSONResponse(body, status_code=status, media_type="application/problem+json", headers=headers_of(refusal))
