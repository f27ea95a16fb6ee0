"""The unprivileged user gets a capability only where it needs one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.embedded.system_user import SystemUser, SystemUserError

NOBODY = SystemUser(65534, 65534)


def test_current_user_is_kept_unless_root(tmp_path: Path) -> None:
    assert SystemUser(None, None).prefix([tmp_path]) == ()


def test_open_path_needs_no_capability() -> None:
    prefix = NOBODY.prefix([Path("/usr/bin/env")])
    assert not any("ambient" in word for word in prefix)
    assert "--bounding-set=-all" in prefix


def test_closed_folder_needs_a_capability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr("deploy.embedded.system_user._bounding_set", lambda: 0b110)
    assert "--ambient-caps=+dac_read_search" in NOBODY.prefix([closed])
    # A plain container: root may override permissions, but not merely read.
    monkeypatch.setattr("deploy.embedded.system_user._bounding_set", lambda: 0b010)
    assert "--ambient-caps=+dac_override" in NOBODY.prefix([closed])
    monkeypatch.setattr("deploy.embedded.system_user._bounding_set", lambda: 0)
    with pytest.raises(SystemUserError, match="move the checkout"):
        NOBODY.prefix([closed])


def test_owner_of_a_folder_may_enter_it(tmp_path: Path) -> None:
    if os.stat(tmp_path).st_uid != os.geteuid():
        pytest.skip("the folder is somebody else's")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert SystemUser(os.geteuid(), os.getegid())._reaches(closed)
