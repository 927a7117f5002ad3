"""What every edge promises: bad input is refused in words, with the field and the fix, and with nothing else."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from importlib.resources import files
from types import SimpleNamespace
from typing import Annotated, Any, TypeVar

import pytest
from hypothesis import assume, example, given, settings, strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from rapport.model.account import AccountFile
from rapport.model.base import InputModel, Refused, UserError, WireModel
from rapport.model.playbook import Playbook
from rapport.model.reading import MAX_BYTES, check, read_day, read_instant, read_json, read_toml
from rapport.model.support_case import WrittenCase
from starters.http.app import create_app
from starters.use_cases.support_case import Say
from tests.mail_fixtures import EXAMPLE

M = TypeVar("M", bound=BaseModel)

ACCOUNT_TOML = EXAMPLE.read_bytes()
PLAYBOOK_TOML = files("rapport.playbooks").joinpath("enterprise.toml").read_bytes()
ACCOUNT: dict[str, Any] = tomllib.loads(ACCOUNT_TOML.decode())
PLAYBOOK: dict[str, Any] = tomllib.loads(PLAYBOOK_TOML.decode())
MESSAGE = {
    "name": "hello",
    "title": "Hello",
    "kind": "message",
    "stage": "welcome",
    "to": ["primary_champion"],
    "email": "hello",
}
CALM = settings(deadline=None, max_examples=300)

Change = Callable[[dict[str, Any]], object]


def refused(model: type[M], data: Any, source: str = "file.toml") -> UserError:
    """The refusal that this data meets, sound in form."""
    with pytest.raises(UserError) as caught:
        check(model, data, source)
    return sound(caught.value)


def sound(refusal: UserError) -> UserError:
    """Assert that a refusal names a field and a fix, and is one line of words."""
    for one in (refusal, *refusal.others):
        assert one.kind is Refused.INVALID
        assert one.field
        assert one.problem
        assert one.fix, str(one)
        assert "pydantic" not in str(one)
        assert "Value error" not in str(one)
    return refusal


def account(change: Change) -> dict[str, Any]:
    """The example account with one change."""
    data = copy.deepcopy(ACCOUNT)
    change(data)
    return data


def playbook(change: Change) -> dict[str, Any]:
    """The shipped playbook with one change."""
    data = copy.deepcopy(PLAYBOOK)
    change(data)
    return data


def put(*path: str | int, value: Any) -> Change:
    """Set what stands at this place."""

    def change(data: dict[str, Any]) -> None:
        here: Any = data
        for part in path[:-1]:
            here = here[part]
        here[path[-1]] = value

    return change


def drop(*path: str | int) -> Change:
    """Take out what stands at this place."""

    def change(data: dict[str, Any]) -> None:
        here: Any = data
        for part in path[:-1]:
            here = here[part]
        del here[path[-1]]

    return change


def test_what_is_shipped_is_accepted() -> None:
    """The example account and the shipped playbook are what these tests change, and are sound themselves."""
    assert read_toml(AccountFile, ACCOUNT_TOML, "versayce.toml").account.key == "versayce"
    assert read_toml(Playbook, PLAYBOOK_TOML, "enterprise.toml").name == "enterprise"


# --- accounts


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        (put("contacts", 1, "zone", value="Europe/Zurick"), "contacts[1].zone", "IANA"),
        (put("contacts", 1, "zone", value="../Europe/Zurich"), "contacts[1].zone", "IANA"),
        (put("contacts", 1, "zone", value=""), "contacts[1].zone", "IANA"),
        (drop("contacts", 1, "zone"), "contacts[1].zone", "missing"),
        (put("contacts", 0, "country", value="XX"), "contacts[0]", "country"),
        (put("contacts", 0, "subdivision", value="ZZ"), "contacts[0]", "subdivision"),
        (drop("contacts", 0, "country"), "contacts[0]", "country"),
        (put("contacts", 0, "persona", value="boss"), "contacts[0].persona", "primary_champion"),
        (put("contacts", value=[]), "contacts", "at least 1"),
        (put("contacts", 2, "email", value="LUCA.BIANCHI@versayce.example"), "contacts[2].email", "twice"),
        (put("members", 1, "email", value="robin.keller@FOOBAR.example"), "members[1].email", "twice"),
        (put("contacts", 3, "email", value="Robin.Keller@foobar.example"), "contacts[3].email", "member"),
        (put("contacts", 0, "email", value="dana"), "contacts[0].email", "mail address"),
        (put("contacts", 0, "email", value="zoë@versayce.example"), "contacts[0].email", "ASCII"),
        (
            put("contacts", 0, "email", value="dana@versayce.example\r\nBcc: x@y.example"),
            "contacts[0].email",
            "line break",
        ),
        (put("contacts", 0, "name", value="Dana\r\nBcc: x@y.example"), "contacts[0].name", "line break"),
        (put("contacts", 0, "name", value="Dana\n"), "contacts[0].name", "line break"),
        (put("contacts", 0, "name", value="Dana\rWhitfield"), "contacts[0].name", "line break"),
        (put("contacts", 0, "name", value="=?utf-8?q?x=0D=0ABcc:y?="), "contacts[0].name", "encoded word"),
        (put("contacts", 0, "name", value="Dana\u202e"), "contacts[0].name", "control character"),
        (put("contacts", 0, "name", value=""), "contacts[0].name", "empty"),
        (put("contacts", 0, "name", value="  "), "contacts[0].name", "empty"),
        (put("contacts", 0, "name", value="\u3000\u00a0"), "contacts[0].name", "empty"),
        (put("contacts", 0, "name", value="x" * 121), "contacts[0].name", "120"),
        (put("contacts", 0, "name", value=7), "contacts[0].name", "quotes"),
        (put("contacts", 0, "nmae", value="Dana"), "contacts[0].nmae", "name"),
        (put("contacts", 1, "hours", value={"start": time(17), "end": time(9)}), "contacts[1].hours", "later"),
        (put("contacts", 1, "hours", value={"start": "09:00:00Z"}), "contacts[1].hours", "zone"),
        (put("contacts", 1, "hours", value={"days": []}), "contacts[1].hours", "day"),
        (put("contacts", 1, "hours", value={"days": ["monday"]}), "contacts[1].hours.days", "mon"),
        (put("members", 0, "roles", value=[]), "members[0].roles", "at least 1"),
        (put("members", 0, "roles", value=["king"]), "members[0].roles", "tam"),
        (put("members", 0, "join_url", value="javascript:alert(1)"), "members[0].join_url", "http"),
        (put("members", 0, "calendar_url", value="file:///etc/passwd"), "members[0].calendar_url", "http"),
        (put("account", "key", value="Ver/sayce"), "account.key", "lower-case"),
        (put("account", "key", value="-versayce"), "account.key", "lower-case"),
        (put("account", "name", value="Versayce\u2028"), "account.name", "line break"),
        (put("account", "review", value="never"), "account.review", "auto"),
        (put("account", "figures", "poc_result", value="a\x00b"), "account.figures.poc_result", "control"),
        (put("account", "figures", "poc_result", value="x" * 20_001), "account.figures.poc_result", "20000"),
        (put("contract", "id", value="a/b"), "contract.id", "letters"),
        (put("contract", "signed_at", value=datetime(2026, 1, 1)), "contract.signed_at", "no time zone"),  # noqa: DTZ001
        (put("contract", "signed_at", value="0001-01-01T00:00:00+14:00"), "contract.signed_at", "years"),
        (put("contract", "signed_at", value="soon"), "contract.signed_at", "datetime"),
        (put("account", value="versayce"), "account", "table"),
        (drop("account"), "account", "missing"),
    ],
)
def test_a_bad_account_is_refused_with_field_and_fix(change: Change, field: str, words: str) -> None:
    """Each fault of an account file is refused, naming the file, the field and what to do about it."""
    refusal = refused(AccountFile, account(change))
    assert refusal.field.startswith(f"file.toml: {field}")
    assert words in str(refusal)


def test_all_faults_are_told_at_once() -> None:
    """A file with several faults is told of all of them, so that it is corrected in one go."""
    data = account(put("contacts", 0, "zone", value="Mars"))
    put("contacts", 2, "email", value="mara")(data)
    put("account", "key", value="")(data)
    refusal = refused(AccountFile, data)
    assert [one.field for one in (refusal, *refusal.others)] == [
        f"file.toml: {field}" for field in ("account.key", "contacts[0].zone", "contacts[2].email")
    ]


# --- playbooks


def step(name: str, **more: Any) -> dict[str, Any]:
    """A message step."""
    return {**MESSAGE, "name": name, **more}


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        (put("steps", value=[step("a", after=["a"])]), "steps[0].after", "waits for itself"),
        (put("steps", value=[step("a", after=["b"]), step("b", after=["a"])]), "steps", "a waits for b waits for a"),
        (
            put("steps", value=[step("x"), *(step(f"s{i}", after=[f"s{(i + 1) % 7}"]) for i in range(7))]),
            "steps",
            "s0 waits for s1",
        ),
        (put("steps", value=[step("a", after=["c"])]), "steps[0].after", 'no step "c"'),
        (put("steps", value=[step("a"), step("a")]), "steps[1].name", "twice"),
        (put("steps", value=[]), "steps", "at least 1"),
        (
            put("steps", value=[step("s0"), *(step(f"s{i + 1}", after=[f"s{i}"]) for i in range(3000))][::-1]),
            "steps",
            "at most 200",
        ),
        (put("steps", 0, "when", value="is_friday"), "steps[0].when", "large_account"),
        (put("steps", 0, "when", value="has_persona:boss"), "steps[0].when", "has_persona:<one of them>"),
        (put("steps", 0, "when", value="large_account:x"), "steps[0].when", "no condition"),
        (put("steps", 0, "invite", value=["primary_champion", "boss"]), "steps[0].invite[1]", "primary_user"),
        (put("steps", 0, "stage", value="later"), "steps[0].stage", "rollout"),
        (put("steps", 0, "kind", value="party"), "steps[0]", "'meeting'"),
        (drop("steps", 0, "kind"), "steps[0]", "kind"),
        (put("steps", 0, "offset", value="2 fortnights"), "steps[0].offset", "business days"),
        (put("steps", 0, "offset", value="-1 days"), "steps[0].offset", "business days"),
        (put("steps", 0, "minutes", value=10), "steps[0].minutes", "15"),
        (put("steps", 0, "minutes", value=45), "steps[0].minutes", "key_business_contact gives at most 30"),
        (put("steps", 0, "agenda", 0, "minutes", value=5), "steps[0].agenda", "keep it to 15"),
        (put("steps", 0, "agenda", value=[]), "steps[0].agenda", "at least 1"),
        (put("steps", 0, "require", value=[["primary_user"]]), "", ""),
        (put("steps", 0, "invite", value=["primary_champion"]), "steps[0].require", "add it to invite"),
        (put("steps", 0, "latest", value=3), "steps[0].latest", "earliest"),
        (put("steps", 0, "voting_days", value=6), "steps[0].earliest", "voting_days"),
        (put("steps", 0, "reminders", value=3), "steps[0].reminders", "fewer"),
        (put("steps", 0, "review", value="maybe"), "steps[0].review", "approve"),
        (put("steps", 0, "loop", value=True), "steps[0].loop", "not known"),
        (put("name", value="Enter prise"), "name", "lower-case"),
        (put("version", value=0), "version", "1"),
    ],
)
def test_a_bad_playbook_is_refused_with_field_and_fix(change: Change, field: str, words: str) -> None:
    """Each fault of a playbook is refused before anything starts, naming the step's field and the way out."""
    data = playbook(change)
    if not field:
        assert check(Playbook, data, "file.toml")
        return
    refusal = refused(Playbook, data)
    assert refusal.field.startswith(f"file.toml: {field}")
    assert words in str(refusal)


def test_the_business_contact_gives_more_time_onsite_alone() -> None:
    """A key business contact is asked to more than 30 minutes only where people meet onsite."""
    longer = playbook(put("steps", 0, "minutes", value=240))
    assert "30 minutes" in str(refused(Playbook, longer))
    put("steps", 0, "where", value="onsite")(longer)
    assert check(Playbook, longer, "file.toml")


@example(29, [15])
@example(30, [15])
@example(30, [9, 7])
@given(st.integers(15, 30), st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_half_of_a_meeting_is_for_talking(minutes: int, material: list[int]) -> None:
    """A meeting's material fills at most half of it; more is refused with the number that fits."""
    data = playbook(put("steps", 0, "minutes", value=minutes))
    put("steps", 0, "agenda", value=[{"topic": "x", "minutes": each} for each in material])(data)
    if sum(material) * 2 <= minutes:
        assert check(Playbook, data, "file.toml")
    else:
        assert f"keep it to {minutes // 2}" in str(refused(Playbook, data))


# --- documents


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"name = ", "not TOML"),
        (b"name = 'x'\nname = 'y'", "not TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a = 1\n" + b"#" * MAX_BYTES, "larger than 1 MB"),
        (b"a=" + b"[" * 100_000, "TOML"),
        (b"a=" + b"{a=" * 50_000, "TOML"),
        (b"a=" + b"1" * 10_000, "TOML"),
        (b"a=2026-13-45", "TOML"),
        (b"a='\x00'", "TOML"),
        (b"", "missing"),
    ],
)
def test_a_bad_toml_document_is_refused(raw: bytes, words: str) -> None:
    """What is no TOML, no UTF-8 or too large is refused by the file's name, with a fix."""
    for model in (AccountFile, Playbook):
        with pytest.raises(UserError) as caught:
            read_toml(model, raw, "file.toml")
        assert words in str(sound(caught.value))
        assert caught.value.field.startswith("file.toml")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b"\xff", "not JSON"),
        (b'"' + b"x" * MAX_BYTES + b'"', "larger than 1 MB"),
        (b"[" * 200_000, "not JSON"),
        (b'{"contacts":' + b"1" * 10_000 + b"}", "not JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'"text"', "object"),
        (b'{"\\ud800": 1}', "body"),
        (b'{"account": NaN}', "account"),
        (b"{}", "missing"),
    ],
)
def test_a_bad_json_body_is_refused(raw: bytes, words: str) -> None:
    """What is no JSON object or too large is refused as the body, with a fix."""
    with pytest.raises(UserError) as caught:
        read_json(AccountFile, raw)
    assert words in str(sound(caught.value))


# --- whatever comes: a model or a refusal, and nothing else

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["", " ", "auto", "primary_champion", "Europe/Zurich", "09:00:00Z", "24:00", "1e400", "\ud800", "=?", "\0"]
    ),
    st.sampled_from(
        ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-11-20", "1e18", "a@b", "http://[", "x://"]
    ),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from([datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), date.min, time.max]),
    st.times(),
    st.times(timezones=st.just(UTC)),
    st.dates(),
    st.binary(max_size=4),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document."""
    items: Any = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


@st.composite
def mutated(draw: st.DrawFn, original: dict[str, Any]) -> dict[str, Any]:
    """A document with a few places replaced, dropped, doubled, or given something unknown."""
    data = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 4))):
        path: Any = draw(st.sampled_from(list(places(data)) or [("x",)]))
        *way, last = path
        here: Any = data
        for part in way:
            here = here[part]
        match draw(st.sampled_from(["replace", "replace", "drop", "double", "add"])):
            case "replace":
                here[last] = draw(VALUES)
            case "drop" if here:
                del here[last]
            case "double" if isinstance(here, list):
                here.append(copy.deepcopy(here[last]))
            case "add" if isinstance(here, dict):
                here.update({draw(st.text(max_size=10)): draw(VALUES)})
    return data


def accepted_or_refused(read: Callable[[], BaseModel]) -> None:
    """Assert that reading gives a model or a sound refusal."""
    try:
        read()
    except UserError as refusal:
        sound(refusal)


@CALM
@given(mutated(ACCOUNT))
def test_no_account_raises_anything_but_a_refusal(data: dict[str, Any]) -> None:
    """However an account's data is broken, it is accepted or refused with field and fix."""
    accepted_or_refused(lambda: check(AccountFile, data, "file.toml"))


@CALM
@given(mutated(PLAYBOOK))
def test_no_playbook_raises_anything_but_a_refusal(data: dict[str, Any]) -> None:
    """However a playbook's data is broken, it is accepted or refused with field and fix."""
    accepted_or_refused(lambda: check(Playbook, data, "file.toml"))


@CALM
@given(mutated(json.loads(json.dumps(ACCOUNT, default=str))))
def test_no_body_raises_anything_but_a_refusal(data: dict[str, Any]) -> None:
    """However the JSON of an account is broken, it is accepted or refused with field and fix."""
    raw = json.dumps(data, default=str).encode()
    assume(len(raw) < MAX_BYTES)
    accepted_or_refused(lambda: read_json(AccountFile, raw))


@settings(deadline=None, max_examples=200)
@example(b"a=" + b"1" * 5000)
@example(b"a=" + b"[" * 5000)
@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_refusal(raw: bytes) -> None:
    """Whatever bytes come as a file or as a body are refused: they are no account."""
    with pytest.raises(UserError) as caught:
        read_toml(AccountFile, raw, "file.toml")
    sound(caught.value)
    with pytest.raises(UserError) as caught:
        read_json(AccountFile, raw)
    sound(caught.value)


@CALM
@given(st.integers(0, len(ACCOUNT_TOML) - 1), st.integers(0, 40), st.binary(max_size=6))
def test_no_damaged_file_raises_anything_but_a_refusal(at: int, length: int, instead: bytes) -> None:
    """However a good file is damaged, it is accepted or refused with field and fix."""
    raw = ACCOUNT_TOML[:at] + instead + ACCOUNT_TOML[at + length :]
    accepted_or_refused(lambda: read_toml(AccountFile, raw, "file.toml"))


@pytest.mark.parametrize(
    ("text", "problem", "fix"),
    [
        ("", "is empty", "fill it in"),
        (" \n ", "is empty", "fill it in"),
        ("x" * 20_001, "is too long", "write at most 20000 characters"),
    ],
)
def test_a_text_that_is_empty_or_too_long_is_refused_in_plain_words(text: str, problem: str, fix: str) -> None:
    """Whoever answers a case or opens one with nothing, or with a book, hears what to do in words about texts."""
    for model, name, rest in ((Say, "text", {}), (WrittenCase, "question", {"account": "versayce"})):
        with pytest.raises(UserError) as refused:
            check(model, {**rest, name: text}, "")
        assert (refused.value.field, refused.value.problem, refused.value.fix) == (name, problem, fix)


class _Kept(WireModel):
    """Something of which a record has two of its three fields."""

    id: str
    title: str
    overdue: bool


@given(st.text(), st.text(), st.booleans())
def test_a_model_is_made_of_a_record_and_of_what_is_given_beside(id_: str, title: str, overdue: bool) -> None:
    """What a record has under a field's name is taken from it, what is given beside comes first, the rest is left."""
    record = SimpleNamespace(id=id_, title="another", more="ignored")
    assert _Kept.made_of(record, title=title, overdue=overdue) == _Kept(id=id_, title=title, overdue=overdue)
    with pytest.raises(ValidationError, match="overdue"):
        _Kept.made_of(record)


def _written(model: type[InputModel]) -> Iterator[tuple[str, Any]]:
    """The fields of a model that hold a day or an instant, and of those below it, each with its type."""
    for name, field in model.model_fields.items():
        if "datetime.date" in repr(field.annotation):
            yield (
                f"{model.__name__}.{name}",
                Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation,
            )
    for below in model.__subclasses__():
        yield from _written(below)


@pytest.mark.parametrize("year", ["0001", "1969", "2101", "3026", "9999"])
def test_no_day_or_instant_is_taken_of_a_year_that_nobody_means(year: str) -> None:
    """A slip of the keyboard is refused wherever people write a date: nothing is planned for centuries to come."""
    assert callable(create_app)
    fields = dict(_written(InputModel))
    assert len(fields) > 15
    for name, type_ in fields.items():
        adapter = TypeAdapter(type_)
        for written in (f"{year}-06-01", f"{year}-06-01T09:00:00Z"):
            with pytest.raises(ValidationError):
                pytest.fail(f"{name} takes {adapter.validate_python(written)}")
    for read in (read_day, read_instant):
        with pytest.raises(UserError, match=f"is in the year {int(year)}"):
            read(f"{year}-06-01", "start")
