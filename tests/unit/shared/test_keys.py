"""Key rings: the first key seals, all open, and a file is read again when it changes."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag

from gateway.cabinet.sealing import Sealer
from shared import keys as key_rings
from shared.clock import SystemClock
from shared.config import ConfigurationError, Settings, load_settings
from shared.key_files import add_key, create_ring, drop_key
from shared.keys import (
    MASTER,
    GivenKeys,
    Key,
    KeyFile,
    KeyRing,
    KeyRingError,
    UnknownKeyError,
    parse_ring,
)
from shared.privacy import (
    open_under,
    seal_under,
    seal_with,
    sealing_id,
    unwrap,
    wrap,
    wrapping_id,
)

CLOCK = SystemClock()
SUBJECT = UUID(int=7).bytes
OLD, NEW = Key("2025", bytes(32)), Key("2026-11-28", bytes([1]) * 32)


def ring_of(*keys: Key) -> KeyRing:
    return KeyRing("saldo/ledger/test", [GivenKeys(keys)])


def test_first_key_seals_and_every_key_opens() -> None:
    before = seal_under(ring_of(OLD), "Анна", SUBJECT, "name")
    ring = ring_of(NEW, OLD)
    after = seal_under(ring, "Анна", SUBJECT, "name")
    assert (sealing_id(before), sealing_id(after)) == (OLD.id, NEW.id)
    for sealed in (before, after):
        assert open_under(ring, sealed, SUBJECT, "name") == "Анна"
    with pytest.raises(UnknownKeyError):
        open_under(ring_of(NEW), before, SUBJECT, "name")
    for subject, field in ((UUID(int=8).bytes, "name"), (SUBJECT, "email")):
        with pytest.raises(InvalidTag):
            open_under(ring, after, subject, field)


def test_what_was_sealed_before_there_were_versions_still_opens() -> None:
    ring = ring_of(OLD)
    text = f"{OLD.id}:{seal_with(ring.first.secret, 'Анна', SUBJECT)}"
    assert sealing_id(text) == OLD.id
    assert open_under(ring_of(NEW, OLD), text, SUBJECT, "name") == "Анна"


def test_what_was_sealed_before_keys_had_ids_is_tried_under_each() -> None:
    ring = ring_of(NEW, OLD)
    secret = bytes(range(32))
    text = seal_with(ring_of(OLD).first.secret, "Анна", SUBJECT)
    wrapped = wrap(ring_of(OLD).first, secret, SUBJECT)
    bare = wrapped[len(OLD.id) + 1 :]
    assert (wrapping_id(wrapped), wrapping_id(bare)) == (OLD.id, "")
    assert open_under(ring, text, SUBJECT, "name") == "Анна"
    assert unwrap(ring, bare, SUBJECT) == unwrap(ring, wrapped, SUBJECT) == secret
    with pytest.raises(InvalidTag):
        unwrap(ring_of(NEW), bare, SUBJECT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00" * 32,
        "a:" + "00" * 31,
        "a:" + "0g" * 32,
        f"a:{'00' * 32},a:{'11' * 32}",
        f"A:{'00' * 32}",
        f":{'00' * 32}",
    ],
)
def test_ring_that_cannot_be_used_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(KeyRingError) as refused:
        parse_ring(text)
    assert "0000" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="SALDO_SECRET_LEDGER"):
        load_settings({"SALDO_SECRET_LEDGER": text or " "})


def test_master_secret_opens_what_it_sealed_and_a_ring_comes_first(tmp_path: Path) -> None:
    before = load_settings({"SALDO_SECRET": "ab" * 32})
    sealed = seal_under(before.keys_of("ledger", "data-keys"), "x", SUBJECT, "name")
    assert sealing_id(sealed) == MASTER
    file = tmp_path / "ledger.keys"
    made = create_ring(file)
    after = load_settings(
        {"SALDO_SECRET": "ab" * 32, "SALDO_SECRET_LEDGER_FILE": str(file)}
    ).keys_of("ledger", "data-keys")
    assert [key.id for key in after] == [made[0].id, MASTER]
    assert open_under(after, sealed, SUBJECT, "name") == "x"


def test_owners_have_different_keys_and_nobody_has_those_of_another() -> None:
    settings = load_settings({"SALDO_SECRET_LEDGER": f"a:{'00' * 32}"})
    assert settings.keys_of("ledger", "data-keys").first.secret != (
        settings.keys_of("ledger", "other").first.secret
    )
    with pytest.raises(ConfigurationError, match="SALDO_SECRET_IDENTITY"):
        list(settings.keys_of("identity", "data-keys"))


def test_key_is_added_and_dropped_while_the_file_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rings, "CHECK_SECONDS", 3600.0)
    file = tmp_path / "ledger.keys"
    [first] = create_ring(file)
    assert file.stat().st_mode & 0o777 == 0o600
    reader = KeyRing("x", [KeyFile(file)])
    assert reader.first.id == first.id
    second = add_key(file, "2026-11-28 staff:ivanova: yearly «смена»")
    assert second.id != first.id
    assert reader.first.id == first.id, "it looks once an hour"
    assert reader.find(second.id).id == second.id, "an unknown key makes it look at once"
    assert reader.first.id == second.id
    with pytest.raises(ValueError, match="rotate first"):
        drop_key(file, second.id, "")
    with pytest.raises(ValueError, match="has no key"):
        drop_key(file, "2020", "")
    drop_key(file, first.id, "done")
    assert reader.look()
    assert [key.id for key in reader] == [second.id]
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UnknownKeyError):
        reader.find(first.id)


def test_id_of_a_dropped_key_is_not_used_again_and_reasons_stay(tmp_path: Path) -> None:
    file = tmp_path / "ledger.keys"
    [first] = create_ring(file)
    add_key(file, "somebody left")
    drop_key(file, first.id, "all is sealed anew")
    assert add_key(file, "yearly").id != first.id, "a restored copy may have both"
    text = file.read_text(encoding="ascii")
    for reason in ("somebody left", "all is sealed anew", "yearly"):
        assert f"# {reason}\n" in text


def test_file_that_becomes_unreadable_leaves_the_keys_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(key_rings, "CHECK_SECONDS", 0.0)
    file = tmp_path / "ledger.keys"
    [key] = create_ring(file)
    ring = KeyRing("x", [KeyFile(file)])
    for text in ("nonsense", None):
        caplog.clear()
        if text is None:
            file.unlink()
        else:
            file.write_text(text, encoding="ascii")
        with caplog.at_level(logging.WARNING):
            assert ring.first.id == key.id
        assert "key_ring_unreadable" in caplog.text
        assert str(file) in caplog.text


def test_comment_of_an_editor_in_another_encoding_costs_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rings, "CHECK_SECONDS", 0.0)
    file = tmp_path / "ledger.keys"
    [key] = create_ring(file)
    ring = KeyRing("x", [KeyFile(file)])
    comment = "# смена".encode("cp1251")
    file.write_bytes(comment + b"\n" + file.read_bytes())
    assert ring.first.id == KeyFile(file).current()[0].id == key.id
    added = add_key(file, "yearly")
    assert ring.first.id == added.id
    drop_key(file, key.id, "done")
    assert comment in file.read_bytes()


def test_change_of_the_keys_outlives_a_loss_of_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database keeps what was sealed, so the folder has to keep the key."""
    file = tmp_path / "ledger.keys"
    entries: list[str] = []

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            entries.append(KeyFile(file).current()[0].id)

    monkeypatch.setattr(os, "fsync", fsync)
    [first] = create_ring(file)
    second = add_key(file, "yearly")
    drop_key(file, first.id, "done")
    assert entries == [first.id, second.id, second.id]


def test_forms_that_are_open_outlive_a_rotation() -> None:
    def settings(*keys: Key) -> Settings:
        return Settings(key_rings={"gateway": GivenKeys(keys)})

    before, after = Sealer(settings(OLD), CLOCK), Sealer(settings(NEW, OLD), CLOCK)
    for one, other in ((before, after), (after, before)):
        token, mark = one.csrf_token("visitor"), one.person_mark("p")
        kept = one.seal("kept", {"a": 1})
        known = one is before
        assert other.is_csrf_token("visitor", token) is known
        assert other.is_person_mark("p", mark) is known
        assert (other.unseal("kept", kept, seconds=60) == {"a": 1}) is known
    assert not after.is_csrf_token("another", before.csrf_token("visitor"))


def test_process_that_has_not_seen_a_new_key_takes_it_for_a_form_under_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rings, "CHECK_SECONDS", 3600.0)
    file = tmp_path / "gateway.keys"
    create_ring(file)
    late = Sealer(Settings(key_rings={"gateway": KeyFile(file)}), CLOCK)
    late.csrf_token("visitor")
    add_key(file, "")
    early = Sealer(Settings(key_rings={"gateway": KeyFile(file)}), CLOCK)
    assert late.is_csrf_token("visitor", early.csrf_token("visitor"))
    assert late.unseal("kept", early.seal("kept", 1), seconds=60) == 1
