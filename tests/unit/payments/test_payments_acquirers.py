"""The acquirer port: every configured acquirer has the whole of it."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from payment_doubles import FakeAcquirer

from services.payments import acquirers
from services.payments.acquirers import (
    ACQUIRERS,
    Acquirer,
    NewOrder,
    OrderState,
    UnknownOutcome,
    open_acquirer,
)
from shared.config import ConfigurationError, Settings, load_settings

ORDER = NewOrder(
    order_number="n1",
    amount=100,
    description="Оплата",
    return_url="https://saldo.example/payments/1",
    session_seconds=1200,
)


def settings(acquirer: str) -> Settings:
    return Settings(
        amqp_url="",
        secret=bytes(32),
        acquirer=acquirer,
        acquirer_url="http://127.0.0.1:1",
        acquirer_secret="secret",
    )


def methods(of: type) -> dict[str, list[str]]:
    public = {name: value for name, value in vars(of).items() if not name.startswith("_")}
    return {
        name: list(inspect.signature(value).parameters)
        for name, value in public.items()
        if callable(value)
    }


def missing(acquirer: type) -> list[str]:
    """Name the methods of the port that a class lacks or declares differently."""
    found = methods(acquirer)
    return [name for name, signature in methods(Acquirer).items() if found.get(name) != signature]


@pytest.mark.parametrize("name", ACQUIRERS)
def test_every_acquirer_has_the_whole_port(name: str) -> None:
    acquirer = open_acquirer(settings(name))
    assert missing(type(acquirer)) == []


def test_double_of_the_acquirer_has_the_whole_port() -> None:
    assert missing(FakeAcquirer) == []


def test_acquirer_without_a_method_does_not_conform() -> None:
    class Forgetful:
        def register(self, order: NewOrder) -> acquirers.Registration:
            return UnknownOutcome("forgetful")

        def find_order(self, order_number: str) -> None:
            return None

    assert missing(Forgetful) == ["find_order", "read_callback"]


@pytest.mark.parametrize("name", ACQUIRERS)
def test_outcome_is_unknown_when_the_acquirer_cannot_be_reached(name: str) -> None:
    acquirer = open_acquirer(settings(name))
    assert isinstance(acquirer.register(ORDER), UnknownOutcome)
    report = acquirer.find_order("n1", None)
    assert report is not None
    assert (report.state, report.charged) == (OrderState.UNKNOWN, 0)


@pytest.mark.parametrize("name", ACQUIRERS)
@pytest.mark.parametrize("parameters", [{}, {"order": "n1"}, {"status": "1", "signature": ""}])
def test_unsigned_callback_is_not_read(name: str, parameters: dict[str, str]) -> None:
    assert open_acquirer(settings(name)).read_callback(parameters) is None


def test_every_module_of_the_package_is_configured() -> None:
    folder = Path(acquirers.__file__).parent
    found = {path.stem for path in folder.iterdir() if not path.stem.startswith("_")}
    assert {f"{acquirers.__name__}.{name}" for name in found} == set(ACQUIRERS.values())


def test_acquirer_is_chosen_by_a_setting() -> None:
    environment = {"SALDO_AMQP_URL": "amqp://nowhere", "SALDO_SECRET": "00" * 32}
    assert load_settings(environment).acquirer in ACQUIRERS
    chosen = load_settings({**environment, "SALDO_ACQUIRER": "no-such-bank"})
    with pytest.raises(ConfigurationError, match=r"SALDO_ACQUIRER is 'no-such-bank'.*rbs"):
        open_acquirer(chosen)
