"""Letters: e-mails to people and departments, and their delivery to the mail server."""
