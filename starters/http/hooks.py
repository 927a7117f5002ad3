"""Signed webhooks: a contract was signed elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from fastapi import APIRouter, Depends, Request
from standardwebhooks import Webhook, WebhookVerificationError

from rapport.model.access import TokenScope
from rapport.model.base import InputModel, Refused, WrittenInstant
from starters.http.api.bodies import BodyRoute, Json
from starters.http.auth import TheServices, UnauthorizedError
from starters.services import Caller
from starters.use_cases import contract
from starters.use_cases.onboarding import Started, StartRequest
from starters.use_cases.token import webhook_secret

router = APIRouter(prefix="/v1/hooks", tags=["hooks"], route_class=BodyRoute)


SENDER: Final = Caller("service", scopes=frozenset({TokenScope.START_ONBOARDINGS}))
"""Whoever has the secret that webhooks are signed with."""


class ContractSigned(InputModel):
    """The event of a signed contract, as Standard Webhooks shapes events."""

    type: Literal["contract.signed"]
    timestamp: WrittenInstant
    data: StartRequest


async def signed(request: Request, services: TheServices) -> None:
    """Refuse a body that nobody signed whom we know, as Standard Webhooks says.

    Raises:
        Unauthorized: Its signature does not fit, or is more than five minutes old.
    """
    body = await request.body()
    try:
        Webhook(webhook_secret(services)).verify(body, dict(request.headers), json_parse=False)
    # A signature of another form, and a body that is no text, are ValueErrors of whoever reads them.
    except (WebhookVerificationError, ValueError):
        raise UnauthorizedError(
            "the signature does not fit",
            field="webhook-signature",
            fix="sign with the secret of `rapport token webhook-secret`, by Standard Webhooks, within five minutes",
            kind=Refused.FORBIDDEN,
        ) from None


@router.post("/contract-signed", status_code=202, dependencies=[Depends(signed)])
async def contract_signed(event: Json[ContractSigned], services: TheServices) -> Started:
    """Start the onboarding of a signed contract, once; a later event that tells of other people brings them in.

    One that repeats, or is older than what is known, is harmless.
    """
    return await contract.signed(replace(services, caller=SENDER), event.data, event.timestamp)
