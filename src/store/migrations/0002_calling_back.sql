-- Calling back with a receipt: what is added stands in the earlier report, what is answered is heard by whoever calls back.

ALTER TABLE calls ADD COLUMN addition_to     UUID REFERENCES reports (id); -- the earlier report
ALTER TABLE calls ADD COLUMN addition_from   INTEGER;  -- recordings of this step and later ones stand there,
ALTER TABLE calls ADD COLUMN addition_offset INTEGER;  -- numbered by their step and this
ALTER TABLE calls ADD COLUMN addition_entry  UUID;     -- who called, for the earlier report if anything is added:
ALTER TABLE calls ADD COLUMN addition_caller BYTEA;    -- sealed to its key
ALTER TABLE calls ADD COLUMN added BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX calls_by_addition ON calls (addition_to);
CREATE INDEX receipts_by_report ON receipts (report);

CREATE TABLE replies (
    entry       UUID PRIMARY KEY REFERENCES entries (id),
    report      UUID NOT NULL REFERENCES reports (id),
    author      UUID NOT NULL REFERENCES members (id),
    approved_by UUID REFERENCES members (id)     -- not the author; nobody hears it before
);
CREATE INDEX replies_by_report ON replies (report);
