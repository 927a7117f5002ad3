"""Whatever comes in, the answer is never that something broke here: each route, each form, any bytes."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings as profile, strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from rapport.model.ids import new_id
from rapport.settings import Settings
from rapport.storage import access
from rapport.storage.database import Store
from starters.http import pages
from starters.http.app import create_app
from starters.services import Services, present
from starters.use_cases.token import webhook_secret
from tests.mail_fixtures import address, empty, imported

__all__ = ["empty", "imported"]

OURS = "http://127.0.0.1:8700"
TEMPLATES = Path(pages.__file__).parent / "templates"

KNOWN: Final = {
    "account": "versayce",
    "key": "versayce",
    "step": "kickoff",
    "email": "luca.bianchi@versayce.example",
    "ref": "TR-0001",
    "as": "robin.keller@foobar.example",
}
"""What leads past the first look: a name that is known here."""

ODD: Final = [
    *(
        "",
        " ",
        "\x00",
        "a\x00b",
        "ａ",
        "é",
        "\u202e",
        "\ufeff",
        "\U0001f600",
        "%00",
        "%ff",
        "../..",
        "/",
        "=?utf-8?q?x?=",
        "²",
        "TR-²",
        "TR-" + "9" * 5000,
        "GAP-²",
    ),
    *("0", "-1", "1e400", "9" * 400, "NaN", "Infinity", "null", "true", "[]", "{}", "x" * 5000),
    *("2026-11-29", "20261129", "2026-W48-7", "0001-01-01", "9999-12-31", "2026-02-30", "2026-11-29T00:00:00"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.999999Z", "2027-03-28T02:30"),
    *("2026-11-29T24:00:00Z", "2026-11-29T00:00:00 00:00", "23:59", "25:00", "00:00:00+24:00"),
]
TEXTS: Final = st.one_of(st.sampled_from(ODD), st.text(max_size=40), st.sampled_from(sorted(KNOWN.values())))
SCALARS: Final = st.one_of(
    TEXTS, st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from([10**400, -(2**63), 2**63, 0])
)
VALUES: Final = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
HEADERS: Final = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)


class Nobody:
    """Temporal, which does not answer; a workflow's handle knows its name all the same."""

    id = "onboarding/versayce"

    @property
    def service_client(self) -> Nobody:
        """Its connection."""
        return self

    def __getattr__(self, _: str) -> Callable[..., Any]:
        return self.handle

    def handle(self, *_: Any, **__: Any) -> Nobody:
        """Whatever is asked for, it is another one that does not answer."""
        return self

    def __await__(self) -> Any:
        raise RPCError("nobody is there", RPCStatusCode.UNAVAILABLE, b"")

    def __aiter__(self) -> Any:
        raise RPCError("nobody is there", RPCStatusCode.UNAVAILABLE, b"")


@dataclass(frozen=True)
class Door:
    """An installation that is asked, from outside any event loop."""

    runner: asyncio.Runner
    reader: httpx.AsyncClient
    services: Services
    document: dict[str, Any]
    csrf: str

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask; whatever breaks, breaks the test with its own error."""

        async def work() -> httpx.Response:
            return await self.reader.request(method, path, **options)

        return self.runner.run(work())

    def judge(self, answer: httpx.Response, method: str, path: str) -> None:
        """Nothing broke; what is refused as input says which field, and what to do."""
        assert answer.status_code < 500 or answer.status_code == 503, (method, path, answer.text)
        if answer.status_code == 422 and path.startswith("/v1/"):
            for fault in answer.json()["errors"]:
                assert fault["field"], (method, path, answer.text)
                assert fault["problem"]


@pytest.fixture(scope="module")
def door(imported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """An installation with the example account, on SQLite, whose Temporal does not answer."""
    data = tmp_path_factory.mktemp("door")
    shutil.copy(imported, data / "rapport.db")
    with asyncio.Runner() as runner:

        async def opened() -> Door:
            settings = Settings(data=data, secret=SecretStr("a secret of the tests"), mail_mode="live", public_url=OURS)
            store = Store(address(data / "rapport.db"))
            async with store.writing() as connection:
                key = await access.create_token(connection, "owner", ("operator",), present())
            services = Services(settings, store, cast("Client", Nobody()))
            app = create_app(services)
            reader = httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url=OURS, headers={"Authorization": f"Bearer {key}"}
            )
            await reader.post("/sign-in", data={"key": key})
            found = re.search(r'name="csrf" value="(\w+)"', (await reader.get("/")).text)
            assert found is not None
            return Door(runner, reader, services, app.openapi(), found[1])

        made = runner.run(opened())
        yield made
        runner.run(made.reader.aclose())
        runner.run(made.services.store.close())


def shaped(schema: dict[str, Any], document: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that nearly have the shape that a schema asks for, and at times do not."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return shaped(document["components"]["schemas"].get(name, {}), document, depth + 1)
    if depth > 4:
        return SCALARS
    rest = VALUES
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return st.one_of(*(shaped(one, document, depth + 1) for one in options), rest)
    if "enum" in schema:
        return st.sampled_from(schema["enum"]) | rest
    match schema.get("type"):
        case "object" if "properties" in schema:
            parts = {
                name: (st.just(KNOWN[name]) if name in KNOWN else shaped(one, document, depth + 1)) | rest
                for name, one in schema["properties"].items()
            }
            needed = {name: parts[name] for name in schema.get("required", ())}
            more = {name: part for name, part in parts.items() if name not in needed}
            return st.fixed_dictionaries(needed, optional=more) | rest
        case "array":
            return st.lists(shaped(schema.get("items", {}), document, depth + 1), max_size=3) | rest
        case "integer" | "number":
            return st.integers(-(10**20), 10**20) | st.floats()
        case "string":
            return TEXTS
        case _:
            return rest


def bodies(operation: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Bytes for a body: JSON that nearly fits, JSON that does not, and no JSON at all."""
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    # JSON knows no infinity; Python writes it, and readers have to bear it. Half a character is written as it is.
    written = shaped(schema, document).map(lambda value: json.dumps(value).encode())
    halves = st.sampled_from([b'{"as": "\\ud800"}', b'"\xff"', b"\xef\xbb\xbf{}", b"[" * 3000, b'{"a":1e999}', b"{"])
    return st.one_of(written, halves, st.binary(max_size=60))


def test_no_route_of_the_api_breaks(door: Door) -> None:
    """Any path, query and body of any documented route is answered, and a refusal of input names the field."""
    operations = [
        (path, method, operation)
        for path, methods in door.document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) > 80

    @profile(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def tried(path: str, method: str, operation: dict[str, Any], data: st.DataObject) -> None:
        query = {}
        for parameter in operation.get("parameters", ()):
            name = parameter["name"]
            known = st.just(KNOWN[name]) if name in KNOWN else TEXTS
            value = data.draw(known | TEXTS, label=name)
            if parameter["in"] == "path":
                path = path.replace("{" + name + "}", httpx.QueryParams({"x": value or "-"})["x"].replace("?", "%3F"))
            else:
                query[name] = value
        options: dict[str, Any] = {"params": query}
        if "requestBody" in operation:
            options["content"] = data.draw(bodies(operation, door.document))
            options["headers"] = {"Content-Type": data.draw(st.sampled_from(["application/json", "text/plain", "x"]))}
        try:
            url = httpx.URL(OURS, raw_path=_quoted(path))
        except httpx.InvalidURL:
            return
        door.judge(door.ask(method.upper(), str(url), **options), method, path)

    for path, method, operation in operations:
        tried(path, method, operation)


def _quoted(path: str) -> bytes:
    return "".join(
        one
        if one.isascii() and one.isprintable() and one not in '"<>?#%\\^`{|} '
        else "".join(f"%{b:02X}" for b in one.encode("utf-8", "surrogatepass"))
        for one in path
    ).encode()


def page_routes() -> list[str]:
    """Every path that takes a form."""
    included = [cast("APIRouter", vars(part)["original_router"]) for part in pages.router.routes]
    routes = [route for part in included for route in part.routes if isinstance(route, APIRoute)]
    return [route.path for route in routes if "POST" in (route.methods or ()) and route.path != "/sign-out"]


def field_names() -> list[str]:
    """What fields of forms are called, in all templates; numbered ones by a number."""
    found = {name for file in TEMPLATES.glob("*.html") for name in re.findall(r'name="([^"]+)"', file.read_text())}
    return sorted({re.sub(r"\{\{.*?\}\}", "1", name) for name in found} - {"csrf", "viewport"})


def test_no_form_breaks(door: Door) -> None:
    """Any fields in any form, as either encoding or as bytes that are neither, are answered."""
    names, routes = field_names(), page_routes()
    assert len(routes) > 15
    assert {"email", "reason", "start"} <= set(names)

    @profile(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def tried(route: str, data: st.DataObject) -> None:
        path = re.sub(r"\{(\w+)(?::path)?\}", lambda part: KNOWN.get(part[1], "1"), route)
        typed = data.draw(st.dictionaries(st.sampled_from(names), TEXTS, max_size=6)) | {"csrf": door.csrf}
        kind = data.draw(st.sampled_from(["urlencoded", "multipart", "file", "bytes"]))
        match kind:
            case "urlencoded":
                answer = door.ask("POST", path, data=typed)
            case "multipart":
                answer = door.ask("POST", path, data=typed, files={"x": ("a.txt", b"x")})
            case "file":
                some = data.draw(st.sampled_from([*names, "csrf"]))
                answer = door.ask("POST", path, data=typed, files={some: (data.draw(TEXTS), b"\xff")})
            case _:
                how = ["multipart/form-data; boundary=b", "multipart/form-data", "application/x-www-form-urlencoded"]
                content, header = data.draw(st.binary(max_size=80)), data.draw(st.sampled_from(how))
                answer = door.ask("POST", path, content=content, headers={"Content-Type": header})
        door.judge(answer, "POST", path)

    for route in routes:
        tried(route)


@profile(max_examples=80, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_signature_breaks(door: Door, data: st.DataObject) -> None:
    """Signatures without a comma, in other alphabets, of any length, and bodies that are no text, are a 401."""
    parts = st.one_of(
        HEADERS, st.sampled_from(["v1", "v1,", ",", "v1,AAAA", "v1,ÿ", "v1,A,B", "v2,AAAA", " ", "v1,===="])
    )
    stamp = st.one_of(HEADERS, st.sampled_from([str(int(present().timestamp())), "1e400", "nan", "-1", "²"]))
    said = {
        "webhook-id": data.draw(HEADERS),
        "webhook-timestamp": data.draw(stamp),
        "webhook-signature": " ".join(data.draw(st.lists(parts, max_size=3))),
    }
    headers = [(name.encode(), value.strip().encode("latin-1")) for name, value in said.items()]
    answer = door.ask("POST", "/v1/hooks/contract-signed", headers=headers, content=data.draw(st.binary(max_size=60)))
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["field"] == "webhook-signature"


@profile(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_signed_event_breaks(door: Door, data: st.DataObject) -> None:
    """What our own secret has signed may still be anything."""
    operation = door.document["paths"]["/v1/hooks/contract-signed"]["post"]
    schema = {"type": "object", "properties": {"type": {"enum": ["contract.signed"]}, "timestamp": {"type": "string"}}}
    content = data.draw(bodies(operation, door.document) | shaped(schema, {}).map(lambda one: json.dumps(one).encode()))
    id_, now = new_id("msg"), present()
    try:
        signature = Webhook(webhook_secret(door.services)).sign(id_, now, content.decode())
    except UnicodeDecodeError:
        signature = "v1,AAAA"
    headers = {"webhook-id": id_, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    answer = door.ask("POST", "/v1/hooks/contract-signed", headers=headers, content=content)
    door.judge(answer, "POST", "/v1/hooks/contract-signed")


@pytest.mark.parametrize(
    ("until", "status"),
    [
        ("2026-11-29", 200),
        ("2026-11-29T00:00:00Z", 200),
        ("2026-11-29T00:00:00", 200),
        ("9999-12-31", 200),
        ("0001-01-01", 200),
        ("0001-01-01T00:00:00", 422),
        ("0001-01-01T00:00:00+14:00", 422),
        ("9999-12-31T23:59:59-14:00", 422),
        ("2026-02-30", 422),
        ("soon", 422),
        ("", 422),
    ],
)
def test_until_takes_a_day_or_an_instant(door: Door, until: str, status: int) -> None:
    """A day is one, a time without an offset is wall time there, and what is neither is refused by its name."""
    answer = door.ask("GET", "/v1/accounts/versayce/timeline", params={"until": until})
    assert answer.status_code == status, answer.text
    if status == 422:
        assert answer.json()["errors"][0]["field"] == "until"
        assert answer.json()["errors"][0]["fix"]
