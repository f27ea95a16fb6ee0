"""A paper made by a process of its own, for one that lasts and seldom makes any.

typst keeps its fonts and what it has compiled: 40 MB in whatever process has made one document.
``python -m shared.documents.printing`` reads what to make from standard input as JSON, and writes
the PDF to standard output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from shared.documents.papers import paper_pdf

LIMIT_SECONDS = 60.0


class PrintingError(Exception):
    """The process has made no paper; its last line says what it met, a type of error alone."""


def printed(paper: str, data: Mapping[str, Any], language: str) -> bytes:
    """Return the PDF of a paper, as `paper_pdf` makes it; raises PrintingError."""
    asked = json.dumps({"paper": paper, "data": data, "language": language})
    try:
        made = subprocess.run(  # noqa: S603 - our own program, and nothing of what it is to print
            [sys.executable, "-m", __name__],
            input=asked.encode(),
            # It needs none of our settings, and gets no secret.
            env={key: value for key, value in os.environ.items() if not key.startswith("SALDO_")},
            capture_output=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PrintingError("no paper in time") from None
    if made.returncode:
        last = made.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise PrintingError(last.partition(":")[0])
    return made.stdout


def main() -> None:
    """Make the paper that standard input describes."""
    asked = json.load(sys.stdin)
    sys.stdout.buffer.write(paper_pdf(asked["paper"], asked["data"], asked["language"]))


if __name__ == "__main__":
    main()
