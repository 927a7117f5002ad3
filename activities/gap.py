"""Sending product gaps to the CRM, signed as Standard Webhooks says."""

from __future__ import annotations

import json
from dataclasses import dataclass

import httpx
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.clock import heartbeats, now
from activities.webhooks import HOOK_GIVES_UP, Hook, Later, Turned, post
from rapport.model.delivery import DeliveryState
from rapport.model.gap import Gap, GapSent, GapStart
from rapport.storage import gap as gaps
from rapport.storage.database import Store


@dataclass(frozen=True)
class Gaps:
    """Tells the CRM of product gaps."""

    store: Store
    http: httpx.AsyncClient
    crm: Hook | None = None

    @activity.defn(name="gaps.deliver")
    async def deliver(self, order: GapStart) -> GapSent:
        """Send a gap as it stands, unless the CRM has this version already.

        Each version is an event with an id of its own, `<ref>.<version>`, which stays the same over all attempts: a
        receiver that keeps the ids takes each version once, although one may arrive twice.

        Raises:
            ApplicationError: `CrmSilent`, where another attempt is worth it; `CrmRefused` or `CrmGivenUp`, which end
                the delivery and stand on record. None of their texts holds the address or the secret.
        """
        async with heartbeats():
            present = now()
            async with self.store.writing() as connection:
                gap, since = await gaps.try_now(connection, order.ref, present)
                if self.crm is None:
                    await gaps.settle(connection, gap.ref, gap.version, DeliveryState.OFF)
                    return GapSent(state="off")
            if gap.sent_version >= gap.version and gap.delivery == DeliveryState.SENT:
                return GapSent(state="sent", version=gap.version)
            body = json.dumps(_event(gap), ensure_ascii=False)
            try:
                await post(self.http, self.crm, f"{gap.ref}.{gap.version}", body.encode(), present)
            except Turned as refusal:
                raise await self._failed(gap, f"the CRM refuses it: {refusal}", "CrmRefused") from None
            except Later as patience:
                if present - since >= HOOK_GIVES_UP:
                    raise await self._failed(gap, f"given up after 48 hours: {patience}", "CrmGivenUp") from None
                raise ApplicationError(
                    f"the CRM cannot take it now: {patience}",
                    type="CrmSilent",
                    next_retry_delay=patience.wait,
                    category=ApplicationErrorCategory.BENIGN,
                ) from None
            async with self.store.writing() as connection:
                await gaps.settle(connection, gap.ref, gap.version, DeliveryState.SENT)
            return GapSent(state="sent", version=gap.version)

    async def _failed(self, gap: Gap, reason: str, kind: str) -> ApplicationError:
        async with self.store.writing() as connection:
            await gaps.settle(connection, gap.ref, gap.version, DeliveryState.FAILED, reason)
        return ApplicationError(reason, type=kind, non_retryable=True)


def _event(gap: Gap) -> dict[str, object]:
    """What the CRM is told: the gap as it stands, and what kind of news this is."""
    return {
        "type": "gap.logged" if gap.version == 1 else "gap.changed",
        "timestamp": gap.changed.isoformat().replace("+00:00", "Z"),
        "data": gap.model_dump(mode="json", exclude={"logged_by", "delivery", "delivery_reason", "sent_version"}),
    }
