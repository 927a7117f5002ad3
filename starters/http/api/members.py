"""Members and their absences under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, status
from pydantic import Field

from rapport.model.base import Email, Written
from rapport.model.people import MembersFile, WrittenAbsence
from starters.commands import members
from starters.commands.members import AbsenceShown, Leaving, MemberLine, MemberShown
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheOffice, api_actor, bearer

router = APIRouter(prefix="/v1", tags=["v1"], dependencies=[Depends(bearer)])


class LeaveBody(Leaving):
    """A member's word that somebody has left for good."""

    as_: Annotated[Email, Field(alias="as")]


class AbsenceBody(WrittenAbsence):
    """An absence, announced by a member."""

    as_: Annotated[Email, Field(alias="as")]


class EndBody(Written):
    """A member's word that somebody is back early."""

    as_: Annotated[Email, Field(alias="as")]


@router.get("/members")
async def list_members(office: TheOffice) -> list[MemberLine]:
    """Every member, also those who have left."""
    return await members.listed(office)


@router.put("/members", openapi_extra=schema(MembersFile))
async def import_members(request: Request, office: TheOffice) -> list[MemberLine]:
    """Bring members up to what a document says; whom it does not name stays as they are."""
    return await members.import_members(office, await read_body(request, MembersFile))


@router.get("/members/{email}")
async def show_member(email: str, office: TheOffice) -> MemberShown:
    """One member with their absences and accounts."""
    return await members.show(office, email)


@router.post("/members/{email}/leave", openapi_extra=schema(LeaveBody))
async def leave(email: str, request: Request, office: TheOffice, token: Bearer) -> MemberShown:
    """Note that a member has left for good."""
    body = await read_body(request, LeaveBody)
    return await members.leave(office, email, body, api_actor(office, token, body.as_))


@router.get("/absences")
async def list_absences(office: TheOffice, member: Annotated[str | None, Query()] = None) -> list[AbsenceShown]:
    """Who is away, now or later; with `member`, an address, theirs alone."""
    return await members.absences(office, member)


@router.post("/absences", status_code=status.HTTP_201_CREATED, openapi_extra=schema(AbsenceBody))
async def add_absence(request: Request, office: TheOffice, token: Bearer) -> AbsenceShown:
    """Announce an absence."""
    body = await read_body(request, AbsenceBody)
    return await members.add_absence(office, body, api_actor(office, token, body.as_))


@router.post("/absences/{absence}/end", openapi_extra=schema(EndBody))
async def end_absence(absence: str, request: Request, office: TheOffice, token: Bearer) -> AbsenceShown:
    """End an absence now; one that has not begun is withdrawn."""
    body = await read_body(request, EndBody)
    return await members.end_absence(office, absence, api_actor(office, token, body.as_))
