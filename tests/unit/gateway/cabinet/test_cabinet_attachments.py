"""Files of a form: good ones stay with it, and why others do not is told beside the field."""

from __future__ import annotations

import re
from typing import Any

import pytest
from cabinet_doubles import ORIGIN, SETTINGS, TOKEN, CabinetBrowser, Html, Shown
from gateway_doubles import PERSON, THING, FakeServices
from upload_doubles import FakeUploads, offer

from gateway.cabinet import form_files
from gateway.cabinet.attached import uploader
from gateway.cabinet.sealing import Sealer
from gateway.uploads import MAX_FILE_BYTES, MOST_AT_ONCE_OF_ONE, PART_BYTES, ROOM
from shared.clock import SystemClock
from shared.errors import Forbidden, NotFound, Unavailable, ValidationFailed
from tests.sample_files import JPEG_BYTES, NO_KIND_OF_OURS, PDF_BYTES, png

pytestmark = pytest.mark.usefixtures("own_pages")

NEW, THREAD = "/questions/new", f"/questions/{THING}"
WORDS = {"topic": "charges", "text": "Почему?\r\nПочему?"}
ASKED = {"question_id": THING, "number": 7, "department": "b", "department_title": "Отдел"}


def multipart(
    fields: dict[str, str], files: tuple[tuple[str, bytes], ...] = ()
) -> tuple[bytes, str]:
    """Return the body of a form as a browser sends it, and its type."""
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
        for name, value in fields.items()
    ]
    for name, content in files or (("", b""),):
        escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        head = f'Content-Disposition: form-data; name="files"; filename="{escaped}"\r\n'
        parts.append(head.encode() + b"Content-Type: image/png\r\n\r\n" + content)
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    return body, "multipart/form-data; boundary=b"


class Form:
    """A browser that fills in the form of a page and sends it with files."""

    def __init__(self, cabinet: CabinetBrowser, services: FakeServices) -> None:
        self.cabinet, self.services = cabinet, services
        self.uploads = FakeUploads(services)
        services.answers["helpdesk", "ask"] = ASKED
        cabinet.sign_in()
        self.page = cabinet.get(NEW)

    def send(self, *files: tuple[str, bytes], drop: tuple[str, ...] = (), **words: str) -> Shown:
        """Send the form of the page; what comes back is the page of the next one."""
        fields = {**self.page.fields, **WORDS, **words}
        self.page = self.post("/questions", fields, files, drop)
        return self.page

    def post(
        self,
        path: str,
        fields: dict[str, str],
        files: tuple[tuple[str, bytes], ...] = (),
        drop: tuple[str, ...] = (),
    ) -> Shown:
        fields = {name: value for name, value in fields.items() if name not in (*drop, "files")}
        return self.cabinet.post(path, *multipart(fields, files))

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [given for _, method, given in self.services.calls if method == "ask"]

    @property
    def kept(self) -> list[str]:
        """The names of the files that the page says it has."""
        return re.findall(r'name="attached-\d".*?<bdi>(.*?)</bdi>', self.page.markup, re.DOTALL)

    @property
    def error(self) -> str:
        found = re.search(r'id="files-error">(.*?)</p>', self.page.markup, re.DOTALL)
        return "" if found is None else " ".join(Html(found[1]).texts)


@pytest.fixture
def form(cabinet: CabinetBrowser, services: FakeServices) -> Form:
    return Form(cabinet, services)


def test_a_question_goes_with_its_files(form: Form) -> None:
    form.send(("счёт.pdf", PDF_BYTES), ("фото.jpg", JPEG_BYTES))
    assert (form.page.status, form.page.headers["Location"]) == (303, THREAD)
    (asked,) = form.asked
    assert asked["attachments"] == list(form.uploads.ended)
    assert asked["text"] == "Почему?\nПочему?"
    assert [one["name"] for one in form.uploads.ended.values()] == ["счёт.pdf", "фото.jpg"]
    assert set(form.uploads.owners.values()) == {PERSON}


def test_a_question_goes_without_files(form: Form) -> None:
    form.send()
    assert form.page.status == 303
    assert form.asked[0]["attachments"] == []
    assert not form.uploads.contents


def test_a_good_file_stays_where_another_is_too_large_and_a_third_of_a_wrong_kind(
    form: Form,
) -> None:
    form.send(
        ("огромный.png", png(more=MAX_FILE_BYTES)),
        ("счёт.pdf", PDF_BYTES),
        ("программа.png", b"MZ\x90\0"),
    )
    assert form.page.status == 422
    assert not form.asked
    assert form.kept == ["счёт.pdf"]
    assert "огромный.png" in form.error
    assert "больше 5 МБ" in form.error
    assert "программа.png" in form.error
    assert "не принимаются" in form.error
    assert form.page.fields["text"] == WORDS["text"]
    assert 'href="#files"' in form.page.markup
    form.send()
    assert form.page.status == 303
    assert form.asked[0]["attachments"] == list(form.uploads.ended)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (("пусто.png", b""), "пустой"),
        (("обрыв.jpg", JPEG_BYTES[:40]), "повреждён"),
        *((("x.png", content), "не принимаются") for content in NO_KIND_OF_OURS.values()),
    ],
)
def test_a_file_that_is_no_good_is_told_beside_the_field(
    form: Form, file: tuple[str, bytes], said: str
) -> None:
    form.send(file)
    assert form.page.status == 422
    assert said in form.error
    assert not form.asked


def test_a_fourth_file_is_told_and_three_stay(form: Form) -> None:
    form.send(*((f"{number}.pdf", PDF_BYTES) for number in range(4)))
    assert form.kept == ["0.pdf", "1.pdf", "2.pdf"]
    assert "не более 3 файлов" in form.error
    assert len(form.uploads.contents) == 3
    form.send(("4.pdf", PDF_BYTES))
    assert (form.page.status, len(form.uploads.contents)) == (422, 3)
    form.send(("4.pdf", PDF_BYTES), drop=("attached-2",))
    assert len(form.asked[0]["attachments"]) == 3
    assert form.page.status == 303


def test_files_stay_after_an_error_of_another_field(form: Form) -> None:
    form.services.answers["helpdesk", "ask"] = ValidationFailed("unknown_topic", "No.")
    form.send(("счёт.pdf", PDF_BYTES))
    assert (form.page.status, form.kept, form.error) == (422, ["счёт.pdf"], "")
    form.services.answers["helpdesk", "ask"] = ASKED
    form.send(("ещё.pdf", PDF_BYTES))
    assert form.asked[-1]["attachments"] == list(form.uploads.ended)
    assert len(form.uploads.ended) == 2


def test_a_file_whose_box_is_cleared_is_not_sent(form: Form) -> None:
    form.send(("0.pdf", PDF_BYTES), ("1.pdf", PDF_BYTES), text="")
    assert form.kept == ["0.pdf", "1.pdf"]
    form.send(drop=("attached-1",))
    _, second = form.uploads.ended
    assert form.asked[-1]["attachments"] == [second]


def test_files_that_the_help_desk_has_lost_are_not_kept(form: Form) -> None:
    form.services.answers["helpdesk", "ask"] = ValidationFailed("attachment_unknown", "Gone.")
    form.send(("счёт.pdf", PDF_BYTES))
    assert (form.page.status, form.kept) == (422, [])
    assert "больше нет" in form.error


@pytest.mark.parametrize(
    "refusal",
    [
        Unavailable("uploads_unavailable", "No room."),
        Unavailable("service_unavailable", "Away."),
        NotFound("attachment_not_found", "Gone."),
    ],
)
def test_words_stay_where_files_cannot_be_taken(form: Form, refusal: Exception) -> None:
    form.services.answers["helpdesk", "begin_upload"] = refusal
    form.send(("счёт.pdf", PDF_BYTES))
    assert form.page.status == 422
    assert "сейчас не принимаются" in form.error
    assert form.page.fields["text"] == WORDS["text"]
    form.send()
    assert form.page.status == 303


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (ValidationFailed("attachment_infected", "x"), "В файле найден вирус"),
        (Unavailable("attachment_unchecked", "x"), "нечем проверить на вирусы"),
    ],
)
def test_the_form_says_what_the_scanner_said(form: Form, refusal: Exception, words: str) -> None:
    form.services.answers["helpdesk", "finish_upload"] = refusal
    form.send(("счёт.pdf", PDF_BYTES))
    assert form.page.status == 422
    assert words in form.error
    assert form.page.fields["text"] == WORDS["text"]
    assert form.kept == []


def test_the_limit_of_a_day_is_told_with_its_number(form: Form) -> None:
    form.services.answers["helpdesk", "begin_upload"] = Forbidden(
        "too_many_attachments_today", "Too many.", limit=30, retry_after_seconds=60
    )
    form.send(("счёт.pdf", PDF_BYTES))
    assert "не более 30 файлов" in form.error


def test_a_person_who_sends_too_much_at_once_is_told(form: Form) -> None:
    places = [ROOM.hold_place(PERSON) for _ in range(MOST_AT_ONCE_OF_ONE)]
    for place in places:
        place.__enter__()
    try:
        form.send(("счёт.pdf", PDF_BYTES))
    finally:
        for place in places:
            place.__exit__(None, None, None)
    assert "слишком много файлов" in form.error
    form.send(("счёт.pdf", PDF_BYTES))
    assert form.page.status == 303


def test_files_wait_with_the_form_for_a_log_in(form: Form) -> None:
    services = form.services
    alive = services.answers["identity", "authenticate"]
    services.answers["identity", "authenticate"] = Forbidden("session_expired", "It has ended.")
    form.send(("счёт.pdf", PDF_BYTES), ("x.exe", b"MZ"))
    assert form.page.status == 401
    assert len(form.uploads.ended) == 1
    assert not form.asked
    services.answers["identity", "sign_in"] = {
        **alive,
        "token": TOKEN,
        "device_token": "a-device",
        "expires_at": "2027-01-01T00:00:00+00:00",
    }
    services.answers["identity", "authenticate"] = alive
    form.page = form.cabinet.post(
        "/login", {**form.page.fields, "email": "a@example.org", "password": "четыре чайника"}
    )
    assert form.page.status == 200, form.page.text
    assert form.kept == ["счёт.pdf"]
    assert "x.exe" in form.error
    form.send()
    assert form.asked[0]["attachments"] == list(form.uploads.ended)


def test_files_stay_with_a_form_that_was_open_before_a_log_in_elsewhere(form: Form) -> None:
    form.page.fields["_csrf"] = "of another visitor"
    form.send(("счёт.pdf", PDF_BYTES))
    assert form.page.status == 403
    assert "Страница устарела" in form.page.text
    assert form.kept == ["счёт.pdf"]
    form.send()
    assert form.page.status == 303


def test_a_form_of_another_site_sends_no_file(form: Form) -> None:
    fields = {**form.page.fields, **WORDS}
    for headers in ({"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}):
        page = form.cabinet.post(
            "/questions", *multipart(fields, (("a.pdf", PDF_BYTES),)), **headers
        )
        assert page.status == 403
    assert not form.uploads.contents


@pytest.mark.parametrize("forged", ["", "x", "of another purpose"])
def test_a_form_that_was_not_made_for_a_person_sends_no_file(form: Form, forged: str) -> None:
    if forged == "of another purpose":
        forged = Sealer(SETTINGS, SystemClock()).seal("notice", PERSON)
    form.send(("счёт.pdf", PDF_BYTES), _uploader=forged)
    assert form.page.status == 422
    assert "Страница устарела" in form.error
    assert "сейчас не принимаются" not in form.error
    assert not form.uploads.contents
    assert not form.asked


def test_a_forged_file_of_a_form_is_none(form: Form) -> None:
    form.send(
        **{
            "attached-1": Sealer(SETTINGS, SystemClock()).seal("notice", {"id": THING}),
            "attached-2": "x",
        }
    )
    assert form.asked[0]["attachments"] == []


def test_no_more_is_read_of_a_form_than_all_its_files_may_have(
    form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form_files, "MOST_BYTES", MAX_FILE_BYTES + 100_000)
    form.send(("счёт.pdf", PDF_BYTES), ("фильм.mov", png(more=2 * MAX_FILE_BYTES)))
    assert form.page.status == 422
    assert form.kept == ["счёт.pdf"]
    assert "фильм.mov" in form.error
    assert form.page.fields["text"] == WORDS["text"]


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("multipart/form-data", b"--", 400),
        ("multipart/form-data; boundary=x", b"--", 400),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n", 400),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"a" * 300_000, 400),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\n' + b"a" * 300_000,
            413,
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\n\xff\r\n--x--\r\n',
            400,
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 101 + b"--x--\r\n",
            400,
        ),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n",
            400,
        ),
        ("text/plain", b"a", 415),
        ("application/json", b"{}", 415),
    ],
)
def test_a_body_that_is_no_form_is_refused(
    form: Form, content_type: str, body: bytes, status: int
) -> None:
    response = form.cabinet.client.post(
        "/questions", data=body, content_type=content_type, headers={"Origin": ORIGIN}
    )
    assert response.status_code == status
    assert not form.uploads.contents


def test_hostile_names_are_harmless_on_the_page(form: Form) -> None:
    names = (
        '"><script>alert(1)</script>.png',
        "a\u202egpj.exe",
        "../../etc/passwd",
        "a\0b\x1b[31m",
    )
    for name in names:
        form.page = form.cabinet.get(NEW)
        form.send((name, b"MZ"))
        assert form.page.status == 422
        assert "<script>alert" not in form.page.markup
        assert not re.search("[\u202e\x9b\x7f]", form.page.markup)
        assert "etc/" not in form.page.text
    form.page = form.cabinet.get(NEW)
    form.send((names[0], PDF_BYTES), text="")
    assert form.kept == ["script.png.pdf"]


def test_a_name_in_another_direction_stands_apart_from_the_sentence(form: Form) -> None:
    form.send(("חשבון.exe", b"MZ"))
    for place in ('id="files-error"', 'href="#files"'):
        said = form.page.markup.partition(place)[2].partition("</p>")[0].partition("</a>")[0]
        assert "«<bdi>חשבון.exe</bdi>»" in said


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("фото\u00a0дома.png", "фото дома.png"),
        ("\u200b\u202e", "…"),
        ("C:\\фото\\счёт.png", "счёт.png"),
        (f"{'а' * 100}-0001.jpeg", f"{'а' * 47}…аа-0001.jpeg"),
    ],
)
def test_the_name_of_a_refused_file_is_shown_as_its_sender_knows_it(name: str, shown: str) -> None:
    assert form_files.shown_name(name) == shown


def test_a_thread_takes_files_and_shows_them_as_downloads(form: Form) -> None:
    file = {
        "attachment_id": PERSON,
        "name": "<b>счёт</b>.pdf",
        "media_type": "application/pdf",
        "size": 48_213,
        "sha256": "0" * 64,
    }
    form.services.answers["helpdesk", "question"] = {
        "question_id": THING, "number": 7, "topic": "charges", "title": "Начисления",
        "title_en": "Charges", "department": "b", "department_title": "Отдел",
        "department_title_en": "Billing", "account": None, "state": "open",
        "asked_at": "2026-05-14T09:30:00+00:00", "last_message_at": "2026-05-14T09:30:00+00:00",
        "due_on": "2026-05-28", "overdue": False, "unread": 0, "dispute": None,
        "messages": [
            {"author": "person", "text": "Почему?", "at": "2026-05-14T09:30:00+00:00",
             "attachments": [file]}
        ],
    }  # fmt: skip
    form.services.answers["helpdesk", "note_read"] = {"unread": 0}
    form.services.answers["helpdesk", "add_message"] = {"question_id": THING, "state": "open"}
    page = form.cabinet.get(THREAD)
    (link,) = [link for link in page.links if "/attachments/" in link]
    assert link == f"{THREAD}/attachments/{PERSON}"
    assert "<b>счёт</b>.pdf PDF, 47 КБ" in page.text
    sent = form.post(THREAD, {**page.fields, "text": "Вот"}, (("ещё.pdf", PDF_BYTES),))
    assert (sent.status, sent.headers["Location"]) == (303, THREAD)
    assert form.services.calls[-1][2]["attachments"] == list(form.uploads.ended)
    wrong = form.post(THREAD, {**page.fields, "text": "Вот"}, (("ещё.exe", b"MZ"),))
    assert (wrong.status, wrong.fields["text"]) == (422, "Вот")


def test_a_download_is_never_a_page(form: Form, services: FakeServices) -> None:
    content = png(more=2 * PART_BYTES)
    offer(services, content, "a.png", "image/png")
    response = form.cabinet.client.get(f"{THREAD}/attachments/{PERSON}")
    assert response.data == content
    assert response.headers["Content-Disposition"].startswith("attachment; ")
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    services.answers["helpdesk", "attachment"] = NotFound("attachment_not_found", "No.")
    missing = form.cabinet.client.get(f"{THREAD}/attachments/{PERSON}")
    assert (missing.status_code, missing.mimetype) == (404, "text/html")


def test_a_form_of_another_session_sends_files_for_the_same_person_alone(form: Form) -> None:
    form.send(
        ("счёт.pdf", PDF_BYTES),
        _uploader=uploader(Sealer(SETTINGS, SystemClock()), THING, "another"),
    )
    assert not form.uploads.contents
    assert not form.asked
    form.send(
        ("счёт.pdf", PDF_BYTES),
        _uploader=uploader(Sealer(SETTINGS, SystemClock()), PERSON, "another"),
    )
    assert set(form.uploads.owners.values()) == {PERSON}


def test_a_form_that_was_copied_out_of_its_session_sends_no_file(form: Form) -> None:
    copied = uploader(Sealer(SETTINGS, SystemClock()), PERSON, "another")
    form.services.answers["identity", "authenticate"] = Forbidden("session_expired", "Ended.")
    form.send(("счёт.pdf", PDF_BYTES), _uploader=copied)
    assert form.page.status == 401
    assert not form.uploads.contents
