"""Request bodies: read by the same reader as every other document, and told in the OpenAPI document."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel

from rapport.model.reading import read_json

M = TypeVar("M", bound=BaseModel)


async def read_body(request: Request, model: type[M]) -> M:
    """The request's body.

    Raises:
        UserError: It is too large, not JSON, or not what the model asks for.
    """
    return read_json(model, await request.body())


def schema(model: type[BaseModel]) -> dict[str, object]:
    """A request body in the OpenAPI document, for a route that reads its body itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}
