"""typst: a template in git and data as JSON make a PDF for archives and for screen readers.

Data reach a template as JSON and are printed as text: what looks like markup, a formula or a path
in them stays what it is. The document's date comes from the data, so equal data give equal bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import typst

STANDARDS: list[Literal["a-3a", "ua-1"]] = ["a-3a", "ua-1"]
"""PDF/A-3a: kept for decades, with its data attached. PDF/UA-1: tagged, for screen readers."""

_FONTS = Path(str(files("shared.documents"))) / "fonts"
_ROOT = _FONTS.parents[2]
"""The folder of the packages: a template imports ``/shared/documents/layout.typ``."""

_UNKNOWN_CHARACTER = re.compile("could not be displayed|contains the (disallowed )?codepoint")


class Typesetter:
    """A compiler that is kept, because a fresh one reads all fonts again; for one caller at a time.

    It is made where it is first needed: a hub must not wait for its fonts.
    """

    def __init__(self) -> None:
        self._compiler: typst.Compiler | None = None

    def pdf(self, template: Path, data: str) -> bytes:
        """Return the PDF of a template and its data, as `encoded` returns them.

        A character that no font has, in a name or a reason, is a box: PDF/A has no other.
        """
        import typst  # 12 MB, which a process without documents does not need

        try:
            made = self._compile(template, {"data": data})
        except typst.TypstError as error:
            if not _UNKNOWN_CHARACTER.search(str(error)):
                raise
            made = self._compile(template, {"data": data, "substitute": "yes"})
        if not isinstance(made, bytes):
            raise TypeError(f"{template.stem} did not become one PDF")
        return made

    def _compile(self, template: Path, inputs: dict[str, str]) -> Any:
        if self._compiler is None:
            import typst

            self._compiler = typst.Compiler(
                root=str(_ROOT), font_paths=[str(_FONTS)], ignore_system_fonts=True
            )
        return self._compiler.compile(
            input=str(template),
            format="pdf",
            sys_inputs=inputs,
            pdf_standards=[*STANDARDS],
        )


def encoded(data: Mapping[str, Any], language: str, words: Mapping[str, str]) -> str:
    """Return what a template reads: its data (``title`` and ``date`` among them), and its words."""
    return json.dumps(
        {**data, "language": language, "words": words},
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
    )
