"""The files that people write."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from rapport.model.base import Refusal, Refused, Written
from rapport.model.reading import read_toml

M = TypeVar("M", bound=Written)


def read_written(model: type[M], path: Path) -> M:
    """Read and check a TOML file.

    Raises:
        Refusal: It cannot be read, or something in it is wrong.
    """
    return read_toml(model, read_file(path), path.name)


def read_file(path: Path) -> bytes:
    """Read a file.

    Raises:
        Refusal: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refusal(
            f"cannot be read: {error.strerror}", field=str(path), fix="check the path", kind=Refused.NOT_FOUND
        ) from None
