"""No import cycles: neither between modules nor between packages, anywhere in the product."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

PRODUCT = ("services", "gateway", "shared", "deploy")


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PRODUCT, cache_dir=None)


def cycle_in(imports: Mapping[str, set[str]]) -> list[str] | None:
    """Return one cycle of a graph, the first module repeated at its end; None without any."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        found: list[str] = error.args[1][::-1]
        return found
    return None


def child_of(package: str, module: str) -> str | None:
    """Return the child of a package to which a module belongs; None outside of the package."""
    if not module.startswith(f"{package}."):
        return None
    return f"{package}.{module.removeprefix(f'{package}.').partition('.')[0]}"


def imports_between_children(
    graph: grimp.ImportGraph, package: str
) -> Iterator[tuple[str, set[str]]]:
    for child in graph.find_children(package):
        found = {
            child_of(package, imported)
            for module in {child, *graph.find_descendants(child)}
            for imported in graph.find_modules_directly_imported_by(module)
        }
        yield child, {name for name in found if name is not None} - {child}


def test_modules_have_no_import_cycle(graph: grimp.ImportGraph) -> None:
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert cycle_in(imports) is None


def test_packages_have_no_import_cycle(graph: grimp.ImportGraph) -> None:
    cycles = {
        package: cycle
        for package in sorted(graph.modules)
        if (cycle := cycle_in(dict(imports_between_children(graph, package))))
    }
    assert cycles == {}


def test_top_level_packages_have_no_import_cycle(graph: grimp.ImportGraph) -> None:
    imports = {
        top: {
            imported.partition(".")[0]
            for module in {top, *graph.find_descendants(top)}
            for imported in graph.find_modules_directly_imported_by(module)
        }
        - {top}
        for top in PRODUCT
    }
    assert cycle_in(imports) is None


def test_cycle_is_found() -> None:
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": set()}) is None
    cycle = cycle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert cycle is not None
    assert (cycle[0], set(cycle)) == (cycle[-1], {"a", "b", "c"})
