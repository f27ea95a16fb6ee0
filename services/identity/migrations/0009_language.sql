-- The language of a person's letters, and of the last one.

ALTER TABLE persons ADD COLUMN language text NOT NULL DEFAULT 'ru' CHECK (language IN ('ru', 'en'));
ALTER TABLE farewells
    ADD COLUMN language text NOT NULL DEFAULT 'ru' CHECK (language IN ('ru', 'en'));
