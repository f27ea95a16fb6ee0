"""The API, as far as it shows a person what is his."""

from __future__ import annotations

from typing import Any

import requests

TIMEOUTS = (3.05, 30)


class Api:
    """A client that sends each request once."""

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/api/v1"
        self._http = requests.Session()
        self._http.trust_env = False

    def get(self, path: str, token: str) -> tuple[int, Any]:
        """Return the status and the JSON."""
        answer = self._http.get(
            self._url + path, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUTS
        )
        return answer.status_code, answer.json() if answer.content else {}

    def texts(self, question_id: str, token: str) -> tuple[int, list[str]]:
        """Return the status of a question and the texts of its messages, none where it fails."""
        status, question = self.get(f"/questions/{question_id}", token)
        return status, [one["text"] for one in question.get("messages", ())]

    def signs_in(self, email: str, password: str, device_token: str | None) -> int:
        """Return the status of an attempt to sign in."""
        body = {"email": email, "password": password, "device_token": device_token}
        return self._http.post(f"{self._url}/sessions", json=body, timeout=TIMEOUTS).status_code
