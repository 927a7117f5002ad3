"""People who come and go on an account, under /v1/accounts/: the same verbs and bodies as the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from rapport.model.base import Email, InputModel, Prose
from rapport.storage.erasure import Erased
from starters.http.api.bodies import read_body, schema
from starters.http.auth import Bearer, TheServices, api_actor, bearer
from starters.use_cases import succession
from starters.use_cases.succession import Departure, HandOver, Newcomer, SuccessionResult, Successor

router = APIRouter(prefix="/v1/accounts/{account}", tags=["v1"], dependencies=[Depends(bearer)])


class SuccessorBody(Successor):
    """Who follows a contact, said by a member."""

    as_: Annotated[Email, Field(alias="as")]


class NewcomerBody(Newcomer):
    """A new contact, said by a member."""

    as_: Annotated[Email, Field(alias="as")]


class DepartureBody(Departure):
    """A member's word that somebody is no contact any more."""

    as_: Annotated[Email, Field(alias="as")]


class ErasureBody(InputModel):
    """A member's word that a contact is to be erased."""

    as_: Annotated[Email, Field(alias="as")]
    reason: Prose | None = None


class HandOverBody(HandOver):
    """Who takes an account over, said by a member."""

    as_: Annotated[Email, Field(alias="as")]


@router.post("/contacts", openapi_extra=schema(NewcomerBody))
async def add_contact(account: str, request: Request, services: TheServices, token: Bearer) -> SuccessionResult:
    """Add a contact; what was held because nobody had their persona goes on."""
    body = await read_body(request, NewcomerBody)
    newcomer = Newcomer.model_validate(body.model_dump(exclude={"as_"}))
    return await succession.add_contact(services, account, newcomer, api_actor(services, token, body.as_))


@router.post("/contacts/replace", openapi_extra=schema(SuccessorBody))
async def replace_contact(account: str, request: Request, services: TheServices, token: Bearer) -> SuccessionResult:
    """Have somebody follow a contact."""
    body = await read_body(request, SuccessorBody)
    return await succession.replace_contact(services, account, body, api_actor(services, token, body.as_))


@router.post("/contacts/{email}/remove", openapi_extra=schema(DepartureBody))
async def remove_contact(
    account: str, email: str, request: Request, services: TheServices, token: Bearer
) -> SuccessionResult:
    """Note that somebody is no contact any more, without a successor."""
    body = await read_body(request, DepartureBody)
    return await succession.remove_contact(services, account, email, body, api_actor(services, token, body.as_))


@router.post("/contacts/{email}/erase", openapi_extra=schema(ErasureBody))
async def erase_contact(account: str, email: str, request: Request, services: TheServices, token: Bearer) -> Erased:
    """Erase a contact from everything on record, for good."""
    body = await read_body(request, ErasureBody)
    return await succession.erase_contact(services, account, email, api_actor(services, token, body.as_), body.reason)


@router.post("/hand-over", openapi_extra=schema(HandOverBody))
async def hand_over(account: str, request: Request, services: TheServices, token: Bearer) -> SuccessionResult:
    """Have another TAM serve an account, for a while or for good."""
    body = await read_body(request, HandOverBody)
    return await succession.hand_over(services, account, body, api_actor(services, token, body.as_))
