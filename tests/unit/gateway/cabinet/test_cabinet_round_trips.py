"""How many calls each page and each read of the API makes, and how many of them in turn.

A cabinet of ten accounts costs no more than a cabinet of one. Whoever makes a page dearer sees it
here, and states the new number.
"""

from __future__ import annotations

from typing import Any

import pytest
from account_access import access, owns
from cabinet_doubles import CabinetBrowser
from cabinet_person import history_of, payment
from gateway_doubles import LINK_TOKEN, SESSION, THING, Browser, FakeServices
from gateway_samples import (
    BALANCE,
    LETTER,
    MONTH,
    PAID,
    PENALTY,
    PROFILE,
    PROOF,
    QUESTION,
    SESSION_ROW,
    TOPIC,
    act,
)
from paced_services import PacedServices
from test_cabinet_documents import ACCOUNT, BILL, MOVEMENT, NUMBER, TOTALS

from gateway.cabinet.page import Page
from gateway.cabinet.static import static_path
from gateway.operations import Operation
from gateway.service import Gateway
from gateway.web import ANY_OTHER_PATH
from shared.config import SERVICES

PAGES = {
    "/": ("/", 1, 1),
    "/acceptance": ("/acceptance", 1, 1),
    "/accessibility": ("/accessibility", 2, 2),
    "/accounts": ("/accounts", 6, 3),
    "/accounts/<number>": (f"/accounts/{NUMBER}", 7, 2),
    "/accounts/<number>/access": (f"/accounts/{NUMBER}/access", 4, 3),
    "/accounts/<number>/bills/<period>": (f"/accounts/{NUMBER}/bills/2026-10", 6, 3),
    "/accounts/<number>/bills/<period>.pdf": (f"/accounts/{NUMBER}/bills/2026-10.pdf", 4, 2),
    "/accounts/<number>/certificate": (f"/accounts/{NUMBER}/certificate", 5, 2),
    "/accounts/<number>/certificate.pdf": (f"/accounts/{NUMBER}/certificate.pdf", 3, 2),
    "/accounts/<number>/penalty": (f"/accounts/{NUMBER}/penalty", 6, 2),
    "/accounts/<number>/reconciliation.pdf": (f"/accounts/{NUMBER}/reconciliation.pdf", 3, 2),
    "/accounts/<number>/statement": (f"/accounts/{NUMBER}/statement", 4, 2),
    "/accounts/<number>/statement.<any(csv,xlsx,pdf):ending>": (
        f"/accounts/{NUMBER}/statement.csv", 3, 2,
    ),
    "/accounts/<number>/unlink": (f"/accounts/{NUMBER}/unlink", 3, 2),
    "/accounts/link": ("/accounts/link", 3, 2),
    "/api/asyncapi.yaml": ("/api/asyncapi.yaml", 0, 0),
    "/api/docs": ("/api/docs", 2, 2),
    "/api/docs/<operation>": ("/api/docs/due", 2, 2),
    "/api/events": ("/api/events", 2, 2),
    "/api/events/<owner>": ("/api/events/ledger", 2, 2),
    "/api/start": ("/api/start", 2, 2),
    "/charges": ("/charges", 6, 3),
    "/charges/<number>/<period>": (f"/charges/{NUMBER}/2026-04", 5, 2),
    "/documents/<any(rules,consent,instruction):kind>": ("/documents/rules", 3, 2),
    "/documents/<any(rules,consent,instruction):kind>.pdf": ("/documents/rules.pdf", 1, 1),
    "/glossary": ("/glossary", 2, 2),
    "/invitations/<token:token>": (f"/invitations/{LINK_TOKEN}", 3, 2),
    "/log-in/<token:token>": (f"/log-in/{LINK_TOKEN}", 0, 0),
    "/log-in/passkey": ("/log-in/passkey", 1, 1),
    "/log-in/second/<uuid:challenge_id>": (f"/log-in/second/{THING}", 1, 1),
    "/look": ("/look", 2, 2),
    "/password": ("/password", 3, 3),
    "/pay": ("/pay", 5, 3),
    "/pay/check": ("/pay/check", 1, 1),
    "/payments": ("/payments", 5, 3),
    "/payments.csv": ("/payments.csv", 2, 2),
    "/payments/<uuid:payment_id>": (f"/payments/{THING}", 6, 3),
    "/payments/<uuid:payment_id>/fiscal": (f"/payments/{THING}/fiscal", 3, 2),
    "/payments/<uuid:payment_id>/go": (f"/payments/{THING}/go", 2, 2),
    "/payments/<uuid:payment_id>/receipt": (f"/payments/{THING}/receipt", 5, 3),
    "/payments/<uuid:payment_id>/receipt.pdf": (f"/payments/{THING}/receipt.pdf", 4, 3),
    "/payments/<uuid:payment_id>/state": (f"/payments/{THING}/state", 2, 2),
    "/problems": ("/problems", 2, 2),
    "/problems/<code>": ("/problems/not_signed_in", 2, 2),
    "/questions": ("/questions", 3, 2),
    "/questions/<uuid:question_id>": (f"/questions/{THING}", 3, 2),
    "/questions/<uuid:question_id>/attachments/<uuid:attachment_id>": (
        f"/questions/{THING}/attachments/{THING}", 3, 3,
    ),
    "/questions/new": ("/questions/new", 4, 2),
    "/recover": ("/recover", 0, 0),
    "/saldo/contracts/<owner>/<event>/<version>": (
        "/saldo/contracts/ledger/payment_posted/v1", 0, 0,
    ),
    "/recover/<token:token>": (f"/recover/{LINK_TOKEN}", 0, 0),
    "/recover/sent": ("/recover/sent", 1, 1),
    "/register": ("/register", 0, 0),
    "/register/<uuid:registration_id>": (f"/register/{THING}", 3, 1),
    "/register/<uuid:registration_id>/email": (f"/register/{THING}/email", 0, 0),
    "/register/<uuid:registration_id>/done": (f"/register/{THING}/done", 1, 1),
    "/settings": ("/settings", 3, 2),
    "/settings/letters": ("/settings/letters", 5, 2),
    "/letters/unsubscribe/<token:link>": (f"/letters/unsubscribe/{LINK_TOKEN}", 1, 1),
    "/settings/email": ("/settings/email", 6, 2),
    "/settings/confirm": ("/settings/confirm", 3, 2),
    "/settings/email/without-old": ("/settings/email/without-old", 3, 3),
    "/email/<any(new,old):side>/<token:token>": (f"/email/old/{LINK_TOKEN}", 0, 0),
    "/email/done": ("/email/done", 0, 0),
    "/settings/security": ("/settings/security", 4, 2),
    "/settings/security/required": ("/settings/security/required", 1, 1),
    "/settings/security/passkeys": ("/settings/security/passkeys", 3, 3),
    "/settings/security/passkeys/<uuid:passkey_id>/remove": (
        f"/settings/security/passkeys/{THING}/remove", 4, 3,
    ),
    "/settings/security/passkeys/new/<uuid:challenge_id>": (
        f"/settings/security/passkeys/new/{THING}", 3, 2,
    ),
    "/settings/security/recovery-codes": ("/settings/security/recovery-codes", 3, 3),
    "/settings/security/totp": ("/settings/security/totp", 3, 3),
    "/settings/security/totp/<uuid:challenge_id>": (f"/settings/security/totp/{THING}", 3, 2),
    "/settings/security/totp/off": ("/settings/security/totp/off", 3, 3),
    "/settings/data": ("/settings/data", 2, 2),
    "/settings/data.json": ("/settings/data.json", 2, 2),
    "/settings/sessions": ("/settings/sessions", 3, 2),
    "/statement.<any(csv,xlsx,pdf):ending>": ("/statement.csv", 3, 3),
    "/static/<name>": (static_path("cabinet.css"), 0, 0),
    "/status": ("/status", 1 + len(SERVICES) + 2, 2),
    "/trust": ("/trust", 4, 2),
    "/verify": ("/verify", 3, 2),
}  # fmt: skip
"""By the path of a page: an address of it, the calls it makes, and how many of them in turn."""
DOCUMENT = {
    "kind": "rules",
    "version": "2026-11-01",
    "title": "Правила",
    "text": "# Правила\n",
    "media_type": "text/markdown",
    "in_force": "2026-11-01",
    "versions": [],
}
PAPERS = {
    ("ledger", "debt"): PAID,
    ("ledger", "reconciliation"): act,
    ("payments", "fiscal_receipts"): {"offered": True, "receipts": []},
    ("identity", "held_about"): {"accounts": {"linked": []}},
}
ACCESS = {
    ("accounts", "access_list"): {**access(NUMBER), "access": [], "invitations": []},
    ("accounts", "invitation"): {
        "number": NUMBER,
        "address": "ул.",
        "role": "viewer",
        "expires_at": "2026-11-23T09:00:00+00:00",
    },
    ("identity", "names"): {"names": {}},
}
CHALLENGE = {"challenge_id": THING, "expires_at": "2026-11-23T09:00:00+00:00"}
OPTIONS = {"challenge": "AAAA"}
FACTORS = {
    ("identity", "passkey_request"): {**CHALLENGE, "passkey": OPTIONS},
    ("identity", "second_step"): {**CHALLENGE, "methods": ["passkey"], "passkey": OPTIONS},
    ("identity", "passkey_challenge"): {**CHALLENGE, "name": "Телефон", "passkey": OPTIONS},
    ("identity", "totp_challenge"): {**CHALLENGE, "secret": "JBSW", "uri": "otpauth://totp/x"},
    ("identity", "security_log"): {"entries": []},
    ("identity", "second_factors"): {
        "passkeys": [
            {"passkey_id": THING, "name": "Телефон", "last_used_at": None}
            | {"added_at": CHALLENGE["expires_at"]}
        ],
        "totp": None,
        "recovery_codes": None,
    },
}
LETTERS = {
    ("notifications", "choices"): {
        "optional": {"bill_ready": True, "due_soon": True, "overdue": False},
        "bounced_since": None,
    },
    ("notifications", "delivery"): {"late": False},
    ("notifications", "letters"): {"letters": [LETTER]},
    ("notifications", "subscription"): {"kind": "overdue", "wanted": True},
}
READS = {
    "/accounts": ("/accounts", 2, 2),
    "/accounts/<account:number>": (f"/accounts/{NUMBER}", 2, 2),
    "/accounts/<account:number>/access": (f"/accounts/{NUMBER}/access", 3, 3),
    "/accounts/<account:number>/balance": (f"/accounts/{NUMBER}/balance", 3, 2),
    "/accounts/<account:number>/bills/<month:period>": (f"/accounts/{NUMBER}/bills/2026-10", 3, 2),
    "/accounts/<account:number>/bills/<month:period>.pdf": (
        f"/accounts/{NUMBER}/bills/2026-10.pdf",
        4,
        2,
    ),
    "/accounts/<account:number>/certificate.pdf": (f"/accounts/{NUMBER}/certificate.pdf", 3, 2),
    "/accounts/<account:number>/charges": (f"/accounts/{NUMBER}/charges", 3, 2),
    "/accounts/<account:number>/debt": (f"/accounts/{NUMBER}/debt", 3, 2),
    "/accounts/<account:number>/penalty": (f"/accounts/{NUMBER}/penalty", 3, 2),
    "/accounts/<account:number>/reconciliation.pdf": (
        f"/accounts/{NUMBER}/reconciliation.pdf",
        3,
        2,
    ),
    "/accounts/<account:number>/statement": (f"/accounts/{NUMBER}/statement", 3, 2),
    "/charges": ("/charges", 3, 3),
    "/disputes": ("/disputes", 3, 3),
    "/documents/<any(rules,consent,instruction):kind>": ("/documents/rules", 1, 1),
    "/events": ("/events?service=ledger", 2, 2),
    "/events/epochs": ("/events/epochs?service=ledger", 2, 2),
    "/me": ("/me", 2, 2),
    "/me/passkeys/challenges/<uuid:challenge_id>": (f"/me/passkeys/challenges/{THING}", 2, 2),
    "/me/security-log": ("/me/security-log", 2, 2),
    "/me/second-step": ("/me/second-step", 2, 2),
    "/me/second-factors": ("/me/second-factors", 2, 2),
    "/me/totp/challenges/<uuid:challenge_id>": (f"/me/totp/challenges/{THING}", 2, 2),
    "/me/email-change": ("/me/email-change", 2, 2),
    "/me/letters": ("/me/letters", 4, 2),
    "/letters/unsubscribe/<token:link>": (f"/letters/unsubscribe/{LINK_TOKEN}", 1, 1),
    "/me/data": ("/me/data", 2, 2),
    "/openapi.json": ("/openapi.json", 0, 0),
    "/payments": ("/payments?allocation=true", 3, 3),
    "/payments.csv": ("/payments.csv", 2, 2),
    "/payments/<uuid:payment_id>": (f"/payments/{THING}?allocation=true", 3, 3),
    "/payments/<uuid:payment_id>/faster-payment": (f"/payments/{THING}/faster-payment", 2, 2),
    "/payments/<uuid:payment_id>/fiscal-receipts": (f"/payments/{THING}/fiscal-receipts", 2, 2),
    "/payments/<uuid:payment_id>/receipt": (f"/payments/{THING}/receipt", 4, 3),
    "/payments/due": ("/payments/due", 3, 3),
    "/proofs/checkpoint": ("/proofs/checkpoint", 1, 1),
    "/proofs/keys": ("/proofs/keys", 1, 1),
    "/questions": ("/questions", 2, 2),
    "/questions/<uuid:question_id>": (f"/questions/{THING}", 2, 2),
    "/questions/<uuid:question_id>/attachments/<uuid:attachment_id>": (
        f"/questions/{THING}/attachments/{THING}",
        3,
        3,
    ),
    "/questions/topics": ("/questions/topics", 2, 2),
    "/sessions": ("/sessions", 2, 2),
    "/sessions/passkey": ("/sessions/passkey", 1, 1),
    "/sessions/second-factor/<uuid:challenge_id>": (f"/sessions/second-factor/{THING}", 1, 1),
    "/sessions/<uuid:session_id>": (f"/sessions/{SESSION}", 2, 2),
    "/statement": ("/statement", 3, 3),
}
"""The same of the API's reads, below /api/v1."""


SUBSCRIBER = {"name": "datamart", "grants": ["ledger"], "persons": False}
NO_EVENTS = {
    "events": [], "next": 7, "published": 7, "more": False, "head": 7, "epoch": "1",
}  # fmt: skip
EPOCHS = {
    "epochs": [{"epoch": "1", "after": 0, "began_at": "2026-11-01T09:00:00+00:00"}],
    "head": 7,
}


@pytest.fixture
def services() -> PacedServices:
    return PacedServices()


def _paid(numbers: list[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a payment of these accounts, and the ledger's postings of it."""
    paid = payment(
        lines=[
            {"account": one, "key": one, "amount": 100, "penalty": 0, "posted": True}
            | {"refunded": 0, "moved_to": None}
            for one in numbers
        ]
    )
    part = {"period": "2026-04", "service": "heating", "name": "Отопление", "amount": 100}
    postings = [
        {"payment_id": THING, "account": one, "position": 7, "amount": 100, "penalty": 0}
        | {"allocation": [part]}
        for one in numbers
    ]
    return paid, postings


HELP_DESK = {
    ("helpdesk", "question"): {**QUESTION, "dispute": None, "messages": []},
    ("helpdesk", "attachment"): {
        "name": "счёт.pdf",
        "media_type": "application/pdf",
        "size": 4,
        "parts": 1,
    },
    ("helpdesk", "attachment_part"): {"content": "JVBERg=="},
    ("helpdesk", "questions"): {"questions": [QUESTION]},
    ("helpdesk", "topics"): {"topics": [TOPIC]},
}


def link(services: FakeServices, count: int) -> None:
    """Let a person have this many accounts, with something in each answer."""
    numbers = [f"{int(NUMBER) + place:010}" for place in range(count)]
    paid, postings = _paid(numbers)
    lines = [{**line, "explanation": None} for line in MONTH["lines"]]
    months = {"months": [{**MONTH, "bill_number": None, "lines": lines}], "next": None}
    entries = {"movements": [MOVEMENT], "totals": TOTALS}
    services.answers.update(
        {
            ("identity", "authenticate_subscriber"): SUBSCRIBER,
            ("identity", "document"): DOCUMENT,
            ("identity", "pending_email_change"): {"pending": None},
            ("identity", "profile"): {**PROFILE, "language": "ru"},
            ("identity", "sessions"): {"sessions": [SESSION_ROW]},
            ("accounts", "control_code"): {"control_code": "7K4M-Q2XD"},
            ("accounts", "linked"): {"accounts": [{**ACCOUNT, **access(one)} for one in numbers]},
            ("accounts", "owns"): lambda numbers, **_: owns(*numbers),
            ("ledger", "balance"): BALANCE,
            ("ledger", "balances"): {"balances": [{**BALANCE, "number": one} for one in numbers]},
            ("ledger", "bill"): BILL,
            ("ledger", "charges"): months,
            ("ledger", "charges_of_accounts"): lambda numbers, **_: {
                "accounts": [{"number": one, **months} for one in numbers]
            },
            ("ledger", "events_after"): NO_EVENTS,
            ("ledger", "log_history"): EPOCHS,
            ("ledger", "last_checkpoint"): {"checkpoint": None},
            ("ledger", "payment_postings"): {"postings": postings},
            ("ledger", "payment_proofs"): {
                "proofs": [{"account": one, "proof": PROOF} for one in numbers]
            },
            ("ledger", "penalty"): PENALTY,
            ("ledger", "postings_of_payments"): {"postings": postings},
            ("ledger", "statement"): {"movements": [MOVEMENT], "next": None},
            ("ledger", "statements_between"): lambda numbers, **_: {
                "accounts": [{"number": one, **entries} for one in numbers],
                "next": None,
            },
            ("ledger", "verifier_keys"): {"keys": ["billing.example/ledger+f1e2d3c4+A"]},
            ("payments", "history"): history_of(paid),
            ("payments", "faster_payment"): {"payload": None},
            ("payments", "payment"): paid,
        }
    )
    for subject in (PAPERS, ACCESS, FACTORS, LETTERS, HELP_DESK):
        services.answers.update(subject)
    services.answers.update({(name, "health"): {"status": "ok"} for name in SERVICES})


def cost(services: PacedServices, ask: Any) -> tuple[int, int]:
    """Return how many calls a request made, and in how many rounds."""
    services.calls.clear()
    services.rounds = 0
    response = ask()
    assert response.status_code < 400
    return len(services.calls), services.rounds


@pytest.mark.parametrize("path", PAGES)
def test_page_of_ten_accounts_costs_no_more_than_one_of_one(
    cabinet: CabinetBrowser, services: PacedServices, path: str
) -> None:
    address, calls, rounds = PAGES[path]
    cabinet.sign_in()
    costs = []
    for count in (1, 10):
        link(services, count)
        costs.append(cost(services, lambda: cabinet.client.get(address)))
    assert costs[1] <= costs[0]
    assert costs[0] == (calls, rounds)


@pytest.mark.parametrize("path", READS)
def test_read_of_ten_accounts_costs_no_more_than_one_of_one(
    browser: Browser, services: PacedServices, path: str
) -> None:
    address, calls, rounds = READS[path]
    for count in (1, 10):
        link(services, count)
        assert cost(services, lambda: browser("GET", f"/api/v1{address}")) == (calls, rounds)


def test_paying_for_ten_accounts_costs_no_more_than_for_one(
    cabinet: CabinetBrowser, browser: Browser, services: PacedServices
) -> None:
    cabinet.sign_in()
    services.answers["payments", "start"] = {
        "payment_id": THING,
        "total": 100,
        "redirect_url": None,
        "state": "created",
    }
    for count in (1, 10):
        link(services, count)
        fields = cabinet.get("/pay").fields
        assert sum(name.startswith("amount-") for name in fields) == count
        paid = cost(services, lambda fields=fields: cabinet.post("/pay", fields).response)
        assert paid == (4, 4), "who it is, the accounts, what is due on them, the order"
        lines = [
            {"account": f"{int(NUMBER) + place:010}", "amount": 100, "penalty": 0}
            for place in range(count)
        ]
        ordered = cost(
            services,
            lambda lines=lines: browser(
                "POST", "/api/v1/payments", json={"lines": lines}, headers={"Idempotency-Key": "k"}
            ),
        )
        assert ordered == (2, 2), "who it is, the order"


def test_every_page_and_every_read_has_its_number() -> None:
    members = [getattr(Gateway, name) for name in dir(Gateway)]
    pages = {
        described.path
        for member in members
        if isinstance(described := getattr(member, "page", None), Page)
        and described.method == "GET"
    }
    assert pages - {ANY_OTHER_PATH} == set(PAGES)
    reads = {
        described.path
        for member in members
        if isinstance(described := getattr(member, "operation", None), Operation)
        and described.method == "GET"
    }
    assert {path.removeprefix("/api/v1") for path in reads if path.startswith("/api/v1")} == set(
        READS
    ) | {"/acquirer/callback", "/acquirer/<acquirer:name>/callback"}
