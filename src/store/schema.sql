-- The tables, for SQLite and Postgres alike. Two types differ, and are put in where the schema is applied:
-- `NUMBERED` is a primary key that the database counts up, in order of arrival; `NUMBER_KEY` is one that refers to such a key.
--
-- Numbers never leave the database: what has an address has a random id besides. They append, so that a webhook changes the
-- last page of each table and index and not a random one. They tell in which order reports arrived; the place of a row on
-- the disk tells that as well.
--
-- What is in the clear here is all that is in the clear (docs/security.md): ids, line, reference, status, assignee,
-- source, the hour of arrival, the order of arrival, padded size. Columns named `sealed`, `wrapped`, `state`, `answer`, `sid`,
-- `outcome` hold ciphertext.
--
-- `mac` and `link` stand beside what says or chooses a key or a right: a MAC under the service secret over the row, and the
-- number of the link of the trail that set it.

CREATE TABLE line_keys (
    id                 UUID PRIMARY KEY,
    line               TEXT NOT NULL,
    epoch              INTEGER NOT NULL,
    recipient          TEXT NOT NULL,     -- age1…
    recovery           BYTEA NOT NULL,    -- the private half, sealed to the recovery key
    recovery_recipient TEXT,              -- the public half of the recovery key
    created_at         TIMESTAMPTZ NOT NULL,
    mac                BYTEA,
    link               BIGINT,
    UNIQUE (line, epoch)
);

CREATE TABLE members (
    id           UUID PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    role         TEXT NOT NULL,            -- lead, inspector, auditor, operator
    recipient    TEXT NOT NULL,
    verifying    BYTEA,                    -- the public half of the key that signs links
    wrapped      BYTEA NOT NULL,           -- the private half under the password
    totp         BYTEA,                    -- sealed to the member; second factors come later
    disabled     BOOLEAN NOT NULL,
    made_by      UUID REFERENCES members (id), -- the member itself: the first lead; none: a recovery key added them
    confirmed_by UUID REFERENCES members (id), -- a member who does not come from the same one
    created_at   TIMESTAMPTZ NOT NULL,
    granted      BIGINT NOT NULL DEFAULT 0, -- how often grants of the member were changed
    mac          BYTEA,
    link         BIGINT
);

-- Lines whose approvals count without a third member, while they have fewer than three.
CREATE TABLE waivers (
    line   TEXT PRIMARY KEY,
    member UUID NOT NULL REFERENCES members (id)
);

CREATE TABLE grants (
    line_key UUID NOT NULL REFERENCES line_keys (id),
    member   UUID NOT NULL REFERENCES members (id),
    sealed   BYTEA NOT NULL,               -- the line's private half, sealed to the member
    mac      BYTEA,
    link     BIGINT,
    PRIMARY KEY (line_key, member)
);
CREATE INDEX grants_by_member ON grants (member);

CREATE TABLE sessions (
    hash       BYTEA PRIMARY KEY,          -- SHA-256 of the token
    member     UUID NOT NULL REFERENCES members (id),
    wrapped    BYTEA NOT NULL,             -- the member's private half under the token
    created_at TIMESTAMPTZ NOT NULL,       -- system time, as seen_at
    seen_at    TIMESTAMPTZ NOT NULL
);
CREATE INDEX sessions_by_member ON sessions (member);

-- Changes of members are shown to a line's leads until they put them away.
CREATE TABLE changes_seen (
    member UUID NOT NULL REFERENCES members (id),
    line   TEXT NOT NULL,
    seq    BIGINT NOT NULL,                -- the last link of the line's trail that was put away
    PRIMARY KEY (member, line)
);

-- A report from the answer on; `status` and its reference (`year` and `number`) come when it becomes one: a row without is a
-- call that runs, or was abandoned.
CREATE TABLE reports (
    n             NUMBERED,
    id            UUID NOT NULL UNIQUE,
    line          TEXT NOT NULL,
    recipient     TEXT NOT NULL,           -- the report key's public half
    source        TEXT NOT NULL,           -- call, later letter, box, visit, live
    status        TEXT,                    -- queued, claimed, closed
    year          INTEGER,
    number        INTEGER,
    assignee      UUID REFERENCES members (id),
    received_hour TIMESTAMPTZ NOT NULL,    -- line time, cut to the hour
    retain_until  TIMESTAMPTZ
);
CREATE UNIQUE INDEX reports_by_reference ON reports (line, year, number) WHERE number IS NOT NULL;
CREATE INDEX reports_by_line ON reports (line, n) WHERE number IS NOT NULL;
CREATE INDEX reports_by_line_and_status ON reports (line, status, n) WHERE number IS NOT NULL;
CREATE INDEX reports_by_status ON reports (status, n) WHERE number IS NOT NULL;
CREATE INDEX reports_by_assignee ON reports (assignee, n) WHERE assignee IS NOT NULL;
CREATE INDEX reports_without_message ON reports (line, n) WHERE number IS NULL;

CREATE TABLE report_numbers (
    line TEXT NOT NULL,
    year INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (line, year)
);

-- How many reports of a line have which status, kept so that no page has to count them.
CREATE TABLE report_counts (
    line   TEXT NOT NULL,
    status TEXT NOT NULL,
    count  BIGINT NOT NULL,
    PRIMARY KEY (line, status)
);

-- A report's private half, sealed to the line key, to a member, or to the recovery key.
CREATE TABLE report_keys (
    report    BIGINT NOT NULL REFERENCES reports (n),
    epoch     INTEGER NOT NULL,
    holder    TEXT NOT NULL,               -- line, member, recovery: what `sealed_to` is the id of
    sealed_to UUID NOT NULL,
    sealed    BYTEA NOT NULL,
    mac       BYTEA,
    link      BIGINT,
    PRIMARY KEY (report, epoch, sealed_to)
);

CREATE TABLE entries (
    n      NUMBERED,                       -- also the order within the report
    id     UUID NOT NULL UNIQUE,
    report BIGINT NOT NULL REFERENCES reports (n),
    kind   TEXT NOT NULL,
    sealed BYTEA NOT NULL
);
CREATE INDEX entries_by_report ON entries (report, n);
CREATE INDEX entries_of_callers ON entries (n) WHERE kind = 'caller';

CREATE TABLE replies (
    entry       UUID PRIMARY KEY REFERENCES entries (id),
    report      BIGINT NOT NULL REFERENCES reports (n),
    author      UUID NOT NULL REFERENCES members (id),
    approved_by UUID REFERENCES members (id)     -- not the author; nobody hears it before
);
CREATE INDEX replies_by_report ON replies (report);

-- Every sealed file. Its object is never changed: what is sealed again is another one.
CREATE TABLE blobs (
    n             NUMBERED,
    id            UUID NOT NULL UNIQUE,
    report        BIGINT NOT NULL REFERENCES reports (n),
    kind          TEXT NOT NULL,           -- recording; scans and packages come later
    state         TEXT NOT NULL,           -- stored; later, at the end of its retention, deleted
    padded        BIGINT NOT NULL,         -- padded size in bytes
    sha256        BYTEA NOT NULL,          -- of the sealed object
    header_sha256 BYTEA NOT NULL,          -- of its age header, with the nonce
    object        UUID NOT NULL UNIQUE     -- `{object}.age` in the store of objects
);
CREATE INDEX blobs_by_report ON blobs (report);

CREATE TABLE recordings (
    n       NUMBERED,
    id      UUID NOT NULL UNIQUE,
    report  BIGINT NOT NULL REFERENCES reports (n),
    lookup  BYTEA NOT NULL UNIQUE,         -- keyed hash of provider, its id, and the call that named it
    source  BYTEA,                         -- keyed hash of provider and its id: two calls may name one recording
    sid     BYTEA,                         -- the provider's name and id; erased when it is deleted there
    step    INTEGER NOT NULL,              -- the step that recorded it: the order of speaking
    state   TEXT NOT NULL,                 -- announced, sealed, absent, lost
    blob    BIGINT REFERENCES blobs (n),   -- when sealed
    outcome BYTEA,                         -- how one that was streamed ended, under the service secret; erased when settled
    deleted BOOLEAN NOT NULL               -- proven gone at the provider
);
CREATE INDEX recordings_by_report ON recordings (report);
CREATE INDEX recordings_by_source ON recordings (source);
CREATE INDEX recordings_by_blob ON recordings (blob) WHERE blob IS NOT NULL;

-- A call, by the number of its report.
CREATE TABLE calls (
    report          NUMBER_KEY REFERENCES reports (n),
    id              UUID NOT NULL UNIQUE,
    lookup          BYTEA NOT NULL UNIQUE, -- keyed hash of provider and its id
    line            TEXT NOT NULL,
    sid             BYTEA,                 -- the provider's name and id; erased when the call is settled
    state           BYTEA,                 -- under the call key; erased when the call is settled
    ended           BOOLEAN NOT NULL,
    settled         BOOLEAN NOT NULL,
    addition_to     BIGINT REFERENCES reports (n), -- the earlier report that it adds to
    addition_from   INTEGER,               -- recordings of this step and later ones stand there,
    addition_offset INTEGER,               -- numbered by their step and this
    addition_entry  UUID,                  -- who called, for the earlier report if anything is added:
    addition_caller BYTEA,                 -- sealed to its key
    added           BOOLEAN NOT NULL,
    at_duty         BOOLEAN NOT NULL,      -- the roster is rung, or one of it speaks with the caller
    accepted_step      INTEGER                -- the step that rang whoever took the call
);
CREATE INDEX calls_by_addition ON calls (addition_to) WHERE addition_to IS NOT NULL;
CREATE INDEX calls_running ON calls (line) WHERE NOT ended;
-- Whether a caller of the queue's reports speaks with the roster: Postgres would read all calls for it.
CREATE INDEX calls_at_duty ON calls (report) WHERE at_duty;
CREATE INDEX calls_with_caller ON calls (report) WHERE addition_caller IS NOT NULL;

CREATE TABLE steps (
    call   BIGINT NOT NULL REFERENCES calls (report),
    step   INTEGER NOT NULL,
    answer BYTEA NOT NULL,                 -- under the call key
    PRIMARY KEY (call, step)
);

-- Recordings whose line is not known, and calls that are over and that no row is of: kept by their id until a job has asked the
-- provider.
CREATE TABLE strays (
    id         UUID PRIMARY KEY,
    lookup     BYTEA NOT NULL UNIQUE,
    sid        BYTEA NOT NULL,             -- the provider's name and id of the recording, or of the call
    call       BYTEA,                      -- the provider's name and id of the recording's call, where it is known
    whole_call BOOLEAN NOT NULL,           -- it is a call: which recordings it has is to be asked
    hour       TIMESTAMPTZ NOT NULL
);

CREATE TABLE receipts (
    lookup    BYTEA PRIMARY KEY,
    line      TEXT NOT NULL,
    report    BIGINT NOT NULL REFERENCES reports (n),
    recipient TEXT NOT NULL,               -- replies are sealed to it too
    shared    BOOLEAN NOT NULL             -- two calls were told it: it opens no report
);
CREATE INDEX receipts_by_report ON receipts (report);
CREATE INDEX receipts_shared ON receipts (line, report) WHERE shared;

CREATE TABLE jobs (
    id            UUID PRIMARY KEY,
    kind          TEXT NOT NULL,
    subject       UUID NOT NULL,           -- a call, a recording or a stray
    provider      TEXT NOT NULL,           -- as the configuration names it; a slow one keeps only its own jobs waiting
    run_after     TIMESTAMPTZ NOT NULL,    -- system time, as lease_until
    attempts      INTEGER NOT NULL,
    lease         UUID,
    lease_until   TIMESTAMPTZ,
    failures      INTEGER NOT NULL DEFAULT 0, -- tries that failed, one after the other
    reason        TEXT,                    -- why the last one failed
    failing_since TIMESTAMPTZ,             -- people are told since this hour
    UNIQUE (kind, subject)
);
CREATE INDEX jobs_by_time ON jobs (kind, provider, run_after);
CREATE INDEX jobs_by_due ON jobs (run_after);
CREATE INDEX jobs_failing ON jobs (kind) WHERE failing_since IS NOT NULL;

-- How many calls came in which hour, and how many of them left no message: what the rows of reports and calls tell,
-- added up, so that no page has to count them.
CREATE TABLE call_hours (
    line            TEXT NOT NULL,
    hour            TIMESTAMPTZ NOT NULL,  -- line time, as reports.received_hour
    answered        BIGINT NOT NULL,
    without_message BIGINT NOT NULL,
    PRIMARY KEY (line, hour)
);
CREATE INDEX call_hours_flooded ON call_hours (hour) WHERE without_message >= 10;

CREATE TABLE audit (
    line      TEXT NOT NULL,
    seq       BIGINT NOT NULL,
    at        TIMESTAMPTZ NOT NULL,        -- cut to the hour where a caller caused it
    actor     TEXT,
    action    TEXT NOT NULL,
    report    BIGINT REFERENCES reports (n),
    object    UUID,
    digest    BYTEA,                       -- of the sealed thing this link commits to
    detail    TEXT,
    hash      BYTEA NOT NULL,
    mac       BYTEA,                       -- of the hash, under the service secret
    signature BYTEA,                       -- of the hash, by the member who caused it
    signer    UUID,
    PRIMARY KEY (line, seq)
);
CREATE INDEX audit_by_report ON audit (report, seq) WHERE report IS NOT NULL;
CREATE INDEX audit_of_members ON audit (at) WHERE action IN ('member_added', 'granted', 'member_disabled',
    'member_enabled', 'member_confirmed', 'confirmation_waived', 'confirmation_required');
CREATE INDEX audit_of_no_report ON audit (line, seq) WHERE report IS NULL;

CREATE TABLE audit_heads (
    line TEXT PRIMARY KEY,
    seq  BIGINT NOT NULL,
    hash BYTEA NOT NULL
);

-- Nodes at work, one row each. `GET /health/ready` writes to its own node's row, to learn whether a commit gets through.
CREATE TABLE nodes (
    id      UUID PRIMARY KEY,              -- drawn when the process starts
    seen_at TIMESTAMPTZ NOT NULL,          -- system time
    filler  BYTEA                          -- random bytes, so that a write needs room
);

-- The installation that `dutyline init` set up: one row.
CREATE TABLE installation (
    only_row  INTEGER PRIMARY KEY CHECK (only_row = 1),
    id        UUID NOT NULL,               -- also in the marker file of the folder of recordings
    key_check BYTEA NOT NULL               -- keyed hash of the id under the service secret
);
