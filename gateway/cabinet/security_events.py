"""The security log of a person, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.cabinet.visit import Visit


def what_happened(visit: Visit, entry: Mapping[str, Any]) -> str:
    """Return an entry of the security log in words."""
    text, about = visit.text, str(entry["about"])
    factor = {
        "passkey": text("ключ доступа"),
        "totp": text("коды из приложения"),
        "recovery_codes": text("коды восстановления"),
    }.get(about, about)
    words = {
        "signed_in": text("Вход в кабинет"),
        "signed_in_from_new_device": text("Вход с нового устройства"),
        "session_ended": text("Сеанс завершён"),
        "sessions_ended": text("Сотрудник завершил все сеансы")
        if entry["by"] == "staff"
        else text("Все другие сеансы завершены"),
        "second_step_taken": text("Второй шаг пройден ещё раз"),
        "password_changed": text("Пароль сменён"),
        "password_reset": text("Пароль задан по ссылке из письма"),
        "email_change_requested": text("Запрошена смена адреса почты"),
        "email_changed": text("Адрес почты сменён"),
        "email_change_refused": text("Смена адреса почты отклонена"),
        "email_change_cancelled": text("Смена адреса почты отменена"),
        "access_restored": text("Сотрудник начал восстановление доступа"),
        "factor_added": text("Второй шаг входа: добавлено") + f" — {factor}",
        "factor_removed": text("Второй шаг входа: удалено") + f" — {factor}",
        "second_factor_reset": text("Сотрудник отключил второй шаг входа"),
        "recovery_code_used": text("Использован код восстановления"),
        "second_factor_guessed": text("Пароль верный, но коды второго шага не подошли"),
        "unblocked": text("Сотрудник снял ограничение попыток входа"),
        "letter_resent": text("Сотрудник отправил Вам письмо ещё раз"),
        "person_shown": text("Сотрудник открывал Ваши данные"),
        "exported": text("Выгружены Ваши данные"),
    }
    return words.get(str(entry["action"]), text("Другое событие"))
