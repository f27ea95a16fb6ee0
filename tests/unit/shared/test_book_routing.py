"""Calls to a ledger of several books: each goes where it belongs, and sums are of all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from services.ledger.service import LedgerService
from shared import context
from shared.errors import Conflict, NotFound, Unavailable, ValidationFailed
from shared.rpc import books as module
from shared.rpc.book_methods import METHODS, routed
from shared.rpc.server import Method
from tests.waiting import eventually

NORTH, SOUTH = "ledger_north", "ledger_south"
RULES = [
    {"prefix": "77", "book": NORTH},
    {"prefix": "771", "book": SOUTH},
    {"prefix": "78", "book": "ledger"},
]
IN_FIRST, IN_NORTH, IN_SOUTH = "0100000001", "7700000001", "7710000001"


class Services:
    """What is called by the client: the answers by log and method; each call is kept."""

    def __init__(self, **answers: Callable[[str, dict[str, Any]], Any]) -> None:
        self.answers = answers
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.rules: list[dict[str, Any]] = RULES
        self.away: set[str] = set()
        self.command_ids: set[Any] = set()

    def call(self, service: str, method: str, **options: Any) -> Any:
        self.command_ids.add(options.pop("command_id", None))
        assert options.pop("deadline") > 0
        self.calls.append((service, method, options))
        if service in self.away:
            raise Unavailable("service_unavailable", "away", service=service)
        if method == "books":
            return {"rules": self.rules}
        return self.answers[method](service, options)

    @property
    def asked(self) -> list[str]:
        return [service for service, method, _ in self.calls if method != "books"]


def two_more(services: Services) -> Any:
    return routed(services, (NORTH, SOUTH))


def test_every_method_of_the_ledger_has_a_way_to_the_books() -> None:
    methods = {
        name
        for base in LedgerService.__mro__
        for name, value in vars(base).items()
        if any(isinstance(one, Method) for one in getattr(value, "nameko_entrypoints", ()))
    }
    assert len(methods) > 40
    assert set(METHODS) == methods


def test_without_further_books_the_client_is_the_same() -> None:
    services = Services()
    assert routed(services, ()) is services


@pytest.mark.parametrize(
    ("number", "log"),
    [
        (IN_FIRST, "ledger"),
        (IN_NORTH, NORTH),
        (f"{IN_NORTH}-2", NORTH),
        (IN_SOUTH, SOUTH),
        ("7800000001", "ledger"),
        ("7", "ledger"),
    ],
)
def test_the_longest_prefix_says_which_book_is_asked(number: str, log: str) -> None:
    services = Services(balance=lambda service, asked: {"of": service, **asked})
    assert two_more(services).call("ledger", "balance", number=number, as_of=None) == {
        "of": log,
        "number": number,
        "as_of": None,
    }
    assert services.asked == [log]


def test_other_services_and_a_book_that_is_named_are_called_as_they_are() -> None:
    services = Services(balance=lambda service, _: service, log_history=lambda service, _: service)
    router = two_more(services)
    assert router.call(NORTH, "balance", number=IN_FIRST) == NORTH
    assert router.call("ledger", "log_history") == "ledger"
    assert all(method != "books" for _, method, _ in services.calls)


def test_the_rules_are_asked_for_again_when_they_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    services = Services(balance=lambda service, _: service)
    services.rules = []
    router = two_more(services)
    assert router.call("ledger", "balance", number=IN_NORTH) == "ledger"
    services.rules = RULES
    assert router.call("ledger", "balance", number=IN_NORTH) == "ledger"
    now[0] += module.RULES_S
    assert router.call("ledger", "balance", number=IN_NORTH) == NORTH
    assert [method for _, method, _ in services.calls].count("books") == 2


def test_the_other_books_go_on_while_the_first_one_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    services = Services(balance=lambda service, _: service)
    router = two_more(services)
    services.away = {"ledger"}
    with pytest.raises(Unavailable):  # nobody knows yet which book it is
        router.call("ledger", "balance", number=IN_NORTH)
    services.away = set()
    assert router.call("ledger", "balance", number=IN_NORTH) == NORTH
    services.away = {"ledger"}
    now[0] += module.RULES_S
    assert router.call("ledger", "balance", number=IN_NORTH) == NORTH
    with pytest.raises(Unavailable):
        router.call("ledger", "balance", number=IN_FIRST)


def test_many_accounts_are_asked_of_their_books_and_come_in_the_order_of_the_question() -> None:
    services = Services(
        balances=lambda service, asked: {
            "balances": [{"number": number, "of": service} for number in reversed(asked["numbers"])]
        },
        known_accounts=lambda _, asked: {"known": asked["numbers"][:1]},
        open_debts=lambda _, asked: {"accounts": {one: [] for one in asked["accounts"]}},
    )
    router, numbers = two_more(services), [IN_SOUTH, IN_FIRST, IN_NORTH, "0100000002"]
    found = router.call("ledger", "balances", numbers=numbers)["balances"]
    assert [row["number"] for row in found] == numbers
    assert [row["of"] for row in found] == [SOUTH, "ledger", NORTH, "ledger"]
    known = router.call("ledger", "known_accounts", numbers=numbers)["known"]
    assert known == [IN_SOUTH, IN_FIRST, IN_NORTH]
    assert set(router.call("ledger", "open_debts", accounts=numbers)["accounts"]) == set(numbers)
    assert router.call("ledger", "balances", numbers=[])["balances"] == []


def test_accounts_of_one_book_cost_one_call() -> None:
    services = Services(balances=lambda service, asked: {"balances": [], "of": service})
    answer = two_more(services).call("ledger", "balances", numbers=[IN_NORTH, "7700000002"])
    assert answer["of"] == NORTH
    assert services.asked == [NORTH]


def test_books_are_asked_at_the_same_time_by_whoever_asks() -> None:
    together = threading.Barrier(3, timeout=10)
    actors = []

    def posted(service: str, _: dict[str, Any]) -> Any:
        together.wait()
        actors.append(context.current().actor)
        return {"payments": [service]}

    command_id = uuid4()
    services = Services(payments_posted=posted)
    with context.bind(actor="staff:anna"):
        found = two_more(services).call(
            "ledger", "payments_posted", payment_ids=["x"], command_id=command_id
        )
    assert found == {"payments": ["ledger", NORTH, SOUTH]}
    assert actors == ["staff:anna"] * 3
    assert command_id in services.command_ids


def test_what_one_of_the_books_refuses_is_refused() -> None:
    services = Services(payment_postings=lambda *_: {"postings": []})
    services.away = {SOUTH}
    with pytest.raises(Unavailable):
        two_more(services).call("ledger", "payment_postings", payment_id="x")


def test_the_places_of_documents_are_those_of_the_question() -> None:
    services = Services(
        entered_documents=lambda _, asked: {"entered": [len(asked["documents"]) - 1]}
    )
    documents = [{"account": one} for one in (IN_NORTH, IN_FIRST, IN_NORTH, IN_FIRST)]
    found = two_more(services).call("ledger", "entered_documents", documents=documents)
    assert found == {"entered": [2, 3]}


def pages(router: Any, method: str, rows: str, **arguments: Any) -> list[Any]:
    found, after = [], arguments.pop("after")
    while after is not None:
        page = router.call("ledger", method, after=after, **arguments)
        found += page[rows]
        after = page["next"]
    return found


def test_pages_by_position_go_through_one_book_after_the_other() -> None:
    rows = {"ledger": [1, 2, 3], NORTH: [], SOUTH: [1, 5]}

    def page(service: str, asked: dict[str, Any]) -> Any:
        left = [one for one in rows[service] if one > asked["after"]]
        return {
            "payments": [(service, one) for one in left[:2]],
            "next": left[1] if len(left) > 2 else None,
        }

    services = Services(payments_of_day=page)
    found = pages(two_more(services), "payments_of_day", "payments", after=0)
    assert found == [(log, one) for log, ones in rows.items() for one in ones]


def test_pages_by_number_go_through_one_book_after_the_other() -> None:
    rows = {"ledger": ["01", "02", "03"], NORTH: ["77"], SOUTH: ["771", "772", "773"]}

    def page(service: str, asked: dict[str, Any]) -> Any:
        left = [one for one in rows[service] if one > asked["after"]]
        return {"debts": left[:2], "next": left[1] if len(left) > 2 else None}

    services = Services(debts_due=page)
    found = pages(two_more(services), "debts_due", "debts", after="", due_on="2026-11-30")
    assert found == [one for ones in rows.values() for one in ones]


def test_the_totals_of_advances_are_of_all_books() -> None:
    services = Services(
        advances=lambda service, _: {
            "accounts": [{"number": service}],
            "next": None,
            "count": 2,
            "total": 50,
        }
    )
    page = two_more(services).call("ledger", "advances", after="", limit=5)
    assert (page["count"], page["total"], page["next"]) == (6, 150, f"{NORTH}/")


def test_movements_of_several_accounts_are_paged_and_every_page_has_all_totals() -> None:
    rows = {IN_FIRST: [1, 2, 3], IN_SOUTH: [4], IN_NORTH: [5, 6]}

    def page(_: str, asked: dict[str, Any]) -> Any:
        all_ = [(number, one) for number in asked["numbers"] for one in rows[number]]
        end = asked["after"] + 2
        shown = all_[asked["after"] : end]
        return {
            "accounts": [
                {
                    "number": number,
                    "totals": sum(rows[number]),
                    "movements": [one for whose, one in shown if whose == number],
                }
                for number in asked["numbers"]
            ],
            "next": end if len(all_) > end else None,
        }

    router, after, seen = two_more(Services(statements_between=page)), 0, dict[str, list[int]]()
    numbers = [IN_SOUTH, IN_FIRST, IN_NORTH]
    while after is not None:
        found = router.call("ledger", "statements_between", numbers=numbers, after=after, limit=2)
        assert [one["number"] for one in found["accounts"]] == numbers
        assert [one["totals"] for one in found["accounts"]] == [4, 6, 11]
        for one in found["accounts"]:
            seen.setdefault(one["number"], []).extend(one["movements"])
        after = found["next"]
    assert seen == rows


def test_proposals_are_paged_over_the_books_and_decided_in_their_own() -> None:
    rows = {"ledger": [3], NORTH: [], SOUTH: [1, 7]}
    decided = []

    def proposals(service: str, asked: dict[str, Any]) -> Any:
        left = [one for one in rows[service] if one > asked["after"]]
        return {"proposals": [{"position": one, "of": service} for one in left[:1]]}

    def proposal(service: str, asked: dict[str, Any]) -> Any:
        if asked["proposal_id"] != service:
            raise NotFound("proposal_not_found", "no")
        return {"of": service}

    def approve(service: str, asked: dict[str, Any]) -> Any:
        proposal(service, asked)
        decided.append(service)

    router = two_more(Services(proposals=proposals, proposal=proposal, approve=approve))
    found, page = [], router.call("ledger", "proposals", decided=False, after=0)["proposals"]
    while page:
        found += page
        after = page[-1]["position"]
        page = router.call("ledger", "proposals", decided=False, after=after)["proposals"]
    assert [row["of"] for row in found] == ["ledger", SOUTH, SOUTH]
    for log in rows:
        assert router.call("ledger", "proposal", proposal_id=log) == {"of": log}
        router.call("ledger", "approve", proposal_id=log, reason="r")
    assert decided == list(rows)
    with pytest.raises(NotFound):
        router.call("ledger", "approve", proposal_id="nobody's", reason="r")


def test_no_command_goes_over_several_books() -> None:
    posted = {"ledger": IN_FIRST, NORTH: IN_NORTH, SOUTH: IN_SOUTH}
    services = Services(
        post_payment=lambda service, _: service,
        move_payment=lambda service, _: service,
        reverse=lambda service, _: service,
        payments_posted=lambda service, asked: {
            "payments": [{"account": posted[service]}]
            if service in asked["payment_ids"][0].split()
            else []
        },
    )
    router = two_more(services)
    lines = [{"account": IN_NORTH}, {"account": "7700000002"}]
    assert router.call("ledger", "post_payment", lines=lines) == NORTH
    with pytest.raises(Conflict) as refused:
        router.call("ledger", "post_payment", lines=[*lines, {"account": IN_FIRST}])
    assert refused.value.code == "several_books"
    with pytest.raises(Conflict):
        router.call("ledger", "move_payment", account=IN_NORTH, to_account=IN_SOUTH)
    assert router.call("ledger", "reverse", payment_id=SOUTH, accounts=[]) == SOUTH
    assert router.call("ledger", "reverse", payment_id="x", accounts=[IN_NORTH]) == NORTH
    assert router.call("ledger", "reverse", payment_id="nowhere", accounts=[]) == "ledger"
    with pytest.raises(Conflict):
        router.call("ledger", "reverse", payment_id=f"{NORTH} {SOUTH}", accounts=[])


def test_a_month_is_closed_in_every_book_however_often_it_is_asked() -> None:
    closed = {NORTH}

    def close(service: str, asked: dict[str, Any]) -> Any:
        if service in closed:
            raise Conflict("period_closed", "closed already")
        closed.add(service)
        return asked["period"]

    router = two_more(Services(close=close))
    assert router.call("ledger", "close", period="2026-10") == "2026-10"
    assert closed == {"ledger", NORTH, SOUTH}
    with pytest.raises(Conflict):
        router.call("ledger", "close", period="2026-10")


def test_a_proof_holds_in_the_book_whose_key_has_signed_it() -> None:
    def verify(service: str, asked: dict[str, Any]) -> Any:
        if asked["proof"] == "no proof":
            raise ValidationFailed("proof_unreadable", "no")
        if asked["proof"] != service:
            raise ValidationFailed("proof_does_not_hold", "no")
        return service

    services = Services(verify_proof=verify)
    router = two_more(services)
    assert router.call("ledger", "verify_proof", proof=NORTH) == NORTH
    with pytest.raises(ValidationFailed) as refused:
        router.call("ledger", "verify_proof", proof="forged")
    assert refused.value.code == "proof_does_not_hold"
    with pytest.raises(ValidationFailed) as refused:
        router.call("ledger", "verify_proof", proof="no proof")
    assert refused.value.code == "proof_unreadable"


def test_the_newest_payments_of_all_books_are_found() -> None:
    rows = {"ledger": ["2026-11-03", "2026-11-01"], NORTH: ["2026-11-02"], SOUTH: []}
    services = Services(
        find_payments=lambda service, _: {
            "payments": [{"recorded_at": day} for day in rows[service]],
            "more": False,
        }
    )
    router = two_more(services)
    found = router.call("ledger", "find_payments", limit=2, amount=5)
    assert [row["recorded_at"] for row in found["payments"]] == ["2026-11-03", "2026-11-02"]
    assert found["more"]
    services.calls.clear()
    router.call("ledger", "find_payments", limit=2, account=IN_NORTH)
    assert services.asked == [NORTH]


def test_numbers_of_a_book_that_is_not_named_are_not_said_to_be_unknown() -> None:
    """The book was taken out of the settings, and its accounts are there all the same."""
    services = Services(balance=lambda service, _: service)
    router = routed(services, (NORTH,))
    assert router.call("ledger", "balance", number=IN_NORTH) == NORTH
    with pytest.raises(Unavailable) as refused:
        router.call("ledger", "balance", number=IN_SOUTH)
    assert refused.value.params["service"] == SOUTH
    assert services.asked == [NORTH]


def test_a_payment_without_lines_is_refused_by_the_ledger() -> None:
    services = Services(post_payment=lambda service, _: service)
    assert two_more(services).call("ledger", "post_payment", lines=[]) == "ledger"


class CountedLock:
    """A lock that counts who has asked for it."""

    def __init__(self) -> None:
        self.lock, self.asked = threading.Lock(), 0

    def acquire(self, *arguments: Any, **options: Any) -> bool:
        self.asked += 1
        return self.lock.acquire(*arguments, **options)

    def release(self) -> None:
        self.lock.release()


def test_callers_do_not_wait_one_after_the_other_for_a_first_book_that_is_away() -> None:
    """The gateway was started while it is: nobody knows the rules yet."""
    services, lock, refused = Services(), CountedLock(), list[str]()

    def is_away(service: str, asked: dict[str, Any]) -> Any:
        eventually(lambda: lock.asked == 3, "all wait for the rules")
        raise Unavailable("service_unavailable", "away", service=service)

    real = services.call

    def call(service: str, method: str, **options: Any) -> Any:
        services.calls.append((service, method, options))
        return is_away(service, options) if method == "books" else real(service, method, **options)

    services.call = call  # type: ignore[method-assign]
    router = two_more(services)
    router._asking = lock

    def ask() -> None:
        try:
            router.call("ledger", "balance", number=IN_NORTH)
        except Unavailable as error:
            refused.append(error.code)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert refused == ["service_unavailable"] * 3
    assert [method for _, method, _ in services.calls] == ["books"]
