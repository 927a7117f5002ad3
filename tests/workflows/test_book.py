"""A running book that comes in at once, from a directory of account files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rapport.model.base import UserError
from starters.use_cases import account, book, onboarding
from tests.conftest import ROOT, Installation, until

LONG_AGO = datetime.now(UTC) - timedelta(days=200)


def write(folder: Path, key: str, *other: tuple[str, str]) -> None:
    """The example account's file under another key, signed long ago, with some texts replaced."""
    text = (ROOT / "examples" / "versayce.toml").read_text()
    text = text.replace('key = "versayce"', f'key = "{key}"').replace("VERSAYCE-2026-11", f"{key.upper()}-1")
    text = text.replace("[contract]\n", f"[contract]\nsigned_at = {LONG_AGO:%Y-%m-%dT%H:%M:%SZ}\n")
    for before, after in other:
        text = text.replace(before, after)
    (folder / f"{key}.toml").write_text(text)


async def test_a_book_comes_in_at_once_each_account_at_its_step(skipping: Installation, tmp_path: Path) -> None:
    """Every account is brought in; those with a row are started where they are, and nothing goes out for the steps
    before; one that is refused says why by its line, and stops no other; and it is safe to repeat."""
    folder = tmp_path / "book"
    folder.mkdir()
    for key in ("alpha", "beta", "gamma"):
        write(folder, key)
    (folder / "book.csv").write_text("account,at\nalpha,first_integration\ngamma,\n")
    found = await book.import_book(skipping.services, book.read_book(folder))
    alpha, beta, gamma = found.lines
    assert (alpha.workflow_id, alpha.created, alpha.problems) == ("onboarding/alpha", True, ())
    assert (beta.workflow_id, beta.problems) == (None, ())
    assert gamma.workflow_id is None
    (problem,) = gamma.problems
    assert problem.startswith("gamma.toml:25: contract.signed_at: was signed on")
    assert "--as-new" in problem
    assert {line.account for line in await account.portfolio(skipping.services)} == {"alpha", "beta", "gamma"}

    async def states() -> dict[str, str] | None:
        steps = (await onboarding.status(skipping.services, "alpha")).milestones
        known = {step.step: step.state for step in steps}
        return known if known["first_integration"] == "running" else None

    assert (await until(states, "the step at which it enters"))["kickoff"] == "skipped"
    assert [mail for mail in skipping.mails() if "versayce.example" in str(mail["To"])] == []
    again = await book.import_book(skipping.services, book.read_book(folder))
    assert [one.created for one in again.lines] == [False, False, False]
    assert again.lines[0].workflow_id == "onboarding/alpha"


def test_a_book_with_a_fault_brings_nothing_in(tmp_path: Path) -> None:
    """All that is wrong with any of the files is told at once, by file and line."""
    write(tmp_path, "alpha", ("Europe/Zurich", "Europe/Zuerich"))
    write(tmp_path, "beta", ('key = "beta"', 'key = "Not A Key"'))
    (tmp_path / "book.csv").write_text("account,at,when\nalpha,kickoff,now\n")
    with pytest.raises(UserError) as refusal:
        book.read_book(tmp_path)
    told = [str(one) for one in (refusal.value, *refusal.value.others)]
    assert {one.partition(":")[0].partition(" ")[0] for one in told} == {"alpha.toml", "beta.toml", "book.csv"}


def test_a_row_of_no_file_and_a_file_too_many_are_refused(tmp_path: Path) -> None:
    """A row whose account has no file, and two files of one account, name each other."""
    write(tmp_path, "alpha")
    (tmp_path / "twin.toml").write_text((tmp_path / "alpha.toml").read_text())
    (tmp_path / "book.csv").write_text("account,at\nomega,kickoff\n")
    with pytest.raises(UserError, match=r"as alpha\.toml is") as refusal:
        book.read_book(tmp_path)
    assert refusal.value.field == "twin.toml"
    (tmp_path / "twin.toml").unlink()
    with pytest.raises(UserError, match='no file here is of the account "omega"'):
        book.read_book(tmp_path)
    with pytest.raises(UserError, match="has no account files"):
        book.read_book(tmp_path / "nowhere")
