"""Documents as PDF, made in native threads by typesetters that are kept: no request waits for one.

How a template and its data become a PDF is in :mod:`shared.documents.typesetting`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from eventlet.queue import Empty, LifoQueue

from gateway.documents.native_threads import out_of_hub
from gateway.documents.words import words
from gateway.problems import Refusal
from shared.documents import papers
from shared.documents.typesetting import Typesetter, encoded

COMPILERS = 2
"""How many documents are made at a time."""
MAX_WAITING = 20
"""How many requests wait for a typesetter; about a second. Who comes then is refused at once."""
WAIT_SECONDS = 20.0
"""How long one of them waits at most."""
RETRY_AFTER_SECONDS = 2

_FOLDER = Path(str(files("gateway.documents")))


def pdf(template: str, data: Mapping[str, Any], language: str = "ru") -> bytes:
    """Return the PDF of a template (``bill``) and its data.

    ``data`` has ``title`` and ``date`` (``2026-05-31``), and what the template reads. Raises
    Refusal 503 ``documents_busy`` when too many wait for theirs.
    """
    return _made(
        _FOLDER / "templates" / f"{template}.typ",
        encoded(data, language, words(template, language)),
    )


def paper_pdf(paper: str, data: Mapping[str, Any], language: str) -> bytes:
    """Return the PDF of a paper that staff print, too (``reconciliation``); raises as `pdf`."""
    return _made(papers.form(paper), papers.encoded_data(paper, data, language))


def _made(template: Path, data: str) -> bytes:
    with _kept_typesetter() as kept:
        return out_of_hub(lambda: kept.pdf(template, data))


@contextmanager
def _kept_typesetter() -> Iterator[Typesetter]:
    """Lend a typesetter that nobody else uses; a failed document leaves it usable."""
    free = _free_typesetters()
    if free.getting() >= MAX_WAITING:
        raise _busy()
    try:
        kept = free.get(timeout=WAIT_SECONDS)
    except Empty:
        raise _busy() from None
    try:
        yield kept
    finally:
        free.put(kept)


def _busy() -> Refusal:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return Refusal(503, "documents_busy", headers=headers)


@lru_cache(maxsize=1)
def _free_typesetters() -> LifoQueue:
    # The one that was used last is the next: its memory is still at hand.
    free = LifoQueue()
    for _ in range(COMPILERS):
        free.put(Typesetter())
    return free
