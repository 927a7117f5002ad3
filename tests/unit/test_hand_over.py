"""A word that nobody takes: whoever said it hears what does not answer."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from rapport.model.base import Refused, UserError
from rapport.model.support_case import ActKind, CaseAct
from starters import services
from starters.use_cases.words import hand_over
from tests.helpers_mail import NOW
from workflows.support_case import SupportCase


class Silent:
    """A workflow of a Temporal that has stopped in its tracks: it refuses no connection, and answers nothing."""

    async def execute_update(self, *_: Any, **__: Any) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()

    signal = execute_update


async def test_it_is_temporal_that_does_not_answer_where_it_takes_no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporal takes a signal though no worker runs, so where it takes none nobody is sent to look for workers."""
    monkeypatch.setattr(services, "ANSWER_SECONDS", 0.01)
    word = CaseAct(id="s_1", kind=ActKind.NOTE, by="m_1", at=NOW)
    with pytest.raises(UserError, match="Temporal does not answer") as refused:
        await hand_over(cast(Any, None), cast(Any, Silent()), SupportCase.act_on, word, "C-00001")
    assert refused.value.kind is Refused.UNREACHABLE
    assert refused.value.field == "TEMPORAL_ADDRESS"
