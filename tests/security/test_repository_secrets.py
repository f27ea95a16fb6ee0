"""No file of the repository holds a secret, now or in any commit: patterns as gitleaks has them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

PATTERNS = {
    "a private key": rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{40,}",
    "a key of AWS": rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of GitHub": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})\b",
    "a token of GitLab": rb"\bglpat-[A-Za-z0-9_-]{20}\b",
    "a token of Slack": rb"\bxox[abprs]-[A-Za-z0-9-]{20,}",
    "a key of Stripe": rb"\b[rs]k_live_[A-Za-z0-9]{20,}",
    "a key of YooKassa": rb"\blive_[A-Za-z0-9_-]{40,}",
    "a token of a package index": rb"\b(?:pypi-AgE|npm_[A-Za-z0-9]{36})[A-Za-z0-9_-]*",
    "a token of Telegram": rb"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b",
    "a signed web token": rb"\beyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{20,}",
    "a key of ours": rb"(?m)^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9a-f]{6}|master):"
    rb"(?!0{64}|(..)\1{31})[0-9a-f]{64}",
    "a password in a URL": rb"\b(?:amqps?|postgres(?:ql)?|smtps?|imaps?|https?)://[^\s:/@'\"<>{}$%]+:"
    rb"(?P<password>[^\s/@'\"<>{}$%|]{12,})@",
}
EXAMPLES = re.compile(rb"(?i)wonderland|password|secret|example|\.\.\.|s3cret|token|x{4,}|\(|\\")
"""Passwords in URLs of tests and documents; anything else of that length is one that is used."""

KNOWN = {
    "a private key": b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v",
    "a key of AWS": b"AKIAIOSFODNN7EXAMPLE",
    "a token of GitHub": b"ghp_" + b"a1B2c3D4e5" * 3 + b"a1B2c3",
    "a token of GitLab": b"glpat-" + b"a1B2c3D4e5" * 2,
    "a token of Slack": b"xoxb-" + b"1234567890" * 2 + b"-a1B2c3",
    "a key of Stripe": b"sk_live_" + b"a1B2c3D4e5" * 2,
    "a key of YooKassa": b"live_" + b"a1B2c3D4e5" * 4,
    "a token of a package index": b"npm_" + b"a1B2c3D4e5" * 3 + b"a1B2c3",
    "a token of Telegram": b"123456789:AA" + b"a1B2c3D4e5" * 3 + b"a1B",
    "a signed web token": b"eyJhbGciOiJIUzI1NiIsInR5.eyJzdWIiOiIxMjM0NTY3ODkw.SflKxwRJSMeKKF2QT4fw",
    "a key of ours": b"2026-11-28-9f04c1:" + bytes(range(32)).hex().encode(),
    "a password in a URL": b"amqp://ledger:Zk3_9vQpLmXw7RtY@broker.example/",
}
"""Made-up ones that must be found, so that finding none means something."""


def found_in(content: bytes) -> set[str]:
    """Return what kinds of secrets stand in a content."""
    kinds = set()
    for kind, pattern in PATTERNS.items():
        for hit in re.finditer(pattern, content):
            password = hit.groupdict().get("password")
            if password is None or not EXAMPLES.search(password):
                kinds.add(kind)
    return kinds


def files() -> Iterator[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    for name in listed.stdout.splitlines():
        path = REPOSITORY / name
        if path.is_file() and path != Path(__file__).resolve():
            yield path


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_secret_is_found(kind: str) -> None:
    content = KNOWN[kind]
    if kind == "a private key":
        content += b"A" * 40
    assert found_in(content) == {kind}


def test_no_file_holds_a_secret() -> None:
    found = {
        f"{kind} in {path.relative_to(REPOSITORY)}"
        for path in files()
        for kind in found_in(path.read_bytes())
    }
    assert found == set()


def test_no_commit_has_added_a_secret() -> None:
    """What was once committed can be read for ever: the last commits, SALDO_TEST_COMMITS of them.

    Each push is tried with its own commits; all of them take minutes.
    """
    number = os.environ.get("SALDO_TEST_COMMITS", "300")
    command = ["git", "log", "-p", "--no-color", "--no-textconv", "--unified=0", f"-n{number}"]
    skipped = [":!*.lock", ":!*.png", ":!*.json", ":!*.svg", ":!tests/security"]
    combined = re.compile(
        b"|".join(
            pattern.replace(b"(?m)^", b"")
            for kind, pattern in PATTERNS.items()
            if kind not in ("a password in a URL", "a key of ours")
        )
    )
    with subprocess.Popen(
        [*command, "--", *skipped], cwd=REPOSITORY, stdout=subprocess.PIPE
    ) as log:
        assert log.stdout is not None
        hits = combined.findall(b"".join(line[1:] for line in log.stdout if line[:1] == b"+"))
    assert log.returncode == 0
    assert hits == []


def test_secrets_that_make_up_writes_are_ignored_by_git() -> None:
    for name in (".saldo/env", ".saldo/keys/identity", ".saldo/seal/key", ".saldo/demo.json"):
        ignored = subprocess.run(["git", "check-ignore", "-q", name], cwd=REPOSITORY, check=False)
        assert ignored.returncode == 0, name
