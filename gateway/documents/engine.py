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

STANDARDS: list[Literal["a-3a", "ua-1"]] = ["a-3a", "ua-1"]
"""PDF/A-3a: kept for decades, with its data attached. PDF/UA-1: tagged, for screen readers."""
COMPILERS = 2
"""How many documents are made at a time. A compiler is kept, because a fresh one reads all fonts
again; it serves one caller at a time, and refuses a second."""

_FOLDER = Path(str(files("gateway.documents")))


def pdf(template: str, data: Mapping[str, Any], language: str = "ru") -> bytes:
    """Return the PDF of a template (``bill``) and its data.

    ``data`` has ``title`` and ``date`` (``2026-05-31``), and what the template reads.
    """
    text = json.dumps(
        {**data, "language": language, "words": words(template, language)},
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
    )
    with _compiler() as compiler:
        return out_of_hub(lambda: _compiled(compiler, template, text))


def _compiled(compiler: typst.Compiler, template: str, data: str) -> bytes:
    made = compiler.compile(
        input=str(_FOLDER / "templates" / f"{template}.typ"),
        format="pdf",
        sys_inputs={"data": data},
        pdf_standards=[*STANDARDS],
    )
    if not isinstance(made, bytes):
        raise TypeError(f"{template} did not become one PDF")
    return made


@contextmanager
def _compiler() -> Iterator[typst.Compiler]:
    """Lend a compiler that nobody else uses; a failed document leaves it usable."""
    kept = _kept()
    compiler = kept.get()
    try:
        yield compiler
    finally:
        kept.put(compiler)


@lru_cache(maxsize=1)
def _kept() -> LifoQueue:
    kept = LifoQueue()
    fonts = [str(_FOLDER / "fonts")]
    for _ in range(COMPILERS):
        kept.put(typst.Compiler(root=str(_FOLDER), font_paths=fonts, ignore_system_fonts=True))
    return kept
