"""The recipes of docs/recipes.md, performed as they stand there, with nothing else touched."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import httpx
import pytest
import typer
from fastapi import APIRouter
from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader
from pydantic import SecretStr
from temporalio.client import Client
from typer.testing import CliRunner

from rapport.mail import emails, samples
from rapport.model import account
from rapport.model.account import AccountFile, personas
from rapport.model.reading import read_toml
from rapport.model.scenario import FILE, read
from rapport.playbooks.checks import examine
from rapport.rules import claims
from rapport.rules.claims import MeetingNow
from rapport.rules.scenario import needs
from rapport.settings import Settings
from rapport.storage.database import Store, opened
from starters.cli import account as account_commands, common
from starters.http import api
from starters.http.api.bodies import api_router
from starters.http.app import create_app
from starters.http.pages import member as member_pages, rendering
from starters.services import Actor, Services, submission
from starters.use_cases import account as account_cases, account_erasure, doctor, sentences, timeline, token
from tests.support.facts import facts_for
from tests.support.no_workflows import NO_WORKFLOWS, NoWorkflows

ROOT = Path(__file__).parents[2]
OURS = "http://127.0.0.1:8700"
TAM = "robin.keller@foobar.example"
_PARTS = (ROOT / "docs" / "recipes.md").read_text().split("\n## ")[1:]
RECIPES = {part.partition("\n")[0]: part for part in _PARTS}


def code(recipe: str, language: str = "python") -> list[str]:
    """The blocks of code that a recipe has somebody write."""
    return re.findall(rf"```{language}\n(.*?)```", RECIPES[recipe], re.DOTALL)


def written(block: str, module: ModuleType, **instead: Any) -> dict[str, Any]:
    """What a module knows once a recipe's block stands in it.

    Args:
        instead: Names that stand for others of the module.
    """
    known = vars(module) | instead
    exec(compile(block, module.__name__, "exec", dont_inherit=True), known)
    return known


def table(recipe: str) -> str:
    """The table of TOML that a recipe has somebody write."""
    return RECIPES[recipe].partition("```toml\n")[2].partition("```")[0]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_names_what_there_is(recipe: str) -> None:
    """Every file to touch and every test to run is there."""
    named = [*re.findall(r"^\| `([^`]+)`", RECIPES[recipe], re.MULTILINE)]
    named += re.findall(r"(?<= )(?:tests|rapport)/[a-z_/]+\.[a-z]+", RECIPES[recipe])
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_recipe_for_a_step_gives_a_sound_playbook() -> None:
    """With the recipe's table at its end, the shipped playbook is sound, and nothing in it is to be doubted."""
    raw = (ROOT / "rapport" / "playbooks" / "enterprise.toml").read_text() + "\n" + table("A step")
    found = examine(raw.encode(), "enterprise.toml")
    assert (found.faults, found.warnings) == ((), ())
    assert found.sound().steps[-1].name == "first_look_back"


def test_the_recipe_for_a_mail_is_a_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe's file is a mail that a message step can send to those whom it names, and to nobody else."""
    written = RECIPES["A mail"].partition("```markdown\n")[2].partition("```")[0]
    (tmp_path / "two_weeks.md").write_text(written)
    forget = (emails.email, emails.names, samples.fault)
    with monkeypatch.context() as patched:
        patched.setattr(emails, "folder", lambda: tmp_path)
        patched.setattr(emails.markdown(), "loader", emails.Bodies(FileSystemLoader(tmp_path)))
        for one in forget:
            one.cache_clear()
        assert samples.fault("two_weeks", "message", "primary_user") is None
        assert "other readers" in (samples.fault("two_weeks", "message", "primary_champion") or "")
    for one in forget:
        one.cache_clear()


_HELD = """
import asyncio, sys
from pathlib import Path
from sqlalchemy import update
from temporalio.testing import ActivityEnvironment
from activities.undelivered import UndeliveredMails
from rapport.mail import outbox
from rapport.model.account import AccountFile
from rapport.model.message import MessageState, Resolution
from rapport.model.reading import read_toml
from rapport.model.undelivered import Settling, UndeliveredStart
from rapport.rules.message import ways_on
from rapport.rules.todo_template import ABOUT_EMAIL
from rapport.storage import imports
from rapport.storage.database import Store
from rapport.storage.tables import MessageRow
from tests.helpers_mail import NOW
from tests.unit.test_outbox import row

async def main():
    store = Store("sqlite:///" + sys.argv[1])
    await store.migrate()
    file = read_toml(AccountFile, Path("examples/versayce.toml").read_bytes(), "versayce.toml")
    key = "V/kickoff/1/1/1/proposal/welcome/c_1"
    asks = {"workflow_id": "x", "purpose": "proposal", "email": "welcome", "step": "kickoff", "title": "Kickoff"}
    asks |= {"account": "versayce", "now": NOW.isoformat()}
    held = row(key) | {"state": "held", "raw": b"bytes", "occasion": asks}
    async with store.writing() as connection:
        await imports.save(connection, file, NOW)
        await outbox.intend(connection, [held])
        assert [one.key for one in await outbox.unresolved(connection)] == [key], "the sweep does not see it"
    mails, run = UndeliveredMails(store), ActivityEnvironment().run
    start = UndeliveredStart(account="versayce", key=key)
    trouble = (await run(mails.look, start)).trouble
    assert (trouble.state, trouble.assign) == ("held", ("tam",))
    template = ABOUT_EMAIL[trouble.state]
    assert template.options == {how for how in ("resend", "elsewhere")}
    assert [way.command for way in ways_on(trouble.state, key)][0].startswith("rapport message resolve")
    order = Settling(account="versayce", key=key, how=Resolution.RESEND, fence=trouble.fence, now=NOW)
    done = await run(mails.settle, order)
    assert done.states == {key: MessageState.READY}
    await store.close()
    print("asked, and sent")

asyncio.run(main())
"""
"""A mail that is held back, in an installation of its own."""


def apply(recipe: str, copy: Path) -> None:
    """Copy what is ours, and change it as a recipe's lines say."""
    for part in ("rapport", "activities", "workflows", "starters", "tests", "examples"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "histories", "years"))
    [diff] = code(recipe, "diff")
    for change in re.split(r"^--- ", diff, flags=re.MULTILINE)[1:]:
        name, _, lines = change.partition("\n")
        marked = lines.splitlines(keepends=True)
        before, after = ("".join(line[1:] for line in marked if line[0] in (" ", sign)) for sign in "-+")
        text = (copy / name).read_text()
        assert text.count(before) == 1, f"{name} has no such lines"
        (copy / name).write_text(text.replace(before, after))


def test_the_recipe_for_a_mail_that_asks_has_the_sweep_ask_and_the_answer_count(tmp_path: Path) -> None:
    """With the recipe's lines in the modules that it names, what is held back is asked about, and goes on a word."""
    apply("A mail that asks what becomes of it", tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", _HELD, str(tmp_path / "rapport.db")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "asked, and sent\n", done.stderr


def test_the_recipe_for_a_scenario_calls_for_a_review() -> None:
    """With the recipe's table the shipped file is sound, and a review is called for where all of it holds."""
    found = read(f"{(ROOT / 'rapport' / FILE).read_text()}\n{table('A scenario')}".encode(), FILE)
    name = [*found][-1]
    calls = needs(facts_for(*found[name].when), found)
    assert name in {call.scenario for call in calls.needed}
    assert name not in {call.scenario for call in needs(facts_for(), found).needed}


def test_the_recipe_for_a_claim_keeps_a_mail_whose_claim_is_over() -> None:
    """The recipe's claim holds for as long as it is so."""
    [claim] = code("A claim")
    [made] = eval(f"{{{claim}}}", vars(claims)).values()
    assert made.holds(MeetingNow())
    assert not made.holds(MeetingNow(settled=True))
    assert not made.holds(MeetingNow(replied=True))


def test_the_recipe_for_a_column_keeps_tables_and_migration_alike(tmp_path: Path) -> None:
    """With the recipe's lines the migration still makes exactly what the tables say."""
    apply("A table or a column", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    promise = "tests/unit/test_storage.py::test_the_migrations_make_exactly_the_tables"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-q", promise],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture
def persona(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The persona of the recipe, once its table stands in `personas.toml`."""
    before = set(personas())
    (tmp_path / "personas.toml").write_text(f"{(ROOT / 'rapport' / 'personas.toml').read_text()}\n{table('A persona')}")
    with monkeypatch.context() as patched:
        patched.setattr(account, "files", lambda _: tmp_path)
        personas.cache_clear()
        [new] = set(personas()) - before
        yield new
    personas.cache_clear()


def test_the_recipe_for_a_persona_is_all_that_it_takes(persona: str) -> None:
    """Somebody may have the persona, a step may invite, write to or ask for them, and mails have words for them."""
    contact = f"""
[[contacts]]
persona = "{persona}"
name = "Sam Field"
email = "sam.field@versayce.example"
zone = "Europe/Zurich"
"""
    example = (ROOT / "examples" / "versayce.toml").read_text().replace("[[members]]", f"{contact}\n[[members]]", 1)
    assert any(persona in one.personas for one in read_toml(AccountFile, example.encode(), "versayce.toml").contacts)
    step = table("A step").replace('["primary_champion"]', f'["{persona}"]\nwhen = "has_persona:{persona}"')
    raw = (ROOT / "rapport" / "playbooks" / "enterprise.toml").read_text()
    invited = raw.replace('"secondary_user"]\n# The TAM', f'"secondary_user", "{persona}"]\n# The TAM', 1)
    assert invited != raw
    for text in (f"{raw}\n{step}", invited):
        assert examine(text.encode(), "enterprise.toml").faults == ()
    assert all(samples.fault(name, "message", persona) is None for name in ("hello", "open_questions", "first_project"))


@pytest.fixture
async def parts(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Services:
    """An installation that knows the example account, with the event and the use case of the recipe."""
    settings = Settings(data=tmp_path, secret=SecretStr("a secret of the tests"), public_url=OURS, mail_mode="live")
    parts = Services(settings, store, NO_WORKFLOWS)
    sentence, use_case = code("A timeline event")
    monkeypatch.setattr(sentences, "SENTENCES", sentences.SENTENCES | eval(f"{{{sentence}}}"))
    known = written(use_case, account_cases)
    for name in ("Call", "log_call"):
        monkeypatch.setattr(account_cases, name, known[name], raising=False)
    return parts


async def told(parts: Services) -> list[tuple[str, str | None]]:
    """What stands on the account's timeline."""
    return [(entry.what, entry.said) for entry in await timeline.timeline_of(parts, "versayce")]


CALLED = "Robin Keller spoke with the customer"


async def test_the_recipe_for_a_timeline_event_puts_it_there(parts: Services) -> None:
    """What the recipe's use case records is told in the recipe's words, and what was said stands below."""
    actor = Actor(email=TAM, channel="cli")
    await account_cases.log_call(parts, "versayce", account_cases.Call(text="They are well"), actor)  # type: ignore[attr-defined]
    assert (CALLED, "They are well") in await told(parts)


async def test_the_recipe_for_a_notice_sends_one_mail(tmp_path: Path, store: Store) -> None:
    """The recipe's mail goes to the member by the workflow of notices, under the id of what was said."""
    [block] = code("A mail to a member that is of no step")
    client = NoWorkflows()
    settings = Settings(data=tmp_path, secret=SecretStr("a secret of the tests"))
    services = Services(settings, store, cast("Client", client))
    said = submission("m_1", Actor(email=TAM, channel="cli"), "account.call", "versayce", "They are well")
    await written(block, account_erasure)["told"](services, "versayce", "m_1", said)
    [(name, mail)] = client.started
    assert (name, mail.to, mail.workflow_id) == ("Notice", ("m_1",), f"notice/{said.id}")


async def test_the_recipe_for_a_line_of_doctor_is_a_check(store: Store) -> None:
    """The recipe's check answers under the name that its entry has."""
    check, entry = code("A line of doctor and a figure")
    for name, look in eval(f"{{{entry}}}", written(check, doctor)).items():
        assert (await look(store, None, None)).check == name


def elsewhere(parts: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have commands work on these parts, each with a store of its own."""

    @asynccontextmanager
    async def opened_elsewhere(_: Path | None, *, temporal: bool, as_: str | None = None) -> AsyncIterator[Services]:
        async with opened(parts.store.url) as store:
            yield replace(parts, store=store, caller=replace(parts.caller, named=as_))

    monkeypatch.setattr(common, "services", opened_elsewhere)


async def test_the_recipe_for_a_command_that_reads_prints_what_it_read(
    parts: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe's command prints for people and for programs."""
    use_case, command = code("A command that only reads")
    monkeypatch.setattr(account_cases, "zones", written(use_case, account_cases)["zones"], raising=False)
    elsewhere(parts, monkeypatch)
    commands = typer.Typer()
    commands.callback()(lambda: None)
    written(command, account_commands, app=commands)
    run = CliRunner().invoke
    for_people = await asyncio.to_thread(run, commands, ["zones", "versayce"])
    assert for_people.output == "America/New_York, Europe/Stockholm, Europe/Zurich\n"
    for_programs = await asyncio.to_thread(run, commands, ["zones", "versayce", "--json"])
    assert json.loads(for_programs.output) == for_people.output.strip().split(", ")


async def test_the_recipe_for_a_command_gives_it_an_endpoint_and_a_page(
    parts: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By command, by the API and by the page's form, all three log a call; a form that is refused says why."""
    command, endpoint, page = code("A command with its endpoint and page")
    [form] = code("A command with its endpoint and page", "html")
    templates = rendering._environment()
    whole = templates.get_template("account.html")
    assert whole.filename is not None
    assert templates.loader is not None
    text = Path(whole.filename).read_text().replace('<div class="columns">', f'{form}<div class="columns">')
    drawn = templates.overlay(loader=ChoiceLoader([DictLoader({"account.html": text}), templates.loader]))
    monkeypatch.setattr(rendering, "_environment", lambda: drawn)
    commands = typer.Typer()
    commands.callback()(lambda: None)
    written(command, account_commands, app=commands)

    elsewhere(parts, monkeypatch)
    done = await asyncio.to_thread(
        CliRunner().invoke, commands, ["log-call", "versayce", "--text", "By command", "--as", TAM]
    )
    assert (done.exit_code, done.output) == (0, "It's on the timeline.\n")

    app = create_app(parts)
    for block, module, router in ((endpoint, api, api_router()), (page, member_pages, APIRouter())):
        written(block, module, router=router)
        app.include_router(router)
    secret = await token.create(parts, "tests", ("operator",))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=OURS) as client:
        said = {"as": TAM, "text": "By the API"}
        bearer = {"Authorization": f"Bearer {secret}"}
        assert (await client.post("/v1/accounts/versayce/calls", json=said, headers=bearer)).status_code == 200
        assert (await client.get("/sign-in", params={"key": secret})).status_code == 303
        found = re.search(r'name="csrf" value="(\w+)"', (await client.get("/accounts/versayce")).text)
        assert found is not None
        typed = {"csrf": found[1], "text": "By the page"}
        refused = await client.post("/accounts/versayce/calls", data=typed | {"text": "Oh\x07"})
        assert (refused.status_code, "contains a control character" in refused.text) == (422, True)
        taken = await client.post("/accounts/versayce/calls", data=typed)
        assert taken.headers["location"] == "/accounts/versayce?done=called"
    known = await told(parts)
    assert {(CALLED, f"By {way}") for way in ("command", "the API", "the page")} <= set(known)
