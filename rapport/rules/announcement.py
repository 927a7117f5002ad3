"""What the review channel reads: one sentence, what was said, and where the review stands."""

from __future__ import annotations

import json
from typing import Final

from rapport.model.announcement import Word

LONGEST: Final = 2500
"""How much of what was said is quoted; the whole stands on the review's page."""

_TOLD: Final[dict[Word, str]] = {
    "submitted": "{who} submitted a review",
    "edited": "{who} changed the request; everyone is asked anew",
    "said": "{who} wrote",
    "recommended": "{who} gave the recommendation",
    "decided": "it is decided",
    "overdue": "the date by which the customer needs a decision has passed, and there is none",
    "leadership_told": "leadership was told that it is still open",
    "meeting_asked": "{who} asks for a live meeting",
    "meeting_offered": "teams disagree, so a live meeting is offered",
    "acknowledged": "the customer has acknowledged what they were told",
    "withdrawn": "{who} withdrew it",
    "revisit": "the day has come to look at it again",
}
_OF_A_REQUEST: Final = ("title", "stage", "ask", "needed_by", "needed_why", "gap", "expectation")
"""What the channel reads of a request; all of it stands on the review's page."""

_NOBODY: Final = "somebody"


def headline(
    what: Word,
    ref: str,
    account: str,
    who: str | None = None,
    on_behalf_of: str | None = None,
    option: str | None = None,
) -> str:
    """One sentence.

    Args:
        account: The account's name.
        who: Who acted, by name.
        on_behalf_of: For whom they did, by name.
        option: What was chosen or decided.
    """
    actor = who or _NOBODY
    if who and on_behalf_of:
        actor = f"{who}, for {on_behalf_of},"
    told = "{who} answered" if what == "said" and option else _TOLD[what]
    chosen = f": {option.replace('_', ' ')}" if option else ""
    return f"{ref}, {account}: {told.format(who=actor)}{chosen}"


def quoted(text: str | None) -> str | None:
    """What was said, for people to read: answers that were asked for by name stand on a paragraph each."""
    if not text:
        return None
    try:
        answers = json.loads(text)
    except ValueError:
        answers = None
    if isinstance(answers, dict):
        if "gap" in answers:
            answers = {name: answers[name] for name in _OF_A_REQUEST if name in answers}
            answers |= {name: str(answers[name]).replace("_", " ") for name in ("stage", "ask") if name in answers}
        named = ((str(name), value) for name, value in answers.items() if isinstance(value, str) and value)
        text = "\n".join(f"{name.replace('_', ' ').capitalize()}: {value}" for name, value in named)
    if len(text) <= LONGEST:
        return text or None
    return text[:LONGEST].rpartition(" ")[0] + " […]"


def slack(headline: str, text: str | None, url: str) -> str:
    """An announcement in Slack's mrkdwn. Whatever people wrote is text there: it links nothing and calls nobody."""
    lines = [f"*{escaped(headline)}*"]
    lines += [f">{escaped(line)}" for line in (text or "").splitlines()]
    return "\n".join([*lines, f"<{escaped(url)}|Open the review>"])


def escaped(text: str) -> str:
    """Slack's own rule: these three characters are its markup, `<!channel>` and links included."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
