"""A support desk with its people, and an account that asks it."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import insert
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from rapport.model.account import WEEKDAYS, MembersFile, WrittenMember
from rapport.model.ids import case_id, desk_id, new_id
from rapport.model.support_case import DESK, CaseView, DeskStart, DeskView, Dossier, WrittenCase
from rapport.storage import account, imports
from rapport.storage.account import KnownAbsence
from rapport.storage.database import Connection
from rapport.storage.support_case_tables import CaseRow
from starters.services import Actor, present
from starters.use_cases import message, support_case
from starters.use_cases.support_case import Opened
from starters.views import support_case as support_case_views
from starters.views.support_case import CaseLine
from tests.conftest import CHAMPION, Installation, by, example, text_of, until
from workflows.desk import SupportDesk
from workflows.support_case import SupportCase

SAM, KIM, LEE = (f"{name}@foobar.example" for name in ("sam.okafor", "kim.berg", "lee.ferro"))
LEAD = "pat.lindt@foobar.example"
DEV = "dev.haas@foobar.example"
DOSSIER = Dossier(
    tried="Another token",
    reproduction="Rotate twice in a row",
    version="4.2.1 on Debian",
    logs="E42 at 10:03",
    impact="Nobody can deploy",
)
QUESTION = "How do I rotate a token?"
ENGINEER_WHO_ALSO_SUPPORTS = "both.sides@foobar.example"


def _member(email: str, *roles: str, **more: Any) -> WrittenMember:
    name = email.partition("@")[0].replace(".", " ").title()
    return WrittenMember.model_validate({"name": name, "email": email, "roles": roles, "zone": "Europe/Zurich", **more})


def crew(**more: Any) -> MembersFile:
    """Three support engineers, their lead, a developer, and a developer who used to be in support.

    Args:
        more: What else is said of each support engineer.
    """
    return MembersFile(
        members=(
            _member(SAM, "support_engineer", areas=["api", "agents"], **more),
            _member(KIM, "support_engineer", areas=["api"], **more),
            _member(LEE, "support_engineer", areas=["dashboards"], **more),
            _member(LEAD, "support_lead"),
            # The example's lead takes cases as well; here she only leads.
            _member("priya.raman@foobar.example", "support_lead"),
            _member(DEV, "engineering"),
            _member(ENGINEER_WHO_ALSO_SUPPORTS, "support_engineer", "engineering", **more),
        )
    )


AT_ANY_HOUR: Final[dict[str, Any]] = {"hours": {"start": "00:00:00", "end": "23:59:59", "days": WEEKDAYS}}


def off_duty() -> MembersFile:
    """The crew on a day on which none of the engineers works, whenever this runs: nobody is given a case by itself."""
    return crew(hours={"days": [WEEKDAYS[(present() + timedelta(days=3)).weekday()]]})


async def open_desk(
    installation: Installation,
    *,
    turnover: int = 1_000,
    day: int | None = 0,
    hour: int = 10,
    members: MembersFile | None = None,
) -> None:
    """Bring the account and the crew on record and start the desk, on a Monday at ten unless told otherwise."""
    if day is not None:
        await installation.sleep_to(day, hour)
    shared = installation.environment is None
    now = present() if shared else await installation.now()
    async with installation.services.store.writing() as connection:
        await imports.save(connection, example(), now)
        await imports.save_members(connection, members or crew(**AT_ANY_HOUR if shared else {}))
        if shared:
            await _number_from(connection, secrets.randbelow(10**8) + 10**5, now)
    await installation.client.start_workflow(
        SupportDesk.run,
        DeskStart(turnover=turnover),
        id=desk_id(DESK),
        task_queue=installation.services.settings.task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING if shared else WorkflowIDConflictPolicy.FAIL,
    )


async def _number_from(connection: Connection, number: int, now: datetime) -> None:
    """Have cases count on from a number: on the server that tests share, each needs numbers of its own."""
    values = {"contact": "", "area": "", "severity": 4, "question": "", "channel": "cli", "opened_by": ""}
    counts = {"state": "merged", "escalations": 0, "breaches": 0, "projected": 1, "opened_at": now}
    row = {"number": number, "ref": f"C-{number}", "account": "versayce", **values, **counts}
    await connection.execute(insert(CaseRow).values(**row))


async def ask(
    installation: Installation, question: str = "How do I rotate a token?", actor: Actor | None = None, **more: Any
) -> Opened:
    """Open a case as the support engineer on the phone does, or as whoever is named."""
    written = WrittenCase.model_validate({"account": "versayce", "question": question, "area": "api", **more})
    return await support_case.open_case(installation.services, written, actor or by(SAM))


async def case_of(installation: Installation, ref: str) -> CaseView:
    """The case as it stands."""
    return await installation.client.get_workflow_handle(case_id(ref)).query(SupportCase.view)


async def desk_of(installation: Installation) -> DeskView:
    """The desk as it stands."""
    return await installation.client.get_workflow_handle(desk_id(DESK)).query(SupportDesk.view)


async def in_state(installation: Installation, ref: str, state: str) -> CaseView:
    """The case, once it is in this state and on record so."""

    async def there() -> CaseView | None:
        try:
            seen = await case_of(installation, ref)
        except RPCError:
            return None
        shown = await support_case_views.show(installation.services, ref)
        return seen if seen.status.state == state == shown.state else None

    seen: CaseView = await until(there, f"{ref} to be {state}")
    return seen


async def listed(installation: Installation, ref: str) -> CaseLine:
    """The case's line in lists: what stands on record, and no query to its workflow.

    A time-skipping server whose query meets the end of a run keeps its clock locked for ever.
    """
    (line,) = [one for one in await support_case_views.listed(installation.services, also_over=True) if one.ref == ref]
    return line


async def owner_of(installation: Installation, ref: str) -> str:
    """The address of whoever has the case, once somebody has."""

    async def owned() -> str | None:
        lines = await support_case_views.listed(installation.services, also_over=True)
        return next((one.owner_email for one in lines if one.ref == ref), None)

    found: str = await until(owned, f"an owner of {ref}")
    return found


async def mail_about(installation: Installation, to: str, words: str) -> Any:
    """The first mail to somebody whose subject has these words."""

    async def there() -> Any:
        return next((mail for mail in installation.mails(to) if words in str(mail["Subject"])), None)

    return await until(there, f'a mail to {to} about "{words}"')


async def sleep_past(installation: Installation, instant: datetime | None) -> None:
    """Let the clock run to a little after an instant."""
    assert instant is not None
    await installation.sleep_until(instant)


async def let_a_draft_go(installation: Installation, owner: str, before: datetime | None) -> None:
    """Have a case's owner send the word to the customer that is drafted shortly before a promise ends."""
    assert before is not None
    await sleep_past(installation, before - timedelta(minutes=10))
    await mail_about(installation, owner, "Draft update ready")
    (draft,) = await message.drafts(installation.services, "versayce")
    await message.release(installation.services, (draft.key,), by(owner))
    assert "still working on" in text_of(await mail_about(installation, CHAMPION, "[C-00001] Status update"))


async def away(installation: Installation, email: str, *, days: int) -> None:
    """Have somebody be away from the server's present on."""
    now = await installation.now()
    async with installation.services.store.writing() as connection:
        member = await account.member_by_email(connection, email)
        assert member is not None
        absence = KnownAbsence(id=new_id("a"), member=member.id, starts=now, ends=now + timedelta(days=days))
        assert await account.add_absence(connection, absence, "", now) is None


async def over(installation: Installation, ref: str) -> bool:
    """Whether the case's workflow has ended."""
    found = await installation.client.get_workflow_handle(case_id(ref)).describe()
    return found.status is not WorkflowExecutionStatus.RUNNING


def html_of(mail: Any) -> str:
    """A mail's HTML part."""
    return str(mail.get_body(preferencelist=("html",)).get_content())
