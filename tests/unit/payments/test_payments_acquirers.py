"""The acquirer port: every configured acquirer has the whole of it."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from payment_doubles import FakeAcquirer

from services.payments import acquirers
from services.payments.acquirers import (
    ACQUIRERS,
    Acquirer,
    CallbackRequest,
    NewOrder,
    Order,
    OrderState,
    UnknownOutcome,
    open_acquirer,
    open_acquirers,
)
from shared.acquirer_settings import AcquirerSettings
from shared.config import ConfigurationError, load_settings
from shared.errors import Unavailable

ORDER = NewOrder(
    order_number="n1",
    amount=100,
    description="Оплата",
    return_url="https://saldo.example/payments/1",
    session_seconds=1200,
)


KNOWN = Order(order_number="n1", order_id="b1")
REFUND = UUID(int=1)
NOON = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

#: Modules that speak to banks for every dialect.
SHARED = {"exchange"}


def settings(protocol: str) -> AcquirerSettings:
    return AcquirerSettings(
        name="main", protocol=protocol, url="http://127.0.0.1:1", user="saldo", secret="secret"
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

    assert missing(Forgetful) == [name for name in methods(Acquirer) if name != "register"]


@pytest.mark.parametrize("name", ACQUIRERS)
def test_outcome_is_unknown_when_the_acquirer_cannot_be_reached(name: str) -> None:
    acquirer = open_acquirer(settings(name))
    assert isinstance(acquirer.register(ORDER), UnknownOutcome)
    assert isinstance(acquirer.close(KNOWN), UnknownOutcome)
    for amount in (100, 1):
        assert isinstance(acquirer.give_back(KNOWN, amount, 100, REFUND), UnknownOutcome)
    assert acquirer.faster_payment(KNOWN) is None
    for order in (KNOWN, Order(order_number="n1", order_id=None)):
        report = acquirer.find_order(order)
        assert report is not None
        assert (report.state, report.charged) == (OrderState.UNKNOWN, 0)
    with pytest.raises(Unavailable) as refused:
        list(acquirer.report(NOON, NOON + timedelta(days=1)))
    assert refused.value.code == "acquirer_unavailable"


@pytest.mark.parametrize("name", ACQUIRERS)
@pytest.mark.parametrize("parameters", [{}, {"order": "n1"}, {"status": "1", "signature": ""}])
def test_unsigned_callback_is_not_read(name: str, parameters: dict[str, str]) -> None:
    request = CallbackRequest(parameters=parameters, body="{}", remote_address="192.0.2.7")
    assert open_acquirer(settings(name)).read_callback(request) is None


def test_every_module_of_the_package_is_configured() -> None:
    folder = Path(acquirers.__file__).parent
    found = {path.stem for path in folder.iterdir() if not path.stem.startswith("_")} - SHARED
    assert {f"{acquirers.__name__}.{name}" for name in found} == set(ACQUIRERS.values())


def test_acquirers_are_chosen_by_a_setting() -> None:
    environment = {"SALDO_AMQP_URL": "amqp://nowhere", "SALDO_SECRET": "00" * 32}
    (only,) = load_settings(environment).acquirers
    assert only.protocol in ACQUIRERS
    two = {"SALDO_ACQUIRERS": "main=rbs,spare=rbs", "SALDO_ACQUIRER_SPARE_URL": "http://spare"}
    assert list(open_acquirers(load_settings({**environment, **two}).acquirers)) == [
        "main",
        "spare",
    ]
    chosen = load_settings({**environment, "SALDO_ACQUIRER": "nosuchbank"})
    with pytest.raises(ConfigurationError, match=r"main speaks 'nosuchbank'.*rbs"):
        open_acquirers(chosen.acquirers)
