-- The common subset of SQLite and Postgres. What is in the clear here is all that is in the clear
-- (README, "What is sealed"): ids, line, reference, status, assignee, source, the hour of arrival, padded size.
-- Columns named `sealed`, `wrapped`, `state`, `answer`, `sid`, `payload` hold ciphertext.

CREATE TABLE line_keys (
    id         UUID PRIMARY KEY,
    line       TEXT NOT NULL,
    epoch      INTEGER NOT NULL,
    recipient  TEXT NOT NULL,            -- age1…
    recovery   BYTEA NOT NULL,           -- the private half, sealed to the recovery key
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (line, epoch)
);

CREATE TABLE members (
    id         UUID PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    role       TEXT NOT NULL,            -- lead, inspector, auditor, operator
    recipient  TEXT NOT NULL,
    wrapped    BYTEA NOT NULL,           -- the private half under the password
    totp       BYTEA,                    -- sealed to the member; second factors come later
    disabled   BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE grants (
    line_key   UUID NOT NULL REFERENCES line_keys (id),
    member     UUID NOT NULL REFERENCES members (id),
    sealed     BYTEA NOT NULL,           -- the line's private half, sealed to the member
    PRIMARY KEY (line_key, member)
);

CREATE TABLE sessions (
    hash       BYTEA PRIMARY KEY,        -- SHA-256 of the token
    member     UUID NOT NULL REFERENCES members (id),
    wrapped    BYTEA NOT NULL,           -- the member's private half under the token
    created_at TIMESTAMPTZ NOT NULL,     -- system time, as seen_at
    seen_at    TIMESTAMPTZ NOT NULL
);
CREATE INDEX sessions_by_member ON sessions (member);

-- A report from the answer on; `status` and `reference` come when it becomes one: a row without is a call
-- that runs, or was abandoned.
CREATE TABLE reports (
    id            UUID PRIMARY KEY,
    line          TEXT NOT NULL,
    recipient     TEXT NOT NULL,         -- the report key's public half
    source        TEXT NOT NULL,         -- call, later letter, box, visit, live
    status        TEXT,                  -- queued, claimed, closed
    reference     TEXT,
    assignee      UUID REFERENCES members (id),
    received_hour TIMESTAMPTZ NOT NULL,  -- line time, cut to the hour
    retain_until  TIMESTAMPTZ,
    UNIQUE (line, reference)
);
CREATE INDEX reports_by_line ON reports (line, status);

CREATE TABLE report_numbers (
    line TEXT NOT NULL,
    year INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (line, year)
);

CREATE TABLE report_keys (
    report    UUID NOT NULL REFERENCES reports (id),
    sealed_to UUID NOT NULL,             -- a line key, or a member
    sealed    BYTEA NOT NULL,
    PRIMARY KEY (report, sealed_to)
);

CREATE TABLE entries (
    id     UUID PRIMARY KEY,
    report UUID NOT NULL REFERENCES reports (id),
    seq    INTEGER NOT NULL,             -- order within the report
    kind   TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    UNIQUE (report, seq)
);

CREATE TABLE recordings (
    id      UUID PRIMARY KEY,
    report  UUID NOT NULL REFERENCES reports (id),
    lookup  BYTEA NOT NULL UNIQUE,       -- keyed hash of provider and its id
    sid     BYTEA,                       -- the provider's name and id; erased when it is deleted there
    step    INTEGER NOT NULL,            -- the step that recorded it: the order of speaking
    state   TEXT NOT NULL,               -- announced, sealed, absent, lost
    padded  BIGINT,                      -- padded size in bytes
    sha256  BYTEA,                       -- of the sealed file
    deleted BOOLEAN NOT NULL             -- proven gone at the provider
);
CREATE INDEX recordings_by_report ON recordings (report);

CREATE TABLE calls (
    id      UUID PRIMARY KEY,
    lookup  BYTEA NOT NULL UNIQUE,       -- keyed hash of provider and its id
    line    TEXT NOT NULL,
    report  UUID NOT NULL REFERENCES reports (id),
    sid     BYTEA,                       -- the provider's name and id; erased when the call is settled
    state   BYTEA,                       -- under the call key; erased when the call is settled
    ended   BOOLEAN NOT NULL,
    settled BOOLEAN NOT NULL
);
CREATE INDEX calls_by_report ON calls (report);

CREATE TABLE steps (
    call   UUID NOT NULL REFERENCES calls (id),
    step   INTEGER NOT NULL,
    answer BYTEA NOT NULL,               -- under the call key
    PRIMARY KEY (call, step)
);

-- Recordings of calls nobody knows: kept by their id until they are reconciled.
CREATE TABLE strays (
    lookup BYTEA PRIMARY KEY,
    sid    BYTEA NOT NULL,
    hour   TIMESTAMPTZ NOT NULL
);

CREATE TABLE receipts (
    lookup    BYTEA PRIMARY KEY,
    line      TEXT NOT NULL,
    report    UUID NOT NULL REFERENCES reports (id),
    recipient TEXT NOT NULL              -- replies are sealed to it too
);

CREATE TABLE jobs (
    id          UUID PRIMARY KEY,
    kind        TEXT NOT NULL,
    subject     UUID NOT NULL,           -- a call or a recording
    run_after   TIMESTAMPTZ NOT NULL,    -- system time, as lease_until
    attempts    INTEGER NOT NULL,
    lease       UUID,
    lease_until TIMESTAMPTZ,
    dead        BOOLEAN NOT NULL,
    UNIQUE (kind, subject)
);
CREATE INDEX jobs_by_time ON jobs (dead, run_after);

CREATE TABLE audit (
    line    TEXT NOT NULL,
    seq     BIGINT NOT NULL,
    at      TIMESTAMPTZ NOT NULL,        -- cut to the hour where a caller caused it
    actor   TEXT,
    action  TEXT NOT NULL,
    report  UUID,
    object  UUID,
    digest  BYTEA,                       -- of the sealed thing this link commits to
    detail  TEXT,
    hash    BYTEA NOT NULL,
    PRIMARY KEY (line, seq)
);
CREATE INDEX audit_by_report ON audit (report);

CREATE TABLE audit_heads (
    line TEXT PRIMARY KEY,
    seq  BIGINT NOT NULL,
    hash BYTEA NOT NULL
);
