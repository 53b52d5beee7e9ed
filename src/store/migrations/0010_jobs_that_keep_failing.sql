-- No job is given up any more: one that fails is tried again for as long as it is there, and people are told.

-- Recordings that were given up may still be with the provider.
UPDATE recordings SET state = 'announced'
    WHERE state = 'lost' AND id IN (SELECT subject FROM jobs WHERE kind = 'fetch' AND dead = TRUE);
DROP INDEX jobs_by_time;
ALTER TABLE jobs DROP COLUMN dead;

ALTER TABLE jobs ADD COLUMN provider TEXT NOT NULL DEFAULT '';   -- as the configuration names it; a slow one keeps only its own jobs waiting
ALTER TABLE jobs ADD COLUMN failures INTEGER NOT NULL DEFAULT 0; -- tries that failed, one after the other
ALTER TABLE jobs ADD COLUMN reason TEXT;                         -- why the last one failed
ALTER TABLE jobs ADD COLUMN failing_since TIMESTAMPTZ;           -- people are told since this hour
CREATE INDEX jobs_by_time ON jobs (kind, provider, run_after);
CREATE INDEX jobs_by_due ON jobs (run_after);
CREATE INDEX jobs_failing ON jobs (kind) WHERE failing_since IS NOT NULL;
