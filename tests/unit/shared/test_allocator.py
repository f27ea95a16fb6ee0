"""The C allocator returns what a process has freed, whichever thread has used it."""

from __future__ import annotations

import subprocess
import sys

HASHES_IN_THREADS = """
import re, sys, threading
from argon2 import PasswordHasher
from shared.allocator import return_memory


def private_kib():
    with open("/proc/self/status") as status:
        return int(re.search(r"RssAnon:\\s+(\\d+)", status.read())[1])


def hash_one():
    ready.wait()
    for _ in range(3):
        hasher.hash("password")


if "returned" in sys.argv:
    return_memory()
PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("password")
hasher = PasswordHasher(time_cost=1, memory_cost=19_456, parallelism=1)
ready = threading.Barrier(6)
threads = [threading.Thread(target=hash_one) for _ in range(6)]
before = private_kib()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print((private_kib() - before) // 1024)
"""

HOLES = """
import re, sys
from shared.allocator import give_back, return_memory


def private_kib():
    with open("/proc/self/status") as status:
        return int(re.search(r"RssAnon:\\s+(\\d+)", status.read())[1])


return_memory()
passing = [bytes(2000) for _ in range(10_000)]
kept = bytes(2000)  # above them: the end of the heap is in use
del passing
before = private_kib()
give_back()
print((before - private_kib()) // 1024)
"""


def test_memory_between_blocks_in_use_is_given_back() -> None:
    result = subprocess.run(
        [sys.executable, "-c", HOLES], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(result.stdout) > 10, "of 20 MB"


def test_password_hashes_leave_no_memory_in_the_threads_that_made_them() -> None:
    assert _kept_mib("returned") < 10


def test_glibc_on_its_own_keeps_it() -> None:
    """Why the module exists; should another allocator end this, it can go."""
    assert _kept_mib() > 19


def _kept_mib(*arguments: str) -> int:
    command = [sys.executable, "-c", HASHES_IN_THREADS, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return int(result.stdout)
