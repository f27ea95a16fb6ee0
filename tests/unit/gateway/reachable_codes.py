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
from typing import TypeVar

ROOT = Path(__file__).parents[3]
ERRORS = {"ValidationFailed", "NotFound", "Conflict", "Forbidden", "Unavailable"}
CALLERS = {"ask", "command", "call"}
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
    """Parse every Python file of the folders."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, _parsed(path)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def called_rpcs(*nodes: ast.AST) -> set[Rpc]:
    """Return the RPCs called below the nodes, as (service, method)."""
    found = set()
    for call in _all(ast.Call, *nodes):
        if name_of(call.func) in CALLERS and len(call.args) > 1:
            service, method = call.args[:2]
            if isinstance(service, ast.Constant) and isinstance(method, ast.Constant):
                found.add((str(service.value), str(method.value)))
    return found


def raised_codes(*nodes: ast.AST) -> set[str]:
    """Return the codes of the errors made below the nodes, or kept in tables there."""
    found = {
        str(call.args[0].value)
        for call in _all(ast.Call, *nodes)
        if name_of(call.func) in ERRORS and call.args and isinstance(call.args[0], ast.Constant)
    }
    for table in _all(ast.Dict, *nodes):  # {"wrong_code": (ValidationFailed, "...")}
        for key, value in zip(table.keys, table.values, strict=True):
            error = value.elts[0] if isinstance(value, ast.Tuple) and value.elts else value
            if isinstance(key, ast.Constant) and name_of(error) in ERRORS:
                found.add(str(key.value))
    return found


def passed_codes(*nodes: ast.AST) -> set[str]:
    """Return the codes passed to a function that raises them: ``check(x, "invalid_day")``."""
    raisers = _raisers_of_arguments()
    found = set()
    for call in _all(ast.Call, *nodes):
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
    rpcs = called_rpcs(*(tree for _, tree in sources("gateway")))
    codes: set[str] = set()
    followed: set[Rpc] = set()
    while waiting := rpcs - followed:
        rpc = waiting.pop()
        followed.add(rpc)
        nodes = list(_reached(*rpc))
        codes |= raised_codes(*nodes) | passed_codes(*nodes)
        rpcs |= called_rpcs(*nodes)
    return frozenset(codes)


def _all(kind: type[N], *nodes: ast.AST) -> Iterator[N]:
    for node in nodes:
        yield from (inner for inner in ast.walk(node) if isinstance(inner, kind))


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
def _modules(service: str) -> Mapping[str, Module]:
    found = {}
    for path, tree in sources(f"services/{service}"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, tree)
    return found


def _reached(service: str, method: str) -> Iterator[ast.AST]:
    """Yield every definition of a service to which an RPC leads."""
    modules = _modules(service)
    home = f"services.{service}.service"
    assert f".{method}" in modules[home].definitions, f"{service} has no RPC {method}"
    waiting: list[Place] = [(home, f".{method}")]
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
    method = f".{used.attr}"
    on_self = name_of(used.value) == "self"
    for known in modules.values():
        # Only an RPC's own class calls the methods beside it: elsewhere an RPC goes by its name.
        is_rpc = known.name.endswith(".service") and not (known is module and on_self)
        if method in known.definitions and not is_rpc:
            yield known.name, method
