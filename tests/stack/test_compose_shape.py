"""The processes of docker-compose.yml without its containers: their commands, their environment, a read-only disk.

What the network of the containers resolves, the test puts in by hand; everything else is as the file says it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest

from rapport.mail.catcher import Catcher
from rapport.settings import Settings
from rapport.storage import tech_review
from rapport.storage.database import Store
from starters.installation import Ports
from starters.services import Actor, Services
from starters.stack import temporal_server
from starters.use_cases import task as tasks
from tests.conftest import DESK, Installation, free_port, until
from tests.support import postgres
from tests.support.compose_file import ComposeFile, duration
from tests.support.tech_review import CE_VP, LEADERS, SIDES, asked, in_phase, submitted

DOTENV = {
    "RAPPORT_SECRET": "'a' long # random @ text",
    "POSTGRES_PASSWORD": "p@ss/w:o#r?d%41 &x",
    "RAPPORT_MAIL_MODE": "live",
    "RAPPORT_MAIL_ALLOWED_DOMAINS": "foobar.example",
    "RAPPORT_QUIET_HOURS": "ignore",
}
# A disk that takes nothing but what goes to /tmp, and a root without its powers, as the file asks Docker for both.
MOUNTS = """
mount -o remount,bind,ro /
mount --bind "$0" "$0"
mount -o remount,bind,ro "$0"
mount -t tmpfs none "$1"
shift
"""
POWERLESS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


@dataclass
class Host:
    """What the processes stand on.

    Attributes:
        data: The folder that Compose mounts read-only as their data directory.
        tmp: What is /tmp to them.
        replaced: What the containers' network would resolve, and what is there instead.
    """

    data: Path
    tmp: Path
    logs: Path
    replaced: Mapping[str, str]
    file: ComposeFile = field(default_factory=lambda: ComposeFile(DOTENV))

    def environment(self, service: str) -> dict[str, str]:
        """The variables of a service's processes, and those of the image."""
        found = self.file.environment(service)
        for name, here in self.replaced.items():
            assert any(name in value for value in found.values()), name
            found = {key: value.replace(name, here) for key, value in found.items()}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return {**found, "PATH": path, "RAPPORT_DATA": str(self.data), "TMPDIR": str(self.tmp), "LANG": "C.UTF-8"}

    def confined(self, *command: str) -> list[str]:
        """A command that can write nowhere but to its /tmp, as far as this machine can arrange it."""
        if os.geteuid() != 0:
            return list(command)  # its folder's permissions hold
        if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
            return [*POWERLESS, *command]
        script = f'set -e{MOUNTS}exec {" ".join(POWERLESS)} "$@"'
        return ["unshare", "--mount", "sh", "-c", script, str(self.data), str(self.tmp), *command]

    async def run(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """`docker compose run --rm SERVICE COMMAND …`."""
        return await asyncio.to_thread(
            subprocess.run,
            self.confined(*command),
            cwd=self.data,
            env=self.environment(service),
            capture_output=True,
            text=True,
            check=False,
        )

    async def healthy(self) -> subprocess.CompletedProcess[str]:
        """What Docker asks to know whether a worker is healthy."""
        return await self.run("worker", *self.file.services["worker"]["healthcheck"]["test"][1:])

    @asynccontextmanager
    async def started(self, service: str, *more: str) -> AsyncIterator[Running]:
        """A service's process, with its own command; it is stopped as Docker stops it, and ends well."""
        log = self.logs / f"{service}-{len(list(self.logs.iterdir()))}.log"
        with log.open("w") as file:
            process = await asyncio.create_subprocess_exec(
                *self.confined(*self.file.services[service]["command"], *more),
                cwd=self.data,
                env=self.environment(service),
                stdout=file,
                stderr=file,
            )
        try:
            yield Running(process, log)
            process.terminate()
            await asyncio.wait_for(process.wait(), self.patience(service))
            assert process.returncode in (0, -signal.SIGTERM), log.read_text()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def patience(self, service: str) -> float:
        """The seconds after which Docker kills a process that it has asked to stop."""
        return duration(self.file.services[service]["stop_grace_period"]).total_seconds()

    async def at_work(self, worker: Running) -> None:
        """Wait for a worker to be ready."""

        async def ready() -> bool:
            assert worker.process.returncode is None, worker.log.read_text()
            return "worker is ready" in worker.log.read_text()

        await until(ready, "a worker")


@dataclass(frozen=True)
class Running:
    """A process and what it says."""

    process: asyncio.subprocess.Process
    log: Path


@asynccontextmanager
async def host(tmp_path: Path) -> AsyncIterator[tuple[Host, Installation]]:
    """A database server that asks for its password, Temporal, a catcher; and an operator's own files, read-only."""
    programs = postgres.insisted()
    data, tmp, logs, temporal, mail = (tmp_path / name for name in ("data", "tmp", "logs", "temporal", "mail"))
    for folder in (data, tmp, logs, temporal):
        folder.mkdir()
    (data / "support.toml").write_text(DESK)
    data.chmod(0o555)
    ports = Ports(http=free_port(), temporal=free_port(), ui=free_port(), smtp=free_port())
    catcher = Catcher(mail)
    server = postgres.Postgres(programs, DOTENV["POSTGRES_PASSWORD"], free_port())
    try:
        await catcher.start("127.0.0.1", ports.smtp)
        with server.database() as address:
            async with temporal_server(temporal, ports, free_port()) as client:
                replaced = {
                    "@database/rapport": f"@{address.partition('@')[2]}",
                    "temporal:7233": f"127.0.0.1:{ports.temporal}",
                    "mail:1025": f"127.0.0.1:{ports.smtp}",
                }
                here = Host(data, tmp, logs, replaced)
                with patch.dict("os.environ", here.environment("http"), clear=True):
                    settings = Settings()
                store = Store(settings.database)
                yield here, Installation(Services(settings, store, client), client, catcher)
                await store.close()
    finally:
        await catcher.stop()
        server.stop()
        data.chmod(0o755)


async def keys_of(installation: Installation, ref: str) -> dict[str, str]:
    """Who signed what of a review: the public key of each receipt."""
    async with installation.services.store.reading() as connection:
        return {one.key: one.public_key for one in await tech_review.kept_receipts(connection, ref)}


async def decide(installation: Installation, ref: str, step: str, email: str, option: str = "no") -> None:
    """Say no on one's own page: what others enter is no answer in production."""
    task = await asked(installation, ref, step)
    own = Actor(email=email, channel="page")
    await tasks.decide(installation.services, task.task, option, own, "Nobody could run it")


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_either_worker_signs_on_a_read_only_disk(tmp_path: Path) -> None:
    """Each of two workers signs decisions of one review, with one key, and needs nothing but its environment for it."""
    async with host(tmp_path) as (here, installation):
        assert (await here.run("setup", "touch", str(here.data / "x"))).returncode != 0
        done = await here.run("setup", *here.file.services["setup"]["command"])
        assert done.returncode == 0, done.stderr
        assert (await here.healthy()).returncode != 0
        port = free_port()
        async with here.started("http", "--port", str(port)):
            async with here.started("worker") as first:
                await here.at_work(first)
                ref = await submitted(installation)
                for side, member in SIDES.items():
                    await decide(installation, ref, f"feedback_{side}", member, "against")
                await decide(installation, ref, "recommendation", CE_VP)
                await asked(installation, ref, "leadership")
                of_first = await keys_of(installation, ref)
            async with here.started("worker") as second:
                await here.at_work(second)
                for leader in LEADERS.values():
                    await decide(installation, ref, "leadership", leader)
                await in_phase(installation, ref, "message")
                of_all = await keys_of(installation, ref)
                checked = await here.healthy()
                assert checked.returncode == 0, checked.stderr
            async with httpx.AsyncClient() as browser:
                assert (await browser.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        assert of_first
        assert len(of_all) > len(of_first)
        assert len(set(of_all.values())) == 1
        verified = await here.run("setup", "rapport", "audit", "verify")
        assert (verified.returncode, f"{len(of_all)} receipts" in verified.stdout) == (0, True), verified.stderr
        key = await here.run("setup", "rapport", "audit", "key")
        assert key.stdout.strip() in of_all.values()
        assert [path.name for path in here.data.iterdir()] == ["support.toml"]
        assert installation.mails()
        assert not [mail for mail in installation.mails() if "@foobar.example" not in str(mail["To"])]
