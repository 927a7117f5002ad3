"""The shorter playbooks from beginning to end, one's own, and what adopting another would change."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rapport.model.base import Refused, UserError
from rapport.model.ids import onboarding_id
from rapport.playbooks import load
from starters.use_cases import meeting, onboarding, playbook as playbooks
from starters.use_cases.onboarding import StartRequest
from tests.conftest import CHAMPION, TAM, USER, Installation, example, until
from tests.support.kickoff import in_phase, status_of, vote

ZURICH = ZoneInfo("Europe/Zurich")


async def begin(installation: Installation, playbook: str) -> None:
    """Start the example's onboarding by this playbook, on a Monday at ten."""
    await installation.sleep_to(0, 10)
    started = await onboarding.start(installation.services, StartRequest(file=example(), playbook=playbook))
    assert started.created


async def ended(installation: Installation) -> None:
    """Let days pass until the onboarding has come to its end."""
    over = status_of(installation, onboarding_id("versayce"))
    for _ in range(60):
        if await over():
            return
        await installation.sleep_until(await installation.now() + timedelta(days=1))
    await until(over, "the end of the onboarding")


def business_days(installation: Installation, start: datetime) -> Counter[tuple[str, int]]:
    """The mails to customers by the beginning of their subject and their business day after the start, in Zurich."""
    first = start.astimezone(ZURICH).date()
    found: Counter[tuple[str, int]] = Counter()
    for mail in installation.mails():
        if "versayce.example" in str(mail["To"]):
            days = (parsedate_to_datetime(str(mail["Date"])).astimezone(ZURICH).date() - first).days
            found[str(mail["Subject"]).partition(" FooBar")[0], days // 7 * 5 + min(days % 7, 5)] += 1
    return found


async def test_self_serve_is_messages_only_each_on_its_day(skipping: Installation) -> None:
    """Nobody answers anything: nine mails go on business days 0, 2, 10 and 20, and the onboarding ends."""
    await begin(skipping, "self_serve")
    start = await skipping.now()
    await ended(skipping)
    assert business_days(skipping, start) == {
        ("Welcome to", 0): 3,
        ("Your first project with", 2): 3,
        ("What's getting in your way with", 10): 2,
        ("Three questions after a month with", 20): 1,
    }
    assert not [mail for mail in skipping.mails() if "dana.whitfield" in str(mail["To"])]


async def test_growth_goes_from_one_remote_kickoff_to_its_mails(skipping: Installation) -> None:
    """Once the kickoff was held, its mails and the standing invitation follow, and the onboarding ends."""
    await begin(skipping, "growth")
    shown = await in_phase(skipping, "voting")
    assert {slot.end - slot.start for slot in shown.slots} == {timedelta(minutes=30)}
    for voter in (CHAMPION, USER):
        await vote(skipping, voter, shown.slots[0].id)
    booked = await in_phase(skipping, "booked")
    assert booked.booked_until is not None
    await skipping.sleep_until(booked.booked_until)
    await meeting.report(skipping.services, "versayce", "kickoff", "held", TAM)
    held = await skipping.now()
    await ended(skipping)
    days = business_days(skipping, held)
    written = {subject: count for (subject, day), count in days.items() if day >= 0}
    assert [count for subject, count in written.items() if re.match(r"Fortnightly sync: \w+s at ", subject)] == [3]
    assert [
        (subject, count)
        for subject, count in written.items()
        if not subject.startswith("Fortnightly") and subject != "Your"
    ] == [
        ("Your first project with", 3),
        ("What's getting in your way with", 2),
        ("Three questions after a month with", 1),
    ]


async def test_what_adopting_would_change_is_told_from_where_the_account_is(skipping: Installation) -> None:
    """What has gone stays, what waits is changed or dropped, what is new waits; and asking changes nothing."""
    await begin(skipping, "self_serve")
    await skipping.mailed(3)
    old, new = load("self_serve"), load("growth")
    same = await playbooks.compare_for(skipping.services, "versayce", old, old)
    assert same.adoption is not None
    assert same.adoption.changes_nothing
    asked = await playbooks.compare_for(skipping.services, "versayce", old, new)
    assert asked.follows == "self_serve 1"
    assert asked.adoption is not None
    assert asked.adoption.kept == ("welcome",)
    assert asked.adoption.added == ("kickoff", "sync", "half_yearly_review")
    assert asked.adoption.free == ("kickoff",)
    assert {change.step for change in asked.adoption.changed} == {"first_project", "open_questions", "first_month"}
    assert asked.adoption.replanned == ("first_project", "open_questions", "first_month")
    assert (await playbooks.compare_for(skipping.services, "versayce", old, new)) == asked
    await ended(skipping)
    with pytest.raises(UserError) as refused:
        await playbooks.compare_for(skipping.services, "versayce", old, new)
    assert refused.value.kind is Refused.CONFLICT
    with pytest.raises(UserError) as refused:
        await playbooks.compare_for(skipping.services, "nobody", old, new)
    assert refused.value.kind is Refused.NOT_FOUND


async def test_a_faulty_playbook_starts_nothing_and_is_refused_by_its_lines(skipping: Installation) -> None:
    """One's own playbook is examined when an onboarding starts with it, with the words of `rapport playbook check`."""
    folder = Path(skipping.services.settings.data) / "playbooks"
    folder.mkdir(exist_ok=True)
    text = playbooks_text("self_serve").replace('name = "self_serve"', 'name = "ours"')
    faulty = text.replace('email = "first_project"', 'email = "welcome"').replace('"open_questions"]', '"questions"]')
    (folder / "ours.toml").write_text(faulty)
    with pytest.raises(UserError) as refused:
        await onboarding.start(skipping.services, StartRequest(file=example(), playbook="ours"))
    said = [str(one) for one in (refused.value, *refused.value.others)]
    lines = faulty.splitlines()
    assert [line.partition(": ")[0] for line in said] == [
        f"playbooks/ours.toml:{1 + lines.index(faulty_line)}"
        for faulty_line in ('email = "welcome"', 'after = ["questions"]')
    ]
    checked = playbooks.check(folder / "ours.toml").faults
    assert [(fault.problem, fault.fix) for fault in checked] == [
        (one.problem, one.fix) for one in (refused.value, *refused.value.others)
    ]
    with pytest.raises(UserError) as none:
        await onboarding.status(skipping.services, "versayce")
    assert none.value.kind is Refused.NOT_FOUND
    (folder / "ours.toml").write_text(text)
    assert (await onboarding.start(skipping.services, StartRequest(file=example(), playbook="ours"))).created


def playbooks_text(name: str) -> str:
    """A shipped playbook as its file has it."""
    return files("rapport.playbooks").joinpath(f"{name}.toml").read_text()
