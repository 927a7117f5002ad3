"""Whether a mail can be written for what a playbook wants it for."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import jinja2
import pytest

from rapport.mail import emails, samples
from rapport.model.account import personas


@pytest.mark.parametrize("persona", personas())
def test_a_mail_that_reads_past_the_topics_is_refused_for_those_whose_they_are_not(
    persona: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A template that takes a figure where nothing keeps it from a reader may go to nobody without that topic."""
    for body, topic in (
        ("{{ account['figures'].projected_roi or '' }}", 'poc_result" and "projected_roi'),
        ("{{ figures.projected_roi }}", "projected_roi"),
        ("{{ vendor.company_health or '' }}", "company_health"),
    ):
        with mail_of(body, monkeypatch, tmp_path):
            said = samples.fault("sample", "message", persona)
        if "company_health" not in personas()[persona].topics:
            assert said is not None
            problem, _, fix = said.partition("; ")
            assert problem == f'sample speaks of "{topic}", which no mail to {persona} may'
            assert fix == f"take {persona} out, or choose another mail"
        elif body.startswith("{{ figures"):
            assert said is not None
            assert "may not be known" in said
        else:
            assert said is None


def test_a_mail_that_asks_for_what_nobody_gives_is_refused_by_that_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The name of the variable is told; one that is asked for with care is none."""
    with mail_of("{{ usage.weekly }} {{ tam.name }}", monkeypatch, tmp_path):
        said = samples.fault("sample", "message", "primary_user")
    assert said == 'sample asks for "usage", which no mail of a message step is given; choose another mail'
    with mail_of("{% if usage is defined %}{{ usage }}{% endif %}ok", monkeypatch, tmp_path):
        assert samples.fault("sample", "message", "primary_user") is None


def test_a_personal_link_needs_something_to_choose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A mail whose button leads to what only its reader may do is refused where a step gives nothing to do."""
    with mail_of("{{ button('Choose your times', link) }}", monkeypatch, tmp_path):
        said = samples.fault("sample", "message", "primary_user")
    assert said == "sample has a personal link where there is nothing to choose; choose another mail"


def forget() -> None:
    """Forget what was made of mails: their templates are others."""
    for known in (samples.fault, samples._read, emails.names, emails.email, emails.block_claims):
        known.cache_clear()
    emails.markdown().cache.clear()  # type: ignore[union-attr]


def mail_of(body: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Any:
    """One more mail, of this body, for as long as the context lasts."""

    @contextlib.contextmanager
    def made() -> Any:
        (folder / "sample.md").write_text(f'---\nsubject: "Hello"\naudience: [contacts]\n---\nHello {body}\n')
        environment = emails.markdown()
        also = [environment.loader, emails.Bodies(jinja2.FileSystemLoader(folder))]
        with monkeypatch.context() as patch:
            patch.setattr(environment, "loader", jinja2.ChoiceLoader(also))  # type: ignore[arg-type]
            patch.setattr(emails, "folder", lambda: folder)
            forget()
            yield
        forget()

    return made()


@pytest.mark.parametrize("use", ["meeting", "undecided", "message"])
@pytest.mark.parametrize("name", sorted(emails.names()))
def test_a_mail_suits_all_personas_alike_or_none(name: str, use: samples.Use) -> None:
    """What comes with Rapport leaves out by itself what does not concern a reader whom its front matter names."""
    faults = {persona: samples.fault(name, use, persona) for persona in personas()}
    said = {fault for persona, fault in faults.items() if emails.email(name).is_for(persona)}
    assert len(said) <= 1
    assert all("; " in fault for fault in faults.values() if fault)
    assert all(fault for persona, fault in faults.items() if not emails.email(name).is_for(persona))


def test_mails_that_answer_something_suit_no_step() -> None:
    """Mails of tasks, mornings and sign-ins cannot be named by a playbook, nor can a meeting's by a message."""
    unfit = {name for name in emails.names() if name.startswith("task_")} | {"morning", "sign_in"}
    for use in ("meeting", "message"):
        assert all(samples.fault(name, use, "primary_user") for name in unfit)
    for name in ("welcome", "growth_welcome", "meeting_proposal"):
        assert samples.fault(name, "message", "primary_user")
        assert samples.fault(name, "undecided", "primary_user") is None
