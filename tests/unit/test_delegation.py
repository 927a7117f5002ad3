"""Who acts in whose place, and how a task's seats follow absences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from rapport.model.access import Action
from rapport.model.account import Absence, Availability, Role
from rapport.model.task import Holder, Seat
from rapport.rules import access
from rapport.rules.delegation import (
    MANAGER_ROLE,
    add_backup,
    add_manager,
    comes_by_delegates,
    next_change,
    refresh,
    resolve,
    seats_for,
)

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def who(
    member: str,
    role: Role = Role.TAM,
    *,
    away: bool = False,
    meanwhile: str | None = None,
    left: bool = False,
    delegate: str | None = None,
    backup: str | None = None,
    manager: str | None = None,
) -> Availability:
    """A member; `away` means from yesterday until tomorrow, with `meanwhile` in their place."""
    absences = (Absence(starts=NOW - DAY, ends=NOW + DAY, delegate=meanwhile),) if away else ()
    return Availability(
        member=member,
        roles=frozenset({role}),
        left=left,
        absences=absences,
        delegate=delegate,
        backup=backup,
        manager=manager,
    )


def company(*members: Availability) -> dict[str, Availability]:
    return {member.member: member for member in members}


def held(seats: tuple[Seat, ...]) -> list[list[str]]:
    """Who holds each seat."""
    return [[holder.member for holder in seat.holders] for seat in seats]


def acting(*members: Availability, requester: str | None = None, owner: str = "ann") -> Holder:
    """Who acts for Ann."""
    holder = resolve(owner, company(*members), requester, NOW)
    assert holder is not None
    return holder


def test_whoever_is_there_acts_themselves() -> None:
    """A member who is there keeps what is theirs, without a reason."""
    assert acting(who("ann", delegate="bob"), who("bob")) == Holder(member="ann")


def test_the_delegate_of_the_absence_goes_before_the_usual_one() -> None:
    """An absence that names its own delegate sends the task there."""
    holder = acting(who("ann", away=True, meanwhile="cem", delegate="bob"), who("bob"), who("cem"))
    assert holder == Holder(member="cem", on_behalf_of="ann", via="delegate", chain=("ann",), reason="away")


def test_the_usual_delegate_stands_in_otherwise() -> None:
    """An absence that names nobody sends the task to the usual delegate."""
    assert acting(who("ann", away=True, delegate="bob"), who("bob")).member == "bob"


def test_a_chain_of_delegates_is_followed() -> None:
    """A delegate who is away or has left passes the task on to their own, and the chain is kept."""
    holder = acting(
        who("ann", away=True, delegate="bob"),
        who("bob", left=True, delegate="cem"),
        who("cem", away=True, delegate="dan"),
        who("dan"),
    )
    assert (holder.member, holder.chain, holder.via) == ("dan", ("ann", "bob", "cem"), "delegate")


def test_five_delegates_are_followed_and_not_six() -> None:
    """A chain that is too long goes up to the manager."""
    names = ["ann", "d1", "d2", "d3", "d4", "d5", "d6"]
    chain = [who(name, away=True, delegate=later) for name, later in pairwise(names)]
    boss = who("eva", Role.TAM_MANAGER)
    assert acting(*chain[:5], who("d5"), boss).member == "d5"
    holder = acting(*chain, who("d6"), boss)
    assert holder.member == "eva"
    assert holder.reason == "away, and too many delegates stand in for each other"


@pytest.mark.parametrize(
    ("members", "requester", "reason"),
    [
        ([who("ann", away=True)], "tam", "away, and no delegate is named"),
        ([who("ann", left=True)], "tam", "no longer here, and no delegate is named"),
        ([who("ann", away=True, delegate="bob"), who("bob", away=True)], "tam", "away, and no delegate is there"),
        (
            [who("ann", away=True, delegate="bob"), who("bob", away=True, delegate="ann")],
            "tam",
            "away, and delegates refer to each other",
        ),
        ([who("ann", away=True, delegate="bob"), who("bob")], "bob", "away, and the delegate asked for it"),
        ([who("ann", delegate="bob"), who("bob")], "ann", "the assignee asked for it"),
    ],
)
def test_without_a_delegate_it_goes_up_and_says_why(members: list[Availability], requester: str, reason: str) -> None:
    """Each way in which no delegate is found leads to the manager, with a reason of its own."""
    holder = acting(*members, who("eva", Role.TAM_MANAGER), requester=requester)
    assert (holder.member, holder.via, holder.on_behalf_of, holder.reason) == ("eva", "manager", "ann", reason)


def test_whom_the_requester_picked_does_not_decide_for_them() -> None:
    """A chain that reaches the requester ends there: their own delegate would be their own choice."""
    members = (
        who("ann", away=True, delegate="tam"),
        who("tam", delegate="pal"),
        who("pal"),
        who("eva", Role.TAM_MANAGER),
    )
    assert acting(*members, requester="tam").member == "eva"


def test_ones_own_manager_goes_before_the_role_above() -> None:
    """Where a member has a manager, that one is asked, and otherwise the first of the role above theirs."""
    bosses = (who("eva", Role.TAM_MANAGER), who("fay", Role.TAM_MANAGER))
    assert acting(who("ann", away=True, manager="fay"), *bosses).member == "fay"
    assert acting(who("ann", away=True), *bosses).member == "eva"
    assert acting(who("ann", away=True, manager="gone"), *bosses).member == "eva"


def test_of_a_role_above_someone_who_is_there_is_asked_first() -> None:
    """Of two managers by role, the one who is there is asked, before anyone higher up."""
    bosses = (who("eva", Role.TAM_MANAGER, away=True), who("fay", Role.TAM_MANAGER), who("gus", Role.CE_VP))
    assert acting(who("ann", away=True), *bosses).member == "fay"


def test_a_manager_who_is_away_has_a_delegate_or_a_manager_too() -> None:
    """The way up goes by whoever stands in for a manager, then by the manager's manager."""
    up = who("ann", away=True, manager="eva")
    boss = who("gus", Role.CE_VP)
    assert acting(up, who("eva", Role.TAM_MANAGER, away=True, delegate="pat"), who("pat"), boss).member == "pat"
    holder = acting(up, who("eva", Role.TAM_MANAGER, away=True), boss)
    assert (holder.member, holder.chain) == ("gus", ("ann", "eva"))


def test_managers_who_manage_each_other_do_not_hold_it_up() -> None:
    """A circle of managers ends with someone who is there."""
    members = (who("ann", away=True, manager="eva"), who("eva", away=True, manager="ann"), who("sal", Role.SALES))
    assert acting(*members).member == "sal"


@pytest.mark.parametrize(("role", "above"), sorted(MANAGER_ROLE.items()))
def test_every_role_has_one_above(role: Role, above: Role) -> None:
    """Without delegate and manager, a task of each role goes to the role above it, also where a third one is there."""
    assert acting(who("ann", role, away=True), who("zoe", above), who("bob", Role.TA)).member == "zoe"


def test_someone_who_is_there_takes_what_nobody_is_named_for() -> None:
    """If no delegate and no manager leads anywhere, managers are asked before the rest."""
    holder = acting(who("ann", Role.CE_VP, away=True), who("bob", Role.SALES), who("zoe", Role.TAM_MANAGER))
    assert holder.member == "zoe"
    assert holder.reason == "away, and no delegate is named, and no manager is there"


def test_it_stays_with_the_owner_if_nobody_is_there() -> None:
    """Over the holidays of a whole company a task stays where it belongs."""
    holder = acting(who("ann", away=True, delegate="bob"), who("bob", away=True))
    assert holder == Holder(member="ann", reason="away, but nobody else is there")


@pytest.mark.parametrize("requester", ["ann", None])
def test_an_owner_who_cannot_act_hands_on_to_someone_who_is_away(requester: str | None) -> None:
    """If nobody is there and the owner has left or is the requester, someone who comes back gets it."""
    holder = acting(who("ann", left=requester is None), who("bob", away=True), requester=requester)
    assert holder.member == "bob"


def test_nobody_is_found_if_only_the_requester_is_left() -> None:
    """A company of one decides nothing for itself."""
    assert resolve("ann", company(who("ann"), who("bob", left=True)), "ann", NOW) is None


def test_a_role_is_one_seat_that_all_of_its_members_hold() -> None:
    """Whoever of a role is there can fill its seat, except the requester; it belongs to nobody in particular."""
    people = company(who("ann"), who("bob"), who("cem", away=True), who("tam"))
    (seat,) = seats_for(["role:tam"], people, "tam", NOW)
    assert (seat.id, seat.role, seat.owner) == ("role:tam", "tam", None)
    assert held((seat,)) == [["ann", "bob"]]


def test_a_role_whose_members_are_away_goes_to_their_delegates() -> None:
    """If nobody of a role is there, their delegates hold its seat, and without delegates whoever is above."""
    boss = who("eva", Role.TAM_MANAGER)
    people = company(who("ann", away=True, delegate="sal"), who("bob", away=True), who("sal", Role.SALES), boss)
    assert held(seats_for(["role:tam"], people, None, NOW)) == [["sal"]]
    assert held(seats_for(["role:tam"], company(who("bob", away=True), boss), None, NOW)) == [["eva"]]


def test_a_role_that_nobody_has_goes_up() -> None:
    """The seat of a role without members is held by the role above, with a reason."""
    (seat,) = seats_for(["role:support_engineer"], company(who("gus", Role.CE_VP)), None, NOW)
    assert held((seat,)) == [["gus"]]
    assert seat.holders[0].reason == "nobody who may decide has this role"


def test_an_unknown_role_is_refused() -> None:
    """A role that does not exist is refused with the roles that do."""
    with pytest.raises(ValueError, match='"role:chief" names no role; write role: and one of tam, tam_manager'):
        seats_for(["role:chief"], company(who("ann")), None, NOW)


@pytest.mark.parametrize(
    ("assignees", "kept"),
    [
        (["ann", "ann"], ["ann"]),
        (["ann", "role:ce", "bob"], ["ann", "bob"]),
        (["role:ce", "bob"], ["role:ce", "bob"]),
        (["eva", "tam"], ["eva"]),
        (["tam", "bob"], ["tam", "bob"]),
        (["role:tam_manager", "role:tam_manager"], ["role:tam_manager"]),
        (["gone", "eva"], ["gone", "eva"]),
        (["tam"], ["tam"]),
    ],
)
def test_a_seat_that_only_the_seated_could_fill_is_left_out(assignees: list[str], kept: list[str]) -> None:
    """One person counts once, so seats that would need the same person twice become one when a task opens."""
    people = company(
        who("ann", Role.CE),
        who("bob", Role.CE),
        who("tam", Role.TAM),
        who("eva", Role.TAM_MANAGER),
        who("gone", Role.CE, left=True, delegate="ann"),
    )
    assert [seat.id for seat in seats_for(assignees, people, "tam", NOW)] == kept


def test_a_seat_follows_an_absence_and_comes_back() -> None:
    """While its owner is away a seat is the delegate's, afterwards the owner's again."""
    people = company(who("ann", away=True, delegate="bob"), who("bob"))
    opened = seats_for(["ann"], people, None, NOW - 2 * DAY)
    gone = refresh(opened, people, None, NOW)
    assert [held(seats) for seats in (opened, gone, refresh(gone, people, None, NOW + DAY))] == [
        [["ann"]],
        [["bob"]],
        [["ann"]],
    ]


def test_a_decided_seat_stays_where_it_was_decided() -> None:
    """What a delegate has decided does not go back to the owner on return."""
    people = company(who("ann", away=True, delegate="bob"), who("bob"))
    gone = seats_for(["ann"], people, None, NOW)
    assert refresh(gone, people, None, NOW + DAY, decided={"ann"}) == gone


def test_a_backup_is_added_and_stays() -> None:
    """The owner's backup can decide as well, also after the owner was away, until the backup leaves the company."""
    people = company(who("ann", away=True, delegate="bob", backup="cem"), who("bob"), who("cem"))
    opened = seats_for(["ann"], people, None, NOW - 2 * DAY)
    helped = add_backup(opened, "ann", people, None, NOW - 2 * DAY)
    assert helped[0].holders[1] == Holder(
        member="cem", on_behalf_of="ann", via="backup", reason="no answer so far", escalated=True
    )
    assert held(refresh(helped, people, None, NOW)) == [["bob", "cem"]]
    assert held(refresh(helped, people, None, NOW + DAY)) == [["ann", "cem"]]
    assert held(refresh(helped, people | company(who("cem", left=True)), None, NOW)) == [["bob"]]


def test_a_backup_who_becomes_the_delegate_stands_once() -> None:
    """Someone whom the ladder added, and who then stands in for the owner, holds the seat once and keeps it."""
    people = company(who("ann", away=True, delegate="bob", backup="bob"), who("bob"))
    opened = seats_for(["ann"], people, None, NOW - 2 * DAY)
    helped = add_backup(opened, "ann", people, None, NOW - 2 * DAY)
    gone = refresh(helped, people, None, NOW)
    assert held(gone) == [["bob"]]
    assert refresh(gone, people, None, NOW + DAY) == helped


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([who("ann", backup="cem", delegate="bob"), who("bob", Role.CE), who("cem", Role.CE), who("dan")], "cem"),
        ([who("ann", backup="cem", delegate="bob"), who("bob", Role.CE), who("cem", away=True), who("dan")], "bob"),
        ([who("ann", backup="tam"), who("dan"), who("tam")], "dan"),
        ([who("ann", backup="sit"), who("dan"), who("tam")], "dan"),
        ([who("ann", backup="sit"), who("tam")], "sit"),
        ([who("ann"), who("tam")], None),
    ],
)
def test_the_nearest_backup_who_is_there_helps_out(members: list[Availability], expected: str | None) -> None:
    """The backup, the usual delegate, then a colleague; never the requester, and the already seated last."""
    people = company(*members, who("sit", Role.SALES))
    seats = add_backup(seats_for(["ann", "sit"], people, "tam", NOW), "ann", people, "tam", NOW)
    assert held(seats) == [["ann"] if expected is None else ["ann", expected], ["sit"]]


def test_the_backup_of_a_role_is_that_of_its_members() -> None:
    """A role's seat, too, gets somebody more."""
    people = company(who("ann", backup="bob"), who("bob", Role.CE))
    assert held(add_backup(seats_for(["role:tam"], people, None, NOW), "role:tam", people, None, NOW)) == [
        ["ann", "bob"]
    ]


def test_the_nearest_manager_who_is_there_is_added() -> None:
    """The manager's manager is asked where the manager is away or the requester."""
    people = company(who("ann"), who("eva", Role.TAM_MANAGER), who("gus", Role.CE_VP))
    seats = seats_for(["ann"], people, "eva", NOW)
    assert held(add_manager(seats, "ann", people, None, NOW)) == [["ann", "eva"]]
    assert held(add_manager(seats, "ann", people, "eva", NOW)) == [["ann", "gus"]]


def test_the_next_change_is_when_somebody_comes_or_goes() -> None:
    """A workflow hears when its seats move next, and not of absences that move none."""
    people = company(
        who("ann", away=True, delegate="bob"),
        who("bob"),
        Availability(member="cem", roles=frozenset(), absences=(Absence(starts=NOW, ends=NOW + DAY / 2),)),
    )
    seats = seats_for(["ann"], people, None, NOW - 2 * DAY)
    assert next_change(seats, people, None, NOW - 2 * DAY) == NOW - DAY
    assert next_change(seats, people, None, NOW - DAY) == NOW + DAY
    assert next_change(seats, people, None, NOW + DAY) is None
    assert next_change(seats, people, None, NOW - DAY, decided={"ann"}) is None


PANEL = ("role:vp_engineering", "role:ce_vp", "role:vp_sales")


def panel(*members: Availability, requester: str | None = None) -> list[list[str]]:
    """Who holds the seats of leadership, where only who is entitled may."""
    people = company(who("eng", Role.VP_ENGINEERING), *members, who("tom"), who("ines", Role.TAM_MANAGER))
    return held(seats_for(PANEL, people, requester, NOW, entitled=True))


def test_whoever_asks_is_decided_for_by_who_is_above_them_and_by_nobody_below() -> None:
    """The VP's own request goes to their manager; without one, their seat stays empty and nobody below fills it."""
    sales, boss = who("sal", Role.VP_SALES), who("boss", Role.ADMINISTRATOR)
    assert panel(who("vp", Role.CE_VP), sales, requester="vp") == [["eng"], [], ["sal"]]
    assert panel(who("vp", Role.CE_VP, manager="boss"), sales, boss, requester="vp") == [["eng"], ["boss"], ["sal"]]
    # Who is above them sits there already, or has somebody stand in who reports to the one who asks.
    assert panel(who("vp", Role.CE_VP, manager="sal"), sales, requester="vp") == [["eng"], [], ["sal"]]
    away = who("boss", Role.ADMINISTRATOR, away=True, meanwhile="ines")
    assert panel(who("vp", Role.CE_VP, manager="boss"), sales, away, requester="vp") == [["eng"], [], ["sal"]]


def test_whoever_asked_before_somebody_worded_it_anew_decides_it_no_more_than_they_do() -> None:
    """The VP's request stays the VP's once a colleague has changed it, and so for delegates and those below."""
    boss, tom = who("boss", Role.ADMINISTRATOR), who("tom", Role.CE)
    people = company(who("vp", Role.CE_VP, manager="boss"), who("ines", Role.TAM_MANAGER, manager="vp"), boss, tom)

    def recommends(people: dict[str, Availability], *asked_before: str) -> list[list[str]]:
        return held(seats_for(["role:ce_vp"], people, "tom", NOW, asked_before=asked_before, entitled=True))

    assert (recommends(people), recommends(people, "vp")) == ([["vp"]], [["boss"]])
    away = who("boss", Role.ADMINISTRATOR, away=True, meanwhile="ines")
    assert recommends(people | {"boss": away}, "vp") == [[]]
    back = who("boss", Role.ADMINISTRATOR, away=True, meanwhile="vp")
    assert recommends(people | {"boss": back}, "vp") == [[]]
    seats = seats_for(["role:ce_vp"], people, "tom", NOW, asked_before=["vp"])
    assert held(refresh(seats, people, "tom", NOW, asked_before=["vp"])) == [["boss"]]


def test_an_absent_seat_of_a_panel_goes_to_a_delegate_who_does_not_sit_there_or_stays_empty() -> None:
    """No one fills two seats: neither a leader for another, nor one delegate for two; and back is back."""
    vp = who("vp", Role.CE_VP)
    assert panel(vp, who("sal", Role.VP_SALES, away=True, meanwhile="tom")) == [["eng"], ["vp"], ["tom"]]
    assert panel(vp, who("sal", Role.VP_SALES, away=True, meanwhile="vp")) == [["eng"], ["vp"], []]
    assert panel(vp, who("sal", Role.VP_SALES, away=True)) == [["eng"], ["vp"], []]
    both = (who("vp", Role.CE_VP, away=True, meanwhile="tom"), who("sal", Role.VP_SALES, away=True, meanwhile="tom"))
    assert panel(*both) == [["eng"], ["tom"], []]
    people = company(vp, who("sal", Role.VP_SALES, away=True))
    seats = seats_for(PANEL[1:], people, None, NOW, entitled=True)
    assert next_change(seats, people, None, NOW, entitled=True) == NOW + DAY
    assert held(refresh(seats, people, None, NOW + DAY, entitled=True)) == [["vp"], ["sal"]]


def test_anyone_who_is_there_comes_before_those_who_report_to_the_one_who_asks() -> None:
    """Where somebody has to act, a colleague does before the people of whoever asked."""
    people = company(who("vp", Role.CE_VP), who("ines", Role.TAM_MANAGER), who("eng", Role.VP_ENGINEERING))
    assert held(seats_for(["role:ce_vp"], people, "vp", NOW)) == [["eng"]]


IDS = ("ann", "bob", "cem", "dan", "eva", "tam")
ids = st.sampled_from(IDS)
hours = st.integers(-200, 200).map(lambda number: NOW + timedelta(hours=number))


@st.composite
def absences(draw: st.DrawFn) -> Absence:
    start, length = draw(hours), draw(st.integers(1, 150))
    return Absence(starts=start, ends=start + timedelta(hours=length), delegate=draw(st.none() | ids))


@st.composite
def companies(draw: st.DrawFn) -> dict[str, Availability]:
    """Up to six people with any absences, delegates, backups and managers, in circles too."""
    return company(
        *(
            Availability(
                member=member,
                roles=draw(st.frozensets(st.sampled_from(Role), min_size=1, max_size=2)),
                left=draw(st.integers(0, 5)) == 0,
                absences=tuple(draw(st.lists(absences(), max_size=2))),
                delegate=draw(st.none() | ids),
                backup=draw(st.none() | ids),
                manager=draw(st.none() | ids),
            )
            for member in draw(st.lists(ids, min_size=1, unique=True))
        )
    )


assignees = st.lists(ids | st.sampled_from(Role).map("role:{}".format), min_size=1, max_size=4)


@settings(deadline=None)
@given(companies(), ids, ids)
def test_who_acts_is_there_if_anyone_is(people: dict[str, Availability], owner: str, requester: str) -> None:
    """Whoever acts works here and did not ask; they are there, as long as anyone is who may act."""
    able = {member for member, who in people.items() if not who.left and member != requester}
    there = {member for member in able if not any(a.starts <= NOW < a.ends for a in people[member].absences)}
    holder = resolve(owner, people, requester, NOW)
    assert (holder is None) == (not able)
    if holder is not None:
        assert holder.member in (there or able)
        assert holder.member not in holder.chain
        assert len(set(holder.chain)) == len(holder.chain)


@settings(deadline=None)
@given(companies(), ids, assignees)
def test_each_seat_can_be_filled_by_somebody_else(
    people: dict[str, Availability], requester: str, given: list[str]
) -> None:
    """Once everyone is back, there are people enough to fill all seats of a task that opens, one each."""
    seats = seats_for(given, people, requester, NOW)
    back = {member: who.model_copy(update={"absences": ()}) for member, who in people.items()}
    choices = held(refresh(seats, back, requester, NOW))
    able = [member for member, who in people.items() if not who.left and member != requester]
    assert seats
    if able and all(seat.owner in able or seat.role in {r for m in able for r in people[m].roles} for seat in seats):
        assert _distinct(choices)


@settings(deadline=None)
@given(companies(), ids, hours)
def test_nobody_stands_in_who_sits_there_or_reports_to_whoever_asks(
    people: dict[str, Availability], requester: str, at: datetime
) -> None:
    """Whatever absences, delegates and managers there are, one holder of entitled seats stands in for one seat."""
    seats = seats_for(PANEL, people, requester, at, entitled=True)
    own = {seat.id: {m for m, one in people.items() if seat.role in one.roles and not one.left} for seat in seats}
    instead = [(seat, one) for seat in seats for one in seat.holders if one.via != "assignee"]
    for seat, one in instead:
        assert one.member != requester
        assert people[one.member].manager != requester
        assert not any(one.member in own[other.id] - {requester} for other in seats if other.id != seat.id)
    assert len({one.member for _, one in instead}) == len(instead)


@settings(deadline=None)
@given(companies(), ids, ids | st.none(), hours, st.booleans())
def test_whoever_stands_in_may_do_what_is_asked(
    people: dict[str, Availability], owner: str, requester: str | None, at: datetime, is_tams: bool
) -> None:
    """Whatever absences, delegates, backups and managers there are, nobody comes to do what they may do nowhere."""
    needed = Action.ACT if is_tams else Action.SPEAK
    seats = seats_for([owner], people, requester, at, needs=Action.SPEAK, tam=owner if is_tams else None)
    later = refresh(seats, people, requester, at + DAY, needs=Action.SPEAK)
    backed = add_backup(seats, owner, people, requester, at, needs=Action.SPEAK)
    for one in (holder for made in (seats, later, backed) for seat in made for holder in seat.holders):
        assert one.member == owner or access.reach(needed, people[one.member].roles) is not None


@pytest.mark.parametrize("role", [Role.SALES, Role.ADMINISTRATOR])
def test_who_may_not_act_is_passed_over_and_that_is_said(role: Role) -> None:
    """A TAM's delegate who may not act on accounts is passed over, for who stands in for them or is above the TAM."""

    def holder(*members: Availability) -> tuple[str, str | None, tuple[str, ...]]:
        [seat] = seats_for(["ann"], company(*members), None, NOW, tam="ann")
        [one] = seat.holders
        return one.member, one.reason, one.chain

    said = "away, and whoever would stand in first may not do this"
    ann = who("ann", away=True, delegate="bob", manager="eva")
    boss = who("eva", Role.TAM_MANAGER)
    assert holder(ann, who("bob", role, delegate="cem"), who("cem"), boss) == ("cem", said, ("ann", "bob"))
    assert holder(ann, who("bob", role), boss) == ("eva", said, ("ann", "bob"))
    assert holder(ann, who("bob", role), who("eva", role)) == ("ann", "away, but nobody else is there", ())
    # Of what every role may, they are asked as before.
    [seat] = seats_for(["ann"], company(ann, who("bob", role), boss), None, NOW)
    assert [one.member for one in seat.holders] == ["bob"]


def test_whom_a_matter_comes_to_by_having_been_named() -> None:
    """Along every chain of delegates, a superior's too; not to who is above, nor to whom it belongs."""
    boss = who("eva", Role.TAM_MANAGER, away=True, delegate="cem")
    people = company(who("ann", away=True, delegate="bob"), who("bob", away=True, meanwhile="cem"), who("cem"))
    assert comes_by_delegates("ann", "cem", people, NOW)
    assert not comes_by_delegates("ann", "cem", {**people, "bob": who("bob")}, NOW)
    alone = company(who("ann", away=True, manager="eva"), boss, who("cem"))
    assert comes_by_delegates("ann", "cem", alone, NOW)
    assert not comes_by_delegates("ann", "eva", {**alone, "eva": who("eva", Role.TAM_MANAGER)}, NOW)
    assert not comes_by_delegates("cem", "cem", people, NOW)


def _distinct(choices: list[list[str]], taken: frozenset[str] = frozenset()) -> bool:
    """Whether each can be given another of its choices."""
    if not choices:
        return True
    return any(_distinct(choices[1:], taken | {member}) for member in choices[0] if member not in taken)


@settings(deadline=None)
@given(companies(), ids, assignees, hours, hours)
def test_nothing_moves_before_the_next_change(
    people: dict[str, Availability], requester: str, given: list[str], one: datetime, other: datetime
) -> None:
    """Up to the instant that a workflow is told of, refreshing changes nothing; at that instant it does."""
    at, later = sorted((one, other))
    seats = seats_for(given, people, requester, at)
    change = next_change(seats, people, requester, at)
    if change is None or later < change:
        assert refresh(seats, people, requester, later) == seats
    if change is not None:
        assert change > at
        assert refresh(seats, people, requester, change) != seats


class Delegation(RuleBasedStateMachine):
    """A task lives through the comings and goings of a company."""

    members = Bundle("members")

    @initialize(role=st.sampled_from(Role), requester=st.sampled_from(("member", "someone else")))
    def found(self, role: Role, requester: str) -> None:
        """The company begins with one member, and may begin with a requester from outside of it."""
        self.now = NOW
        self.people: dict[str, Availability] = company(who("m0", role))
        self.requester: str | None = "m0" if requester == "member" else None
        self.seats: tuple[Seat, ...] = seats_for(["m0", f"role:{role}"], self.people, self.requester, self.now)
        self.decided: dict[str, Seat] = {}

    def change(self, member: str, **update: object) -> None:
        self.people[member] = self.people[member].model_copy(update=update)
        self.turn()

    def turn(self) -> None:
        """What the workflow does whenever something has changed."""
        self.seats = refresh(self.seats, self.people, self.requester, self.now, decided=self.decided)

    @rule(target=members, role=st.sampled_from(Role))
    def join(self, role: Role) -> str:
        member = f"m{len(self.people)}"
        self.people[member] = who(member, role)
        self.turn()
        return member

    @rule(member=consumes(members))
    def leave(self, member: str) -> None:
        self.change(member, left=True)

    @rule(member=members, days=st.integers(1, 5), meanwhile=st.none() | members)
    def go_away(self, member: str, days: int, meanwhile: str | None) -> None:
        away = Absence(starts=self.now, ends=self.now + days * DAY, delegate=meanwhile)
        self.change(member, absences=(*self.people[member].absences, away))

    @rule(member=members)
    def come_back(self, member: str) -> None:
        past = tuple(away for away in self.people[member].absences if away.ends <= self.now)
        self.change(member, absences=past)

    @rule(member=members, delegate=members, manager=members, backup=members)
    def name(self, member: str, delegate: str, manager: str, backup: str) -> None:
        self.change(member, delegate=delegate, manager=manager, backup=backup)

    @rule(assignees=st.lists(members, min_size=1, max_size=4), requester=members)
    def open(self, assignees: list[str], requester: str) -> None:
        self.requester = requester
        self.decided = {}
        self.seats = seats_for(assignees, self.people, requester, self.now)

    @rule(index=st.integers(0, 3), higher=st.booleans())
    def escalate(self, index: int, higher: bool) -> None:
        add = add_manager if higher else add_backup
        seat = self.seats[index % len(self.seats)]
        if seat.id not in self.decided:
            self.seats = add(self.seats, seat.id, self.people, self.requester, self.now)

    @rule(index=st.integers(0, 3))
    def decide(self, index: int) -> None:
        seat = self.seats[index % len(self.seats)]
        self.decided.setdefault(seat.id, seat)

    @rule()
    def wait(self) -> None:
        """Sleep until the next change, as a workflow does, or a day where none is known."""
        change = next_change(self.seats, self.people, self.requester, self.now, decided=self.decided)
        self.now = change or self.now + DAY
        self.turn()

    def able(self, member: str) -> bool:
        return not self.people[member].left and member != self.requester

    def there(self, member: str) -> bool:
        return self.able(member) and not any(a.starts <= self.now < a.ends for a in self.people[member].absences)

    def undecided(self) -> list[Seat]:
        return [seat for seat in self.seats if seat.id not in self.decided]

    @invariant()
    def somebody_holds_each_seat(self) -> None:
        """While anyone who works here did not ask, each seat has such a holder, who is there if anyone is."""
        able = {member for member in self.people if self.able(member)}
        there = {member for member in able if self.there(member)}
        for seat in self.undecided():
            holders = {holder.member for holder in seat.holders}
            assert holders <= able
            assert bool(holders & (there or able)) == bool(able)

    @invariant()
    def the_requester_holds_none(self) -> None:
        """No way leads to whoever asked."""
        assert all(holder.member != self.requester for seat in self.seats for holder in seat.holders)

    @invariant()
    def who_is_there_has_their_own(self) -> None:
        """Whatever went away comes back: an owner who is there is asked first."""
        for seat in self.undecided():
            if seat.owner is not None and self.there(seat.owner):
                assert seat.holders[0] == Holder(member=seat.owner)

    @invariant()
    def what_is_decided_stays(self) -> None:
        """A decided seat keeps those who held it."""
        assert all(seat == self.decided.get(seat.id, seat) for seat in self.seats)

    @invariant()
    def no_one_holds_a_seat_twice(self) -> None:
        """In one seat everyone stands once."""
        assert all(len(holders) == len(set(holders)) for holders in held(self.seats))


TestDelegation = Delegation.TestCase
TestDelegation.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
