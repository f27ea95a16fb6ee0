"""`python -m deploy.doubles.acquirer`: run the simulated acquirer until SIGTERM or SIGINT."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from deploy.doubles.acquirer.server import Bank
from deploy.doubles.acquirer.settings import SettingsError, load_bank_settings
from shared import logs


def main() -> int:
    try:
        settings = load_bank_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    logs.configure("acquirer", settings.log_level)
    log = logs.get_logger("acquirer")
    bank = Bank(settings, log)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        bank.stop_soon()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    bank.start()
    log.info("acquirer_ready", url=settings.url, callback_url=settings.callback_url)
    bank.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
