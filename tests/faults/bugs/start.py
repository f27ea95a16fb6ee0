"""`python -m tests.faults.bugs.start BUG -- services serve ...`: a process with a bug in it.

With `--switch FILE` instead of a name, all bugs are planted, and the file says which one is on.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from tests.faults.bugs import planting
from tests.faults.bugs.switch import SWITCH

USAGE = "usage: python -m tests.faults.bugs.start BUG|--switch FILE -- MODULE [ARGUMENT...]"


def main(arguments: list[str]) -> None:
    """Plant, then run the module as `python -m` would."""
    if "--" not in arguments:
        sys.exit(USAGE)
    place = arguments.index("--")
    own, (module, *rest) = arguments[:place], arguments[place + 1 :]
    # Registers the bugs; imports nothing of the product.
    from tests.faults.bugs import catalogue

    match own:
        case ["--switch", file]:
            SWITCH.path = Path(file)
        case [bug] if bug in catalogue.BUGS:
            SWITCH.always = bug
        case _:
            sys.exit(f"{USAGE}\nthe bugs are {', '.join(catalogue.BUGS)}")
    planting.install()
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
