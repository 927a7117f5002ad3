"""Start `rapport demo` as installed from the wheel, and insist on "ready" and four welcome mails.

Usage: python demo_from_wheel.py RAPPORT DIRECTORY
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

LIMIT = 120.0


def main(rapport: str, directory: Path) -> None:
    """Run it outside the checkout, so that nothing of the checkout can be used by mistake."""
    directory.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAPPORT_", "TEMPORAL_"))}
    ports = [word for option in ("http", "temporal", "ui", "smtp") for word in (f"--{option}-port", "0")]
    demo = subprocess.Popen(
        [rapport, "demo", *ports], cwd=directory, env=environment, stdout=subprocess.PIPE, text=True
    )
    began = time.monotonic()
    try:
        assert demo.stdout is not None
        for line in demo.stdout:
            if line.strip() == "ready":
                break
        else:
            sys.exit("the demo ended before it was ready")
        print(f"ready after {time.monotonic() - began:.1f} s")
        folder = directory / ".rapport" / "mail"
        while len(mails := sorted(folder.glob("*.eml"))) < 4:
            if time.monotonic() - began > LIMIT or demo.poll() is not None:
                sys.exit(f"only {len(mails)} mails arrived")
            time.sleep(0.1)
        read = [BytesParser(policy=default).parsebytes(mail.read_bytes()) for mail in mails]
        subjects = {str(mail["Subject"]) for mail in read}
        assert len({str(mail["To"]) for mail in read}) == len(read) == 4
        assert all(subject.startswith("Welcome to ") for subject in subjects), subjects
        print(f"four welcomes after {time.monotonic() - began:.1f} s")
    finally:
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=60)
    if demo.returncode != 0:
        sys.exit(f"the demo ended with {demo.returncode}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).absolute())
