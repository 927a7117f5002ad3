"""Request bodies: FastAPI's parameters, read by the reader of every other document once it is known who asks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Generic, TypeVar, get_args

from fastapi import APIRouter, Body, Depends, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, GetCoreSchemaHandler, create_model
from pydantic_core import CoreSchema, core_schema

from rapport.model.base import Email, InputModel
from rapport.model.reading import read_json
from starters.http.auth import api_actor, bearer
from starters.services import Actor, Services

M = TypeVar("M", bound=BaseModel)


class _Unread(Request):
    """A request whose JSON stays bytes until a parameter reads it: FastAPI would parse it before it asks who it is."""

    async def json(self) -> bytes:
        return await self.body()


class BodyRoute(APIRoute):
    """A route whose body arrives at its parameters as bytes, whatever content type a client gives it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, for a request whose JSON is not read yet."""
        handle = super().get_route_handler()

        async def handle_unread(request: Request) -> Response:
            return await handle(_Unread(request.scope, request.receive))

        return handle_unread


def api_router(prefix: str = "/v1") -> APIRouter:
    """A router of the API: each of its routes asks for a valid token."""
    return APIRouter(prefix=prefix, tags=["v1"], dependencies=[Depends(bearer)], route_class=BodyRoute)


class _Document:
    """Marks a parameter as a JSON document.

    Reading it raises a `UserError` where it is too large, not JSON, or not what its model asks for.
    """

    def __get_pydantic_core_schema__(self, source: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(lambda raw: read_json(source, raw), handler(source))


Json = Annotated[M, Body(), _Document()]
"""A body that is one JSON document of this model."""


class Signed(Generic[M]):
    """What a request gives, and who gives it: one JSON object of the model's fields and `as`.

    Attributes:
        as_: The member's address.
        body: The rest.
    """

    # No dataclass: Pydantic would make a schema of its own for that.
    def __init__(self, as_: str, body: M) -> None:
        self.as_ = as_
        self.body = body

    def by(self, services: Services, token: str) -> Actor:
        """The member who gives it, with the name of the token that it came with."""
        return api_actor(services, token, self.as_)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        model: type[M] = get_args(source)[0]
        signature: dict[str, Any] = {"as_": (Email, Field(alias="as"))}
        name = f"{model.__name__.removesuffix('Body')}Body"
        written: type[Any] = create_model(
            name, __base__=model, __doc__=model.__doc__, __module__=model.__module__, **signature
        )

        def part(given: Any) -> Signed[M]:
            values = {name: getattr(given, name) for name in model.model_fields}
            return cls(given.as_, model.model_construct(given.model_fields_set - {"as_"}, **values))

        return core_schema.no_info_after_validator_function(
            part, _Document().__get_pydantic_core_schema__(written, handler)
        )


By = Annotated[Signed[M], Body()]
"""A body with the fields of this model, and with `as`."""


class Nothing(InputModel):
    """A member's word that it be done; there is nothing more to say."""
