"""`python -m deploy.doubles NAME...`: run doubles in one process until SIGTERM or SIGINT.

Together they take the memory of one and a half. They can be reached once the last one named can be.
"""

from __future__ import annotations

import sys
from importlib import import_module

from deploy.doubles.running import run

NAMES = ("acquirer", "yookassa", "ofd", "mailcatcher")


def main(names: list[str]) -> int:
    """Run doubles; return the exit code (2: wrong names or settings)."""
    if not names or not set(names) <= set(NAMES) or len(set(names)) < len(names):
        print(f"usage: python -m deploy.doubles {'|'.join(NAMES)}...", file=sys.stderr)
        return 2
    modules = [import_module(f"deploy.doubles.{name}.server") for name in names]
    return run("doubles", *(module.open_double for module in modules))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
