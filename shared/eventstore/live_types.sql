-- Base column of every service, added after live.sql. Of an installation that is upgraded nobody has
-- counted the types yet: the next event of each says 0, which no reader takes for a gap.

ALTER TABLE live ADD COLUMN types jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN live.types IS 'The position of the last event of each type that subscribers were sent.';
