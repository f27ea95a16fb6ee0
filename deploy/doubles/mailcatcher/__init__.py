"""The mail catcher: takes every letter that the installation sends, and delivers none.

``python -m deploy.doubles.mailcatcher`` listens at SALDO_SMTP_URL, keeps each letter in the Maildir
SALDO_MAIL_DIR, and shows them at SALDO_MAILBOX_URL. It fails as mail servers do where a fault is
switched on (``faults.py``), and writes reports of bounced letters into the Maildir of
SALDO_BOUNCES_DIR. For demos and tests only.
"""
