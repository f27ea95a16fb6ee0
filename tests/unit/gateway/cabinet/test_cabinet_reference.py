"""Pages to look something up on: glossary, accessibility, status, problems."""

from __future__ import annotations

import re

import pytest
from cabinet_doubles import CabinetBrowser
from gateway_doubles import FakeServices

from gateway.messages import CATALOGUE, FIELDS
from shared.config import SERVICES
from shared.errors import Unavailable

SEALED = {"size": 640, "sealed_at": "2026-05-14T09:31:15+00:00", "note": "a note"}


@pytest.fixture(autouse=True)
def healthy(services: FakeServices) -> None:
    for name in SERVICES:
        services.answers[name, "health"] = {"status": "ok"}
    services.answers["ledger", "last_checkpoint"] = {"checkpoint": SEALED}


def test_every_link_of_the_footer_opens_before_log_in(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    services.answers["ledger", "verifier_keys"] = {"keys": []}
    services.answers["identity", "document"] = {
        "kind": "rules", "version": "2026-05-01", "title": "Правила", "text": "# Правила",
        "media_type": "text/markdown", "in_force": "2026-05-01", "versions": ["2026-05-01"],
    }  # fmt: skip
    markup = cabinet.get("/").markup
    foot = markup[markup.index('<footer class="foot">') :]
    links = re.findall(r'href="([^"]+)"', foot)
    assert len(links) >= 8
    for link in links:
        assert cabinet.get(link.replace("&amp;", "&")).status in (200, 303), link


@pytest.mark.parametrize("language", ["ru", "en"])
def test_glossary_explains_words_by_latin_anchors(cabinet: CabinetBrowser, language: str) -> None:
    page = cabinet.get("/glossary", Accept_Language=language)
    anchors = re.findall(r'<div id="([^"]+)">', page.markup)
    assert {"account", "charged", "due-day", "penalty", "advance"} <= set(anchors)
    assert len(anchors) == len(set(anchors))
    assert all(re.fullmatch(r"[a-z-]+", anchor) for anchor in anchors)


def test_accessibility_names_its_standard_and_a_way_to_complain(cabinet: CabinetBrowser) -> None:
    page = cabinet.get("/accessibility")
    assert "WCAG 2.2" in page.text
    assert "/questions/new" in page.links
    assert "/look" in page.links


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_problem_type_is_a_page(cabinet: CabinetBrowser, code: str, language: str) -> None:
    page = cabinet.get(f"/problems/{code}", Accept_Language=language)
    assert page.status == 200
    heading = re.search(r"<h1>(.+?)</h1>", page.markup)
    lead = re.search(r'<p class="lead">(.+?)</p>', page.markup)
    assert heading, code
    assert lead, code
    assert code in page.text
    assert not re.search(r"\{\w", heading[1] + lead[1])


def test_problems_are_listed_and_an_unknown_one_is_not_found(cabinet: CabinetBrowser) -> None:
    links = cabinet.get("/problems").links
    assert [f"/problems/{code}" for code in sorted(CATALOGUE)] == [
        link for link in links if link.startswith("/problems/")
    ]
    assert cabinet.get("/problems/no_such_problem").status == 404


def test_invalid_request_lists_the_codes_of_fields(cabinet: CabinetBrowser) -> None:
    text = cabinet.get("/problems/invalid_request").text
    assert all(code in text for code in FIELDS)


def test_status_shows_what_works_and_the_last_checkpoint(cabinet: CabinetBrowser) -> None:
    page = cabinet.get("/status")
    assert page.status == 200
    assert "Всё работает" in page.text
    assert "не отвечает" not in page.text
    assert "14 мая 2026, 12:31, записей: 640" in page.text


def test_status_names_the_part_that_is_silent(
    cabinet: CabinetBrowser, services: FakeServices
) -> None:
    silent = Unavailable("service_unavailable", "x")
    services.answers["payments", "health"] = silent
    services.answers["ledger", "last_checkpoint"] = silent
    page = cabinet.get("/status")
    assert page.status == 200
    assert "Часть кабинета сейчас не отвечает" in page.text
    assert "Оплата картой не отвечает" in page.text
    assert "Лицевые счета работает" in page.text
    assert "сейчас не видно" in page.text
