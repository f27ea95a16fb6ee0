"""Optional dependencies of libraries, which cost each process megabytes and serve none of ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hidden(*packages: str) -> Iterator[None]:
    """Let packages look as if they were not installed to whoever imports them in the block.

    One that the process has imported already stays what it is. To be used by one thread at a time:
    the others do not see the packages either.
    """
    unloaded = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(unloaded))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in unloaded:
            del sys.modules[name]
