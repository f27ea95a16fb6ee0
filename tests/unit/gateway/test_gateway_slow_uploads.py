"""Files over real sockets: slow, cut and parallel ones hold neither workers nor memory."""

from __future__ import annotations

import tracemalloc
from contextlib import closing
from typing import Any

import eventlet
import pytest
from gateway_doubles import PERSON, THING, TOKEN, FakeServices
from upload_doubles import FakeUploads
from wire import connector, everything, is_alive, problem_of, running_gateway, status_of

from gateway.cabinet.attached import uploader
from gateway.cabinet.cookies import SESSION
from gateway.cabinet.sealing import Sealer
from gateway.uploads import MAX_FILE_BYTES, MOST_AT_ONCE_OF_ONE, ROOM
from shared.clock import SystemClock
from shared.config import Settings
from tests.sample_files import PDF_BYTES, png

SEND = (
    f"POST /api/v1/questions/attachments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
)
FORM = (
    f"POST /questions HTTP/1.1\r\nHost: x\r\nCookie: {SESSION}={TOKEN}\r\n"
    "Content-Type: multipart/form-data; boundary=b\r\n"
)
FILE = png(more=30 * 1024)


def part(name: str, value: str) -> str:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


def form_until_its_file(by: str) -> bytes:
    """Return a form that breaks off within its file, behind what is read at once."""
    head = 'Content-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    return f"{part('_uploader', by)}--b\r\n{head}".encode() + FILE[: 20 * 1024]


def test_a_slow_file_is_refused_while_others_are_answered(services: FakeServices) -> None:
    helpdesk = FakeUploads(services)
    with running_gateway(services, gateway_upload_seconds=0.2) as container:
        connect = connector(container)
        with closing(connect()) as sock:
            sock.sendall(f"{SEND}Content-Length: 1000\r\n\r\n%PDF-1.7".encode())
            assert is_alive(connect)
            answer = everything(sock)
    headers, problem = problem_of(answer)
    assert (status_of(answer), problem["code"]) == (408, "body_too_slow")
    assert headers["connection"] == "close"
    assert not helpdesk.ended


def test_a_file_may_take_longer_than_another_body(services: FakeServices) -> None:
    helpdesk = FakeUploads(services)
    with running_gateway(services, gateway_body_seconds=0.2) as container:
        sealer = Sealer(Settings(amqp_url="", secret=bytes(32)), SystemClock())
        body = form_until_its_file(uploader(sealer, PERSON, TOKEN))
        rest = FILE[20 * 1024 :] + b"\r\n--b--\r\n"
        with closing(connector(container)()) as sock:
            length = len(body) + len(rest)
            sock.sendall(f"{FORM}Content-Length: {length}\r\n\r\n".encode() + body)
            with eventlet.Timeout(0.5, False):
                pytest.fail(f"it was answered before it was whole: {sock.recv(400)!r}")
            sock.sendall(rest)
            sock.settimeout(10)
            assert sock.recv(12).startswith(b"HTTP/1.1 ")
    assert len(helpdesk.ended) == 1


def test_the_form_of_a_stranger_has_the_time_of_another_body(services: FakeServices) -> None:
    helpdesk = FakeUploads(services)
    with running_gateway(services, gateway_body_seconds=0.2) as container:
        with closing(connector(container)()) as sock:
            head = f"{FORM}Content-Length: 100000\r\n\r\n".encode()
            sock.sendall(head + form_until_its_file("x"))
            answer = everything(sock)
        assert is_alive(connector(container))
    assert status_of(answer) == 408
    assert not helpdesk.contents


def test_a_file_that_is_cut_frees_its_place(services: FakeServices) -> None:
    helpdesk = FakeUploads(services)
    with running_gateway(services) as container:
        connect = connector(container)
        for _ in range(MOST_AT_ONCE_OF_ONE + 2):
            sock = connect()
            sock.sendall(f"{SEND}Content-Length: 1000\r\n\r\n%PDF-1.7".encode())
            sock.close()
        assert is_alive(connect)
        with eventlet.Timeout(10):
            while ROOM.taken:
                eventlet.sleep(0)
        with closing(connect()) as sock:
            head = f"{SEND}Connection: close\r\nContent-Length: {len(PDF_BYTES)}\r\n\r\n"
            sock.sendall(head.encode() + PDF_BYTES)
            assert status_of(everything(sock)) == 200
    assert len(helpdesk.ended) == 1


def test_three_files_at_once_are_not_in_memory(services: FakeServices) -> None:
    """Three times 5 MB pass through half of that, what their senders hold included."""
    services.answers["helpdesk", "begin_upload"] = {"attachment_id": THING}
    services.answers["helpdesk", "upload_part"] = {}
    services.answers["helpdesk", "finish_upload"] = {
        "attachment_id": THING, "name": "a.png", "media_type": "image/png", "size": 1,
        "sha256": "0",
    }  # fmt: skip
    services.calls = _Forgetful()
    content = png(more=MAX_FILE_BYTES - len(png(more=1)) + 1)
    head = f"{SEND}Connection: close\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    with running_gateway(services) as container:
        connect = connector(container)

        def send() -> int:
            with closing(connect()) as sock:
                sock.sendall(head)
                sock.sendall(content)
                return status_of(everything(sock))

        tracemalloc.start()
        try:
            sent = [eventlet.spawn(send) for _ in range(3)]
            assert [each.wait() for each in sent] == [200, 200, 200]
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 1.5 * MAX_FILE_BYTES


class _Forgetful(list[Any]):
    def append(self, value: Any) -> None:
        """Keep nothing: a call has a part of the file."""
