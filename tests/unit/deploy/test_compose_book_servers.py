"""A book on a server of its own, on one host and beside it: who reaches it, and its secrets."""

from __future__ import annotations

import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from typer.testing import CliRunner, Result

from deploy.secrets.__main__ import app
from deploy.secrets.holders import NEXT
from deploy.secrets.writing import USERS, user_of
from shared.config import load_settings

FOLDER = Path(__file__).parents[3] / "deploy" / "compose"
HOST, SERVER, LOG = "lk.example.org", "db-north.example.org", "ledger_north"
SIGN_IN = {
    "ledger-north-serve", "ledger-north-work", "sealer-north", "migrate", "administrator",
    "terminal",
}  # fmt: skip
"""Who signs in to the database of the book."""
BOOKS, NEW = ("--books", "north"), ("--new-server", f"north={SERVER}")
OWN = ("--own-server", f"north={SERVER}")


@cache
def project(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return found


def make(folder: Path, *options: str, kind: str = "compose") -> Result:
    words = [str(folder), "--for", kind, "--host", HOST, *options]
    return CliRunner().invoke(app, words)


def content_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def host_of(url: str) -> str:
    return url.rpartition("@")[2].partition(":")[0]


def test_who_signs_in_to_the_book_reaches_its_server_and_nobody_else_does() -> None:
    elsewhere = project("compose.elsewhere.yaml")
    assert elsewhere["services"] == {
        name: {"networks": ["inside", "elsewhere"]} for name in SIGN_IN
    }
    assert not (elsewhere["networks"]["elsewhere"] or {}).get("internal")
    there = {**project("compose.yaml")["services"], **project("compose.books.yaml")["services"]}
    assert there.keys() >= SIGN_IN


def test_its_server_is_like_that_of_the_data() -> None:
    """What confines it, its settings and its archive: the file repeats it."""
    own, first = project("compose.server.yaml")["services"], project("compose.yaml")["services"]
    assert own.keys() == {"postgres-north", "backup-north", "restore-north"}
    for name, like in (
        ("postgres-north", "postgres"),
        ("backup-north", "backup-data"),
        ("restore-north", "restore-data"),
    ):
        one, other = deepcopy(own[name]), deepcopy(first[like])
        for each in (one, other):
            each.pop("networks", None)
            each.pop("ports", None)
            for volume in each["volumes"]:
                source = volume["source"].replace("/postgres-north", "/postgres")
                volume["source"] = source.replace("}/north", "}/data")
        if "command" in one and name.startswith("backup"):
            one["command"][1] = one["command"][1].replace("${DATABASE_HOST:?}", "postgres")
        assert one == other, name


def test_its_server_listens_for_the_first_host_under_the_name_of_its_certificate() -> None:
    own = project("compose.server.yaml")["services"]
    assert own["postgres-north"]["ports"] == ["${DATABASE_ADDRESS:?}:5432:5432"]
    [network] = own["postgres-north"]["networks"].values()
    assert network["aliases"] == ["${DATABASE_HOST:?}"]
    assert "@${DATABASE_HOST:?}/?sslmode=verify-full" in own["backup-north"]["command"][1]
    assert not any("ports" in one for name, one in own.items() if name != "postgres-north")


def test_server_and_mover_get_their_secrets_and_nobody_else_is_changed(tmp_path: Path) -> None:
    assert make(tmp_path, *BOOKS).exit_code == 0
    before = content_of(tmp_path)
    assert make(tmp_path, *BOOKS, *NEW).exit_code == 0
    made = content_of(tmp_path)
    assert {name: made[name] for name in before} == before
    assert made.keys() - before.keys() == {
        *(f"administrator/{name}" for name in NEXT),
        *(f"postgres-north/{name}" for name in (
            "username", "password", "superuser", "backup", "pgpass", "tls.crt", "tls.key",
        )),
    }  # fmt: skip
    for name in NEXT:
        assert host_of(made[f"administrator/{name}"]) == SERVER
    certificate = x509.load_pem_x509_certificate(made["postgres-north/tls.crt"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [SERVER]
    # No password of one server is one of another.
    assert made["postgres-north/password"] != made["postgres/password"]
    assert user_of("postgres-north") == USERS["postgres"]


def test_everybody_who_signs_in_is_led_there_when_the_book_has_moved(tmp_path: Path) -> None:
    make(tmp_path, *BOOKS, *NEW)
    moving = content_of(tmp_path)
    assert make(tmp_path, *BOOKS, *OWN).exit_code == 0
    made = content_of(tmp_path)
    login, runtime, sealer = (moving[f"administrator/{name}"] for name in NEXT)
    north, of_sealer = "SALDO_DATABASE_URL_LEDGER_NORTH", "SALDO_DATABASE_URL_SEALER_NORTH"
    assert {name: text for name, text in made.items() if moving.get(name) != text} == {
        f"ledger-north/{north}": runtime,
        f"sealer-north/{of_sealer}": sealer,
        f"migrate/{north}": runtime,
        f"migrate/{of_sealer}": sealer,
        "migrate/SALDO_LOGIN_URL_LEDGER_NORTH": login,
        "administrator/SALDO_LOGIN_URL_LEDGER_NORTH": login,
    }
    # The move is over.
    assert moving.keys() - made.keys() == {f"administrator/{name}" for name in NEXT}
    for holder in ("migrate", "administrator"):
        own = {"SALDO_LEDGER_BOOKS": "north", "SALDO_SECRETS_DIR": str(tmp_path / holder)}
        settings = load_settings(own)
        assert host_of(settings.owner_url_of(LOG)) == SERVER
        assert host_of(settings.owner_url_of("ledger")) == "postgres"
    assert make(tmp_path, *BOOKS, *OWN).exit_code == 0
    assert content_of(tmp_path) == made


def test_book_that_has_moved_gets_a_new_key_of_the_ring_and_keeps_its_server(
    tmp_path: Path,
) -> None:
    make(tmp_path, *BOOKS, *NEW)
    make(tmp_path, *BOOKS, *OWN)
    before = content_of(tmp_path)
    ring = tmp_path / "ledger" / "SALDO_SECRET_LEDGER"
    ring.write_text(ring.read_text() + ring.read_text().replace("1", "2"))
    refused = make(tmp_path, *BOOKS)
    assert refused.exit_code == 2
    assert "north has moved to a server of its own: name it by --own-server" in refused.stderr
    own = "ledger-north/SALDO_SECRET_LEDGER"
    assert content_of(tmp_path)[own] == before[own]
    assert make(tmp_path, *BOOKS, *OWN).exit_code == 0
    after = content_of(tmp_path)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {own, "ledger/SALDO_SECRET_LEDGER"}
    assert after[own] == ring.read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((*BOOKS, "--new-server", "south=db.example.org"), "--books does not name south"),
        ((*BOOKS, "--own-server", "north"), "name the host of its server"),
        ((*BOOKS, *NEW, *OWN), "a book is named twice"),
    ],
)
def test_server_that_cannot_be_one_is_refused(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    refused = make(tmp_path / "secrets", *options)
    assert refused.exit_code == 2
    words = " ".join(re.sub(r"[│╭╮╰╯─]", " ", refused.stderr).split())
    assert said in words
    assert not (tmp_path / "secrets").exists()
