"""What people promised to do, until the end of which day, and whether it is done."""

from __future__ import annotations

from datetime import date
from typing import Final

from rapport.model.base import Instant, WireModel
from rapport.model.minutes import ActionRecord
from rapport.storage.owed import Owed
from rapport.storage.tables import ActionRow


class KnownAction(WireModel):
    """An action as SQL holds it.

    Attributes:
        owner: Whoever promised it, by name.
        owner_id: Their id.
        owner_email: Their address, unless they are gone from the record.
        done_by: The id of the member who said that it is done.
    """

    id: str
    account: str
    meeting: str | None
    what: str
    owner: str
    owner_id: str
    owner_email: str | None
    due: date
    raised: Instant
    done: Instant | None
    done_by: str | None


OWED_ACTIONS: Final[Owed[KnownAction, ActionRecord]] = Owed("action", KnownAction, ActionRow, "what", "due", "done")
