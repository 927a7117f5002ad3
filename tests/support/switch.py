"""Whether a fault is mended: state that workflows in the sandbox share with their test."""

from __future__ import annotations

_MENDED: list[bool] = []


def mended() -> bool:
    """Whether it is."""
    return bool(_MENDED)


def mend(is_mended: bool = True) -> None:
    """Mend it, or not."""
    _MENDED[:] = [True] if is_mended else []
