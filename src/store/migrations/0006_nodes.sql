-- Nodes at work, one row each. `GET /health/ready` writes to its own node's row, to learn whether a commit gets through.
CREATE TABLE nodes (
    id      UUID PRIMARY KEY,            -- drawn when the process starts
    seen_at TIMESTAMPTZ NOT NULL,        -- system time
    filler  BYTEA                        -- random bytes, so that a write needs room
);
