"""Where the code is, and the environment in which processes start: all that the daemons need."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"


def _home() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/"


PLAIN_ENVIRONMENT = {
    # Independent of the calling shell: otherwise each `up` would look like a change.
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": _home(),
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
    # Not a heap for each thread; see shared.allocator, which the doubles do without.
    "MALLOC_ARENA_MAX": "2",
}
