"""Erasing a person: nothing in the database names them any more, and the record stays whole."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from rapport.model.account_data import WrittenIncident, WrittenProject, WrittenRoadmapItem, WrittenWin
from rapport.model.base import Refused, UserError
from rapport.model.gap import NewGap
from rapport.model.message import MessageState
from rapport.model.minutes import NewBlocker
from rapport.model.sheets import SheetRow
from rapport.storage.account_data import INCIDENTS, PROJECTS, WINS
from rapport.storage.tables import Base, SubmissionRow
from starters.use_cases import (
    account_data,
    audit,
    blocker as blockers,
    gap,
    mail_switch,
    meeting,
    message,
    succession,
    support_case,
    tech_review,
    tech_review_record,
    timeline,
)
from starters.use_cases.message import Edit
from starters.use_cases.support_case import Say
from starters.views import support_case as support_case_views
from tests.conftest import CHAMPION, HOST, SECOND_USER, TAM, USER, Installation, by, link_of, text_of, until
from tests.support.desk import DOSSIER, SAM, ask, open_desk, owner_of
from tests.support.kickoff import begin, drafted, in_phase, reviewed, vote
from tests.support.minutes import action, begun, blocker, minutes
from tests.support.tech_review import (
    CE,
    CE_VP,
    MESSAGE,
    choose,
    confirm,
    everybody_says,
    in_phase as reaches,
    people,
    request,
    write,
)

NAMES = ("luca", "bianchi", CHAMPION)


def read(value: Any) -> str:
    """A value as text; of a mail all its headers, texts and calendars as a reader's program sees them."""
    if not isinstance(value, bytes):
        return str(value)
    parsed = email.message_from_bytes(value, policy=email.policy.default)
    found = [value.decode("latin-1")]
    for part in parsed.walk():
        found += [str(header) for header in part.values()]
        if part.get_content_maintype() == "text":
            found.append(str(part.get_content()).replace("\r\n", "\n").replace("\n ", ""))
    return "\n".join(found)


async def named(installation: Installation, names: tuple[str, ...] = NAMES) -> set[tuple[str, str]]:
    """Every table and column of the whole database in which one of these stands."""
    found = set()
    async with installation.services.store.reading() as connection:
        for table in Base.metadata.sorted_tables:
            for row in await connection.execute(select(table)):
                for column, value in row._mapping.items():
                    if any(name in read(value).casefold() for name in names):
                        found.add((table.name, str(column)))
        # SQLite's index keeps words of its own; PostgreSQL's has those of its table alone.
        if connection.dialect.name == "sqlite":
            for row in await connection.execute(text("SELECT block FROM case_search_data")):
                if any(name in read(row.block) for name in names):
                    found.add(("case_search", "block"))
    return found


async def spoken_of(installation: Installation) -> None:
    """Have the champion named in everything that people can write about an account."""
    services, now = installation.services, datetime.now(UTC)
    incident = WrittenIncident(id="INC-1", title="Luca Bianchi was paged", severity=3, began=now - timedelta(days=1))
    project = WrittenProject(id="P-1", title="Checkout, led by Luca", starts=now.date())
    win = WrittenWin(id="W-1", title="LUCA  BIANCHI saw it first", day=now.date())
    item = WrittenRoadmapItem(
        id="R-1", title="Asked for by luca bianchi", expected="2027", account="versayce", touches="Bianchi needs it"
    )
    await account_data.add(services, INCIDENTS, "versayce", [SheetRow(incident)], TAM)
    await account_data.add(services, PROJECTS, "versayce", [SheetRow(project)], TAM)
    await account_data.add(services, WINS, "versayce", [SheetRow(win)], TAM)
    await account_data.add_roadmap(services, [SheetRow(item)], TAM)
    for_all = WrittenRoadmapItem(id="R-2", title="Luca Bianchi’s idea", expected="2028", account="*", touches="All")
    await account_data.add_roadmap(services, [SheetRow(for_all)], TAM)
    new = NewBlocker.model_validate(blocker(title="Bianchi has no access") | {"owner": TAM.email})
    await blockers.add(services, "versayce", new, TAM)


async def test_an_erased_person_is_named_nowhere_and_the_chain_is_whole(skipping: Installation) -> None:
    """After a held kickoff, minutes, evidence and a vote with a note: no column holds their name or address."""
    await begun(skipping)
    services = skipping.services
    written = minutes(
        attended=[CHAMPION, USER],
        goals={"short_term": ["Luca gets fewer calls"], "long_term": ["Bianchi's team on call"]},
        actions=[action("Ask Luca Bianchi for the list", owner=CHAMPION)],
        blockers=[blocker("Luca waits for the firewall")],
        next=f"Write to {CHAMPION.upper()}",
        note="Luca said yes; Mara did not.",
        private_note="Luca Bianchi has to show a result.",
    )
    await meeting.report(services, "versayce", "kickoff", "held", TAM, written=written)
    await spoken_of(skipping)
    before = await named(skipping)
    assert {table for table, _ in before} >= {
        "contacts", "submissions", "messages", "minutes", "goals", "actions", "blockers", "private_notes",
        "incidents", "projects", "wins", "roadmap_items", "roadmap_touches",
    }  # fmt: skip
    kept = {line.key for line in await message.listed(services, "versayce")}
    erased = await succession.erase_contact(services, "versayce", CHAMPION, TAM, "Luca Bianchi asked for it")
    assert (erased.messages > 5, erased.texts > 0, erased.records > 5) == (True, True, True)
    assert await named(skipping) == set()
    assert (await audit.verify(services, "versayce")).whole
    assert {line.key for line in await message.listed(services, "versayce")} >= kept
    assert await named(skipping, ("mara osei",))
    told = [entry.what for entry in await timeline.timeline_of(services, "versayce")]
    assert "A contact, primary champion, was erased from everything on record, says Robin Keller" in told
    assert "someone who has left answered: one time works" in told
    theirs = next(
        line for line in await message.listed(services, "versayce", MessageState.SENT) if line.to == "(erased)"
    )
    assert (await message.show(services, theirs.key)).text == "(erased)"
    with pytest.raises(UserError, match="has no contact") as refusal:
        await succession.erase_contact(services, "versayce", CHAMPION, TAM, "They asked for it")
    assert refusal.value.kind is Refused.NOT_FOUND
    again = await succession.erase_contact(services, "versayce", erased.contact, TAM, "They asked for it")
    assert (again.messages, again.texts, again.records) == (0, 0, 0)


async def test_what_they_said_loses_its_words_and_keeps_its_hash(skipping: Installation) -> None:
    """Whatever a person wrote is gone with its salt, though it names nobody; what others wrote of nobody stays."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    link = link_of((await skipping.mailed(1, CHAMPION))[0])
    await meeting.vote_by_link(skipping.services, link, ("1",), "Mornings are better")
    other = link_of((await skipping.mailed(1, USER))[0])
    await meeting.vote_by_link(skipping.services, other, ("1",), "Any time")
    await succession.erase_contact(skipping.services, "versayce", CHAMPION, TAM, "They asked for it")
    async with skipping.services.store.reading() as connection:
        said = (await connection.execute(select(SubmissionRow))).all()
    assert "Mornings are better" not in [row.text for row in said]
    assert "Any time" in [row.text for row in said]
    assert [row.salt for row in said if row.text is None and row.text_hash is not None] == [None]
    assert (await audit.verify(skipping.services, "versayce")).whole
    with pytest.raises(UserError):
        await meeting.vote_by_link(skipping.services, link, ("2",), None)


async def test_drafts_to_them_go_to_whoever_follows_and_others_forget_them(skipping: Installation) -> None:
    """A draft to them is suppressed, edits that name them are cleared, and their successor is written to."""
    await begin(skipping, reviewed("approve"))
    await drafted(skipping)
    services = skipping.services
    drafts = {draft.to: draft.key for draft in await message.drafts(services, "versayce")}
    await message.edit(services, drafts[USER], Edit(subject="For you and Luca", paragraph="Ask Luca Bianchi."), TAM)
    await succession.erase_contact(services, "versayce", CHAMPION, TAM, "They asked for it")
    assert await named(skipping) == set()
    assert (await message.show(services, drafts[USER])).paragraph == "Ask (erased)."
    assert (await message.show(services, drafts[USER])).subject == "For you and (erased)"
    nora = "nora.vidal@versayce.example"
    newcomer = {"persona": "primary_champion", "name": "Nora Vidal", "email": nora, "zone": "Europe/Zurich"}
    await succession.add_contact(services, "versayce", succession.Newcomer(**newcomer, reason="She follows"), TAM)

    async def followed() -> bool:
        return nora in {draft.to for draft in await message.drafts(services, "versayce")}

    await until(followed, "the successor's draft")
    states = {line.key: line.state for line in await message.listed(services, "versayce")}
    assert states[drafts[CHAMPION]] is MessageState.SUPPRESSED
    assert (await audit.verify(services, "versayce")).whole


async def test_what_waits_to_be_sent_to_others_is_written_without_them(skipping: Installation) -> None:
    """Frozen mails that have not left yet lose their bytes with the name, and go all the same once mail is started."""
    await begin(skipping)
    await in_phase(skipping, "voting")
    await skipping.mailed(4)
    await mail_switch.stop(skipping.services, HOST, "A test")
    await vote(skipping, CHAMPION, "1")
    await vote(skipping, USER, "1")
    await in_phase(skipping, "booked")

    async def frozen() -> bool:
        return len(await message.listed(skipping.services, "versayce", MessageState.READY)) == 5

    await until(frozen, "the invitations")
    await succession.erase_contact(skipping.services, "versayce", CHAMPION, TAM, "They asked for it")
    assert await named(skipping) == set()
    await mail_switch.start(skipping.services, HOST, "A test")
    await skipping.sleep_until(await skipping.now() + timedelta(minutes=2))
    mail = (await skipping.mailed(2, SECOND_USER))[1]
    assert skipping.mails(CHAMPION) == []
    assert "bianchi" not in read(mail.as_bytes()).casefold()
    assert "erased.invalid" not in read(mail.as_bytes())
    assert text_of(mail)
    assert await named(skipping) == set()


async def test_the_desk_and_reviews_forget_them_as_well(skipping: Installation) -> None:
    """Who asked a case, was spoken of in a dossier, a draft and a gap, and confirmed a review: nothing names them."""
    services = skipping.services
    await open_desk(skipping)
    await people(skipping)
    ref = (await ask(skipping, "Who rotates tokens, says Luca?", by(CHAMPION))).ref
    other = (await ask(skipping, "Bianchi wants to know it too", by(SAM), contact=USER, partner="Luca Bianchi")).ref
    for case in (ref, other):
        await owner_of(skipping, case)
        await support_case.note(services, case, Say(text="Call Luca back"), by(SAM))
    dossier = DOSSIER.model_copy(update={"impact": "Luca Bianchi cannot deploy"})
    await support_case.escalate(services, ref, dossier, by(SAM))
    draft = (await support_case.to_review(services, ref, Say(text="Bianchi insists."), by(SAM))).draft
    assert "Call Luca back" in draft
    review = (await tech_review.submit(services, request(await today(skipping), context=draft, case=ref), by(CE))).ref
    new = NewGap(title="Rotation for Luca", description=f"{CHAMPION} asked", cases=(ref,))
    await gap.log(services, new, TAM)
    await everybody_says(skipping, review)
    await choose(skipping, review, "recommendation", CE_VP, "yes", "Luca is right")
    await reaches(skipping, review, "message")
    await write(skipping, review, MESSAGE | {"message": "Dear Luca Bianchi, yes."})
    await confirm(skipping, review)
    await reaches(skipping, review, "closed")
    before = {table for table, _ in await named(skipping)}
    kept = {"contacts", "submissions", "messages", "cases", "case_texts", "gaps"}
    assert before >= (kept | {"case_search"} if skipping.services.store.url.startswith("sqlite") else kept)
    await succession.erase_contact(services, "versayce", CHAMPION, TAM, "They asked for it")
    assert await named(skipping) == set()
    assert (await audit.verify(services, "versayce")).whole
    shown = await support_case_views.show(services, ref)
    assert (shown.question, shown.contact) == ("(this text was erased)", "someone who has left")
    assert (await tech_review.show(services, review)).outcome == "approved"
    assert (await tech_review_record.record(services, review)).markdown


async def today(installation: Installation) -> date:
    """The day that the server has."""
    return (await installation.now()).date()
