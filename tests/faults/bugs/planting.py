"""Planting: functions of the product are wrapped as their modules are imported."""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from tests.faults.bugs.switch import SWITCH

Function = Callable[..., Any]
Make = Callable[[Function], Function]
"""Makes the wrong function of the original one."""

_PLANTS: dict[str, list[tuple[str, str, Make]]] = defaultdict(list)
"""Module -> (path of the function in it, bug, how it is wrong)."""


def plant(bug: str, where: str) -> Callable[[Make], Make]:
    """Register how a function is wrong while a bug is on; `where` is "module:Class.function"."""
    module, _, path = where.partition(":")

    def register(make: Make) -> Make:
        _PLANTS[module].append((path, bug, make))
        return make

    return register


def planted_bugs() -> set[str]:
    """Return the names of all bugs that have been registered."""
    return {bug for plants in _PLANTS.values() for _, bug, _ in plants}


def install() -> None:
    """Wrap the functions as their modules are imported from now on."""
    sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules in which something is planted."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in _PLANTS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            raise ImportError(f"a bug is planted in {name}, and there is no such module")
        spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        for path, bug, make in _PLANTS[module.__name__]:
            *owners, name = path.split(".")
            owner: Any = functools.reduce(getattr, owners, module)
            # AttributeError: the product has changed, and the bug must follow.
            setattr(owner, name, _wrapped(getattr(owner, name), bug, make))


def _wrapped(original: Function, bug: str, make: Make) -> Function:
    wrong = make(original)

    @functools.wraps(original)
    def either(*arguments: Any, **named: Any) -> Any:
        chosen = wrong if SWITCH.is_on(bug) else original
        return chosen(*arguments, **named)

    return either
