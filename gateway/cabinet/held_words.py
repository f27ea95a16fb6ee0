"""Titles for what is held about a person, by the names that services use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Text = Callable[[str], str]
"""Translates a Russian text."""


def titled(held: Any, text: Text) -> Any:
    """Return what is held with a title in the place of each name that has one."""
    return _titled(held, titles(text))


def titles(text: Text) -> dict[str, str]:
    """Return the titles of services, and of all that they hold."""
    return {
        **_of_services(text),
        **_of_identity(text),
        **_of_accounts(text),
        **_of_payments(text),
        **_of_questions_and_letters(text),
    }


def _titled(held: Any, names: Mapping[str, str]) -> Any:
    if isinstance(held, Mapping):
        return {names.get(name, name): _titled(value, names) for name, value in held.items()}
    return [_titled(each, names) for each in held] if isinstance(held, list) else held


def _of_services(text: Text) -> dict[str, str]:
    return {
        "identity": text("Кабинет"),
        "accounts": text("Лицевые счета"),
        "payments": text("Платежи"),
        "helpdesk": text("Вопросы и ответы"),
        "notifications": text("Уведомления"),
    }


def _of_identity(text: Text) -> dict[str, str]:
    return {
        "profile": text("О Вас"),
        "person_type": text("Вид: физическое лицо (individual) или организация (organisation)"),
        "email": text("Электронная почта"),
        "language": text("Язык писем: русский (ru) или английский (en)"),
        "organisation": text("Организация"),
        "name": text("Название"),
        "inn": text("ИНН"),
        "kpp": text("КПП"),
        "full_name": text("Фамилия, имя, отчество"),
        "phone": text("Телефон"),
        "entered": text("Что Вы о себе указывали и когда"),
        "networks": text("Сети, из которых Вы входили"),
        "support_codes": text("Коды страниц с ошибкой"),
        "code": text("Код"),
        "acceptances": text("Согласия и принятые правила"),
        "rules_version": text("Редакция правил"),
        "consent_version": text("Редакция согласия"),
        "accepted_at": text("Когда принято"),
        "network_address": text("С какого сетевого адреса"),
        "sessions": text("Где выполнен вход"),
        "device": text("Устройство"),
        "created_at": text("Начало"),
        "last_seen_at": text("Последнее обращение"),
        "expires_at": text("Действует до"),
        "devices": text("Устройства, с которых Вы входили"),
        "first_seen_at": text("Первый вход"),
        "second_factors": text("Второй шаг входа"),
        "passkeys": text("Ключи доступа"),
        "passkey_id": text("Номер ключа"),
        "added_at": text("Когда добавлен"),
        "last_used_at": text("Когда использован"),
        "totp": text("Коды из приложения"),
        "recovery_codes": text("Коды восстановления"),
        "left": text("Осталось"),
        "issued_at": text("Когда выданы"),
        "security_log": text("Журнал безопасности"),
        "at": text("Когда"),
        "by": text("Кто: Вы (person), сотрудник (staff) или система (service)"),
        "action": text("Что произошло"),
        "about": text("О чём"),
    }


def _of_accounts(text: Text) -> dict[str, str]:
    return {
        "linked": text("Привязанные счета"),
        "invitations": text("Приглашения, которые Вы отправили"),
        "number": text("Номер"),
        "address": text("Адрес"),
        "holder": text("Плательщик"),
        "residents": text("Проживают"),
        "total_area": text("Общая площадь, м²"),
        "living_area": text("Жилая площадь, м²"),
        "heated_area": text("Отапливаемая площадь, м²"),
        "els": text("Единый лицевой счёт"),
        "linked_at": text("Когда привязан"),
        "account": text("Лицевой счёт"),
        "role": text("Доступ: владелец (owner), плательщик (payer) или просмотр (viewer)"),
        "since": text("С какого дня"),
        "until": text("По какой день"),
        "state": text("Состояние"),
        "services": text("Услуги"),
        "payee": text("Получатель платежей"),
        "attempts": text("Попытки привязать счёт"),
        "purpose": text("Для чего"),
        "outcome": text("Чем закончилось"),
    }


def _of_payments(text: Text) -> dict[str, str]:
    return {
        "payment_id": text("Номер платежа"),
        "total": text("Сумма, копеек"),
        "lines": text("По лицевым счетам"),
        "amount": text("Начисления, копеек"),
        "penalty": text("Пени, копеек"),
        "posted": text("Учтено в расчётах"),
        "refunded": text("Возвращено, копеек"),
        "moved_to": text("Перенесено на счёт"),
        "captured_at": text("Когда списано"),
        "masked_card": text("Карта"),
        "failure": text("Почему не прошёл"),
        "acquirer": text("Банк"),
        "refunds": text("Возвраты"),
        "refund_id": text("Номер возврата"),
        "cause": text("Причина"),
        "requested_at": text("Когда запрошен"),
        "returned_at": text("Когда возвращён"),
        "charged": text("Списано банком, копеек"),
        "next_check_at": text("Когда спросим банк"),
        "closes_at": text("Когда закроется заказ"),
        "redirect_url": text("Страница оплаты"),
    }


def _of_questions_and_letters(text: Text) -> dict[str, str]:
    return {
        "questions": text("Вопросы"),
        "topic": text("Тема"),
        "asked_at": text("Когда задан"),
        "due_on": text("Срок ответа"),
        "dispute": text("Строка счёта, с которой Вы не согласны"),
        "period": text("Месяц"),
        "service": text("Услуга"),
        "messages": text("Сообщения"),
        "author": text("Автор: Вы (person), сотрудник (staff) или кабинет (system)"),
        "text": text("Текст"),
        "question_id": text("Номер вопроса для адреса"),
        "attachments": text("Приложенные файлы"),
        "attachment_id": text("Номер файла"),
        "media_type": text("Вид файла"),
        "size": text("Размер, байт"),
        "sha256": text("Контрольная сумма (SHA-256)"),
        "download": text("Где скачать"),
        "letters": text("Отправленные Вам письма"),
        "letter_id": text("Номер письма"),
        "kind": text("Вид письма"),
        "queued_at": text("Когда написано"),
        "sent_at": text("Когда отправлено"),
        "reason": text("Почему не отправлено"),
        "choices": text("Какие письма Вы выбрали"),
        "wanted": text("Присылать"),
        "chosen_at": text("Когда выбрано"),
    }
