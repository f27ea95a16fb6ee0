"""``python -m gateway.openapi_file``: write the committed description of the API, ``openapi.json``.

With ``--check`` it compares instead, and exits with 1 when the file is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.openapi import description_text
from gateway.service import Gateway

FILE = Path(__file__).with_name("openapi.json")


def main(arguments: list[str]) -> int:
    """Write or compare the file; return the exit code."""
    text = description_text(Gateway)
    if "--check" not in arguments:
        FILE.write_text(text, encoding="utf-8")
        return 0
    committed = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    if committed != text:
        sys.stderr.write(f"{FILE.name} is out of date: run make contracts\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
