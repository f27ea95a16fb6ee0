"""What is not one clear request of HTTP/1.1 is refused, by a problem document."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from gateway_doubles import FakeServices
from prometheus_client import REGISTRY
from wire import HEALTH, Connect, connector, everything, is_alive, problem_of, running_gateway
from wire import status_of as status

from gateway.framing import MAX_HEADERS

GET = b"GET /healthz HTTP/1.1\r\n"
HOST = b"Host: x\r\n"
POST = b"POST /api/v1/password-resets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

MALFORMED = (400, "malformed_request")
VERSION = (505, "http_version_unsupported")
FRAMING = (400, "framing_ambiguous")
CODING = (501, "transfer_coding_unsupported")
CHUNK = (400, "chunk_malformed")

REFUSED = {
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", MALFORMED),
    "one word": (b"GET\r\n\r\n", MALFORMED),
    "two blanks": (b"GET  /healthz HTTP/1.1\r\n" + HOST + b"\r\n", MALFORMED),
    "a blank in the target": (b"GET /health z HTTP/1.1\r\n" + HOST + b"\r\n", MALFORMED),
    "a raw byte in the target": (b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", MALFORMED),
    "a target without a slash": (b"GET healthz HTTP/1.1\r\n" + HOST + b"\r\n", MALFORMED),
    "a target with a person": (b"GET http://a@b/ HTTP/1.1\r\n" + HOST + b"\r\n", MALFORMED),
    "a line that ends in LF": (b"GET /healthz HTTP/1.1\n" + HOST + b"\r\n", MALFORMED),
    "a header that ends in LF": (GET + HOST + b"X: y\n\r\n", MALFORMED),
    "a CR within a header": (GET + HOST + b"X: y\rContent-Length: 5\r\n\r\n", MALFORMED),
    "a NUL within a header": (GET + HOST + b"X: y\x00\r\n\r\n", MALFORMED),
    "a line without a colon": (GET + HOST + b"X\r\nContent-Length: 36\r\n\r\n", MALFORMED),
    "a blank before the colon": (GET + HOST + b"Content-Length : 5\r\n\r\n", MALFORMED),
    "a folded header": (GET + HOST + b"X: y\r\n Content-Length: 5\r\n\r\n", MALFORMED),
    "no Host": (GET + b"\r\n", MALFORMED),
    "two Hosts": (GET + HOST + HOST + b"\r\n", MALFORMED),
    "a Host with a path": (GET + b"Host: x/y\r\n\r\n", MALFORMED),
    "HTTP/0.9": (b"GET /healthz\r\n", VERSION),
    "HTTP/2.0": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VERSION),
    "HTTP/9.9": (b"GET / HTTP/9.9\r\n\r\n", VERSION),
    "a long target": (
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", (414, "target_too_long"),
    ),
    "a long header": (
        GET + HOST + b"X: " + b"a" * 9000 + b"\r\n\r\n", (431, "headers_too_large"),
    ),
    "many headers": (
        GET + HOST + b"X: y\r\n" * MAX_HEADERS + b"\r\n", (431, "headers_too_large"),
    ),
    "much in headers": (
        GET + HOST + (b"X: " + b"a" * 8000 + b"\r\n") * 9 + b"\r\n", (431, "headers_too_large"),
    ),
    "two lengths": (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", FRAMING),
    "the same length twice": (POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", FRAMING),
    "a list of lengths": (POST + b"Content-Length: 2, 2\r\n\r\n{}", FRAMING),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n", FRAMING),
    "a signed length": (POST + b"Content-Length: +2\r\n\r\n{}", FRAMING),
    "a length of Python": (POST + b"Content-Length: 3_6\r\n\r\n" + SMUGGLED, FRAMING),
    "an empty length": (POST + b"Content-Length:\r\n\r\n", FRAMING),
    "a length and chunks": (
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        FRAMING,
    ),
    "chunks twice": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", FRAMING),
    "chunks in HTTP/1.0": (
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", FRAMING,
    ),
    "gzip": (POST + b"Transfer-Encoding: gzip\r\n\r\n", CODING),
    "gzip in chunks": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", CODING),
    "identity": (POST + b"Transfer-Encoding: identity\r\n\r\n", CODING),
    "a chunk without a size": (CHUNKED + b"zz\r\n", CHUNK),
    "a negative chunk": (CHUNKED + b"-5\r\nabcde\r\n0\r\n\r\n", CHUNK),
    "a chunk of Python": (CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n", CHUNK),
    "a chunk after a blank": (CHUNKED + b" 2\r\n{}\r\n0\r\n\r\n", CHUNK),
    "a size that ends in LF": (CHUNKED + b"2\n{}\r\n0\r\n\r\n", CHUNK),
    "a chunk longer than its size": (CHUNKED + b"2\r\n{}xx\r\n0\r\n\r\n" + SMUGGLED, CHUNK),
    "an endless size": (CHUNKED + b"1" * 5000, CHUNK),
    "a trailer without a colon": (CHUNKED + b"2\r\n{}\r\n0\r\nX\r\n\r\n" + SMUGGLED, CHUNK),
    "half a body": (POST + b"Content-Length: 5\r\n\r\nab", (400, "body_broken_off")),
    "half a chunk": (CHUNKED + b"5\r\nab", (400, "body_broken_off")),
    "no last chunk": (CHUNKED + b"2\r\n{}\r\n", (400, "body_broken_off")),
    "a large body": (POST + b"Content-Length: 70000\r\n\r\n", (413, "body_too_large")),
}  # fmt: skip


@pytest.fixture
def connect(services: FakeServices) -> Iterator[Connect]:
    services.answers["identity", "request_password_reset"] = {}
    with running_gateway(services) as container:
        yield connector(container)


def _send(connect: Connect, *parts: bytes) -> bytes:
    with closing(connect()) as sock:
        for part in parts:
            sock.sendall(part)
        sock.shutdown(socket.SHUT_WR)
        return everything(sock)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_one_clear_request_is_refused_by_a_problem_document(
    connect: Connect, services: FakeServices, case: str
) -> None:
    sent, (expected, code) = REFUSED[case]
    answer = _send(connect, sent)
    assert status(answer) == expected
    headers, problem = problem_of(answer)
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert headers["x-content-type-options"] == "nosniff"
    assert (problem["code"], problem["status"]) == (code, expected)
    assert problem["type"] == f"/problems/{code}"
    assert services.calls == []
    assert is_alive(connect)


def test_a_refusal_speaks_the_language_and_repeats_the_code_of_the_request(
    connect: Connect,
) -> None:
    asked = b"Accept-Language: en\r\nX-Request-Id: mobile-17\r\nContent-Length: x\r\n\r\n"
    headers, problem = problem_of(_send(connect, GET + HOST + asked))
    assert headers["x-request-id"] == "mobile-17"
    assert problem["detail"].startswith("The length of the body is wrong")


def test_a_refusal_of_HEAD_has_no_body(connect: Connect) -> None:  # noqa: N802
    answer = _send(connect, b"HEAD / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
    assert status(answer) == 400
    assert answer.endswith(b"\r\n\r\n")


def test_a_refusal_is_logged_under_its_support_code_and_counted(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    labels = {"method": "ANY", "route": "unmatched", "status": "505"}
    before = REGISTRY.get_sample_value("saldo_http_requests_total", labels) or 0.0
    with caplog.at_level(logging.INFO):
        headers, _ = problem_of(_send(connect, b"GET /healthz\r\n"))
    assert len(headers["x-request-id"]) == 8
    assert REGISTRY.get_sample_value("saldo_http_requests_total", labels) == before + 1


@pytest.mark.parametrize(
    "head",
    [
        b"\r\n" + GET + HOST,
        b"GET http://x/healthz HTTP/1.1\r\nHost: ignored\r\n",
        b"GET http://x/healthz?a=b HTTP/1.1\r\nHost: x\r\n",
        b"GET //healthz HTTP/1.1\r\n" + HOST,
        b"GET /healthz HTTP/1.0\r\n",
        b"GET /healthz HTTP/1.2\r\n" + HOST,
        GET + b"host:x\r\nX-Empty:\r\nX-Umlaut: \xe9\r\n",
        GET + b"Host: [::1]:8080\r\nContent-Length: 0\r\n",
        GET + HOST + b"X: y\r\n" * (MAX_HEADERS - 2),
    ],
)
def test_unusual_requests_that_are_clear_are_answered(connect: Connect, head: bytes) -> None:
    answer = _send(connect, head + b"Connection: close\r\n\r\n")
    assert status(answer) in {200, 422}, answer
    assert b"Connection: close" in answer


@pytest.mark.parametrize(
    "chunks",
    [
        b'f;note="x"\r\n{"email":"a@b.r\r\n2\r\nu"\r\n1\r\n}\r\n0\r\n\r\n',
        b'0012\r\n{"email":"a@b.ru"}\r\n000\r\nX-Trailer: y\r\n\r\n',
    ],
)
def test_chunks_are_joined_and_the_next_request_is_answered(
    connect: Connect, services: FakeServices, chunks: bytes
) -> None:
    answer = _send(connect, CHUNKED + chunks, HEALTH)
    assert answer.count(b"HTTP/1.1 ") == 2
    assert status(answer) == 202
    assert services.calls[-1][2]["email"] == "a@b.ru"


def test_a_client_that_expects_100_is_told_to_continue(connect: Connect) -> None:
    with closing(connect()) as sock:
        sock.sendall(CHUNKED.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert sock.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        sock.sendall(b'12\r\n{"email":"a@b.ru"}\r\n0\r\n\r\n')
        assert status(sock.recv(65536)) == 202


def test_refusals_of_the_listener_have_the_headers_of_security(connect: Connect) -> None:
    for sent, _ in REFUSED.values():
        headers, _ = problem_of(_send(connect, sent))
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_no_second_request_hides_in_a_first(connect: Connect, services: FakeServices) -> None:
    """Whatever stands behind a request that two readers could read differently is never read."""
    for name, (sent, _) in REFUSED.items():
        if name.startswith("half"):  # what follows is the rest of it
            continue
        answer = _send(connect, sent + SMUGGLED)
        assert answer.count(b"HTTP/1.1 ") == 1, name
        assert b"/smuggled" not in answer, name
    assert services.calls == []


def test_no_client_writes_a_line_of_its_own_into_the_log(
    connect: Connect, capfd: pytest.CaptureFixture[str]
) -> None:
    forged = b'x%0a{"event": "signed_in", "level": "info"}%0d%0a\x1b[2J'
    _send(connect, b"GET /" + forged.replace(b" ", b"%20") + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    _send(connect, GET + HOST + b"X-Request-Id: a\x0b{}\r\nConnection: close\r\n\r\n")
    _send(
        connect, GET + HOST + b'User-Agent: "\t{"event":"signed_in"}\r\nConnection: close\r\n\r\n'
    )
    written = capfd.readouterr()
    assert "signed_in" not in written.out + written.err
    assert "\x1b[2J" not in written.out + written.err
