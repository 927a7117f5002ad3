"""Members and their absences under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, status

from rapport.model.account import MembersFile, WrittenAbsence
from starters.http.api.bodies import By, Json, Nothing, api_router
from starters.http.auth import Bearer, TheServices
from starters.use_cases import access, member as members, succession
from starters.use_cases.access import AccessEntry, RightShown
from starters.use_cases.member import AbsenceShown, Leaving, MemberLine, MemberShown
from starters.use_cases.succession import HandOver, SuccessionResult

router = api_router()


class RightsBody(Leaving):
    """Why somebody becomes an administrator, or is none any longer."""


@router.get("/access")
async def show_access(services: TheServices) -> list[RightShown]:
    """Who may do what: each action with the roles that may, how far, and the scopes of tokens that cover it."""
    return await access.shown(services)


@router.get("/access/log")
async def access_log(services: TheServices) -> list[AccessEntry]:
    """What was done to members, tokens and the switch of all mail, oldest first."""
    return await access.log(services)


@router.get("/members")
async def list_members(services: TheServices) -> list[MemberLine]:
    """Every member, also those who have left."""
    return await members.listed(services)


@router.put("/members")
async def import_members(body: Json[MembersFile], services: TheServices) -> list[MemberLine]:
    """Bring members up to what a document says; whom it does not name stays as they are."""
    return await members.import_members(services, body)


@router.get("/members/{email}")
async def show_member(email: str, services: TheServices) -> MemberShown:
    """One member with their absences and accounts."""
    return await members.show(services, email)


@router.post("/members/{email}/leave")
async def leave(email: str, said: By[Leaving], services: TheServices, token: Bearer) -> MemberShown:
    """Note that a member has left for good."""
    return await members.leave(services, email, said.body, said.by(services, token))


@router.post("/members/{email}/hand-over")
async def hand_over(email: str, said: By[HandOver], services: TheServices, token: Bearer) -> list[SuccessionResult]:
    """Have another member serve every account that this one serves."""
    return await succession.hand_over_all(services, email, said.body, said.by(services, token))


@router.post("/members/{email}/grant")
async def grant(email: str, said: By[RightsBody], services: TheServices, token: Bearer) -> MemberShown:
    """Make a member an administrator, beside what they are."""
    await access.grant(services, email, said.by(services, token), said.body.reason)
    return await members.show(services, email)


@router.post("/members/{email}/revoke")
async def revoke(email: str, said: By[RightsBody], services: TheServices, token: Bearer) -> MemberShown:
    """Take the role of an administrator from a member."""
    await access.revoke(services, email, said.by(services, token), said.body.reason)
    return await members.show(services, email)


@router.get("/absences")
async def list_absences(services: TheServices, member: Annotated[str | None, Query()] = None) -> list[AbsenceShown]:
    """Who is away, now or later; with `member`, an address, theirs alone."""
    return await members.absences(services, member)


@router.post("/absences", status_code=status.HTTP_201_CREATED)
async def add_absence(said: By[WrittenAbsence], services: TheServices, token: Bearer) -> AbsenceShown:
    """Announce an absence."""
    return await members.add_absence(services, said.body, said.by(services, token))


@router.post("/absences/{absence}/end")
async def end_absence(absence: str, said: By[Nothing], services: TheServices, token: Bearer) -> AbsenceShown:
    """End an absence now; one that has not begun is withdrawn."""
    return await members.end_absence(services, absence, said.by(services, token))
