"""Support cases as people read them: lists, and one case with everything that helps with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

from rapport import support_rules
from rapport.model.access import Action
from rapport.model.account import Member, Role
from rapport.model.base import Instant, UserError, WireModel
from rapport.model.commands import in_name, read_by
from rapport.model.ids import case_id
from rapport.model.support_case import CaseState, CaseView
from rapport.rules.case_words import CASE_WORDS, TEXT_ERASED, did, told
from rapport.rules.review_words import chosen
from rapport.rules.support_case import heading
from rapport.storage import account as accounts, gap, search, support_case, sweep, tech_review
from rapport.storage.support_case import Case, Said, Standing, Turn
from rapport.storage.sweep import StandingStill
from rapport.storage.tech_review import KnownDeviation, KnownReview
from rapport.support_rules import DeskRules
from starters import flows
from starters.rights import requires
from starters.services import Services, answered, present
from starters.views import standstill

ENGINEERS: Final = frozenset({Role.SUPPORT_ENGINEER})
"""The role that is handed cases."""


class CaseLine(WireModel):
    """A case in a list; the one that needs somebody first comes first.

    Attributes:
        state: How it stands; `ended` where it was ended in Temporal, and nothing of it continues.
        ended_since: Since when it is ended then.
        checked: In a list, as of when that is known; nothing if it was never looked at.
    """

    ref: str
    account: str
    heading: str
    contact: str
    area: str
    severity: int
    state: CaseState | Literal["ended"]
    owner: str | None
    owner_email: str | None
    since: Instant | None
    opened: Instant
    promise: str | None
    due: Instant | None
    escalation: str | None
    waiting_for: str | None
    ended_since: Instant | None = None
    checked: Instant | None = None


class WordShown(WireModel):
    """One word on a case."""

    at: Instant
    kind: str
    who: str
    what: str
    text: str | None
    about: str | None = None


class Looked(Standing):
    """One member, as they stood when the desk chose."""

    name: str


class Why(Turn):
    """One choice of the desk, and all that it went by."""

    owner: str | None
    considered: tuple[Looked, ...]

    @property
    def page_told(self) -> str | None:
        """What became of the page, in words; nothing where nobody was to be paged."""
        instead = ", a lead was paged instead" if self.lead_paged else ""
        if self.paged:
            return "paged"
        if self.refusal is not None:
            return f"the page is refused ({self.refusal}){instead}"
        return "not paged yet" if self.to_page else "a lead was paged" if self.lead_paged else None


class SolvedBefore(WireModel):
    """A solved case that resembles this one, and what solved it.

    Attributes:
        alike: Which share of the question's words it has, from 0 to 1.
    """

    ref: str
    account: str
    question: str
    answer: str
    solved: Instant
    alike: float


class ReviewOfCase(WireModel):
    """A tech review that a case turned out to need, and what became of it.

    Attributes:
        outcome: What was decided, or that it was withdrawn; nothing while it is open.
    """

    ref: str
    title: str
    phase: str
    overdue: bool
    outcome: str | None


class GapOfCase(WireModel):
    """A product gap that came up in a case, and where it is by now."""

    ref: str
    title: str
    status: str
    roadmap: str | None


class CaseShown(CaseLine):
    """A case with everything that helps with it.

    Attributes:
        team: Which engineering team owns the area, with the date when that was last confirmed.
        deviations: What the account was granted beyond the usual, on which conditions.
        similar: Solved cases that resemble it, the nearest first.
        duplicates: Open cases of the account that are likely about the same; somebody has to say so.
        live: Whether the workflow itself answered; if not, this is what it last wrote down.
        unpaged: Why its owner couldn't be paged, while they haven't answered.
        drafts: The keys of words to the customer that wait to be read.
        reviews, gaps: The tech reviews that came out of it, and the product gaps that came up in it.
    """

    workflow_id: str
    question: str
    channel: str
    partner: str | None
    split_from: str | None
    merged_into: str | None
    first_answered: Instant | None
    resolved: Instant | None
    breaches: int
    escalations: int
    team: str | None
    log: tuple[WordShown, ...]
    why: tuple[Why, ...]
    deviations: tuple[KnownDeviation, ...] = ()
    similar: tuple[SolvedBefore, ...] = ()
    duplicates: tuple[str, ...] = ()
    unpaged: str | None = None
    drafts: tuple[str, ...] = ()
    reviews: tuple[ReviewOfCase, ...] = ()
    gaps: tuple[GapOfCase, ...] = ()
    live: bool = False
    next: tuple[str, ...] = ()


@requires(Action.READ)
async def listed(
    services: Services, account: str | None = None, *, also_over: bool = False, owner: str | None = None
) -> list[CaseLine]:
    """Cases, `CASES_LISTED` of them at most: those that need somebody first, then by severity and age.

    Args:
        owner: Only whose owner this is, by address.

    Raises:
        UserError: There is no such account or member.
    """
    async with services.store.reading() as connection:
        if account is not None:
            await accounts.account(connection, account)
        mine = None
        if owner is not None:
            found = await accounts.member_by_email(connection, owner)
            if found is None:
                raise UserError("is no member known here", field="--owner", fix="see `rapport member list`")
            mine = found.id
        states = tuple(CaseState) if also_over else support_case.OPEN
        found_cases = await support_case.cases(connection, account, states=states, owner=mine)
        names = await accounts.names_of(connection, (case.contact for case in found_cases))
        members = {member.id: member for member in await accounts.members(connection)}
        known = await sweep.known_ended(connection)
    still, checked = await standstill.all_ended(services, known)
    return [
        _still(_line(case, names, members), case, still.get(case_id(case.ref))).model_copy(update={"checked": checked})
        for case in found_cases
    ]


@requires(Action.READ)
async def show(services: Services, ref: str) -> CaseShown:
    """A case with everything that helps with it.

    Raises:
        UserError: There is none with this number.
    """
    async with services.store.reading() as connection:
        case = await support_case.case(connection, ref)
        names = await accounts.names(connection, case.account)
        members = {member.id: member for member in await accounts.members(connection)}
        log = await support_case.log(connection, ref)
        chosen = await support_case.assignments(connection, ref)
        granted = await tech_review.deviations(connection, case.account)
        alike = await search.similar(connection, case.said or "", area=case.area, but=ref)
        doubles = await search.duplicates(connection, case.account, case.said or "", but=ref)
        unpaged = next((one for one in await support_case.unpaged(connection) if one.ref == ref), None)
        asked = await tech_review.of_case(connection, ref)
        lacking = await gap.known(connection, linked=("case", ref))
        known = (await sweep.standing_still(connection)).get(case_id(ref))
    ended = None if case.state.is_over else await standstill.ended_now(services, case_id(ref), known)
    view = None if case.state.is_over or ended else await _view(services, ref)
    line = _still(_line(case, names, members), case, ended)
    owner = rules(services).owner(case.area, present())
    ways = (standstill.way_on(case_id(ref)),) if ended else _next(case)
    return CaseShown.made_of(
        case,
        **line.model_dump(),
        workflow_id=case_id(ref),
        question=case.said or TEXT_ERASED,
        first_answered=case.first_answered_at,
        resolved=case.resolved_at,
        team=str(owner) if owner is not None else None,
        log=tuple(sorted([*(_word(line, names) for line in log), *_of_reviews(asked, names)], key=lambda one: one.at)),
        why=tuple(
            Why.made_of(
                one,
                owner=names.get(one.member or "", "someone who has left") if one.member else None,
                considered=tuple(
                    Looked.made_of(seen, name=names.get(seen.member, "someone who has left")) for seen in one.considered
                ),
            )
            for one in chosen
        ),
        deviations=tuple(granted),
        similar=tuple(SolvedBefore(**one.model_dump(exclude={"area"})) for one in alike),
        duplicates=() if case.state.is_over else tuple(one.ref for one in doubles),
        unpaged=unpaged.told if unpaged is not None else None,
        drafts=view.drafts if view is not None else (),
        reviews=tuple(ReviewOfCase(**one.model_dump(include=set(ReviewOfCase.model_fields))) for one in asked),
        gaps=tuple(GapOfCase(**one.model_dump(include=set(GapOfCase.model_fields))) for one in lacking),
        live=view is not None,
        next=tuple(read_by(one, services.reader or (None if ended else line.owner_email)) for one in ways),
    )


def _word(line: Said, names: Mapping[str, str]) -> WordShown:
    return WordShown(
        at=line.at,
        kind=line.kind,
        who=names.get(line.by or "", "somebody"),
        what=did(line.kind, line.by),
        text=told(line.kind, line.text) if line.text or line.submission is None else TEXT_ERASED,
        about=names.get(line.about or "", line.about) if line.about else None,
    )


def _of_reviews(asked: Sequence[KnownReview], names: Mapping[str, str]) -> Iterator[WordShown]:
    """What became of the reviews that a case needs, as words on it. They stand on record with the reviews."""
    for one in asked:
        by = names.get(one.submitter, "someone who has left")
        yield WordShown(
            at=one.submitted, kind="review", who=by, what=CASE_WORDS["review"], text=one.title, about=one.ref
        )
        ended = one.decided or one.closed
        if ended is not None and one.outcome is not None:
            outcome = chosen(one.outcome)
            yield WordShown(
                at=ended, kind="review_ended", who="The tech review", what=f"ended: {outcome}", text=None, about=one.ref
            )


@requires(Action.READ)
async def engineers(
    services: Services, roles: frozenset[Role] = frozenset({Role.SUPPORT_ENGINEER})
) -> list[tuple[str, str]]:
    """Who is at the desk, as address and name; never a developer."""
    async with services.store.reading() as connection:
        found = await accounts.members(connection)
    return [
        (member.email, member.name)
        for member in found
        if member.roles & roles and Role.ENGINEERING not in member.roles and member.left_at is None
    ]


def rules(services: Services) -> DeskRules:
    """What the desk goes by, from the data directory.

    Raises:
        UserError: Its file is wrong.
    """
    return support_rules.load(services.settings.data)


def _still(line: CaseLine, case: Case, ended: StandingStill | None) -> CaseLine:
    """A case's line, where it was ended in Temporal: nobody at the desk works on it then."""
    if ended is None or case.state.is_over:
        return line
    waits = standstill.waits_for(left=ended.left_at is not None)
    return line.model_copy(update={"state": "ended", "waiting_for": waits, "ended_since": ended.since})


def _line(case: Case, names: dict[str, str], members: dict[str, Member]) -> CaseLine:
    owner = members.get(case.owner or "")
    clock = case.status.clock if case.status is not None else None
    return CaseLine.made_of(
        case,
        heading=heading(case.said) or TEXT_ERASED,
        contact=names.get(case.contact, "someone who has left"),
        owner=owner.name if owner else None,
        owner_email=owner.email if owner else None,
        since=case.owned_since,
        opened=case.opened_at,
        promise=clock.promise.replace("_", " ") if clock is not None else None,
    )


def _next(case: Case) -> tuple[str, ...]:
    """What can be done about it, as commands."""
    match case.state:
        case CaseState.QUEUED:
            return (in_name(f"rapport case assign {case.ref} --to EMAIL"),)
        case CaseState.OPEN | CaseState.WAITING:
            return (
                in_name(f"rapport case answer {case.ref} --text …"),
                in_name(f"rapport case resolve {case.ref} --text …"),
            )
        case CaseState.RESOLVED:
            return (in_name(f"rapport case reopen {case.ref} --text …"),)
        case _:
            return (f"rapport case show {case.merged_into}",)


async def _view(services: Services, ref: str) -> CaseView | None:
    handle = services.client.get_workflow_handle(case_id(ref))
    try:
        return await answered(handle.query(flows.SupportCase.view), ref)
    except UserError:
        return None
