"""docker-compose.yml as Compose reads it: anchors, merges, and variables of a `.env` file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import yaml

from tests.conftest import ROOT

_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?:(?P<what>:?[-?])(?P<word>[^}]*))?\})")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


@dataclass(frozen=True)
class ComposeFile:
    """The file together with what `.env` says.

    Attributes:
        variables: The names and values of `.env`.
    """

    variables: Mapping[str, str]

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        """Its services, by name.

        Raises:
            KeyError: A variable that has to be set is not; the error is its message.
        """
        read = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
        services: dict[str, dict[str, Any]] = self._filled(read["services"])
        return services

    def environment(self, service: str) -> dict[str, str]:
        """The variables of a service's processes. One without a value is passed on as it is set, or not at all."""
        told: dict[str, str | None] = self.services[service]["environment"]
        both = ((name, self.variables.get(name) if value is None else value) for name, value in told.items())
        return {name: value for name, value in both if value is not None}

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        return _VARIABLE.sub(self._value, value) if isinstance(value, str) else value

    def _value(self, found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        value = self.variables.get(found["name"])
        what = found["what"] or ""
        if value is None or (not value and what.startswith(":")):
            if what.endswith("?"):
                raise KeyError(found["word"])
            return found["word"] or ""
        return value


def duration(text: str) -> timedelta:
    """A length of time as Compose writes it, such as `1m30s`."""
    return timedelta(**{_UNITS[unit]: int(number) for number, unit in re.findall(r"(\d+)([smh])", text)})
