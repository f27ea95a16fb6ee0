"""One small installation for the tests of injectors that a worker runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.injectors.small_house import SmallHouse, small_house


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallHouse]:
    with small_house(tmp_path_factory.mktemp("house") / "saldo") as running:
        yield running


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one case of each test, unless SALDO_TEST_INJECTORS=all asks for every one.

    The cases differ in what they break, and each takes seconds of a whole installation.
    """
    if os.environ.get("SALDO_TEST_INJECTORS") == "all":
        return
    here, seen, left_out = Path(__file__).parent, set(), []
    for item in items:
        if here in item.path.parents and isinstance(item, pytest.Function):
            case = (item.path, item.originalname)
            if case in seen:
                left_out.append(item)
            seen.add(case)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
