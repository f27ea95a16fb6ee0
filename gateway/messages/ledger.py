"""What the ledger says: bills, corrections and their approval, penalties, files, the seal."""

from __future__ import annotations

_BILLS = {
    "account_exists": {
        "ru": "Этот лицевой счёт уже открыт. Пользуйтесь открытым счётом.",
        "en": "This account is open already. Use the one that is open.",
    },
    "period_charged": {
        "ru": "Начисления за {period} уже проведены. Проведите перерасчёт.",
        "en": "The charges of {period} are posted already. Post an adjustment instead.",
    },
    "invalid_charges": {
        "ru": "Строки начислений не сходятся. Проверьте: к оплате = начислено + перерасчёт − "
        "льгота, каждая услуга одной строкой.",
        "en": "The lines of the bill do not add up. Check that payable = charged + recalculation "
        "- privilege, with one line for each service.",
    },
    "invalid_amount": {
        "ru": "Сумма не подходит. Укажите положительную сумму в копейках.",
        "en": "The amount is not suitable. Give a positive sum in kopecks.",
    },
}

_CORRECTIONS = {}

_PENALTIES = {
    "invalid_day": {
        "ru": "Этот день не подходит. Проверьте год и число и укажите другой день.",
        "en": "This day is not suitable. Check its year and date, and give another.",
    },
    "invalid_period": {
        "ru": "Это не месяц. Укажите его так: 2026-03.",
        "en": "This is no month. Write it like 2026-03.",
    },
    "no_due_day": {
        "ru": "В правилах пеней нет срока оплаты за {period}. Добавьте его в правила или укажите "
        "срок сами.",
        "en": "The penalty rules name no due day for {period}. Add it to the rules, or name a due "
        "date.",
    },
    "no_key_rate": {
        "ru": "На {day} нет ключевой ставки, поэтому пени не рассчитать. Выберите другой день или "
        "задайте вопрос в разделе «Вопрос-Ответ».",
        "en": "There is no key rate for {day}, so that the penalty cannot be calculated. Choose "
        "another day, or ask in “Questions”.",
    },
    "no_penalty_rule": {
        "ru": "Для просрочки с {day} нет правила, поэтому пени не рассчитать. Задайте вопрос в "
        "разделе «Вопрос-Ответ».",
        "en": "There is no rule for a delay from {day}, so that the penalty cannot be calculated. "
        "Ask in “Questions”.",
    },
    "unknown_charge": {
        "ru": "Оплата отнесена к начислению, которого нет. Укажите одно из начислений.",
        "en": "The payment is for a charge that does not exist. Name one of the charges.",
    },
    "credit_exceeds_charge": {
        "ru": "Оплата больше остатка своего начисления. Уменьшите её или отнесите остальное к "
        "другому начислению.",
        "en": "The payment is more than what is open of its charge. Lower it, or put the rest to "
        "another charge.",
    },
}

_FILES = {
    "invalid_file": {
        "ru": "Файл не читается. Проверьте заголовок и разделители и загрузите его ещё раз.",
        "en": "The file cannot be read. Check its header and separators and load it again.",
    },
    "invalid_row": {
        "ru": "Строка файла не подходит. Исправьте её и загрузите файл ещё раз.",
        "en": "A row of the file is not suitable. Correct it and load the file again.",
    },
}

_SEAL = {
    "nothing_to_seal": {
        "ru": "Журнал пуст: запечатывать нечего. Вернитесь, когда в нём появятся записи.",
        "en": "The log is empty: there is nothing to seal. Come back when it has entries.",
    },
    "event_not_found": {
        "ru": "Такой записи в журнале нет. Проверьте её номер.",
        "en": "The log has no such entry. Check its position.",
    },
    "checkpoint_not_found": {
        "ru": "Такой контрольной точки нет. Выберите её из списка.",
        "en": "There is no such checkpoint. Choose one of the list.",
    },
    "not_sealed_yet": {
        "ru": "Запись ещё не запечатана. Повторите через минуту.",
        "en": "The entry is not sealed yet. Ask again in a minute.",
    },
}

LEDGER = {**_BILLS, **_CORRECTIONS, **_PENALTIES, **_FILES, **_SEAL}
