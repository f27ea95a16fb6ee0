-- Erased persons, as owners of files: a form that was open at the erasure sends none any more.
CREATE TABLE erased_owners (owner text PRIMARY KEY);
