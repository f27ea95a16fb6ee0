"""Documents are made beside the hub: requests go on, so many wait, and the rest are refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import eventlet
import pytest
from gateway_doubles import Browser, FakeServices

from gateway.documents import engine
from gateway.documents.engine import COMPILERS, MAX_WAITING, pdf
from gateway.problems import Refusal

DATA = {"title": "t", "date": "2026-10-31"}


class HeldCompiler:
    """A compiler whose documents are done when the test says so."""

    made: list[threading.Thread]
    release: threading.Event

    def __init__(self, **_: Any) -> None:
        self.made.append(threading.current_thread())

    def compile(self, **_: Any) -> bytes:
        assert self.release.wait(60), "nobody released it"
        return b"%PDF"


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[HeldCompiler]]:
    monkeypatch.setattr(HeldCompiler, "made", [], raising=False)
    monkeypatch.setattr(HeldCompiler, "release", threading.Event(), raising=False)
    monkeypatch.setattr("typst.Compiler", HeldCompiler)
    engine._free_typesetters.cache_clear()
    yield HeldCompiler
    HeldCompiler.release.set()
    engine._free_typesetters.cache_clear()


def begin(count: int) -> list[Any]:
    """Begin documents, and let the hub turn until each is being made or waits."""
    greenlets = [eventlet.spawn(pdf, "bill", DATA) for _ in range(count)]
    eventlet.sleep(0)
    return greenlets


def test_requests_are_answered_while_a_document_is_made(
    compiler: type[HeldCompiler], browser: Browser
) -> None:
    documents = begin(COMPILERS)
    for _ in range(20):
        assert browser("GET", "/healthz").status_code == 200
    assert not compiler.release.is_set()
    assert [bool(one) for one in documents] == [True] * COMPILERS, "a document is done already"
    compiler.release.set()
    assert [one.wait() for one in documents] == [b"%PDF"] * COMPILERS


def test_compilers_are_made_out_of_the_hub_and_kept(compiler: type[HeldCompiler]) -> None:
    compiler.release.set()
    for _ in range(3):
        for one in begin(COMPILERS):
            one.wait()
    assert len(compiler.made) == COMPILERS
    assert threading.current_thread() not in compiler.made


def test_documents_beyond_the_queue_are_refused_at_once(
    compiler: type[HeldCompiler], browser: Browser, services: FakeServices
) -> None:
    services.answers["identity", "document"] = {
        "kind": "rules", "version": "2026-11-01", "title": "Правила",
        "media_type": "text/markdown", "text": "# Правила",
    }  # fmt: skip
    documents = begin(COMPILERS + MAX_WAITING)
    with pytest.raises(Refusal) as refused:
        pdf("bill", DATA)
    assert (refused.value.status, refused.value.code) == (503, "documents_busy")
    page = browser("GET", "/documents/rules.pdf")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "2")
    assert "слишком много документов" in page.get_data(as_text=True)
    compiler.release.set()
    assert {one.wait() for one in documents} == {b"%PDF"}
    assert pdf("bill", DATA) == b"%PDF"
