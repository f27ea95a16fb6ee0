"""The sealer's process, and the witnesses that keep what it has signed."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiosmtpd.controller import Controller
from typer.testing import CliRunner, Result

from services.cli import app as saldo
from services.ledger.cli import app
from services.ledger.seal import process
from services.ledger.seal.checkpoint import Checkpoint, Signer
from services.ledger.seal.inspection import inspect_seal
from services.ledger.seal.keys import SealKeys, seal_keys, verifier_keys
from services.ledger.seal.process import SealingTasks
from services.ledger.seal.publishing import Publisher, witness_states
from services.ledger.seal.rotation import adopt, rotate
from services.ledger.seal.sealer import last_checkpoint, seal_log
from services.ledger.seal.tiles import SealBrokenError
from services.ledger.seal.witnesses import DirectoryWitness, MailWitness, WitnessError
from shared.config import SEALER
from tests.integration.ledger.sealed_ledger import KEYS, SEED, SealedLedger
from tests.waiting import eventually

pytestmark = pytest.mark.nodes

Command = Callable[..., Result]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass
class Sealer:
    """The settings of a sealer, in files, and its process in threads of the test."""

    ledger: SealedLedger
    folder: Path

    @property
    def key(self) -> Path:
        return self.folder / "key"

    @property
    def kept(self) -> Path:
        return self.folder / "witness"

    @property
    def environ(self) -> dict[str, str]:
        return {
            "SALDO_LEDGER_SEAL_KEY": str(self.key),
            "SALDO_LEDGER_SEAL_VERIFIER_FILE": str(self.folder / "verifiers"),
            "SALDO_LEDGER_WITNESS_DIR": str(self.kept),
            "SALDO_LEDGER_WITNESS_SECONDS": "0.01",
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        stop = threading.Event()
        tasks = SealingTasks(self.ledger.database.settings, stop, self.environ)
        threads = [threading.Thread(target=task) for task in (tasks.seal, tasks.publish)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def files(self) -> list[str]:
        return sorted(path.name for path in self.kept.iterdir())

    def keep_three(self) -> None:
        """Give the directory three checkpoints, one after another."""
        often = Publisher([DirectoryWitness(self.kept, every=1e-9)])
        for _ in range(3):
            with self.ledger.sealer() as cursor:
                often.publish_due(cursor)
            self.ledger.write(1)
            self.ledger.seal()

    def rotate(self) -> None:
        with self.ledger.sealer() as cursor:
            rotate(cursor, self.environ)


@pytest.fixture
def sealer(ledger: SealedLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sealer:
    """A sealer with the keys that have signed the log of the test; nobody runs it yet."""
    monkeypatch.setattr(process, "SEAL_SECONDS", 0.2)
    monkeypatch.setattr(process, "WITNESS_SECONDS", 0.05)
    made = Sealer(ledger, tmp_path)
    made.kept.mkdir()
    made.key.write_text(base64.b64encode(SEED).decode(), encoding="ascii")
    (tmp_path / "verifiers").write_text(f"{KEYS.signer.verifier}\n", encoding="ascii")
    return made


@pytest.fixture
def command(sealer: Sealer, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command of the seal as an auditor does: no secret, and no private key."""
    settings = sealer.ledger.database.settings
    for name, value in sealer.environ.items():
        if name != "SALDO_LEDGER_SEAL_KEY":
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("SALDO_DATABASE_URL_LEDGER", settings.database_url_of("ledger"))
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def found(result: Result) -> set[str]:
    assert result.exit_code in (0, 1), result.output
    findings = json.loads(result.stdout)["findings"]
    assert bool(findings) == (result.exit_code == 1)
    return {finding["kind"] for finding in findings}


def test_sealer_answers_a_request_and_gives_the_checkpoint_to_a_witness(
    sealer: Sealer, command: Command
) -> None:
    with sealer.running():
        # The sealer's thread logs to the same standard output.
        answer = json.loads(command("checkpoint", "--json").stdout.splitlines()[-1])
        assert (answer["number"], answer["size"]) == (5, 600)
        eventually(lambda: "checkpoint-000000005.txt" in sealer.files(), "the file")
        kept = sealer.kept / "checkpoint-000000005.txt"
        assert kept.read_text(encoding="utf-8") == answer["checkpoint"]
        assert kept.stat().st_mode & 0o777 == 0o444
        assert command("checkpoint").stdout.endswith(answer["checkpoint"])
    assert found(command("verify", "--json")) == set()


def test_request_without_a_sealer_says_so(command: Command) -> None:
    silent = command("checkpoint", "--patience", 1)
    assert silent.exit_code == 2
    assert "No sealer is running" in silent.output


def test_request_for_a_changed_log_says_where_to_look(sealer: Sealer, command: Command) -> None:
    sealer.ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 590")
    with sealer.running():
        silent = command("checkpoint", "--patience", 2)
    assert silent.exit_code == 2
    assert "saldo ledger verify" in silent.output


def test_checkpoint_of_a_killed_sealer_is_published_by_the_next(sealer: Sealer) -> None:
    signed = sealer.ledger.seal()  # and the process ends before the witness has it
    with sealer.running():
        eventually(sealer.files, "the file")
    assert (sealer.kept / "checkpoint-000000005.txt").read_text(encoding="utf-8") == signed.note


def test_checkpoint_that_a_witness_has_already_is_not_written_again(sealer: Sealer) -> None:
    witness, signed = DirectoryWitness(sealer.kept), sealer.ledger.seal()
    witness.publish(signed)  # and the process ends before it is recorded
    kept = sealer.kept / "checkpoint-000000005.txt"
    before = kept.stat()
    witness.publish(signed)
    assert kept.stat() == before
    kept.chmod(0o644)
    kept.write_text("another", encoding="utf-8")
    with pytest.raises(WitnessError, match="another checkpoint"):
        witness.publish(signed)
    assert kept.read_text(encoding="utf-8") == "another"
    assert sealer.files() == [kept.name]


def test_witness_that_fails_stops_no_seal_and_is_shown(
    sealer: Sealer, command: Command, tmp_path: Path
) -> None:
    sealer.kept.rmdir()
    with sealer.running():
        assert command("checkpoint").exit_code == 0

        def states() -> Any:
            return sealer.ledger.read(witness_states)

        eventually(states, "the failure")
        (state,) = states()
        assert (state.name, state.number) == ("directory", None)
        assert "FileNotFoundError" in state.failure
    (tmp_path / "witness").mkdir()
    shown = command("verify")
    assert "witness directory: was given nothing yet; fails since" in shown.stdout
    with sealer.ledger.sealer() as cursor:
        assert Publisher([DirectoryWitness(sealer.kept)]).publish_due(cursor) == 1
    assert "witness directory: was given checkpoint 5" in command("verify").stdout


def test_failure_is_recorded_once_until_it_changes(sealer: Sealer) -> None:
    sealer.kept.rmdir()
    for _ in range(3):
        with sealer.ledger.sealer() as cursor:
            assert Publisher([DirectoryWitness(sealer.kept)]).publish_due(cursor) == 0
    rows = sealer.ledger.read(
        lambda cursor: cursor.execute("SELECT 1 FROM publications").fetchall()
    )
    assert len(rows) == 1


def test_witness_is_given_a_checkpoint_when_it_is_due(sealer: Sealer) -> None:
    hourly = Publisher([DirectoryWitness(sealer.kept, every=3600)])
    with sealer.ledger.sealer() as cursor:
        assert hourly.publish_due(cursor) == 1
    sealer.ledger.seal()
    with sealer.ledger.sealer() as cursor:
        assert hourly.publish_due(cursor) == 0
        assert Publisher([DirectoryWitness(sealer.kept, every=1e-9)]).publish_due(cursor) == 1
    assert sealer.files() == ["checkpoint-000000004.txt", "checkpoint-000000005.txt"]


@pytest.mark.parametrize(
    "record",
    [("1", "+ interval '1 day'"), ("999999999", "- interval '1 day'")],
    ids=["clock_set_back", "forged_with_the_sealers_login"],
)
def test_record_of_the_future_keeps_no_checkpoint_from_a_witness(
    sealer: Sealer, record: tuple[str, str]
) -> None:
    number, at = record
    sealer.ledger.tamper(
        f"INSERT INTO publications (witness, number, at) "
        f"VALUES ('directory', {number}, clock_timestamp() {at})"
    )
    with sealer.ledger.sealer() as cursor:
        Publisher([DirectoryWitness(sealer.kept, every=3600)]).publish_due(cursor)
    assert sealer.files() == ["checkpoint-000000004.txt"]


def test_mailbox_is_a_witness(sealer: Sealer, command: Command, tmp_path: Path) -> None:
    class Mailbox:
        def __init__(self) -> None:
            self.letters: list[bytes] = []

        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            self.letters.append(envelope.content)
            return "250 OK"

    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        url = f"smtp://127.0.0.1:{controller.port}"
        witness = MailWitness("auditor@example.org", url, "Saldo <no-reply@saldo.invalid>")
        with sealer.ledger.sealer() as cursor:
            assert Publisher([witness]).publish_due(cursor) == 1
    finally:
        controller.stop()
    letter = message_from_bytes(mailbox.letters[0], policy=policy.default)
    text = letter.get_content()
    saved = tmp_path / "letter.txt"
    saved.write_text(text, encoding="utf-8")
    assert found(command("verify", "--json", "--witness", saved)) == set()
    sealer.ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 250")
    sealer.ledger.reseal()
    assert "fork" in found(command("verify", "--json", "--witness", saved))


def test_log_rewritten_with_the_sealers_own_key_is_found_by_the_witness(
    sealer: Sealer, command: Command
) -> None:
    sealer.ledger.seal()
    with sealer.ledger.sealer() as cursor:
        Publisher([DirectoryWitness(sealer.kept)]).publish_due(cursor)
    assert found(command("verify", "--json")) == set()
    sealer.ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 250")
    sealer.ledger.reseal()
    elsewhere = sealer.folder / "empty"
    elsewhere.mkdir()
    assert found(command("verify", "--json", "--witness", elsewhere)) == set(), "forged to fit"
    assert {"fork", "outside"} <= found(command("verify", "--json"))


def test_log_that_lost_its_tail_is_found_by_the_witness(sealer: Sealer, command: Command) -> None:
    with sealer.ledger.sealer() as cursor:
        Publisher([DirectoryWitness(sealer.kept)]).publish_due(cursor)
    sealer.ledger.tamper(
        "DELETE FROM events WHERE notification_id > 512",
        "DELETE FROM checkpoints WHERE size > 512",
        "DELETE FROM tiles WHERE level = 0 AND start >= 512",
    )
    assert "truncated" in found(command("verify", "--json"))


def test_files_that_are_gone_or_no_checkpoints_are_found(sealer: Sealer, command: Command) -> None:
    sealer.keep_three()
    assert found(command("verify", "--json")) == set()
    copy = sealer.folder / "copy"
    copy.mkdir()
    for name in sealer.files()[:2]:
        (copy / name).write_bytes((sealer.kept / name).read_bytes())
    assert found(command("verify", "--json", "--witness", copy)) == set(), "an older copy"
    (sealer.kept / "checkpoint-000000005.txt").unlink()
    assert found(command("verify", "--json")) == {"witness_missing"}
    (copy / "noise.txt").write_text("noise", encoding="utf-8")
    strange = Signer(KEYS.origin, bytes(32)).sign(Checkpoint(KEYS.origin, 7, bytes(32)).text())
    (copy / "strange.txt").write_text(strange, encoding="utf-8")
    assert found(command("verify", "--json", "--witness", copy)) == {"outside"}


def test_letters_need_not_have_what_the_directory_was_given(
    sealer: Sealer, command: Command
) -> None:
    sealer.keep_three()
    letters = sealer.folder / "letters.txt"
    first, _, last = [(sealer.kept / name).read_text(encoding="utf-8") for name in sealer.files()]
    letters.write_text(f"{first}\n{last}", encoding="utf-8")
    assert found(command("verify", "--json", "--witness", letters)) == set(), "a letter a day"
    (sealer.kept / "checkpoint-000000005.txt").unlink()
    both = ("--witness", letters, "--witness", sealer.kept)
    assert found(command("verify", "--json", *both)) == {"witness_missing"}


def test_notes_are_read_from_standard_input(sealer: Sealer, command: Command) -> None:
    notes = "".join(
        row["note"] + "\n"
        for row in sealer.ledger.read(
            lambda cursor: cursor.execute("SELECT note FROM checkpoints ORDER BY size").fetchall()
        )
    )
    arguments = ["verify", "--json", "--witness", "-"]
    result = CliRunner().invoke(app, arguments, input=notes)
    assert (result.exit_code, json.loads(result.stdout)["outside"]) == (0, 4)


def test_key_is_changed_while_the_sealer_works(sealer: Sealer, command: Command) -> None:
    with sealer.running():
        for _ in range(3):
            sealer.ledger.write(5)
            assert command("checkpoint").exit_code == 0
            sealer.rotate()
        sealer.ledger.write(5)
        assert command("checkpoint").exit_code == 0
    trusted = verifier_keys(sealer.environ)
    assert [key.until for key in trusted] == [None, 615, 610, 605]
    assert found(command("verify", "--json")) == set()
    assert seal_keys(sealer.environ).signer.verifier == trusted[0]


def test_operator_beside_the_sealer_changes_its_key(
    sealer: Sealer, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALDO_LEDGER_SEAL_KEY", str(sealer.key))
    url = sealer.ledger.database.settings.database_url_of(SEALER)
    monkeypatch.setenv("SALDO_DATABASE_URL_SEALER", url)
    rotate = ["keys", "rotate", "seal", "--reason", "yearly"]
    assert CliRunner().invoke(saldo, [*rotate, "--dry-run"]).exit_code == 0
    assert [key.until for key in verifier_keys(sealer.environ)] == [None]
    result = CliRunner().invoke(saldo, rotate)
    assert result.exit_code == 0, result.output
    now, old = verifier_keys(sealer.environ)
    assert (f"signs now: {now}" in result.output, old.until) == (True, 590)
    sealer.rotate()
    kept = (sealer.folder / "verifiers").read_text(encoding="utf-8").splitlines()
    assert kept[0].endswith(": yearly"), "comments outlive the next change"
    now, _ = verifier_keys(sealer.environ)
    assert command("key").stdout == f"{now}\n"
    with sealer.running():
        assert command("checkpoint").exit_code == 0
    assert found(command("verify", "--json")) == set()


def test_first_keys_of_a_sealer_are_written_by_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = ["keys", "new-seal", str(tmp_path / "a"), str(tmp_path / "b"), "--reason", "sealer"]
    assert CliRunner().invoke(saldo, [*new, "--derived"]).exit_code == 2, "without SALDO_SECRET"
    assert not (tmp_path / "a").exists()
    result = CliRunner().invoke(saldo, new)
    assert result.exit_code == 0, result.output
    environ = {
        "SALDO_LEDGER_SEAL_KEY": str(tmp_path / "a"),
        "SALDO_LEDGER_SEAL_VERIFIER_FILE": str(tmp_path / "b"),
    }
    assert str(seal_keys(environ).signer.verifier) == result.stdout.strip()
    assert CliRunner().invoke(saldo, new).exit_code == 2, "there is one already"
    monkeypatch.setenv("SALDO_SECRET", "ab" * 32)
    new[2:4] = [str(tmp_path / "c"), str(tmp_path / "d")]
    assert CliRunner().invoke(saldo, [*new, "--derived"]).exit_code == 0
    assert seal_keys({"SALDO_LEDGER_SEAL_KEY": str(tmp_path / "c")}).derived


def test_change_of_the_key_that_broke_off_stops_the_sealer_until_it_is_repeated(
    sealer: Sealer,
) -> None:
    before = sealer.key.read_bytes()
    sealer.rotate()
    after = sealer.key.read_bytes()
    sealer.key.write_bytes(before)  # the verifiers were written, the key was not
    (sealer.folder / "key.next").write_bytes(after)
    sealer.ledger.write(1)
    with pytest.raises(Exception, match="not the key that signs now"):
        seal_keys(sealer.environ)
    sealer.rotate()
    assert sealer.key.read_bytes() == after
    with sealer.ledger.sealer() as cursor:
        sealed = seal_log(cursor, seal_keys(sealer.environ))
    assert sealed is not None
    assert sealed.added == 11


def test_key_that_followed_from_the_master_secret_retires_at_the_first_start(
    sealer: Sealer, command: Command
) -> None:
    secret = b"\7" * 32
    sealer.key.unlink()
    (sealer.folder / "verifiers").unlink()
    derived = adopt(secret, sealer.key, sealer.folder / "verifiers")
    keys = seal_keys(sealer.environ)
    sealer.ledger.reseal(SealKeys(keys.signer, keys.trusted))
    with sealer.running():
        assert command("checkpoint").exit_code == 0
    now, old = verifier_keys(sealer.environ)
    assert (old.public, old.until) == (derived.public, 590)
    assert now.public != derived.public
    assert found(command("verify", "--json")) == set()


def test_two_sealers_leave_one_valid_seal(sealer: Sealer, command: Command) -> None:
    with sealer.running(), sealer.running():
        for _ in range(4):
            sealer.ledger.write(3)
            assert command("checkpoint").exit_code == 0
    assert found(command("verify", "--json")) == set()


def test_service_with_all_its_settings_cannot_seal(sealer: Sealer) -> None:
    # As before: the runtime role, and a signing key made up or stolen.
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        sealer.ledger.store.session() as session,
    ):
        seal_log(session.cursor, KEYS)
    note = sealer.ledger.read(last_checkpoint).note
    sealer.ledger.seal()
    assert sealer.ledger.read(last_checkpoint).note != note


def test_sealer_can_only_read_events_and_add_to_the_seal(sealer: Sealer) -> None:
    for statement in (
        "INSERT INTO events SELECT * FROM events",
        "UPDATE checkpoints SET note = ''",
        "DELETE FROM publications",
        "SELECT * FROM data_keys",
        "SELECT * FROM balances",
        "SELECT * FROM commands",
        "SELECT * FROM identity.persons",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), sealer.ledger.sealer() as cursor:
            cursor.execute(statement)


def test_changed_log_is_not_sealed(sealer: Sealer) -> None:
    sealer.ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 590")
    with pytest.raises(SealBrokenError), sealer.ledger.sealer() as cursor:
        seal_log(cursor, seal_keys(sealer.environ))
    report = sealer.ledger.read(lambda cursor: inspect_seal(cursor, KEYS.trusted))
    assert report.findings
