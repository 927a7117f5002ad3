"""The page of the desk's days: load against staffing, what the slack paid for, and the side work that there is."""

from __future__ import annotations

from fastapi import APIRouter, Response

from rapport.model.base import UserError
from rapport.model.reading import read_day
from starters import pictures
from starters.http.pages.visit import TheVisit
from starters.use_cases import desk_report, side_project

router = APIRouter()


@router.get("/support/report")
async def report(visit: TheVisit) -> Response:
    """The last four weeks, or the days that are asked for; by desk, never by engineer."""
    typed = {field: visit.request.query_params.get(field, "").strip() for field in ("from", "to")}
    refusal = None
    try:
        days = (read_day(text, field) if text else None for field, text in typed.items())
        found = await desk_report.report(visit.services, *days)
    except UserError as refused:
        refusal, found = refused, await desk_report.report(visit.services)
    typed = {"from": typed["from"] or str(found.first), "to": typed["to"] or str(found.last)}
    return await visit.page(
        "desk_report.html",
        found=found,
        picture=pictures.week(found),
        side=await side_project.listed(visit.services),
        typed=typed,
        refusal=refusal,
    )
