"""The numbers of the metrics: many, and each as small as can be.

A server has four thousand. prometheus_client gives each a lock and a dictionary, and where eventlet
has patched the locks one of them takes 700 bytes.
"""

from __future__ import annotations

from _thread import RLock
from typing import Any

from prometheus_client import values

_CHANGING = RLock()
"""Held for the length of an addition. It is the interpreter's own, also where eventlet has patched
those of `threading`: no greenlet gives up its turn within one."""


class SmallValue:
    """A number of a metric, for threads and greenlets."""

    __slots__ = ("_exemplar", "_value")
    _multiprocess = False

    def __init__(self, *_described: Any, **_more: Any) -> None:
        self._value = 0.0
        self._exemplar: Any = None

    def inc(self, amount: float) -> None:
        with _CHANGING:
            self._value += amount

    def set(self, value: float, timestamp: float | None = None) -> None:
        self._value = value

    def get(self) -> float:
        return self._value

    def set_exemplar(self, exemplar: Any) -> None:
        self._exemplar = exemplar

    def get_exemplar(self) -> Any:
        return self._exemplar


def keep_values_small() -> None:
    """Make the metrics that are defined from now on of such numbers."""
    values.ValueClass = SmallValue
