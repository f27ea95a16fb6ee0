"""The broker's users, rights and limits as definitions that RabbitMQ imports.

For brokers that are set up from a file (``definitions.import_backend``, ``load_definitions``, a
Kubernetes secret) instead of over the management API.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from shared.bus.permissions import (
    RPC_EXCHANGE,
    SUBSCRIBERS_POLICY,
    SUBSCRIBERS_QUEUES,
    Rights,
)


def definitions(
    virtual_host: str, users: Mapping[str, tuple[str, Rights]], *, queue_bytes: int
) -> dict[str, Any]:
    """Return the definitions of a virtual host; ``users``: name -> password and rights."""
    here = {"vhost": virtual_host}
    return {
        "vhosts": [{"name": virtual_host}],
        "users": [
            {
                "name": name,
                "password_hash": password_hash(password),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": list(rights.tags),
                "limits": dict(rights.limits),
            }
            for name, (password, rights) in users.items()
        ],
        "topic_permissions": [
            {"user": name, **here, "exchange": exchange, "write": topic.write, "read": topic.read}
            for name, (_, rights) in users.items()
            for exchange, topic in rights.topics.items()
        ],
        "permissions": [
            {"user": name, **here}
            | {"configure": rights.configure, "write": rights.write, "read": rights.read}
            for name, (_, rights) in users.items()
        ],
        "exchanges": [
            {"name": RPC_EXCHANGE, **here, "type": "topic", "durable": True}
            | {"auto_delete": False, "internal": False, "arguments": {}}
        ],
        "parameters": [
            {"component": "operator_policy", "name": SUBSCRIBERS_POLICY, **here}
            | {"value": queue_limit(SUBSCRIBERS_QUEUES, queue_bytes)}
        ],
    }


def queue_limit(pattern: str, most_bytes: int) -> dict[str, Any]:
    """Return the operator policy that bounds the queues of this name."""
    return {
        "pattern": pattern,
        "apply-to": "queues",
        "priority": 0,
        "definition": {"max-length-bytes": most_bytes},
    }


def password_hash(password: str, salt: bytes | None = None) -> str:
    """Return a password as RabbitMQ stores it: four bytes of salt, SHA-256, base64."""
    salt = secrets.token_bytes(4) if salt is None else salt
    return b64encode(salt + sha256(salt + password.encode()).digest()).decode()
