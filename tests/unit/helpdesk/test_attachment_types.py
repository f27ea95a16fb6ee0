"""The kind of a file is what its content says, and its name is made harmless."""

from __future__ import annotations

import pytest

from services.helpdesk.attachment import PART_BYTES
from services.helpdesk.file_names import MAX_NAME, name_of
from services.helpdesk.file_types import ENDINGS, Inspection, media_type_of
from tests.sample_files import JPEG_BYTES, NO_KIND_OF_OURS, WHOLE, png


def inspected(content: bytes, size: int = PART_BYTES) -> Inspection:
    inspection = Inspection()
    for first in range(0, len(content), size):
        inspection.see(content[first : first + size])
    return inspection


def test_samples_cover_every_kind() -> None:
    assert set(WHOLE) == set(ENDINGS)


@pytest.mark.parametrize("media_type", WHOLE)
def test_a_kind_is_known_by_its_content(media_type: str) -> None:
    assert media_type_of(WHOLE[media_type]) == media_type


@pytest.mark.parametrize("what", NO_KIND_OF_OURS)
def test_other_content_is_of_no_kind(what: str) -> None:
    assert media_type_of(NO_KIND_OF_OURS[what]) is None


@pytest.mark.parametrize("size", [1, 7, PART_BYTES])
@pytest.mark.parametrize("media_type", WHOLE)
def test_a_file_is_whole_in_parts_of_any_size(media_type: str, size: int) -> None:
    inspection = inspected(WHOLE[media_type], size)
    assert (inspection.media_type, inspection.is_whole) == (media_type, True)


@pytest.mark.parametrize("media_type", WHOLE)
def test_a_file_that_was_cut_is_not_whole(media_type: str) -> None:
    cut = WHOLE[media_type][:23]
    assert media_type_of(cut) == media_type
    assert not inspected(cut).is_whole


def test_a_picture_of_a_telephone_with_a_film_behind_it_is_whole() -> None:
    assert inspected(JPEG_BYTES + b"\0\0\0\x18ftypmp42" + b"x" * 100_000).is_whole


def test_nothing_may_follow_the_end_of_a_png() -> None:
    assert not inspected(png() + b"PK\x03\x04").is_whole


def test_a_picture_of_a_billion_pixels_costs_its_bytes_alone() -> None:
    bomb = png(2**31 - 1, 2**31 - 1)
    assert len(bomb) < 100
    assert inspected(bomb).is_whole


@pytest.mark.parametrize(
    ("given", "media_type", "kept"),
    [
        ("квитанция.PDF", "application/pdf", "квитанция.pdf"),
        ("/etc/passwd", "image/png", "passwd.png"),
        ("..\\..\\windows\\system32\\счёт.jpeg", "image/jpeg", "счёт.jpeg"),
        ("../../..", "image/png", "file.png"),
        ("", "image/gif", "file.gif"),
        ("счёт.pdf.exe", "application/pdf", "счёт.pdf.exe.pdf"),
        ("cheque\u202egnp.exe", "image/png", "chequegnp.exe.png"),
        ("a\r\nSet-Cookie: x=1.png", "image/png", "aSet-Cookie x=1.png"),
        ('" ; filename=evil.html; ".png', "image/png", "filename=evil.html.png"),
        ("CON.pdf", "application/pdf", "file-CON.pdf"),
        (".htaccess", "image/png", "htaccess.png"),
        ("а\u0301\u200b\u2066 б\u00a0 в.gif", "image/gif", "а\u0301 б в.gif"),
        ("😀.webp", "image/webp", "😀.webp"),
        ("nul\0.png", "image/png", "file-nul.png"),
        ("%2e%2e%2fx.png", "image/png", "2e2e2fx.png"),
    ],
)
def test_a_name_is_kept_as_far_as_it_is_harmless(given: str, media_type: str, kept: str) -> None:
    assert name_of(given, media_type) == kept


def test_a_long_name_keeps_its_ending() -> None:
    name = name_of("ж" * 500 + ".jpeg", "image/jpeg")
    assert (len(name), name[-6:]) == (MAX_NAME, "ж.jpeg")


def test_a_name_that_was_made_harmless_stays_as_it_is() -> None:
    name = name_of("Акт\u202e (1)/счёт № 5.final.heif", "image/heic")
    assert name_of(name, "image/heic") == name == "счёт № 5.final.heif"
