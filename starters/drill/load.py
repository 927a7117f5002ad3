"""What people do during a drill, through the API and their personal links, and what was acknowledged of it."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.resources import files
from typing import Any, Final, TypeVar

import httpx
from sqlalchemy import select

from rapport.model.account import WEEKDAYS, AccountFile, MembersFile
from rapport.model.ids import task_id
from rapport.model.message import NOT_DELIVERED
from rapport.model.reading import read_toml
from rapport.model.tech_review import ReviewRequest
from rapport.rules import claims
from rapport.rules.tech_review import SIDES
from rapport.storage import access, account
from rapport.storage.database import Connection
from rapport.storage.support_case_tables import CaseRow
from rapport.storage.tables import ContactRow, MemberRow, MessageRow, TaskHolderRow, TaskRow
from starters.drill.plan import Story
from starters.drill.private import Private
from starters.drill.records import DrillRecords
from starters.drill.report import ReportLine

T = TypeVar("T")
Missing = Callable[[DrillRecords], list[str]]
"""What of an acknowledged act is not on record, in words."""

PEOPLE_AT_ONCE: Final = 4
MAY_BE_REFUSED: Final = ("vote", "vote by link", "decision", "feedback", "review")
"""What others may have settled meanwhile, or the act itself where its first answer got lost on the way."""

BEGINNINGS: Final = ("onboarding", "case", "review")
"""After these Rapport has much to do."""

AGAIN_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 30.0
TASK_LOOK_SECONDS: Final = 0.3

TAM: Final = "robin.keller@foobar.example"
MANAGER: Final = "ines.moreau@foobar.example"
CE: Final = "tomas.novak@foobar.example"


def speakers(members: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Who speaks for each side of a review, by address: the account's TAM, or the first of these who may."""
    return {
        side: TAM
        if "tam" in one.speakers
        else next(
            who["email"] for who in members if {f"role:{role}" for role in who["roles"]}.intersection(one.speakers)
        )
        for side, one in SIDES.items()
    }


AT_ANY_HOUR: Final = {"start": "00:00:00", "end": "23:59:00", "days": list(WEEKDAYS)}

_LINK: Final = re.compile(r"/m/([\w-]{20,})")
_SLOT: Final = re.compile(r'name="slot" value="(\w+)"')
_FORM: Final = re.compile(r'name="form" value="([^"]+)"')


@dataclass(frozen=True)
class Act:
    """Something that was done and acknowledged.

    Attributes:
        name: What to look at.
    """

    kind: str
    name: str
    missing: Missing


class Unfinished(Exception):  # noqa: N818 - the drill is over before it happened
    """What somebody waited for did not come while the drill lasted.

    Attributes:
        mail_to: Whose mail it is, where it is one.
    """

    def __init__(self, what: str, mail_to: str | None = None) -> None:
        """Say what."""
        super().__init__(what)
        self.mail_to = mail_to


@dataclass
class Crowd:
    """Everybody who does something; each act is repeated until it is answered, as people and programs do.

    Attributes:
        acts: What was acknowledged.
        promises: What follows of it without anybody's word.
        wrong: Answers that no act should ever get, and how often.
        waiting_for: What stories that did not come to their end wait for, by their name.
        turned_away: Whether somebody was not answered, or with 503, since it was last set to no.
    """

    private: Private
    acts: list[Act] = field(default_factory=list)
    promises: list[Act] = field(default_factory=list)
    refused: list[ReportLine] = field(default_factory=list)
    wrong: Counter[tuple[str, str]] = field(default_factory=Counter)
    waiting_for: dict[str, Unfinished] = field(default_factory=dict)
    turned_away: bool = False
    over: bool = False
    _number: int = 0
    _own: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the examples that everybody is made from."""
        examples = files("examples")
        raw = examples.joinpath("versayce.toml").read_bytes()
        self._example = read_toml(AccountFile, raw, "versayce.toml").model_dump(mode="json")
        raw = examples.joinpath("reviews").joinpath("members.toml").read_bytes()
        self._members = read_toml(MembersFile, raw, "members.toml").model_dump(mode="json")
        raw = examples.joinpath("reviews").joinpath("air-gapped.toml").read_bytes()
        self._request = read_toml(ReviewRequest, raw, "air-gapped.toml").model_dump(mode="json", exclude_none=True)
        for person in (*self._example["members"], *self._example["contacts"], *self._members["members"]):
            # At work at any hour: what is drilled is the product, not the hour.
            person |= {"hours": AT_ANY_HOUR, "country": None, "subdivision": None}
        self._speakers = speakers([*self._example["members"], *self._members["members"]])
        self._http = httpx.AsyncClient(
            base_url=self.private.settings.public_url,
            headers={"Authorization": f"Bearer {self.private.token}"},
            timeout=PATIENCE_SECONDS,
        )

    @property
    def begun(self) -> int:
        """How many contracts, cases and reviews were begun so far."""
        return sum(act.kind in BEGINNINGS for act in self.acts)

    async def has_begun_more_than(self, number: int) -> bool:
        """Whether there are more of them than that."""
        return self.begun > number

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    # What they do

    async def begin(self) -> None:
        """Bring in whom every account needs. Some at once, as contracts come in batches at the end of a quarter."""
        files = [self._file(f"first-{number}") for number in range(1, PEOPLE_AT_ONCE + 1)]
        accounts = [self._call("account", one["account"]["key"], "PUT", "/v1/accounts", one, _nothing) for one in files]
        members = [self._call("members", "members", "PUT", "/v1/members", self._members, _nothing) for _ in files]
        await asyncio.gather(*accounts, *members)
        async with self.private.store.writing() as connection:
            for member in await account.members(connection):
                name, now = f"drill {member.email}", datetime.now(UTC)
                self._own[member.email] = await access.create_token(connection, name, (), now, member=member.id)

    def _as(self, body: dict[str, Any]) -> dict[str, str]:
        """What a member sends beside what they say: their own token. Customers have none, and are entered."""
        own = self._own.get((body.get("json") or {}).get("as", ""))
        return {} if own is None else {"Authorization": f"Bearer {own}"}

    def story(self, kind: Story, seed: float) -> Callable[[], Coroutine[Any, Any, None]]:
        """What somebody does, from its beginning to its end."""
        self._number += 1
        number = self._number
        dice = random.Random(seed)  # noqa: S311 - to be repeated, not to be guessed
        stories: dict[Story, Callable[[str, random.Random], Coroutine[Any, Any, None]]] = {
            "contract with drafts": partial(self._onboarding, review="approve"),
            "contract onsite": partial(self._onboarding, onsite=True),
            "contract": self._onboarding,
            "case": self._case,
            "review": self._review,
        }
        story = stories[kind]

        async def told() -> None:
            name = f"{kind} {number}"
            try:
                await story(f"drill-{number}", dice)
            except Unfinished as error:
                self.waiting_for[name] = error

        return told

    async def _onboarding(self, key: str, dice: random.Random, *, review: str = "auto", onsite: bool = False) -> None:
        """A contract is signed; its drafts are approved, its onsite meeting decided, its kickoff voted on."""
        file = self._file(key)
        file["account"]["review"] = review
        file["account"]["facts"]["large_account"] = onsite
        people = [contact["email"] for contact in file["contacts"]]

        def missing(records: DrillRecords) -> list[str]:
            contract = records.contracts.get(key)
            if contract is None or contract.run_id is None:
                return ["its onboarding is not on record as started"]
            return [
                f"{email} has no mail for the kickoff"
                for email in people
                if not records.mails_to(email, step="kickoff")
            ]

        started = await self._call("onboarding", key, "POST", "/v1/onboardings", {"file": file}, missing)
        if started is None:
            return
        if onsite:
            await self._onsite(key, dice)
        if review == "approve":
            await self._approve(key, people)
        await asyncio.gather(*(self._vote(key, email, dice.random() < 0.5) for email in people))

        def invited(records: DrillRecords) -> list[str]:
            if not records.told(key, "meeting.booked"):
                return []
            return [
                f"the kickoff is booked, and {email} has no invitation"
                for email in people
                if not records.mails_to(email, purpose="invitation")
            ]

        self.promises.append(Act("booking", f"meeting/{key}/kickoff/1", invited))

    async def _approve(self, key: str, people: list[str]) -> None:
        async def drafts(connection: Connection) -> list[str] | None:
            query = select(MessageRow.key).where(MessageRow.account == key, MessageRow.state == "draft")
            found = list(await connection.scalars(query.where(MessageRow.step == "kickoff")))
            return found if len(found) >= len(people) else None

        keys = await self._seen(drafts, f"{key}: drafts of its welcome")

        def missing(records: DrillRecords) -> list[str]:
            read = [records.messages[one] for one in keys if one in records.messages]
            return [
                f"{one.key} is {one.state}, and not on record as approved"
                for one in read
                if one.approved_by is None and one.state != "suppressed"
            ]

        await self._call("approval", key, "POST", "/v1/drafts/approve", {"as": TAM, "keys": keys}, missing)

    async def _onsite(self, key: str, dice: random.Random) -> None:
        task = task_id(key, "onsite_approval", 1)
        await self._task(task, "preparing")
        # One TAM visits all of them: for dates that each names alone, there would be no time.
        say = {"reason": "Three teams in one building", "cost": "2000 CHF", "dates": "As soon as it suits both sides"}

        def asked(records: DrillRecords) -> list[str]:
            found = [] if records.told(key, "task.opened", step="onsite_approval") else ["was never put to the manager"]
            if records.told(key, "task.changed", step="onsite_approval"):
                found.append("it was asked for once, and put to the manager more than once")
            return found + ([] if records.of_workflow(task, "task_opened") else ["the manager was not mailed"])

        await self._call("request", task, "POST", f"/v1/tasks/{task}/request", {"as": TAM, "say": say}, asked)
        await self._task(task, "open")
        option = dice.choice(["approve", "deny"])
        await self._decide(key, task, MANAGER, option)

    async def _decide(self, account: str, task: str, email: str, option: str) -> None:
        who = await self._member(email)

        def missing(records: DrillRecords) -> list[str]:
            if records.decided(account, task, who, "decision.made"):
                return [] if records.is_told(task) else ["nobody was mailed how it ended"]
            told = any(records.decided(account, task, who, kind) for kind in ("decision.refused", "decision.late"))
            return [] if told else [f"the decision of {email} ({option}) is not on the timeline"]

        body = {"as": email, "option": option, "reason": "Because the drill says so"}
        await self._call("decision", task, "POST", f"/v1/tasks/{task}/decide", body, missing)

    async def _vote(self, key: str, email: str, by_link: bool) -> None:
        """Answer the poll, by the link in one's mail or by the API."""
        who = await self._contact(email)

        def missing(records: DrillRecords) -> list[str]:
            told = records.told(key, "vote.cast", who=who) or records.told(key, "vote.refused", who=who)
            return [] if told else [f"the vote of {email} is not on the timeline"]

        link = await self._link(email)
        if link is None:
            return
        page = await self._look(f"/m/{link}")
        slots = _SLOT.findall(page)
        form = _FORM.search(page)
        chosen = [slot for slot in slots if slot != "none"][:3]
        if form is None or not chosen:
            # Booked by the others meanwhile, or its times are to be chosen anew.
            return
        name = f"{key}, kickoff, {email}"
        if by_link:
            given = {"form": form[1], "slot": chosen}
            await self._send("vote by link", name, "POST", f"/m/{link}", missing, data=given)
        else:
            path = f"/v1/accounts/{key}/meetings/kickoff/vote"
            await self._call("vote", name, "POST", path, {"as": email, "slots": chosen}, missing)

    async def _case(self, key: str, dice: random.Random) -> None:
        """A customer asks, the owner answers."""
        file = self._file(key)
        if await self._call("account", key, "PUT", "/v1/accounts", file, _nothing) is None:
            return
        champion = next(
            one["email"]
            for one in file["contacts"]
            if "primary_champion" in one.get("personas", one.get("persona", ""))
        )
        question = {"as": champion, "account": key, "contact": champion, "id": f"question-{key}"}
        question |= {"question": f"Since this morning agent {key} sends nothing.", "severity": dice.choice([2, 3, 4])}
        opened: dict[str, Any] = {}

        def missing(records: DrillRecords) -> list[str]:
            case = records.cases.get(str(opened.get("ref")))
            if case is None:
                return ["the case is not on record"]
            if not case.projected:
                return ["its case was never begun"]
            found = (
                [] if records.mails_to(champion, email="case_acknowledged") else [f"{champion} has no acknowledgement"]
            )
            return found + (
                [] if case.owner is None or records.of_email(key, "case_assigned") else ["its owner was not told"]
            )

        answer = await self._call("case", key, "POST", "/v1/cases", question, missing)
        if answer is None:
            return
        opened |= answer
        ref = answer["ref"]

        async def owner(connection: Connection) -> str | None:
            found: str | None = await connection.scalar(
                select(MemberRow.email).join(CaseRow, CaseRow.owner == MemberRow.id).where(CaseRow.ref == ref)
            )
            return found

        name = await self._seen(owner, f"{ref}: somebody who has it")
        text = f"Please restart agent {key}; we look at why."

        def answered(records: DrillRecords) -> list[str]:
            found = [] if records.logged(ref, "answer") else ["the answer is not in its log"]
            return found + ([] if records.mails_to(champion, email="case_answer") else [f"{champion} has no answer"])

        await self._call("answer", ref, "POST", f"/v1/cases/{ref}/answer", {"as": name, "text": text}, answered)

    async def _review(self, key: str, dice: random.Random) -> None:
        """A CE asks for a technical review; the sides say what they think, and engineering recommends."""
        file = self._file(key)
        if await self._call("account", key, "PUT", "/v1/accounts", file, _nothing) is None:
            return
        needed = (datetime.now(UTC) + timedelta(days=40)).date().isoformat()
        body = {**self._request, "as": CE, "account": key, "title": f"A way out for {key}", "needed_by": needed}
        body.pop("case", None)
        opened: dict[str, Any] = {}

        def missing(records: DrillRecords) -> list[str]:
            review = records.reviews.get(str(opened.get("ref")))
            if review is None:
                return ["the review is not on record"]
            if not review.projected:
                return ["its review was never begun"]
            tasks = {side: task_id(review.ref, f"feedback_{side}", 1) for side in self._speakers}
            unasked = [side for side, task in tasks.items() if not records.of_workflow(task, "review_asked")]
            found = [f"{side} was not asked" for side in unasked]
            return found + ([] if records.of_email(key, "review_submitted") else ["nobody was told of it"])

        answer = await self._call("review", key, "POST", "/v1/reviews", body, missing)
        if answer is None:
            return
        opened |= answer
        ref = answer["ref"]
        sides = list(self._speakers)
        dice.shuffle(sides)
        for side in sides:
            await self._feedback(ref, side)
        task, option, email = await self._recommendation(ref)
        await self._decide(key, task, email, option)

    async def _feedback(self, ref: str, side: str) -> None:
        task = task_id(ref, f"feedback_{side}", 1)
        await self._task(task, "open")
        email = self._speakers[side]
        who = await self._member(email)

        def missing(records: DrillRecords) -> list[str]:
            found = [] if records.remarked(ref, who) else [f"the word of {email} is not on record"]
            return found + ([] if records.is_told(task) else [f"{email} has no mail of how it ended"])

        body = {"as": email, "text": "Looks fine to us.", "stance": "in_favour"}
        await self._call("feedback", f"{ref}, {side}", "POST", f"/v1/reviews/{ref}/feedback", body, missing)

    # How they do it

    def _file(self, key: str) -> dict[str, Any]:
        """The example's account under another name, with people of its own."""
        example = AccountFile.model_validate(self._example).model_dump(mode="json")
        example["account"] |= {"key": key, "name": f"Versayce {key}"}
        example["contract"]["id"] = key
        for contact in example["contacts"]:
            contact["email"] = contact["email"].replace("@versayce", f"@{key}")
        return example

    async def _call(
        self, kind: str, name: str, method: str, path: str, body: dict[str, Any], missing: Missing
    ) -> dict[str, Any] | None:
        answer = await self._send(kind, name, method, path, missing, json=body)
        if answer is None:
            return None
        found = answer.json()
        return found if isinstance(found, dict) else {}

    async def _send(
        self, kind: str, name: str, method: str, path: str, missing: Missing, **body: Any
    ) -> httpx.Response | None:
        """Do something until it is answered; nothing where it is refused.

        Raises:
            Unfinished: The drill is over before.
        """
        while not self.over:
            try:
                answer = await self._http.request(method, path, headers=self._as(body), **body)
            except httpx.TransportError:
                self.turned_away = True
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            if answer.is_success:
                said = answer.json() if answer.headers.get("content-type", "").startswith("application/json") else {}
                if isinstance(said, dict) and said.get("accepted") is False:
                    self.refused.append(ReportLine(name=name, what=f"{kind}: {said.get('reason')}"))
                    return None
                self.acts.append(Act(kind, name, missing))
                return answer
            if answer.status_code < 500:
                self.refused.append(ReportLine(name=name, what=f"{kind}: {answer.status_code} {_words(answer)}"))
                if kind not in MAY_BE_REFUSED:
                    self.wrong[name, f"{kind}: answered {answer.status_code} {_words(answer)}"] += 1
                return None
            self.turned_away = True
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                self.wrong[name, f"{kind}: answered {answer.status_code}"] += 1
            await asyncio.sleep(AGAIN_SECONDS)
        raise Unfinished(f"{name}: an answer ({kind})")

    async def _look(self, path: str) -> str:
        while not self.over:
            try:
                answer = await self._http.get(path)
            except httpx.TransportError:
                pass
            else:
                if answer.status_code < 500:
                    return answer.text
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    self.wrong["a personal link", f"looking at it: answered {answer.status_code}"] += 1
            await asyncio.sleep(AGAIN_SECONDS)
        raise Unfinished("an answer to a personal link")

    async def _seen(self, look: Callable[[Connection], Awaitable[T | None]], what: str) -> T:
        """Wait until the database has something.

        Raises:
            Unfinished: The drill is over before.
        """
        while not self.over:
            found: T | None = await self.private.read(look)
            if found is not None:
                return found
            await asyncio.sleep(TASK_LOOK_SECONDS)
        raise Unfinished(what)

    async def _task(self, task: str, phase: str) -> None:
        async def stands(connection: Connection) -> bool | None:
            return await connection.scalar(select(TaskRow.phase).where(TaskRow.id == task)) == phase or None

        await self._seen(stands, f"{task}: that it is {phase}")

    async def _member(self, email: str) -> str:
        async def find(connection: Connection) -> str | None:
            found: str | None = await connection.scalar(select(MemberRow.id).where(MemberRow.email == email))
            return found

        return await self._seen(find, f"the member {email}")

    async def _contact(self, email: str) -> str:
        async def find(connection: Connection) -> str | None:
            found: str | None = await connection.scalar(select(ContactRow.id).where(ContactRow.email == email))
            return found

        return await self._seen(find, f"the contact {email}")

    async def _link(self, email: str) -> str | None:
        """The personal link in the mail that has arrived; nothing where none will."""

        async def will_not_come(connection: Connection) -> bool:
            became = await connection.execute(
                select(MessageRow.state, MessageRow.reason, MessageRow.left_out).where(
                    MessageRow.address == email, MessageRow.step == "kickoff"
                )
            )
            # Whom the others' answers have left without times to choose is invited, and not asked any more.
            settled = claims.POLL_ENDED
            return any(one.state in NOT_DELIVERED or one.left_out or one.reason == settled for one in became)

        while not self.over:
            for mail in self.private.relay.taken():
                if (
                    mail.to == email
                    and "/kickoff/" in mail.key
                    and (found := _LINK.search(self.private.relay.text(mail)))
                ):
                    return found[1]
            if await self.private.read(will_not_come):
                return None
            await asyncio.sleep(TASK_LOOK_SECONDS)
        raise Unfinished(f"{email}: the mail with the times", email)

    async def _recommendation(self, ref: str) -> tuple[str, str, str]:
        """The next task of a review once all sides have spoken: its id, its first option, and who decides it."""

        async def find(connection: Connection) -> tuple[str, str, str] | None:
            query = (
                select(TaskRow.id, TaskRow.definition, MemberRow.email)
                .join(TaskHolderRow, TaskHolderRow.task == TaskRow.id)
                .join(MemberRow, MemberRow.id == TaskHolderRow.member)
                .where(TaskRow.subject == ref, TaskRow.phase == "open", TaskRow.step == "recommendation")
            )
            row = (await connection.execute(query)).first()
            return None if row is None else (row.id, row.definition["options"][0]["id"], row.email)

        return await self._seen(find, f"{ref}: the question for its recommendation")


def _nothing(_: DrillRecords) -> list[str]:
    """What others rest on: it would be missed by them."""
    return []


def _words(answer: httpx.Response) -> str:
    try:
        said = answer.json()
    except ValueError:
        return ""
    return str(said.get("detail") or said.get("title") or "") if isinstance(said, dict) else ""
