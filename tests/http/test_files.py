"""Files on drafts and facts about contacts: by API and page, refused with the field, and sent as they were approved."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
import pytest_asyncio

from rapport.model.ids import new_id
from rapport.rules.attachment import MAX_TOTAL
from starters.http.app import create_app
from starters.use_cases import message, onboarding, token
from starters.use_cases.message import Edit, MessageShown
from starters.use_cases.onboarding import StartRequest
from tests.conftest import SECOND_USER, TAM, USER, Installation, account, until
from tests.support.approval import seen
from tests.support.playbooks import put

pytestmark = pytest.mark.asyncio(loop_scope="session")

OURS = "http://127.0.0.1:8700"
PDF = b"%PDF-1.7\nslides"
AS = {"as": TAM.email}


@dataclass
class Desk:
    """An operator's browser and a program's client, in front of an installation."""

    installation: Installation
    browser: httpx.AsyncClient
    api: httpx.AsyncClient
    account: str = field(default_factory=lambda: new_id("a").replace("_", "-"))

    async def draft(self) -> MessageShown:
        """A mail to the primary user that waits for the TAM to write it."""
        key = self.account
        file = account(key, new_id("C"))
        assert file.contract is not None
        playbook = put(self.installation.services.settings.data, "resources", "deployment_resources")
        file = file.model_copy(
            update={
                "account": file.account.model_copy(update={"review": None}),
                "contract": file.contract.model_copy(update={"playbook": playbook}),
            }
        )
        await onboarding.start(self.installation.services, StartRequest(file=file))

        async def written() -> list[MessageShown]:
            return await message.drafts(self.installation.services, key)

        found: list[MessageShown] = await until(written, "the draft")
        return found[0]

    async def save(
        self, draft: MessageShown, do: str = "save", file: tuple[str, bytes] | None = None
    ) -> httpx.Response:
        """Send the page of drafts, with files chosen."""
        path = f"/accounts/{self.account}/drafts"
        page = (await self.browser.get(path)).text
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
        shown = {"subject-1": draft.subject, "paragraph-1": draft.paragraph or "", "body-1": draft.text.strip()}
        return await self.browser.post(path, data={**hidden, **shown, "do": do}, files={"file-1": file} if file else {})


@pytest_asyncio.fixture(loop_scope="session")
async def desk(here: Installation) -> AsyncIterator[Desk]:
    """The pages and the API of an installation."""
    secret = await token.create(here.services, "owner", ("operator",))
    transport = httpx.ASGITransport(create_app(here.services))
    async with (
        httpx.AsyncClient(transport=transport, base_url=OURS, follow_redirects=True) as browser,
        httpx.AsyncClient(
            transport=transport, base_url=OURS, headers={"Authorization": f"Bearer {secret}"}, params=AS
        ) as api,
    ):
        assert (await browser.get(f"/sign-in?key={secret}")).status_code == 200
        yield Desk(here, browser, api)


async def test_a_file_goes_with_the_mail_as_it_was_approved(desk: Desk) -> None:
    """Attached by the API, listed by show, carried by the mail that was sent; after that nothing can be added."""
    draft = await desk.draft()
    path = f"/v1/messages/{draft.key}/files"
    shown = (await desk.api.put(f"{path}/slides.pdf", content=PDF)).json()
    assert shown["files"] == [{"name": "slides.pdf", "type": "application/pdf", "size": len(PDF)}]
    await desk.api.put(f"{path}/notes.md", content="Grüezi".encode())
    assert (await desk.api.delete(f"{path}/notes.md")).status_code == 200
    missing = await desk.api.delete(f"{path}/notes.md")
    assert (missing.status_code, missing.json()["errors"][0]["field"]) == (404, "name")
    await message.edit(desk.installation.services, draft.key, Edit(paragraph="The slides of last week."), TAM)
    await message.release(desk.installation.services, (draft.key,), TAM)
    [mail] = await desk.installation.mailed(1, USER)
    [part] = mail.iter_attachments()
    assert (part.get_filename(), part.get_payload(decode=True)) == ("slides.pdf", PDF)
    late = await desk.api.put(f"{path}/late.pdf", content=PDF)
    assert (late.status_code, "no draft any more" in late.text) == (409, True)
    sent = (await desk.api.get(f"/v1/messages/{draft.key}")).json()
    assert [file["name"] for file in sent["files"]] == ["slides.pdf"]


async def test_what_cannot_be_sent_is_refused_with_its_field(desk: Desk) -> None:
    """Programs, too much, and anybody without a token: each is told why, and the draft stays as it was."""
    draft = await desk.draft()
    path = f"/v1/messages/{draft.key}/files"
    for name, content, status, named in (
        ("setup.exe", b"MZ", 422, "name"),
        ("slides.pdf", b"MZ", 422, "file"),
        ("slides.pdf", b"%PDF-" + b"x" * MAX_TOTAL, 422, "file"),
    ):
        refused = await desk.api.put(f"{path}/{name}", content=content)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (status, named)
    assert (await desk.api.put(f"{path}/a.txt", content=b"x" * (MAX_TOTAL - 1))).status_code == 200
    assert (await desk.api.put(f"{path}/b.txt", content=b"xx")).status_code == 422
    stranger = await desk.browser.put(f"{path}/c.txt", content=b"x", params=AS)
    assert stranger.status_code == 401
    assert [file.name for file in (await message.show(desk.installation.services, draft.key)).files] == ["a.txt"]


async def test_the_page_of_drafts_takes_files_and_gives_them_back(desk: Desk) -> None:
    """A chosen file is attached when the page is saved and can be taken away; one that is refused is told there."""
    draft = await desk.draft()
    saved = await desk.save(draft, file=("slides <1>.pdf", PDF))
    assert saved.status_code == 422
    assert "is no name for a file" in saved.text
    saved = await desk.save(draft, file=("slides.pdf", PDF))
    assert "Your changes are saved" in saved.text
    assert "Take slides.pdf away" in saved.text
    taken = await desk.save(draft, "detach:1:slides.pdf")
    assert "Take slides.pdf away" not in taken.text
    assert (await message.show(desk.installation.services, draft.key)).files == ()
    unwritten = await desk.save(draft, "send:1")
    assert unwritten.status_code == 409
    assert "nothing of yours in it yet" in unwritten.text


async def test_what_is_known_of_a_contact_is_recorded_by_api(desk: Desk) -> None:
    """What is given is changed, what is left out or null stays; a wrong field, contact or member is refused."""
    await desk.draft()
    path = f"/v1/accounts/{desk.account}/contacts"
    known = await desk.api.patch(f"{path}/{SECOND_USER}", json={"as": TAM.email, "languages": ["Rust", "Go"]})
    assert (known.status_code, known.json()["work"]["languages"]) == (200, ["Rust", "Go"])
    assert known.json()["work"]["projects"] == ["checkout service"]
    shown = (await desk.api.get(f"/v1/accounts/{desk.account}")).json()
    assert shown["contacts"][3]["work"]["languages"] == ["Rust", "Go"]
    for address, body, status in (
        ("nobody@versayce.example", {"as": TAM.email, "languages": ["Go"]}, 404),
        (SECOND_USER, {"as": TAM.email}, 422),
        (SECOND_USER, {"as": TAM.email, "language": ["Go"]}, 422),
        (SECOND_USER, {"as": "priya.raman@foobar.example", "languages": ["Go"]}, 403),
        (SECOND_USER, {"as": TAM.email, "languages": ["a\r\nb"]}, 422),
        (SECOND_USER, {"as": TAM.email, "projects": None, "new_email": None}, 422),
    ):
        refused = await desk.api.patch(f"{path}/{address}", json=body)
        assert refused.status_code == status, refused.text
    nothing = dict.fromkeys(("languages", "projects", "deployment", "previous_tools", "new_email"))
    body = {"as": TAM.email, **nothing, "chat_channel": "#checkout"}
    kept = await desk.api.patch(f"{path}/{SECOND_USER}", json=body)
    assert (kept.status_code, kept.json()["work"]) == (200, known.json()["work"] | {"chat_channel": "#checkout"})
    gone = await desk.api.patch(f"{path}/{SECOND_USER}", json={"as": TAM.email, "projects": [], "chat_channel": None})
    assert gone.json()["work"] == known.json()["work"] | {"projects": [], "chat_channel": None}
    shown = (await desk.api.get(f"/v1/accounts/{desk.account}")).json()
    assert shown["contacts"][3]["work"] == gone.json()["work"]


async def test_a_to_do_is_done_by_filling_in_what_it_asks(desk: Desk) -> None:
    """The task's page asks for just what is unknown; what is written there is recorded, and ends the to-do."""
    file = account(desk.account, new_id("C"))
    assert file.contract is not None
    playbook = put(desk.installation.services.settings.data, "docs", "developer_docs")
    contacts = tuple(one.model_copy(update={"languages": ()}) for one in file.contacts)
    contract = file.contract.model_copy(update={"playbook": playbook})
    file = file.model_copy(update={"contacts": contacts, "contract": contract})
    await onboarding.start(desk.installation.services, StartRequest(file=file))
    task = await seen(desk.installation, f"{desk.account}/developer_docs", lambda one: one.phase == "open")
    assert (task.about, task.unknown) == (SECOND_USER, ("languages",))
    path = f"/tasks/{task.task.removeprefix('task/')}"
    page = (await desk.browser.get(path)).text
    assert ('name="languages"' in page, 'name="projects"' in page) == (True, False)
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
    empty = await desk.browser.post(f"{path}/record", data={**hidden, "languages": " , "})
    assert (empty.status_code, "is empty" in empty.text) == (422, True)
    done = await desk.browser.post(f"{path}/record", data={**hidden, "languages": "Rust, Go"})
    assert "It is recorded" in done.text
    closed = await seen(desk.installation, task.task, lambda one: one.phase == "closed")
    assert closed.outcome == "done"
    [mail] = await desk.installation.mailed(1, SECOND_USER)
    assert "Rust and Go" in str(mail["Subject"])
