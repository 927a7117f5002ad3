"""What is wrong with an account file is told at once, each fault with its line and an example of how to write it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from typer.testing import CliRunner

from rapport.model.account import WrittenMember, in_order, personas
from rapport.model.base import Refused, UserError
from starters.cli.account import app
from starters.use_cases.account import read_file
from starters.use_cases.files import told_by_line
from tests.conftest import ROOT

LINES = (ROOT / "examples" / "versayce.toml").read_text().splitlines()
NEEDED = [number for number, line in enumerate(LINES) if line.split(" =")[0] in ("key", "tam", "persona", "zone", "id")]
"""The lines of fields that every account, contact, member or contract needs."""


def head_of(number: int) -> int:
    """The line, from 1, of the table in which a line stands."""
    return next(index + 1 for index in range(number, -1, -1) if LINES[index].startswith("["))


@given(st.sets(st.sampled_from(NEEDED), min_size=1))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_that_is_missing_is_told_at_once(tmp_path: Path, missing: set[int]) -> None:
    """Whatever fields are left out: each is told, at its table's line, with an example that would do."""
    path = tmp_path / "customer.toml"
    # A comment in its place, so that lines keep their numbers.
    path.write_text("\n".join("#" if number in missing else line for number, line in enumerate(LINES)))
    with pytest.raises(UserError) as caught:
        read_file(path)
    told = [caught.value, *caught.value.others]
    lines = [int(fault.field.split(":")[1]) for fault in told]
    assert sorted(lines) == lines == sorted(head_of(number) for number in missing)
    for fault in told:
        assert fault.problem == "is missing"
        assert tomllib.loads(fault.fix.removeprefix("add it, such as "))


def test_what_an_option_answers_is_told_without_an_example_of_the_field(tmp_path: Path) -> None:
    """Where the way on is an option of the command, nobody is sent to write the field otherwise."""
    path = tmp_path / "customer.toml"
    path.write_text("\n".join(LINES))
    asked = UserError("was signed long ago", field="contract.signed_at", fix="say `--as-new` for a late start")
    with pytest.raises(UserError) as caught, told_by_line(path):
        raise asked
    assert caught.value.fix == asked.fix
    assert caught.value.field is not None
    assert caught.value.field.startswith("customer.toml:")


@pytest.mark.parametrize("kind", [Refused.CONFLICT, Refused.INVALID])
def test_what_is_refused_is_no_example_of_how_to_write_it(tmp_path: Path, kind: Refused) -> None:
    """Whoever gave a key that is taken is not told to write another one such as the same."""
    path = tmp_path / "customer.toml"
    path.write_text("\n".join(LINES))
    asked = UserError("was erased", field="account.key", fix="give the account another key", kind=kind)
    with pytest.raises(UserError) as caught, told_by_line(path):
        raise asked
    assert caught.value.fix == asked.fix


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'contacts = []\n\n[account]\nkey = "x"\nname = "X"\ntam = "a@b.example"\n',
            ["f.toml:1: contacts: is empty (write at least 1, such as [[contacts]] with persona, name, email"],
        ),
        (
            '[account]\nkey = "x"\nname = "X"\ntam = "a@b.example"\n\n[[contacts]]\npersona = "primary_champoin"\n'
            'name = "A"\nemail = "a"\nzone = "UTC"\n',
            [
                'f.toml:7: contacts[0].persona: "primary_champoin" is not a persona (did you mean "primary_champion"? ',
                "f.toml:9: contacts[0].email: is not a mail address (",
            ],
        ),
        (
            '[account]\nkey = "x"\nname = "X"\ntam = "a@b.example"\n'
            + '\n[[contacts]]\npersona = "primary_user"\nname = "A"\nemail = "a@b.example"\nzone = "UTC"\n' * 3,
            ["f.toml:15: contacts[1].email: the address stands twice", "f.toml:21: contacts[2].email: the address"],
        ),
    ],
)
def test_what_is_wrong_is_told_by_line(tmp_path: Path, text: str, told: list[str]) -> None:
    """Faults of values come in the file's order; a list with a fault in it is not called empty beside it."""
    (tmp_path / "f.toml").write_text(text)
    with pytest.raises(UserError) as caught:
        read_file(tmp_path / "f.toml")
    found = [str(fault) for fault in (caught.value, *caught.value.others)]
    assert len(found) == len(told)
    for fault, beginning in zip(found, told, strict=True):
        assert fault.startswith(beginning)


_NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=20).filter(
    lambda text: "=?" not in text
)


@given(
    company=_NAMES, person=_NAMES, held=st.sets(st.sampled_from(sorted(personas())), min_size=1), signed=st.booleans()
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_answered_is_an_account_file(
    tmp_path: Path, company: str, person: str, held: set[str], signed: bool
) -> None:
    """However people and companies are called, the questions' answers make a file that can be imported."""
    path = tmp_path / "acme.toml"
    path.unlink(missing_ok=True)
    answers = [company, "robin.keller@foobar.example", person, "ada@acme.example", ", ".join(held), "", "", "n"]
    answers += ["ACME-1", "2026-11-27"] if signed else [""]
    asked = CliRunner().invoke(app, ["new", "acme", "--ask", "--file", str(path)], input="\n".join(answers) + "\n")
    assert asked.exit_code == 0, asked.output
    file = read_file(path)
    assert (file.account.name, file.contacts[0].name) == (company, person)
    assert file.contacts[0].personas == in_order(held)
    assert (file.contract is not None) is signed


def test_a_file_with_blanks_is_written_once_and_says_what_is_left(tmp_path: Path) -> None:
    """A commented file is written where no one is asked, never over another; what is blank in it is refused by line."""
    path = tmp_path / "acme.toml"
    assert CliRunner().invoke(app, ["new", "acme", "--file", str(path)]).exit_code == 0
    assert CliRunner().invoke(app, ["new", "acme", "--file", str(path)]).exit_code == 4
    with pytest.raises(UserError) as caught:
        read_file(path)
    assert [fault.field.split(": ")[1] for fault in (caught.value, *caught.value.others)] == [
        "account.name",
        "account.tam",
        "contacts[0].name",
        "contacts[0].email",
    ]
    text = path.read_text()
    # What a start would refuse without a place is told where the place is written.
    assert "large_account" in text.partition("# place = ")[0]
    for blank, value in {
        "<its name>": "Acme",
        "<the address of a team member who is a TAM>": "robin.keller@foobar.example",
        "<first and last name>": "Ada Lind",
        "<address>": "ada@acme.example",
    }.items():
        text = text.replace(f'"{blank}"', f'"{value}"')
    path.write_text(text)
    assert read_file(path).account.key == "acme"


def test_each_field_of_a_member_is_told_of() -> None:
    """What a members file may say of somebody stands in the guides or in an example."""
    told = "".join(path.read_text() for at in ("docs", "examples") for path in (ROOT / at).glob("*.[mt]*"))
    names = [field.alias or name for name, field in WrittenMember.model_fields.items()]
    assert [name for name in names if not re.search(rf"\b{name}\b", told)] == []
