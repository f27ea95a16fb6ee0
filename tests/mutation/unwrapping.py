"""Rewrites properties and cached functions as plain functions, so that mutmut mutates them.

mutmut skips whatever has a decorator. Some arithmetic is in properties, so the mutated copy has
``closing = property(lambda self: self._get_closing())`` instead, and functions without their
cache. Their behaviour stays the same.
"""

from __future__ import annotations

import ast
from pathlib import Path

_UNWRAPPED = (["property"], ["lru_cache"])


def unwrap(path: Path) -> None:
    """Rewrite a module in place."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    for node in sorted(_decorated(ast.parse(source)), key=lambda node: -node.lineno):
        (decorator,) = node.decorator_list
        if _name(decorator) == "property":
            indent = " " * node.col_offset
            hidden = f"_get_{node.name}"
            lines.insert(
                node.end_lineno or node.lineno,
                f"\n{indent}{node.name} = property(lambda self: self.{hidden}())\n",
            )
            at = node.lineno - 1
            lines[at] = lines[at].replace(f"def {node.name}(", f"def {hidden}(", 1)
        del lines[decorator.lineno - 1 : decorator.end_lineno]
    path.write_text("".join(lines), encoding="utf-8")


def _decorated(tree: ast.Module) -> list[ast.FunctionDef]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [
        node
        for node in functions
        if [_name(decorator) for decorator in node.decorator_list] in _UNWRAPPED
    ]


def _name(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called.id if isinstance(called, ast.Name) else ""
