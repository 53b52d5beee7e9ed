-- Receipts that two calls were told: such a receipt opens no report.

ALTER TABLE receipts ADD COLUMN shared BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX receipts_shared ON receipts (line, report) WHERE shared;
