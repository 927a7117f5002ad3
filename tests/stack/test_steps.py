"""Facts about contacts and files on drafts, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import SECOND_USER, TAM
from tests.stack.test_demo import rapport

AS = ("--as", TAM.email)
CONTACT = ("account", "edit-contact", "versayce", SECOND_USER)


def test_what_is_known_of_a_contact_is_recorded(data: Path) -> None:
    """Several words by commas or by repeating, an empty one takes them back, and what is left out stays."""
    known = rapport(data, *CONTACT, "--languages", "Rust, Go", "--languages", "Zig", *AS, "--json")
    assert json.loads(known.stdout)["work"]["languages"] == ["Rust", "Go", "Zig"]
    shown = rapport(data, *CONTACT, "--languages", "", "--chat-channel", "#versayce", *AS)
    assert "languages: not known" in shown.stdout
    assert "projects: checkout service" in shown.stdout
    assert "chat channel: #versayce" in shown.stdout
    for words, code, said in (
        ((*CONTACT, *AS), 2, "is missing"),
        (("account", "edit-contact", "versayce", "nobody@versayce.example", "--projects", "x", *AS), 3, "no contact"),
        ((*CONTACT, "--projects", "x"), 2, "nobody is named"),
    ):
        done = rapport(data, *words)
        assert (done.exit_code, said in done.stderr) == (code, True), done.stderr


def test_a_file_on_what_is_no_draft_is_refused(data: Path, tmp_path: Path) -> None:
    """Attaching names what is wrong: the file, its kind, or that the mail has gone."""
    [key, *_] = [line["key"] for line in json.loads(rapport(data, "message", "list", "versayce", "--json").stdout)]
    slides = tmp_path / "slides.pdf"
    slides.write_bytes(b"%PDF-1.7")
    script = tmp_path / "script.sh"
    script.write_text("#!/bin/sh\n")
    for words, code, said in (
        (("attach", key, str(slides)), 4, "no draft any more"),
        (("attach", key, str(script)), 2, "files ending in"),
        (("attach", key, str(tmp_path / "nothing.pdf")), 3, "cannot be read"),
        (("attach", "no/such/key", str(slides)), 3, "no message with this key"),
        (("detach", key, "slides.pdf"), 4, "no draft any more"),
    ):
        done = rapport(data, "message", *words, *AS)
        assert (done.exit_code, said in done.stderr) == (code, True), done.stderr
