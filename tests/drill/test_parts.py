"""What a drill is made of: its processes, its relay, its disk, its proxy, and what it refuses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import aiosmtplib
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from rapport.model.base import UserError
from rapport.storage.database import Store
from starters.cli.main import app
from starters.drill.disk import DISK_WORDS, KEPT_DATA
from starters.drill.faults import FAULTS
from starters.drill.parts import Part, listens
from starters.drill.postgres import Proxy
from starters.drill.private import refuse_unless_empty, where_it_listens
from starters.drill.relay import RELAY_REFUSED, RELAY_USER, TAKEN, DrillRelay, Taken
from starters.drill.report import DrillFaultShown, DrillReport
from starters.stack import take_port
from tests.conftest import ROOT
from tests.helpers_mail import until
from tests.support import postgres

SLEEPS: Final = (sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)")


async def started(tmp_path: Path, *command: str) -> Part:
    """A process that has said something."""
    log = tmp_path / "part.log"

    async def ready() -> bool:
        return "ready" in log.read_text()

    part = Part("a part", command or SLEEPS, log, ready)
    await part.start()
    return part


async def test_a_part_is_killed_and_starts_again(tmp_path: Path) -> None:
    """A killed part is gone, and comes back as another process."""
    part = await started(tmp_path)
    assert part.process is not None
    before = part.process.pid
    await part.kill()
    assert not part.runs
    await part.revive()
    assert part.process.pid != before
    await part.end()
    assert not part.runs


async def test_a_part_that_does_not_start_says_why(tmp_path: Path) -> None:
    """The last line of what it had to say stands in the refusal."""
    with pytest.raises(UserError, match="a part did not start: there is no such thing"):
        await started(tmp_path, sys.executable, "-c", "raise SystemExit('there is no such thing')")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_parts_end_with_a_drill_that_is_killed(tmp_path: Path) -> None:
    """kill -9 to whoever started a part ends the part too."""
    code = f"""
import asyncio, sys
from pathlib import Path
from starters.drill.parts import Part

async def main():
    log = Path({str(tmp_path / "part.log")!r})
    async def ready():
        return "ready" in log.read_text()
    part = Part("a part", {SLEEPS!r}, log, ready)
    await part.start()
    print(part.process.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < end
        time.sleep(0.01)


async def test_the_relay_keeps_what_it_takes_through_its_own_death(tmp_path: Path) -> None:
    """Before it says that it has a mail it has it on disk; how it behaves outlives it as well."""
    relay, port = DrillRelay(tmp_path / "relay"), take_port(0, "--port")
    command = (sys.executable, "-P", "-m", "starters.drill.relay", str(port), str(relay.folder))
    part = Part("the relay", command, tmp_path / "relay.log", lambda: listens(port))
    await part.start()
    await send(port, "a/key/of/a/mail", "one@versayce.example")
    relay.behave(recipient="550 5.1.1 unknown")
    await part.kill()
    await part.start()
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
        await send(port, "another", "two@versayce.example")
    relay.behave(password="another")
    with pytest.raises(aiosmtplib.SMTPAuthenticationError):
        await send(port, "a third", "one@versayce.example")
    await part.kill()
    (mail,) = relay.taken()
    assert (mail.key, mail.to) == ("a/key/of/a/mail", "one@versayce.example")
    assert relay.text(mail).splitlines() == [".", "Hello"]
    assert relay.refused() == {"two@versayce.example": 1}


def test_what_the_relay_is_just_writing_down_is_read_the_next_time(tmp_path: Path) -> None:
    """Its record is read while it writes: half a line is no mail yet, and no end of the drill."""
    relay = DrillRelay(tmp_path / "relay")
    taken = Taken(key="a/key", message_id="<1@foobar.example>", to="one@versayce.example", digest="x", at=1, file="1")
    line = f"{taken.model_dump_json()}\n"
    for end in range(len(line)):
        (relay.folder / TAKEN).write_text(line + line[:end])
        assert relay.taken() == [taken]
        (relay.folder / RELAY_REFUSED).write_text("one@versayce.example\ntwo@")
        assert relay.refused() == {"one@versayce.example": 1}


async def test_a_relay_that_drops_keeps_the_mail_or_loses_it(tmp_path: Path) -> None:
    """Both look alike from outside, and only the relay's own record tells them apart."""
    relay, port = DrillRelay(tmp_path / "relay"), take_port(0, "--port")
    command = (sys.executable, "-P", "-m", "starters.drill.relay", str(port), str(relay.folder))
    part = Part("the relay", command, tmp_path / "relay.log", lambda: listens(port))
    await part.start()
    for how in ("kept", "lost"):
        relay.behave(drop=how)
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await send(port, how, "one@versayce.example")
    await part.kill()
    assert [mail.key for mail in relay.taken()] == ["kept"]


async def test_an_idle_connection_meets_the_relays_new_conduct(tmp_path: Path) -> None:
    """A connection that rests is closed when the relay changes, so that the next mail meets what it is now."""
    relay, port = DrillRelay(tmp_path / "relay"), take_port(0, "--port")
    command = (sys.executable, "-P", "-m", "starters.drill.relay", str(port), str(relay.folder))
    part = Part("the relay", command, tmp_path / "relay.log", lambda: listens(port))
    await part.start()
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
    await client.connect()
    relay.behave(greeting="554 5.7.1 blocked")
    await until(lambda: not client.is_connected)
    await part.kill()


async def send(port: int, key: str, to: str) -> None:
    """Send a mail as Rapport does."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "rapport@foobar.example", to, "Hello"
    mail["Message-ID"], mail["X-Rapport-Key"] = f"<{key.replace('/', '.').replace(' ', '.')}@foobar.example>", key
    mail.set_content(".\nHello\n")
    await aiosmtplib.send(
        mail,
        hostname="127.0.0.1",
        port=port,
        username=RELAY_USER,
        password="right",
        start_tls=False,
    )


async def test_a_cut_proxy_breaks_what_is_open_and_takes_nothing_new() -> None:
    """Cut, it breaks connections; mended, it passes on again."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await reader.read()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = Proxy(("127.0.0.1", server.sockets[0].getsockname()[1]), take_port(0, "--port"))
    await proxy.mend()
    for _ in range(2):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        proxy.cut()
        with contextlib.suppress(ConnectionError):
            assert not await reader.read()
        assert not await listens(proxy.port)
        writer.close()
        await proxy.mend()
    proxy.cut()
    server.close()


_FILLED: Final = """
import errno, json, os, sys
from pathlib import Path
from starters.drill import disk
if sys.argv[2] == "nobody":
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
made = disk.make(Path(sys.argv[1]), 4)
if sys.argv[2] == "limit":
    made.means = "limit"
def attempt():
    try:
        with (made.path / "file").open("ab", buffering=0) as file:
            file.write(bytes(4096)); file.write(bytes(4096))
    except OSError as error:
        return errno.errorcode[error.errno]
    return "fits"
found = [attempt()]
made.fill([os.getpid()])
found.append(attempt())
made.free()
found.append(attempt())
disk.unmount(made)
print(json.dumps([made.means, found]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mounts and limits as Linux has them")
@pytest.mark.parametrize("who", ["root", "nobody", "limit"])
def test_a_full_disk_is_full_for_whoever_drills(tmp_path: Path, who: str) -> None:
    """For root and for anybody else there is a disk, or a limit, that takes nothing more; and then takes it again."""
    if who != "limit" and os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    place = tmp_path / "place"
    place.mkdir(mode=0o777)
    for folder in (place, *list(place.parents)[:-2]):
        folder.chmod(folder.stat().st_mode | 0o011 | (0o777 if folder == place else 0))
    done = subprocess.run(
        [sys.executable, "-c", _FILLED, str(place / "disk"), who], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    means, found = json.loads(done.stdout)
    assert found == ["fits", {"tmpfs": "ENOSPC", "limit": "EFBIG"}[means], "fits"]
    assert means in DISK_WORDS
    assert not list((place / "disk").iterdir()) or means == "limit", "the mount is gone, and what was in it"


@pytest.mark.parametrize("url", ["sqlite:///elsewhere.db", "mysql://somewhere/x"])
async def test_only_an_empty_postgresql_database_is_drilled(url: str) -> None:
    """Another kind of database is refused before anything starts."""
    with pytest.raises(UserError, match="is not the address of a PostgreSQL database"):
        await refuse_unless_empty(url)


async def test_a_database_that_does_not_answer_is_said_to() -> None:
    """So is one that is not there."""
    url = f"postgresql+asyncpg://rapport@127.0.0.1:{take_port(0, '--port')}/rapport"
    with pytest.raises(UserError, match="does not answer"):
        await refuse_unless_empty(url)


async def test_a_database_with_something_in_it_is_refused() -> None:
    """An empty database may be drilled; with tables in it, whatever they are, it is left alone."""
    with postgres.server().database() as url:
        await refuse_unless_empty(url)
        store = Store(url)
        async with store.writing() as connection:
            await connection.execute(text("CREATE TABLE somebody_elses (id int)"))
        await store.close()
        with pytest.raises(UserError, match="is not empty"):
            await refuse_unless_empty(url)


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("postgresql+asyncpg://one@db.example/rapport", ("db.example", 5432)),
        ("postgresql+asyncpg://one:two@127.0.0.1:6000/rapport", ("127.0.0.1", 6000)),
        ("postgresql+asyncpg://one@/rapport?host=/run/postgresql", Path("/run/postgresql/.s.PGSQL.5432")),
    ],
)
def test_a_given_database_is_reached_where_it_listens(address: str, where: Path | tuple[str, int]) -> None:
    """By host and port, or by its socket."""
    assert where_it_listens(address) == where


def test_a_directory_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    """What is to be kept goes into a new directory; nothing is started for another."""
    done = CliRunner().invoke(app, ["drill", "--keep", str(tmp_path)])
    assert done.exit_code == 4
    assert "is there already" in done.stderr


def test_an_unknown_fault_is_refused_with_those_that_there_are() -> None:
    """A name that is none leads to a refusal that lists all names, exit code 2."""
    done = CliRunner().invoke(app, ["drill", "--fault", "meteorite"])
    assert done.exit_code == 2
    assert all(fault.name in done.stderr for fault in FAULTS)


def test_a_fault_that_nobody_met_is_said_to_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drill in which nobody came across what was broken is no worse for it, but says so."""
    faults = [
        DrillFaultShown(fault=name, what="broken", at=0, lasted=1, met=met, known=None)
        for name, met in (("relay drops", False), ("relay loses", True), ("Temporal dies", None))
    ]
    some: dict[str, Any] = {"seed": 1, "minutes": 1, "seconds": 1, "database": "SQLite", "disk": "", "well": True}
    counts: dict[str, Any] = {"arrived": 0, "acknowledged": {}, "on_record": {}, "mails": {}}
    lines = ("findings", "doubled", "unknown", "failed", "waiting", "lost", "stranded", "wrong_answers", "refused")
    report = DrillReport(**some, **counts, **dict.fromkeys((*lines, "skipped", "doctor"), ()), faults=tuple(faults))

    async def drilled(*_: object) -> DrillReport:
        return report

    monkeypatch.setattr("starters.drill.run.drill", drilled)
    done = CliRunner().invoke(app, ["drill"])
    assert done.exit_code == 0, done.output
    assert [line for line in done.output.splitlines() if "proves nothing" in line] == [
        "! relay drops: nobody met it, so this drill proves nothing about it."
    ]


def test_the_manual_says_where_a_drill_keeps_its_data() -> None:
    """Whoever looks into what a report names finds the data directory where manual and help say that it is."""
    where = f"DIR/{KEPT_DATA}"
    assert f"--data {where}" in (ROOT / "docs" / "drill.md").read_text()
    assert where in "".join(CliRunner().invoke(app, ["drill", "-h"], prog_name="rapport", terminal_width=200).output)
