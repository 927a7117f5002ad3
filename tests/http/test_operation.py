"""Operations on a running onboarding over the JSON API, against a real Temporal server."""

from __future__ import annotations

import httpx
import pytest

from rapport.model.ids import new_id, onboarding_id
from starters.use_cases import token as tokens
from tests.conftest import TAM, Installation, until
from tests.http.test_api import api, body, document

pytestmark = pytest.mark.asyncio(loop_scope="session")

__all__ = ["api"]
SAID = {"as": TAM.email, "reason": "They asked us to wait."}


async def test_operations_are_done_refused_and_repeated_over_http(api: httpx.AsyncClient, here: Installation) -> None:
    """Pause, preview, resume and cancel answer with a receipt; what cannot be done says why, with the field."""
    file = document()
    key = file.account.key
    where = f"/v1/onboardings/{key}"
    assert (await api.post("/v1/onboardings", json=body(file))).status_code == 201
    await here.mailed(4)
    missing = await api.post("/v1/onboardings/nowhere/pause", json=SAID)
    assert (missing.status_code, missing.json()["errors"][0]["field"]) == (404, "account")
    assert (await api.get(f"{where}/resume")).status_code == 409
    unnamed = (await api.post(f"{where}/pause", json={"reason": SAID["reason"]})).json()["errors"][0]
    assert unnamed == {"field": "as", "problem": "is missing", "fix": "add the address of the member who does this"}
    silent = await api.post(f"{where}/pause", json={**SAID, "reason": ""})
    assert (silent.status_code, silent.json()["errors"][0]["field"]) == (422, "reason")
    for outcome in ("paused", "nothing to do"):
        paused = await api.post(f"{where}/pause", json=SAID)
        assert (paused.status_code, paused.json()["outcome"]) == (200, outcome), paused.text
    assert (await api.get(where)).json()["paused"] is True
    assert (await api.get(f"{where}/resume")).json()["steps"] == []
    assert (await api.get(f"{where}/plan")).json()["steps"]["kickoff"]["state"] == "running"
    assert (await api.post(f"{where}/resume", json=SAID)).json()["outcome"] == "resumed"
    nowhere = await api.post(f"{where}/skip", json=SAID)
    assert (nowhere.status_code, nowhere.json()["errors"][0]["field"]) == (422, "step")
    running = await api.post(f"{where}/redo", json={**SAID, "step": "kickoff"})
    assert running.status_code == 409
    assert "has not ended" in running.json()["detail"]
    unknown = await api.post(f"{where}/explode", json=SAID)
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "operation"), unknown.text
    assert (await api.post(f"{where}/cancel", json=SAID)).json()["outcome"] == "cancelled"

    async def cancelled() -> bool:
        return bool((await api.get(where)).json()["stage"] == "cancelled")

    await until(cancelled, "the cancelled onboarding")
    told = [entry["kind"] for entry in (await api.get(f"/v1/accounts/{key}/timeline")).json()]
    assert [kind for kind in told if kind.startswith("operation.")] == [
        "operation.pause",
        "operation.resume",
        "operation.cancel",
    ]


async def test_a_token_hears_first_what_it_may_not_do(api: httpx.AsyncClient, here: Installation) -> None:
    """A service whose scopes leave an operation out is refused as that, whatever its request lacks."""
    name = new_id("crm")
    secret = await tokens.create(here.services, name, ("start_onboardings",))
    theirs = {"Authorization": f"Bearer {secret}"}
    for given in ({}, SAID, {"as": TAM.email}):
        refused = await api.post("/v1/onboardings/nowhere/pause", json=given, headers=theirs)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (403, "Authorization"), refused.text
    assert (await api.post("/v1/onboardings", json={}, headers=theirs)).status_code == 422
    assert (await api.post("/v1/onboardings/nowhere/pause", json={})).status_code == 422


async def test_a_step_that_is_mistyped_is_answered_with_the_keys(api: httpx.AsyncClient, here: Installation) -> None:
    """A title, a typing error and a wrong entry step find nothing, and are told the keys, the one meant first."""
    file = document()
    where = f"/v1/onboardings/{file.account.key}"
    wrong = await api.post("/v1/onboardings", json={**body(file), "at": "Kickoff meeting"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (404, "at"), wrong.text
    assert (await api.post("/v1/onboardings", json=body(file))).status_code == 201
    await here.mailed(4)
    titles = {one["step"]: one["title"] for one in (await api.get(where)).json()["milestones"]}
    asked = {typed: ("redo", {"step": typed}) for typed in (titles["onsite_approval"], "Onsite_Aproval", "nothing")}
    for typed, (operation, given) in asked.items():
        answer = await api.post(f"{where}/{operation}", json={**SAID, **given})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "step"), answer.text
        fix = answer.json()["errors"][0]["fix"]
        assert set(fix.partition("use one of ")[2].split(", ")) == set(titles)
        assert ('did you mean "onsite_approval"? use one of onsite_approval, ' in fix) is (typed != "nothing")
    meeting = await api.get(f"/v1/accounts/{file.account.key}/meetings/{titles['kickoff']}")
    assert (meeting.status_code, 'did you mean "kickoff"?' in meeting.text.replace("\\", "")) == (404, True)


async def test_a_step_without_a_task_says_why(api: httpx.AsyncClient, here: Installation) -> None:
    """What has not begun says what it begins after; what is not for the account says that; a mistyped one is listed."""
    file = document()
    key = file.account.key
    assert (await api.post("/v1/onboardings", json={**body(file), "playbook": "enterprise"})).status_code == 201
    await here.mailed(4)
    titles = {one["step"]: one["title"] for one in (await api.get(f"/v1/onboardings/{key}")).json()["milestones"]}

    async def refused(step: str) -> dict[str, str]:
        answer = await api.get(f"/v1/tasks/{key}/{step}")
        assert answer.status_code == 404, answer.text
        found: dict[str, str] = answer.json()["errors"][0]
        assert "name it by account and step" not in found["fix"]
        return found

    early = await refused("training_plan")
    assert early["problem"] == f"{titles['training_plan']} hasn't begun, so it has no task yet"
    assert f"it begins once these have ended: {titles['rollout_planning']};" in early["fix"]
    assert "isn't for this account" in (await refused("onsite_approval"))["problem"]
    assert 'did you mean "training_plan"? use one of training_plan, ' in (await refused("training-plan"))["fix"]
    assert (await refused("kickoff"))["problem"] == f"{titles['kickoff']} has no task"


async def test_what_was_ended_in_temporal_is_said_and_goes_on_over_http(
    api: httpx.AsyncClient, here: Installation
) -> None:
    """Started again it is refused with the way on; its status says since when; a resume has it go on."""
    file = document()
    where = f"/v1/onboardings/{file.account.key}"
    assert (await api.post("/v1/onboardings", json=body(file))).status_code == 201
    await here.mailed(4)
    handle = here.client.get_workflow_handle(onboarding_id(file.account.key))
    await handle.terminate("by hand")
    again = await api.post("/v1/onboardings", json=body(file))
    assert (again.status_code, "was ended in Temporal" in again.text) == (409, True)
    shown = (await api.get(where)).json()
    assert (shown["ended_since"] is not None, "onboarding resume" in shown["unblock"]) == (True, True)
    key = api.headers["Authorization"].removeprefix("Bearer ")
    assert (await api.get("/sign-in", params={"key": key})).status_code == 303
    page = (await api.get(f"/accounts/{file.account.key}")).text
    assert "Ended in Temporal." in page
    assert f"rapport onboarding resume {file.account.key}" in page
    assert (await api.post(f"{where}/pause", json=SAID)).status_code == 409
    assert (await api.post(f"{where}/resume", json=SAID)).json()["outcome"] == "continued"
    assert (await api.get(where)).json()["ended_since"] is None
    assert (await api.post("/v1/onboardings", json=body(file))).status_code == 200
    told = [entry["kind"] for entry in (await api.get(f"/v1/accounts/{file.account.key}/timeline")).json()]
    assert told.count("workflow.began_again") == 1
