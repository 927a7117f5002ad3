"""Any email can be looked at as an account's people would get it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest
from pydantic import SecretStr
from temporalio.client import Client

from rapport.mail import emails
from rapport.mail.preview import preview
from rapport.model.base import UserError
from rapport.settings import Settings
from rapport.storage.database import Store
from starters.services import Services
from starters.use_cases import message_preview
from tests.conftest import CHAMPION, TAM
from tests.helpers_mail import NOW, STATIONERY
from tests.unit.test_compose import company


@pytest.mark.parametrize("name", sorted(emails.names()))
def test_every_email_can_be_previewed(name: str) -> None:
    """Whatever an email speaks of, there are invented facts for it: it shows no gap, and its links lead nowhere."""
    _, words = preview(name, STATIONERY, company(), NOW)
    for part in (words.subject, words.text):
        assert part.strip()
        assert not re.search(r"\bNone\b(?! of these)|\{\{|\{%|Undefined|\[\]|\(\)", part), part
    assert set(re.findall(r"/m/([\w-]+)", words.text + words.html)) <= {"your-personal-link"}


@pytest.fixture
def services(store: Store, tmp_path: Path) -> Services:
    """An installation with the example."""
    return Services(Settings(data=tmp_path, secret=SecretStr("a secret of the tests")), store, cast("Client", None))


async def test_a_preview_is_for_whoever_is_named(services: Services) -> None:
    """The champion reads it, unless another address is named; whom it is not for is refused, and nobody unknown."""
    assert (await message_preview.show(services, "hello", "versayce")).to == CHAMPION
    other = next(one.email for one in company().contacts.values() if one.email != CHAMPION)
    assert (await message_preview.show(services, "hello", "versayce", other.upper())).to == other
    with pytest.raises(UserError, match="not for"):
        await message_preview.show(services, "hello", "versayce", TAM.email)
    with pytest.raises(UserError, match="nobody"):
        await message_preview.show(services, "hello", "versayce", "x@y.example")


async def test_an_unknown_email_is_refused_with_the_one_that_may_be_meant(services: Services) -> None:
    """A name that is none is answered with the nearest that is."""
    with pytest.raises(UserError) as refusal:
        await message_preview.show(services, "meeting_reminders", "versayce")
    assert 'did you mean "meeting_reminder"?' in refusal.value.fix
