"""The events for other systems over HTTP: who may read what, cursors, and waiting."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import jsonschema_rs
import pytest
from gateway_doubles import TOKEN, Browser, FakeServices

from gateway import subscriptions
from gateway.cursors import encode_cursor
from gateway.log_ends import INTERVAL_SECONDS, LogEnds
from gateway.openapi import describe
from gateway.problems import Refusal
from gateway.routes.events import cloud_event
from gateway.service import Gateway
from gateway.subscriptions import Subscriptions
from shared.bus.epochs import Epoch, LogHistory, as_wire
from shared.bus.history import check_place
from shared.errors import Forbidden, Unavailable

TOKEN_OF_SUBSCRIBER = "token-of-the-data-mart"
FIRST, SECOND = "1.9b2d40c7", "2.5f0c9ae1"
FORK = 4
"""The last position of the first epoch."""
BODY = {"account": "0100000001", "amount": 450_000}


def event(position: int, type_: str = "payment_posted", predecessor: int = 0) -> dict[str, Any]:
    """Return an event as the RPC returns it."""
    headers = {
        "cloudEvents_specversion": "1.0",
        "cloudEvents_id": f"ledger-{position}",
        "cloudEvents_source": "/saldo/ledger",
        "cloudEvents_type": type_,
        "cloudEvents_time": "2026-11-01T09:00:00+00:00",
        "cloudEvents_subject": "7d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b03",
        "cloudEvents_dataschema": f"/saldo/contracts/ledger/{type_}/v1",
        "saldo_position": position,
        "saldo_epoch": FIRST if position <= FORK else SECOND,
        "saldo_predecessor": predecessor or position - 1,
        "saldo_correlation_id": "K7QM2XWD",
    }
    return {"headers": headers, "body": json.dumps(BODY)}


class Log:
    """A service's log as its RPCs show it: one published event at each position, two epochs."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.asked: list[dict[str, Any]] = []

    @property
    def history(self) -> LogHistory:
        began = datetime(2026, 11, 1, tzinfo=UTC)
        epochs = (Epoch(FIRST, 0, began, "first"), Epoch(SECOND, FORK, began, "tail_lost"))
        return LogHistory(epochs, self.size)

    def log_history(self) -> dict[str, Any]:
        return as_wire(self.history)

    def events_after(self, after: int, limit: int, epoch: str = "", **more: Any) -> dict[str, Any]:
        self.asked.append({"after": after, "limit": limit, **more})
        if epoch:
            check_place(self.history, epoch, after)
        reached = max(after, min(self.size, after + limit))
        return {
            "events": [event(position) for position in range(after + 1, reached + 1)],
            "next": reached if reached > after else None,
            "published": reached,
            "more": reached - after >= limit,
            "head": self.size,
            "epoch": self.history.epoch_at(reached).name,
        }

    def events_position(self, since: str | None = None) -> dict[str, int]:
        return {"position": self.size if since is None else 2}


@pytest.fixture
def log(services: FakeServices) -> Log:
    return a_subscriber(services, ["ledger"])


def a_subscriber(services: FakeServices, grants: list[str], *, persons: bool = False) -> Log:
    log = Log(5)
    services.answers["identity", "authenticate"] = Forbidden("session_expired", "x")
    services.answers["identity", "authenticate_subscriber"] = {
        "name": "datamart", "grants": grants, "persons": persons,
    }  # fmt: skip
    for service in ("ledger", "payments"):
        services.answers[service, "events_after"] = log.events_after
        services.answers[service, "events_position"] = log.events_position
        services.answers[service, "log_history"] = log.log_history
    return log


def get(browser: Browser, query: str, token: str | None = TOKEN_OF_SUBSCRIBER) -> Any:
    return browser("GET", f"/api/v1/events?{query}", token=token)


def refusal(response: Any) -> tuple[int, str]:
    return response.status_code, response.json["code"]


def test_without_a_token_or_with_a_wrong_one_nothing_is_read(
    browser: Browser, services: FakeServices, log: Log
) -> None:
    assert refusal(get(browser, "service=ledger", token=None)) == (401, "subscriber_unknown")
    services.answers["identity", "authenticate_subscriber"] = Forbidden("subscriber_unknown", "x")
    wrong = get(browser, "service=ledger")
    assert refusal(wrong) == (401, "subscriber_unknown")
    assert wrong.headers["WWW-Authenticate"].startswith("Bearer")
    limited = Forbidden(
        "too_many_attempts", "x",
        policy="subscriber_tokens", limit=20, window_seconds=300, retry_after_seconds=7,
    )  # fmt: skip
    services.answers["identity", "authenticate_subscriber"] = limited
    assert refusal(get(browser, "service=ledger")) == (429, "too_many_attempts")
    assert log.asked == []


def test_the_session_of_a_person_reads_no_events(browser: Browser, services: FakeServices) -> None:
    services.answers["identity", "authenticate_subscriber"] = Forbidden("subscriber_unknown", "x")
    assert refusal(get(browser, "service=ledger", token=TOKEN)) == (401, "subscriber_unknown")
    assert {method for _, method, _ in services.calls} == {"authenticate_subscriber"}


def test_the_token_of_a_subscriber_opens_nothing_else(
    browser: Browser, services: FakeServices, log: Log
) -> None:
    document = describe(Gateway)
    others = [
        path
        for path, methods in document["paths"].items()
        if methods.get("get", {}).get("security") == [{"session": []}]
    ]
    assert len(others) > 15
    for path in others:
        address = path.replace("{number}", "01").replace("{period}", "2026-10")
        for name in (
            "attachment_id", "challenge_id", "payment_id", "question_id", "session_id",
        ):  # fmt: skip
            address = address.replace(f"{{{name}}}", "7d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b03")
        refused = browser("GET", address, token=TOKEN_OF_SUBSCRIBER)
        assert refusal(refused) == (401, "not_signed_in"), path
    assert {method for _, method, _ in services.calls} == {"authenticate"}


@pytest.mark.parametrize(
    ("grants", "query", "refused"),
    [
        (["ledger"], "service=payments", (403, "events_not_granted")),
        (["ledger"], "service=moon", (404, "events_unknown")),
        (["ledger"], "service=ledger&types=moon_risen", (404, "events_unknown")),
        (["ledger.payment_posted"], "service=ledger&types=charges_posted",
         (403, "events_not_granted")),
        (["ledger.payment_posted"], "service=ledger&types=payment_posted,charges_posted",
         (403, "events_not_granted")),
        (["ledger.no_longer_published"], "service=ledger", (403, "events_not_granted")),
        (["ledger"], "service=ledger&after=x", (400, "invalid_cursor")),
        (["ledger"], f"service=ledger&after={encode_cursor('events payments', '1.1')}",
         (400, "invalid_cursor")),
        (["ledger"], f"service=ledger&after={encode_cursor('events ledger', 7)}",
         (400, "invalid_cursor")),
        (["ledger"], "service=ledger&position=1&since=2026-11-01", (400, "two_beginnings")),
        (["ledger"], "service=ledger&position=6", (409, "position_not_in_log")),
        (["ledger"], f"service=ledger&position=5&epoch={FIRST}", (409, "position_not_in_log")),
        (["ledger"], "service=ledger&position=3&epoch=2.00000000", (409, "position_not_in_log")),
        (["ledger"], f"service=ledger&after={encode_cursor('events ledger', f'5.5.{FIRST}')}",
         (409, "position_not_in_log")),
        (["ledger"], "service=ledger&position=3&epoch=x", (422, "invalid_request")),
        (["ledger"], "service=ledger&wait=21", (422, "invalid_request")),
        (["ledger"], "service=ledger&position=-1", (422, "invalid_request")),
    ],
)  # fmt: skip
def test_a_wrong_service_type_or_place_is_refused(
    browser: Browser,
    services: FakeServices,
    grants: list[str],
    query: str,
    refused: tuple[int, str],
) -> None:
    a_subscriber(services, grants)
    assert refusal(get(browser, query)) == refused


def test_the_history_is_read_page_by_page_by_an_opaque_cursor(browser: Browser, log: Log) -> None:
    seen, query = [], "service=ledger&limit=2"
    while True:
        page = get(browser, query).json
        seen += [one["saldoposition"] for one in page["events"]]
        assert page["position"] == max(seen)
        if not page["more"]:
            break
        query = f"service=ledger&limit=2&after={page['next']}"
    assert seen == [1, 2, 3, 4, 5]
    assert [asked["predecessor"] for asked in log.asked] == [0, 2, 4]
    idle = get(browser, f"service=ledger&after={page['next']}").json
    assert (idle["events"], idle["more"], idle["next"]) == ([], False, page["next"])


def test_reading_begins_at_a_position_or_at_a_time(
    browser: Browser, services: FakeServices, log: Log
) -> None:
    at = get(browser, "service=ledger&position=3").json
    assert [one["saldoposition"] for one in at["events"]] == [4, 5]
    since = get(browser, "service=ledger&since=2026-11-01").json
    assert [one["saldoposition"] for one in since["events"]] == [3, 4, 5]
    asked = [given for _, method, given in services.calls if method == "events_position"]
    assert asked == [{"since": "2026-11-01T00:00:00+03:00"}]


def test_an_event_is_the_message_of_the_bus_one_to_one(browser: Browser, log: Log) -> None:
    page = get(browser, "service=ledger&limit=1").json
    [found] = page["events"]
    assert found == {
        "specversion": "1.0",
        "id": "ledger-1",
        "source": "/saldo/ledger",
        "type": "payment_posted",
        "time": "2026-11-01T09:00:00+00:00",
        "subject": "7d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b03",
        "dataschema": "/saldo/contracts/ledger/payment_posted/v1",
        "datacontenttype": "application/json",
        "saldoposition": 1,
        "saldoepoch": FIRST,
        "saldopredecessor": 0,
        "saldocorrelationid": "K7QM2XWD",
        "data": BODY,
    }
    assert len(cloud_event(event(1)["headers"], "{}")) == len(event(1)["headers"]) + 2
    document = describe(Gateway)
    schema = {"$ref": "#/components/schemas/EventPage", "components": document["components"]}
    assert jsonschema_rs.is_valid(schema, page)
    assert not jsonschema_rs.is_valid(schema, {**page, "more": None})


def test_page_names_the_epoch_of_its_position_and_so_does_its_cursor(
    browser: Browser, log: Log
) -> None:
    page = get(browser, f"service=ledger&limit={FORK}").json
    assert (page["position"], page["epoch"]) == (FORK, FIRST)
    page = get(browser, f"service=ledger&after={page['next']}").json
    assert (page["position"], page["epoch"]) == (5, SECOND)
    assert [one["saldoepoch"] for one in page["events"]] == [SECOND]
    assert get(browser, f"service=ledger&position=5&epoch={SECOND}").status_code == 200


def test_cursor_of_before_there_were_epochs_is_of_the_first_one(browser: Browser, log: Log) -> None:
    log.size = 3
    old = encode_cursor("events ledger", "2.2")
    assert refusal(get(browser, f"service=ledger&after={old}")) == (409, "position_not_in_log")
    none_read = encode_cursor("events ledger", "0.0")
    assert get(browser, f"service=ledger&after={none_read}").status_code == 200


@pytest.mark.parametrize(
    ("query", "fork", "epoch"),
    [
        (f"position=5&epoch={FIRST}", FORK, FIRST),
        ("position=9", FORK, FIRST),
        (f"position=9&epoch={SECOND}", 0, FIRST),
        ("position=9&epoch=2.00000000", 0, FIRST),
    ],
)
def test_reader_of_lost_events_is_told_where_to_go_on(
    browser: Browser, log: Log, query: str, fork: int, epoch: str
) -> None:
    refused = get(browser, f"service=ledger&{query}")
    params = refused.json["params"]
    assert (params["fork"], params["fork_epoch"]) == (fork, epoch)
    assert (params["current"], params["head"]) == (SECOND, 5)
    assert str(fork) in refused.json["detail"]


def test_epochs_of_a_log_are_read_by_whoever_may_see_some_of_its_events(
    browser: Browser, services: FakeServices, log: Log
) -> None:
    def epochs(service: str) -> Any:
        path = f"/api/v1/events/epochs?service={service}"
        return browser("GET", path, token=TOKEN_OF_SUBSCRIBER)

    found = epochs("ledger").json
    assert found["head"] == 5
    assert [(one["epoch"], one["after"]) for one in found["epochs"]] == [(FIRST, 0), (SECOND, FORK)]
    schema = {
        "$ref": "#/components/schemas/Epochs",
        "components": describe(Gateway)["components"],
    }
    assert jsonschema_rs.is_valid(schema, found)
    assert refusal(epochs("payments")) == (403, "events_not_granted")
    assert refusal(epochs("moon")) == (404, "events_unknown")
    services.answers["ledger", "log_history"] = Unavailable("log_not_confirmed", "x")
    unknown = epochs("ledger")
    assert refusal(unknown) == (503, "log_not_confirmed")
    assert unknown.headers["Retry-After"]


def test_the_service_is_told_what_the_subscriber_may_see(
    browser: Browser, services: FakeServices
) -> None:
    for grants, persons, query, types in (
        (["ledger"], False, "service=ledger", None),
        (["ledger"], True, "service=ledger&types=payment_posted", ["payment_posted"]),
        (["ledger.payment_posted"], False, "service=ledger", ["payment_posted"]),
    ):
        log = a_subscriber(services, grants, persons=persons)
        assert get(browser, query).status_code == 200
        [asked] = log.asked
        assert (asked["types"], asked["persons"]) == (types, persons)


def test_a_revoked_subscriber_is_refused_from_the_next_request_on(
    browser: Browser, services: FakeServices, log: Log
) -> None:
    page = get(browser, "service=ledger")
    assert page.status_code == 200
    services.answers["identity", "authenticate_subscriber"] = Forbidden("subscriber_unknown", "x")
    assert get(browser, f"service=ledger&after={page.json['next']}").status_code == 401


def test_who_waits_gets_the_event_when_it_comes(
    browser: Browser, services: FakeServices, log: Log
) -> None:
    def grows_when_asked(since: str | None = None) -> dict[str, int]:
        asked = len([method for _, method, _ in services.calls if method == "events_position"])
        if asked == 2:
            log.size += 1
        return {"position": log.size}

    services.answers["ledger", "events_position"] = grows_when_asked
    page = get(browser, "service=ledger&position=5&wait=20").json
    assert [one["saldoposition"] for one in page["events"]] == [6]


def test_who_waits_in_vain_gets_an_empty_page_and_a_cursor(
    browser: Browser, services: FakeServices, log: Log
) -> None:
    page = get(browser, "service=ledger&position=5&wait=1").json
    assert (page["events"], page["more"], page["position"]) == ([], False, 5)
    again = get(browser, f"service=ledger&after={page['next']}").json
    assert again["next"] == page["next"]


def call_of(closed: list[bool]) -> Any:
    request = SimpleNamespace(environ={"saldo.close": closed.append})
    return SimpleNamespace(request=request)


@pytest.fixture
def waiting() -> Iterator[Callable[[str], None]]:
    """Occupy one place of those who wait, by name; a refusal is raised."""
    held, limits = ExitStack(), Subscriptions(FakeServices())
    closed: list[bool] = []

    def wait(name: str) -> None:
        held.enter_context(limits.waiting(call_of(closed), name))

    with held:
        yield wait


def test_a_thousand_who_wait_take_a_part_of_the_workers_and_no_more(
    waiting: Callable[[str], None],
) -> None:
    admitted, refused = 0, []
    for number in range(1000):
        try:
            waiting(f"subscriber-{number}")
            admitted += 1
        except Refusal as refusal:
            refused.append((refusal.status, refusal.code, refusal.headers["Retry-After"]))
    assert admitted == subscriptions.MOST_WAITING
    assert set(refused) == {(503, "events_busy", "5")}


def test_one_subscriber_waits_in_a_few_requests_only(waiting: Callable[[str], None]) -> None:
    for _ in range(subscriptions.MOST_WAITING_OF_ONE):
        waiting("greedy")
    with pytest.raises(Refusal) as refused:
        waiting("greedy")
    assert (refused.value.status, refused.value.code) == (429, "too_many_waits")
    waiting("modest")


def test_who_may_not_wait_is_refused_before_identity_is_asked(
    browser: Browser, services: FakeServices, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "MOST_WAITING", 0)
    assert refusal(get(browser, "service=ledger&wait=1")) == (503, "events_busy")
    assert services.calls == []
    assert get(browser, "service=ledger").status_code == 200


def test_one_subscriber_reads_so_often_and_no_neighbour_pays_for_it(
    browser: Browser, services: FakeServices, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "READS", 3)
    for _ in range(3):
        assert get(browser, "service=ledger").status_code == 200
    limited = get(browser, "service=ledger")
    assert refusal(limited) == (429, "too_many_reads")
    assert limited.headers["RateLimit-Policy"] == '"events_of_subscriber";q=3;w=60'
    services.answers["identity", "authenticate_subscriber"]["name"] = "neighbour"
    assert get(browser, "service=ledger").status_code == 200


def test_the_connection_of_who_is_refused_a_place_is_closed() -> None:
    closed: list[bool] = []
    limits = Subscriptions(FakeServices())
    with ExitStack() as held:
        for _ in range(subscriptions.MOST_WAITING_OF_ONE):
            held.enter_context(limits.waiting(call_of(closed), "greedy"))
        with pytest.raises(Refusal):
            held.enter_context(limits.waiting(call_of(closed), "greedy"))
    assert closed == [False]


def test_many_who_wait_ask_the_service_once_for_all() -> None:
    asked, grown = [], threading.Event()

    def ask(service: str) -> int:
        asked.append(service)
        return 7 if grown.is_set() else 5

    ends, woken = LogEnds(ask), []
    until = float("inf")
    threads = [
        threading.Thread(target=lambda: woken.append(ends.wait_beyond("ledger", 5, until)))
        for _ in range(50)
    ]
    for thread in threads:
        thread.start()
    grown.set()
    for thread in threads:
        thread.join()
    assert woken == [True] * 50
    assert len(asked) < 10, f"one question in {INTERVAL_SECONDS} s, whoever waits"
