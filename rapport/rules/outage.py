"""When a relay that does not take anything is no short outage any more, but a fault that people are told of."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from rapport.model.relay import FaultKind

ATTEMPTS_THAT_PROVE: Final = 3
"""How many attempts it takes, of one mail or of several."""

LEAST_DURATION: Final = {FaultKind.UNREACHABLE: timedelta(minutes=5), FaultKind.BUSY: timedelta(minutes=15)}
"""How long it takes. A restart of the relay takes a minute or two; one that answers is given more patience."""

LULL: Final = timedelta(minutes=15)
"""After how long without an attempt nothing is known any more: what was missed before may have been another outage."""


class Misses(NamedTuple):
    """The attempts since the relay took anything that it did not take, whatever mail they were for.

    Attributes:
        since: When the first was.
        last: When the last was.
        kind: The kind among them that is given the most patience: where one has answered, the last one proves nothing
            of all before it, and a relay that does both in turn is a fault nonetheless.
    """

    attempts: int
    since: datetime
    last: datetime
    kind: FaultKind


def counted(before: Misses | None, now: datetime, kind: FaultKind) -> Misses:
    """One more attempt that came to nothing, of this kind."""
    if before is None or now - before.last > LULL:
        return Misses(1, now, now, kind)
    patient = max(before.kind, kind, key=LEAST_DURATION.__getitem__)
    return Misses(before.attempts + 1, before.since, max(now, before.last), patient)


def proves(misses: Misses) -> bool:
    """Whether that is a fault, where the relay has taken nothing in between."""
    return misses.attempts >= ATTEMPTS_THAT_PROVE and misses.last - misses.since >= LEAST_DURATION[misses.kind]
