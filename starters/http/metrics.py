"""Figures for Prometheus: what state emails are in, how old the oldest is, and when the sweep last looked."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from rapport.mail import outbox
from rapport.mail.outbox import Deferrals, StateCount
from rapport.storage import sweep
from rapport.storage.database import Store
from rapport.storage.relay import MailGate, mail_gate
from rapport.storage.sweep import LastSweep

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The text format that every Prometheus reads."""


async def exposed(store: Store, now: datetime) -> bytes:
    """The figures as they are now, in Prometheus' text format. They name nobody."""
    async with store.reading() as connection:
        standings = await outbox.standings(connection)
        last = await sweep.last(connection)
        gate = await mail_gate(connection)
        deferred = await outbox.deferrals(connection)
    registry = _registry(standings, last, now)
    _relay(registry, gate, deferred, now)
    return generate_latest(registry)


def _relay(registry: CollectorRegistry, gate: MailGate, deferred: Deferrals | None, now: datetime) -> None:
    """What keeps emails from going that are to go."""
    faults = Gauge(
        "rapport_relay_fault_since_timestamp_seconds",
        "Since when the mail server takes no email, in Unix time, by what is wrong; absent while it takes them.",
        ["kind"],
        registry=registry,
    )
    if gate.fault is not None:
        faults.labels(gate.fault.kind).set(gate.fault.since.timestamp())
    limited = Gauge(
        "rapport_relay_limited",
        "Whether email waits as the mail server says that we send too many.",
        registry=registry,
    )
    limited.set(gate.limited(now) is not None)
    waiting = Gauge(
        "rapport_messages_deferred",
        "Emails that the mail server has deferred, by its last answer.",
        ["answer"],
        registry=registry,
    )
    oldest = Gauge(
        "rapport_messages_deferred_oldest_age_seconds",
        "How long ago the first of these emails was tried; 0 where there is none.",
        registry=registry,
    )
    if deferred is not None:
        oldest.set(max(0.0, (now - deferred.since).total_seconds()))
        for answer, count in deferred.answers.items():
            waiting.labels(answer).set(count)


def _registry(standings: list[StateCount], last: LastSweep | None, now: datetime) -> CollectorRegistry:
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
