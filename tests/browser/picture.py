"""Takes the picture of the README: ``python -m tests.browser.picture``, while `make up` runs.

It shows «Лицевые» of the ready demo person in a window of a small tablet.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.palette import with_palette

REPOSITORY = Path(__file__).resolve().parents[2]
PICTURE = REPOSITORY / "docs" / "cabinet.png"
STATE_DIR = Path(os.environ.get("SALDO_STATE_DIR") or REPOSITORY / ".saldo")
WINDOW = {"width": 1000, "height": 760}
MOST_BYTES = 60_000


def take(url: str, email: str, password: str) -> bytes:
    """Log in as a person and return a screenshot of «Лицевые»."""
    with sync_playwright() as playwright:
        # Root has no sandbox; the pages are our own.
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        # Without motion no page fades into the next one.
        page = browser.new_page(
            base_url=url, viewport=WINDOW, locale="ru-RU", reduced_motion="reduce"
        )
        page.goto("/")
        page.locator("#email").fill(email)
        page.locator("#password").fill(password)
        page.get_by_role("button", name="Войти").click()
        page.wait_for_url("**/accounts")
        picture = page.screenshot()
        browser.close()
    return picture


def main() -> None:
    """Write the picture; exit when it is too large for a README."""
    person = json.loads((STATE_DIR / "demo.json").read_text(encoding="utf-8"))
    picture = with_palette(take(os.environ["SALDO_URL"], person["email"], person["password"]))
    if len(picture) > MOST_BYTES:
        sys.exit(f"The picture has {len(picture)} bytes, the limit is {MOST_BYTES}.")
    PICTURE.write_bytes(picture)


if __name__ == "__main__":
    main()
