"""`just lock` and `just lock-is-current`, with uv itself and a package index of the test's own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "versions.py"
PROJECT = """\
[project]
name = "here"
version = "1"
requires-python = ">=3.11,<3.15"
dependencies = ["apple>=1"]

[dependency-groups]
dev = ["pear>=1"]

[tool.uv]
"""
APPLE = ("core>=1", "brandy>=1; sys_platform == 'win32'")
"""What apple needs."""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keep it out of the tests' output."""


class Market:
    """A package index, and a project that takes its packages from there and from nowhere else."""

    def __init__(self, folder: Path, address: str) -> None:
        """An index without packages, and a project that pins nothing yet."""
        self.index = folder / "simple"
        self.project = folder / "project"
        self.project.mkdir()
        (self.project / "pyproject.toml").write_text(PROJECT)
        own = ("UV_", "PIP_", "VIRTUAL_ENV")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self.environment |= {
            "UV_DEFAULT_INDEX": f"{address}/simple/",
            "UV_NO_CACHE": "1",  # what an index answered is kept for minutes; here it changes within one
            "NO_PROXY": "127.0.0.1",
        }

    def offer(self, name: str, version: str, *needs: str, tag: str = "py3-none-any") -> None:
        """Add a wheel to the index."""
        shelf = self.index / name
        shelf.mkdir(parents=True, exist_ok=True)
        wheel = shelf / f"{name}-{version}-{tag}.whl"
        about = f"{name}-{version}.dist-info"
        wants = "".join(f"Requires-Dist: {need}\n" for need in needs)
        with zipfile.ZipFile(wheel, "w") as file:
            file.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{wants}")
            file.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
            file.writestr(f"{about}/RECORD", "")
        digests = ((one.name, hashlib.sha256(one.read_bytes()).hexdigest()) for one in sorted(shelf.glob("*.whl")))
        links = "".join(f'<a href="{name}#sha256={digest}">{name}</a>\n' for name, digest in digests)
        (shelf / "index.html").write_text(f"<!DOCTYPE html>\n{links}")

    def run(self, *arguments: str) -> tuple[int, str]:
        """What the script answers: its exit status, and what it says."""
        words = [sys.executable, str(SCRIPT), *arguments]
        done = subprocess.run(
            words, cwd=self.project, env=self.environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def written(self) -> str:
        """Both files, as they stand."""
        return "".join((self.project / name).read_text() for name in ("pyproject.toml", "requirements.lock"))

    def edit(self, old: str, new: str, name: str = "pyproject.toml") -> None:
        """Change one of the files by hand."""
        text = (self.project / name).read_text()
        assert old in text
        (self.project / name).write_text(text.replace(old, new))


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    """An index with two packages and what one of them needs, and a project that has pinned them."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    it = Market(tmp_path, f"http://127.0.0.1:{server.server_port}")
    try:
        it.offer("apple", "1.0", *APPLE)
        it.offer("core", "1.0")
        it.offer("brandy", "1.0")
        it.offer("pear", "1.0")
        assert it.run("lock") == (0, "")
        yield it
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_everything_is_pinned(market: Market) -> None:
    """Every package is pinned with its marker, development tools too; the image's with hashes and without a host."""
    toml, lock = ((market.project / name).read_text() for name in ("pyproject.toml", "requirements.lock"))
    assert '"apple==1.0",\n  "brandy==1.0 ; sys_platform == \'win32\'",\n  "core==1.0",\n  "pear==1.0",\n]' in toml
    assert [line.split()[0] for line in lock.splitlines() if "==" in line] == ["apple==1.0", "brandy==1.0", "core==1.0"]
    assert lock.count("--hash=sha256:") == 3
    assert "127.0.0.1" not in lock
    assert market.run("check") == (0, "")


def test_an_index_goes_on(market: Market) -> None:
    """Newer versions and further files of pinned ones change nothing: not for the check, and not when locked again."""
    for name, needs in (("apple", APPLE), ("core", ()), ("pear", ())):
        market.offer(name, "1.1", *needs)
        market.offer(name, "1.0", *needs, tag="cp311-none-any")
    assert market.run("check") == (0, "")
    before = market.written().count("--hash")
    assert market.run("lock") == (0, "")
    assert "1.1" not in market.written()
    assert market.written().count("--hash") == before + 2


def test_a_named_package_moves_with_what_it_needs(market: Market) -> None:
    """`just lock NAME` moves that package, what it cannot do without, and nothing else; `--all` moves all."""
    market.offer("apple", "1.1", "core>=1.1")
    market.offer("core", "1.1")
    market.offer("pear", "1.1")
    assert market.run("lock", "apple") == (0, "")
    assert [pin in market.written() for pin in ("apple==1.1", "core==1.1", "pear==1.0", "brandy")] == [True] * 3 + [
        False
    ]
    assert market.run("lock", "--all") == (0, "")
    assert "pear==1.1" in market.written()
    assert market.run("check") == (0, "")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("pyproject.toml", '"apple>=1"', '"apple>=1", "fig"', "does not pin fig==1.0"),
        ("pyproject.toml", '["pear>=1"]', "[]", "pins pear==1.0, which nothing needs"),
        ("pyproject.toml", '"apple>=1"', '"apple>=2"', "apple==1.0"),
        ("pyproject.toml", '  "core==1.0",\n', "", "does not pin core==1.0"),
        ("requirements.lock", "core==1.0", "core==0.9", "pins core==0.9, which nothing needs"),
        ("requirements.lock", "sha256:", "sha256:0", "has no hash of any file there is of apple==1.0"),
        ("requirements.lock", "--hash=sha256:", "--hash=md5:", "has no hash for apple==1.0"),
        ("requirements.lock", "apple==1.0", "--index-url https://elsewhere.example\napple==1.0", "names a host"),
    ],
)
def test_what_does_not_agree_is_named(market: Market, name: str, old: str, new: str, said: str) -> None:
    """The check names each version and hash that does not belong to the others, and the command that mends it."""
    market.offer("fig", "1.0")
    market.offer("apple", "2.0")
    market.edit(old, new, name)
    status, words = market.run("check")
    assert status == 1
    assert said in words
    assert words.strip().endswith("just lock")
    assert market.run("lock") == (0, "")
    assert market.run("check") == (0, "")
