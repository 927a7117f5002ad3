"""Judges mails by what they say: each sentence that states a fact against the record as it is when the mail arrives.

It reads what every reader reads, and the tables, with statements of its own. It knows nothing of `claims`: a mail that
claims nothing has to be as true as one that claims everything. What a mail is about (which meeting, whose task) it
takes from the outbox.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

Row = dict[str, Any]


class Record:
    """What is on record, read from an installation's SQLite file."""

    def __init__(self, path: Path) -> None:
        """The file need not be there yet."""
        self.path = path

    @cached_property
    def _connection(self) -> sqlite3.Connection:
        # In no transaction: each statement sees what is committed by then.
        made = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, isolation_level=None)
        made.row_factory = sqlite3.Row
        return made

    def rows(self, statement: str, *values: object) -> list[Row]:
        """What a statement finds."""
        return [dict(row) for row in self._connection.execute(statement, values)]

    def row(self, statement: str, *values: object) -> Row | None:
        """The first that it finds."""
        return next(iter(self.rows(statement, *values)), None)

    # People and accounts

    def accounts(self) -> list[str]:
        """Every account's key."""
        return [row["key"] for row in self.rows("SELECT key FROM accounts ORDER BY key")]

    def members(self) -> list[str]:
        """The addresses of those who have not left."""
        return [row["email"] for row in self.rows("SELECT email FROM members WHERE left_at IS NULL")]

    def tam(self, account: str) -> str:
        """The address of whoever serves an account."""
        query = "SELECT email FROM members JOIN accounts ON accounts.tam = members.id WHERE key = ?"
        (row,) = self.rows(query, account)
        return str(row["email"])

    def named(self, contract: str) -> str:
        """What commands call a contract's onboarding: its account, or ACCOUNT.CONTRACT."""
        row = self.row("SELECT account, workflow_id FROM contracts WHERE id = ?", contract)
        return str(row["workflow_id"]).partition("/")[2] if row else contract

    def is_away(self, email: str, at: datetime) -> bool:
        """Whether a member is absent."""
        row = self.row("SELECT id FROM members WHERE email = ?", email)
        return row is not None and any(start <= at < end for start, end in self.absences(row["id"]))

    def absences(self, member: str) -> list[tuple[datetime, datetime]]:
        """When a member is absent."""
        found = self.rows("SELECT * FROM absences WHERE member = ?", member)
        spans = (
            (_at(one["starts"]), min(_at(one["ends"]), _at(one["ended_early_at"] or one["ends"]))) for one in found
        )
        return [(start, end) for start, end in spans if start < end]

    def person(self, id_: str) -> Row | None:
        """A contact or a member, also one who has left."""
        return self.row("SELECT * FROM contacts WHERE id = ?", id_) or self.row(
            "SELECT * FROM members WHERE id = ?", id_
        )

    def with_drafts(self) -> list[str]:
        """The accounts that have drafts."""
        found = self.rows(
            "SELECT DISTINCT account FROM messages WHERE state = 'draft' AND account IS NOT NULL ORDER BY 1"
        )
        return [row["account"] for row in found]

    def over_budget(self, budgets: Callable[[Sequence[str]], int], nice: Callable[[Row], bool]) -> list[str]:
        """The mails that merely would have been nice to have, and went to somebody whose month was full.

        Args:
            budgets: How many mails a month whoever has these personas gets.
            nice: Whether a mail could have been left out.
        """
        found = []
        contacts = {row["id"]: row for row in self.rows("SELECT * FROM contacts")}
        used: dict[tuple[str, int, int], int] = {}
        for row in self.rows("SELECT * FROM messages WHERE state = 'sent' ORDER BY settled_at, key"):
            contact = contacts.get(row["person"])
            if contact is None:
                continue
            zone = ZoneInfo(json.loads(contact["schedule"])["zone"])
            month = _at(row["settled_at"]).astimezone(zone)
            before = used.get((row["person"], month.year, month.month), 0)
            used[row["person"], month.year, month.month] = before + 1
            budget = budgets(json.loads(contact["personas"]))
            if before >= budget and nice(row) and row["approved_by"] is None:
                found.append(f"{row['key']}: number {before + 1} of {budget} in {month:%B}")
        return found

    def with_those_who_left(self) -> list[tuple[str, str]]:
        """The open tasks that somebody is to do who has left."""
        members = self.rows(
            "SELECT task, member FROM task_holders JOIN members ON members.id = member"
            " WHERE awaited AND left_at IS NOT NULL"
        )
        contacts = self.rows(
            "SELECT task, member FROM task_holders JOIN contacts ON contacts.id = member"
            " WHERE awaited AND left_at IS NOT NULL"
        )
        return [(row["task"], row["member"]) for row in (*members, *contacts)]

    # What has happened

    def told(self, prefix: str, until: datetime | None = None) -> list[Row]:
        """The timeline's entries of which the key begins so, in their order, up to an instant."""
        found = self.rows("SELECT * FROM timeline WHERE key >= ? AND key < ? ORDER BY id", prefix, prefix + "\uffff")
        return [row for row in found if until is None or _at(row["at"]) <= until]

    def evidence(self, account: str, since: date, until: date) -> list[str]:
        """What there is to say of an account in these days: a word for each."""
        days = (account, since.isoformat(), until.isoformat())
        found = [
            *self.rows("SELECT 'usage' AS what FROM usage_samples WHERE account = ? AND day BETWEEN ? AND ?", *days),
            *self.rows("SELECT 'win' AS what FROM wins WHERE account = ? AND day BETWEEN ? AND ?", *days),
            *self.rows("SELECT 'roadmap' AS what FROM roadmap_touches WHERE account = ?", account),
            *self.rows("SELECT 'project' AS what FROM projects WHERE account = ?", account),
        ]
        first, last = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (since, until + timedelta(days=1)))
        incidents = self.rows("SELECT began, ended FROM incidents WHERE account = ?", account)
        blockers = self.rows("SELECT removed_at FROM blockers WHERE account = ?", account)
        felt = [
            one for one in incidents if _at(one["began"]) < last and (not one["ended"] or _at(one["ended"]) >= first)
        ]
        open_ = [one for one in blockers if not one["removed_at"] or first <= _at(one["removed_at"])]
        found += [{"what": "incident"}] * len(felt) + [{"what": "blocker"}] * len(open_)
        return [row["what"] for row in found]


def _at(text: str) -> datetime:
    """An instant as SQLite keeps it."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


@dataclass
class Judged:
    """A mail that has arrived, and what of it is false.

    Attributes:
        at: When.
        to: Its reader's address.
        row: Its line in the outbox; nothing for a mail of nobody's story.
        false: The sentences that are false, each with the words of the rule that it breaks.
        open: Those that say what the record may show a moment later only.
        claims: How many statements were found in it.
    """

    key: str
    at: datetime
    to: str
    subject: str
    text: str
    row: Row | None
    record: Record
    mail: EmailMessage
    false: list[str] = field(default_factory=list)
    open: list[tuple[Fact, re.Match[str]]] = field(default_factory=list)
    claims: int = 0

    @cached_property
    def occasion(self) -> Row:
        """What it was written for."""
        return dict(json.loads(self.row["occasion"])) if self.row else {}

    @property
    def account(self) -> str:
        """Of which account it is."""
        return str(self.occasion.get("account") or "")

    @property
    def person(self) -> str:
        """Its reader, by id."""
        return str(self.row["person"]) if self.row else ""

    @cached_property
    def zone(self) -> ZoneInfo:
        """Its reader's."""
        person = self.record.person(self.person)
        return ZoneInfo(json.loads(person["schedule"])["zone"] if person else "UTC")

    @property
    def story(self) -> str:
        """What the timeline's entries of the same workflow begin with."""
        return f"{self.occasion.get('contract') or self.occasion['workflow_id']}/{self.occasion['workflow_id']}/"

    @cached_property
    def meeting(self) -> MeetingNow:
        """The meeting that it speaks of, by now."""
        return MeetingNow.of(self.record.told(self.story, self.at))

    def settle(self) -> None:
        """Look again at what the record was to show: it has had the time."""
        for fact, match in self.open:
            self.__dict__.pop("meeting", None)
            if not fact.holds(self, match):
                self.false.append(f"{match[0]!r}: {fact.says}")
        self.open.clear()


_SOME_TIME: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""When a meeting is booked of which that is all that is told."""


@dataclass
class MeetingNow:
    """A meeting, as the timeline tells it.

    Attributes:
        rounds: How often times were proposed.
        booked: When it takes place, as long as that stands.
        bookings: Every time for which it was booked, and when that was.
        answered, taken: Who has answered, and which times other meetings took, since times were proposed last.
        end: Why it is over: `held`, `no_show`, `given_up` or `called_off`.
    """

    rounds: int = 0
    booked: datetime | None = None
    bookings: list[tuple[datetime, datetime]] = field(default_factory=list)
    moved: bool = False
    stuck: bool = False
    answered: set[str] = field(default_factory=set)
    taken: set[datetime] = field(default_factory=set)
    end: str | None = None

    @classmethod
    def of(cls, entries: Iterable[Row]) -> MeetingNow:
        """Retell it."""
        now = cls()
        for one in entries:
            match one["kind"].partition("meeting.")[2] or one["kind"]:
                case "proposed":
                    now.rounds, now.booked, now.end, now.stuck = now.rounds + 1, None, None, False
                    now.answered.clear()
                    now.taken.clear()
                case "booked" | "moved":
                    now.moved = now.moved or one["kind"] == "meeting.moved"
                    now.booked, now.end = _at(one["instant"]) if one["instant"] else _SOME_TIME, None
                    now.bookings.append((_at(one["at"]), now.booked))
                case "called_off" | "invitation.called_off":
                    now.booked, now.end = None, "called_off"
                case "held" | "no_show" | "given_up" as end:
                    now.end = end
                case "time_taken":
                    now.taken.add(_at(one["instant"]))
                case "stuck":
                    now.stuck = True
                case "vote.cast":
                    now.answered.add(one["who"])
                case _:
                    pass
        return now


class Fact(NamedTuple):
    """What a sentence states.

    Attributes:
        words: How the sentence is known, in a mail's text of one line.
        holds: Whether it is so.
        says: What it states, in words.
        settles: Whether the record may show it a moment after the mail: what has happened is projected meanwhile.
    """

    words: str
    holds: Callable[[Judged, re.Match[str]], bool]
    says: str
    settles: bool = False


_DAY: Final = r"(?P<day>\w+day \d{1,2} \w+)"


# --- what has to be so


def _poll_is_open(mail: Judged, _: re.Match[str]) -> bool:
    return mail.meeting.booked is None and mail.meeting.end is None


def _offers(mail: Judged, _: re.Match[str]) -> bool:
    """Every time that it lists is ahead, and its poll does not know that another meeting took it."""
    offered = [_at(one["start"]) for one in (mail.occasion["meeting"]["proposal"] or {}).get("slots", ())]
    listed = [at for at in offered if _in_words(at, mail) in mail.text]
    return not mail.meeting.taken & set(listed) and all(at > mail.at for at in listed)


def _in_words(at: datetime, mail: Judged) -> str:
    """An instant as its reader finds it: "Tuesday 1 December, 09:30"."""
    here = at.astimezone(mail.zone)
    return f"{here:%A} {here.day} {here:%B}, {here:%H:%M}"


def _not_answered(mail: Judged, _: re.Match[str]) -> bool:
    return mail.person not in mail.meeting.answered


def _optional(mail: Judged, _: re.Match[str]) -> bool:
    invitees = (mail.occasion["meeting"]["proposal"] or {}).get("invitees", ())
    return not any(one["groups"] for one in invitees if one["id"] == mail.person)


def _booked_then(mail: Judged, _: re.Match[str]) -> bool:
    """It is booked for the time that it names, or was in this very minute: people move what was just booked."""
    now = mail.meeting
    lately = [instant for at, instant in now.bookings if at == mail.at]
    return any(_in_words(at, mail) in mail.text for at in (now.booked, *lately) if at is not None)


def _reply_is_ahead(mail: Judged, match: re.Match[str]) -> bool:
    return _day_in(match["day"], mail.at, mail.zone) >= mail.at.astimezone(mail.zone).date()


_MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def _day_in(text: str, near: datetime, zone: ZoneInfo) -> date:
    """A day as mails write it, "Tuesday 1 December", of the year in which it is nearest."""
    _, day, month = text.split()
    here = near.astimezone(zone).date()
    found = [
        here + timedelta(days=days)
        for days in range(-182, 184)
        if (here + timedelta(days=days)).day == int(day)
        and (here + timedelta(days=days)).month == _MONTHS.index(month) + 1
    ]
    return min(found, key=lambda one: abs(one - here), default=here)


def _nobody_of_these_answered(mail: Judged, match: re.Match[str]) -> bool:
    answered = [mail.record.person(id_) for id_ in sorted(mail.meeting.answered)]
    return not any(person and person["name"] in match[0] for person in answered)


def _kickoff_held(mail: Judged, _: re.Match[str]) -> bool:
    found = mail.record.rows(
        "SELECT step, outcome FROM milestones WHERE contract = ? AND stage = 'kickoff' AND kind = 'meeting'",
        mail.occasion["contract"],
    )
    if any(row["outcome"] == "elsewhere" for row in found):
        return True
    told = mail.record.told(f"{mail.occasion['contract']}/meeting/", mail.at)
    return any(one["kind"] == "meeting.held" and one["step"] in {row["step"] for row in found} for one in told)


def _figure(name: str) -> Callable[[Judged, re.Match[str]], bool]:
    def holds(mail: Judged, match: re.Match[str]) -> bool:
        if name == "company_health":
            row = mail.record.row("SELECT company_health FROM vendor")
            known = row["company_health"] if row else None
        else:
            row = mail.record.row("SELECT figures FROM accounts WHERE key = ?", mail.account)
            known = json.loads(row["figures"]).get(name) if row else None
        reader = mail.record.row("SELECT personas FROM contacts WHERE id = ?", mail.person)
        may = reader is None or bool({"key_business_contact", "primary_champion"} & set(json.loads(reader["personas"])))
        return known is not None and str(known).split()[0] in match[0] and may

    return holds


def _told(
    *kinds: str, about: Callable[[Judged, Row], bool] = lambda *_: True
) -> Callable[[Judged, re.Match[str]], bool]:
    """The timeline tells one of these of the same step and account by then."""

    def holds(mail: Judged, _: re.Match[str]) -> bool:
        marks = ", ".join("?" for _ in kinds)
        found = mail.record.rows(
            f"SELECT * FROM timeline WHERE account = ? AND step IS ? AND kind IN ({marks})",
            mail.account,
            mail.occasion["rhythm"]["step"] if mail.occasion.get("rhythm") else mail.occasion["step"],
            *kinds,
        )
        return any(_at(one["at"]) <= mail.at and about(mail, one) for one in found)

    return holds


def _of_that_date(mail: Judged, one: Row) -> bool:
    return bool(one["about"] == mail.occasion["rhythm"]["occurrence"]["day"])


def _date_is_ahead(mail: Judged, _: re.Match[str]) -> bool:
    one = mail.occasion["rhythm"]["occurrence"]
    return max(_at(one["original"]), _at(one["start"])) > mail.at


def _names_its_time(mail: Judged, _: re.Match[str]) -> bool:
    return _in_words(_at(mail.occasion["rhythm"]["occurrence"]["start"]), mail) in mail.text


def _days(mail: Judged) -> tuple[date, date]:
    """Of which days it speaks; a mail about a contract names the first of them alone."""
    rhythm = mail.occasion.get("rhythm")
    if rhythm is not None and rhythm["since"] is not None:
        return date.fromisoformat(rhythm["since"]), date.fromisoformat(rhythm["until"])
    since = re.search(rf"on record from {_DAY}", mail.text)
    today = mail.at.astimezone(mail.zone).date()
    return (_day_in(since["day"], mail.at - timedelta(days=60), mail.zone) if since else today), today


def _has_evidence(mail: Judged, _: re.Match[str]) -> bool:
    return bool(mail.record.evidence(mail.account, *_days(mail)))


def _has_none(mail: Judged, match: re.Match[str]) -> bool:
    return not _has_evidence(mail, match)


def _next_date(mail: Judged, _: re.Match[str]) -> bool:
    """The date that it names as the next one is planned, and is not off."""
    rhythm = mail.occasion.get("rhythm")
    if rhythm is None:
        return True
    row = mail.record.row("SELECT coming FROM rhythms WHERE account = ? AND step = ?", mail.account, rhythm["step"])
    starts = [_at(one["start"]) for one in json.loads(row["coming"]) if not one.get("off")] if row else []
    return _at(rhythm["occurrence"]["start"]) in starts


def _measured(mail: Judged, match: re.Match[str]) -> bool:
    """The first and the last figure are those of the first and the last day that was measured.

    Of more than two weeks a mail gives averages, and is not judged.
    """
    since, until = _days(mail)
    if until - since > timedelta(days=14):
        return True
    found = mail.record.rows(
        "SELECT value FROM usage_samples WHERE account = ? AND metric = ? AND day BETWEEN ? AND ? ORDER BY day",
        mail.account,
        match["metric"],
        since.isoformat(),
        until.isoformat(),
    )
    figures = [float(one.replace(",", "")) for one in (match["first"], match["last"]) if one is not None]
    return bool(found) and figures == [one["value"] for one in (found[0], found[-1])][-len(figures) :]


def _blocked(mail: Judged, match: re.Match[str]) -> bool:
    found = mail.record.rows("SELECT title FROM blockers WHERE account = ? AND removed_at IS NULL", mail.account)
    return any(row["title"] in match[0] for row in found)


def _review_meeting(mail: Judged) -> str:
    rhythm = mail.occasion["rhythm"]
    return f"meeting/{mail.account}/{rhythm['step']}/{rhythm['review']['period']}"


def _reviewed(mail: Judged, _: re.Match[str]) -> bool:
    """That review was held."""
    told = mail.record.rows(
        "SELECT at FROM timeline WHERE kind = 'meeting.held' AND account = ? AND key LIKE ?",
        mail.account,
        f"%/{_review_meeting(mail)}/%",
    )
    return any(_at(one["at"]) <= mail.at for one in told)


def _has_minutes(mail: Judged, _: re.Match[str]) -> bool:
    """Somebody wrote minutes, or the TAM a paragraph in their place."""
    written = json.loads(mail.row["edits"]) if mail.row else {}
    if written.get("paragraph") or written.get("body"):
        return True
    return mail.record.row("SELECT meeting FROM minutes WHERE meeting = ?", _review_meeting(mail)) is not None


def _has_actions(mail: Judged, _: re.Match[str]) -> bool:
    return mail.record.row("SELECT id FROM actions WHERE meeting = ?", _review_meeting(mail)) is not None


def _task(mail: Judged) -> Row | None:
    return mail.record.row("SELECT * FROM tasks WHERE id = ?", mail.occasion["workflow_id"])


def _task_is_open(mail: Judged, _: re.Match[str]) -> bool:
    task = _task(mail)
    return task is not None and task["phase"] != "closed" and task["round"] <= mail.occasion["round"]


def _has_not_decided(mail: Judged, match: re.Match[str]) -> bool:
    task = _task(mail)
    return task is None or not any(one["by"] == mail.person for one in json.loads(task["answers"]))


def _task_is_over(mail: Judged, _: re.Match[str]) -> bool:
    task = _task(mail)
    if mail.occasion.get("task") is None:
        return True
    return task is not None and task["phase"] == "closed"


def _newer_round(mail: Judged, _: re.Match[str]) -> bool:
    task = _task(mail)
    return task is not None and task["round"] > 1


def _is_absent(mail: Judged, match: re.Match[str]) -> bool:
    """Whom its reader covers for is away, or has left."""
    known = mail.record.rows("SELECT id, left_at FROM members WHERE name = ?", match["name"])
    return any(
        one["left_at"] is not None or any(start <= mail.at < end for start, end in mail.record.absences(one["id"]))
        for one in known
    )


def _backup_asked(mail: Judged, _: re.Match[str]) -> bool:
    """Two people were asked before whoever hears of it."""
    asked = mail.record.rows(
        "SELECT DISTINCT person FROM messages WHERE workflow_id = ? AND state = 'sent' AND email <> ?",
        mail.occasion["workflow_id"],
        mail.row["email"] if mail.row else "",
    )
    return len(asked) > 1


def _two_reminders(mail: Judged, _: re.Match[str]) -> bool:
    sent = mail.record.rows(
        "SELECT person FROM messages WHERE workflow_id = ? AND email = 'sign_off_reminder' AND state = 'sent'",
        mail.occasion["workflow_id"],
    )
    return any([one["person"] for one in sent].count(person) == 2 for person in {one["person"] for one in sent})


def _contract(mail: Judged) -> Row:
    (row,) = mail.record.rows("SELECT * FROM contracts WHERE id = ?", mail.occasion["contract"])
    return row


def _contract_ends(mail: Judged, match: re.Match[str]) -> bool:
    ends = _contract(mail)["ends"]
    day = date.fromisoformat(ends) if ends else None
    return day is not None and match["day"] == f"{day:%A} {day.day} {day:%B}" and day >= mail.at.date()


def _not_renewed(mail: Judged, _: re.Match[str]) -> bool:
    """Nobody has signed what follows it."""
    return mail.record.row("SELECT id FROM contracts WHERE renews = ?", mail.occasion["contract"]) is None


def _renews(mail: Judged, _: re.Match[str]) -> bool:
    return _contract(mail)["renews"] is not None


def _is_new(mail: Judged, _: re.Match[str]) -> bool:
    """Nobody welcomed them to this product before."""
    sent = mail.record.rows(
        "SELECT key FROM messages WHERE contract = ? AND person = ? AND email LIKE '%welcome' AND state = 'sent'"
        " AND key <> ?",
        mail.occasion["contract"],
        mail.person,
        mail.key,
    )
    return not sent and _contract(mail)["renews"] is None


def _serves(mail: Judged, _: re.Match[str]) -> bool:
    row = mail.record.row("SELECT tam FROM accounts WHERE key = ?", mail.account)
    return row is not None and row["tam"] == mail.person


def _drafts(mail: Judged, match: re.Match[str]) -> bool:
    """So many drafts of that account wait to be read; what happens in the same minute may be counted or not."""
    found = mail.record.rows(
        "SELECT state, messages.created_at, settled_at, first_tried_at FROM messages"
        " JOIN accounts ON accounts.key = account"
        " WHERE accounts.name = ?",
        match["account"],
    )
    now = f"{mail.at.replace(tzinfo=None)}.000000"
    sure = [one for one in found if one["state"] == "draft" and one["created_at"] < now]
    perhaps = [
        one for one in found if max(one["settled_at"] or "", one["first_tried_at"] or "", one["created_at"]) >= now
    ]
    return len(sure) <= int(match["many"]) <= len(sure) + len(perhaps)


def _case(mail: Judged) -> Row:
    (row,) = mail.record.rows("SELECT * FROM cases WHERE ref = ?", mail.occasion["case"]["ref"])
    return row


def _case_is(state: str) -> Callable[[Judged, re.Match[str]], bool]:
    over = ("resolved", "merged")
    return lambda mail, _: _case(mail)["state"] not in over if state == "open" else _case(mail)["state"] == state


def _knows(fact: str) -> Callable[[Judged, re.Match[str]], bool]:
    def holds(mail: Judged, _: re.Match[str]) -> bool:
        row = mail.record.row("SELECT work FROM contacts WHERE id = ?", mail.person)
        return row is not None and bool(json.loads(row["work"]).get(fact))

    return holds


def _signed_for(days: int) -> Callable[[Judged, re.Match[str]], bool]:
    """The product has been theirs for so many days at least."""

    def holds(mail: Judged, _: re.Match[str]) -> bool:
        return _at(_contract(mail)["signed_at"]) + timedelta(days=days) <= mail.at

    return holds


FACTS: Final[Sequence[Fact]] = (
    # Meetings
    Fact(r"Choose your times|Which of (?:these|them|these new)\b", _poll_is_open, "times are still looked for"),
    Fact(r"Choose your times|These times were proposed", _offers, "its times are ahead, and free"),
    Fact(r"I don't have your times for the", _not_answered, "its reader has not answered"),
    Fact(r"No reply yet from [^.]+\.", _nobody_of_these_answered, "none of them has answered"),
    Fact(r"You're optional: if you can't make it", _optional, "its reader is not required"),
    Fact(rf"Please reply by {_DAY}", _reply_is_ahead, "that day is ahead"),
    Fact(r"mark the ones that work for you by " + _DAY, _reply_is_ahead, "that day is ahead"),
    Fact(
        r"They replace the earlier ones",
        lambda mail, _: mail.meeting.rounds > 1 or mail.occasion["attempt"] > 1,
        "others were proposed before",
        settles=True,
    ),
    Fact(r"I'm still arranging where we'll meet", lambda mail, _: mail.meeting.rounds == 0, "no times were proposed"),
    Fact(r"I'll send you proposed times (?:for the kickoff )?soon", _poll_is_open, "no time is booked"),
    Fact(r"The [\w -]+ is booked\. Please accept the attached", _booked_then, "it is booked for then", settles=True),
    Fact(r"The [\w -]+ has moved\. Please accept the updated", _booked_then, "it is booked for then", settles=True),
    Fact(
        r"The [\w -]+ has moved\. Please accept the updated",
        lambda mail, _: mail.meeting.moved,
        "it was moved",
        settles=True,
    ),
    Fact(r"The time stays the same", _booked_then, "it is booked for then", settles=True),
    Fact(r"Did the [\w -]+ with .+? take place\?", lambda mail, _: mail.meeting.end is None, "nobody has said"),
    Fact(
        r"Did the [\w -]+ with .+? take place\?",
        lambda mail, _: mail.meeting.booked is not None and mail.meeting.booked < mail.at,
        "its time is over",
    ),
    Fact(r"ended without a result:", lambda mail, _: mail.meeting.booked is None, "no time is booked"),
    Fact(r"ended without a result:", lambda mail, _: mail.meeting.stuck, "the poll came to nothing", settles=True),
    Fact(
        r"The [\w -]+ on .+? is canceled\. The attached update removes it from your calendar\. If ",
        lambda mail, _: mail.meeting.booked is None,
        "it is not booked",
        settles=True,
    ),
    Fact(r"goes ahead, but you no longer need to attend", _booked_then, "it is booked for then", settles=True),
    Fact(r"Now that the kickoff has taken place", _kickoff_held, "the kickoff was held", settles=True),
    # Figures
    Fact(r"Proof of concept: (?!not on record)\S+", _figure("poc_result"), "that is on record, and theirs to read"),
    Fact(
        r"Projected return: (?!not on record)\S+|return we projected at the start: \S+",
        _figure("projected_roi"),
        "that is on record, and theirs to read",
    ),
    Fact(r"as a company: \S+", _figure("company_health"), "that is on record, and theirs to read"),
    # What recurs
    Fact(r"is booked: \w+days at", _told("sync.begun"), "it has begun", settles=True),
    Fact(r"has a new time: \w+days at", _told("sync.changed"), "its time was changed", settles=True),
    Fact(
        r"has ended\. The attached update removes the remaining",
        lambda mail, _: _has_ended(mail),
        "it has ended",
        settles=True,
    ),
    Fact(
        r"has moved\. Please accept the attached update\. Only this date",
        _told("sync.moved", about=_of_that_date),
        "that date was moved",
        settles=True,
    ),
    Fact(r"Only this date changes", _date_is_ahead, "that date is ahead"),
    Fact(r"Only this date changes", _names_its_time, "that is when it is, or would have been"),
    Fact(
        r"is canceled\. The attached update removes it from your calendar\. Only this",
        _told("sync.skipped", "sync.away", "sync.taken", about=_of_that_date),
        "that date was called off",
        settles=True,
    ),
    Fact(r"continues, but you no longer need to attend", lambda mail, _: not _has_ended(mail), "it goes on"),
    Fact(r"The time hasn't changed", lambda mail, _: not _has_ended(mail), "it goes on"),
    Fact(r"No weekly time works for you", _told("sync.no_time"), "none was found", settles=True),
    Fact(
        r"Here's what happened from|Here's what's on record for .+?, \w+day|For reference, here's what we looked at",
        _has_evidence,
        "something is on record for these days",
    ),
    Fact(r"There's no data for", _has_none, "nothing is on record for these days"),
    Fact(r"- (?:Next|From)(?: [\w -]+)?: \w+day", _next_date, "that date is planned", settles=True),
    Fact(r"(?P<metric>Builds): (?:(?P<first>[\d,.]+) → )?(?P<last>[\d,.]*\d)", _measured, "that was measured"),
    Fact(r"- [^-:]+?\. Owner: [^.]+\. Next check:", _blocked, "that is open"),
    Fact(r"Thank you for your time at the", _reviewed, "it was held", settles=True),
    Fact(
        r"Thank you for your time at the", _has_minutes, "minutes were written, or words of the TAM's own", settles=True
    ),
    Fact(
        r"Action items",
        lambda mail, match: (
            mail.row is not None and (mail.row["email"] != "review_follow_up" or _has_actions(mail, match))
        ),
        "some are on record",
        settles=True,
    ),
    Fact(
        r"Rapport was off or paused when these were due",
        lambda mail, _: _missed(mail),
        "something was missed",
        settles=True,
    ),
    # Human tasks
    Fact(
        r"There's a task for you|This task is still open|is still waiting for your|asks for your \w|"
        r"Your (?:approval|sign-off|decision) is needed|Please sign it off, or tell me|still needs your sign-off|"
        r"It's time to write the|qualifies for this|has a question before deciding|is waiting for your input|"
        r"still has no sign-off|is still (?:open|undecided)[,.]|requested changes to (?:the )?|"
        r"Please decide now|Please send a new version",
        _task_is_open,
        "the task is open, in this version",
        settles=True,
    ),
    Fact(
        r"is still waiting for your|still needs your sign-off|asks for your \w|Please sign it off, or tell me",
        _has_not_decided,
        "its reader has not decided",
    ),
    Fact(r"You're covering for (?P<name>[^.]+?)\.", _is_absent, "they are away"),
    Fact(r"also with a backup asked", _backup_asked, "two people were asked"),
    Fact(r"replied to two reminders", _two_reminders, "two reminders went"),
    Fact(
        r"is settled:|was withdrawn before it was decided|in time\. It's closed without one|is decided:",
        _task_is_over,
        "the task is closed",
        settles=True,
    ),
    Fact(r"It replaces the earlier version", _newer_round, "there was one before", settles=True),
    # Contracts and accounts
    Fact(rf"Your contract for .+? ends on {_DAY}", _contract_ends, "it ends on that day"),
    Fact(
        r"I'd like to agree on the next term|before your renewal|Which results should I include",
        _not_renewed,
        "it is not renewed yet",
    ),
    Fact(r"Thank you for renewing|renewed .+?: what stays", _renews, "its contract renews another"),
    Fact(r"Welcome to [^.:]+\. I'm", _is_new, "nobody welcomed them before"),
    Fact(r"You've used .+? for about a month", _signed_for(20), "it was theirs for three weeks"),
    Fact(r"You've had .+? for a while now", _signed_for(10), "it was theirs for ten days"),
    Fact(
        r"You're covering (?!for )[^.]+? until \w+day|You're now the TAM for|You're the TAM for .+? again",
        _serves,
        "its reader serves the account",
    ),
    Fact(r"- (?P<account>[A-Z]\w+): (?P<many>\d+) drafts? to review and send", _drafts, "so many drafts wait"),
    Fact(r"Here's a short list for your setup|For the way you deploy", _knows("deployment"), "that is known of them"),
    # Support
    Fact(r"We've received your request and opened case", _case_is("open"), "the case is open"),
    Fact(r"If it happens again, reply to this email and we'll reopen", _case_is("resolved"), "it is resolved"),
    Fact(r"describe the same issue, so we've merged", _case_is("merged"), "it is merged"),
    Fact(r"There's been no reply from", _case_is("waiting"), "it waits for the customer"),
    Fact(r"\) is assigned to you\.", lambda mail, _: _case(mail)["owner"] == mail.person, "it is its reader's"),
    Fact(r"\) has no owner", lambda mail, _: _case(mail)["owner"] is None, "nobody has it"),
    # What is known of somebody's work
    Fact(r"Here's what you need to", _knows("languages"), "that is known of them"),
)
"""What the sentences of `rapport/emails` state: words, and what has to be so."""


def _has_ended(mail: Judged) -> bool:
    row = mail.record.row(
        "SELECT ended_at FROM rhythms WHERE account = ? AND step = ?", mail.account, mail.occasion["rhythm"]["step"]
    )
    told = _told("rhythm.removed")
    return row is None or row["ended_at"] is not None or (told(mail, _ANY) and not json.loads(row["coming"]))


def _missed(mail: Judged) -> bool:
    return bool(mail.record.rows("SELECT id FROM timeline WHERE account = ? AND kind = 'cadence.missed'", mail.account))


_ANY: Final[Any] = re.match("", "")


def judge(raw: bytes, record: Record, now: datetime | None = None, facts: Sequence[Fact] = FACTS) -> Judged:
    """What of a mail is false, by the record as it is now.

    Args:
        now: When it arrives; by its own date, unless it waited.
    """
    mail = BytesParser(policy=default).parsebytes(raw)
    assert isinstance(mail, EmailMessage)
    part = mail.get_body(preferencelist=("plain",))
    assert isinstance(part, EmailMessage)
    key = str(mail["X-Rapport-Key"])
    read = Judged(
        key=key,
        at=now or mail["Date"].datetime.astimezone(UTC).replace(second=0, microsecond=0),
        to=mail["To"].addresses[0].addr_spec,
        subject=str(mail["Subject"]),
        text=" ".join(str(part.get_content()).split()),
        row=record.row("SELECT * FROM messages WHERE key = ?", key),
        record=record,
        mail=mail,
    )
    if read.row is None:
        return read
    text = f"{read.subject} | {read.text}"
    for fact in facts:
        for match in re.finditer(fact.words, text):
            read.claims += 1
            try:
                holds = fact.holds(read, match)
            except Exception as error:  # whatever a mail makes of a rule
                read.false.append(f"{match[0]!r}: cannot be judged: {error!r}")
                continue
            if holds:
                continue
            if fact.settles:
                read.open.append((fact, match))
            else:
                read.false.append(f"{match[0]!r}: {fact.says}")
    return read
