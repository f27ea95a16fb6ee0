"""The rights of each principal at the broker, as regular expressions."""

from __future__ import annotations

import re

import pytest

from services.discovery import reactions_of
from shared.bus.definitions import definitions, password_hash
from shared.bus.permissions import (
    RPC_EXCHANGE,
    UPSTREAMS,
    Rights,
    rights_of_gateway,
    rights_of_service,
    rights_of_staff,
    rights_of_subscriber,
)
from shared.config import SERVICES

UUID = "01890000-0000-7000-8000-000000000001"


def test_upstreams_are_those_that_services_react_to() -> None:
    reactions = {service: tuple(reactions_of(service)) for service in SERVICES}
    assert {service: set(found) for service, found in reactions.items() if found} == {
        service: set(upstreams) for service, upstreams in UPSTREAMS.items()
    }


def test_a_name_is_no_pattern() -> None:
    """A dot stands for itself: `staff.ann` is not `staffxann`, nor is she `staff.ann-b`."""
    rights = rights_of_staff("ann", ["clerk"])
    assert rights.owns(f"rpc.reply-staff.ann.{UUID}")
    for other in ("staffxann", "staff.ann-b", "staff.ann.b", "staff.an"):
        assert not rights.owns(f"rpc.reply-{other}.{UUID}")
    mine = rights_of_subscriber("erp", [])
    assert mine.owns("subscriber.erp.queue")
    assert mine.owns("evt-ledger-payment_posted--erp.on_payment")
    for other in ("subscriber.erp2.queue", "subscriberxerp.queue", "subscriber.erp", "erp.queue",
                  "evt-a-b--c--erp.on", "evt-ledger-payment_posted--erp2.on"):  # fmt: skip
        assert not mine.owns(other)


@pytest.mark.parametrize("name", ["", "Ann", "a.b", "a|.*", "ann)", "a" * 33, "1a"])
def test_what_is_no_name_gets_no_rights(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        rights_of_staff(name, ["clerk"])
    with pytest.raises(ValueError, match="no name"):
        rights_of_subscriber(name, [])


@pytest.mark.parametrize(
    "grant", ["", "saldo", "ledger.", "ledger.*", "ledger.#", "ledger.a|b", ".*", "ledger.A", "rpc"]
)
def test_what_is_no_grant_is_refused(grant: str) -> None:
    with pytest.raises(ValueError, match="a grant is"):
        rights_of_subscriber("erp", [grant])


def test_a_whole_service_includes_its_types() -> None:
    both = rights_of_subscriber("erp", ["ledger.payment_posted", "ledger"], personal=())
    assert both == rights_of_subscriber("erp", ["ledger"], personal=())
    assert both.allows_binding("ledger.events", "subscriber.erp.a", "#")
    two = rights_of_subscriber("erp", ["ledger.payment_posted", "ledger.charges_posted"])
    for key, allowed in (
        ("payment_posted", True), ("payment_posted.v2", True), ("charges_posted", True),
        ("payment_posted.vote", False), ("#", False),
    ):  # fmt: skip
        assert two.allows_binding("ledger.events", "subscriber.erp.a", key) is allowed


def test_streams_and_persons_need_a_grant() -> None:
    def reads(rights: Rights, name: str) -> bool:
        return re.search(rights.read, name) is not None

    plain = rights_of_subscriber("erp", ["ledger", "payments"], personal=["payments"])
    assert reads(plain, "ledger.stream")
    assert not reads(plain, "payments.stream")
    assert not reads(plain, "payments.persons")
    assert not reads(rights_of_subscriber("erp", ["ledger"]), "ledger.stream")
    trusted = rights_of_subscriber("erp", ["payments"], persons=True)
    assert reads(trusted, "payments.stream")
    assert trusted.allows_binding("payments.persons", "subscriber.erp.a", "#")


def test_service_reads_its_own_stream_and_no_other() -> None:
    readable = rights_of_service("ledger").read
    assert re.search(readable, "ledger.stream")
    assert not re.search(readable, "payments.stream")


def test_whoever_may_use_a_topic_exchange_has_rights_on_its_keys() -> None:
    """Without them the broker allows any key."""
    everybody = [
        *map(rights_of_service, SERVICES),
        rights_of_gateway(),
        rights_of_staff("ann", ["clerk"]),
        rights_of_staff("ann", ["operator"]),
    ]
    for rights in everybody:
        assert re.search(rights.write, RPC_EXCHANGE)
        assert RPC_EXCHANGE in rights.topics
    subscriber = rights_of_subscriber("erp", SERVICES, persons=True)
    for service in SERVICES:
        assert {f"{service}.events", f"{service}.persons"} <= subscriber.topics.keys()


def test_an_auditor_has_nothing_to_do_with_the_broker() -> None:
    assert rights_of_staff("ann", ["auditor"]) == Rights()


def test_definitions_hold_hashes_and_no_password() -> None:
    # From RabbitMQ's documentation of password hashing.
    assert password_hash("test12", bytes.fromhex("908DC60A")) == (
        "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    )
    made = definitions("/", {"ledger": ("secret", rights_of_service("ledger"))}, queue_bytes=5)
    assert "secret" not in str(made)
    assert {entry["user"] for entry in made["permissions"]} == {"ledger"}
    assert made["topic_permissions"][0]["exchange"] == RPC_EXCHANGE
    assert made["exchanges"][0]["name"] == RPC_EXCHANGE
