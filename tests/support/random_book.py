"""A TAM's book of random accounts, within what the product accepts: from a seed, the same each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, Final

from rapport.model.account import AccountFile, MembersFile, WrittenContract
from rapport.model.reading import check

TAM: Final = "robin.keller@foobar.example"
COLLEAGUE: Final = "noor.haddad@foobar.example"
MANAGER: Final = "ines.moreau@foobar.example"

Place = tuple[str, str, str | None]

PLACES: Final[tuple[Place, ...]] = (
    ("Africa/Cairo", "EG", None),
    ("Asia/Jerusalem", "IL", None),
    ("Asia/Kolkata", "IN", "KA"),
    ("America/New_York", "US", "NY"),
    ("Asia/Tokyo", "JP", None),
    ("Europe/Zurich", "CH", "ZH"),
    ("Europe/Stockholm", "SE", None),
)
"""Where customers are: with weekends on other days, and days that have few hours in common with the TAM's, or none."""

BEGINS: Final = (date(2026, 11, 23), date(2027, 1, 11), date(2027, 3, 1), date(2027, 6, 7), date(2027, 9, 6))
"""When a year may begin: before Christmas, around Ramadan, a change of the clocks, or the summer."""

PERSONAS: Final = ("key_business_contact", "primary_champion", "primary_user", "secondary_user")
FIRST: Final = ("Ada", "Bela", "Cleo", "Dana", "Enzo", "Fay", "Gil", "Hana", "Ivo", "Joan", "Kai", "Lena", "Milo")
LAST: Final = ("Adler", "Brook", "Costa", "Dietz", "Ek", "Faber", "Gray", "Holm", "Ito", "Jansen", "Kern", "Lund")


@dataclass(frozen=True)
class Temper:
    """How somebody takes what they are asked.

    Attributes:
        answers_after: How long a mail lies with them; nothing where they never answer.
        declines: How often they say first that no time works for them.
    """

    answers_after: timedelta | None
    declines: int = 0


@dataclass(frozen=True)
class Signing:
    """A contract, and when its onboarding is asked for.

    Attributes:
        file: The account's file; nothing for a further contract of a known account.
    """

    at: datetime
    account: str
    contract: WrittenContract
    file: AccountFile | None = None


@dataclass(frozen=True)
class Away:
    """An absence of the TAM's, or of the colleague's.

    Attributes:
        announced: When it is put on record.
        hands_over: Whether the whole book goes to the colleague meanwhile.
    """

    announced: datetime
    member: str
    first: date
    last: date
    hands_over: bool = False


@dataclass(frozen=True)
class Leaving:
    """A contact who leaves; somebody follows, or nobody does."""

    at: datetime
    account: str
    email: str
    persona: str
    follower: str | None


@dataclass
class Book:
    """What happens to whom in a year."""

    seed: int
    begins: datetime
    days: int
    members: MembersFile
    signings: list[Signing] = field(default_factory=list)
    away: list[Away] = field(default_factory=list)
    leaving: list[Leaving] = field(default_factory=list)
    temper: dict[tuple[str, str], Temper] = field(default_factory=dict)

    @property
    def until(self) -> datetime:
        """When it is over."""
        return self.begins + timedelta(days=self.days)

    def dice(self, *about: object) -> Random:
        """What is decided of a thing, by its name: the same whichever of two things comes first."""
        return Random("/".join(str(one) for one in (self.seed, *about)))


def book(seed: int, accounts: int = 12, days: int = 365) -> Book:
    """The book of a seed.

    Args:
        accounts: How many accounts it has; the shapes of people are dealt out one after the other.
    """
    dice = Random(seed)
    begins = datetime.combine(BEGINS[seed % len(BEGINS)], time(9, 7), UTC)
    made = Book(seed, begins, days, _members(dice))
    shapes = list(SHAPES.items())
    dice.shuffle(shapes)
    partner = f"pat.{dice.choice(LAST).lower()}@partner.example"
    for number in range(accounts):
        shape, people = shapes[number % len(shapes)]
        key = f"{shape}{number:02d}"
        # The first begins with the year; the others through it, with time left to live.
        at = begins + timedelta(days=0 if number == 0 else dice.randrange(0, max(days - 60, 1)))
        contacts = people(dice, key, partner)
        for one in contacts:
            made.temper[key, one["email"]] = _temper(dice)
        _account(made, dice, key, at, contacts)
    made.away += _absences(dice, begins, days)
    return made


def _account(made: Book, dice: Random, key: str, at: datetime, contacts: list[dict[str, Any]]) -> None:
    """One account: its file, its first contract, and what comes after."""
    playbook = dice.choice(("enterprise", "enterprise", "enterprise", "growth", "self_serve"))
    ends = at.date() + timedelta(days=dice.choice((150, 240, 364, 700))) if dice.random() < 0.7 else None
    contract: dict[str, Any] = {"id": f"{key.upper()}-1", "playbook": playbook, "signed_at": at, "ends": ends}
    facts = {"large_account": dice.random() < 0.3, "on_prem": dice.random() < 0.5}
    figures = {"poc_result": "a third fewer false alerts", "projected_roi": "3.2 times the licence"}
    account: dict[str, Any] = {
        "key": key,
        "name": key.capitalize(),
        "tam": TAM,
        "place": f"{key.capitalize()}, 1 Example Street",
        "facts": facts,
        "figures": {name: text for name, text in figures.items() if dice.random() < 0.6},
    }
    if dice.random() < 0.5:
        account["review"] = "auto"
    written = {"account": account, "contract": _given(contract), "contacts": contacts, "vendor": VENDOR}
    file = check(AccountFile, written, "")
    assert file.contract is not None
    made.signings.append(Signing(at, key, file.contract, file))
    further = dice.random()
    if ends is not None and ends < made.until.date() and further < 0.7:
        then = datetime.combine(ends - timedelta(days=dice.randrange(5, 40)), time(9, 7), UTC)
        renewed = {"id": f"{key.upper()}-2", "renews": f"{key.upper()}-1", "signed_at": then}
        renewed |= {"starts": ends + timedelta(days=1), "ends": ends + timedelta(days=365)}
        made.signings.append(Signing(then, key, check(WrittenContract, renewed, "")))
    elif further < 0.5:
        then = at + timedelta(days=dice.randrange(30, 90))
        second = {
            "id": f"{key.upper()}-B",
            "product": "FooBar Traces",
            "playbook": dice.choice(("growth", "self_serve")),
        }
        made.signings.append(Signing(then, key, check(WrittenContract, second | {"signed_at": then}, "")))
    if dice.random() < 0.4:
        one = dice.choice(contacts)
        then = at + timedelta(days=dice.randrange(10, 120))
        follower = f"new.{one['email']}" if dice.random() < 0.7 else None
        made.leaving.append(Leaving(then, key, one["email"], one["personas"][0], follower))
        if follower is not None:
            made.temper[key, follower] = _temper(dice)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


VENDOR: Final = {"name": "FooBar", "product": "FooBar Enterprise", "company_health": "profitable since 2024"}


def _temper(dice: Random) -> Temper:
    lies = dice.choice((timedelta(hours=2), timedelta(hours=4), timedelta(hours=22), timedelta(days=4), None))
    return Temper(lies, declines=dice.choice((0, 0, 0, 1, 9)))


# --- people


def _person(dice: Random, key: str, personas: Sequence[str], place: Place | None = None, **more: Any) -> dict[str, Any]:
    # Nobody shares a name with anybody: a mail that names somebody speaks of them.
    first, last = dice.choice(FIRST), f"{dice.choice(LAST)}{''.join(dice.choices('aeiou', k=4))}"
    zone, country, part = place or dice.choice(PLACES)
    made: dict[str, Any] = {
        "personas": list(personas),
        "name": f"{first} {last}",
        "email": f"{first}.{last}.{dice.randrange(10**6)}@{key}.example".lower(),
        "zone": zone,
        "country": country,
        **more,
    }
    if part is not None:
        made["subdivision"] = part
    if dice.random() < 0.5:
        made |= {"languages": ["Python"], "projects": ["billing"], "deployment": ["Jenkins"]}
    return made


def _one_for_all(dice: Random, key: str, _: str) -> list[dict[str, Any]]:
    return [_person(dice, key, PERSONAS)]


def _no_vp(dice: Random, key: str, _: str) -> list[dict[str, Any]]:
    place = dice.choice(PLACES)
    return [_person(dice, key, [persona], place) for persona in PERSONAS[1:]]


def _vp_champion(dice: Random, key: str, _: str) -> list[dict[str, Any]]:
    place = dice.choice(PLACES)
    return [_person(dice, key, PERSONAS[:2], place), _person(dice, key, ["primary_user"], place)]


def _two_users(dice: Random, key: str, _: str) -> list[dict[str, Any]]:
    first, second = dice.sample(PLACES, 2)
    some = [_person(dice, key, [persona], first) for persona in PERSONAS[:3]]
    return [*some, _person(dice, key, ["primary_user"], second)]


def _nine_users(dice: Random, key: str, _: str) -> list[dict[str, Any]]:
    place = dice.choice(PLACES)
    some = [_person(dice, key, [persona], place) for persona in PERSONAS[:3]]
    return [*some, *(_person(dice, key, ["secondary_user"]) for _ in range(9))]


def _partner(dice: Random, key: str, partner: str) -> list[dict[str, Any]]:
    place = dice.choice(PLACES)
    champion = _person(dice, key, ["primary_champion"], PLACES[5]) | {"name": "Pat Partner", "email": partner}
    return [champion, *(_person(dice, key, [persona], place) for persona in PERSONAS[2:])]


def _everyone(dice: Random, key: str, _: str) -> list[dict[str, Any]]:
    return [_person(dice, key, [persona], PLACES[number % 2 + 5]) for number, persona in enumerate(PERSONAS)]


SHAPES: Final[dict[str, Callable[[Random, str, str], list[dict[str, Any]]]]] = {
    "onefor": _one_for_all,
    "novp": _no_vp,
    "vpchamp": _vp_champion,
    "twousers": _two_users,
    "nine": _nine_users,
    "partner": _partner,
    "everyone": _everyone,
}
"""How an account's people are, by the beginning of its key."""


def _members(dice: Random) -> MembersFile:
    """The vendor's people; the TAM has lunch, and a cap of meetings a day."""
    zurich = {"zone": "Europe/Zurich", "country": "CH", "subdivision": "ZH"}
    lunch = dice.choice(([time(12), time(13)], [time(11, 30), time(12, 30)]))
    hours = {"start": time(8, 30), "end": time(17, 30), "lunch": lunch, "meetings_a_day": dice.choice((3, 4, 6))}
    join = "https://meet.foobar.example/"
    members: list[dict[str, Any]] = [
        {"name": "Robin Keller", "email": TAM, "roles": ["tam"], **zurich, "hours": hours, "join_url": f"{join}robin"}
        | {"manager": MANAGER, "backup": COLLEAGUE, "delegate": COLLEAGUE},
        {"name": "Noor Haddad", "email": COLLEAGUE, "roles": ["tam"], "zone": "Europe/Berlin", "country": "DE"}
        | {"subdivision": "BE", "join_url": f"{join}noor", "manager": MANAGER},
        {"name": "Ines Moreau", "email": MANAGER, "roles": ["tam_manager"], "zone": "Europe/Paris", "country": "FR"},
        {"name": "Ada Min", "email": "ada@foobar.example", "roles": ["administrator"], **zurich},
    ]
    return check(MembersFile, {"members": members, "vendor": VENDOR}, "")


def _absences(dice: Random, begins: datetime, days: int) -> list[Away]:
    """The TAM is away some weeks of the year, some of it announced late; the colleague at other times."""
    found = []
    day = begins.date() + timedelta(days=dice.randrange(10, 40))
    while day < begins.date() + timedelta(days=days - 30):
        length = dice.choice((1, 4, 9, 16))
        ahead = dice.choice((2, 10, 60))
        announced = max(datetime.combine(day, time(9, 7), UTC) - timedelta(days=ahead), begins + timedelta(days=1))
        hands_over = length > 4 and dice.random() < 0.6
        found.append(Away(announced, TAM, day, day + timedelta(days=length - 1), hands_over))
        day += timedelta(days=length + dice.randrange(40, 90))
    return found
