-- migrate: expand
-- Up to where the imports of the ledger's further books have been looked at; the first one's is in
-- noted_imports.
CREATE TABLE noted_imports_of_books (
    book     text   PRIMARY KEY,
    position bigint NOT NULL
);
