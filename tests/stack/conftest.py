"""What tests of commands share: an installation beside which they are typed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from activities import children
from tests.support.beside import beside


@pytest.fixture(scope="module", autouse=True)
def soon() -> Iterator[None]:
    """Have a workflow that was reset look more often whether what it had started has ended."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(children, "LOOK_AGAIN", timedelta(milliseconds=200))
        yield


@pytest.fixture(scope="module")
def data(dev_server: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data directory of one with the example account, which a file's tests have to themselves."""
    with beside(dev_server, tmp_path_factory.mktemp("beside")) as folder:
        yield folder
