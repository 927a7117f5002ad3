"""`rapport doctor` on a live installation, with each of its findings provoked for real; and the mornings' schedule."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import delete, insert, update
from temporalio.client import Client, ScheduleActionStartWorkflow, ScheduleOverlapPolicy
from typer.testing import CliRunner

from rapport.model.account import MembersFile, Role
from rapport.model.announcement import Announce
from rapport.model.delivery import DeliveryState
from rapport.model.ids import case_id, meeting_id, new_id, onboarding_id
from rapport.model.reading import read_toml
from rapport.schedules import CATCH_UP, MORNINGS, register_schedules, registered
from rapport.storage import account as accounts, announcement
from rapport.storage.access import MailSwitch, throw_mail_switch
from rapport.storage.support_case_tables import AssignmentRow, CaseRow
from rapport.storage.tables import MemberRow, MilestoneRow, TaskHolderRow, TaskRow
from starters.cli.main import app
from starters.services import present
from starters.use_cases import desk, desk_report, doctor, member as members, onboarding, support_case, tech_review
from starters.use_cases.doctor import Check, CheckVerdict, Diagnosis
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.support_case import Say
from starters.use_cases.tech_review import WantedMeeting
from tests.conftest import Installation, account, by, free_port, installation, until
from tests.support.desk import LEAD, SAM, ask, crew, in_state, open_desk, owner_of
from tests.support.ended import at_rest
from tests.support.tech_review import ENGINEER, live, submitted

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def examine(here: Installation, **changed: object) -> Diagnosis:
    """What the doctor finds, with these settings changed."""
    settings = here.services.settings.model_copy(update={"public_url": "http://127.0.0.1:8700", **changed})
    return await doctor.examine(settings)


def of(found: Diagnosis, name: str) -> Check:
    """One check."""
    return next(check for check in found.checks if check.check == name)


@pytest.fixture(autouse=True)
def reached(dev_server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the server by Temporal's own variable."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.service_client.config.target_host)


async def scheduled(here: Installation) -> None:
    """The mornings are scheduled, as `rapport setup` does it."""
    await register_schedules(here.client, here.services.settings.task_queue, 3600)


async def started(here: Installation, *, visited: bool = False) -> str:
    """An account whose onboarding has begun: its kickoff is put to the vote, or waits for an approval."""
    key = new_id("a").replace("_", "-")
    file = account(key, new_id("C"))
    if visited:
        facts = file.account.facts.model_copy(update={"large_account": True})
        file = file.model_copy(update={"account": file.account.model_copy(update={"facts": facts})})
    await onboarding.start(here.services, StartRequest(file=file))
    await here.mailed(5 if visited else 4)

    async def told() -> bool:
        found = await examine(here)
        return of(found, "workflows").verdict is CheckVerdict.OK and "no one" not in of(found, "waits").what

    await until(told, "everything to be written down")
    return key


async def test_a_sound_installation_is_well(here: Installation) -> None:
    """Each check is ok, in the order in which the parts depend on each other; what waits has owner and deadline."""
    await scheduled(here)
    await desk.start(here.client, here.services.settings.task_queue)
    await started(here)
    found = await examine(here)
    assert found.well, found
    assert [check.check for check in found.checks] == [
        "secret",
        "public url",
        "links",
        "sign-in",
        "support rules",
        "review scenarios",
        "database",
        "temporal",
        "search attributes",
        "schedule",
        "worker",
        "desk",
        "relay",
        "administrators",
        "accounts",
        "mail",
        "emails",
        "on record",
        "sweep",
        "channel",
        "crm",
        "cases",
        "waits",
        "workflows",
    ]
    # The shipped rules promise severity 1 around the clock, which takes a rota and a pager.
    assert {check.check for check in found.checks if check.verdict is not CheckVerdict.OK} == {"support rules"}
    assert of(found, "support rules").verdict is CheckVerdict.NOTE
    assert here.services.settings.mail_mode == "live"
    assert len(here.mails()) == 4


async def test_a_live_meeting_on_a_review_is_where_it_belongs(here: Installation) -> None:
    """It runs beside the playbook, and SQL has only that there is one: nothing about that is strange."""
    ref = await submitted(here, key=new_id("a").replace("_", "-"))
    await tech_review.request_meeting(here.services, ref, WantedMeeting(reason="Writing takes too long"), by(ENGINEER))
    await live(here, ref)
    found = of(await examine(here), "workflows")
    assert found.verdict is CheckVerdict.OK, found


@pytest.mark.sqlite
async def test_the_database_is_named_without_its_password(here: Installation, tmp_path: Path) -> None:
    """Its line names SQLite's file, or host and database of a server, and never who signs in there with what."""

    async def line(url: str) -> str:
        settings = here.services.settings.model_copy(update={"database_url": SecretStr(url)})
        return next(one.what for one in (await doctor.examine(settings)).checks if one.check == "database")

    assert str(here.services.store.file) in await line(here.services.store.url)
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database at all" * 1000)
    assert await line(f"sqlite:///{garbage}") == f"{garbage}: is no database, or is damaged"
    port = free_port()
    away = await line(f"postgresql+asyncpg://robin:s3cret@127.0.0.1:{port}/rapport")
    assert away == f"127.0.0.1:{port}/rapport: the database does not answer"


async def test_settings_that_are_unsafe_are_told(here: Installation) -> None:
    """No secret and plain http are trouble; a weak one, links that decide, no mail and no administrator are notes."""
    away = f"http://127.0.0.1:{free_port()}"
    for changed, name, verdict in (
        ({"secret": None}, "secret", CheckVerdict.TROUBLE),
        ({"secret": SecretStr("short")}, "secret", CheckVerdict.NOTE),
        ({"public_url": "http://rapport.example"}, "public url", CheckVerdict.TROUBLE),
        ({"public_url": "rapport.example"}, "public url", CheckVerdict.TROUBLE),
        ({"public_url": "https://rapport.example"}, "public url", CheckVerdict.OK),
        ({"links_sign_in": True}, "links", CheckVerdict.NOTE),
        ({"oidc_issuer": away}, "sign-in", CheckVerdict.TROUBLE),
        ({"oidc_issuer": away, "oidc_client_id": "x"}, "sign-in", CheckVerdict.UNREACHABLE),
        ({"mail_mode": "off"}, "mail", CheckVerdict.NOTE),
        ({"mail_mode": "redirect:trial@foobar.example"}, "mail", CheckVerdict.NOTE),
        ({"database_url": SecretStr(here.services.store.url)}, "administrators", CheckVerdict.NOTE),
        ({"mail_allowed_domains": ("foobar.example",)}, "mail", CheckVerdict.NOTE),
    ):
        check = of(await examine(here, **changed), name)
        assert check.verdict is verdict, (changed, check)
        assert bool(check.fix) is (verdict is not CheckVerdict.OK)
    async with here.services.store.writing() as connection:
        await throw_mail_switch(connection, MailSwitch(stopped=True, by="tester", at=present()))
    assert "stopped" in of(await examine(here), "mail").what


async def test_it_is_told_once_the_last_administrator_has_left(here: Installation) -> None:
    """Also without a database of one's own: where there was an administrator, nobody else looks after members."""
    ada = "ada.lind@foobar.example"
    file = f'[[members]]\nname = "Ada Lind"\nemail = "{ada}"\nroles = ["administrator"]\nzone = "UTC"\n'
    await members.import_members(here.services, read_toml(MembersFile, file.encode(), "members.toml"))
    assert of(await examine(here), "administrators").what == "1 administrator"
    async with here.services.store.writing() as connection:
        await connection.execute(update(MemberRow).where(MemberRow.email == ada).values(left_at=present()))
    check = of(await examine(here), "administrators")
    assert (check.verdict, "rapport setup --administrator" in str(check.fix)) == (CheckVerdict.NOTE, True)


async def test_what_cannot_be_reached_is_told_and_the_rest_is_looked_at(
    here: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No relay, no database, no worker, no Temporal: each by itself, and what needs it is skipped."""
    nowhere = SecretStr(f"smtp://127.0.0.1:{free_port()}")
    assert of(await examine(here, smtp_url=nowhere), "relay").verdict is CheckVerdict.UNREACHABLE
    clear = SecretStr(here.services.settings.smtp_url.get_secret_value().replace("smtp:", "smtp+starttls:"))
    assert of(await examine(here, smtp_url=clear), "relay").verdict is CheckVerdict.TROUBLE
    lost = await examine(here, data=tmp_path / "nothing")
    assert of(lost, "database").verdict is CheckVerdict.UNREACHABLE
    assert of(lost, "waits").verdict is CheckVerdict.SKIPPED
    assert not (tmp_path / "nothing").exists()
    old = SecretStr(f"sqlite:///{tmp_path / 'old.db'}")
    (tmp_path / "old.db").touch()
    # As every command that meets it, the doctor ends with exit code 5.
    assert of(await examine(here, database_url=old), "database").verdict is CheckVerdict.UNREACHABLE
    alone = await examine(here, task_queue=new_id("queue"))
    assert of(alone, "worker").verdict is CheckVerdict.UNREACHABLE
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{free_port()}")
    gone = await examine(here)
    assert of(gone, "temporal").verdict is CheckVerdict.UNREACHABLE
    assert of(gone, "workflows").verdict is CheckVerdict.SKIPPED
    assert of(gone, "waits").verdict is CheckVerdict.OK
    assert [check.check for check in lost.checks] == [check.check for check in gone.checks], "none is left out"


async def test_the_schedule_is_there_once_and_what_was_paused_stays_paused(here: Installation) -> None:
    """Registering twice leaves one schedule, every half hour, without overlap or a heap of old rounds."""
    handle = here.client.get_schedule_handle(MORNINGS)
    ours = here.services.settings.task_queue

    async def stands(*, paused: bool) -> bool:
        there = (await handle.describe()).schedule
        assert isinstance(there.action, ScheduleActionStartWorkflow)
        return there.action.task_queue == ours and there.state.paused is paused

    # Each change is waited for: the server takes a pause before an update that came with it, and then forgets it.
    await scheduled(here)
    await until(lambda: stands(paused=False), "our schedule to be seen")
    await handle.pause(note="a holiday")
    await until(lambda: stands(paused=True), "the pause to be seen")
    await scheduled(here)
    listed = [one.id async for one in await here.client.list_schedules()]
    assert listed.count(MORNINGS) <= 1  # the list lags behind; what is described does not
    found = await registered(here.client, MORNINGS)
    assert found is not None
    assert found.schedule.state.paused
    assert found.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert found.schedule.policy.catchup_window == CATCH_UP
    action = found.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    assert (action.workflow, action.task_queue) == ("Morning", ours)
    assert of(await examine(here), "schedule").verdict is CheckVerdict.NOTE
    assert of(await examine(here, task_queue="other"), "schedule").verdict is CheckVerdict.TROUBLE
    await handle.unpause()
    await until(lambda: stands(paused=False), "the end of the pause to be seen")
    # Another test's round may wait for a worker that is gone; this one does not wait for it.
    await handle.trigger(overlap=ScheduleOverlapPolicy.ALLOW_ALL)
    rounds = f'WorkflowType = "Morning" AND TaskQueue = "{ours}" AND ExecutionStatus = "Completed"'

    async def ran() -> bool:
        return bool([run async for run in here.client.list_workflows(rounds)])

    await until(ran, "a round")
    await handle.delete()
    assert of(await examine(here), "schedule").verdict is CheckVerdict.TROUBLE


async def test_a_task_without_owner_or_deadline_is_found(here: Installation) -> None:
    """Nobody holds it, everyone who holds it has left, nothing ends it: each is a finding that names the task."""
    key = await started(here, visited=True)
    task = f"task/{key}/onsite_approval/1"

    async def problems() -> dict[str, list[str]]:
        found = of(await examine(here), "waits")
        where: dict[str, list[str]] = {}
        for finding in found.findings:
            assert finding.fix
            where.setdefault(finding.where, []).append(finding.problem)
        return where

    waiting = f"{key}, step kickoff"
    assert await problems() == {}
    async with here.services.store.writing() as connection:
        await connection.execute(update(TaskRow).values(deadline=None))
        await connection.execute(update(MemberRow).values(left_at=present()))
    found = await problems()
    assert [problem.partition(":")[0] for problem in found[task]] == [
        "everyone for whom it waits has left",
        "has no deadline",
    ]
    assert "everyone for whom it waits has left" in found[waiting]
    async with here.services.store.writing() as connection:
        await connection.execute(delete(TaskHolderRow))
    assert "waits for nobody" in (await problems())[task]


async def test_a_step_that_waits_for_nobody_who_is_there_is_found(here: Installation) -> None:
    """A vote that waits for a persona nobody has any more, or for a TAM who left, is broken."""
    key = await started(here)
    assert of(await examine(here), "waits").verdict is CheckVerdict.OK
    for on in (["nobody_has_this"], [Role.TAM]):
        async with here.services.store.writing() as connection:
            await connection.execute(update(MilestoneRow).where(MilestoneRow.state == "running").values(waiting_on=on))
            await connection.execute(update(MemberRow).values(left_at=present()))
        [finding] = of(await examine(here), "waits").findings
        assert finding.where == f"{key}, step kickoff"
        assert "has left" in finding.problem


async def test_a_case_without_owner_or_end_is_found_and_one_that_does_not_run(here: Installation) -> None:
    """A case whose owner left, one that nothing ends, and one whose workflow is gone: each is told by its number."""
    await open_desk(here, day=None)
    ref = (await ask(here, severity=4)).ref
    await support_case.wait_customer(here.services, ref, Say(text="Which version is it?"), by(LEAD))
    await owner_of(here, ref)
    await in_state(here, ref, "waiting")
    await at_rest(here.client, case_id(ref))
    assert of(await examine(here), "waits").verdict is CheckVerdict.OK
    async with here.services.store.writing() as connection:
        await connection.execute(update(CaseRow).where(CaseRow.ref == ref).values(status=None))
        await connection.execute(update(MemberRow).values(left_at=present()))
    problems = {one.problem.partition(":")[0] for one in of(await examine(here), "waits").findings}
    assert problems == {"everyone for whom it waits has left", "has no deadline"}
    await here.client.get_workflow_handle(case_id(ref)).terminate("test")
    [gone] = [one for one in of(await examine(here), "workflows").findings if one.where == case_id(ref)]
    assert "does not run" in gone.problem


async def test_a_page_that_is_refused_is_told_until_its_owner_answers(here: Installation) -> None:
    """The doctor names the case, who has it and what the webhook answers; whoever has answered is awake."""
    await open_desk(here, day=None)
    ref = (await ask(here, severity=1)).ref
    async with here.services.store.writing() as connection:
        engineer = await accounts.member_by_email(connection, SAM)
        assert engineer is not None
        row = {"ref": ref, "turn": 9, "severity": 1, "at": present(), "member": engineer.id, "reason": "on call"}
        page = {"to_page": True, "refused_at": present(), "refusal": "it answers 503", "considered": []}
        await connection.execute(insert(AssignmentRow).values(**row, **page))
        owned = {"state": "open", "owner": engineer.id, "projected": 1_000, "first_answered_at": None}
        await connection.execute(update(CaseRow).where(CaseRow.ref == ref).values(**owned))
    check = of(await examine(here), "cases")
    (finding,) = check.findings
    assert (check.verdict, finding.where) == (CheckVerdict.TROUBLE, ref)
    assert "Sam Okafor has it and couldn't be paged: it answers 503; no lead was paged either" in finding.problem
    async with here.services.store.writing() as connection:
        await connection.execute(update(CaseRow).where(CaseRow.ref == ref).values(first_answered_at=present()))
    assert of(await examine(here), "cases").verdict is CheckVerdict.OK


async def test_what_temporal_and_sql_do_not_agree_on_is_found(here: Installation) -> None:
    """A workflow that was ended behind SQL's back, and one that SQL believes to be over, are told by their ids."""
    key = await started(here)
    async with here.services.store.writing() as connection:
        await connection.execute(update(MilestoneRow).where(MilestoneRow.step == "kickoff").values(state="done"))
    await here.client.get_workflow_handle(onboarding_id(key)).terminate("test")

    async def found() -> dict[str, str]:
        check = of(await examine(here), "workflows")
        return {finding.where: finding.problem for finding in check.findings}

    told = await found()
    assert "does not run" in told[onboarding_id(key)]
    assert "SQL shows it closed" in told[meeting_id(key, "kickoff", 1)]
    assert len(told) == 2


async def test_what_is_not_named_one_by_one_is_counted(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many workflows that are gone some are named; all are counted, and how many more there are is said."""
    monkeypatch.setattr(doctor, "MOST_WORKFLOWS", 1)
    monkeypatch.setattr(doctor, "DESCRIBED_AT_ONCE", 2)
    for key in [await started(here) for _ in range(2)]:
        await here.client.get_workflow_handle(onboarding_id(key)).terminate("test")
        await here.client.get_workflow_handle(meeting_id(key, "kickoff", 1)).terminate("test")
    check = of(await examine(here), "workflows")
    assert check.what == "Temporal and SQL do not agree on 4 workflows; 3 more than are listed here"
    assert len(check.findings) == 1


@pytest.mark.parametrize(("broken", "code"), [(None, 0), ("wait", 4), ("relay", 5)])
async def test_the_command_tells_by_its_exit_code(
    dev_server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str | None, code: int
) -> None:
    """0 when all is well, 4 when a wait is broken, 5 when a part is unreachable; --json prints one document."""
    queue = new_id("queue")
    async with installation(dev_server, tmp_path, queue) as here:
        await scheduled(here)
        await started(here)
        settings = here.services.settings
        smtp = settings.smtp_url.get_secret_value()
        if broken == "wait":
            async with here.services.store.writing() as connection:
                await connection.execute(update(MilestoneRow).values(deadline=None))
        environment = {
            "RAPPORT_SMTP_URL": f"smtp://127.0.0.1:{free_port()}" if broken == "relay" else smtp,
            "RAPPORT_SECRET": "a secret of the tests",
            "RAPPORT_MAIL_MODE": "live",
            "RAPPORT_TASK_QUEUE": queue,
        }
        for words in (["--json"], []):
            done = await asyncio.to_thread(
                CliRunner().invoke, app, ["doctor", "--data", str(tmp_path), *words], env=environment
            )
            assert done.exit_code == code, done.output
            if words:
                assert json.loads(done.stdout)["well"] is (code == 0)
            else:
                assert "waits: " in done.stdout


async def test_what_the_review_channel_never_heard_is_told(here: Installation) -> None:
    """What Slack refused for good is trouble, what waits for it a note; a channel that hears everything is well."""
    told = {"slack_webhook_url": SecretStr("https://hooks.example/x"), "review_channel_mail": "list@foobar.example"}
    check = of(await examine(here, **told), "channel")
    assert (check.verdict, check.what) == (CheckVerdict.OK, "reviews are mirrored to Slack and list@foobar.example")
    order = Announce(ref="TR-0007", account="versayce", what="overdue", now=present())
    async with here.services.store.writing() as connection:
        await announcement.begin(connection, order, present())
        await announcement.settle(connection, order.key, DeliveryState.WAITING, "it answers 503", present())
    assert of(await examine(here), "channel").verdict is CheckVerdict.NOTE
    async with here.services.store.writing() as connection:
        await announcement.settle(connection, order.key, DeliveryState.FAILED, "it answers 404", present())
    check = of(await examine(here), "channel")
    assert check.verdict is CheckVerdict.TROUBLE
    assert [(one.where, "it answers 404" in one.problem) for one in check.findings] == [("TR-0007", True)]


async def test_the_data_directorys_files_are_read_and_each_fault_has_its_line(here: Installation) -> None:
    """What is wrong in support.toml and reviews.toml is told with file, line and fix; the rest is looked at as ever."""
    data = here.services.settings.data
    (data / "support.toml").write_text('[severity.1]\ntitle = "down"\nfirst_answer = "soon"\n')
    (data / "reviews.toml").write_text('[x]\ntitle = "X"\nwhen = ["airgapped"]\nwhy = "x"\nstages = ["pre_trial"]\n')
    found = await examine(here)
    assert not found.well
    rules, calls = of(found, "support rules"), of(found, "review scenarios")
    assert (rules.verdict, calls.verdict) == (CheckVerdict.TROUBLE, CheckVerdict.TROUBLE)
    assert [one.where for one in calls.findings] == ["reviews.toml:3: x.when[0]"]
    assert any(one.where.startswith("support.toml:3: severity.1.first_answer") for one in rules.findings), rules
    assert all(one.problem and one.fix for one in (*rules.findings, *calls.findings))
    assert of(found, "database").verdict is CheckVerdict.OK
    (data / "support.toml").write_text("[desk\n")
    (data / "reviews.toml").write_bytes(b"\xff")
    found = await examine(here)
    assert of(found, "support rules").findings[0].where.startswith("support.toml")
    assert of(found, "review scenarios").findings[0].where.startswith("reviews.toml")


async def test_severity_one_without_a_rota_or_a_pager_is_a_note(here: Installation) -> None:
    """The doctor says which of both is missing; with both, nothing is."""
    pager = {"paging_webhook_url": SecretStr("https://pager.example/x")}
    told = of(await examine(here), "support rules")
    assert (told.verdict, told.what) == (
        CheckVerdict.NOTE,
        "severity 1 keeps desk hours: there is no on-call rota and no paging webhook",
    )
    assert "[on_call]" in told.fix
    assert of(await examine(here, **pager), "support rules").what.endswith("there is no on-call rota")
    await open_desk(here, day=None)
    rules = here.services.settings.data / "support.toml"
    rules.write_text(f'[on_call]\nmembers = ["{SAM}"]\nsince = 2026-01-05\n')
    assert of(await examine(here, **pager), "support rules").verdict is CheckVerdict.OK
    rules.write_text(f'[on_call]\nmembers = ["{SAM}", "{LEAD}", "x@foobar.example"]\nsince = 2026-01-05\n')
    told = of(await examine(here, **pager), "support rules")
    assert (told.verdict, [one.problem for one in told.findings]) == (
        CheckVerdict.TROUBLE,
        [f"{LEAD} isn't a support engineer", "x@foobar.example isn't a team member"],
    )
    assert (await desk_report.rules(here.services)).unfit.keys() == {LEAD, "x@foobar.example"}


async def test_a_case_that_nobody_can_have_is_told(here: Installation) -> None:
    """Of an area that nobody knows, the doctor says so until somebody has it."""
    crew_of_one = MembersFile(members=crew().members[:1] + crew().members[3:5])
    await open_desk(here, day=None, members=crew_of_one)
    ref = (await ask(here, area="dashboards")).ref

    async def told() -> Check | None:
        check = of(await examine(here), "cases")
        return check if check.findings else None

    check: Check = await until(told, "the doctor to tell")
    assert check.verdict is CheckVerdict.TROUBLE
    (finding,) = check.findings
    assert (finding.where, finding.fix) == (ref, f"rapport case assign {ref} --to EMAIL --as EMAIL")
    assert "no one on the desk knows the area" in finding.problem
