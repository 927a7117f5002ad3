"""Technical reviews over the API: the nouns, verbs and refusals of the command line, as JSON."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from rapport.model.access import Action
from rapport.model.account import MembersFile, Role
from rapport.model.base import Refused, UserError
from rapport.model.ids import new_id
from rapport.model.tech_review import ReviewRequest
from rapport.rules import access
from rapport.storage import account as known, session
from rapport.storage.database import Store
from starters.http.app import create_app
from starters.http.auth import SESSION_COOKIE
from starters.services import Services, present
from starters.use_cases import account as accounts, member as members, tech_review, timeline, token
from starters.use_cases.meeting import MeetingShown
from starters.use_cases.tech_review import MeetingTime, ReviewSearch
from tests.conftest import Installation, account, by
from tests.http.test_flow import signed_in
from tests.support.tech_review import (
    CE,
    ENGINEER,
    asked,
    everybody_says,
    in_phase,
    live,
    people,
    request,
    standing,
    wants_to_talk,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def client(installation: Installation) -> httpx.AsyncClient:
    """A program with a token."""
    secret = await token.create(installation.services, new_id("token"), ("operator",))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=create_app(installation.services)),
        base_url="http://127.0.0.1",
        headers={"authorization": f"Bearer {secret}"},
    )


async def test_a_review_is_asked_for_answered_changed_and_withdrawn(here: Installation) -> None:
    """The whole of it by JSON; each refusal is a problem that names the field and the fix."""
    key = new_id("a").replace("_", "-")
    await people(here, key)
    body = request(datetime.now(UTC).date(), account=key).model_dump(mode="json", exclude_none=True) | {"as": CE}
    async with await client(here) as api:
        lacking = await api.post("/v1/reviews", json={name: text for name, text in body.items() if name != "gap"})
        assert lacking.status_code == 422
        assert lacking.headers["content-type"] == "application/problem+json"
        [error] = lacking.json()["errors"]
        assert (error["field"], "without it" in error["fix"]) == ("gap", True)
        made = await api.post("/v1/reviews", json=body)
        assert made.status_code == 201, made.text
        ref = made.json()["ref"]
        assert made.json()["workflow_id"] == f"tech-review/{ref}"
        await asked(here, ref, "feedback_engineering")
        twice = await api.post("/v1/reviews", json=body)
        assert (twice.status_code, ref in twice.json()["detail"]) == (409, True)
        said = {"as": ENGINEER, "text": "Only with <a> signature", "stance": "in_favour_if"}
        assert (await api.post(f"/v1/reviews/{ref}/feedback", json=said)).status_code == 200
        await standing(here, ref, lambda one: len(one.remarks) == 1)
        shown = (await api.get(f"/v1/reviews/{ref}")).json()
        assert (shown["remarks"][0]["who"], shown["remarks"][0]["text"]) == ("Jun Sato", "Only with <a> signature")
        found = (await api.get("/v1/reviews", params={"search": "signature", "account": key})).json()
        assert [one["ref"] for one in found] == [ref]
        none = await api.get("/v1/reviews", params={"outcome": "declined", "account": key})
        assert none.json() == []
        assert (await api.get("/v1/reviews", params={"outcome": "perhaps"})).status_code == 422
        assert (await api.get("/v1/reviews", params={"scenario": "nowhere"})).status_code == 422
        meeting = await api.post(f"/v1/reviews/{ref}/request-meeting", json={"as": ENGINEER, "reason": "Quicker"})
        assert meeting.status_code == 200
        changed = await api.put(f"/v1/reviews/{ref}", json=body | {"gap": "Another one"})
        assert changed.json() == {"accepted": True, "reason": None, "outcome": "round 2"}
        await standing(here, ref, lambda one: one.round == 2)
        record = (await api.get(f"/v1/reviews/{ref}/record")).json()
        assert "Another one" in record["markdown"]
        assert "Only with &lt;a&gt; signature" in record["html"]
        entries = await timeline.timeline_of(here.services, key)
        [words] = [one.said for one in entries if one.kind == "tech_review.submitted"]
        assert words is not None
        assert "Gap: " in words
        assert not set("{}[]") & set(words), "a form is told in words"
        gone = await api.post(f"/v1/reviews/{ref}/withdraw", json={"as": CE, "reason": "Not needed"})
        assert gone.status_code == 200
        await in_phase(here, ref, "closed")
        late = await api.post(f"/v1/reviews/{ref}/withdraw", json={"as": CE, "reason": "Not needed"})
        assert late.status_code == 409
        assert (await api.get("/v1/reviews/TR-0")).status_code == 404
        assert len((await api.get("/v1/receipts/key")).json()["public_key"]) == 64


async def test_the_same_review_asked_for_twice_at_once_is_one(here: Installation) -> None:
    """Two processes that submit the same in the same instant leave one review; its title is the same in capitals."""
    key = new_id("a").replace("_", "-")
    await people(here, key)
    asked_for = request(datetime.now(UTC).date(), account=key, title="Überwachung ohne Ausgang")
    apart = Store(here.services.store.url)
    offices = [here.services, replace(here.services, store=apart)] * 2

    others = asked_for.model_copy(update={"gap": "Nobody else wrote this"})

    async def submit(services: Services, written: ReviewRequest) -> tuple[str, str | None]:
        try:
            return (await tech_review.submit(services, written, by(CE))).ref, written.gap
        except UserError as refusal:
            return refusal.problem.removeprefix("stands already, as "), None

    answers = await asyncio.gather(*map(submit, offices, [asked_for, others] * 2))
    refs = [ref for ref, _ in answers]
    stands = (await tech_review.show(here.services, refs[0])).request["gap"]
    assert {gap for _, gap in answers} == {stands, None}, "whoever asked for something else hears of it"
    await apart.close()
    there = [one.ref for one in await tech_review.listed(here.services, ReviewSearch(account=key, open=True))]
    assert there == [refs[0]] == sorted(set(refs))
    await asked(here, refs[0], "feedback_engineering")
    with pytest.raises(UserError, match=f"stands already, as {refs[0]}") as again:
        await tech_review.submit(
            here.services, asked_for.model_copy(update={"title": "ÜBERWACHUNG OHNE AUSGANG"}), by(CE)
        )
    assert again.value.kind is Refused.CONFLICT


async def test_a_review_that_nobody_entitled_could_answer_is_refused(here: Installation) -> None:
    """Without a VP Engineering or engineers nothing starts, and the refusal says who is missing."""
    key = new_id("a").replace("_", "-")
    await accounts.import_account(here.services, account(key, "C-1"))
    body = request(datetime.now(UTC).date(), account=key).model_dump(mode="json", exclude_none=True) | {"as": CE}
    async with await client(here) as api:
        refused = await api.post("/v1/reviews", json=body)
        assert refused.status_code == 409
        assert "nobody here has the role vp_engineering or engineering or product" in refused.text
        past = await api.post("/v1/reviews", json=body | {"needed_by": "2020-01-01"})
        assert past.status_code in (409, 422)
        assert (await api.get("/v1/reviews")).json() == []


async def test_the_trial_of_an_account_to_which_a_scenario_applies_waits_for_a_review_that_names_it(
    here: Installation,
) -> None:
    """Neither a key prospect nor high-risk, and shut all the same; a scenario that there is not is refused by name."""
    key = new_id("a").replace("_", "-")
    await people(here, key)
    file = account(key, "C-1")
    facts = file.account.facts.model_copy(update={"air_gapped": True, "key_prospect": False, "high_risk": False})
    changed = file.model_copy(update={"account": file.account.model_copy(update={"facts": facts})})
    await accounts.import_account(here.services, changed)
    body = request(datetime.now(UTC).date(), account=key).model_dump(mode="json", exclude_none=True) | {"as": CE}
    async with await client(here) as api:
        gate = f"/v1/accounts/{key}/gates/trial"
        shut = (await api.get(gate)).json()
        assert (shut["open"], shut["unblock"]) == (False, "rapport review submit FILE --as EMAIL")
        assert "Air-gapped instance" in shut["why"]
        wrong = await api.post("/v1/reviews", json=body | {"scenarios": ["air_gaped"]})
        [error] = wrong.json()["errors"]
        assert (wrong.status_code, error["field"], "air_gapped" in error["fix"]) == (422, "scenarios[0]", True)
        other = await api.post("/v1/reviews", json=body | {"title": "Something else"})
        ref = other.json()["ref"]
        assert f"rapport review edit {ref}" in (await api.get(gate)).json()["unblock"]
        named = await api.put(
            f"/v1/reviews/{ref}", json=body | {"title": "Something else", "scenarios": ["air_gapped"]}
        )
        assert named.json()["accepted"] is True
        await standing(here, ref, lambda one: one.round == 2)
        shut = (await api.get(gate)).json()
        assert (shut["open"], shut["review"]) == (False, ref)
        asked_for = (await api.get(f"/v1/reviews/{ref}")).json()["asked"]
        assert ["What calls for it", "Air-gapped instance"] in asked_for


async def test_the_page_of_a_live_meeting_shows_its_times_and_then_the_booked_one(here: Installation) -> None:
    """Proposed and then booked, within the review's date: who is asked is on its page; and the list can be narrowed."""
    key = new_id("a").replace("_", "-")
    await people(here, key)
    asked_for = request(datetime.now(UTC).date(), 40, account=key)
    ref = (await tech_review.submit(here.services, asked_for, by(CE))).ref
    await wants_to_talk(here, ref, ENGINEER)
    await live(here, ref, lambda one: bool(one.slots))
    async with signed_in(here.services) as browser:
        page = (await browser.get(f"/reviews/{ref}")).text
        assert "Live meeting" in page
        assert "No reply yet from Jun Sato." in page
        start = (datetime.now(UTC) + timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
        with pytest.raises(UserError, match="later than the customer needs the decision"):
            await tech_review.book_meeting(here.services, ref, MeetingTime(start=start + timedelta(days=60)), by(CE))
        await tech_review.book_meeting(here.services, ref, MeetingTime(start=start, anyway=True), by(CE))
        await live(here, ref, lambda one: one.phase == "booked")
        booked = await browser.get(f"/reviews/{ref}")
        assert booked.status_code == 200
        assert "Invited: Jun Sato" in booked.text
        for narrowed in ({"outcome": "open"}, {"search": "nowhere at all"}, {"account": key}):
            assert (await browser.get("/reviews", params=narrowed)).status_code == 200


async def test_whoever_is_asked_reads_on_the_same_page_what_it_is_about_and_what_was_said(here: Installation) -> None:
    """The recommendation's page shows the review's title, its request and the feedback so far."""
    key = new_id("a").replace("_", "-")
    await people(here, key)
    asked_for = request(datetime.now(UTC).date(), account=key, gap="Nothing leaves <the> site")
    ref = (await tech_review.submit(here.services, asked_for, by(CE))).ref
    await everybody_says(here, ref)
    found = await asked(here, ref, "recommendation")
    async with signed_in(here.services) as browser:
        page = (await browser.get(f"/tasks/{found.task.removeprefix('task/')}")).text
    assert asked_for.title is not None
    for words in (asked_for.title, "Nothing leaves &lt;the&gt; site", "Looks fine", f"/reviews/{ref}"):
        assert words in page, words


@pytest.mark.parametrize(("phase", "fails"), [("proposing", False), ("stuck", True)])
async def test_that_no_time_works_is_said_only_once_none_was_found(
    here: Installation, monkeypatch: pytest.MonkeyPatch, phase: str, fails: bool
) -> None:
    """While times are being looked for, the page says that."""
    key = new_id("a").replace("_", "-")
    await people(here, key)
    ref = (await tech_review.submit(here.services, request(datetime.now(UTC).date(), 40, account=key), by(CE))).ref
    await wants_to_talk(here, ref, ENGINEER)
    found = await live(here, ref, lambda one: bool(one.slots))
    await standing(here, ref, lambda one: bool(one.meetings))

    async def without_times(services: Services, ref: str) -> MeetingShown:
        return found.model_copy(update={"phase": phase, "slots": ()})

    monkeypatch.setattr(tech_review, "live_meeting", without_times)
    async with signed_in(here.services) as browser:
        page = (await browser.get(f"/reviews/{ref}")).text
    assert ("No time works for everyone" in page, "Times are being looked for" in page) == (fails, not fails)


async def test_a_booking_that_comes_after_the_live_meeting_ended_is_refused_in_words(here: Installation) -> None:
    """The form that it came from is gone by then, and what is wrong is said all the same."""
    key = new_id("a").replace("_", "-")
    await people(here, key)
    ref = (await tech_review.submit(here.services, request(datetime.now(UTC).date(), account=key), by(CE))).ref
    async with signed_in(here.services) as browser:
        before = (await browser.get(f"/reviews/{ref}")).text
        csrf = before.partition('name="csrf" value="')[2].partition('"')[0]
        refused = await browser.post(
            f"/reviews/{ref}/meeting/book", data={"csrf": csrf, "start": "2099-01-07T10:00", "anyway": "yes"}
        )
    assert 400 <= refused.status_code < 500
    assert 'role="alert"' in refused.text


OFFERED = {
    Action.REQUEST_REVIEW: 'href="/reviews/{}/edit"',
    Action.SPEAK: 'action="/reviews/{}/feedback"',
    Action.WITHDRAW_REVIEW: 'action="/reviews/{}/withdraw"',
}
"""What the page of a review offers, by the right that it takes."""


async def test_the_page_of_a_review_offers_each_role_what_it_may_do_and_nothing_else(here: Installation) -> None:
    """Changing the request, giving feedback and withdrawing are drawn for whoever may, and for nobody else."""
    key = new_id("a").replace("_", "-")
    await people(here, key)
    ref = (await tech_review.submit(here.services, request(datetime.now(UTC).date(), account=key), by(CE))).ref
    emails = {role: f"{new_id('m').replace('_', '-')}@roles.example" for role in Role}
    given = [{"name": "Ola", "email": email, "roles": [role], "zone": "UTC"} for role, email in emails.items()]
    await members.import_members(here.services, MembersFile.model_validate({"members": given}))
    transport = httpx.ASGITransport(app=create_app(here.services))
    for role, email in emails.items():
        async with here.services.store.writing() as connection:
            found = await known.member_by_email(connection, email)
            assert found is not None
            cookie = await session.begin(connection, present(), member=found.id)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8700", cookies={SESSION_COOKIE: cookie}
        ) as browser:
            page = (await browser.get(f"/reviews/{ref}")).text
            form = (await browser.get(f"/reviews/{ref}/edit")).text
        may = {action: access.reach(action, [role]) is not None for action in OFFERED}
        assert {action: mark.format(ref) in page for action, mark in OFFERED.items()} == may, role
        assert (f'action="/reviews/{ref}/edit"' in form) is may[Action.REQUEST_REVIEW], role
