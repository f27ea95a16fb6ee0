"""The secrets of a production installation: made once, apart for each holder."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from typer.testing import CliRunner

from deploy.secrets import certificates
from deploy.secrets.__main__ import IncompleteError, app, make_secrets
from deploy.secrets.certificates import make_authority, make_certificate
from deploy.secrets.writing import APPLICATION, USERS
from services.ledger.seal.keys import seal_keys
from shared.config import GATEWAY, SERVICES

HOST = "lk.example.org"


def content_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "secrets"
    make_secrets(made, "compose", HOST)
    return made


def test_second_call_changes_nothing(folder: Path) -> None:
    before = content_of(folder)
    make_secrets(folder, "compose", HOST)
    assert content_of(folder) == before


def test_without_the_root_of_the_passwords_nothing_is_made_anew(folder: Path) -> None:
    (folder / "operator").rename(folder.parent / "safe")
    before = content_of(folder)
    with pytest.raises(IncompleteError, match="operator/root"):
        make_secrets(folder, "compose", HOST)
    assert content_of(folder) == before
    (folder.parent / "safe").rename(folder / "operator")
    make_secrets(folder, "compose", HOST)
    assert {name: text for name, text in content_of(folder).items() if name in before} == before


def test_without_the_key_of_the_authority_nothing_is_made_anew(folder: Path) -> None:
    (folder / "operator" / "ca.key").unlink()
    before = content_of(folder)
    with pytest.raises(IncompleteError, match=r"operator/ca\.key"):
        make_secrets(folder, "compose", HOST)
    assert content_of(folder) == before


def test_operator_is_told_what_to_bring_back(folder: Path) -> None:
    (folder / "operator").rename(folder.parent / "safe")
    done = CliRunner().invoke(app, [str(folder), "--for", "compose", "--host", HOST])
    assert done.exit_code == 2
    assert "bring" in done.stderr


def test_every_process_reads_what_is_public_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        make_secrets(tmp_path / "secrets", "compose", HOST)
    finally:
        os.umask(before)
    public = tmp_path / "secrets" / "public"
    assert public.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in public.iterdir()} == {0o644}


def test_two_installations_share_no_secret(folder: Path, tmp_path: Path) -> None:
    make_secrets(tmp_path / "other", "compose", HOST)
    one, other = content_of(folder), content_of(tmp_path / "other")
    same = {name for name in one if one[name] == other[name]}
    assert same == {"rabbitmq/username", "postgres/username", "postgres-keys/username",
                    "keda/tls", "keda/username"}  # fmt: skip


def test_a_password_stands_where_it_is_needed_and_nowhere_else(folder: Path) -> None:
    found = content_of(folder)
    password = found["ledger/SALDO_AMQP_URL_LEDGER"].split(":")[2].partition("@")[0]
    assert {name for name, text in found.items() if password in text} == {
        "ledger/SALDO_AMQP_URL_LEDGER",
        "broker/SALDO_AMQP_URL_LEDGER",
    }
    for owner in (*SERVICES, GATEWAY):
        ring = found[f"{owner}/SALDO_SECRET_{owner.upper()}"].strip()
        assert [name for name, text in found.items() if ring in text] == [
            f"{owner}/SALDO_SECRET_{owner.upper()}"
        ]
    owner_of_keys = found["postgres-keys/password"]
    assert owner_of_keys not in found["migrate/SALDO_DATABASE_URL"]


def test_files_are_their_holders_alone(folder: Path) -> None:
    for path in folder.rglob("*"):
        public = path.parent.name == "public" or path.name == "public"
        assert path.stat().st_mode & 0o077 == (0 if not public else path.stat().st_mode & 0o055)
        assert path.stat().st_mode & 0o022 == 0
        if os.geteuid() == 0 and path.is_file() and path.parent.name != "operator":
            user = 0 if public else USERS.get(path.parent.name, APPLICATION)
            assert path.stat().st_uid == user


def test_seal_is_named_for_the_host_and_its_key_is_the_sealers(folder: Path) -> None:
    keys = seal_keys(
        {
            "SALDO_LEDGER_SEAL_KEY": str(folder / "sealer" / "seal.key"),
            "SALDO_LEDGER_SEAL_NAME": f"{HOST}/ledger",
            "SALDO_LEDGER_SEAL_VERIFIER_FILE": str(folder / "public" / "verifiers"),
        }
    )
    assert keys.origin == f"{HOST}/ledger"


def test_certificate_that_ends_soon_is_made_anew_under_the_same_authority(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content_of(folder)
    monkeypatch.setattr(certificates, "RENEWED_DAYS", 1000)
    make_secrets(folder, "compose", HOST)
    after = content_of(folder)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {
        f"{node}/tls.{kind}"
        for node in ("rabbitmq", "postgres", "postgres-keys")
        for kind in ("crt", "key")
    }


def test_server_with_such_a_certificate_is_trusted_by_its_name_alone(tmp_path: Path) -> None:
    authority, key = make_authority("test")
    certificate, private = make_certificate("localhost", authority, key)
    (tmp_path / "server.pem").write_text(certificate + private)
    context = ssl.create_default_context(cadata=authority)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "server.pem")
    assert _handshake(context, server, "localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(context, server, "other.example.org")
    names = x509.load_pem_x509_certificate(certificate.encode()).extensions
    assert names.get_extension_for_class(x509.BasicConstraints).value.ca is False


def _handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> bool:
    """Shake hands in memory."""
    wires: list[Any] = [ssl.MemoryBIO() for _ in range(4)]
    ours = client.wrap_bio(wires[0], wires[1], server_hostname=name)
    theirs = server.wrap_bio(wires[2], wires[3], server_side=True)
    done = [False, False]
    for _ in range(10):
        for index, end in enumerate((ours, theirs)):
            if done[index]:
                continue
            try:
                end.do_handshake()
                done[index] = True
            except ssl.SSLWantReadError:
                pass
        wires[2].write(wires[1].read())
        wires[0].write(wires[3].read())
        if all(done):
            return True
    return False
