"""What becomes of a running cadence when the account adopts another playbook, on the time-skipping server."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from rapport.model.base import UserError
from rapport.model.meeting import Receipt
from rapport.model.operation import Operate
from rapport.storage import contract as contracts
from starters.use_cases import cadence, onboarding, operation, playbook, timeline
from starters.use_cases.operation import OperationWritten
from starters.use_cases.playbook import Compared
from tests.conftest import CHAMPION, SECOND_USER, TAM, USER, Installation, text_of, until
from tests.support.cadence import HEAD, QBR, WEEKLY, begin, coming, events, method, view

ZURICH = ZoneInfo("Europe/Zurich")
EVERYONE = (CHAMPION, USER, SECOND_USER, TAM.email)
SERIES = "VERSAYCE-2026-11.weekly.series@foobar.example"


def put(installation: Installation, steps: str) -> None:
    """Write version 2 of the playbook that the account follows."""
    file = installation.services.settings.data / "playbooks" / "rhythm.toml"
    file.write_text(HEAD.replace("version = 1", "version = 2") + steps)


async def adopt(installation: Installation, steps: str) -> Receipt:
    """Have the account follow other rhythms."""
    put(installation, steps)
    word = OperationWritten(reason="as we agreed", playbook="rhythm")
    return await operation.operate(installation.services, "versayce", Operate.ADOPT, word, TAM)


async def compared(installation: Installation, steps: str) -> Compared:
    """What adopting other rhythms would change."""
    old = playbook.find("rhythm", installation.services.settings.data)
    put(installation, steps)
    new = playbook.find("rhythm", installation.services.settings.data)
    return await playbook.compare_for(installation.services, "versayce", old, new)


async def is_over(installation: Installation) -> None:
    """Wait until the onboarding has ended and the cadence stands on its own."""

    async def ended() -> bool:
        return (await onboarding.status(installation.services, "versayce")).stage == "done"

    await until(ended, "the end of the onboarding")


async def test_another_turn_brings_the_series_up_to_date_and_keeps_the_next_date(skipping: Installation) -> None:
    """Fortnightly and longer: one UID, a higher SEQUENCE, the same next date, and what was called off stays off."""
    await begin(skipping)
    await skipping.mailed(4)
    await is_over(skipping)
    dates = await coming(skipping)
    off = dates[2].astimezone(ZURICH).date()
    await cadence.skip(skipping.services, "versayce", "weekly", off, TAM)
    await skipping.mailed(8)
    steps = WEEKLY.replace('"1 week"', '"2 weeks"').replace("minutes = 15", "minutes = 20")
    told = await compared(skipping, steps)
    assert told.follows == "rhythm 1"
    assert told.rhythms is not None
    (change,) = told.rhythms.changed
    assert (change.step, {field.field for field in change.fields}) == ("weekly", {"every", "minutes"})
    assert told.rhythms.invited_anew == ("weekly",)
    assert (await adopt(skipping, steps)).outcome == "adopted"
    for address in EVERYONE:
        mail = (await skipping.mailed(3, address))[2]
        assert method(mail) == "REQUEST"
        (event,) = events(mail)
        assert str(event["UID"]) == SERIES
        assert (event["SEQUENCE"], event["RRULE"]["INTERVAL"]) == (2, [2])
        assert event["DTSTART"].dt == dates[0]
        assert event["DTEND"].dt - event["DTSTART"].dt == timedelta(minutes=20)
        assert dates[2] in [one.dt for one in event["EXDATE"].dts]
        assert "The time hasn't changed." in " ".join(text_of(mail).split())
    assert (await coming(skipping))[:3] == [dates[0], dates[4], dates[6]]
    again = await compared(skipping, steps)
    assert again.follows == "rhythm 2"
    assert again.rhythms is not None
    assert again.rhythms.changes_nothing
    assert (await adopt(skipping, steps)).outcome == "nothing to do"
    assert len(skipping.mails()) == 12


async def test_a_date_whose_brief_has_gone_is_not_briefed_on_again(skipping: Installation) -> None:
    """Adopted between brief and meeting, the new definition holds from the next brief on."""
    await begin(skipping)
    await skipping.mailed(4)
    dates = await coming(skipping)
    await skipping.sleep_until(dates[0] - timedelta(hours=1))
    await skipping.mailed(6)
    await adopt(skipping, WEEKLY.replace('"1 week"', '"2 weeks"'))
    await skipping.mailed(10)
    await skipping.sleep_until(dates[2] - timedelta(hours=1))
    await skipping.mailed(12)
    kinds = [str(mail["Subject"]) for mail in skipping.mails(CHAMPION)]
    assert len([kind for kind in kinds if " summary, " in kind]) == 2
    assert (await coming(skipping))[0] == dates[2]


async def test_what_the_calendar_does_not_say_is_changed_without_a_mail(skipping: Installation) -> None:
    """Another digest is used from the next time on; nobody is invited anew for it."""
    await begin(skipping)
    await skipping.mailed(4)
    steps = WEEKLY + 'to = ["primary_champion", "primary_user"]\n'
    told = await compared(skipping, steps)
    assert told.rhythms is not None
    assert told.rhythms.invited_anew == ()
    assert (await adopt(skipping, steps)).outcome == "adopted"
    await skipping.sleep_until((await coming(skipping))[0])
    await skipping.mailed(7)
    assert len(skipping.mails(USER)) == 2
    assert len(skipping.mails(SECOND_USER)) == 1


async def test_whoever_is_invited_no_more_is_taken_off_the_series_alone(skipping: Installation) -> None:
    """Where the playbook leaves secondary users out they get a cancellation alone, and the others the new series."""
    await begin(skipping)
    await skipping.mailed(4)
    steps = WEEKLY.replace('"primary_user", "secondary_user"]', '"primary_user"]')
    await adopt(skipping, steps)
    parting = (await skipping.mailed(2, SECOND_USER))[1]
    assert method(parting) == "CANCEL"
    (event,) = events(parting)
    assert str(event["ATTENDEE"]) == f"mailto:{SECOND_USER}"
    series = (await skipping.mailed(2, CHAMPION))[1]
    assert method(series) == "REQUEST"
    assert len(await skipping.mailed(8)) == 8


async def test_rhythms_end_begin_and_come_back_under_numbers_nobody_has_seen(skipping: Installation) -> None:
    """What is removed leaves every calendar; what is added is invited to; what comes back has a higher SEQUENCE."""
    await begin(skipping)
    await skipping.mailed(4)
    await is_over(skipping)
    assert (await adopt(skipping, QBR)).outcome == "adopted"
    for address in EVERYONE:
        mail = (await skipping.mailed(2, address))[1]
        (event,) = events(mail)
        assert (method(mail), event["SEQUENCE"]) == ("CANCEL", 1)

    async def alone() -> bool:
        return [one.step for one in (await cadence.show(skipping.services, "versayce")).rhythms] == ["qbr"]

    await until(alone, "the review alone")
    async with skipping.services.store.reading() as connection:
        contract = await contracts.latest(connection, "versayce")
    assert contract is not None
    assert contract.playbook_version == 2
    told = [entry.what for entry in await timeline.timeline_of(skipping.services, "versayce")]
    assert "Robin Keller had what recurs follow another playbook" in told
    assert "Weekly sync is no longer in the playbook, and does not recur any more" in told
    assert "Quarterly business review recurs from now on" in told
    shown = (await cadence.show(skipping.services, "versayce")).rhythms[0]
    assert shown.next is not None
    assert timedelta(days=80) < shown.next - await skipping.now() < timedelta(days=100)
    assert (await adopt(skipping, WEEKLY + QBR)).outcome == "adopted"
    for address in EVERYONE:
        mail = (await skipping.mailed(3, address))[2]
        (event,) = events(mail)
        assert (method(mail), str(event["UID"])) == ("REQUEST", SERIES)
        assert event["SEQUENCE"] > 1
    await skipping.sleep_until((await coming(skipping))[0])
    assert len(await skipping.mailed(4, CHAMPION)) == 4


async def test_a_playbook_without_any_rhythm_ends_what_recurs(skipping: Installation) -> None:
    """Where nothing is left that recurs, the cadence comes to its end, and says so."""
    handle = await begin(skipping)
    await skipping.mailed(4)
    await is_over(skipping)
    note = """
[[steps]]
name = "note"
title = "A note"
kind = "message"
stage = "welcome"
to = ["primary_champion"]
email = "hello"
"""
    await adopt(skipping, note)
    assert (await handle.result()).outcome == "closed"
    for address in EVERYONE:
        assert method((await skipping.mailed(2, address))[1]) == "CANCEL"
    with pytest.raises(UserError, match="nothing recurs"):
        await cadence.show(skipping.services, "versayce")


async def test_reviews_are_counted_on_from_the_last_by_the_new_distance(skipping: Installation) -> None:
    """Half-yearly instead of quarterly: the next review is planned anew, and one that is open is still held."""
    await begin(skipping, WEEKLY + QBR)
    await skipping.mailed(4)
    now = await skipping.now()
    await adopt(skipping, WEEKLY + QBR.replace('"3 months"', '"6 months"'))

    async def later() -> bool:
        (review,) = [one for one in (await view(skipping)).rhythms if one.step == "qbr"]
        return review.target is not None and timedelta(days=170) < review.target - now < timedelta(days=195)

    await until(later, "a review in half a year")
    assert len(skipping.mails()) == 4
