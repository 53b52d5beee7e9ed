-- The installation that `dutyline init` set up: one row.
CREATE TABLE installation (
    only_row  INTEGER PRIMARY KEY CHECK (only_row = 1),
    id        UUID NOT NULL,             -- also in the marker file of the folder of recordings
    key_check BYTEA NOT NULL             -- keyed hash of the id under the service secret
);
