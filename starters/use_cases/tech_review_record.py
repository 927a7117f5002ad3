"""The record of a review's decision: one page with everything that was asked, said, decided and told."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from rapport.mail.markdown import safe_link
from rapport.model.access import Action
from rapport.model.base import Refused, UserError, WireModel
from rapport.rules import tech_review as policy
from rapport.rules.record import seal
from rapport.rules.review_words import ASKS, PHASES, STAGES, came_to, chosen
from rapport.storage import tech_review as records
from rapport.storage.signing import Signer
from starters.rights import requires
from starters.services import Services
from starters.use_cases import tech_review
from starters.views.tech_review import RemarkShown, ReviewShown, RoundShown

_CHAPTERS: Final = (
    ("Withdrawn", ("withdrawal",)),
    ("Leadership's votes", ("vote",)),
    ("Commitment of engineering", ("commitment",)),
    ("Recommendation", ("recommendation",)),
    ("Live meeting", ("meeting",)),
    ("Feedback", ("feedback",)),
    ("Remarks", ("said",)),
    ("Approval of the message", ("approval", "reading")),
    ("The customer's confirmation", ("acknowledgement",)),
)


class Record(WireModel):
    """A record, as Markdown and as a page of its own."""

    ref: str
    markdown: str
    html: str


class RecordFiles(WireModel):
    """The files of a record."""

    ref: str
    files: tuple[str, ...]


@requires(Action.READ)
async def record(services: Services, ref: str) -> Record:
    """The record of a review, as far as it has come.

    Raises:
        UserError: There is no such review.
    """
    shown = await tech_review.show(services, ref)
    async with services.store.reading() as connection:
        receipts = [one.model_dump() for one in await records.kept_receipts(connection, shown.ref)]
    async with services.store.writing() as connection:
        key = await Signer(services.settings.secret_bytes).key(connection)
    context = {
        "review": shown,
        "asks": ASKS,
        "stages": STAGES,
        "outcome": _outcome(shown),
        # Conditions stand in a chapter of their own once they are settled.
        "message": {name: text for name, text in shown.message.items() if name != "conditions" or not shown.conditions},
        "chapters": [(title, found) for title, kinds in _CHAPTERS if (found := _by_round(shown, kinds))],
        "rule": _rule(shown),
        "receipts": len(receipts),
    }
    markdown = _environment(html=False).get_template("review.md").render(context).strip()
    html = _environment(html=True).get_template("review.html").render(context)
    return Record(
        ref=shown.ref,
        markdown=seal(f"{markdown}\n\n", receipts, key),
        html=seal(html, receipts, key),
    )


@requires(Action.READ)
async def write(services: Services, ref: str, folder: Path) -> RecordFiles:
    """Write the record of a review into a folder, as `TR-0007.md` and `TR-0007.html`.

    Raises:
        UserError: There is no such review, or the folder cannot be written to.
    """
    return _save(await record(services, ref), folder)


def _save(made: Record, folder: Path) -> RecordFiles:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for suffix, text in (("md", made.markdown), ("html", made.html)):
            path = folder / f"{made.ref}.{suffix}"
            path.write_text(text, encoding="utf-8")
            files.append(str(path))
    except OSError as error:
        raise UserError(
            f"cannot be written to: {error.strerror}", field="--out", fix="name another folder", kind=Refused.INVALID
        ) from None
    return RecordFiles(ref=made.ref, files=tuple(files))


def _by_round(shown: ReviewShown, kinds: tuple[str, ...]) -> list[tuple[RoundShown, list[RemarkShown]]]:
    """What was said of these kinds, by round: the latest first, each with the version of the design that it saw."""
    of_kind = [one for one in shown.remarks if one.kind in kinds]
    rounds = [(round_, [one for one in of_kind if one.round == round_.round]) for round_ in reversed(shown.rounds)]
    return [(round_, remarks) for round_, remarks in rounds if remarks]


def _outcome(shown: ReviewShown) -> str:
    if shown.outcome is None:
        return f"open: {PHASES[shown.phase]}"
    return came_to(shown.outcome, _verdict(shown))


def _verdict(shown: ReviewShown) -> str | None:
    """What the round that stands was decided with; nothing while it is not."""
    return next((one.option for one in shown.remarks if one.kind == "verdict" and one.round == shown.round), None)


def _rule(shown: ReviewShown) -> str | None:
    """By which rule it was decided, in a sentence or two; nothing while it is not."""
    if shown.decided is None or _verdict(shown) is None:
        return None
    return policy.rule(shown.ask, [one.kind for one in shown.remarks if one.round == shown.round])


def _at(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


_MARKED: Final = str.maketrans({one: f"\\{one}" for one in "\\`*_[]#"} | {"<": "&lt;", ">": "&gt;"})


def _mark(text: str) -> str:
    """A text on one line of Markdown, as it was written: nothing in it is markup."""
    return " ".join(text.split()).translate(_MARKED)


def _quote(text: str) -> str:
    """A text as a quotation in Markdown; what could be HTML is none."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;")
    return "\n".join(f"> {line}".rstrip() for line in safe.splitlines())


@cache
def _environment(*, html: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("rapport", "records"),
        autoescape=html,  # noqa: S701 - Markdown is not HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        at=_at,
        mark=_mark,
        quote=_quote,
        plain=lambda text: str(text).replace("_", " "),
        option=chosen,
        safe_link=safe_link,
    )
    return environment
