"""Who may ask etcd, and change what the nodes of PostgreSQL have agreed on."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from deploy.cluster import certificate, etcd, patroni
from deploy.cluster.certificate import Certificate
from deploy.embedded import process
from deploy.embedded.surroundings import LOOPBACK
from deploy.embedded.system_user import SystemUser
from tests.ports import free_port
from tests.waiting import eventually

ETCD = shutil.which("etcd", path="/usr/bin:/usr/local/bin")
NOBODY_ELSE = SystemUser(None, None)
RANGE = {"key": "AA==", "range_end": "AA=="}
ANSWERS_S = 30.0
CLIENT_S = 5.0
PASSWORDS = {patroni.SUPERUSER: "one", patroni.REPLICATOR: "two", patroni.OPERATOR: "three"}


@pytest.fixture
def made(tmp_path: Path) -> Certificate:
    return certificate.make(tmp_path / "certificate", [LOOPBACK, "10.9.8.22"], NOBODY_ELSE)


def test_certificate_is_made_once_and_its_key_is_private(tmp_path: Path, made: Certificate) -> None:
    before = made.key.read_bytes(), made.file.read_bytes()
    again = certificate.make(tmp_path / "certificate", ["10.9.8.23"], NOBODY_ELSE)
    assert again == made
    assert (made.key.read_bytes(), made.file.read_bytes()) == before
    assert made.key.stat().st_mode & 0o077 == 0
    assert made.key.parent.stat().st_mode & 0o077 == 0


def test_strict_reader_takes_the_certificate(made: Certificate) -> None:
    context = ssl.create_default_context(cafile=str(made.file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_cert_chain(made.file, made.key)
    [authority] = context.get_ca_certs()
    assert {value for _, value in authority["subjectAltName"]} == {LOOPBACK, "10.9.8.22"}


@pytest.fixture
def member(tmp_path: Path, made: Certificate) -> Iterator[etcd.Member]:
    """Run etcd, a member of its own."""
    if ETCD is None:
        pytest.skip("etcd is not installed, so it has not seen the certificate")
    one = etcd.Member("etcd-1", *(f"{LOOPBACK}:{free_port()}" for _ in range(3)))
    spec = etcd.process(one, [one], tmp_path, Path(ETCD), NOBODY_ELSE, certificate=made)
    log = tmp_path / "etcd.log"
    child = process.start(spec.argv, record=None, log=log, environ=spec.environ, cwd=tmp_path)
    identity = process.identity_of(child.pid)
    assert identity is not None
    assert spec.ready is not None
    try:
        eventually(lambda: is_ready(str(spec.ready and spec.ready.target)), "etcd", ANSWERS_S)
        yield one
    finally:
        process.stop(identity)
        child.wait(ANSWERS_S)


def is_ready(url: str) -> bool:
    try:
        return requests.get(url, timeout=CLIENT_S).ok
    except requests.RequestException:
        return False


def test_etcd_answers_those_alone_who_have_the_certificate(
    member: etcd.Member, made: Certificate
) -> None:
    url = f"https://{member.client}/v3/kv/range"
    known = requests.post(
        url, json=RANGE, verify=str(made.file), cert=(str(made.file), str(made.key)),
        timeout=CLIENT_S,
    )  # fmt: skip
    assert known.ok, known.text
    with pytest.raises(requests.ConnectionError):
        requests.post(url, json=RANGE, verify=str(made.file), timeout=CLIENT_S)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"https://{member.peer}/members", verify=str(made.file), timeout=CLIENT_S)
    # Where it says how it is, it says nothing else.
    other = requests.post(f"http://{member.health}/v3/kv/range", json=RANGE, timeout=CLIENT_S)
    assert other.status_code == requests.codes.not_found


def test_patroni_shows_its_certificate_and_changes_for_its_operator_alone(
    tmp_path: Path, made: Certificate
) -> None:
    node = patroni.Node("pg-1", "10.9.8.21:5432", "10.9.8.21:8008", ["10.9.8.11:2379"],
                        certificate=made)  # fmt: skip
    told = patroni.settings(node, tmp_path, PASSWORDS)
    assert told["restapi"]["authentication"] == {"username": "patroni", "password": "three"}
    assert told["etcd3"] == {
        "hosts": ["10.9.8.11:2379"],
        "use_proxies": False,
        "protocol": "https",
        "cacert": str(made.file),
        "cert": str(made.file),
        "key": str(made.key),
    }
