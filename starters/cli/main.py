"""`rapport`: the commands, and what happens when one of them fails."""

from __future__ import annotations

import typer

from starters.cli import (
    absence,
    account,
    account_data,
    action,
    audit,
    blocker,
    cadence,
    desk,
    doctor,
    drill,
    gap,
    mail,
    meeting,
    member,
    message,
    onboarding,
    playbook,
    simulate,
    stack,
    support_case,
    task,
    tech_review,
    timeline,
    token,
)

app = typer.Typer(
    name="rapport",
    help="Engagement automation for technical account managers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
stack.add_to(app)
doctor.add_to(app)
timeline.add_to(app)
task.add_to(app)
simulate.add_to(app)
drill.add_to(app)
app.add_typer(account.app, name="account")
app.add_typer(member.app, name="member")
app.add_typer(absence.app, name="absence")
account_data.add_to(app)
app.add_typer(onboarding.app, name="onboarding")
app.add_typer(meeting.app, name="meeting")
app.add_typer(blocker.app, name="blocker")
app.add_typer(action.app, name="action")
app.add_typer(cadence.app, name="cadence")
app.add_typer(support_case.app, name="case")
app.add_typer(desk.app, name="desk")
app.add_typer(task.app, name="task")
app.add_typer(tech_review.app, name="review")
app.add_typer(message.app, name="message")
app.add_typer(mail.app, name="mail")
app.add_typer(playbook.app, name="playbook")
app.add_typer(tech_review.app, name="review")
app.add_typer(gap.app, name="gap")
app.add_typer(token.app, name="token")
app.add_typer(audit.app, name="audit")


def run() -> None:
    """The console script's entry."""
    app()
