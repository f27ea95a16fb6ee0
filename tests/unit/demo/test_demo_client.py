"""The client: refusals, patience in an outage, and the same key each time."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deploy.demo.acquirer_page import PageError, Payer, read_form
from deploy.demo.client import CabinetClient, OutageError, PaymentLine, Problem
from deploy.doubles.acquirer.order import Order
from deploy.doubles.acquirer.pages import card_form, code_form

LINE = PaymentLine("0100000001", 4500_00, 14_25)


class Gateway(ThreadingHTTPServer):
    """Returns the given responses one after another, and records the requests."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Gateway

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = (self.command, self.path, dict(self.headers), json.loads(body or b"null"))
        self.server.requests.append(request)
        status, data = self.server.answers.pop(0)
        content = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer  # noqa: N815 - the base's names

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_client_repeats_the_same_request_in_an_outage(gateway: Gateway) -> None:
    started = {"payment_id": "p", "total": LINE.total}
    gateway.answers = [(503, {"code": "shutting_down"}), (502, {}), (201, started)]
    client = CabinetClient(gateway.url, patience=10)
    assert client.start_payment([LINE], "key-1") == started
    client.close()
    assert client.repeats == 2
    assert len({json.dumps(sent[3]) for sent in gateway.requests}) == 1
    assert {sent[2]["Idempotency-Key"] for sent in gateway.requests} == {"key-1"}
    assert gateway.requests[0][3] == {
        "lines": [{"account": "0100000001", "amount": 450000, "penalty": 1425}]
    }


def test_refused_request_is_not_repeated(gateway: Gateway) -> None:
    gateway.answers = [(422, {"code": "wrong_code", "detail": "Код не подходит."})]
    client = CabinetClient(gateway.url, patience=10)
    with pytest.raises(Problem, match=r"422 wrong_code: Код не подходит\."):
        client.confirm_registration("r", "000000")
    client.close()
    assert len(gateway.requests) == 1


def test_client_without_patience_raises_at_once(gateway: Gateway) -> None:
    gateway.answers = [(503, {"code": "service_unavailable", "detail": "Позже."})]
    client = CabinetClient(gateway.url)
    with pytest.raises(Problem, match="503"):
        client.accounts()
    client.close()
    nobody = CabinetClient("http://127.0.0.1:9")
    with pytest.raises(OutageError, match="no answer"):
        nobody.accounts()
    nobody.close()


def test_statement_is_read_to_its_last_page(gateway: Gateway) -> None:
    first, second, third = ({"position": position} for position in (1, 2, 3))
    gateway.answers = [
        (200, {"movements": [first, second], "next": "more"}),
        (200, {"movements": [third], "next": None}),
    ]
    client = CabinetClient(gateway.url)
    assert client.statement("0100000001") == [first, second, third]
    client.close()
    assert gateway.requests[1][1].endswith("/statement?after=more")


ORDER = Order(
    order_id="o-1",
    order_number="n-1",
    amount=4500_00,
    charged=0,
    returned=0,
    return_url="http://127.0.0.1/back",
    fail_url="http://127.0.0.1/back",
    description="",
    status=0,
    action_code=0,
    registered_at=0,
    expires_at=0,
    charged_at=None,
    paid_by="CARD",
    masked_pan=None,
    code_attempts=0,
)


def test_card_and_code_forms_of_the_acquirer_are_found() -> None:
    card = read_form(card_form(ORDER, "/bank"))
    assert (card.method, card.action) == ("post", "/bank/payment/page?mdOrder=o-1")
    assert set(card.fields) == {"card_number", "expiry", "cvc"}
    assert set(read_form(code_form(ORDER, "")).fields) == {"code"}
    with pytest.raises(PageError, match="no form"):
        read_form("<p>Закрыто на переучёт</p>")


def test_page_without_a_card_form_is_an_error(gateway: Gateway) -> None:
    gateway.answers = [(500, {})]
    payer = Payer()
    with pytest.raises(PageError, match="answered 500"):
        payer.pay(gateway.url)
    payer.close()
