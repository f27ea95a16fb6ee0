"""The installer creates its own environment and touches no other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.embedded import install

ROOT = Path(__file__).resolve().parents[3]


def test_linked_environment_is_refused_and_left_untouched(tmp_path: Path) -> None:
    checkout, shared = tmp_path / "checkout", tmp_path / "shared"
    (checkout / "deploy/embedded").mkdir(parents=True)
    for name in ("deploy/embedded/install.py", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, checkout / name)
    shared.mkdir()
    (shared / "precious").write_text("somebody works with it", encoding="utf-8")
    (checkout / ".venv").symlink_to(shared)
    # Without an index no package can be installed: the refusal must come first.
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, checkout / "deploy/embedded/install.py", "--venv-only"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "is a link to" in run.stderr
    assert (shared / "precious").exists()


def test_chromium_is_installed_for_the_tests_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []
    monkeypatch.setattr(install, "ensure_venv", lambda: None)
    monkeypatch.setattr(install, "ensure_rabbitmq", lambda: None)
    monkeypatch.setattr(install, "find_browser", lambda: None)
    monkeypatch.setattr(install, "install_with_root", lambda package, _: installed.append(package))
    assert install.main([]) == 0
    assert installed == []
    assert install.main(["--with-browser"]) == 0
    assert installed[0] == "chromium"


def test_a_missing_chromium_is_named_where_it_cannot_be_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "ensure_venv", lambda: None)
    monkeypatch.setattr(install, "ensure_rabbitmq", lambda: None)
    monkeypatch.setattr(install.shutil, "which", lambda _: None)
    assert install.main(["--with-browser"]) == 2
    assert "Chromium, for the tests in a browser, is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("package", "service"),
    [("rabbitmq-server", "rabbitmq-server"), ("etcd-server", "etcd"), ("haproxy", "haproxy")],
)
def test_service_of_a_package_is_refused_while_it_is_installed_and_no_other(
    package: str, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "POLICY", tmp_path / "policy-rc.d")

    def answer(name: str) -> int:
        return subprocess.run([install.POLICY, name, "start"], check=False).returncode

    with install.service_not_started(package):
        assert answer(service) == 101
        assert answer("ssh") == 0
    assert not install.POLICY.exists()
