"""What a playbook's author is told: all that is wrong, at once, by file, line, field and fix."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from typer.testing import CliRunner, Result

from rapport.model.account import persona_titles, personas
from rapport.model.base import UserError, choices
from rapport.model.condition import FLAGS
from rapport.playbooks import load, shipped
from rapport.playbooks.checks import PlaybookProblem, examine
from starters.cli.main import app

SOUND = """\
name = "ours"
title = "Our own"
version = 1

[[steps]]
name = "onsite_approval"
title = "Onsite kickoff"
kind = "task"
stage = "welcome"
task = "approval"
question = "May it be onsite?"
assign = ["manager"]
options = [{ id = "approve", title = "Approve" }, { id = "deny", title = "Deny" }]
otherwise = "deny"

[[steps]]
name = "kickoff"
title = "Kickoff"
kind = "meeting"
stage = "kickoff"
minutes = 30
email = "welcome"
invite = ["key_business_contact", "primary_champion", "primary_user"]
require = [["primary_champion"], ["primary_user"]]
agenda = [
  { topic = "Goals", minutes = 10 },
  { topic = "What is next", minutes = 5 },
]
[steps.onsite]
approval = "onsite_approval"
minutes = 240
agenda = [{ topic = "Goals", minutes = 60 }]

[[steps]]
name = "note"
title = "A note"
kind = "message"
stage = "rollout"
after = ["kickoff"]
offset = "2 business days"
when = ["large_account", "has_persona:secondary_user"]
to = ["primary_champion"]
email = "hello"
"""


def told(text: str) -> list[str]:
    """What is said of a playbook, a line each."""
    found = examine(text.encode(), "ours.toml")
    assert (found.playbook is None) == bool(found.faults)
    for fault in found.faults:
        assert fault.fix, fault
        assert 1 <= fault.line <= text.count("\n") + 1
        assert "pydantic" not in str(fault)
    return [str(fault) for fault in (*found.faults, *found.warnings)]


def changed(old: str, new: str, text: str = SOUND) -> str:
    """The sound playbook with one change."""
    assert old in text
    return text.replace(old, new, 1)


def without(name: str) -> str:
    """The sound playbook without one step."""
    head, *steps = SOUND.split("[[steps]]\n")
    return "[[steps]]\n".join([head, *(step for step in steps if f'name = "{name}"' not in step)])


def test_a_sound_playbook_is_given_without_a_word() -> None:
    """What these tests change is sound itself."""
    assert told(SOUND) == []


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        # names that are none
        (
            '"primary_champion"]\nemail',
            '"primary_champoin"]\nemail',
            '42: note.to[0]: "primary_champoin" is not a persona; did you mean "primary_champion"? choose '
            + choices(persona_titles().items()),
        ),
        (
            '"large_account"',
            '"large_acount"',
            '41: note.when[0]: "large_acount" is no condition; did you mean "large_account"? use one of '
            "large_account, no_large_account, growth_potential, ",
        ),
        (
            "has_persona:secondary_user",
            "has_persona:secondary",
            '41: note.when[1]: "has_persona:secondary" is no condition; did you mean "secondary_user"? use '
            f"one of {', '.join(personas())}, as has_persona:<one of them>",
        ),
        (
            'stage = "rollout"',
            'stage = "rollout"\ngate = "prodution"',
            "39: note.gate: has a value that is not allowed; use 'trial' or 'production'",
        ),
        (
            'after = ["kickoff"]',
            'after = ["kick_off"]',
            '39: note.after: there is no step "kick_off"; did you mean "kickoff"? use one of onsite_approval, '
            "kickoff, note",
        ),
        (
            'email = "hello"',
            'email = "helo"',
            '43: note.email: there is no mail "helo"; did you mean "hello"? use one of deployment_resources, ',
        ),
        (
            'approval = "onsite_approval"',
            'approval = "note"',
            '30: kickoff.onsite.approval: there is no task "note"; use one of onsite_approval',
        ),
        (
            "minutes = 240",
            'minutes = 240\noutcome = "aprove"',
            '32: kickoff.onsite.outcome: "aprove" is no option of "onsite_approval"; did you mean "approve"? '
            "use one of approve, deny",
        ),
        (
            'otherwise = "deny"',
            'otherwise = "no"',
            '14: onsite_approval.otherwise: "no" is not an option; use one of approve, deny',
        ),
        ('stage = "rollout"', 'stage = "later"', "38: note.stage: has a value that is not allowed; use "),
        ('kind = "message"', 'kind = "party"', "37: note.kind: has a value that is not allowed; use "),
        ('offset = "2 business days"', 'offset = "soon"', '40: note.offset: "soon" is not an offset; write '),
        ('kind = "message"\n', "", "34: note.kind: is missing; write it, such as"),
        ('title = "A note"\n', "", "34: note.title: is missing; add it"),
        ('name = "note"\n', "", "34: steps[2].name: is missing; add it"),
        ('title = "Our own"\n', "", "1: title: is missing; add it"),
        ("version = 1", "version = 1\ncolour = 2", "4: colour: is not known here; correct its name or take"),
        (
            "minutes = 240",
            "minutes = 240\nagend = 1",
            "32: kickoff.onsite.agend: is not known here; correct its name or take it out",
        ),
        (
            'offset = "2',
            'offest = "2',
            '40: note.offest: is not known here; did you mean "offset"? correct its name or take it out',
        ),
        # rules of meetings and personas
        (
            '"What is next", minutes = 5',
            '"What is next", minutes = 6',
            "25: kickoff.agenda: 16 minutes of material do not fit a 30-minute meeting; keep it to 15, so that "
            "there is time to talk",
        ),
        (
            "minutes = 30",
            "minutes = 45",
            "21: kickoff.minutes: key_business_contact gives at most 30 minutes unless onsite; shorten it or do "
            "not invite them",
        ),
        ("[{ topic", "[] # [{ topic", "32: kickoff.onsite.agenda: is empty; write at least 1"),
        # circles, and what can never begin or end
        (
            'stage = "kickoff"',
            'stage = "kickoff"\nafter = ["note"]',
            "21: kickoff.after: kickoff waits for note waits for kickoff; take one `after` out",
        ),
        ('after = ["kickoff"]', 'after = ["note"]', '39: note.after: "note" waits for itself; take it out'),
        (
            'task = "approval"',
            'task = "approval"\nafter = ["note"]',
            "31: kickoff.onsite.approval: onsite_approval waits for note waits for kickoff waits for "
            "onsite_approval; take one `after` out",
        ),
        # mails that cannot be written for what they are wanted
        (
            'email = "hello"',
            'email = "welcome"',
            '43: note.email: welcome speaks of "meeting" and "slots", which a message step does not have; choose '
            "another mail",
        ),
        (
            'email = "welcome"',
            'email = "sign_in"',
            "22: kickoff.email: sign_in is for other readers; choose another mail",
        ),
        (
            'email = "welcome"',
            'email = "hello"',
            "22: kickoff.email: hello offers no times to choose from, so nobody could answer; choose another mail",
        ),
        # what is no TOML
        ("version = 1", "version = = 1", "3: is not TOML: Invalid value; correct that line"),
        ("version = 1", "version = 1" * 2, "3: is not TOML: Expected newline or end of document"),
    ],
)
def test_each_fault_is_told_with_its_line_and_fix(old: str, new: str, line: str) -> None:
    """One thing wrong gives one line: file, line, step and field, what is wrong, and what to do."""
    [said] = told(changed(old, new))
    assert said.startswith(f"ours.toml:{line}")


def test_all_faults_are_told_at_once_by_line() -> None:
    """A wrong field hides neither another step's fault, nor a circle, nor an unknown step, nor a wrong mail."""
    text = changed("minutes = 30", "minutes = 45")
    text = changed('title = "A note"\n', 'after = ["kick"]\n', changed('after = ["kickoff"]\n', "", text))
    text = changed('email = "hello"', 'email = "wellcome"', changed('otherwise = "deny"', 'otherwise = "x"', text))
    text += '\n[[steps]]\nname = "a"\nafter = ["b"]\n\n[[steps]]\nname = "b"\nafter = ["a"]\nwhen = "x"\n'
    found = examine(text.encode(), "ours.toml").faults
    assert [(fault.line, fault.field) for fault in found] == [
        (14, "onsite_approval.otherwise"),
        (21, "kickoff.minutes"),
        (34, "note.title"),
        (36, "note.after"),
        (42, "note.email"),
        (44, "a.kind"),
        (46, "a.after"),
        (48, "b.kind"),
    ]


def test_several_faults_of_one_step_are_all_told() -> None:
    """A meeting that breaks several rules is told all of them, and two circles are two faults."""
    text = changed("minutes = 30", "minutes = 45\nvoting_days = 9\nreminders = 5\nlatest = 2")
    assert len(told(text)) == 3
    step = '\n[[steps]]\nname = "{}"\ntitle = "x"\nkind = "message"\nstage = "cadence"\nto = ["primary_user"]\n'
    step += 'email = "hello"\nafter = ["{}"]\n'
    circles = [step.format(name, after) for name, after in ("ab", "ba", "cd", "dc")]
    assert [line.partition(": ")[2] for line in told(SOUND + "".join(circles))] == [
        "a.after: a waits for b waits for a; take one `after` out",
        "c.after: c waits for d waits for c; take one `after` out",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            changed('stage = "rollout"', 'stage = "welcome"'),
            '39: warning: note.after: waits for "kickoff" of the later stage kickoff',
        ),
        (
            changed('after = ["kickoff"]\n', ""),
            "39: warning: note.offset: counts from the start of the onboarding",
        ),
        (
            changed('"ours"', '"theirs"'),
            '1: warning: name: is "theirs", and the file is called ours.toml, which counts',
        ),
        (changed('"2 business days"', '"0 days"'), "40: warning: note.offset: is no wait at all"),
        (
            changed('"2 business days"', '"0 business days"'),
            "40: warning: note.offset: waits for the next working",
        ),
        (
            changed('stage = "kickoff"', 'stage = "kickoff"\ngate = "production"').replace(
                'stage = "rollout"', 'stage = "rollout"\ngate = "trial"'
            ),
            "40: warning: note.gate: it follows a step that only begins for production; take it out",
        ),
    ],
)
def test_what_may_not_be_meant_is_told_and_refuses_nothing(text: str, line: str) -> None:
    """A warning has a line and a way out as well; the playbook can be used all the same."""
    [said] = told(text)
    assert said.startswith(f"ours.toml:{line}")
    assert examine(text.encode(), "ours.toml").sound().title == "Our own"


def messages(persona: str, count: int, apart: int) -> str:
    """A playbook of messages to one persona, each so many business days after the one before."""
    step = '[[steps]]\nname = "m{0}"\ntitle = "M"\nkind = "message"\nstage = "rollout"\nto = ["{1}"]\nemail = "hello"\n'
    text = 'name = "ours"\ntitle = "Ours"\nversion = 1\n'
    for number in range(count):
        text += step.format(number, persona)
        text += f'after = ["m{number - 1}"]\noffset = "{apart} business days"\n' if number else ""
    return text


@pytest.mark.parametrize("persona", personas())
def test_a_month_with_more_mails_than_attention_is_told(persona: str) -> None:
    """One mail more than a persona's monthly budget is a warning where they can fall into one month, and only there."""
    budget = personas()[persona].messages_a_month
    assert told(messages(persona, budget, 1)) == []
    [said] = told(messages(persona, budget + 1, 1))
    assert f"warning: m{budget}: {persona} can get {budget + 1} mails in the month from business day 0" in said
    assert f"has attention for {budget}; write less, or later" in said
    assert told(messages(persona, budget + 1, 21 // budget + 1)) == []


# --- any file


def test_too_many_steps_are_refused_as_such() -> None:
    """A file with thousands of steps in one long chain is told so, and nothing breaks on the way."""
    step = '[[steps]]\nname = "s{0}"\nafter = ["s{1}"]\ntitle = "x"\nkind = "message"\nstage = "cadence"\n'
    step += 'to = ["primary_user"]\nemail = "hello"\n'
    text = 'name = "ours"\ntitle = "Ours"\nversion = 1\n' + "".join(step.format(n, n + 1) for n in range(3000))
    assert told(text) == ["ours.toml:4: steps: has too many entries; write at most 200"]


def test_what_is_quoted_stays_in_its_line() -> None:
    """A name with line breaks in it is told in one line, as everything is."""
    text = changed('to = ["primary_champion"]', 'to = ["a\\nb\\u009bc"]', changed('"hello"', '"x\\ny"'))
    assert [line.splitlines() for line in told(text)] == [[line] for line in told(text)]
    assert '42: note.to[0]: "a?b?c" is not a persona' in told(text)[0]


@pytest.mark.parametrize("key", ['""', '"."', '"steps[9].minutes"', '"steps[0]"', '"[1]"', "'a\"b]'", '"é"', "steps2"])
@pytest.mark.parametrize("line", [4, 21])
def test_a_key_of_any_form_is_told_as_unknown(key: str, line: int) -> None:
    """Whatever a key looks like, it is told near its place as a field that there is not."""
    lines = SOUND.splitlines()
    lines.insert(line, f"{key} = 1")
    [fault] = examine("\n".join(lines).encode(), "ours.toml").faults
    assert fault.problem == "is not known here"
    assert fault.line <= line + 2


def broken(text: str, cut: int, put: str) -> bytes:
    """A playbook's text with something put into it."""
    return (text[:cut] + put + text[cut:]).encode()


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from([SOUND, files("rapport.playbooks").joinpath("growth.toml").read_text()]),
    st.integers(0, len(SOUND)),
    st.sampled_from(
        ['"', "\n", "[", "]", "x", "1", "= 1", "[[steps]]\n", "[steps]\n", "#", "{", "\0", "\n[steps.x]\n", "-"]
    ),
)
def test_whatever_is_typed_into_a_playbook_is_accepted_or_told_by_line(text: str, cut: int, put: str) -> None:
    """No slip of the hand raises anything but faults, each with a line of the file, a problem and a fix."""
    raw = broken(text, cut, put)
    found = examine(raw, "ours.toml")
    assert (found.playbook is None) == bool(found.faults)
    for fault in (*found.faults, *found.warnings):
        assert 1 <= fault.line <= raw.count(b"\n") + 1
        assert fault.problem
        assert fault.fix
        assert "\n" not in str(fault)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 40), st.sampled_from(["minutes", "email", "invite", "agenda", "title", "stage"]))
def test_a_fault_has_the_line_on_which_it_was_made(blank: int, field: str) -> None:
    """Wherever a step stands in its file, a wrong field is told on the line that has it."""
    text = "# x\n" * blank + SOUND
    lines = text.splitlines()
    here = next(index for index, line in enumerate(lines) if index > blank + 15 and line.startswith(field))
    end = here + 4 if field == "agenda" else here + 1
    lines[here:end] = [f"{field} = 1979-05-27"]
    [fault] = examine("\n".join(lines).encode(), "ours.toml").faults[:1]
    assert (fault.line, fault.field) == (here + 1, f"kickoff.{field}")


# --- at the edges


def run(*arguments: str) -> Result:
    """Run one command."""
    return CliRunner().invoke(app, list(arguments), env={"RAPPORT_DATA": None, "RAPPORT_AS": None})


def test_the_command_tells_all_faults_and_refuses(tmp_path: Path) -> None:
    """`check` prints a line a fault in the form that editors jump to and ends with 2; `--json` gives a list of them."""
    file = tmp_path / "ours.toml"
    file.write_text(changed("minutes = 30", "minutes = 45", changed('"hello"', '"helo"')))
    done = run("playbook", "check", str(file))
    assert done.exit_code == 2
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == [f"{file}:21", f"{file}:43"]
    listed = run("playbook", "check", str(file), "--json")
    assert listed.exit_code == 2
    faults = [PlaybookProblem.model_validate(fault) for fault in json.loads(listed.stdout)]
    assert [(fault.file, fault.line, fault.field) for fault in faults] == [
        (str(file), 21, "kickoff.minutes"),
        (str(file), 43, "note.email"),
    ]
    assert all(fault.problem and fault.fix and fault.level == "error" for fault in faults)


def test_the_command_accepts_what_is_sound_and_warns(tmp_path: Path) -> None:
    """A sound playbook ends with 0, also with warnings, which `--json` lists as such."""
    file = tmp_path / "ours.toml"
    file.write_text(changed('"2 business days"', '"0 days"'))
    done = run("playbook", "check", str(file))
    assert done.exit_code == 0
    assert f"{file}:40: warning: " in done.stderr
    assert "is sound" in done.stdout
    [warning] = json.loads(run("playbook", "check", str(file), "--json").stdout)
    assert warning["level"] == "warning"
    assert run("playbook", "check", str(tmp_path / "none.toml")).exit_code == 3


def test_ones_own_playbook_is_refused_at_its_use_in_the_same_words(tmp_path: Path) -> None:
    """What `check` says of a file is what is said when an onboarding is to follow it: all of it, with the lines."""
    folder = tmp_path / "playbooks"
    folder.mkdir()
    text = changed("minutes = 30", "minutes = 45", changed('"hello"', '"helo"'))
    (folder / "ours.toml").write_text(text)
    with pytest.raises(UserError) as refused:
        load("ours", folder)
    said = [(one.field, one.problem, one.fix) for one in (refused.value, *refused.value.others)]
    found = examine(text.encode(), "playbooks/ours.toml").faults
    assert said == [(f"{fault.file}:{fault.line}: {fault.field}", fault.problem, fault.fix) for fault in found]
    assert len(said) == 2


@pytest.mark.parametrize("name", shipped())
def test_what_is_shipped_passes_its_own_check(name: str) -> None:
    """No shipped playbook has a fault, or a warning."""
    found = examine(files("rapport.playbooks").joinpath(f"{name}.toml").read_bytes(), name)
    assert (found.faults, found.warnings) == ((), ())


def test_show_draws_the_steps_by_stage_and_day(tmp_path: Path) -> None:
    """`show` takes shipped and own playbooks and files, in the order of stages, with the earliest day of each step."""
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "ours.toml").write_text(SOUND)
    done = run("playbook", "show", "ours", "--data", str(tmp_path))
    assert done.exit_code == 0, done.stderr
    table, _, picture = done.stdout.partition("In business days")
    for words in ("onsite_approval", "30 min remote", "primary_champion*", "welcome", "+ 2 business days"):
        assert words in table
    steps = [line.split()[0] for line in picture.splitlines()[2:]]
    assert steps == ["welcome", "onsite_approval", "kickoff", "kickoff", "rollout", "note"]
    assert re.search(r"kickoff +├─+┤ +day 0 to 5\n", picture)
    assert re.search(r"note +● +day 7\n", picture)
    shown = json.loads(run("playbook", "show", "ours", "--data", str(tmp_path), "--json").stdout)
    assert [span["begins"] for span in shown["earliest"]] == [0, 0, 7]
    assert [step["name"] for step in shown["steps"]] == [step["name"] for step in tomllib.loads(SOUND)["steps"]]
    assert run("playbook", "show", str(tmp_path / "playbooks" / "ours.toml")).exit_code == 0
    assert run("playbook", "show", "nothing", "--data", str(tmp_path)).exit_code == 3


def test_diff_tells_what_is_added_removed_and_changed(tmp_path: Path) -> None:
    """`diff` names each step that differs, and each field before and after."""
    newer = changed("version = 1", "version = 2", changed("minutes = 30", "minutes = 25", changed("10 }", "7 }")))
    newer = newer.replace('"note"', '"letter"')
    for name, text in (("old", SOUND), ("new", newer)):
        (tmp_path / f"{name}.toml").write_text(text)
    old, new = str(tmp_path / "old.toml"), str(tmp_path / "new.toml")
    done = run("playbook", "diff", old, new)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[1:6] == [
        "version: 1 → 2",
        "- note",
        "+ letter",
        "~ kickoff",
        "    minutes: 30 → 25",
    ]
    document = json.loads(run("playbook", "diff", old, new, "--json").stdout)["difference"]
    assert (document["added"], document["removed"]) == (["letter"], ["note"])
    [kickoff] = document["changed"]
    assert kickoff["fields"][0] == {"field": "minutes", "before": 30, "after": 25}
    assert "Nothing differs" in run("playbook", "diff", old, old).stdout


@pytest.mark.parametrize("condition", [*FLAGS, "deployment:cloud", "permissions:none", "feature:executors"])
def test_a_step_may_ask_for_any_fact(condition: str) -> None:
    """What calls for a review can be asked of a step as well, and is nothing to warn of."""
    assert told(changed('"large_account"', f'"{condition}"')) == []
