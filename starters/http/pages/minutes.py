"""The page of a meeting's minutes: what stands, and the form in which a member says or corrects how it went."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Response

from rapport.model.base import Refused, UserError
from rapport.model.minutes import MOST_LINES, Minutes
from rapport.model.reading import check
from starters.http.pages.rendering import done_of, see_other
from starters.http.pages.visit import TheVisit, Typed, Visit
from starters.services import Services, present
from starters.use_cases import account as accounts, meeting as meetings, member
from starters.use_cases.account import AccountShown
from starters.use_cases.meeting import MeetingShown
from starters.use_cases.minutes import MinutesShown

router = APIRouter()

ACTIONS: Final = ("what", "owner", "due")
BLOCKERS: Final = ("title", "owner", "next_check")
ROWS: Final = 3
"""How many rows for actions, and for blockers, a form has at least; and two more than are filled in."""

_LABELS: Final = {
    "actions.what": "what is promised in action {}",
    "actions.owner": "whoever does action {}",
    "actions.due": "the day of action {}",
    "blockers.title": "what is blocked in blocker {}",
    "blockers.owner": "whoever clears blocker {}",
    "blockers.next_check": "the next check of blocker {}",
    "goals.short_term": "short-term goal {}",
    "goals.long_term": "long-term goal {}",
    "agreed.step": "the next meeting",
    "agreed.start": "the next meeting’s time",
    "attended": "person {} of those who were there",
    "next": "what else was agreed",
    "private_note": "the private note",
}


@dataclass(frozen=True)
class MinutesTyped:
    """What a form holds: texts by field, and the addresses that were ticked."""

    fields: Mapping[str, str] = field(default_factory=dict)
    attended: tuple[str, ...] = ()

    def rows(self, name: str) -> int:
        """How many rows the form needs for its actions or blockers."""
        used = [int(found[1]) for one in self.fields if (found := re.fullmatch(rf"{name}-([0-9]{1, 3})-\w+", one))]
        filled = [number for number in used if any(self._row(name, number).values())]
        return min(MOST_LINES, max(ROWS, max(filled, default=-1) + 3))

    def _row(self, name: str, number: int) -> dict[str, str]:
        parts = ACTIONS if name == "actions" else BLOCKERS
        row = {part: self.fields.get(f"{name}-{number}-{part}", "").strip() for part in parts}
        return {part: text for part, text in row.items() if text}

    def list(self, name: str) -> list[tuple[int, dict[str, str]]]:
        """The rows that hold something, with their numbers."""
        found = [(number, self._row(name, number)) for number in range(MOST_LINES)]
        return [(number, row) for number, row in found if row]


@dataclass(frozen=True)
class FormFault:
    """Why a form was refused: told in the words of the form, with the fields at fault."""

    refusal: UserError
    fields: frozenset[str]


@router.get("/accounts/{key}/meetings/{step}/minutes")
async def minutes(visit: TheVisit, key: str, step: str) -> Response:
    """How a meeting went, or the form that asks for it."""
    return await _page(visit, key, step)


@router.post("/accounts/{key}/meetings/{step}/minutes")
async def take(visit: TheVisit, key: str, step: str, said: Typed) -> Response:
    """Say that a meeting was held and how it went, or correct what was said."""
    ticked = (await visit.request.form()).getlist("attended")
    typed = MinutesTyped(said, tuple(text for text in ticked if isinstance(text, str)))
    actor = visit.acting((await accounts.show(visit.services, key)).tam.email)
    done = "corrected" if (correcting := typed.fields.get("do") == "correct") else "held"
    try:
        written = check(Minutes, _data(typed), "")
        if correcting:
            await meetings.correct(visit.services, key, step, written, actor)
        else:
            done = done_of(await meetings.report(visit.services, key, step, "held", actor, written=written), done)
    except UserError as refusal:
        return await _page(visit, key, step, typed, _fault(refusal, typed))
    return see_other(f"/accounts/{key}/meetings/{step}/minutes?done={done}")


def _data(typed: MinutesTyped) -> dict[str, Any]:
    """A form as a document of minutes."""
    said = typed.fields
    others = [text for text in re.split(r"[\s,;]+", said.get("others", "")) if text]
    agreed = {name: said.get(f"agreed-{name}", "") for name in ("step", "start")}
    data: dict[str, Any] = {
        "attended": [*typed.attended, *others],
        "goals": {name: _lines(said.get(name, "")) for name in ("short_term", "long_term")},
        "actions": [row for _, row in typed.list("actions")],
        "blockers": [row for _, row in typed.list("blockers")],
        "agreed": [
            {name: text for name, text in agreed.items() if text} | {"anyway": said.get("agreed-anyway") == "yes"}
        ]
        if any(agreed.values())
        else [],
        "next": said.get("next") or None,
        "note": said.get("note") or None,
    }
    # Whoever could not see a private note does not take it away by leaving the field empty.
    if said.get("private_note") or said.get("noted"):
        data["private_note"] = said.get("private_note", "")
    return data


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _fault(refusal: UserError, typed: MinutesTyped) -> FormFault:
    """A refusal in the words of the form: a document counts what is filled in, a person counts rows."""
    named = [_named(one, typed) for one in (refusal, *refusal.others)]
    first, others = named[0][0], [one for one, _ in named[1:]]
    told = UserError(first.problem, field=first.field, fix=first.fix, kind=first.kind, others=others)
    return FormFault(told, frozenset(name for _, name in named))


def _named(refusal: UserError, typed: MinutesTyped) -> tuple[UserError, str]:
    found = re.fullmatch(r"([a-z_.]+?)(?:\[(\d+)\])?(?:\.([a-z_]+))?", refusal.field)
    if found is None:
        return refusal, refusal.field
    area, number, part = found[1], int(found[2] or 0), found[3]
    name = f"{area}.{part}" if part else area
    if area in ("actions", "blockers") and found[2]:
        rows = typed.list(area)
        number = rows[number][0] if number < len(rows) else number
        field_ = f"{area}-{number}-{part}"
    else:
        field_ = name.removeprefix("goals.").replace("agreed.", "agreed-")
    label = _LABELS.get(name, refusal.field).format(number + 1)
    return UserError(refusal.problem, field=label, fix=refusal.fix, kind=refusal.kind), field_


def _as_it_stands(shown: MinutesShown) -> MinutesTyped:
    """The form with what stands in the minutes."""
    rows: list[tuple[str, Iterable[Mapping[str, str]]]] = [
        (
            "actions",
            ({"what": one.what, "owner": one.owner_email or "", "due": str(one.due)} for one in shown.actions),
        ),
        (
            "blockers",
            (
                {"title": one.title, "owner": one.owner_email or "", "next_check": str(one.next_check)}
                for one in shown.blockers
            ),
        ),
    ]
    filled = {
        f"{name}-{number}-{part}": text
        for name, some in rows
        for number, row in enumerate(some)
        for part, text in row.items()
    }
    filled |= {
        "short_term": "\n".join(shown.short_term),
        "long_term": "\n".join(shown.long_term),
        "next": shown.next or "",
        "note": shown.note or "",
        "private_note": shown.private_note or "",
    }
    return MinutesTyped(filled, tuple(one.email for one in shown.attended if one.email))


async def _page(
    visit: Visit,
    key: str,
    step: str,
    typed: MinutesTyped | None = None,
    fault: FormFault | None = None,
) -> Response:
    account = await accounts.show(visit.services, key)
    reader = visit.acting(account.tam.email).email
    noted = await meetings.noted(visit.services, key, step, reader)
    stands = noted.minutes
    meeting = await _meeting(visit.services, key, step)
    shown = typed or (_as_it_stands(stands) if stands else MinutesTyped())
    ours = [
        one for one in await member.listed(visit.services) if one.left_at is None and one.email != account.tam.email
    ]
    here = {one.email for one in (*account.contacts, account.tam)}
    return await visit.page(
        "minutes.html",
        about=key,
        refusal=fault.refusal if fault is not None else None,
        account=account,
        step=step,
        title=noted.title,
        minutes=stands,
        meeting=meeting,
        begun=meeting is None or (meeting.booked is not None and meeting.booked <= present()),
        ahead=() if stands else noted.ahead,
        typed=shown,
        others=shown.fields.get("others") or ", ".join(email for email in shown.attended if email not in here),
        ours=ours,
        owners=here | {one.email for one in ours},
        fault=fault,
        actor=reader,
        earliest=_today(account),
    )


def _today(account: AccountShown) -> str:
    return f"{present().astimezone(ZoneInfo(account.tam.zone)):%Y-%m-%dT00:00}"


async def _meeting(services: Services, key: str, step: str) -> MeetingShown | None:
    """The meeting as it answers; nothing if no worker does."""
    try:
        return await meetings.show(services, key, step)
    except UserError as refusal:
        if refusal.kind in (Refused.UNREACHABLE, Refused.NOT_FOUND):
            return None
        raise
