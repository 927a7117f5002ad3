"""Signed webhooks: a contract was signed elsewhere."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from standardwebhooks import Webhook, WebhookVerificationError

from rapport.model.base import Instant, Refused, Written
from rapport.model.reading import MAX_BYTES, read_json
from starters.commands import onboardings
from starters.commands.onboardings import Started, StartRequest
from starters.commands.tokens import webhook_secret
from starters.http.auth import TheOffice, Unauthorized

router = APIRouter(prefix="/v1/hooks", tags=["hooks"])


class ContractSigned(Written):
    """The event of a signed contract, as Standard Webhooks shapes events."""

    type: Literal["contract.signed"]
    timestamp: Instant
    data: StartRequest


@router.post("/contract-signed", status_code=202)
async def contract_signed(request: Request, office: TheOffice) -> Started:
    """Start the onboarding of a signed contract.

    The signature is checked as Standard Webhooks says. A repeated or late event is harmless: a contract starts once.
    """
    body = await request.body()
    if len(body) <= MAX_BYTES:
        try:
            Webhook(webhook_secret(office)).verify(body, dict(request.headers), json_parse=False)
        # A signature of another form, and a body that is no text, are ValueErrors of whoever reads them.
        except (WebhookVerificationError, ValueError):
            raise Unauthorized(
                "the signature does not fit",
                field="webhook-signature",
                fix="sign with the secret of `rapport token webhook-secret`, by Standard Webhooks, within five minutes",
                kind=Refused.FORBIDDEN,
            ) from None
    event = read_json(ContractSigned, body)
    return await onboardings.start(office, event.data)
