-- How many lost events were never published. Run by the migrator as the owner.

ALTER TABLE lost_events ADD COLUMN predecessor bigint;
COMMENT ON COLUMN lost_events.predecessor IS 'The position of the published event before it, as its message says: the positions between are of events that were never published. NULL: not kept, or not to be believed.';
