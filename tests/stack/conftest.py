"""What tests of commands share: an installation beside which they are typed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.support.beside import beside


@pytest.fixture(scope="module")
def data(dev_server: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data directory of one with the example account, which a file's tests have to themselves."""
    with beside(dev_server, tmp_path_factory.mktemp("beside")) as folder:
        yield folder
