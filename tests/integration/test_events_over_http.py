"""Events over HTTP through the gateway's process, the bus, identity and the ledger, as deployed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from gateway.subscriptions import MOST_WAITING, MOST_WAITING_OF_ONE
from services.identity.fingerprints import new_token, token_digest
from shared.config import GATEWAY
from tests.conftest import Database
from tests.gateway_process import GatewayProcess, gateway_process
from tests.integration.bus_ends import open_one, pay
from tests.service_process import service_process
from tests.waiting import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

SUBSCRIBERS = 25
"""More than may wait together, at four requests each."""


@pytest.fixture(scope="module")
def gateway(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory, module_bus: None
) -> Iterator[GatewayProcess]:
    logs = tmp_path_factory.mktemp("servers")
    environment = {"SALDO_AMQP_URL": module_database.settings.amqp_url_of(GATEWAY)}
    with ExitStack() as running:
        for service in ("identity", "ledger"):
            running.enter_context(
                service_process(module_database, service, logs / f"{service}.log")
            )
        yield running.enter_context(gateway_process(environment))


@pytest.fixture(scope="module")
def tokens(module_database: Database) -> list[str]:
    """The tokens of subscribers who may see the ledger."""
    made, identity = [new_token() for _ in range(SUBSCRIBERS)], module_database.store("identity")
    with identity.session() as session:
        for number, token in enumerate(made):
            session.read.subscribers.put(
                f"reader{number}", token_digest(token), ["ledger"],
                persons=False, change="added", reason="act 7",
            )  # fmt: skip
    return made


def events(gateway: GatewayProcess, token: str, **query: Any) -> requests.Response:
    return requests.get(
        f"{gateway.url}/api/v1/events",
        params={"service": "ledger", **query},
        headers={"Authorization": f"Bearer {token}"},
        timeout=60,
    )


def positions(answer: requests.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [one["saldoposition"] for one in answer.json()["events"]]


def test_a_subscriber_reads_the_log_and_is_told_what_is_new(
    module_database: Database, gateway: GatewayProcess, tokens: list[str]
) -> None:
    ledger = module_database.store("ledger")
    open_one(ledger)
    pay(ledger, 3)
    first = events(gateway, tokens[0], limit=3)
    assert positions(first) == [1, 2, 3]
    rest = events(gateway, tokens[0], after=first.json()["next"])
    assert positions(rest) == [4]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(events, gateway, tokens[0], after=rest.json()["next"], wait=20)
        eventually(
            lambda: "saldo_http_requests_in_progress 1" in gateway.metrics(), "somebody waits"
        )
        pay(ledger, 1)
        assert positions(waiting.result()) == [5]
    paid = events(gateway, tokens[0], types="payment_posted", since="2026-01-01T00:00:00Z")
    assert positions(paid) == [2, 3, 4, 5]
    assert events(gateway, tokens[0], position=99).json()["code"] == "position_not_in_log"
    assert events(gateway, new_token()).json()["code"] == "subscriber_unknown"


def test_those_who_wait_leave_room_for_persons(
    module_database: Database, gateway: GatewayProcess, tokens: list[str]
) -> None:
    end = events(gateway, tokens[0], position=0).json()["next"]
    with ThreadPoolExecutor(SUBSCRIBERS * 5) as threads:
        answers = [
            threads.submit(events, gateway, token, after=end, wait=20)
            for token in tokens
            for _ in range(MOST_WAITING_OF_ONE + 1)
        ]
        eventually(
            lambda: sum(answer.done() for answer in answers) == len(answers) - MOST_WAITING,
            "who finds no place is refused at once",
        )
        page = requests.get(f"{gateway.url}/api/v1/documents/rules", timeout=10)
        assert page.status_code == 200, "a person's request is answered all the same"
        pay(module_database.store("ledger"), 1)
        statuses = [answer.result() for answer in answers]
    read = [answer for answer in statuses if answer.status_code == 200]
    assert len(read) == MOST_WAITING
    assert {tuple(positions(answer)) for answer in read} == {tuple(positions(read[0]))}
    assert positions(read[0])
    codes = {answer.json()["code"] for answer in statuses if answer.status_code != 200}
    assert codes <= {"events_busy", "too_many_waits"}
    assert "events_busy" in codes


def test_a_removed_subscriber_is_refused_at_its_next_request(
    module_database: Database, gateway: GatewayProcess, tokens: list[str]
) -> None:
    assert events(gateway, tokens[-1]).status_code == 200
    with module_database.store("identity").session() as session:
        assert session.read.subscribers.remove(f"reader{SUBSCRIBERS - 1}", "act 8")
    assert events(gateway, tokens[-1]).status_code == 401
