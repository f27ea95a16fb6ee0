"""Letters: what the house tells people by e-mail, and whether it arrived at the mail server."""
