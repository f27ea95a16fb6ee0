"""The settings of acquirers: one by ``SALDO_ACQUIRER_*``, or several that SALDO_ACQUIRERS names.

``SALDO_ACQUIRERS=main=rbs,kassa=yookassa`` names two, each with its protocol. What the first has in
``SALDO_ACQUIRER_URL``, the others have in variables of their own, as ``SALDO_ACQUIRER_KASSA_URL``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

_NAME = re.compile(r"[a-z][a-z0-9]{0,15}")
_PROTOCOL = re.compile(r"[a-z][a-z0-9_]{0,31}")
_SITE = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")
_RESERVED = frozenset({"url", "user", "password", "secret", "title", "networks", "pages"})


@dataclass(frozen=True)
class AcquirerSettings:
    """One acquirer: its name in our orders, its protocol, its API, our credentials there."""

    name: str
    protocol: str
    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    """The key of callbacks (HMAC); "" where none are signed by it."""
    public_key_file: str = ""
    """The acquirer's certificate or public key (PEM), where callbacks are signed by it (RSA)."""
    title: str = ""
    """What a payer reads where he may choose; "" for the name of the way to pay alone."""
    networks: tuple[str, ...] = ()
    """Where callbacks come from that are not signed; () for what the acquirer publishes."""
    pages: tuple[str, ...] = ()
    """The acquirer's sites on which a payer pays, where they are not that of `url`."""

    @property
    def sites(self) -> tuple[str, ...]:
        """Every site to which a payer may be led."""
        return self.pages or (self.url,)


OF_EACH = ("URL", "PAGES", "TITLE", "NETWORKS", "USER", "PASSWORD", "SECRET", "PUBLIC_KEY_FILE")
"""What a setting of one acquirer is called, below its prefix."""
FOR_PAGES = ("URL", "PAGES", "TITLE")
"""Those that whoever leads a payer to an acquirer must know: no credentials."""


def acquirer_variables(env: Mapping[str, str], kinds: Sequence[str] = OF_EACH) -> tuple[str, ...]:
    """Return the variables of some kinds of every acquirer that an environment names."""
    return tuple(f"{prefix}_{kind}" for prefix, _, _ in _named(env) for kind in kinds)


def acquirers_of(env: Mapping[str, str], default_url: str) -> tuple[AcquirerSettings, ...]:
    """Return the acquirers of an installation, the one for new orders first.

    Raises ValueError for names that cannot be used.
    """
    return tuple(
        _acquirer(env, prefix, name, protocol, default_url if place == 0 else "")
        for place, (prefix, name, protocol) in enumerate(_named(env))
    )


def _named(env: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return the prefix, the name and the protocol of each acquirer."""
    named = env.get("SALDO_ACQUIRERS") or f"main={env.get('SALDO_ACQUIRER') or 'rbs'}"
    pairs = [tuple(part.strip() for part in one.partition("=")[::2]) for one in named.split(",")]
    for name, protocol in pairs:
        if not _NAME.fullmatch(name) or not _PROTOCOL.fullmatch(protocol) or name in _RESERVED:
            raise ValueError(
                "SALDO_ACQUIRERS names acquirers with their protocols, as main=rbs,kassa=yookassa; "
                "a name has up to 16 letters and digits"
            )
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("SALDO_ACQUIRERS names an acquirer twice")
    return [
        ("SALDO_ACQUIRER" if place == 0 else f"SALDO_ACQUIRER_{name.upper()}", name, protocol)
        for place, (name, protocol) in enumerate(pairs)
    ]


def _acquirer(
    env: Mapping[str, str], prefix: str, name: str, protocol: str, default_url: str
) -> AcquirerSettings:
    url = env.get(f"{prefix}_URL") or default_url
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"set {prefix}_URL to the address of the acquirer {name}")
    return AcquirerSettings(
        name=name,
        protocol=protocol,
        url=url.rstrip("/"),
        user=env.get(f"{prefix}_USER") or "saldo",
        password=env.get(f"{prefix}_PASSWORD", ""),
        secret=env.get(f"{prefix}_SECRET", ""),
        public_key_file=env.get(f"{prefix}_PUBLIC_KEY_FILE", ""),
        title=env.get(f"{prefix}_TITLE", ""),
        networks=_networks(env, f"{prefix}_NETWORKS"),
        pages=_pages(env, f"{prefix}_PAGES"),
    )


def _networks(env: Mapping[str, str], variable: str) -> tuple[str, ...]:
    networks = _listed(env, variable)
    try:
        return tuple(str(ip_network(network)) for network in networks)
    except ValueError:
        raise ValueError(
            f"{variable} must be addresses or networks, like 10.0.0.0/8, 192.0.2.7"
        ) from None


def _pages(env: Mapping[str, str], variable: str) -> tuple[str, ...]:
    pages = _listed(env, variable)
    if not all(_SITE.fullmatch(page) for page in pages):
        raise ValueError(f"{variable} must be sites, like https://pay.example, https://3ds.example")
    return pages


def _listed(env: Mapping[str, str], variable: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in env.get(variable, "").split(",") if part.strip())
