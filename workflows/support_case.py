"""One support case: acknowledged, handed to an owner, answered in the time that was promised, resolved."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.support_case import PAGE_ON, PageOrder, Support
    from rapport.model.account import Role
    from rapport.model.ids import desk_id, number_of
    from rapport.model.message import CaseFacts, MessageRequest, Purpose
    from rapport.model.operation import ControlKind
    from rapport.model.projection import Wait
    from rapport.model.step import Review
    from rapport.model.support_case import (
        ActKind,
        Assigned,
        CaseAct,
        CaseClock,
        CaseProjection,
        CaseResult,
        CaseStart,
        CaseState,
        CaseStatus,
        CaseView,
        CaseWord,
        Escalation,
        Foreseen,
        LogLine,
        Outlook,
        QueuedCase,
    )
    from rapport.model.task import WITHDRAWN
    from rapport.model.words import Unread
    from rapport.model.workflows import SUPPORT_CASE
    from rapport.rules import details, support_case

from workflows.base import AccountWorkflow
from workflows.engineering import ask_engineering
from workflows.options import PAGING, PLANNING
from workflows.outcomes import Denied, attempted, done, told
from workflows.projection import Projector
from workflows.reset import Numbers
from workflows.timeline import Timeline
from workflows.waiting import Alarm, control
from workflows.words import checks, takes

DESK_AGAIN: Final = timedelta(minutes=1)
"""How soon a desk that does not run is asked again."""

_TOLD: Final = {
    ActKind.ANSWER: "case.answered",
    ActKind.CONTEXT: "case.context",
    ActKind.WAIT_CUSTOMER: "case.waiting",
    ActKind.CUSTOMER_SAID: "case.customer_said",
    ActKind.ASSIGN: "case.chosen",
    ActKind.HAND_OFF: "case.handed_off",
    ActKind.CLASSIFY: "case.classified",
    ActKind.ESCALATE: "case.escalated",
    ActKind.MERGE: "case.merged",
    ActKind.JOIN: "case.joined",
    ActKind.SPLIT: "case.split",
    ActKind.TO_REVIEW: "case.to_review",
    ActKind.RESOLVE: "case.resolved",
    ActKind.REOPEN: "case.reopened",
}
"""What the timeline is told of an act; notes stay on the case, and gaps are on it by themselves."""

_TO_CUSTOMER: Final = {
    ActKind.ANSWER: ("case_answer", "Answer the customer"),
    ActKind.WAIT_CUSTOMER: ("case_question", "Ask the customer"),
    ActKind.RESOLVE: ("case_resolved", "Tell the customer what solved it"),
}
_TO_OWNER: Final = {
    ActKind.CONTEXT,
    ActKind.CUSTOMER_SAID,
    ActKind.GAP,
    ActKind.JOIN,
    ActKind.NOTE,
    ActKind.REOPEN,
}


@workflow.defn(name=SUPPORT_CASE.name)
class SupportCase(AccountWorkflow):
    """One case, from the question to what solved it. A reopened case is a new run that goes on from its status."""

    refusals: ClassVar = {CaseAct: "case.refused", Unread: "case.refused"}

    @workflow.init
    def __init__(self, start: CaseStart) -> None:
        """Nobody has it yet, or it goes on."""
        super().__init__(start.account)
        self.words.recall(start.receipts)
        self.start = start
        self.ref = start.ref
        self.status = start.status or CaseStatus(
            severity=start.severity, area=start.area, clock=CaseClock(since=workflow.now())
        )
        self.timeline = Timeline(start.account, start.ref, start.ref, written=self.status.written)
        self.acts: list[CaseAct] = []
        self.answers: list[Assigned] = []
        self.log: list[LogLine] = []
        self.asked_turn = 0 if self.status.owner is None else self.status.turn
        self.asks_again_at: datetime | None = None
        self.desk_was_silent = False
        self.wanted: str | None = None
        self.avoid: tuple[str, ...] = ()
        self.escalation: Escalation | None = None
        self.engineering: str | None = None
        self.foreseen = Foreseen()
        self.stale = True
        self.desk_told_over = False
        self.told_to_sql: CaseProjection | None = None
        self.projector = Projector(
            Support.project, self._gather, lambda: details.case(self.view()), number=self.status.projected
        )
        self.alarm = Alarm()
        # No line has the number of one that was written before a reset.
        self._lines = Numbers(self.status.log)

    @workflow.run
    async def run(self, start: CaseStart) -> CaseResult:
        """See to an owner and to what was promised, until the case is over and all that it has to say is said."""
        await self.begin(start)
        while True:
            await self.words.all_known()
            await self.send_what_was_approved()
            await self.act()
            if self.status.state.is_over:
                if await self.is_really_over():
                    return CaseResult(state=self.status.state)
                continue
            await self.see_to_an_owner()
            await self.see_to_the_promise()
            await self.wait()
            if self._may_turn_over():
                await self.turn_over()

    # The story

    async def begin(self, start: CaseStart) -> None:
        """Acknowledge the question, with its number; or go on."""
        if start.status is None:
            self.status = self.status.model_copy(update={"turn": 1})
            self.timeline.record("case.opened", who=start.contact, about=self.ref)
            await self.look_ahead()
            self._mail("case_acknowledged", (start.contact,), Purpose.NOTICE, "Acknowledge the question")
        elif start.reopened is not None:
            SupportCase.act_on(self, start.reopened)

    async def act(self) -> None:
        """Tell whoever has to know of what was done, and of who has it."""
        answers, self.answers = self.answers, []
        for word in answers:
            await self.hear_of_an_owner(word)
        acts, self.acts = self.acts, []
        for act in acts:
            await self.tell_of(act)

    async def tell_of(self, act: CaseAct) -> None:
        """Tell those whom an act concerns: the customer, the owner, the TAM, engineering or the desk."""
        await self.look_ahead()
        if act.kind in _TO_CUSTOMER:
            email, summary = _TO_CUSTOMER[act.kind]
            await self.messages.drop_drafts("something newer was said")
            self._mail(email, (self.start.contact,), Purpose.ANSWER, summary, said=act.submission, by=act.by)
        owner = self.status.owner
        if act.kind in _TO_OWNER and owner is not None and act.by != owner:
            self._mail("case_news", (owner,), Purpose.NOTICE, "Tell the owner", act=act)
        match act.kind:
            case ActKind.MERGE:
                self._mail("case_merged", (self.start.contact,), Purpose.NOTICE, "Tell the customer", act=act)
            case ActKind.TO_REVIEW if self.foreseen.tam is not None:
                self._mail("case_review", (self.foreseen.tam,), Purpose.NOTICE, "A decision is wanted", act=act)
            case ActKind.ESCALATE:
                await self.ask_for_engineering(act)
            case ActKind.CLASSIFY | ActKind.WAIT_CUSTOMER | ActKind.CUSTOMER_SAID:
                idle = self.status.state is CaseState.WAITING
                await self._to_desk("hear", CaseWord(ref=self.ref, severity=self.status.severity, idle=idle))
            case _:
                pass

    async def hear_of_an_owner(self, word: Assigned) -> None:
        """The desk's word: who has it from now on, or that nobody can take it."""
        if word.member is not None:
            await self._to_desk("hear", CaseWord(ref=self.ref, turn=word.turn))
        if word.turn != self.status.turn or self.status.owner is not None:
            # Said before, or overtaken by another question to the desk.
            return
        await self.look_ahead()
        if word.member is None:
            self.timeline.record("case.queued", about=word.reason, instant=word.look_again)
            leads = self.foreseen.leads
            self._mail("case_queued", leads, Purpose.NOTICE, "Tell the lead that nobody can take it", word=word)
            if self.status.severity == 1 and self.foreseen.around_the_clock:
                self._page_leads(word.turn)
            return
        self.status = support_case.owned(self.status, word.member, workflow.now())
        self.stale, self.wanted, self.avoid = True, None, ()
        self.timeline.record("case.assigned", who=word.member, about=word.reason)
        self._mail("case_assigned", (word.member,), Purpose.NOTICE, "Tell the owner", word=word)
        if word.paged:
            self.beside(self._page(word.member, word.turn))
        if not self.status.context_asked and self.foreseen.tam is not None:
            self.status = self.status.model_copy(update={"context_asked": True})
            self._mail("case_context", (self.foreseen.tam,), Purpose.NOTICE, "Ask for context")

    async def see_to_an_owner(self) -> None:
        """Ask the desk for somebody, and again whenever whoever has it cannot go on."""
        await self.look_ahead()
        owner, away = self.status.owner, self.foreseen.owner_away
        if owner is not None and away is not None:
            self.timeline.record("case.owner_away", who=owner, about=away)
            self.status, self.avoid = support_case.without_owner(self.status), (owner,)
            self.stale = True
        waits = self.asks_again_at is not None and self.asks_again_at > workflow.now()
        if self.status.owner is not None or self.asked_turn == self.status.turn or waits:
            return
        case = QueuedCase(
            ref=self.ref,
            account=self.account,
            area=self.status.area,
            severity=self.status.severity,
            turn=self.status.turn,
            since=workflow.now(),
            wanted=self.wanted,
            avoid=self.avoid,
            known_by=None if self.status.known_by in self.avoid else self.status.known_by,
        )
        if await self._to_desk("need", case):
            self.asked_turn, self.asks_again_at = case.turn, None
        else:
            if not self.desk_was_silent:
                self.timeline.record("case.desk_silent", about=self.start.desk)
            self.desk_was_silent, self.asks_again_at = True, workflow.now() + DESK_AGAIN

    async def see_to_the_promise(self) -> None:
        """Remind the owner, draft a word for the customer, say when a promise is broken, or the customer silent."""
        await self.look_ahead()
        now, seen, status = workflow.now(), self.foreseen, self.status
        owner = (status.owner,) if status.owner is not None else ()
        if seen.due is None:
            if seen.follow_up is not None and seen.follow_up <= now:
                self.status, self.stale = status.model_copy(update={"silence_told": now}), True
                self.timeline.record("case.customer_silent", who=status.owner)
                self._mail("case_silent", owner or seen.leads, Purpose.NOTICE, "The customer does not answer")
            return
        if not status.breached and seen.due <= now:
            done = {"breached": True, "drafted": True, "reminded": True, "breaches": status.breaches + 1}
            self.status = status.model_copy(update=done)
            self.timeline.record("case.breached", who=status.owner, about=self._promise(), instant=seen.due)
            both = tuple(dict.fromkeys((*owner, *seen.leads)))
            self._mail("case_breach", both, Purpose.NOTICE, "The promise is broken")
        elif not status.drafted and seen.draft_at is not None and seen.draft_at <= now:
            self.status = status.model_copy(update={"drafted": True, "reminded": True})
            if owner:
                to = (self.start.contact,)
                self._mail("case_update", to, Purpose.UPDATE, "Draft a word for the customer", review="approve")
                self._mail("case_late", owner, Purpose.NOTICE, "Tell the owner of the draft")
        elif not status.reminded and seen.remind_at is not None and seen.remind_at <= now:
            self.status = status.model_copy(update={"reminded": True})
            self.timeline.record("case.reminded", who=status.owner, instant=seen.due)
            self._mail("case_due", owner or seen.leads, Purpose.NOTICE, "Remind the owner")

    async def send_what_was_approved(self) -> None:
        """A drafted word that its owner lets go keeps the promise."""
        if not self.messages.has_releases:
            return
        if self.messages.may_go(Purpose.UPDATE):
            self.status, self.stale = support_case.heard(self.status, workflow.now()), True
        await self.messages.carry_out_releases()

    async def ask_for_engineering(self, act: CaseAct) -> None:
        """Severity 1 goes to them at once; the rest waits until its team is free."""
        status = self.status
        self.escalation = Escalation(
            ref=self.ref,
            number=status.escalations,
            team=act.team or "engineering",
            severity=status.severity,
            since=workflow.now(),
            granted=status.severity == 1,
        )
        self.engineering = "waits until they are free"
        await self._to_desk("escalate", self.escalation)
        self.beside(self._through_engineering(self.escalation, act))

    async def wait(self) -> None:
        """Tell how it stands, and wait for anything new or the next instant."""
        await self.look_ahead()
        await self.write_down()
        self.alarm.set(self._next(), "The promise, the owner's absence, or the desk")
        await workflow.wait_condition(self._is_new)
        self.stale = self.stale or self.alarm.rings
        self.changed = False

    async def is_really_over(self) -> bool:
        """Say so everywhere, and let the last mails go; whoever comes back meanwhile finds it open."""
        if not self.desk_told_over:
            self.desk_told_over = True
            await self._to_desk("hear", CaseWord(ref=self.ref, over=True))
        await self.messages.drop_drafts("the case is over")
        for task in list(self.todos):
            # Nobody is interrupted any longer for what is over.
            await control(task, ControlKind.CLOSE)
        await self.write_down()
        if await self.all_over(goes_on=lambda: bool(self.acts)):
            return True
        self.desk_told_over = self.status.state.is_over
        return False

    # Handlers: these record, and `run` acts

    def _judge(self, act: CaseAct) -> str | None:
        return support_case.judge(act, self.status, self.ref, escalated=self.escalation is not None)

    @workflow.update(name="act", description="Do something to the case")
    @takes(_judge)
    def act_on(self, act: CaseAct) -> str:
        """An answer, a note, a hand-off: whatever one command does."""
        now, before = workflow.now(), self.status
        self.status = support_case.apply(act, before, now)
        if act.kind in (ActKind.ASSIGN, ActKind.HAND_OFF):
            self.wanted = act.member
            self.avoid = (before.owner,) if act.kind is ActKind.HAND_OFF and before.owner is not None else ()
        if before.state.is_over and not self.status.state.is_over:
            # The desk has forgotten it.
            self.status = support_case.without_owner(self.status)
        if act.kind in _TOLD:
            self.timeline.record(_TOLD[act.kind], who=act.by, submission=act.submission, about=act.other)
        about = f"{act.other}: {act.outcome}" if act.outcome is not None else act.other or act.member
        self._log(act.kind, act.by, act.submission if act.has_words else None, about)
        self.acts.append(act)
        self.stale = True
        return self.status.state

    act_on.validator(checks(_judge))

    @property
    def sees_to_mails(self) -> tuple[str, ...]:
        """Who is asked about mails that cannot be written: its owner; while nobody has it, those who lead the desk."""
        return (self.status.owner or f"role:{Role.SUPPORT_LEAD}",)

    @workflow.signal(name="assigned", description="Who has it from now on, or why nobody")
    def assigned(self, word: Assigned) -> None:
        """Take who has it from now on, or that nobody can, as the desk says."""
        self.answers.append(word)
        self.changed = True

    @workflow.signal(name="engineering_free", description="Engineering can take it")
    def engineering_free(self, escalation: Escalation) -> None:
        """Let the escalation begin that the desk says engineering is free for."""
        if self.escalation is not None and escalation.number == self.escalation.number:
            self.escalation = self.escalation.model_copy(update={"granted": True})
            self.changed = True

    @workflow.signal(name="people_changed", description="Somebody came, left, or is away")
    def people_changed(self) -> None:
        """Look again whether its owner is there, and whether there is a desk."""
        self.stale = self.changed = True
        self.asks_again_at = None

    @workflow.query(name="view", description="The case as it stands")
    def view(self) -> CaseView:
        """Show the case as it stands."""
        return CaseView(
            ref=self.ref,
            account=self.account,
            status=self.status,
            due=self.foreseen.due,
            waiting_for=self._waits_for(),
            escalation=self.engineering,
            drafts=tuple(self.messages.drafts),
        )

    # How it is done

    def _log(self, kind: str, by: str | None, submission: str | None, about: str | None = None) -> None:
        self.status = self.status.model_copy(update={"log": self._lines.take()})
        self.log.append(
            LogLine(number=self.status.log, kind=kind, at=workflow.now(), by=by, submission=submission, about=about)
        )

    async def look_ahead(self) -> None:
        """Ask when the promise falls due and whether the owner is there, if that may have changed."""
        while self.stale:
            self.stale = False
            question = Outlook(
                account=self.account,
                clock=self.status.clock,
                severity=self.status.severity,
                owner=self.status.owner,
                silence_told=self.status.silence_told,
                now=workflow.now(),
            )
            self.foreseen = await done(Support.outlook, question, "When is what due, and who is there?", PLANNING)
            self.status = self.status.model_copy(update={"follow_up": self.foreseen.follow_up})

    async def _through_engineering(self, escalation: Escalation, act: CaseAct) -> None:
        """Wait for their turn, put the dossier to them, and bring their answer to the owner."""
        await workflow.wait_condition(lambda: self._has_its_turn(escalation.number))
        result = None
        if not self.status.state.is_over:
            self.engineering = "has it"
            self.stale = self.changed = True
            result = await ask_engineering(
                self, self.ref, escalation.number, self.status.area, self.status.owner or act.by, act.submission
            )
        self.escalation = self.engineering = None
        self.changed = True
        if result is None or result.outcome == WITHDRAWN:
            return
        self.timeline.record(
            "case.engineering_answered", who=result.by, submission=result.submission, about=result.outcome
        )
        self._log("engineering", result.by, result.submission, result.outcome)
        to = (self.status.owner,) if self.status.owner is not None else self.foreseen.leads
        self._mail(
            "case_engineering",
            to,
            Purpose.NOTICE,
            "Bring engineering's answer to the owner",
            said=result.submission,
            by=result.by,
            kind=result.outcome,
        )
        over = escalation.model_copy(update={"over": True})
        await self._to_desk("escalate", over)

    def _has_its_turn(self, number: int) -> bool:
        mine = self.escalation
        return mine is None or mine.number != number or mine.granted or self.status.state.is_over

    async def _page(self, member: str, turn: int) -> None:
        """Page whoever is on call. Where that is refused three times, the lead is told at once, by mail and page."""
        order = self._page_order(member, turn)
        paged = await self._has_paged(order)
        if not paged:
            self._tell_paging("case.unpaged", member)
            leads = self.foreseen.leads
            self._mail("case_unpaged", leads, Purpose.NOTICE, "Tell the lead that the page was refused", by=member)
            self._page_leads(turn)
            paged = await self._has_paged(order.model_copy(update={"attempts": PAGE_ON}))
        if paged:
            self._tell_paging("case.paged", member)

    def _page_order(self, member: str, turn: int) -> PageOrder:
        return PageOrder(
            ref=self.ref,
            account=self.account,
            severity=self.status.severity,
            turn=turn,
            member=member,
            now=workflow.now(),
        )

    def _page_leads(self, turn: int) -> None:
        """Page those who lead support: nobody is to sleep through what was promised around the clock."""
        for lead in self.foreseen.leads:
            self.beside(self._page_lead(self._page_order(lead, turn).model_copy(update={"lead": True})))

    async def _page_lead(self, order: PageOrder) -> None:
        paged = await self._has_paged(order)
        self._tell_paging("case.lead_paged" if paged else "case.lead_unpaged", order.member)

    async def _has_paged(self, order: PageOrder) -> bool:
        return not isinstance(await attempted(Support.page, order, "Page whoever is on call", PAGING), Denied)

    def _tell_paging(self, kind: str, member: str) -> None:
        self.timeline.record(kind, who=member)
        self.changed = True

    async def _to_desk(self, name: str, word: QueuedCase | CaseWord | Escalation) -> bool:
        """Tell the desk; nothing is lost if it does not run: it is asked again, or asks nothing."""
        return await told(desk_id(self.start.desk), name, word)

    def _mail(
        self,
        email: str,
        to: tuple[str, ...],
        purpose: Purpose,
        summary: str,
        *,
        said: str | None = None,
        by: str | None = None,
        kind: str = "",
        act: CaseAct | None = None,
        word: Assigned | None = None,
        review: Review = "auto",
    ) -> None:
        """Write a mail; all that it says of the case is read when it is written."""
        if not to:
            return
        mailed = self.status.mailed | {email: self.status.mailed.get(email, 0) + 1}
        self.status = self.status.model_copy(update={"mailed": mailed})
        facts = CaseFacts(
            ref=self.ref,
            said=act.submission if act else said,
            by=act.by if act else by,
            kind=str(act.kind) if act else kind,
            promise=self._promise(),
            due=self.foreseen.due,
            reason=word.reason if word else self.foreseen.keeps_hours,
            other=act.other if act else None,
        )
        occasion = MessageRequest(
            account=self.account,
            contract=self.ref,
            step=self.ref,
            title=self.ref,
            workflow_id=workflow.info().workflow_id,
            attempt=self.status.runs,
            # By the act that it tells of: in whatever order a case that was reset hears of them, none is told twice.
            occurrence=number_of(facts.said) if facts.said is not None else mailed[email],
            purpose=purpose,
            email=email,
            to=to,
            review=review,
            now=workflow.now(),
            case=facts,
        )
        # What is to be projected first stands in SQL by the time the mail is written: it quotes the case as it is.
        self.beside(self._after_telling(occasion, summary, reviewed=review != "auto"))

    async def _after_telling(self, occasion: MessageRequest, summary: str, *, reviewed: bool) -> None:
        await self.write_down()
        self.messages.write(occasion, summary, reviewed=reviewed)

    def _promise(self) -> str:
        return self.status.clock.promise if self.status.clock is not None else ""

    def _waits_for(self) -> str | None:
        match self.status.state:
            case CaseState.QUEUED:
                return "somebody at the desk who can take it"
            case CaseState.WAITING:
                return "the customer"
            case CaseState.OPEN:
                return "the first answer" if self._promise() == "first_answer" else "the next word to the customer"
            case _:
                return None

    def _wait(self) -> Wait:
        state = self.status.state
        return Wait(
            on=support_case.waits_on(state),
            what=self._waits_for(),
            unblock=support_case.way_on(state, self.ref),
            deadline=self.foreseen.due or self.foreseen.follow_up,
        )

    def _next(self) -> datetime | None:
        """The next instant at which something is to be done."""
        status, seen = self.status, self.foreseen
        instants = [self.asks_again_at, seen.away_from, seen.follow_up]
        if seen.due is not None:
            instants += [
                None if status.reminded else seen.remind_at,
                None if status.drafted else seen.draft_at,
                None if status.breached else seen.due,
            ]
        return min((at for at in instants if at is not None), default=None)

    def _is_new(self) -> bool:
        return self.changed or self.stale or bool(self.acts or self.answers) or self.alarm.rings

    def _gather(self, number: int) -> CaseProjection | None:
        """How it stands by now, what was done to it, and what has happened."""
        self.timeline.turn_to(self._wait())
        entries, log, self.log = self.timeline.take_entries(), tuple(self.log), []
        self.status = self.status.model_copy(update={"written": self.timeline.written})
        projection = CaseProjection(
            ref=self.ref,
            account=self.account,
            number=self.status.projected,
            status=self.status,
            due=self.foreseen.due,
            escalation=self.engineering,
            waiting_for=self._waits_for(),
            now=workflow.now(),
        )
        known = self.told_to_sql
        if known is not None and not entries and not log and self._as_told(projection) == self._as_told(known):
            return None
        self.status = self.status.model_copy(update={"projected": number})
        self.told_to_sql = projection.model_copy(update={"number": number, "status": self.status})
        return self.told_to_sql.model_copy(update={"entries": entries, "log": log})

    @staticmethod
    def _as_told(projection: CaseProjection) -> CaseProjection:
        """What of it is worth telling: no instant, and no count."""
        status = projection.status.model_copy(update={"written": 0, "projected": 0, "mailed": {}})
        return projection.model_copy(update={"now": None, "number": 0, "status": status})

    def _may_turn_over(self) -> bool:
        """Whether the history is long enough, and nothing is under way that a new run would not know of."""
        return (
            self._is_long()
            and not self.is_busy
            and not self.has_news
            and self.escalation is None
            and not (self.acts or self.answers or self.log or self.messages.drafts or self.messages.scheduled)
            and self.status.owner is not None
        )

    def _is_long(self) -> bool:
        info, limit = workflow.info(), self.start.turnover
        return info.is_continue_as_new_suggested() or (limit is not None and info.get_current_history_length() >= limit)

    async def turn_over(self) -> None:
        """Go on in a new run, before the history gets long."""
        await self.write_down()
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._may_turn_over():
            left = {"status": self.status, "reopened": None, "receipts": self.words.receipts}
            workflow.continue_as_new(self.start.model_copy(update=left))
