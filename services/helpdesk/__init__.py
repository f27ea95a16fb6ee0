"""The help desk: questions of persons, departments, and answers."""
