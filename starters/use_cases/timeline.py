"""The timeline: what happened to an account, and what was said of it."""

from __future__ import annotations

import json

from rapport.model.access import Action
from rapport.model.base import Instant, WireModel
from rapport.model.reading import read_instant
from rapport.model.scenario import scenario_titles
from rapport.rules.case_words import told
from rapport.rules.review_words import whole
from rapport.storage import account as accounts, cadence, contract as contracts, task, timeline
from rapport.storage.addresses import GONE
from rapport.storage.timeline import TimelineRecord
from starters.rights import requires
from starters.services import Services
from starters.use_cases import minutes
from starters.use_cases.sentences import called, sentence


class EntryShown(WireModel):
    """Something that happened, as a sentence, with who entered it and what they said.

    Attributes:
        verified: How whoever acted was verified.
        on_behalf_of: The name of the member for whom they decided.
        shown: The SHA-256 of what they were shown, in hex.
    """

    at: Instant
    kind: str
    step: str | None
    what: str
    channel: str | None
    entered_by: str | None
    verified: str | None
    on_behalf_of: str | None
    shown: str | None
    said: str | None


@requires(Action.READ)
async def timeline_of(
    services: Services, account: str, until: str | None = None, field: str = "until"
) -> list[EntryShown]:
    """An account's record, oldest first.

    Args:
        until: Only what had happened by then: an instant, or a day of the TAM's zone, with all of it.
        field: What `until` is called where it was written.

    Raises:
        UserError: There is no such account, or `until` is no time.
    """
    async with services.store.reading() as connection:
        found = await accounts.account(connection, account)
        names = await accounts.names(connection, account)
        roles = {id_: called(*held) for id_, held in (await accounts.personas_of(connection, account)).items()}
        steps = await contracts.titles(connection, account)
        zone = (await accounts.member(connection, found.tam)).schedule.zone
        by = None if until is None else read_instant(until, field, zone, ends=True)
        entries = await timeline.tell(connection, account, by)
        recurring = await cadence.titles(connection, account)
        offered = await task.offered(connection, account)
    titles, scenarios = recurring | steps, scenario_titles(services.settings.data)
    return [
        EntryShown.made_of(
            entry,
            what=sentence(entry, names, titles, zone, roles, offered),
            on_behalf_of=names.get(entry.on_behalf_of, GONE) if entry.on_behalf_of else None,
            said=_said(entry, names, titles, zone, scenarios),
        )
        for entry in entries
    ]


def _said(
    entry: TimelineRecord, names: dict[str, str], titles: dict[str, str], zone: str, scenarios: dict[str, str]
) -> str | None:
    """What someone wrote; what was asked for by name, or minuted, stands on a line each."""
    if entry.text is not None and entry.kind in ("meeting.held", "meeting.minutes"):
        return minutes.told(entry.text, names, titles, zone)
    if entry.kind == "case.escalated":
        return told("escalate", entry.text)
    if entry.text is None or entry.kind not in _BY_NAME:
        return entry.text
    return _by_name(entry.text, scenarios if entry.kind in _REQUESTS else None)


def _by_name(text: str, scenarios: dict[str, str] | None) -> str:
    """What was asked for by name, a line each; what was left out has none.

    Args:
        scenarios: What each scenario is called that a request of a review can name, where it is one.
    """
    said = json.loads(text)
    if scenarios is not None:
        return "\n".join(f"{one.title}: {one.text}" for one in whole(said, scenarios))
    return "\n".join(f"{name.replace('_', ' ')}: {words}" for name, words in said.items() if words)


_REQUESTS = {"tech_review.submitted", "tech_review.edited"}
_BY_NAME = _REQUESTS | {"task.opened", "task.changed", "tech_review.told"}
