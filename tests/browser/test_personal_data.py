"""«Мои данные» as a person sees it: the copy, and the withdrawal of the consent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.messages.notices import NOTICES
from tests.browser.instruction import log_in
from tests.browser.site import Site, Visitors

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

WAYS: list[dict[str, Any]] = [
    {"language": "ru"},
    {"language": "en", "width": 320, "scripts": False},
]


@pytest.mark.parametrize("way", WAYS)
def test_a_person_takes_a_copy_and_withdraws_the_consent(
    visitors: Visitors, site: Site, way: dict[str, Any]
) -> None:
    person = site.new_person().person
    visitor = visitors.open(f"personal-data-{way['language']}", **way)
    visitor.open("/")
    log_in(visitor, person.email, person.own_password)
    visitor.open("/settings/data")
    visitor.look("data")
    with visitor.page.expect_download() as started:
        visitor.click("Скачать всё одним файлом (JSON)", "link")
    copy = json.loads(Path(started.value.path()).read_text(encoding="utf-8"))
    assert person.email in json.dumps(copy)
    visitor.fill(current_password="не та фраза")
    visitor.click("Отозвать согласие и удалить кабинет")
    assert visitor.error_of("current_password")
    visitor.look("wrong-password")
    visitor.fill(current_password=person.own_password)
    visitor.click("Отозвать согласие и удалить кабинет")
    said = NOTICES["person_erased"][way["language"]]
    assert said in visitor.text
    visitor.look("erased")
    assert site.mailbox.wait(person.email, "удалён")
    visitor.open("/settings")
    assert visitor.page.locator("#password").count(), "the log-in"
