"""What a terminal shows is for people: neither a log nor its own failure is printed there."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.service import RPCError, RPCStatusCode

from starters.logs import PatientHandler
from starters.use_cases import doctor
from starters.use_cases.doctor import Check
from starters.views.disk import DiskAlarm

FULL = DiskAlarm(full=True, problem="the disk is full: /data", fix="free some space there")


class _FullFile:
    """A file on a full disk."""

    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        """Nothing is there."""

    def tell(self) -> int:
        return 0

    def seek(self, *_: int) -> int:
        return 0

    def close(self) -> None:
        """Nothing is open."""


def test_a_log_on_a_full_disk_goes_without_a_line_and_prints_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any other failure of a log is a fault of this program, and shown."""
    handler = PatientHandler(tmp_path / "rapport.log", maxBytes=5_000_000, delay=True)
    handler.stream = _FullFile()  # type: ignore[assignment]
    record = logging.makeLogRecord({"msg": "all is %s", "args": ("well",), "levelno": logging.WARNING})
    handler.handle(record)
    assert capsys.readouterr().err == ""
    handler.handle(logging.makeLogRecord({"msg": "%d", "args": ("no number",), "levelno": logging.WARNING}))
    assert "Logging error" in capsys.readouterr().err


def test_a_command_prints_nothing_of_what_the_sdk_logs() -> None:
    """What Temporal's client met, such as a call that was tried again, is told by the command in its own words."""
    program = (
        "import logging\n"
        "from starters.cli.main import root\n"
        "root()\n"
        "logging.getLogger('temporalio.core').warning('gRPC call describe_schedule retried')\n"
        "logging.getLogger('rapport').warning('ours')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stderr == "ours\n"


@pytest.mark.parametrize(
    ("status", "disk", "fix"),
    [
        (RPCStatusCode.UNAVAILABLE, None, "see that it runs"),
        (RPCStatusCode.UNAVAILABLE, FULL, "free some space there"),
        (RPCStatusCode.PERMISSION_DENIED, FULL, "see that the connection's key may ask"),
    ],
)
async def test_doctor_names_the_cause_for_which_temporal_does_not_tell(
    status: RPCStatusCode, disk: DiskAlarm | None, fix: str
) -> None:
    """A full disk where that is so, the connection's key only where Temporal says that it may not ask."""

    async def look() -> Check:
        raise RPCError("no", status, b"")

    assert (await doctor._asked("schedule", look(), disk)).fix == fix
