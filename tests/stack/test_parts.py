"""The parts of a production installation, each in a process of its own, against a Temporal that was there before."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client

from rapport.mail.catcher import Catcher
from rapport.model.ids import new_id
from tests.conftest import ROOT, account, free_port, until
from tests.stack.test_demo import LIMIT, RAPPORT, environment
from tests.support.playbooks import KICKOFF, put

pytestmark = pytest.mark.asyncio(loop_scope="session")


@contextlib.contextmanager
def part(*command: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a part until the end of the block, and insist that it ends in time when asked to."""
    process = subprocess.Popen(command, env=env, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        # Uvicorn stops in order, and then ends by the signal that it was sent.
        assert process.wait(LIMIT) in (0, -signal.SIGTERM), process.stderr.read() if process.stderr else ""
    finally:
        process.kill()
        process.communicate()


def run(*command: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)


@pytest.mark.long
async def test_worker_and_http_run_alone_from_temporals_own_variables(dev_server: Client, tmp_path: Path) -> None:
    """Set up once, then a worker and an HTTP server, each alone: a start over HTTP ends in four mails at the relay."""
    catcher, smtp, http = Catcher(tmp_path / "mail"), free_port(), free_port()
    await catcher.start("127.0.0.1", smtp)
    env = environment(
        TEMPORAL_ADDRESS=dev_server.service_client.config.target_host,
        RAPPORT_DATA=str(tmp_path / "data"),
        RAPPORT_SECRET="the same in every process",
        RAPPORT_SMTP_URL=f"smtp://127.0.0.1:{smtp}",
        RAPPORT_MAIL_MODE="live",
        RAPPORT_QUIET_HOURS="ignore",
        RAPPORT_TASK_QUEUE=new_id("queue"),
        RAPPORT_PUBLIC_URL=f"http://127.0.0.1:{http}",
    )

    def rapport(*arguments: str) -> str:
        done = run(RAPPORT, *arguments, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    early = run(sys.executable, "worker.py", env=env)
    assert early.returncode == 1
    assert "rapport setup" in early.stderr
    assert "Traceback" not in early.stderr
    rapport("setup")
    rapport("setup")
    put(tmp_path / "data", KICKOFF, "kickoff", "onsite_approval")
    token = json.loads(rapport("token", "create", "tests", "--scope", "operator", "--json"))["token"]
    serve = (sys.executable, "-m", "starters.http.serve", "--port", str(http))
    with part(sys.executable, "worker.py", env=env), part(*serve, env=env):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{http}") as client:

            async def ready() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return (await client.get("/readyz")).status_code == 200
                return False

            await until(ready, "HTTP to be ready", LIMIT)
            asked = {"file": account(new_id("a").replace("_", "-"), new_id("C")).model_dump(mode="json")}
            started = await client.post("/v1/onboardings", json=asked, headers={"Authorization": f"Bearer {token}"})
            assert started.status_code == 201, started.text

        async def delivered() -> bool:
            return len(catcher.mails()) == 4

        await until(delivered, "four mails", LIMIT)
    await catcher.stop()
