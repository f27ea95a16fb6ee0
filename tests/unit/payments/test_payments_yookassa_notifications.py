"""YooKassa's notifications: known by their network, and believed in nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from yookassa_wire import PENDING, REFUND, SUCCEEDED

from services.payments.acquirers import Callback, CallbackRequest
from services.payments.acquirers.yookassa import connect
from shared.acquirer_settings import AcquirerSettings, acquirers_of

ID = PENDING["id"]
PUBLISHED = "185.71.76.10"


def read(body: Any, remote_address: str = PUBLISHED, *networks: str) -> Callback | None:
    settings = AcquirerSettings(
        name="kassa", protocol="yookassa", url="https://api.example", networks=networks
    )
    text = body if isinstance(body, str) else json.dumps(body)
    request = CallbackRequest(parameters={}, body=text, remote_address=remote_address)
    return connect(settings).read_callback(request)


def notification(event: str, about: Any) -> dict[str, Any]:
    return {"type": "notification", "event": event, "object": about}


PAID = notification("payment.succeeded", SUCCEEDED)


@pytest.mark.parametrize(
    "event", ["payment.waiting_for_capture", "payment.succeeded", "payment.canceled"]
)
def test_payment_is_named_by_our_number_and_its_id(event: str) -> None:
    assert read(notification(event, SUCCEEDED)) == Callback("n1", ID)


def test_refund_is_named_by_the_id_of_its_payment() -> None:
    assert read(notification("refund.succeeded", REFUND)) == Callback("", ID)


@pytest.mark.parametrize("metadata", [{}, {"order_number": 7}, {"order_number": "n 1"}])
def test_payment_of_another_program_has_no_number(metadata: Any) -> None:
    assert read(notification("payment.succeeded", SUCCEEDED | {"metadata": metadata})) == Callback(
        "", ID
    )


@pytest.mark.parametrize(
    ("remote_address", "is_genuine"),
    [
        ("185.71.76.0", True),
        ("185.71.76.31", True),
        ("185.71.76.32", False),
        ("185.71.77.31", True),
        ("77.75.153.127", True),
        ("77.75.153.128", False),
        ("77.75.154.128", True),
        ("77.75.156.11", True),
        ("77.75.156.12", False),
        ("77.75.156.35", True),
        ("2a02:5180::1", True),
        ("2a02:5181::1", False),
        ("::ffff:185.71.76.1", True),
        ("::ffff:203.0.113.7", False),
        ("127.0.0.1", False),
        ("", False),
        ("185.71.76.1, 203.0.113.7", False),
    ],
)
def test_only_published_networks_are_believed(remote_address: str, is_genuine: bool) -> None:
    assert (read(PAID, remote_address) is not None) == is_genuine


def test_networks_are_replaced_by_a_setting() -> None:
    env = {"SALDO_ACQUIRER": "yookassa", "SALDO_ACQUIRER_NETWORKS": "127.0.0.0/8, ::1"}
    (settings,) = acquirers_of(env, "https://api.example")
    assert settings.networks == ("127.0.0.0/8", "::1/128")
    assert read(PAID, "127.0.0.1", *settings.networks) == Callback("n1", ID)
    assert read(PAID, PUBLISHED, *settings.networks) is None
    with pytest.raises(ValueError, match="SALDO_ACQUIRER_NETWORKS must be addresses"):
        acquirers_of({**env, "SALDO_ACQUIRER_NETWORKS": "everywhere"}, "https://api.example")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        "null",
        "payment.succeeded",
        json.dumps(PAID)[:-1],
        json.dumps(PAID) + "}",
        "[" * 60_000,
        '{"object":' * 6_000,
        "\ud800",
        json.dumps(PAID | {"padding": "x" * 65_536}),
        PAID | {"type": "message"},
        PAID | {"event": "payout.succeeded"},
        PAID | {"event": 7},
        PAID | {"object": ID},
        notification("payment.succeeded", {}),
        notification("payment.succeeded", SUCCEEDED | {"id": "../payments"}),
        notification("payment.succeeded", SUCCEEDED | {"id": ""}),
        notification("payment.succeeded", SUCCEEDED | {"metadata": "n1"}),
        notification("refund.succeeded", {"id": "r1"}),
    ],
)
def test_anything_else_is_no_callback(body: Any) -> None:
    assert read(body) is None
