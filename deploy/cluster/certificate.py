"""The certificate by which the members of etcd know each other, and those who may ask them.

Whoever writes to etcd decides who leads, and with which commands PostgreSQL archives: on a machine
with other users, an address alone is no secret.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from deploy.embedded.plan import write_atomically
from deploy.embedded.system_user import SystemUser

_LASTS = timedelta(days=3650)
_CLOCKS_DIFFER = timedelta(days=1)


class Certificate(NamedTuple):
    """The files of a certificate, which is its own authority, and of its key."""

    file: Path
    key: Path


def make(folder: Path, addresses: Collection[str], user: SystemUser) -> Certificate:
    """Return the certificate in a folder, made at the first call; only the user reads its key."""
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    folder.mkdir(mode=0o700, exist_ok=True)
    if not made.file.exists():
        certificate, key = _new(addresses)
        write_atomically(made.key, key)
        write_atomically(made.file, certificate)
    user.own(folder)
    return made


def _new(addresses: Collection[str]) -> tuple[bytes, bytes]:
    """Return a certificate for these addresses, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "saldo")])
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    now = datetime.now(UTC)
    known = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    signs = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, content_commitment=False, crl_sign=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + _LASTS)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(one)) for one in addresses]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(signs, critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(known, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
