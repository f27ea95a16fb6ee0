"""typst: a template in git and data as JSON make a PDF for archives and for screen readers.

Data reach a template as JSON and are printed as text: what looks like markup, a formula or a path
in them stays what it is. The document's date comes from the data, so equal data give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import typst
from eventlet.queue import LifoQueue

from gateway.documents.native_threads import out_of_hub
from gateway.documents.words import words
from gateway.problems import Refusal

STANDARDS: list[Literal["a-3a", "ua-1"]] = ["a-3a", "ua-1"]
"""PDF/A-3a: kept for decades, with its data attached. PDF/UA-1: tagged, for screen readers."""
COMPILERS = 2
"""How many documents are made at a time. A compiler is kept, because a fresh one reads all fonts
again; it serves one caller at a time, and refuses a second."""
MAX_WAITING = 20
"""How many requests wait for a compiler; about a second. Whoever comes then is refused at once."""
RETRY_AFTER_SECONDS = 2

_FOLDER = Path(str(files("gateway.documents")))


def pdf(template: str, data: Mapping[str, Any], language: str = "ru") -> bytes:
    """Return the PDF of a template (``bill``) and its data.

    ``data`` has ``title`` and ``date`` (``2026-05-31``), and what the template reads. Raises
    Refusal 503 ``documents_busy`` when too many wait for theirs.
    """
    text = json.dumps(
        {**data, "language": language, "words": words(template, language)},
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
    )
    with _kept_compiler() as kept:
        return out_of_hub(lambda: kept.compile(template, text))


class _KeptCompiler:
    """A compiler, made by the thread that first needs it: the hub must not wait for its fonts."""

    def __init__(self) -> None:
        self._compiler: typst.Compiler | None = None

    def compile(self, template: str, data: str) -> bytes:
        if self._compiler is None:
            self._compiler = typst.Compiler(
                root=str(_FOLDER),
                font_paths=[str(_FOLDER / "fonts")],
                ignore_system_fonts=True,
            )
        made = self._compiler.compile(
            input=str(_FOLDER / "templates" / f"{template}.typ"),
            format="pdf",
            sys_inputs={"data": data},
            pdf_standards=[*STANDARDS],
        )
        if not isinstance(made, bytes):
            raise TypeError(f"{template} did not become one PDF")
        return made


@contextmanager
def _kept_compiler() -> Iterator[_KeptCompiler]:
    """Lend a compiler that nobody else uses; a failed document leaves it usable."""
    free = _free_compilers()
    if free.getting() >= MAX_WAITING:
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        raise Refusal(503, "documents_busy", headers=headers)
    kept = free.get()
    try:
        yield kept
    finally:
        free.put(kept)


@lru_cache(maxsize=1)
def _free_compilers() -> LifoQueue:
    # The one that was used last is the next: its memory is still at hand.
    free = LifoQueue()
    for _ in range(COMPILERS):
        free.put(_KeptCompiler())
    return free
