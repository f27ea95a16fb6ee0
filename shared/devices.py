"""What people call the devices that they sign in on."""

from __future__ import annotations

_BROWSERS = (
    ("YaBrowser", "Яндекс Браузер"), ("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"),
    ("Chrome", "Chrome"), ("Safari", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
    ("Mac OS", "macOS"), ("Linux", "Linux"),
)  # fmt: skip


def device_name(described: str) -> str:
    """Return what people call a device: ``Chrome, Android`` of a User-Agent; else the text."""
    if not described.startswith("Mozilla/"):
        return described
    found = [
        next((name for sign, name in signs if sign in described), "")
        for signs in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(filter(None, found)) or described
