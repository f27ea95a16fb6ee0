-- What has had its time is deleted, the oldest first.
CREATE INDEX letters_by_age ON letters (queued_at);
