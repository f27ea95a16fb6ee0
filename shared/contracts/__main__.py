"""`python -m shared.contracts`: write asyncapi.yaml; with `--check`, only compare.

Exit code 0: done, or no difference; 1: `--check` found a difference.
"""

from __future__ import annotations

import argparse
import sys

from shared.contracts.asyncapi import DOCUMENT, document


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m shared.contracts", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args()
    text = document()
    current = DOCUMENT.read_text("utf-8") if DOCUMENT.exists() else ""
    if options.check and text != current:
        sys.stderr.write(
            f"{DOCUMENT.name} does not match the contracts: run `python -m shared.contracts` "
            "and review the difference.\n"
        )
        return 1
    if not options.check:
        DOCUMENT.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
