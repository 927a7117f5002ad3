"""Every way in asks for what `tests/access_expected.toml` says, of everyone, and refuses whoever may not."""

from __future__ import annotations

import asyncio
import inspect
import re
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Final, cast

import httpx
import pytest
from pydantic import SecretStr
from temporalio.client import Client

from rapport.model.access import Action, Reach, TokenScope
from rapport.model.account import MembersFile, Role
from rapport.model.reading import check
from rapport.rules import access
from rapport.settings import Settings
from rapport.storage import account, session
from rapport.storage.database import Store
from starters import use_cases, views
from starters.http.app import create_app
from starters.http.auth import SESSION_COOKIE
from starters.services import Services, present
from starters.use_cases import member as members, token
from tests.conftest import ROOT, example
from tests.http.test_fuzz import OURS, Nobody
from tests.mail_fixtures import address, empty, imported  # noqa: F401 - fixtures
from tests.support import rights

EXPECTED: Final[dict[str, Any]] = tomllib.loads((ROOT / "tests" / "access_expected.toml").read_text())
CHANNELS: Final = {"api": rights.api_entries, "pages": rights.page_entries, "commands": rights.command_entries}

INTERNAL: Final = frozenset({
    "blocker.find", "gates_changed", "mail_switch.why_not", "member.people_changed", "member.tell_people_changed",
    "message.refuse_unwritten", "numbers.numbered", "task.speaks_for",
    "operation.left_out_for", "revivals.begin_again", "revivals.refuse_where_forgotten", "support_case.hear_of_gap",
    "support_case.start_pending", "task.found_out", "words.hand_over", "words.heard", "words.once",
    "meeting_ends.leave", "meeting_ends.take_late", "tech_review_needs.gates_changed", "task.of_task",
    "standstill.all_ended", "standstill.ended_now", "standstill.ended_since", "standstill.stands_still_since",
    "task.in_full", "access.record", "files.within_rights", "names.in_full", "hour.refuse_unsuitable",
    "hour.refuse_unsuitable_date",
})  # fmt: skip
"""What use cases call, and no channel does by itself."""


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_way_in_has_a_row(channel: str) -> None:
    """A route, a page or a command asks for what is written down for it, and none is without."""
    found = {name: sorted(rights.asked_by(entry)) for name, entry in CHANNELS[channel]().items()}
    without = EXPECTED["without"]
    assert {name: asked for name, asked in found.items() if name not in without} == EXPECTED[channel]
    assert all(not asked for name, asked in found.items() if name in without)


def test_every_use_case_asks() -> None:
    """What takes the installation's parts says which action it is, or is none that a channel calls."""
    named = set()
    for package in (use_cases, views):
        for part in iter_modules(package.__path__):
            module = import_module(f"{package.__name__}.{part.name}")
            for name, function in vars(module).items():
                own = inspect.iscoroutinefunction(function) and function.__module__ == module.__name__
                if not own or name.startswith("_") or "services" not in inspect.signature(function).parameters:
                    continue
                if not hasattr(function, "action"):
                    named.add(f"{part.name}.{name}")
    assert named <= INTERNAL, named - INTERNAL


def test_the_table_is_what_was_meant() -> None:
    """Each role's rights, and each scope's, are those that were written down by hand."""
    for role in Role:
        by_reach = EXPECTED["roles"][role]
        expected = {action: Reach[reach.upper()] for reach, actions in by_reach.items() for action in actions}
        assert {action: far for action in Action if (far := access.reach(action, [role]))} == expected, role
    for scope in TokenScope:
        covered = {action for action in Action if access.covers(action, [scope])}
        assert covered == set(EXPECTED["scopes"].get(scope, Action)), scope


class Silent(Nobody):
    """Temporal, which does not answer; what it is asked about has an id."""

    id = "meeting/versayce/kickoff/1"


@dataclass(frozen=True)
class House:
    """An installation with a member of each role who is near to no account, and what each comes in with."""

    runner: asyncio.Runner
    client: httpx.AsyncClient
    tokens: dict[str, str]
    sessions: dict[str, str]
    document: dict[str, Any]

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask, from outside any event loop."""

        async def work() -> httpx.Response:
            return await self.client.request(method, path, **options)

        return self.runner.run(work())


def email_of(role: str) -> str:
    """The address of the member who has this role alone."""
    return f"{role.replace('_', '-')}@far.example"


@pytest.fixture(scope="module")
def house(imported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:  # noqa: F811 - a fixture
    """The example account, one member and one token of each role and scope; Temporal does not answer."""
    data = tmp_path_factory.mktemp("house")
    shutil.copy(imported, data / "rapport.db")
    with asyncio.Runner() as runner:

        async def opened() -> tuple[House, Store]:
            settings = Settings(data=data, secret=SecretStr("a secret of the tests"), mail_mode="live", public_url=OURS)
            store = Store(address(data / "rapport.db"))
            services = Services(settings, store, cast("Client", Silent()))
            written = [{"name": role, "email": email_of(role), "roles": [role], "zone": "UTC"} for role in Role]
            await members.import_members(services, check(MembersFile, {"members": written}, ""))
            tokens = {str(role): await token.create(services, role, (), email_of(role)) for role in Role}
            tokens |= {f"scope {one}": await token.create(services, f"s {one}", (one,)) for one in TokenScope}
            sessions: dict[str, str] = {}
            async with store.writing() as connection:
                for role in Role:
                    found = await account.member_by_email(connection, email_of(role))
                    assert found is not None
                    sessions[str(role)] = await session.begin(connection, present(), member=found.id)
            app = create_app(services)
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=OURS)
            return House(runner, client, tokens, sessions, app.openapi()), store

        made, store = runner.run(opened())
        yield made
        runner.run(made.client.aclose())
        runner.run(store.close())


FILE: Final = example().model_dump(mode="json", exclude={"contract"})
"""The example account, as JSON."""

IN_PATHS: Final = {
    "account": "versayce", "key": "versayce", "email": "luca.bianchi@versayce.example", "step": "kickoff",
    "operation": "pause", "ref": "C-99999", "gate": "trial", "task": "versayce/nothing", "verb": "note",
}  # fmt: skip
"""What stands in paths: the example account where one is asked for, and otherwise nothing that there is."""


def path_of(route: str) -> str:
    """A path of a route."""
    return re.sub(r"\{(\w+)(?::path)?\}", lambda part: IN_PATHS.get(part[1], "none"), route)


def least(schema: dict[str, Any], document: dict[str, Any], name: str = "") -> Any:
    """The least document of a schema."""
    if "$ref" in schema:
        return least(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document, name)
    if options := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return least(options[0], document, name)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            parts = schema.get("properties", {})
            return {one: least(parts[one], document, one) for one in schema.get("required", [])}
        case "array":
            return [least(schema["items"], document, name)]
        case "integer" | "number":
            return OF_NAMES.get(name, schema.get("minimum", 1))
        case "boolean":
            return False
        case _:
            return OF_FORMATS.get(schema.get("format", "")) or OF_NAMES.get(name, "x" * schema.get("minLength", 1))


OF_FORMATS: Final = {"date": "2026-01-02", "date-time": "2026-01-02T03:04:05Z", "email": "robin.keller@foobar.example"}
OF_NAMES: Final[dict[str, Any]] = {
    "account": "versayce", "to": "ines.moreau@foobar.example", "member": "robin.keller@foobar.example",
    "owner": "robin.keller@foobar.example", "from": "2030-01-02", "until": "2030-01-03", "zone": "UTC",
    "email": "new@versayce.example", "personas": "secondary_user", "persona": "secondary_user", "into": "C-00001",
    "keys": "none", "at": "09:00",
    "day": "mon", "key": "none", "id": "X-1", "tam": "robin.keller@foobar.example", "severity": 1,
}  # fmt: skip


def wrong(name: str, answer: httpx.Response, *, allowed: bool) -> list[str]:
    """What differs from 403 for whoever may not, and anything else for whoever may."""
    if (answer.status_code != 403) is allowed:
        return []
    return [f"{name}: {answer.status_code}, {'allowed' if allowed else 'not allowed'}: {answer.text[:200]}"]


API: Final = sorted(set(EXPECTED["api"]) - {"POST /v1/hooks/contract-signed"})


@pytest.mark.parametrize("who", [*Role, *(f"scope {one}" for one in TokenScope)])
def test_the_api_refuses_whoever_may_not(house: House, who: str) -> None:
    """With each role's token and each scope's, each route answers 403 or does not, as was written down."""
    faults = []
    for name in API:
        method, route = name.split()
        operation = house.document["paths"][re.sub(r":path\}", "}", route)][method.lower()]
        options: dict[str, Any] = {"headers": {"Authorization": f"Bearer {house.tokens[who]}"}, "params": {}}
        named = email_of(who) if who in tuple(Role) else "robin.keller@foobar.example"
        for one in operation.get("parameters", ()):
            if one["in"] == "query" and one["name"] == "as" and method != "GET":
                options["params"]["as"] = named
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if schema is not None:
            body = FILE if name == "PUT /v1/accounts" else least(schema, house.document)
            part = (
                house.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else {}
            )
            # A member acts as who they are anyway; whoever acts for others names somebody.
            acting = () if who in tuple(Role) or "as" not in part.get("properties", ()) else ("as",)
            options["json"] = body | dict.fromkeys((*acting, *({"member"} & set(body))), named)
        answer = house.ask(method, path_of(route), **options)
        as_robin = "as" in options.get("json", options["params"])
        faults += wrong(name, answer, allowed=may(who, EXPECTED["api"][name], route, as_robin=as_robin))
    assert faults == []


def may(who: str, actions: list[str], route: str, *, as_robin: bool = False) -> bool:
    """Whether somebody who is near to no account may do all of these.

    Args:
        as_robin: Whether they act in the name of the account's TAM, as operators and services do.
    """
    if who.startswith("scope "):
        scopes = EXPECTED["scopes"].get(who.removeprefix("scope "))
        robin = {action for some in EXPECTED["roles"]["tam"].values() for action in some}
        return (scopes is None or set(actions) <= set(scopes)) and (not as_robin or set(actions) <= robin)
    rows = EXPECTED["roles"][who]
    # The file of an account is the example's, and all timelines are those of every account.
    is_far = "{account}" in route or "{key}" in route or route in ("/v1/accounts", "/v1/audit", "/v1/access/log")
    return set(actions) <= {*rows["all"], *(() if is_far else (*rows["team"], *rows["own"]))}


FORM: Final = {
    "outcome": "held",
    "text": "x",
    "reason": "x",
    "note": "x",
    "start": "2030-01-08T14:00",
    "day": "mon",
    "at": "09:00",
    "date": "2030-01-08",
}


LONG_FORMS: Final = frozenset({
    "POST /accounts/{key}/drafts", "POST /accounts/{key}/meetings", "POST /accounts/{key}/meetings/{step}/minutes",
    "POST /reviews/new",
    "POST /reviews/new/case", "POST /support/open",
})  # fmt: skip
"""Forms of many fields: what they ask for stands above, and the API has the same use cases."""


@pytest.mark.parametrize("role", Role)
def test_pages_refuse_whoever_may_not(house: House, role: Role) -> None:
    """Signed in as each role, each page that shows or changes something of an account is refused or is not."""
    house.client.cookies.clear()
    cookie = {"Cookie": f"{SESSION_COOKIE}={house.sessions[role]}"}
    drawn = re.search(r'name="csrf" value="(\w+)"', house.ask("GET", "/", headers=cookie).text)
    assert drawn is not None
    faults = []
    for name, actions in EXPECTED["pages"].items():
        method, route = name.split()
        # Who may answer a task or speak in a review is asked once it is found.
        if name in LONG_FORMS or "open" in actions or any(part in route for part in ("{task:path}", "{ref}", "{id_}")):
            continue
        typed = {"data": FORM | {"csrf": drawn[1]}} if method == "POST" else {}
        answer = house.ask(method, path_of(route), headers=cookie, **typed)
        faults += wrong(name, answer, allowed=may(role, actions, route))
    assert faults == []


def test_an_old_cookie_is_a_401_for_programs_and_leads_people_to_sign_in(house: House) -> None:
    """What is no session any more is no token for the API, and each page leads to the form and back to itself."""
    house.client.cookies.clear()
    for cookie in ("", f"{SESSION_COOKIE}=over"):
        headers = {"Cookie": cookie}
        for name in EXPECTED["api"]:
            method, route = name.split()
            assert house.ask(method, path_of(route), headers=headers).status_code == 401, name
        for name, actions in EXPECTED["pages"].items():
            method, route = name.split()
            if "open" in actions:
                continue
            answer = house.ask(method, path_of(route), headers=headers)
            assert answer.status_code == 303, name
            onward = answer.headers["location"].removeprefix("/sign-in?next=")
            assert onward.startswith("/"), name
            assert method == "POST" or onward == path_of(route), name


def test_a_wrong_method_is_told_the_right_ones(house: House) -> None:
    """A 405 names in Allow what the path takes: all of its routes' methods (RFC 9110 §15.5.6)."""
    taken: dict[str, set[str]] = {}
    for name in (*EXPECTED["api"], *EXPECTED["pages"]):
        method, route = name.split()
        taken.setdefault(path_of(route), set()).add(method)
    for path, methods in taken.items():
        for wrong_one in {"DELETE", "PUT", "PATCH"} - methods:
            answer = house.ask(wrong_one, path)
            if answer.status_code == 405:
                allowed = set(answer.headers["allow"].split(", "))
                assert methods <= allowed, (wrong_one, path)
                assert wrong_one not in allowed
    answer = house.ask("DELETE", "/v1/accounts")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PUT")
    said = answer.json()
    assert (said["status"], said["title"], said["errors"][0]["fix"]) == (
        405,
        "Method Not Allowed",
        "use one of GET, PUT",
    )
