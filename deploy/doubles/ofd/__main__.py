"""`python -m deploy.doubles.ofd`: run the simulated registrar until SIGTERM or SIGINT."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

from werkzeug.serving import WSGIRequestHandler, make_server

from deploy.doubles.ofd.drive import Drive
from deploy.doubles.ofd.faults import FaultSwitch
from deploy.doubles.ofd.settings import SettingsError, load_registrar_settings
from deploy.doubles.ofd.web import RegistrarApp
from shared import logs


class _Handler(WSGIRequestHandler):
    # Close an idle connection, which would keep a thread.
    timeout = 30

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: there is nothing in a request line to learn from."""


def main() -> int:
    try:
        settings = load_registrar_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    logs.configure("ofd", settings.log_level)
    log = logs.get_logger("ofd")
    drive = Drive(settings.state_dir / "ofd.sqlite")
    app = RegistrarApp(drive, FaultSwitch(), settings, log)
    server = make_server(settings.host, settings.port, app, threaded=True, request_handler=_Handler)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        # In a thread: shutdown waits for the loop that this handler has interrupted.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log.info("ofd_ready", url=settings.url)
    server.serve_forever()
    server.server_close()
    drive.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
