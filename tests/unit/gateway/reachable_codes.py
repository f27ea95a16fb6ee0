"""Which error codes an HTTP route can meet, found in the source.

A route calls RPCs, an RPC calls functions, and some of them raise errors. The scan follows every
reference from the RPCs that the gateway calls. A name is resolved through the imports of its
module; a method of an unknown object stands for every method of that name in the service. So the
scan may find a code too many, but it misses none that is written as a constant.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

from shared.config import SERVICES

ROOT = Path(__file__).parents[3]
ERRORS = {"ValidationFailed", "NotFound", "Conflict", "Forbidden", "Unavailable"}
CALLERS = {"ask", "command", "call"}
FROM_A_TABLE = {"refusal", "refused"}
"""Functions that look the error of a code up in a table."""

ROUTES_LEAD_TO = {
    "gateway.cursors",
    "gateway.ownership",
    "gateway.subscriptions",
    "gateway.uploads",
    "gateway.whole_statements",
}
"""Modules of the gateway that refuse for a route."""

SHARED = frozenset({"shared.email_address"})
"""Modules beside the services that refuse for them."""

REPLAYED = frozenset({"services.ledger.domain.account"})
"""Modules of decisions that routes only replay: an event that was allowed is not refused again."""

ALWAYS_RUN = {"__init__", "__post_init__", "__enter__", "__exit__"}
"""Methods that run without being named where the class is used."""

N = TypeVar("N", bound=ast.AST)
Rpc = tuple[str, str]
Place = tuple[str, str]
"""A module and a name in it; ``.name`` is a method of any of its classes."""


class Module:
    """What one source file defines and imports."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name = name
        self.imports: dict[str, Place] = {}
        self.definitions: defaultdict[str, list[ast.AST]] = defaultdict(list)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = (node.module, alias.name)
        for node in tree.body:
            self._define(node)

    def _define(self, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef(name=name):
                self.definitions[name].append(node)
            case ast.ClassDef(name=name):
                self.definitions[name] += node.bases
                for member in node.body:
                    if isinstance(member, ast.FunctionDef) and member.name not in ALWAYS_RUN:
                        self.definitions[f".{member.name}"].append(member)
                    else:
                        self.definitions[name].append(member)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self.definitions[name_of(target)].append(value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.definitions[name_of(target)].append(value)


def name_of(node: ast.AST) -> str:
    """Return the last part of a dotted name, "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def sources(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """Parse every Python file of the folders; a single file may be named, too."""
    for folder in folders:
        root = ROOT / folder
        for path in [root] if root.is_file() else sorted(root.rglob("*.py")):
            yield path, _parsed(path)


class _Uncaught(ast.NodeTransformer):
    """Leaves out what is tried where every refusal is caught, and none is raised again."""

    def visit_Try(self, node: ast.Try) -> ast.Try:
        self.generic_visit(node)
        for handler in node.handlers:
            caught = name_of(handler.type) if handler.type else ""
            if caught == "ServiceError" and not list(_all(ast.Raise, handler)):
                node.body = []
        return node


@cache
def _parsed(path: Path) -> ast.Module:
    return _Uncaught().visit(ast.parse(path.read_text(encoding="utf-8")))  # type: ignore[no-any-return]


def called_rpcs(*nodes: ast.AST) -> set[Rpc]:
    """Return the RPCs called below the nodes, as (service, method)."""
    found = set()
    for call in _all(ast.Call, *nodes):
        if name_of(call.func) in CALLERS and len(call.args) > 1:
            service, method = call.args[:2]
            # The client of an acquirer has a method of this name, too: ``call("POST", path)``.
            is_ours = isinstance(service, ast.Constant) and service.value in SERVICES
            if is_ours and isinstance(method, ast.Constant):
                found.add((str(service.value), str(method.value)))
    return found


def raised_codes(*nodes: ast.AST) -> set[str]:
    """Return the codes of the errors made below the nodes."""
    found = set()
    for call in _all(ast.Call, *nodes):
        if call.args and isinstance(call.args[0], ast.Constant):
            code = str(call.args[0].value)
            looked_up = name_of(call.func) in FROM_A_TABLE and code in _codes_in_tables()
            if looked_up or name_of(call.func) in ERRORS:
                found.add(code)
    return found


@cache
def _codes_in_tables() -> Mapping[str, str]:
    """Return the error of each code in a table: ``{"wrong_code": (ValidationFailed, "...")}``."""
    found = {}
    for table in _all(ast.Dict, *(tree for _, tree in sources("services", "shared"))):
        for key, value in zip(table.keys, table.values, strict=True):
            error = value.elts[0] if isinstance(value, ast.Tuple) and value.elts else value
            if isinstance(key, ast.Constant) and name_of(error) in ERRORS:
                found[str(key.value)] = name_of(error)
    return found


@cache
def errors_of_codes() -> Mapping[str, frozenset[str]]:
    """Return the errors as which services raise each code: ``{"wrong_code": {"NotFound"}}``."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    trees = [tree for _, tree in sources("services", "shared")]
    for call in _all(ast.Call, *trees):
        if name_of(call.func) in ERRORS and call.args and isinstance(call.args[0], ast.Constant):
            found[str(call.args[0].value)].add(name_of(call.func))
    for code, error in _codes_in_tables().items():
        found[code].add(error)
    for function in _all(ast.FunctionDef, *trees):  # def check(x, code): raise NotFound(code)
        if function.name in _raisers_of_arguments():
            errors = {name_of(call.func) for call in _all(ast.Call, function)} & ERRORS
            for code in passed_codes(*trees, to=function.name):
                found[code] |= errors
    return {code: frozenset(errors) for code, errors in found.items()}


def passed_codes(*nodes: ast.AST, to: str = "") -> set[str]:
    """Return the codes passed to a function that raises them: ``check(x, "invalid_day")``."""
    raisers = _raisers_of_arguments()
    found = set()
    for call in _all(ast.Call, *nodes):
        if to not in {"", name_of(call.func)}:
            continue
        if (place := raisers.get(name_of(call.func))) is not None:
            index, name = place
            by_name = [keyword.value for keyword in call.keywords if keyword.arg == name]
            (given,) = by_name or call.args[index : index + 1]
            assert isinstance(given, ast.Constant), f"no scan sees the code in {ast.unparse(call)}"
            found.add(str(given.value))
    return found


@cache
def reachable_codes() -> frozenset[str]:
    """Return every code with which an RPC called by the gateway can refuse."""
    return codes_of(frozenset(called_rpcs(*(tree for _, tree in sources("gateway")))))


@cache
def codes_of(called: frozenset[Rpc]) -> frozenset[str]:
    """Return every code with which one of these RPCs can refuse, or one that they call."""
    rpcs = set(called)
    codes: set[str] = set()
    followed: set[Rpc] = set()
    while waiting := rpcs - followed:
        rpc = waiting.pop()
        followed.add(rpc)
        nodes = list(_reached_by_rpc(*rpc))
        codes |= raised_codes(*nodes) | passed_codes(*nodes)
        rpcs |= called_rpcs(*nodes)
    return frozenset(codes)


def reached_by_route(module: str, method: str) -> list[ast.AST]:
    """Return every definition of the gateway to which a method of a class of routes leads."""
    modules = {name: found for name, found in _modules("gateway").items() if _is_route(name)}
    return list(_reached(modules, (module, f".{method}")))


def _is_route(name: str) -> bool:
    return name.startswith("gateway.routes") or name in ROUTES_LEAD_TO


def _all(kind: type[N], *nodes: ast.AST) -> Iterator[N]:
    for node in nodes:
        yield from cast("list[N]", _by_kind(node).get(kind, []))


@cache
def _by_kind(node: ast.AST) -> Mapping[type[ast.AST], list[ast.AST]]:
    """Return what is below a node, in the order of a walk: the scan comes to many of them often."""
    found: defaultdict[type[ast.AST], list[ast.AST]] = defaultdict(list)
    for inner in ast.walk(node):
        found[type(inner)].append(inner)
    return found


@cache
def _raisers_of_arguments() -> Mapping[str, tuple[int, str]]:
    raisers = {}
    for function in _all(ast.FunctionDef, *(tree for _, tree in sources("services", "shared"))):
        names = [argument.arg for argument in function.args.args if argument.arg != "self"]
        for call in _all(ast.Call, function):
            if name_of(call.func) in ERRORS and call.args and name_of(call.args[0]) in names:
                name = name_of(call.args[0])
                raisers[function.name] = (names.index(name), name)
    return raisers


@cache
def _modules(folder: str) -> Mapping[str, Module]:
    found = {}
    for path, tree in sources(folder):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, tree)
    return found


def _reached_by_rpc(service: str, method: str) -> Iterator[ast.AST]:
    """Yield every definition of a service to which an RPC leads."""
    shared = {name: found for name, found in _modules("shared").items() if name in SHARED}
    modules = {**_modules(f"services/{service}"), **shared}
    places = [
        name
        for name, module in modules.items()
        if _has_rpcs(name) and f".{method}" in module.definitions
    ]
    assert len(places) == 1, f"{service}.{method} is defined in {places}"
    return _reached(modules, (places[0], f".{method}"))


def _has_rpcs(name: str) -> bool:
    """Return whether a module defines RPCs: a service, or a subject of one (``rpcs``)."""
    return name.endswith(".service") or (".rpcs." in name and not name.endswith(".base"))


def _reached(modules: Mapping[str, Module], start: Place) -> Iterator[ast.AST]:
    assert start[1] in modules[start[0]].definitions, f"there is no {start}"
    waiting: list[Place] = [start]
    seen: set[Place] = set()
    while waiting:
        place = waiting.pop()
        module = modules.get(place[0])
        if place in seen or module is None or place[0] in REPLAYED:
            continue
        seen.add(place)
        if place[1] in module.imports:  # a package's __init__ hands on what its modules define
            waiting.append(module.imports[place[1]])
        for node in module.definitions.get(place[1], ()):
            yield node
            for used in _all(ast.Name, node):
                waiting.append(module.imports.get(used.id, (place[0], used.id)))
            for used in _all(ast.Attribute, node):
                waiting += _meanings(modules, module, used)


def _meanings(
    modules: Mapping[str, Module], module: Module, used: ast.Attribute
) -> Iterator[Place]:
    """Yield what an attribute can stand for: a member of an imported module, or any method."""
    package, name = module.imports.get(name_of(used.value), ("", ""))
    imported = f"{package}.{name}"
    if isinstance(used.value, ast.Name) and imported in modules:
        yield imported, used.attr
        return
    if isinstance(used.value, ast.Call) and name_of(used.value.func) == "Thread":
        return  # to start a thread is no method of ours
    method = f".{used.attr}"
    on_self = name_of(used.value) == "self"
    for known in modules.values():
        # Only an RPC's own class calls the methods beside it: elsewhere an RPC goes by its name.
        is_rpc = _has_rpcs(known.name) and not (known is module and on_self)
        if method in known.definitions and not is_rpc:
            yield known.name, method
