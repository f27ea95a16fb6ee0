"""The mail catcher: accepts every letter that the installation sends, and delivers none.

``python -m deploy.doubles.mailcatcher`` listens at SALDO_SMTP_URL, keeps each letter in the Maildir
SALDO_MAIL_DIR, and shows them at SALDO_MAILBOX_URL. For demos and tests only.
"""
