"""Reactions to what happens to the second factors of persons: each warns its owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.notifications.writing import Writer
from shared.bus import Message, Services
from shared.contracts.identity import FactorChange
from shared.contracts.notifications import LetterKind
from shared.eventstore import Session

#: What happened to a second factor, in Russian and English, by the change in the event.
FACTOR_CHANGES: Final[Mapping[str, tuple[str, str]]] = {
    FactorChange.PASSKEY_ADDED: ("Добавлен ключ доступа", "a passkey was added"),
    FactorChange.PASSKEY_REMOVED: ("Удалён ключ доступа", "a passkey was removed"),
    FactorChange.TOTP_ENABLED: ("Включены коды из приложения", "codes of an app were turned on"),
    FactorChange.TOTP_DISABLED: ("Выключены коды из приложения", "codes of an app were turned off"),
    FactorChange.RECOVERY_CODES_ISSUED: (
        "Выданы новые коды восстановления, прежние не действуют",
        "new recovery codes were issued, earlier ones are void",
    ),
    FactorChange.RESET_BY_STAFF: (
        "Наш сотрудник отключил второй шаг входа, все сеансы завершены",
        "our staff turned it off and ended all sessions",
    ),
}
FACTOR_CHANGED: Final = ("Изменены настройки входа", "its settings were changed")
FEW_RECOVERY_CODES: Final = 3


def second_factor_changed(session: Session, message: Message, services: Services) -> None:
    """Warn the person of the change."""
    writer = Writer(session, message, services)
    change = writer.event["change"]
    change_ru, change_en = FACTOR_CHANGES.get(change, FACTOR_CHANGED)
    facts = {
        "changed_at": writer.local_time(),
        "change_ru": change_ru,
        "change_en": change_en,
        "by_staff": change == FactorChange.RESET_BY_STAFF,
    }
    writer.notify(writer.event["person_id"], LetterKind.SECOND_FACTOR_CHANGED, facts)


def recovery_code_used(session: Session, message: Message, services: Services) -> None:
    """Tell the person of it, and to get new codes before the last one is used."""
    writer = Writer(session, message, services)
    left = writer.event["left"]
    facts = {"used_at": writer.local_time(), "left": left, "low": left <= FEW_RECOVERY_CODES}
    writer.notify(writer.event["person_id"], LetterKind.RECOVERY_CODE_USED, facts)


def second_factor_guessed(session: Session, message: Message, services: Services) -> None:
    """Warn the person that somebody has the password."""
    writer = Writer(session, message, services)
    facts = {"guessed_at": writer.local_time()}
    writer.notify(writer.event["person_id"], LetterKind.SECOND_FACTOR_GUESSED, facts)
