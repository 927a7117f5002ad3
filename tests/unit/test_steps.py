"""What the steps for users and the sign-off rest on: the model, the rules of customers' seats, what is filled in."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rapport.model.account import Contact, ContactWork, Member, Schedule, Vendor
from rapport.model.base import UserError
from rapport.model.playbook import Playbook
from rapport.model.reading import check, read_toml
from rapport.model.resources import RESOURCES_FILE, Library, library
from rapport.model.task import Decision, TaskDefinition, TaskOption, TaskPhase
from rapport.playbooks import load
from rapport.rules import audience, contact as contacts, details, drafting, escalation, task, todo

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
ZURICH = Schedule(zone="Europe/Zurich")
OPTIONS = ({"id": "yes", "title": "Yes"}, {"id": "no", "title": "No", "needs_reason": True, "returns": True})
SIGN_OFF = {
    "task": "sign_off",
    "question": "Does it suit you?",
    "options": OPTIONS,
    "assign": ("contact:primary_champion",),
    "asks": ("plan",),
}


def contact(id_: str, persona: str = "primary_champion", **work: Any) -> Contact:
    """Somebody at the account."""
    return Contact(
        id=id_,
        account="versayce",
        personas=(persona,),
        name=f"{id_.title()} Smith",
        email=f"{id_}@versayce.example",
        schedule=ZURICH,
        work=ContactWork(**work),
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"assign": ("contact:nobody",)}, "assign[0]"),
        ({"assign": ("contact:primary_champion", "tam")}, "assign"),
        ({"asks": ()}, "options"),
        ({"options": (OPTIONS[1],)}, "options"),
        ({"options": (OPTIONS[0], {**OPTIONS[1], "needs_reason": False})}, "options"),
        ({"finds_out": ("shoe_size",)}, "finds_out[0]"),
    ],
)
def test_a_sign_off_that_cannot_work_is_refused(change: dict[str, Any], field: str) -> None:
    """Unknown personas, both sides at once, changes that nobody could make or explain: each by its field."""
    assert check(TaskDefinition, SIGN_OFF, "").is_put_to_customers
    with pytest.raises(UserError) as refused:
        check(TaskDefinition, {**SIGN_OFF, **change}, "")
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('merged_into = "kickoff"', 'merged_into = "deployment_review"', "steps[2].merged_into"),
        ('merged_into = "kickoff"', 'merged_into = "nothing"', "steps[2].merged_into"),
        ('after = ["kickoff"]\n# An onsite', "# An onsite", "steps[2].merged_into"),
        ('needs = ["deployment"]', 'needs = ["weight"]', "steps[5].needs[0]"),
        ('for_each = "secondary_user"', 'for_each = "everyone"', "for_each"),
    ],
)
def test_a_playbook_whose_steps_do_not_fit_is_refused(old: str, new: str, field: str) -> None:
    """A meeting merged into what cannot take it in, a fact that no contact has, a persona that is none."""
    raw = files("rapport.playbooks").joinpath("enterprise.toml").read_text()
    assert old in raw
    with pytest.raises(UserError) as refused:
        read_toml(Playbook, raw.replace(old, new).encode(), "")
    assert field in refused.value.field


def test_the_enterprise_playbook_goes_from_the_welcome_to_the_users() -> None:
    """Every stage up to the rollout has steps, and the users' begin once the plan has ended."""
    steps = {step.name: step for step in load("enterprise").steps}
    assert {step.stage for step in steps.values()} >= {"welcome", "kickoff", "training_plan", "rollout"}
    assert steps["rollout_planning"].after == ("kickoff",)
    assert steps["training_plan"].after == ("rollout_planning",)
    assert steps["deployment_review"].after == steps["developer_docs"].after == ("training_plan",)


@given(st.lists(st.sampled_from(["primary_champion", "primary_user", "secondary_user"]), max_size=6), st.data())
def test_a_seat_belongs_to_whoever_has_the_persona_now(personas: list[str], data: st.DataObject) -> None:
    """Whoever comes or goes, the holders are just those who have the persona; a filled seat stays as it is."""
    before = [contact(f"c{n}", persona) for n, persona in enumerate(personas)]
    seats = contacts.seats_for(["contact:primary_champion", "contact:secondary_user"], before)
    after = [one for one in before if data.draw(st.booleans())]
    for seat in contacts.refresh(seats, after):
        persona = seat.id.removeprefix("contact:")
        assert [holder.member for holder in seat.holders] == [one.id for one in after if persona in one.asked_as]
        assert all(holder.via == "assignee" and holder.on_behalf_of is None for holder in seat.holders)
    assert contacts.refresh(seats, after, decided=[seat.id for seat in seats]) == seats


def test_only_the_holder_of_the_seat_decides_it() -> None:
    """The champion's word counts, a user's does not, and nobody's while it is being changed."""
    seats = contacts.seats_for(["contact:primary_champion"], [contact("ann"), contact("bob", "primary_user")])

    def judged(by: str, phase: TaskPhase = TaskPhase.OPEN) -> str | None:
        word = Decision(id="d", round=1, option="yes", by=by, submission="s", at=NOW)
        options = tuple(TaskOption(**option) for option in OPTIONS)
        return task.judge(
            word, phase=phase, round_=1, options=options, seats=seats, requester="m", reason_given=False, outcome=None
        )

    assert judged("ann") is None
    assert judged("bob") == "you are not asked to decide this"
    assert "still being written" in (judged("ann", TaskPhase.PREPARING) or "")


def test_a_customers_silence_has_no_backup() -> None:
    """Reminders after two and four business days, the TAM after five, the end after ten, and nobody in between."""
    rule = escalation.CUSTOMERS
    assert (rule.remind, rule.backup, rule.manager, rule.timeout) == ((2, 4), None, 5, 10)
    assert details.roles(("contact:primary_champion", "tam", "m_0123456789abcdef")) == ("primary_champion", "tam")


def test_what_is_known_is_filled_in_and_nothing_is_invented() -> None:
    """People and their work stand in the plan; a date is a blank, and unknown goals are no text at all."""
    tam = Member(id="m", name="Rob", email="rob@foobar.example", roles=frozenset(), schedule=ZURICH)
    vendor = Vendor(name="FooBar", product="FooBar Enterprise")
    people = [
        contact("ann"),
        contact("bob", "primary_user", deployment=("Jenkins",), previous_tools=("Nagios",)),
        contact("cem", "secondary_user"),
    ]
    asks = ("goals", "sessions", "who_does_what", "budget")
    known = drafting.prefilled(asks, people, tam, vendor)
    assert known["sessions"].splitlines() == [
        "- [date], 45 minutes: FooBar Enterprise in deployments with Jenkins; with Bob Smith",
        "- [date], 45 minutes: first steps with FooBar Enterprise; with Cem Smith",
    ]
    assert "where it differs from Nagios" in known["who_does_what"]
    assert set(known) == {"sessions", "who_does_what"}
    assert drafting.has_blank(known["sessions"])
    assert drafting.prefilled(asks, people, tam, vendor, ["Fewer alerts"])["goals"] == "- Fewer alerts"


def test_a_to_do_names_what_is_missing_and_how_to_record_it() -> None:
    """Facts that nobody recorded are asked for together, with the command that ends the to-do."""
    missing = ContactWork(languages=("Go",)).unknown(("languages", "projects", "previous_tools"))
    assert missing == ("projects", "previous_tools")
    assert todo.finding_out(missing).question == "Find out, and record: projects and previous tools"
    said = "rapport account edit-contact versayce c@v.example --projects … --previous-tools … --as EMAIL"
    assert audience.recording("versayce", "c@v.example", missing) == said


def test_shelves_are_found_by_any_of_their_names() -> None:
    """However its letters are cased, each shelf once, in the reader's order; where there is nothing, none."""
    found = library().about(["K8s", "python ", "Django", "COBOL", "Kubernetes"])
    assert [shelf.title for shelf in found] == ["Kubernetes", "Python"]
    assert Library().about(["Python"]) == []
    assert all(str(one.link).startswith("https://") for shelf in library().shelves.values() for one in shelf.links)


def test_an_installation_has_shelves_of_its_own(tmp_path: Path) -> None:
    """Its table takes the place of a shipped one of the same name; the others stay; a wrong one is refused by field."""
    own = '["{name}"]\ntitle = "{title}"\nlinks = [{{ title = "A", link = "{link}", why = "Because." }}]\n'
    (tmp_path / RESOURCES_FILE).write_text(
        own.format(name="python", title="Our Python", link="https://docs.foobar.example/py")
    )
    mine = library(tmp_path)
    assert [shelf.title for shelf in mine.about(["python", "go"])] == ["Our Python", "Go"]
    for index, (name, link) in enumerate((("Python", "https://a.example"), ("go", "javascript:alert(1)"))):
        folder = tmp_path / str(index)
        folder.mkdir()
        (folder / RESOURCES_FILE).write_text(own.format(name=name, title="X", link=link))
        with pytest.raises(UserError) as refused:
            library(folder)
        assert "resources.toml" in refused.value.field
