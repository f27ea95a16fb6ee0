"""The keys of an installation: who gets which, and what becomes of those of before."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.embedded.environment import apply_overrides, generate_settings
from deploy.embedded.keys import make_keys, sealer_settings
from deploy.embedded.process_settings import SETTINGS, settings_of
from deploy.embedded.state import DEFAULT_PORTS, StateDir
from services.ledger.seal.keys import seal_keys, signer_in, verifier_keys
from services.staff_environment import terminal_environment
from shared.config import GATEWAY, SERVICES, load_settings
from shared.keys import MASTER, GivenKeys, Key, KeyRing, parse_ring
from shared.staff import ROLES

OLD_SECRET = "ab" * 32


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / ".saldo")
    made.create()
    return made


def settings_in(state: StateDir) -> dict[str, str]:
    return generate_settings(state, DEFAULT_PORTS, state.secrets())


def test_every_principal_has_a_key_of_its_own(state: StateDir) -> None:
    make_keys(state, "")
    rings = {owner: parse_ring(state.key_ring(owner).read_text()) for owner in (*SERVICES, GATEWAY)}
    assert len({key.secret for ring in rings.values() for key in ring}) == len(rings)
    settings = load_settings(settings_in(state))
    for owner in rings:
        assert [key.id for key in settings.keys_of(owner, "x")] == [rings[owner][0].id]
        assert state.key_ring(owner).stat().st_mode & 0o777 == 0o600
    before = state.key_ring("ledger").read_bytes()
    make_keys(state, "")
    assert state.key_ring("ledger").read_bytes() == before


def test_older_installation_opens_what_it_has_sealed_and_seals_under_new_keys(
    state: StateDir,
) -> None:
    make_keys(state, OLD_SECRET)
    for owner in (*SERVICES, GATEWAY):
        new, old = load_settings(settings_in(state)).keys_of(owner, "data-keys")
        assert new.id != MASTER
        assert old == next(
            iter(load_settings({"SALDO_SECRET": OLD_SECRET}).keys_of(owner, "data-keys"))
        )


def test_seal_key_of_an_older_installation_is_to_be_changed(state: StateDir) -> None:
    make_keys(state, OLD_SECRET)
    keys = seal_keys({**settings_in(state), **sealer_settings(state)})
    ring = KeyRing("saldo/ledger/seal", [GivenKeys([Key(MASTER, bytes.fromhex(OLD_SECRET))])])
    assert keys.derived
    derived, _ = signer_in({"SALDO_LEDGER_SEAL_KEY": str(state.seal / "key")})
    assert derived.verifier == keys.signer.verifier
    assert ring.first.secret.hex() not in (state.seal / "verifiers").read_text()


def test_private_key_of_the_seal_is_given_to_the_sealer_alone(state: StateDir) -> None:
    make_keys(state, "")
    key = str(state.seal / "key")
    exported = apply_overrides(settings_in(state), {}, state.secrets())
    assert key not in exported.values()
    assert verifier_keys(exported)
    all_settings = {**sealer_settings(state), **exported}
    given = {name: settings_of(name, all_settings) for name in SETTINGS}
    assert [name for name, own in given.items() if key in own.values()] == ["seal"]
    assert [name for name, own in given.items() if "SALDO_DATABASE_URL_SEALER" in own] == [
        "migrate",
        "seal",
    ]
    assert (state.seal / "key").stat().st_mode & 0o777 == 0o600
    assert not any(variable.startswith("SALDO_SECRET") for variable in given["seal"])
    assert not any(variable.startswith("SALDO_AMQP") for variable in given["seal"])


@pytest.mark.parametrize("role", ROLES)
def test_no_terminal_of_staff_has_a_key_from_which_the_seals_follows(
    state: StateDir, role: str
) -> None:
    make_keys(state, OLD_SECRET)
    administrators = apply_overrides(settings_in(state), {}, state.secrets())
    terminal = terminal_environment(
        load_settings(administrators), administrators, "ann", [role], "password"
    )
    assert terminal.get("SALDO_LEDGER_SEAL_VERIFIER_FILE") == str(state.seal / "verifiers")
    given = "\n".join(terminal.values())
    assert str(state.seal / "key") not in given
    assert "saldo_sealer" not in given
    assert OLD_SECRET not in given
    rings = {name for name in terminal if name.startswith("SALDO_SECRET")}
    operators = {f"SALDO_SECRET_{service}_FILE" for service in ("LEDGER", "ACCOUNTS", "PAYMENTS")}
    assert rings == (operators if role == "operator" else set())


def test_gateway_and_services_have_no_keys_of_each_other(state: StateDir) -> None:
    all_settings = settings_in(state)

    def rings(process: str) -> set[str]:
        return {
            name for name in settings_of(process, all_settings) if name.startswith("SALDO_SECRET_")
        }

    assert rings("gateway") == {"SALDO_SECRET_GATEWAY_FILE"}
    assert rings("serve") == {f"SALDO_SECRET_{service.upper()}_FILE" for service in SERVICES}
    assert rings("migrate") == rings("broker") == set()
