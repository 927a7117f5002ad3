"""Is every part configured, reachable and safe; and does every open wait have an owner and an end?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, ScheduleActionStartWorkflow, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from rapport import clock, support_rules
from rapport.mail import outbox
from rapport.mail.smtp import Deferred, Misconfigured, Relay
from rapport.model.account import Role
from rapport.model.base import UserError, WireModel
from rapport.model.commands import in_name
from rapport.model.delivery import DeliveryState
from rapport.model.ids import desk_id
from rapport.model.message import MessageState
from rapport.model.relay import fixed
from rapport.model.scenario import scenarios
from rapport.model.support_case import DESK, CaseState
from rapport.model.workflows import LASTING, mail_queue
from rapport.revival import is_forgotten
from rapport.rules import sla
from rapport.rules.message import ways_on
from rapport.rules.support_case import way_on as way_on_of_case
from rapport.rules.wording import amount
from rapport.schedules import LATE_ROUNDS, MORNINGS, SWEEP_SCHEDULE, registered
from rapport.settings import Settings
from rapport.storage import (
    account as accounts,
    announcement,
    contract as contracts,
    gap as gaps,
    support_case,
    sweep,
    tech_review,
)
from rapport.storage.agenda import BEGUN
from rapport.storage.database import Store
from rapport.storage.faults import DatabaseFault
from rapport.storage.probes import probe
from rapport.storage.relay import MailGate, mail_gate, relay_fault
from rapport.storage.waits import OpenWait, arranged, open_waits, open_workflows, unknown
from rapport.temporal import MAX_LISTED, connect, missing_search_attributes, running, runs
from starters.healthy import LATELY
from starters.installation import insist_on_database, stack_of, temporal_of
from starters.use_cases.mail_switch import DeferralsShown
from starters.use_cases.sign_in import provider
from starters.views.disk import DiskAlarm, disk_alarm
from starters.views.mail_kept import mail_kept
from starters.views.standstill import way_on
from worker import mailer_of

MOST_WORKFLOWS: Final = 100
"""How many workflows on which Temporal and SQL do not agree are named one by one. All of them are counted."""

DESCRIBED_AT_ONCE: Final = 20
"""Of how many workflows Temporal is asked at the same time."""

_OLDER: Final = 'see "A backup that is older than Temporal" in docs/operating.md'

LASTING_SECONDS: Final = 2.0
"""How long a difference between Temporal and SQL has to last: each is told of a change a moment after it happened."""

ASTRAY: Final = timedelta(days=1)
"""For how long an email of no account's story is told of that failed: nobody is asked about it."""

MOST_NAMED: Final = 50
"""How many emails are named one by one."""

_HOW: Final = {
    MessageState.FAILED: "failed",
    MessageState.UNKNOWN: "nobody can tell whether it arrived",
    MessageState.READY: "is ready and doesn't go",
    MessageState.SENDING: "was being sent when its worker died",
    MessageState.DEFERRED: "is due again and doesn't go",
}

RELAY_SECONDS: Final = 30.0
"""How long the relay may take to let us sign in and name a recipient."""

SHORT_SECRET: Final = 16

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_SETUP: Final = "run `rapport setup`"


class CheckVerdict(StrEnum):
    """What came of a check. A note asks for nothing, but should be known."""

    OK = "ok"
    NOTE = "note"
    TROUBLE = "trouble"
    UNREACHABLE = "unreachable"
    SKIPPED = "skipped"


class Finding(WireModel):
    """One thing that is wrong: where, what, and what to do about it."""

    where: str
    problem: str
    fix: str


class Check(WireModel):
    """One check, and what came of it."""

    check: str
    verdict: CheckVerdict
    what: str
    fix: str = ""
    findings: tuple[Finding, ...] = ()


class Diagnosis(WireModel):
    """All checks, in the order in which they were made."""

    well: bool
    checks: tuple[Check, ...]

    def has(self, verdict: CheckVerdict) -> bool:
        """Whether any check came to this."""
        return any(check.verdict is verdict for check in self.checks)


async def examine(settings: Settings) -> Diagnosis:
    """Look at every part, in the order in which they depend on each other.

    Changes nothing but the note that it looked, which tells whether anything can be written; and sends no mail.
    """
    async with contextlib.AsyncExitStack() as stack:
        database, store = await _database(settings)
        if store is not None:
            stack.push_async_callback(store.close)
        checks = [
            *_settings(settings),
            await _sign_in(settings),
            await _support_rules(settings, store),
            _scenarios(settings),
        ]
        disk = await disk_alarm(store, settings.data) if store is not None else None
        temporal, client = await _temporal(settings, disk)
        checks += [database, temporal]
        for name, look in _OF_TEMPORAL.items():
            checks.append(
                _skipped(name, "Temporal") if client is None else await _asked(name, look(client, settings), disk)
            )
        relay = await _relay(settings, store)
        checks.append(relay)
        found: dict[str, Check] = {}
        for name, of_rows in _OF_DATABASE.items():
            found[name] = _skipped(name, "the database") if store is None else await of_rows(store, settings, relay)
        checks += found.values()
        if store is None or client is None:
            checks.append(_skipped("workflows", "the database" if store is None else "Temporal"))
        else:
            sends = found["mail"].verdict is CheckVerdict.OK
            checks.append(await _asked("workflows", _workflows(store, client, settings, sends=sends), disk))
    well = all(check.verdict in (CheckVerdict.OK, CheckVerdict.NOTE) for check in checks)
    return Diagnosis(well=well, checks=tuple(checks))


def _settings(settings: Settings) -> list[Check]:
    secret = settings.secret.get_secret_value() if settings.secret else ""
    return [
        _secret(secret),
        _public_url(settings),
        Check(
            check="links",
            verdict=CheckVerdict.NOTE,
            what="a mailed link decides a task without signing in; whoever gets hold of the mail can decide",
            fix="unset RAPPORT_LINKS_SIGN_IN, unless this is meant",
        )
        if settings.links_sign_in
        else Check(check="links", verdict=CheckVerdict.OK, what="deciding a task asks for a sign-in"),
    ]


async def _sign_in(settings: Settings) -> Check:
    """Whether the provider by which members sign in answers, where the settings name one."""
    known = provider(settings)
    if known is None:
        half = settings.oidc_issuer is not None or settings.oidc_client_id is not None
        return Check(
            check="sign-in",
            verdict=CheckVerdict.TROUBLE if half else CheckVerdict.OK,
            what="the provider is named by half" if half else "members sign in by a mailed link",
            fix="set RAPPORT_OIDC_ISSUER and RAPPORT_OIDC_CLIENT_ID, or neither" if half else "",
        )
    try:
        async with known.client() as http:
            await known.begin(http)
    except UserError as refusal:
        return _unreachable("sign-in", refusal).model_copy(update={"fix": "see that RAPPORT_OIDC_ISSUER answers"})
    return Check(check="sign-in", verdict=CheckVerdict.OK, what=f"{known.issuer} answers")


async def _support_rules(settings: Settings, store: Store | None) -> Check:
    """Whether the desk's rules can be read, and whether severity 1 is served as they say."""
    try:
        rules = support_rules.load(settings.data)
    except UserError as refusal:
        return _faulty("support rules", refusal, settings)
    if rules.on_call is not None and store is not None:
        async with store.reading() as connection:
            unfit = await support_case.unfit(connection, rules.on_call.members)
        if unfit:
            return Check(
                check="support rules",
                verdict=CheckVerdict.TROUBLE,
                what=f"{amount(len(unfit), 'address')} on call can't take cases; during these turns, support leads "
                "are paged instead",
                fix=f"correct [on_call] in {support_rules.SUPPORT_FILE}, or the roles with `rapport member import`",
                findings=tuple(
                    Finding(
                        where=f"{support_rules.SUPPORT_FILE}: on_call.members",
                        problem=f"{email} {why}",
                        fix="name a support engineer instead, or give them that role",
                    )
                    for email, why in unfit.items()
                ),
            )
    if store is not None:
        async with store.reading() as connection:
            read = await sweep.rules_read(connection)
        if read is not None and read.digest != rules.digest:
            what = f"{support_rules.SUPPORT_FILE} has changed since the workers read it at {read.at:%Y-%m-%d %H:%M} UTC"
            return Check(check="support rules", verdict=CheckVerdict.NOTE, what=what, fix=settings.restart)
    paging = settings.paging_webhook_url is not None
    served = sla.hours(rules.promise(1), rota=rules.on_call is not None, paging=paging)
    if served.reason is not None:
        where = support_rules.SUPPORT_FILE
        fix = f"write [on_call] into {where} and set RAPPORT_PAGING_WEBHOOK_URL, unless this is meant"
        return Check(check="support rules", verdict=CheckVerdict.NOTE, what=f"severity 1 {served.reason}", fix=fix)
    return Check(check="support rules", verdict=CheckVerdict.OK, what="can be read")


def _scenarios(settings: Settings) -> Check:
    try:
        found = scenarios(settings.data)
    except UserError as refusal:
        return _faulty("review scenarios", refusal, settings)
    return Check(check="review scenarios", verdict=CheckVerdict.OK, what=f"{len(found)} call for a review")


def _faulty(check: str, refusal: UserError, settings: Settings) -> Check:
    """A file of the data directory that is wrong, fault by fault with its line."""
    faults = (refusal, *refusal.others)
    return Check(
        check=check,
        verdict=CheckVerdict.TROUBLE,
        what="its file is wrong",
        fix=f"correct the file, then {settings.restart}",
        findings=tuple(Finding(where=one.field or "", problem=one.problem, fix=one.fix or "") for one in faults),
    )


def _secret(secret: str) -> Check:
    fix = "set RAPPORT_SECRET to a long random text, the same for every process"
    if not secret:
        return Check(check="secret", verdict=CheckVerdict.TROUBLE, what="is not set", fix=fix)
    if len(secret) < SHORT_SECRET:
        return Check(check="secret", verdict=CheckVerdict.NOTE, what="is short enough to be guessed", fix=fix)
    return Check(check="secret", verdict=CheckVerdict.OK, what="is set")


def _public_url(settings: Settings) -> Check:
    url = urlsplit(settings.public_url)
    fix = "set RAPPORT_PUBLIC_URL to the https address under which people reach the pages"
    if url.scheme not in ("http", "https") or not url.hostname:
        return Check(
            check="public url", verdict=CheckVerdict.TROUBLE, what=f"{settings.public_url} is no address", fix=fix
        )
    if url.hostname not in _LOOPBACK:
        if url.scheme == "http":
            what = f"{settings.public_url} is not encrypted, and forms do not work over it"
            return Check(check="public url", verdict=CheckVerdict.TROUBLE, what=what, fix=fix)
    elif not _is_local(settings) and settings.mail_mode != "off":
        what = (
            f"mail goes to a real relay, and its links lead to {settings.public_url}, which only this machine reaches"
        )
        return Check(check="public url", verdict=CheckVerdict.NOTE, what=what, fix=fix)
    return Check(check="public url", verdict=CheckVerdict.OK, what=settings.public_url)


def _is_local(settings: Settings) -> bool:
    return Relay.parse(_smtp_url(settings)).host in _LOOPBACK


def _smtp_url(settings: Settings) -> str:
    """The relay: the embedded stack's catcher, unless a setting names one."""
    stack = stack_of(settings.data)
    if stack is not None and "smtp_url" not in settings.model_fields_set:
        return f"smtp://{stack.smtp}"
    return settings.relay


async def _database(settings: Settings) -> tuple[Check, Store | None]:
    try:
        insist_on_database(settings)
    except UserError as refusal:
        return _unreachable("database", refusal), None
    store = Store(settings.database)
    try:
        await probe(store, "doctor", clock.present())
    except DatabaseFault as fault:
        await store.close()
        what = f"{store.name}: {fault.problem}"
        return Check(check="database", verdict=CheckVerdict.UNREACHABLE, what=what, fix=fault.fix), None
    alarm = await disk_alarm(store, settings.data)
    if alarm is not None:
        verdict = CheckVerdict.UNREACHABLE if alarm.full else CheckVerdict.TROUBLE
        what = f"{store.name} answers and is up to date; {alarm.problem}"
        return Check(check="database", verdict=verdict, what=what, fix=alarm.fix), store
    what = f"{store.name} answers, takes what is written, and is up to date"
    return Check(check="database", verdict=CheckVerdict.OK, what=what), store


async def _temporal(settings: Settings, disk: DiskAlarm | None) -> tuple[Check, Client | None]:
    try:
        client = await connect(temporal_of(settings))
    except UserError as refusal:
        check = _unreachable("temporal", refusal)
        if disk is not None and disk.full and stack_of(settings.data) is not None:
            check = check.model_copy(update={"what": f"{check.what}; {disk.problem}", "fix": disk.fix})
        return check, None
    return Check(
        check="temporal", verdict=CheckVerdict.OK, what=f"answers, with the namespace {client.namespace}"
    ), client


async def _asked(name: str, look: Awaitable[Check], disk: DiskAlarm | None) -> Check:
    """A check that asks Temporal, which may go away meanwhile, or refuse to tell.

    Args:
        disk: What is known of the disk. On one that is full, Temporal of an embedded stack can't do its part either.
    """
    try:
        return await look
    except RPCError as error:
        what = f"Temporal does not tell: {error.status.name.lower().replace('_', ' ')}"
        fix = "see that it runs"
        if error.status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED):
            fix = "see that the connection's key may ask"
        elif disk is not None and disk.full:
            what, fix = f"{what}; {disk.problem}", disk.fix
        return Check(check=name, verdict=CheckVerdict.UNREACHABLE, what=what, fix=fix)


async def _search_attributes(client: Client, _: Settings) -> Check:
    missing = await missing_search_attributes(client)
    if missing:
        what = f"missing, or of another type: {', '.join(missing)}"
        return Check(check="search attributes", verdict=CheckVerdict.TROUBLE, what=what, fix=_SETUP)
    return Check(check="search attributes", verdict=CheckVerdict.OK, what="are registered")


async def _schedule(client: Client, settings: Settings) -> Check:
    found = await registered(client, MORNINGS)
    if found is None:
        return Check(check="schedule", verdict=CheckVerdict.TROUBLE, what="no morning mail is scheduled", fix=_SETUP)
    action = found.schedule.action
    if isinstance(action, ScheduleActionStartWorkflow) and action.task_queue != settings.task_queue:
        what = f"the morning mails are started on the task queue {action.task_queue}"
        fix = f"run `rapport setup` to have them on {settings.task_queue}, or correct RAPPORT_TASK_QUEUE"
        return Check(check="schedule", verdict=CheckVerdict.TROUBLE, what=what, fix=fix)
    if found.schedule.state.paused:
        fix = "unpause the schedule `morning` in Temporal's UI, unless this is meant"
        return Check(check="schedule", verdict=CheckVerdict.NOTE, what="the morning mails are paused", fix=fix)
    if await registered(client, SWEEP_SCHEDULE) is None:
        return Check(check="schedule", verdict=CheckVerdict.TROUBLE, what="no sweep is scheduled", fix=_SETUP)
    return Check(check="schedule", verdict=CheckVerdict.OK, what="the morning mails and the sweep are scheduled")


async def examine_worker(client: Client, settings: Settings) -> Check:
    """Whether any worker has asked for work lately, and of an embedded stack as many as it runs."""
    work, mail = settings.task_queue, mail_queue(settings.task_queue)
    asking, since = set[str](), datetime.now(UTC) - LATELY
    for queue, kind in (
        (work, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW),
        (mail, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
    ):
        answer = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind)
        )
        if not answer.pollers:
            what = f"none has asked for work on the task queue {queue} in the last minutes"
            fix = "start `rapport up` or `python worker.py`, with the same RAPPORT_TASK_QUEUE"
            return Check(check="worker", verdict=CheckVerdict.UNREACHABLE, what=what, fix=fix)
        asking |= {one.identity for one in answer.pollers if one.last_access_time.ToDatetime(UTC) > since}
    stack = stack_of(settings.data)
    here = stack is not None and stack.temporal == client.service_client.config.target_host
    if stack is not None and here and len(asking) < stack.workers:
        what = f"{len(asking)} of {stack.workers} have asked for work in the last minutes; the others are slower for it"
        fix = f"nothing; `rapport up` starts it again. If it does not last: see {settings.data / 'worker.log'}"
        return Check(check="worker", verdict=CheckVerdict.NOTE, what=what, fix=fix)
    return Check(check="worker", verdict=CheckVerdict.OK, what=f"asks for work on the task queues {work} and {mail}")


async def _desk(client: Client, _: Settings) -> Check:
    """A desk that does not run is a note: not every installation has support on it."""
    try:
        found = await client.get_workflow_handle(desk_id(DESK)).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return Check(check="desk", verdict=CheckVerdict.NOTE, what="no support desk was ever started", fix=_SETUP)
    if found.status is not WorkflowExecutionStatus.RUNNING:
        what = "the support desk was ended in Temporal"
        fix = "nothing; the sweep has it continue within minutes, while a worker runs"
        return Check(check="desk", verdict=CheckVerdict.TROUBLE, what=what, fix=fix)
    return Check(check="desk", verdict=CheckVerdict.OK, what="the support desk runs")


_OF_TEMPORAL: Final[dict[str, Callable[[Client, Settings], Awaitable[Check]]]] = {
    "search attributes": _search_attributes,
    "schedule": _schedule,
    "worker": examine_worker,
    "desk": _desk,
}


async def _relay(settings: Settings, store: Store | None) -> Check:
    """Whether the relay lets us in. Where only others know which one it is, their word on record stands for it."""
    stack, is_named = stack_of(settings.data), "smtp_url" in settings.model_fields_set
    if not is_named and store is not None:
        async with store.reading() as connection:
            fault = await relay_fault(connection)
        if fault is not None:
            what = f"isn't named here by RAPPORT_SMTP_URL; the workers say: {fault.what}"
            return Check(check="relay", verdict=CheckVerdict.TROUBLE, what=what, fix=fault.fix)
    if stack is not None and stack.relay is not None and not is_named:
        what = f"wasn't asked: mails go to {stack.relay}, and how to sign in there is known to what runs alone"
        fix = "set RAPPORT_SMTP_URL here as well to have it asked"
        return Check(check="relay", verdict=CheckVerdict.NOTE, what=what, fix=fix)
    relay = Relay.parse(_smtp_url(settings), settings.relay_named)
    try:
        async with asyncio.timeout(RELAY_SECONDS):
            await mailer_of(relay, settings).probe(settings.mail_from)
    except UserError as refusal:
        return Check(check="relay", verdict=CheckVerdict.TROUBLE, what=refusal.problem, fix=refusal.fix)
    except Misconfigured as fault:
        return Check(check="relay", verdict=CheckVerdict.TROUBLE, what=str(fault), fix=fixed(fault.kind, relay.named))
    except (Deferred, TimeoutError) as error:
        patience = error if isinstance(error, Deferred) else f"no answer within {RELAY_SECONDS:.0f} seconds"
        what, fix = (
            f"{relay.host}:{relay.port}: {patience}",
            f"see that it runs, and that {relay.named.address} names it",
        )
        if stack is None and not is_named:
            what += ". RAPPORT_SMTP_URL isn't set here, so this is the default"
            fix = "set RAPPORT_SMTP_URL here as the workers have it"
        return Check(check="relay", verdict=CheckVerdict.UNREACHABLE, what=what, fix=fix)
    return Check(check="relay", verdict=CheckVerdict.OK, what=f"{relay.host}:{relay.port} lets us in")


async def _mail(store: Store, settings: Settings, relay: Check) -> Check:
    """Whether mail goes out, with what waits because the relay has deferred it.

    Args:
        relay: What came of asking the relay just now.
    """
    alarm = await disk_alarm(store, settings.data)
    async with store.reading() as connection:
        gate = await mail_gate(connection)
        waits = DeferralsShown.of(await outbox.deferrals(connection), datetime.now(UTC))
    check = _gate(gate, settings, relay, alarm)
    if waits is None:
        return check
    what = f"{check.what}. {waits.told(f'{waits.since:%Y-%m-%d %H:%M} UTC')}"
    if waits.none_sent:
        what += ". No email has gone out since then"
    if mail_kept(gate, settings.mail_mode, alarm) is not None or check.verdict not in (
        CheckVerdict.OK,
        CheckVerdict.NOTE,
    ):
        return check.model_copy(update={"what": what})
    fix = "nothing; each is tried for 48 hours. If its answer stays, ask whoever runs the mail server"
    fix = check.fix if gate.limited(datetime.now(UTC)) is not None else fix
    verdict = CheckVerdict.TROUBLE if waits.stuck else CheckVerdict.NOTE
    return check.model_copy(update={"verdict": verdict, "what": what, "fix": fix})


def _gate(gate: MailGate, settings: Settings, relay: Check, alarm: DiskAlarm | None) -> Check:
    kept = mail_kept(gate, settings.mail_mode, alarm)
    if kept is not None:
        since = f" since {gate.fault.since:%Y-%m-%d %H:%M} UTC" if kept.by == "fault" and gate.fault else ""
        verdict = CheckVerdict.TROUBLE if kept.by in ("disk", "fault") else CheckVerdict.NOTE
        goes_then = "; what waits then goes out automatically" if verdict is CheckVerdict.TROUBLE else ""
        return Check(
            check="mail",
            verdict=verdict,
            what=f"doesn't go out{since}: {kept.problem}",
            fix=f"{kept.remedy}{goes_then}",
        )
    silent = relay.verdict is CheckVerdict.UNREACHABLE and "smtp_url" in settings.model_fields_set
    if silent or relay.verdict is CheckVerdict.TROUBLE:
        # Nothing was due since, so that no worker has met it.
        return relay.model_copy(update={"check": "mail", "what": f"won't go out: {relay.what}"})
    if settings.mail_mode != "live":
        what = f"all of it goes to {settings.mail_mode.removeprefix('redirect:')}"
        fix = "set RAPPORT_MAIL_MODE to live to let it reach its readers"
        return Check(check="mail", verdict=CheckVerdict.NOTE, what=what, fix=fix)
    limit = gate.limited(datetime.now(UTC))
    if limit is not None:
        what = f"waits until {limit.until:%Y-%m-%d %H:%M} UTC: {limit.what}, since {limit.since:%Y-%m-%d %H:%M} UTC"
        fix = f"nothing, it goes on automatically; if that lasts, {limit.fixed(settings.named('mail_rate'))}"
        return Check(check="mail", verdict=CheckVerdict.NOTE, what=what, fix=fix)
    at_any_hour = settings.quiet_hours == "ignore"
    what = "goes out, whatever the hour is where it is read" if at_any_hour else "goes out"
    if settings.mail_allowed_domains:
        what = f"{what}, to {', '.join(settings.mail_allowed_domains)} alone"
        fix = f"clear {settings.named('mail_allowed_domains')} to let it reach all its readers"
        return Check(check="mail", verdict=CheckVerdict.NOTE, what=what, fix=fix)
    return Check(check="mail", verdict=CheckVerdict.OK, what=what)


async def _emails(store: Store, settings: Settings) -> Check:
    """Whether any email is late, failed, or may not have arrived, each with its age."""
    present = datetime.now(UTC)
    late = present - timedelta(seconds=settings.sweep_seconds * LATE_ROUNDS)
    async with store.reading() as connection:
        goes = settings.mail_mode != "off" and (await mail_gate(connection)).has_gone_since(late, present)
        found = await outbox.unresolved(connection, MOST_NAMED + 1)
        found += await outbox.late(connection, late, present, MOST_NAMED + 1) if goes else []
        astray = await outbox.astray(connection, present - ASTRAY, MOST_NAMED + 1)
    verdict = CheckVerdict.TROUBLE if found else CheckVerdict.NOTE
    found += astray
    if not found:
        return Check(check="emails", verdict=CheckVerdict.OK, what="each went, is on its way, or was taken care of")
    named = [
        Finding(
            where=one.key,
            problem=f"{_HOW[one.state]}, for {_age(present - (one.settled_at or one.created_at))}"
            + (f": {one.reason}" if one.reason else ""),
            fix=_settles(one),
        )
        for one in found[:MOST_NAMED]
    ]
    what = f"{amount(len(found), 'email needs', 'emails need')} attention"
    if len(found) > MOST_NAMED:
        what = f"{MOST_NAMED} and more emails need attention"
    fix = "the account's TAM has a task for each of its emails that failed; what is due goes on with the next sweep"
    return Check(check="emails", verdict=verdict, what=what, fix=fix, findings=tuple(named))


def _settles(message: outbox.Message) -> str:
    ways = ways_on(message.state, message.key)
    if message.account is None and ways:
        return "nobody is asked about it, as it's no account's. Correct its reader's address if it's wrong, with " + (
            "`rapport member import`: the next one goes there. A link to sign in is asked for anew"
        )
    match message.state:
        case MessageState.FAILED:
            return f"correct the address if it's wrong, then: {ways[0].command}"
        case MessageState.UNKNOWN:
            return f"ask its reader. If it arrived: {ways[0].command}; if not: {ways[1].command}"
        case _:
            return "nothing; the sweep has it go on. If it stays, see Temporal's UI"


def _age(since: timedelta) -> str:
    minutes = int(since.total_seconds() // 60)
    if minutes >= 2880:
        return f"{minutes // 1440} days"
    if minutes >= 120:
        return f"{minutes // 60} hours"
    return amount(minutes, "minute") if minutes else "a minute"


async def _administrators(store: Store, settings: Settings) -> Check:
    """Whether there is somebody who may change members, where more than one person uses the installation."""
    async with store.reading() as connection:
        known = await accounts.members(connection)
    administrators = [one for one in known if Role.ADMINISTRATOR in one.roles]
    count = sum(one.left_at is None for one in administrators)
    # Where there was one, more than one person uses it, whatever the database.
    if count or (settings.database_url is None and not administrators):
        what = amount(count, "administrator") if count else "whoever owns the data directory looks after members"
        return Check(check="administrators", verdict=CheckVerdict.OK, what=what)
    return Check(
        check="administrators",
        verdict=CheckVerdict.NOTE,
        what="nobody who works here is an administrator, so no one can add members or change roles",
        fix='run `rapport setup --administrator "Name <address>"`',
    )


async def _books(store: Store) -> Check:
    """Whether each account is served by somebody who works here: else no email goes out for it."""
    async with store.reading() as connection:
        names = await accounts.account_names(connection)
        served = {key: by for key, by in (await accounts.serving(connection)).items() if key in names}
    left = {key: by for key, by in served.items() if by.has_left}
    if not left:
        what = f"{amount(len(served), 'account')}, each with a TAM who works here" if served else "no account yet"
        return Check(check="accounts", verdict=CheckVerdict.OK, what=what)
    found = tuple(
        Finding(
            where=key,
            problem=f"{by.name} has left, and no email goes out",
            fix=in_name(f"rapport account hand-over {key} --to EMAIL --reason …"),
        )
        for key, by in list(left.items())[:MOST_NAMED]
    )
    what = f"{amount(len(left), 'account')} of TAMs who have left"
    fix = in_name("rapport account hand-over --all --from EMAIL --to EMAIL --reason …")
    return Check(check="accounts", verdict=CheckVerdict.TROUBLE, what=what, fix=fix, findings=found)


async def _begun(store: Store) -> Check:
    """Whether what was put on record while Temporal was away has begun."""
    present = datetime.now(UTC)
    async with store.reading() as connection:
        waiting = [(one.ref, one.opened_at) for one in await support_case.pending(connection, present - BEGUN)]
        waiting += [(one.ref, one.submitted) for one in await tech_review.pending(connection, present - BEGUN)]
        waiting += await gaps.unbegun(connection, present - BEGUN)
        waiting += [
            (f"{ref}, to its channel", since) for ref, since in await announcement.unbegun(connection, present - BEGUN)
        ]
        unbegun = await contracts.unbegun(connection, present - BEGUN)
    told = [(ref, since, "nothing; the next sweep begins it") for ref, since in waiting]
    told += [
        (f"the onboarding of {one.account} for contract {one.id}", hold.since, f"start it again: {hold.unblock}")
        for one in unbegun
        if (hold := one.hold) is not None and hold.since is not None
    ]
    if not told:
        return Check(check="on record", verdict=CheckVerdict.OK, what="everything that is on record has begun")
    found = tuple(
        Finding(where=where, problem=f"hasn't begun for {_age(present - since)}", fix=fix)
        for where, since, fix in told[:MOST_NAMED]
    )
    what = amount(len(told), "is on record and hasn't begun", "are on record and haven't begun")
    fix = "check that Temporal and a worker run; the sweep begins all but onboardings"
    return Check(check="on record", verdict=CheckVerdict.TROUBLE, what=what, fix=fix, findings=found)


async def _sweep(store: Store, settings: Settings) -> Check:
    """When it was last looked for what nobody is at work on."""
    async with store.reading() as connection:
        last, worker = await sweep.last(connection), await sweep.rules_read(connection)
    late = timedelta(seconds=settings.sweep_seconds * LATE_ROUNDS)
    fix = "see that a worker runs; `rapport setup` registers the schedule `sweep`"
    if last is None:
        # In the first minutes of an installation none was due.
        if worker is None or datetime.now(UTC) - worker.at <= late:
            return Check(check="sweep", verdict=CheckVerdict.OK, what="hasn't run yet, and isn't overdue")
        what = f"hasn't run since a worker started {_age(datetime.now(UTC) - worker.at)} ago"
        return Check(check="sweep", verdict=CheckVerdict.TROUBLE, what=what, fix=fix)
    since = datetime.now(UTC) - last.at
    what = f"last ran {_age(since)} ago, at {last.at:%Y-%m-%d %H:%M} UTC"
    if since > late:
        return Check(check="sweep", verdict=CheckVerdict.TROUBLE, what=what, fix=fix)
    return Check(check="sweep", verdict=CheckVerdict.OK, what=what)


async def _channel(store: Store, settings: Settings) -> Check:
    """Whether the review channel was told all that it was to be told."""
    async with store.reading() as connection:
        failed = await announcement.failed(connection)
        unmailed = await announcement.failed_mails(connection)
        since = await announcement.waiting_since(connection)
    found = [
        Finding(
            where=one.ref,
            problem=f"Slack was not told ({one.what.replace('_', ' ')}): {one.reason}",
            fix="correct RAPPORT_SLACK_WEBHOOK_URL; what was missed stands on the review's page",
        )
        for one in failed
    ]
    found += [
        Finding(
            where=subject, problem=f"was not mailed: {reason}", fix="correct RAPPORT_REVIEW_CHANNEL_MAIL, or the email"
        )
        for subject, reason in unmailed
    ]
    if found:
        what = f"{amount(len(found), 'announcement')} never reached it"
        fix = "see to the channel; nothing is posted twice"
        return Check(check="channel", verdict=CheckVerdict.TROUBLE, what=what, fix=fix, findings=tuple(found))
    if since is not None:
        what = f"does not take what it is told, since {since:%Y-%m-%d %H:%M} UTC"
        fix = "nothing; it is tried for 48 hours"
        return Check(check="channel", verdict=CheckVerdict.NOTE, what=what, fix=fix)
    told = [
        *(["Slack"] if settings.slack_webhook_url else []),
        *([settings.review_channel_mail] if settings.review_channel_mail else []),
    ]
    what = (
        f"reviews are mirrored to {' and '.join(told)}" if told else "none; reviews are told by tasks and pages alone"
    )
    return Check(check="channel", verdict=CheckVerdict.OK, what=what)


async def _crm(store: Store, settings: Settings) -> Check:
    """Whether the CRM has every product gap as it stands."""
    if settings.crm_webhook_url is not None and settings.crm_webhook_secret is None:
        fix = "set RAPPORT_CRM_WEBHOOK_SECRET to the secret that the CRM checks signatures with"
        return Check(check="crm", verdict=CheckVerdict.TROUBLE, what="there is nothing to sign with", fix=fix)
    async with store.reading() as connection:
        behind = await gaps.undelivered(connection)
    failed = [gap for gap in behind if gap.delivery == DeliveryState.FAILED]
    if failed:
        return Check(
            check="crm",
            verdict=CheckVerdict.TROUBLE,
            what=f"it does not have {len(failed)} product gaps as they stand",
            fix="see to each of them",
            findings=tuple(
                Finding(where=gap.ref, problem=gap.delivery_reason or "", fix=f"rapport gap resend {gap.ref}")
                for gap in failed
            ),
        )
    if settings.crm_webhook_url is None:
        return Check(check="crm", verdict=CheckVerdict.OK, what="none; product gaps stay here")
    if behind:
        what = f"{amount(len(behind), 'product gap was', 'product gaps were')} logged before there was one"
        fix = f"send them: {', '.join(f'rapport gap resend {gap.ref}' for gap in behind[:3])}"
        return Check(check="crm", verdict=CheckVerdict.NOTE, what=what, fix=fix)
    return Check(check="crm", verdict=CheckVerdict.OK, what="it has every product gap that was sent")


async def _cases(store: Store) -> Check:
    """Whether each support case has somebody, or gets them without anybody's doing."""
    async with store.reading() as connection:
        unowned = await support_case.unowned(connection, datetime.now(UTC))
        unpaged = await support_case.unpaged(connection)
    told = [
        (one.ref, f"severity {one.severity}, for {_age(datetime.now(UTC) - one.since)}: {one.told}") for one in unpaged
    ]
    told += [
        (one.ref, f"severity {one.severity}, no owner for {_age(datetime.now(UTC) - one.since)}: {one.reason}")
        for one in unowned
    ]
    if not told:
        return Check(check="cases", verdict=CheckVerdict.OK, what="each open case has an owner who was told")
    named = tuple(
        Finding(where=ref, problem=problem, fix=way_on_of_case(CaseState.QUEUED, ref) or "")
        for ref, problem in told[:MOST_NAMED]
    )
    what = amount(len(told), "case needs someone", "cases need someone")
    fix = "support leads have them in their inboxes; the desk looks again when someone who can take one is at work"
    urgent = bool(unpaged) or any(one.is_urgent for one in unowned)
    verdict = CheckVerdict.TROUBLE if urgent else CheckVerdict.NOTE
    return Check(check="cases", verdict=verdict, what=what, fix=fix, findings=named)


async def _waits(store: Store) -> Check:
    async with store.snapshot() as connection:
        waits = await open_waits(connection)
    found = [finding for wait in waits for finding in _broken(wait)]
    if found:
        broken = len({finding.where for finding in found})
        what = f"{broken} of {amount(len(waits), 'open wait')} {'is' if broken == 1 else 'are'} broken"
        fix = "see to each of them"
        return Check(check="waits", verdict=CheckVerdict.TROUBLE, what=what, fix=fix, findings=tuple(found))
    what = "no one is waiting for anything"
    if waits:
        which = "the only open wait" if len(waits) == 1 else f"each of {len(waits)} open waits"
        what = f"{which} has an owner and a deadline"
    return Check(check="waits", verdict=CheckVerdict.OK, what=what)


def _broken(wait: OpenWait) -> list[Finding]:
    """What is wrong with a wait: nobody can end it, or nothing does when nobody acts."""
    found = []
    if not wait.held:
        found.append(("waits for nobody", "give somebody the role that decides it, with `rapport member import`"))
    elif not wait.there:
        found.append(
            (
                "everyone for whom it waits has left",
                "name somebody else, with `rapport member import` or `account import`",
            )
        )
    if wait.deadline is None:
        found.append((f"has no deadline: {wait.what}", f"it ends only when somebody acts: {wait.unblock}"))
    return [Finding(where=wait.where, problem=problem, fix=fix) for problem, fix in found]


_OF_DATABASE: Final[dict[str, Callable[[Store, Settings, Check], Awaitable[Check]]]] = {
    "administrators": lambda store, settings, _: _administrators(store, settings),
    "accounts": lambda store, _, __: _books(store),
    "mail": _mail,
    "emails": lambda store, settings, _: _emails(store, settings),
    "on record": lambda store, _, __: _begun(store),
    "sweep": lambda store, settings, _: _sweep(store, settings),
    "channel": lambda store, settings, _: _channel(store, settings),
    "crm": lambda store, settings, _: _crm(store, settings),
    "cases": lambda store, _, __: _cases(store),
    "waits": lambda store, _, __: _waits(store),
}
"""What is looked at in the database, in this order, by the name that each check bears; with what the relay said."""


async def _workflows(store: Store, client: Client, settings: Settings, *, sends: bool) -> Check:
    """Compare what Temporal runs with what SQL shows as open, in both directions."""
    listed = await running(client, LASTING, settings.task_queue)
    suspects = listed ^ await _shown(store)
    if suspects:
        await asyncio.sleep(LASTING_SECONDS)
    shown = await _shown(store) if suspects else set()
    async with store.reading() as connection:
        suspects -= await arranged(connection)
        strangers = set(await unknown(connection, listed - shown))
    found, closing = [], 0
    for id_, alive in (await _described(client, sorted(suspects))).items():
        if id_ in shown and not alive:
            fix = f"its history tells why it ended. To have it continue: {way_on(id_)}"
            if await is_forgotten(client, id_):
                fix = f"Temporal no longer has it, so it can't continue. What to do instead: {way_on(id_)}"
            found.append(Finding(where=id_, problem="SQL shows it open, and it does not run", fix=fix))
        elif id_ in strangers and alive:
            found.append(Finding(where=id_, problem="it runs, and SQL has nothing of it", fix=_OLDER))
        elif id_ not in shown and alive and sends:
            fix = "see in Temporal's UI what it waits for, and whether a worker writes to this database"
            found.append(Finding(where=id_, problem="it runs, and SQL shows it closed or not at all", fix=fix))
        elif id_ not in shown and alive:
            closing += 1
    if found:
        named = tuple(found[:MOST_WORKFLOWS])
        what = f"Temporal and SQL do not agree on {amount(len(found), 'workflow')}"
        if any(finding.fix == _OLDER for finding in found):
            what = f"the database is older than Temporal, as after a backup was restored: {what}"
        if len(found) > len(named):
            what += f"; {len(found) - len(named)} more than are listed here"
        return Check(
            check="workflows", verdict=CheckVerdict.TROUBLE, what=what, fix="see to each of them", findings=named
        )
    if closing or len(listed) == MAX_LISTED:
        what = f"{closing} wait for their last mails, which do not go" if closing else f"{MAX_LISTED} were looked at"
        return Check(check="workflows", verdict=CheckVerdict.NOTE, what=what, fix="see `rapport mail status`")
    return Check(check="workflows", verdict=CheckVerdict.OK, what=f"{len(listed)} run, and SQL shows the same")


async def _described(client: Client, ids: list[str]) -> dict[str, bool]:
    """Which of these workflows run at this moment."""
    found: dict[str, bool] = {}
    for start in range(0, len(ids), DESCRIBED_AT_ONCE):
        some = ids[start : start + DESCRIBED_AT_ONCE]
        found |= zip(some, await asyncio.gather(*(runs(client, id_) for id_ in some)), strict=True)
    return found


async def _shown(store: Store) -> set[str]:
    async with store.snapshot() as connection:
        return await open_workflows(connection)


def _unreachable(name: str, refusal: UserError) -> Check:
    return Check(check=name, verdict=CheckVerdict.UNREACHABLE, what=refusal.problem, fix=refusal.fix)


def _skipped(name: str, needed: str) -> Check:
    return Check(check=name, verdict=CheckVerdict.SKIPPED, what=f"needs {needed}")
