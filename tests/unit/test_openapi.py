"""The OpenAPI document: whole, and true to what the routes read and answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

import pytest

from starters.http.app import create_app
from starters.services import Services

DOCUMENT: Final[dict[str, Any]] = create_app(cast("Services", None)).openapi()

WITHOUT_A_BODY: Final = {"/v1/gaps/{ref}/resend"}
"""What is asked for with its address alone."""

IN_ITS_OWN_FORM: Final = {"/v1/onboardings/{account}/plan"}
"""Answers whose model OpenAPI has no words for."""

ROUTES: Final = [
    (path, method, about)
    for path, methods in DOCUMENT["paths"].items()
    if path.startswith("/v1/")
    for method, about in methods.items()
]


def references(node: Any) -> Iterator[str]:
    """Every reference in a part of the document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for one in node.values():
            yield from references(one)
    if isinstance(node, list):
        for one in node:
            yield from references(one)


def test_every_reference_leads_somewhere() -> None:
    """Each $ref of the document names a part that it has."""
    found = set(references(DOCUMENT))
    assert len(found) > 80
    for reference in found:
        part: Any = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            assert name in part, reference
            part = part[name]


@pytest.mark.parametrize(("path", "method", "about"), ROUTES, ids=[f"{method} {path}" for path, method, _ in ROUTES])
def test_every_route_tells_its_body_and_its_answer(path: str, method: str, about: dict[str, Any]) -> None:
    """What is written has a body with a schema, `as` among its fields unless a file says who; what is read has none."""
    if method in ("post", "put", "patch") and path not in WITHOUT_A_BODY:
        body = about["requestBody"]
        assert body["required"]
        assert all(one.get("schema") for kind, one in body["content"].items() if kind != "application/octet-stream")
    else:
        assert "requestBody" not in about
    answers = [answer for code, answer in about["responses"].items() if code.startswith("2")]
    assert len(answers) == 1
    assert bool(answers[0]["content"]["application/json"]["schema"]) is not (path in IN_ITS_OWN_FORM)


@pytest.mark.parametrize(
    ("path", "fields", "needed"),
    [
        ("/v1/accounts/{account}/meetings/{step}/vote", {"slots", "round", "as"}, {"slots"}),
        ("/v1/mail/stop", {"as", "reason"}, set()),
        ("/v1/accounts/{account}/incidents", {"records", "as"}, {"records"}),
        ("/v1/hooks/contract-signed", {"type", "timestamp", "data"}, {"type", "timestamp", "data"}),
        ("/v1/cases/{ref}/merge", {"into", "as"}, {"into"}),
    ],
)
def test_a_body_tells_its_fields(path: str, fields: set[str], needed: set[str]) -> None:
    """The document names the fields that a route reads, `as` beside the others, and refuses any more."""
    schema = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    described = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert set(described["properties"]) == fields
    assert set(described.get("required", ())) == needed
    assert described["additionalProperties"] is False


def test_nobody_has_to_say_whose_token_theirs_is() -> None:
    """No route asks for `as`, neither in a body nor in the query: with a member's token they act themselves."""
    parts = DOCUMENT["components"]["schemas"]
    assert sum("as" in one.get("properties", ()) for one in parts.values()) > 30
    assert [name for name, one in parts.items() if "as" in one.get("required", ())] == []
    queries = [one for _, _, about in ROUTES for one in about.get("parameters", ()) if one["name"] == "as"]
    assert [one for one in queries if one["required"]] == []
