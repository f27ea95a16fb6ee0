-- What staff must do about a lost event, in their language. Run by the migrator as the owner.

ALTER TABLE lost_events ADD COLUMN advice_values jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN lost_events.advice IS 'What staff must do about the event: an English sentence, with named places where advice_values has values.';
COMMENT ON COLUMN lost_events.advice_values IS 'The values of the places of advice, by name.';
