"""Who may do what: the table, and what use cases make of it for every kind of caller."""

from __future__ import annotations

import inspect
import io
import json
from dataclasses import replace
from enum import StrEnum
from importlib.util import module_from_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st
from pydantic import SecretStr
from rich.console import Console
from temporalio.client import Client
from typer.testing import CliRunner

from rapport.model.access import Action, Reach, TokenScope
from rapport.model.account import Account, AccountFile, Facts, Figures, Member, MembersFile, Role, Schedule
from rapport.model.base import Refused, UserError
from rapport.model.reading import read_toml
from rapport.rules import access
from rapport.settings import Settings
from rapport.storage import account as accounts
from rapport.storage.database import Store
from rapport.storage.task import Task
from starters.cli import access as access_commands
from starters.cli.main import app
from starters.http.auth import api_actor
from starters.rights import ask
from starters.services import NOBODY, Actor, Caller, Services
from starters.use_cases import (
    access as administration,
    account,
    account_erasure,
    audit,
    mail_switch,
    member as members,
    message,
    onboarding,
    support_case,
    task as tasks,
    token,
)
from starters.use_cases.account_erasure import ErasureWritten
from starters.use_cases.member import Leaving
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.support_case import Say
from tests.conftest import ROOT
from tests.mail_fixtures import EXAMPLE
from tests.support import rights

TAM, MANAGER = "robin.keller@foobar.example", "ines.moreau@foobar.example"
CE, SALES, LEAD = "tomas.novak@foobar.example", "sam.ortega@foobar.example", "priya.raman@foobar.example"


@pytest.fixture
def services(store: Store, tmp_path: Path) -> Services:
    """The parts that use cases work with, of an installation that knows the example account."""
    return Services(Settings(data=tmp_path), store, cast("Client", None))


async def holder(services: Services, email: str) -> Services:
    """The parts as a member's own token gives them."""
    async with services.store.reading() as connection:
        found = await accounts.member_by_email(connection, email)
    assert found is not None
    return replace(services, caller=Caller("member", member=found.id, email=found.email, token="own"))


def service(services: Services, *scopes: TokenScope) -> Services:
    """The parts as a service's token gives them."""
    return replace(services, caller=Caller("service", token="crm", scopes=frozenset(scopes)))


def by(email: str) -> Actor:
    """Somebody who is named in a request."""
    return Actor(email=email, channel="api", entered_by="token t")


async def refusal(services: Services, action: Action, email: str = "", about: str | None = None) -> UserError | None:
    """Why somebody may not do something."""
    try:
        await ask(services, action, by(email) if email else None, about)
    except UserError as refused:
        return refused
    return None


async def test_nobody_may_do_anything_and_a_service_what_its_scopes_say(services: Services) -> None:
    """Without a token there is no right at all; a service has those of its scopes, whomever it names."""
    for action in Action:
        assert (await refusal(replace(services, caller=NOBODY), action)) is not None
    allowed = {
        TokenScope.READ: {Action.READ},
        TokenScope.START_ONBOARDINGS: {Action.START},
        TokenScope.WRITE_USAGE: {Action.USAGE},
        TokenScope.OPEN_CASES: {Action.OPEN_CASE},
        TokenScope.OPERATOR: set(Action),
    }
    for scope, actions in allowed.items():
        caller = service(services, scope)
        assert {action for action in Action if await refusal(caller, action) is None} == actions
    # At most what whoever is named may do: sales opens no cases, not through a service either.
    assert await refusal(service(services, TokenScope.OPEN_CASES), Action.OPEN_CASE, TAM) is None
    found = await refusal(service(services, TokenScope.OPEN_CASES), Action.OPEN_CASE, SALES)
    assert found is not None
    assert found.kind is Refused.FORBIDDEN


async def test_a_members_token_is_theirs_alone(services: Services) -> None:
    """With it they may do what they may, as nobody else, and with an address of nobody nothing."""
    own = await holder(services, TAM)
    assert await refusal(own, Action.ACT, TAM, "versayce") is None
    assert await refusal(own, Action.ACT, about="versayce") is None
    assert (await audit.verify(own, "versayce")).whole
    for whole in (audit.verify(own), administration.log(own)):
        with pytest.raises(UserError) as caught:
            await whole
        assert caught.value.kind is Refused.FORBIDDEN
    for named, kind in ((MANAGER, Refused.FORBIDDEN), ("ghost@nowhere.example", Refused.INVALID)):
        found = await refusal(own, Action.MAIL, named)
        assert found is not None
        assert found.kind is kind
    found = await refusal(own, Action.MAIL, TAM)
    assert found is not None
    assert (found.field, found.kind) == ("--as", Refused.FORBIDDEN)


async def test_whom_a_command_names_bounds_what_it_may(services: Services) -> None:
    """A command that takes nobody's word may what whom `--as` or `RAPPORT_AS` names may, an unknown one nothing."""
    async with services.store.reading() as connection:
        roles = {one.email: one.roles for one in await accounts.members(connection)}
    on_host = {action for action in Action if not access.TABLE[action].roles}
    for email in (*roles, "ghost@nowhere.example"):
        named = replace(services, caller=replace(services.caller, named=email))
        able = {action for action in Action if access.reach(action, roles.get(email, ())) is not None} | on_host
        able |= {action for action in Action if not access.depends_on_who(action)}
        assert {action for action in Action if await refusal(named, action) is None} == able, email
    robin = replace(services, caller=replace(services.caller, named=TAM, user="root"))
    vp = '[[members]]\nname = "M"\nemail = "m@evil.example"\nroles = ["ce_vp"]\nzone = "UTC"\n'
    with pytest.raises(UserError, match="may not change members"):
        await members.import_members(robin, read_toml(MembersFile, vp.encode(), "members.toml"))
    with_it = read_toml(AccountFile, f"{EXAMPLE.read_text()}\n{vp}".encode(), "versayce.toml")
    with pytest.raises(UserError, match="by administrators alone"):
        await account.import_account(robin, with_it)
    await administration.grant(services, TAM, by(""), "They look after members")
    await members.import_members(robin, read_toml(MembersFile, vp.encode(), "members.toml"))
    *_, added = await administration.log(services)
    assert (added.kind, added.who, added.channel, added.entered_by) == ("member.added", "Robin Keller", "cli", "root")


@pytest.mark.parametrize("email", [TAM, CE, SALES])
async def test_mail_is_stopped_by_those_who_lead(services: Services, email: str) -> None:
    """A TAM, an engineer and sales stop no mail; a manager and the operator do, with a reason that is on record."""
    for parts in (services, await holder(services, email)):
        with pytest.raises(UserError) as caught:
            await mail_switch.stop(parts, by(email), "for fun")
        assert caught.value.kind is Refused.FORBIDDEN
    assert not (await mail_switch.status(services)).stopped
    with pytest.raises(UserError) as caught:
        await mail_switch.stop(services, by(MANAGER))
    assert caught.value.field == "reason"
    stopped = await mail_switch.stop(services, by(MANAGER), "A wrong price")
    assert (stopped.stopped_by, stopped.stopped_because) == (MANAGER, "A wrong price")
    await mail_switch.start(services, Actor(email="", channel="cli", entered_by="root"), "Mended")


async def test_members_are_an_administrators(services: Services) -> None:
    """Neither a member's token nor an account file brings in somebody with a role; an administrator's does."""
    vp = '[[members]]\nname = "M"\nemail = "m@evil.example"\nroles = ["ce_vp"]\nzone = "UTC"\n'
    file = read_toml(MembersFile, vp.encode(), "members.toml")
    for parts in (await holder(services, MANAGER), service(services, *(set(TokenScope) - {TokenScope.OPERATOR}))):
        with pytest.raises(UserError) as caught:
            await members.import_members(parts, file)
        assert caught.value.kind is Refused.FORBIDDEN
        with_it = read_toml(AccountFile, f"{EXAMPLE.read_text()}\n{vp}".encode(), "versayce.toml")
        with pytest.raises(UserError) as caught:
            await onboarding.start(parts, StartRequest(file=with_it, playbook="self_serve"))
        assert (caught.value.kind, caught.value.field[:8]) == (Refused.FORBIDDEN, "members[")
    assert len(await members.import_members(services, file)) == 1


async def test_a_token_is_somebodys_or_for_something_that_there_is(services: Services) -> None:
    """Words that are no scope, an address of nobody, and a token for nothing at all are refused before it is made."""
    for scopes, member in ((("viewer",), None), ((), None), (("read",), TAM), ((), "ghost@nowhere.example")):
        with pytest.raises(UserError) as caught:
            await token.create(services, "t", scopes, member)
        assert caught.value.fix
    assert await token.listed(services) == []
    await token.create(services, "t", (), TAM)
    assert [(one.name, one.owner, one.scopes) for one in await token.listed(services)] == [("t", TAM, ())]


def test_a_new_role_may_do_nothing_until_it_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table names each role that may: one that somebody adds stands in no row, and nobody has to think of it."""
    assert access.__spec__ is not None
    assert access.__spec__.loader is not None
    later = StrEnum("Role", {**{role.name: role.value for role in Role}, "NEWCOMER": "newcomer"})  # type: ignore[misc]
    monkeypatch.setattr("rapport.model.account.Role", later)
    table = module_from_spec(access.__spec__)
    access.__spec__.loader.exec_module(table)
    assert {action for action in Action if table.reach(action, ["newcomer"]) is not None} == set()
    assert {action for action in Action if table.reach(action, ["tam"]) != access.reach(action, [Role.TAM])} == set()


async def test_nobody_makes_a_token_that_may_more_than_they_may(services: Services) -> None:
    """The scope that may do everything is given on the host alone, not by an administrator, nor in one's name."""
    await administration.grant(services, TAM, by(""), "They look after tokens")
    named = replace(services, caller=replace(services.caller, named=TAM))
    for parts in (await holder(services, TAM), named):
        await token.create(parts, parts.caller.kind, ("read",))
        with pytest.raises(UserError) as caught:
            await token.create(parts, "all", ("operator",))
        assert (caught.value.field, caught.value.kind) == ("scope", Refused.FORBIDDEN)
    await token.create(services, "all", ("operator",))


def somebody(id_: str, manager: str | None = None, backup: str | None = None) -> Member:
    """A member of whom only what they lean on matters."""
    zone = Schedule(zone="UTC")
    return Member(
        id=id_, name=id_, email=f"{id_}@x.example", roles=frozenset(), schedule=zone, manager=manager, backup=backup
    )


IDS = st.sampled_from(["m1", "m2", "m3", "m4", "m5"])


@given(above=st.dictionaries(IDS, IDS | st.none()), tam=IDS, who=IDS)
def test_an_account_is_near_or_far_for_everyone(above: dict[str, str | None], tam: str, who: str) -> None:
    """Whatever circles managers make: one's own is nearest, and whom a TAM reports to has it in their team."""
    known = {one: somebody(one, above.get(one)) for one in ("m1", "m2", "m3", "m4", "m5")}
    account = Account(key="a", name="A", tam=tam, facts=Facts(), figures=Figures())
    found = access.nearness(known[who], account, known)
    assert (found is Reach.OWN) is (who == tam)
    if above.get(tam) == who != tam:
        assert found is Reach.TEAM


@given(
    roles=st.frozensets(st.sampled_from(Role), min_size=1), action=st.sampled_from(Action), more=st.sampled_from(Role)
)
def test_a_further_role_takes_nothing_away(roles: frozenset[Role], action: Action, more: Role) -> None:
    """With every role more, a member may do the same or more."""
    before, after = access.reach(action, roles), access.reach(action, roles | {more})
    assert before is None or (after is not None and after >= before)


async def test_administrators_are_named_by_administrators_and_on_the_host(services: Services) -> None:
    """Whoever owns the host names the first, and one again once the last has left; from then on administrators do."""
    first = "Ada Lind <ada.lind@foobar.example>"
    await administration.name_administrator(services, first)
    await administration.name_administrator(services, first)
    ada = "ada.lind@foobar.example"
    assert (await members.show(services, ada)).roles == (Role.ADMINISTRATOR,)
    for parts, actor in ((await holder(services, TAM), by(TAM)), (services, by(MANAGER))):
        for call in (administration.grant, administration.revoke):
            with pytest.raises(UserError) as caught:
                await call(parts, TAM, actor, "why not")
            assert caught.value.kind is Refused.FORBIDDEN
    as_ada = await holder(services, ada)
    await administration.grant(as_ada, TAM, by(ada), "Stands in for Ada")
    assert Role.ADMINISTRATOR in (await members.show(services, TAM)).roles
    await administration.revoke(await holder(services, TAM), TAM, by(TAM), "Ada is back")
    await members.leave(as_ada, ada, Leaving(reason="Moved on"), by(ada))
    with pytest.raises(UserError):
        await administration.name_administrator(services, first)
    await administration.name_administrator(services, MANAGER)
    told = [(entry.kind, entry.who, entry.about) for entry in await administration.log(services)]
    assert told == [
        ("access.granted", "operator", "Ada Lind"),
        ("access.granted", "Ada Lind", "Robin Keller"),
        ("access.revoked", "Robin Keller", "Robin Keller"),
        ("member.leave", "Ada Lind", "Ada Lind"),
        ("access.granted", "operator", "Ines Moreau"),
    ]
    assert "rapport setup --administrator" in str((await administration.log(services))[0].said), "why it was given"


async def test_what_is_changed_in_members_tokens_and_mail_is_on_record(services: Services) -> None:
    """New members, other roles, other stand-ins, tokens and the switch of all mail each leave who it was, and why."""
    await token.create(services, "crm", ("read", "write_usage"))
    await token.revoke(services, "crm")
    await token.create(services, "robin", (), member=TAM)
    zone = 'zone = "UTC"\nname = "M"\nemail = "m@foobar.example"\n'
    stand_in = f'["ce", "tam"]\ndelegate = "{MANAGER}"'
    for roles in ('["tam"]', '["tam"]', '["ce", "tam"]', stand_in, stand_in, '["ce", "tam"]'):
        file = f"[[members]]\nroles = {roles}\n{zone}"
        await members.import_members(services, read_toml(MembersFile, file.encode(), "members.toml"))
    await mail_switch.stop(services, by(MANAGER), "A wrong price")
    told = [(entry.kind, entry.about, entry.said) for entry in await administration.log(services)]
    assert told == [
        ("token.created", "crm", "read, write_usage"),
        ("token.revoked", "crm", None),
        ("token.created", "robin", "Robin Keller"),
        ("member.added", "M", "tam"),
        ("member.roles_changed", "M", "ce, tam"),
        ("member.others_changed", "M", "delegate Ines Moreau"),
        ("member.others_changed", "M", "delegate none"),
        ("mail.stopped", "mail", "A wrong price"),
    ]


def test_the_manual_has_the_table() -> None:
    """`docs/access.md` names each action with who may do it and the scopes of tokens, as the code does."""
    text = (ROOT / "docs" / "access.md").read_text()
    rows = [f"| {one.title} | {one.who} | {', '.join(one.scopes)} |" for one in administration.table()]
    assert [line for line in text.splitlines() if line.startswith("| ")][2:] == rows


def test_the_table_fits_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`rapport access show` has every action and role in 80 columns, and as JSON."""
    written = io.StringIO()
    monkeypatch.setattr(access_commands, "out", Console(file=written, width=80, highlight=False))
    access_commands.show()
    assert max(len(line.rstrip()) for line in written.getvalue().splitlines()) <= 80
    for role in Role:
        assert role in written.getvalue()
    access_commands.show(json=True)
    assert len(json.loads(capsys.readouterr().out)) == len(Action)


@pytest.mark.parametrize(
    ("kind", "subject", "step", "option", "is_one"),
    [
        ("approval", "versayce", "onsite_approval", "approve", True),
        ("sign_off", "versayce", "training_plan", "sign_off", True),
        ("panel", "versayce", "panel", "yes", True),
        ("review", "TR-0001", "recommendation", "yes", True),
        ("review", "TR-0001", "leadership", "no", True),
        ("review", "TR-0001", "feedback_product", "against", False),
        ("to_do", "versayce", "kickoff.drafts", "send", True),
        ("to_do", "versayce", "kickoff.drafts", "later", False),
        ("to_do", "versayce", "first_integration", "done", False),
    ],
)
def test_what_people_have_to_say_themselves(kind: str, subject: str, step: str, option: str, is_one: bool) -> None:
    """Votes, approvals, recommendations, and sending drafts are not entered for others; to-dos may be."""
    found = SimpleNamespace(subject=subject, step=step, definition=SimpleNamespace(task=kind))
    assert tasks.is_approval(cast("Task", found), option) is is_one


async def test_approvals_are_not_entered_where_several_share_an_installation(services: Services) -> None:
    """An operator, a service, and a member for a customer enter none in production; a member's own word counts."""
    shared = services.settings.model_copy(update={"database_url": SecretStr("postgresql://db.example/rapport")})
    production = replace(services, settings=shared)
    for entered in (replace(by(TAM), verified_by="operator"), Actor(email=TAM, channel="cli", entered_by="root")):
        with pytest.raises(UserError, match="not taken from an operator") as caught:
            await message.release(production, (), entered)
        assert caught.value.kind is Refused.FORBIDDEN
        assert (await message.release(production, (), entered, hold=True)).accepted
        assert (await message.release(services, (), entered)).accepted
    with pytest.raises(UserError, match="answer to a customer"):
        await support_case.answer(production, "C-00001", Say(text="x"), replace(by(LEAD), verified_by="operator"))
    erasing = account_erasure.ask(production, "versayce", ErasureWritten(reason="They left"), entered)
    with pytest.raises(UserError, match="the erasing of an account is not taken"):
        await erasing
    own = replace(production, caller=(await holder(services, TAM)).caller)
    assert api_actor(own, "own", TAM).verified == "token"
    assert api_actor(own, "own", "luca.bianchi@versayce.example").verified == "reported"
    assert (await message.release(own, (), api_actor(own, "own", TAM))).accepted


@pytest.mark.parametrize("throw", [mail_switch.start, mail_switch.stop])
async def test_whoever_may_not_is_told_what_they_asked_for(services: Services, throw: Any) -> None:
    """Where one right is for several things, its refusal speaks of each: who starts mail is not told of stopping it."""
    with pytest.raises(UserError) as caught:
        await throw(await holder(services, TAM), Actor(email=TAM, channel="cli"), "why")
    assert caught.value.problem == "may not stop or start email"


async def test_whoever_may_for_their_own_alone_is_told_to_name_an_account(services: Services) -> None:
    """Of every account's audit a TAM hears who may see it, who is nobody like them, and how they can name theirs."""
    robin = await holder(services, TAM)
    with pytest.raises(UserError) as caught:
        await audit.verify(robin)
    assert (caught.value.kind, caught.value.problem) == (Refused.FORBIDDEN, "may not read the audit of every account")
    name, _, others = caught.value.fix.partition("; for all of them, ")
    assert others == "ask one of: tam_manager, administrator"
    route = rights.api_entries()["GET /v1/audit"][0]
    assert caught.value.field == "account"
    assert name.endswith("or `/v1/audit?account=ACCOUNT`")
    assert "account" in inspect.signature(route).parameters
    assert (await audit.verify(robin, account="versayce")).whole
    with pytest.raises(UserError) as caught:
        await administration.log(robin)
    assert caught.value.fix == "ask one of: tam_manager, administrator"


@pytest.mark.parametrize("order", ["before anything runs", "once there is a database"])
def test_an_administrator_is_named_and_seen_without_temporal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """Naming one needs the database alone, and says who it is; so do the lists of members and of what was changed."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("RAPPORT_DATA", str(tmp_path))
    if order != "before anything runs":
        assert CliRunner().invoke(app, ["setup"]).exit_code == 5
    named = CliRunner().invoke(app, ["setup", "--administrator", "Ada Lind <ada.lind@foobar.example>"])
    assert named.exit_code == 0, named.output
    assert "ada.lind@foobar.example is an administrator." in named.output
    assert "rapport up" in named.output
    listed = CliRunner().invoke(app, ["member", "list", "--json"])
    assert [(one["email"], one["roles"]) for one in json.loads(listed.stdout)] == [
        ("ada.lind@foobar.example", ["administrator"])
    ]
    log = CliRunner().invoke(app, ["access", "log", "--json"])
    assert [(one["kind"], one["about"]) for one in json.loads(log.stdout)] == [("access.granted", "Ada Lind")]
