"""No page is forgotten by the tests in a real browser."""

from __future__ import annotations

import re

from gateway.cabinet.page import Page
from gateway.service import Gateway
from tests.browser.addresses import ADDRESSES

NO_PAGES = {"/payments/<uuid:payment_id>/state"}
"""Addresses that a script of ours reads, not a person."""
FILE = re.compile(r"\.(pdf|csv|json|<any\(csv,xlsx,pdf\):ending>)$|/attachments/<[^/]+>$")
"""Downloads: tests/unit/gateway/documents and cabinet look at them."""


def test_every_page_is_visited_in_a_browser() -> None:
    pages = {
        described.path
        for name in dir(Gateway)
        if isinstance(described := getattr(getattr(Gateway, name), "page", None), Page)
        if described.method == "GET" and not described.plain and not described.is_fallback
    }
    assert {path for path in pages - NO_PAGES if not FILE.search(path)} == set(ADDRESSES)
