"""The mail catcher: takes every letter that the installation sends, delivers none.

``python -m deploy.mailcatcher`` listens where SALDO_SMTP_URL points, keeps each letter in the
Maildir SALDO_MAIL_DIR, and shows them at SALDO_MAILBOX_URL. For demos and tests only.
"""
