-- Recordings that are streamed to us: nobody but us knows what became of one.

-- How it ended, how long it is and whether anybody spoke, under the service secret; erased when the call is settled.
ALTER TABLE recordings ADD COLUMN outcome BYTEA;
