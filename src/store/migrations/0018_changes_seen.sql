-- Changes of members are shown to a line's leads until they put them away.

CREATE TABLE changes_seen (
    member UUID NOT NULL REFERENCES members (id),
    line   TEXT NOT NULL,
    seq    BIGINT NOT NULL,              -- the last link of the line's trail that was put away
    PRIMARY KEY (member, line)
);
-- These links name no report; most others do.
CREATE INDEX audit_of_no_report ON audit (line, seq) WHERE report IS NULL;
