"""All doubles in one process, as `make up` runs them."""

from __future__ import annotations

import smtplib
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from deploy.embedded.surroundings import PLAIN_ENVIRONMENT, REPOSITORY
from tests.ports import free_port
from tests.waiting import eventually

TIMEOUT_S = 30.0
NAMES = ("acquirer", "yookassa", "ofd", "mailcatcher")


@dataclass
class Together:
    """Where the doubles of one process are to be found, and how they are started."""

    folder: Path
    acquirer: str
    yookassa: str
    ofd: str
    smtp: tuple[str, int]
    mailbox: str

    def started(self, *names: str, **more: str) -> subprocess.Popen[str]:
        environ = {
            "SALDO_STATE_DIR": str(self.folder),
            "SALDO_ACQUIRER_URL": self.acquirer,
            "SALDO_ACQUIRER_PASSWORD": "one",
            "SALDO_ACQUIRER_SECRET": "two",
            "SALDO_ACQUIRER_KASSA_URL": self.yookassa,
            "SALDO_ACQUIRER_KASSA_PASSWORD": "three",
            "SALDO_FISCAL_URL": self.ofd,
            "SALDO_FISCAL_USER": "saldo",
            "SALDO_FISCAL_PASSWORD": "four",
            "SALDO_FISCAL_GROUP": "group",
            "SALDO_FISCAL_INN": "7707083893",
            "SALDO_MAIL_DIR": str(self.folder / "mail"),
            "SALDO_SMTP_URL": f"smtp://{self.smtp[0]}:{self.smtp[1]}",
            "SALDO_MAILBOX_URL": self.mailbox,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.doubles", *names],
            cwd=REPOSITORY,
            env=PLAIN_ENVIRONMENT | environ | more,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def can_be_reached(self) -> bool:
        """Return whether the one that listens last does."""
        try:
            socket.create_connection(self.smtp, timeout=1).close()
        except OSError:
            return False
        return True


@pytest.fixture
def together(tmp_path: Path) -> Together:
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(4)]
    return Together(tmp_path, *urls[:3], ("127.0.0.1", free_port()), urls[3])


def test_each_can_be_reached_once_the_last_can(together: Together) -> None:
    with together.started(*NAMES) as process:
        try:
            eventually(together.can_be_reached, "the mail catcher listens", TIMEOUT_S)
            for url in (together.acquirer, together.yookassa, together.ofd):
                assert requests.get(f"{url}/healthz", timeout=TIMEOUT_S).json() == {"status": "ok"}
            with smtplib.SMTP(*together.smtp, timeout=TIMEOUT_S) as mail:
                mail.sendmail("a@saldo.invalid", "b@saldo.invalid", "Subject: paid\n\n")
            found = requests.get(
                f"{together.mailbox}/letters?to=b@saldo.invalid", timeout=TIMEOUT_S
            )
            assert found.status_code == 200
            assert "paid" in requests.get(together.mailbox, timeout=TIMEOUT_S).text
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, errors) == (0, "")
    kept = {path.name for path in together.folder.iterdir()}
    assert kept >= {"acquirer", "yookassa", "ofd", "mail"}


def test_faults_of_one_leave_the_others_alone(together: Together) -> None:
    with together.started(*NAMES) as process:
        try:
            eventually(together.can_be_reached, "the mail catcher listens", TIMEOUT_S)
            changed = requests.put(
                f"{together.mailbox}/admin/faults", json={"down": True}, timeout=TIMEOUT_S
            )
            assert changed.ok
            assert not together.can_be_reached()
            for url in (together.acquirer, together.yookassa, together.ofd):
                assert requests.get(f"{url}/healthz", timeout=TIMEOUT_S).ok
        finally:
            process.terminate()
            process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0


@pytest.mark.parametrize("taken", ["smtp", "ofd"])
def test_all_end_where_one_cannot_serve(together: Together, taken: str) -> None:
    """The supervisor starts them anew, whole."""
    address = together.smtp if taken == "smtp" else ("127.0.0.1", int(together.ofd.split(":")[2]))
    with socket.create_server(address), together.started(*NAMES) as process:
        _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert "ddress already in use" in errors


def test_a_setting_that_is_missing_is_named(together: Together) -> None:
    with together.started(*NAMES, SALDO_FISCAL_PASSWORD="") as process:
        _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 2
    assert errors == "Set SALDO_FISCAL_PASSWORD to the value that the payments service has.\n"


@pytest.mark.parametrize("names", [[], ["bank"], ["ofd", "ofd"]], ids=["none", "other", "twice"])
def test_names_of_no_double_are_refused(together: Together, names: list[str]) -> None:
    with together.started(*names) as process:
        _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 2
    assert errors.startswith("usage: python -m deploy.doubles")
