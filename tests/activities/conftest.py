"""What tests of activities share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from activities.message import Messages
from rapport.mail.smtp import Mailer
from rapport.storage.database import Store
from tests.helpers_mail import ScriptedRelay, mailer_to, messages_with
from tests.mail_fixtures import empty, imported, relay, store

__all__ = ["empty", "imported", "relay", "store"]


@pytest.fixture
async def mailer(relay: ScriptedRelay) -> AsyncIterator[Mailer]:
    """A mailer to the scripted relay."""
    async with mailer_to(relay.port) as opened:
        yield opened


@pytest.fixture
def messages(store: Store, mailer: Mailer) -> Messages:
    """The activities, sending for real."""
    return messages_with(store, mailer)
