"""Texts of others stand in pages as text: no markup, no control, no other direction."""

from __future__ import annotations

import re
from typing import Any

import pytest
from account_access import owns
from cabinet_person import CabinetPerson, due_line, owe
from gateway_doubles import THING, FakeServices
from gateway_samples import MONTH, QUESTION

from tests.hostile_texts import HOSTILE

POWER = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)

every_text = pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)


def is_harmless(page: Any) -> bool:
    """Return whether a page is shown and has nothing of a text but its words."""
    assert page.status_code == 200
    markup = page.text
    return not POWER.search(markup) and "<script>alert" not in markup and "<img" not in markup


@every_text
def test_a_thread_is_text(person: CabinetPerson, services: FakeServices, hostile: str) -> None:
    messages = [
        {"author": author, "text": hostile, "at": QUESTION["asked_at"], "attachments": []}
        for author in ("person", "staff")
    ]
    changed = {"title": hostile, "title_en": hostile, "department_title": hostile}
    services.answers["helpdesk", "question"] = {
        **QUESTION,
        **changed,
        "dispute": None,
        "messages": messages,
    }
    assert is_harmless(person.get(f"/questions/{THING}"))


@every_text
def test_names_reasons_and_addresses_are_text(
    person: CabinetPerson, services: FakeServices, hostile: str
) -> None:
    line = due_line()
    line["linked"] |= {"address": hostile, "holder": hostile}
    owe(services, line)
    services.answers["accounts", "owns"] = owns("0001")
    lines = [{**MONTH["lines"][0], "name": hostile, "explanation": hostile}]
    adjustments = [{**one, "reason": hostile} for one in MONTH["adjustments"]]
    month = {**MONTH, "bill_number": None, "lines": lines, "adjustments": adjustments}
    services.answers["ledger", "charges"] = {"months": [month], "next": None}
    assert adjustments
    assert is_harmless(person.get("/charges?open=all"))
    assert is_harmless(person.get(f"/charges/0001/{MONTH['period']}"))
