"""`rapport account replace-contact | add-contact | remove-contact | hand-over`, beside an installation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import BUSINESS, CHAMPION, ROOT, TAM
from tests.stack.test_demo import asked, rapport

NOOR = "noor.haddad@foobar.example"
WHY = ("--reason", "A new team", "--as", TAM.email)
NORA = ("--persona", "primary_champion", "--name", "Nora Vidal", "--email", "nora.vidal@versayce.example")


def test_people_come_and_go_on_the_command_line(data: Path) -> None:
    """Each command prints one document with --json, one line without, and says when it stood already."""
    follows = ("account", "replace-contact", "versayce", *NORA, "--from-hour", "08:00", *WHY)
    assert asked(data, *follows)["changed"] is True
    assert "Nora Vidal is primary champion already; nothing changed" in rapport(data, *follows).stdout
    gone = ("account", "remove-contact", "versayce", BUSINESS, *WHY)
    assert asked(data, *gone)["account"]["vacant"] == ["key_business_contact"]
    assert (
        "Vacant: key_business_contact. Steps that can't do without one"
        in rapport(data, "account", "show", "versayce").stdout
    )
    ada = (
        "--persona",
        "key_business_contact",
        "--name",
        "Ada Lind",
        "--email",
        "ada@versayce.example",
        "--zone",
        "UTC",
    )
    assert (
        "✓ Ada Lind is key business contact from now on"
        in rapport(data, "account", "add-contact", "versayce", *ada, *WHY).stdout
    )
    asked(data, "member", "import", str(ROOT / "examples" / "members.toml"))
    taken = asked(data, "account", "hand-over", "versayce", "--to", NOOR, "--until", "2090-07-07", *WHY)
    assert (taken["account"]["tam"]["email"], taken["account"]["regular_tam"]["email"]) == (NOOR, TAM.email)
    assert "regular TAM" in rapport(data, "account", "show", "versayce").stdout
    story = [entry["what"] for entry in asked(data, "timeline", "versayce")]
    assert "Noor Haddad takes over from Robin Keller until" in " ".join(story)
    every = ("account", "hand-over", "--all", "--from", NOOR, "--to", TAM.email, *WHY)
    assert [one["account"]["account"] for one in asked(data, *every)] == ["versayce"]
    assert "serves versayce already; nothing changed" in rapport(data, *every).stdout
    erase = ("account", "erase-contact", "versayce", BUSINESS, "--reason", "Asked", "--as", TAM.email)
    assert asked(data, *erase)["messages"] > 0
    assert rapport(data, *erase).exit_code == 3
    assert json.loads(rapport(data, "audit", "verify", "--json").stdout)["whole"] is True


@pytest.mark.parametrize(
    ("words", "code", "field"),
    [
        (("replace-contact", "versayce", *NORA, "--reason", " ", "--as", TAM.email), 2, "reason"),
        (("replace-contact", "versayce", *NORA, "--zone", "Mars", *WHY), 2, "zone"),
        (("replace-contact", "nowhere", *NORA, *WHY), 3, "account"),
        (("add-contact", "versayce", *NORA[:5], CHAMPION, "--zone", "UTC", "--from-hour", "x", *WHY), 2, "hours.start"),
        (("remove-contact", "versayce", "nobody@versayce.example", *WHY), 3, "contact"),
        (("erase-contact", "versayce", "nobody@versayce.example", "--reason", "x", "--as", TAM.email), 3, "contact"),
        (("hand-over", "versayce", "--to", "ines.moreau@foobar.example", *WHY), 2, "to"),
        (("hand-over", "versayce", "--to", NOOR, "--until", "soon", *WHY), 2, "until"),
        (("hand-over", "versayce", "--all", "--from", TAM.email, "--to", NOOR, *WHY), 2, "account"),
        (("hand-over", "--to", NOOR, *WHY), 2, "account"),
        (("hand-over", "--all", "--from", "nobody@foobar.example", "--to", TAM.email, *WHY), 3, "from"),
        (("hand-over", "--all", "--from", "ines.moreau@foobar.example", "--to", TAM.email, *WHY), 4, "from"),
    ],
)
def test_what_is_refused_names_its_field(data: Path, words: tuple[str, ...], code: int, field: str) -> None:
    """A refusal has its exit code, one clear line, and the field in its JSON."""
    done = rapport(data, "account", *words, "--json")
    assert done.exit_code == code, done.output
    error = json.loads(done.stdout)["error"]
    assert (error["field"], bool(error["fix"])) == (field, True)
    assert "Traceback" not in done.stderr
