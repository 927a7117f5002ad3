"""What the review channel reads, whatever people wrote; and the settings that lead out of the house."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, strategies as st
from pydantic import SecretStr, ValidationError

from rapport.model.announcement import Word
from rapport.model.base import UserError
from rapport.rules import announcement
from rapport.settings import Settings
from worker import _crm

texts = st.text(max_size=4000)
SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four bytes").decode()


@given(texts, texts, st.sampled_from(get_args(Word)))
def test_slack_is_given_one_link_and_no_markup_of_anybodys(text: str, name: str, what: Word) -> None:
    """Nothing that people wrote links, mentions or leaves the quotation; what is quoted has an end."""
    quoted = announcement.quoted(text)
    said = announcement.slack(
        announcement.headline(what, "TR-0001", name, name, None, text[:20]), quoted, "https://x.example"
    )
    link = "<https://x.example|Open the review>"
    assert said.endswith(f"\n{link}")
    assert "<" not in said.removesuffix(link)
    assert all(">" not in line.removeprefix(">") for line in said.removesuffix(link).splitlines())
    assert len(quoted or "") <= announcement.LONGEST_QUOTE + 10


@given(st.dictionaries(st.from_regex(r"\A[a-z_]{1,12}\Z"), texts, max_size=4))
def test_answers_by_name_are_told_by_name(answers: dict[str, str]) -> None:
    """What was asked for by name is never shown as JSON."""
    quoted = announcement.quoted(json.dumps(answers)) or ""
    assert not quoted.startswith("{") or any(value.startswith("{") for value in answers.values())


def test_a_request_is_told_by_what_it_is_about() -> None:
    """The channel reads title, stage, date and the four answers; the rest is on the page."""
    request = {"account": "versayce", "title": "No way out", "stage": "pre_trial", "gap": "None", "context": "Secret"}
    told = announcement.quoted(json.dumps(request | {"scenarios": ["x_y"]}), {"x_y": "Two of them"})
    assert told == "Title: No way out\nStage: before a trial\nWhat calls for it: Two of them\nGap: None"


@given(st.lists(st.tuples(st.sampled_from(["long ", "長", "x"]), st.integers(1, 5000)), min_size=1, max_size=9))
def test_a_long_answer_takes_no_other_ones_place(answers: list[tuple[str, int]]) -> None:
    """Each answer and each reason is quoted, whole where it is short, in any script; and all together have an end."""
    texts = [f"{number}{letters * times}".strip() for number, (letters, times) in enumerate(answers)]
    fair = announcement.LONGEST_QUOTE // len(texts)
    by_name = announcement.quoted(json.dumps({f"field {number}": text for number, text in enumerate(texts)})) or ""
    spoken = [{"who": "Ada", "seat": None, "what": "vote", "option": "no", "text": text} for text in texts]
    for told in (by_name, announcement.decision("The rule.", spoken)):
        for text in texts:
            assert text in told if len(text) <= fair else text[: fair // 2] in told
        assert len(told) <= announcement.LONGEST_QUOTE + 40 * len(texts)


def test_every_word_has_its_sentence() -> None:
    """Whatever happens to a review, the channel reads which one it is and who did it, in whose place."""
    for what in get_args(Word):
        assert announcement.headline(what, "TR-0007", "Versayce").startswith("TR-0007, Versayce: ")
    told = announcement.headline("said", "TR-0007", "Versayce", "Jun Sato", "Ada Brandt", "in_favour_if")
    assert told == "TR-0007, Versayce: Jun Sato, for Ada Brandt, answered: support with conditions"


@pytest.mark.parametrize("url", ["http://hooks.example/secret", "ftp://x/secret", "secret", "https:///secret"])
def test_no_webhook_goes_unencrypted(tmp_path: Path, url: str) -> None:
    """An address that is none, or not encrypted, is refused without being shown; the loopback may be plain."""
    for name in ("slack_webhook_url", "crm_webhook_url", "paging_webhook_url", "paging_lead_webhook_url"):
        with pytest.raises(ValidationError) as caught:
            Settings.model_validate({"data": tmp_path, name: SecretStr(url)})
        assert "secret" not in str(caught.value)
        Settings.model_validate({"data": tmp_path, name: SecretStr("http://127.0.0.1:9/x")})


def test_nothing_is_sent_to_a_crm_unsigned(tmp_path: Path) -> None:
    """A secret that is too short to be one is refused, and a CRM without any keeps the worker from starting."""
    for short in ("whsec_c2hvcnQ=", "no base64!", ""):
        with pytest.raises(ValidationError):
            Settings(data=tmp_path, crm_webhook_secret=SecretStr(short))
    unsigned = Settings(data=tmp_path, crm_webhook_url=SecretStr("https://crm.example/x"))
    with pytest.raises(UserError, match="RAPPORT_CRM_WEBHOOK_SECRET"):
        _crm(unsigned)
    signed = unsigned.model_copy(update={"crm_webhook_secret": SecretStr(SECRET)})
    crm = _crm(signed)
    assert crm is not None
    assert "crm.example" not in repr(crm)
    assert _crm(Settings(data=tmp_path)) is None
