"""Whoever reads of a technical review meets titles: no id of a scenario, a choice, a side, a persona or a step."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Final

import httpx
from pydantic import SecretStr

from rapport.model.scenario import scenarios
from starters.cli import tech_review as commands, tech_review_needs as needs_commands
from starters.cli.common import out
from starters.use_cases import account as accounts, tech_review, tech_review_needs, tech_review_record, timeline
from starters.use_cases.tech_review import Feedback
from tests.conftest import CHAMPION, Installation, account, by, skipping_installation, text_of
from tests.http.test_flow import signed_in
from tests.support.receiver import receiver
from tests.support.tech_review import (
    CE_VP,
    LEADERS,
    MESSAGE,
    TA,
    asked,
    choose,
    confirm,
    everybody_says,
    in_phase,
    outcome,
    say,
    standing,
    submitted,
    write,
)

_ID: Final = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
"""What every id of more than one word looks like, and no word that people write."""

_TYPED: Final = (
    re.compile(r"<(script|style|code|pre)\b.*?</\1>", re.DOTALL),
    re.compile(r"<[^>]*>"),
    re.compile(r"`[^`]*`"),
    re.compile(r"https?://\S+"),
    re.compile(r"^ *(rapport|to name it in a request:) .*$", re.MULTILINE),
)
"""What is written for programs, or to be typed: tags, code, links, commands."""


def ids_in(text: str) -> set[str]:
    """The ids that a person reads in a page, an email, a post or a table."""
    for typed in _TYPED:
        text = typed.sub(" ", text)
    return set(_ID.findall(unescape(text)))


def test_what_people_read_is_told_from_what_they_type() -> None:
    """An id in a sentence is found, and none of a command, of code, of a link, of a name in a tag."""
    typed = (
        '<option value="pre_trial">`in_favour`</option> <code>a_b</code> https://x.example/a_b\n  rapport x --a a_b\n'
    )
    assert ids_in(f"{typed}It waits for vp_sales") == {"vp_sales"}


async def pages(installation: Installation, browser: httpx.AsyncClient, ref: str) -> dict[str, str]:
    """Every page that tells of a review, as a member's browser has them."""
    shown = await tech_review.show(installation.services, ref)
    paths = [
        "/reviews",
        "/inbox",
        "/accounts/versayce",
        "/reviews/new",
        *(f"/reviews/{ref}{of}" for of in ("", "/record", "/edit")),
    ]
    paths += [f"/tasks/{one.task.removeprefix('task/')}" for one in shown.asks]
    found = {path: (await browser.get(path)).text for path in paths}
    page = await browser.get(f"/reviews/{ref}")
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert csrf is not None
    wrong = {"text": "So", "stance": "perhaps", "csrf": csrf[1]}
    found["a refused form"] = (await browser.post(f"/reviews/{ref}/feedback", data=wrong)).text
    assert shown.closed or "“Support with conditions”" in found["a refused form"]
    return found


async def tables(installation: Installation, ref: str) -> dict[str, str]:
    """What the command line prints for people, and what the timeline and the record say."""
    services = installation.services
    with out.capture() as printed:
        commands._print(await tech_review.show(services, ref))
        commands._print_page(await tech_review.page(services), "", None, None)
        needs_commands._print_needed(await tech_review_needs.needed(services, "versayce"), "versayce")
        for gate in ("trial", "production"):
            needs_commands._print_gate(await tech_review_needs.gate(services, "versayce", gate))
    entries = await timeline.timeline_of(services, "versayce")
    record = await tech_review_record.record(services, ref)
    sealed = record.markdown.partition("<!--")[0]
    return {
        "commands": printed.get(),
        "timeline": "\n".join(f"{one.what}\n{one.said or ''}" for one in entries),
        "record": sealed,
    }


async def test_nobody_who_reads_of_a_review_meets_an_id(tmp_path: Path) -> None:
    """Emails, pages, posts, the timeline, the record and the tables, at each of its phases, to its end and after."""
    found: dict[str, set[str]] = {}

    def look(at: str, texts: dict[str, str]) -> None:
        found.update({f"{at}: {name}": ids for name, text in texts.items() if (ids := ids_in(text))})

    async with receiver() as slack:
        given = {"slack_webhook_url": SecretStr(slack.url)}
        async with (
            skipping_installation(tmp_path, **given) as installation,
            signed_in(installation.services) as browser,
        ):
            services = installation.services
            ref = await submitted(installation, scenarios=tuple(scenarios()))
            file = account("versayce", "C-1").model_copy(update={"contract": None})
            facts = file.account.facts.model_copy(update={"air_gapped": True, "permissions": "explicit_api"})
            file = file.model_copy(update={"account": file.account.model_copy(update={"facts": facts})})
            await accounts.import_account(services, file)
            await asked(installation, ref, "feedback_account_team")
            said = Feedback(text="I know the site", stance="in_favour_if")
            await tech_review.feedback(services, ref, said, by(TA))
            await say(installation, ref, "account_team", "in_favour_if")
            await tech_review.feedback(services, ref, said, by("sam.ortega@foobar.example"))
            await standing(installation, ref, lambda one: len(one.remarks) == 3)
            look("feedback", await pages(installation, browser, ref) | await tables(installation, ref))
            await everybody_says(installation, ref, "in_favour_if", ("engineering", "product", "support"))
            await in_phase(installation, ref, "recommendation")
            look("recommendation", await pages(installation, browser, ref) | await tables(installation, ref))
            await choose(installation, ref, "recommendation", CE_VP, "no", "It costs too much")
            await asked(installation, ref, "leadership")
            look("leadership", await pages(installation, browser, ref) | await tables(installation, ref))
            for leader, word in zip(LEADERS.values(), ("yes", "no", "yes"), strict=True):
                await choose(installation, ref, "leadership", leader, word)
            await write(installation, ref, MESSAGE)
            await asked(installation, ref, "acknowledgement")
            look("acknowledgement", await pages(installation, browser, ref) | await tables(installation, ref))
            await installation.mailed(1, CHAMPION)
            await confirm(installation, ref)
            await outcome(installation, ref)
            look("over", await pages(installation, browser, ref) | await tables(installation, ref))
            look(
                "email",
                {
                    f"{mail['To']}, {mail['Subject']}": f"{mail['Subject']}\n{text_of(mail)}"
                    for mail in installation.mails()
                },
            )
        look("post", {str(number): json.loads(one.body)["text"] for number, one in enumerate(slack.taken)})
    assert not found
