"""Files of questions on a real PostgreSQL: their rows, their keys, their folder, and staff."""

from __future__ import annotations

import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from services.helpdesk import cli, jobs
from services.helpdesk.application import erase_questions
from services.helpdesk.attachment import PART_BYTES
from services.helpdesk.attachment_tables import Attachments
from shared.errors import ServiceError
from shared.eventstore.key_jobs import destroy_keys
from shared.staff import PERMISSIONS
from tests.sample_files import JPEG_BYTES, PDF_BYTES, png
from tests.staff_terminal import ServicesHere, grant, services_here, staff_amqp_url

pytestmark = pytest.mark.nodes


class Desk:
    """The help desk as the gateway and a clerk reach it, with a folder of its own."""

    def __init__(self, database: Any, folder: Path) -> None:
        self.database, self.folder = database, folder
        self.settings = replace(
            database.settings, uploads_dir=str(folder), uploads_free_bytes=2**20
        )
        self.store = database.store("helpdesk")
        stores = {"helpdesk": self.store}
        self._gateway = ServicesHere(stores, "amqp://gateway:secret@127.0.0.1:1/", self.settings)
        self._stores = stores

    def ask(self, method: str, **arguments: Any) -> Any:
        return self._gateway.call("helpdesk", method, **arguments)

    def send(self, person_id: UUID, content: bytes, name: str = "счёт.pdf") -> str:
        id_ = self.ask("begin_upload", person_id=person_id, name=name)["attachment_id"]
        for index, first in enumerate(range(0, len(content), PART_BYTES)):
            part = content[first : first + PART_BYTES]
            self.part(person_id, id_, index, part)
        digest = sha256(content).hexdigest()
        self.ask("finish_upload", person_id=person_id, attachment_id=id_, sha256=digest)
        return str(id_)

    def part(self, person_id: UUID, id_: str, index: int, part: bytes) -> Any:
        content = b64encode(part).decode()
        return self.ask(
            "upload_part", person_id=person_id, attachment_id=id_, index=index, content=content
        )

    def question(self, person_id: UUID, *files: str) -> dict[str, Any]:
        return self.ask(
            "ask", person_id=person_id, topic="charges", account=None, text="Почему?",
            attachments=list(files),
        )  # fmt: skip

    def read(self, person_id: UUID, question_id: str, id_: str) -> bytes:
        of = {"person_id": person_id, "question_id": question_id, "attachment_id": id_}
        found = self.ask("attachment", **of)
        parts = range(found["parts"])
        return b"".join(
            b64decode(self.ask("attachment_part", **of, index=index)["content"]) for index in parts
        )

    def run(self, *arguments: object) -> Any:
        with services_here(self._stores, self.settings):
            return CliRunner().invoke(
                cli.app,
                list(map(str, arguments)),
                env={"SALDO_AMQP_URL": staff_amqp_url("olga")},
            )

    def job(self, job: Callable[[Any], int]) -> int:
        return job(SimpleNamespace(store=self.store, settings=self.settings))

    def on_disk(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


@pytest.fixture
def desk(database: Any, tmp_path: Path) -> Desk:
    for permission in PERMISSIONS["helpdesk"]:
        grant(database.settings, "helpdesk", "olga", permission, None)
    folder = tmp_path / "uploads"
    folder.mkdir()
    return Desk(database, folder)


def refused(code: str, act: Callable[..., Any], *arguments: Any, **more: Any) -> None:
    with pytest.raises(ServiceError) as caught:
        act(*arguments, **more)
    assert caught.value.code == code


def test_a_file_of_a_person_reaches_the_clerk_and_his_the_person(
    desk: Desk, tmp_path: Path
) -> None:
    person_id, content = uuid4(), png(more=2 * PART_BYTES)
    asked = desk.question(person_id, desk.send(person_id, content, "счёт.png"))
    shown = desk.run("show", asked["number"])
    assert "[1] счёт.png (image/png, 512 KB)" in shown.output.replace("\u00a0", " ")
    saved = desk.run("attachment", asked["number"], 1, "--to", tmp_path, "--json")
    assert saved.exit_code == 0, saved.output
    assert json.loads(saved.stdout)["saved_as"] == str(tmp_path / "счёт.png")
    assert (tmp_path / "счёт.png").read_bytes() == content
    assert (tmp_path / "счёт.png").stat().st_mode & 0o777 == 0o600

    scheme = tmp_path / "схема.jpg"
    scheme.write_bytes(JPEG_BYTES)
    answered = desk.run("answer", asked["number"], "--text", "Вот.", "--attach", scheme)
    assert answered.exit_code == 0, answered.output
    again = desk.run("answer", asked["number"], "--text", "Вот.", "--attach", scheme)
    assert again.exit_code == 0, again.output
    thread = desk.ask("question", person_id=person_id, question_id=asked["question_id"])
    assert len(thread["messages"]) == 2, "the same answer with the same file is given once"
    (file,) = thread["messages"][1]["attachments"]
    assert (file["name"], file["media_type"]) == ("схема.jpg", "image/jpeg")
    read = desk.read(person_id, asked["question_id"], file["attachment_id"])
    assert read == JPEG_BYTES
    entries = desk.store.query(lambda session: session.security.entries(limit=10))
    assert [(each.actor, each.action) for each in entries] == [
        ("staff:olga", "attachment_shown"),
        ("staff:olga", "question_shown"),
    ]


def test_a_dry_run_of_an_answer_checks_its_files_and_takes_none(desk: Desk) -> None:
    number = str(desk.question(uuid4())["number"])
    clerk = ServicesHere({"helpdesk": desk.store}, staff_amqp_url("olga"), desk.settings)
    clerk.call("helpdesk", "any_question", question=number)
    file = clerk.call("helpdesk", "begin_answer_file", name="x")["attachment_id"]
    answer = {"question": number, "text": "Вот.", "attachments": [file]}
    refused("attachment_unknown", clerk.call, "helpdesk", "answer", **answer, dry_run=True)
    content = b64encode(PDF_BYTES).decode()
    clerk.call("helpdesk", "answer_file_part", attachment_id=file, index=0, content=content)
    digest = sha256(PDF_BYTES).hexdigest()
    clerk.call("helpdesk", "finish_answer_file", attachment_id=file, sha256=digest)
    tried = clerk.call("helpdesk", "answer", **answer, dry_run=True)
    assert tried["dry_run"] is True
    assert clerk.call("helpdesk", "answer", **answer)["state"] == "answered"


def test_every_reading_of_a_file_by_staff_is_in_the_security_log(desk: Desk) -> None:
    person_id = uuid4()
    files = [desk.send(person_id, PDF_BYTES), desk.send(person_id, JPEG_BYTES)]
    number = str(desk.question(person_id, *files)["number"])
    clerk = ServicesHere({"helpdesk": desk.store}, staff_amqp_url("olga"), desk.settings)
    of_first = {"question": number, "number": 1, "index": 0}
    for _ in range(3):  # a part after another is the same reading
        clerk.call("helpdesk", "any_attachment_part", **of_first)
    clerk.call("helpdesk", "any_attachment_part", question=number, number=2, index=0)
    entries = desk.store.query(lambda session: session.security.entries(limit=10))
    assert [(each.actor, each.action, each.person_id) for each in entries] == [
        ("staff:olga", "attachment_shown", person_id)
    ] * 2
    assert [file in each.about for file, each in zip(reversed(files), entries, strict=True)] == [
        True,
        True,
    ]
    assert str(person_id) not in entries[0].about


def test_staff_are_told_what_cannot_be_sent_or_saved(desk: Desk, tmp_path: Path) -> None:
    person_id = uuid4()
    number = desk.question(person_id, desk.send(person_id, PDF_BYTES))["number"]
    there = tmp_path / "there.pdf"
    there.write_bytes(b"mine")
    desk.run("show", number)
    for words, said in (
        (("attachment", number, 1, "--to", there), "cannot be written"),
        (("attachment", number, 1, "--to", tmp_path / "no" / "x"), "cannot be written"),
        (("attachment", number, 2, "--to", tmp_path), "no such file"),
        (("answer", number, "--text", "x", "--attach", tmp_path / "none"), "cannot be read"),
        (("answer", number, "--text", "x", "--attach", there), "a picture"),
        (("answer", number, "--text", "x", *4 * ("--attach", there)), "at most 3"),
    ):
        done = desk.run(*words)
        assert done.exit_code == 2, done.output
        assert said in " ".join(done.output.split()), done.output
    assert there.read_bytes() == b"mine"
    (tmp_path / "large.pdf").write_bytes(png(more=5 * 2**20))
    large = desk.run("answer", number, "--text", "x", "--attach", tmp_path / "large.pdf")
    assert "5 MB" in large.output
    for content, said in ((b"mine", "nor a PDF"), (PDF_BYTES[:-20], "its end is missing")):
        there.write_bytes(content)
        dry = desk.run("answer", number, "--text", "x", "--attach", there, "--dry-run")
        assert dry.exit_code == 2, dry.output
        assert said in " ".join(dry.output.split()), dry.output
    there.write_bytes(PDF_BYTES)
    dry = desk.run("answer", number, "--text", "x", "--attach", there, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert len(desk.on_disk()) == 1


def test_a_file_is_absent_for_everybody_else(desk: Desk) -> None:
    anna, other = uuid4(), uuid4()
    file = desk.send(anna, PDF_BYTES)
    asked = desk.question(anna, file)
    strange = desk.question(other)
    question_id = asked["question_id"]
    assert desk.read(anna, question_id, file) == PDF_BYTES
    refused("question_not_found", desk.read, other, question_id, file)
    refused("attachment_not_found", desk.read, other, strange["question_id"], file)
    refused("attachment_not_found", desk.read, anna, question_id, str(uuid4()))
    refused("attachment_unknown", desk.question, other, file)
    refused("attachment_unknown", desk.question, other, desk.send(anna, PDF_BYTES))
    refused("attachment_not_found", desk.part, other, desk.send(anna, PDF_BYTES), 0, PDF_BYTES)


def test_a_part_that_comes_many_times_at_once_is_taken_once(desk: Desk) -> None:
    person_id, content = uuid4(), png(more=PART_BYTES)
    id_ = desk.ask("begin_upload", person_id=person_id, name="x")["attachment_id"]

    def first(_: int) -> Any:
        return desk.part(person_id, id_, 0, content[:PART_BYTES])

    with ThreadPoolExecutor(6) as senders:
        assert {each["parts"] for each in senders.map(first, range(6))} == {1}
    desk.part(person_id, id_, 1, content[PART_BYTES:])
    digest = sha256(content).hexdigest()
    desk.ask("finish_upload", person_id=person_id, attachment_id=id_, sha256=digest)
    asked = desk.question(person_id, id_)
    assert desk.read(person_id, asked["question_id"], id_) == content


def test_a_file_goes_to_one_of_two_messages_that_want_it_at_once(desk: Desk) -> None:
    person_id = uuid4()
    file = desk.send(person_id, PDF_BYTES)

    def take(_: int) -> str:
        try:
            return str(desk.question(person_id, file)["question_id"])
        except ServiceError as error:
            return error.code

    with ThreadPoolExecutor(4) as askers:
        outcomes = list(askers.map(take, range(4)))
    assert outcomes.count("attachment_unknown") == 3, outcomes


def test_the_limit_of_a_day_holds_for_files_that_begin_at_once(desk: Desk) -> None:
    person_id = uuid4()

    def begin(_: int) -> str:
        try:
            return str(desk.ask("begin_upload", person_id=person_id, name="x")["attachment_id"])
        except ServiceError as error:
            return error.code

    with ThreadPoolExecutor(6) as senders:
        outcomes = list(senders.map(begin, range(40)))
    assert outcomes.count("too_many_attachments_today") == 10


def test_erasing_a_person_leaves_no_key_no_file_and_no_name(desk: Desk) -> None:
    anna, other = uuid4(), uuid4()
    asked = desk.question(anna, desk.send(anna, PDF_BYTES))
    desk.send(anna, JPEG_BYTES)
    kept = desk.send(other, PDF_BYTES)
    desk.question(other, kept)
    desk.store.transact(erase_questions, anna)
    destroy_keys(desk.store)
    assert desk.job(jobs.remove_uploads) == 2
    assert [path.name for path in desk.on_disk()] == [UUID(kept).hex]
    thread = desk.ask("question", person_id=anna, question_id=asked["question_id"])
    assert [(each["text"], each["attachments"]) for each in thread["messages"]] == [(None, [])]
    with desk.database.owner("helpdesk") as owner, desk.database.keys_owner("helpdesk") as keys:
        names = owner.execute("SELECT name, file_key, digest FROM attachments WHERE state = 'gone'")
        assert names.fetchall() == [(None, None, None)] * 2
        left = {row[0] for row in keys.execute("SELECT subject FROM data_keys").fetchall()}
    assert UUID(kept) in left
    assert len(left) == 2, "the other person's question and file"


def test_a_file_that_a_message_takes_while_its_person_is_erased_is_erased_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, found = uuid4(), Attachments.of_questions
    sent: list[bool] = []
    asked = desk.question(anna)
    file = desk.send(anna, PDF_BYTES)

    def then_a_message_comes(self: Attachments, ids: Any) -> Any:
        files = found(self, ids)
        if not sent:
            sent.append(True)
            threading.Thread(target=send_message).start()
            assert there.wait(20)
        return files

    def send_message() -> None:
        desk.ask(
            "add_message", person_id=anna, question_id=asked["question_id"], text="И вот",
            attachments=[file],
        )  # fmt: skip
        there.set()

    there = threading.Event()
    monkeypatch.setattr(Attachments, "of_questions", then_a_message_comes)
    desk.store.transact(erase_questions, anna)
    with desk.database.owner("helpdesk") as owner:
        states = owner.execute("SELECT state FROM attachments").fetchall()
    assert states == [("gone",)]


def test_what_no_message_took_is_gone_after_a_day(desk: Desk) -> None:
    person_id = uuid4()
    taken = desk.send(person_id, PDF_BYTES)
    desk.question(person_id, taken)
    late = desk.send(person_id, PDF_BYTES)
    begun = desk.ask("begin_upload", person_id=person_id, name="x")["attachment_id"]
    desk.part(person_id, begun, 0, PDF_BYTES)
    with desk.database.owner("helpdesk") as owner:
        owner.execute("UPDATE attachments SET begun_at = begun_at - interval '25 hours'")
    assert desk.job(jobs.expire_uploads) == 2
    assert desk.job(jobs.remove_uploads) == 2
    assert desk.job(jobs.expire_uploads) == desk.job(jobs.remove_uploads) == 0
    assert [path.name for path in desk.on_disk()] == [UUID(taken).hex]
    refused("attachment_unknown", desk.question, person_id, late)
    with desk.database.owner("helpdesk") as owner:
        assert owner.execute("SELECT count(*) FROM attachments").fetchone() == (1,)


def test_neither_log_nor_tables_have_a_name_or_a_content(desk: Desk) -> None:
    person_id, secret = uuid4(), b"4111 1111 1111 1111"
    content = PDF_BYTES.replace(b"<<>>", secret, 1)
    desk.question(person_id, desk.send(person_id, content, "Ivanova passport.pdf"))
    with desk.database.owner("helpdesk") as owner:
        rows = [
            *owner.execute("SELECT * FROM attachments").fetchall(),
            *owner.execute("SELECT topic, convert_from(state, 'UTF8') FROM events").fetchall(),
        ]
    written = repr(rows)
    assert "Ivanova" not in written
    assert "4111" not in written
    assert sha256(content).hexdigest() not in written
    (path,) = desk.on_disk()
    assert secret not in path.read_bytes()
