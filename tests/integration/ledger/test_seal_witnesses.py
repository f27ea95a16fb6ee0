"""The witnesses that keep what the sealer has signed, and what they find."""

from __future__ import annotations

import json
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from typer.testing import CliRunner

from services.ledger.cli import app
from services.ledger.seal.checkpoint import Checkpoint, Signer
from services.ledger.seal.publishing import Publisher, witness_states
from services.ledger.seal.witnesses import DirectoryWitness, MailWitness, WitnessError
from tests.integration.ledger.sealed_ledger import KEYS
from tests.integration.ledger.sealer_process import Command, Sealer, found
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = pytest.mark.nodes


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
    assert {"fork", "outside"} <= found(command("verify", "--json"))


def test_named_witness_that_keeps_nothing_proves_nothing(sealer: Sealer, command: Command) -> None:
    sealer.ledger.tamper("UPDATE events SET state = '{}' WHERE notification_id = 250")
    sealer.ledger.reseal()
    assert found(command("verify", "--json")) == set(), "forged to fit, and no witness is named"
    elsewhere = sealer.folder / "empty"
    elsewhere.mkdir()
    result = command("verify", "--json", "--witness", elsewhere)
    assert (result.exit_code, found(result)) == (1, {"nothing_kept"})


def test_log_that_lost_its_tail_is_found_by_the_witness(sealer: Sealer, command: Command) -> None:
    with sealer.ledger.sealer() as cursor:
        Publisher([DirectoryWitness(sealer.kept)]).publish_due(cursor)
    sealer.ledger.tamper(
        "DELETE FROM events WHERE notification_id > 512",
        "DELETE FROM checkpoints WHERE size > 512",
        "DELETE FROM tiles WHERE level = 0 AND start >= 512",
    )
    assert "truncated" in found(command("verify", "--json"))


def test_log_from_a_backup_is_compared_as_far_as_it_goes(sealer: Sealer, command: Command) -> None:
    """What its witness was given since would be lost with everything, and is no forgery."""
    given = sealer.ledger.read(
        lambda cursor: cursor.execute("SELECT size, note FROM checkpoints").fetchall()
    )
    kept = sealer.folder / "copy"
    kept.mkdir()
    for row in given:
        (kept / f"{row['size']}.txt").write_text(row["note"], encoding="utf-8")
    sizes = sorted(row["size"] for row in given)
    sealer.ledger.tamper(
        "DELETE FROM events WHERE notification_id > 512",
        "DELETE FROM checkpoints WHERE size > 512",
        "DELETE FROM tiles WHERE level = 0 AND start >= 512",
    )
    verify = ("verify", "--json", "--witness", kept)
    assert "truncated" in found(command(*verify)), (
        "whoever says nothing of a backup has lost events"
    )
    result = command(*verify, "--restored")
    assert found(result) == set()
    report = json.loads(result.stdout)
    assert report["outside"] == sum(size <= 512 for size in sizes) > 0
    assert report["lost"] == sizes[-1] - 512 > 0
    assert (
        f"{report['lost']} or more events" in command(*verify[:1], *verify[2:], "--restored").stdout
    )
    for size in sizes:
        if size <= 512:
            (kept / f"{size}.txt").unlink()
    assert found(command(*verify, "--restored")) == {"nothing_kept"}
    strange = Signer(KEYS.origin, bytes(32)).sign(Checkpoint(KEYS.origin, 700, bytes(32)).text())
    (kept / "strange.txt").write_text(strange, encoding="utf-8")
    assert found(command(*verify, "--restored")) == {"outside"}, (
        "nobody trusted knows of 700 events"
    )


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
