"""Request bodies: FastAPI's parameters, read by the reader of every other document once it is known who asks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import cache
from types import ModuleType
from typing import Annotated, Any, Generic, TypeVar, cast, get_args

from fastapi import APIRouter, Body, Depends, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, GetCoreSchemaHandler, create_model
from pydantic_core import CoreSchema, core_schema

from rapport.model.access import Action
from rapport.model.base import Email, InputModel
from rapport.model.reading import read_json
from starters.http.auth import Bearer, api_actor, bearer
from starters.rights import refuse_scopes
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
    dependencies = [Depends(bearer), Depends(_refuse_out_of_scope)]
    return APIRouter(prefix=prefix, tags=["v1"], dependencies=dependencies, route_class=BodyRoute)


@cache
def _action(endpoint: Callable[..., Any]) -> Action | None:
    """The one action that a route is for, as the use case that it calls says; nothing where the body decides that."""
    names = endpoint.__code__.co_names
    modules = [one for name in names if isinstance(one := endpoint.__globals__.get(name), ModuleType)]
    called = [one for module in modules for name in names if hasattr(one := getattr(module, name, None), "action")]
    actions = {None if getattr(one, "depends", True) else cast("Action", vars(one)["action"]) for one in called}
    return actions.pop() if len(actions) == 1 else None


async def _refuse_out_of_scope(request: Request, _: Bearer) -> None:
    """Tell a service what its token is not for, before its body is read: mending that would help it nothing."""
    action = _action(request.scope["route"].endpoint)
    if action is not None:
        refuse_scopes(request.state.caller, action)


class _Document:
    """Marks a parameter as a JSON document.

    Reading it raises a `UserError` where it is too large, not JSON, or not what its model asks for.
    """

    def __get_pydantic_core_schema__(self, source: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(lambda raw: self.read(source, raw), handler(source))

    def read(self, source: type[BaseModel], raw: Any) -> BaseModel:
        """The document, as its model reads it."""
        return read_json(source, raw)


Json = Annotated[M, Body(), _Document()]
"""A body that is one JSON document of this model."""


class Signed(Generic[M]):
    """What a request gives, and who gives it: one JSON object of the model's fields and `as`.

    Attributes:
        as_: The member's address; nothing where the one whose token it is does it themself.
        body: The rest.
    """

    # No dataclass: Pydantic would make a schema of its own for that.
    def __init__(self, as_: str | None, body: M) -> None:
        self.as_ = as_
        self.body = body

    def by(self, services: Services, token: str) -> Actor:
        """The member who gives it, with the name of the token that it came with.

        Raises:
            UserError: It names nobody, and the token is no member's.
        """
        return api_actor(services, token, self.as_)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        model: type[M] = get_args(source)[0]
        signature: dict[str, Any] = {"as_": (Email | None, Field(default=None, alias="as"))}
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
"""A body with the fields of this model, and with `as`: who does it, by default the member whose token it is."""


class Nothing(InputModel):
    """A member's word that it be done; there is nothing more to say."""
