"""The year in seconds: the same workflows, activities and mails on a server whose clock jumps ahead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from rapport.mail import compose, outbox
from rapport.model.base import UserError
from starters.simulate.life import Life, Scenario, beginning
from starters.simulate.scenarios import SCENARIOS
from starters.simulate.sources import Source
from starters.simulate.year import Year, look_back, written
from starters.use_cases import message


async def simulate(
    source: Source,
    *,
    days: int,
    scenario: str | Scenario,
    begins: datetime | None = None,
    out: Path | None = None,
    tell: Callable[[datetime], None] | None = None,
) -> Year:
    """Live an account's first days, as many as are asked for.

    Args:
        scenario: One of those there are, by name, or another.
        begins: When the onboarding starts; without it, when the contract is signed, or now.
        out: A directory, new or empty, for the timeline and each mail.
        tell: Is told each week how far it is.

    Raises:
        UserError: There is no such scenario, the directory is not empty, or the onboarding cannot be started.
    """
    acts = _scenario(scenario) if isinstance(scenario, str) else scenario
    if out is not None:
        await asyncio.to_thread(_insist_on_room, out)
    async with beginning(source, begins or source.begins) as life:
        await life.live(life.began + timedelta(days=days), acts, tell)
        with life.acting():
            year = await look_back(life, scenario if isinstance(scenario, str) else "", acts.says)
            if out is not None:
                await _write(life, year, out)
    return year


def _scenario(name: str) -> Scenario:
    if name not in SCENARIOS:
        raise UserError(
            f'there is no scenario "{name[:40]}"', field="--scenario", fix=f"use one of {', '.join(SCENARIOS)}"
        )
    return SCENARIOS[name]()


def _insist_on_room(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError("is there already", field="--out", fix="name a new or empty directory")


async def _write(life: Life, year: Year, out: Path) -> None:
    """Write the timeline as text, and each mail: its bytes as they were sent, and its HTML to look at."""
    files: dict[str, bytes] = {"timeline.txt": ("\n".join(written(year)) + "\n").encode()}
    for number, line in enumerate((line for line in year.lines if line.key is not None), 1):
        assert line.key is not None
        role = (line.role or "").lower().replace(" ", "-")
        name = f"{number:04d}-{line.at.astimezone(life.zone):%Y-%m-%d}-{line.step}-{role}"
        async with life.services.store.reading() as connection:
            raw = await outbox.raw(connection, line.key)
        if raw is not None:
            files[f"{name}.eml"] = raw
            files[f"{name}.html"] = compose.readable(raw)["html"].encode()
        else:
            files[f"{name}.html"] = (await message.show(life.services, line.key)).html.encode()
    await asyncio.to_thread(_save, out, files)


def _save(out: Path, files: dict[str, bytes]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
