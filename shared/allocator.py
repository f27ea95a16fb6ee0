"""The C allocator in a long-lived process: what is freed goes back to the system.

glibc gives each thread a heap of its own, and learns from large blocks that are freed: after the
19 MiB of one password hash it takes the next from a heap, and keeps them there, in each of the
threads that have hashed.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of mallopt(3)."""
HEAPS = 2
"""As many as threads that allocate at the same time: most wait for the interpreter's lock."""
LARGE_BYTES = 1 << 20
"""A block of this size has a mapping of its own, which ends with it."""


def return_memory() -> None:
    """Have the allocator return what is freed; call it before the first thread starts.

    Another C library than glibc goes on as it does.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, value in (
            (_ARENA_MAX, HEAPS),
            (_MMAP_THRESHOLD, LARGE_BYTES),
            (_TRIM_THRESHOLD, LARGE_BYTES),
        ):
            set_option(option, value)


def give_back() -> None:
    """Return what is free between blocks that are in use: by itself the allocator keeps that."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
