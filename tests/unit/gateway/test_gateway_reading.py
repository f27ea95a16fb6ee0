"""What is read of a request is what the description says, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from account_access import owns
from gateway_doubles import Browser, FakeServices

LOOKUP, PAYMENTS, ME = "/api/v1/accounts/lookup", "/api/v1/payments", "/api/v1/me"
CALLBACK = "/api/v1/acquirer/callback"
PREVIEW = {"number": "0001", "address": "а", "holder": "И", "linked": False}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def answers(services: FakeServices) -> None:
    services.answers["accounts", "lookup"] = PREVIEW
    services.answers["payments", "acquirer_callback"] = {"accepted": True}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"number":"1","number":"2"}', "number"),
        ('{"number":"1","number":"1"}', "number"),
        ('{"lines":[{"account":"1","amount":1,"penalty":0,"amount":900}]}', "amount"),
        ('{"number":"1","more":{"a":[[{"b":1,"\\u0062":2}]]}}', "b"),
    ],
)
def test_a_name_that_stands_twice_in_an_object_is_refused_by_name(
    browser: Browser, body: str, name: str
) -> None:
    refused = browser("POST", LOOKUP, data=body, headers=JSON)
    assert (refused.status_code, refused.json["code"]) == (400, "json_name_repeated")
    assert refused.json["params"] == {"name": name}
    assert f"«{name}»" in refused.json["detail"]


@pytest.mark.parametrize(("name", "quoted"), [("n" * 5000, "n" * 100), ("\\ud800", "?")])
def test_a_repeated_name_is_quoted_as_far_as_it_can_be(
    browser: Browser, name: str, quoted: str
) -> None:
    body = f'{{"{name}":1,"{name}":2}}'
    refused = browser("POST", LOOKUP, data=body, headers=JSON)
    assert (refused.status_code, refused.json["params"]) == (400, {"name": quoted})


@pytest.mark.parametrize("media_type", ["application/problem+json", "text/plain", ""])
def test_another_media_type_is_refused_with_the_right_one(
    browser: Browser, media_type: str
) -> None:
    for method, path, header in (("POST", LOOKUP, "Accept-Post"), ("PATCH", ME, "Accept-Patch")):
        refused = browser(method, path, data=b"{}", headers={"Content-Type": media_type})
        assert (refused.status_code, refused.json["code"]) == (415, "body_not_json")
        assert refused.headers["Accept"] == refused.headers[header] == "application/json"
    refused = browser(
        "POST", CALLBACK, token=None, data=b"a=1", headers={"Content-Type": media_type}
    )
    both = "application/x-www-form-urlencoded, application/json"
    assert refused.headers["Accept-Post"] == both


@pytest.mark.parametrize(
    ("amount", "status"),
    [("100", 201), ("100.0", 201), ("1e2", 201), ("100.5", 422), ("true", 422), ('"100"', 422)],
)
def test_a_whole_number_may_be_written_with_a_point(
    browser: Browser, services: FakeServices, amount: str, status: int
) -> None:
    services.answers["payments", "start"] = {
        "payment_id": "p", "total": 100, "redirect_url": None, "state": "awaiting_payment",
    }  # fmt: skip
    body = f'{{"lines":[{{"account":"1","amount":{amount},"penalty":0}}]}}'
    answer = browser("POST", PAYMENTS, data=body, headers={**JSON, "Idempotency-Key": "k"})
    assert answer.status_code == status
    if status == 201:
        [line] = services.calls[-1][2]["lines"]
        assert type(line["amount"]) is int
        assert line["amount"] == 100


@pytest.mark.parametrize(
    ("number", "sent_on"),
    [
        ("0001", "0001"),
        (" 0001 ", "0001"),
        ("0001\n", "0001"),
        ("00-01", "0001"),
        ("+1", None),
        (" ", None),
        (1, None),
    ],
)
def test_an_account_number_is_read_in_any_spelling(
    browser: Browser, services: FakeServices, number: Any, sent_on: str | None
) -> None:
    answer = browser("POST", LOOKUP, json={"number": number})
    assert answer.status_code == (422 if sent_on is None else 200)
    if sent_on is not None:
        assert services.calls[-1][2]["number"] == sent_on


@pytest.mark.parametrize(
    ("text", "status"),
    [(" почему ", 201), (" \u2028\u3000", 422), ("a\u0085", 422), ("x" * 4001, 422),
     (" " + "x" * 4000, 422)],
)  # fmt: skip
def test_a_text_has_something_to_see_within_its_length(
    browser: Browser, services: FakeServices, text: str, status: int
) -> None:
    services.answers["helpdesk", "ask"] = {
        "question_id": "q", "number": 1, "department": "d", "department_title": "О",
        "due_on": "2026-05-28",
    }  # fmt: skip
    answer = browser("POST", "/api/v1/questions", json={"topic": "charges", "text": text})
    assert answer.status_code == status
    if status == 201:
        assert services.calls[-1][2]["text"] == text.strip()


@pytest.mark.parametrize("key", ["", " ", "a b", "ключ", "k" * 201])
def test_an_idempotency_key_is_visible_ascii(browser: Browser, key: str) -> None:
    headers = {"Idempotency-Key": key.encode().decode("latin-1")}
    for path in (PAYMENTS, "/api/v1/questions"):  # the header is required, and optional
        refused = browser("POST", path, json={}, headers=headers)
        assert (refused.status_code, refused.json["code"]) == (400, "idempotency_key_invalid")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_callback_has_parameters_of_a_limited_size(browser: Browser, method: str) -> None:
    def sent(parameters: dict[str, str]) -> int:
        place = "query_string" if method == "GET" else "data"
        answer = browser(method, CALLBACK, token=None, **{place: parameters})
        return int(answer.status_code)

    assert sent({"name": "v" * 1000, "n" * 100: "value"}) == 200
    refused = ({}, {"name": "v" * 1001}, {"n" * 101: "v"}, {f"n{i}": "v" for i in range(51)})
    assert [sent(parameters) for parameters in refused] == [400] * len(refused)


@pytest.mark.parametrize(
    ("path", "allowed"), [("/accounts/lookup", "POST"), ("/accounts/0001", "DELETE, GET, HEAD")]
)
def test_allow_names_the_methods_of_the_path_itself(
    browser: Browser, path: str, allowed: str
) -> None:
    refused = browser("OPTIONS", f"/api/v1{path}")
    assert (refused.status_code, refused.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "path", ["/accounts/x/balance", "/accounts/1/bills/2026-13", "/accounts/1/bills/2026-1.pdf"]
)
def test_what_is_no_account_or_no_month_is_no_path(browser: Browser, path: str) -> None:
    refused = browser("GET", f"/api/v1{path}")
    assert (refused.status_code, refused.json["code"]) == (404, "path_not_found")


@pytest.mark.parametrize(
    "moment", ["2026-05-15", "2026-05-15T12:00:00+03:00", "2026-05-15T12:00:00.5Z"]
)
def test_a_balance_is_as_of_a_day_or_an_instant(
    browser: Browser, services: FakeServices, moment: str
) -> None:
    services.answers["accounts", "owns"] = owns("1")
    services.answers["ledger", "balance"] = {}
    answer = browser("GET", "/api/v1/accounts/1/balance", query_string={"as_of": moment})
    assert answer.status_code == 200
    assert services.calls[-1][2]["as_of"] == moment


@pytest.mark.parametrize(
    "moment", ["2026-05-15T12:00:00", "2026-W20-5", "20260515T120000Z", "0001-01-01T00:00:00+14:00"]
)
def test_another_form_of_a_moment_is_refused(browser: Browser, moment: str) -> None:
    answer = browser("GET", "/api/v1/accounts/1/balance", query_string={"as_of": moment})
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_request")
