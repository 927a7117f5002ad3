"""A question put to people: asked, followed up in their working hours, decided once, or ended by its time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.task import Ladder, Reseating, Resuming, Seating, Tasks
    from rapport.model.commands import deciding, in_name, read_by
    from rapport.model.ids import email_of
    from rapport.model.message import MessageRequest, Purpose, Release, TaskAnswer, TaskFacts
    from rapport.model.operation import Control
    from rapport.model.projection import Wait
    from rapport.model.task import (
        NO_EMAIL,
        NOBODY_TO_ASK,
        NOT_REQUESTED,
        WITHDRAWN,
        Decision,
        EscalationStep,
        TaskHolder,
        TaskPhase,
        TaskProjection,
        TaskQuestion,
        TaskRequest,
        TaskResult,
        TaskStart,
        TaskView,
    )
    from rapport.model.workflows import HUMAN_TASK
    from rapport.rules import details, task
    from rapport.rules.claims import TASK_CLOSED
    from rapport.rules.outcome_words import in_words

from workflows.assignees import Assignees
from workflows.base import AccountWorkflow
from workflows.options import PLANNING
from workflows.outcomes import done
from workflows.projection import Projector
from workflows.timeline import Timeline
from workflows.waiting import Alarm
from workflows.words import checks, takes

_TO_CUSTOMERS: Final = {
    "task_opened": "sign_off_opened",
    "task_reminder": "sign_off_reminder",
    "task_manager": "sign_off_silent",
}
UNTOLD: Final = ""
"""The request of a task that nobody was told of yet: not even that it has none."""

_TO_WRITERS: Final = ("task_request", "task_reminder")


@workflow.defn(name=HUMAN_TASK.name)
class HumanTask(AccountWorkflow):
    """One question to people, from its asking to its outcome."""

    refusals: ClassVar = {Decision: "decision.refused"}

    @workflow.init
    def __init__(self, start: TaskStart) -> None:
        """Nobody is asked yet."""
        super().__init__(start.account)
        self.start = start
        self.definition = start.definition
        self.phase = TaskPhase.PREPARING
        self.round = 1
        self.requester = start.requester
        self.asked_before = start.asked_before
        self.asked_of: str | None = None
        self.request_said: str | None = None
        self.told_request: str | None = UNTOLD
        self.asked: TaskQuestion | None = None
        self.answered: str | None = None
        self.changes: str | None = None
        self.assignees: Assignees | None = None
        self.deciding: Assignees | None = None
        self.decisions: tuple[Decision, ...] = ()
        self.settled: Decision | None = None
        self.edited = False
        self.outcome: str | None = None
        self.ended_at: datetime | None = None
        self.people_moved = False
        self.written_holders: tuple[TaskHolder, ...] = ()
        self.turned_away: list[tuple[str, str]] = []
        self.opened = workflow.now()
        self.mails: Counter[str] = Counter()
        self.timeline = Timeline(start.account, start.contract, start.on_record)
        self.projector = Projector(Tasks.project, self._gather, lambda: details.task(self.view()))
        self.alarm = Alarm()

    @workflow.run
    async def run(self, start: TaskStart) -> TaskResult:  # noqa: ARG002 - taken by __init__
        """Ask until there is an outcome: a decision, or that nobody decided in time."""
        if self.start.request is not None:
            self.request_said = self.start.request
        elif self.definition.asks:
            await self.wait_for_the_request()
        while self.outcome is None:
            deciding = self.deciding = await self.put_the_question()
            await self.hear_those_who_decide(deciding)
        return await self.close()

    # The story

    async def wait_for_the_request(self) -> None:
        """Someone has to say first what is asked for, and why; or that it is not needed."""
        asking = await self._ask((self.start.asker,), self._writing, self.start.deadline, None)
        self.timeline.record("task.prepared")
        self._write("task_request", asking.holders(), "Ask what is asked for")
        if not await self._follow(asking, lambda: self.request_said is not None or self.outcome is not None):
            self._end(NOT_REQUESTED)

    async def put_the_question(self) -> Assignees:
        """Ask everyone who decides; what was decided about an earlier version is void."""
        self.edited = False
        ladder: Ladder = "customers" if self.definition.is_put_to_customers else self.definition.task
        if ladder == "approval" and self.start.deadline is not None:
            ladder = "dated"
        deciding = await self._ask(
            self.definition.assign,
            ladder,
            self.start.deadline,
            self.requester,
            asked_before=self.asked_before,
            entitled=self.definition.entitled,
        )
        self.phase = TaskPhase.OPEN
        self._tell_request()
        for seat in deciding.unheld if self.definition.entitled else ():
            self.timeline.record("task.unheld", about=seat.removeprefix("role:"))
        self._write("task_opened", deciding.holders(), "Put the question")
        return deciding

    async def hear_those_who_decide(self, deciding: Assignees) -> None:
        """Wait for decisions and follow up silence, until it is decided, changed, or out of time."""
        while self.outcome is None and not self.edited:
            if self.phase is TaskPhase.NEEDS_INFO:
                await self.get_what_is_missing(deciding)
            elif self.phase is TaskPhase.PREPARING:
                await self.get_it_changed()
            elif not await self._follow(deciding, self._is_interrupted):
                self._end(self._counted(deciding) or self.definition.on_timeout)

    async def get_what_is_missing(self, deciding: Assignees) -> None:
        """Follow up whoever has to answer, not those who wait for it; then go on with what time was left."""
        since = workflow.now()
        assign = (self.requester,) if self.requester else ("tam",)
        answering = await self._ask(assign, "answers", None, None)
        self._write("task_question", answering.holders(), "Ask for what is missing")
        answered = await self._follow(answering, lambda: self.phase is not TaskPhase.NEEDS_INFO or self._is_over())
        if not answered:
            self.timeline.record("task.unanswered")
        if self._is_over() or self.edited:
            return
        self.phase, self.assignees = TaskPhase.OPEN, deciding
        await self._go_on_with(deciding, since, fixed=self.start.deadline is not None)
        self.people_moved = True
        self._write("task_answered", deciding.holders(), "Tell those who decide what was answered")

    async def get_it_changed(self) -> None:
        """Those who decide want it otherwise: whoever asked says it anew, and that is a new round."""
        assign = (self.requester,) if self.requester else ("tam",)
        writing = await self._ask(assign, self._writing, self.start.deadline, None)
        self._write("task_request", writing.holders(), "Say what is to be changed")
        if not await self._follow(writing, lambda: self.edited or self._is_over()):
            self._end(self.definition.on_timeout)

    async def close(self) -> TaskResult:
        """Tell the one who asked, and leave nothing behind."""
        assert self.outcome is not None
        assert self.ended_at is not None
        self.phase = TaskPhase.CLOSED
        last = self.decisions[-1] if self.decisions else None
        if self.settled is not None and not self.definition.is_put_to_customers:
            self._tell_that_it_is_settled(self.settled.by)
        elif self.requester is not None and self.outcome != NOT_REQUESTED:
            self._write("task_outcome", (self.requester,), "Tell the one who asked", asked_of=self.asked_of)
        await self.write_down()
        await workflow.wait_condition(workflow.all_handlers_finished)
        result = TaskResult(
            outcome=self.outcome,
            by=last.by if last else None,
            submission=last.submission if last else None,
            at=self.ended_at,
            request=self.request_said,
            decisions=self.decisions,
            seats=tuple(seat.id for seat in self.deciding.seats) if self.deciding else (),
            unheld=self.deciding.unheld if self.deciding else (),
            votes=task.votes(self.deciding.seats, self.decisions) if self.deciding else {},
            filled=task.filled(self.deciding.seats, self.decisions) if self.deciding else {},
        )
        await self.all_over(result)
        return result

    # Decisions: these record, and `run` acts

    def _judge(self, decision: Decision) -> str | None:
        return task.judge(
            decision,
            # What ends the task counts at once, also for a decision that comes before `run` has closed it.
            phase=TaskPhase.CLOSED if self._takes_no_more else self.phase,
            round_=self.round,
            options=self.definition.options,
            seats=self.deciding.seats if self.deciding else (),
            requester=self.requester,
            asked_before=self.asked_before,
            reason_given=decision.reasoned,
            outcome=self.outcome,
            closed_text=self._closed_text(),
        )

    @workflow.update(name="decide", description="Choose one of the options")
    @takes(_judge)
    def decide(self, decision: Decision) -> str:
        """One person's word; a later one replaces it for as long as the task is open."""
        self.decisions = (*(known for known in self.decisions if known.by != decision.by), decision)
        self.timeline.record("decision.made", who=decision.by, submission=decision.submission, about=decision.option)
        assert self.deciding is not None
        outcome = self._counted(self.deciding, hear_all=self.definition.hear_all)
        if outcome is not None and self.definition.returns(outcome):
            self.phase, self.changes = TaskPhase.PREPARING, decision.submission
            self.timeline.record("task.returned", who=decision.by)
        elif outcome is not None:
            self._end(outcome)
        return outcome or "counted"

    decide.validator(checks(_judge))

    def _judge_request(self, request: TaskRequest) -> str | None:  # noqa: ARG002 - whatever is asked for
        return self._closed_text() if self._takes_no_more else None

    @workflow.update(name="request", description="Say what is asked for, change it, or do without")
    @takes(_judge_request)
    def request(self, request: TaskRequest) -> str:
        """What is asked for; a change makes a new round, in which everyone decides anew."""
        if request.declined:
            self.timeline.record("task.declined", who=request.by, submission=request.id)
            self._end(NOT_REQUESTED)
            return NOT_REQUESTED
        if self.phase is not TaskPhase.PREPARING or self.request_said is not None:
            self._tell_request()
            self.round += 1
            self.decisions = ()
            self.edited = True
            self.phase = TaskPhase.OPEN
            self.asked = self.answered = None
        asked = (seat.owner for seat in (self.assignees.seats if self.assignees else ()) if seat.of_tam)
        self.asked_of = next(asked, self.asked_of)
        if self.requester is not None and self.requester not in (request.by, *self.asked_before):
            self.asked_before = (*self.asked_before, self.requester)
        self.requester, self.request_said = request.by, request.id
        return "asked"

    request.validator(checks(_judge_request))

    def _judge_question(self, question: TaskQuestion) -> str | None:
        if self._takes_no_more:
            return self._closed_text()
        if self.phase is not TaskPhase.OPEN:
            return "a question is open already; wait for its answer"
        if question.round != self.round:
            return "the request was changed; use the latest mail"
        if self.deciding is None or question.by not in self.deciding.holders():
            return "you are not asked to decide this"
        return None

    @workflow.update(name="ask", description="Say that information is missing")
    @takes(_judge_question)
    def ask(self, question: TaskQuestion) -> str:
        """Someone who decides asks the one who asked them; reminders stop until there is an answer."""
        self.phase, self.asked, self.answered = TaskPhase.NEEDS_INFO, question, None
        self.timeline.record("task.info_asked", who=question.by, submission=question.id)
        return "asked"

    ask.validator(checks(_judge_question))

    def _judge_answer(self, answer: TaskQuestion) -> str | None:
        if self._takes_no_more:
            return self._closed_text()
        if self.phase is not TaskPhase.NEEDS_INFO:
            return "no question is open"
        # Until it is known who answers, only the one who asked for it does.
        asked = (self.requester, *(one.member for one in self._holders()))
        return None if answer.by in asked else "the question isn't put to you"

    @workflow.update(name="answer", description="Give the information that is missing")
    @takes(_judge_answer)
    def answer(self, answer: TaskQuestion) -> str:
        """What was missing; reminders start again."""
        self.phase, self.answered = TaskPhase.OPEN, answer.id
        self.timeline.record("task.info_given", who=answer.by, submission=answer.id)
        return "answered"

    answer.validator(checks(_judge_answer))

    def turn_away(self, word: Any, reason: str) -> None:
        """Tell that a word does not count, on the timeline and by mail to whoever said it."""
        super().turn_away(word, reason)
        if not isinstance(word, Release):
            self.turned_away.append((word.by, reason))

    @workflow.signal(name="people_changed", description="Somebody came, left, stands in or took over")
    def people_changed(self) -> None:
        """Look again who can decide."""
        self.people_moved = self.changed = True

    @workflow.signal(name="fulfil", description="What the to-do was for is done")
    def fulfil(self) -> None:
        """Close a to-do by its first option: what it was for has come about without a decision here."""
        if not self._is_over():
            self._end(self.definition.options[0].id)

    @workflow.query(name="view", description="The task as it stands")
    def view(self) -> TaskView:
        """Show the task as it stands."""
        return TaskView(
            account=self.account,
            step=self.start.step,
            title=self.start.title,
            question=self.definition.question,
            phase=self.phase,
            round=self.round,
            seats=self.assignees.seats if self.assignees else (),
            decisions=self.decisions,
            requester=self.requester,
            request=self.request_said,
            asked=self.asked.id if self.asked else None,
            deadline=self.timeline.wait.deadline,
            outcome=self.outcome,
            waiting_for=self.timeline.wait.what,
            waiting_on=self.timeline.wait.on,
            unblock=self.timeline.wait.unblock,
        )

    # How it is done

    def _tell_that_it_is_settled(self, by: str) -> None:
        """Tell the one who asked, and all who were, that nobody has to decide; whoever settled it knows."""
        asked = self.deciding or self.assignees
        concerned = dict.fromkeys((self.requester, *(asked.holders() if asked is not None else ())))
        to = tuple(one for one in concerned if one is not None and one != by)
        self._write("task_outcome", to, "Tell everyone that it is settled")

    def _tell_request(self) -> None:
        """Tell what is asked for, once, even where it is changed before anybody was asked."""
        if self.told_request != self.request_said:
            self.told_request = self.request_said
            kind = "task.opened" if self.round == 1 else "task.changed"
            self.timeline.record(kind, who=self.requester, submission=self.request_said)

    def _counted(self, deciding: Assignees, *, hear_all: bool = False) -> str | None:
        """What the decisions add up to, if they do."""
        return task.outcome(
            self.definition.quorum,
            self.definition.options,
            deciding.seats,
            self.decisions,
            self.definition.fallback,
            hear_all=hear_all,
        )

    def _end(self, outcome: str) -> None:
        self.outcome, self.changed = outcome, True
        self.ended_at = self.timeline.present()
        self.timeline.record("task.closed", about=NOBODY_TO_ASK if self._asks_nobody(outcome) else outcome)

    def _asks_nobody(self, outcome: str) -> bool:
        """Whether it is no silence that ends it: there was nobody who could have been asked."""
        if outcome != self.definition.on_timeout or self.decisions or self.deciding is None:
            return False
        return not self.deciding.holders()

    def _settle(self, word: Control | None) -> None:
        """End it without a decision: as a member has said that it is settled, or as it is not needed any more."""
        if word is None or word.by is None or word.submission is None or word.outcome is None:
            self._end(WITHDRAWN)
            return
        self.settled = Decision(
            id=word.submission,
            round=self.round,
            option=word.outcome,
            by=word.by,
            submission=word.submission,
            at=workflow.now(),
            reasoned=True,
        )
        self._end(word.outcome)

    @property
    def _answers(self) -> tuple[Decision, ...]:
        """What was decided, and whoever settled it otherwise."""
        return self.decisions if self.settled is None else (*self.decisions, self.settled)

    def _is_over(self) -> bool:
        return self.outcome is not None

    @property
    def _takes_no_more(self) -> bool:
        """Whether no word counts any more: also one that comes in the moment in which it is taken back."""
        return self._is_over() or self.closing

    def _is_interrupted(self) -> bool:
        return self._is_over() or self.edited or self.phase is not TaskPhase.OPEN

    @property
    def _writing(self) -> Ladder:
        """The ladder of whoever says what is asked for: by its date; what a customer signs off takes days to write."""
        if self.start.deadline is not None:
            return "dated_drafting"
        customers = self.definition.is_put_to_customers or self.start.review is not None
        return "drafting" if customers else "preparation"

    def _closed_text(self) -> str:
        if self.settled is not None:
            return f"already settled: {in_words(self.settled.option)}"
        outcome = self.outcome or WITHDRAWN
        return f"already decided: {outcome}" if self.decisions else f"closed without a decision: {outcome}"

    async def _ask(
        self,
        assign: tuple[str, ...],
        ladder: Ladder,
        deadline: datetime | None,
        requester: str | None,
        *,
        asked_before: tuple[str, ...] = (),
        entitled: bool = False,
    ) -> Assignees:
        """Find those who are to be asked now."""
        question = Seating(
            account=self.account,
            assign=assign,
            rule=ladder,
            requester=requester,
            deadline=deadline,
            now=workflow.now(),
            asked_before=asked_before,
            entitled=entitled,
        )
        seated = await done(Tasks.seat, question, "Who is asked, and when are they reminded?", PLANNING)
        self.assignees = assignees = Assignees(ladder, requester, seated, asked_before=asked_before, entitled=entitled)
        return assignees

    async def _follow(self, assignees: Assignees, settled: Callable[[], bool]) -> bool:
        """Wait until something is settled, and climb the ladder meanwhile.

        Returns:
            Whether it was settled; if not, time has run out, or nobody is left to be asked.
        """
        await self.words.all_known()
        while not settled():
            self._tell_the_refused()
            if self.closing:
                self._settle(self.closed_by)
            elif self.people_moved or (assignees.next_change is not None and assignees.next_change <= workflow.now()):
                self.people_moved = False
                await self._reseat(assignees)
            elif assignees.entitled and assignees.is_left_alone(self._decided(assignees)):
                return False
            elif (rung := assignees.due(workflow.now())) is not None:
                if rung.kind == "timeout":
                    return False
                await self._climb(assignees, rung)
            elif not assignees.rungs:
                return False
            else:
                await self._news(assignees)
            await self.words.all_known()
        return True

    async def _climb(self, assignees: Assignees, rung: EscalationStep) -> None:
        """Remind, add a backup or tell the manager, for a seat that is still silent."""
        if rung.seat in self._decided(assignees):
            return
        # Whoever came or went while Temporal was away told nobody; no reminder goes to the wrong person for that.
        before = assignees.holders(rung.seat)
        await self._reseat(assignees, backup=rung.seat if rung.kind == "backup" else None)
        if assignees.holders(rung.seat) != before or (rung.kind == "remind" and not before):
            return
        if rung.kind == "remind":
            self.timeline.record("task.reminded", about=rung.seat)
            self._write("task_reminder", assignees.holders(rung.seat), "Remind those who are silent")
        elif rung.kind == "manager" and (manager := assignees.managers.get(rung.seat or "")) is not None:
            self.timeline.record("task.manager_told", who=manager, about=rung.seat)
            self._write("task_manager", (manager,), "Tell the manager")

    async def _reseat(self, assignees: Assignees, backup: str | None = None) -> None:
        """Look again who holds the seats; whoever gets one newly is asked."""
        question = Reseating(
            account=self.account,
            rule=assignees.ladder,
            requester=assignees.requester,
            seats=assignees.seats,
            decided=tuple(self._decided(assignees)),
            deadline=assignees.deadline,
            now=workflow.now(),
            backup=backup,
            asked_before=assignees.asked_before,
            entitled=assignees.entitled,
        )
        seated = await done(Tasks.reseat, question, "Who is asked now?", PLANNING)
        new = assignees.reseat(seated)
        for member in new:
            self.timeline.record("task.backup_added" if backup else "task.moved", who=member)
        if new:
            self._write(self._mail_for_new(), new, "Ask those to whom it has come")

    def _tell_the_refused(self) -> None:
        """Write to those whose decision was left at the door and did not count."""
        refused_, self.turned_away = self.turned_away, []
        for member, reason in refused_:
            self._write("task_refused", (member,), "Say why a decision did not count", refusal=reason)

    def _mail_for_new(self) -> str:
        return {TaskPhase.PREPARING: "task_request", TaskPhase.NEEDS_INFO: "task_question"}.get(
            self.phase, "task_opened"
        )

    def _decided(self, assignees: Assignees) -> dict[str, str]:
        return task.votes(assignees.seats, self.decisions) if assignees is self.deciding else {}

    def _write(
        self,
        email: str,
        to: tuple[str, ...],
        summary: str,
        *,
        refusal: str | None = None,
        asked_of: str | None = None,
    ) -> None:
        if not to:
            return
        if self.assignees is not None:
            drafting = "sign_off_changes" if self.changes is not None else "sign_off_draft"
            own = {"customers": _TO_CUSTOMERS, "drafting": dict.fromkeys(_TO_WRITERS, drafting)}
            writes = self.assignees.ladder in ("drafting", "dated_drafting") and email in _TO_WRITERS
            named = self.start.mails.get("task_request" if writes else email)
            email = own.get(self.assignees.ladder, {}).get(email, email) if named is None else named
        if email == NO_EMAIL:
            return
        self.mails[email] += 1
        holders = [holder for seat in (self.assignees.seats if self.assignees else ()) for holder in seat.holders]
        occasion = MessageRequest(
            account=self.account,
            contract=self.start.contract,
            step=self.start.step,
            title=self.start.title,
            workflow_id=workflow.info().workflow_id,
            attempt=self.start.attempt,
            occurrence=self.mails[email],
            round=self.round,
            purpose=Purpose.TASK,
            email=email,
            to=to,
            asked_of=asked_of,
            now=workflow.now(),
            tech_review=self.start.review,
            task=TaskFacts(
                kind=self.definition.task,
                question=self.definition.question,
                options=tuple((option.id, option.title) for option in self.definition.options),
                changes=self.changes,
                asks=self.definition.asks,
                request=self.request_said,
                asked=self.asked.id if self.asked else None,
                asked_by=self.asked.by if self.asked else self._wants_changes(),
                about=self.start.about,
                finds_out=self.definition.finds_out,
                deciders=self.deciding.holders() if self.deciding else (),
                answered=self.answered,
                requester=self.requester,
                deadline=self._deadline(),
                outcome=self.outcome,
                refusal=refusal,
                answers=tuple(TaskAnswer.made_of(one) for one in self._answers) if self._is_over() else (),
                quorum=self.definition.quorum,
                needs={option.id: option.needs for option in self.definition.options if option.needs},
                in_place_of={
                    holder.member: holder.on_behalf_of for holder in holders if holder.on_behalf_of is not None
                },
                helping=tuple(holder.member for holder in holders if holder.escalated),
            ),
        )
        self.messages.write(occasion, summary)

    def why_not(self, key: str) -> str | None:
        """A mail that asks for an answer makes no sense once none counts any more."""
        asking = [self.start.mails.get(one, one) for one in ("task_opened", "task_reminder")]
        return TASK_CLOSED if self._takes_no_more and email_of(key) in asking else None

    def _wants_changes(self) -> str | None:
        """Who sent it back, while it is being changed."""
        back = self.changes is not None and self.phase is TaskPhase.PREPARING and self.decisions
        return self.decisions[-1].by if back else None

    # What it waits for, and telling it

    def _deadline(self) -> datetime | None:
        """When those who are asked now are to have answered; nothing where nobody is."""
        return self.assignees.due_by if self.assignees else None

    def _what_for(self) -> Wait:
        id_ = workflow.info().workflow_id
        deadline, on = self._deadline(), (self.start.asks_as,)
        if self.phase is TaskPhase.PREPARING:
            words = " ".join(f"--say {name}=…" for name in self.definition.asks)
            who = f"the {self.start.asks_as.upper()}"
            if self.changes is not None:
                what = f"{who}, to change what was to be signed off"
            elif self.definition.is_put_to_customers:
                what = f"{who}, to write what is to be signed off"
            else:
                what = f"{who}, to say what is asked for, or that it is not needed"
            return Wait(on=on, what=what, unblock=in_name(f"rapport task request {id_} {words}"), deadline=deadline)
        if self.phase is TaskPhase.NEEDS_INFO:
            what = "the one who asked, to give what is missing"
            return Wait(on=on, what=what, unblock=in_name(f"rapport task answer {id_} --text …"), deadline=deadline)
        first = self.definition.options[0]
        unblock = deciding(id_, first.id, needs_reason=first.needs_reason)
        if self.definition.is_put_to_customers:
            # Whoever reads this decides it for a customer, never under a name of their own.
            unblock = read_by(unblock, "THEIR-ADDRESS")
        return Wait(
            on=details.roles(self.definition.assign),
            what=f"a decision: {self.definition.question}",
            unblock=self.start.unblock or unblock,
            deadline=deadline,
            round=self.round,
        )

    async def _news(self, assignees: Assignees) -> None:
        """Tell what is waited for, and wait: for anything new, or for the next instant."""
        self.changed = False
        await self.projector.write()
        instants = [rung.at for rung in assignees.rungs[:1]]
        instants += [assignees.next_change] if assignees.next_change is not None else []
        self.alarm.set(min(instants), "Follow up silence, or see who is there")
        await workflow.wait_condition(lambda: self.changed or self.alarm.rings)
        since = await self.while_paused(self._is_over)
        if since is not None and not self._is_over():
            await self._go_on_with(assignees, since, fixed=self.start.deadline is not None)

    async def _go_on_with(self, assignees: Assignees, since: datetime, *, fixed: bool) -> None:
        """Go on with the reminders and the deadline, with what time was left at an instant."""
        question = Resuming(
            account=self.account,
            seats=assignees.seats,
            rungs=tuple(assignees.rungs),
            paused_at=since,
            fixed=fixed,
            now=workflow.now(),
            due=assignees.due_by,
        )
        resumed = await done(Tasks.resume, question, "What time is left?", PLANNING)
        assignees.resume(resumed)

    async def write_down(self) -> None:
        """Write down what is new, and tell those whose word did not count: also while last mails wait for hours."""
        self._tell_the_refused()
        await super().write_down()

    def _gather(self, number: int) -> TaskProjection | None:  # noqa: ARG002 - whichever it is
        """How it stands by now, and what has happened."""
        turned, holders = self.timeline.turn_to(Wait() if self._is_over() else self._what_for()), self._holders()
        # Whoever leaves a seat makes no entry where nobody comes instead, and must not stand there as asked.
        if not turned and holders == self.written_holders:
            return None
        self.written_holders = holders
        return TaskProjection(
            id=workflow.info().workflow_id,
            account=self.account,
            contract=self.start.contract,
            subject=self.start.subject,
            step=self.start.step,
            title=self.start.title,
            definition=self.definition,
            phase=self.phase,
            round=self.round,
            requester=self.requester,
            request=self.request_said,
            asked=self.asked.id if self.asked else None,
            holders=holders,
            answers=self._answers,
            opened=self.opened,
            deadline=self.timeline.wait.deadline,
            outcome=self.outcome,
            unblock=self.timeline.wait.unblock,
            about=self.start.about,
            closed=self.ended_at if self.phase is TaskPhase.CLOSED else None,
            now=workflow.now(),
            news=self.timeline.page().model_copy(update={"wait": None}) if self.start.about else self.timeline.page(),
        )

    def _holders(self) -> tuple[TaskHolder, ...]:
        """Whom it waits for: those of silent seats, each once; then who else can decide, or change their mind."""
        found: dict[str, TaskHolder] = {}
        for assignees in (self.assignees, self.deciding):
            decided = self._decided(assignees) if assignees is not None else {}
            for seat in sorted(assignees.seats if assignees is not None else (), key=lambda seat: seat.id in decided):
                for holder in seat.holders:
                    found.setdefault(
                        holder.member,
                        TaskHolder.made_of(holder, awaited=assignees is self.assignees and seat.id not in decided),
                    )
        return tuple(found.values())
