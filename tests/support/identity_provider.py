"""A real OpenID provider for tests, which runs on Node, and a browser's way through its pages."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

HERE: Final = Path(__file__).parent / "openid"
SECRET: Final = "a secret: of the tests/+"


def insist_on_provider() -> None:
    """Skip where the provider is not installed, unless this run has to have it."""
    if shutil.which("node") and (HERE / "node_modules" / "oidc-provider").is_dir():
        return
    missing = "no OpenID provider: run `npm ci` in tests/support/openid"
    if os.environ.get("RAPPORT_OPENID_TESTS") == "required":
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def provider(port: int, redirect_uri: str, people: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Run it, with a new key; give its issuer."""
    command = ["node", "provider.mjs", str(port), redirect_uri, json.dumps(people)]
    with subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert any("ready" in line for line in process.stdout), "it has ended"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


async def sign_in_there(browser: httpx.AsyncClient, url: str, login: str) -> str:
    """Sign in at the provider as somebody, and consent; give where the browser is sent back to."""
    answer = await browser.get(url)
    while True:
        while answer.is_redirect:
            onward = str(answer.next_request.url) if answer.next_request else ""
            if "/sign-in/openid/callback" in onward:
                return onward
            answer = await browser.get(onward)
        assert answer.status_code == 200, answer.text
        found = re.search(r'action="([^"]+)"', answer.text)
        prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
        assert found is not None, answer.text
        assert prompt is not None, answer.text
        answer = await browser.post(found[1], data={"prompt": prompt[1], "login": login, "password": "x"})
