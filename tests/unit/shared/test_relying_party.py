"""To which name passkeys are bound."""

from __future__ import annotations

import pytest

from shared.relying_party import RelyingParty, relying_party_of


@pytest.mark.parametrize(
    ("url", "id_", "origin"),
    [
        ("https://lk.example.org", "lk.example.org", "https://lk.example.org"),
        ("https://LK.example.org:443/", "lk.example.org", "https://lk.example.org"),
        ("https://lk.example.org:8443", "lk.example.org", "https://lk.example.org:8443"),
        ("http://localhost:18080", "localhost", "http://localhost:18080"),
        ("http://localhost:80", "localhost", "http://localhost"),
        ("http://127.0.0.1:18080", "localhost", "http://localhost:18080"),
        ("http://[::1]:18080", "localhost", "http://localhost:18080"),
    ],
)
def test_passkeys_are_bound_to_the_name_of_the_public_url(url: str, id_: str, origin: str) -> None:
    assert relying_party_of(url) == RelyingParty(id_, origin)


@pytest.mark.parametrize(
    "url",
    [
        "http://lk.example.org",
        "https://192.0.2.7",
        "https://[2001:db8::7]:8443",
        "http://192.0.2.7:18080",
        "https://",
        "",
    ],
)
def test_without_https_and_a_name_there_are_no_passkeys(url: str) -> None:
    assert relying_party_of(url) is None
