"""Whether a process stands still."""

from __future__ import annotations

import psutil

from deploy.embedded import process


def is_stopped(identity: process.Identity) -> bool:
    """Return whether a process stands still by a signal, or has ended."""
    try:
        state = psutil.Process(identity.pid).status()
    except psutil.NoSuchProcess:
        return True
    return state in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
