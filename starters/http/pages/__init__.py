"""Pages for people: members at `/`, customers behind the personal links of mails, caught mails at `/mail`.

They are drawn on the server, without scripts. A form is answered with a redirect, or with the same page that says
what is wrong and keeps what was typed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends, Request

from starters.http.pages import (
    cadence,
    caught,
    desk_report,
    drafts,
    entrance,
    links,
    member,
    minutes,
    support_case,
    task,
    tech_review,
)
from starters.http.pages.entrance import sign_in_needed
from starters.http.pages.rendering import refusal_page

__all__ = ["refusal_page", "router", "sign_in_needed"]


async def _closing(request: Request) -> AsyncIterator[None]:
    """Close the files that came with a form once it is answered."""
    try:
        yield
    finally:
        await request.close()


router = APIRouter(include_in_schema=False, dependencies=[Depends(_closing)])
for module in (entrance, member, cadence, minutes, tech_review, desk_report, support_case, task, drafts, links, caught):
    router.include_router(module.router)
