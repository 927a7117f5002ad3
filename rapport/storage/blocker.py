"""What holds accounts up, with who removes it and when it is looked at again."""

from __future__ import annotations

from typing import Final

from rapport.model.account_data import Blocker
from rapport.model.minutes import BlockerRecord
from rapport.storage.owed import Owed
from rapport.storage.tables import BlockerRow


class KnownBlocker(Blocker):
    """A blocker with all that is on record of it.

    Attributes:
        meeting: The workflow of the meeting in which it came up.
        owner_id: The owner's id.
        owner_email: Their address, unless they are gone from the record.
        removed_by: A member's id.
        removal: The submission that says why it was removed.
    """

    account: str
    meeting: str | None
    owner_id: str
    owner_email: str | None
    removed_by: str | None
    removal: str | None


OWED_BLOCKERS: Final[Owed[KnownBlocker, BlockerRecord]] = Owed(
    "blocker", KnownBlocker, BlockerRow, "title", "next_check", "removed"
)
