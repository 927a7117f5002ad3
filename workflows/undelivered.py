"""An email that did not go, or may not have arrived: it goes on by itself, or somebody says what becomes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.message import Messages
    from activities.undelivered import UndeliveredMails
    from rapport.model.ids import UNDELIVERED_STEP, undelivered_task
    from rapport.model.message import NOT_DELIVERED, Deliver, Resolution
    from rapport.model.task import TaskResult, TaskStart
    from rapport.model.undelivered import Settling, Trouble, UndeliveredStart
    from rapport.model.workflows import UNDELIVERED
    from rapport.rules import todo_template

from workflows.options import RECORDS
from workflows.outcomes import Denied, done
from workflows.posting import sent
from workflows.waiting import Alarm, ask, soon

ASKED_AGAIN_AFTER: Final = timedelta(days=1)
"""How long nobody is asked again after a to-do that everyone let pass."""


@workflow.defn(name=UNDELIVERED.name)
class Undelivered:
    """Follows one email until it was sent, or somebody has taken care of it.

    Whatever sent it starts this, and so does the sweep for what nobody is at work on. One email has one of these at a
    time, named by its key, so nothing is asked or sent twice.
    """

    @workflow.init
    def __init__(self, start: UndeliveredStart) -> None:
        """All else stands on record."""
        self.start = start
        self.is_wanted = False

    @workflow.run
    async def run(self, start: UndeliveredStart) -> None:  # noqa: ARG002 - taken by __init__
        """Look how it stands; send it, or have somebody decide, until there is nothing left to take care of."""
        while (trouble := await self.look()) is not None:
            if trouble.state not in NOT_DELIVERED:
                await self.send()
            else:
                await self.carry_out(await self.have_decided(trouble), trouble)

    @workflow.signal
    def ask_now(self) -> None:
        """Somebody has a word on it, so that they are asked at once."""
        self.is_wanted = True

    async def look(self) -> Trouble | None:
        """Read how the email stands; nothing if nobody has to take care of it any more."""
        looked = await done(UndeliveredMails.look, self.start, "How does this email stand?", RECORDS)
        return looked.trouble

    async def have_decided(self, trouble: Trouble) -> TaskResult:
        """Ask whoever is responsible what becomes of the email, and wait for their answer."""
        self.is_wanted = False
        # Of what belongs to no account's story nobody is asked.
        account = self.start.account
        assert account is not None
        number = trouble.asked + 1
        id_ = undelivered_task(account, self.start.key, number)
        template = todo_template.ABOUT_EMAIL[trouble.state]
        given = TaskStart(
            account=account,
            contract=trouble.contract,
            subject=trouble.subject,
            step=f"{trouble.step}.{UNDELIVERED_STEP}",
            title=template.title.format(trouble.title),
            attempt=number,
            about=trouble.about,
            definition=template.definition.model_copy(update={"assign": trouble.assign}),
            request=trouble.said,
            deadline=await soon(account),
            # Its first option is no default: which of them is right is seen on its page.
            unblock=f"rapport task show {id_}",
        )
        return await ask(given, id_, f"{given.title}, for {account}")

    async def carry_out(self, result: TaskResult, trouble: Trouble) -> None:
        """Do what was decided; where nobody decided, ask again later, or once somebody wants to say it."""
        if result.outcome in tuple(Resolution):
            await self.settle(
                Settling(
                    account=self.start.account,
                    key=self.start.key,
                    how=Resolution(result.outcome),
                    by=result.by,
                    submission=result.submission,
                    fence=trouble.fence,
                    now=workflow.now(),
                )
            )
        else:
            alarm = Alarm()
            alarm.set(workflow.now() + ASKED_AGAIN_AFTER, "Ask again what becomes of the email")
            await workflow.wait_condition(lambda: self.is_wanted or alarm.rings)
            self.look_afresh()

    async def send(self) -> None:
        """Send it, at the instant at which its reader may be written to."""
        order = Deliver(account=self.start.account, keys=(self.start.key,), now=workflow.now())
        outcomes = await sent(Messages.deliver, order, "Send one email")
        if isinstance(outcomes, Denied):
            unwritten = Settling(
                account=order.account, key=self.start.key, how="unwritten", reason=outcomes.reason, now=workflow.now()
            )
            await self.settle(unwritten)
        elif (until := outcomes.waits.get(self.start.key)) is not None and until > workflow.now():
            await workflow.sleep(until - workflow.now(), summary="Its reader's working time begins")
            self.look_afresh()

    def look_afresh(self) -> None:
        """Look again in a fresh run: nobody may decide for years, and no history grows as long."""
        workflow.continue_as_new(self.start)

    async def settle(self, order: Settling) -> None:
        """Write down what becomes of it."""
        await done(UndeliveredMails.settle, order, "Write down what becomes of the email", RECORDS)
