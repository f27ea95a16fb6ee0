"""A person who is signed in to the cabinet, and payments to look at."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from account_access import access
from gateway_doubles import PERSON, THING, TOKEN, Browser, FakeServices
from gateway_samples import PROOF

KEY = "9d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b09"
BANK_PAGE = "https://bank.example/page?mdOrder=1"
OUTCOMES = {
    "created": "pending",
    "awaiting_payment": "pending",
    "unknown": "unknown",
    "mismatch": "mismatch",
}
ALLOCATION = [
    {"period": "2026-04", "service": "heating", "name": "Отопление", "amount": 4_000_00},
    {"period": "0001-01", "service": "water", "name": "water", "amount": 400_00},
]


class CabinetPerson:
    """The pages as a signed-in person reaches them: with a cookie, and with the form's token."""

    def __init__(self, browser: Browser, *, language: str = "ru") -> None:
        self._browser = browser
        self._language = language

    def get(self, path: str, *, signed_in: bool = True) -> Any:
        return self._browser("GET", path, token=None, headers=self._headers(signed_in))

    def post(self, path: str, fields: dict[str, str], *, signed_in: bool = True) -> Any:
        """Post a form with the token of a page that was shown before."""
        headers = self._headers(signed_in)
        return self._browser(
            "POST", path, token=None, headers=headers, data={"_csrf": self.csrf(), **fields}
        )

    def csrf(self) -> str:
        page = self._browser("GET", "/recover", token=None, headers=self._headers(True)).text
        found = re.search(r'name="_csrf" value="([^"]+)"', page)
        assert found
        return unescape(found[1])

    def _headers(self, signed_in: bool) -> dict[str, str]:
        session = f"__Host-saldo={TOKEN}; " if signed_in else ""
        return {
            "Cookie": f"{session}__Host-visitor=visitor",
            "Accept-Language": self._language,
            "Accept-Encoding": "identity",
        }


def due_line(account: str = "0001", amount: int = 4_500_00, penalty: int = 14_25) -> dict[str, Any]:
    """Return what accounts and ledger answer of one account, as (linked, balance)."""
    return {
        "linked": {
            **access(account),
            "address": "ул. Ленина, 5",
            "holder": "Иванов И. И.",
            "residents": 3,
            "total_area": "54.3",
            "linked_at": "2026-05-14T09:30:00+00:00",
        },
        "balance": {
            "number": account,
            "principal": amount,
            "penalty": penalty,
            "penalty_due": penalty,
            "advance": 0,
        },
    }


def owe(services: FakeServices, *lines: dict[str, Any]) -> None:
    """Let the services answer that these accounts are linked and owe this."""
    services.answers["accounts", "linked"] = {"accounts": [line["linked"] for line in lines]}
    services.answers["ledger", "balances"] = {"balances": [line["balance"] for line in lines]}


def payment(state: str = "completed", **changes: Any) -> dict[str, Any]:
    """Return a payment as payments answers it."""
    taken = state in {"captured", "completed", "partly_refunded", "refunded"}
    return {
        "payment_id": THING,
        "state": state,
        "total": 4_514_25,
        "lines": [
            {
                "account": "0001",
                "key": "0001",
                "amount": 4_500_00,
                "penalty": 14_25,
                "posted": taken and state != "captured",
                "refunded": 0,
                "moved_to": None,
            }
        ],
        "created_at": "2026-05-14T09:30:00+00:00",
        "captured_at": "2026-05-14T09:31:00+00:00" if taken else None,
        "masked_card": "411111**1111" if taken else None,
        "failure": None,
        "outcome": OUTCOMES.get(state),
        "next_check_at": None,
        "redirect_url": BANK_PAGE if state == "awaiting_payment" else None,
        "acquirer": "main",
        "refunded": 0,
        "refunds": [],
        "charged": None,
        "closes_at": "2026-05-14T09:50:00+00:00" if state in OUTCOMES else None,
        **changes,
    }


def refund(amount: int = 1_000_00, state: str = "made", **changes: Any) -> dict[str, Any]:
    """Return a refund of the payment's one account, as payments answers it."""
    return {
        "refund_id": KEY,
        "state": state,
        "total": amount,
        "lines": [{"account": "0001", "amount": amount}],
        "requested_at": "2026-05-20T09:30:00+00:00",
        "returned_at": "2026-05-20T10:31:00+00:00" if state == "made" else None,
        "cause": "staff",
        **changes,
    }


def returned(amount: int = 1_000_00, **changes: Any) -> dict[str, Any]:
    """Return the payment after money of it went back."""
    whole = amount == 4_514_25
    found = payment("refunded" if whole else "partly_refunded", refunded=amount)
    found["lines"][0]["refunded"] = amount
    return {**found, "refunds": [refund(amount)], **changes}


def history_of(*payments: dict[str, Any], following: str | None = None) -> dict[str, Any]:
    """Return a page of payments as payments answers it."""
    taken = [one for one in payments if one["captured_at"]]
    return {
        "payments": list(payments),
        "next": following,
        "totals": {
            "count": len(payments),
            "paid": sum(one["total"] for one in taken),
            "refunded": sum(one["refunded"] for one in payments),
        },
    }


def settle(services: FakeServices) -> None:
    """Let the ledger answer that the payment is posted, has paid everything, and is sealed."""
    owe(services, due_line(amount=0, penalty=0))
    services.answers["payments", "faster_payment"] = {"payload": None}
    posting = {"account": "0001", "position": 7, "amount": 4_500_00, "penalty": 14_25}
    services.answers["ledger", "payment_postings"] = {
        "postings": [{**posting, "allocation": ALLOCATION}]
    }
    services.answers["ledger", "postings_of_payments"] = {
        "postings": [{**posting, "payment_id": THING, "allocation": ALLOCATION}]
    }
    services.answers["ledger", "payment_proofs"] = {"proofs": [{"account": "0001", "proof": PROOF}]}


def words_of(page: str) -> str:
    """Return the text of a page without its tags, with single spaces."""
    without = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", without)).split())


def main_of(page: str) -> str:
    """Return the text of the page's main part."""
    return words_of(page[page.index("<main") : page.index("</main>")])


__all__ = [
    "ALLOCATION",
    "BANK_PAGE",
    "KEY",
    "PERSON",
    "CabinetPerson",
    "due_line",
    "history_of",
    "main_of",
    "owe",
    "payment",
    "refund",
    "returned",
    "settle",
]
