"""The classes of pages, and what every page has."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from gateway.cabinet import pages
from gateway.cabinet.static import static_files
from gateway.service import Gateway


def test_every_class_of_pages_is_part_of_the_gateway() -> None:
    modules = [
        import_module(f"{pages.__name__}.{one.name}")
        for one in pkgutil.iter_modules(pages.__path__)
    ]
    classes = {
        member
        for module in modules
        for name, member in vars(module).items()
        if name.endswith("Pages")
    }
    assert len(modules) == len(classes)
    assert classes == {base for base in Gateway.__bases__ if base.__name__.endswith("Pages")}


def test_scripts_stay_small() -> None:
    scripts = [one for name, one in static_files().items() if name.endswith(".js")]
    assert len(scripts) == 2
    assert sum(len(one.compressed or one.plain) for one in scripts) < 3_000
