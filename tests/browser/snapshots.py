"""What a screen reader is given of a page, without what changes from day to day."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

from playwright.sync_api import Page

FOLDER = Path(__file__).with_name("snapshots")
RENEW = "SALDO_RENEW_SNAPSHOTS"
HOW = (
    f"If the pages are meant to be so: {RENEW}=1 .venv/bin/python -m pytest "
    "tests/browser/test_snapshots.py, then read the difference and commit it."
)
_MONTH = (
    "январ[ьяе]|феврал[ьяе]|марта?е?|апрел[ьяе]|ма[йяе]|июн[ьяе]|июл[ьяе]|августа?е?|сентябр[ьяе]"
    "|октябр[ьяе]|ноябр[ьяе]|декабр[ьяе]"
)
MASKS = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "BANK"),
    (re.compile(r"http://localhost:\d+"), "CABINET"),
    (re.compile(r"[\w.*-]+@(demo\.saldo\.invalid|example\.org)"), "EMAIL"),
    (re.compile(r"\b\d{2}:\d{2}\b"), "TIME"),
    (re.compile(r"[\u2212-]?\d[\d\u00a0\u202f ]*,\d\d(?=\u00a0₽|\D|$)"), "SUM"),
    (re.compile(rf"\d{{1,2}}[\u00a0 ]({_MONTH})([\u00a0 ]\d{{4}})?"), "DAY"),
    (re.compile(r"\d{2}\.\d{2}\.\d{4}"), "DAY"),
    # The payments stand by their months, and are made in the present one.
    (re.compile(r'(?<=heading ")[А-Я][а-я]+[\u00a0 ]\d{4}(?=")'), "MONTH"),
    (re.compile(r"(?<=№ )\d+"), "NUMBER"),
    (re.compile(r"[A-Za-z0-9_-]{60,}={0,2}"), "TOKEN"),
)


def masked(snapshot: str) -> str:
    """Return a snapshot with words in the place of sums, days, times, ids and addresses."""
    for pattern, word in MASKS:
        snapshot = pattern.sub(word, snapshot)
    return snapshot.rstrip() + "\n"


def compare(name: str, page: Page) -> str:
    """Return how a page differs from its committed snapshot; "" where it does not.

    With SALDO_RENEW_SNAPSHOTS the snapshot is written instead.
    """
    found = masked(page.locator("body").aria_snapshot())
    file = FOLDER / f"{name}.yaml"
    if os.environ.get(RENEW):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(found, encoding="utf-8")
    committed = file.read_text(encoding="utf-8") if file.exists() else ""
    lines = difflib.unified_diff(
        committed.splitlines(), found.splitlines(), f"{name}.yaml", "the page", lineterm=""
    )
    return "\n".join(lines)
