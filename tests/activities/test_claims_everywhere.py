"""Every mail that claims something, each of its claims, and every way to the relay: what is false by then stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, NamedTuple

import pytest
from sqlalchemy import insert, select

from activities.message import Messages
from rapport.mail import claims as mail_claims, emails, preview
from rapport.mail.context import AccountContext
from rapport.model.message import Deliver, MessageRequest, MessageState, Purpose
from rapport.rules.claims import CLAIMS, false
from rapport.storage.database import Store
from rapport.storage.tables import MessageRow
from tests.activities.test_message import T0, deliver
from tests.helpers_mail import ScriptedRelay
from tests.unit.test_claims import FACTS
from tests.unit.test_compose import frozen
from tests.unit.test_outbox import row

LATER: Final = T0 + timedelta(hours=3)


class Way(NamedTuple):
    """A way to the relay.

    Attributes:
        values: How the mail stands in the outbox before it goes.
        approved: Whether a member lets it go just now.
        written: Whether it has its bytes.
    """

    values: dict[str, Any]
    approved: bool = False
    written: bool = True


WAYS: Final = {
    "at once, or once the relay is back": Way({"state": MessageState.READY}),
    "tried again": Way({"state": MessageState.DEFERRED, "retry_at": T0, "attempts": 1}),
    "approved late": Way({"state": MessageState.DRAFT}, approved=True, written=False),
    "held back, and let go after all": Way({"state": MessageState.HELD}, approved=True, written=False),
    "put off, or resumed": Way({"state": MessageState.READY, "not_before": T0}, written=False),
}


def table() -> list[Any]:
    """Every mail with each of its claims, where all of them hold and where that one does not."""
    found = []
    for name in sorted(emails.names()):
        mine = (*emails.claims(name), *emails.block_claims(name))
        for claim in mine:
            of = CLAIMS[claim].of
            holds = next(
                one for one in FACTS[of] if not false([one for one in mine if CLAIMS[one].of == of], {of: one})
            )
            fails = next(one for one in FACTS[of] if not CLAIMS[claim].holds(one))
            found += [pytest.param(name, of, fact, id=f"{name}, {claim}, {fact is holds}") for fact in (holds, fails)]
    return found


def ways_of(name: str) -> dict[str, Way]:
    """The ways of a mail: what is said of a case or a review is on record there, and not as its mail waits here."""
    rendered = not name.startswith(("case_", "review_"))
    return {of: way for of, way in WAYS.items() if way.written or rendered}


async def in_the_outbox(store: Store, name: str, ways: dict[str, Way]) -> MessageRequest:
    """A mail as it stands before it goes, once for each way."""
    async with store.writing() as connection:
        company = await AccountContext.read(connection, "versayce")
        reader = preview._reader(name, company)
        purpose = Purpose.MESSAGE if reader in company.contacts else Purpose.NOTICE
        what = preview._occasion(name, company, reader, T0)
        what = what.model_copy(update={"purpose": purpose, "workflow_id": "meeting/versayce/kickoff/1"})
        for key, way in ways.items():
            values = row(key) | {
                "contract": "PREVIEW",
                "person": reader,
                "email": name,
                "purpose": purpose,
                "workflow_id": what.workflow_id,
                "occasion": what.model_dump(mode="json"),
                "raw": frozen(key="k") if way.written else None,
                "created_at": T0,
                **way.values,
            }
            await connection.execute(insert(MessageRow).values(**values))
    return what


@pytest.mark.parametrize(("name", "of", "fact"), table())
async def test_whatever_way_a_mail_takes_its_claims_are_asked(
    store: Store,
    messages: Messages,
    relay: ScriptedRelay,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    of: str,
    fact: object,
) -> None:
    """A mail whose claim is false doesn't go, and says why; a block whose claim is false is left out; all else goes."""
    for other in mail_claims._FACTS:

        async def given(*_: object, known: object = fact if other == of else None) -> object:
            return known

        monkeypatch.setitem(mail_claims._FACTS, other, given)
    ways = ways_of(name)
    what = await in_the_outbox(store, name, ways)
    for key, way in ways.items():
        order = Deliver(account="versayce", keys=(key,), now=LATER)
        if way.approved:
            order = order.model_copy(update={"approved_by": "m_1", "submission": "s_1"})
        await deliver(messages, order, LATER)
    async with store.reading() as connection:
        query = select(MessageRow.key, MessageRow.state, MessageRow.reason, MessageRow.left_out)
        became = {row.key: row for row in await connection.execute(query)}
    whole = false([*mail_claims._implied(what), *emails.claims(name)], {of: fact})
    for key in ways:
        if whole:
            assert (became[key].state, became[key].reason) == (MessageState.SUPPRESSED, CLAIMS[whole[0]].why), key
        else:
            assert became[key].state == MessageState.SENT, (key, became[key].reason)
            assert set(became[key].left_out) == set(false(emails.block_claims(name), {of: fact})), key
    assert len(relay.accepted) == (0 if whole else len(ways))
