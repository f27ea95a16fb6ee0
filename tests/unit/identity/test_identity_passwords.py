"""Hashing passwords: correct, salted, outside the event loop."""

from __future__ import annotations

import subprocess
import sys

import pytest
from argon2.exceptions import VerificationError, VerifyMismatchError

from services.identity.passwords import Passwords

FAST = Passwords(time_cost=1, memory_cost=8)


def test_missing_hash_matches_no_password() -> None:
    kept = FAST.hash("пароль й")
    assert kept.startswith("$argon2id$")
    assert kept != FAST.hash("пароль й")
    assert FAST.verify(kept, "пароль й")
    assert not FAST.verify(kept, "другой пароль")
    assert not FAST.verify(None, "пароль й")


def test_a_damaged_hash_is_a_defect_not_a_wrong_password() -> None:
    with pytest.raises(VerificationError) as caught:
        FAST.verify("$argon2id$nonsense", "пароль")
    assert not isinstance(caught.value, VerifyMismatchError)


def test_weaker_parameters_are_outdated() -> None:
    assert Passwords(time_cost=2, memory_cost=8).outdated(FAST.hash("пароль"))
    assert not FAST.outdated(FAST.hash("пароль"))


PATCHED = """
import warnings; warnings.simplefilter("ignore")
import eventlet; eventlet.monkey_patch()
import time
from services.identity.passwords import Passwords
slow = Passwords(time_cost=12)
ticks = []
def tick():
    while True:
        ticks.append(time.monotonic())
        eventlet.sleep(0.005)
eventlet.spawn(tick)
eventlet.sleep(0)
begun = time.monotonic()
kept = slow.hash("password")
assert slow.verify(kept, "password") and not slow.verify(kept, "other")
during = [at for at in ticks if at >= begun]
took = time.monotonic() - begun
print(len(during), round(took, 3))
assert len(during) > 10, (during, took)
"""


def test_event_loop_runs_while_a_password_is_hashed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PATCHED], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_unpatched_process_does_not_load_eventlet() -> None:
    script = (
        "import sys; from services.identity.passwords import Passwords;"
        "Passwords(time_cost=1, memory_cost=8).hash('x'); assert 'eventlet' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], timeout=60, check=True)
