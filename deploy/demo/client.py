"""A client of Saldo's HTTP API, like that of a mobile application: for the journey and tests.

It knows nothing but the API (`/api/v1/openapi.json`). Amounts are kopecks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import requests

TIMEOUTS = (3.05, 30.0)
"""Seconds to connect, and to wait for an answer."""
OVERLOADED = frozenset({502, 503, 504})
PAUSE_SECONDS = 0.25
"""Pause between two attempts of a request during an outage."""


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """The API refused a request; `code` is stable, `detail` is for the person."""

    def __init__(
        self, status: int, code: str, detail: str, params: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.params = dict(params or {})


class OutageError(Exception):
    """There was no response within the client's patience: the outcome is unknown."""


@dataclass(frozen=True)
class PaymentLine:
    """The part of one account: `amount` towards principal, `penalty` towards penalties."""

    account: str
    amount: int
    penalty: int = 0

    @property
    def total(self) -> int:
        return self.amount + self.penalty


class CabinetClient:
    """The client of one person. Not thread-safe.

    `patience`: for how many seconds a request is repeated unchanged while the gateway cannot be
    reached or is overloaded; 0 means no repetition.
    """

    def __init__(self, url: str, *, patience: float = 0.0, language: str = "ru") -> None:
        self.url = url.rstrip("/")
        self.patience = patience
        self.token: str | None = None
        self.device_token: str | None = None
        """What this client is known by: without it, each sign-in is that of a new device."""
        self.request_id: str | None = None
        """Sent as `X-Request-Id`, which becomes the correlation id of what a request causes."""
        self.repeats = 0
        """The number of repeated requests so far."""
        self._http = requests.Session()
        # Ignore proxies and .netrc of the environment.
        self._http.trust_env = False
        self._http.headers["Accept-Language"] = language
        self._http.headers["User-Agent"] = "Saldo demo"

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # Registration, sessions, settings

    def start_registration(self, email: str, person_type: str = "individual") -> str:
        """Request a check code by e-mail; return the id of the registration."""
        body = {"person_type": person_type, "email": email}
        return str(self._post("/registrations", body)["registration_id"])

    def resend_code(self, registration_id: str) -> None:
        """«Выслать код заново»."""
        self._post(f"/registrations/{registration_id}/code")

    def confirm_registration(
        self, registration_id: str, code: str, *, rules: bool = True, consent: bool = True
    ) -> None:
        """Confirm with the code and both ticks; the temporary password comes by e-mail."""
        body = {"code": code, "accept_rules": rules, "consent_personal_data": consent}
        self._post(f"/registrations/{registration_id}/confirm", body)

    def document(self, kind: str) -> dict[str, Any]:
        """Return `rules`, `consent` or `instruction`: {kind, version, title, media_type, text}."""
        return self._get(f"/documents/{kind}")

    def sign_in(self, email: str, password: str) -> dict[str, Any]:
        """Open a session and use it; return {token, session_id, must_change_password, ...}."""
        body = {"email": email, "password": password, "device_token": self.device_token}
        session = self._post("/sessions", body)
        self.token = str(session["token"])
        self.device_token = str(session["device_token"])
        return session

    def change_password(self, current: str, new: str) -> None:
        """Change the password, and go on with the new token of the session."""
        body = {"current_password": current, "new_password": new}
        self.token = str(self.call("PUT", "/me/password", body)["token"])

    def profile(self) -> dict[str, Any]:
        return self._get("/me")

    def update_profile(self, **changes: str) -> dict[str, Any]:
        """Change `full_name` or `phone`; return the profile."""
        return self.call("PATCH", "/me", changes)

    # Accounts and charges

    def look_up(self, number: str) -> dict[str, Any]:
        """«Проверить»: return {number, address, holder, linked}, masked."""
        return self._post("/accounts/lookup", {"number": number})

    def link(self, number: str, proof: str) -> None:
        """«Добавить лицевой», with the control code of the last bill."""
        self._post("/accounts", {"number": number, "proof": proof})

    def invite(self, number: str, email: str, role: str = "viewer") -> None:
        """Send an invitation to an account."""
        self._post(f"/accounts/{number}/invitations", {"email": email, "role": role})

    def unlink(self, number: str) -> None:
        self.call("DELETE", f"/accounts/{number}")

    def accounts(self) -> list[dict[str, Any]]:
        accounts: list[dict[str, Any]] = self._get("/accounts")["accounts"]
        return accounts

    def balance(self, number: str, as_of: str | None = None) -> dict[str, Any]:
        """Return {number, principal, penalty, advance, services, ...}, now or as of a time."""
        return self._get(f"/accounts/{number}/balance", as_of=as_of)

    def charges(self, number: str) -> list[dict[str, Any]]:
        """Return the latest months with their lines, the newest first."""
        months: list[dict[str, Any]] = self._get(f"/accounts/{number}/charges")["months"]
        return months

    def statement(self, number: str) -> list[dict[str, Any]]:
        """Return all movements of an account, the oldest first."""
        movements: list[dict[str, Any]] = []
        after = None
        while True:
            page = self._get(f"/accounts/{number}/statement", after=after)
            movements += page["movements"]
            after = page["next"]
            if after is None:
                return movements

    # Payments

    def due(self) -> list[PaymentLine]:
        """Return the lines that prefill the page «Платежи-Оплатить»."""
        return [
            PaymentLine(line["account"], line["amount"], line["penalty"])
            for line in self._get("/payments/due")["accounts"]
        ]

    def start_payment(self, lines: Sequence[PaymentLine], key: str) -> dict[str, Any]:
        """«Заплатить»: return {payment_id, total, redirect_url, state}; a key has one result."""
        requested = [
            {"account": line.account, "amount": line.amount, "penalty": line.penalty}
            for line in lines
        ]
        return self._post("/payments", {"lines": requested}, key)

    def payment(self, payment_id: str, *, refresh: bool = False) -> dict[str, Any]:
        """Return a payment; `refresh` polls the acquirer first."""
        return self._get(f"/payments/{payment_id}", refresh="true" if refresh else None)

    def history(self) -> list[dict[str, Any]]:
        """Return the latest payments, the newest first."""
        payments: list[dict[str, Any]] = self._get("/payments")["payments"]
        return payments

    def receipt(self, payment_id: str) -> dict[str, Any]:
        """Return {payment, postings}: a payment and its entries in the ledger."""
        return self._get(f"/payments/{payment_id}/receipt")

    # Questions

    def topics(self) -> list[dict[str, Any]]:
        topics: list[dict[str, Any]] = self._get("/questions/topics")["topics"]
        return topics

    def ask(
        self, topic: str, text: str, account: str | None = None, files: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Ask a question; return {question_id, number, department, department_title}.

        ``files`` are ids of `send_file`.
        """
        asked = {"topic": topic, "text": text, "account": account, "attachments": list(files)}
        return self._post("/questions", asked)

    def send_file(self, content: bytes) -> dict[str, Any]:
        """Send a file for a question; return {attachment_id, name, media_type, size, sha256}."""
        return self.call("POST", "/questions/attachments", content)

    def question(self, question_id: str) -> dict[str, Any]:
        return self._get(f"/questions/{question_id}")

    # HTTP

    def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **query: Any
    ) -> dict[str, Any]:
        """Send a request under /api/v1, repeated as `patience` allows; return its JSON.

        Raises Problem when it is refused, OutageError when there is no response.
        """
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if key:
            headers["Idempotency-Key"] = key
        if self.request_id:
            headers["X-Request-Id"] = self.request_id
        ends = time.monotonic() + self.patience
        while True:
            answer = self._attempt(method, f"{self.url}/api/v1{path}", body, query, headers)
            if isinstance(answer, requests.Response) and answer.status_code not in OVERLOADED:
                return _json_of(answer)
            if time.monotonic() >= ends:
                break
            self.repeats += 1
            time.sleep(PAUSE_SECONDS)
        if isinstance(answer, requests.Response):
            return _json_of(answer)
        raise OutageError(
            f"{method} {path}: no answer from {self.url} ({type(answer).__name__})"
        ) from answer

    def _attempt(
        self, method: str, url: str, body: Any, query: dict[str, Any], headers: dict[str, str]
    ) -> requests.Response | requests.RequestException:
        try:
            return self._http.request(
                method,
                url,
                json=None if isinstance(body, bytes) else body,
                data=body if isinstance(body, bytes) else None,
                params=query,
                headers=headers,
                timeout=TIMEOUTS,
                allow_redirects=False,
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            return error

    def _get(self, path: str, **query: Any) -> dict[str, Any]:
        return self.call("GET", path, **query)

    def _post(self, path: str, body: Any = None, key: str | None = None) -> dict[str, Any]:
        # Every POST has a key, so that repeating it in an outage has no second effect.
        return self.call("POST", path, body, key=key or str(uuid4()))


def _json_of(response: requests.Response) -> dict[str, Any]:
    if response.status_code == 204:
        return {}
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        text = f"the answer to {response.request.method} {response.url} is no JSON object"
        raise Problem(response.status_code, "not_json", text)
    if response.ok:
        return answer
    raise Problem(
        response.status_code,
        str(answer.get("code", "?")),
        str(answer.get("detail", "?")),
        answer.get("params"),
    )
