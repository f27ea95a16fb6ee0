"""What a hostile client sends: each attack is a function of the site that it is tried on."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

from gateway.openapi import operations_of
from gateway.operations import Operation
from gateway.service import Gateway
from tests.security.hostile_site import Site

INSIDE = re.compile(
    r"Traceback|File \"|psycopg|werkzeug|nameko|kombu|SELECT |INSERT |/services/|site-packages|"
    r"0x[0-9a-f]{8,}|amqp://|postgresql://"
)
"""What no answer holds: words of the inside."""
DEEP = b"[" * 30_000
ODD_BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "application/json"),
    "deep arrays": (DEEP, "application/json"),
    "deep objects": (b'{"a":' * 12_000, "application/json"),
    "deep and closed": (DEEP + b"]" * 30_000, "application/json"),
    "a huge number": (b'{"amount": 1' + b"0" * 60_000 + b"}", "application/json"),
    "a huge exponent": (b'{"amount": 1e999999999}', "application/json"),
    "not a number": (b'{"amount": NaN, "penalty": -Infinity}', "application/json"),
    "a name twice": (b'{"email": "a@b.ru", "email": "c@d.ru"}', "application/json"),
    "a lone surrogate": (b'{"email": "\\ud800@a.ru", "text": "\\udfff"}', "application/json"),
    "a NUL": (b'{"email": "a\\u0000@example.org", "text": "\\u0000"}', "application/json"),
    "a prototype": (b'{"__proto__": {"admin": true}, "constructor": 1}', "application/json"),
    "another charset": ('{"text": "ж"}'.encode("utf-16"), "application/json; charset=utf-16"),
    "a mark of order": (b"\xef\xbb\xbf{}", "application/json"),
    "a list": (b"[]", "application/json"),
    "a text": (b'"x"', "application/json"),
    "xml": (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
            "application/xml"),
    "a form": (b"email=a%40b.ru&email=c%40d.ru", "application/x-www-form-urlencoded"),
    "a broken multipart": (b"--x\r\nContent-Disposition: a", "multipart/form-data; boundary=x"),
    "pickle": (b"\x80\x04\x95\x0b" + bytes(7) + b"\x8c\x05posix\x94.", "application/json"),
}  # fmt: skip
ODD_HEADERS: dict[str, dict[str, str]] = {
    "another method": {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE"},
    "another path": {"X-Original-URL": "/metrics", "X-Rewrite-URL": "/readyz"},
    "another host": {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
    "a proxy": {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=::1"},
    "an actor": {"X-User-Id": "staff:operator", "nameko.actor": "staff:operator"},
    "ranges": {"Range": "bytes=" + ",".join(f"{n}-" for n in range(500))},
    "languages": {"Accept-Language": ",".join(f"x{n};q=0.{n}" for n in range(500))},
    "tags": {"If-None-Match": ",".join(f'"{n}"' for n in range(800)), "If-Match": "*"},
    "a trace": {"traceparent": "00-" + "g" * 32 + "-0-zz", "tracestate": "a=" + "b" * 4000},
    "a cookie": {"Cookie": "; ".join(f"__Host-saldo={n}" for n in range(300))},
    "credentials": {"Authorization": "Basic " + "QQ==" * 1000},
    "a token of odd signs": {"Authorization": "Bearer ' OR '1'='1"},
    "a key of odd signs": {"Idempotency-Key": "x" * 5000},
}


def operations() -> list[Operation]:
    """Return every operation of the API, in the order of its description."""
    return list(operations_of(Gateway).values())


def of_victim(site: Site, template: str) -> str:
    """Return the address of a route with the ids of the victim."""
    victim = site.victim
    ids = {
        "number": victim.number,
        "payment_id": victim.payment_id,
        "question_id": victim.question_id,
        "attachment_id": victim.attachment_id,
        "period": "2026-10",
        "kind": "rules",
        "side": "old",
        "ending": "csv",
        "token": "A" * 43,
    }
    return re.sub(r"{(\w+)}", lambda found: ids.get(found[1], str(uuid4())), template)


def check_clean(answer: Any, said: str) -> None:
    """Fail unless an answer is one of the closed set, and tells nothing of the inside."""
    busy = answer.status_code == 503 and answer.json()["code"] == "uploads_busy"
    assert answer.status_code < 500 or busy, f"{said}: {answer.status_code} {answer.text[:300]}"
    assert not INSIDE.search(answer.text), f"{said}: {INSIDE.search(answer.text)}"
    assert answer.headers["X-Content-Type-Options"] == "nosniff", said
    assert "evil.example" not in str(answer.headers), said
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"].startswith(
            ("application/problem+json", "text/html")
        ), said


class OddRequest(NamedTuple):
    """One operation with an odd body, or with odd headers."""

    operation: Operation
    name: str
    body: bytes | None
    headers: dict[str, str]

    def check(self, site: Site) -> None:
        """Send it as the attacker; fail unless the answer is clean."""
        path = of_victim(site, self.operation.template)
        answer = site.send(
            self.operation.method, path, site.attacker.token, data=self.body, headers=self.headers
        )
        check_clean(answer, f"{self.operation.method} {self.operation.template}: {self.name}")


def odd_requests() -> Iterator[OddRequest]:
    """Yield each operation that takes a body with every odd one, the others with odd headers."""
    for number, operation in enumerate(operations()):
        if operation.method in ("POST", "PUT", "PATCH"):
            for name, (body, kind) in ODD_BODIES.items():
                yield OddRequest(operation, name, body, {"Content-Type": kind})
        elif operation.method == "GET":
            # All of them at some operation, and at each operation some.
            for name in list(ODD_HEADERS)[number % 4 :: 4]:
                yield OddRequest(operation, name, None, ODD_HEADERS[name])


def send_odd_requests(site: Site, skip: tuple[str, ...] = ()) -> int:
    """Send all of them, six at a time; return how many were answered."""
    wanted = [odd for odd in odd_requests() if not odd.operation.path.endswith(skip)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda odd: odd.check(site), wanted))
    return len(wanted)


def raw(site: Site, sent: bytes) -> bytes:
    """Send bytes as they are; return all that comes back until the connection ends."""
    parts = urlsplit(site.url)
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30) as sock:
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        received = b""
        while piece := sock.recv(65536):
            received += piece
        return received


def smuggled(site: Site) -> Iterator[tuple[str, bytes]]:
    """Yield requests that hide a second one, as the attacker would hide it from a proxy."""
    hidden = (
        b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
        + site.attacker.token.encode()
        + b"\r\n\r\n"
    )
    post = b"POST /api/v1/password-resets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    length = str(len(hidden)).encode()
    yield (
        "CL.TE",
        post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
    )
    yield (
        "TE.CL",
        post + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n" + hidden,
    )
    yield (
        "TE.TE",
        post + b"Transfer-Encoding: xchunked\r\nTransfer-Encoding: chunked\r\n\r\n" + hidden,
    )
    yield "tab", post + b"Transfer-Encoding:\tchunked , identity\r\n\r\n0\r\n\r\n" + hidden
    yield (
        "two lengths",
        post + b"Content-Length: 0\r\nContent-Length: " + length + b"\r\n\r\n" + hidden,
    )
    yield (
        "upgrade",
        (
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: x\r\n\r\n" + hidden
        ),
    )


def keys_of_others(site: Site) -> list[str]:
    """Use the victim's idempotency key; return the ids of payments that came of it."""
    mine = {"lines": [{"account": site.attacker.number, "amount": 7_00, "penalty": 0}]}
    theirs = {"lines": [{"account": site.victim.number, "amount": 10_00, "penalty": 0}]}
    ids = []
    for body, status in ((theirs, 404), (mine, 201), (mine, 201)):
        answer = site.send(
            "POST",
            "/api/v1/payments",
            site.attacker.token,
            json=body,
            headers={"Idempotency-Key": site.victim.key},
        )
        assert answer.status_code == status, answer.text
        if status == 201:
            ids.append(answer.json()["payment_id"])
    return ids


def one_key_at_once(site: Site, number: int = 12) -> set[tuple[int, str]]:
    """Send one key with different sums at once; return the outcomes."""
    key = str(uuid4())

    def pay(turn: int) -> tuple[int, str]:
        body = {
            "lines": [{"account": site.attacker.number, "amount": 1_00 + turn % 3, "penalty": 0}]
        }
        answer = site.send(
            "POST",
            "/api/v1/payments",
            site.attacker.token,
            json=body,
            headers={"Idempotency-Key": key},
        )
        found = answer.json()
        return answer.status_code, str(found.get("payment_id") or found["code"])

    with ThreadPoolExecutor(number) as pool:
        return set(pool.map(pay, range(number)))


def shape_of(answer: Any, words: tuple[str, ...]) -> str:
    """Return an answer without what differs each time, to compare what it tells."""
    text = json.dumps(answer.json() if answer.text else {}, sort_keys=True, ensure_ascii=False)
    for word in words:
        text = text.replace(word, "*")
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "#", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.+Z]*", "@", text)
    names = sorted(set(answer.headers) - {"Date", "X-Request-Id", "RateLimit", "Content-Length"})
    return f"{answer.status_code} {names} {text}"
