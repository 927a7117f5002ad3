"""Mails that wait for their readers, on the time-skipping server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rapport.model.account import AccountFile
from rapport.model.ids import onboarding_id
from rapport.model.message import MessageState
from rapport.model.operation import Operate
from rapport.model.reading import read_toml
from rapport.playbooks import PLAYBOOKS
from rapport.rules.calendar import is_business_day, wall
from starters.use_cases import meeting, message, onboarding, operation, timeline
from starters.use_cases.message import MessageLine
from starters.use_cases.onboarding import StartRequest
from starters.use_cases.operation import OperationWritten
from tests.conftest import CHAMPION, ROOT, TAM, Installation, signed_now, skipping_installation, text_of, until
from tests.support.kickoff import drafted, in_phase, reviewed, status_of

ZURICH = ZoneInfo("Europe/Zurich")

NOTES = """
name = "notes"
title = "Two notes"
version = 1

[[steps]]
name = "first"
title = "A first note"
kind = "message"
stage = "welcome"
to = ["primary_champion"]
email = "hello"
review = "auto"

[[steps]]
name = "second"
title = "A second note"
kind = "message"
stage = "welcome"
to = ["primary_champion"]
email = "hello"
review = "auto"
"""


@pytest.fixture
async def quiet(tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation in which mails wait for their readers' working time."""
    async with skipping_installation(tmp_path, quiet_hours="keep") as made:
        yield made


def whole_example() -> AccountFile:
    """The example account, with the public holidays of its people."""
    return signed_now(read_toml(AccountFile, (ROOT / "examples" / "versayce.toml").read_bytes(), "versayce.toml"))


async def to_champion(installation: Installation) -> list[MessageLine]:
    """The messages to the champion, oldest first."""
    return [line for line in await message.listed(installation.services, "versayce") if line.to == CHAMPION]


async def test_a_mail_waits_over_a_weekend_and_a_holiday_and_goes_once(quiet: Installation) -> None:
    """Asked for on the Friday evening before a Monday holiday, it goes when Tuesday's work begins, once."""
    file = whole_example()
    champion = next(contact for contact in file.contacts if contact.email == CHAMPION)
    here = (await quiet.now()).astimezone(ZURICH).date()
    monday = here + timedelta(days=(7 - here.weekday()) + 7)
    while is_business_day(monday, champion) or not is_business_day(monday + timedelta(days=1), champion):
        monday += timedelta(days=7)
    tuesday = wall(monday + timedelta(days=1), champion.hours.start, champion.zone)
    await quiet.sleep_until(wall(monday - timedelta(days=3), time(20), champion.zone))
    await onboarding.start(quiet.services, StartRequest(file=file))
    await in_phase(quiet, "voting")

    async def scheduled() -> list[MessageLine]:
        return [line for line in await to_champion(quiet) if line.goes_at is not None]

    (waiting,) = await until(scheduled, "a welcome that waits")
    assert (waiting.state, waiting.goes_at, waiting.reason) == (
        MessageState.READY,
        tuesday,
        "outside their working time",
    )
    await quiet.sleep_until(tuesday - timedelta(minutes=1))
    assert quiet.mails(CHAMPION) == []
    await quiet.sleep_until(tuesday + timedelta(minutes=1))
    (mail,) = await quiet.mailed(1, CHAMPION)
    assert timedelta(0) <= mail["Date"].datetime - tuesday < timedelta(minutes=1)
    await quiet.sleep_until(tuesday + timedelta(hours=20))
    welcomes = [mail for mail in quiet.mails(CHAMPION) if str(mail["Subject"]).startswith("Welcome")]
    assert len(welcomes) == 1
    told = [entry.what for entry in await timeline.timeline_of(quiet.services, "versayce")]
    assert any(what.startswith("Mail to Luca Bianchi waits until Tue") for what in told)
    assert told.count("Mail to Luca Bianchi: times to choose from") == 1


async def test_times_are_not_asked_for_once_one_is_booked(quiet: Installation) -> None:
    """The TAM books by hand at night: the invitation goes at once, and the welcome that asks for votes stays."""
    night = await quiet.sleep_to(2, 22)
    await onboarding.start(quiet.services, StartRequest(file=reviewed("auto")))
    await in_phase(quiet, "voting")
    await meeting.book(quiet.services, "versayce", "kickoff", night + timedelta(days=5, hours=12), TAM)
    await in_phase(quiet, "booked")
    (invitation,) = await quiet.mailed(1, CHAMPION)
    assert "voted" not in text_of(invitation)
    await quiet.sleep_until(night + timedelta(hours=14))

    async def dropped() -> bool:
        return [(line.state, line.reason) for line in await to_champion(quiet)] == [
            (MessageState.SUPPRESSED, "a time is booked by now"),
            (MessageState.SENT, None),
        ]

    await until(dropped, "a welcome that is dropped")
    assert len(quiet.mails(CHAMPION)) == 1
    told = [entry.what for entry in await timeline.timeline_of(quiet.services, "versayce")]
    assert "Mail to Luca Bianchi does not go: a time is booked by now" in told


async def test_what_is_approved_at_night_goes_in_the_morning(quiet: Installation) -> None:
    """The draft says when it would go; approved, it waits, and goes as it was approved."""
    await quiet.sleep_to(2, 22)
    await onboarding.start(quiet.services, StartRequest(file=reviewed("approve")))
    await drafted(quiet)
    (draft,) = [line for line in await message.drafts(quiet.services, "versayce") if line.to == CHAMPION]
    await message.release(quiet.services, (draft.key,), TAM)

    async def approved() -> MessageLine | None:
        (line,) = await to_champion(quiet)
        return line if line.state is MessageState.READY else None

    line = await until(approved, "an approved draft that waits")
    assert line.goes_at is not None
    assert line.goes_at.astimezone(ZURICH).time() == time(8, 30)
    assert quiet.mails(CHAMPION) == []
    await quiet.sleep_until(line.goes_at + timedelta(minutes=1))
    assert len(await quiet.mailed(1, CHAMPION)) == 1


async def begin_notes(installation: Installation) -> datetime:
    """Start the example by the playbook of two notes, on a Wednesday at ten at night; when that was."""
    (installation.services.settings.data / PLAYBOOKS).mkdir(exist_ok=True)
    (installation.services.settings.data / PLAYBOOKS / "notes.toml").write_text(NOTES)
    night = await installation.sleep_to(2, 22)
    await onboarding.start(installation.services, StartRequest(file=reviewed("auto"), playbook="notes"))

    async def waits() -> bool:
        shown = await onboarding.status(installation.services, "versayce")
        joined = [line for line in await to_champion(installation) if line.state is MessageState.SUPPRESSED]
        return bool(joined) and "working time" in " ".join(step.waiting_for or "" for step in shown.milestones)

    await until(waits, "a step that waits for the morning")
    return night


async def do(installation: Installation, kind: Operate, step: str | None = None) -> None:
    """Operate on the account as its TAM."""
    await operation.operate(
        installation.services, "versayce", kind, OperationWritten(reason="So agreed.", step=step), TAM
    )


async def test_a_pause_keeps_what_waits(quiet: Installation) -> None:
    """In the morning nothing goes, as it is paused; resumed in the afternoon, it goes at once."""
    night = await begin_notes(quiet)
    await do(quiet, Operate.PAUSE)
    await quiet.sleep_until(night + timedelta(hours=14))
    assert quiet.mails() == []
    await do(quiet, Operate.RESUME)
    await quiet.sleep_until(night + timedelta(hours=15))
    assert len(await quiet.mailed(1, CHAMPION)) == 1


async def test_a_step_that_is_skipped_takes_along_what_waits(quiet: Installation) -> None:
    """Skipped at night, the step ends, and its mail and what had joined it stay, with the reason."""
    night = await begin_notes(quiet)
    (waiting,) = [line for line in await to_champion(quiet) if line.goes_at is not None]
    await do(quiet, Operate.SKIP, waiting.step)
    await until(status_of(quiet, onboarding_id("versayce")), "the end of the onboarding")
    await quiet.sleep_until(night + timedelta(hours=12))
    assert quiet.mails() == []
    assert {line.reason for line in await to_champion(quiet)} == {
        "the step is over",
        f"joined {waiting.key}, which did not go",
    }


async def test_the_notes_of_one_day_become_one_mail_and_both_steps_end(quiet: Installation) -> None:
    """Two steps write to the champion at night: they wait, one mail goes in the morning, and both steps say how."""
    night = await begin_notes(quiet)
    await quiet.sleep_until(night + timedelta(hours=11))
    await until(status_of(quiet, onboarding_id("versayce")), "the end of the onboarding")
    (mail,) = quiet.mails(CHAMPION)
    assert text_of(mail).count("If you have a question about") == 2
    shown = await onboarding.status(quiet.services, "versayce")
    assert sorted(step.outcome or "" for step in shown.milestones) == [
        "0 of 1 sent, 1 with another mail",
        "1 of 1 sent",
    ]
