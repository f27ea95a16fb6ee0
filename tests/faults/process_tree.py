"""The processes below one, and whether they stand still."""

from __future__ import annotations

import psutil

from deploy.embedded import process


def descendants(leader: process.Identity) -> list[process.Identity]:
    """Return the processes below a process, parents first."""
    try:
        below = psutil.Process(leader.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    found = (process.identity_of(each.pid) for each in below)
    return [identity for identity in found if identity is not None]


def is_stopped(identity: process.Identity) -> bool:
    """Return whether a process stands still by a signal, or has ended."""
    try:
        state = psutil.Process(identity.pid).status()
    except psutil.NoSuchProcess:
        return True
    return state in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
