"""The forms of an account's page for what recurs: one date moved or called off, and the standing time."""

from __future__ import annotations

from datetime import date

from fastapi import APIRouter

from rapport.model.base import InputModel, Prose, UserError
from rapport.model.reading import check
from starters.http.pages.member import account_page, wall_time
from starters.http.pages.rendering import done_of
from starters.http.pages.visit import TheVisit, Typed, form
from starters.use_cases import account, cadence

router = APIRouter(prefix="/accounts/{key}/cadence/{step}")


class ReasonForm(InputModel):
    """Why, as a form says it."""

    reason: Prose | None = None


def _said(typed: dict[str, str]) -> tuple[date, str | None]:
    """Which date is meant, and why.

    Raises:
        UserError: It is none, or the reason cannot be kept.
    """
    reason = check(ReasonForm, {"reason": typed.get("reason") or None}, "").reason
    try:
        return date.fromisoformat(typed.get("date", "")), reason
    except ValueError:
        raise UserError("is missing", field="date", fix="choose one of the list") from None


@form(router, "/skip", again=account_page)
async def skip(visit: TheVisit, key: str, step: str, typed: Typed) -> str:
    """Call one date off."""
    tam = (await account.show(visit.services, key)).tam
    day, reason = _said(typed)
    receipt = await cadence.skip(visit.services, key, step, day, visit.acting(tam.email), reason)
    return f"/accounts/{key}?done={done_of(receipt, 'called_off')}"


@form(router, "/move", again=account_page)
async def move(visit: TheVisit, key: str, step: str, typed: Typed) -> str:
    """Move one date."""
    tam = (await account.show(visit.services, key)).tam
    day, reason = _said(typed)
    start = wall_time(typed.get("start", ""), tam.zone)
    actor, anyway = visit.acting(tam.email), typed.get("anyway") == "yes"
    receipt = await cadence.move(visit.services, key, step, day, start, actor, reason, anyway=anyway)
    return f"/accounts/{key}?done={done_of(receipt, 'moved')}"


@form(router, "/set", again=account_page, name="set")
async def set_time(visit: TheVisit, key: str, step: str, typed: Typed) -> str:
    """Set the standing time."""
    tam = (await account.show(visit.services, key)).tam
    day, at = typed.get("day", ""), typed.get("at", "")
    actor, anyway = visit.acting(tam.email), typed.get("anyway") == "yes"
    receipt = await cadence.set_time(visit.services, key, step, day, at, actor, anyway=anyway)
    return f"/accounts/{key}?done={done_of(receipt, 'standing')}"
