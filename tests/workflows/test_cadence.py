"""What recurs, from the standing invitation to a year of it, on the time-skipping server."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from activities.writing import NO_NEWS
from rapport import clock
from rapport.model.account import MembersFile, WrittenAbsence
from rapport.model.base import Refused, UserError
from rapport.model.ids import onboarding_id
from rapport.model.message import MessageState, Purpose
from rapport.model.operation import Operate
from rapport.model.projection import HeldHour
from rapport.model.sweep import SweepStart, Swept
from rapport.model.workflows import SWEEP
from rapport.storage import hour
from rapport.storage.tables import AccountRow, MessageRow
from starters.use_cases import cadence, member, message, onboarding, operation, succession, timeline
from starters.use_cases.operation import OperationWritten
from starters.use_cases.succession import HandOver, Successor
from tests.conftest import (
    BUSINESS,
    CHAMPION,
    SECOND_USER,
    TAM,
    USER,
    Installation,
    example,
    text_of,
    until,
)
from tests.support.cadence import begin, block, coming, events, method
from tests.support.kickoff import reviewed, status_of

ZURICH = ZoneInfo("Europe/Zurich")
COLLEAGUE = {
    "name": "Noor Haddad",
    "email": "noor.haddad@foobar.example",
    "roles": ["tam"],
    "zone": "Europe/Berlin",
    "join_url": "https://meet.foobar.example/noor",
}
EVERYONE = (CHAMPION, USER, SECOND_USER, TAM.email)


async def tell(installation: Installation, kind: str) -> list[timeline.EntryShown]:
    """The entries of one kind on the account's timeline."""
    return [entry for entry in await timeline.timeline_of(installation.services, "versayce") if entry.kind == kind]


async def test_one_recurring_invitation_goes_to_everyone(skipping: Installation) -> None:
    """Champion, users and the TAM get the series once: one UID, a rule, and the first date in wall time."""
    await begin(skipping)
    await skipping.mailed(4)
    for address in EVERYONE:
        (mail,) = skipping.mails(address)
        assert method(mail) == "REQUEST"
        (event,) = events(mail)
        assert event["RRULE"]["FREQ"] == ["WEEKLY"]
        assert event["SEQUENCE"] == 0
        assert str(event["UID"]) == "VERSAYCE-2026-11.weekly.series@foobar.example"
        assert event["DTSTART"].dt == (await coming(skipping))[0]
        assert event["DTSTART"].params["TZID"] == "Europe/Zurich"
    assert skipping.mails(BUSINESS) == []


async def test_before_each_the_tam_gets_a_brief_and_the_champion_a_digest(skipping: Installation) -> None:
    """Both go on the business day before, in working hours, and say what is on record."""
    await begin(skipping)
    await skipping.mailed(4)
    start = (await coming(skipping))[0]
    await skipping.sleep_until(start)
    brief = (await skipping.mailed(2, TAM.email))[1]
    digest = (await skipping.mailed(2, CHAMPION))[1]
    for mail in (brief, digest):
        sent = mail["Date"].datetime.astimezone(ZURICH)
        assert timedelta(hours=12) < start - sent < timedelta(hours=36)
        assert 8 <= sent.hour < 17
        assert "The firewall change" in text_of(mail)
    assert len(skipping.mails(USER)) == 1


async def test_a_week_without_news_is_told_with_the_next_that_has_some(skipping: Installation) -> None:
    """The champion gets no summary of nothing; the TAM's brief says that there is no data."""
    await begin(skipping, news=False)
    await skipping.mailed(4)
    first, second, third = (await coming(skipping))[:3]
    await skipping.sleep_until(first)
    (_, brief) = await skipping.mailed(2, TAM.email)
    assert "There's no data for" in text_of(brief)
    await skipping.sleep_until(second)
    await skipping.mailed(3, TAM.email)
    assert len(skipping.mails(CHAMPION)) == 1
    await block(skipping)
    await skipping.sleep_until(third)
    (_, digest) = await skipping.mailed(2, CHAMPION)
    days = (first - timedelta(days=8), third - timedelta(days=2))
    since, until_ = (f"{at.astimezone(ZURICH):%A} {at.day} {at:%B}" for at in days)
    assert f"Here's what happened from {since} to {until_}." in text_of(digest)
    assert "The firewall change" in text_of(digest)
    written = await message.listed(skipping.services, "versayce", MessageState.SUPPRESSED)
    assert [one.reason for one in written] == [NO_NEWS, NO_NEWS]


async def test_a_digest_that_nobody_sent_gives_way_to_the_next(skipping: Installation) -> None:
    """Where the TAM reads first, a digest waits; when the next is written the old one is suppressed."""
    await begin(skipping, file=reviewed("approve"))
    await skipping.mailed(4)
    first, second = (await coming(skipping))[:2]
    await skipping.sleep_until(first)
    await skipping.mailed(2, TAM.email)

    async def drafts() -> list[message.MessageLine]:
        return await message.listed(skipping.services, "versayce", MessageState.DRAFT)

    (old,) = await until(drafts, "the draft")
    assert (await message.show(skipping.services, old.key)).text.startswith("Hi Luca")
    await skipping.sleep_until(second)
    await skipping.mailed(3, TAM.email)
    (new,) = await until(drafts, "the next draft")
    assert new.key != old.key
    replaced = await message.show(skipping.services, old.key)
    assert replaced.state is MessageState.SUPPRESSED
    assert "replaced" in (replaced.reason or "")
    await message.release(skipping.services, (new.key,), TAM)
    (_, digest) = await skipping.mailed(2, CHAMPION)
    assert " summary, " in str(digest["Subject"])


async def test_one_date_is_called_off_for_itself(skipping: Installation) -> None:
    """Skipping a date cancels that occurrence by its RECURRENCE-ID, and nobody is briefed on it."""
    await begin(skipping)
    await skipping.mailed(4)
    first, second, third = (await coming(skipping))[:3]
    day = second.astimezone(ZURICH).date()
    await cadence.skip(skipping.services, "versayce", "weekly", day, TAM, "they are at a fair")
    for address in EVERYONE:
        mail = (await skipping.mailed(2, address))[1]
        assert method(mail) == "CANCEL"
        (event,) = events(mail)
        assert event["RECURRENCE-ID"].dt == second
        assert event["DTSTART"].dt == second
        assert event["SEQUENCE"] == 1
        assert event["STATUS"] == "CANCELLED"
        assert "RRULE" not in event
        assert "fair" not in mail.as_string()
    assert second not in await coming(skipping)
    with pytest.raises(UserError, match="off already") as refusal:
        await cadence.skip(skipping.services, "versayce", "weekly", day, TAM)
    assert refusal.value.kind is Refused.CONFLICT
    await skipping.sleep_until(third - timedelta(days=3))
    assert len(await skipping.mailed(3, CHAMPION)) == 3
    (entry,) = await tell(skipping, "sync.skipped")
    assert entry.said == "they are at a fair"
    assert first < second


@pytest.mark.parametrize("stand_in", [False, True])
async def test_a_date_in_the_tams_absence_is_called_off_unless_the_account_is_handed_over(
    skipping: Installation, stand_in: bool
) -> None:
    """Everyone's calendar loses it at the end of the TAM's last working day: until then a colleague may take over."""
    await begin(skipping)
    await skipping.mailed(4)
    services = skipping.services
    first, second, third = (await coming(skipping))[:3]
    day = second.astimezone(ZURICH).date()
    written = WrittenAbsence.model_validate({"member": TAM.email, "from": f"{day}", "until": f"{day}"})
    with clock.set_to(await skipping.now()):
        await member.add_absence(services, written, TAM)
    await skipping.sleep_until(first)
    assert second in await coming(skipping)
    if stand_in:
        people = MembersFile.model_validate({"members": [COLLEAGUE]})
        await member.import_members(services, people)
        order = HandOver(to="noor.haddad@foobar.example", until=f"{day}", reason="On leave")
        with clock.set_to(await skipping.now()):
            await succession.hand_over(services, "versayce", order, TAM)
    evening = datetime.combine(day - timedelta(days=1), time(17, 30), ZURICH)
    await skipping.sleep_until(evening)

    async def as_expected() -> bool:
        return (second in await coming(skipping)) is stand_in

    await until(as_expected, "the date to stay, or to be called off")
    assert {second, third} & set(await coming(skipping)) == ({second, third} if stand_in else {third})
    canceled = [mail for mail in skipping.mails(CHAMPION) if str(mail["Subject"]).startswith("Canceled: ")]
    assert [events(mail)[0]["RECURRENCE-ID"].dt for mail in canceled] == ([] if stand_in else [second])
    assert bool(await tell(skipping, "sync.away")) is not stand_in


async def test_one_date_is_moved_for_itself(skipping: Installation) -> None:
    """Moving a date sends that occurrence anew, with RECURRENCE-ID and a higher SEQUENCE; the brief follows."""
    await begin(skipping)
    await skipping.mailed(4)
    first, second = (await coming(skipping))[:2]
    day, moved = second.astimezone(ZURICH).date(), second + timedelta(days=1, hours=-2)
    await cadence.move(skipping.services, "versayce", "weekly", day, moved, TAM, anyway=True)
    for address in EVERYONE:
        mail = (await skipping.mailed(2, address))[1]
        assert method(mail) == "REQUEST"
        (event,) = events(mail)
        assert (event["RECURRENCE-ID"].dt, event["DTSTART"].dt) == (second, moved)
        assert event["DTEND"].dt - event["DTSTART"].dt == timedelta(minutes=15)
        assert event["SEQUENCE"] == 1
        assert str(event["UID"]) == "VERSAYCE-2026-11.weekly.series@foobar.example"
    await skipping.sleep_until(second)
    brief = (await skipping.mailed(4, TAM.email))[3]
    assert f"{moved.astimezone(ZURICH):%H:%M}" in text_of(brief)
    assert (await coming(skipping))[0] == moved
    assert first < second


async def test_a_date_that_was_moved_is_canceled_by_the_time_that_is_in_the_calendars(skipping: Installation) -> None:
    """The email names when it would have been, and from when it had been moved."""
    await begin(skipping)
    await skipping.mailed(4)
    second = (await coming(skipping))[1].astimezone(ZURICH)
    new = second + timedelta(days=1, hours=2)
    await cadence.move(skipping.services, "versayce", "weekly", second.date(), new, TAM, anyway=True)
    await skipping.mailed(2, CHAMPION)
    await cadence.skip(skipping.services, "versayce", "weekly", second.date(), TAM)
    mail = (await skipping.mailed(3, CHAMPION))[2]
    assert str(mail["Subject"]) == f"Canceled: weekly sync on {new:%a} {new.day} {new:%b}"
    words = " ".join(text_of(mail).split())
    was, would = (f"{at:%A} {at.day} {at:%B}, {at:%H:%M} (Zurich time)" for at in (second, new))
    assert f"The weekly sync on {would}, moved from {was}, is canceled." in words


async def test_what_cannot_be_changed_is_refused_with_the_reason(skipping: Installation) -> None:
    """A date that there is none on, a time in the past or beyond the next one, an unknown step: each says why."""
    await begin(skipping)
    await skipping.mailed(4)
    first, second = (await coming(skipping))[:2]
    day = first.astimezone(ZURICH).date()
    services = skipping.services
    with pytest.raises(UserError, match=f"there is none on .* the next ones: {day}"):
        await cadence.skip(services, "versayce", "weekly", day + timedelta(days=1), TAM)
    with pytest.raises(UserError, match="in the past"):
        await cadence.move(services, "versayce", "weekly", day, datetime(2020, 1, 1, tzinfo=UTC), TAM)
    with pytest.raises(UserError, match="comes before that"):
        await cadence.move(services, "versayce", "weekly", day, second + timedelta(hours=1), TAM)
    with pytest.raises(UserError, match='nothing called "monthly" recurs for "versayce" \\(use one of weekly\\)'):
        await cadence.skip(services, "versayce", "monthly", day, TAM)
    with pytest.raises(UserError, match="no day of the week"):
        await cadence.set_time(services, "versayce", "weekly", "someday", "10:00", TAM)
    with pytest.raises(UserError, match="has not begun"):
        await cadence.report(services, "versayce", "weekly", day, TAM)
    assert len(skipping.mails()) == 4


async def test_a_new_standing_time_replaces_the_series(skipping: Installation) -> None:
    """Setting the time sends the same UID with a higher SEQUENCE and the new rule."""
    await begin(skipping)
    await skipping.mailed(4)
    await cadence.set_time(skipping.services, "versayce", "weekly", "thu", "11:30", TAM)
    for address in EVERYONE:
        mail = (await skipping.mailed(2, address))[1]
        (event,) = events(mail)
        assert event["SEQUENCE"] == 1
        assert event["RRULE"]["BYDAY"] == ["TH"]
        assert f"{event['DTSTART'].dt.astimezone(ZURICH):%a %H:%M}" == "Thu 11:30"
    assert all(f"{start.astimezone(ZURICH):%a %H:%M}" == "Thu 11:30" for start in await coming(skipping))


async def test_no_common_hour_goes_to_the_tam_until_they_set_one(skipping: Installation) -> None:
    """Where nobody's hours meet nobody is invited; the TAM is told, and what they set is sent to everyone."""
    file = example()
    far = [
        contact.model_copy(update={"zone": "Pacific/Auckland"}) if "primary_champion" in contact.personas else contact
        for contact in file.contacts
    ]
    await begin(skipping, file=file.model_copy(update={"contacts": tuple(far)}))
    (notice,) = await skipping.mailed(1, TAM.email)
    assert "rapport cadence set versayce weekly" in text_of(notice)
    assert len(skipping.mails()) == 1
    shown = (await cadence.show(skipping.services, "versayce")).rhythms[0]
    assert shown.waiting_on == ("tam",)
    await cadence.set_time(skipping.services, "versayce", "weekly", "tue", "08:30", TAM, anyway=True)
    await skipping.mailed(5)
    (event,) = events(skipping.mails(CHAMPION)[0])
    assert event["SEQUENCE"] == 0
    assert f"{event['DTSTART'].dt.astimezone(ZoneInfo('Pacific/Auckland')):%a %H:%M}" == "Tue 08:30"
    assert (await cadence.show(skipping.services, "versayce")).rhythms[0].waiting_on == ()


async def test_it_counts_as_held_unless_somebody_says_otherwise(skipping: Installation) -> None:
    """Each date is told as held; one that a member says was not held is told as that."""
    await begin(skipping)
    await skipping.mailed(4)
    first, second, third = (await coming(skipping))[:3]
    await skipping.sleep_until(second - timedelta(hours=1))
    await skipping.mailed(3, CHAMPION)
    assert [entry.what for entry in await tell(skipping, "sync.held")]
    await skipping.sleep_until(second + timedelta(hours=1))
    day = second.astimezone(ZURICH).date()
    receipt = await cadence.report(skipping.services, "versayce", "weekly", day, TAM, "the line was down")
    assert receipt.outcome == "not_held"
    await skipping.sleep_until(third)
    await skipping.mailed(4, CHAMPION)
    assert len(await tell(skipping, "sync.held")) == 1
    (entry,) = await tell(skipping, "sync.not_held")
    assert entry.said == "the line was down"
    assert first < second


async def test_while_it_is_paused_nothing_goes_out(skipping: Installation) -> None:
    """Two dates pass while the account is paused: the TAM gets a list of them, and the third goes as planned."""
    await begin(skipping)
    await skipping.mailed(4)
    first, second, third = (await coming(skipping))[:3]
    why = OperationWritten(reason="a freeze at the customer's")
    receipt = await operation.operate(skipping.services, "versayce", Operate.PAUSE, why, TAM)
    assert receipt.outcome == "paused"
    await skipping.sleep_until(second + timedelta(hours=2))
    assert len(skipping.mails()) == 4
    await operation.operate(skipping.services, "versayce", Operate.RESUME, why, TAM)
    notice = (await skipping.mailed(2, TAM.email))[1]
    assert str(notice["Subject"]) == "Versayce: emails for 2 meetings weren't sent"
    assert len(skipping.mails(CHAMPION)) == 1
    await skipping.sleep_until(third)
    await skipping.mailed(2, CHAMPION)
    assert len(await skipping.mailed(3, TAM.email)) == 3
    assert first < second
    with pytest.raises(UserError, match='"versayce" has no step "x"'):
        await operation.operate(skipping.services, "versayce", Operate.SKIP, why.model_copy(update={"step": "x"}), TAM)


async def test_cancelling_takes_the_series_out_of_every_calendar(skipping: Installation) -> None:
    """What recurs can be cancelled after its onboarding has ended: everyone gets the cancellation of the series."""
    await begin(skipping)
    await skipping.mailed(4)
    why = OperationWritten(reason="they left")
    assert (await operation.operate(skipping.services, "versayce", Operate.CANCEL, why, TAM)).outcome == "cancelled"
    for address in EVERYONE:
        mail = (await skipping.mailed(2, address))[1]
        assert method(mail) == "CANCEL"
        (event,) = events(mail)
        assert (event["SEQUENCE"], event["STATUS"]) == (1, "CANCELLED")
        assert "RECURRENCE-ID" not in event

    async def ended() -> bool:
        return bool(await tell(skipping, "cadence.ended"))

    await until(ended, "the end")
    with pytest.raises(UserError, match="nothing recurs"):
        await cadence.show(skipping.services, "versayce")


async def test_a_champion_who_is_replaced_is_taken_off_the_series_alone(skipping: Installation) -> None:
    """The predecessor's calendar loses all dates by a cancellation that lists nobody else; the successor gets them."""
    await begin(skipping)
    await skipping.mailed(4)
    nora = "nora.vidal@versayce.example"
    successor = Successor(persona="primary_champion", name="Nora Vidal", email=nora, reason="Luca moved on")
    await succession.replace_contact(skipping.services, "versayce", successor, TAM)
    parting = (await skipping.mailed(2, CHAMPION))[1]
    assert method(parting) == "CANCEL"
    (event,) = events(parting)
    assert str(event["UID"]) == "VERSAYCE-2026-11.weekly.series@foobar.example"
    assert str(event["ATTENDEE"]) == f"mailto:{CHAMPION}"
    assert int(event["SEQUENCE"]) == 1
    (invitation,) = await skipping.mailed(1, nora)
    assert method(invitation) == "REQUEST"
    (series,) = events(invitation)
    assert series["RRULE"]["FREQ"] == ["WEEKLY"]
    assert f"mailto:{CHAMPION}" not in [str(one) for one in series["ATTENDEE"]]


async def test_what_a_paused_cadence_holds_is_not_the_sweeps_to_send(skipping: Installation) -> None:
    """After the end of its onboarding, too, the sweep sends nothing while what recurs is paused; then it does."""
    await begin(skipping)
    await skipping.mailed(4)
    await until(status_of(skipping, onboarding_id("versayce")), "the end of the onboarding")
    (key, *_) = [line.key for line in await message.listed(skipping.services, "versayce")]
    long_ago = await skipping.now() - timedelta(hours=1)

    async def swept(number: int) -> int:
        async with skipping.services.store.writing() as connection:
            ready = {"state": MessageState.READY, "created_at": long_ago, "settled_at": None, "purpose": Purpose.DIGEST}
            await connection.execute(update(MessageRow).where(MessageRow.key == key).values(**ready))
        start = SweepStart(patience=60)
        given: Swept = await skipping.client.execute_workflow(
            SWEEP.name, start, id=f"sweep/{number}", task_queue="rapport", result_type=Swept
        )
        return given.mails

    for number, (kind, mails) in enumerate({Operate.PAUSE: 0, Operate.RESUME: 1}.items()):
        why = OperationWritten(reason="They merge two teams.")
        assert (await operation.operate(skipping.services, "versayce", kind, why, TAM)).accepted
        await until(lambda kind=kind: tell(skipping, f"cadence.{kind}"), "the word on record")  # type: ignore[misc]
        assert (await onboarding.status(skipping.services, "versayce")).paused is (kind is Operate.PAUSE)
        assert await swept(number) == mails


async def test_a_recurring_time_against_the_hours_of_those_needed_wants_anyway(skipping: Installation) -> None:
    """A standing time at night, and one date that is moved onto another meeting, are refused with the reason."""
    await begin(skipping)
    await skipping.mailed(4)
    with pytest.raises(UserError, match="outside the working hours of Robin Keller") as refusal:
        await cadence.set_time(skipping.services, "versayce", "weekly", "thu", "05:00", TAM)
    assert (refusal.value.kind, refusal.value.field) == (Refused.CONFLICT, "at")
    second = (await coming(skipping))[1]
    day, moved = second.astimezone(ZURICH).date(), second + timedelta(days=1)
    async with skipping.services.store.writing() as connection:
        tam = str(await connection.scalar(select(AccountRow.tam).where(AccountRow.key == "versayce")))
        taken = HeldHour(members=(tam,), start=moved, end=moved + timedelta(hours=1))
        await hour.hold(connection, "meeting/other/kickoff/1", taken)
    with pytest.raises(UserError, match=r"Robin Keller has another meeting .* \(kickoff, other\)") as refusal:
        await cadence.move(skipping.services, "versayce", "weekly", day, moved, TAM)
    assert (refusal.value.kind, refusal.value.field) == (Refused.CONFLICT, "start")
    assert (await cadence.move(skipping.services, "versayce", "weekly", day, moved, TAM, anyway=True)).accepted
    assert (await cadence.set_time(skipping.services, "versayce", "weekly", "thu", "05:00", TAM, anyway=True)).accepted


USERS = """
[[steps]]
name = "users_weekly"
title = "Users' weekly"
kind = "cadence"
rhythm = "sync"
stage = "cadence"
every = "1 week"
minutes = 15
invite = ["primary_user", "secondary_user"]
require = [["primary_user", "secondary_user"]]
agenda = [{ topic = "What slows you down", minutes = 4 }]
brief = "weekly_brief"
"""


async def test_the_users_meet_weekly_without_their_champion(skipping: Installation) -> None:
    """They alone are invited, by their own hours and zone; the TAM is briefed, and nobody gets a summary of it."""
    file = example()
    far = [one.model_copy(update={"zone": "Asia/Tokyo"}) if one.email == CHAMPION else one for one in file.contacts]
    await begin(skipping, USERS, file.model_copy(update={"contacts": tuple(far)}))

    async def invited() -> bool:
        return bool(skipping.mails(USER) and skipping.mails(SECOND_USER))

    await until(invited, "the invitations")
    dates = await coming(skipping, "users_weekly")
    for email in (USER, SECOND_USER):
        series = [one for mail in skipping.mails(email) for one in events(mail) if "Users" in str(one["SUMMARY"])]
        assert [one["DTSTART"].dt for one in series] == [dates[0]]
    assert not [mail for mail in skipping.mails(CHAMPION) if "sers' weekly" in str(mail["Subject"])]
    assert 7 <= dates[0].astimezone(ZURICH).hour < 18, "not by the champion's night"
    await skipping.sleep_until(dates[0])
    subjects = [str(mail["Subject"]) for mail in skipping.mails(TAM.email)]
    assert any(subject.startswith("Brief: Versayce users' weekly") for subject in subjects)
    assert not [mail for mail in skipping.mails(USER) if " summary, " in str(mail["Subject"])]
    with pytest.raises(UserError, match="outside the working hours of Robin Keller") as refusal:
        await cadence.set_time(skipping.services, "versayce", "users_weekly", "wed", "03:00", TAM)
    assert not any("Luca Bianchi" in str(one) for one in (refusal.value, *refusal.value.others))
