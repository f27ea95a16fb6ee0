"""Texts for the codes of second factors."""

from __future__ import annotations

SECOND_FACTOR = {
    "second_factor_required": {
        "ru": "Пароль верный, нужен второй шаг. Подтвердите вход ключом доступа, кодом из "
        "приложения или кодом восстановления.",
        "en": "The password is right, a second step is needed. Confirm with a passkey, a code of "
        "the app, or a recovery code.",
    },
    "second_factor_setup_required": {
        "ru": "В этом кабинете второй шаг входа обязателен, а он ещё не включён. Добавьте ключ "
        "доступа или включите коды из приложения.",
        "en": "This cabinet requires a second factor, and there is none yet. Add a passkey or an "
        "authenticator app.",
    },
    "reauthentication_required": {
        "ru": "Перед этим изменением нужен второй шаг входа. Подтвердите его ключом доступа, "
        "кодом из приложения или кодом восстановления и повторите.",
        "en": "This change needs the second step first. Confirm with a passkey, a code of the app, "
        "or a recovery code, then repeat it.",
    },
    "challenge_expired": {
        "ru": "Время или попытки вышли, либо это уже сделано. Начните сначала.",
        "en": "The time or the attempts are over, or it is done already. Begin again.",
    },
    "wrong_second_factor": {
        "ru": "Код не подходит (осталось попыток: {attempts_left}). Дождитесь в приложении "
        "следующего: каждый код действует полминуты и один раз.",
        "en": "The code is wrong ({attempts_left} attempts left). Wait for the next one in the "
        "app: each code holds for half a minute, and once.",
    },
    "second_factor_guessed": {
        "ru": "Слишком много неверных кодов после верного пароля. Войдите ключом доступа или с "
        "устройства, где Вы уже входили, или обратитесь в организацию, которая обслуживает Ваш "
        "счёт.",
        "en": "Too many wrong codes followed the right password. Use a passkey or a device that is "
        "known here, or ask the operator of your account.",
    },
    "passkey_refused": {
        "ru": "Этот ключ не подошёл: он от другого кабинета, удалён здесь или не проверил, что "
        "это Вы. Выберите другой ключ или войдите с паролем.",
        "en": "This passkey does not fit: it was removed here, or did not verify that it is you. "
        "Choose another one, or use the password.",
    },
    "passkey_known": {
        "ru": "На этом устройстве уже есть ключ от Вашего кабинета. Добавьте ключ с другого "
        "устройства.",
        "en": "This device has a passkey of your cabinet already. Add one of another device.",
    },
    "passkey_not_found": {
        "ru": "Такого ключа нет: возможно, он уже удалён. Откройте «Безопасность» ещё раз.",
        "en": "There is no such passkey: it may have been removed. Open “Security” again.",
    },
    "passkeys_unavailable": {
        "ru": "Ключи доступа здесь не работают: у кабинета нет имени с HTTPS, а к числовому "
        "адресу ключ не привязать. Включите коды из приложения.",
        "en": "Passkeys do not work here: the cabinet has no host name with HTTPS, and an IP "
        "address cannot have passkeys. Set up an authenticator app.",
    },
    "too_many_passkeys": {
        "ru": "Ключей уже {most}, больше нельзя. Удалите тот, которым не пользуетесь.",
        "en": "There are {most} passkeys already, and no more fit. Remove one that you do not use.",
    },
    "totp_enabled": {
        "ru": "Коды из приложения уже включены. Чтобы сменить приложение, сначала выключите их.",
        "en": "An authenticator app is set up already. To change it, remove it first.",
    },
    "totp_not_enabled": {
        "ru": "Коды из приложения уже выключены. Откройте «Безопасность» ещё раз.",
        "en": "No authenticator app is set up. Open “Security” again.",
    },
    "second_factor_missing": {
        "ru": "Второго шага входа нет, и заменять кодам нечего. Сначала добавьте ключ доступа или "
        "включите коды из приложения.",
        "en": "There is no second factor for recovery codes to stand in for. Add a passkey or an "
        "authenticator app first.",
    },
}
