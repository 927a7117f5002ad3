"""Technical reviews driven through the use cases, as people do."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import insert

from rapport.model.account import MembersFile
from rapport.model.base import Refused, UserError
from rapport.model.reading import read_toml
from rapport.model.tech_review import ReviewRequest
from rapport.storage import account as known
from rapport.storage.tech_review_tables import ReviewRow
from starters.services import present
from starters.use_cases import account as accounts, member as members, task as tasks, tech_review
from starters.use_cases.meeting import MeetingShown
from starters.use_cases.tech_review import Feedback, Reason, WantedMeeting
from starters.views.task import TaskShown
from starters.views.tech_review import ReviewShown
from tests.conftest import CHAMPION, ROOT, Installation, account, by, until
from tests.support.approval import seen

CE: Final = "tomas.novak@foobar.example"
CE_VP: Final = "henrik.dahl@foobar.example"
VP_ENGINEERING: Final = "ada.brandt@foobar.example"
VP_SALES: Final = "elena.fischer@foobar.example"
ENGINEER: Final = "jun.sato@foobar.example"
PRODUCT: Final = "leila.haddad@foobar.example"
SUPPORT: Final = "priya.raman@foobar.example"
SALES: Final = "sam.ortega@foobar.example"
TAM: Final = "robin.keller@foobar.example"
TA: Final = "marco.rossi@foobar.example"
FILES: Final = ROOT / "examples" / "reviews"

SIDES: Final = {"engineering": ENGINEER, "product": PRODUCT, "support": SUPPORT, "account_team": TAM}
LEADERS: Final = {"vp_engineering": VP_ENGINEERING, "ce_vp": CE_VP, "vp_sales": VP_SALES}

MESSAGE: Final = {
    "message": "We do this with you, outside our normal guidelines.",
    "conditions": "- Updates come once a quarter\n- You tell us of each site",
    "revisit": "never",
}
NO: Final = {
    "message": "We cannot do this, and this is why.",
    "next_steps": "Use the export until then.",
    "revisit": "never",
}


def request(today: date, days: int = 40, **changes: Any) -> ReviewRequest:
    """The example's request, needed so many days from now."""
    raw = (FILES / "air-gapped.toml").read_bytes()
    found = read_toml(ReviewRequest, raw, "air-gapped.toml")
    return found.model_copy(update={"needed_by": today + timedelta(days=days), **changes})


async def people(installation: Installation, key: str = "versayce") -> None:
    """The account without an onboarding, and everybody whose word a review needs."""
    await accounts.import_account(installation.services, account(key, "C-1").model_copy(update={"contract": None}))
    raw = (FILES / "members.toml").read_bytes()
    lines = [line for line in raw.decode().splitlines() if not line.startswith(("country", "subdivision"))]
    file = read_toml(MembersFile, "\n".join(lines).encode(), "members.toml")
    await members.import_members(installation.services, file)
    if installation.environment is None:
        await _number_apart(installation, key)


async def _number_apart(installation: Installation, key: str) -> None:
    """Have reviews counted from a number of one's own: many databases share the dev server and its workflows' ids."""
    number = secrets.randbelow(10**8)
    async with installation.services.store.writing() as connection:
        member = await known.member_by_email(connection, CE)
        assert member is not None
        now = present()
        row = {"ref": "earlier", "number": number, "account": key, "title": "earlier", "submitter": member.id}
        row |= {"stage": "pre_trial", "ask": "unplanned_engineering", "submitted": now, "round": 1, "needed_by": now}
        row |= {"phase": "closed", "overdue": False, "closed": now, "waiting_on": [], "projected": 1}
        await connection.execute(insert(ReviewRow).values(**row))


async def submitted(installation: Installation, days: int = 40, key: str = "versayce", **changes: Any) -> str:
    """A review that was asked for on a Monday at ten; give what it is called."""
    if installation.environment is not None:
        await installation.sleep_to(0, 10)
        today = (await installation.now()).date()
    else:
        today = datetime.now(UTC).date()
    await people(installation, key)
    return (await tech_review.submit(installation.services, request(today, days, account=key, **changes), by(CE))).ref


async def standing(installation: Installation, ref: str, condition: Callable[[ReviewShown], bool]) -> ReviewShown:
    """A review, once its projection is so."""

    async def there() -> ReviewShown | None:
        try:
            shown = await tech_review.show(installation.services, ref)
        except UserError as refusal:
            if refusal.kind is not Refused.NOT_FOUND:
                raise
            return None
        return shown if condition(shown) else None

    shown: ReviewShown = await until(there, f"the review {ref}")
    return shown


async def in_phase(installation: Installation, ref: str, phase: str) -> ReviewShown:
    """A review, once it has come to a phase."""
    return await standing(installation, ref, lambda one: one.phase == phase)


async def asked(installation: Installation, ref: str, step: str, attempt: int = 1, phase: str = "open") -> TaskShown:
    """One of its tasks, once it stands there."""
    name = f"task/{ref}/{step}/{attempt}"
    # Where there is none of this attempt yet, the name stands for the latest.
    return await seen(installation, name, lambda one: (one.task, one.phase) == (name, phase))


async def say(
    installation: Installation,
    ref: str,
    side: str,
    stance: str = "in_favour",
    text: str = "Looks fine",
    attempt: int = 1,
) -> None:
    """One side's feedback."""
    await asked(installation, ref, f"feedback_{side}", attempt)
    written = Feedback.model_validate({"text": text, "stance": stance})
    await tech_review.feedback(installation.services, ref, written, by(SIDES[side]))


async def everybody_says(
    installation: Installation,
    ref: str,
    stance: str = "in_favour",
    sides: tuple[str, ...] = tuple(SIDES),
    attempt: int = 1,
) -> None:
    """All sides' feedback."""
    for side in sides:
        await say(installation, ref, side, stance, attempt=attempt)


async def choose(
    installation: Installation,
    ref: str,
    step: str,
    email: str,
    option: str,
    reason: str | None = "Because",
    attempt: int = 1,
) -> None:
    """Decide one of its tasks."""
    task = await asked(installation, ref, step, attempt)
    await tasks.decide(installation.services, task.task, option, by(email), reason)


async def write(installation: Installation, ref: str, words: dict[str, str], attempt: int = 1) -> None:
    """The CE writes the message, the VP of CE approves it, support reads it."""
    task = await asked(installation, ref, "message", attempt, "preparing")
    await tasks.request(installation.services, task.task, words, by(CE))
    await choose(installation, ref, "message", CE_VP, "approve", None, attempt)
    await choose(installation, ref, "reading", SUPPORT, "read", None, attempt)


async def confirm(installation: Installation, ref: str) -> None:
    """The customer's word that they have read it, as somebody enters it."""
    task = await asked(installation, ref, "acknowledgement")
    await tasks.decide(installation.services, task.task, "acknowledge", by(CHAMPION))


async def vote(installation: Installation, ref: str, attempt: int = 1, **votes: str) -> None:
    """Leadership's votes, by seat."""
    for seat, word in votes.items():
        await choose(installation, ref, "leadership", LEADERS[seat], word, f"{seat} says {word}", attempt)


async def outcome(installation: Installation, ref: str) -> str | None:
    """How it ended, once it has."""
    return (await in_phase(installation, ref, "closed")).outcome


def why(text: str) -> Reason:
    """A reason."""
    return Reason(reason=text)


async def wants_to_talk(installation: Installation, ref: str, email: str, *invite: str) -> None:
    """Somebody asks for a live meeting, and names others."""
    wanted = WantedMeeting(reason="Writing takes too long", invite=invite)
    await tech_review.request_meeting(installation.services, ref, wanted, by(email))


async def live(
    installation: Installation, ref: str, condition: Callable[[MeetingShown], bool] = lambda one: bool(one.answers)
) -> MeetingShown:
    """The live meeting on a review, once it is so."""

    async def there() -> MeetingShown | None:
        try:
            shown = await tech_review.live_meeting(installation.services, ref)
        except UserError:
            return None
        return shown if condition(shown) else None

    shown: MeetingShown = await until(there, f"the live meeting on {ref}")
    return shown
