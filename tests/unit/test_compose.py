"""What a mail promises to its reader: the right words, exact headers, bytes that survive every relay."""

from __future__ import annotations

import asyncio
import contextlib
import email
import itertools
import re
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.policy import default
from email.utils import getaddresses
from functools import cache
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
import jinja2.meta
import pytest
from aiosmtpd.smtp import SMTP, Envelope as Handed, Session
from hypothesis import example, given, settings, strategies as st
from pydantic import TypeAdapter, ValidationError

from rapport.mail import compose, emails, filters, invite
from rapport.mail.cadence import OnRecord
from rapport.mail.compose import (
    DRAFT_TOKEN,
    HEADERS,
    Edits,
    Envelope,
    MailWords,
    Person,
    freeze,
    masked,
    message_id,
)
from rapport.mail.context import AccountContext
from rapport.mail.letters import MessageDraft
from rapport.model.account import Account, AccountFile, Contact, ContactWork, Member, Schedule, personas
from rapport.model.base import MAX_NAME, Email, Name, UserError, mail_address
from rapport.model.message import (
    AnnouncementFacts,
    ErasureFacts,
    HandoverFacts,
    MeetingFacts,
    MessageRequest,
    Purpose,
    TaskAnswer,
    TaskFacts,
)
from rapport.model.minutes import ActionRecord, MinutesRecord, Pending
from rapport.model.reading import read_toml
from rapport.storage.agenda import Agenda, Appointment, Going, Item, Pile
from tests.helpers_mail import NOW, STATIONERY, facts, mailer_to, nothing, occasion, slots
from tests.mail_fixtures import EXAMPLE
from tests.support import cadence_mail, support_case_mail, tech_review_mail
from tests.support.personas import of_every_persona
from tests.support.task_mail import TASK_MAILS

PURPOSES = {
    "meeting_cancelled": Purpose.INVITATION,
    "meeting_invitation": Purpose.INVITATION,
    "meeting_parting": Purpose.PARTING,
    "meeting_reminder": Purpose.REMINDER,
    "review_meeting": Purpose.PROPOSAL,
    "welcome": Purpose.PROPOSAL,
}
PROPOSALS = {
    *("welcome", "growth_welcome", "meeting_proposal", "rollout_proposal", "deployment_proposal"),
    "review_meeting",
}
UNLINKED = {"task_outcome", "sign_off_silent"} | tech_review_mail.OF_TASKS - tech_review_mail.ASKING
LINKED_MAILS = PROPOSALS | {"meeting_reminder", "meeting_invitation", "sign_in"} | TASK_MAILS - UNLINKED
USERS = [persona for persona, rules in personas().items() if rules.topics == {"goals"}]
FIGURES = {"welcome": 3, "growth_welcome": 3, "first_month": 1, "review_brief": 3, "kickoff_brief": 3}
"""How many figures a mail tells those whom they concern."""
READERS = [*personas(), "tam"]
SECRET = b"a secret"
PAGE = "https://rapport.vendor.example/reviews/TR-0007"
CALM = settings(deadline=None, max_examples=150)

LUCA = Person("Luca Bianchi", "luca.bianchi@versayce.example", zone="Europe/Zurich")
ROBIN = Person("Robin Keller", "robin.keller@foobar.example", title="Technical Account Manager")
KEY = "V-2026-11/kickoff/1/1/1/proposal/welcome/c_0123456789abcdef"


@cache
def company(*, sparse: bool = False) -> AccountContext:
    """The example's people: with all that can be known of them, or with as little as an account file may say."""
    file = read_toml(AccountFile, EXAMPLE.read_bytes(), "versayce.toml")

    def schedule(written: Schedule) -> Schedule:
        return Schedule.model_validate(written.model_dump(include=set(Schedule.model_fields)))

    contacts = [
        Contact(
            id=f"c_{index}",
            account="versayce",
            personas=contact.personas,
            name=contact.name,
            email=contact.email,
            title=None if sparse else contact.title,
            schedule=schedule(contact),
            work=ContactWork() if sparse else ContactWork.model_validate(contact.model_dump()),
        )
        for index, contact in enumerate(file.contacts)
    ]
    members = [
        Member(
            id=f"m_{index}",
            name=member.name,
            email=member.email,
            roles=member.roles,
            title=None if sparse else member.title,
            join_url=None if sparse or member.join_url is None else str(member.join_url),
            schedule=schedule(member),
        )
        for index, member in enumerate(file.members)
    ]
    assert file.vendor is not None
    account = Account(
        key=file.account.key,
        name=file.account.name,
        tam="m_0",
        place=None if sparse else file.account.place,
        facts=file.account.facts,
        figures=type(file.account.figures)() if sparse else file.account.figures,
    )
    return AccountContext(
        vendor=file.vendor.model_copy(update={"company_health": None}) if sparse else file.vendor,
        account=account,
        contacts={contact.id: contact for contact in of_every_persona(contacts)},
        members={member.id: member for member in members},
    )


def sparse_facts(email: str) -> MeetingFacts:
    """The least that a mail is told of its meeting: what is booked or voted on, and nothing else."""
    times = 1 if email == "meeting_reminder" else 0
    named = (
        "kickoff_brief",
        "meeting_cancelled",
        "meeting_change",
        "meeting_invitation",
        "meeting_parting",
        "meeting_report",
        "review_meeting_notes",
    )
    booked = email in named
    return facts(company(sparse=True), times=times, booked=booked).model_copy(
        update={"silent": (), "reason": "nobody's working hours meet", "agenda": (("Goals", 5),)}
    )


def letter(
    name: str, reader: str, *, sparse: bool = False, where: str = "remote", purpose: Purpose | None = None
) -> MessageDraft:
    """One mail to whoever has this persona, or to the TAM."""
    around = company(sparse=sparse)
    ids = {contact.personas[0]: contact.id for contact in around.contacts.values()} | {"tam": around.account.tam}
    to = around.person(ids[reader])
    assert to is not None
    meeting = sparse_facts(name) if sparse else facts(around, booked=True)
    meeting = meeting.model_copy(update={"where": where})
    story: MessageRequest = occasion(around, purpose or PURPOSES.get(name, Purpose.NOTICE), name, meeting=meeting)
    if name in TASK_MAILS:
        task = TaskFacts(question="May it be onsite?", options=(("approve", "Approve"), ("deny", "Deny")))
        story = story.model_copy(update={"purpose": Purpose.TASK, "task": task if sparse else full_task(ids[reader])})
    if name in tech_review_mail.MAILS:
        story = story.model_copy(update={"tech_review": tech_review_mail.facts(sparse=sparse)})
    if name in cadence_mail.MAILS:
        story = story.model_copy(update={"rhythm": cadence_mail.rhythm(around, sparse=sparse)})
    if name == "review_announcement":
        told = AnnouncementFacts(
            ref="TR-0007", account="Versayce", headline="TR-0007, Versayce: it is decided", url=PAGE
        )
        words = told if sparse else told.model_copy(update={"text": "Yes, <if> they\ncarry it in themselves"})
        story = story.model_copy(update={"announcement": words})
    if name == "account_handed_over":
        given = HandoverFacts(former="gone") if sparse else HandoverFacts(former="m_1", until=NOW, submission="s_4")
        story = story.model_copy(update={"handover": given})
    if name == "erasure_asked":
        story = story.model_copy(
            update={"erasure": ErasureFacts(by="gone" if sparse else "m_1", until=NOW, submission="s_4")}
        )
    on_record = replace(cadence_mail.on_record(sparse=sparse), ends=NOW.date())
    if name in support_case_mail.MAILS:
        story = story.model_copy(update={"case": support_case_mail.facts(sparse=sparse)})
        on_record = OnRecord(case=support_case_mail.file(sparse=sparse))
    return MessageDraft(
        STATIONERY,
        around,
        story,
        f"V/kickoff/1/1/1/x/x/{ids[reader]}",
        to,
        ids[reader],
        {} if sparse else SAID | tech_review_mail.SAID,
        sparse_day() if sparse else full_day(),
        on_record=on_record,
    )


def is_for(name: str, reader: str) -> bool:
    """Whether a mail is for whoever has this persona, or for the TAM."""
    return emails.is_for(name, *(() if reader == "tam" else (reader,)))


def its_reader(name: str, wanted: str = "primary_champion") -> str:
    """The first whom a mail is for, whoever is wanted before others."""
    return next(reader for reader in (wanted, *READERS) if is_for(name, reader))


def sparse_day() -> Agenda:
    """The least that a morning mail tells."""
    return Agenda(drafts=(Pile(account="versayce", of="Versayce", count=1),))


def full_day() -> Agenda:
    """All that a morning mail can tell, with and without what need not be known."""
    first, second = slots(2)
    item = Item(
        account="versayce",
        of="Versayce",
        title="Onsite kickoff",
        what="Is it held on site?",
        deadline=NOW,
        overdue=True,
    )
    open_ = item.model_copy(update={"deadline": None, "overdue": False})
    blocker = Pending(
        id="b_1",
        account="versayce",
        of="Versayce",
        title="The firewall lets <nothing> through",
        owner="Luca Bianchi",
        mine=False,
        day=NOW.date(),
        overdue=False,
    )
    meeting = Appointment(
        account="versayce",
        of="Versayce",
        title="Kickoff",
        start=first.start,
        end=first.end,
        place="https://meet.foobar.example/robin-keller",
        answered=3,
        asked=4,
        agenda=(("Goals", 5),),
        coming=("Dana Whitfield, key business contact", "Mara <Osei>, primary user"),
        mention=("projected roi: 3.2 times the licence",),
    )
    bare = meeting.model_copy(update={"start": second.start, "end": second.end, "place": None, "asked": 0})
    return Agenda(
        waiting=(item, open_),
        drafts=(Pile(account="versayce", of="Versayce", count=2),),
        meetings=(meeting, bare.model_copy(update={"agenda": ()}), bare.model_copy(update={"place": "Room <Limmat>"})),
        going=(
            Going(account="versayce", of="Versayce", title="Kickoff with FooBar", to="Luca Bianchi"),
            Going(account="versayce", of="Versayce", title="Second note", at=NOW),
        ),
        awaited=(item, open_),
        blockers=(blocker, blocker.model_copy(update={"mine": True, "overdue": True})),
        actions=(blocker.model_copy(update={"title": "Send the guide", "overdue": True, "mine": True}), blocker),
    )


SAID = {"s_1": '{"reason": "They are large.", "cost": "900 EUR"}', "s_2": "Which day?", "s_3": "Tuesday.", "s_4": "Go."}


def full_task(reader: str) -> TaskFacts:
    """A human task of which everything is known."""
    return TaskFacts(
        question="May it be onsite?",
        options=(("approve", "Approve"), ("deny", "Deny")),
        asks=("reason", "cost"),
        request="s_1",
        asked="s_2",
        asked_by="m_1",
        answered="s_3",
        requester="m_0",
        deadline=NOW,
        outcome="approve",
        answers=(TaskAnswer(by="m_1", option="approve", submission="s_4"),),
        changes="s_4",
        deciders=("c_1",),
        about="c_3",
        finds_out=("languages",),
        in_place_of={reader: "m_1"},
    )


def frozen(
    *,
    to: Person = LUCA,
    tam: Person = ROBIN,
    sender: str = "onboarding@foobar.example",
    key: str = KEY,
    subject: str = "Welcome",
    text: str = "Hello\n",
    html: str = "<p>Hello</p>",
    calendar: tuple[str, bytes] | None = None,
) -> bytes:
    """A mail's bytes."""
    envelope = Envelope(key, sender, to, tam, "VERSAYCE-2026-11/thread/c_0123456789abcdef", SECRET, NOW)
    return freeze(MailWords(subject, text, html), envelope, calendar)


def headers(raw: bytes) -> dict[str, str]:
    """A mail's headers as RFC 5322 and RFC 2047 read them, by a parser that the product does not use."""
    read: Message = email.message_from_bytes(raw)
    assert len(read.keys()) == len(set(read.keys()))
    return {name: str(value).replace("\r\n", "").replace("\n", "") for name, value in read.items()}


def decoded(value: str) -> str:
    """A header's text, its encoded words read (RFC 2047)."""
    return " ".join(str(make_header(decode_header(value))).split())


def mailbox(value: str) -> tuple[str, str]:
    """The one mailbox that a header names: name and address."""
    [(name, address)] = getaddresses([value])
    return decoded(name), address


def body(raw: bytes, kind: str) -> str:
    """A mail's text or HTML part."""
    read = email.message_from_bytes(raw, policy=default)
    assert isinstance(read, EmailMessage)
    part = read.get_body(preferencelist=(kind,))
    assert isinstance(part, EmailMessage)
    return str(part.get_content()).replace("\r\n", "\n")


class Elements(HTMLParser):
    """The elements of an HTML text, with the links among their attributes, and its visible words."""

    def __init__(self, html: str) -> None:
        """Read it."""
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element begins."""
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "action") and value]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        """Words."""
        self.words += data


def assert_wire(raw: bytes, *, unbreakable: int = 0) -> None:
    """Assert what holds of every mail: 7 bits, CRLF only, lines of 78 unless one token alone is longer."""
    assert raw.isascii()
    assert b"\0" not in raw
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    longest = max(len(line) for line in raw.split(b"\r\n"))
    assert longest <= max(78, unbreakable)
    assert longest <= 998


# --- words


@pytest.mark.parametrize("name", sorted(emails.names()))
def test_every_mail_renders_for_every_reader(name: str) -> None:
    """Every mail renders for all whom it is for, with all that can be known and with the least, without a gap."""
    for reader, sparse in itertools.product(READERS, (False, True)):
        if not is_for(name, reader):
            with pytest.raises(UserError, match="not for"):
                letter(name, reader, sparse=sparse).words(Edits())
            continue
        words = letter(name, reader, sparse=sparse).words(Edits())
        shown = Elements(words.html)
        for part in (words.subject, words.text, shown.words):
            assert part.strip(), (reader, sparse)
            assert not re.search(r"\bNone\b(?! of these)|\{\{|\{%|Undefined|\[\]|\(\)", part), (reader, sparse, part)
        assert not re.search(r"[ \t]$|\n{3}", words.text, re.MULTILINE), (reader, sparse)
        assert all(link.startswith(("https://", "mailto:")) for link in shown.links), (reader, sparse)


@pytest.mark.parametrize("name", ["rollout_proposal", "deployment_proposal"])
def test_no_mail_says_that_a_kickoff_took_place_that_did_not(name: str) -> None:
    """What is proposed after the kickoff speaks of it as held only if it was; its times go in any case."""
    mail = letter(name, "primary_champion")
    meeting = mail.meeting
    assert meeting is not None
    planned = meeting.model_copy(update={"title": "Planning", "agenda": (("Goals", 5),)})
    mail = replace(mail, occasion=mail.occasion.model_copy(update={"meeting": planned}))
    held = mail.words(Edits())
    skipped = replace(mail, left_out=("kickoff_held",)).words(Edits())
    for told, silent in ((held.text, skipped.text), (held.html, skipped.html)):
        assert "Now that the kickoff has taken place" in " ".join(told.split())
        assert "kickoff" not in silent.lower()
        assert DRAFT_TOKEN in silent


@pytest.mark.parametrize(
    ("minutes", "review"),
    [
        (None, "write"),
        (MinutesRecord(note="It went well"), "write"),
        (MinutesRecord(short_term=("Fewer alerts",)), "auto"),
        (MinutesRecord(actions=(ActionRecord(what="Send it", owner="m_0", due=NOW.date()),)), "auto"),
    ],
)
def test_without_minutes_the_tam_writes_what_follows_a_review(minutes: MinutesRecord | None, review: str) -> None:
    """Without a word on what was agreed it would be an empty thank-you: it stays a draft, whatever goes by itself."""
    draft = letter("review_follow_up", "key_business_contact", purpose=Purpose.MESSAGE)
    auto = draft.occasion.model_copy(update={"review": "auto"})
    assert replace(draft, occasion=auto, on_record=OnRecord(minutes=minutes)).review == review
    assert replace(draft, occasion=auto, on_record=None).review == "write"


@pytest.mark.parametrize("name", ["weekly_brief", "weekly_digest", "review_brief", "review_follow_up"])
def test_what_looks_back_lists_the_cases(name: str) -> None:
    """Digest, briefs and the mail after a review name each case of the time, its severity, and whether it is solved."""
    words = letter(name, its_reader(name)).words(Edits())
    for part in (words.text, Elements(words.html).words):
        assert "C-00007: All is down (severity 1), open since" in part
        assert "C-00005: How do I rotate a token? (severity 3), resolved" in part
    assert "Support cases" not in letter(name, its_reader(name), sparse=True).words(Edits()).text


@pytest.mark.parametrize("name", ["review_asked", "review_due", "review_submitted"])
def test_a_date_that_may_lie_years_ahead_tells_its_year_and_its_zone(name: str) -> None:
    """Whoever is asked reads by when the customer needs it: with the year, in which zone."""
    words = letter(name, "tam").words(Edits())
    for part in (words.text, " ".join(Elements(words.html).words.split())):
        assert re.search(r"by:? \w+ \d+ \w+ 20\d\d, \d\d:\d\d \(\w+ time\)", part), part


@pytest.mark.parametrize("where", ["remote", "onsite"])
@pytest.mark.parametrize("sparse", [False, True], ids=["full", "sparse"])
def test_an_invitation_names_the_place_that_is_known(where: str, sparse: bool) -> None:
    """An invitation says where to go or what to join if that is known, and drops the line if it is not."""
    mail = letter("meeting_invitation", "primary_champion", sparse=sparse, where=where)
    _, raw = mail.freeze(Edits(), secrets.token_urlsafe(32), NOW)
    text = body(raw, "plain")
    place = "room Limmat" if where == "onsite" else "https://meet.foobar.example/robin-keller"
    assert (place in text) is not sparse
    assert ("Where:" in text, "Join:" in text) == (
        (where, sparse) == ("onsite", False),
        (where, sparse) == ("remote", False),
    )


@pytest.mark.parametrize("reader", READERS)
def test_figures_reach_those_whom_they_concern(reader: str) -> None:
    """The proof of concept's figures, the ROI and the vendor's health never reach a user, in any mail or part of it."""
    around = company()
    known = (around.vendor.company_health, around.account.figures.poc_result, around.account.figures.projected_roi)
    for name in (one for one in emails.names() if is_for(one, reader)):
        _, raw = letter(name, reader).freeze(Edits(), secrets.token_urlsafe(32), NOW)
        everything = " ".join(str(part) for part in email.message_from_bytes(raw, policy=default).walk())
        parts = body(raw, "plain"), body(raw, "html"), everything
        found = [figure for figure in known if figure and any(figure in part for part in parts)]
        assert len(found) == (0 if reader in USERS else FIGURES.get(name, 0))


@pytest.mark.parametrize("reader", READERS)
def test_no_template_is_given_a_figure_that_is_not_its_readers(reader: str) -> None:
    """With every figure known, none stands in anything that a mail to a user could speak of, whatever its words."""
    around = company()
    known = (around.vendor.company_health, around.account.figures.poc_result, around.account.figures.projected_roi)
    assert all(known)
    for name in emails.names():
        context = letter(name, reader)._context("https://rapport.foobar.example/m/x")
        figures = context.pop("figures")
        assert set(figures.values()) == (set() if reader in USERS else set(known))
        everything = repr(context)
        assert not [figure for figure in known if figure and (figure in everything or repr(figure)[1:-1] in everything)]


@pytest.mark.parametrize("reader", READERS)
def test_a_mail_of_several_parts_keeps_figures_to_those_whom_they_concern(reader: str) -> None:
    """Whatever mail becomes a part of another, each part is written for the one who reads it."""
    around = company()
    known = (around.vendor.company_health, around.account.figures.poc_result, around.account.figures.projected_roi)
    guests = tuple((letter(name, reader), Edits()) for name in sorted(emails.names()) if is_for(name, reader))
    host = "hello" if reader in personas() else "morning"
    words = replace(letter(host, reader), guests=guests).words(Edits())
    alone = letter(host, reader).words(Edits())
    told = [figure for figure in known if figure and any(figure in part for part in (words.text, words.html))]
    assert bool(told) is (reader not in USERS)
    assert words.text.count("* * *") == len(guests)
    assert words.text.partition("\n--\n")[2] == alone.text.partition("\n--\n")[2]
    assert len(words.subject) <= MAX_NAME


def test_an_unknown_figure_drops_its_line() -> None:
    """A figure that is not known takes its line along, and the others stay."""
    around = company()
    figures = around.account.figures.model_copy(update={"projected_roi": None})
    less = replace(around, account=around.account.model_copy(update={"figures": figures}))
    words = replace(letter("welcome", "primary_champion"), company=less).words(Edits())
    for part in (words.text, words.html):
        assert "Projected return" not in part
        assert "Proof of concept" in part
    none = letter("welcome", "primary_champion", sparse=True).words(Edits())
    assert "Proof of concept" not in none.text + none.html


@pytest.mark.parametrize(
    "zone", ["America/New_York", "Europe/Zurich", "Asia/Kolkata", "Pacific/Auckland", "America/St_Johns"]
)
@pytest.mark.parametrize(
    "name", ["welcome", "meeting_proposal", "meeting_reminder", "meeting_invitation", "meeting_stuck"]
)
def test_times_stand_in_the_readers_zone(name: str, zone: str) -> None:
    """Every time in a mail is wall time of its reader's zone, and the mail says which zone that is."""
    mail = letter(name, its_reader(name))
    words = replace(mail, to=replace(mail.to, zone=zone)).words(Edits())
    told = slots(1) if name == "meeting_invitation" else slots()
    for part in (words.text, Elements(words.html).words):
        for slot in told:
            here, end = slot.start.astimezone(ZoneInfo(zone)), slot.end.astimezone(ZoneInfo(zone))
            assert f"{here:%A} {here.day} {here:%B}" in part
            assert re.search(rf"{here:%H:%M} ?– ?{end:%H:%M}", part)
        assert f"{zone.rpartition('/')[2].replace('_', ' ')} time" in part


def test_the_clock_is_that_of_the_day_not_of_today() -> None:
    """A time in summer is told by summer's clock, although the mail is written in winter."""
    assert filters.clock(datetime(2027, 7, 1, 12, tzinfo=UTC), "Europe/Zurich") == "14:00"
    assert filters.clock(datetime(2026, 12, 1, 12, tzinfo=UTC), "Europe/Zurich") == "13:00"
    assert filters.clock(datetime(2026, 12, 1, 12, tzinfo=UTC), "America/St_Johns") == "08:30"


def spoken(name: str) -> set[str]:
    """Every name that a mail's templates speak of."""
    used = {one for tree in emails.templates(name) for one in jinja2.meta.find_undeclared_variables(tree)}
    return used - emails.GIVEN


@pytest.mark.parametrize("name", sorted(emails.names()))
def test_a_missing_variable_is_an_error(name: str) -> None:
    """A template that is not given something it speaks of refuses to render, and never leaves a blank."""
    used = spoken(name)
    assert used
    readers = [reader for reader in READERS if is_for(name, reader)]
    contexts = [letter(name, reader)._context("https://rapport.foobar.example/m/x") for reader in readers]
    for context in contexts:
        compose.write(name, context, Edits())
    for variable in sorted(used):
        refused = 0
        for context in contexts:
            less = {other: value for other, value in context.items() if other != variable}
            with contextlib.suppress(UserError):
                compose.write(name, less, Edits())
                continue
            refused += 1
        # What a mail says to some alone is missed by them.
        assert refused, variable


def test_a_missing_detail_is_an_error() -> None:
    """The same holds for what stands inside a variable, and for a mail that needs a meeting and has none."""
    context = letter("welcome", "primary_champion")._context("https://rapport.foobar.example/m/x")
    without = {**context, "meeting": {name: value for name, value in context["meeting"].items() if name != "deadline"}}
    for broken in (without, {**context, "meeting": None}):
        with pytest.raises(UserError, match="cannot be rendered"):
            compose.write("welcome", broken, Edits())
    unbooked = letter("meeting_invitation", "primary_champion", purpose=Purpose.NOTICE)._context("https://x.example")
    with pytest.raises(UserError, match="cannot be rendered"):
        compose.write("meeting_invitation", {**unbooked, "meeting": {**unbooked["meeting"], "start": None}}, Edits())


def test_an_unknown_mail_is_refused_with_the_known_ones() -> None:
    """A name that no mail has is refused, with the names that are; a path leads nowhere."""
    for name in ("wellcome", "../emails/welcome", "", "layout.html"):
        with pytest.raises(UserError) as refusal:
            compose.write(name, {}, Edits())
        assert "welcome" in refusal.value.fix


# --- links


@pytest.mark.parametrize(
    "link",
    [
        *("javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)", "vbscript:x"),
        *("data:text/html,x", "//evil.example/x", "/m/x", "", "file:///etc/passwd", "HTTPS://x.example"),
    ],
)
@pytest.mark.parametrize("name", ["welcome", "meeting_reminder"])
def test_a_link_that_runs_something_is_refused(name: str, link: str) -> None:
    """A mail is never written around a link that is not http, https or mailto."""
    with pytest.raises(UserError, match="link"):
        compose.write(name, letter(name, "primary_champion")._context(link), Edits())


def test_a_join_link_that_runs_something_is_refused() -> None:
    """The address of a meeting room is checked like any other link, in the mail and in its calendar part."""
    around = company()
    tam = around.tam.model_copy(update={"join_url": "javascript:alert(1)"})
    mail = letter("meeting_invitation", "primary_champion")
    mail = replace(mail, company=replace(around, members={**around.members, tam.id: tam}))
    with pytest.raises(UserError):
        mail.words(Edits())
    with pytest.raises(UserError, match="invitation"):
        mail._calendar(NOW)


TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=43, max_size=43)


@given(TOKENS, st.text(max_size=30), st.text(max_size=30))
def test_no_token_survives_masking(token: str, before: str, after: str) -> None:
    """A masked text holds no personal token, wherever in it the link stands."""
    link = STATIONERY.link(token)
    for text in (f"{before}{link}{after}", f'{before} <a href="{link}">{link}</a> {after}', f"{link}\n{link}."):
        assert f"/m/{token}" not in masked(text)
        assert STATIONERY.link(DRAFT_TOKEN) in masked(text)


@pytest.mark.parametrize(
    "edits", [Edits(), Edits(body="Here: https://rapport.foobar.example/m/your-personal-link\nBye")]
)
@pytest.mark.parametrize("name", sorted(emails.names()))
def test_what_others_see_of_a_sent_mail_holds_no_token(name: str, edits: Edits) -> None:
    """Of a frozen mail, as written or as edited, others see every word but the personal link."""
    token = secrets.token_urlsafe(32)
    _, raw = letter(name, its_reader(name, "primary_user")).freeze(edits, token, NOW)
    shown = compose.readable(raw)
    had = {part for part in ("text", "html") if token in shown[part]}
    assert had == ({"text", "html"} if edits.body or name in LINKED_MAILS else set())
    assert not any(token in masked(shown[part]) for part in shown)
    assert all(DRAFT_TOKEN in masked(shown[part]) for part in had)


@pytest.mark.parametrize("name", sorted(emails.names()))
def test_a_draft_holds_no_working_link(name: str) -> None:
    """What a member reads as a draft cannot be used to answer in its reader's place."""
    words = letter(name, its_reader(name)).words(Edits())
    for part in (words.text, words.html):
        assert set(re.findall(r"/m/([\w-]+)", part)) <= {DRAFT_TOKEN}


def test_an_edited_body_stands_for_both_parts() -> None:
    """A member's text replaces both parts; its markup is shown and not run, and its link becomes the reader's own."""
    token = secrets.token_urlsafe(32)
    placeholder, link = STATIONERY.link(DRAFT_TOKEN), STATIONERY.link(token)
    typed = f"Hi Luca & <b>all</b>,\n<script>alert(1)</script>\n\n{{{{ 7*7 }}}} choose: {placeholder}\nbye"
    _, raw = letter("welcome", "primary_champion").freeze(Edits(body=typed, subject="Our kickoff"), token, NOW)
    assert headers(raw)["Subject"] == "Our kickoff"
    assert body(raw, "plain") == typed.replace(placeholder, link) + "\n"
    html = Elements(body(raw, "html"))
    assert not {"script", "b"} & set(html.tags)
    assert "<script>alert(1)</script>" in html.words
    assert "{{ 7*7 }}" in html.words
    assert link in html.links
    assert placeholder not in body(raw, "plain") + body(raw, "html")


def test_an_edited_body_makes_no_link_that_runs_something() -> None:
    """Only web and mail addresses of a member's text become links."""
    _, raw = letter("welcome", "primary_champion").freeze(
        Edits(body='javascript:alert(1) data:text/html,x https://a.example/?a=1&b="2" x@y.example'), "x" * 43, NOW
    )
    assert all(link.startswith(("https://", "mailto:")) for link in Elements(body(raw, "html")).links)


def test_a_personal_paragraph_is_words_and_not_markup() -> None:
    """A paragraph that a member adds stands in both parts as typed, one HTML paragraph for each of its own."""
    words = letter("welcome", "primary_champion").words(Edits(paragraph="See <i>you</i>\n\nsoon & well {{ 1+1 }}"))
    assert "See <i>you</i>\n\nsoon & well {{ 1+1 }}" in words.text
    html = Elements(words.html)
    assert "i" not in html.tags
    assert "See <i>you</i>" in html.words
    assert "soon & well {{ 1+1 }}" in html.words


# --- names that would be more than names

NASTY = [
    "=?utf-8?q?x=0D=0ABcc:evil@evil.example?=",
    "Luca\r\nBcc: evil@evil.example",
    "Luca\nX-Evil: 1",
    "Luca\0Bianchi",
    "Luca\x0bBianchi",
    "Luca\x85Bianchi",
    "Luca\u2028Bcc: evil@evil.example",
    "Luca\u2029Bianchi",
    "Luca \u202eihcnaiB",
    "Luca \u2066x\u2069",
    "{{7*7}}",
    "{% raw %}",
    "<script>alert(1)</script>",
    '"Luca" <evil@evil.example>',
    "Bianchi, Luca",
    "a, b, c <d@e.example>, f",
    'Whitfield, Dana "DJ" (VP of Engineering; Observability and Performance, EMEA) <x@y.example>',
    "Luca (comment) Bianchi",
    "Luca: group;",
    "back\\slash \\",
    "👩‍🚀 Luca 👍🏽",
    "Ω" * 120,
    "x" * 120,
    "a, b " * 24,
    "漢字 " * 40,
    "é" * 60 + ", " + '"' * 10,
    "'; DROP TABLE messages; --",
    "Zoë  Müller",
    "\u200bLuca",
    "=",
    "=? x",
    "?=",
    ".",
    "@",
]
NAMES = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=120),
    st.text('",;:<>()[]\\@.=? aé漢👍\r\n', max_size=120),
    st.lists(st.sampled_from(NASTY), max_size=4).map(" ".join).map(lambda text: text[:120]),
)


def every(function: Any) -> Any:
    """Try each of the known nasty names as well."""
    for name in NASTY:
        function = example(name)(function)
    return function


@pytest.mark.parametrize("name", NASTY[:10])
def test_what_could_forge_a_header_is_refused(name: str) -> None:
    """Line breaks of any kind, NUL, marks of direction and encoded words are refused at the edge and in the mail."""
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(name)
    with pytest.raises(UserError):
        frozen(to=replace(LUCA, name=name))
    with pytest.raises(UserError):
        frozen(tam=replace(ROBIN, name=name))
    with pytest.raises(UserError):
        frozen(subject=name)


@every
@CALM
@given(NAMES)
def test_a_name_is_refused_or_harmless(name: str) -> None:
    """Whatever someone is called, either it is refused or the mail's headers are exactly those that were meant."""
    try:
        checked = TypeAdapter(Name).validate_python(name)
    except ValidationError:
        # Should it stand in the database nevertheless, the mail is refused, or as harmless as any.
        checked = name
        if re.search(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|=\?", name):
            with pytest.raises(UserError):
                frozen(to=replace(LUCA, name=name))
            return
    raw = frozen(to=replace(LUCA, name=checked), tam=replace(ROBIN, name=checked))
    assert_wire(raw)
    read = headers(raw)
    meant = " ".join(checked.split())
    assert {header.lower() for header in read} == HEADERS - {"content-transfer-encoding"}
    assert mailbox(read["To"]) == (meant, LUCA.email)
    assert mailbox(read["From"]) == (meant, "onboarding@foobar.example")
    assert mailbox(read["Reply-To"]) == (meant, ROBIN.email)
    assert decoded(read["Subject"]) == "Welcome"
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    assert decoded(read["X-Rapport-Key"]) == KEY
    assert read["Message-ID"] == message_id(KEY, "onboarding@foobar.example", SECRET)
    assert read["In-Reply-To"] == read["References"] != read["Message-ID"]
    assert email.utils.parsedate_to_datetime(read["Date"]) == NOW


@pytest.mark.parametrize("length", [1, 64])
def test_a_key_of_any_length_is_read_as_it_is(length: int) -> None:
    """By its header a mail is found in a relay's log, however long contract, step and person are called."""
    step = f"{'step_' * (length // 4)}.undelivered"
    key = f"{'C' * length}/{step}/10/100/10/invitation/meeting_invitation/c_0123456789abcdef"
    raw = frozen(key=key)
    assert_wire(raw, unbreakable=len("X-Rapport-Key: ") + len(key))
    assert f"X-Rapport-Key: {key}\r\n".encode() in raw


@every
@CALM
@given(NAMES)
def test_a_name_is_words_and_not_markup(name: str) -> None:
    """Whatever reader, TAM, account and vendor are called, a mail has the elements that it has for plain names."""
    try:
        checked = TypeAdapter(Name).validate_python(name)
    except ValidationError:
        return
    plain = letter("welcome", "primary_user")
    around = plain.company
    assert isinstance(around, AccountContext)
    named = replace(
        around,
        account=around.account.model_copy(update={"name": checked}),
        vendor=around.vendor.model_copy(update={"name": checked, "product": checked}),
        members={id_: member.model_copy(update={"name": checked}) for id_, member in around.members.items()},
    )
    words = replace(plain, company=named, to=replace(plain.to, name=checked)).words(Edits())
    assert Elements(words.html).tags == Elements(plain.words(Edits()).html).tags
    assert " ".join(f"I'm {checked}, your technical".split()) in " ".join(words.text.split())
    assert " ".join(f"I'm {checked}, your technical".split()) in " ".join(Elements(words.html).words.split())


@every
@CALM
@example("\xad")
@example(" \xad \u200b")
@example("\U000e0080")
@example("\xadauto\xadmatic")
@given(st.one_of(NAMES, st.text(max_size=400)))
def test_a_subject_is_refused_or_harmless(subject: str) -> None:
    """Whatever a member types as the subject, either it is refused or it arrives as typed and adds no header; what
    shows nothing is refused."""
    try:
        words = letter("welcome", "primary_champion").words(Edits(subject=subject))
        raw = frozen(subject=words.subject)
    except UserError:
        if not re.search(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|=\?|[\ud800-\udfff]", subject):
            # What shows nothing, and what was no text, is no name either: see test_text.py.
            with pytest.raises(ValidationError):
                TypeAdapter(Name).validate_python(subject[:120])
        return
    assert_wire(raw)
    read = headers(raw)
    assert {header.lower() for header in read} == HEADERS - {"content-transfer-encoding"}
    if subject:
        assert decoded(read["Subject"]) == " ".join(subject.split())


LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
DOMAINS = st.lists(LABELS, min_size=1, max_size=3).map(".".join).map(lambda name: f"{name[:180].rstrip('-.')}.example")
LOCALS = st.from_regex(r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[a-z0-9]{1,20}){0,2}", fullmatch=True)


@settings(deadline=None, max_examples=200)
@given(LOCALS, DOMAINS, LOCALS, DOMAINS, st.sampled_from(["Luca", "a, b", "é" * 40, "x" * 120]))
def test_an_address_stands_whole_in_its_header(local: str, domain: str, box: str, home: str, name: str) -> None:
    """However long an address or the sender's domain is, addresses and ids stand in their headers in one piece.

    A line is longer than 78 only where one address or one Message-ID alone is, and never near RFC 5322's 998.
    """
    try:
        to, sender = TypeAdapter(Email).validate_python(f"{local}@{domain}"), mail_address(f"{box}@{home}")
    except (ValidationError, ValueError):
        return
    raw = frozen(to=Person(name, to), sender=sender)
    alone = max(len(sender), len(to)) + len(" <>")
    assert_wire(raw, unbreakable=max(alone, len("In-Reply-To: <@>") + 32 + len(sender.partition("@")[2])))
    read = headers(raw)
    assert (mailbox(read["To"])[1], mailbox(read["From"])[1]) == (to, sender)
    own = message_id(KEY, sender, SECRET)
    thread = message_id("VERSAYCE-2026-11/thread/c_0123456789abcdef", sender, SECRET)
    assert (read["Message-ID"], read["In-Reply-To"], read["References"]) == (own, thread, thread)


def test_domains_in_other_scripts_are_written_in_ascii() -> None:
    """An address at an IDN domain is kept and sent in ASCII; letters outside ASCII before the @ are refused."""
    to = TypeAdapter(Email).validate_python("luca@Bücher.example")
    assert to == "luca@xn--bcher-kva.example"
    assert mailbox(headers(frozen(to=Person("Luca", to)))["To"]) == ("Luca", to)
    assert TypeAdapter(Email).validate_python("x@例え.テスト") == "x@xn--r8jz45g.xn--zckzah"
    # The last two would become somebody else's in ASCII.
    for other in ("zoë", "robin.\u212aeller", "robin.\uff4beller"):
        with pytest.raises(ValidationError, match="outside ASCII"):
            TypeAdapter(Email).validate_python(f"{other}@versayce.example")


@pytest.mark.parametrize(
    "address",
    [
        "luca@versayce.example\r\nBcc: x@y.example",
        "a@b.example, c@d.example",
        "luca@versayce.example\0",
        "luca",
        "@x.example",
        "lu ca@versayce.example",
        "<luca@versayce.example>",
        "=?utf-8?q?x?=@y.example",
        "a@[127.0.0.1]",
        '"a b"@c.example',
    ],
)
def test_an_address_that_is_more_than_one_is_refused(address: str) -> None:
    """What could add a recipient or a header is no address."""
    with pytest.raises(ValidationError):
        TypeAdapter(Email).validate_python(address)


def test_a_recipient_that_slipped_through_is_noticed_in_the_bytes() -> None:
    """Should a bad address stand in the database, reading the finished bytes notices it, and nothing is sent."""
    for address in (
        "a@b.example, c@d.example",
        "a@b.example>\r\nBcc: <x@y.example",
        "zoë@versayce.example",
        "a b@c.example",
    ):
        with pytest.raises(UserError):
            frozen(to=Person("Luca", address))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject:", b"Bcc: evil@evil.example\r\nSubject:"),
        (b"Subject:", b"Subject: twice\r\nSubject:"),
        (b"Subject:", b"To: evil@evil.example\r\nSubject:"),
        (b"To: Luca Bianchi <", b"To: evil@evil.example, Luca Bianchi <"),
        (b"<luca.bianchi@", b"<evil@"),
        (b"<onboarding@foobar.example>\r", b"<evil@foobar.example>\r"),
        (b"<robin.keller@", b"<evil@"),
        (b"Hello", "Hellö".encode()),
    ],
)
def test_the_finished_bytes_are_read_before_they_go(old: bytes, new: bytes) -> None:
    """Bytes with one header too many, another address or an eighth bit are noticed, however they came about."""
    raw = frozen()
    envelope = Envelope(KEY, "onboarding@foobar.example", LUCA, ROBIN, "thread", SECRET, NOW)
    compose._inspect(raw, envelope)
    assert old in raw
    with pytest.raises(UserError, match="nothing was sent"):
        compose._inspect(raw.replace(old, new, 1), envelope)


# --- ids


@given(st.text(max_size=80), st.text(max_size=80), st.binary(min_size=1, max_size=40))
def test_a_message_id_is_stable_and_unique(one: str, other: str, secret: bytes) -> None:
    """The same key has the same Message-ID for ever, another key has another, and so has another secret."""
    first = message_id(one, "onboarding@foobar.example", secret)
    assert first == message_id(one, "someone.else@foobar.example", secret)
    assert (first == message_id(other, "onboarding@foobar.example", secret)) is (one == other)
    assert first != message_id(one, "onboarding@foobar.example", secret + b"x")
    assert re.fullmatch(r"<[a-z2-7]{32}@foobar\.example>", first)


def test_the_message_id_never_changes_between_versions() -> None:
    """The id of a known key is what it was in the first release, or replies would lose their thread."""
    assert message_id(KEY, "onboarding@foobar.example", SECRET) == "<ondfjxklykdubmcae64pcwjkmwfudk2p@foobar.example>"


# --- bytes

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=400
)
HARD = [
    ".",
    "..",
    "a\n.\n..\n...x\n.\nb",
    ".leading\n. dot",
    "x" * 5000,
    "漢" * 5000,
    "é" * 75 + "👍🏽" * 40 + "👩‍🚀" * 30,
    "word " * 1000,
    "From here\n>From there",
    "trailing space \ntab\t\nand = sign =3D =\n",
    "\n\n\nblank\n\n\n",
    "--===============\n--\n-- \nsignature",
    "https://rapport.foobar.example/m/" + "a" * 43 + "?x=1&y=" + "z" * 200,
]


@settings(deadline=None, max_examples=100)
@given(st.one_of(TEXTS, st.sampled_from(HARD)), st.booleans())
def test_any_text_is_read_as_it_was_written(text: str, invited: bool) -> None:
    """Any text and HTML come out of the bytes as they went in, over a wire of 7 bits, CRLF and lines of 78."""
    ics = "BEGIN:VCALENDAR\r\nX:ü\r\nEND:VCALENDAR\r\n".encode()
    raw = frozen(text=f"{text}\n", html=f"<pre>{text}</pre>\n", calendar=("REQUEST", ics) if invited else None)
    assert_wire(raw)
    assert body(raw, "plain") == f"{text}\n"
    assert body(raw, "html") == f"<pre>{text}</pre>\n"


async def received(mails: list[bytes]) -> list[bytes]:
    """What a real SMTP server is handed of these mails."""
    got: list[bytes] = []

    class Handler:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Handed) -> str:  # noqa: N802
            assert isinstance(envelope.content, bytes)
            got.append(envelope.content)
            return "250 kept"

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), hostname="relay.example", loop=loop), "127.0.0.1", 0)
    try:
        async with mailer_to(int(server.sockets[0].getsockname()[1])) as mailer:
            for raw in mails:
                await mailer.send("onboarding@foobar.example", LUCA.email, raw, nothing)
    finally:
        server.close()
    return got


@settings(deadline=None, max_examples=15)
@example(HARD)
@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_the_bytes_survive_the_wire(texts: list[str]) -> None:
    """A real SMTP server receives every frozen byte: lone dots, 5 kB lines, emoji across folds, and no line over 78."""
    sent = [frozen(text=f"{text}\n", subject="👍🏽 " * 30) for text in texts]
    assert asyncio.run(received(sent)) == sent


@pytest.mark.parametrize("name", sorted(emails.names()))
def test_every_mail_has_a_clean_wire(name: str) -> None:
    """Every mail that Rapport can write, invitations too, has a text part, an HTML part and a clean wire."""
    calendars = ("meeting_cancelled", "meeting_invitation", "meeting_parting")
    extra = ["text/calendar", "application/ics"] if name in calendars else []
    for reader in (one for one in READERS if is_for(name, one)):
        _, raw = letter(name, reader).freeze(Edits(), secrets.token_urlsafe(32), NOW)
        assert_wire(raw)
        read = email.message_from_bytes(raw, policy=default)
        kinds = [part.get_content_type() for part in read.walk() if not part.is_multipart()]
        assert kinds == ["text/plain", "text/html", *extra], reader
        assert not [defect for part in read.walk() for defect in part.defects], reader


def test_an_invitation_carries_its_calendar_twice() -> None:
    """An invitation's calendar stands as text/calendar with its method and as invite.ics, the same bytes in both."""
    mail = letter("meeting_invitation", "primary_champion")
    _, raw = mail.freeze(Edits(), "x" * 43, NOW)
    read = email.message_from_bytes(raw, policy=default)
    inline, attached = [part for part in read.walk() if part.get_content_type() in ("text/calendar", "application/ics")]
    assert read.get_content_type() == "multipart/mixed"
    assert (inline.get_param("method"), attached.get_filename()) == ("REQUEST", "invite.ics")
    calendar = attached.get_payload(decode=True)
    assert inline.get_payload(decode=True) == calendar
    assert isinstance(calendar, bytes)
    assert b"METHOD:REQUEST" in calendar
    unfolded = calendar.replace(b"\r\n ", b"")
    assert re.search(rb'ORGANIZER;CN="?Robin Keller"?:mailto:onboarding@foobar\.example\r\n', unfolded)
    own = {contact.email.partition("@")[0] for contact in company().contacts.values()}
    asked = re.findall(rb"ATTENDEE[^\r]*ROLE=(\w+)-PARTICIPANT[^\r]*:mailto:(\w+)", unfolded)
    assert asked == [
        (b"REQ", b"dana"),
        (b"REQ", b"luca"),
        (b"OPT", b"mara"),
        (b"OPT", b"jonas"),
        *((b"OPT", one.encode()) for one in personas() if one in own),
    ]
    assert mail._calendar(NOW) == ("REQUEST", calendar)
    assert invite.PRODUCT.encode() in calendar
