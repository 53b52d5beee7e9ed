-- The tables, for both SQLite and Postgres. Two types differ, and are replaced when the schema is applied:
-- `NUMBERED` is a primary key that the database counts up, in order of arrival; `NUMBER_KEY` is one that refers to such a key.
--
-- Numbers never leave the database: rows with an address also have a random id. They append: a webhook changes the
-- last page of each table and index, not a random one. They show the order in which reports arrived, as does a row's place
-- on the disk.
--
-- Everything that is stored unencrypted is in these tables (docs/security.md): ids, line, reference, status, assignee,
-- source, hour of arrival, order of arrival, padded size. Columns named `sealed`, `wrapped`, `state`, `answer`, `sid`,
-- `outcome` hold ciphertext.
--
-- `mac` is in rows that hold or choose a key or a right: a MAC of those columns under the service secret, without which
-- the row is refused (src/vault/proof.rs, and `Proven` beside each table's statements). `link` is the number of the link
-- of the service's chain that set the row; its name in `audit` is `*`.

CREATE TABLE line_keys (
    id                 UUID PRIMARY KEY,
    line               TEXT NOT NULL,
    epoch              INTEGER NOT NULL,
    recipient          TEXT NOT NULL,     -- age1…
    recovery           BYTEA NOT NULL,    -- the private half, sealed to the recovery key
    recovery_recipient TEXT NOT NULL,     -- the public half of the recovery key
    recovery_verifying TEXT NOT NULL,     -- dutykey1…, the public half of its signing key
    created_at         TIMESTAMPTZ NOT NULL,
    mac                BYTEA,
    link               BIGINT,
    UNIQUE (line, epoch)
);

CREATE TABLE members (
    id           UUID PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    role         TEXT NOT NULL,            -- lead, inspector, auditor, operator, security_admin
    recipient    TEXT NOT NULL,
    verifying    TEXT NOT NULL,            -- dutykey1…, the public half of the key that signs links
    wrapped      BYTEA NOT NULL,           -- the private half, encrypted under the password
    totp         BYTEA,                    -- sealed to the member; second factors come later
    disabled     BOOLEAN NOT NULL,
    made_by      UUID REFERENCES members (id), -- the first lead: their own id; NULL: added with a recovery key
    confirmed_by UUID REFERENCES members (id), -- a member who was not added by the same one
    created_at   TIMESTAMPTZ NOT NULL,
    granted      BIGINT NOT NULL DEFAULT 0, -- number of changes of the member's grants
    mac          BYTEA,
    link         BIGINT
);

-- Lines whose approvals count without a third member, while they have fewer than three members.
CREATE TABLE waivers (
    line   TEXT PRIMARY KEY,
    member UUID NOT NULL REFERENCES members (id),
    mac    BYTEA,
    link   BIGINT
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
    wrapped    BYTEA NOT NULL,             -- the member's private half, encrypted under the token
    created_at TIMESTAMPTZ NOT NULL,       -- system time, as seen_at
    seen_at    TIMESTAMPTZ NOT NULL,
    proved_at  TIMESTAMPTZ NOT NULL,       -- system time at which the password was given last
    mac        BYTEA
);
CREATE INDEX sessions_by_member ON sessions (member);

-- Changes of members are shown to each of a line's leads until that lead puts them away.
CREATE TABLE changes_seen (
    member UUID NOT NULL REFERENCES members (id),
    line   TEXT NOT NULL,
    seq    BIGINT NOT NULL,                -- the last link of the line's trail that was put away
    PRIMARY KEY (member, line)
);

-- Made when a call is answered. `status` and the reference (`year`, `number`) are set when it becomes a report: a row
-- without them is a call that runs, or was abandoned.
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
    retain_until  TIMESTAMPTZ,
    mac           BYTEA
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

-- Number of reports by line and status, kept so that no page has to count them.
CREATE TABLE report_counts (
    line   TEXT NOT NULL,
    status TEXT NOT NULL,
    count  BIGINT NOT NULL,
    PRIMARY KEY (line, status)
);

-- A report's private half, sealed to the line key, to a member, or to the recovery key. While the reports of a line are
-- sealed to its next key, a report has a row for each of the two.
CREATE TABLE report_keys (
    report    BIGINT NOT NULL REFERENCES reports (n),
    epoch     INTEGER NOT NULL,
    holder    TEXT NOT NULL,               -- line, member, recovery: the kind of key that `sealed_to` is the id of
    sealed_to UUID NOT NULL,
    sealed    BYTEA NOT NULL,
    path      BYTEA,                       -- if it was sealed again: its Merkle path to the digest of the link `link`,
    mac       BYTEA,
    link      BIGINT,                      -- which is in the line's trail
    PRIMARY KEY (report, epoch, sealed_to)
);
CREATE INDEX report_keys_by_holder ON report_keys (sealed_to, report);

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
    approved_by UUID REFERENCES members (id),    -- not the author; until it is set, no caller hears the reply
    mac         BYTEA
);
CREATE INDEX replies_by_report ON replies (report);

-- Sealed files. An object is never changed: sealing again makes another object.
CREATE TABLE blobs (
    n             NUMBERED,
    id            UUID NOT NULL UNIQUE,
    report        BIGINT NOT NULL REFERENCES reports (n),
    kind          TEXT NOT NULL,           -- recording; scans and packages come later
    state         TEXT NOT NULL,           -- stored; later, at the end of its retention, deleted
    padded        BIGINT NOT NULL,         -- padded size in bytes
    sha256        BYTEA NOT NULL,          -- of the sealed object
    header_sha256 BYTEA NOT NULL,          -- of its age header, with the nonce
    object        UUID NOT NULL UNIQUE,    -- `{object}.age` in the folder of recordings
    mac           BYTEA
);
CREATE INDEX blobs_by_report ON blobs (report);

CREATE TABLE recordings (
    n       NUMBERED,
    id      UUID NOT NULL UNIQUE,
    report  BIGINT NOT NULL REFERENCES reports (n),
    lookup  BYTEA NOT NULL UNIQUE,         -- keyed hash of the provider, its id, and the call that named it
    source  BYTEA NOT NULL,                -- keyed hash of the provider and its id: two calls may name one recording
    sid     BYTEA,                         -- the provider's name and its id; erased when deleted there or given up
    step    INTEGER NOT NULL,              -- the step that recorded it, which is the order of speaking
    state   TEXT NOT NULL,                 -- announced, sealed, absent, lost
    blob    BIGINT REFERENCES blobs (n),   -- when sealed
    outcome BYTEA,                         -- of a streamed recording, under the service secret; erased with `sid`
    deleted BOOLEAN NOT NULL,              -- proven to be gone at the provider
    mac     BYTEA
);
CREATE INDEX recordings_by_report ON recordings (report);
CREATE INDEX recordings_by_source ON recordings (source);
CREATE INDEX recordings_by_blob ON recordings (blob) WHERE blob IS NOT NULL;

-- Calls. The key is the number of the call's report.
CREATE TABLE calls (
    report          NUMBER_KEY REFERENCES reports (n),
    id              UUID NOT NULL UNIQUE,
    lookup          BYTEA NOT NULL UNIQUE, -- keyed hash of the provider and its id
    line            TEXT NOT NULL,
    sid             BYTEA,                 -- the provider's name and its id; erased when the call is settled
    state           BYTEA,                 -- under the call key; erased when the call is settled
    ended           BOOLEAN NOT NULL,
    settled         BOOLEAN NOT NULL,
    addition_to     BIGINT REFERENCES reports (n), -- the earlier report that it adds to
    addition_from   INTEGER,               -- recordings of this step and later ones belong to it,
    addition_offset INTEGER,               -- with their step plus this as their number
    addition_entry  UUID,                  -- the entry with the caller, for the earlier report if anything is added:
    addition_caller BYTEA,                 -- its id and its content, sealed to that report's key
    addition_mac    BYTEA,                 -- the MAC of these two
    added           BOOLEAN NOT NULL,
    at_duty         BOOLEAN NOT NULL,      -- the roster is rung, or a member of it speaks with the caller
    accepted_step   INTEGER,               -- the step that rang the duty inspector who accepted the call
    mac             BYTEA
);
CREATE INDEX calls_by_addition ON calls (addition_to) WHERE addition_to IS NOT NULL;
CREATE INDEX calls_running ON calls (line) WHERE NOT ended;
-- For whether the caller of a report speaks with the roster: without it Postgres would read all calls.
CREATE INDEX calls_at_duty ON calls (report) WHERE at_duty;
CREATE INDEX calls_with_caller ON calls (report) WHERE addition_caller IS NOT NULL;

CREATE TABLE steps (
    call   BIGINT NOT NULL REFERENCES calls (report),
    step   INTEGER NOT NULL,
    answer BYTEA NOT NULL,                 -- under the call key
    PRIMARY KEY (call, step)
);

-- Recordings whose line is not known, and ended calls without a row in `calls`: kept until a job has asked the
-- provider.
CREATE TABLE strays (
    id         UUID PRIMARY KEY,
    lookup     BYTEA NOT NULL UNIQUE,
    sid        BYTEA NOT NULL,             -- the provider's name and its id of the recording, or of the call
    call       BYTEA,                      -- the provider's name and its id of the recording's call, if it is known
    whole_call BOOLEAN NOT NULL,           -- true: a call whose recordings are to be asked for
    hour       TIMESTAMPTZ NOT NULL,
    mac        BYTEA
);

CREATE TABLE receipts (
    lookup    BYTEA PRIMARY KEY,
    line      TEXT NOT NULL,
    report    BIGINT NOT NULL REFERENCES reports (n),
    recipient TEXT NOT NULL,               -- replies are sealed to this key too
    shared    BOOLEAN NOT NULL,            -- two callers were told it: it opens no report
    mac       BYTEA
);
CREATE INDEX receipts_by_report ON receipts (report);
CREATE INDEX receipts_shared ON receipts (line, report) WHERE shared;

CREATE TABLE jobs (
    id            UUID PRIMARY KEY,
    kind          TEXT NOT NULL,
    subject       UUID NOT NULL,           -- a call, a recording or a stray
    provider      TEXT NOT NULL,           -- as named in the configuration; a slow one delays only its own jobs
    run_after     TIMESTAMPTZ NOT NULL,    -- system time, as lease_until
    attempts      INTEGER NOT NULL,
    lease         UUID,
    lease_until   TIMESTAMPTZ,
    failures      INTEGER NOT NULL DEFAULT 0, -- failed tries in a row
    reason        TEXT,                    -- why the last one failed
    failing_since TIMESTAMPTZ,             -- reported as failing since this hour
    UNIQUE (kind, subject)
);
CREATE INDEX jobs_by_time ON jobs (kind, provider, run_after);
CREATE INDEX jobs_by_due ON jobs (run_after);
CREATE INDEX jobs_failing ON jobs (kind) WHERE failing_since IS NOT NULL;

-- Number of calls by line and hour, and how many of them left no message: sums over the rows of reports and calls,
-- kept so that no page has to count them.
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
    at        TIMESTAMPTZ NOT NULL,        -- cut to the hour if a caller caused it
    actor     TEXT,
    action    TEXT NOT NULL,
    report    BIGINT REFERENCES reports (n),
    object    UUID,
    digest    BYTEA,                       -- of the sealed data that the link commits to
    detail    TEXT,
    hash      BYTEA NOT NULL,
    mac       BYTEA,                       -- of the hash, under the service secret
    signature BYTEA,                       -- over the hash, by the member who caused it
    signer    UUID,                        -- the member, or the line key whose recovery key has signed
    PRIMARY KEY (line, seq)
);
CREATE INDEX audit_by_report ON audit (report, seq) WHERE report IS NOT NULL;
CREATE INDEX audit_of_members ON audit (at) WHERE action IN ('member_added', 'granted', 'member_disabled',
    'member_enabled', 'member_confirmed', 'taken_off', 'confirmation_waived', 'confirmation_required', 'recovery_renewed',
    'export_opened');
CREATE INDEX audit_of_no_report ON audit (line, seq) WHERE report IS NULL;

CREATE TABLE audit_heads (
    line TEXT PRIMARY KEY,
    seq  BIGINT NOT NULL,
    hash BYTEA NOT NULL
);

-- Running nodes, one row each. `GET /health/ready` writes to its own node's row, to learn whether a commit succeeds.
CREATE TABLE nodes (
    id      UUID PRIMARY KEY,              -- drawn when the process starts
    seen_at TIMESTAMPTZ NOT NULL,          -- system time
    filler  BYTEA                          -- random bytes, so that a write needs space
);

-- The installation that `dutyline init` set up: a single row.
CREATE TABLE installation (
    only_row  INTEGER PRIMARY KEY CHECK (only_row = 1),
    id        UUID NOT NULL,               -- also in the marker file of the folder of recordings
    key_check BYTEA NOT NULL               -- keyed hash of the id under the service secret
);
