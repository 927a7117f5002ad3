"""Pages for people: members at `/`, customers behind the personal links of mails, caught mails at `/mail`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from rapport.model.base import Refusal
from starters.http.problems import status_of

router = APIRouter(include_in_schema=False)


def refusal_page(request: Request, refusal: Refusal) -> Response:
    """A refusal for a person."""
    return PlainTextResponse(str(refusal), status_code=status_of(refusal))


def sign_in_page(request: Request) -> Response:
    """Where a reader without a session is sent."""
    return PlainTextResponse("sign in", status_code=401)
