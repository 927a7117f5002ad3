"""People come and go on a running account, on the time-skipping server: contacts and the TAM."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import time, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from temporalio.service import RPCError

from activities.planning import Gather
from rapport.model.account import AccountFile, WorkingHours
from rapport.model.base import Refused, UserError
from rapport.model.ids import meeting_id, onboarding_id
from rapport.model.operation import Operate
from rapport.model.projection import Projection
from rapport.storage import account as account_storage
from starters.use_cases import (
    account,
    meeting as meetings,
    message,
    onboarding,
    operation,
    succession,
    task,
    timeline,
)
from starters.use_cases.onboarding import MilestoneShown, StartRequest
from starters.use_cases.operation import OperationWritten
from starters.use_cases.succession import Departure, HandOver, Newcomer, SuccessionResult, Successor
from tests.conftest import (
    BUSINESS,
    CHAMPION,
    SECOND_USER,
    TAM,
    USER,
    Installation,
    by,
    example,
    link_of,
    skipping_installation,
    text_of,
    until,
)
from tests.support import task as onsite
from tests.support.kickoff import begin, drafted, in_phase, kickoff, reviewed, status_of, vote
from tests.support.meanwhile import Meanwhile, heard
from tests.support.task import TASK, begin_large, in_phase as task_in_phase, large
from tests.workflows.test_meeting import ZURICH, events
from workflows.meeting import Meeting

NORA = "nora.vidal@versayce.example"
NOOR = "noor.haddad@foobar.example"


async def replace(installation: Installation, persona: str = "primary_champion", email: str = NORA) -> SuccessionResult:
    """Have Nora follow whoever has a persona."""
    successor = Successor(persona=persona, name="Nora Vidal", email=email, reason="Luca moved to another team")
    return await succession.replace_contact(installation.services, "versayce", successor, TAM)


def with_noor(file: AccountFile | None = None) -> AccountFile:
    """The example account, with a second TAM among the members."""
    file = file or example()
    robin = next(member for member in file.members if member.email == TAM.email)
    link = {"join_url": "https://meet.foobar.example/noor-haddad", "manager": None, "backup": None}
    noor = type(robin).model_validate({**robin.model_dump(), "name": "Noor Haddad", "email": NOOR, **link})
    return file.model_copy(update={"members": (*file.members, noor)})


def methods(mail: EmailMessage) -> list[str]:
    """What the calendars in a mail ask for, and the addresses that they list."""
    parts = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    return [str(part.get_param("method")) for part in parts]


def asked(mail: EmailMessage) -> set[str]:
    """The addresses that an invitation lists."""
    (event,) = events(mail)
    listed = event["ATTENDEE"] if isinstance(event["ATTENDEE"], list) else [event["ATTENDEE"]]
    return {str(address).removeprefix("mailto:") for address in listed}


async def booked(installation: Installation) -> None:
    """Have the kickoff booked, with everyone invited."""
    await begin(installation, with_noor())
    await in_phase(installation, "voting")
    await vote(installation, CHAMPION, "1")
    await vote(installation, USER, "1")
    await in_phase(installation, "booked")
    await installation.mailed(9)


async def told(installation: Installation) -> list[str]:
    """The timeline, in words."""
    return [entry.what for entry in await timeline.timeline_of(installation.services, "versayce")]


async def test_a_champion_replaced_during_the_vote_hands_it_to_the_successor(skipping: Installation) -> None:
    """The successor gets the times with a link of their own; the predecessor's answer stays, and counts no more."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    await skipping.mailed(4)
    old = link_of(skipping.mails(CHAMPION)[0])
    await vote(skipping, CHAMPION, "1")
    change = await replace(skipping)
    assert change.changed
    assert "Nora Vidal" in {person.name for person in change.account.contacts}
    (mail,) = await skipping.mailed(1, NORA)
    assert "Nora" in text_of(mail)
    await vote(skipping, USER, "1")
    shown = await kickoff(skipping)
    assert shown.phase == "voting"
    assert {answer.who for answer in shown.answers} == {"Dana Whitfield", "Nora Vidal", "Mara Osei", "Jonas Lindqvist"}
    with pytest.raises(UserError, match="this link is over"):
        await meetings.poll(skipping.services, old)
    with pytest.raises(UserError, match="this link is over"):
        await meetings.vote_by_link(skipping.services, old, ("2",), None)
    assert (await meetings.vote_by_link(skipping.services, link_of(mail), ("1",), None)).accepted
    assert (await in_phase(skipping, "booked")).booked == shown.slots[0].start
    invited = (await skipping.mailed(10))[5:]
    assert all(CHAMPION not in str(mail["To"]) for mail in invited)
    story = await told(skipping)
    assert "Luca Bianchi answered: one time works" in story
    assert "Nora Vidal follows Luca Bianchi, says Robin Keller" in story


async def test_the_same_replacement_again_changes_nothing(skipping: Installation) -> None:
    """Repeating the command says that it stands already; there is one entry, and nobody is written to again."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    await skipping.mailed(4)
    assert (await replace(skipping)).changed
    await skipping.mailed(1, NORA)
    again = await replace(skipping)
    assert (again.changed, again.what) == (False, "Nora Vidal is primary champion already")
    await vote(skipping, NORA, "1")
    assert len(skipping.mails()) == 5
    assert len([what for what in await told(skipping) if what.startswith("Nora Vidal follows")]) == 1


async def test_a_successor_too_late_for_the_times_brings_everyone_new_ones(skipping: Installation) -> None:
    """Where the times on offer are over before the successor has had the voting period, everybody votes anew."""
    await begin(skipping)
    shown = await in_phase(skipping, "voting")
    await skipping.sleep_until(shown.slots[-1].start - timedelta(days=1))
    await in_phase(skipping, "stuck")
    await replace(skipping)

    async def renewed() -> bool:
        return (await kickoff(skipping)).round == 2

    await until(renewed, "new times")
    fresh = await in_phase(skipping, "voting")
    assert fresh.slots[0].start > await skipping.now() + timedelta(days=4)
    assert len(await skipping.mailed(1, NORA)) == 1


async def test_a_meeting_that_hears_twice_of_a_late_successor_still_brings_new_times(tmp_path: Path) -> None:
    """It hears it from the onboarding as well, while it looks: what the first look found stands after the second."""
    meanwhile = Meanwhile(lambda given: isinstance(given, Gather))
    meanwhile.workflow_id = meeting_id("versayce", "kickoff", 1)
    async with skipping_installation(tmp_path, interceptors=[meanwhile]) as installation:
        await begin(installation)
        shown = await in_phase(installation, "voting")
        await installation.sleep_until(shown.slots[-1].start - timedelta(days=1))
        await in_phase(installation, "stuck")
        handle = installation.client.get_workflow_handle(meanwhile.workflow_id)

        async def hear_again() -> None:
            await handle.signal("people_changed")
            await heard(installation.client, handle.id)

        meanwhile.does = hear_again
        await replace(installation)

        async def renewed() -> bool:
            return (await kickoff(installation)).round == 2

        await until(renewed, "new times")
        assert not meanwhile.left


async def test_a_champion_replaced_after_the_booking_is_taken_off_alone(skipping: Installation) -> None:
    """The predecessor alone gets a cancellation, the successor the invitation; nobody else is disturbed."""
    await booked(skipping)
    await replace(skipping)
    mails = (await skipping.mailed(11))[9:]
    assert len(mails) == 2
    (parting,) = [mail for mail in mails if CHAMPION in str(mail["To"])]
    (invitation,) = [mail for mail in mails if NORA in str(mail["To"])]
    assert methods(parting) == ["CANCEL"]
    assert asked(parting) == {CHAMPION}
    assert methods(invitation) == ["REQUEST"]
    assert asked(invitation) == {NORA, BUSINESS, USER, SECOND_USER, TAM.email}
    (before,) = events(skipping.mails(USER)[-1])
    for mail in mails:
        (event,) = events(mail)
        assert (event["UID"], event["SEQUENCE"]) == (before["UID"], 1)
        assert event["DTSTART"].dt == before["DTSTART"].dt
    assert "goes ahead" in text_of(parting)
    assert "has moved" not in text_of(invitation)
    start = (await kickoff(skipping)).booked
    assert start is not None
    await meetings.book(skipping.services, "versayce", "kickoff", start + timedelta(hours=1), TAM)
    moved = (await skipping.mailed(16))[11:]
    assert {events(mail)[0]["SEQUENCE"] for mail in moved} == {2}
    assert all(CHAMPION not in str(mail["To"]) for mail in moved)
    assert all("has moved" in text_of(mail) for mail in moved)


async def test_a_draft_to_somebody_replaced_goes_to_the_successor(skipping: Installation) -> None:
    """The predecessor's unread draft is suppressed, and one to the successor waits in its place."""
    await begin(skipping, reviewed("approve"))
    await drafted(skipping)
    await replace(skipping)

    async def readers() -> bool:
        waiting = {draft.to for draft in await message.drafts(skipping.services, "versayce")}
        return waiting == {NORA, BUSINESS, USER, SECOND_USER}

    await until(readers, "a draft to the successor")
    assert skipping.mails() == []


async def test_without_a_successor_the_vote_is_held_until_one_is_named(skipping: Installation) -> None:
    """The champion leaves: no reminder, no booking, one to-do for the TAM; naming somebody lets it go on."""
    await begin(skipping)
    shown = await in_phase(skipping, "voting")
    await skipping.mailed(4)
    await vote(skipping, USER, "1")
    gone = await succession.remove_contact(
        skipping.services, "versayce", CHAMPION, Departure(reason="Left the company"), TAM
    )
    assert gone.account.vacant == ("primary_champion",)
    todo = await task_in_phase(skipping, "open", "task/versayce/people.successor/1")
    assert "add-contact versayce --persona primary_champion" in (todo.unblock or "")

    async def held() -> bool:
        return (await kickoff(skipping)).waiting_for == "held: nobody is primary champion"

    await until(held, "the hold")
    assert shown.deadline is not None
    await skipping.sleep_until(shown.deadline + timedelta(days=1))
    assert len([mail for mail in skipping.mails() if TAM.email not in str(mail["To"])]) == 4
    with pytest.raises(UserError, match="held: nobody is primary champion") as refused:
        await meetings.book(skipping.services, "versayce", "kickoff", shown.slots[-1].start, TAM)
    assert refused.value.kind is Refused.CONFLICT
    newcomer = Newcomer(
        personas=("primary_champion",), name="Nora Vidal", email=NORA, zone="Europe/Zurich", reason="She follows"
    )
    assert (await succession.add_contact(skipping.services, "versayce", newcomer, TAM)).changed
    assert not (await succession.add_contact(skipping.services, "versayce", newcomer, TAM)).changed
    await skipping.mailed(1, NORA)
    closed = await task_in_phase(skipping, "closed", "task/versayce/people.successor/1")
    assert closed.outcome == "withdrawn"
    await in_phase(skipping, "voting")


async def test_hand_over_moves_tasks_meetings_and_mails(skipping: Installation) -> None:
    """The new TAM gets the invitation and the open to-dos, the former one a cancellation, the others the new link."""
    await booked(skipping)
    order = HandOver(to=NOOR, reason="Robin changes teams")
    change = await succession.hand_over(skipping.services, "versayce", order, TAM)
    assert change.changed
    assert change.account.tam.email == NOOR
    mails = (await skipping.mailed(16))[9:]
    notice = next(mail for mail in mails if str(mail["Subject"]) == "You're now the TAM for Versayce")
    assert NOOR in str(notice["To"])
    assert "You take over from Robin Keller." in text_of(notice)
    assert "Robin changes teams" in text_of(notice)
    mails.remove(notice)
    to = {
        address: mail
        for mail in mails
        for address in (BUSINESS, CHAMPION, USER, NOOR, TAM.email)
        if address in str(mail["To"])
    }
    assert methods(to[TAM.email]) == ["CANCEL"]
    assert asked(to[TAM.email]) == {TAM.email}
    assert methods(to[NOOR]) == ["REQUEST"]
    for address in (BUSINESS, CHAMPION, USER):
        (event,) = events(to[address])
        assert event["SEQUENCE"] == 1
        assert "noor-haddad" in str(event["LOCATION"])
        assert "Noor Haddad will lead the kickoff" in text_of(to[address])
        assert str(to[address]["Reply-To"]).endswith(f"<{NOOR}>")
        assert NOOR in asked(to[address])
    assert not (await succession.hand_over(skipping.services, "versayce", order, TAM)).changed
    start = (await kickoff(skipping)).booked_until
    assert start is not None
    await skipping.sleep_until(start + timedelta(hours=3))
    assert "did the kickoff take place" in str((await skipping.mailed(3, NOOR))[-1]["Subject"])
    assert [what for what in await told(skipping) if "takes over" in what] == [
        "Noor Haddad takes over from Robin Keller, says Robin Keller"
    ]


async def test_an_open_task_of_the_tam_moves_with_the_account(skipping: Installation) -> None:
    """What the TAM was asked to say is asked of the new one, by mail, and leaves the former one's inbox."""
    await begin_large(skipping)
    await task_in_phase(skipping, "preparing")
    await account.import_account(skipping.services, with_noor())
    assert [line.task for line in (await task.inbox(skipping.services, TAM)).mine] == [TASK]
    await succession.hand_over(skipping.services, "versayce", HandOver(to=NOOR, reason="For good"), TAM)
    await skipping.mailed(2, NOOR)
    assert (await task.inbox(skipping.services, TAM)).mine == ()
    assert [line.task for line in (await task.inbox(skipping.services, by(NOOR))).mine] == [TASK]


async def test_what_came_of_an_approval_is_told_to_the_tam_of_today(skipping: Installation) -> None:
    """Who asked as the TAM and serves the account no more gets nothing; their successor reads the outcome."""
    await begin_large(skipping)
    await task_in_phase(skipping, "preparing")
    await account.import_account(skipping.services, with_noor(large()))
    await onsite.request(skipping, TAM.email)
    await task_in_phase(skipping, "open")
    before = len(await skipping.mailed(1, TAM.email))
    await succession.hand_over(skipping.services, "versayce", HandOver(to=NOOR, reason="For good"), TAM)
    await onsite.decide(skipping, onsite.MANAGER, "approve")
    await task_in_phase(skipping, "closed")

    async def answered() -> bool:
        return any("onsite" in str(mail["Subject"]).lower() for mail in skipping.mails(NOOR))

    await until(answered, "the outcome")
    assert len(skipping.mails(TAM.email)) == before


async def test_a_hand_over_for_a_while_ends_by_itself(skipping: Installation) -> None:
    """On the day after, the account is the regular TAM's again, with its tasks; no later meeting changed hands."""
    await booked(skipping)
    start = (await kickoff(skipping)).booked
    assert start is not None
    last = (await skipping.now() + timedelta(days=1)).date()
    order = HandOver.model_validate({"to": NOOR, "until": last.isoformat(), "reason": "Two days off"})
    change = await succession.hand_over(skipping.services, "versayce", order, TAM)
    assert change.account.tam.email == NOOR
    assert change.account.regular_tam is not None
    assert change.account.regular_tam.email == TAM.email
    assert not (await succession.hand_over(skipping.services, "versayce", order, TAM)).changed
    await account.import_account(skipping.services, with_noor())
    assert (await account.show(skipping.services, "versayce")).tam.email == NOOR
    assert change.account.tam_until is not None
    await skipping.sleep_until(change.account.tam_until + timedelta(seconds=1))

    async def back() -> bool:
        shown = await account.show(skipping.services, "versayce")
        return shown.tam.email == TAM.email and shown.tam_until is None

    await until(back, "the regular TAM")
    again = next(
        mail for mail in await skipping.mailed(11) if str(mail["Subject"]) == "You're back as TAM for Versayce"
    )
    assert TAM.email in str(again["To"])
    assert len(skipping.mails()) == 11
    assert "Robin Keller is back; Noor Haddad no longer stands in" in await told(skipping)
    assert (await onboarding.status(skipping.services, "versayce")).live


NOTES = """
name = "notes"
title = "Notes alone"
version = 1

[[steps]]
name = "first_note"
title = "A note to the champion"
kind = "message"
stage = "welcome"
to = ["primary_champion"]
email = "hello"
review = "approve"

[[steps]]
name = "second_note"
title = "A note to the user"
kind = "message"
stage = "welcome"
offset = "12 business days"
to = ["primary_user"]
email = "hello"
review = "auto"
"""


async def noted(installation: Installation, review: str | None) -> None:
    """Start an onboarding of two notes: one at once, one in the third week."""
    folder = installation.services.settings.data / "playbooks"
    folder.mkdir(exist_ok=True)
    (folder / "notes.toml").write_text(NOTES)
    await installation.sleep_to(0, 10)
    file = example()
    file = file.model_copy(update={"account": file.account.model_copy(update={"review": review})})
    assert (await onboarding.start(installation.services, StartRequest(file=file, playbook="notes"))).created


async def step(installation: Installation, name: str) -> MilestoneShown:
    """A step as it is shown."""
    shown = await onboarding.status(installation.services, "versayce")
    return next(one for one in shown.milestones if one.step == name)


async def test_a_step_due_while_nobody_is_there_for_it_is_held_until_somebody_is(skipping: Installation) -> None:
    """The user leaves in the third week: a due mail waits and says why, however often nobody is named."""
    await noted(skipping, "auto")
    await skipping.mailed(1, CHAMPION)
    await skipping.sleep_until(await skipping.now() + timedelta(days=14))
    await succession.remove_contact(skipping.services, "versayce", USER, Departure(reason="Left"), TAM)
    await task_in_phase(skipping, "open", "task/versayce/people.successor/1")
    await task.decide(skipping.services, "versayce/people.successor", "later", TAM, "They are looking for somebody")
    await skipping.sleep_until(await skipping.now() + timedelta(days=7))
    held = await step(skipping, "second_note")
    assert (held.state, held.waiting_for) == ("waiting", "held: nobody is primary user")
    assert held.waiting_on == ("tam",)
    assert "add-contact versayce --persona primary_user" in (held.unblock or "")
    assert held.deadline is not None
    assert held.deadline > await skipping.now()
    await skipping.sleep_until(held.deadline + timedelta(days=1))
    await task_in_phase(skipping, "open", "task/versayce/people.successor/2")
    assert skipping.mails(USER) == skipping.mails(NORA) == []
    newcomer = Newcomer(personas=("primary_user",), name="Nora Vidal", email=NORA, zone="Asia/Tokyo", reason="Follows")
    await succession.add_contact(skipping.services, "versayce", newcomer, TAM)
    await skipping.mailed(1, NORA)
    await until(status_of(skipping, onboarding_id("versayce")), "the end of the onboarding")
    assert (await step(skipping, "second_note")).outcome == "1 of 1 sent"
    closed = await task_in_phase(skipping, "closed", "task/versayce/people.successor/2")
    assert closed.outcome == "withdrawn"
    assert "On hold: nobody is primary user. What needs one continues once someone is named" in await told(skipping)


async def test_a_pending_mail_of_a_step_goes_to_the_successor(skipping: Installation) -> None:
    """A step's draft to somebody who is replaced is written anew to who follows, and the step waits for that one."""
    await noted(skipping, "approve")

    async def waits_for(email: str) -> bool:
        return [draft.to for draft in await message.drafts(skipping.services, "versayce")] == [email]

    await until(lambda: waits_for(CHAMPION), "a draft to the champion")
    await replace(skipping)
    await until(lambda: waits_for(NORA), "a draft to the successor")
    (draft,) = await message.drafts(skipping.services, "versayce")
    assert (await message.release(skipping.services, (draft.key,), TAM)).accepted
    await skipping.mailed(1, NORA)

    async def ended() -> bool:
        return (await step(skipping, "first_note")).outcome == "1 of 2 sent"

    await until(ended, "the end of the step")
    assert skipping.mails(CHAMPION) == []


async def test_what_needs_a_champion_who_has_left_waits_from_the_start(skipping: Installation) -> None:
    """An account whose champion has left starts; what needs one is on hold, and the TAM is asked who follows."""
    await account.import_account(skipping.services, example())
    await succession.remove_contact(skipping.services, "versayce", CHAMPION, Departure(reason="Left"), TAM)
    contract = example().contract
    await onboarding.start(skipping.services, StartRequest(account="versayce", contract=contract))
    await task_in_phase(skipping, "open", "task/versayce/people.successor/1")
    held = await step(skipping, "kickoff")
    assert (held.state, held.waiting_for) == ("waiting", "held: nobody is primary champion")
    assert "add-contact versayce --persona primary_champion" in (held.unblock or "")
    assert [mail for mail in skipping.mails() if TAM.email not in str(mail["To"])] == []


async def test_another_tam_during_the_vote_offers_what_they_can_make(skipping: Installation) -> None:
    """Times outside the new TAM's working hours leave the table; with none left, everybody is offered theirs."""
    file = with_noor()
    noor = next(member for member in file.members if member.email == NOOR)
    late = noor.model_copy(update={"hours": WorkingHours(start=time(16), end=time(18))})
    others = tuple(member for member in file.members if member.email != NOOR)
    await begin(skipping, file.model_copy(update={"members": (*others, late)}))
    await in_phase(skipping, "voting")
    await skipping.mailed(4)
    await succession.hand_over(skipping.services, "versayce", HandOver(to=NOOR, reason="For good"), TAM)
    await skipping.mailed(9)
    fresh = await in_phase(skipping, "voting")
    assert fresh.round == 2
    assert all(slot.start.astimezone(ZURICH).hour >= 16 for slot in fresh.slots)
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    await in_phase(skipping, "booked")
    invited = [mail for mail in await skipping.mailed(14) if events(mail)]
    assert {address for mail in invited for address in (NOOR, TAM.email) if address in str(mail["To"])} == {NOOR}
    assert all("noor-haddad" in str(event["LOCATION"]) for mail in invited for event in events(mail))


async def test_an_account_file_that_names_others_tells_the_booked_meeting(skipping: Installation) -> None:
    """Importing a file with another champion takes the former one off the meeting, and invites the new one."""
    await booked(skipping)
    file = with_noor()
    contacts = [
        contact.model_copy(update={"name": "Nora Vidal", "email": NORA}) if contact.email == CHAMPION else contact
        for contact in file.contacts
    ]
    await account.import_account(skipping.services, file.model_copy(update={"contacts": tuple(contacts)}))
    mails = (await skipping.mailed(11))[9:]
    assert sorted((methods(mail)[0], *sorted(asked(mail) & {CHAMPION, NORA})) for mail in mails) == [
        ("CANCEL", CHAMPION),
        ("REQUEST", NORA),
    ]
    await account.import_account(skipping.services, file.model_copy(update={"contacts": tuple(contacts)}))
    assert len(skipping.mails()) == 11


async def test_whoever_stands_in_holds_the_meeting_of_their_time(skipping: Installation) -> None:
    """A meeting within a hand-over for a while is the acting TAM's, and stays theirs when the account goes back."""
    await booked(skipping)
    start = (await kickoff(skipping)).booked
    assert start is not None
    order = HandOver.model_validate({"to": NOOR, "until": start.date().isoformat(), "reason": "Two weeks off"})
    change = await succession.hand_over(skipping.services, "versayce", order, TAM)
    await skipping.mailed(16)
    await in_phase(skipping, "booked")
    assert [methods(mail) for mail in skipping.mails(TAM.email)] == [["REQUEST"], ["CANCEL"]]
    assert change.account.tam_until is not None
    await skipping.sleep_until(change.account.tam_until + timedelta(hours=30))

    async def is_back() -> bool:
        return any(str(mail["Subject"]) == "You're back as TAM for Versayce" for mail in skipping.mails(TAM.email))

    await until(is_back, "word to the regular TAM")
    assert not [mail for mail in skipping.mails()[16:] if events(mail)]


async def test_a_contact_can_follow_in_another_persona_after_leaving_their_own(skipping: Installation) -> None:
    """A user who becomes the champion stays the same person: invited once more, with what they were asked before."""
    await booked(skipping)
    await succession.remove_contact(skipping.services, "versayce", USER, Departure(reason="Becomes champion"), TAM)
    await skipping.mailed(10)
    await replace(skipping, email=USER)
    change = await account.show(skipping.services, "versayce")
    assert change.vacant == ("primary_user",)

    async def changes() -> list[EmailMessage]:
        found = [mail for mail in skipping.mails()[9:] if events(mail)]
        return found if len(found) == 3 else []

    sequences = [
        (methods(mail)[0], sorted(asked(mail) & {USER, CHAMPION}), events(mail)[0]["SEQUENCE"])
        for mail in await until(changes, "three changes to the meeting")
    ]
    assert sorted(sequences) == [("CANCEL", [CHAMPION], 2), ("CANCEL", [USER], 1), ("REQUEST", [USER], 2)]
    assert (await kickoff(skipping)).phase == "booked"


async def test_what_is_held_can_be_cancelled(skipping: Installation) -> None:
    """A member may end the whole while somebody is missing: the poll ends, and the to-do is taken back."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    await skipping.mailed(4)
    await succession.remove_contact(skipping.services, "versayce", CHAMPION, Departure(reason="Left"), TAM)
    await task_in_phase(skipping, "open", "task/versayce/people.successor/1")
    written = OperationWritten(reason="They stop")
    assert (await operation.operate(skipping.services, "versayce", Operate.CANCEL, written, TAM)).accepted
    await until(status_of(skipping, onboarding_id("versayce")), "the end of the onboarding")
    await in_phase(skipping, "ended")
    closed = await task_in_phase(skipping, "closed", "task/versayce/people.successor/1")
    assert closed.outcome == "withdrawn"
    assert not [mail for mail in skipping.mails()[4:] if TAM.email not in str(mail["To"])]


async def test_a_hand_over_before_anything_is_on_record_counts_in_all_that_follows(tmp_path: Path) -> None:
    """The onboarding has told nothing of itself yet, and its meeting offers the former TAM's times already."""
    meanwhile = Meanwhile(lambda given: isinstance(given, Projection), first=True)
    meanwhile.workflow_id = onboarding_id("versayce")
    async with skipping_installation(tmp_path, interceptors=[meanwhile]) as installation:
        meeting = installation.client.get_workflow_handle(meeting_id("versayce", "kickoff", 1))

        async def tam() -> str | None:
            try:
                proposal = (await meeting.query(Meeting.view)).proposal
            except RPCError:
                return None
            return proposal.tam if proposal is not None else None

        async def hand_over() -> None:
            await until(tam, "the proposal")
            await succession.hand_over(installation.services, "versayce", HandOver(to=NOOR, reason="Robin moves"), TAM)

        meanwhile.does = hand_over
        await begin(installation, with_noor())
        async with installation.services.store.reading() as connection:
            noor = await account_storage.member_by_email(connection, NOOR)
        assert noor is not None
        await until(lambda: serves(tam, noor.id), "the new TAM in the meeting")


async def serves(tam: Callable[[], Awaitable[str | None]], member: str) -> bool:
    """Whether the meeting's TAM is this one."""
    return await tam() == member
