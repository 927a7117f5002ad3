"""What a simulated life comes to: its lines, in the order in which they happened, and what is left at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from rapport.mail import outbox
from rapport.mail.outbox import Message
from rapport.model.account import personas
from rapport.model.base import Instant, WireModel
from rapport.model.message import MessageState
from rapport.rules.wording import amount
from rapport.storage import account as accounts, contract as contracts, waits
from rapport.storage.addresses import GONE
from starters.use_cases import timeline
from starters.use_cases.timeline import EntryShown

if TYPE_CHECKING:
    from starters.simulate.life import Life


class YearLine(WireModel):
    """Something that happened.

    Attributes:
        kind: As the timeline calls it; `mail` for a message, whatever became of it.
        to: Whom a mail was for, by name.
        role: The title of their persona; of members, of what they are here.
        state: What became of a mail.
        key: A mail's key.
    """

    at: Instant
    kind: str
    what: str
    step: str | None = None
    to: str | None = None
    role: str | None = None
    state: MessageState | None = None
    key: str | None = None


class StillWaiting(WireModel):
    """What still waits at the end."""

    where: str
    what: str
    deadline: Instant | None
    unblock: str


class Year(WireModel):
    """A simulated life.

    Attributes:
        says: What people did, in a few words.
        mails: How many mails went out, by the title of their readers' persona.
        kept: How many did not go out, by what became of them.
        steps: How each step of the playbook stands: its outcome, or else its state.
        caught: How many mails the relay was handed.
    """

    account: str
    name: str
    playbook: str
    scenario: str
    says: str
    zone: str
    began: Instant
    until: Instant
    lines: tuple[YearLine, ...]
    mails: dict[str, int]
    kept: dict[str, int]
    meetings: int
    decisions: int
    caught: int
    steps: dict[str, str]
    waiting: tuple[StillWaiting, ...]


async def look_back(life: Life, scenario: str, says: str) -> Year:
    """All that happened until now."""
    entries = await timeline.timeline_of(life.services, life.account)
    async with life.services.store.reading() as connection:
        mails = await outbox.messages(connection, life.account)
        account = await accounts.account(connection, life.account)
        known = await accounts.personas_of(connection, life.account)
        names = await accounts.names(connection, life.account)
        contract = await contracts.latest(connection, life.account)
        assert contract is not None
        steps = await contracts.milestones(connection, contract.id)
        waiting = await waits.open_waits(connection)
    roles = {id_: ", ".join(personas()[one].title for one in held) for id_, held in known.items()} | {
        life.tam.id: "TAM"
    }
    lines = list(_entries(entries, life.zone))
    lines += [_mail(mail, names, roles.get(mail.person, "Colleague")) for mail in mails]
    places = {step.step: step.position for step in steps}
    lines.sort(key=lambda line: _order(line, places))
    _begin_before_the_end(lines)
    sent = [line for line in lines if line.state is MessageState.SENT]
    return Year(
        account=life.account,
        name=account.name,
        playbook=contract.playbook,
        scenario=scenario,
        says=says,
        zone=str(life.zone),
        began=life.began,
        until=life.now,
        lines=tuple(lines),
        mails=_counted(line.role or "" for line in sent),
        kept=_counted(line.state for line in lines if line.state not in (None, MessageState.SENT)),
        meetings=sum(line.kind == "meeting.held" for line in lines),
        decisions=sum(line.kind == "decision.made" for line in lines),
        caught=len(life.catcher.mails()),
        steps={step.step: step.outcome or step.state for step in steps},
        waiting=tuple(StillWaiting.made_of(wait) for wait in waiting),
    )


def _counted(words: Iterator[str] | Iterator[MessageState | None]) -> dict[str, int]:
    return dict(sorted(Counter(str(word) for word in words).items()))


_BEGINNINGS: Final = {"step.ended": "step.began", "task.closed": "task.opened"}


def _entries(entries: Sequence[EntryShown], zone: ZoneInfo) -> Iterator[YearLine]:
    """The timeline's entries, and of each end how long it took to come. Mails have lines of their own."""
    began: dict[tuple[str, str | None], datetime] = {}
    for entry in entries:
        if entry.kind.startswith("message."):
            continue
        began[entry.kind, entry.step] = entry.at
        since = began.get((_BEGINNINGS.get(entry.kind, ""), entry.step), entry.at)
        days = (entry.at.astimezone(zone).date() - since.astimezone(zone).date()).days
        took = f", after {'a day' if days == 1 else f'{days} days'}" if days else ""
        # Every instant here is of one zone, which the second line names.
        yield YearLine(at=entry.at, kind=entry.kind, step=entry.step, what=entry.what.replace(f" ({zone})", "") + took)


def _mail(mail: Message, names: dict[str, str], role: str) -> YearLine:
    return YearLine.made_of(
        mail,
        at=mail.settled_at or mail.created_at,
        kind="mail",
        what=mail.subject + (f" ({mail.reason})" if mail.reason else ""),
        to=names.get(mail.person, GONE),
        role=role,
    )


_IN_A_MINUTE: Final = (
    ("vote.", "decision.", "drafts.", "meeting.held", "meeting.no_show"),
    ("onboarding.", "meeting.booked", "meeting.moved", "task.closed"),
    ("step.ended",),
    ("stage.",),
    ("step.began",),
)
"""What people did, what came of it, what ended by that, and what began. The rest, and then the mails, come after."""


def _order(line: YearLine, places: Mapping[str, int]) -> tuple[datetime, int, int, str, str, str]:
    """One order for what happened in the same minute, whichever of two workflows was written down first.

    Args:
        places: Each step's place in the playbook: what waits for another step stands after it.
    """
    after = len(_IN_A_MINUTE) + (line.kind == "mail")
    rank = next((rank for rank, kinds in enumerate(_IN_A_MINUTE) if line.kind.startswith(kinds)), after)
    # Stages are reached in the order of their lines, which is that of one workflow.
    what = "" if line.kind.startswith("stage.") else line.what
    place = places.get((line.step or "").partition(".")[0], len(places)) if line.step else -1
    return line.at, rank, place, line.step or "", line.role or "", what


def _begin_before_the_end(lines: list[YearLine]) -> None:
    """What begins and ends in the same minute begins first, though ends usually come before what they let begin."""
    ends = [line for line in lines if line.kind == "step.ended"]
    for end in ends:
        last = next(
            (line for line in lines if (line.kind, line.at, line.step) == ("step.began", end.at, end.step)), None
        )
        if last is not None and lines.index(end) < lines.index(last):
            lines.remove(end)
            lines.insert(lines.index(last) + 1, end)


# As text


def written(year: Year) -> list[str]:
    """A year as lines of text, week by week: the same for the same input, down to the letter."""
    return [*head(year), *(line for week in weeks(year) for line in week), *foot(year)]


def head(year: Year) -> list[str]:
    """What was simulated."""
    days = (year.until - year.began).days
    return [
        f"{year.name}, by the playbook {year.playbook}: {amount(days, 'day')} in which {year.says}",
        f"Times are of {year.zone}.",
    ]


def weeks(year: Year) -> Iterator[list[str]]:
    """The lines of each week in which something happened, with the week before them."""
    zone = ZoneInfo(year.zone)

    first = _week(year.began.astimezone(zone))
    for week, lines in groupby(year.lines, key=lambda line: _week(line.at.astimezone(zone))):
        start = f"{datetime.fromisocalendar(*week, 1):%d %b %Y}"
        number = (datetime.fromisocalendar(*week, 1) - datetime.fromisocalendar(*first, 1)).days // 7 + 1
        yield ["", f"Week {number}, from {start}", *(f"  {_said(line, zone)}" for line in lines)]


def _week(there: datetime) -> tuple[int, int]:
    year, week, _ = there.isocalendar()
    return year, week


def _said(line: YearLine, zone: ZoneInfo) -> str:
    at = f"{line.at.astimezone(zone):%a %d %b  %H:%M}"
    if line.kind != "mail":
        return f"{at}  {line.what}"
    word = "mail" if line.state is MessageState.SENT else f"mail {line.state}"
    return f"{at}  {word} to {line.to} ({line.role}): {line.what}"


def foot(year: Year) -> list[str]:
    """What it came to."""
    zone = ZoneInfo(year.zone)
    lines = ["", f"After {amount((year.until - year.began).days, 'day')}"]
    lines += [f"  {step}: {outcome.replace('_', ' ')}" for step, outcome in year.steps.items()]
    lines.append(f"  mails: {sum(year.mails.values())}, {_listed(year.mails, 'to ')}" if year.mails else "  no mail")
    if year.kept:
        lines.append(f"  mails that did not go out: {_listed(year.kept)}")
    lines.append(f"  meetings that someone said were held: {year.meetings}; decisions: {year.decisions}")
    lines += [_left(waiting, zone) for waiting in year.waiting] or ["  nothing waits for anybody"]
    return lines


def _listed(counts: dict[str, int], before: str = "") -> str:
    return ", ".join(f"{count} {before}{what}" for what, count in counts.items())


def _left(waiting: StillWaiting, zone: ZoneInfo) -> str:
    due = f", due {waiting.deadline.astimezone(zone):%d %b %Y}" if waiting.deadline else ""
    return f"  waits: {waiting.where} for {waiting.what}{due}; {waiting.unblock}"
