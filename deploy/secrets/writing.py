"""Files that their holder alone may read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

APPLICATION = 10001
"""The user of Saldo's image."""
USERS: Mapping[str, int] = {"rabbitmq": 999, "postgres": 999, "postgres-keys": 999, "proxy": 101}
"""The users of the images of others; whoever is not named here is Saldo's own."""
_OF_A_BOOK = "postgres-"
"""What the folder of a book's own server begins with."""
_EVERYBODYS = "public"
_NOBODYS = "operator"


def user_of(holder: str) -> int:
    """Return the user whom the folder of a holder belongs to."""
    own = USERS["postgres"] if holder.startswith(_OF_A_BOOK) else APPLICATION
    return USERS.get(holder, own)


class SecretFolder:
    """A folder with a folder for each holder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o711, parents=True, exist_ok=True)

    def find(self, holder: str, name: str) -> Path:
        """Return the path of a file of a holder; nothing is made."""
        return self._root / holder / name

    def place(self, holder: str, name: str) -> Path:
        """Return the path of a file of a holder, whose folder is made."""
        folder = self._root / holder
        folder.mkdir(mode=0o755 if holder == _EVERYBODYS else 0o700, exist_ok=True)
        return folder / name

    def remove(self, holder: str, name: str) -> None:
        """Delete a file of a holder, if it is there."""
        self.find(holder, name).unlink(missing_ok=True)

    def text(self, holder: str, name: str, make: Callable[[], str]) -> str:
        """Return the content of a file, which is made where there is none."""
        path = self.place(holder, name)
        if not path.exists():
            self.write(holder, name, make())
        return path.read_text(encoding="ascii")

    def write(self, holder: str, name: str, content: str) -> None:
        """Write a file completely or not at all; the same content is left alone."""
        path = self.place(holder, name)
        if path.exists() and path.read_text(encoding="ascii") == content:
            return
        draft = path.with_name(f".{name}.draft")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(content)
        draft.rename(path)

    def finish(self) -> None:
        """Give each file to its holder, as far as we may; public ones may be read by everybody."""
        for folder in self._root.iterdir():
            public = folder.name == _EVERYBODYS
            for path in (folder, *folder.iterdir()):
                if public:  # whatever the umask of who has called us
                    path.chmod(0o755 if path == folder else 0o644)
                if os.geteuid() == 0 and folder.name != _NOBODYS:
                    user = 0 if public else user_of(folder.name)
                    os.chown(path, user, user)
