"""Parts with a fault put back: `python -m tests.drill.faulty FAULT PART …` is the part as it is, but for that fault.

What is shipped has no switch for faults; here modules are changed before the part begins.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import typer
from fastapi import Response, status

import worker
from activities import delivery
from rapport.mail import smtp
from rapport.model.base import UserError
from rapport.model.meeting import Receipt
from rapport.model.message import MessageState
from rapport.storage import timeline
from starters.cli import main as cli
from starters.http import serve
from starters.use_cases import doctor
from starters.use_cases.doctor import CheckVerdict, Diagnosis


def says_sent() -> None:
    """A mail counts as sent though the relay could not be reached."""
    send = smtp.Mailer.send

    async def said(self: Any, sender: str, recipient: str, raw: bytes, commit: Any, **named: Any) -> str:
        try:
            return await send(self, sender, recipient, raw, commit, **named)
        except (smtp.Deferred, smtp.NotAtOnce):
            await commit()
            return "250 so to speak"

    smtp.Mailer.send = said  # type: ignore[method-assign]


def sends_twice() -> None:
    """Whatever the relay did not answer goes again, also what may not go twice."""

    async def again(self: Any, held: Any) -> MessageState | None:
        found: MessageState | None = await self._defer(held, "the relay did not answer after the data")
        return found

    delivery.Delivery._after_silence = again  # type: ignore[method-assign]


def forgets_votes() -> None:
    """Votes are acknowledged, and nothing is written down of them."""
    append = timeline.append

    async def some(connection: Any, entries: Any) -> None:
        await append(connection, [entry for entry in entries if entry.kind != "vote.cast"])

    _everywhere(append, some)


def ignores_approvals() -> None:
    """The TAM's word on drafts is acknowledged, and goes nowhere."""
    from starters.use_cases import message as use_cases

    async def accepted(*_: Any, **__: Any) -> Receipt:
        return Receipt(accepted=True)

    use_cases.release = accepted


def answers_500() -> None:
    """What cannot be reached is our own fault, says the answer."""
    from starters.http.problems import problem

    def internal(refusal: UserError) -> Response:
        answer = problem(refusal)
        if answer.status_code == status.HTTP_503_SERVICE_UNAVAILABLE:
            answer.status_code = status.HTTP_500_INTERNAL_SERVER_ERROR
        return answer

    _everywhere(problem, internal)


def is_blind_to_the_relay() -> None:
    """`rapport doctor` finds the relay well, whatever it says."""
    _doctor_without("relay")


def is_silent_on_mails() -> None:
    """`rapport doctor` says nothing of mails that nobody can say to have arrived."""
    _doctor_without("relay", silent=True)


def _doctor_without(name: str, *, silent: bool = False) -> None:
    """`rapport doctor` finds one check well; or none names anything."""
    examine = doctor.examine

    async def blind(*given: Any, **named: Any) -> Diagnosis:
        found = await examine(*given, **named)
        well = {"verdict": CheckVerdict.OK, "what": "is well", "findings": ()}
        checks = [one.model_copy(update=well) if silent or one.check == name else one for one in found.checks]
        return found.model_copy(update={"checks": tuple(checks)})

    doctor.examine = blind


def _everywhere(old: object, new: object) -> None:
    """Put something into the place of another in every module that has taken it in."""
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()):
            if value is old:
                setattr(module, name, new)


FAULTS: Final[dict[str, Callable[[], None]]] = {
    one.__name__: one
    for one in (
        says_sent,
        sends_twice,
        forgets_votes,
        ignores_approvals,
        answers_500,
        is_blind_to_the_relay,
        is_silent_on_mails,
    )
}


def main() -> None:
    """Put the fault back, and be the part."""
    fault, part, *words = sys.argv[1:]
    sys.argv = [part, *words]
    FAULTS[fault]()
    if part == "worker":
        worker.main()
    elif part == "http":
        typer.run(serve.main)
    else:
        cli.run()


if __name__ == "__main__":
    main()
