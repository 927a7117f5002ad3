"""A TAM's private note is read by the TAM and whoever wrote it, and by nothing that writes mail."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import BaseModel, SecretStr
from sqlalchemy import select
from temporalio.client import Client

from rapport.mail import cadence, emails
from rapport.mail.compose import Edits
from rapport.mail.context import AccountContext
from rapport.mail.letters import MessageDraft
from rapport.model.base import Refused, UserError
from rapport.model.message import (
    AnnouncementFacts,
    CaseFacts,
    ErasureFacts,
    HandoverFacts,
    Purpose,
    TaskAnswer,
    TaskFacts,
)
from rapport.model.minutes import NewBlocker
from rapport.model.projection import TimelineEvent
from rapport.model.support_case import WrittenCase
from rapport.settings import Settings
from rapport.storage import (
    account as accounts,
    agenda,
    minutes as records,
    private_notes,
    support_case,
    timeline as timeline_storage,
)
from rapport.storage.account import member_by_email
from rapport.storage.account_data import evidence
from rapport.storage.database import Store
from rapport.storage.minutes import NewMinutes
from rapport.storage.tables import SubmissionRow
from starters.services import Services, submission
from starters.use_cases import audit, blocker, minutes, timeline as timelines
from tests.conftest import CHAMPION, TAM
from tests.helpers_mail import STATIONERY, facts, occasion
from tests.support import cadence_mail, support_case_mail, tech_review_mail
from tests.support.minutes import COLLEAGUE, PRIVATE, example
from tests.support.task_mail import TASK_MAILS

MEETING = "meeting/versayce/kickoff/1"
MORNING = datetime(2027, 1, 4, 8, tzinfo=UTC)


@pytest.fixture
async def services(store: Store, tmp_path: Path) -> Services:
    """An installation in which the example's minutes stand, written by a colleague of the TAM."""
    made = Services(Settings(data=tmp_path, secret=SecretStr("a secret of the tests")), store, cast("Client", None))
    async with store.writing() as connection:
        account = await accounts.account(connection, "versayce")
        member = await member_by_email(connection, COLLEAGUE)
        assert member is not None
        record = await minutes.resolve(connection, account, "kickoff", [], example())
        said = submission(member.id, TAM, "held", MEETING, record.as_text())
        entry = TimelineEvent(
            key="k", account="versayce", at=said.at, kind="meeting.held", who=member.id, submission=said.id
        )
        await timeline_storage.submit(connection, said)
        await timeline_storage.append(connection, [entry])
        new = NewMinutes(meeting=MEETING, account="versayce", step="kickoff", by=member.id, at=said.at, record=record)
        await records.keep(connection, new, said.id)
        await minutes.keep_note(connection, "versayce", MEETING, member, example().private_note)
    await blocker.add(made, "versayce", NewBlocker(title="Budget", owner=CHAMPION, next_check=date(2026, 12, 3)), TAM)
    return made


def texts(value: Any, seen: dict[int, Any]) -> Iterator[str]:
    """Every text that a template could come to from here, by attribute or by key."""
    if id(value) in seen:
        return
    # Kept, so that nothing else gets its id meanwhile.
    seen[id(value)] = value
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from texts([*value.keys(), *value.values()], seen)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for one in value:
            yield from texts(one, seen)
    elif isinstance(value, BaseModel):
        yield from texts([getattr(value, name) for name in type(value).model_fields], seen)
    elif is_dataclass(value):
        yield from texts([getattr(value, one.name) for one in fields(value)], seen)


async def everything_said(store: Store) -> dict[str, str]:
    """What every submission says, by its id: more than any mail is given."""
    async with store.reading() as connection:
        rows = await connection.execute(select(SubmissionRow.id, SubmissionRow.text))
        return {row.id: row.text for row in rows if row.text}


@pytest.mark.parametrize("name", sorted(emails.names()))
async def test_no_mails_context_leads_to_a_private_note(services: Services, name: str) -> None:
    """Whatever mail is written to whomever, nothing that its templates can reach holds a word of the note."""
    async with services.store.reading() as connection:
        everyone = [member.id for member in await accounts.members(connection)]
        company = await AccountContext.read(connection, "versayce", everyone)
        tam = company.members[company.account.tam]
        day = await agenda.day(connection, tam, MORNING)
        known = await evidence(connection, "versayce", date(2026, 1, 1), date(2027, 12, 31))
    assert day.blockers
    assert day.actions
    said = await everything_said(services.store)
    purpose = Purpose.TASK if name in TASK_MAILS else Purpose.NOTICE
    story = occasion(company, purpose, name, meeting=facts(company, booked=True))
    quoted = next(iter(said))
    story = story.model_copy(update={"handover": HandoverFacts(former=tam.id, submission=quoted)})
    story = story.model_copy(update={"erasure": ErasureFacts(by=tam.id, until=MORNING, submission=quoted)})
    if purpose is Purpose.TASK:
        answer = TaskAnswer(by=tam.id, option="yes", submission=quoted)
        task = TaskFacts(question="?", options=(), asked=quoted, answered=quoted, answers=(answer,))
        story = story.model_copy(update={"task": task})
    if name == "review_announcement":
        told = AnnouncementFacts(ref="TR-0007", account="Versayce", headline="It is decided", url="https://x.example")
        story = story.model_copy(update={"announcement": told})
    if name in tech_review_mail.MAILS:
        spoken = tech_review_mail.facts().model_copy(update={"request": quoted, "message": quoted})
        story = story.model_copy(update={"tech_review": spoken})
    if name in cadence_mail.MAILS:
        story = story.model_copy(update={"rhythm": cadence_mail.rhythm(company)})
    if name in support_case_mail.MAILS:
        written = WrittenCase(account="versayce", question="Why?")
        async with services.store.writing() as connection:
            ref = await support_case.add(connection, written, next(iter(company.contacts)), quoted, tam.id, MORNING)
        story = story.model_copy(update={"case": CaseFacts(ref=ref, said=quoted, by=tam.id)})
    async with services.store.reading() as connection:
        on_record = await cadence.on_record(connection, story, company.zone)
        if emails.speaks_of(name, "contract"):
            today = MORNING.date()
            found = await evidence(connection, "versayce", today - timedelta(days=90), today, company.zone)
            on_record = cadence.OnRecord(found, ends=today)
    for id_ in (*company.contacts, *everyone):
        to = company.person(id_)
        assert to is not None
        letter = MessageDraft(STATIONERY, company, story, f"V/{id_}", to, id_, said, day, on_record=on_record)
        reached = "\n".join(texts([letter._context("https://x.example"), letter, known], {}))
        assert "Send the guide on CI/CD" in reached
        assert not any(word in reached for word in (PRIVATE, "budget round"))
        if not emails.is_for(name, *to.personas):
            continue
        words = letter.words(Edits())
        assert "budget round" not in words.text + words.html + words.subject


async def test_the_search_finds_a_note_where_there_is_one(services: Services) -> None:
    """The test above would notice: in what the TAM is shown, the same search finds the note."""
    async with services.store.reading() as connection:
        shown = await minutes.shown(connection, MEETING, [], TAM.email)
    assert PRIVATE in list(texts(shown, {}))


@pytest.mark.parametrize(
    ("reader", "sees"),
    [
        (TAM.email, True),
        (TAM.email.upper(), True),
        (COLLEAGUE, True),
        ("ines.moreau@foobar.example", False),
        (CHAMPION, False),
        ("", False),
    ],
)
async def test_the_tam_and_its_writer_read_a_private_note(services: Services, reader: str, sees: bool) -> None:
    """The account's TAM and whoever wrote it see the note with the minutes; everyone else sees the minutes alone."""
    async with services.store.reading() as connection:
        shown = await minutes.shown(connection, MEETING, [], reader)
    assert shown is not None
    assert shown.note
    assert (shown.private_note == PRIVATE) is sees


async def test_no_record_tells_of_a_private_note(services: Services) -> None:
    """Neither the timeline, nor its export, nor any submission holds a word of it."""
    told = await timelines.timeline_of(services, "versayce")
    exported = await audit.export(services, "versayce")
    said = await everything_said(services.store)
    words = json.dumps([*(one.model_dump(mode="json") for one in told), exported.model_dump(mode="json"), said])
    assert "Send the guide on CI/CD" in words
    assert "budget round" not in words


async def test_nobody_replaces_a_note_that_they_may_not_read(services: Services) -> None:
    """Whoever cannot see a note cannot overwrite it either; the TAM can, and can take it away."""
    async with services.store.reading() as connection:
        account = await accounts.account(connection, "versayce")
        manager, tam = [await member_by_email(connection, email) for email in ("ines.moreau@foobar.example", TAM.email)]
        assert manager
        assert tam
        await minutes.refuse_foreign_note(connection, account, MEETING, example(), tam)
        silent = example().model_copy(update={"private_note": None})
        await minutes.refuse_foreign_note(connection, account, MEETING, silent, manager)
        with pytest.raises(UserError) as error:
            await minutes.refuse_foreign_note(connection, account, MEETING, example(), manager)
    assert (error.value.kind, error.value.field) == (Refused.FORBIDDEN, "private_note")
    async with services.store.writing() as connection:
        await minutes.keep_note(connection, "versayce", MEETING, tam, None)
        assert await private_notes.note(connection, MEETING) is not None
        await minutes.keep_note(connection, "versayce", MEETING, tam, "")
        assert await private_notes.note(connection, MEETING) is None
