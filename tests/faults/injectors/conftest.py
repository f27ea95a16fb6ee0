"""One small installation for the tests of injectors that a worker runs."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.faults.injectors.small_house import SmallHouse, small_house


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_others() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("SALDO_")]:
            patched.delenv(name)
        yield


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallHouse]:
    with small_house(tmp_path_factory.mktemp("house") / "saldo") as running:
        yield running
