"""Operations on a running onboarding under /v1/: the same nouns, verbs and bodies as the command line."""

from __future__ import annotations

from fastapi import Response

from rapport.model.meeting import Receipt
from rapport.model.operation import Operate
from starters.http.api.bodies import By, api_router
from starters.http.auth import Bearer, TheServices
from starters.use_cases import operation as operations
from starters.use_cases.operation import OperationWritten, Preview

router = api_router("/v1/onboardings/{account}")


# OpenAPI cannot say what tells kinds of steps apart that are told apart twice; the model stays out of the document.
@router.get("/plan", response_model=None)
async def plan(account: str, services: TheServices) -> Response:
    """The plan that a running onboarding follows: each step with its definition and where it stands."""
    found = await operations.plan_of(services, account)
    return Response(found.model_dump_json(), media_type="application/json")


@router.get("/resume")
async def preview(account: str, services: TheServices) -> Preview:
    """What would go out if a paused onboarding were resumed now."""
    return await operations.preview(services, account)


@router.post("/{operation}")
async def operate(
    account: str, operation: Operate, said: By[OperationWritten], services: TheServices, token: Bearer
) -> Receipt:
    """Pause, resume, skip, redo, complete, adopt or cancel; the same once more changes nothing."""
    return await operations.operate(services, account, operation, said.body, said.by(services, token))
