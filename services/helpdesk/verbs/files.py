"""``saldo helpdesk attachment``, and files that go with an answer: both in parts."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from services.helpdesk.attachment import MAX_BYTES, MAX_FILES, PART_BYTES
from services.helpdesk.file_types import Inspection
from services.helpdesk.verbs.words import Which
from services.language import text
from services.staff_calls import StaffCalls, calls_to
from services.terminal import Json, out, print_json, reporting


def attachment(
    question: Which,
    number: Annotated[
        int, typer.Argument(min=1, help="Its number, which `saldo helpdesk show` tells.")
    ],
    *,
    to: Annotated[Path, typer.Option(help="A folder, or a file that is not there yet.")],
    json: Json = False,
) -> None:
    """Save a file of a question. It comes from a stranger: open it with care."""
    with reporting(), calls_to("helpdesk") as helpdesk:
        saved = save(helpdesk, question, number, to)
    if json:
        print_json(saved)
    else:
        out.print(text("Saved as {file}.", file=saved["saved_as"]), soft_wrap=True)


def check_files(files: list[Path]) -> None:
    """Raise ValueError for files that no answer takes, before anything is sent."""
    if len(files) > MAX_FILES:
        raise ValueError(text("--attach: at most {most} files", most=MAX_FILES))
    for file in files:
        try:
            size = file.stat().st_size
        except OSError as error:
            raise _unreadable(file, error) from error
        if size > MAX_BYTES:
            raise ValueError(text("--attach: {file} is larger than 5 MB", file=file))
        _inspect(file)


def send(helpdesk: StaffCalls, file: Path) -> str:
    """Send a file for an answer; return the id of the attachment."""
    begun = helpdesk.command("begin_answer_file", name=file.name)
    digest, id_ = sha256(), begun["attachment_id"]
    for index, part in enumerate(_parts(file)):
        digest.update(part)
        content = b64encode(part).decode()
        helpdesk.command("answer_file_part", attachment_id=id_, index=index, content=content)
    helpdesk.command("finish_answer_file", attachment_id=id_, sha256=digest.hexdigest())
    return str(id_)


def save(helpdesk: StaffCalls, question: str, number: int, to: Path) -> dict[str, Any]:
    """Save a file of a question; return what is known of it, and ``saved_as``.

    ``to`` is a folder, or a file that is not there yet. What cannot be saved whole is not left.
    """
    found: dict[str, Any] = helpdesk.ask("any_attachment", question=question, number=number)
    path = to / found["name"] if to.is_dir() else to
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ValueError(
            text("--to: {file} cannot be written: {fault}", file=path, fault=error.strerror)
        ) from error
    digest = sha256()
    try:
        with os.fdopen(descriptor, "wb") as opened:
            for index in range(found["parts"]):
                answer = helpdesk.ask(
                    "any_attachment_part", question=question, number=number, index=index
                )
                part = b64decode(answer["content"])
                digest.update(part)
                opened.write(part)
        if digest.hexdigest() != found["sha256"]:
            raise ValueError(text("The file came damaged: run the same command again."))
    except BaseException:
        path.unlink()
        raise
    return {**found, "saved_as": str(path)}


def _inspect(file: Path) -> None:
    inspection = Inspection()
    for part in _parts(file):
        inspection.see(part)
    if inspection.media_type is None:
        raise ValueError(
            text(
                "--attach: {file} is neither a picture (PNG, JPEG, WebP, GIF, HEIC) nor a PDF",
                file=file,
            )
        )
    if not inspection.is_whole:
        raise ValueError(text("--attach: {file} is damaged: its end is missing", file=file))


def _parts(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as opened:
            while part := opened.read(PART_BYTES):
                yield part
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> ValueError:
    return ValueError(
        text("--attach: {file} cannot be read: {fault}", file=file, fault=error.strerror)
    )
