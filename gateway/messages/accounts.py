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
        "ru": "Номер и код не сходятся. Сверьте и номер лицевого счёта, и проверочный код с "
        "последней квитанцией.",
        "en": "The number and the code do not belong together. Compare both with the last bill.",
    },
    "owner_only": {
        "ru": "Доступ к счёту открывает и закрывает только его владелец. Другого владельца может "
        "отвязать только он сам или наш сотрудник.",
        "en": "Only the owner of the account gives and ends access. Another owner can be unlinked "
        "by himself or by our staff alone.",
    },
    "account_closed": {
        "ru": "Лицевой счёт закрыт. Начисления и платежи по нему можно смотреть как прежде.",
        "en": "The account is closed. Its charges and payments stay readable.",
    },
    "already_invited": {
        "ru": "На этот адрес уже отправлено приглашение. Чтобы отправить новое, отзовите прежнее.",
        "en": "This address has an open invitation already. Withdraw it to send a new one.",
    },
    "invitation_limit_reached": {
        "ru": "Открытых приглашений уже {limit}. Отзовите одно, чтобы отправить другое.",
        "en": "There are {limit} open invitations already. Withdraw one to send another.",
    },
    "access_not_found": {
        "ru": "Этого доступа уже нет. Посмотрите список ещё раз.",
        "en": "There is no such access any more. Look at the list once more.",
    },
    "invitation_not_found": {
        "ru": "Такого приглашения нет. Откройте ссылку из письма целиком.",
        "en": "There is no such invitation. Open the whole link of the e-mail.",
    },
    "invitation_ended": {
        "ru": "Приглашение больше не действует: оно использовано, отозвано или старше недели. "
        "Попросите владельца счёта прислать новое.",
        "en": "The invitation no longer works: it was used, withdrawn, or is older than a week. "
        "Ask the owner of the account for a new one.",
    },
}
