"""Files of questions in a real browser: chosen, refused beside the field, kept, downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.messages.notices import NOTICES
from tests.browser.instruction import log_in
from tests.browser.site import Site, Visitors
from tests.browser.test_registration import end_sessions_elsewhere
from tests.browser.visitor import Visitor
from tests.sample_files import JPEG_BYTES, PDF_BYTES, png

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

TEXT = "Почему в октябре начислено больше?"
LARGE = png(more=6 * 1024 * 1024)


def chosen(visitor: Visitor, *files: tuple[str, bytes]) -> None:
    """Choose files in the field of the form."""
    visitor.page.locator("#files").set_input_files(
        [{"name": name, "mimeType": "image/png", "buffer": content} for name, content in files]
    )


def kept(visitor: Visitor) -> list[str]:
    """Return the names of the files that the form has."""
    return visitor.page.locator("#kept bdi").all_inner_texts()


def saved(visitor: Visitor, name: str) -> tuple[str, bytes]:
    """Click a file; return the name and the content that the browser saves."""
    before = visitor.page.url
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name=name).click()
    path = download.value.path()
    assert visitor.page.url == before, "a download is never shown"
    return download.value.suggested_filename, Path(path).read_bytes()


@pytest.mark.parametrize(
    ("scripts", "width", "language"), [(True, 1280, "ru"), (False, 320, "ru"), (True, 320, "en")]
)
def test_good_files_stay_where_others_are_refused_and_reach_the_clerk(
    visitors: Visitors, site: Site, tmp_path: Path, scripts: bool, width: int, language: str
) -> None:
    journey = site.new_person()
    visitor = visitors.open(
        f"files-{language}-{width}", scripts=scripts, width=width, language=language
    )
    visitor.open("/")
    log_in(visitor, journey.person.email, journey.person.own_password)
    visitor.open("/questions/new")
    visitor.look("form")
    visitor.select("topic", 1)
    visitor.fill(text=TEXT)
    chosen(
        visitor,
        ("Снимок, который слишком велик для письма.png", LARGE),
        ("Акт поверки № 5.pdf", PDF_BYTES),
        ("setup.exe", b"MZ\x90\0" * 100),
    )
    visitor.click("Отправить")
    assert kept(visitor) == ["Акт поверки № 5.pdf"]
    error = visitor.error_of("files")
    assert "Снимок, который слишком велик" in error
    assert "setup.exe" in error
    assert visitor.page.locator("#text").input_value() == TEXT
    visitor.look("refused")
    chosen(visitor, ("фото.jpg", JPEG_BYTES))
    visitor.click("Отправить")
    assert NOTICES["question_accepted"][language] in visitor.text
    visitor.look("thread")
    assert saved(visitor, "Акт поверки № 5.pdf") == ("Акт поверки № 5.pdf", PDF_BYTES)

    (question,) = journey.client.call("GET", "/questions")["questions"]
    number = str(question["number"])
    site.saldo("helpdesk", "show", number)
    site.saldo("helpdesk", "attachment", number, "2", "--to", str(tmp_path))
    assert (tmp_path / "фото.jpg").read_bytes() == JPEG_BYTES
    scheme = tmp_path / "схема узла.png"
    scheme.write_bytes(png(more=300_000))
    site.saldo("helpdesk", "answer", number, "--text", "Вот схема.", "--attach", str(scheme))
    visitor.page.reload()
    assert saved(visitor, "схема узла.png") == ("схема узла.png", scheme.read_bytes())
    visitor.look("answered")


@pytest.mark.parametrize("scripts", [True, False])
def test_files_survive_the_end_of_the_session(
    visitors: Visitors, site: Site, scripts: bool
) -> None:
    journey = site.new_person()
    visitor = visitors.open(f"files-kept-{scripts}", scripts=scripts)
    visitor.open("/")
    log_in(visitor, journey.person.email, journey.person.own_password)
    visitor.open("/questions/new")
    visitor.select("topic", 1)
    visitor.fill(text=TEXT)
    chosen(visitor, ("счёт.pdf", PDF_BYTES), ("вирус.png", b"MZ\x90\0"))
    end_sessions_elsewhere(journey.client)
    visitor.click("Отправить")
    assert visitor.page.locator("#password").count(), "the log-in"
    log_in(visitor, journey.person.email, journey.person.own_password)
    assert kept(visitor) == ["счёт.pdf"]
    assert "вирус.png" in visitor.error_of("files")
    visitor.look("kept")
    visitor.click("Отправить")
    visitor.sees("Вопрос принят и передан в отдел.")
    assert files_of(journey.client) == ["счёт.pdf"]


def files_of(client: Any) -> list[str]:
    """Return the names of the files of a person's one question."""
    (listed,) = client.call("GET", "/questions")["questions"]
    question = client.question(listed["question_id"])
    return [file["name"] for each in question["messages"] for file in each["attachments"]]
