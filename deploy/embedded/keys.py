"""The keys of an installation: a ring for each principal, and that of the seal, each in its file.

They lie apart from the data: whoever copies the database or its folder has no key.
"""

from __future__ import annotations

from deploy.embedded.state import StateDir
from shared.config import GATEWAY, SERVICES
from shared.key_files import create_ring
from shared.keys import MASTER, Key


def key_settings(state: StateDir) -> dict[str, str]:
    """Return the settings that name the files; that of the seal's private key is not among them."""
    rings = {
        f"SALDO_SECRET_{owner.upper()}_FILE": str(state.key_ring(owner))
        for owner in (*SERVICES, GATEWAY)
    }
    return rings | {
        # A shell may still have it from the settings of an older version.
        "SALDO_SECRET": "",
        "SALDO_LEDGER_SEAL_VERIFIER_FILE": str(state.seal / "verifiers"),
        "SALDO_LEDGER_WITNESS_DIR": str(state.witness),
        "SALDO_LEDGER_WITNESS_SECONDS": "15",
    }


def sealer_settings(state: StateDir) -> dict[str, str]:
    """Return the settings of the sealer alone."""
    return {"SALDO_LEDGER_SEAL_KEY": str(state.seal / "key")}


def make_keys(state: StateDir, master: str, seal_name: str = "") -> None:
    """Make the keys that are not there yet.

    ``master`` is the secret of an installation from before each principal had one, in hexadecimal
    digits, else empty. It still opens; the seal's key that followed from it is changed by the
    sealer.
    """
    secret = bytes.fromhex(master)
    older = [Key(MASTER, secret)] if secret else []
    for folder in (state.keys, state.seal, state.witness):
        folder.mkdir(mode=0o700, exist_ok=True)
    for owner in (*SERVICES, GATEWAY):
        if not state.key_ring(owner).exists():
            create_ring(state.key_ring(owner), older)
    key, verifiers = state.seal / "key", state.seal / "verifiers"
    if key.exists():
        return
    # With it comes the whole ledger, which supervisor and watchdog would hold as long as they run.
    from services.ledger.seal import rotation

    if secret:
        rotation.adopt(secret, key, verifiers, seal_name)
    else:
        rotation.create(key, verifiers, seal_name)
