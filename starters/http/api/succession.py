"""People who come and go on an account, under /v1/accounts/: the same verbs and bodies as the command line."""

from __future__ import annotations

from fastapi import status

from rapport.model.base import InputModel, Prose
from rapport.storage.account_erasure import AccountErased
from rapport.storage.erasure import Erased
from starters.http.api.bodies import By, Nothing, api_router
from starters.http.auth import Bearer, TheServices
from starters.use_cases import account_erasure, succession
from starters.use_cases.account_erasure import ErasureAsked, ErasureWithdrawn, ErasureWritten
from starters.use_cases.succession import Departure, HandOver, Newcomer, SuccessionResult, Successor

router = api_router("/v1/accounts/{account}")


class ErasureBody(InputModel):
    """A member's word that a contact is to be erased."""

    reason: Prose | None = None


@router.post("/contacts")
async def add_contact(account: str, said: By[Newcomer], services: TheServices, token: Bearer) -> SuccessionResult:
    """Add a contact; what was held because nobody had their persona goes on."""
    return await succession.add_contact(services, account, said.body, said.by(services, token))


@router.post("/contacts/replace")
async def replace_contact(account: str, said: By[Successor], services: TheServices, token: Bearer) -> SuccessionResult:
    """Have somebody follow a contact."""
    return await succession.replace_contact(services, account, said.body, said.by(services, token))


@router.post("/contacts/{email}/remove")
async def remove_contact(
    account: str, email: str, said: By[Departure], services: TheServices, token: Bearer
) -> SuccessionResult:
    """Note that somebody is no contact any more, without a successor."""
    return await succession.remove_contact(services, account, email, said.body, said.by(services, token))


@router.post("/contacts/{email}/erase")
async def erase_contact(
    account: str, email: str, said: By[ErasureBody], services: TheServices, token: Bearer
) -> Erased:
    """Erase a contact from everything on record, for good."""
    return await succession.erase_contact(services, account, email, said.by(services, token), said.body.reason)


@router.post("/erase", status_code=status.HTTP_202_ACCEPTED)
async def ask_to_erase(account: str, said: By[ErasureWritten], services: TheServices, token: Bearer) -> ErasureAsked:
    """Ask for the account to be erased; a second person has to confirm it within a week."""
    return await account_erasure.ask(services, account, said.body, said.by(services, token))


@router.post("/erase/withdraw")
async def withdraw_erasure(account: str, said: By[Nothing], services: TheServices, token: Bearer) -> ErasureWithdrawn:
    """Take the request for the account to be erased back, as whoever asked."""
    return await account_erasure.withdraw(services, account, said.by(services, token))


@router.post("/erase/confirm")
async def confirm_erasure(account: str, said: By[Nothing], services: TheServices, token: Bearer) -> AccountErased:
    """Erase the account for good, as the second person."""
    return await account_erasure.confirm(services, account, said.by(services, token))


@router.post("/hand-over")
async def hand_over(account: str, said: By[HandOver], services: TheServices, token: Bearer) -> SuccessionResult:
    """Have another TAM serve an account, for a while or for good."""
    return await succession.hand_over(services, account, said.body, said.by(services, token))
