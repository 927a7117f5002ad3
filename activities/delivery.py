"""Handing mails over to the relay, and recording what became of each: safe to repeat at any point."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.clock import now
from activities.waits import later
from activities.writing import suppressed, told
from rapport.mail import claims, outbox, scheduled
from rapport.mail.smtp import (
    PROMPT,
    Deferred,
    Mailer,
    Misconfigured,
    NotAtOnce,
    Rejected,
    TooFast,
    Unanswered,
    Unserved,
)
from rapport.model.message import MessageState, Outcomes
from rapport.model.relay import FaultKind
from rapport.rules.calendar import Interval, merge
from rapport.rules.pace import JITTER, LONGEST_WAIT, PATIENCE, SKEW, Pace
from rapport.storage import relay
from rapport.storage.database import Connection, Store
from rapport.storage.timeline import append, pauses

STOPPED_PAUSE = timedelta(seconds=20)
"""How soon a stopped message looks whether mail goes again; a stop of days is asked about less and less often."""

SOON_LOOKS = 9
"""How many looks at a stop follow one another that soon."""

SOON = timedelta(seconds=1)
"""The shortest wait that an attempt asks for."""

FAULT_PAUSES = (timedelta(seconds=20), timedelta(seconds=60))
"""How soon and how late a message looks again whether the relay takes our mail; the relay is not asked by it."""

BEFORE_THE_SWEEP = 8
"""How many looks an email takes to become so old that the sweep has it go, at the least."""

UNASKED = timedelta(minutes=2)
"""After how long without a probe whoever waits for the relay raises the alarm once more."""


@dataclass(frozen=True)
class Policy:
    """Whether and where mail goes in this installation.

    Attributes:
        mode: `off`, `live` or `redirect:ADDRESS`.
        allowed_domains: Where not empty, the only domains that mail goes to.
        quiet_hours: Whether what need not go at once waits for its reader's working time.
        pace: How fast mails may go.
    """

    mode: str
    allowed_domains: frozenset[str] = frozenset()
    quiet_hours: bool = True
    pace: Pace | None = None

    def recipient(self, address: str) -> str:
        """The address that the relay is given."""
        return self.mode.removeprefix("redirect:") if self.mode.startswith("redirect:") else address

    def allows(self, address: str) -> bool:
        """Whether the relay may be given a mail to this address."""
        return not self.allowed_domains or _domain(address) in self.allowed_domains


@dataclass(frozen=True)
class Delivery:
    """Hands messages over, under their leases.

    In a local activity a workflow stands still meanwhile, and with it everybody's word for it: so only what the relay
    takes at once goes there. The rest is an attempt of its own on the task queue, where Temporal shows it.
    """

    store: Store
    mailer: Mailer
    sender: str
    policy: Policy
    alarm: Callable[[], Awaitable[None]]

    async def may_take(self, connection: Connection) -> bool:
        """Whether this attempt may take messages to hand them over."""
        if not self.mailer.is_prompt and activity.info().is_local:
            return False
        gate = await relay.mail_gate(connection)
        return self._is_open(gate)

    def _is_open(self, gate: relay.MailGate) -> bool:
        return self.policy.mode != "off" and not gate.stopped and gate.fault is None and gate.limited(now()) is None

    async def take_new(self, connection: Connection, values: dict[str, Any], present: datetime) -> outbox.Lease | None:
        """Take a message that is just being written, or note in its values when its turn is."""
        if self.policy.pace is not None:
            turn = await outbox.first_turn(connection, values["purpose"], present, self.policy.pace)
            if turn is not None:
                values["turn_at"] = turn
                return None
        return outbox.leased(values, present)

    async def take(
        self, connection: Connection, key: str, present: datetime, *, released: bool = False
    ) -> outbox.Lease | None:
        """Take the right to send a message, if there is anything to send, it is its turn, and it is still true.

        This is the one way to the relay for a mail that was not handed over as soon as it was written.

        What has a block that is not so any more loses its bytes here, and is written again by `Messages`.

        Args:
            released: Somebody has let it go just now, who knows whether it is of use still.
        """
        message = await outbox.message(connection, key)
        # What may have arrived goes on as it is: nobody can take it back.
        if message.state in (MessageState.READY, MessageState.DEFERRED):
            if (reason := await claims.why_not(connection, message, present, released=released)) is not None:
                for gone in await scheduled.call_off(connection, key, reason, present):
                    await append(connection, suppressed(gone, present, gone.reason or reason))
                return None
            if left_out := await claims.shortens(connection, message, present):
                await outbox.unfreeze(connection, key, left_out, present)
                return None
        return await outbox.lease(connection, key, present, self.policy.pace)

    async def deliver(self, keys: Sequence[str], leases: Sequence[outbox.Lease]) -> Outcomes:
        """Send whatever of these can go now.

        Raises:
            ApplicationError: `MailStopped`, `Deferred`, `Overtaken` or `Misconfigured`, each with the wait before the
                next attempt. A local activity gives what is stopped or deferred back as under way instead.
        """
        present, at_once = now(), activity.info().is_local
        shut: relay.MailGate | None = None
        if not leases:
            async with self.store.writing() as connection:
                before = await outbox.outcomes(connection, keys, present)
                waiting = before.under_way()
                if not waiting:
                    return before
                if at_once:
                    if not await self.may_take(connection):
                        return before
                elif not self._is_open(gate := await relay.mail_gate(connection)):
                    shut = gate
                if shut is None:
                    leases = await self._take_all(connection, waiting, present)
            if shut is not None:
                raise await self._shut(shut, present)
        results = await asyncio.gather(*(self._hand_over(lease) for lease in leases), return_exceptions=True)
        ended = {
            lease.key: state for lease, state in zip(leases, results, strict=True) if isinstance(state, MessageState)
        }
        if ended.keys() == set(keys):
            return Outcomes(states=ended)
        async with self.store.reading() as connection:
            after = await outbox.outcomes(connection, keys, present)
            waiting = after.under_way()
            again = await outbox.next_try(connection, waiting) if waiting else None
            paused = bool(waiting) and await outbox.any_paused(connection, waiting)
        for result in results:
            if isinstance(result, Misconfigured):
                raise await self._refused(result)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if waiting and not at_once:
            wait = again - now() if again else outbox.LEASE
            why = "the mail server asks to try again later"
            if self.policy.pace is not None:
                why += ", or the mailbox has sent as much as it may for now"
            if paused:
                why, wait = "the onboarding is paused, or what recurs", in_a_pause(activity.info().attempt)
            raise later(why, "Deferred", min(max(wait, SOON), LONGEST_WAIT))
        return after

    async def _take_all(self, connection: Connection, keys: Sequence[str], present: datetime) -> list[outbox.Lease]:
        """Take what can go now of these, and tell of what nobody can say whether it went."""
        await outbox.drop_departed(connection, keys, present)
        taken = [await self.take(connection, key, present) for key in keys]
        states = await outbox.states(connection, keys)
        lost = [key for key, state in states.items() if state is MessageState.UNKNOWN]
        for key in lost:
            message = await outbox.message(connection, key)
            await append(connection, told(message, "message.unknown", MessageState.UNKNOWN, present))
        return [lease for lease in taken if lease is not None]

    async def _shut(self, gate: relay.MailGate, present: datetime) -> ApplicationError:
        """Why nothing goes now, and when to look again. While the relay has a fault, its alarm runs."""
        limit = gate.limited(present)
        if limit is not None and not gate.stopped and gate.fault is None and self.policy.mode != "off":
            # Spread, where no turns are given.
            return later(limit.what, "Deferred", limit.until - present + _a_while() - FAULT_PAUSES[0])
        if gate.fault is None or gate.stopped:
            why = "mail is stopped or off; `rapport mail status` says why"
            return later(why, "MailStopped", in_a_stop(activity.info().attempt))
        # A probe to come was asked by a clock that was ahead.
        if not -SKEW <= present - gate.fault.probed_at <= UNASKED:
            await self.alarm()
        return later(gate.fault.what, "Misconfigured", _a_while())

    async def _refused(self, met: Misconfigured) -> ApplicationError:
        """Keep that the relay takes none of our mail, and raise the alarm; all sending waits until it does."""
        async with self.store.writing() as connection:
            await relay.meet_fault(connection, met.kind, met.code, now(), self.mailer.relay.named)
        await self.alarm()
        return later(str(met), "Misconfigured", _a_while(), alarm=True)

    async def _hand_over(self, held: outbox.Lease) -> MessageState | None:
        """Hand one message to the relay and record what became of it.

        Returns:
            The state in which it ended; nothing if it has not ended, or another attempt took it over.
        """

        async def commit() -> None:
            async with self.store.writing() as connection:
                if not await outbox.move(connection, held, MessageState.SENDING, now=now()):
                    raise later("another attempt took this message over", "Overtaken", outbox.LEASE)

        recipient = self.policy.recipient(held.address)
        # Asked here alone: what was written while the settings said something else goes by those of today.
        if not self.policy.allows(recipient):
            return await self._give_up(held, self.mailer.relay.named.not_allowed(_domain(recipient)))
        try:
            reply = await self.mailer.send(
                self.sender,
                recipient,
                held.raw,
                commit,
                within=PROMPT if activity.info().is_local else None,
            )
        except NotAtOnce:
            await self._let_go(held)
            return None
        except Misconfigured as fault:
            if fault.kind is FaultKind.MESSAGE:
                # Its data was refused, so it is on record as `sending`, and nobody has it.
                async with self.store.writing() as connection:
                    may_have_arrived = held.state is MessageState.SENDING
                    await _wait(connection, held, str(fault), timedelta(), may_have_arrived=may_have_arrived)
            else:
                await self._let_go(held)
            raise
        except Rejected as refusal:
            async with self.store.writing() as connection:
                await relay.hear(connection)
            return await self._settle(held, MessageState.FAILED, "message.failed", reason=str(refusal))
        except Unanswered:
            return await self._after_silence(held)
        except Unserved as outage:
            return await self._defer(held, str(outage), outage)
        except TooFast as limit:
            return await self._defer(held, str(limit), limit)
        except Deferred as patience:
            return await self._defer(held, str(patience))
        return await self._settle(held, MessageState.SENT, "message.sent", reply=reply)

    async def _let_go(self, held: outbox.Lease) -> None:
        async with self.store.writing() as connection:
            await outbox.release_lease(connection, held)

    async def _after_silence(self, held: outbox.Lease) -> MessageState | None:
        """No answer after the data (RFC 1047): the same bytes go again, or a person decides."""
        silence = "the mail server got the email and didn't say that it has taken it"
        if held.kind == "resend":
            return await self._defer(held, silence, may_have_arrived=True)
        return await self._settle(held, MessageState.UNKNOWN, "message.unknown", reason=silence)

    async def _defer(
        self,
        held: outbox.Lease,
        reason: str,
        missed: Unserved | TooFast | None = None,
        *,
        may_have_arrived: bool = False,
    ) -> MessageState | None:
        """Try again later. What may have arrived stays `sending`: it goes again as it is, and is never called off.

        Args:
            missed: Why no mail at all got through at this attempt. It is tried again soon: once that has lasted, it is
                a fault of the relay, and nobody tries but the one probe. Where we send too fast, all wait as long.
        """
        present, may_have_arrived = now(), may_have_arrived or held.state is MessageState.SENDING
        wait = PATIENCE[0 if missed else min(held.attempts, len(PATIENCE)) - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - jitter
        fault = None
        async with self.store.writing() as connection:
            if missed is None:
                await relay.hear(connection)
            elif isinstance(missed, TooFast):
                wait = await relay.slow_down(connection, missed.code, present, self.policy.pace) - present
            else:
                fault = await relay.miss(connection, missed.kind, missed.code, present, self.mailer.relay.named)
            if waits := not await _is_given_up(connection, held, present):
                await _wait(connection, held, reason, wait, may_have_arrived=may_have_arrived)
        if fault is not None:
            await self.alarm()
        if waits:
            return None
        return await self._give_up(held, f"given up after 48 hours: {reason}", may_have_arrived=may_have_arrived)

    async def _give_up(self, held: outbox.Lease, reason: str, *, may_have_arrived: bool = False) -> MessageState | None:
        """Try no more, and have somebody take care of it."""
        if may_have_arrived or held.state is MessageState.SENDING:
            return await self._settle(held, MessageState.UNKNOWN, "message.unknown", reason=reason)
        return await self._settle(held, MessageState.FAILED, "message.failed", reason=reason)

    async def _settle(
        self, held: outbox.Lease, state: MessageState, kind: str, *, reason: str | None = None, reply: str | None = None
    ) -> MessageState | None:
        """Record the outcome and its entry on the timeline, together."""
        present = now()
        async with self.store.writing() as connection:
            if not await outbox.move(connection, held, state, now=present, reason=reason, reply=reply):
                return None
            await append(connection, told(held, kind, state, present))
        return state


async def _is_given_up(connection: Connection, held: outbox.Lease, present: datetime) -> bool:
    """Whether it was tried for long enough. It was not while the relay had a fault, mail was stopped, or a pause held
    it: just that does not count."""
    since = held.first_tried_at
    if present - since < outbox.GIVE_UP or await relay.relay_fault(connection) is not None:
        return False
    idle = await relay.idle(connection, since, present)
    message = await outbox.message(connection, held.key)
    is_held = message.purpose in outbox.NOT_IN_A_PAUSE and held.state is not MessageState.SENDING
    if is_held and message.account is not None and message.contract is not None:
        idle += await pauses(connection, message.account, message.contract, present)
    within = merge(Interval(max(one.start, since), min(one.end, present)) for one in idle)
    return present - since - sum((one.end - one.start for one in within), timedelta()) >= outbox.GIVE_UP


async def _wait(
    connection: Connection, held: outbox.Lease, reason: str, wait: timedelta, *, may_have_arrived: bool
) -> None:
    """Have it wait for its next attempt."""
    state = MessageState.SENDING if may_have_arrived else MessageState.DEFERRED
    present = now()
    await outbox.move(connection, held, state, now=present, reason=reason, retry_at=present + wait)


def in_a_pause(attempt: int) -> timedelta:
    """When to look again whether a pause is over: nobody tells of that.

    It may last for weeks, so it is asked less and less often, but not before the sweep has go what has waited so long.
    """
    wait = _a_while() * attempt
    return min(wait, UNASKED if attempt <= BEFORE_THE_SWEEP else LONGEST_WAIT)


def in_a_stop(attempt: int) -> timedelta:
    """When to look again whether mail goes: whoever starts it again waits for two minutes at the most."""
    return min(STOPPED_PAUSE * max(1.0, attempt / SOON_LOOKS), UNASKED)


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _a_while() -> timedelta:
    """Spread, so that not all that waits for a relay comes back at once."""
    soonest, latest = FAULT_PAUSES
    return soonest + (latest - soonest) * random.random()  # noqa: S311 - jitter
