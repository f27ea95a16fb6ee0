"""Whether a schema still keeps the promise of an earlier one of the same version.

Programs that we do not know read the messages of a published version, old ones and new ones alike.
So a version only gains optional fields, and values of a list that says it grows. Everything else,
in either direction, is a new version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

JsonSchema = Mapping[str, Any]

_LIST: Final = "x-extensible-enum"
#: Keywords that are compared by rules of their own, or say nothing about the data.
_OWN_RULE: Final = {"properties", "required", "items", "enum", _LIST}
_WORDS: Final = {"title", "description", "examples"}


def breaches(old: JsonSchema, new: JsonSchema, place: str = "") -> Iterator[str]:
    """Yield what a new schema breaks of an old one's promise, a sentence each; wording aside."""
    where = place or "the event"
    for keyword in sorted((old.keys() | new.keys()) - _OWN_RULE - _WORDS):
        if old.get(keyword) != new.get(keyword):
            yield f"{where}: {keyword} was {old.get(keyword)!r} and is {new.get(keyword)!r}."
    yield from _values(old, new, where)
    yield from _fields(old, new, place)
    if ("items" in old) != ("items" in new):
        yield f"{where}: is a list in one of the two only."
    elif "items" in old:
        yield from breaches(old["items"], new["items"], f"{place}[]")


def reworded(old: JsonSchema, new: JsonSchema, place: str = "") -> Iterator[str]:
    """Yield the places whose description has changed: no program can tell if they mean the same."""
    if old.get("description") != new.get("description"):
        yield place or "the event"
    properties = new.get("properties", {})
    for name, before in old.get("properties", {}).items():
        if name in properties:
            yield from reworded(before, properties[name], _inside(place, name))
    if "items" in old and "items" in new:
        yield from reworded(old["items"], new["items"], f"{place}[]")


def _values(old: JsonSchema, new: JsonSchema, where: str) -> Iterator[str]:
    if ("enum" in old, _LIST in old) != ("enum" in new, _LIST in new):
        yield f"{where}: whether its values are listed, or whether the list grows, has changed."
    if set(old.get("enum", ())) != set(new.get("enum", ())):
        yield f"{where}: the list of its values has changed, and it does not say that it grows."
    if gone := sorted(set(old.get(_LIST, ())) - set(new.get(_LIST, ()))):
        yield f"{where}: the values {gone} are gone."


def _fields(old: JsonSchema, new: JsonSchema, place: str) -> Iterator[str]:
    before, now = old.get("properties", {}), new.get("properties", {})
    required_before, required = set(old.get("required", ())), set(new.get("required", ()))
    for name in before:
        where = _inside(place, name)
        if name not in now:
            yield f"{where}: was removed."
            continue
        if (name in required_before) != (name in required):
            yield f"{where}: {'is now required' if name in required else 'is now optional'}."
        yield from breaches(before[name], now[name], where)
    for name in sorted(required - before.keys()):
        yield f"{_inside(place, name)}: is new, and required; older messages lack it."


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
