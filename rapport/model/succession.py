"""People who come and go on an account, as workflows see them: ids, personas and instants."""

from __future__ import annotations

from rapport.model.base import Instant, WireModel


class HandoverStart(WireModel):
    """An account was handed over for a while; it goes back at `until`."""

    account: str
    until: Instant


class HandBack(WireModel):
    """Give an account back to its regular TAM, if the time for that has come.

    Attributes:
        key: That of the timeline's entry.
    """

    account: str
    key: str
    now: Instant


class HandedBack(WireModel):
    """What became of it.

    Attributes:
        tam, former: The regular TAM, and who stood in; nobody where it was handed over anew meanwhile.
        listeners: The ids of the workflows that have to be told.
    """

    tam: str | None
    former: str | None
    listeners: tuple[str, ...]
