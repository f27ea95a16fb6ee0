"""Texts for the codes of helpdesk: questions and topics."""

from __future__ import annotations

HELPDESK = {
    "unknown_topic": {
        "ru": "Такой темы нет. Выберите тему из списка.",
        "en": "There is no such topic. Choose one from the list.",
    },
    "unknown_line": {
        "ru": "Такой строки в счёте за этот месяц нет. Выберите её в начислениях.",
        "en": "There is no such line in the bill of this month. Choose it in the charges.",
    },
    "invalid_text": {
        "ru": "Текст не подходит. Напишите от 1 до {max_length} знаков.",
        "en": "The text is not valid. Write 1 to {max_length} characters.",
    },
    "too_many_questions": {
        "ru": "За сутки можно задать не более {limit} вопросов. Допишите в уже заданный вопрос "
        "или вернитесь завтра.",
        "en": "At most {limit} questions can be asked within a day. Add to a question that you "
        "have asked, or come back tomorrow.",
    },
    "too_many_messages": {
        "ru": "За сутки можно отправить не более {limit} сообщений. Вернитесь завтра.",
        "en": "At most {limit} messages can be sent within a day. Write again tomorrow.",
    },
    "attachment_broken": {
        "ru": "Файл повреждён: он обрывается. Выберите другой.",
        "en": "The file is damaged: its end is missing. Choose another one.",
    },
    "attachment_empty": {
        "ru": "Файл пустой. Выберите другой.",
        "en": "The file is empty. Choose another one.",
    },
    "attachment_infected": {
        "ru": "В файле найден вирус, и он не сохранён. Проверьте своё устройство и выберите "
        "другой файл.",
        "en": "The file contains a virus and was not kept. Check your device, and choose another "
        "file.",
    },
    "attachment_unchecked": {
        "ru": "Файл сейчас нечем проверить на вирусы, поэтому он не принят. Отправьте без файла "
        "или вернитесь через час.",
        "en": "The file cannot be checked for viruses now, so it was not taken. Send without it, "
        "or come back in an hour.",
    },
    "attachment_incomplete": {
        "ru": "Файл пришёл не весь. Отправьте его ещё раз.",
        "en": "Not all of the file came. Send it again.",
    },
    "part_differs": {
        "ru": "Файл изменился, пока отправлялся. Отправьте его ещё раз.",
        "en": "The file changed while it was sent. Send it again.",
    },
    "part_malformed": {
        "ru": "Часть файла не прочитать. Отправьте файл ещё раз.",
        "en": "A part of the file cannot be read. Send the file again.",
    },
    "part_out_of_order": {
        "ru": "Части файла пришли не по порядку. Отправьте файл ещё раз.",
        "en": "The parts of the file came out of order. Send the file again.",
    },
    "too_many_attachments": {
        "ru": "К одному сообщению можно приложить не более {most} файлов. Остальные пришлите "
        "следующим.",
        "en": "At most {most} files can be attached to one message. Send the others with the "
        "next one.",
    },
    "attachment_kind": {
        "ru": "Такие файлы не принимаются. Пришлите снимок или рисунок (PNG, JPEG, WebP, GIF, "
        "HEIC) или PDF.",
        "en": "Files of this kind are not taken. Send a picture (PNG, JPEG, WebP, GIF, HEIC) or "
        "a PDF.",
    },
    "attachment_not_found": {
        "ru": "Такого файла здесь нет. Откройте вопрос и выберите файл из него.",
        "en": "There is no such file here. Open the question and choose a file of it.",
    },
    "attachment_too_large": {
        "ru": "Файл больше 5 МБ. Уменьшите его или пришлите часть.",
        "en": "The file is larger than 5 MB. Make it smaller, or send a part of it.",
    },
    "attachment_unknown": {
        "ru": "Приложенного файла здесь больше нет: он хранится сутки и уходит с одним "
        "сообщением. Приложите его ещё раз.",
        "en": "The attached file is not here any more: it is kept for a day, and goes with one "
        "message. Attach it again.",
    },
    "too_many_attachments_today": {
        "ru": "За сутки можно приложить не более {limit} файлов. Отправьте без файла или "
        "вернитесь завтра.",
        "en": "At most {limit} files can be attached within a day. Send it without the file, or "
        "come back tomorrow.",
    },
    "uploads_unavailable": {
        "ru": "Файлы сейчас не принимаются и не открываются. Отправьте без файла или вернитесь "
        "через час.",
        "en": "Files cannot be taken or opened at the moment. Send it without the file, or come "
        "back in an hour.",
    },
    "uploads_busy": {
        "ru": "Сейчас приходит слишком много файлов. Повторите через минуту.",
        "en": "Too many files are arriving at the moment. Try again in a minute.",
    },
    "question_not_found": {
        "ru": "Такого вопроса среди Ваших нет. Выберите вопрос из списка.",
        "en": "There is no such question among yours. Choose one from the list.",
    },
    "question_exists": {
        "ru": "Этот вопрос уже задан. Допишите сообщение в него.",
        "en": "This question has been asked already. Add a message to it.",
    },
}
