"""Files over the API: passed on part by part, within limits, and downloaded, never shown."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from gateway_doubles import PERSON, THING, Browser, FakeServices
from upload_doubles import FakeUploads, digest_of, offer

from gateway import uploads as sending
from gateway.uploads import MAX_FILE_BYTES, PART_BYTES, ROOM
from shared.errors import Forbidden, NotFound, Unavailable, ValidationFailed
from tests.sample_files import JPEG_BYTES, NO_KIND_OF_OURS, PDF_BYTES, png

OTHER = "7d9f0a52-6d11-4a0e-9a3f-1f5a2f0f1b77"
SEND = "/api/v1/questions/attachments"
FILE = f"/api/v1/questions/{THING}/attachments/{OTHER}"


@pytest.fixture
def helpdesk(services: FakeServices) -> FakeUploads:
    return FakeUploads(services)


def refusal(response: Any) -> tuple[int, str]:
    return response.status_code, response.get_json()["code"]


def send(browser: Browser, content: bytes, disposition: str = "", **more: Any) -> Any:
    headers = {"Content-Disposition": disposition} if disposition else {}
    return browser("POST", SEND, data=content, headers=headers, **more)


def test_a_file_is_sent_as_the_body(browser: Browser, helpdesk: FakeUploads) -> None:
    content = png(more=2 * PART_BYTES)
    name = "attachment; filename=x.png; filename*=UTF-8''%D1%87%D0%B5%D0%BA.png"
    response = send(browser, content, name)
    assert response.status_code == 200
    (id_,) = helpdesk.contents
    assert response.get_json() == {
        "attachment_id": id_,
        "name": "чек.png",
        "media_type": "image/png",
        "size": len(content),
        "sha256": digest_of(content),
    }
    assert helpdesk.contents[id_] == content
    assert helpdesk.owners[id_] == PERSON
    assert helpdesk.largest == PART_BYTES


@pytest.mark.parametrize("what", NO_KIND_OF_OURS)
def test_what_a_client_says_of_a_file_changes_nothing(
    browser: Browser, helpdesk: FakeUploads, what: str
) -> None:
    response = send(
        browser,
        NO_KIND_OF_OURS[what],
        'attachment; filename="photo.png"',
        content_type="image/png",
    )
    assert refusal(response) == (422, "attachment_kind")


def test_an_empty_and_a_cut_file_are_refused(browser: Browser, helpdesk: FakeUploads) -> None:
    assert refusal(send(browser, b"")) == (422, "attachment_empty")
    assert refusal(send(browser, JPEG_BYTES[:40])) == (422, "attachment_broken")


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (ValidationFailed("attachment_infected", "x"), (422, "attachment_infected")),
        (Unavailable("attachment_unchecked", "x"), (503, "attachment_unchecked")),
    ],
)
def test_refusal_of_the_scanner_reaches_the_client(
    browser: Browser, services: FakeServices, helpdesk: FakeUploads, raised: Any, told: Any
) -> None:
    services.answers["helpdesk", "finish_upload"] = raised
    assert refusal(send(browser, JPEG_BYTES)) == told


def test_a_file_that_says_it_is_too_large_is_not_read(
    browser: Browser, helpdesk: FakeUploads
) -> None:
    response = send(browser, png(more=MAX_FILE_BYTES))
    assert refusal(response) == (413, "attachment_too_large")
    assert not helpdesk.contents


def test_a_stream_is_refused_when_it_has_become_too_large(
    browser: Browser, helpdesk: FakeUploads
) -> None:
    body = io.BytesIO(png(more=MAX_FILE_BYTES))
    response = browser(
        "POST",
        SEND,
        input_stream=body,
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert refusal(response) == (413, "attachment_too_large")
    assert body.tell() <= MAX_FILE_BYTES + 2 * 16 * 1024
    assert not helpdesk.ended


def test_nothing_is_read_for_whoever_is_not_signed_in(
    browser: Browser, helpdesk: FakeUploads, services: FakeServices
) -> None:
    services.answers["identity", "authenticate"] = NotFound("session_not_found", "No.")
    body = io.BytesIO(PDF_BYTES)
    response = browser("POST", SEND, input_stream=body, content_length=len(PDF_BYTES))
    assert refusal(response) == (401, "not_signed_in")
    assert body.tell() == 0
    assert not helpdesk.contents


def test_the_limit_of_a_day_is_told_before_anything_is_read(
    browser: Browser, services: FakeServices
) -> None:
    services.answers["helpdesk", "begin_upload"] = Forbidden(
        "too_many_attachments_today",
        "Too many.",
        policy="attachments_per_day",
        limit=30,
        window_seconds=86_400,
        retry_after_seconds=60,
    )
    body = io.BytesIO(PDF_BYTES)
    response = browser("POST", SEND, input_stream=body, content_length=len(PDF_BYTES))
    assert refusal(response) == (429, "too_many_attachments_today")
    assert response.headers["Retry-After"] == "60"
    assert response.headers["RateLimit"] == '"attachments_per_day";r=0;t=60'
    assert body.tell() == 0


def test_a_part_without_an_answer_is_sent_again(browser: Browser, helpdesk: FakeUploads) -> None:
    content = png(more=2 * PART_BYTES)
    helpdesk.lost_answers = 1
    response = send(browser, content)
    assert response.status_code == 200
    assert helpdesk.contents[response.get_json()["attachment_id"]] == content


def test_a_help_desk_that_is_away_or_full_is_no_defect(
    browser: Browser, helpdesk: FakeUploads, services: FakeServices
) -> None:
    helpdesk.lost_answers = 2
    assert refusal(send(browser, PDF_BYTES)) == (503, "service_unavailable")
    services.answers["helpdesk", "begin_upload"] = Unavailable("uploads_unavailable", "No room.")
    response = send(browser, PDF_BYTES)
    assert refusal(response) == (503, "uploads_unavailable")
    assert "Retry-After" in response.headers


def test_one_person_and_all_together_send_so_many_files_at_once(
    browser: Browser, helpdesk: FakeUploads
) -> None:
    with ExitStack() as sent:
        for _ in range(sending.MOST_AT_ONCE_OF_ONE):
            sent.enter_context(ROOM.hold_place(PERSON))
        assert refusal(send(browser, PDF_BYTES)) == (503, "uploads_busy")
    with ExitStack() as sent:
        for number in range(sending.MOST_AT_ONCE):
            sent.enter_context(ROOM.hold_place(str(number)))
        assert refusal(send(browser, PDF_BYTES)) == (503, "uploads_busy")
    assert send(browser, PDF_BYTES).status_code == 200


def test_a_place_is_free_again_after_a_refusal(browser: Browser, helpdesk: FakeUploads) -> None:
    for _ in range(sending.MOST_AT_ONCE_OF_ONE + 1):
        assert refusal(send(browser, b"MZ")) == (422, "attachment_kind")


def test_a_file_is_never_held_whole(browser: Browser, services: FakeServices) -> None:
    services.answers["helpdesk", "begin_upload"] = {"attachment_id": THING}
    services.answers["helpdesk", "upload_part"] = {}
    services.answers["helpdesk", "finish_upload"] = lambda **_: {
        "attachment_id": THING, "name": "a.png", "media_type": "image/png", "size": 1,
        "sha256": "0",
    }  # fmt: skip
    services.calls = _Forgetful()

    class Endless(io.RawIOBase):
        left = MAX_FILE_BYTES

        def read(self, size: int = -1) -> bytes:
            piece = bytes(min(size, self.left))
            self.left -= len(piece)
            return piece

    tracemalloc.start()
    try:
        body = {"wsgi.input": Endless(), "CONTENT_LENGTH": str(MAX_FILE_BYTES)}
        response = browser("POST", SEND, environ_overrides=body)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert response.status_code == 200
    assert most < MAX_FILE_BYTES // 2


class _Forgetful(list[Any]):
    def append(self, value: Any) -> None:
        """Keep nothing: a call has a part of the file."""


def test_a_file_is_a_download_that_nothing_can_run(
    browser: Browser, services: FakeServices
) -> None:
    content = png(more=2 * PART_BYTES)
    offer(services, content, 'счёт "№ 5"; x.png', "image/png")
    response = browser("GET", FILE)
    assert response.data == content
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Content-Length"] == str(len(content))
    assert response.headers["Content-Disposition"] == (
        'attachment; filename="file.png"; '
        "filename*=UTF-8''%D1%81%D1%87%D1%91%D1%82%20%22%E2%84%96%205%22%3B%20x.png"
    )
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    asked = [arguments for _, method, arguments in services.calls if method == "attachment_part"]
    assert [each["index"] for each in asked] == [0, 1, 2]
    assert {each["person_id"] for each in asked} == {PERSON}


def test_parts_of_a_download_are_asked_for_as_they_are_sent(
    browser: Browser, services: FakeServices
) -> None:
    offer(services, png(more=2 * PART_BYTES), "a.png", "image/png")
    response = browser("GET", FILE, buffered=False)
    assert [method for _, method, _ in services.calls].count("attachment_part") == 1
    came: Iterator[bytes] = response.iter_encoded()
    next(came)
    next(came)
    assert [method for _, method, _ in services.calls].count("attachment_part") == 2
    assert services.contexts[-1].actor == f"person:{PERSON}"
    response.close()


@pytest.mark.parametrize("code", ["attachment_not_found", "question_not_found"])
def test_a_file_of_somebody_else_is_absent(
    browser: Browser, services: FakeServices, code: str
) -> None:
    services.answers["helpdesk", "attachment"] = NotFound(code, "No.")
    assert refusal(browser("GET", FILE)) == (404, code)


def test_a_message_takes_files_by_their_ids(browser: Browser, services: FakeServices) -> None:
    services.answers["helpdesk", "add_message"] = {"question_id": THING, "state": "open"}
    path = f"/api/v1/questions/{THING}/messages"
    sent = browser("POST", path, json={"text": "Вот", "attachments": [OTHER]})
    assert sent.status_code == 201
    assert services.calls[-1][2]["attachments"] == [OTHER]
    for wrong in ([OTHER] * 4, ["x"], "x", [None]):
        response = browser("POST", path, json={"text": "Вот", "attachments": wrong})
        assert refusal(response) == (422, "invalid_request")
