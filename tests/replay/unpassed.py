"""The places of workflow code that no committed history passes, each with the reason.

What is not recorded yet is a debt: a scenario in tests/replay/record.py pays it.
"""

from __future__ import annotations

from typing import Final

ADOPT: Final = "a plan that is counted as before, and prepared otherwise; not recorded yet"
CALENDAR: Final = "only where a calendar cannot be read: the same question again, without it"
REAL: Final = (
    "the server that skips time tells no workflow that its child was terminated; tests/stack/test_failed_steps.py does"
)
NEW: Final = "only where somebody is new while mails wait to be read, or the venue is open; not recorded yet"
FAULT: Final = "only where an activity refuses what it never should, or was ended by hand"
RELAY: Final = "the catcher refuses no mail; tests/stack/test_undelivered.py has a relay that does"
RACE: Final = "only in the moment in which a child is being started"
OFFERED: Final = "only where people change while a review is open; not recorded yet"
SUCC: Final = "only where the TAM let the to-do for a successor pass; not recorded yet"
PAGER: Final = "no pager is configured; tests/workflows/test_desk.py has one"
AWAY: Final = "only where Temporal was away as it was opened; it begins as an email does, in the line above"
UNDER: Final = "only where it cannot be written, or its reader is not at work; tests/stack/test_undelivered.py"
WRITE: Final = "only where an email cannot be written; tests/stack/test_unwritten.py and the table of outcomes pass it"
ENDED: Final = "only where a workflow was ended by hand, which that server does not list; tests/stack/test_sweep.py"
BOOKED: Final = "only where a booked meeting was ended by hand; tests/stack/test_left_invitation.py"
UNSAID: Final = "only where everyone lets that to-do pass; not recorded yet"
RESET: Final = (
    "only where a workflow was reset, which that server does not do; tests/stack/test_reset.py, test_recalled.py"
)
LAST: Final = "only where a last email waits for the relay or the night; tests/workflows/test_ends.py"
BROKEN: Final = "only where this program is at fault; tests/workflows/test_beside.py"
AHEAD: Final = "only where a worker died in the middle of a task; tests/workflows/test_task.py"
LEFT: Final = "only where no worker takes a word in time; tests/workflows/test_last_words.py"
SLOW: Final = "only where something is new while the channel is being told; tests/workflows/test_channel.py"

UNPASSED: Final[dict[tuple[str, str, str], str]] = {
    (
        "cadence",
        "Cadence._redefine_review",
        "await self.plan_review(name, review.plan.number)",
    ): ADOPT,
    (
        "cadence",
        "Cadence._ask_about_ended",
        "await ask(given, id_ + again, given.title, is_over=is_done, todos=self.todos)",
    ): ENDED,
    ("cadence", "Cadence._ask_about_ended", "await soon(self.account)"): ENDED,
    ("cadence", "Cadence._have_it_seen_to", "await control(meeting, ControlKind.CLOSE)"): BOOKED,
    (
        "cadence",
        "Cadence._have_it_seen_to",
        "await have_decided(of, meeting, question, put, lambda: self.closing)",
    ): ENDED,
    ("cadence", "Cadence._have_it_seen_to", "await call_off(of, self.messages, self.timeline)"): BOOKED,
    (
        "cadence",
        "Cadence._have_it_seen_to.put",
        "await self._ask_about_ended(review, plan, template, is_done)",
    ): ENDED,
    ("cadence", "Cadence._seek", "await done(Planning.seek, question, summary, CALENDARS)"): CALENDAR,
    ("cadence", "Cadence.plan_ahead", "await told(id_, 'people_changed')"): OFFERED,
    ("children", "ChildWorkflows.run", "await told(id_, 'people_changed')"): RACE,
    ("channel", "Channel._have_told", "await told(id_, 'more_to_tell')"): SLOW,
    ("base", "WorkflowMessages._delivered", "await give_up(order, outcomes.reason)"): WRITE,
    (
        "base",
        "WorkflowMessages._written",
        "await is_tried_again(about, self._unwritten, asked=self._owner.sees_to_mails, is_over=lambda: "
        "self._owner.closing, todos=self._owner.todos)",
    ): WRITE,
    ("base", "AccountWorkflow.all_over", "await say_the_end(result)"): LAST,
    ("base", "AccountWorkflow.hear_later", "await self.words.hear_later(left)"): LEFT,
    (
        "failures",
        "Failures._follow_up.put",
        "await self.state.todo(template, name, None).put(is_done, deadline=await soon(account))",
    ): REAL,
    ("failures", "Failures._follow_up", "await have_decided(of, id_, question, put, is_over)"): REAL,
    ("failures", "Failures._take_back_all", "await self._take_back(of)"): REAL,
    ("failures", "Failures._take_back_all", "await call_off(of, self.state.messages, self.state.timeline)"): REAL,
    ("failures", "Failures._follow_up", "await self._take_back(of)"): REAL,
    ("failures", "Failures._follow_up", "await call_off(of, self.state.messages, self.state.timeline)"): REAL,
    ("failures", "Failures._follow_up", "await control(id_, ControlKind.CLOSE)"): BOOKED,
    (
        "onsite_approval",
        "OnsiteApproval.tell_of_failures",
        "await self._settle(name, Venue(onsite=False, open=True))",
    ): REAL,
    (
        "onsite_approval",
        "OnsiteApproval.tell_of_failures",
        "await self.tell(approval, step.outcome if step is not None else None)",
    ): REAL,
    ("steps", "Steps._decide_on", "await self._decided(name, result)"): REAL,
    ("steps", "Steps._decide_on", "await self.children.follow(name, HUMAN_TASK, id_, Known(id_))"): REAL,
    ("failures", "Failures._follow_up.put", "await soon(account)"): REAL,
    (
        "failures",
        "Failures._take_back",
        "await done(Messages.drop_left_behind, of, 'Take back what a failed step has left', RECORDS)",
    ): REAL,
    ("failures", "Failures._take_back", "await self.state.messages.drop_drafts(LEFT_BEHIND, of.step)"): REAL,
    ("failures", "Failures._take_back", "await control(id_, ControlKind.CLOSE)"): REAL,
    (
        "meeting",
        "Meeting._ask_newcomers",
        "await self._write_to_newcomers(self._welcome(), reviewed=self.step.review != 'auto')",
    ): NEW,
    (
        "meeting",
        "Meeting._book_if_still_free",
        "await done(Planning.confirm, question, 'Is nothing else booked then?', CALENDARS)",
    ): CALENDAR,
    ("meeting", "Meeting._find_times", "await done(Planning.propose, question, summary, CALENDARS)"): CALENDAR,
    ("outcomes", "_seen_through", "await workflow.wait_condition(fail)"): BROKEN,
    ("outcomes", "done", "await left_alone(summary)"): FAULT,
    ("outcomes", "in_the_end", "await left_alone(summary)"): FAULT,
    ("outcomes", "left_alone", "await workflow.sleep(TRY_AGAIN_AFTER, summary=f'Try again: {summary}')"): FAULT,
    ("outcomes", "say_the_end", "await told(info.parent.workflow_id, end_of(info.workflow_id), result)"): LAST,
    (
        "posting",
        "_follow_up",
        "await started(UNDELIVERED, start, undelivered_id(key), summary='Take care of an email')",
    ): RELAY,
    ("posting", "give_up", "await _follow_up(order.account, outcomes)"): WRITE,
    (
        "posting",
        "give_up",
        'await done(UndeliveredMails.settle, unwritten, "Write down that an email can\'t be written", RECORDS)',
    ): WRITE,
    ("posting", "insist", "await is_tried_again(occasion, numbers)"): WRITE,
    ("posting", "is_tried_again", "await ask(given, id_, given.title, is_over=is_over, todos=todos)"): WRITE,
    ("posting", "is_tried_again", "await left_alone(occasion.title)"): WRITE,
    ("posting", "is_tried_again", "await soon(occasion.account)"): WRITE,
    ("children", "ChildWorkflows.follow", "await control(id_, ControlKind.CLOSE)"): RACE,
    ("children", "ChildWorkflows.follow", "await control(id_, ControlKind.PAUSE)"): RACE,
    (
        "left_invitation",
        "begin_again",
        "await done(Missing.settle, order, 'Have it go on where it was', SWEEPS)",
    ): BOOKED,
    ("left_invitation", "call_off", "await left_invitation(of)"): REAL,
    ("left_invitation", "call_off", "await messages.all_settled(keys or ())"): BOOKED,
    (
        "left_invitation",
        "call_off",
        "await messages.write(request, "
        """f"Tell {amount(len(request.to), 'person', 'people')} that it is called off")""",
    ): BOOKED,
    ("left_invitation", "have_decided", "await begin_again(id_, of, result)"): BOOKED,
    ("left_invitation", "have_decided", "await left_invitation(of)"): REAL,
    (
        "left_invitation",
        "have_decided",
        "await put(template, lambda begins=begins: is_over() or begins.rings)",
    ): REAL,
    (
        "left_invitation",
        "left_invitation",
        "await done(Messages.left_invitation, order, 'Find the invitation that is left', RECORDS)",
    ): REAL,
    ("steps", "Steps._meet_on", "await self.children.follow(name, MEETING, id_, Known(id_))"): BOOKED,
    (
        "vacancies",
        "Vacancies._find",
        "await followed_up(account, days, 'When is this asked again?')",
    ): SUCC,
    (
        "vacancies",
        "Vacancies._find",
        "await wait_until(todo.owner, again, is_over, 'Ask again who follows')",
    ): SUCC,
    (
        "support_case",
        "SupportCase._has_paged",
        "await attempted(Support.page, order, 'Page whoever is on call', PAGING)",
    ): PAGER,
    ("support_case", "SupportCase._page", "await self._has_paged(order)"): PAGER,
    (
        "support_case",
        "SupportCase._page",
        "await self._has_paged(order.model_copy(update={'attempts': PAGE_ON}))",
    ): PAGER,
    ("support_case", "SupportCase._page_lead", "await self._has_paged(order)"): PAGER,
    (
        "sweep",
        "Sweep.run",
        "await started(ANNOUNCING, one, announcing_id(one.ref), summary=f'Tell the channel of {one.ref}')",
    ): AWAY,
    (
        "sweep",
        "Sweep.run",
        "await started(SUPPORT_CASE, case, case_id(case.ref), summary=f'{case.ref}, in {case.area}', policy=ONCE)",
    ): AWAY,
    (
        "sweep",
        "Sweep.run",
        "await started(TECH_REVIEW, one, review_id(one.ref), summary=f'Technical review {one.ref}', policy=ONCE)",
    ): AWAY,
    (
        "sweep",
        "Sweep.run",
        "await started(HUMAN_TASK, one.start, one.task, summary='Have a late reply answered', policy=ONCE)",
    ): AWAY,
    (
        "sweep",
        "Sweep.run",
        "await started(ENDED_OUTSIDE, one, ended_outside_id(one.workflow_id), summary='Ask whether it goes on')",
    ): ENDED,
    (
        "sweep",
        "Sweep.run",
        "await started(SUPPORT_DESK, DeskStart(), desk_id(DESK), summary='The support desk')",
    ): ENDED,
    (
        "ended_outside",
        "EndedOutside.have_decided",
        "await workflow.wait_condition(lambda: self.is_settled() or self.alarm.rings)",
    ): UNSAID,
    (
        "ended_outside",
        "EndedOutside.have_decided",
        "workflow.continue_as_new(self.start.model_copy(update={'asking': asking}))",
    ): UNSAID,
    ("outcomes", "begun", "await done(Children.find, _asked(id_), 'Find whose workflow this is', RECORDS)"): RESET,
    ("outcomes", "begun", "await started(kind, given, id_, summary=summary, about=about)"): RESET,
    ("outcomes", "ended", "await looking"): RESET,
    ("outcomes", "ended", "await workflow.wait_condition(lambda: looking.done() or bool(said))"): RESET,
    ("undelivered", "Undelivered.send", "await self.settle(unwritten)"): UNDER,
    (
        "undelivered",
        "Undelivered.send",
        'await workflow.sleep(until - workflow.now(), summary="Its reader\'s working time begins")',
    ): UNDER,
    (
        "words",
        "Words.hear_later",
        "await workflow.sleep(ONCE_MORE, summary='Hear a word again that does not count yet')",
    ): AHEAD,
    ("children", "ChildWorkflows.follow", "await control(id_, ControlKind.RESUME)"): RESET,
    (
        "meeting",
        "Meeting._known_times",
        "await done(Messages.offered, asked, 'What was on offer before?', RECORDS)",
    ): RESET,
    (
        "words",
        "Words._recall_whenever_reset",
        "await done(Recall.recall, asked, 'Recall what was said before a reset', RECORDS)",
    ): RESET,
    (
        "words",
        "Words._take_up_in_time",
        "await workflow.sleep(ONCE_MORE, summary='Hear words again that do not count yet')",
    ): RESET,
    ("words", "Words._take_up_in_time", "await workflow.wait_condition(self._may_take_one_up)"): RESET,
    ("words", "Words.all_known", "await workflow.wait_condition(lambda: not self.are_recalled)"): RESET,
    ("words", "Words.hear_later", "await self.all_known()"): RESET,
}
