"""Files arrive in parts, sealed, within limits, and leave nothing that can be read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.helpdesk import attachments, jobs, upload_folder
from services.helpdesk.application import AddMessage, erase_questions, held_about
from services.helpdesk.attachment import MAX_BYTES, PART_BYTES, owned_by_person
from services.helpdesk.attachments import AddPart, BeginUpload, FinishUpload, UploadUseCases
from services.helpdesk.handling import AnswerQuestion
from services.helpdesk.upload_folder import UploadFolder
from shared.context import bind
from shared.errors import Conflict, Forbidden, NotFound, ServiceError, Unavailable, ValidationFailed
from tests.sample_files import JPEG_BYTES, NO_KIND_OF_OURS, PDF_BYTES, png

ANNA, OTHER = owned_by_person(uuid4()), owned_by_person(uuid4())
PER_DAY = 5


class Uploads:
    """Files sent to the in-memory help desk, with a folder on the disk."""

    def __init__(self, helpdesk: Any, folder: Path) -> None:
        self.helpdesk, self.folder = helpdesk, folder
        folder.mkdir(exist_ok=True)
        self.use_cases = UploadUseCases(UploadFolder(str(folder), 1), PER_DAY)

    def begin(self, name: str = "счёт.pdf", owner: str = ANNA) -> UUID:
        command = BeginUpload(owner=owner, name=name)
        begun = self.helpdesk.store.transact(self.use_cases.begin, command)
        return UUID(begun["attachment_id"])

    def add(self, file: UUID, index: int, content: bytes, owner: str = ANNA) -> dict[str, Any]:
        command = AddPart(owner=owner, attachment_id=file, index=index, content=content)
        return self.helpdesk.store.transact(self.use_cases.add_part, command)

    def finish(self, file: UUID, content: bytes, owner: str = ANNA) -> dict[str, Any]:
        command = FinishUpload(owner=owner, attachment_id=file, sha256=sha256(content).hexdigest())
        return self.helpdesk.store.transact(self.use_cases.finish, command)

    def send(self, content: bytes, name: str = "счёт.pdf", owner: str = ANNA) -> dict[str, Any]:
        file = self.begin(name, owner)
        for index, first in enumerate(range(0, len(content), PART_BYTES)):
            self.add(file, index, content[first : first + PART_BYTES], owner)
        return self.finish(file, content, owner)

    def usable(self, *files: str, owner: str = ANNA) -> tuple[UUID, ...]:
        ids = [UUID(file) for file in files]
        return self.helpdesk.store.query(lambda session: attachments.usable(session, owner, ids))

    def on_disk(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def run(self, job: Callable[[Any], int]) -> int:
        settings = SimpleNamespace(uploads_dir=str(self.folder), uploads_free_bytes=1)
        return job(SimpleNamespace(store=self.helpdesk.store, settings=settings))


@pytest.fixture
def uploads(helpdesk: Any, tmp_path: Path) -> Uploads:
    return Uploads(helpdesk, tmp_path / "uploads")


def refused(code: str, act: Callable[..., Any], *arguments: Any, **more: Any) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        act(*arguments, **more)
    assert caught.value.code == code
    return caught.value


def test_a_file_is_kept_with_its_name_kind_size_and_digest(uploads: Uploads) -> None:
    content = png(more=2 * PART_BYTES)
    kept = uploads.send(content, "C:\\фото\\счёт.png")
    assert kept == {
        "attachment_id": kept["attachment_id"],
        "name": "счёт.png",
        "media_type": "image/png",
        "size": len(content),
        "sha256": sha256(content).hexdigest(),
    }
    assert uploads.usable(kept["attachment_id"]) == (UUID(kept["attachment_id"]),)


def test_a_file_comes_back_as_it_was_sent(uploads: Uploads) -> None:
    content = png(more=2 * PART_BYTES)
    file = UUID(uploads.send(content)["attachment_id"])

    def read(session: Any) -> bytes:
        found, key = attachments.with_key(session, session.read.attachments.of_ids([file])[0])
        parts = (uploads.use_cases.part(found, key, index) for index in range(found.parts))
        return b"".join(parts)

    assert uploads.helpdesk.store.query(read) == content


def test_whoever_has_the_folder_has_neither_content_nor_name(uploads: Uploads) -> None:
    secret = b"+7 900 123-45-67"
    uploads.send(PDF_BYTES.replace(b"<<>>", secret), "Иванова А. П.pdf")
    (path,) = uploads.on_disk()
    assert secret not in path.read_bytes()
    assert b"PDF" not in path.read_bytes()
    assert "Иванова" not in str(path)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_whole_file_is_on_the_disk_with_the_folders_that_it_is_in(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(upload_folder, "sync_to_disk", synced.append)
    uploads.send(PDF_BYTES)
    (path,) = uploads.on_disk()
    assert synced == [path, path.parent, uploads.folder]


def test_the_folder_of_a_removed_file_stays_for_the_next_one(uploads: Uploads) -> None:
    uploads.send(PDF_BYTES)
    (path,) = uploads.on_disk()
    UploadFolder(str(uploads.folder), 1).remove_file(UUID(path.name))
    assert (path.exists(), path.parent.is_dir()) == (False, True)


def test_a_part_that_is_changed_or_moved_is_not_returned(uploads: Uploads) -> None:
    content = png(more=2 * PART_BYTES)
    file = UUID(uploads.send(content)["attachment_id"])
    (path,) = uploads.on_disk()
    sealed = path.read_bytes()
    slot = PART_BYTES + 28

    def read(index: int) -> bytes:
        found, key = uploads.helpdesk.store.query(
            lambda session: attachments.with_key(
                session, session.read.attachments.of_ids([file])[0]
            )
        )
        return uploads.use_cases.part(found, key, index)

    for damaged in (
        sealed[:100] + bytes([sealed[100] ^ 1]) + sealed[101:],
        sealed[slot : 2 * slot] + sealed[:slot] + sealed[2 * slot :],
        sealed[:20],
        b"",
    ):
        path.write_bytes(damaged)
        refused("uploads_unavailable", read, 0)
    path.unlink()
    refused("uploads_unavailable", read, 0)
    refused("attachment_not_found", read, 3)


@pytest.mark.parametrize("what", NO_KIND_OF_OURS)
def test_a_file_of_another_kind_is_refused_at_its_first_part(uploads: Uploads, what: str) -> None:
    file = uploads.begin("счёт.png")
    error = refused("attachment_kind", uploads.add, file, 0, NO_KIND_OF_OURS[what])
    assert isinstance(error, ValidationFailed)
    assert not uploads.on_disk()


def test_an_empty_and_a_cut_file_are_refused(uploads: Uploads) -> None:
    refused("attachment_empty", uploads.send, b"")
    refused("attachment_broken", uploads.send, JPEG_BYTES[:40])


def test_a_file_above_five_megabytes_is_refused(uploads: Uploads) -> None:
    largest = png(more=MAX_BYTES - len(png(more=1)) + 1)
    assert len(largest) == MAX_BYTES
    assert uploads.send(largest)["size"] == MAX_BYTES
    error = refused("attachment_too_large", uploads.send, png(more=MAX_BYTES))
    assert error.params == {"max_bytes": MAX_BYTES}


def test_a_repeated_part_changes_nothing(uploads: Uploads) -> None:
    content = png(more=PART_BYTES)
    file = uploads.begin()
    first, rest = content[:PART_BYTES], content[PART_BYTES:]
    for _ in range(2):
        assert uploads.add(file, 0, first) == {"parts": 1, "size": PART_BYTES}
    uploads.add(file, 1, rest)
    assert uploads.add(file, 0, first)["parts"] == 2
    for _ in range(2):
        assert uploads.finish(file, content)["size"] == len(content)


def test_parts_come_in_order_and_are_not_replaced(uploads: Uploads) -> None:
    file = uploads.begin()
    assert isinstance(refused("part_out_of_order", uploads.add, file, 1, PDF_BYTES), Conflict)
    uploads.add(file, 0, PDF_BYTES)
    refused("part_differs", uploads.add, file, 0, JPEG_BYTES)
    refused("part_out_of_order", uploads.add, file, 1, b"after a short one")
    refused("attachment_incomplete", uploads.finish, file, PDF_BYTES + b"more")
    uploads.finish(file, PDF_BYTES)
    refused("attachment_not_found", uploads.add, file, 1, b"after the end")


def test_a_part_written_before_a_crash_is_written_again(uploads: Uploads) -> None:
    file = uploads.begin()
    table = uploads.helpdesk.store.read_model.attachments
    uploads.add(file, 0, PDF_BYTES + b"of which nothing was noted")
    table.note_part(file, 0, 0, "application/pdf")
    uploads.add(file, 0, PDF_BYTES)
    assert uploads.finish(file, PDF_BYTES)["size"] == len(PDF_BYTES)


@pytest.mark.parametrize("content", ["", "not base64!", "QQ=", "А" * 8])
def test_a_part_is_base64_of_some_bytes(content: str) -> None:
    refused("part_malformed", attachments.decoded, content)


def test_a_file_of_somebody_else_is_as_absent_as_none(uploads: Uploads) -> None:
    file = uploads.begin()
    for act in (uploads.add, uploads.finish):
        arguments = (0, PDF_BYTES) if act == uploads.add else (PDF_BYTES,)
        refused("attachment_not_found", act, file, *arguments, owner=OTHER)
        refused("attachment_not_found", act, uuid4(), *arguments)
    kept = uploads.send(PDF_BYTES)["attachment_id"]
    for files in ((kept, str(uuid4())), (str(file),)):
        refused("attachment_unknown", uploads.usable, *files)
    refused("attachment_unknown", uploads.usable, kept, owner=OTHER)


def test_a_message_takes_three_files(uploads: Uploads) -> None:
    files = [uploads.send(PDF_BYTES)["attachment_id"] for _ in range(4)]
    assert len(uploads.usable(*files[:3], files[0])) == 3
    error = refused("too_many_attachments", uploads.usable, *files)
    assert error.params == {"most": 3}
    assert uploads.usable() == ()


def test_a_person_sends_so_many_files_a_day(uploads: Uploads) -> None:
    for _ in range(PER_DAY):
        uploads.begin()
    error = refused("too_many_attachments_today", uploads.begin)
    assert isinstance(error, Forbidden)
    assert error.params["retry_after_seconds"] == 24 * 3600
    uploads.begin(owner=OTHER)
    uploads.helpdesk.clock.advance(timedelta(hours=24))
    uploads.begin()


def test_staff_send_as_many_files_as_they_answer(uploads: Uploads) -> None:
    begun = {uploads.begin(owner="staff:olga") for _ in range(PER_DAY + 1)}
    assert len(begun) == PER_DAY + 1


def test_what_was_refused_or_forgotten_counts_for_the_day(uploads: Uploads) -> None:
    for _ in range(PER_DAY):
        refused("attachment_kind", uploads.add, uploads.begin(), 0, b"MZ")
    uploads.helpdesk.clock.advance(timedelta(hours=23))
    uploads.run(jobs.remove_uploads)
    refused("too_many_attachments_today", uploads.begin)


def test_no_file_is_taken_where_there_is_no_room(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = uploads.begin()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    assert isinstance(refused("uploads_unavailable", uploads.begin), Unavailable)
    refused("uploads_unavailable", uploads.add, file, 0, PDF_BYTES)


def test_no_file_is_taken_without_a_folder(helpdesk: Any, tmp_path: Path) -> None:
    uploads = Uploads(helpdesk, tmp_path)
    uploads.use_cases = UploadUseCases(UploadFolder("", 1), PER_DAY)
    refused("uploads_unavailable", uploads.begin)
    (tmp_path / "file").touch()
    uploads.use_cases = UploadUseCases(UploadFolder(str(tmp_path / "file" / "x"), 1), PER_DAY)
    refused("uploads_unavailable", uploads.begin)


def test_a_file_that_no_message_takes_is_destroyed_after_a_day(uploads: Uploads) -> None:
    kept = uploads.send(PDF_BYTES)["attachment_id"]
    begun = uploads.begin()
    uploads.add(begun, 0, PDF_BYTES)
    assert uploads.run(jobs.expire_uploads) == 0
    uploads.helpdesk.clock.advance(timedelta(days=1, seconds=1))
    assert uploads.run(jobs.expire_uploads) == 2
    assert uploads.helpdesk.store.vault.destroyed == {UUID(kept), begun}
    refused("attachment_unknown", uploads.usable, kept)
    assert len(uploads.on_disk()) == 2
    assert uploads.run(jobs.remove_uploads) == 2
    assert not uploads.on_disk()
    assert not uploads.helpdesk.store.read_model.attachments.rows
    assert uploads.run(jobs.remove_uploads) == 0


def test_a_file_that_the_table_does_not_know_is_removed_when_it_is_old(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = UUID(uploads.send(PDF_BYTES)["attachment_id"])
    stray = uuid4()
    uploads.use_cases._folder.write_part(stray, bytes(32), 0, b"x")
    (uploads.folder / "note.txt").write_text("an operator's own", encoding="utf-8")
    uploads.run(jobs.remove_strays)
    assert len(uploads.on_disk()) == 3
    monkeypatch.setattr(jobs, "STRAY_SECONDS", -60.0)
    uploads.run(jobs.remove_strays)
    assert sorted(path.name for path in uploads.on_disk()) == sorted([known.hex, "note.txt"])


def test_erasing_destroys_files_of_questions_and_those_that_no_message_has(
    uploads: Uploads,
) -> None:
    person_id, question_id = uuid4(), uuid4()
    owner = owned_by_person(person_id)
    asked, unused = (uploads.send(PDF_BYTES, owner=owner)["attachment_id"] for _ in range(2))
    answer = uploads.send(PDF_BYTES, owner="staff:olga")["attachment_id"]
    others = uploads.send(PDF_BYTES, owner=OTHER)["attachment_id"]
    table = uploads.helpdesk.store.read_model.attachments
    table.take([UUID(asked), UUID(answer)], question_id, 1)

    def erase(session: Any, _command: None) -> None:
        attachments.erase_attachments(session, person_id, [question_id])

    uploads.helpdesk.store.transact(erase, None)
    assert uploads.helpdesk.store.vault.destroyed == {UUID(asked), UUID(unused), UUID(answer)}
    assert uploads.run(jobs.remove_uploads) == 3
    assert len(uploads.on_disk()) == 1
    assert uploads.usable(others, owner=OTHER)
    with pytest.raises(NotFound):
        uploads.begin(owner=owner)
    with pytest.raises(NotFound):
        uploads.helpdesk.store.query(
            lambda session: attachments.of_question(session, question_id, UUID(asked))
        )


def test_the_same_contents_are_the_same_message_under_any_ids(uploads: Uploads) -> None:
    def contents(*files: str) -> tuple[str, ...]:
        ids = [UUID(file) for file in files]
        return uploads.helpdesk.store.query(lambda session: attachments.contents_of(session, ids))

    one, again, other = (
        uploads.send(content)["attachment_id"] for content in (PDF_BYTES, PDF_BYTES, JPEG_BYTES)
    )
    assert contents(one, other) == contents(other, again)
    assert contents(one) != contents(other)
    assert contents() == ()


def test_a_message_shows_its_files_to_both_sides(uploads: Uploads) -> None:
    desk, person_id = uploads.helpdesk, uuid4()
    owner = owned_by_person(person_id)
    asked, added = (
        UUID(uploads.send(PDF_BYTES, name, owner)["attachment_id"]) for name in ("1.pdf", "2.pdf")
    )
    question_id = desk.ask(person_id, attachments=(asked,))
    command = AddMessage(
        person_id=person_id, question_id=question_id, text="Ещё", attachments=(added,)
    )
    desk.store.execute(desk.use_cases.add_message, command)
    desk.show(question_id)
    answer = UUID(uploads.send(JPEG_BYTES, "схема.jpg", "staff:olga")["attachment_id"])
    with bind(actor="staff:olga"):
        desk.store.execute(
            desk.staff_use_cases.answer,
            AnswerQuestion(question_id=question_id, text="Вот схема.", attachments=(answer,)),
        )
    names = [[one["name"] for one in each["attachments"]] for each in desk.messages(question_id)]
    assert names == [["1.pdf"], ["2.pdf"], ["схема.jpg"]]
    held = desk.store.query(lambda session: held_about(session, person_id))
    (question,) = held["questions"]
    assert question["question_id"] == str(question_id)
    assert [each["attachments"][0]["attachment_id"] for each in question["messages"]] == [
        str(asked),
        str(added),
        str(answer),
    ]
    numbered = desk.store.query(lambda session: attachments.numbered(session, question_id, 3))
    assert numbered.attachment_id == answer
    for number in (0, 4):
        refused(
            "attachment_not_found",
            desk.store.query,
            lambda session, number=number: attachments.numbered(session, question_id, number),
        )


def test_a_file_is_of_one_message(uploads: Uploads) -> None:
    person_id = uuid4()
    file = UUID(uploads.send(PDF_BYTES, owner=owned_by_person(person_id))["attachment_id"])
    uploads.helpdesk.ask(person_id, attachments=(file,))
    refused("attachment_unknown", uploads.helpdesk.ask, person_id, attachments=(file,))
    refused("attachment_unknown", uploads.helpdesk.ask, uuid4(), attachments=(file,))
    refused("attachment_not_found", uploads.finish, file, PDF_BYTES)


def test_a_form_that_is_sent_twice_asks_once_though_its_files_came_twice(uploads: Uploads) -> None:
    person_id = uuid4()
    owner = owned_by_person(person_id)

    def ask(content: bytes) -> UUID:
        file = UUID(uploads.send(content, owner=owner)["attachment_id"])
        contents = uploads.helpdesk.store.query(
            lambda session: attachments.contents_of(session, [file])
        )
        return uploads.helpdesk.ask(person_id, attachments=(file,), contents=contents)

    with bind(command_id=uuid4()):
        assert ask(PDF_BYTES) == ask(PDF_BYTES)
        refused("command_reused", ask, JPEG_BYTES)


def test_erasing_a_person_erases_the_files_of_his_questions(uploads: Uploads) -> None:
    person_id = uuid4()
    file = UUID(uploads.send(PDF_BYTES, owner=owned_by_person(person_id))["attachment_id"])
    question_id = uploads.helpdesk.ask(person_id, attachments=(file,))
    uploads.helpdesk.store.transact(erase_questions, person_id)
    assert uploads.helpdesk.store.vault.destroyed == {question_id, file}
    uploads.run(jobs.remove_uploads)
    assert not uploads.on_disk()
    (message,) = uploads.helpdesk.messages(question_id)
    assert (message["text"], message["attachments"]) == (None, [])
