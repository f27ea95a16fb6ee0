"""What accounts and ledger say: linking, balances, months."""

from __future__ import annotations

ACCOUNTS = {
    "account_not_found": {
        "ru": "Лицевой счёт не найден. Сверьте номер с последней квитанцией.",
        "en": "There is no such personal account. Compare the number with the last bill.",
    },
    "account_not_linked": {
        "ru": "Этого лицевого счёта нет в Вашем кабинете. Выберите один из прикреплённых или "
        "добавьте его на вкладке «Лицевые».",
        "en": "This account is not in your cabinet. Choose one that is linked, or add it under "
        "“Accounts”.",
    },
    "already_linked": {
        "ru": "Этот лицевой счёт уже есть в Вашем кабинете. Откройте его на вкладке «Лицевые».",
        "en": "This account is in your cabinet already. Open it under “Accounts”.",
    },
    "account_limit_reached": {
        "ru": "В кабинете может быть до {limit} лицевых счетов. Отвяжите один из них, чтобы "
        "добавить другой.",
        "en": "A cabinet holds up to {limit} accounts. Unlink one to add another.",
    },
    "last_account_stays": {
        "ru": "В кабинете должен остаться хотя бы один лицевой счёт. Сначала добавьте другой, "
        "потом отвяжите этот.",
        "en": "At least one account stays in the cabinet. Add another one before you unlink this.",
    },
    "link_refused": {
        "ru": "Номер и данные квитанции не сходятся. Сверьте и номер, и сумму или номер "
        "квитанции с последней квитанцией.",
        "en": "The number and the fact of the bill do not belong together. Compare both with the "
        "last bill.",
    },
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
    "invalid_file": {
        "ru": "Файл не читается. Проверьте заголовок и разделители и загрузите его ещё раз.",
        "en": "The file cannot be read. Check its header and separators and load it again.",
    },
    "invalid_row": {
        "ru": "Строка файла не подходит. Исправьте её и загрузите файл ещё раз.",
        "en": "A row of the file is not suitable. Correct it and load the file again.",
    },
    "contract_exists": {
        "ru": "Такой лицевой счёт уже заведён. Измените существующий договор.",
        "en": "This account number is registered already. Amend the contract instead.",
    },
}
