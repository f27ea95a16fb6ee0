"""Remote procedure calls between services, each with a deadline: :mod:`client`, :mod:`server`."""
