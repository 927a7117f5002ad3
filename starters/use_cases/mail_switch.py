"""Whether mail goes out, why not, and the switch that stops all of it at once."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

from temporalio.service import RPCError

from rapport.mail import outbox
from rapport.mail.outbox import Deferrals, Queue
from rapport.mail.smtp import Relay
from rapport.model.access import Action
from rapport.model.base import Instant, UserError, WireModel
from rapport.model.relay import RelayFault, RelayLimit
from rapport.rules.pace import pace_of
from rapport.rules.wording import amount
from rapport.storage import access, sweep, timeline
from rapport.storage.access import MailSwitch
from rapport.storage.database import Connection
from rapport.storage.relay import mail_gate
from starters.rights import may, requires
from starters.services import Actor, Services, present, submission, who_says
from starters.views.disk import DiskAlarm, disk_alarm
from starters.views.mail_kept import MailKept, kept_now, mail_kept


class RelayFaultShown(RelayFault):
    """Why the relay takes nothing, in words."""

    problem: str
    remedy: str


ASKING_SECONDS: Final = 5.0
"""How long Temporal may take to say that it is there, where somebody asks how mail stands and for nothing else."""

STUCK: Final = timedelta(minutes=15)
"""After how long without a single email that went it is said that what was deferred is stuck."""


class DeferralsShown(Deferrals):
    """What the mail server has deferred, in words.

    Attributes:
        stuck: Whether nothing at all has gone for so long that mail cannot be said to go out.
    """

    stuck: bool

    @classmethod
    def of(cls, found: Deferrals | None, now: datetime) -> DeferralsShown | None:
        """What there is to show, if anything waits."""
        if found is None:
            return None
        return cls(**found.model_dump(), stuck=found.none_sent and now - found.since >= STUCK)

    def told(self, since: str) -> str:
        """How many wait, since when, and what the relay has said of them last.

        Args:
            since: When the first was tried, as the reader has it.
        """
        wait = amount(self.count, "email waits", "emails wait")
        answers = ", ".join(f"{answer} ({count})" for answer, count in list(self.answers.items())[:_MOST_ANSWERS])
        told = f"{wait} because the mail server deferred {'it' if self.count == 1 else 'them'}"
        return f"{told}, the first since {since}. Last answers: {answers}"


_MOST_ANSWERS: Final = 5


class RelayLimitShown(RelayLimit):
    """That the relay says that we send too many emails, in words."""

    problem: str
    remedy: str


class MailStatus(WireModel):
    """Whether mail goes out, and why not.

    Attributes:
        kept_by: Whether `why_not` is a full `disk`, a `fault` of the relay, that it is `stopped`, or `off`.
        fault: What the relay does not take, since when, and what to do about it.
        queued: What is due and has not gone: it waits for its turn, or for what keeps all mail from going.
        deferred: What waits because the relay has deferred it.
        limited: That the relay says that we send too many, since when, until when none goes, and what to do about it.
        allowed_domains: Where not empty, the only domains that mail goes to.
        rate: How many mails a minute the mailbox sends at the most; nothing where there is no limit.
        undelivered: How many emails failed, or may not have arrived, and nobody has taken care of yet.
        swept: When it was last looked for what nobody is at work on.
        temporal: Whether Temporal answers, without which no worker sends anything; nothing where it was not asked.
    """

    mode: str
    quiet_hours: str
    stopped: bool
    stopped_by: str | None
    stopped_because: str | None = None
    stopped_at: Instant | None
    sends: bool
    why_not: str | None
    kept_by: str | None = None
    fault: RelayFaultShown | None = None
    limited: RelayLimitShown | None = None
    queued: Queue | None = None
    deferred: DeferralsShown | None = None
    allowed_domains: tuple[str, ...] = ()
    rate: int | None = None
    undelivered: int = 0
    swept: Instant | None = None
    temporal: bool | None = None


@requires(Action.READ)
async def status(services: Services) -> MailStatus:
    """Whether mail goes out."""
    alarm = await disk_alarm(services.store, services.settings.data)
    may_start = await may(services, Action.MAIL)
    async with services.store.reading() as connection:
        switch = await access.mail_switch(connection)
        return await _status(services, connection, switch, alarm, may_start=may_start)


@requires(Action.READ)
async def status_now(services: Services) -> MailStatus:
    """As `status`, for somebody who asks for nothing else: also whether Temporal answers."""
    shown = await status(services)
    try:
        async with asyncio.timeout(ASKING_SECONDS):
            answers = await services.client.service_client.check_health()
    except (RPCError, TimeoutError):
        answers = False
    return shown.model_copy(update={"temporal": answers})


@requires(Action.MAIL)
async def stop(services: Services, actor: Actor, reason: str | None = None) -> MailStatus:
    """Stop all mail at once; what is due waits.

    Raises:
        UserError: No reason is given.
    """
    return await _throw(services, actor, reason, stopped=True)


@requires(Action.MAIL)
async def start(services: Services, actor: Actor, reason: str | None = None) -> MailStatus:
    """Let mail go again. Raises as `stop`."""
    return await _throw(services, actor, reason, stopped=False)


async def _throw(services: Services, actor: Actor, reason: str | None, *, stopped: bool) -> MailStatus:
    by = await who_says(services, actor)
    if not reason:
        raise UserError("is missing", field="reason", fix="say why")
    said = submission(by, actor, "mail.stopped" if stopped else "mail.started", "mail", reason)
    who = actor.email or actor.entered_by or by
    switch = MailSwitch(stopped=stopped, by=who, reason=reason, at=said.at)
    alarm = await disk_alarm(services.store, services.settings.data)
    async with services.store.writing() as connection:
        await timeline.submit(connection, said)
        await access.throw_mail_switch(connection, switch)
        return await _status(services, connection, switch, alarm)


async def why_not(services: Services) -> str | None:
    """Why no email goes out at all; nothing where it does."""
    alarm = await disk_alarm(services.store, services.settings.data)
    may_start = await may(services, Action.MAIL)
    return _why_not(await kept_now(services.store, services.settings.mail_mode, alarm, may_start=may_start))


def _why_not(kept: MailKept | None) -> str | None:
    if kept is None or kept.by == "fault":
        return kept.problem if kept is not None else None
    return f"{kept.problem}; {kept.remedy}"


async def _status(
    services: Services,
    connection: Connection,
    switch: MailSwitch,
    alarm: DiskAlarm | None,
    *,
    may_start: bool = True,
) -> MailStatus:
    gate, last = await mail_gate(connection), await sweep.last(connection)
    fault, limit = gate.fault, gate.limited(present())
    mode = services.settings.mail_mode
    relay = Relay.parse(services.settings.smtp_url.get_secret_value())
    pace = pace_of(services.settings.mail_rate, local=relay.is_local)
    kept = mail_kept(gate, mode, alarm, may_start=may_start)
    return MailStatus(
        mode=mode,
        quiet_hours=services.settings.quiet_hours,
        stopped=switch.stopped,
        stopped_by=switch.by if switch.stopped else None,
        stopped_because=switch.reason if switch.stopped else None,
        stopped_at=switch.at if switch.stopped else None,
        sends=kept is None,
        why_not=_why_not(kept),
        kept_by=kept.by if kept is not None else None,
        fault=None if fault is None else RelayFaultShown(**fault.model_dump(), problem=fault.what, remedy=fault.fix),
        limited=None
        if limit is None
        else RelayLimitShown(
            **limit.model_dump(), problem=limit.what, remedy=limit.fixed(services.settings.named("mail_rate"))
        ),
        queued=await outbox.queued(connection, present()),
        deferred=DeferralsShown.of(await outbox.deferrals(connection), present()),
        allowed_domains=services.settings.mail_allowed_domains,
        rate=pace.a_minute if pace is not None else None,
        undelivered=await outbox.count_unresolved(connection),
        swept=last.at if last is not None else None,
    )
