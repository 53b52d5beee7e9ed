-- Keyed hash of a provider and its id of a recording. `lookup` has the call in it too: two calls may name one recording.
ALTER TABLE recordings ADD COLUMN source BYTEA;
CREATE INDEX recordings_by_source ON recordings (source);
