"""The pictures of the instruction and of the README show the pages as they are.

`make pictures` takes them anew: these tests, with SALDO_TEST_PICTURES=take.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import date
from itertools import chain

import pytest

from deploy.demo.demo_person import Card
from services.identity.documents import Documents
from tests.browser import pictures
from tests.browser.pictures import MOST_BYTES, MOST_IN_ALL, Picture
from tests.browser.site import Site, Visitors
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

TAKE = os.environ.get("SALDO_TEST_PICTURES") == "take"


def test_pictures_show_the_pages_as_they_are(
    visitors: Visitors, site: Site, demo_person: Card
) -> None:
    newcomer, resident = visitors.open("pictures-newcomer"), visitors.open("pictures-resident")
    pictures.log_in_as_demo_person(resident, demo_person)
    in_turn = chain(
        of(newcomer, pictures.newcomer_pictures(site)), of(resident, pictures.resident_pictures())
    )
    stale = [picture.name for visitor, picture in in_turn if is_stale(visitor, picture)]
    assert not stale, f"run `make pictures`, and look at them: {', '.join(stale)}"


def of(visitor: Visitor, wanted: list[Picture]) -> Iterator[tuple[Visitor, Picture]]:
    """Yield pictures with the visitor who is at their page."""
    for picture in pictures.shown(visitor, wanted):
        yield visitor, picture


def is_stale(visitor: Visitor, picture: Picture) -> bool:
    """Return whether the page is no longer what its picture shows; takes the picture if asked."""
    if TAKE:
        png = pictures.taken(visitor.page, picture)
        for path, content in (
            (picture.path, png),
            (picture.portrait_path, pictures.portrait(visitor.page, picture, png).encode()),
        ):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        return False
    if not (picture.path.is_file() and picture.portrait_path.is_file()):
        return True
    found = pictures.portrait(visitor.page, picture, picture.path.read_bytes())
    return found != picture.portrait_path.read_text("utf-8")


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in pictures.PICTURES.glob("*.png")}
    assert len(sizes) >= 8
    assert {name: size for name, size in sizes.items() if size > MOST_BYTES} == {}
    assert sum(sizes.values()) <= MOST_IN_ALL


def test_the_instruction_shows_each_picture_once() -> None:
    documents = Documents()
    latest = documents.versions("instruction")[0]
    text = documents.find("instruction", latest, date.fromisoformat(latest)).text
    named = re.findall(r"!\[([^\]]+)\]\(pictures/([a-z-]+)\.png\)", text)
    assert sorted(name for _, name in named) == sorted(
        path.stem for path in pictures.PICTURES.glob("*.png")
    )
    for alternative, name in named:
        assert len(alternative) > 30, f"say what {name} shows"
