"""Who signs in to the broker, and as whom."""

from __future__ import annotations

import pytest

from shared.bus.principals import Principal, principal_of
from shared.config import SERVICES, ConfigurationError, Settings, load_settings


@pytest.mark.parametrize("service", SERVICES)
def test_service_is_known_by_its_name(service: str) -> None:
    assert principal_of(service) == Principal("service", service)
    assert Principal("service", service).user == service


def test_gateway_staff_and_subscribers_are_known_by_their_users() -> None:
    assert principal_of("gateway") == Principal("gateway", "gateway")
    for kind in ("staff", "subscriber"):
        principal = principal_of(f"{kind}.ivanova")
        assert principal is not None
        assert (principal.kind, principal.user) == (kind, f"{kind}.ivanova")
        assert principal.actor == f"{kind}:ivanova"


@pytest.mark.parametrize(
    "user",
    [None, 7, "", "saldo", "guest", "Ledger", "ledger ", "staff.", "staff.Ivanova", "staff.a.b",
     "staff:ivanova", "subscriber.ledger.x", "service.ledger", "gateway.x", "staff." + "a" * 33],
)  # fmt: skip
def test_nobody_else_is_a_principal(user: object) -> None:
    assert principal_of(user) is None


def test_process_of_one_service_needs_one_url() -> None:
    settings = load_settings({"SALDO_AMQP_URL": "amqp://ledger:x@broker/"})
    assert settings.amqp_url_of("ledger") == "amqp://ledger:x@broker/"


def test_url_of_a_principal_comes_first() -> None:
    given = {"SALDO_AMQP_URL": "amqp://saldo:x@b/", "SALDO_AMQP_URL_GATEWAY": "amqp://gateway:y@b/"}
    assert load_settings(given).amqp_url_of("gateway") == "amqp://gateway:y@b/"


@pytest.mark.parametrize(
    "url", ["", "amqp://saldo:secret@b/", "amqp://gateway:secret@b/", "amqp://b/"]
)
def test_nobody_signs_in_as_somebody_else(url: str) -> None:
    with pytest.raises(ConfigurationError, match="SALDO_AMQP_URL_LEDGER") as refused:
        Settings(amqp_url=url).amqp_url_of("ledger")
    assert "secret" not in str(refused.value)


def test_secret_is_required_where_it_is_used() -> None:
    with pytest.raises(ConfigurationError, match="SALDO_SECRET"):
        next(iter(load_settings({}).keys_of("ledger", "data-keys")))


def test_staff_sign_in_of_the_terminal_comes_before_the_installation() -> None:
    given = {"SALDO_AMQP_URL": "amqp://saldo@b/", "SALDO_STAFF_AMQP_URL": "amqp://staff.ann@b/"}
    assert load_settings(given).staff_amqp_url == "amqp://staff.ann@b/"
    assert load_settings({"SALDO_AMQP_URL": "amqp://x@b/"}).staff_amqp_url == "amqp://x@b/"
