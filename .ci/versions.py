"""The versions that were tested, on every machine: `pyproject.toml` has them all, `requirements.lock` the image's.

Usage, in the checkout:

    python .ci/versions.py lock              write them down: what is pinned stays, what is new comes in, the rest goes
    python .ci/versions.py lock NAME …       the same, and those named move to the newest that fits
    python .ci/versions.py lock --all        the same, and all move
    python .ci/versions.py check             fail unless a new machine would install exactly what is written down

See docs/adr/0004-versions-that-stay.md.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

MEND = "just lock"
LOCK = "requirements.lock"
_PINS = re.compile(r"^constraint-dependencies = \[.*?^\]\n", re.MULTILINE | re.DOTALL)
_EXPORT = ("export", "--frozen", "--no-emit-project", "--no-annotate", "--no-header")


def lock(project: Path, move: list[str]) -> None:
    """Write the versions to `pyproject.toml` and `requirements.lock`.

    Args:
        move: The packages that move to the newest version that fits, or `--all`.
    """
    text = (project / "pyproject.toml").read_text()
    moved = [word for name in move for word in (("--upgrade",) if name == "--all" else ("--upgrade-package", name))]
    oldest = re.search(r"\d+\.\d+", tomllib.loads(text)["project"]["requires-python"])
    assert oldest is not None
    with _alone(_with_pins(text, [])) as folder:
        # What stands in the file is kept where it can be; a constraint would hold back what has to move along.
        (folder / "pins.txt").write_text("\n".join(pins(text)))
        compile_ = ("pip", "compile", "--universal", "--python-version", oldest[0], "--group", "dev", "--no-header")
        _uv(folder, *compile_, "--no-annotate", "--output-file", "pins.txt", "pyproject.toml", *moved)
        text = _with_pins(text, (folder / "pins.txt").read_text().splitlines())
    everything, image = resolve(text)
    if bare := [pin for pin, hashes in entries(image).items() if not hashes]:
        sys.exit(f"this package index names no hash for {', '.join(bare)}; use one that does")
    (project / "pyproject.toml").write_text(_with_pins(text, everything))
    (project / LOCK).write_text(image)


def check(project: Path) -> None:
    """Resolve as a new machine would, and compare versions; of hashes, those alone that are pinned.

    A file that an index gains later changes nothing, nor does a newer version.
    """
    text = (project / "pyproject.toml").read_text()
    everything, image = resolve(text)
    written = (project / LOCK).read_text()
    wanted, pinned = entries(image), entries(written)
    faults = [
        *_differences("pyproject.toml", set(entries("\n".join(pins(text)))), set(entries("\n".join(everything)))),
        *_differences(LOCK, set(pinned), set(wanted)),
        *(f"{LOCK} has no hash for {pin}" for pin, hashes in pinned.items() if not hashes),
        *(
            f"{LOCK} has no hash of any file there is of {pin}"
            for pin, hashes in pinned.items()
            if hashes and wanted.get(pin) and not hashes & wanted[pin]
        ),
        *([f"{LOCK} names a host"] if "://" in written else []),
    ]
    if faults:
        sys.exit("\n".join((*faults, f"mend it with: {MEND}")))


def resolve(text: str) -> tuple[list[str], str]:
    """What a machine that has nothing but this `pyproject.toml` installs.

    Returns:
        A line for each package, the development tools too, and the image's packages with their hashes.
    """
    with _alone(text) as folder:
        _uv(folder, "lock", "--python", sys.executable)
        everything = _uv(folder, *_EXPORT, "--all-groups", "--no-hashes")
        return everything.splitlines(), _uv(folder, *_EXPORT, "--no-dev")


def pins(text: str) -> list[str]:
    """The versions that a `pyproject.toml` pins."""
    return list(tomllib.loads(text)["tool"].get("uv", {}).get("constraint-dependencies", []))


def entries(requirements: str) -> dict[str, set[str]]:
    """The hashes of each `name==version` of a requirements file, whatever the marker says."""
    lines = (line.split() for line in requirements.replace("\\\n", " ").splitlines() if line.strip())
    return {words[0]: {word for word in words if word.startswith("--hash=sha256:")} for words in lines}


def _with_pins(text: str, lines: list[str]) -> str:
    """The same file with other pins."""
    array = "".join(f"  {json.dumps(line)},\n" for line in lines)
    pins_ = f"constraint-dependencies = [\n{array}]\n"
    if _PINS.search(text):
        return _PINS.sub(lambda _: pins_, text, count=1)
    return text.replace("[tool.uv]\n", f"[tool.uv]\n{pins_}", 1)


def _differences(where: str, written: set[str], wanted: set[str]) -> Iterator[str]:
    yield from (f"{where} does not pin {pin}" for pin in sorted(wanted - written))
    yield from (f"{where} pins {pin}, which nothing needs" for pin in sorted(written - wanted))


@contextmanager
def _alone(text: str) -> Iterator[Path]:
    """A folder with this `pyproject.toml` and nothing else, above all no uv.lock."""
    with TemporaryDirectory(prefix="rapport-versions-") as folder:
        (Path(folder) / "pyproject.toml").write_text(text)
        yield Path(folder)


def _uv(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["uv", "--quiet", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stderr}a bound that its pin does not meet is mended with: {MEND}")
    return done.stdout


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["check"]:
            check(Path.cwd())
        case ["lock", *names]:
            lock(Path.cwd(), names)
        case _:
            sys.exit(__doc__)
