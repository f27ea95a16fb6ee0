"""Texts for the gateway's own codes, for those of ``shared``, and for each kind of error."""

from __future__ import annotations

KINDS = {
    "validation": {
        "ru": "Запрос заполнен неверно. Исправьте данные и отправьте ещё раз.",
        "en": "The request is not filled in correctly. Correct the data and send it again.",
    },
    "not_found": {
        "ru": "Такой записи нет. Проверьте адрес или номер и повторите.",
        "en": "There is no such record. Check the address or the number and try again.",
    },
    "conflict": {
        "ru": "Сейчас это действие невозможно. Обновите страницу и проверьте, что изменилось.",
        "en": "This cannot be done now. Refresh the page and see what has changed.",
    },
    "forbidden": {
        "ru": "Это действие Вам не разрешено. Войдите под своей учётной записью или задайте "
        "вопрос в разделе «Вопрос-Ответ».",
        "en": "You may not do this. Sign in with your own account or ask in “Questions”.",
    },
    "unavailable": {
        "ru": "Эта часть сейчас не отвечает. Повторите через несколько секунд: дважды действие "
        "не выполнится.",
        "en": "This part is not responding at the moment. Try again in a few seconds: nothing "
        "will be done twice.",
    },
    "internal": {
        "ru": "Произошла ошибка на нашей стороне. Повторите через минуту; если не поможет, "
        "сообщите в поддержку номер ошибки.",
        "en": "Something went wrong on our side. Try again in a minute; if that does not help, "
        "give the error number to support.",
    },
}

GATEWAY = {
    "form_outdated": {
        "ru": "Страница устарела. Откройте её заново и повторите: ничего не отправлено.",
        "en": "This page is out of date. Open it again and repeat: nothing has been sent.",
    },
    "form_of_another_site": {
        "ru": "Форма пришла с другого сайта и не принята. Откройте кабинет и заполните её там.",
        "en": "The form came from another site and was not taken. Open the cabinet and fill it in "
        "there.",
    },
    "internal_error": KINDS["internal"],
    "service_unavailable": KINDS["unavailable"],
    "bus_unavailable": KINDS["unavailable"],
    "database_unavailable": KINDS["unavailable"],
    "contended": KINDS["unavailable"],
    "shutting_down": KINDS["unavailable"],
    "page_timed_out": {
        "ru": "Мы не успели ответить. Ваш платёж не потерян: проверьте его в Истории платежей. "
        "Остальное повторите через несколько секунд: дважды ничего не выполнится.",
        "en": "We ran out of time. Your payment is not lost: see the payment history. Repeat "
        "anything else shortly; nothing is done twice.",
    },
    "documents_busy": {
        "ru": "Сейчас составляется слишком много документов. Повторите через несколько секунд.",
        "en": "Too many documents are being made at the moment. Try again in a few seconds.",
    },
    "invalid_request": {
        "ru": "Запрос заполнен неверно. Исправьте поля, перечисленные в errors, и отправьте "
        "ещё раз.",
        "en": "The request is not filled in correctly. Correct the fields listed in errors and "
        "send it again.",
    },
    "json_name_repeated": {
        "ru": "В одном объекте JSON имя «{name}» стоит дважды. Оставьте одно из двух значений.",
        "en": "The name “{name}” stands twice in one JSON object. Leave one of the two values.",
    },
    "malformed_json": {
        "ru": "Тело запроса — не JSON. Отправьте правильный JSON в кодировке UTF-8.",
        "en": "The body is not JSON. Send well-formed JSON in UTF-8.",
    },
    "body_not_json": {
        "ru": "Нужно тело в формате JSON. Отправьте его с заголовком Content-Type: "
        "application/json.",
        "en": "A JSON body is needed. Send it with Content-Type: application/json.",
    },
    "body_not_form": {
        "ru": "Нужна форма. Отправьте параметры с заголовком Content-Type: "
        "application/x-www-form-urlencoded.",
        "en": "A form is needed. Send the parameters with Content-Type: "
        "application/x-www-form-urlencoded.",
    },
    "body_unexpected": {
        "ru": "Этот запрос не принимает тела. Отправьте его без тела.",
        "en": "This request takes no body. Send it without one.",
    },
    "body_too_large": {
        "ru": "Тело запроса больше {limit} байт. Сократите его и отправьте ещё раз.",
        "en": "The body is larger than {limit} bytes. Shorten it and send it again.",
    },
    "body_too_slow": {
        "ru": "Тело запроса не пришло за {seconds} с. Проверьте связь и отправьте ещё раз.",
        "en": "The body did not arrive within {seconds} s. Check the connection and send it again.",
    },
    "body_broken_off": {
        "ru": "Тело запроса пришло не целиком. Проверьте связь и отправьте ещё раз.",
        "en": "The body did not arrive in full. Check the connection and send it again.",
    },
    "chunk_malformed": {
        "ru": "Тело запроса разбито на части неверно. Отправьте его ещё раз, лучше с заголовком "
        "Content-Length.",
        "en": "The chunks of the body are malformed. Send it again, best with Content-Length.",
    },
    "malformed_request": {
        "ru": "Это не запрос HTTP/1.1. Проверьте первую строку, заголовки (один Host обязателен) и "
        "концы строк CRLF.",
        "en": "This is not a request of HTTP/1.1. Check the request line, the headers (one Host is "
        "required) and the line ends, CRLF.",
    },
    "http_version_unsupported": {
        "ru": "Такая версия HTTP не принимается. Отправьте запрос по HTTP/1.1.",
        "en": "This version of HTTP is not supported. Send the request by HTTP/1.1.",
    },
    "target_too_long": {
        "ru": "Адрес длиннее {limit} байт. Сократите его и отправьте ещё раз.",
        "en": "The address is longer than {limit} bytes. Shorten it and send it again.",
    },
    "headers_too_large": {
        "ru": "Заголовков слишком много или они слишком длинные. Допустимо {number} заголовков, "
        "вместе {limit} байт.",
        "en": "There are too many headers, or they are too long. Send at most {number}, together "
        "{limit} bytes.",
    },
    "head_too_slow": {
        "ru": "Заголовки запроса не пришли за {seconds} с. Проверьте связь и отправьте ещё раз.",
        "en": "The headers did not arrive within {seconds} s. Check the connection and send it "
        "again.",
    },
    "framing_ambiguous": {
        "ru": "Длина тела указана неверно или дважды. Оставьте один Content-Length или одно "
        "Transfer-Encoding: chunked.",
        "en": "The length of the body is wrong, or given twice. Send one Content-Length or one "
        "Transfer-Encoding: chunked.",
    },
    "transfer_coding_unsupported": {
        "ru": "Такое Transfer-Encoding не поддерживается. Отправьте тело с Content-Length или с "
        "Transfer-Encoding: chunked.",
        "en": "This Transfer-Encoding is not supported. Send the body with Content-Length or with "
        "Transfer-Encoding: chunked.",
    },
    "parameters_unusable": {
        "ru": "Параметры не удалось прочитать. Проверьте их число, длину и кодировку.",
        "en": "The parameters could not be read. Check how many they are, their length and "
        "encoding.",
    },
    "parameter_repeated": {
        "ru": "Параметр указан несколько раз. Укажите каждый параметр один раз.",
        "en": "A parameter is repeated. Give every parameter once.",
    },
    "events_not_granted": {
        "ru": "Эти события подписчику не открыты. Запросите открытые ему или обратитесь к "
        "оператору.",
        "en": "The subscriber has no grant for these events. Ask for those that it has, or ask the "
        "operator for a grant.",
    },
    "events_unknown": {
        "ru": "Такого источника или такого события нет. Их список — на странице /api/events.",
        "en": "There is no such service, or no such type of event. The page /api/events lists "
        "them.",
    },
    "position_not_in_log": {
        "ru": "Этой позиции в журнале нет: его конец утрачен. Отмените у себя события после "
        "позиции {fork} и читайте с неё (/api/v1/events/epochs).",
        "en": "The log has lost its end, this position with it. Undo your events after position "
        "{fork}, and continue there (/api/v1/events/epochs).",
    },
    "log_not_confirmed": {
        "ru": "Журнал ещё сверяется после перезапуска базы данных. Повторите запрос через "
        "несколько секунд.",
        "en": "The log is still being compared after a restart of its database. Try again in a few "
        "seconds.",
    },
    "two_beginnings": {
        "ru": "Указано несколько мест, с которых начать. Оставьте одно из after, position и since.",
        "en": "There are several places to begin at. Leave one of after, position and since.",
    },
    "too_many_reads": {
        "ru": "Подписчик читает слишком часто. Повторите через {retry_after_seconds} с.",
        "en": "The subscriber reads too often. Try again in {retry_after_seconds} s.",
    },
    "too_many_waits": {
        "ru": "Подписчик уже ждёт событий в нескольких запросах. Дождитесь их ответа.",
        "en": "The subscriber waits for events in several requests already. Let them be answered "
        "first.",
    },
    "events_busy": {
        "ru": "Слишком много подписчиков ждёт событий. Повторите через несколько секунд или без "
        "wait.",
        "en": "Too many subscribers wait for events. Try again in a few seconds, or without wait.",
    },
    "invalid_cursor": {
        "ru": "Указатель страницы не подходит. Возьмите next из предыдущей страницы этого же "
        "списка или начните сначала.",
        "en": "The cursor does not belong here. Use `next` of the previous page of the same "
        "list, or start again.",
    },
    "path_not_found": {
        "ru": "Такого адреса нет. Описание адресов — в /api/v1/openapi.json.",
        "en": "There is no such address. The addresses are described in /api/v1/openapi.json.",
    },
    "method_not_allowed": {
        "ru": "Этот адрес не принимает такой метод. Допустимые методы — в заголовке Allow.",
        "en": "This address does not take that method. The header Allow lists those it takes.",
    },
    "idempotency_key_required": {
        "ru": "Нужен заголовок Idempotency-Key. Выберите новый ключ для нового действия и "
        "повторяйте его при повторной отправке.",
        "en": "The header Idempotency-Key is needed. Choose a new key for a new action, and "
        "repeat it when you send the same again.",
    },
    "idempotency_key_invalid": {
        "ru": "Ключ Idempotency-Key не подходит. Укажите от 1 до 200 печатаемых знаков.",
        "en": "The Idempotency-Key is not valid. Give 1 to 200 printable characters.",
    },
    "command_reused": {
        "ru": "Этот Idempotency-Key уже использован для другого запроса. Для нового действия "
        "выберите новый ключ.",
        "en": "This Idempotency-Key was used for another request. Choose a new key for a new "
        "action.",
    },
    "not_signed_in": {
        "ru": "Вход не выполнен или сеанс завершён. Войдите в личный кабинет ещё раз.",
        "en": "You are not signed in, or the session has ended. Sign in again.",
    },
    "password_change_required": {
        "ru": "Временный пароль нужно сменить. Задайте свой пароль — до этого остальные разделы "
        "закрыты.",
        "en": "The temporary password must be changed. Choose a password of your own: nothing "
        "else opens before that.",
    },
    "acceptance_required": {
        "ru": "Вышла новая редакция правил или согласия. Прочитайте её и примите — до этого "
        "остальные разделы закрыты.",
        "en": "There is a new version of the rules or of the consent. Read and accept it: nothing "
        "else opens before that.",
    },
}
