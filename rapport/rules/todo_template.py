"""What somebody has to do elsewhere, and the to-do that insists where it stays undone.

The TAM is told of it, and does it or not. After `TODO_DAYS` a to-do stands in the inbox; its ladder goes up to the
backup and the manager, and its end is the written end of the wait.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from textwrap import shorten
from typing import Final

from rapport.model.base import MAX_NAME
from rapport.model.message import MessageState, Resolution
from rapport.model.operation import Operate
from rapport.model.task import TaskDefinition, TaskOption

TODO_DAYS: Final = (2, 12)
"""The business days of the TAM's after which a to-do insists, and after which nobody is waited for any more."""

INSISTING: Final = (TODO_DAYS[0], TODO_DAYS[0] + 1)
"""The business days of the TAM's after which a to-do insists, and by which it is due."""

SEND, HOLD = "send", "hold"
NO_TIME: Final = "no_time"
UNREPORTED: Final = "unreported"
UNREAD: Final = "unread"
UNNAMED: Final = "unnamed"
AGAIN: Final = "again"
LEAVE: Final = "leave"
"""What an option is called that leaves things as they are."""


@dataclass(frozen=True)
class TodoTemplate:
    """A kind of to-do that a workflow puts to a TAM.

    Attributes:
        name: What the to-do's step is called beside the step that it is for, as in `kickoff.report`.
        title: The to-do's title, around the step's.
    """

    name: str
    title: str
    definition: TaskDefinition

    @property
    def options(self) -> frozenset[str]:
        """The ids of the options."""
        return frozenset(option.id for option in self.definition.options)


READ_DRAFTS: Final = TodoTemplate(
    "drafts",
    "Drafts of {}",
    TaskDefinition(
        task="to_do",
        question="Mails wait to be read. Do they go out as they are?",
        options=(TaskOption(id=SEND, title="Send them"), TaskOption(id=HOLD, title="Hold them back")),
        assign=("tam",),
        on_timeout=UNREAD,
    ),
)
FIND_A_TIME: Final = TodoTemplate(
    "time",
    "A time for {}",
    TaskDefinition(
        task="to_do",
        question="No time was agreed. Book one by hand, or does the meeting not take place?",
        options=(TaskOption(id="do_without", title="Do without the meeting", needs_reason=True),),
        assign=("tam",),
        on_timeout=NO_TIME,
    ),
)
NEW_TIMES: Final = "new_times"
"""What an option is called by which everyone is offered other times."""
ASKED_TO_MOVE: Final = TodoTemplate(
    "move",
    "{}: another time is asked for",
    TaskDefinition(
        task="to_do",
        question="Someone who has to be there asks for another time. You set this one yourself. What happens to it?",
        options=(TaskOption(id=NEW_TIMES, title="Offer new times"), TaskOption(id=LEAVE, title="Keep the time")),
        assign=("tam",),
        on_timeout="left_as_it_is",
    ),
)
NEEDED_DECLINED: Final = TodoTemplate(
    "declined",
    "{}: someone can't attend",
    TaskDefinition(
        task="to_do",
        question="Someone who has to be there can't attend. Is the meeting held without them?",
        options=(TaskOption(id=NEW_TIMES, title="Offer new times"), TaskOption(id=LEAVE, title="Hold it without them")),
        assign=("tam",),
        on_timeout="left_as_it_is",
    ),
)
SAY_HOW_IT_WENT: Final = TodoTemplate(
    "report",
    "How {} went",
    TaskDefinition(
        task="to_do",
        question="Was the meeting held?",
        options=(TaskOption(id="held", title="It was held"), TaskOption(id="no_show", title="Nobody came")),
        assign=("tam",),
        on_timeout=UNREPORTED,
    ),
)
TELL_WHAT_CAME_OF_IT: Final = TodoTemplate(
    "report",
    "Notes on {}",
    TaskDefinition(
        task="to_do",
        question="What came of the meeting? Your notes are added to the review.",
        options=(
            TaskOption(id="held", title="It took place", needs_reason=True),
            TaskOption(id="no_show", title="No one came"),
        ),
        assign=("tam",),
        on_timeout=UNREPORTED,
    ),
)
NAME_A_SUCCESSOR: Final = TodoTemplate(
    "successor",
    "{}: who follows",
    TaskDefinition(
        task="to_do",
        question="Nobody has a role that the customer needs; nothing goes to them meanwhile. Who follows?",
        options=(TaskOption(id="later", title="Nobody yet; ask again later", needs_reason=True),),
        assign=("tam",),
        on_timeout=UNNAMED,
    ),
)
PASS_THE_GATE: Final = TodoTemplate(
    "gate",
    "{}: the review before it",
    TaskDefinition(
        task="to_do",
        question="It does not begin before a tech review has opened its gate. Is the review on its way?",
        options=(TaskOption(id="later", title="It is on its way; ask again later", needs_reason=True),),
        assign=("tam",),
        on_timeout="unanswered",
    ),
)
CONVERT: Final = TodoTemplate(
    "conversion",
    "{}: onsite after all",
    TaskDefinition(
        task="to_do",
        question="The visit was approved after its time. Is the meeting held on site now, or does it stay as it is?",
        options=(
            TaskOption(id="convert", title="Hold it on site"),
            TaskOption(id=LEAVE, title="Leave it as it is"),
        ),
        assign=("tam",),
        on_timeout="left_as_it_is",
    ),
)
DECIDE_ON_FAILURE: Final = TodoTemplate(
    "failed",
    "{} failed: decide what follows",
    TaskDefinition(
        task="to_do",
        question="This step failed, and what comes after it is on hold. How should it continue?",
        options=(
            TaskOption(id=Operate.REDO, title="Do it again"),
            TaskOption(id=Operate.COMPLETE, title="It was done another way", needs_reason=True),
            TaskOption(id=Operate.SKIP, title="Continue without it", needs_reason=True),
        ),
        assign=("tam",),
        on_timeout="unanswered",
    ),
)
"""Its options are what an operation on the step does."""


def failed_because(reason: str) -> TodoTemplate:
    """The to-do about a step that failed for this reason, in fixed words."""
    return _asking(DECIDE_ON_FAILURE, "This step failed: {}. Later steps are on hold. How should it continue?", reason)


def _asking(template: TodoTemplate, around: str, words: str, *options: TaskOption) -> TodoTemplate:
    """A to-do with a question around some words, and other options where there are any."""
    question = around.format(shorten(words, MAX_NAME - len(around), placeholder="…"))
    changes = {"question": question, "options": options or template.definition.options}
    return replace(template, definition=template.definition.model_copy(update=changes))


_ASK_ON: Final = TaskOption(id=AGAIN, title="Continue where it was: what was written and decided still counts")
_ASK_ANEW: Final = TaskOption(id=Operate.REDO, title="Do it again: it's asked from the start")


def failed_when_open(reason: str, why_not: str | None) -> TodoTemplate:
    """The to-do about a task that failed while people were asked, as its workflow was ended.

    Args:
        reason: In fixed words.
        why_not: As of `failed_when_booked`.
    """
    others = tuple(option for option in DECIDE_ON_FAILURE.definition.options if option.id != Operate.REDO)
    if why_not is None:
        around = "This step failed: {}. Later steps are on hold. How should it continue?"
        return _asking(DECIDE_ON_FAILURE, around, reason, _ASK_ON, _ASK_ANEW, *others)
    around = "It can't continue: {}. Later steps are on hold. What follows?"
    return _asking(DECIDE_ON_FAILURE, around, why_not, _ASK_ANEW, *others)


_GO_ON: Final = TaskOption(id=AGAIN, title="Continue where it was: the invitation stays valid")
_FAILED_AND_BOOKED: Final = (
    TaskOption(id=Operate.REDO, title="Cancel the invitation and do it again"),
    TaskOption(id=Operate.COMPLETE, title="Cancel the invitation: it was done another way", needs_reason=True),
    TaskOption(id=Operate.SKIP, title="Cancel the invitation and continue without it", needs_reason=True),
)


def failed_when_booked(when: str, why_not: str | None) -> TodoTemplate:
    """The to-do about a meeting that failed and that people still have an invitation to.

    Args:
        when: For when it is booked.
        why_not: Why it can't continue where it was, once somebody has tried; in fixed words.
    """
    if why_not is None:
        around = "This step failed. It's booked for {}, and invitations are out. What follows?"
        return _asking(DECIDE_ON_FAILURE, around, when, _GO_ON, *_FAILED_AND_BOOKED)
    around = f"It can't continue: {{}}. It's booked for {when}. What follows?"
    return _asking(DECIDE_ON_FAILURE, around, why_not, *_FAILED_AND_BOOKED)


_KEEP_ASKING: Final = TaskOption(id=AGAIN, title="Continue where it was: the replies still count")
_FAILED_AND_ASKED: Final = (
    TaskOption(id=Operate.REDO, title="Do it again: new times go out, and the replies no longer count"),
    *(option for option in DECIDE_ON_FAILURE.definition.options if option.id != Operate.REDO),
)


def failed_when_asked(asked: int, replied: int, why_not: str | None) -> TodoTemplate:
    """The to-do about a meeting that failed while people were choosing a time.

    Args:
        asked, replied: How many were asked for times, and how many have replied.
        why_not: As of `failed_when_booked`.
    """
    if why_not is None:
        around = "This step failed while people were choosing a time: {}. Later steps are on hold. What follows?"
        return _asking(DECIDE_ON_FAILURE, around, _replies(asked, replied), _KEEP_ASKING, *_FAILED_AND_ASKED)
    around = f"It can't continue: {{}}. People were choosing a time: {_replies(asked, replied)}. What follows?"
    return _asking(DECIDE_ON_FAILURE, around, why_not, *_FAILED_AND_ASKED)


def _replies(asked: int, replied: int) -> str:
    return f"{replied} of {asked} replied"


_RESEND: Final = TaskOption(id=Resolution.RESEND, title="Send it again")
_ELSEWHERE: Final = TaskOption(id=Resolution.ELSEWHERE, title="I've told them another way")
DID_NOT_GO: Final = TodoTemplate(
    "undelivered",
    "{}: an email wasn't delivered",
    TaskDefinition(
        task="to_do",
        question="An email didn't go out. Fix what stopped it, such as a wrong address, then send it again?",
        options=(_RESEND, _ELSEWHERE),
        assign=("tam",),
        on_timeout="unanswered",
    ),
)
NOBODY_KNOWS: Final = TodoTemplate(
    "undelivered",
    "{}: we can't tell whether an email arrived",
    TaskDefinition(
        task="to_do",
        question="The connection broke before the mail server confirmed an email. Ask its reader: did it arrive?",
        options=(TaskOption(id=Resolution.SENT, title="It arrived"), _RESEND, _ELSEWHERE),
        assign=("tam",),
        on_timeout="unanswered",
    ),
)
ABOUT_EMAIL: Final = {MessageState.FAILED: DID_NOT_GO, MessageState.UNKNOWN: NOBODY_KNOWS}
"""What is asked about an email that stands so."""

LATE_REPLY: Final = TodoTemplate(
    "reply",
    "{}: a late reply",
    TaskDefinition(
        task="to_do",
        question="A contact replied to the time poll after it had closed. Have you answered them?",
        options=(TaskOption(id="noted", title="I've answered them"),),
        assign=("tam",),
        on_timeout="unanswered",
    ),
)
REVIEW_ENDED: Final = TodoTemplate(
    "ended",
    "{}: its workflow was ended in Temporal",
    TaskDefinition(
        task="to_do",
        question="Its workflow was ended outside Rapport, so nothing continues by itself. Have you taken care of it?",
        options=(TaskOption(id="noted", title="I've taken care of it", needs_reason=True),),
        assign=("tam",),
        on_timeout="unanswered",
    ),
)
CALL_OFF: Final = "call_off"
"""What the option is called that takes a meeting back from everyone's calendar."""


def review_ended_when_booked(when: str, why_not: str | None) -> TodoTemplate:
    """The to-do about a review that was ended from outside and that people still have an invitation to.

    Args:
        when, why_not: As of `failed_when_booked`.
    """
    ways = (TaskOption(id=CALL_OFF, title="Cancel the meeting"), *REVIEW_ENDED.definition.options)
    if why_not is None:
        around = "It was ended outside Rapport. It's booked for {}, and invitations are out. What follows?"
        return _asking(REVIEW_ENDED, around, when, _GO_ON, *ways)
    return _asking(REVIEW_ENDED, f"It can't continue: {{}}. It's booked for {when}. What follows?", why_not, *ways)


def review_ended_when_asked(asked: int, replied: int, why_not: str | None) -> TodoTemplate:
    """The to-do about a review that was ended from outside while people were choosing a time.

    Args:
        asked, replied, why_not: As of `failed_when_asked`.
    """
    replies, ways = _replies(asked, replied), REVIEW_ENDED.definition.options
    if why_not is None:
        around = "It was ended outside Rapport while people were choosing a time: {}. What follows?"
        return _asking(REVIEW_ENDED, around, replies, _KEEP_ASKING, *ways)
    return _asking(
        REVIEW_ENDED, f"It can't continue: {{}}. People were choosing a time: {replies}. What follows?", why_not, *ways
    )


ENDED_IN_TEMPORAL: Final = TodoTemplate(
    "gone",
    "{} was ended in Temporal",
    TaskDefinition(
        task="to_do",
        question="Nothing of it goes out. Continue where it was? What's done stays done, no email goes out twice.",
        options=(
            TaskOption(id=AGAIN, title="Continue where it was"),
            TaskOption(id=LEAVE, title="Leave it ended", needs_reason=True),
        ),
        assign=("tam",),
        on_timeout="unanswered",
    ),
)
_FORGOTTEN: Final = TodoTemplate(
    ENDED_IN_TEMPORAL.name,
    "{} is no longer in Temporal",
    TaskDefinition(
        task="to_do",
        question="It can't continue. Have you taken care of it?",
        options=(TaskOption(id=LEAVE, title="It's started anew, or stays ended", needs_reason=True),),
        assign=("tam",),
        on_timeout="unanswered",
    ),
)


def forgotten(anew: str | None) -> TodoTemplate:
    """The to-do about a workflow that Temporal no longer has.

    Args:
        anew: The step from which a new contract does what is left, where one can.
    """
    if anew is None:
        return _FORGOTTEN
    around = "It can't continue. Start what's left, with a new contract id: `onboarding start FILE --at {}`?"
    return _asking(_FORGOTTEN, around, anew)


REWRITE: Final = TodoTemplate(
    "unwritten",
    "{}: an email couldn't be written",
    TaskDefinition(
        task="to_do",
        question="An email couldn't be written; the timeline says why. Try again once that is corrected?",
        options=(
            TaskOption(id=AGAIN, title="Try again"),
            _ELSEWHERE,
        ),
        assign=("tam",),
        on_timeout="unanswered",
    ),
)
OF_MEETINGS: Final = (FIND_A_TIME.name, SAY_HOW_IT_WENT.name, READ_DRAFTS.name)
"""The to-dos that a meeting puts to its TAM; nobody hears the answer once its workflow is gone."""
