"""`python -m deploy.doubles.yookassa`: run the simulated YooKassa until SIGTERM or SIGINT."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from deploy.doubles.yookassa.server import Process
from deploy.doubles.yookassa.settings import SettingsError, load_shop_settings
from shared import logs


def main() -> int:
    try:
        settings = load_shop_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    logs.configure("yookassa", settings.log_level)
    log = logs.get_logger("yookassa")
    process = Process(settings, log)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        process.stop_soon()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    process.start()
    log.info("yookassa_ready", url=settings.url, callback_url=settings.callback_url)
    process.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
