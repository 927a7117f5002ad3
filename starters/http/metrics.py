"""Figures for Prometheus: what state emails are in, how old the oldest is, and when the sweep last looked."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from rapport.mail import outbox
from rapport.mail.outbox import Standing
from rapport.storage import sweep
from rapport.storage.database import Store
from rapport.storage.sweep import LastSweep

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The text format that every Prometheus reads."""


async def exposed(store: Store, now: datetime) -> bytes:
    """The figures as they are now, in Prometheus' text format. They name nobody."""
    async with store.reading() as connection:
        standings = await outbox.standings(connection)
        last = await sweep.last(connection)
    return generate_latest(_registry(standings, last, now))


def _registry(standings: list[Standing], last: LastSweep | None, now: datetime) -> CollectorRegistry:
    registry = CollectorRegistry()
    count = Gauge("rapport_messages", "Emails by state.", ["state"], registry=registry)
    age = Gauge(
        "rapport_messages_oldest_age_seconds", "Age of the oldest email by state.", ["state"], registry=registry
    )
    open_ = Gauge(
        "rapport_messages_unresolved",
        "Emails that failed or may not have arrived, and that nobody has taken care of.",
        registry=registry,
    )
    for one in standings:
        count.labels(one.state).set(one.count)
        age.labels(one.state).set(max(0.0, (now - one.oldest).total_seconds()))
    open_.set(sum(one.unresolved for one in standings))
    if last is not None:
        swept = Gauge(
            "rapport_sweep_last_timestamp_seconds", "When the sweep last looked, in Unix time.", registry=registry
        )
        swept.set(last.at.timestamp())
        found = Gauge("rapport_sweep_found", "What the last sweep found.", ["kind"], registry=registry)
        for kind, number in last.found.items():
            found.labels(kind).set(number)
    return registry
