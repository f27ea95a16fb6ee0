"""Markdown as HTML: documents and descriptions, and single lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from markdown_it.token import Token
from markupsafe import Markup, escape

from gateway.cabinet.static import static_path
from shared.documents.markdown import parser
from shared.documents.pictures import picture_of


@lru_cache(maxsize=64)
def prose(text: str) -> Markup:
    """Return a text as HTML; HTML inside it stays text."""
    made = parser()
    made.add_render_rule("image", _image)
    return Markup(made.render(text))  # noqa: S704 - the parser escapes HTML


def coded(text: str) -> Markup:
    """Return one line as HTML: what stands in backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped


def _image(_: Any, tokens: Sequence[Token], place: int, *_more: Any) -> str:
    """Return a picture that waits until it is scrolled to; what is none of ours is its text."""
    token = tokens[place]
    found = picture_of(str(token.attrGet("src") or ""))
    if found is None:
        return escape(token.content)
    tag = Markup('<img class="shot" src="{}" alt="{}" width="{}" height="{}" loading="lazy">')
    return tag.format(static_path(found.name), token.content, found.width, found.height)
