"""Help desk: questions of persons, the departments that answer them, and the answers."""
