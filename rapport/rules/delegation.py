"""Who acts in whose place: delegates, managers and backups, and how a task's seats follow absences.

Whoever asked for something never gets to decide it, and neither does anyone they picked: where a chain of delegates
reaches the requester, it ends there and the matter goes up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from rapport.model.access import Action
from rapport.model.account import Availability, Role
from rapport.model.task import Holder, Seat
from rapport.rules import access
from rapport.rules.task import match

MANAGER_ROLE: Final[Mapping[Role, Role]] = {
    Role.TAM: Role.TAM_MANAGER,
    Role.TAM_MANAGER: Role.CE_VP,
    Role.CE: Role.CE_VP,
    Role.TA: Role.CE_VP,
    Role.SALES: Role.VP_SALES,
    Role.PRODUCT: Role.VP_ENGINEERING,
    Role.ENGINEERING: Role.VP_ENGINEERING,
    Role.SUPPORT_ENGINEER: Role.SUPPORT_LEAD,
    Role.SUPPORT_LEAD: Role.CE_VP,
}
"""The role that a matter goes up to from a member who has no manager of their own."""

ROLE_PREFIX: Final = "role:"
"""What an assignee begins with who is a role and no member."""

# Who is asked when neither delegates nor managers lead anywhere; everyone else comes after them.
_LAST_RESORT: Final = (Role.TAM_MANAGER, Role.CE_VP, Role.VP_ENGINEERING, Role.VP_SALES, Role.SUPPORT_LEAD)
_SILENT: Final = "no answer so far"
_NO_ROLE: Final = "nobody who may decide has this role"
_NO_MANAGER: Final = ", and no manager is there"
_NOBODY: Final = ", and nobody is there"
_MAY_NOT: Final = ", and whoever would stand in first may not do this"


def resolve(
    owner: str, people: Mapping[str, Availability], requester: str | None, at: datetime, *, depth: int = 5
) -> Holder | None:
    """Who acts for a member at an instant.

    Themselves if they are there; else the delegate that their absence names, or their usual one, and on along the
    chain; else their manager, or who stands in for the manager, and on upwards; else anyone who is there, managers
    first. If nobody in the whole company is there, it stays with the owner, or with anyone who has not left.

    Args:
        owner: The member's id.
        people: Everyone, by id. An id that is not among them has left.
        requester: Who asked, and is passed over.
        at: UTC.
        depth: How many delegates are followed in a row.

    Returns:
        The holder, or nothing if nobody but the requester is left in the company.
    """
    return _Company(people, _askers(requester), at, depth).act_for(owner)


def comes_by_delegates(owner: str, to: str, people: Mapping[str, Availability], at: datetime) -> bool:
    """Whether a matter of a member's comes to another at an instant because somebody named them, and not from above."""
    return any(_is_named(owner, to, _Company(people, (), at, needs=needs)) for needs in (Action.DECIDE, Action.ACT))


def _is_named(owner: str, to: str, company: _Company) -> bool:
    holder = company.act_for(owner)
    if holder is None or holder.member != to or to == owner or to in company._upwards(owner):
        return False
    return any(company._delegate(member) == to for member in (owner, *holder.chain))


def seats_for(
    assignees: Sequence[str],
    people: Mapping[str, Availability],
    requester: str | None,
    at: datetime,
    *,
    asked_before: Collection[str] = (),
    entitled: bool = False,
    needs: Action = Action.DECIDE,
    tam: str | None = None,
) -> tuple[Seat, ...]:
    """The seats of a task that opens, in the order of its assignees.

    An assignee is a member's id, or `role:` and a role. A role is one seat that any of its members can fill; all who
    are there hold it at once, and it belongs to nobody in particular. One person counts once, so a seat that only
    someone already seated could ever fill is left out: a member named twice, a role whose members all have seats, and
    a member who can never decide (the requester, or someone who has left) if the matter falls to someone seated.

    Args:
        asked_before: Who asked in an earlier version: they are passed over as well.
        entitled: As `TaskDefinition.entitled`: where no one entitled is there, a seat stays empty.
        needs: What is asked: who may not do that stands in for nobody.
        tam: Whose seat is the TAM's, by id: who may not act on accounts does not stand in for them.

    Raises:
        ValueError: A role is unknown.
    """
    company = _Company(people, _askers(requester, asked_before), at, entitled=entitled, needs=needs)
    seats = _all_moved([_seat(assignee, tam) for assignee in dict.fromkeys(assignees)], company)
    named = {seat.owner for seat in seats if seat.owner is not None and company.able(seat.owner)}
    fillers = {seat.id: company.fillers(seat) for seat in seats if seat.owner not in named}
    # Each of these seats has to find somebody else who has none yet.
    placed = match({seat: [member for member in able if member not in named] for seat, able in fillers.items()})
    kept = {*placed.values(), *(seat for seat, able in fillers.items() if not able)}
    return tuple(seat for seat in seats if seat.id not in fillers or seat.id in kept)


def refresh(
    seats: Sequence[Seat],
    people: Mapping[str, Availability],
    requester: str | None,
    at: datetime,
    *,
    asked_before: Collection[str] = (),
    decided: Collection[str] = (),
    entitled: bool = False,
    needs: Action = Action.DECIDE,
) -> tuple[Seat, ...]:
    """These seats, with those who hold them now: away means on to the delegate, and back means back to the owner.

    No seat comes or goes. Whom the ladder added stays until they leave the company.

    Args:
        decided: The ids of the seats that are filled already (`rules.task.filled`). They stay as they are.
        asked_before, entitled, needs: As in `seats_for`.
    """
    company = _Company(people, _askers(requester, asked_before), at, entitled=entitled, needs=needs)
    return _all_moved(seats, company, decided)


def handed_over(seats: Sequence[Seat], tam: str | None, decided: Collection[str] = ()) -> tuple[Seat, ...]:
    """These seats, where the TAM's belongs to whoever serves the account now; nobody holds it until `refresh`.

    Whom the ladder added helps the former TAM no more. One person counts once: whoever has a seat already gets no
    other, and that of the TAM stays where it was.

    Args:
        tam: The member's id; where it is not known, nothing changes.
        decided: As in `refresh`.
    """
    if tam is None or any(seat.owner == tam for seat in seats):
        return tuple(seats)
    return tuple(
        seat.model_copy(update={"owner": tam, "holders": ()}) if seat.of_tam and seat.id not in decided else seat
        for seat in seats
    )


def next_change(
    seats: Sequence[Seat],
    people: Mapping[str, Availability],
    requester: str | None,
    at: datetime,
    *,
    asked_before: Collection[str] = (),
    decided: Collection[str] = (),
    entitled: bool = False,
    needs: Action = Action.DECIDE,
) -> datetime | None:
    """The next instant after `at` at which `refresh` would move a seat, as far as absences are known by now."""

    def then(instant: datetime) -> tuple[Seat, ...]:
        return refresh(
            seats,
            people,
            requester,
            instant,
            asked_before=asked_before,
            decided=decided,
            entitled=entitled,
            needs=needs,
        )

    now = then(at)
    edges = {edge for person in people.values() for away in person.absences for edge in (away.starts, away.ends)}
    later = sorted(edge for edge in edges if edge > at)
    return next((edge for edge in later if then(edge) != now), None)


def add_backup(
    seats: Sequence[Seat],
    seat_id: str,
    people: Mapping[str, Availability],
    requester: str | None,
    at: datetime,
    *,
    asked_before: Collection[str] = (),
    needs: Action = Action.DECIDE,
) -> tuple[Seat, ...]:
    """The seats, with someone more who can fill a silent one: the backup of whom it belongs to or of who holds it.

    If they cannot, it is the usual delegate of one of these, else a colleague of the same role. Among those who are
    there, people without another seat come first, as each person counts once. If there is nobody, nothing changes.
    """
    company = _Company(people, _askers(requester, asked_before), at, needs=needs)
    return _escalated(seats, seat_id, "backup", company, company.backups)


def add_manager(
    seats: Sequence[Seat],
    seat_id: str,
    people: Mapping[str, Availability],
    requester: str | None,
    at: datetime,
    *,
    asked_before: Collection[str] = (),
) -> tuple[Seat, ...]:
    """The seats, with a manager who can fill a silent one: the nearest who is there, upwards from whom it belongs to.

    As with `add_backup`, managers without another seat come first, and if there is nobody, nothing changes.
    """
    company = _Company(people, _askers(requester, asked_before), at)
    return _escalated(seats, seat_id, "manager", company, company.managers)


def _askers(requester: str | None, asked_before: Collection[str] = ()) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*(() if requester is None else (requester,)), *asked_before)))


class _Company(NamedTuple):
    """Everyone, as seen at one instant by a task that someone asked for.

    Attributes:
        askers: Who asks for it, and who did in an earlier version of it.
        entitled: Whoever stands in has to be named for that, or above; anyone who is there is not enough.
        seated: Those who sit elsewhere already; where only who is entitled counts, they fill no second seat.
        needs: What whoever stands in has to be allowed to do.
    """

    people: Mapping[str, Availability]
    askers: tuple[str, ...]
    at: datetime
    depth: int = 5
    entitled: bool = False
    seated: frozenset[str] = frozenset()
    needs: Action = Action.DECIDE

    def able(self, member: str) -> bool:
        """Whether they may act at all, now or once they are back."""
        return member in self.people and not self.people[member].left and member not in self.askers

    def there(self, member: str) -> bool:
        """Whether a member may act, and is not away now."""
        return self.able(member) and not any(a.starts <= self.at < a.ends for a in self.people[member].absences)

    def may(self, member: str) -> bool:
        """Whether a member may do what is asked, at least where an account is their own."""
        return access.reach(self.needs, sorted(self.people[member].roles)) is not None

    def stands_in(self, member: str) -> bool:
        """Whether a member is there to act instead of somebody else, and may."""
        if not self.there(member) or not self.may(member):
            return False
        return not self.entitled or (member not in self.seated and not self._reports_to_askers(member))

    def of_role(self, role: Role) -> list[str]:
        """The members of a role who may act, by id, those who are there first."""
        members = (member for member, who in self.people.items() if role in who.roles and self.able(member))
        return sorted(members, key=lambda member: (not self.there(member), member))

    def act_for(self, owner: str) -> Holder | None:
        """Who acts for a member; see `resolve`."""
        if self.there(owner):
            return Holder(member=owner)
        found, passed, end = self._along(owner)
        why, barred = self._why(owner), self._barred(passed)
        if found is not None:
            return Holder(member=found, on_behalf_of=owner, via="delegate", chain=passed, reason=why + barred)
        why += "" if barred else end
        chain = dict.fromkeys(passed)
        for superior in self._upwards(owner):
            found, passed, _ = self._along(superior)
            if found is not None:
                before = tuple(member for member in (*chain, *passed) if member != found)
                reason = why + self._barred(before)
                return Holder(member=found, on_behalf_of=owner, via="manager", chain=before, reason=reason)
            chain |= dict.fromkeys(passed)
        return self._anyone(owner, tuple(chain), why + self._barred(chain))

    def act_as(self, role: Role) -> tuple[Holder, ...]:
        """Who acts as a role: all of its members who are there, else their delegates, else who is above them."""
        members = self.of_role(role)
        there = tuple(Holder(member=member) for member in members if self.there(member))
        if there:
            return there
        members += [one for one in self.askers if one in self.people and role in self.people[one].roles]
        found = [holder for holder in map(self.act_for, members) if holder is not None]
        delegates: dict[str, Holder] = {}
        for holder in found:
            if holder.via == "delegate":
                delegates.setdefault(holder.member, holder)
        if found:
            return tuple(delegates.values()) or (found[0],)
        above = next(self._above((role,)), None)
        acting = self._anyone(None, (), _NO_ROLE) if above is None else self.act_for(above)
        return () if acting is None else (acting.model_copy(update={"via": "manager", "reason": _NO_ROLE}),)

    def own(self, seat: Seat) -> list[str]:
        """Whose seat it is, with nobody standing in."""
        if seat.role is not None:
            return self.of_role(Role(seat.role))
        return [] if seat.owner is None else [seat.owner]

    def fillers(self, seat: Seat) -> list[str]:
        """Who could fill a seat that has no owner who may act: the members of its role, else whom it falls to."""
        members = [] if seat.role is None else self.of_role(Role(seat.role))
        return members or [holder.member for holder in seat.holders]

    def managers(self, seat: Seat) -> Iterator[str]:
        """Those above the one whom a seat belongs to, or who holds it, nearest first."""
        for member in _concerned(seat):
            yield from self._upwards(member)

    def backups(self, seat: Seat) -> Iterator[str]:
        """Those who can help out with a seat, the nearest first."""
        concerned = [self.people[member] for member in _concerned(seat) if member in self.people]
        yield from (who.backup for who in concerned if who.backup is not None)
        yield from (who.delegate for who in concerned if who.delegate is not None)
        for who in concerned:
            yield from (member for role in _in_order(who.roles) for member in self.of_role(role))

    def _along(self, start: str) -> tuple[str | None, tuple[str, ...], str]:
        """The first who is there along a chain of delegates, whom it passed, and how it ended if there is nobody."""
        passed: list[str] = []
        current: str | None = start
        while current is not None:
            if current in passed:
                return None, tuple(passed), ", and delegates refer to each other"
            if current in self.askers:
                return None, (*passed, current), ", and the delegate asked for it" if passed else ""
            if len(passed) > self.depth:
                return None, tuple(passed), ", and too many delegates stand in for each other"
            if self.stands_in(current):
                return current, tuple(passed), ""
            passed.append(current)
            current = self._delegate(current)
        return None, tuple(passed), ", and no delegate is there" if passed[1:] else ", and no delegate is named"

    def _delegate(self, member: str) -> str | None:
        if member not in self.people:
            return None
        who = self.people[member]
        named = (away.delegate for away in who.absences if away.starts <= self.at < away.ends)
        return next((delegate for delegate in named if delegate is not None), who.delegate)

    def _upwards(self, member: str) -> Iterator[str]:
        """The managers above a member, nearest first, each once."""
        seen = {member}
        current = self._superior(member)
        while current is not None and current not in seen:
            yield current
            seen.add(current)
            current = self._superior(current)

    def _superior(self, member: str) -> str | None:
        """The manager someone has, unless that one has left; else the first of the role above theirs."""
        if member not in self.people:
            return None
        who = self.people[member]
        if who.manager is not None and who.manager != member:
            manager = self.people.get(who.manager)
            if manager is not None and not manager.left:
                return who.manager
        return next((above for above in self._above(_in_order(who.roles)) if above != member), None)

    def _above(self, roles: Iterable[Role]) -> Iterator[str]:
        """The members of the roles above these, the nearest role first."""
        for role in roles:
            above = MANAGER_ROLE.get(role)
            while above is not None:
                yield from self.of_role(above)
                above = MANAGER_ROLE.get(above)

    def _reports_to_askers(self, member: str) -> bool:
        return any(self._reports_to(member, one) for one in self.askers)

    def _reports_to(self, member: str, other: str) -> bool:
        """Whether a matter of a member's goes up to another, by however many steps."""
        seen: set[str] = set()
        while other in self.people and member in self.people and member not in seen:
            seen.add(member)
            manager = self.people[member].manager
            if manager is None or manager == member:
                return not _roles_above(_in_order(self.people[member].roles)).isdisjoint(self.people[other].roles)
            if manager == other:
                return True
            member = manager
        return False

    def _anyone(self, owner: str | None, chain: tuple[str, ...], reason: str) -> Holder | None:
        """Whoever is there, managers first; else the owner, if they may act at all; else anyone who may.

        Those who report to the one who asks come last. Where only who is entitled counts, it is nobody.
        """
        if self.entitled:
            return None
        able = sorted(
            (member for member in self.people if self.able(member) and self.may(member)),
            key=lambda member: (self._reports_to_askers(member), self._resort(member), member),
        )
        there = next(filter(self.there, able), None)
        if there is not None:
            passed = tuple(member for member in chain if member != there)
            return Holder(
                member=there, on_behalf_of=owner, via="manager", chain=passed, reason=f"{reason}{_NO_MANAGER}"
            )
        if owner is not None and self.able(owner):
            return Holder(member=owner, reason="away, but nobody else is there")
        if not able:
            return None
        passed = tuple(member for member in chain if member != able[0])
        return Holder(member=able[0], on_behalf_of=owner, via="manager", chain=passed, reason=f"{reason}{_NOBODY}")

    def _resort(self, member: str) -> int:
        return min((_LAST_RESORT.index(role) for role in self.people[member].roles if role in _LAST_RESORT), default=9)

    def _barred(self, passed: Iterable[str]) -> str:
        """That somebody was passed over who is there, where so it was."""
        return _MAY_NOT if any(self.there(member) and not self.may(member) for member in passed) else ""

    def _why(self, member: str) -> str:
        if member in self.askers:
            return "the assignee asked for it"
        return "away" if self.able(member) else "no longer here"


def _seat(assignee: str, tam: str | None) -> Seat:
    if not assignee.startswith(ROLE_PREFIX):
        return Seat(id=assignee, owner=assignee, of_tam=assignee == tam)
    role = assignee.removeprefix(ROLE_PREFIX)
    if role not in tuple(Role):
        raise ValueError(f'"{assignee[:40]}" names no role; write {ROLE_PREFIX} and one of {", ".join(Role)}')
    return Seat(id=assignee, role=role)


def _all_moved(seats: Sequence[Seat], company: _Company, decided: Collection[str] = ()) -> tuple[Seat, ...]:
    """These seats with those who hold them now; nobody who sits, or stands in for one seat, stands in for another."""
    moved: list[Seat] = []
    for seat in seats:
        others = [one for one in seats if one.id != seat.id]
        elsewhere = {member for one in others for member in company.own(one)}
        filled = (*moved, *(one for one in others if one.id in decided))
        elsewhere |= {holder.member for one in filled for holder in one.holders}
        at_table = company._replace(seated=frozenset(elsewhere))
        moved.append(seat if seat.id in decided else _moved(seat, at_table))
    return tuple(moved)


def _roles_above(roles: Iterable[Role]) -> frozenset[Role]:
    """The roles that a matter of these goes up to, by however many steps."""
    above: set[Role] = set()
    following = {MANAGER_ROLE[role] for role in roles if role in MANAGER_ROLE}
    while following - above:
        above |= following
        following = {MANAGER_ROLE[role] for role in above if role in MANAGER_ROLE}
    return frozenset(above)


def _needing(seat: Seat, company: _Company) -> _Company:
    """Everyone, as seen for one seat: what a TAM is asked to do takes somebody who may act on accounts."""
    return company._replace(needs=Action.ACT) if seat.of_tam else company


def _moved(seat: Seat, company: _Company) -> Seat:
    """A seat with those who hold it now. A helper who would hold it in another way too keeps the place of a helper."""
    company = _needing(seat, company)
    stay = tuple(holder for holder in seat.holders if holder.escalated and company.able(holder.member))
    if seat.role is not None:
        now = company.act_as(Role(seat.role))
    else:
        acting = None if seat.owner is None else company.act_for(seat.owner)
        now = () if acting is None else (acting,)
    helpers = {holder.member for holder in stay}
    return seat.model_copy(update={"holders": (*(holder for holder in now if holder.member not in helpers), *stay)})


def _escalated(
    seats: Sequence[Seat],
    seat_id: str,
    via: Literal["backup", "manager"],
    company: _Company,
    helpers: Callable[[Seat], Iterator[str]],
) -> tuple[Seat, ...]:
    """The seats, with the best of those who can help out with one of them."""
    elsewhere = {holder.member for seat in seats if seat.id != seat_id for holder in seat.holders}

    def helped(seat: Seat) -> Seat:
        here = {seat.owner, *(holder.member for holder in seat.holders)}
        there = _needing(seat, company)
        ready = [member for member in helpers(seat) if member not in here and there.there(member) and there.may(member)]
        if not ready:
            return seat
        member = min(ready, key=lambda member: member in elsewhere)
        helper = Holder(member=member, on_behalf_of=seat.owner, via=via, reason=_SILENT, escalated=True)
        return seat.model_copy(update={"holders": (*seat.holders, helper)})

    return tuple(helped(seat) if seat.id == seat_id else seat for seat in seats)


def _concerned(seat: Seat) -> list[str]:
    """Whom a seat belongs to, then who holds it."""
    members = (seat.owner, *(holder.member for holder in seat.holders))
    return list(dict.fromkeys(member for member in members if member is not None))


def _in_order(roles: Container[Role]) -> list[Role]:
    return [role for role in Role if role in roles]
