"""django-hordak in an environment of its own: neither it nor Django is a part of Saldo."""
