"""What the review channel reads: one sentence, what was said, and where the review stands."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from rapport.model.announcement import Word
from rapport.rules.outcome_words import in_words
from rapport.rules.review_words import whole
from rapport.rules.wording import listed, seat

LONGEST_QUOTE: Final = 2500
"""How much of what was said is quoted; the whole stands on the review's page."""

_TOLD: Final[dict[Word, str]] = {
    "submitted": "{who} submitted a review",
    "edited": "{who} changed the request; everyone is asked anew",
    "said": "{who} wrote",
    "recommended": "{who} gave the recommendation",
    "decided": "it is decided",
    "overdue": "the date by which the customer needs a decision has passed, and there is none",
    "leadership_told": "leadership was told that it is still open",
    "meeting_booked": "the live meeting is booked",
    "meeting_moved": "the live meeting has moved",
    "met": "{who} added the notes of the live meeting",
    "not_met": "live meeting",
    "meeting_asked": "{who} asks for a live meeting",
    "meeting_offered": "teams disagree, so a live meeting is offered",
    "acknowledged": "the customer has acknowledged what they were told",
    "withdrawn": "{who} withdrew it",
    "revisit": "the day has come to look at it again",
}
_ON_THE_PAGE: Final = frozenset({"others", "context", "tell", "case"})
"""What of a request the channel does not read; all of it is on the review's page."""

_NOBODY: Final = "someone"


def headline(
    what: Word,
    ref: str,
    account: str,
    who: str | None = None,
    on_behalf_of: str | None = None,
    option: str | None = None,
    *,
    title: str | None = None,
    seat: str | None = None,
) -> str:
    """One sentence.

    Args:
        account: The account's name.
        who: Who acted, by name.
        on_behalf_of: For whom they did, by name.
        option: What was chosen or decided.
        title: What the review is about.
        seat: For whom they spoke.
    """
    actor = who or _NOBODY
    if who and seat:
        actor = f"{who} ({seat})"
    if who and on_behalf_of:
        actor = f"{actor}, for {on_behalf_of},"
    told = "{who} answered" if what == "said" and option else _TOLD[what]
    chosen = f": {in_words(option)}" if option else ""
    return f"{ref}{f' {title}' if title else ''}, {account}: {told.format(who=actor)}{chosen}"


def hearing(sides: Sequence[str], until: datetime | None, zone: str) -> str:
    """Who is heard, and until when."""
    who = listed([seat(side) for side in sides])
    if until is None:
        return f"Asked for feedback: {who}"
    return f"Asked for feedback by {moment(until, zone)}: {who}"


def leadership(told: Sequence[str], needed_by: datetime, zone: str) -> str:
    """Who of leadership was told, and by when the customer needs a decision."""
    return f"Told: {listed(told) if told else 'nobody'}\nNeeded by {moment(needed_by, zone)}"


def moment(instant: datetime, zone: str) -> str:
    """An instant as the channel reads it: in one zone, as its readers sit in many."""
    at = instant.astimezone(ZoneInfo(zone))
    return f"{at:%a} {at.day} {at:%b %Y, %H:%M} ({zone})"


def decision(rule: str, spoken: Sequence[Mapping[str, str | None]]) -> str:
    """Why something is decided: by which rule, and who said what.

    Args:
        spoken: Whoever recommended, committed or voted: `who`, `seat`, `what` that was, `option` and `text`.
    """
    lines = [rule]
    share = _share([one["text"] or "" for one in spoken])
    for one in spoken:
        seat = f" ({one['seat']})" if one["seat"] else ""
        reason = f". {cut(one['text'], share)}" if one["text"] else ""
        what = (one["what"] or "").capitalize()
        lines.append(f"{what}, {one['who'] or 'Former team member'}{seat}: {one['option']}{reason}")
    return "\n".join(lines)


def quoted(text: str | None, scenarios: Mapping[str, str] = MappingProxyType({})) -> str | None:
    """What was said, for people to read: answers that were asked for by name stand on a paragraph each.

    Args:
        scenarios: What each scenario is called that a request can name.
    """
    if not text:
        return None
    try:
        answers = json.loads(text)
    except ValueError:
        answers = None
    if isinstance(answers, dict):
        if "gap" in answers:
            read = whole(answers, scenarios)
            answers = {one.title: one.text for one in read if one.field not in _ON_THE_PAGE}
        named = {str(name): value for name, value in answers.items() if isinstance(value, str) and value}
        share = _share(named.values())
        told = (f"{name.replace('_', ' ').capitalize()}: {cut(value, share)}" for name, value in named.items())
        return "\n".join(told) or None
    return cut(text) or None


def _share(texts: Collection[str]) -> int:
    """How long each of several texts may be, so that all are quoted together: a short one leaves its room to others."""
    room, share = LONGEST_QUOTE, LONGEST_QUOTE
    for number, length in enumerate(sorted(map(len, texts))):
        share = room // (len(texts) - number)
        room -= min(length, share)
    return share


def cut(text: str, longest: int = LONGEST_QUOTE) -> str:
    """A text that is not too long to be quoted: cut between two words, if the last is not too far off."""
    if len(text) <= longest:
        return text
    words = text[:longest].rpartition(" ")[0]
    return f"{words if 2 * len(words) > longest else text[:longest]} […]"


def slack(headline: str, text: str | None, url: str) -> str:
    """An announcement in Slack's mrkdwn. Whatever people wrote is text there: it links nothing and calls nobody."""
    lines = [f"*{escaped(headline)}*"]
    lines += [f">{escaped(line)}" for line in (text or "").splitlines()]
    return "\n".join([*lines, f"<{escaped(url)}|Open the review>"])


def escaped(text: str) -> str:
    """Slack's own rule: these three characters are its markup, `<!channel>` and links included."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
