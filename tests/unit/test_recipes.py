"""The recipes of docs/recipes.md, performed as they stand there, with nothing else touched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import FileSystemLoader

from rapport.mail import emails, samples
from rapport.model import account
from rapport.model.account import AccountFile, personas
from rapport.model.reading import read_toml
from rapport.model.scenario import FILE, read
from rapport.playbooks.checks import examine
from rapport.rules.scenario import needs
from tests.support.facts import facts_for

ROOT = Path(__file__).parents[2]
_PARTS = (ROOT / "docs" / "recipes.md").read_text().split("\n## ")[1:]
RECIPES = {part.partition("\n")[0]: part for part in _PARTS}


def table(recipe: str) -> str:
    """The table of TOML that a recipe has somebody write."""
    return RECIPES[recipe].partition("```toml\n")[2].partition("```")[0]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_names_what_there_is(recipe: str) -> None:
    """Every file to touch and every test to run is there."""
    named = [*re.findall(r"^\| `([^`]+)`", RECIPES[recipe], re.MULTILINE)]
    named += re.findall(r"(?<= )(?:tests|rapport)/[a-z_/]+\.[a-z]+", RECIPES[recipe])
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_recipe_for_a_step_gives_a_sound_playbook() -> None:
    """With the recipe's table at its end, the shipped playbook is sound, and nothing in it is to be doubted."""
    raw = (ROOT / "rapport" / "playbooks" / "enterprise.toml").read_text() + "\n" + table("A step")
    found = examine(raw.encode(), "enterprise.toml")
    assert (found.faults, found.warnings) == ((), ())
    assert found.sound().steps[-1].name == "first_look_back"


def test_the_recipe_for_a_mail_is_a_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe's file is a mail that a message step can send to those whom it names, and to nobody else."""
    written = RECIPES["A mail"].partition("```markdown\n")[2].partition("```")[0]
    (tmp_path / "two_weeks.md").write_text(written)
    forget = (emails.email, emails.names, samples.fault)
    with monkeypatch.context() as patched:
        patched.setattr(emails, "folder", lambda: tmp_path)
        patched.setattr(emails.markdown(), "loader", emails.Bodies(FileSystemLoader(tmp_path)))
        for one in forget:
            one.cache_clear()
        assert samples.fault("two_weeks", "message", "primary_user") is None
        assert "other readers" in (samples.fault("two_weeks", "message", "primary_champion") or "")
    for one in forget:
        one.cache_clear()


def test_the_recipe_for_a_scenario_calls_for_a_review() -> None:
    """With the recipe's table the shipped file is sound, and a review is called for where all of it holds."""
    found = read(f"{(ROOT / 'rapport' / FILE).read_text()}\n{table('A scenario')}".encode(), FILE)
    name = [*found][-1]
    calls = needs(facts_for(*found[name].when), found)
    assert name in {call.scenario for call in calls.needed}
    assert name not in {call.scenario for call in needs(facts_for(), found).needed}


@pytest.fixture
def persona(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The persona of the recipe, once its table stands in `personas.toml`."""
    before = set(personas())
    (tmp_path / "personas.toml").write_text(f"{(ROOT / 'rapport' / 'personas.toml').read_text()}\n{table('A persona')}")
    with monkeypatch.context() as patched:
        patched.setattr(account, "files", lambda _: tmp_path)
        personas.cache_clear()
        [new] = set(personas()) - before
        yield new
    personas.cache_clear()


def test_the_recipe_for_a_persona_is_all_that_it_takes(persona: str) -> None:
    """Somebody may have the persona, a step may invite, write to or ask for them, and mails have words for them."""
    contact = f"""
[[contacts]]
persona = "{persona}"
name = "Sam Field"
email = "sam.field@versayce.example"
zone = "Europe/Zurich"
"""
    example = (ROOT / "examples" / "versayce.toml").read_text().replace("[[members]]", f"{contact}\n[[members]]", 1)
    assert any(persona in one.personas for one in read_toml(AccountFile, example.encode(), "versayce.toml").contacts)
    step = table("A step").replace('["primary_champion"]', f'["{persona}"]\nwhen = "has_persona:{persona}"')
    raw = (ROOT / "rapport" / "playbooks" / "enterprise.toml").read_text()
    invited = raw.replace('"secondary_user"]\n# The TAM', f'"secondary_user", "{persona}"]\n# The TAM', 1)
    assert invited != raw
    for text in (f"{raw}\n{step}", invited):
        assert examine(text.encode(), "enterprise.toml").faults == ()
    assert all(samples.fault(name, "message", persona) is None for name in ("hello", "open_questions", "first_project"))
