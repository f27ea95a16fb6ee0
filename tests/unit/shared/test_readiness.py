"""What a process needs to be ready: the keys' database only where personal data is sealed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import psycopg
import pytest

import services
from services import readiness
from shared.config import SERVICES, Settings

SETTINGS = Settings(amqp_urls={name: f"amqp://{name}@nowhere/" for name in ("identity", "ledger")})


class Keys:
    """Data keys whose pool is opened when it is asked for."""

    def __init__(self, pool: Any, *, is_open: bool = False) -> None:
        self.is_open = is_open
        self._pool = pool

    @property
    def pool(self) -> Any:
        self.is_open = True
        return self._pool


def lost_pool() -> MagicMock:
    return MagicMock(connection=MagicMock(side_effect=psycopg.OperationalError))


@pytest.fixture(autouse=True)
def _bus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_bus", lambda amqp_url: "ok")


def state_of(service: str, keys: Keys) -> str:
    store: Any = SimpleNamespace(service=service, pool=MagicMock(), data_keys=keys)
    return readiness.states_of(SETTINGS, {service: store})[service]


def test_a_service_without_personal_data_opens_no_keys() -> None:
    keys = Keys(lost_pool())
    assert state_of("ledger", keys) == "ok"
    assert not keys.is_open


def test_keys_that_are_needed_or_in_use_must_respond() -> None:
    assert state_of("identity", Keys(lost_pool())) == "unavailable"
    assert state_of("ledger", Keys(lost_pool(), is_open=True)) == "unavailable"
    assert state_of("identity", Keys(MagicMock())) == "ok"


def test_the_services_that_seal_are_those_that_use_the_vault() -> None:
    folder = Path(services.__file__).parent
    using = {
        service
        for service in SERVICES
        for module in (folder / service).rglob("*.py")
        if "session.vault." in module.read_text(encoding="utf-8")
    }
    assert using == readiness.SEALING
