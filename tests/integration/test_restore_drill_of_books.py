"""The restore drill of a server with several books: each is proved, and those elsewhere named."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from services.discovery import migrations_of, open_store
from services.ledger.seal.keys import environ_of, seal_keys
from services.ledger.seal.sealer import seal_log
from services.ledger.seal.witnesses import DirectoryWitness
from shared.config import SEALER, Settings, load_settings
from shared.database import connection_info
from shared.eventstore.migrations import migrate, migrate_keys
from tests.integration.bus_ends import open_one, pay
from tests.integration.drill_origin import Origin
from tests.integration.test_restore_drill import archive_all, drill

NORTH, IN_NORTH = "ledger_north", "7700000001"


class Split(Origin):
    """An installation whose second book is in another database of the same server."""

    @property
    def environ(self) -> dict[str, str]:
        north = self.data.server.url_of("north")
        return {
            **super().environ,
            "SALDO_LEDGER_BOOKS": "north",
            "SALDO_LOGIN_URL_LEDGER_NORTH": north,
            "SALDO_DATABASE_URL_LEDGER_NORTH": north.replace("saldo@", f"saldo_{NORTH}:x@"),
            "SALDO_DATABASE_URL_SEALER_NORTH": north.replace("saldo@", f"saldo_{SEALER}:x@"),
            "SALDO_KEYS_DATABASE_URL_LEDGER_NORTH": self.keys.server.url.replace(
                "saldo@", f"saldo_{NORTH}:x@"
            ),
            "SALDO_LEDGER_NORTH_SEAL_KEY": base64.b64encode(bytes([7] * 32)).decode(),
        }

    @property
    def of_north(self) -> Path:
        """The verifier keys of the second book."""
        return self.folder / "verifiers-north"

    @property
    def settings(self) -> Settings:
        return load_settings(self.environ)

    def create_north(self) -> None:
        with psycopg.connect(self.data.server.url, autocommit=True) as owner:
            owner.execute("CREATE DATABASE north")
        settings = self.settings
        migrate(
            settings.owner_url_of(NORTH), NORTH, settings.database_url_of(NORTH),
            migrations_of(NORTH), sealer_url=settings.sealer_url_of(NORTH),
        )  # fmt: skip
        migrate_keys(settings.keys_database_url, NORTH, settings.keys_database_url_of(NORTH))
        keys = seal_keys(environ_of(NORTH, self.environ))
        self.of_north.write_text(f"{keys.trusted[0]}\n", encoding="ascii")
        with closing(open_store(NORTH, settings)) as store:
            open_one(store, IN_NORTH)
            pay(store, 1, IN_NORTH)
        info = connection_info(settings.sealer_url_of(NORTH), NORTH, statement_timeout_ms=0)
        with psycopg.connect(info, row_factory=dict_row) as connection:
            sealed = seal_log(connection.cursor(), keys)
        assert sealed is not None
        witness = self.folder / "witness-north"
        witness.mkdir()
        DirectoryWitness(witness).publish(sealed)


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    """Both books with payments, a backup of them, and a payment into each that no backup has."""
    folder = tmp_path_factory.mktemp("split")
    made = Split.below(folder)
    try:
        made.create()
        made.pay(2)
        made.seal()
        made.create_north()
        for one in (made.data, made.keys):
            one.back_up()
            archive_all(one)
        kept = folder / "kept-data"
        shutil.copytree(made.data.backups, kept)  # what is archived from now on is not in it
        made.pay(1)
        with closing(open_store(NORTH, made.settings)) as store:
            pay(store, 1, IN_NORTH)
        yield made
    finally:
        made.stop()


def terminal_of(split: Split, **more: str) -> dict[str, str]:
    """Return what an operator has in his environment: URLs of all that runs, too."""
    running = split.environ
    return {
        "SALDO_LEDGER_BOOKS": "north",
        "SALDO_LOGIN_URL_LEDGER": running["SALDO_DATABASE_URL"],
        "SALDO_LOGIN_URL_LEDGER_NORTH": running["SALDO_LOGIN_URL_LEDGER_NORTH"],
        "SALDO_LEDGER_NORTH_SEAL_VERIFIER_FILE": str(split.of_north),
        "SALDO_LEDGER_WITNESS_DIR": str(split.witness),
        "SALDO_LEDGER_NORTH_WITNESS_DIR": str(split.folder / "witness-north"),
        **more,
    }


def backups(split: Split) -> tuple[object, ...]:
    return ("--data", split.folder / "kept-data", "--keys", split.keys.backups)


def test_each_book_of_the_backup_is_proved_and_not_what_runs(split: Split) -> None:
    environ = terminal_of(
        split,
        SALDO_LEDGER_BOOKS="north,south",
        SALDO_LOGIN_URL_LEDGER_SOUTH="postgresql://elsewhere.example/south",
    )
    code, report, _ = drill(split, *backups(split), **environ)
    assert (code, report["findings"]) == (0, [])
    assert report["audit"] == {"accounts": 1, "events": 3, "differences": 0, "trial_balance": 0}
    assert (report["seal"]["kept_elsewhere"], report["seal"]["lost"]) == (1, 0)
    assert list(report["books"]) == [NORTH]
    north = report["books"][NORTH]
    assert (north["audit"]["events"], north["audit"]["differences"]) == (2, 0)
    assert north["seal"]["sealed"] == 2
    assert (north["seal"]["kept_elsewhere"], north["seal"]["lost"]) == (1, 0)
    assert report["logs"][NORTH]["head"] == 2
    assert report["elsewhere"] == ["ledger_south"]


def test_a_book_that_no_setting_names_is_proved_too(split: Split) -> None:
    environ = terminal_of(split)
    del environ["SALDO_LEDGER_BOOKS"]
    code, report, _ = drill(split, *backups(split), **environ)
    assert (code, list(report["books"]), report["elsewhere"]) == (0, [NORTH], [])


def test_a_book_that_should_be_in_the_backup_is_missed(split: Split) -> None:
    environ = terminal_of(split, SALDO_LEDGER_BOOKS="north,south")
    code, report, _ = drill(split, *backups(split), **environ)
    assert code == 1
    assert report["findings"][0] == "no log of ledger_south is in the backup"
    assert report["elsewhere"] == []


def test_a_forged_log_of_a_book_is_found_under_its_name(split: Split, tmp_path: Path) -> None:
    note = next((split.folder / "witness-north").iterdir())
    lines = note.read_text().splitlines()
    lines[2] = next(split.witness.iterdir()).read_text().splitlines()[2]  # the root of another log
    (tmp_path / note.name).write_text("\n".join(lines) + "\n")
    environ = terminal_of(split, SALDO_LEDGER_NORTH_WITNESS_DIR=str(tmp_path))
    code, report, _ = drill(split, *backups(split), **environ)
    assert code == 1
    assert report["findings"]
    assert all(text.startswith(f"{NORTH}: seal:") for text in report["findings"])


def test_the_folder_of_a_witness_has_one_for_each_further_book(
    split: Split, tmp_path: Path
) -> None:
    """As the shipped files have it; `--witness` takes the place of what the settings name."""
    witness = tmp_path / "witness"
    shutil.copytree(split.witness, witness)
    shutil.copytree(split.folder / "witness-north", witness / "north")
    options = (*backups(split), "--witness", witness)
    code, report, _ = drill(split, *options, **terminal_of(split))
    assert (code, report["findings"]) == (0, [])
    proved = [report["seal"], report["books"][NORTH]["seal"]]
    assert [one["kept_elsewhere"] for one in proved] == [1, 1]


@pytest.mark.parametrize("named", ["by_option", "by_settings"])
def test_a_book_that_no_named_witness_keeps_is_not_proved(split: Split, named: str) -> None:
    option = ("--witness", split.witness) if named == "by_option" else ()
    environ = terminal_of(split)
    if named == "by_settings":
        del environ["SALDO_LEDGER_NORTH_WITNESS_DIR"]
    code, report, _ = drill(split, *backups(split), *option, **environ)
    assert code == 1
    finding = f"{NORTH}: seal: no witness that was named keeps a checkpoint of it"
    assert report["findings"] == [finding]
    assert report["seal"]["kept_elsewhere"] == 1


def test_a_drill_without_any_witness_says_so_and_proves_the_rest(split: Split) -> None:
    environ = terminal_of(split, SALDO_LEDGER_WITNESS_DIR="", SALDO_LEDGER_NORTH_WITNESS_DIR="")
    code, report, _ = drill(split, *backups(split), **environ)
    assert (code, report["findings"]) == (0, [])
    assert report["books"][NORTH]["seal"]["kept_elsewhere"] == 0


def test_the_drill_names_the_verifier_that_it_lacks(split: Split) -> None:
    environ = terminal_of(split)
    del environ["SALDO_LEDGER_NORTH_SEAL_VERIFIER_FILE"]
    code, _, refusal = drill(split, *backups(split), **environ)
    assert code == 2
    assert "SALDO_LEDGER_NORTH_SEAL_VERIFIER_FILE" in refusal


def test_the_server_of_a_book_alone_is_proved(split: Split, tmp_path: Path) -> None:
    """A dump of the database of the second book, as its own server would have it."""
    folder = tmp_path / "data"
    folder.mkdir()
    server = split.data.server
    server.dump(folder / "database.dump", "-d", server.url_of("north"))
    code, report, _ = drill(
        split, "--data", folder, "--without-keys", **terminal_of(split, SALDO_LEDGER_WITNESS_DIR="")
    )
    assert (code, report["findings"]) == (0, [])
    assert (report["audit"], list(report["books"])) == ({}, [NORTH])
    assert "ledger" in report["elsewhere"]
