"""What is known of accounts under /v1/: one record or many, as JSON or CSV, with the command line's refusals."""

# No postponed annotations here: those of the routes that every noun has are put together when it comes to them.

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Final, Generic, TypeVar, get_args

from fastapi import Body, Header, Query
from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from rapport.model.account_data import (
    Day,
    Evidence,
    ImportResult,
    Incident,
    MetricSeries,
    Moment,
    RoadmapItem,
    WrittenRoadmapItem,
    WrittenSample,
)
from rapport.model.base import Email, InputModel, Name
from rapport.model.reading import read_json
from rapport.model.sheets import MAX_ROWS, SheetRow, numbered, read_csv
from rapport.storage.account_data import INCIDENTS, PROJECTS, WINS, Noun
from starters.http.api.bodies import By, Nothing, api_router
from starters.http.auth import Bearer, TheServices, api_actor
from starters.use_cases import account_data

W = TypeVar("W", bound=InputModel)

CSV: Final = "text/csv"
_ALSO_CSV: Final[dict[str, Any]] = {"requestBody": {"content": {CSV: {"schema": {"type": "string"}}}}}

router = api_router()

As = Annotated[str | None, Query(alias="as", description="For CSV: who gives it; JSON says so itself.")]
Kind = Annotated[str, Header(alias="content-type", include_in_schema=False)]


class RecordsBody(InputModel, Generic[W]):
    """Records, given by a member."""

    as_: Annotated[Email | None, Field(alias="as")] = None
    records: Annotated[tuple[W, ...], Field(min_length=1, max_length=MAX_ROWS)]


class Sheet(Generic[W]):
    """Records as they came: JSON with who gives them, or CSV with the same names as columns."""

    # No dataclass: Pydantic would make a schema of its own for that.
    def __init__(self, model: type[W], raw: bytes) -> None:
        self.model = model
        self.raw = raw

    def read(self, kind: str, as_: str | None) -> tuple[Sequence[SheetRow[W]], str | None]:
        """The records, and who gives them.

        Args:
            kind: The content type that they came with.
            as_: Who gives them, where they are CSV.

        Raises:
            UserError: They are neither such JSON nor such CSV.
        """
        if kind.partition(";")[0].strip().lower() == CSV:
            return read_csv(self.model, self.raw, "body"), as_
        # Pydantic makes such a class when it is asked to; mypy knows none whose parameter is a variable.
        body = read_json(RecordsBody[self.model], self.raw)  # type: ignore[name-defined]
        return numbered(body.records, "records"), body.as_

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        model: type[W] = get_args(source)[0]
        document = handler(RecordsBody[model])  # type: ignore[valid-type]
        return core_schema.no_info_wrap_validator_function(lambda raw, _: cls(model, raw), document)


class UsageBody(InputModel):
    """A metric that is wrong, or what was measured of it on one day."""

    metric: Name
    day: Day | None = None


class CloseBody(InputModel):
    """When an incident ended; without `ended`, now."""

    ended: Moment | None = None


@router.get("/accounts/{account}/evidence")
async def show_evidence(
    account: str,
    services: TheServices,
    since: Annotated[date | None, Query()] = None,
    until: Annotated[date | None, Query()] = None,
) -> Evidence:
    """All that digests and reviews have to speak of, of a span of days; without them, of the quarter up to today."""
    return await account_data.known(services, account, since, until)


@router.get("/accounts/{account}/usage")
async def list_usage(account: str, services: TheServices) -> tuple[MetricSeries, ...]:
    """What was measured of an account."""
    return await account_data.usage(services, account)


@router.post("/accounts/{account}/usage", openapi_extra=_ALSO_CSV)
async def add_usage(
    account: str,
    sheet: Annotated[Sheet[WrittenSample], Body()],
    services: TheServices,
    token: Bearer,
    as_: As = None,
    kind: Kind = "",
) -> ImportResult:
    """Keep measurements: all of them or, if something is wrong, none."""
    rows, by = sheet.read(kind, as_)
    return await account_data.add_usage(services, account, rows, api_actor(services, token, by))


@router.post("/accounts/{account}/usage/remove")
async def remove_usage(account: str, said: By[UsageBody], services: TheServices, token: Bearer) -> ImportResult:
    """Take a metric off the record, or what was measured of it on one day."""
    actor = said.by(services, token)
    return await account_data.remove_usage(services, account, said.body.metric, actor, said.body.day)


def _add_routes(noun: Noun[Any]) -> None:
    """What every noun has: its list, bringing some, and taking one off the record."""
    path = f"/accounts/{{account}}/{noun.plural}"

    @router.get(path, name=f"list_{noun.plural}", description=f"The {noun.plural} of an account.")
    async def listed(account: str, services: TheServices) -> tuple[noun.shown, ...]:  # type: ignore[name-defined]
        return await account_data.listed(services, noun, account)

    @router.post(
        path,
        name=f"add_{noun.plural}",
        description=f"Bring {noun.plural} up to what is given.",
        openapi_extra=_ALSO_CSV,
    )
    async def add(
        account: str,
        sheet: Annotated[Sheet[noun.written], Body()],  # type: ignore[name-defined]
        services: TheServices,
        token: Bearer,
        as_: As = None,
        kind: Kind = "",
    ) -> ImportResult:
        rows, by = sheet.read(kind, as_)
        return await account_data.add(services, noun, account, rows, api_actor(services, token, by))

    @router.post(
        f"{path}/{{id}}/remove", name=f"remove_{noun.name}", description=f"Take one {noun.name} off the record."
    )
    async def remove(account: str, id: str, said: By[Nothing], services: TheServices, token: Bearer) -> ImportResult:
        return await account_data.remove(services, noun, account, id, said.by(services, token))


for _noun in (INCIDENTS, PROJECTS, WINS):
    _add_routes(_noun)


@router.post("/accounts/{account}/incidents/{incident}/close")
async def close_incident(
    account: str, incident: str, said: By[CloseBody], services: TheServices, token: Bearer
) -> Incident:
    """Say that an incident is over."""
    return await account_data.close_incident(services, account, incident, said.by(services, token), said.body.ended)


@router.get("/accounts/{account}/roadmap")
async def roadmap_of(account: str, services: TheServices) -> tuple[RoadmapItem, ...]:
    """What of the roadmap touches an account."""
    return await account_data.roadmap_of(services, account)


@router.get("/roadmap")
async def list_roadmap(services: TheServices) -> list[WrittenRoadmapItem]:
    """The roadmap: each item once for each account that it touches."""
    return await account_data.roadmap(services)


@router.post("/roadmap", openapi_extra=_ALSO_CSV)
async def add_roadmap(
    sheet: Annotated[Sheet[WrittenRoadmapItem], Body()],
    services: TheServices,
    token: Bearer,
    as_: As = None,
    kind: Kind = "",
) -> ImportResult:
    """Bring items of the roadmap up to what is given, each with all whom it touches."""
    rows, by = sheet.read(kind, as_)
    return await account_data.add_roadmap(services, rows, api_actor(services, token, by))


@router.post("/roadmap/{item}/remove")
async def remove_roadmap(item: str, said: By[Nothing], services: TheServices, token: Bearer) -> ImportResult:
    """Take an item off the roadmap."""
    return await account_data.remove_roadmap(services, item, said.by(services, token))
