"""Texts for the codes of accounts, and for an account that the ledger does not have."""

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
}
