"""The composition root: settings → store and mailer → activities → Worker. `python worker.py` runs one.

Connect it with Temporal's own variables (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, …) and
Rapport's (`RAPPORT_DATABASE_URL`, `RAPPORT_SMTP_URL`, …).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import pkgutil
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from pydantic import SecretStr
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import (
    Interceptor,
    PollerBehavior,
    PollerBehaviorAutoscaling,
    PollerBehaviorSimpleMaximum,
    Worker,
    WorkflowRunner,
)

import workflows
from activities.announcement import Announcements
from activities.cadence import Cadences
from activities.children import Children
from activities.delivery import Policy
from activities.gap import Gaps
from activities.gate import Gates
from activities.meeting import Meetings
from activities.message import Messages
from activities.morning import Reports
from activities.planning import Planning
from activities.projection import Projections
from activities.relay import AlarmStarter, Relays
from activities.support_case import Support
from activities.sweep import Missing, Sweeping
from activities.task import Tasks
from activities.tech_review import Reviews
from activities.undelivered import UndeliveredMails
from activities.webhooks import Hook
from activities.words import Recall
from rapport import clock, outgoing, support_rules
from rapport.mail.smtp import Mailer, Relay
from rapport.mail.tokens import Tokens
from rapport.mailing import mail_settings
from rapport.model.base import Refused, UserError
from rapport.model.workflows import mail_queue
from rapport.rules.pace import pace_of
from rapport.runner import Runner
from rapport.settings import Settings, read_settings
from rapport.storage import sweep
from rapport.storage.database import Store, opened
from rapport.storage.faults import DatabaseFault
from rapport.storage.signing import Signer
from rapport.support_rules import DeskRules
from rapport.temporal import connect, missing_search_attributes, run_to_end
from workflows.announcement import Announcing
from workflows.cadence import Cadence
from workflows.desk import SupportDesk
from workflows.ended_outside import EndedOutside
from workflows.gap import GapDelivery
from workflows.handover import Handover
from workflows.meeting import Meeting
from workflows.morning import Morning
from workflows.notice import Notice
from workflows.onboarding.workflow import Onboarding
from workflows.relay import RelayAlarm
from workflows.support_case import SupportCase
from workflows.sweep import Sweep
from workflows.task import HumanTask
from workflows.tech_review import TechReview
from workflows.undelivered import Undelivered

WORKFLOWS = (
    Onboarding,
    Cadence,
    Meeting,
    HumanTask,
    TechReview,
    SupportCase,
    SupportDesk,
    Morning,
    Notice,
    Handover,
    GapDelivery,
    Announcing,
    Undelivered,
    Sweep,
    EndedOutside,
    RelayAlarm,
)
"""Every workflow there is."""

Pollers = tuple[PollerBehavior, PollerBehavior]
"""How many ask for workflow tasks, and for activities."""

POLLERS: Final[Pollers] = (
    PollerBehaviorAutoscaling(minimum=4, initial=8),
    PollerBehaviorAutoscaling(),
)
"""As many as there is work for."""

ACTIVITIES: Final = 32
"""How many a worker takes at a time. With the SDK's 100, the last that it took in a burst were begun ten seconds later,
when Temporal had missed their heartbeats and given them to another."""

MAILS_AT_A_TIME: Final = 8
"""How many of those mails that wait for the relay; they share `smtp.MAX_CONNECTIONS`, and some have several readers."""

GRACE: Final = timedelta(seconds=30)
"""How long what is under way may take when a worker is told to stop."""

STEADY: Final[Pollers] = (
    PollerBehaviorSimpleMaximum(8),
    PollerBehaviorSimpleMaximum(8),
)
"""The same on the time-skipping server. That one knows nothing of autoscaling, so the SDK lets each question end after
11 seconds; now and then the server still answers a question that has ended, and that breaks the connection with all
that is under way on it."""

MECHANICS = {module.name for module in pkgutil.walk_packages(workflows.__path__, "workflows.") if not module.ispkg} - {
    kind.__module__ for kind in WORKFLOWS
}
"""The modules that workflows are made with. They keep nothing between runs, so a worker loads each once and not anew
for every run; tests and replays load them into each sandbox, which finds what it forbids. See
docs/adr/0009-fewer-steps-between.md."""


@dataclass(frozen=True)
class Workers:
    """What asks Temporal for work: for what must not wait behind anything else on a task queue of its own, as one."""

    each: tuple[Worker, ...]
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> None:
        """Begin to ask."""
        for one in self.each:
            await self._open.enter_async_context(one)

    async def __aexit__(self, *why: Any) -> None:
        """Let what is under way come to its end, everywhere at once: one after the other, each would take its grace."""
        await self.shutdown()
        await self._open.__aexit__(*why)

    async def run(self) -> None:
        """Ask for work until shut down. The end of one, for whatever reason, is the end of all."""
        running = [asyncio.create_task(one.run()) for one in self.each]
        try:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self.shutdown()
        await asyncio.gather(*running)

    async def shutdown(self) -> None:
        """Let what is under way come to its end. Safe to repeat."""
        await asyncio.gather(*(one.shutdown() for one in self.each))


@dataclass(frozen=True)
class Parts:
    """What a worker is made of, open as long as the worker runs."""

    store: Store
    mailer: Mailer
    worker: Workers
    rules: DeskRules

    async def note_rules(self) -> None:
        """Note by which rules of the desk it goes: a file that is changed later is read at the next start."""
        async with self.store.writing() as connection:
            await sweep.note_rules(connection, clock.present(), self.rules.digest)


def mailer_of(relay: Relay, settings: Settings) -> Mailer:
    """The mailer, with whatever it signs in by.

    Raises:
        UserError: There is a command for access tokens, and nobody whom they are for.
    """
    command = settings.smtp_token_command
    if command is not None and (relay.user is None or relay.password is not None):
        raise UserError(
            "needs a user and no password" if relay.password is not None else "names no user",
            field="RAPPORT_SMTP_URL",
            fix="with RAPPORT_SMTP_TOKEN_COMMAND write smtp+starttls://USER@HOST:587, with %40 for an @ in the user",
        )
    tokens = Tokens(shlex.split(command.get_secret_value())) if command is not None else None
    own = policy_of(relay, settings).recipient(settings.mail_from)
    return Mailer(relay, hostname=settings.mail_from.partition("@")[2], tokens=tokens, own=own)


def policy_of(relay: Relay, settings: Settings) -> Policy:
    """Whether, where and how fast mail goes."""
    return Policy(
        mode=settings.mail_mode,
        allowed_domains=frozenset(settings.mail_allowed_domains),
        quiet_hours=settings.quiet_hours == "keep",
        pace=pace_of(settings.mail_rate, local=relay.is_local),
    )


def _crm(settings: Settings) -> Hook | None:
    """Where product gaps go, if anywhere.

    Raises:
        UserError: They would go without a signature.
    """
    if settings.crm_webhook_url is None:
        return None
    if settings.crm_webhook_secret is None:
        raise UserError(
            "is not set",
            field="RAPPORT_CRM_WEBHOOK_SECRET",
            fix="set it to the secret that the CRM checks signatures with; nothing is sent unsigned",
        )
    return Hook(settings.crm_webhook_url, settings.crm_webhook_secret)


def _hook(url: SecretStr | None, secret: SecretStr | None = None) -> Hook | None:
    return Hook(url, secret) if url is not None else None


@asynccontextmanager
async def build(
    client: Client,
    settings: Settings,
    *,
    runner: WorkflowRunner | None = None,
    interceptors: Sequence[Interceptor] = (),
    pollers: Pollers = POLLERS,
) -> AsyncIterator[Parts]:
    """Put a worker together, and take it apart afterwards.

    Args:
        runner, interceptors: How a simulation has workflows and activities see its own time.
        pollers: How many ask for work; `STEADY` on the time-skipping server.
    """
    store = Store(settings.database)
    relay = Relay.parse(settings.relay, settings.relay_named)
    mailer = mailer_of(relay, settings)
    policy = policy_of(relay, settings)
    # It writes whole addresses into the log, and those of calendars and webhooks are secrets.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    async with outgoing.client(settings.fetch_allowed_hosts) as http, outgoing.client(settings.hook_hosts) as hooks:
        messages = Messages(store, mailer, mail_settings(settings), policy, AlarmStarter(client, settings.task_queue))
        relays = Relays(store, mailer, settings.mail_from)
        planning = Planning(store, http)
        undelivered = UndeliveredMails(store)
        sweeping = Sweeping(store, policy, client)
        children = Children(client)
        recall = Recall(store, client)
        missing = Missing(store, client, settings.task_queue)
        records = Projections(store)
        meetings = Meetings(store)
        gates = Gates(store, settings.data)
        gaps = Gaps(store, hooks, _crm(settings))
        tasks = Tasks(store)
        rules = support_rules.load(settings.data)
        reports = Reports(store, rules.desk)
        rhythms = Cadences(store, planning)
        announcements = Announcements(store, hooks, messages, _hook(settings.slack_webhook_url))
        mirrored = settings.slack_webhook_url is not None or settings.review_channel_mail is not None
        reviews = Reviews(store, Signer(settings.secret_bytes), mirrored)
        support = Support(
            store,
            rules,
            hooks,
            paging=_hook(settings.paging_webhook_url, settings.paging_webhook_secret),
            lead_paging=_hook(settings.paging_lead_webhook_url, settings.paging_webhook_secret),
            public_url=settings.public_url.rstrip("/"),
        )
        worker = Worker(
            client,
            task_queue=settings.task_queue,
            workflows=WORKFLOWS,
            activities=[
                messages.draft,
                messages.send,
                messages.send_bundle,
                messages.deliver,
                messages.set_aside,
                messages.drop_departed,
                messages.drop_left_behind,
                messages.left_invitation,
                messages.offered,
                undelivered.look,
                undelivered.settle,
                sweeping.look,
                missing.gone,
                children.find,
                children.result,
                recall.recall,
                missing.settle,
                planning.dues,
                planning.propose,
                planning.reopen,
                planning.confirm,
                planning.take,
                planning.follow_up,
                planning.gather,
                planning.vacancies,
                planning.resumed,
                planning.stagger,
                gaps.deliver,
                gates.look,
                gates.waiting,
                tasks.seat,
                tasks.reseat,
                tasks.resume,
                tasks.known,
                tasks.project,
                records.project,
                records.tell_step,
                meetings.beside,
                records.tell_cadence,
                reviews.lay_out,
                reviews.deadline,
                reviews.settle,
                reviews.again,
                reviews.project,
                rhythms.seek,
                rhythms.plan,
                rhythms.review,
                records.hand_back,
                reports.mornings,
                announcements.announce,
                support.assign,
                support.outlook,
                support.team,
                support.page,
                support.project,
                relays.tell,
                relays.probe,
            ],
            workflow_runner=runner or Runner.sharing(MECHANICS),
            interceptors=interceptors,
            max_concurrent_activities=ACTIVITIES,
            graceful_shutdown_timeout=GRACE,
            # A worker that was killed is missed after two seconds instead of ten.
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
            workflow_task_poller_behavior=pollers[0],
            activity_task_poller_behavior=pollers[1],
        )
        mails = Worker(
            client,
            task_queue=mail_queue(settings.task_queue),
            activities=[messages.send, messages.send_bundle, messages.deliver],
            interceptors=interceptors,
            max_concurrent_activities=MAILS_AT_A_TIME,
            graceful_shutdown_timeout=GRACE,
            activity_task_poller_behavior=pollers[1],
        )
        try:
            yield Parts(store, mailer, Workers((worker, mails)), rules)
        finally:
            await mailer.close()
            await store.close()


def freeze_what_is_loaded() -> None:
    """Have a process that now runs a worker for good spend less on looking for garbage.

    What is loaded by now stays; looking through it again and again took 6 % of the CPU. What is let go later, above all
    runs that leave the cache, hangs together in circles: it is looked for soon enough that a worker grows no further
    once its cache is full.
    """
    gc.freeze()
    gc.set_threshold(10_000, 2, 1)


async def run(settings: Settings) -> None:
    """Run one worker until it is told to stop; then let what is under way come to an end.

    Raises:
        UserError: Temporal does not answer, or the installation was not set up.
        DatabaseFault: The database does not answer, or is of another version.
    """
    # First of all, before there is anything of Temporal's: that has to run before it can be put away.
    async with opened(settings.database) as store:
        await store.check()
    client = await connect()
    try:
        missing = await missing_search_attributes(client)
    except RPCError as error:
        raise UserError(
            f"Temporal does not let a worker into {client.namespace}: {error.message}",
            field="TEMPORAL_NAMESPACE",
            fix="correct it, or the connection's key",
            kind=Refused.UNREACHABLE,
        ) from None
    if missing:
        raise UserError(
            f"search attributes are missing: {', '.join(missing)}", field="namespace", fix="run `rapport setup` first"
        )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with build(client, settings) as parts:
        await parts.note_rules()
        freeze_what_is_loaded()
        async with parts.worker:
            logging.getLogger("rapport").info("worker is ready, on task queue %s", settings.task_queue)
            await stop.wait()


def main() -> None:
    """Run one worker from the environment."""
    logging.getLogger("alembic").setLevel("WARNING")
    try:
        settings = read_settings()
        logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
        run_to_end(run(settings))
    except (UserError, DatabaseFault) as refusal:
        sys.exit(str(refusal))


if __name__ == "__main__":
    main()
