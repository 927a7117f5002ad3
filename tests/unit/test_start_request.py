"""What starts an onboarding over HTTP: an account file, as JSON or as it stands."""

from __future__ import annotations

import json

import pytest

from rapport.model.account import AccountFile
from rapport.model.base import UserError
from rapport.model.reading import read_json, read_toml
from starters.use_cases.onboarding import StartRequest
from tests.conftest import ROOT


def test_an_account_file_may_be_posted_as_it_stands() -> None:
    """`file` takes the text of a TOML file: what it says is what the same says as JSON."""
    text = (ROOT / "examples" / "versayce.toml").read_text()
    as_text = read_json(StartRequest, json.dumps({"file": text}).encode())
    assert as_text.file == read_toml(AccountFile, text.encode(), "versayce.toml")
    assert as_text.file is not None
    as_json = read_json(StartRequest, json.dumps({"file": as_text.file.model_dump(mode="json")}).encode())
    assert as_json == as_text


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        ("[account", "file", "is not TOML"),
        ("\ud800", "file", "is not UTF-8"),
        ('[account]\nkey = "a"', "file.contacts", "is missing"),
    ],
)
def test_what_is_no_account_file_is_refused(text: str, field: str, problem: str) -> None:
    """Text that is none is refused with the field and the fix."""
    with pytest.raises(UserError) as caught:
        read_json(StartRequest, json.dumps({"file": text}).encode())
    [fault] = [one for one in (caught.value, *caught.value.others) if one.field == field]
    assert problem in fault.problem
    assert fault.fix
