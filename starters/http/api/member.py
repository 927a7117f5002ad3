"""Members and their absences under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, status
from pydantic import Field

from rapport.model.account import MembersFile, WrittenAbsence
from rapport.model.base import Email, InputModel
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheServices, api_actor, bearer
from starters.use_cases import member as members
from starters.use_cases.member import AbsenceShown, Leaving, MemberLine, MemberShown

router = APIRouter(prefix="/v1", tags=["v1"], dependencies=[Depends(bearer)])


class LeaveBody(Leaving):
    """A member's word that somebody has left for good."""

    as_: Annotated[Email, Field(alias="as")]


class AbsenceBody(WrittenAbsence):
    """An absence, announced by a member."""

    as_: Annotated[Email, Field(alias="as")]


class EndBody(InputModel):
    """A member's word that somebody is back early."""

    as_: Annotated[Email, Field(alias="as")]


@router.get("/members")
async def list_members(services: TheServices) -> list[MemberLine]:
    """Every member, also those who have left."""
    return await members.listed(services)


@router.put("/members", openapi_extra=schema(MembersFile))
async def import_members(request: Request, services: TheServices) -> list[MemberLine]:
    """Bring members up to what a document says; whom it does not name stays as they are."""
    return await members.import_members(services, await read_body(request, MembersFile))


@router.get("/members/{email}")
async def show_member(email: str, services: TheServices) -> MemberShown:
    """One member with their absences and accounts."""
    return await members.show(services, email)


@router.post("/members/{email}/leave", openapi_extra=schema(LeaveBody))
async def leave(email: str, request: Request, services: TheServices, token: Bearer) -> MemberShown:
    """Note that a member has left for good."""
    body = await read_body(request, LeaveBody)
    return await members.leave(services, email, body, api_actor(services, token, body.as_))


@router.get("/absences")
async def list_absences(services: TheServices, member: Annotated[str | None, Query()] = None) -> list[AbsenceShown]:
    """Who is away, now or later; with `member`, an address, theirs alone."""
    return await members.absences(services, member)


@router.post("/absences", status_code=status.HTTP_201_CREATED, openapi_extra=schema(AbsenceBody))
async def add_absence(request: Request, services: TheServices, token: Bearer) -> AbsenceShown:
    """Announce an absence."""
    body = await read_body(request, AbsenceBody)
    return await members.add_absence(services, body, api_actor(services, token, body.as_))


@router.post("/absences/{absence}/end", openapi_extra=schema(EndBody))
async def end_absence(absence: str, request: Request, services: TheServices, token: Bearer) -> AbsenceShown:
    """End an absence now; one that has not begun is withdrawn."""
    body = await read_body(request, EndBody)
    return await members.end_absence(services, absence, api_actor(services, token, body.as_))
