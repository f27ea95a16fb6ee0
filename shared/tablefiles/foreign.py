"""Files that are no table file: what each is, and how to export it as one."""

from __future__ import annotations

from collections.abc import Collection

from shared.errors import ValidationFailed

BEGINNING = 8
"""Bytes of a file that show what it is."""

_EXPORT = "export it as CSV with ';' between the columns, in UTF-8 or Windows-1251"
_OPEN = "open it in a spreadsheet, and " + _EXPORT
_FORMATS = (
    (b"\x1f\x8b", "is compressed (gzip): unpack it, and import the file inside"),
    (b"7z\xbc\xaf", "is compressed (7-Zip): unpack it, and import the file inside"),
    (b"Rar!", "is compressed (RAR): unpack it, and import the file inside"),
    (
        b"PK\x03\x04",
        f"is a workbook (.xlsx, .ods) or a ZIP archive: unpack the archive, or {_OPEN}",
    ),
    (b"\xd0\xcf\x11\xe0", f"is an old Excel workbook (.xls): {_OPEN}"),
    (
        b"%PDF",
        f"is a PDF, which is made for reading: have whoever made it {_EXPORT}",
    ),
    (b"\xff\xfe", "is UTF-16; save it as UTF-8 or Windows-1251"),
    (b"\xfe\xff", "is UTF-16; save it as UTF-8 or Windows-1251"),
)
_SEPARATORS = ((",", "commas"), ("\t", "tabs"), ("|", "vertical bars"))


def refuse_foreign(name: str, beginning: bytes) -> None:
    """Raise ValidationFailed ``invalid_file`` for another format, by its first bytes."""
    for magic, what in _FORMATS:
        if beginning.startswith(magic):
            raise ValidationFailed("invalid_file", f"{name} {what}.")


def refuse_separator(name: str, header: str, columns: Collection[str]) -> None:
    """Raise ValidationFailed ``invalid_file`` for known columns that are not separated by ;."""
    for separator, called in _SEPARATORS:
        names = [column.strip(' "\r').casefold() for column in header.split(separator)]
        if len(names) > 1 and not set(columns).isdisjoint(names):
            raise ValidationFailed(
                "invalid_file",
                f"The columns of {name} are separated by {called}, and must be separated by ';': "
                f"{_EXPORT} (Excel takes the list separator of the regional settings; LibreOffice "
                "asks for it on saving).",
            )
