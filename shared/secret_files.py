"""Settings that are secrets, from the files of a folder that a vault or an orchestrator mounts.

``SALDO_SECRETS_DIR`` names the folder. A file ``SALDO_AMQP_URL_LEDGER`` in it holds the value of
that variable, so that no process has a secret in its environment. A variable that is set itself
counts before a file. The file of a key ring (``SALDO_SECRET_<OWNER>``) is given on as
``SALDO_SECRET_<OWNER>_FILE``, and so is read again when it changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

FOLDER = "SALDO_SECRETS_DIR"
MAX_BYTES = 64 * 1024
_NAME = re.compile(r"SALDO_[A-Z0-9_]+")
_RING = re.compile(r"SALDO_SECRET_[A-Z]+")


def with_secret_files(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return an environment with the settings of its folder of secrets.

    Raises ValueError, which quotes no content, for a folder or a file that cannot be read.
    """
    folder = environ.get(FOLDER)
    if not folder:
        return environ
    try:
        found = sorted(path for path in Path(folder).iterdir() if _NAME.fullmatch(path.name))
    except OSError as error:
        raise ValueError(
            f"{FOLDER} names {folder}, which cannot be read: {error.strerror}"
        ) from None
    # An empty variable is one that is not set.
    own = {name: value for name, value in environ.items() if value}
    # By name of the file: the variable of a ring's file would count before that of the ring.
    return {**dict(_setting(path) for path in found if path.name not in own), **own}


def _setting(path: Path) -> tuple[str, str]:
    if _RING.fullmatch(path.name):
        return f"{path.name}_FILE", str(path)
    try:
        content = path.read_bytes()
        text = content.decode("utf-8").strip()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    if not text or len(content) > MAX_BYTES or "\n" in text or "\0" in text:
        raise ValueError(f"{path} must hold the value of {path.name}, in one line")
    return path.name, text
