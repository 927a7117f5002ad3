"""The record of a decision as a file: whoever has the public key finds any change, with nothing else at hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given, strategies as st

from rapport.model.base import UserError
from rapport.rules import receipt, record
from starters.use_cases.record_check import verify_record

KEY: Final = Ed25519PrivateKey.generate()
DOCUMENT: Final = '["TR-0001","versayce",1,"vote","s_1","ce_vp","m_1","no","s_1","ab","2026-11-23T09:00:00Z"]'
SIGNATURE, PUBLIC = receipt.sign(KEY, DOCUMENT)
RECEIPT: Final = {"document": DOCUMENT, "signature": SIGNATURE, "public_key": PUBLIC}
PAGES: Final = {
    "md": record.seal("# TR-0001: declined\n\n> Not this year\n\n", [RECEIPT], KEY),
    "html": record.seal("<html><body>\n<h1>Declined</h1>\n</body>\n</html>\n", [RECEIPT], KEY),
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_record_is_whole_as_it_was_written(page: str) -> None:
    """Its own key finds it whole, also as an editor of another system keeps the same text; another key does not."""
    for kept in (page, page.replace("\n", "\r\n"), f"\ufeff{page}", page.rstrip(), f"{page}\n"):
        assert record.check(kept, {PUBLIC}) == (1, ())
    other = receipt.sign(Ed25519PrivateKey.generate(), "x")[1]
    assert len(record.check(page, {other}).faults) == 2
    assert page.startswith(("# TR-0001: declined", "<html><body>"))


@given(st.sampled_from(list(PAGES.values())), st.data())
def test_any_change_of_a_record_is_found(page: str, data: st.DataObject) -> None:
    """Whichever character is another one, in the page, in its receipts or in the seal itself."""
    at = data.draw(st.integers(0, len(page) - 1))
    assert record.check(f"{page[:at]}§{page[at + 1 :]}", {PUBLIC}).faults


def test_what_a_browser_has_made_of_it_is_said() -> None:
    """A complete page that a browser wrote anew, and a page in a web archive, are refused with what to do instead."""
    anew = PAGES["html"].replace("<html>", "<!-- saved from url=(0021)http://127.0.0.1:8700 -->\n<html>")
    assert record.check(anew, {PUBLIC}).faults == (record.CHANGED_PAGE,)
    archive = f"MIME-Version: 1.0\r\nContent-Type: multipart/related;\r\n\r\n{PAGES['html']}"
    assert record.check(archive, {PUBLIC}).faults == (record.WEB_ARCHIVE,)
    assert "complete page" not in str(record.check(PAGES["md"].replace("TR", "RT"), {PUBLIC}).faults)


@pytest.mark.parametrize("added", ['"note":"approved",', '"receipts":[],', " "])
def test_nothing_is_added_to_a_seal(added: str) -> None:
    """Neither a field that nobody signed, nor one a second time: other readers might take it for the signed one."""
    for page in PAGES.values():
        assert record.check(page.replace('{"receipts":', f'{{{added}"receipts":'), {PUBLIC}).faults


@given(st.sampled_from(list(PAGES.values())), st.data())
def test_a_seal_stands_where_it_was_put(page: str, data: st.DataObject) -> None:
    """A comment that was moved could be read for text where it stands then, or part two words; it is found."""
    begins, ends = page.index("<!-- "), page.index(" -->\n") + len(" -->\n")
    seal, rest = page[begins:ends], page[:begins] + page[ends:]
    at = data.draw(st.integers(0, len(rest)))
    assume(rest[min(at, begins) : max(at, begins)].strip())
    assert record.check(rest[:at] + seal + rest[at:], {PUBLIC}).faults


def test_a_forged_receipt_and_a_second_seal_are_found() -> None:
    """Whoever seals a page anew with a key of their own, or puts two records together, is found."""
    forger = Ed25519PrivateKey.generate()
    page = record.seal("# TR-0001: approved\n\n", [RECEIPT | {"document": DOCUMENT.replace("no", "yes")}], forger)
    assert [one.split(":")[0] for one in record.check(page, {PUBLIC}).faults] == [
        "was signed with another key than this installation's",
        "has a receipt that is not what was signed",
    ]
    assert record.check(PAGES["md"] + PAGES["md"], {PUBLIC}).faults
    assert record.check("# TR-0001: approved\n", {PUBLIC}).faults


def test_the_command_needs_the_file_and_the_key_alone(tmp_path: Path) -> None:
    """On a machine with no installation, it tells by its exit code; what is no file or key is refused by name."""
    whole, changed = tmp_path / "TR-0001.md", tmp_path / "TR-0002.md"
    whole.write_text(PAGES["md"])
    changed.write_text(PAGES["md"].replace("declined", "approved"))
    away = {**os.environ, "RAPPORT_DATA": str(tmp_path / "nothing"), "DATABASE_URL": "postgresql://127.0.0.1:1/none"}

    def run(file: Path) -> subprocess.CompletedProcess[str]:
        program = "from starters.cli.main import run; run()"
        command = [sys.executable, "-c", program, "audit", "verify-record", str(file), "--key", PUBLIC, "--json"]
        return subprocess.run(command, capture_output=True, text=True, env=away, check=False)

    done = run(whole)
    assert (done.returncode, json.loads(done.stdout)["receipts"]) == (0, 1), done.stderr
    done = run(changed)
    assert (done.returncode, json.loads(done.stdout)["faults"]) == (4, ["was changed after it was signed"])
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(UserError, match="not a public key"):
        verify_record(whole, ["abc"])
    with pytest.raises(UserError, match="can't be read"):
        verify_record(tmp_path / "none.md", [PUBLIC])
