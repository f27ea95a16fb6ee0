"""django-hordak in its own environment; neither it nor Django is a dependency of Saldo."""
