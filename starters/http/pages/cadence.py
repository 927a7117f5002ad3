"""The forms of an account's page for what recurs: one date moved or called off, and the standing time."""

from __future__ import annotations

from datetime import date

from fastapi import APIRouter, Request, Response

from rapport.model.base import InputModel, Prose, UserError
from rapport.model.reading import check
from starters.http.auth import SignedIn, TheServices, check_form
from starters.http.pages.member import account_page, acting, wall_time
from starters.http.pages.rendering import RefusedForm, done_of, fields, see_other
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


@router.post("/skip")
async def skip(request: Request, key: str, step: str, services: TheServices, session: SignedIn) -> Response:
    """Call one date off."""
    await check_form(request, services, session)
    typed = await fields(request)
    actor = acting(services, session, await account.show(services, key))
    try:
        day, reason = _said(typed)
        receipt = await cadence.skip(services, key, step, day, actor, reason)
    except UserError as refusal:
        return await account_page(request, services, session, key, RefusedForm("skip", refusal, typed, step))
    return see_other(f"/accounts/{key}?done={done_of(receipt, 'called_off')}")


@router.post("/move")
async def move(request: Request, key: str, step: str, services: TheServices, session: SignedIn) -> Response:
    """Move one date."""
    await check_form(request, services, session)
    typed = await fields(request)
    shown = await account.show(services, key)
    try:
        day, reason = _said(typed)
        start = wall_time(typed.get("start", ""), shown.tam.zone)
        receipt = await cadence.move(services, key, step, day, start, acting(services, session, shown), reason)
    except UserError as refusal:
        return await account_page(request, services, session, key, RefusedForm("move", refusal, typed, step))
    return see_other(f"/accounts/{key}?done={done_of(receipt, 'moved')}")


@router.post("/set")
async def set_time(request: Request, key: str, step: str, services: TheServices, session: SignedIn) -> Response:
    """Set the standing time."""
    await check_form(request, services, session)
    typed = await fields(request)
    actor = acting(services, session, await account.show(services, key))
    try:
        receipt = await cadence.set_time(services, key, step, typed.get("day", ""), typed.get("at", ""), actor)
    except UserError as refusal:
        return await account_page(request, services, session, key, RefusedForm("set", refusal, typed, step))
    return see_other(f"/accounts/{key}?done={done_of(receipt, 'standing')}")
