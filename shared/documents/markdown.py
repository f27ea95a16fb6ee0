"""Markdown documents (rules, consent, instruction) as PDF: their text as blocks for a template."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from shared.documents.pictures import picture_of

_DAY = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9])")
_UNDATED = "2000-01-01"
_MILLIMETRES_OF_PIXEL = 0.14
"""A window of 1000 pixels is a little narrower than the text of a page."""
_LISTS = {"bullet_list": "bullets", "ordered_list": "numbers"}
_SPANS = {"strong": "strong", "em": "emphasis"}


def document_data(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the paper ``text`` reads of a document: ``{kind, version, title, text}``.

    A version that begins with a day dates the file.
    """
    dated = _DAY.match(document["version"])
    return {
        "title": document["title"],
        "date": dated[0] if dated else _UNDATED,
        "version": document["version"],
        "blocks": blocks(document["text"]),
    }


def parser() -> MarkdownIt:
    """Return the Markdown of Saldo: CommonMark with tables, in which HTML stays text."""
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def blocks(text: str) -> list[dict[str, Any]]:
    """Return Markdown as blocks: ``{kind, ...}`` with their inline parts or inner blocks.

    Headings never skip a level: a screen reader walks by them.
    """
    tree = SyntaxTreeNode(parser().parse(text))
    found = [block for node in tree.children for block in _block(node)]
    level = 0
    for block in found:
        if block["kind"] == "heading":
            block["level"] = level = min(block["level"], level + 1)
    return found


def _block(node: SyntaxTreeNode) -> list[dict[str, Any]]:  # noqa: PLR0911 - one for each kind
    match node.type:
        case "heading":
            parts = _inline(node.children)
            return [{"kind": "heading", "level": int(node.tag[1:]), "parts": parts}]
        case "paragraph":
            return [_picture(node) or {"kind": "paragraph", "parts": _inline(node.children)}]
        case "bullet_list" | "ordered_list":
            items = [_blocks(item.children) for item in node.children]
            start = int(node.attrs.get("start", 1))
            return [{"kind": _LISTS[node.type], "items": items, "start": start}]
        case "table":
            rows = [
                [_inline(cell.children) for cell in row.children]
                for part in node.children
                for row in part.children
            ]
            return [{"kind": "table", "header": rows[0], "rows": rows[1:]}]
        case "blockquote":
            return [{"kind": "quote", "blocks": _blocks(node.children)}]
        case "fence" | "code_block":
            return [{"kind": "paragraph", "parts": [{"kind": "code", "text": node.content}]}]
        case _:
            return []


def _picture(paragraph: SyntaxTreeNode) -> dict[str, Any] | None:
    """Return the picture that a paragraph consists of; None where it is a text."""
    inner = paragraph.children[0].children if paragraph.children else []
    if len(inner) != 1 or inner[0].type != "image":
        return None
    found = picture_of(str(inner[0].attrs.get("src", "")))
    if found is None:
        return None
    return {
        "kind": "picture",
        "name": found.name,
        "alt": inner[0].content,
        "millimetres": round(found.width * _MILLIMETRES_OF_PIXEL, 1),
    }


def _blocks(nodes: Sequence[SyntaxTreeNode]) -> list[dict[str, Any]]:
    return [block for node in nodes for block in _block(node)]


def _inline(nodes: Sequence[SyntaxTreeNode]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for node in nodes:
        match node.type:
            case "inline":
                parts += _inline(node.children)
            case "text":
                parts.append({"kind": "text", "text": node.content})
            case "softbreak":
                parts.append({"kind": "text", "text": " "})
            case "hardbreak":
                parts.append({"kind": "break"})
            case "code_inline":
                parts.append({"kind": "code", "text": node.content})
            case "strong" | "em":
                parts.append({"kind": _SPANS[node.type], "parts": _inline(node.children)})
            case "image":
                parts.append({"kind": "text", "text": node.content})
            case _:  # a link stands in print as its text
                parts += _inline(node.children)
    return parts
