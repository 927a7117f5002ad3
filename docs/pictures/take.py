"""Take the README's pictures anew: `just pictures`. Needs Debian's `chromium`, or another with CHROMIUM=/path/to/it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def links(data: Path) -> dict[str, str]:
    """The personal link in each contact's welcome, by first name."""
    found = {}
    while len(mails := sorted((data / "mail").glob("*.eml"))) < 4:
        time.sleep(0.1)
    for path in mails:
        mail = BytesParser(policy=default).parsebytes(path.read_bytes())
        assert isinstance(mail, EmailMessage)
        part = mail.get_body(preferencelist=("plain",))
        assert isinstance(part, EmailMessage)
        found[str(mail["To"]).split()[0]] = re.findall(r"http\S+/m/\S+", part.get_content())[0]
    return found


def answer(page: Page, link: str, *times: int) -> None:
    """Tick times behind a personal link, as its reader does."""
    page.goto(link)
    for index in times:
        page.locator("input[type=checkbox]").nth(index).check()
    page.get_by_role("button", name="Send my answer").click()


def take(page: Page, said: dict[str, Any], data: Path) -> None:
    """Two people answer; then the account's page and the champion's welcome."""
    personal = links(data)
    answer(page, personal["Mara"], 1, 2, 3)
    answer(page, personal["Dana"], 2)
    page.goto(said["links"]["account"])
    page.screenshot(path=HERE / "account.png")
    page.goto(said["links"]["mail"])
    page.get_by_role("link", name="Welcome").filter(visible=True).first.click()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=HERE / "mail.png")


def main() -> None:
    """Run a demo of its own, and look at it."""
    with tempfile.TemporaryDirectory() as folder:
        rapport = str(Path(sys.executable).parent / "rapport")
        ports = [word for option in ("http", "temporal", "ui", "smtp") for word in (f"--{option}-port", "0")]
        demo = subprocess.Popen(
            [rapport, "demo", "--json", "--data", folder, *ports], stdout=subprocess.PIPE, text=True
        )
        try:
            assert demo.stdout is not None
            said = json.loads(demo.stdout.readline())
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS
                )
                take(browser.new_page(viewport={"width": 1280, "height": 1000}), said, Path(folder))
                browser.close()
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(60)


if __name__ == "__main__":
    main()
