"""What keeps all email from going out, if anything does: the one answer of commands, pages, lists and `doctor`."""

from __future__ import annotations

from typing import Literal, NamedTuple

from rapport.model.access import Action
from rapport.rules.access import allowed_to
from rapport.storage.database import Store
from rapport.storage.relay import MailGate, mail_gate
from starters.views.disk import DiskAlarm


class MailKept(NamedTuple):
    """What keeps all email from going out.

    Attributes:
        by: The first of these that is so: nothing can be recorded, the mail server takes nothing of ours, somebody has
            stopped it, or the settings do not let it go.
        problem, remedy: In words, each without a full stop.
    """

    by: Literal["disk", "fault", "stopped", "off"]
    problem: str
    remedy: str


def mail_kept(gate: MailGate, mode: str, alarm: DiskAlarm | None, *, may_start: bool = True) -> MailKept | None:
    """What keeps all email from going out; nothing where it goes.

    Args:
        mode: The settings' mail mode.
        alarm: What is known of the disk; one that is full takes no email's state, so none goes.
        may_start: Whether whoever is told may let it go again; else they are told who may.
    """
    if alarm is not None and alarm.full:
        return MailKept("disk", alarm.problem, alarm.fix)
    if gate.fault is not None:
        return MailKept("fault", gate.fault.what, gate.fault.fix)
    if gate.stopped:
        way = "`rapport mail start --reason REASON --as EMAIL` lets it go again"
        return MailKept("stopped", "stopped by hand", way if may_start else f"ask one of: {allowed_to(Action.MAIL)}")
    if mode == "off":
        return MailKept("off", "RAPPORT_MAIL_MODE is off", "set it to live, or to redirect:ADDRESS")
    return None


async def kept_now(store: Store, mode: str, alarm: DiskAlarm | None, *, may_start: bool = True) -> MailKept | None:
    """As `mail_kept`, by what is on record."""
    async with store.reading() as connection:
        return mail_kept(await mail_gate(connection), mode, alarm, may_start=may_start)
