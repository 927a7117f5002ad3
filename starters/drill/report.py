"""What a drill tells at its end."""

from __future__ import annotations

from rapport.model.base import WireModel


class ReportLine(WireModel):
    """One thing to look at.

    Attributes:
        name: What it is called: a message's key, a workflow, a task, a case.
        what: What is wrong, or what became of it.
        told: Whether `rapport doctor` names it at the end; nothing where it need not.
    """

    name: str
    what: str
    told: bool | None = None


class DrillFaultShown(WireModel):
    """One thing that was broken.

    Attributes:
        at, lasted: In seconds since the drill's beginning, and for how long.
        met: Whether anybody met it; nothing where that cannot be told.
        known: Whether `rapport doctor` told it while it lasted; nothing where there was nothing to tell.
        doctor: What it said of what it looked at.
    """

    fault: str
    what: str
    at: float
    lasted: float
    met: bool | None
    known: bool | None
    doctor: tuple[str, ...] = ()


class DrillReport(WireModel):
    """What was acknowledged, what became of it, and what went wrong.

    Attributes:
        well: Whether nothing was lost, stranded or doubled that may not be, and nothing was hidden.
        findings: Why not, in sentences.
        disk: How a disk was filled.
        acknowledged, on_record: How many acts were acknowledged, and how many of them are on record, by kind.
        mails: How many the outbox has, by state.
        arrived: How many the relay took.
        doubled: Mails that it took more than once.
        unknown, failed: What the outbox says of such mails.
        waiting: Mails that are to go at a later instant, with somebody at work.
        lost: What was acknowledged or promised, and is not there.
        stranded: What nobody works on any more.
        wrong_answers: Answers with 500, and refusals of what nobody else could have settled.
        refused: Answers that refused; for whoever wants to know why something did not count.
        skipped: Faults that were not tried, and why.
        doctor: What `rapport doctor` finds wrong at the end.
    """

    seed: int
    minutes: float
    seconds: float
    database: str
    disk: str
    well: bool
    findings: tuple[str, ...]
    acknowledged: dict[str, int]
    on_record: dict[str, int]
    mails: dict[str, int]
    arrived: int
    doubled: tuple[ReportLine, ...]
    unknown: tuple[ReportLine, ...]
    failed: tuple[ReportLine, ...]
    waiting: tuple[ReportLine, ...]
    lost: tuple[ReportLine, ...]
    stranded: tuple[ReportLine, ...]
    wrong_answers: tuple[ReportLine, ...]
    refused: tuple[ReportLine, ...]
    faults: tuple[DrillFaultShown, ...]
    skipped: tuple[ReportLine, ...]
    doctor: tuple[str, ...]
