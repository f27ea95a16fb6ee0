"""A further book on one host: compose.books.yaml beside compose.yaml, and its secrets."""

from __future__ import annotations

import re
import subprocess
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.embedded.books import variables_of
from deploy.embedded.process_settings import SETTINGS
from deploy.secrets.__main__ import make_secrets
from deploy.secrets.places import COMPOSE
from services.ledger.seal.keys import environ_of, seal_keys
from shared.config import load_settings

FOLDER = Path(__file__).parents[3] / "deploy" / "compose"
HOST, LOG, BOOKS = "lk.example.org", "ledger_north", "north"
LIKE = {
    "ledger-north-serve": "ledger-serve",
    "ledger-north-work": "ledger-work",
    "sealer-north": "sealer",
}
"""The processes of the book, and those of the first one that they are like."""
KINDS = {"ledger-north-serve": "serve", "ledger-north-work": "work", "sealer-north": "seal_north"}
STAFF = {"administrator", "terminal"}


@cache
def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))["services"]
    return found


def further() -> dict[str, Any]:
    return read("compose.books.yaml")


def first() -> dict[str, Any]:
    return read("compose.yaml")


def test_book_has_a_server_a_worker_and_a_sealer_of_its_own() -> None:
    assert further().keys() == LIKE.keys() | STAFF
    for name, kind in (("ledger-north-serve", "serve"), ("ledger-north-work", "work")):
        assert further()[name]["command"] == ["python", "-m", "services", kind, LOG]
    assert further()["sealer-north"]["command"] == ["python", "-m", "services", "seal", LOG]


def test_processes_of_a_book_differ_from_those_of_the_first_in_its_name_alone() -> None:
    """Whatever confines them, what they wait for, how they are asked: the file repeats it."""
    for name, like in LIKE.items():
        own, other = deepcopy(further()[name]), deepcopy(first()[like])
        for one in (own, other):
            del one["command"], one["environment"]
            for volume in one["volumes"]:
                source = volume["source"].replace("/sealer-north", "/sealer")
                volume["source"] = source.replace("/ledger-north", "/ledger").replace("/north", "")
        assert own == other, name


def test_settings_of_a_book_are_those_of_the_first_and_its_own() -> None:
    for name, like in LIKE.items():
        own, other = further()[name]["environment"], first()[like]["environment"]
        needed = {*SETTINGS["serve"], *SETTINGS["seal"], *variables_of(KINDS[name], more_of(name))}
        needed |= {"SALDO_MONITORING_LISTEN", "SALDO_SECRETS_DIR"}
        assert {key for key in own if key.startswith("SALDO_")} <= needed, name
        shared = {key: value for key, value in own.items() if key in other}
        shared.pop("SALDO_LEDGER_BOOKS")  # here there must be one
        assert shared.items() <= other.items(), name
        assert other.keys() - own.keys() <= {
            "SALDO_LEDGER_SEAL_KEY", "SALDO_LEDGER_WITNESS_DIR",
        }, name  # fmt: skip
    for name, one in first().items():
        if "SALDO_SECRETS_DIR" in one.get("environment", {}):
            assert one["environment"]["SALDO_LEDGER_BOOKS"] == "${SALDO_LEDGER_BOOKS:-}", name


def more_of(name: str) -> dict[str, str]:
    return {**further()[name]["environment"], "SALDO_LEDGER_BOOKS": BOOKS}


def test_staff_get_the_verifiers_of_the_book_and_nothing_else() -> None:
    for name in STAFF:
        assert further()[name] == {
            "environment": {
                "SALDO_LEDGER_NORTH_SEAL_VERIFIER_FILE": "/run/saldo-ca/verifiers-north"
            }
        }


def test_documents_upgrade_each_book_with_its_kind_of_process(tmp_path: Path) -> None:
    """The loop for one host, with an engine that says what it is called for."""
    page = (FOLDER.parents[1] / "docs" / "production.md").read_text(encoding="utf-8")
    upgrades = page.partition("## Upgrades")[2].partition("\n## ")[0]
    block = upgrades.partition("On one host")[2].partition("```\n")[2].partition("```")[0]
    names = [name for name, one in {**first(), **further()}.items() if not one.get("profiles")]
    engine = tmp_path / "docker"
    engine.write_text(
        '#!/bin/sh\n[ "$*" = "compose config --services" ] && exec cat "$(dirname "$0")/services"\n'
        'echo "$@"\n'
    )
    engine.chmod(0o755)
    (tmp_path / "services").write_text("\n".join(names))
    done = subprocess.run(
        ["sh", "-ec", block],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    replaced = [line.rpartition(" --no-deps ")[2] for line in done.stdout.splitlines()]
    place = {name: replaced.index(name) for name in names if name.endswith(("-work", "-serve"))}
    place |= {name: replaced.index(name) for name in ("sealer", "sealer-north")}
    last_but_servers = max(at for name, at in place.items() if not name.endswith("-serve"))
    assert {"ledger-north-work", "ledger-north-serve"} < place.keys()
    assert last_but_servers < min(at for name, at in place.items() if name.endswith("-serve"))
    assert max(place.values()) < replaced.index("compose up --detach --wait")


def test_each_sees_the_secrets_of_its_own_folder_alone() -> None:
    for name in LIKE:
        sources = [volume["source"] for volume in further()[name]["volumes"]]
        holders = {
            found[1] for one in sources if (found := re.match(r"\$\{SECRETS:\?\}/(.+)", one))
        }
        own = "ledger-north" if name.startswith("ledger-") else name
        assert holders == {own, "public"}, name


def test_every_secret_of_a_book_is_made_and_its_holders_alone_have_it(tmp_path: Path) -> None:
    make_secrets(tmp_path, "compose", HOST)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    make_secrets(tmp_path, "compose", HOST, (LOG,))
    assert {path: path.read_bytes() for path in before} == before  # nobody's key has changed

    def settings_of(holder: str) -> Any:
        own = {"SALDO_LEDGER_BOOKS": BOOKS, "SALDO_SECRETS_DIR": str(tmp_path / holder)}
        return load_settings(own)

    book = settings_of("ledger-north")
    assert book.amqp_url_of(LOG).startswith(f"amqps://{LOG}:")
    assert f"saldo_{LOG}:" in book.database_url_of(LOG)
    assert f"@{COMPOSE.database}:5432/saldo?" in book.database_url_of(LOG)
    assert f"@{COMPOSE.keys_database}:" in book.keys_database_url_of(LOG)
    # The ring is that of all books.
    assert book.keys_of(LOG, "test").first == settings_of("ledger").keys_of("ledger", "test").first
    migrate, broker = settings_of("migrate"), settings_of("broker")
    assert migrate.database_url_of(LOG) == book.database_url_of(LOG)
    assert migrate.keys_database_url_of(LOG) == book.keys_database_url_of(LOG)
    assert broker.amqp_url_of(LOG) == book.amqp_url_of(LOG)
    assert settings_of("sealer-north").sealer_url_of(LOG) == settings_of("sealer").sealer_url_of(
        "ledger"
    )
    password = book.amqp_url_of(LOG).split(":")[2].partition("@")[0]
    holders = {
        p.parent.name for p in tmp_path.rglob("*") if p.is_file() and password in p.read_text()
    }
    assert holders == {"ledger-north", "broker"}


def test_book_gets_the_ring_again_when_that_of_the_ledger_has_a_new_key(tmp_path: Path) -> None:
    make_secrets(tmp_path, "compose", HOST, (LOG,))
    ring = tmp_path / "ledger" / "SALDO_SECRET_LEDGER"
    ring.write_text(ring.read_text() + ring.read_text().replace("1", "2"))
    make_secrets(tmp_path, "compose", HOST, (LOG,))
    assert (tmp_path / "ledger-north" / "SALDO_SECRET_LEDGER").read_text() == ring.read_text()


def test_seal_of_a_book_is_of_a_key_and_a_name_of_its_own(tmp_path: Path) -> None:
    make_secrets(tmp_path, "compose", HOST, (LOG,))
    own = further()["sealer-north"]["environment"]
    name = own["SALDO_LEDGER_SEAL_NAME"].replace("${SALDO_HOST:?}", HOST)
    keys = {
        log: seal_keys(
            environ_of(
                log,
                {
                    "SALDO_LEDGER_SEAL_NAME": name,
                    f"SALDO_{log.upper()}_SEAL_KEY": str(tmp_path / sealer / "seal.key"),
                    f"SALDO_{log.upper()}_SEAL_VERIFIER_FILE": str(tmp_path / "public" / verifiers),
                },
            )
        )
        for log, sealer, verifiers in (
            ("ledger", "sealer", "verifiers"),
            (LOG, "sealer-north", "verifiers-north"),
        )
    }
    assert (keys["ledger"].origin, keys[LOG].origin) == (f"{HOST}/ledger", f"{HOST}/ledger/north")
    assert (tmp_path / "sealer" / "seal.key").read_text() != (
        tmp_path / "sealer-north" / "seal.key"
    ).read_text()
    assert own["SALDO_LEDGER_NORTH_SEAL_VERIFIER_FILE"].endswith("/verifiers-north")
