"""Handing mails over to the relay, and recording what became of each: safe to repeat at any point."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.clock import now
from activities.writing import told
from rapport.mail import outbox
from rapport.mail.smtp import PROMPT, Deferred, Mailer, Misconfigured, NotAtOnce, Rejected, Unanswered
from rapport.model.message import MessageState, Outcomes
from rapport.storage.access import mail_switch
from rapport.storage.database import Connection, Store
from rapport.storage.timeline import append

PATIENCE = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
"""How long to wait before each further attempt while the relay asks for patience (4xx)."""

STOPPED_PAUSE = timedelta(seconds=20)
"""How often a stopped message looks whether mail goes again."""

SOON = timedelta(seconds=1)
"""The shortest wait that an attempt asks for."""

MISCONFIGURED_PAUSE = timedelta(minutes=2)


@dataclass(frozen=True)
class Policy:
    """Whether and where mail goes in this installation.

    Attributes:
        mode: `off`, `live` or `redirect:ADDRESS`.
        allowed_domains: Where not empty, the only domains that mail goes to.
        quiet_hours: Whether what need not go at once waits for its reader's working time.
    """

    mode: str
    allowed_domains: frozenset[str] = frozenset()
    quiet_hours: bool = True

    def recipient(self, address: str) -> str:
        """The address that the relay is given."""
        return self.mode.removeprefix("redirect:") if self.mode.startswith("redirect:") else address

    def suppresses(self, address: str) -> str | None:
        """Why nothing may go to this address, if so."""
        if self.allowed_domains and address.partition("@")[2].lower() not in self.allowed_domains:
            return "the recipient's domain is not among those allowed here"
        return None


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

    async def may_take(self, connection: Connection) -> bool:
        """Whether this attempt may take messages to hand them over."""
        return (self.mailer.is_prompt or not activity.info().is_local) and await self._may_send(connection)

    async def _may_send(self, connection: Connection) -> bool:
        return self.policy.mode != "off" and not (await mail_switch(connection)).stopped

    async def deliver(self, keys: Sequence[str], leases: Sequence[outbox.Lease]) -> Outcomes:
        """Send whatever of these can go now.

        Raises:
            ApplicationError: `MailStopped`, `Deferred`, `Overtaken` or `Misconfigured`, each with the wait before the
                next attempt. A local activity gives what is stopped or deferred back as under way instead.
        """
        present, at_once = now(), activity.info().is_local
        if not leases:
            async with self.store.writing() as connection:
                before = await outbox.outcomes(connection, keys, present)
                waiting = before.under_way()
                if not waiting:
                    return before
                if not await self.may_take(connection):
                    if at_once:
                        return before
                    raise _later("mail is stopped or off; `rapport mail status` says why", "MailStopped", STOPPED_PAUSE)
                await outbox.drop_departed(connection, waiting, present)
                taken = [await outbox.lease(connection, key, present) for key in waiting]
                states = await outbox.states(connection, waiting)
                lost = [key for key, state in states.items() if state is MessageState.UNKNOWN]
                for key in lost:
                    message = await outbox.message(connection, key)
                    await append(connection, told(message, "message.unknown", MessageState.UNKNOWN, present))
            leases = [lease for lease in taken if lease is not None]
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
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if waiting and not at_once:
            wait = again - now() if again else outbox.LEASE
            raise _later("the relay asks to try again later", "Deferred", max(wait, SOON))
        return after

    async def _hand_over(self, held: outbox.Lease) -> MessageState | None:
        """Hand one message to the relay and record what became of it.

        Returns:
            The state in which it ended; nothing if it has not ended, or another attempt took it over.
        """

        async def commit() -> None:
            async with self.store.writing() as connection:
                if not await outbox.move(connection, held, MessageState.SENDING, now=now()):
                    raise _later("another attempt took this message over", "Overtaken", outbox.LEASE)

        try:
            reply = await self.mailer.send(
                self.sender,
                self.policy.recipient(held.address),
                held.raw,
                commit,
                within=PROMPT if activity.info().is_local else None,
            )
        except NotAtOnce:
            await self._let_go(held)
            return None
        except Misconfigured as fault:
            await self._let_go(held)
            raise _later(str(fault), "Misconfigured", MISCONFIGURED_PAUSE, alarm=True) from None
        except Rejected as refusal:
            return await self._settle(held, MessageState.FAILED, "message.failed", reason=str(refusal))
        except Unanswered:
            return await self._after_silence(held)
        except Deferred as patience:
            return await self._put_off(held, str(patience))
        return await self._settle(held, MessageState.SENT, "message.sent", reply=reply)

    async def _let_go(self, held: outbox.Lease) -> None:
        async with self.store.writing() as connection:
            await outbox.let_go(connection, held)

    async def _after_silence(self, held: outbox.Lease) -> MessageState | None:
        """No answer after the data (RFC 1047): the same bytes go again, or a person decides."""
        silence = "the relay did not answer after the data"
        if held.kind == "resend":
            return await self._put_off(held, silence)
        return await self._settle(held, MessageState.UNKNOWN, "message.unknown", reason=silence)

    async def _put_off(self, held: outbox.Lease, reason: str) -> MessageState | None:
        present = now()
        if present - held.first_tried_at >= outbox.GIVE_UP:
            given_up = f"given up after 48 hours: {reason}"
            return await self._settle(held, MessageState.FAILED, "message.failed", reason=given_up)
        wait = PATIENCE[min(held.attempts, len(PATIENCE)) - 1] * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
        async with self.store.writing() as connection:
            await outbox.move(
                connection, held, MessageState.DEFERRED, now=present, reason=reason, retry_at=present + wait
            )
        return None

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


def _later(why: str, kind: str, wait: timedelta, *, alarm: bool = False) -> ApplicationError:
    """Ask Temporal for another attempt after a while; an alarm only if the installation is at fault."""
    category = ApplicationErrorCategory.UNSPECIFIED if alarm else ApplicationErrorCategory.BENIGN
    return ApplicationError(why, type=kind, next_retry_delay=wait, category=category)
