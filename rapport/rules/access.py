"""Who may do what: the one table of roles, actions and how far they reach. Use cases ask it, and nothing else does."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from rapport.model.access import Action, Reach, TokenScope
from rapport.model.account import Account, Member, Role


class Right(NamedTuple):
    """One row of the table.

    Attributes:
        title: What it is, in words.
        doing: What is refused to whoever has no such right: they "may not …", all that one may ask by it.
        roles: How far each role's right goes; a role that is not named has none.
        scopes: The scopes of a service's token that cover it. The operator's covers all.
    """

    title: str
    doing: str
    roles: Mapping[Role, Reach]
    scopes: tuple[TokenScope, ...] = ()


def _reach(own: Iterable[Role] = (), team: Iterable[Role] = (), all_: Iterable[Role] = ()) -> Mapping[Role, Reach]:
    return MappingProxyType(
        dict.fromkeys(own, Reach.OWN) | dict.fromkeys(team, Reach.TEAM) | dict.fromkeys(all_, Reach.ALL)
    )


_ADMINISTRATORS: Final = (Role.ADMINISTRATOR,)
_LEADS: Final = (Role.TAM_MANAGER, Role.CE_VP, Role.SUPPORT_LEAD)
_SUPPORT: Final = (Role.SUPPORT_ENGINEER, Role.SUPPORT_LEAD)
_AROUND_CASES: Final = (*_SUPPORT, Role.TAM, Role.TAM_MANAGER, Role.CE, Role.TA, Role.PRODUCT)
_AT_WORK: Final = (
    *(Role.TAM, Role.TAM_MANAGER, Role.CE, Role.CE_VP, Role.TA, Role.SALES, Role.VP_SALES),
    *(Role.PRODUCT, Role.ENGINEERING, Role.VP_ENGINEERING, *_SUPPORT),
)
"""Who works on accounts, cases or reviews, by name: a new role may do nothing until it is written down."""
_EVERY_ROLE: Final = (*_AT_WORK, *_ADMINISTRATORS)
_ON_ACCOUNTS: Final = (Role.TAM, Role.TAM_MANAGER, Role.CE)
_ASK_FOR_REVIEWS: Final = (*_ON_ACCOUNTS, Role.TA, *_SUPPORT)

TABLE: Final[Mapping[Action, Right]] = MappingProxyType(
    {
        Action.READ: Right(
            "Look at accounts, meetings, tasks, reviews, cases, members",
            "look at what is on record",
            _reach(all_=_EVERY_ROLE),
            (TokenScope.READ,),
        ),
        Action.READ_AUDIT: Right(
            "Verify and export the timeline with its hashes",
            "read the audit",
            _reach(own=[Role.TAM], all_=[Role.TAM_MANAGER, Role.ADMINISTRATOR]),
        ),
        Action.READ_NOTES: Right(
            "Read the private note on a meeting, beside who wrote it", "read private notes", _reach(own=[Role.TAM])
        ),
        Action.START: Right(
            "Start onboardings, import accounts",
            "start onboardings or import accounts",
            _reach(team=[Role.TAM], all_=[Role.TAM_MANAGER, Role.CE]),
            (TokenScope.START_ONBOARDINGS,),
        ),
        Action.ACT: Right(
            "Onboarding steps, meetings, minutes, contacts, handovers",
            "change onboardings, meetings or contacts",
            _reach(team=[Role.TAM], all_=[Role.TAM_MANAGER, Role.CE]),
        ),
        Action.DRAFTS: Right(
            "Read, edit, send and hold drafts",
            "read or send drafts",
            _reach(own=[Role.TAM, Role.CE], team=[Role.TAM_MANAGER]),
        ),
        Action.CASE_DRAFTS: Right(
            "Read, edit, send and hold drafts of support cases",
            "read or send case drafts",
            _reach(own=[Role.TAM, Role.CE], team=[Role.TAM_MANAGER], all_=_SUPPORT),
        ),
        Action.ERASE: Right(
            "Erase a contact for good", "erase contacts", _reach(own=[Role.TAM], team=[Role.TAM_MANAGER])
        ),
        Action.ERASE_ACCOUNT: Right(
            "Erase an account for good, together with a second person",
            "ask for or confirm the erasure",
            _reach(own=[Role.TAM], team=[Role.TAM_MANAGER]),
        ),
        Action.USAGE: Right("Record usage", "record usage", _reach(all_=_AT_WORK), (TokenScope.WRITE_USAGE,)),
        Action.RECORD: Right(
            "Record incidents, projects, wins, the roadmap",
            "record incidents, projects, wins or the roadmap",
            _reach(all_=_AT_WORK),
        ),
        Action.DECIDE: Right(
            "Decide, ask and answer on tasks assigned to oneself", "decide tasks", _reach(all_=_EVERY_ROLE)
        ),
        Action.REQUEST_REVIEW: Right(
            "Request technical reviews", "request technical reviews", _reach(all_=_ASK_FOR_REVIEWS)
        ),
        Action.SPEAK: Right(
            "Give feedback in technical reviews", "give feedback in technical reviews", _reach(all_=_AT_WORK)
        ),
        Action.WITHDRAW_REVIEW: Right(
            "Withdraw technical reviews", "withdraw technical reviews", _reach(all_=(*_ASK_FOR_REVIEWS, Role.CE_VP))
        ),
        Action.GAPS: Right(
            "Log and change product gaps, triage requests", "log or change product gaps", _reach(all_=_AT_WORK)
        ),
        Action.OPEN_CASE: Right(
            "Open support cases", "open cases", _reach(all_=_AROUND_CASES), (TokenScope.OPEN_CASES,)
        ),
        Action.ADD_TO_CASE: Right(
            "Add notes and context to cases, reopen them", "add to cases or reopen them", _reach(all_=_AROUND_CASES)
        ),
        Action.WORK_ON_CASE: Right(
            "Answer, assign, merge and resolve cases", "answer, assign or resolve cases", _reach(all_=_SUPPORT)
        ),
        Action.SIDE_PROJECTS: Right("Add and take side projects", "add or take side projects", _reach(all_=_AT_WORK)),
        Action.LEAD_DESK: Right(
            "Set when to look at side projects again",
            "set when side projects are looked at again",
            _reach(all_=[Role.SUPPORT_LEAD]),
        ),
        Action.ABSENCES: Right(
            "Announce and end absences",
            "announce or end absences",
            _reach(own=_EVERY_ROLE, all_=(*_LEADS, *_ADMINISTRATORS)),
        ),
        Action.MEMBERS: Right(
            "Add members, change their roles, note that they left", "change members", _reach(all_=_ADMINISTRATORS)
        ),
        Action.MAIL: Right("Stop and start all email", "stop or start email", _reach(all_=(*_LEADS, *_ADMINISTRATORS))),
        Action.TOKENS: Right("Create and revoke tokens", "create or revoke tokens", _reach(all_=_ADMINISTRATORS)),
        Action.HOST: Right("Set up, back up and look after the installation", "look after the installation", _reach()),
    }
)


def reach(action: Action, roles: Iterable[Role]) -> Reach | None:
    """How far a member with these roles may go; nothing where they may not at all."""
    return max((far for role, far in TABLE[action].roles.items() if role in set(roles)), default=None)


def depends_on_who(action: Action) -> bool:
    """Whether it matters who does it: it is neither for every role, nor for whoever runs the installation alone."""
    roles = TABLE[action].roles
    return bool(roles) and not all(roles.get(role) is Reach.ALL for role in Role)


def covers(action: Action, scopes: Collection[TokenScope]) -> bool:
    """Whether a service's token with these scopes may do it."""
    return TokenScope.OPERATOR in scopes or any(scope in scopes for scope in TABLE[action].scopes)


def nearness(member: Member, account: Account, members: Mapping[str, Member]) -> Reach:
    """How near an account is to a member: their own, their team's, or any other."""
    return min((_near(member, members[tam], members) for tam in _served_by(account)), default=Reach.ALL)


def _served_by(account: Account) -> list[str]:
    return [one for one in (account.tam, account.regular_tam) if one is not None]


def _near(member: Member, tam: Member, members: Mapping[str, Member]) -> Reach:
    if member.id in (tam.id, tam.backup, tam.delegate):
        return Reach.OWN
    if tam.manager is not None and tam.manager == member.manager:
        return Reach.TEAM
    return Reach.TEAM if is_above(member, tam, members) else Reach.ALL


def reads_note(member: Member, account: Account, author: str) -> bool:
    """Whether somebody may read, and replace, the private note on a meeting: who wrote it, and whoever serves now."""
    return member.id == author or (
        member.id == account.tam and reach(Action.READ_NOTES, sorted(member.roles)) is not None
    )


def is_above(member: Member, other: Member, members: Mapping[str, Member]) -> bool:
    """Whether a matter of the other goes up to the member, by however many steps."""
    seen: set[str] = set()
    above = other.manager
    while above is not None and above not in seen and above in members:
        if above == member.id:
            return True
        seen.add(above)
        above = members[above].manager
    return False


def allowed_to(action: Action, *, everywhere: bool = False) -> str:
    """Who may, in words; with `everywhere`, who may to every account."""
    by_reach: dict[Reach, list[str]] = {}
    for role in Role:
        if (far := TABLE[action].roles.get(role)) is not None:
            by_reach.setdefault(far, []).append(role)
    told = []
    for far in (Reach.ALL,) if everywhere else (Reach.ALL, Reach.TEAM, Reach.OWN):
        if names := by_reach.get(far):
            who = _named(names)
            told.append(who if far is Reach.ALL else f"{who} ({_REACHES[far]})")
    return "; ".join(told) or "whoever runs the installation"


_REACHES: Final = {Reach.OWN: "own", Reach.TEAM: "own team"}


def _named(names: list[str]) -> str:
    if set(names) == set(Role):
        return "every role"
    if set(names) == set(_AT_WORK):
        return "every role but administrator"
    return ", ".join(names)
