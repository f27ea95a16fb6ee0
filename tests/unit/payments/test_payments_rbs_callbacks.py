"""The checksum of the bank's callbacks, by a shared key and by the bank's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.x509.oid import NameOID

from deploy.doubles.acquirer.signature import checksum
from services.payments.acquirers import Callback, CallbackRequest
from services.payments.acquirers.rbs.client import RbsAcquirer
from services.payments.acquirers.rbs.signature import CallbackKeys
from shared.acquirer_settings import AcquirerSettings
from shared.config import ConfigurationError

SETTINGS = AcquirerSettings(
    name="main", protocol="rbs", url="https://bank.example/payment", secret="secret"
)
WORKED_EXAMPLE = {
    "mdOrder": "3ff6962a-7dcc-4283-ab50-a6d7dd3386fe",
    "operation": "deposited",
    "orderNumber": "10747",
    "status": "1",
    "checksum": "0A40D6D0B2BC3B75C4B4B28CD5E4C8F75D0D9ADB50546D05A576828A55A17A8B",
}

#: An example of the platform's own documentation: the key of a test bank, and what it signed.
PUBLISHED_KEY = """-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCTYMYLVkRXvM4RehRNQvLNbf3Z
5wvKszTfrrlDkN4QcdQhykExLWRU4gmzSzDZIFrSfwkQQYhV0G8s2tPyrOxUYEg+
dqhWFFdOc0Yyy6BMsxuiwH4oScExD3XTcQTbwsanQXlXQ04RvNcwtA4gITHksL3D
wrXo2gw0hGHEASy4QwIDAQAB
-----END PUBLIC KEY-----
"""
PUBLISHED = {
    "amount": "35000099",
    "sign_alias": "",
    "mdOrder": "12b59da8-f68f-7c8d-12b5-9da8000826ea",
    "operation": "deposited",
    "status": "1",
    "checksum": (
        "163BD9FAE437B5DCDAAC4EB5ECEE5E533DAC7BD2C8947B0719F7A8BD17C101EB"
        "DBEACDB295C10BF041E903AF3FF1E6101FF7DB9BD024C6272912D86382090D5A"
        "7614E174DC034EBBB541435C80869CEED1F1E1710B71D6EE7F52AE354505A83A"
        "1E279FBA02572DC4661C1D75ABF5A7130B70306CAFA69DABC2F6200A698198F8"
    ),
}


def read(acquirer: RbsAcquirer, parameters: dict[str, str]) -> Callback | None:
    return acquirer.read_callback(CallbackRequest(parameters=parameters))


def by_public_key(path: Path, pem: bytes, secret: str = "") -> RbsAcquirer:
    path.write_bytes(pem)
    return RbsAcquirer(replace(SETTINGS, secret=secret, public_key_file=str(path)))


def test_only_the_exact_parameters_of_the_worked_example_are_genuine() -> None:
    keys = CallbackKeys("secret")
    assert keys.verify(WORKED_EXAMPLE)
    assert not CallbackKeys("Secret").verify(WORKED_EXAMPLE)
    assert not CallbackKeys("").verify(WORKED_EXAMPLE)
    for key in WORKED_EXAMPLE:
        assert not keys.verify({**WORKED_EXAMPLE, key: "x"})
        assert not keys.verify({k: v for k, v in WORKED_EXAMPLE.items() if k != key})
    assert not keys.verify({**WORKED_EXAMPLE, "amount": "1"})


@pytest.mark.parametrize("key", ["mdOrder", "operation", "orderNumber", "status", "checksum"])
def test_changed_or_incomplete_callback_is_not_read(key: str) -> None:
    # The bank's own implementation signs, ours verifies.
    acquirer = RbsAcquirer(SETTINGS)
    parameters = {"mdOrder": "b1", "orderNumber": "n1", "operation": "deposited", "status": "1"}
    parameters |= {"checksum": checksum(parameters, "secret")}
    assert read(acquirer, parameters) == Callback("n1")
    assert read(acquirer, {**parameters, key: "подделка"}) is None
    assert read(acquirer, {**parameters, key: "\ud800"}) is None
    assert read(acquirer, {k: v for k, v in parameters.items() if k != key}) is None
    assert read(acquirer, {**parameters, "checksum": parameters["checksum"].lower()}) is None


def test_no_callback_is_read_without_a_key() -> None:
    parameters = {"mdOrder": "b1", "orderNumber": "n1", "operation": "deposited", "status": "1"}
    acquirer = RbsAcquirer(replace(SETTINGS, secret=""))
    for secret in ("", "secret"):
        assert read(acquirer, {**parameters, "checksum": checksum(parameters, secret)}) is None


def test_signature_of_the_published_example_is_genuine(tmp_path: Path) -> None:
    acquirer = by_public_key(tmp_path / "bank.pem", PUBLISHED_KEY.encode())
    # It does not name our number.
    assert read(acquirer, PUBLISHED) == Callback("", "12b59da8-f68f-7c8d-12b5-9da8000826ea")
    for key in PUBLISHED.keys() - {"sign_alias"}:
        assert read(acquirer, {**PUBLISHED, key: "1"}) is None or PUBLISHED[key] == "1"
        assert read(acquirer, {k: v for k, v in PUBLISHED.items() if k != key}) is None
    assert read(acquirer, {**PUBLISHED, "checksum": PUBLISHED["checksum"][:-1]}) is None
    assert read(RbsAcquirer(SETTINGS), PUBLISHED) is None


def test_either_key_is_enough_where_both_are_configured(tmp_path: Path) -> None:
    acquirer = by_public_key(tmp_path / "bank.pem", PUBLISHED_KEY.encode(), secret="secret")
    assert read(acquirer, PUBLISHED) is not None
    assert read(acquirer, WORKED_EXAMPLE) == Callback("10747")
    only_public = by_public_key(tmp_path / "bank.pem", PUBLISHED_KEY.encode())
    assert read(only_public, WORKED_EXAMPLE) is None


def test_key_is_read_from_a_certificate(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bank")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    acquirer = by_public_key(tmp_path / "bank.pem", certificate)
    signed = key.sign(b"mdOrder;b1;orderNumber;n1;", PKCS1v15(), hashes.SHA512())
    parameters = {"orderNumber": "n1", "mdOrder": "b1", "checksum": signed.hex().upper()}
    assert read(acquirer, parameters) == Callback("n1")
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = other.sign(b"mdOrder;b1;orderNumber;n1;", PKCS1v15(), hashes.SHA512())
    assert read(acquirer, {**parameters, "checksum": forged.hex().upper()}) is None


def test_unusable_key_is_refused_at_the_start(tmp_path: Path) -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = curve.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for content in (b"", b"-----BEGIN CERTIFICATE-----\n!", pem):
        with pytest.raises(ConfigurationError, match="key for callbacks"):
            by_public_key(tmp_path / "bank.pem", content)
    with pytest.raises(ConfigurationError, match="FileNotFoundError"):
        RbsAcquirer(replace(SETTINGS, public_key_file=str(tmp_path / "absent")))
