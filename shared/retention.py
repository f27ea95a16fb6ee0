"""How long what is kept for a time is kept: data, read from YAML."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import yaml

from shared.config import ConfigurationError

PATH_VARIABLE = "SALDO_RETENTION"
"""The environment variable that names a file to use instead of the one shipped."""

_SHIPPED = Path(__file__).with_name("retention.yaml")

_Days = Annotated[int, msgspec.Meta(ge=1, le=36_500)]


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sessions: _Days
    idle_sessions: _Days
    devices: _Days
    networks: _Days
    unconfirmed_registrations: _Days
    support_codes: _Days
    attempts: _Days
    letters: _Days
    security_log: Annotated[int, msgspec.Meta(ge=180, le=36_500)]
    destroyed_keys: _Days
    uploads: _Days = 1


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """The time that each kind is kept; retention.yaml says what is what."""

    sessions: timedelta
    idle_sessions: timedelta
    devices: timedelta
    networks: timedelta
    unconfirmed_registrations: timedelta
    support_codes: timedelta
    attempts: timedelta
    uploads: timedelta
    letters: timedelta
    security_log: timedelta
    destroyed_keys: timedelta


def load_retention(environ: Mapping[str, str] | None = None) -> Retention:
    """Read the operator's file, or the shipped one.

    Raises ConfigurationError that names the file and the field at fault.
    """
    env = os.environ if environ is None else environ
    path = Path(env.get(PATH_VARIABLE) or _SHIPPED)
    try:
        days = msgspec.convert(yaml.safe_load(path.read_text("utf-8")), _File)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"the retention {path} cannot be used: {error}") from error
    return Retention(
        **{name: timedelta(days=getattr(days, name)) for name in _File.__struct_fields__}
    )
