"""What recurs, from the standing invitation to a year of it, on the time-skipping server."""

from __future__ import annotations

from tests.conftest import CHAMPION, SECOND_USER, TAM, USER, Town
from tests.support.rhythm import begin, coming, events, method


async def test_one_recurring_invitation_goes_to_everyone(skipping: Town) -> None:
    """Champion, users and the TAM get the series once: one UID, a rule, and the first date in wall time."""
    await begin(skipping)
    mails = await skipping.mailed(4)
    assert len({str(mail["To"]) for mail in mails}) == 4
    for address in (CHAMPION, USER, SECOND_USER, TAM.email):
        (mail,) = skipping.mails(address)
        assert method(mail) == "REQUEST"
        (event,) = events(mail)
        assert event["RRULE"]["FREQ"] == ["WEEKLY"]
        assert event["SEQUENCE"] == 0
        assert str(event["UID"]) == "VERSAYCE-2026-11.weekly.series@foobar.example"
        assert event["DTSTART"].dt == (await coming(skipping))[0]
